//! Text that must not be printed.

use std::fmt;

use zeroize::optimization_barrier;

/// A secret held in memory: never shown by `Debug`, wiped on drop, compared in constant time.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Takes ownership of `text`.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The secret itself. Callers hand it to a signer or a comparison, never to a formatter.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Compares without telling by its duration how much of `candidate` is right (its length is not hidden).
    pub fn matches(&self, candidate: &[u8]) -> bool {
        subtle::ConstantTimeEq::ct_eq(self.0.as_bytes(), candidate).into()
    }
}

impl Drop for Secret {
    /// As `Zeroize` does for a `String`, which takes it byte by byte: every request has a token, of about a kilobyte.
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.0).into_bytes();
        bytes.resize(bytes.capacity(), 0);
        bytes.fill(0);
        optimization_barrier(bytes.as_slice());
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_the_text() {
        let secret = Secret::new("hunter2".to_owned());
        assert_eq!(format!("{secret:?}"), "[redacted]");
        assert!(secret.matches(b"hunter2") && !secret.matches(b"hunter3") && !secret.matches(b"hunter"));
    }
}
