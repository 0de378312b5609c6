//! Who a client is by its certificate.
//!
//! A leaf: a [`ClientCertificate`] is made in the handshake alone, from a certificate whose chain, validity and revocation have been
//! checked. That a trusted authority signed it does not make its content harmless: authorities of meshes sign what workloads ask for. So
//! sizes are bounded, what could be read in two ways is refused, and everything that is kept is printable ASCII.

use std::{
    fmt::Write,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::HeaderValue;
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, parse_x509_certificate, time::ASN1Time};

use crate::{
    distinguished_name,
    reject::{Reason, Refusal},
    spiffe::SpiffeId,
};

/// Most alternative names of a certificate. A workload has a handful.
const MAX_NAMES: usize = 64;
/// Most bytes of them together: all of them may have to go into one header.
const MAX_NAMES_BYTES: usize = 4096;
/// Longest subject as text, in bytes.
const MAX_SUBJECT: usize = 1024;

/// What the verified certificate of a client says about it.
#[derive(Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    spiffe_id: Option<SpiffeId>,
    dns_names: Vec<String>,
    subject: String,
    fingerprint: [u8; SHA256_OUTPUT_LEN],
    not_before: SystemTime,
    not_after: SystemTime,
}

/// Why a certificate says nothing that could be relied on, though its chain is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unusable {
    #[error("the certificate cannot be read")]
    Malformed,
    #[error("the certificate has more than {MAX_NAMES} alternative names, or more than {MAX_NAMES_BYTES} bytes of them")]
    Names,
    #[error("the certificate has a SPIFFE id and is not what the standard calls an SVID: exactly one URI, well-formed, of no authority")]
    Spiffe,
    #[error("the certificate's subject is longer than {MAX_SUBJECT} bytes, or cannot be written")]
    Subject,
}

impl ClientCertificate {
    /// Reads a certificate that TLS has verified.
    pub(super) fn of_verified(der: &[u8]) -> Result<Self, Unusable> {
        let (rest, certificate) = parse_x509_certificate(der).map_err(|_| Unusable::Malformed)?;
        if !rest.is_empty() {
            return Err(Unusable::Malformed);
        }
        let (uris, dns_names) = names(&certificate)?;
        let spiffe_id = spiffe_id(&certificate, &uris)?;
        let subject = distinguished_name::text(certificate.subject()).filter(|text| text.len() <= MAX_SUBJECT).ok_or(Unusable::Subject)?;
        let mut fingerprint = [0; SHA256_OUTPUT_LEN];
        fingerprint.copy_from_slice(digest(&SHA256, der).as_ref());
        let validity = certificate.validity();
        Ok(Self {
            spiffe_id,
            dns_names,
            subject,
            fingerprint,
            not_before: time(validity.not_before).ok_or(Unusable::Malformed)?,
            not_after: time(validity.not_after).ok_or(Unusable::Malformed)?,
        })
    }

    /// The only URI among its names, where that is a SPIFFE id.
    pub fn spiffe_id(&self) -> Option<&SpiffeId> {
        self.spiffe_id.as_ref()
    }

    /// Its DNS names, in lower case.
    pub fn dns_names(&self) -> &[String] {
        &self.dns_names
    }

    /// Its subject (RFC 4514); may be empty.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The beginning of its validity.
    pub fn not_before(&self) -> SystemTime {
        self.not_before
    }

    /// The end of its validity.
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// Whether it has not ended at `now`. A connection ends with its client's certificate too, but a request may be quicker.
    ///
    /// # Errors
    /// [`Reason::CertificateExpired`]
    pub(crate) fn still_valid(&self, now: SystemTime) -> Result<(), Refusal> {
        if now >= self.not_after { Err(Reason::CertificateExpired.into()) } else { Ok(()) }
    }

