//! JSON, as `serde_json` reads it by itself.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::strict_json;

/// What is taken is what `serde_json` reads, has no member twice, and is taken again as it is written; what is refused has one twice, or is no object, too
/// deep, or has a number that is not exact.
pub(super) fn object(bytes: &[u8]) -> bool {
    let plain = serde_json::from_slice::<Value>(bytes);
    match strict_json::object(bytes) {
        Some(object) => {
            let object = Value::Object(object);
            let plain = plain.unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(object, plain);
            assert!(has_no_member_twice(bytes), "a member is there twice: {object}");
            let written = object.to_string();
            let again = strict_json::object(written.as_bytes()).map(Value::Object);
            // `serde_json` reads a double with an error of a unit in the last place.
            assert!(again.is_some_and(|again| again == object || has_doubles(&object)), "{written}");
            true
        }
        None => {
            let Ok(plain) = plain else { return false };
            let harmless = plain.is_object() && has_no_member_twice(bytes) && depth(&plain) <= 16 && is_exact(&plain);
            assert!(!harmless, "{plain} was refused");
            false
        }
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or_default(),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}

fn has_doubles(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(has_doubles),
        Value::Number(number) => number.is_f64(),
        Value::Object(members) => members.values().any(has_doubles),
        _ => false,
    }
}

fn is_exact(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().all(is_exact),
        Value::Number(number) => {
            number.is_i64() || number.is_u64() || number.as_f64().is_some_and(|number| number.abs() < 9_007_199_254_740_992.0)
        }
        Value::Object(members) => members.values().all(is_exact),
        _ => true,
    }
}

/// Whether no object has two members of one name, at whatever depth.
pub(crate) fn has_no_member_twice(bytes: &[u8]) -> bool {
    serde_json::from_slice::<Names>(bytes).is_ok_and(|names| names.0)
}

/// Whether names are different, of a value and of all in it.
struct Names(bool);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Names;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }

            fn visit_unit<E>(self) -> Result<Names, E> {
                Ok(Names(true))
            }

            fn visit_bool<E>(self, _: bool) -> Result<Names, E> {
                Ok(Names(true))
            }

            fn visit_i64<E>(self, _: i64) -> Result<Names, E> {
                Ok(Names(true))
            }

            fn visit_u64<E>(self, _: u64) -> Result<Names, E> {
                Ok(Names(true))
            }

            fn visit_f64<E>(self, _: f64) -> Result<Names, E> {
                Ok(Names(true))
            }

            fn visit_str<E>(self, _: &str) -> Result<Names, E> {
                Ok(Names(true))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Names, A::Error> {
                let mut all = true;
                while let Some(Names(different)) = items.next_element()? {
                    all &= different;
                }
                Ok(Names(all))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Names, A::Error> {
                let (mut names, mut all) = (std::collections::HashSet::new(), true);
                while let Some((name, Names(different))) = members.next_entry::<String, Names>()? {
                    all &= names.insert(name) && different;
                }
                Ok(Names(all))
            }
        }

        deserializer.deserialize_any(Reader)
    }
}
