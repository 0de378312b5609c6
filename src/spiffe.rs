//! Names of workloads: SPIFFE ids, and patterns over them.
//!
//! The syntax is that of the [SPIFFE-ID standard](https://spiffe.io/docs/latest/spiffe-specs/spiffe-id/), in one spelling:
//! lower case where the standard allows either, so that ids can be compared byte for byte.

use std::{fmt, str::FromStr};

/// Longest id, in bytes (SPIFFE-ID, section 2.3).
const MAX_ID: usize = 2048;
/// Longest trust domain, in bytes (SPIFFE-ID, section 2.1).
const MAX_TRUST_DOMAIN: usize = 255;
const SCHEME: &str = "spiffe://";

/// `spiffe://trust-domain/path`, with a path: an id without one names a trust domain, and is nobody's own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SpiffeId(String);

impl SpiffeId {
    /// The id as it stands in certificates.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a text is no SPIFFE id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SpiffeError {
    /// Longer than the standard has them.
    #[error("is longer than {MAX_ID} bytes")]
    Long,
    /// A path segment that is empty, `.` or `..`, or has a character outside `[A-Za-z0-9._-]`.
    #[error("has a path that is none: segments of letters, digits, '.', '_' and '-', none of them empty, \".\" or \"..\"")]
    Path,
    /// Not a URI of this kind.
    #[error("does not begin with spiffe://")]
    Scheme,
    /// A trust domain with a port, a user, capitals, or none at all.
    #[error("has a trust domain that is none: lower-case letters, digits, '.', '_' and '-'")]
    TrustDomain,
}

impl FromStr for SpiffeId {
    type Err = SpiffeError;

    fn from_str(text: &str) -> Result<Self, SpiffeError> {
        if text.len() > MAX_ID {
            return Err(SpiffeError::Long);
        }
        let rest = text.strip_prefix(SCHEME).ok_or(SpiffeError::Scheme)?;
        let (domain, path) = rest.split_once('/').ok_or(SpiffeError::Path)?;
        let in_domain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-');
        if domain.is_empty() || domain.len() > MAX_TRUST_DOMAIN || !domain.bytes().all(in_domain) {
            return Err(SpiffeError::TrustDomain);
        }
        let in_segment = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let is_segment = |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(in_segment);
        if !path.split('/').all(is_segment) {
            return Err(SpiffeError::Path);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One id, or everything below a path: `spiffe://prod/ns/a/*`. The only `*` is the last segment, and stands for one or more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SpiffePattern {
    /// Exactly this one.
    Exactly(SpiffeId),
    /// What begins with this, which ends with `/`.
    Below(String),
}

impl SpiffePattern {
    /// Whether `id` is meant.
    pub fn matches(&self, id: &SpiffeId) -> bool {
        match self {
            Self::Exactly(own) => own == id,
            // Something follows the slash: ids do not end with one.
            Self::Below(start) => id.0.starts_with(start.as_str()),
        }
    }

    /// Whether some id is meant by both.
    pub fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Exactly(one), other) => other.matches(one),
            (one, Self::Exactly(other)) => one.matches(other),
            (Self::Below(one), Self::Below(other)) => one.starts_with(other.as_str()) || other.starts_with(one.as_str()),
        }
    }
}

impl FromStr for SpiffePattern {
    type Err = SpiffeError;

    fn from_str(text: &str) -> Result<Self, SpiffeError> {
        let Some(start) = text.strip_suffix("/*") else { return text.parse().map(Self::Exactly) };
        // Whatever can be below it is an id if one thing is.
        SpiffeId::from_str(&format!("{start}/x"))?;
        Ok(Self::Below(format!("{start}/")))
    }
}

