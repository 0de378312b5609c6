//! DynamoDB's attribute values: checked for form, and ordered where they are keys.
//!
//! Approximate: a number is given back as it was written, where DynamoDB gives its shortest form.

use std::cmp::Ordering;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};

use super::invalid;
use crate::sandbox::aws::failure::Failure;

/// Attribute names and their values, in DynamoDB's JSON (`{"S": "text"}`).
pub(super) type Item = Map<String, Value>;

/// AWS's limits: 400 KiB an item, 32 levels of nesting.
const MAX_ITEM: usize = 400 * 1024;
const MAX_DEPTH: usize = 32;

/// The type of a key attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyType {
    /// `S`
    Text,
    /// `N`
    Number,
    /// `B`
    Binary,
}

impl KeyType {
    pub(super) fn letter(self) -> &'static str {
        match self {
            Self::Text => "S",
            Self::Number => "N",
            Self::Binary => "B",
        }
    }

    pub(super) fn of_letter(letter: &str) -> Option<Self> {
        [Self::Text, Self::Number, Self::Binary].into_iter().find(|t| t.letter() == letter)
    }
}

/// The value of a key attribute, in DynamoDB's order: bytes for texts and binaries, value for numbers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum KeyValue {
    Text(String),
    Number(Number),
    Binary(Vec<u8>),
}

impl KeyValue {
    /// Reads `{"S": ...}`, `{"N": ...}` or `{"B": ...}`, of the type that the key has, and not empty.
    pub(super) fn read(value: &Value, kind: KeyType) -> Result<Self, Failure> {
        let mismatch = || invalid("The provided key element does not match the schema");
        let (letter, inner) = only_entry(value).ok_or_else(mismatch)?;
        let text = inner.as_str().filter(|text| letter == kind.letter() && !text.is_empty()).ok_or_else(mismatch)?;
        match kind {
            KeyType::Text => Ok(Self::Text(text.to_owned())),
            KeyType::Number => Number::parse(text).map(Self::Number).ok_or_else(mismatch),
            KeyType::Binary => STANDARD.decode(text).map(Self::Binary).map_err(|_| mismatch()),
        }
    }

    /// Whether this begins with `start`; never for numbers.
    pub(super) fn begins_with(&self, start: &Self) -> bool {
        match (self, start) {
            (Self::Text(text), Self::Text(start)) => text.starts_with(start.as_str()),
            (Self::Binary(bytes), Self::Binary(start)) => bytes.starts_with(start),
            _ => false,
        }
    }
}

/// How a key value appears in `dynamodb:LeadingKeys`: what is inside the type.
pub(super) fn leading_text(value: &Value) -> Option<String> {
    only_entry(value).and_then(|(_, inner)| inner.as_str()).map(str::to_owned)
}

/// A decimal number of DynamoDB's: up to 38 digits, compared by value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Number {
    negative: bool,
    /// The power of ten of the first digit.
    exponent: i32,
    /// Without zeros at either end; empty for zero.
    digits: Vec<u8>,
}

impl Number {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            None => (text, 0),
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i16>().ok()?.into()),
        };
        let (negative, mantissa) = match mantissa.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, mantissa.strip_prefix('+').unwrap_or(mantissa)),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
        if all.is_empty() || all.len() > 400 || !all.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let Some(first) = all.iter().position(|d| *d != b'0') else {
            return Some(Self { negative: false, exponent: 0, digits: Vec::new() });
        };
        let last = all.iter().rposition(|d| *d != b'0')?;
        let number = Self {
            negative,
            exponent: exponent + i32::try_from(whole.len()).ok()? - 1 - i32::try_from(first).ok()?,
            digits: all[first..=last].to_vec(),
        };
        ((-130..=125).contains(&number.exponent) && number.digits.len() <= 38).then_some(number)
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        let sign = |n: &Self| match (n.digits.is_empty(), n.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        };
        let size = || self.exponent.cmp(&other.exponent).then_with(|| self.digits.cmp(&other.digits));
        sign(self).cmp(&sign(other)).then_with(|| if self.negative { size().reverse() } else { size() })
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Checks every value of an item, and the item's size. Returns that size, in bytes of its JSON.
pub(super) fn check_item(item: &Item) -> Result<usize, Failure> {
    for value in item.values() {
        check(value, 0)?;
    }
    let size = serde_json::to_vec(item).map_or(usize::MAX, |bytes| bytes.len());
    match size <= MAX_ITEM {
        true => Ok(size),
        false => Err(invalid("Item size has exceeded the maximum allowed size")),
    }
}

