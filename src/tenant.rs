//! The tenant identifier.
//!
//! One syntax serves the header, the token's claim, ARN templates, session tags, cache keys and metric labels:
//! `[A-Za-z0-9][A-Za-z0-9._-]{1,63}` without `..`. Nothing in it means anything to IAM (`*`, `?`, `${`), to a path
//! (`/`, `..`), to a header list (`,`) or to a template (`{`), so a well-formed id cannot widen what it is put into.
//!
//! A [`TenantId`] is *well-formed*, not *trusted*: trust is [`VerifiedTenant`](crate::identity::VerifiedTenant).

use std::{fmt, str::FromStr, sync::Arc};

/// A well-formed tenant id. Equality is exact, byte for byte; there is no case folding and no normalisation.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TenantId(Arc<str>);

impl TenantId {
    /// Shortest id, in bytes.
    pub const MIN_LEN: usize = 2;
    /// Longest id, in bytes.
    pub const MAX_LEN: usize = 64;

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `byte` may stand in an id after its first position.
    ///
    /// A template that puts such a byte right after `{tenant.id}` is ambiguous: `acme-` also begins `acme-eu-`.
    pub const fn is_id_byte(byte: u8) -> bool {
        byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
    }
}

impl FromStr for TenantId {
    type Err = InvalidTenantId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = text.as_bytes();
        if !(Self::MIN_LEN..=Self::MAX_LEN).contains(&bytes.len()) {
            return Err(InvalidTenantId::Length);
        }
        if !bytes[0].is_ascii_alphanumeric() || !bytes.iter().all(|b| Self::is_id_byte(*b)) {
            return Err(InvalidTenantId::Character);
        }
        if text.contains("..") {
            return Err(InvalidTenantId::DoubleDot);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TenantId({})", self.0)
    }
}

/// Why a text is not a tenant id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTenantId {
    /// A byte outside `[A-Za-z0-9._-]`, or a first byte that is no letter or digit.
    #[error("a tenant id consists of A-Z a-z 0-9 . _ - and starts with a letter or digit")]
    Character,
    /// `..` inside.
    #[error("a tenant id does not contain '..'")]
    DoubleDot,
    /// Shorter than [`TenantId::MIN_LEN`] or longer than [`TenantId::MAX_LEN`].
    #[error("a tenant id is 2 to 64 characters long")]
    Length,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_the_documented_alphabet() {
        for id in ["ab", "acme", "Acme-EU_1.2", "0a", &"x".repeat(64)] {
            assert_eq!(id.parse::<TenantId>().map(|t| t.to_string()), Ok(id.to_owned()));
        }
    }

    #[test]
    fn refuses_everything_that_could_mean_something_elsewhere() {
        for id in [
            "",
            "a",
            "-acme",
            ".acme",
            "_acme",
            "a..b",
            "ac me",
            "acme/",
            "acme*",
            "acme?",
            "${x}",
            "{x}",
            "acme,b",
            "acmé",
            "acme\n",
            "acme\0",
            "acme%2f",
            "acme\u{200b}",
            "аcme",
            &"x".repeat(65),
        ] {
            assert!(id.parse::<TenantId>().is_err(), "{id:?} was accepted");
        }
    }

    #[test]
    fn look_alikes_are_different_tenants() {
        let id = |s: &str| s.parse::<TenantId>().unwrap();
        assert_ne!(id("acme"), id("Acme"));
        assert_ne!(id("acme"), id("acme."));
        assert_ne!(id("acme-1"), id("acme_1"));
    }
}
