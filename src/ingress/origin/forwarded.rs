//! `Forwarded` (RFC 7239).

use std::borrow::Cow;

use http::{HeaderMap, header};

use super::addresses::{Said, address, scheme};
use crate::server::edge;

/// What each proxy says, the nearest first. `None` for one that cannot be read, for a whole line of which it cannot be told what is whose (a
/// quote that does not end), and for all where there are none.
pub(super) fn entries(headers: &HeaderMap) -> Option<Vec<Option<Said>>> {
    let mut entries = Vec::new();
    for line in headers.get_all(header::FORWARDED) {
        match line.to_str().ok().and_then(|line| split(line, b',')) {
            Some(elements) => entries.extend(elements.into_iter().map(said)),
            None => entries.push(None),
        }
    }
    entries.reverse();
    (!entries.is_empty()).then_some(entries)
}

/// One `forwarded-element`.
fn said(element: &str) -> Option<Said> {
    let (mut client, mut proto, mut host) = (None, None, None);
    for pair in split(element, b';')?.into_iter().filter(|pair| !pair.trim_ascii().is_empty()) {
        let (name, value) = pair.trim_matches([' ', '\t']).split_once('=')?;
        let value = unquoted(value)?;
        let place = match name.to_ascii_lowercase().as_str() {
            "for" => &mut client,
            "proto" => &mut proto,
            "host" => &mut host,
            _ if name.bytes().all(is_token) && !name.is_empty() => continue,
            _ => return None,
        };
        // Section 4: each parameter at most once in an element.
        if place.replace(value).is_some() {
            return None;
        }
    }
    let client = client?;
    // Section 6: an IPv6 address is in brackets; a bare one has no place in the grammar.
    let is_bare = client.matches(':').count() > 1 && !client.starts_with('[');
    Some(Said {
        client: address(&client).filter(|_| !is_bare)?,
        https: proto.and_then(|proto| scheme(&proto)),
        host: host.and_then(|host| edge::parse_host(host.as_bytes())),
    })
}

/// Splits outside of quotes. `None` for a quote that does not end.
fn split(text: &str, separator: u8) -> Option<Vec<&str>> {
    let (mut parts, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            byte if byte == separator && !quoted => {
                parts.push(&text[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    (!quoted).then_some(parts)
}

/// A token, or a quoted string without its quotes (RFC 9110, section 5.6).
fn unquoted(value: &str) -> Option<Cow<'_, str>> {
    let Some(rest) = value.strip_prefix('"') else {
        return (!value.is_empty() && value.bytes().all(is_token)).then_some(Cow::Borrowed(value));
    };
    let inner = rest.strip_suffix('"')?;
    let (mut text, mut escaped) = (String::with_capacity(inner.len()), false);
    for c in inner.chars() {
        match c {
            '\\' if !escaped => escaped = true,
            '"' if !escaped => return None,
            c => {
                escaped = false;
                text.push(c);
            }
        }
    }
    (!escaped).then_some(Cow::Owned(text))
}

/// Tokens, and `:`, which many senders leave unquoted in ports.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:".contains(&byte)
}
