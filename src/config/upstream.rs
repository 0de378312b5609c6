//! Where requests for the application go: places, and templates of places.
//!
//! An upstream is written `http://HOST[:PORT]`, `https://HOST[:PORT]` or `unix:/PATH`. Placeholders over the tenant's record may
//! stand in the host or the path, and the rules for them keep a tenant's value from leading anywhere but to a place of its own:
//!
//! * Only the operator's record is asked. A token's claims do not choose an upstream.
//! * A value is lower-case letters, digits and dashes: it cannot end the host, name a port, or climb out of a directory.
//! * One label, or one step of a path, holds one placeholder at most: `{a}-{b}` would be the same host for two tenants.
//! * A host's last label has literal text: no value becomes a domain, an address, or a machine's whole name.
//!
//! The exception to the last is a host that is one placeholder and nothing else: its value is an IP address, and the configuration
//! has to allow it.

use std::{fmt, net::IpAddr, path::PathBuf};

use super::{
    Endpoint,
    document::Scalar,
    settings::parse,
    template::{Name, RenderError, Segment, Values, segments},
};
use crate::aws::target::name::{is_dns_name, may_be_address};

/// Longest path of a socket, in bytes: `sun_path` of Linux holds 108, with a NUL (unix(7)).
const MAX_SOCKET_PATH: usize = 107;
/// Longest label of a host name (RFC 1035, section 2.3.4).
const MAX_LABEL: usize = 63;

/// An upstream as it is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upstream {
    /// The same for everybody.
    Fixed(Place),
    /// Each tenant's own.
    Templated(PlaceTemplate),
}

/// What can be connected to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Place {
    /// A host and port.
    Tcp(Endpoint),
    /// A Unix socket, by its absolute path.
    Unix(PathBuf),
}

/// A place with placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceTemplate {
    text: String,
    shape: Shape,
    segments: Vec<Segment>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// A host of one placeholder, whose value is an address.
    Address { tls: bool, port: Option<u16> },
    /// A host name.
    Host { tls: bool, port: Option<u16> },
    /// A socket's path.
    Socket,
}

impl Upstream {
    /// Parses `text`.
    ///
    /// # Errors
    /// What is wrong, as a message.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return socket(text, path);
        }
        let (tls, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => return Err("begins with none of http://, https:// and unix:".to_owned()),
        };
        if rest.contains(['{', '}']) {
            return host(text, tls, rest).map(Self::Templated);
        }
        let endpoint = parse::endpoint(&Scalar { text: text.to_owned(), plain: true });
        endpoint.map(|endpoint| Self::Fixed(Place::Tcp(endpoint))).ok_or_else(|| "is not a scheme, a host and a port alone".to_owned())
    }

    /// Whether connections to it are made over TLS.
    pub fn is_tls(&self) -> bool {
        match self {
            Self::Fixed(Place::Tcp(endpoint)) => endpoint.tls,
            Self::Templated(PlaceTemplate { shape: Shape::Address { tls, .. } | Shape::Host { tls, .. }, .. }) => *tls,
            Self::Fixed(Place::Unix(_)) | Self::Templated(PlaceTemplate { shape: Shape::Socket, .. }) => false,
        }
    }

    /// Whether what passes on the way to it can be read by others than this machine.
    pub fn crosses_a_network_in_clear(&self) -> bool {
        match self {
            Self::Fixed(Place::Tcp(endpoint)) => !endpoint.tls && !is_loopback(endpoint.authority.host()),
            Self::Templated(PlaceTemplate { shape: Shape::Address { tls, .. } | Shape::Host { tls, .. }, .. }) => !tls,
            Self::Fixed(Place::Unix(_)) | Self::Templated(PlaceTemplate { shape: Shape::Socket, .. }) => false,
        }
    }

    /// Whether the application behind it is on this machine, as far as can be told.
    pub fn is_on_this_host(&self) -> bool {
        match self {
            Self::Fixed(Place::Tcp(endpoint)) => is_loopback(endpoint.authority.host()),
            Self::Templated(PlaceTemplate { shape: Shape::Address { .. } | Shape::Host { .. }, .. }) => false,
            Self::Fixed(Place::Unix(_)) | Self::Templated(PlaceTemplate { shape: Shape::Socket, .. }) => true,
        }
    }

    /// Whether its host is an address out of the tenant's record.
    pub fn takes_address(&self) -> bool {
        matches!(self, Self::Templated(PlaceTemplate { shape: Shape::Address { .. }, .. }))
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(place) => place.fmt(f),
            Self::Templated(template) => f.write_str(&template.text),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(endpoint) => write!(f, "{}://{}", if endpoint.tls { "https" } else { "http" }, endpoint.authority),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Parses a socket's path, with or without placeholders.
fn socket(text: &str, path: &str) -> Result<Upstream, String> {
    let segments = record_segments(path)?;
    if !path.starts_with('/') {
        return Err("is not an absolute path: write unix:/run/app.sock".to_owned());
    }
    let sample = sample(&segments, "x");
    if sample.split('/').skip(1).any(|step| matches!(step, "" | "." | "..")) || sample.contains(|c: char| c.is_control()) {
        return Err("is not a plain path to a socket".to_owned());
    }
    if sample.len() > MAX_SOCKET_PATH {
        return Err(format!("is longer than the {MAX_SOCKET_PATH} bytes that a socket's path may have"));
    }
    one_each(&segments, '/', "step of the path")?;
    if segments.iter().all(|segment| matches!(segment, Segment::Literal(_))) {
        return Ok(Upstream::Fixed(Place::Unix(path.into())));
    }
    Ok(Upstream::Templated(PlaceTemplate { text: text.to_owned(), shape: Shape::Socket, segments }))
}

/// Parses a host with placeholders, and its port.
fn host(text: &str, tls: bool, rest: &str) -> Result<PlaceTemplate, String> {
    let mut segments = record_segments(rest)?;
    let port = take_port(&mut segments)?;
    if let [Segment::Placeholder(_)] = segments[..] {
        return Ok(PlaceTemplate { text: text.to_owned(), shape: Shape::Address { tls, port }, segments });
    }
    // Whatever the values are, what the template itself says has to be a host.
    let shown = sample(&segments, "x");
    if !is_dns_name(&shown) {
        return Err("is not a host name in lower case, with or without a port and nothing behind".to_owned());
    }
    one_each(&segments, '.', "label of the host")?;
    if !last_label_has_text(&segments) {
        return Err("ends in a placeholder: a tenant's value would be the domain; put a domain of yours behind it".to_owned());
    }
    if may_be_address(&sample(&segments, "1")) {
        return Err("could become an address: a host's last label has to begin with a letter, or hold one".to_owned());
    }
    Ok(PlaceTemplate { text: text.to_owned(), shape: Shape::Host { tls, port }, segments })
}

fn last_label_has_text(segments: &[Segment]) -> bool {
    segments.iter().fold(false, |has_text, segment| match segment {
        Segment::Placeholder(_) => has_text,
        Segment::Literal(literal) => literal.rsplit_once('.').map_or(has_text || !literal.is_empty(), |(_, tail)| !tail.is_empty()),
    })
}

/// The segments of `text`, whose placeholders name nothing but the tenant's record.
fn record_segments(text: &str) -> Result<Vec<Segment>, String> {
    let segments = segments(text).map_err(|error| error.to_string())?;
    for segment in &segments {
        if let Segment::Placeholder(name) = segment
            && name.is_from_token()
        {
            return Err(format!("{{{name}}} comes out of the caller's token, which does not choose an upstream; use the tenant's record"));
        }
    }
    Ok(segments)
}

/// Takes a port, and a final `/`, off the end.
fn take_port(segments: &mut Vec<Segment>) -> Result<Option<u16>, String> {
    let Some(Segment::Literal(last)) = segments.last_mut() else { return Ok(None) };
    let text = last.strip_suffix('/').unwrap_or(last).to_owned();
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => {
            let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
            let port = digits.then(|| port.parse().ok()).flatten().filter(|port: &u16| *port > 0);
            (host.to_owned(), Some(port.ok_or_else(|| "has a port that is none".to_owned())?))
        }
        None => (text, None),
    };
    *last = host;
    if last.is_empty() {
        segments.pop();
    }
    Ok(port)
}

