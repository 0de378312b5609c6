//! A caller's own token, kept beside what it proved.
//!
//! Only where the configuration has a plan that asks STS with it (`assume_role_with_web_identity`, `token: {caller: {}}`), and for no
//! longer than the proof lives: for a request, or, since the application may call AWS while it serves the request, for as
//! long as the passport that was made for it. It is never among the remembered tokens, in a log, or in what is sealed, and is
//! wiped when the last holder goes.

use std::time::SystemTime;

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};

use crate::secret::Secret;

/// A token whose signature and claims are good.
#[derive(Debug)]
pub struct CallerToken {
    text: Secret,
    claims: [u8; SHA256_OUTPUT_LEN],
    ends: SystemTime,
}

impl CallerToken {
    /// Keeps `text`, a JWT in compact form, which was verified and says that it ends at `ends`.
    pub(super) fn keep(text: &Secret, ends: SystemTime) -> Self {
        let mut claims = [0; SHA256_OUTPUT_LEN];
        let payload = text.expose().split('.').nth(1).unwrap_or_default();
        claims.copy_from_slice(digest(&SHA256, payload.as_bytes()).as_ref());
        Self { text: text.clone(), claims, ends }
    }

    /// For STS, and nobody else.
    pub fn text(&self) -> &Secret {
        &self.text
    }

    /// Digest of what it says: the same for two tokens only if every claim is.
    pub fn claims(&self) -> &[u8; SHA256_OUTPUT_LEN] {
        &self.claims
    }

    /// Its `exp`. The leeway that is given to it here is not given by AWS.
    pub fn ends(&self) -> SystemTime {
        self.ends
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_told_apart_and_signatures_are_not() {
        let keep = |text: &str| CallerToken::keep(&Secret::new(text.to_owned()), SystemTime::UNIX_EPOCH);
        assert_eq!(keep("h.claims.s1").claims(), keep("h2.claims.s2").claims());
        assert_ne!(keep("h.claims.s1").claims(), keep("h.claimz.s1").claims());
        assert!(!format!("{:?}", keep("h.claims.hunter2")).contains("hunter2"));
    }
}
