//! Which host a request is for, said once.

use std::net::Ipv6Addr;

use http::{
    Version,
    header::HOST,
    request::Parts,
    uri::{Authority, Scheme},
};

use super::rules::malformed;
use crate::reject::Refusal;

/// RFC 9112, section 3.2 and RFC 9113, section 8.3.1: a host is named, well-formed, without user information, and where
/// it is named twice, the same.
///
/// RFC 9112 would have a proxy ignore `Host` beside an absolute target. Others on the way may not, so a difference is refused.
pub(super) fn check(head: &Parts) -> Result<(), Refusal> {
    let named = host_header(head)?;
    let target = head.uri.authority();
    if target.is_some_and(|authority| !is_plain(authority)) {
        return Err(malformed("the target's authority has user information or no host"));
    }
    match (target, named) {
        (Some(target), Some(named)) if !is_same(target, &named, head.uri.scheme()) => Err(malformed("Host and the target disagree")),
        (None, None) if head.version >= Version::HTTP_11 => Err(malformed("no host is named")),
        // RFC 9112, section 3.2: HTTP/1.1 demands Host beside an absolute target too.
        (Some(_), None) if head.version == Version::HTTP_11 => Err(malformed("no Host header")),
        _ => Ok(()),
    }
}

fn host_header(head: &Parts) -> Result<Option<Authority>, Refusal> {
    let mut hosts = head.headers.get_all(HOST).iter();
    let Some(host) = hosts.next() else { return Ok(None) };
    if hosts.next().is_some() {
        return Err(malformed("several Host headers"));
    }
    parse(host.as_bytes()).map(Some).ok_or_else(|| malformed("Host is not a host"))
}

/// A host, with or without a port; `None` for anything else.
pub(crate) fn parse(text: &[u8]) -> Option<Authority> {
    Authority::try_from(text).ok().filter(is_plain)
}

/// Nothing but a host and, if anything follows, a port that is a number. A host is what DNS and IP know: RFC 3986 allows more
/// (`a,b`, `a!b`), which nobody needs and some readers split.
fn is_plain(authority: &Authority) -> bool {
    let host = authority.host();
    let is_host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_')),
    };
    // User information would come before the host.
    let Some(after) = authority.as_str().strip_prefix(host) else { return false };
    is_host && (after.is_empty() || authority.port_u16().is_some())
}

/// Host names are compared without regard to case, and a scheme's default port is as good as none.
fn is_same(target: &Authority, named: &Authority, scheme: Option<&Scheme>) -> bool {
    let default = if scheme == Some(&Scheme::HTTPS) { 443 } else { 80 };
    let port = |authority: &Authority| authority.port_u16().unwrap_or(default);
    target.host().eq_ignore_ascii_case(named.host()) && port(target) == port(named)
}
