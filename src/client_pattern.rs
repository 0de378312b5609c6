//! Which client certificates are meant, as a rule says it.

use std::fmt;

use crate::{server::ClientCertificate, spiffe::SpiffePattern};

/// Longest host name, in bytes (RFC 1035, section 2.3.4).
const MAX_NAME: usize = 253;
const ANY_LABEL: &str = "*.";

/// Matches clients by one part of what their verified certificates say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientPattern {
    /// By a DNS name among the certificate's.
    Dns(DnsPattern),
    /// By SPIFFE id.
    Spiffe(SpiffePattern),
    /// By the whole subject, in the spelling of [`ClientCertificate::subject`].
    Subject(String),
}

/// One name, or the names with one label before a domain: `worker.mesh.example`, `*.mesh.example`. In lower case.
///
/// Here, as in RFC 9525, section 6.3, `*` is one whole label. In a certificate it is none: it is a name of servers, and no client is called so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsPattern(String);

impl ClientPattern {
    /// Whether the client with this certificate is meant.
    pub fn matches(&self, client: &ClientCertificate) -> bool {
        match self {
            Self::Dns(pattern) => client.dns_names().iter().any(|own| pattern.matches(own)),
            Self::Spiffe(pattern) => client.spiffe_id().is_some_and(|id| pattern.matches(id)),
            Self::Subject(subject) => client.subject() == subject,
        }
    }

    /// Whether both can mean one client by the same part of its certificate.
    pub fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Dns(one), Self::Dns(other)) => one == other || one.matches(&other.0) || other.matches(&one.0),
            (Self::Spiffe(one), Self::Spiffe(other)) => one.overlaps(other),
            (one, other) => one == other,
        }
    }
}

impl DnsPattern {
    /// Parses a pattern; `None` for what is no host name in lower case, with or without `*.` before it.
    pub fn parse(text: &str) -> Option<Self> {
        let name = text.strip_prefix(ANY_LABEL).unwrap_or(text);
        let in_label = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
        let is_label = |label: &str| !label.is_empty() && label.bytes().all(in_label);
        (text.len() <= MAX_NAME && name.split('.').all(is_label)).then(|| Self(text.to_owned()))
    }

    /// Whether `name`, in lower case, is meant.
    fn matches(&self, name: &str) -> bool {
        match self.0.strip_prefix(ANY_LABEL) {
            Some(domain) => name.split_once('.').is_some_and(|(label, rest)| rest == domain && !label.is_empty() && !label.contains('*')),
            None => self.0 == name,
        }
    }
}

impl fmt::Display for ClientPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(DnsPattern(name)) => f.write_str(name),
            Self::Spiffe(pattern) => pattern.fmt(f),
            Self::Subject(subject) => f.write_str(subject),
        }
    }
}

#[cfg(test)]
impl ClientPattern {
    /// `spiffe://…`, `dns:…`, or else a subject, for unit tests of other rooms.
    pub(crate) fn for_tests(text: &str) -> Self {
        match text.strip_prefix("dns:") {
            Some(name) => Self::Dns(DnsPattern::parse(name).unwrap()),
            None if text.starts_with("spiffe:") => Self::Spiffe(text.parse().unwrap()),
            None => Self::Subject(text.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_meant_by_one_part_of_its_certificate() {
        let names = ["b.internal", "*.example.com", ".mesh.example", "mesh.example"];
        let client = ClientCertificate::for_tests(Some("spiffe://prod/ns/a/sa/b"), "CN=b,O=Example", &names);
        for (pattern, expected) in [
            ("spiffe://prod/ns/a/sa/b", true),
            ("spiffe://prod/ns/*/sa/b", true),
            ("spiffe://prod/ns/a/*", true),
            ("spiffe://prod/ns/b/*", false),
            ("CN=b,O=Example", true),
            ("CN=b", false),
            ("dns:b.internal", true),
            ("dns:*.internal", true),
            ("dns:internal", false),
            ("dns:*.b.internal", false),
            ("dns:www.example.com", false),
            ("dns:*.example.com", false),
            ("dns:*.mesh.example", false),
        ] {
            assert_eq!(ClientPattern::for_tests(pattern).matches(&client), expected, "{pattern}");
        }
        let deeper = ClientCertificate::for_tests(None, "", &["a.b.internal"]);
        assert!(!ClientPattern::for_tests("dns:*.internal").matches(&deeper), "one label");
        let anonymous = ClientCertificate::for_tests(None, "", &[]);
        for pattern in ["spiffe://prod/*", "CN=b", "dns:b.internal", "dns:*.internal"] {
            assert!(!ClientPattern::for_tests(pattern).matches(&anonymous), "{pattern}");
        }
    }

    #[test]
    fn names_that_no_client_could_have_are_refused() {
        for bad in ["", "*", "*.", ".a", "a.", "a..b", "a.*.b", "*.*.a", "*a.b", "a*", "A.b", "a b", "a/b", "\u{e9}.b", &"a".repeat(254)] {
            assert_eq!(DnsPattern::parse(bad), None, "{bad:?}");
        }
        for good in ["a", "*.a", "w-1.mesh_1.example", &"a".repeat(253)] {
            assert!(DnsPattern::parse(good).is_some(), "{good}");
        }
    }

    #[test]
    fn patterns_overlap_by_the_same_part_alone() {
        for (one, other, expected) in [
            ("dns:a.b", "dns:a.b", true),
            ("dns:*.b", "dns:a.b", true),
            ("dns:*.b", "dns:*.b", true),
            ("dns:*.b", "dns:*.a.b", false),
            ("dns:*.b", "dns:b", false),
            ("spiffe://p/*", "spiffe://p/a", true),
            ("CN=a", "CN=a", true),
            ("CN=a", "CN=b", false),
            ("CN=a", "dns:a", false),
        ] {
            let (a, b) = (ClientPattern::for_tests(one), ClientPattern::for_tests(other));
            assert_eq!((a.overlaps(&b), b.overlaps(&a)), (expected, expected), "{one} {other}");
        }
    }
}
