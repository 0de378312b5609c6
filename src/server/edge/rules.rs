//! What a request must be to be looked at.
//!
//! Each rule is here because two readers of the same bytes could disagree without it. Some of what it refuses, hyper's
//! parser refuses first; the rules do not count on that.

use http::{
    HeaderMap, HeaderName, Method, Version,
    header::{CONNECTION, CONTENT_LENGTH, TE, TRANSFER_ENCODING, UPGRADE},
    request::Parts,
};
use hyper::upgrade::OnUpgrade;

use super::{expect, host};
use crate::{
    config::ServerConfig,
    reject::{Reason, Refusal},
    telemetry::metrics::Listener,
};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

/// Colon, space and line end: what each header line has besides its name and value.
const LINE_OVERHEAD: usize = 4;

/// The rules of one listener.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    uri_bytes: usize,
    header_bytes: usize,
    headers: usize,
    /// `GET http://host/path`, which clients send to a proxy: the egress is one.
    absolute_form: bool,
    /// `Upgrade: websocket`, which only the application behind the ingress can answer.
    websocket: bool,
}

impl Rules {
    /// The rules for `listener` with the limits of `config`.
    pub fn new(listener: Listener, config: &ServerConfig) -> Self {
        Self {
            uri_bytes: config.uri_bytes,
            header_bytes: config.header_bytes,
            headers: config.headers,
            absolute_form: listener == Listener::Egress,
            websocket: listener == Listener::Ingress,
        }
    }

    /// Refuses a request that breaks a rule; takes off what is not accepted (upgrades) or means nothing (`Expect` in
    /// HTTP/1.0).
    pub fn check(&self, head: &mut Parts) -> Result<(), Refusal> {
        self.size(head)?;
        method(&head.method)?;
        self.target(head)?;
        framing(head)?;
        host::check(head)?;
        connection_specific(head)?;
        expect::check(head)?;
        self.upgrade(head)
    }

    fn size(&self, head: &Parts) -> Result<(), Refusal> {
        let uri = &head.uri;
        let target = uri.scheme_str().map_or(0, |s| s.len() + 3)
            + uri.authority().map_or(0, |a| a.as_str().len())
            + uri.path_and_query().map_or(0, |p| p.as_str().len());
        if target > self.uri_bytes {
            return Err(Reason::UriTooLong.into());
        }
        let bytes: usize = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + LINE_OVERHEAD).sum();
        if bytes > self.header_bytes || head.headers.len() > self.headers {
            return Err(Reason::HeadersTooLarge.into());
        }
        Ok(())
    }

    /// RFC 9112, section 3.2: origin-form, and absolute-form where this is a proxy. `*` and authority-form are for methods
    /// that are not accepted.
    fn target(&self, head: &Parts) -> Result<(), Refusal> {
        let uri = &head.uri;
        if !uri.path().starts_with('/') {
            return Err(malformed("the target is not a path"));
        }
        // hyper lets raw octets pass; what they mean is up to each reader.
        if !uri.path_and_query().is_some_and(|p| p.as_str().bytes().all(|b| b.is_ascii_graphic())) {
            return Err(malformed("the target is not ASCII"));
        }
        let is_absolute = head.version < Version::HTTP_2 && uri.authority().is_some();
        if is_absolute && !self.absolute_form {
            return Err(malformed("the target names a host, and this listener is no proxy"));
        }
        match uri.scheme_str() {
            None | Some("http" | "https") => Ok(()),
            Some(_) => Err(malformed("the target's scheme is neither http nor https")),
        }
    }

    /// A WebSocket handshake (RFC 6455, section 4.1) may pass on the ingress. Every other offer to change the protocol is
    /// declined by ignoring it (RFC 9110, section 7.8), and removed, so that nobody behind us accepts it.
    fn upgrade(&self, head: &mut Parts) -> Result<(), Refusal> {
        if !head.headers.contains_key(UPGRADE) {
            head.extensions.remove::<OnUpgrade>();
            return Ok(());
        }
        if self.websocket && is_websocket(head) {
            let has_body = head.headers.contains_key(TRANSFER_ENCODING) || head.headers.get(CONTENT_LENGTH).is_some_and(|v| v != "0");
            return if has_body { Err(malformed("a WebSocket handshake with a body")) } else { Ok(()) };
        }
        head.headers.remove(UPGRADE);
        head.headers.remove(HTTP2_SETTINGS);
        head.extensions.remove::<OnUpgrade>();
        Ok(())
    }
}

