//! JSON as tokens, key sets, discovery documents and requests may contain it: no duplicate members, bounded depth and number of values, no number that would
//! lose digits.
//!
//! `serde_json` keeps the last of two members of the same name. A signer, a gateway in between and we could each see another
//! one, so a duplicate is an error here (RFC 7519, section 4 leaves the choice to us; RFC 8725, section 2.4 says why).
//!
//! A document in memory is many times its text: `{}` is two bytes and becomes a value of dozens, so that a body of 16 MiB could cost a gigabyte. So the number of
//! values is [bounded](MAX_VALUES), whatever the bytes are.

use std::{cell::Cell, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Deepest nesting accepted; tokens in practice stay below five.
const MAX_DEPTH: usize = 16;
/// Most values in one document, of all kinds and at all depths, members' names not counted. A key set has hundreds, and a batch of ten messages with all their
/// attributes too; records of the largest batches that AWS takes (10,000 log events, 500 records, 1,000 metrics of 150 values each) have less than this. In memory
/// they are a few dozen megabytes at most.
pub(crate) const MAX_VALUES: usize = 400_000;
/// 2^53: from there on a double skips whole numbers, so that two ids could come out as one (RFC 7493, section 2.2). Integers that
/// fit 64 bits do not become doubles and are kept exactly.
const MAX_DOUBLE: f64 = 9_007_199_254_740_992.0;

/// Values that a reader may still make.
#[derive(Debug)]
pub(crate) struct Budget(Cell<usize>);

impl Budget {
    /// That of one document.
    pub(crate) const fn new() -> Self {
        Self(Cell::new(MAX_VALUES))
    }

    /// Takes one value out of it; `None` where there is none left.
    pub(crate) fn take(&self) -> Option<()> {
        self.0.set(self.0.get().checked_sub(1)?);
        Some(())
    }
}

/// Parses one JSON object and nothing after it.
pub(crate) fn object(bytes: &[u8]) -> Option<Map<String, Value>> {
    read(bytes, MAX_DEPTH, &Budget::new())
}

/// The same, of a document that may nest as deeply as `serde_json` reads.
pub(crate) fn deep_object(bytes: &[u8]) -> Option<Map<String, Value>> {
    read(bytes, usize::MAX, &Budget::new())
}

fn read(bytes: &[u8], most: usize, left: &Budget) -> Option<Map<String, Value>> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { levels: most, left }.deserialize(&mut deserializer).ok()?;
    deserializer.end().ok()?;
    match value {
        Value::Object(map) => Some(map),
        _ => None,
    }
}

#[derive(Clone, Copy)]
struct Strict<'b> {
    /// How much deeper it may go.
    levels: usize,
    left: &'b Budget,
}

impl Strict<'_> {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        let levels = self.levels.checked_sub(1).ok_or_else(|| E::custom("nested too deeply"))?;
        Ok(Self { levels, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.left.take().ok_or_else(|| D::Error::custom("more values than a document may have"))?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without duplicate members")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        if value.abs() >= MAX_DOUBLE {
            return Err(E::custom("number out of range"));
        }
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(inner)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut map = Map::new();
        while let Some(name) = access.next_key::<String>()? {
            if map.contains_key(&name) {
                return Err(A::Error::custom("duplicate member"));
            }
            let value = access.next_value_seed(inner)?;
            map.insert(name, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_duplicates_at_every_level() {
        assert!(object(br#"{"a":1,"b":{"c":1}}"#).is_some());
        assert!(object(br#"{"a":1,"a":2}"#).is_none());
        assert!(object(br#"{"a":1,"\u0061":2}"#).is_none(), "an escaped spelling of the same name");
        assert!(object(br#"{"b":{"c":1,"c":1}}"#).is_none());
        assert!(object(br#"{"b":[{"c":1,"c":1}]}"#).is_none());
    }

    #[test]
    fn refuses_what_is_no_single_object() {
        for text in ["", "1", "[]", "null", "{} {}", "{}x", "{", "{\"a\":1e999}", "{'a':1}", "\u{feff}{}"] {
            assert!(object(text.as_bytes()).is_none(), "{text:?} was accepted");
        }
    }

    #[test]
    fn numbers_are_exact_or_refused() {
        for text in
            ["1e400", "-1e400", "1e16", "18446744073709551616", "9007199254740993.0", "-9223372036854775809", "01", "+1", ".5", "1.", "NaN"]
        {
            assert!(object(format!("{{\"n\":{text}}}").as_bytes()).is_none(), "{text} was accepted");
        }
        for text in ["0", "1.5", "1e3", "9007199254740993", "18446744073709551615", "-9223372036854775808"] {
            assert!(object(format!("{{\"n\":{text}}}").as_bytes()).is_some(), "{text} was refused");
        }
        assert_eq!(object(br#"{"n":9007199254740993}"#).unwrap()["n"].to_string(), "9007199254740993");
    }

    #[test]
    fn what_is_taken_is_what_it_says() {
        let text =
            r#"{"no":null,"yes":true,"not":false,"less":-5,"part":-1.25,"more":7,"text":"a\n\u00e9","list":[1,[],{"a":[true]}],"":{}}"#;
        assert_eq!(Value::Object(object(text.as_bytes()).unwrap()), serde_json::from_str::<Value>(text).unwrap());
    }

    #[test]
    fn strings_are_unicode() {
        for text in [r#"{"s":"\ud800"}"#, r#"{"s":"\udc00x"}"#, r#"{"\udfff":1}"#, "{\"s\":\"a\nb\"}"] {
            assert!(object(text.as_bytes()).is_none(), "{text} was accepted");
        }
        for bytes in [&b"{\"s\":\"\xff\"}"[..], b"{\"s\":\"\xc0\xaf\"}", b"{\"s\":\"\xed\xa0\x80\"}"] {
            assert!(object(bytes).is_none(), "{bytes:?} was accepted");
        }
        assert_eq!(object(r#"{"s":"\ud83d\ude00"}"#.as_bytes()).unwrap()["s"], "\u{1f600}");
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
        assert!(object(nested(MAX_DEPTH - 1).as_bytes()).is_some());
        assert!(object(nested(MAX_DEPTH).as_bytes()).is_none());
        assert!(object(nested(100_000).as_bytes()).is_none());
    }

    /// A body of the largest size that is read, of the smallest values that there are. Values are counted, and not bytes of memory: each value is of one size.
    #[test]
    fn values_are_bounded_whatever_the_bytes() {
        const BODY: usize = 16 << 20;
        for small in ["{}", "[]", "0", "\"\"", "null", "{\"a\":0}", "[[]]"] {
            let count = BODY / (small.len() + 1);
            let body = format!("{{\"a\":[{}]}}", vec![small; count].join(","));
            let left = Budget::new();
            assert!(read(body.as_bytes(), MAX_DEPTH, &left).is_none(), "{small}");
            assert_eq!(left.0.get(), 0, "{small}: it was read on");
        }
        let members: Vec<_> = (0..MAX_VALUES).map(|number| format!("\"{number}\":0")).collect();
        assert!(object(format!("{{{}}}", members[1..].join(",")).as_bytes()).is_some(), "the object is a value too");
        assert!(object(format!("{{{}}}", members.join(",")).as_bytes()).is_none());
        let text = format!("{{\"a\":\"{}\"}}", "x".repeat(BODY));
        assert!(object(text.as_bytes()).is_some(), "one large value is one value");
    }
}
