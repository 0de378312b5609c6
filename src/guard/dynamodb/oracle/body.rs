//! Bodies, as `serde_json` reads them, and whose keys are in them.

use std::collections::BTreeSet;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

use crate::{
    config::{
        LeadingKey, TableKeys,
        template::{Name, Values},
    },
    guard::dynamodb::{
        api::Operation,
        json::{self, Attribute, Node, Shape},
        pool::Part,
        request::{self, Thing},
    },
};

struct Acme;

impl Values for Acme {
    fn value(&self, name: &Name) -> Option<std::borrow::Cow<'_, str>> {
        (*name == Name::TenantId).then_some("acme".into())
    }
}

/// The first line is the operation's name, what follows is the body. What is kept of a body is what stands in it, and where all of it is the tenant's, no key of
/// anybody else's stands where DynamoDB looks for keys.
pub(crate) fn body(bytes: &[u8]) -> bool {
    let Some(at) = bytes.iter().position(|b| *b == b'\n') else { return false };
    let (name, body) = (&bytes[..at], &bytes[at + 1..]);
    let Some(operation) = std::str::from_utf8(name).ok().and_then(Operation::find) else { return false };
    let Some(node) = json::read(body, &operation.body) else { return false };
    let value: Value = serde_json::from_slice(body).unwrap_or_else(|error| panic!("{error}"));
    assert!(crate::fuzzing::json::has_no_member_twice(body), "a member is there twice");
    compare(&node, &value, &operation.body);
    let Ok(touches) = request::touches(operation, &node, "eu-west-1") else { return false };
    assert!(!touches.is_empty(), "about nothing");
    let leading_key = LeadingKey::parse("{tenant.id}#").unwrap_or_else(|error| panic!("{error}"));
    let indexes = [("by-owner".to_owned(), "gsi1pk".to_owned())].into_iter().collect();
    let (table, open) = (TableKeys { key: "pk".to_owned(), indexes }, BTreeSet::new());
    let part = Part { leading_key: &leading_key, keys: &table, open: &open, tenant: &Acme };
    let all = touches.iter().all(|touch| {
        match &touch.thing {
            Thing::All => Err("everybody's".into()),
            Thing::Item(item) => part.has_item(item),
            Thing::Key(key) => part.has_key(key),
            Thing::Query(query) => part.has_query(query),
            Thing::Schema => Ok(()),
            Thing::Update(update) => part.has_update(update),
        }
        .is_ok()
    });
    if all {
        let keys = keys(operation, &value);
        assert_eq!(keys.len(), touches.iter().filter(|touch| !matches!(touch.thing, Thing::Schema)).count(), "{} {value}", operation.name);
        assert!(keys.iter().all(is_of_acme), "{} {value}", operation.name);
    }
    all
}

/// Whether what was kept is what stands there.
fn compare(node: &Node<'_>, value: &Value, shape: &Shape) {
    match (node, shape) {
        (Node::Skipped, _) => assert!(value.is_null() || matches!(shape, Shape::Skip), "{value} was skipped"),
        (Node::Text(text), Shape::Text) => assert_eq!(value, &**text),
        (Node::Attribute(attribute), Shape::Attribute) => {
            let members = value.as_object().unwrap_or_else(|| panic!("{value} is no attribute"));
            assert_eq!(members.len(), 1, "{value} has several types");
            match attribute {
                Attribute::Binary(text) => assert_eq!(members.get("B"), Some(&Value::from(&**text))),
                Attribute::Number(text) => assert_eq!(members.get("N"), Some(&Value::from(&**text))),
                Attribute::Text(text) => assert_eq!(members.get("S"), Some(&Value::from(&**text))),
                Attribute::Other => assert!(!["S", "N", "B"].iter().any(|kind| members.contains_key(*kind)), "{value} is a key"),
            }
        }
        (Node::List(nodes), Shape::List(of)) => {
            let values = value.as_array().unwrap_or_else(|| panic!("{value} is no list"));
            assert_eq!(nodes.len(), values.len());
            nodes.iter().zip(values).for_each(|(node, value)| compare(node, value, of));
        }
        (Node::Map(map), Shape::Map(of)) => {
            let values = value.as_object().unwrap_or_else(|| panic!("{value} is no map"));
            assert_eq!(map.len(), values.len());
            values.iter().for_each(|(name, value)| compare(map.get(name).unwrap_or_else(|| panic!("{name:?} is not there")), value, of));
        }
        (Node::Record(_), Shape::Record(known)) => {
            let values = value.as_object().unwrap_or_else(|| panic!("{value} is no record"));
            for (name, value) in values {
                let (_, shape) = known.iter().find(|(member, _)| member == name).unwrap_or_else(|| panic!("{name:?} is not known"));
                match node.member(name) {
                    Some(node) => compare(node, value, shape),
                    None => compare(&Node::Skipped, value, shape),
                }
            }
        }
        _ => panic!("{value} became {node:?}"),
    }
}