fn check(value: &Value, depth: usize) -> Result<(), Failure> {
    let wrong = || invalid("Supplied AttributeValue is empty, has more than one type, or a value that does not fit its type");
    if depth > MAX_DEPTH {
        return Err(invalid("Nesting levels have exceeded supported limits"));
    }
    let (letter, inner) = only_entry(value).ok_or_else(wrong)?;
    let set =
        |fits: fn(&str) -> bool| inner.as_array().is_some_and(|set| !set.is_empty() && set.iter().all(|v| v.as_str().is_some_and(fits)));
    let fits = match letter {
        "S" => inner.is_string(),
        "N" => inner.as_str().is_some_and(|text| Number::parse(text).is_some()),
        "B" => inner.as_str().is_some_and(|text| STANDARD.decode(text).is_ok()),
        "BOOL" => inner.is_boolean(),
        "NULL" => inner == &Value::Bool(true),
        "SS" => set(|_| true),
        "NS" => set(|text| Number::parse(text).is_some()),
        "BS" => set(|text| STANDARD.decode(text).is_ok()),
        "L" => return inner.as_array().ok_or_else(wrong)?.iter().try_for_each(|v| check(v, depth + 1)),
        "M" => return inner.as_object().ok_or_else(wrong)?.values().try_for_each(|v| check(v, depth + 1)),
        _ => false,
    };
    if fits { Ok(()) } else { Err(wrong()) }
}

fn only_entry(value: &Value) -> Option<(&str, &Value)> {
    let object = value.as_object().filter(|o| o.len() == 1)?;
    object.iter().next().map(|(letter, inner)| (letter.as_str(), inner))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_ordered_by_value() {
        let ordered = ["-1e10", "-12", "-2", "-0.5", "0", "0.001", "0.5", "2", "10", "10.5", "1e2", "12345678901234567890"];
        for pair in ordered.windows(2) {
            assert!(Number::parse(pair[0]).unwrap() < Number::parse(pair[1]).unwrap(), "{pair:?}");
        }
        for (a, b) in [("1", "1.0"), ("100", "1e2"), ("0", "-0"), ("+5", "05"), ("0.50", ".5")] {
            assert_eq!(Number::parse(a), Number::parse(b), "{a} {b}");
        }
        for bad in ["", "-", ".", "1e", "x", "1.2.3", "1e200", "0x1", "NaN", &"1".repeat(39)] {
            assert_eq!(Number::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn values_must_fit_their_type() {
        for good in [
            json!({"S": ""}),
            json!({"N": "-1.5"}),
            json!({"B": "AAEC"}),
            json!({"NULL": true}),
            json!({"BOOL": false}),
            json!({"L": [{"S": "x"}, {"M": {"k": {"NS": ["1"]}}}]}),
        ] {
            assert!(check(&good, 0).is_ok(), "{good}");
        }
        for bad in [
            json!("x"),
            json!({}),
            json!({"S": "x", "N": "1"}),
            json!({"S": 1}),
            json!({"N": 1}),
            json!({"N": "one"}),
            json!({"NULL": false}),
            json!({"SS": []}),
            json!({"L": [1]}),
            json!({"X": "y"}),
        ] {
            assert!(check(&bad, 0).is_err(), "{bad}");
        }
        let big = json!({"k": {"S": "x".repeat(MAX_ITEM)}});
        assert!(check_item(big.as_object().unwrap()).is_err());
    }

    #[test]
    fn a_key_has_its_type_and_is_not_empty() {
        assert!(KeyValue::read(&json!({"S": "a"}), KeyType::Text).is_ok());
        for (value, kind) in [
            (json!({"S": ""}), KeyType::Text),
            (json!({"S": "1"}), KeyType::Number),
            (json!({"N": "x"}), KeyType::Number),
            (json!({"B": "%"}), KeyType::Binary),
            (json!({"S": "a", "N": "1"}), KeyType::Text),
        ] {
            assert!(KeyValue::read(&value, kind).is_err(), "{value}");
        }
    }
}