    /// SHA-256 of the whole certificate, in hex.
    pub fn fingerprint(&self) -> String {
        self.fingerprint.iter().fold(String::with_capacity(SHA256_OUTPUT_LEN * 2), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }

    /// One name for logs: the SPIFFE id, else the subject, else the fingerprint.
    pub fn name(&self) -> String {
        match &self.spiffe_id {
            Some(id) => id.to_string(),
            None if self.subject.is_empty() => format!("sha256:{}", self.fingerprint()),
            None => self.subject.clone(),
        }
    }

    /// All of it as a structured-field dictionary (RFC 9651). `None` would be a fault of ours: everything in it is printable ASCII.
    pub fn header_value(&self) -> Option<HeaderValue> {
        let mut text = String::new();
        if let Some(id) = &self.spiffe_id {
            let _ = write!(text, "spiffe-id={}, ", string(id.as_str()));
        }
        if !self.subject.is_empty() {
            let _ = write!(text, "subject={}, ", string(&self.subject));
        }
        if !self.dns_names.is_empty() {
            let names: Vec<_> = self.dns_names.iter().map(|name| string(name)).collect();
            let _ = write!(text, "dns=({}), ", names.join(" "));
        }
        let ends = self.not_after.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let _ = write!(text, "sha256=:{}:, not-after=@{ends}", STANDARD.encode(self.fingerprint));
        HeaderValue::try_from(text).ok()
    }

    /// A certificate for unit tests of other rooms.
    #[cfg(test)]
    pub(crate) fn for_tests(spiffe_id: Option<&str>, subject: &str, dns_names: &[&str]) -> Self {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        Self {
            spiffe_id: spiffe_id.map(|id| id.parse().unwrap()),
            dns_names: dns_names.iter().map(|name| (*name).to_owned()).collect(),
            subject: subject.to_owned(),
            fingerprint: [7; SHA256_OUTPUT_LEN],
            not_before: at(1_000),
            not_after: at(2_000_000_000),
        }
    }

    /// The same, for another time.
    #[cfg(test)]
    pub(crate) fn valid(self, not_before: SystemTime, not_after: SystemTime) -> Self {
        Self { not_before, not_after, ..self }
    }
}

/// When a certificate of our own begins to be valid, and when it ends.
pub(super) fn validity(der: &[u8]) -> Option<(SystemTime, SystemTime)> {
    let (_, certificate) = parse_x509_certificate(der).ok()?;
    let validity = certificate.validity();
    Some((time(validity.not_before)?, time(validity.not_after)?))
}

fn time(time: ASN1Time) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(time.timestamp()).ok()?))
}

/// URIs and DNS names among the alternative names. Names of other kinds are nothing that we know anybody by.
fn names<'c>(certificate: &'c X509Certificate<'_>) -> Result<(Vec<&'c str>, Vec<String>), Unusable> {
    let Some(names) = certificate.subject_alternative_name().map_err(|_| Unusable::Malformed)? else { return Ok((Vec::new(), Vec::new())) };
    let names = &names.value.general_names;
    if names.len() > MAX_NAMES {
        return Err(Unusable::Names);
    }
    let (mut uris, mut dns_names) = (Vec::new(), Vec::new());
    for name in names {
        match name {
            GeneralName::URI(uri) => uris.push(*uri),
            GeneralName::DNSName(name) if is_dns_name(name) => dns_names.push(name.to_ascii_lowercase()),
            GeneralName::DNSName(_) | GeneralName::Invalid(..) => return Err(Unusable::Malformed),
            GeneralName::OtherName(..)
            | GeneralName::RFC822Name(_)
            | GeneralName::X400Address(_)
            | GeneralName::DirectoryName(_)
            | GeneralName::EDIPartyName(_)
            | GeneralName::IPAddress(_)
            | GeneralName::RegisteredID(_) => {}
        }
    }
    let bytes: usize = uris.iter().map(|uri| uri.len()).chain(dns_names.iter().map(String::len)).sum();
    if bytes > MAX_NAMES_BYTES { Err(Unusable::Names) } else { Ok((uris, dns_names)) }
}

fn is_dns_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'*'))
}

/// The [X.509-SVID standard](https://spiffe.io/docs/latest/spiffe-specs/x509-svid/), sections 2, 4 and 5: a certificate with a SPIFFE id has
/// exactly one URI, and neither is an authority nor may act as one.
fn spiffe_id(certificate: &X509Certificate<'_>, uris: &[&str]) -> Result<Option<SpiffeId>, Unusable> {
    let is_spiffe = |uri: &&str| uri.get(.."spiffe:".len()).is_some_and(|scheme| scheme.eq_ignore_ascii_case("spiffe:"));
    if !uris.iter().any(is_spiffe) {
        return Ok(None);
    }
    let usage = certificate.key_usage().map_err(|_| Unusable::Malformed)?;
    let may_sign = usage.is_some_and(|usage| usage.value.key_cert_sign() || usage.value.crl_sign());
    match uris {
        [uri] if !certificate.is_ca() && !may_sign => uri.parse().map(Some).map_err(|_| Unusable::Spiffe),
        _ => Err(Unusable::Spiffe),
    }
}

/// RFC 9651, section 3.3.3.
fn string(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
#[cfg(feature = "sandbox")]
mod tests;
