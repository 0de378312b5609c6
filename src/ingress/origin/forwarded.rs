//! `Forwarded` (RFC 7239).

use std::borrow::Cow;

use http::{HeaderMap, header};

use super::addresses::{Said, address, scheme};
use crate::server::edge;

/// What each proxy says, the nearest first. `None` for one that cannot be read, and for all where there are none.
pub(super) fn entries(headers: &HeaderMap) -> Option<Vec<Option<Said>>> {
    let mut entries: Vec<_> = headers.get_all(header::FORWARDED).iter().flat_map(|line| elements(line.as_bytes())).collect();
    entries.reverse();
    (!entries.is_empty()).then_some(entries)
}

/// The elements of a line, split from the right and as bytes. What a proxy appends is whole in itself; what stood there before may be a quote
/// that does not end, or no text at all, and must not keep anybody from reading what follows.
fn elements(line: &[u8]) -> Vec<Option<Said>> {
    let (mut elements, mut end, mut quoted) = (Vec::new(), line.len(), false);
    for (index, byte) in line.iter().enumerate().rev() {
        match byte {
            // In a quoted string a quote of its own stands behind an odd number of backslashes, and the one that ends it behind an even one.
            b'"' if !(quoted && is_escaped(&line[..index])) => quoted = !quoted,
            b',' if !quoted => {
                elements.push(said(&line[index + 1..end]));
                end = index;
            }
            _ => {}
        }
    }
    elements.push(said(&line[..end]));
    elements.reverse();
    elements
}

fn is_escaped(before: &[u8]) -> bool {
    before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

/// One `forwarded-element`.
fn said(element: &[u8]) -> Option<Said> {
    let element = str::from_utf8(element).ok()?;
    let (mut client, mut proto, mut host) = (None, None, None);
    for pair in pairs(element)?.into_iter().filter(|pair| !pair.trim_ascii().is_empty()) {
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

/// Splits at `;` outside of quotes. `None` for a quote that does not end.
fn pairs(text: &str) -> Option<Vec<&str>> {
    let (mut parts, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b';' if !quoted => {
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