impl fmt::Display for SpiffePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(id) => id.fmt(f),
            Self::Below(start) => write!(f, "{start}*"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_of_the_standard() {
        for good in ["spiffe://prod/ns/a/sa/b", "spiffe://prod.example.com/9eebccd2-12bf-40a6", "spiffe://a_b-c.d/A..b/..c/..."] {
            assert_eq!(good.parse::<SpiffeId>().map(|id| id.to_string()), Ok(good.to_owned()));
        }
        for (bad, why) in [
            ("", SpiffeError::Scheme),
            ("https://prod/a", SpiffeError::Scheme),
            ("SPIFFE://prod/a", SpiffeError::Scheme),
            ("spiffe:/prod/a", SpiffeError::Scheme),
            ("spiffe://prod", SpiffeError::Path),
            ("spiffe://prod/", SpiffeError::Path),
            ("spiffe://prod//a", SpiffeError::Path),
            ("spiffe://prod/a/", SpiffeError::Path),
            ("spiffe://prod/a/../b", SpiffeError::Path),
            ("spiffe://prod/./b", SpiffeError::Path),
            ("spiffe://prod/a%2fb", SpiffeError::Path),
            ("spiffe://prod/a?b", SpiffeError::Path),
            ("spiffe://prod/a#b", SpiffeError::Path),
            ("spiffe://prod/a\n", SpiffeError::Path),
            ("spiffe://prod/*", SpiffeError::Path),
            ("spiffe:///a", SpiffeError::TrustDomain),
            ("spiffe://Prod/a", SpiffeError::TrustDomain),
            ("spiffe://prod:443/a", SpiffeError::TrustDomain),
            ("spiffe://user@prod/a", SpiffeError::TrustDomain),
            ("spiffe://pr\u{f6}d/a", SpiffeError::TrustDomain),
        ] {
            assert_eq!(bad.parse::<SpiffeId>(), Err(why), "{bad:?}");
        }
        let long = |length: usize| format!("spiffe://prod/{}", "a".repeat(length - "spiffe://prod/".len()));
        assert!(long(2048).parse::<SpiffeId>().is_ok());
        assert_eq!(long(2049).parse::<SpiffeId>(), Err(SpiffeError::Long));
        assert!(format!("spiffe://{}/a", "d".repeat(255)).parse::<SpiffeId>().is_ok());
        assert_eq!(format!("spiffe://{}/a", "d".repeat(256)).parse::<SpiffeId>(), Err(SpiffeError::TrustDomain));
    }

    #[test]
    fn a_pattern_means_one_id_or_what_is_below() {
        let matches = |pattern: &str, id: &str| pattern.parse::<SpiffePattern>().unwrap().matches(&id.parse().unwrap());
        assert!(matches("spiffe://prod/ns/a/sa/b", "spiffe://prod/ns/a/sa/b"));
        assert!(!matches("spiffe://prod/ns/a/sa/b", "spiffe://prod/ns/a/sa/bb"));
        assert!(matches("spiffe://prod/ns/a/*", "spiffe://prod/ns/a/sa/b"));
        assert!(matches("spiffe://prod/ns/a/*", "spiffe://prod/ns/a/sa"));
        assert!(!matches("spiffe://prod/ns/a/*", "spiffe://prod/ns/a"));
        assert!(!matches("spiffe://prod/ns/a/*", "spiffe://prod/ns/ab/sa"));
        assert!(matches("spiffe://prod/*", "spiffe://prod/x"));
        assert!(!matches("spiffe://prod/*", "spiffe://prod.evil/x"));
        for bad in
            ["spiffe://*", "spiffe://*/a", "spiffe://prod/*/a", "spiffe://prod/a*", "spiffe://prod/**", "spiffe://prod//*", "*", "/*"]
        {
            assert!(bad.parse::<SpiffePattern>().is_err(), "{bad}");
        }
        assert_eq!("spiffe://prod/a/*".parse::<SpiffePattern>().unwrap().to_string(), "spiffe://prod/a/*");
    }

    #[test]
    fn patterns_overlap_where_an_id_is_meant_by_both() {
        for (one, other, expected) in [
            ("spiffe://p/a", "spiffe://p/a", true),
            ("spiffe://p/a", "spiffe://p/b", false),
            ("spiffe://p/a/*", "spiffe://p/a/b", true),
            ("spiffe://p/a/*", "spiffe://p/a", false),
            ("spiffe://p/a/*", "spiffe://p/a/b/*", true),
            ("spiffe://p/a/*", "spiffe://p/ab/*", false),
            ("spiffe://p/*", "spiffe://q/*", false),
        ] {
            let (a, b): (SpiffePattern, SpiffePattern) = (one.parse().unwrap(), other.parse().unwrap());
            assert_eq!((a.overlaps(&b), b.overlaps(&a)), (expected, expected), "{one} {other}");
        }
    }
}
