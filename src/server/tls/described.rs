//! What a listener's certificate says of itself, for operators.

use std::{
    net::{Ipv4Addr, Ipv6Addr},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use x509_parser::{extensions::GeneralName, parse_x509_certificate, time::ASN1Time};

use super::files::{self, TlsError};
use crate::config::Pem;

/// A certificate, as far as clients look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Described {
    /// From when on it is valid.
    pub(crate) not_before: SystemTime,
    /// Until when.
    pub(crate) not_after: SystemTime,
    /// Names and addresses that it is for (`subjectAltName`). Clients look at no others (RFC 9525, section 6.3).
    pub(crate) names: Vec<String>,
}

/// Describes the first certificate of a listener's chain.
///
/// # Errors
/// There is none that can be read.
pub(crate) fn describe(pem: &Pem) -> Result<Described, TlsError> {
    let unreadable =
        || files::content(pem.name(), "the first certificate cannot be read".to_owned(), "give an X.509 version 3 certificate");
    let chain = files::chain(pem)?;
    let leaf = chain.first().ok_or_else(unreadable)?;
    let (_, certificate) = parse_x509_certificate(leaf).map_err(|_| unreadable())?;
    let names = certificate.subject_alternative_name().map_err(|_| unreadable())?;
    let names = names.iter().flat_map(|names| &names.value.general_names).filter_map(name).collect();
    let validity = certificate.validity();
    let (not_before, not_after) = time(validity.not_before).zip(time(validity.not_after)).ok_or_else(unreadable)?;
    Ok(Described { not_before, not_after, names })
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) | GeneralName::URI(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match <[u8; 4]>::try_from(*bytes) {
            Ok(four) => Some(Ipv4Addr::from(four).to_string()),
            Err(_) => <[u8; 16]>::try_from(*bytes).ok().map(|sixteen| Ipv6Addr::from(sixteen).to_string()),
        },
        _ => None,
    }
}

fn time(time: ASN1Time) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(time.timestamp()).ok()?))
}
