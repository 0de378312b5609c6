//! What a parsed token takes in memory, estimated from above.

use serde_json::{Map, Value};

/// A value, with the rest of what a vector grown by doubling holds.
const SLOT: usize = 2 * size_of::<Value>();
/// The least that an allocator hands out, with its own bookkeeping.
const ALLOCATION: usize = 32;
/// A member of the map behind a JSON object, with its hash and its places in the index, and with the rest likewise.
const MEMBER: usize = 2 * (size_of::<String>() + size_of::<Value>() + 3 * size_of::<usize>());
/// For how many members such a map has room at the least, the rest included.
const FIRST: usize = 2;

/// Bytes. Text of the same length can take thirty times as much as other text: many small objects do.
pub(in crate::identity) fn of_claims(claims: &Map<String, Value>) -> usize {
    let members = if claims.is_empty() { 0 } else { 2 * ALLOCATION + MEMBER * claims.len().max(FIRST) };
    members + claims.iter().map(|(name, value)| of_text(name.len()) + of_value(value)).sum::<usize>()
}

/// The parser bounds the depth.
fn of_value(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => of_text(text.len()),
        Value::Array(items) => ALLOCATION + items.iter().map(|item| SLOT + of_value(item)).sum::<usize>(),
        Value::Object(members) => of_claims(members),
    }
}

/// A copy of a text.
pub(in crate::identity) fn of_text(bytes: usize) -> usize {
    ALLOCATION + bytes
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn weight(value: &Value) -> usize {
        of_claims(value.as_object().unwrap())
    }

    #[test]
    fn structure_weighs_more_than_text() {
        assert_eq!(weight(&json!({})), 0);
        let text = weight(&json!({"a": "x".repeat(8_000)}));
        let numbers = weight(&json!({"a": vec![1; 4_000]}));
        let objects = weight(&json!({"a": vec![json!({"a": 1}); 1_000]}));
        assert!((8_000..10_000).contains(&text), "{text}");
        assert!(numbers >= 4_000 * size_of::<Value>() * 2, "{numbers}");
        // What a map of one member allocates: room for three, and an index of four.
        let map = 3 * (size_of::<String>() + size_of::<Value>() + size_of::<usize>()) + 4 * size_of::<usize>() + 20;
        assert!(objects >= 1_000 * (map + size_of::<Value>()), "{objects}");
    }

    #[test]
    fn every_part_counts() {
        let parts = [json!({"a": 1}), json!({"a": "xy"}), json!({"a": [1, 2]}), json!({"a": {"b": {"c": 1}}}), json!({"ab": 1})];
        let weights: Vec<_> = parts.iter().map(weight).collect();
        let one = 2 * ALLOCATION + FIRST * MEMBER + of_text(1);
        assert_eq!(weights, [one, one + of_text(2), one + ALLOCATION + 2 * SLOT, 3 * one, one + 1]);
        let many = json!((0..50).map(|n| (n.to_string(), json!(n))).collect::<Map<_, _>>());
        assert!(weight(&many) >= MEMBER * 10);
    }
}
