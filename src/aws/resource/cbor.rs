//! Documents in CBOR, as Smithy's RPC v2 protocol has them, read so that no other reader sees another document.
//!
//! What comes out is what JSON would have said. Maps and lists may be of indefinite length, since SDKs write both; whatever else leaves a reader room is no
//! document at all: a length that is not the shortest, a key that is no text, a key twice, text in pieces, a tag but that of a time, a simple value but `true`, `false`
//! and `null` (and `undefined`, which Smithy reads as null), bytes behind the end. Depth and the number of values are bounded as those of JSON are.

use serde_json::{Map, Number, Value};

use crate::strict_json::Budget;

/// Deepest nesting.
const MAX_DEPTH: usize = 16;
/// Seconds since 1970.
const EPOCH: u64 = 1;
const BREAK: u8 = 0xff;

/// Parses one map and nothing after it.
pub(super) fn object(bytes: &[u8]) -> Option<Map<String, Value>> {
    let mut reader = Reader { rest: bytes, left: Budget::new() };
    match reader.value(0)? {
        Value::Object(map) if reader.rest.is_empty() => Some(map),
        _ => None,
    }
}

struct Reader<'a> {
    rest: &'a [u8],
    left: Budget,
}

/// What the first byte of an item says.
struct Head {
    major: u8,
    /// Length, value or number of what follows; `None` where it is indefinite.
    argument: Option<u64>,
    /// The five bits that say how the argument is written.
    information: u8,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    fn unsigned(&mut self, bytes: usize) -> Option<u64> {
        Some(self.take(bytes)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn head(&mut self) -> Option<Head> {
        let first = *self.take(1)?.first()?;
        let (major, information) = (first >> 5, first & 0x1f);
        let (argument, least) = match information {
            0..=23 => (u64::from(information), 0),
            24 => (self.unsigned(1)?, 24),
            25 => (self.unsigned(2)?, 1 << 8),
            26 => (self.unsigned(4)?, 1 << 16),
            27 => (self.unsigned(8)?, 1 << 32),
            31 if matches!(major, 4 | 5) => return Some(Head { major, argument: None, information }),
            _ => return None,
        };
        // Floats are as wide as they say.
        (major == 7 || argument >= least).then_some(Head { major, argument: Some(argument), information })
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        self.left.take()?;
        let head = self.head()?;
        match (head.major, head.argument) {
            (0, Some(number)) => Some(Value::Number(number.into())),
            // -1 - n
            (1, Some(number)) => Some(Value::Number(i64::try_from(number).ok()?.checked_neg()?.checked_sub(1)?.into())),
            (3, Some(length)) => self.text(length).map(|text| Value::String(text.to_owned())),
            (4, length) => self.list(length, depth + 1),
            (5, length) => self.map(length, depth + 1),
            // Of a number, and of no tag.
            (6, Some(EPOCH)) if self.rest.first().is_some_and(|next| next >> 5 != 6) => self.value(depth).filter(Value::is_number),
            (7, Some(argument)) => simple(head.information, argument),
            _ => None,
        }
    }

    fn text(&mut self, length: u64) -> Option<&'a str> {
        let bytes = self.take(usize::try_from(length).ok()?)?;
        std::str::from_utf8(bytes).ok()
    }

    /// Whether one more item follows of `left`, or of an unknown number.
    fn goes_on(&mut self, left: &mut Option<u64>) -> Option<bool> {
        match left {
            Some(0) => Some(false),
            Some(count) => {
                *count -= 1;
                Some(true)
            }
            None if *self.rest.first()? == BREAK => self.take(1).map(|_| false),
            None => Some(true),
        }
    }

    fn list(&mut self, mut length: Option<u64>, depth: usize) -> Option<Value> {
        if depth > MAX_DEPTH {
            return None;
        }
        let mut items = Vec::new();
        while self.goes_on(&mut length)? {
            items.push(self.value(depth)?);
        }
        Some(Value::Array(items))
    }

    fn map(&mut self, mut length: Option<u64>, depth: usize) -> Option<Value> {
        if depth > MAX_DEPTH {
            return None;
        }
        let mut members = Map::new();
        while self.goes_on(&mut length)? {
            let head = self.head().filter(|head| head.major == 3)?;
            let name = self.text(head.argument?)?;
            if members.contains_key(name) {
                return None;
            }
            let value = self.value(depth)?;
            members.insert(name.to_owned(), value);
        }
        Some(Value::Object(members))
    }
}

fn simple(information: u8, argument: u64) -> Option<Value> {
    let number = match information {
        20 => return Some(Value::Bool(false)),
        21 => return Some(Value::Bool(true)),
        22 | 23 => return Some(Value::Null),
        25 => half(u16::try_from(argument).ok()?),
        26 => f64::from(f32::from_bits(u32::try_from(argument).ok()?)),
        27 => f64::from_bits(argument),
        _ => return None,
    };
    // What is not finite no service takes.
    Number::from_f64(number).map(Value::Number)
}

/// RFC 8949, appendix D.
fn half(bits: u16) -> f64 {
    let (exponent, mantissa) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    let size = match exponent {
        0 => mantissa * 2_f64.powi(-24),
        31 if mantissa == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (mantissa + 1024.0) * 2_f64.powi(exponent - 25),
    };
    if bits >> 15 == 1 { -size } else { size }
}

#[cfg(test)]
mod tests;
