//! One reading of a path, or none.
//!
//! Servers disagree about paths: whether `%61` is an `a` before or after routing, whether `%2f` separates, whether `//`, `/./`
//! and `;x` are there at all. Whoever checks one reading while the application acts on another has checked nothing. So
//! [`SafePath::read`] gives a path only where the readings agree, and refuses the rest ([`Reason::PathAmbiguous`]).
//!
//! The form is that of RFC 3986, section 6.2.2.2: an escaped unreserved character is the character itself. Where a path has
//! such an escape, the form without it is what the application gets, since some servers route by the raw text. Every other
//! path goes on as it came.

mod folding;

use std::borrow::Cow;

use self::folding::is_foldable;
use crate::reject::{Reason, Refusal};

/// A path in the one form that rules are applied to and that is forwarded. The query is no part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SafePath<'p>(Cow<'p, str>);

/// Reserved characters that stand in a rule's literals. Their escapes are refused: a server that routes by the raw text and
/// one that decodes first would disagree about whether the literal is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Reserved(u128);

impl Reserved {
    /// The reserved characters of `literal`, which is ASCII.
    pub(super) fn of(literal: &str) -> Self {
        let bits = literal.bytes().filter(|byte| !is_unreserved(*byte)).fold(0, |bits, byte| bits | bit(byte));
        Self(bits)
    }

    pub(super) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn contains(self, byte: u8) -> bool {
        self.0 & bit(byte) != 0
    }
}

fn bit(byte: u8) -> u128 {
    1u128.checked_shl(byte.into()).unwrap_or(0)
}

impl<'p> SafePath<'p> {
    /// Reads the path of a request target.
    ///
    /// # Errors
    /// [`Reason::PathAmbiguous`], with what is ambiguous in the note.
    pub(super) fn read(raw: &'p str, reserved: Reserved) -> Result<Self, Refusal> {
        let inside = raw.strip_prefix('/').ok_or_else(|| ambiguous("the path does not begin with a slash"))?;
        if !inside.contains('%') {
            each_segment(inside, plain)?;
            return Ok(Self(Cow::Borrowed(raw)));
        }
        let mut normal = String::with_capacity(raw.len());
        each_segment(inside, |segment| {
            normal.push('/');
            if segment.contains('%') { escaped(segment, reserved, &mut normal) } else { plain(segment).map(|()| normal.push_str(segment)) }
        })?;
        Ok(Self(if normal == raw { Cow::Borrowed(raw) } else { Cow::Owned(normal) }))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, if it is another than that of the request.
    pub fn changed(self) -> Option<String> {
        match self.0 {
            Cow::Borrowed(_) => None,
            Cow::Owned(text) => Some(text),
        }
    }

    /// What stands between the first slash and a final one: servers mostly do not tell `/parks` from `/parks/`, and neither do rules.
    pub(super) fn inside(&self) -> &str {
        let inside = self.0.strip_prefix('/').unwrap_or_default();
        inside.strip_suffix('/').unwrap_or(inside)
    }

    /// The segments; none for `/`.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        let inside = self.inside();
        inside.split('/').take(if inside.is_empty() { 0 } else { usize::MAX })
    }
}

/// Hands every segment to `check`. A single final slash ends the path; every other empty segment is one that some servers drop.
fn each_segment<'p>(inside: &'p str, mut check: impl FnMut(&'p str) -> Result<(), Refusal>) -> Result<(), Refusal> {
    let mut rest = Some(inside);
    while let Some(text) = rest {
        let (segment, after) = text.split_once('/').map_or((text, None), |(segment, after)| (segment, Some(after)));
        if segment.is_empty() && after.is_some() {
            return Err(ambiguous("an empty segment"));
        }
        check(segment)?;
        rest = after;
    }
    Ok(())
}

/// A segment without escapes.
fn plain(segment: &str) -> Result<(), Refusal> {
    if let Some(byte) = segment.bytes().find(|byte| !is_plain(*byte)) {
        return Err(raw_byte(byte));
    }
    edges(segment.as_bytes())
}

/// A segment with escapes, appended to `normal` in its one form.
fn escaped(segment: &str, reserved: Reserved, normal: &mut String) -> Result<(), Refusal> {
    let mut meant = Vec::with_capacity(segment.len());
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            if !is_plain(byte) {
                return Err(raw_byte(byte));
            }
            meant.push(byte);
            normal.push(char::from(byte));
            continue;
        }
        let mut digit = || bytes.next().map(char::from).filter(char::is_ascii_hexdigit);
        let (Some(high), Some(low)) = (digit(), digit()) else { return Err(ambiguous("a percent sign that begins no escape")) };
        let byte = (value(high) << 4) | value(low);
        if let Some(what) = never_escaped(byte) {
            return Err(ambiguous(what));
        }
        if reserved.contains(byte) {
            return Err(ambiguous("an escape of a character that a rule has in its literals"));
        }
        meant.push(byte);
        if is_unreserved(byte) {
            normal.push(char::from(byte));
        } else {
            normal.extend(['%', high, low]);
        }
    }
    // Overlong forms and surrogates are no UTF-8 to Rust.
    let text = std::str::from_utf8(&meant).map_err(|_| ambiguous("escapes that are not UTF-8"))?;
    if text.chars().any(|character| !character.is_ascii() && is_foldable(character)) {
        return Err(ambiguous("a character that some servers fold into another"));
    }
    edges(&meant)
}

/// Windows drops final dots and spaces, others trim; `.` and `..` end in a dot too, and so does everything that means them.
fn edges(meant: &[u8]) -> Result<(), Refusal> {
    match (meant.first(), meant.last()) {
        (_, Some(b'.')) => Err(ambiguous("a segment that ends in a dot")),
        (Some(b' '), _) | (_, Some(b' ')) => Err(ambiguous("a segment that begins or ends in a space")),
        _ => Ok(()),
    }
}

/// RFC 3986, section 2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// RFC 3986, section 3.3, what may stand in a segment without an escape; but for `;`, which begins a parameter for Java's servers.
fn is_plain(byte: u8) -> bool {
    is_unreserved(byte) || b"!$&'()*+,=:@".contains(&byte)
}

/// What is refused as an escape: it separates for some server, or would after decoding once more.
fn never_escaped(byte: u8) -> Option<&'static str> {
    match byte {
        b'/' => Some("an escaped slash"),
        b'\\' => Some("an escaped backslash"),
        b'%' => Some("an escaped percent sign"),
        b';' => Some("an escaped semicolon"),
        b'?' | b'#' => Some("an escaped question mark or number sign"),
        0..=0x1f | 0x7f => Some("an escaped control character"),
        _ => None,
    }
}

fn raw_byte(byte: u8) -> Refusal {
    ambiguous(match byte {
        b'\\' => "a backslash",
        b';' => "a path parameter",
        _ => "a character that has to be escaped",
    })
}

fn value(digit: char) -> u8 {
    u8::try_from(digit.to_digit(16).unwrap_or_default()).unwrap_or_default()
}

fn ambiguous(note: &'static str) -> Refusal {
    Refusal::noted(Reason::PathAmbiguous, note)
}

#[cfg(test)]
pub(super) mod oracles;
#[cfg(test)]
mod tests;
