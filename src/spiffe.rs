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
/// A segment of a pattern that is any.
const ANY: &str = "*";
/// Which part of an id the trust domain is, between slashes.
const DOMAIN: usize = 2;

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

/// Ids by their segments: `spiffe://prod/ns/a/sa/b` is one, `spiffe://prod/ns/*/sa/b` has any one segment in that place, and
/// `spiffe://prod/ns/a/*` is everything below a path, one segment or more. The trust domain is always said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpiffePattern(String);

impl SpiffePattern {
    /// Whether `id` is meant.
    pub fn matches(&self, id: &SpiffeId) -> bool {
        let (mut wanted, is_open) = self.segments();
        let mut own = id.0.split('/');
        let fits = wanted.all(|wanted| own.next().is_some_and(|own| wanted == ANY || wanted == own));
        fits && own.next().is_some() == is_open
    }

    /// Whether some id is meant by both.
    pub fn overlaps(&self, other: &Self) -> bool {
        let ((one, one_is_open), (other, other_is_open)) = (self.segments(), other.segments());
        let (length, other_length) = (one.clone().count(), other.clone().count());
        let lengths_meet = match (one_is_open, other_is_open) {
            (true, true) => true,
            (true, false) => other_length > length,
            (false, true) => length > other_length,
            (false, false) => length == other_length,
        };
        lengths_meet && one.zip(other).all(|(one, other)| one == other || one == ANY || other == ANY)
    }

    /// The segments that an id has to have, and whether more have to follow. Scheme and trust domain come first, as an id has them.
    fn segments(&self) -> (std::str::Split<'_, char>, bool) {
        match self.0.strip_suffix("/*") {
            Some(fixed) => (fixed.split('/'), true),
            None => (self.0.split('/'), false),
        }
    }
}

impl FromStr for SpiffePattern {
    type Err = SpiffeError;

    fn from_str(text: &str) -> Result<Self, SpiffeError> {
        // Whatever can stand for `*` makes an id of it if one thing does.
        let instance: Vec<_> = text.split('/').enumerate().map(|(at, part)| if at > DOMAIN && part == ANY { "x" } else { part }).collect();
        SpiffeId::from_str(&instance.join("/"))?;
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for SpiffePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
        for bad in [
            "spiffe://*",
            "spiffe://*/a",
            "spiffe://*/*",
            "*//prod/a",
            "spiffe:*prod/a",
            "spiffe://prod/a*",
            "spiffe://prod/*a/b",
            "spiffe://prod/**",
            "spiffe://prod//*",
            "spiffe://prod/*/",
            "spiffe://prod/*/../a",
            "*",
            "/*",
        ] {
            assert!(bad.parse::<SpiffePattern>().is_err(), "{bad}");
        }
        for text in ["spiffe://prod/a", "spiffe://prod/a/*", "spiffe://prod/*/a/*"] {
            assert_eq!(text.parse::<SpiffePattern>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn any_segment_is_one_inside_and_one_or_more_at_the_end() {
        let matches = |pattern: &str, id: &str| pattern.parse::<SpiffePattern>().unwrap().matches(&id.parse().unwrap());
        let service = "spiffe://prod/ns/*/sa/b";
        assert!(matches(service, "spiffe://prod/ns/a/sa/b") && matches(service, "spiffe://prod/ns/sa/sa/b"));
        for other in [
            "spiffe://prod/ns/sa/b",
            "spiffe://prod/ns/a/c/sa/b",
            "spiffe://prod/ns/a/sa/b/c",
            "spiffe://prod/ns/a/sa/c",
            "spiffe://prod/ns/a/sa",
            "spiffe://other/ns/a/sa/b",
        ] {
            assert!(!matches(service, other), "{other}");
        }
        let below = "spiffe://prod/*/sa/*";
        assert!(matches(below, "spiffe://prod/a/sa/b") && matches(below, "spiffe://prod/a/sa/b/c"));
        assert!(!matches(below, "spiffe://prod/a/sa") && !matches(below, "spiffe://prod/sa/b"));
    }

    proptest! {
        /// Over a small alphabet all ids can be tried; one segment longer than any pattern stands for all that are longer still.
        #[test]
        fn overlap_is_what_trying_every_id_finds(one in "(/(a|b|[*])){1,3}", other in "(/(a|b|[*])){1,3}") {
            let parse = |path: &str| format!("spiffe://p{path}").parse::<SpiffePattern>().unwrap();
            let (one, other) = (parse(&one), parse(&other));
            let mut ids = vec!["spiffe://p".to_owned()];
            let mut is_meant_by_both = false;
            for _ in 0..4 {
                ids = ids.iter().flat_map(|id| ["a", "b", "z"].map(|next| format!("{id}/{next}"))).collect();
                is_meant_by_both |= ids.iter().map(|id| id.parse().unwrap()).any(|id| one.matches(&id) && other.matches(&id));
            }
            prop_assert_eq!(one.overlaps(&other), is_meant_by_both);
            prop_assert_eq!(other.overlaps(&one), is_meant_by_both);
        }
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
            ("spiffe://p/*/b", "spiffe://p/a/*", true),
            ("spiffe://p/*/b", "spiffe://p/a/c", false),
            ("spiffe://p/*/b", "spiffe://p/a/b/*", false),
        ] {
            let (a, b): (SpiffePattern, SpiffePattern) = (one.parse().unwrap(), other.parse().unwrap());
            assert_eq!((a.overlaps(&b), b.overlaps(&a)), (expected, expected), "{one} {other}");
        }
    }
}
