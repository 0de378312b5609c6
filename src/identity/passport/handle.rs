//! What a passport looks like: 256 random bits in base64.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use zeroize::Zeroize;

use super::PREFIX;

const BYTES: usize = 32;

/// A passport's value. To have it is to have the authority.
#[derive(PartialEq, Eq, PartialOrd, Ord, Hash, Clone, Copy)]
pub(super) struct Handle([u8; BYTES]);

/// What is kept of a handle that has ended: enough to know it again, and nothing to be redeemed with.
#[derive(Debug, PartialEq, Eq, Hash, Clone, Copy)]
pub(super) struct Digest([u8; 16]);

impl Handle {
    /// A new one; `None` when the system has no randomness.
    pub(super) fn random() -> Option<Self> {
        let mut bytes = [0; BYTES];
        getrandom::fill(&mut bytes).ok()?;
        let handle = Self(bytes);
        bytes.zeroize();
        Some(handle)
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
        Some(Self(bytes.try_into().ok()?))
    }

    pub(super) fn text(&self) -> String {
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(self.0))
    }

    pub(super) fn digest(&self) -> Digest {
        let whole = digest(&SHA256, &self.0);
        let mut half = [0; 16];
        half.copy_from_slice(&whole.as_ref()[..16]);
        Digest(half)
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handle([redacted])")
    }
}
