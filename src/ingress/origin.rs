//! Where a request comes from: its client's address, and the scheme and host that the client used.
//!
//! Without a trusted proxy in front, that is what the connection shows. Behind one it is what the proxy says, and only as much of it as that
//! proxy can have written: addresses are counted from the right, where the nearest proxy appends, since everything further left may be the
//! caller's invention. Whatever cannot be read is not believed, and then the proxy itself is the client: all that could be blamed is at least
//! in the right place.

mod addresses;
mod forwarded;

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, Uri, header, request, uri::Authority};

use self::addresses::Said;
use super::trace::Trace;
use crate::{
    config::{ForwardingHeader, OriginConfig},
    reject::REQUEST_ID_HEADER,
    server::{Peer, edge},
    telemetry::{Record, RequestId},
};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// What is believed of whom.
#[derive(Debug, Default)]
pub struct Origins(OriginConfig);

/// Where one request comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    client: IpAddr,
    https: bool,
    host: Option<Authority>,
    is_relayed: bool,
}

impl Origins {
    /// By the configuration.
    pub fn new(config: OriginConfig) -> Self {
        Self(config)
    }

    /// The origin of a request and the trace that it is part of; `record` learns the address, and the id that a proxy gave the request.
    pub(super) fn relayed(&self, peer: &Peer, head: &request::Parts, record: &mut Record) -> (Origin, Trace) {
        let origin = self.of(peer, &head.headers, &head.uri);
        record.client_address(origin.client);
        let begun = Trace::begun(record.request_id());
        if origin.is_relayed
            && self.0.request_id
            && let Some(id) = request_id(&head.headers)
        {
            record.adopt_request_id(id);
        }
        let continued = (origin.is_relayed && self.0.trace).then(|| Trace::continued(&head.headers)).flatten();
        let trace = continued.unwrap_or(begun);
        (origin, trace.recorded(record.trace()))
    }

    /// The origin of a request that came from `peer`.
    pub fn of(&self, peer: &Peer, headers: &HeaderMap, uri: &Uri) -> Origin {
        let host = || match headers.get(header::HOST) {
            Some(host) => edge::parse_host(host.as_bytes()),
            None => uri.authority().cloned(),
        };
        let said = if self.believes(peer) { self.said(headers) } else { None };
        match said {
            // This listener speaks nothing but TLS.
            None => Origin { client: peer.ip(), https: true, host: host(), is_relayed: false },
            Some(Said { client, https, host: named }) => {
                let https = https.filter(|_| self.0.proto).unwrap_or(true);
                Origin { client, https, host: named.filter(|_| self.0.host).or_else(host), is_relayed: true }
            }
        }
    }

    /// Headers of proxies that stay in a request from `origin`.
    pub fn kept(&self, origin: &Origin) -> &[HeaderName] {
        if origin.is_relayed { &self.0.keep } else { &[] }
    }

    fn believes(&self, peer: &Peer) -> bool {
        let may_be = |ip: IpAddr| self.0.proxies.is_empty() || self.is_proxy(ip);
        self.0.trusts_anybody() && may_be(peer.ip())
    }

    fn is_proxy(&self, ip: IpAddr) -> bool {
        self.0.proxies.iter().any(|range| range.contains(ip))
    }

    /// What the outermost trusted proxy says; `None` where it says nothing, or nothing that can be read.
    fn said(&self, headers: &HeaderMap) -> Option<Said> {
        let entries = match self.0.header {
            ForwardingHeader::Forwarded => forwarded::entries(headers)?,
            ForwardingHeader::XForwarded => addresses::entries(headers)?,
        };
        // Entries come from the right: the nearest proxy's first.
        if self.0.hops > 0 {
            return entries.into_iter().nth(self.0.hops - 1)?;
        }
        let mut outermost = None;
        for entry in entries {
            let entry = entry?;
            let is_proxy = self.is_proxy(entry.client);
            outermost = Some(entry);
            if !is_proxy {
                break;
            }
        }
        outermost
    }
}

/// The only `x-request-id`, in a form that can be one.
fn request_id(headers: &HeaderMap) -> Option<RequestId> {
    let mut ids = headers.get_all(REQUEST_ID_HEADER).iter();
    match (ids.next(), ids.next()) {
        (Some(id), None) => RequestId::given(id.to_str().ok()?),
        _ => None,
    }
}

impl Origin {
    /// Whose request it is, as far as addresses tell.
    pub fn client(&self) -> IpAddr {
        self.client
    }

    /// The host that the client asked for; `None` where none is named.
    pub fn host(&self) -> Option<&Authority> {
        self.host.as_ref()
    }

    /// Says it in every way that application servers know, all of them the same.
    pub fn write(&self, headers: &mut HeaderMap) {
        let client = self.client.to_string();
        let proto = if self.https { "https" } else { "http" };
        let mut forwarded = match self.client {
            IpAddr::V4(_) => format!("for={client};proto={proto}"),
            // RFC 7239, section 6: in brackets, and so in quotes.
            IpAddr::V6(_) => format!("for=\"[{client}]\";proto={proto}"),
        };
        if let Some(host) = &self.host {
            forwarded.push_str(&format!(";host=\"{host}\""));
            set(headers, FORWARDED_HOST, host.as_str());
        }
        let port = self.host.as_ref().and_then(Authority::port_u16).unwrap_or(if self.https { 443 } else { 80 });
        set(headers, FORWARDED_PORT, &port.to_string());
        set(headers, FORWARDED_PROTO, proto);
        set(headers, FORWARDED_FOR, &client);
        set(headers, REAL_IP, &client);
        set(headers, header::FORWARDED, &forwarded);
    }
}

/// Sets, or removes what cannot be set: never leaves what was there.
fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    match HeaderValue::from_str(value) {
        Ok(value) => drop(headers.insert(name, value)),
        Err(_) => drop(headers.remove(name)),
    }
}

#[cfg(test)]
mod tests;
