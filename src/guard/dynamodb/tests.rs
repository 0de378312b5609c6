use std::collections::BTreeMap;

use super::{json::Shape, *};
use crate::config::{LeadingKey, TableKeys};

/// Members by service and operation, and by shape.
fn model() -> BTreeMap<(&'static str, &'static str), Vec<&'static str>> {
    let lines = include_str!("../../../tests/guard/dynamodb.api").lines().filter(|line| !line.starts_with('#'));
    let read = |line: &'static str| {
        let mut words = line.split(' ');
        ((words.next().unwrap(), words.next().unwrap()), words.collect())
    };
    lines.map(read).collect()
}

fn members(shape: &Shape) -> Vec<&'static str> {
    match shape {
        Shape::Record(members) => members.iter().map(|(name, _)| *name).collect(),
        other => panic!("{other:?} has no members"),
    }
}

/// What stands at `path` in a body.
fn at<'s>(shape: &'s Shape, path: &[&str]) -> &'s Shape {
    match (shape, path) {
        (Shape::List(of) | Shape::Map(of), _) => at(of, path),
        (shape, []) => shape,
        (Shape::Record(members), [name, rest @ ..]) => at(&members.iter().find(|(member, _)| member == name).unwrap().1, rest),
        (other, _) => panic!("{other:?} has no {path:?}"),
    }
}

/// A member that is missing here would have requests refused that are harmless; one that is only here, no request can have.
#[test]
fn members_are_those_of_the_model() {
    let mut model = model();
    for (operation, path, shape) in [
        ("BatchGetItem", &["RequestItems"][..], "KeysAndAttributes"),
        ("BatchWriteItem", &["RequestItems"], "WriteRequest"),
        ("BatchWriteItem", &["RequestItems", "PutRequest"], "PutRequest"),
        ("BatchWriteItem", &["RequestItems", "DeleteRequest"], "DeleteRequest"),
        ("Query", &["KeyConditions"], "Condition"),
        ("TransactGetItems", &["TransactItems"], "TransactGetItem"),
        ("TransactGetItems", &["TransactItems", "Get"], "Get"),
        ("TransactWriteItems", &["TransactItems"], "TransactWriteItem"),
        ("TransactWriteItems", &["TransactItems", "ConditionCheck"], "ConditionCheck"),
        ("TransactWriteItems", &["TransactItems", "Delete"], "Delete"),
        ("TransactWriteItems", &["TransactItems", "Put"], "Put"),
        ("TransactWriteItems", &["TransactItems", "Update"], "Update"),
        ("UpdateItem", &["AttributeUpdates"], "AttributeValueUpdate"),
    ] {
        let (mut here, mut there) =
            (members(at(&Operation::find(operation).unwrap().body, path)), model.remove(&("shape", shape)).unwrap());
        here.sort_unstable();
        there.sort_unstable();
        assert_eq!(here, there, "{operation} {path:?}");
    }
    let mut understood = 0;
    for ((service, name), mut there) in model {
        assert_ne!(service, "shape", "{name} is compared with nothing");
        let Some(operation) = Operation::find(name) else { continue };
        let mut here = members(&operation.body);
        here.sort_unstable();
        there.sort_unstable();
        assert_eq!(here, there, "{name}");
        understood += 1;
    }
    assert_eq!(understood, api::OPERATIONS.len(), "an operation that is no operation of DynamoDB's");
}

#[test]
fn what_is_usual_is_spelled_as_actions_are() {
    assert!(USUAL.iter().all(|text| Pattern::parse(text).is_some()));
    assert!(USUAL.is_sorted() && PARTIQL.is_sorted());
    let model = model();
    let known = |name: &str| model.keys().any(|(service, operation)| *service != "shape" && *operation == name);
    assert!(PARTIQL.iter().chain([&HARMLESS, &"GetRecords"]).all(|name| known(name)));
}

#[test]
fn one_content_type_in_utf_8_is_json() {
    let of = |values: &[&str]| {
        let headers = values.iter().map(|value| (header::CONTENT_TYPE, value.parse().unwrap()));
        is_json(&headers.collect())
    };
    for text in [
        "application/x-amz-json-1.0",
        "Application/X-Amz-Json-1.0",
        "application/x-amz-json-1.0; charset=utf-8",
        "application/x-amz-json-1.0;charset=UTF-8",
    ] {
        assert!(of(&[text]), "{text}");
    }
    for values in [
        &[][..],
        &[""],
        &["application/json"],
        &["application/x-amz-json-1.1"],
        &["application/x-amz-cbor-1.1"],
        &["application/cbor"],
        &["application/x-amz-json-1.0; charset=utf-16"],
        &["application/x-amz-json-1.0; charset=utf-8; charset=utf-16"],
        &["application/x-amz-json-1.0, application/cbor"],
        &["application/x-amz-json-1.0", "application/x-amz-json-1.0"],
    ] {
        assert!(!of(values), "{values:?}");
    }
}

/// A number has no beginning: its digits are how it is written.
#[test]
fn a_number_is_a_key_only_as_a_whole() {
    struct Nr;
    impl Values for Nr {
        fn value(&self, name: &crate::config::template::Name) -> Option<Cow<'_, str>> {
            (*name == crate::config::template::Name::TenantId).then_some("42".into())
        }
    }
    static KEY: Shape = Shape::Map(&Shape::Attribute);
    let (keys, open) = (TableKeys { key: "pk".to_owned(), indexes: BTreeMap::new() }, BTreeSet::new());
    for (leading, text, has) in
        [("{tenant.id}", "42", true), ("{tenant.id}", "42.0", true), ("{tenant.id}", "420", false), ("{tenant.id}0", "420", false)]
    {
        let leading_key = LeadingKey::parse(leading).unwrap();
        let body = format!("{{\"pk\":{{\"N\":\"{text}\"}}}}");
        let key = json::read(body.as_bytes(), &KEY).unwrap();
        let part = Part { leading_key: &leading_key, keys: &keys, open: &open, tenant: &Nr };
        assert_eq!(part.has_key(key.as_map().unwrap()).is_ok(), has, "{leading} {text}");
    }
}