/// The hash key of everything that DynamoDB would read or write, where it looks for it.
fn keys(operation: &Operation, body: &Value) -> Vec<Value> {
    let one = |order: &Value| order.get("Key").or_else(|| order.get("Item")).map(|key| key["pk"].clone()).unwrap_or_default();
    let members =
        |value: &Value| -> Vec<Value> { value.as_object().map(|members| members.values().cloned().collect()).unwrap_or_default() };
    let items = |value: &Value| -> Vec<Value> { value.as_array().cloned().unwrap_or_default() };
    match operation.name {
        "GetItem" | "DeleteItem" | "PutItem" | "UpdateItem" => vec![one(body)],
        "BatchGetItem" => {
            members(&body["RequestItems"]).iter().flat_map(|table| items(&table["Keys"])).map(|key| key["pk"].clone()).collect()
        }
        "BatchWriteItem" => {
            let requests = members(&body["RequestItems"]).into_iter().flat_map(|table| items(&table));
            requests
                .flat_map(|request| members(&request).into_iter().filter(|order| !order.is_null()).collect::<Vec<_>>())
                .map(|order| one(&order))
                .collect()
        }
        "TransactGetItems" | "TransactWriteItems" => {
            let orders = items(&body["TransactItems"]).into_iter().flat_map(|item| members(&item)).filter(|order| !order.is_null());
            orders.map(|order| one(&order)).collect()
        }
        "Query" => {
            let attribute = if body["IndexName"].is_null() { "pk" } else { "gsi1pk" };
            let legacy = &body["KeyConditions"][attribute]["AttributeValueList"][0];
            vec![if legacy.is_null() { queried(body, attribute) } else { legacy.clone() }]
        }
        _ => Vec::new(),
    }
}

/// The value that stands behind the attribute and `=`, found by looking for them.
fn queried(body: &Value, attribute: &str) -> Value {
    let expression = body["KeyConditionExpression"].as_str().unwrap_or_default();
    let aliases = body["ExpressionAttributeNames"].as_object();
    let means = |word: &str| match aliases.and_then(|aliases| aliases.get(word)) {
        Some(name) => name.as_str() == Some(attribute),
        None => word == attribute,
    };
    let words = super::words(expression).unwrap_or_default();
    let mut found = words.windows(3).filter(|three| means(&three[0]) && three[1] == "=" && three[2].starts_with(':'));
    found.next().map(|three| body["ExpressionAttributeValues"][three[2].as_str()].clone()).unwrap_or_default()
}

fn is_of_acme(key: &Value) -> bool {
    match (key["S"].as_str(), key["B"].as_str()) {
        (Some(text), None) => text.starts_with("acme#"),
        (None, Some(text)) => STANDARD.decode(text).is_ok_and(|bytes| bytes.starts_with(b"acme#")),
        _ => false,
    }
}
