//! What has to hold for whatever bytes come: other readers of CBOR, of forms, of expressions, and of what members name. They say whether they were taken.

mod arithmetic;
mod named;

use serde_json::{Map, Number, Value};

pub(crate) use self::{arithmetic::arithmetic, named::body};
use super::{cbor, form::Form};

/// A document that is taken is the same one to a reader of all of CBOR, which ends where it ends.
pub(crate) fn cbor(bytes: &[u8]) -> bool {
    let Some(document) = cbor::object(bytes) else { return false };
    let mut rest = bytes;
    let plain: ciborium::Value =
        ciborium::from_reader(&mut rest).unwrap_or_else(|error| panic!("another reader does not understand it: {error}"));
    assert!(rest.is_empty(), "something is behind the end");
    assert_eq!(Value::Object(document), as_json(&plain));
    true
}

/// A value as JSON has it; there is nothing in it that JSON does not have.
fn as_json(value: &ciborium::Value) -> Value {
    match value {
        ciborium::Value::Array(items) => items.iter().map(as_json).collect(),
        ciborium::Value::Bool(is) => Value::Bool(*is),
        ciborium::Value::Float(number) => Number::from_f64(*number).map_or_else(|| panic!("{number} is not finite"), Value::Number),
        ciborium::Value::Integer(number) => {
            let number = i128::from(*number);
            let unsigned = u64::try_from(number).map(Value::from);
            unsigned.or_else(|_| i64::try_from(number).map(Value::from)).unwrap_or_else(|_| panic!("{number} is out of bounds"))
        }
        ciborium::Value::Map(pairs) => {
            let mut members = Map::new();
            for (name, value) in pairs {
                let name = name.as_text().unwrap_or_else(|| panic!("{name:?} is no text"));
                assert!(members.insert(name.to_owned(), as_json(value)).is_none(), "{name:?} is there twice");
            }
            Value::Object(members)
        }
        ciborium::Value::Null => Value::Null,
        // A time, in seconds.
        ciborium::Value::Tag(1, value) if value.is_integer() || value.is_float() => as_json(value),
        ciborium::Value::Text(text) => Value::String(text.clone()),
        other => panic!("{other:?} is nothing that JSON has"),
    }
}

/// A form that is taken is, to a reader of the standard, the same parameters with the same values, and none twice.
pub(crate) fn form(body: &[u8]) -> bool {
    let Ok(form) = Form::parse(body) else { return false };
    let pairs: Vec<(String, String)> = form_urlencoded::parse(body).map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    let mut names: Vec<String> = pairs.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "a parameter is there twice");
    assert_eq!(form.len(), pairs.len());
    for (name, value) in &pairs {
        // Another parameter may look like a part of it; it is then not given at all.
        if let Ok(found) = form.get(name) {
            assert_eq!(found, Some(value.as_str()), "{name}");
        }
    }
    for name in ["QueueUrl", "TopicArn", "Action"] {
        if let Ok(found) = form.get(name) {
            let alike: Vec<_> = pairs.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name)).collect();
            assert!(alike.len() <= 1, "{name}");
            assert_eq!(found, alike.first().map(|(_, value)| value.as_str()), "{name}");
        }
    }
    true
}
