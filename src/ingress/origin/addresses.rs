//! `X-Forwarded-For` and its kin: no standard, but one practice, in which each proxy appends the address that it was called from.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::{HeaderMap, HeaderName, uri::Authority};

use super::{FORWARDED_FOR, FORWARDED_HOST, FORWARDED_PROTO};
use crate::server::edge;

/// What one proxy says of whoever called it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) client: IpAddr,
    pub(super) https: Option<bool>,
    pub(super) host: Option<Authority>,
}

/// What each proxy says, the nearest first. `None` for one that cannot be read, and for all where there are none.
pub(super) fn entries(headers: &HeaderMap) -> Option<Vec<Option<Said>>> {
    let addresses = list(headers, &FORWARDED_FOR)?;
    let (protos, hosts) = (list(headers, &FORWARDED_PROTO).unwrap_or_default(), list(headers, &FORWARDED_HOST).unwrap_or_default());
    let said = |(place, text): (usize, &&[u8])| {
        let client = address(str::from_utf8(text).ok()?)?;
        let https = nth(&protos, place).and_then(|proto| scheme(str::from_utf8(proto).ok()?));
        let host = nth(&hosts, place).and_then(edge::parse_host);
        Some(Said { client, https, host })
    };
    Some(addresses.iter().enumerate().map(said).collect())
}

/// The items of a header that may have several lines, the last first. `None` where there are none. As bytes: what a caller put in front
/// must not keep anybody from reading what follows.
fn list<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<Vec<&'h [u8]>> {
    let lines = headers.get_all(name).iter();
    let mut items: Vec<_> = lines.flat_map(|line| line.as_bytes().split(|b| *b == b',').map(<[u8]>::trim_ascii)).collect();
    items.reverse();
    (!items.is_empty()).then_some(items)
}

/// The word of the proxy in this place. Most overwrite the header, so that a single word is of all of them.
fn nth<'h>(items: &[&'h [u8]], place: usize) -> Option<&'h [u8]> {
    match items {
        [only] => Some(only),
        items => items.get(place).copied(),
    }
}

pub(super) fn scheme(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "https" => Some(true),
        "http" => Some(false),
        _ => None,
    }
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`. What else there is (`unknown`, `_hidden`, a name) is no
/// address.
pub(super) fn address(text: &str) -> Option<IpAddr> {
    if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        return (port.is_empty() || is_port(port.strip_prefix(':')?))
            .then(|| address.parse::<Ipv6Addr>().ok().map(IpAddr::V6))?
            .map(|ip| ip.to_canonical());
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    let (address, port) = text.split_once(':')?;
    is_port(port).then(|| address.parse::<Ipv4Addr>().ok().map(IpAddr::V4))?
}

/// Ports may be obfuscated too (RFC 7239, section 6.3); whatever they are, they are not used.
fn is_port(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}
