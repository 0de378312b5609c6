//! JSON as tokens, key sets and discovery documents may contain it: no duplicate members, bounded depth, no number that would lose digits.
//!
//! `serde_json` keeps the last of two members of the same name. A signer, a gateway in between and we could each see another
//! one, so a duplicate is an error here (RFC 7519, section 4 leaves the choice to us; RFC 8725, section 2.4 says why).

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Deepest nesting accepted; tokens in practice stay below five.
const MAX_DEPTH: usize = 16;
/// 2^53: from there on a double skips whole numbers, so that two ids could come out as one (RFC 7493, section 2.2). Integers that
/// fit 64 bits do not become doubles and are kept exactly.
const MAX_DOUBLE: f64 = 9_007_199_254_740_992.0;

/// Parses one JSON object and nothing after it.
pub(crate) fn object(bytes: &[u8]) -> Option<Map<String, Value>> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { depth: 0 }.deserialize(&mut deserializer).ok()?;
    deserializer.end().ok()?;
    match value {
        Value::Object(map) => Some(map),
        _ => None,
    }
}

#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl Strict {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            return Err(E::custom("nested too deeply"));
        }
        Ok(Self { depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
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
}
