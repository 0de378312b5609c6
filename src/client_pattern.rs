//! Which client certificates are meant, as a rule says it.

use std::{fmt, str::FromStr};

use crate::{
    distinguished_name,
    server::ClientCertificate,
    spiffe::{SpiffeError, SpiffePattern},
};

const DNS: &str = "dns:";

/// Matches clients by what their verified certificates say: `spiffe://prod/ns/a/sa/b`, `spiffe://prod/ns/a/*`, `CN=worker,O=Example`
/// (the whole subject), or `dns:worker.internal`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientPattern {
    /// A DNS name among the certificate's, compared without regard to case. `*` means nothing here, on either side.
    Dns(String),
    /// By SPIFFE id.
    Spiffe(SpiffePattern),
    /// By the whole subject.
    Subject(String),
}

/// Why a text is no such pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClientPatternError {
    /// Not a host name.
    #[error("is no DNS name: give one in lower case, without *")]
    Dns,
    /// By its beginning it is a SPIFFE id, and is none.
    #[error("{0}")]
    Spiffe(#[from] SpiffeError),
    /// Not a subject in the one spelling.
    #[error("is no subject; give it as `openssl x509 -noout -subject -nameopt RFC2253` prints it, such as CN=worker,O=Example")]
    Subject,
}

impl ClientPattern {
    /// Whether the client with this certificate is meant.
    pub fn matches(&self, client: &ClientCertificate) -> bool {
        match self {
            Self::Dns(name) => client.dns_names().iter().any(|own| own == name),
            Self::Spiffe(pattern) => client.spiffe_id().is_some_and(|id| pattern.matches(id)),
            Self::Subject(subject) => client.subject() == subject,
        }
    }

    /// Whether both can mean one client by the same part of its certificate.
    pub fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Spiffe(one), Self::Spiffe(other)) => one.overlaps(other),
            (one, other) => one == other,
        }
    }
}

impl FromStr for ClientPattern {
    type Err = ClientPatternError;

    fn from_str(text: &str) -> Result<Self, ClientPatternError> {
        if text.starts_with("spiffe:") {
            return Ok(Self::Spiffe(text.parse()?));
        }
        if let Some(name) = text.strip_prefix(DNS) {
            let in_name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'_');
            let fits = (1..=253).contains(&name.len()) && name.bytes().all(in_name);
            return if fits { Ok(Self::Dns(name.to_owned())) } else { Err(ClientPatternError::Dns) };
        }
        distinguished_name::parse(text).map(Self::Subject).ok_or(ClientPatternError::Subject)
    }
}

impl fmt::Display for ClientPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => write!(f, "{DNS}{name}"),
            Self::Spiffe(pattern) => pattern.fmt(f),
            Self::Subject(subject) => f.write_str(subject),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_meant_by_one_part_of_its_certificate() {
        let client = ClientCertificate::for_tests(Some("spiffe://prod/ns/a/sa/b"), "CN=b,O=Example", &["b.internal", "*.example.com"]);
        for (pattern, expected) in [
            ("spiffe://prod/ns/a/sa/b", true),
            ("spiffe://prod/ns/a/*", true),
            ("spiffe://prod/ns/b/*", false),
            ("CN=b,O=Example", true),
            ("CN=b", false),
            ("dns:b.internal", true),
            ("dns:internal", false),
            ("dns:www.example.com", false),
        ] {
            assert_eq!(pattern.parse::<ClientPattern>().unwrap().matches(&client), expected, "{pattern}");
        }
        let anonymous = ClientCertificate::for_tests(None, "", &[]);
        for pattern in ["spiffe://prod/*", "CN=b", "dns:b.internal"] {
            assert!(!pattern.parse::<ClientPattern>().unwrap().matches(&anonymous), "{pattern}");
        }
    }

    #[test]
    fn what_could_never_match_is_refused() {
        for bad in ["", "*", "b.internal", "spiffe://prod", "spiffe:prod/a", "dns:", "dns:*.example.com", "dns:A", "CN=a, O=b", "CN = a"] {
            assert!(bad.parse::<ClientPattern>().is_err(), "{bad:?}");
        }
    }
}