/// An allow-list: `CONNECT` would make a tunnel, `TRACE` echoes credentials, and the rest means nothing to AWS.
fn method(method: &Method) -> Result<(), Refusal> {
    match *method {
        Method::DELETE | Method::GET | Method::HEAD | Method::OPTIONS | Method::PATCH | Method::POST | Method::PUT => Ok(()),
        _ => Err(Reason::MethodNotAllowed.into()),
    }
}

/// RFC 9112, section 6: one statement of where the body ends. hyper accepts `gzip, chunked` and repeated lines.
fn framing(head: &Parts) -> Result<(), Refusal> {
    let headers = &head.headers;
    let mut encodings = headers.get_all(TRANSFER_ENCODING).iter();
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    match (encodings.next(), lengths.next()) {
        (None, None) => Ok(()),
        (Some(_), Some(_)) => Err(malformed("both Transfer-Encoding and Content-Length")),
        (Some(encoding), None) => {
            if head.version != Version::HTTP_11 {
                return Err(malformed("Transfer-Encoding outside HTTP/1.1"));
            }
            if encodings.next().is_some() || !encoding.as_bytes().eq_ignore_ascii_case(b"chunked") {
                return Err(malformed("Transfer-Encoding is not exactly `chunked`"));
            }
            Ok(())
        }
        (None, Some(length)) => {
            if lengths.next().is_some() || length.is_empty() || !length.as_bytes().iter().all(u8::is_ascii_digit) {
                return Err(malformed("Content-Length is not exactly one number"));
            }
            Ok(())
        }
    }
}

/// RFC 9113, section 8.2.2: in HTTP/2 these are malformed. An HTTP/1 hop behind us would act on them.
fn connection_specific(head: &Parts) -> Result<(), Refusal> {
    if head.version < Version::HTTP_2 {
        return Ok(());
    }
    let forbidden = [CONNECTION, KEEP_ALIVE, PROXY_CONNECTION, TRANSFER_ENCODING, UPGRADE];
    if forbidden.iter().any(|name| head.headers.contains_key(name)) {
        return Err(malformed("a connection-specific header in HTTP/2"));
    }
    if head.headers.get_all(TE).iter().any(|value| value != "trailers") {
        return Err(malformed("TE in HTTP/2 is not `trailers`"));
    }
    Ok(())
}

fn is_websocket(head: &Parts) -> bool {
    let mut offers = head.headers.get_all(UPGRADE).iter();
    head.version == Version::HTTP_11
        && head.method == Method::GET
        && offers.next().is_some_and(|offer| offer.as_bytes().eq_ignore_ascii_case(b"websocket"))
        && offers.next().is_none()
        && names_upgrade(&head.headers)
}

/// RFC 9110, section 7.8: `Connection` has to name `upgrade` as well.
fn names_upgrade(headers: &HeaderMap) -> bool {
    let options = headers.get_all(CONNECTION).iter().flat_map(|value| value.as_bytes().split(|b| *b == b','));
    options.map(<[u8]>::trim_ascii).any(|option| option.eq_ignore_ascii_case(b"upgrade"))
}

/// A refusal whose note says which rule was broken.
pub(super) fn malformed(note: &'static str) -> Refusal {
    Refusal::noted(Reason::MalformedRequest, note)
}

#[cfg(test)]
mod tests;