/// At most one placeholder between two separators.
fn one_each(segments: &[Segment], separator: char, what: &str) -> Result<(), String> {
    let mut taken = false;
    for segment in segments {
        match segment {
            Segment::Literal(literal) => taken &= !literal.contains(separator),
            Segment::Placeholder(_) if taken => {
                return Err(format!(
                    "has two placeholders in one {what}: two tenants' values could make the same; separate with {separator}"
                ));
            }
            Segment::Placeholder(_) => taken = true,
        }
    }
    Ok(())
}

/// The text with `value` for every placeholder.
fn sample(segments: &[Segment], value: &str) -> String {
    segments.iter().map(|segment| if let Segment::Literal(literal) = segment { literal.as_str() } else { value }).collect()
}

impl PlaceTemplate {
    /// The place that `values` make of it.
    ///
    /// # Errors
    /// A value that is missing, or that is more than a label, a step of a path or, for a host of one placeholder, an address.
    pub fn render(&self, values: &dyn Values) -> Result<Place, RenderError> {
        let mut text = String::with_capacity(self.text.len() + MAX_LABEL);
        for segment in &self.segments {
            match segment {
                Segment::Literal(literal) => text.push_str(literal),
                Segment::Placeholder(name) => text.push_str(&self.value(name, values)?),
            }
        }
        let refused = || RenderError::Unsafe(self.text.clone());
        let (tls, port) = match self.shape {
            Shape::Socket if text.len() <= MAX_SOCKET_PATH => return Ok(Place::Unix(text.into())),
            Shape::Socket => return Err(refused()),
            Shape::Host { .. } if !is_dns_name(&text) || may_be_address(&text) => return Err(refused()),
            Shape::Host { tls, port } | Shape::Address { tls, port } => (tls, port),
        };
        let text = port.map_or(text.clone(), |port| format!("{text}:{port}"));
        Ok(Place::Tcp(Endpoint { tls, authority: text.parse().map_err(|_| refused())? }))
    }

    fn value(&self, name: &Name, values: &dyn Values) -> Result<String, RenderError> {
        let value = values.value(name).filter(|value| !value.is_empty()).ok_or_else(|| RenderError::Missing(name.to_string()))?;
        let refused = || RenderError::Unsafe(format!("{{{name}}}"));
        if let Shape::Address { .. } = self.shape {
            // Written anew, so that there is one spelling.
            return match value.parse::<IpAddr>().map_err(|_| refused())? {
                IpAddr::V4(address) => Ok(address.to_string()),
                IpAddr::V6(address) => Ok(format!("[{address}]")),
            };
        }
        let is_label = value.len() <= MAX_LABEL && value.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if is_label { Ok(value.into_owned()) } else { Err(refused()) }
    }
}

impl Place {
    /// The address, where the host is one.
    pub fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Tcp(endpoint) => endpoint.authority.host().trim_start_matches('[').trim_end_matches(']').parse().ok(),
            Self::Unix(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
