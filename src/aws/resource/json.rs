//! Documents of the JSON protocols, and what those of DynamoDB are about, operation by operation. One that is not here has no answer.

use serde_json::{Map, Value};

use super::{Asked, Home, Untold, kind::MISSING};
use crate::strict_json;

const UNKNOWN: Untold = "what this operation is about is not read here";

/// The members of a document.
#[derive(Debug)]
pub(super) struct Members(pub(super) Map<String, Value>);

/// The member `name`, where no other is called so in another case, which some reader could take for it.
pub(super) fn member<'v>(members: &'v Map<String, Value>, name: &str) -> Result<Option<&'v Value>, Untold> {
    let mut alike = members.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
    match (alike.next(), alike.next()) {
        (None, _) => Ok(None),
        (Some((key, value)), None) if key == name => Ok(Some(value)),
        _ => Err("a member's name is spelled in another way"),
    }
}

impl Members {
    /// `None` where the body is not exactly one object without a member twice.
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        strict_json::object(body).map(Self)
    }

    fn get(&self, name: &str) -> Result<Option<&Value>, Untold> {
        member(&self.0, name)
    }

    fn text(&self, name: &str) -> Result<&str, Untold> {
        self.get(name)?.and_then(Value::as_str).ok_or(MISSING)
    }
}

fn in_region(service: &str, asked: &Asked<'_>, home: &Home, account: &str, resource: &str) -> String {
    format!("arn:{}:{service}:{}:{account}:{resource}", home.partition, asked.target.region)
}

fn is_name(text: &str, more: &[u8]) -> bool {
    (1..=2_048).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-' || more.contains(&b))
}

/// An ARN of `service` that a request states itself.
fn stated(text: &str, service: &str) -> Result<String, Untold> {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let fits = parts.len() == 6
        && parts[0] == "arn"
        && parts[2] == service
        && !text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '*');
    if fits { Ok(text.to_owned()) } else { Err(MISSING) }
}

pub(super) fn dynamodb(operation: &str, body: &Members, asked: &Asked<'_>, home: &Home) -> Result<Vec<String>, Untold> {
    let table = |name: &str| match name.starts_with("arn:") {
        true => stated(name, "dynamodb"),
        false if is_name(name, b".") => Ok(in_region("dynamodb", asked, home, &home.account, &format!("table/{name}"))),
        false => Err(MISSING),
    };
    match operation {
        "CreateTable" | "DeleteItem" | "DeleteTable" | "DescribeTable" | "DescribeTimeToLive" | "GetItem" | "PutItem" | "UpdateItem"
        | "UpdateTable" | "UpdateTimeToLive" => Ok(vec![table(body.text("TableName")?)?]),
        "Query" | "Scan" => {
            let table = table(body.text("TableName")?)?;
            Ok(vec![match body.get("IndexName")? {
                None => table,
                Some(index) => {
                    let index = index.as_str().filter(|index| is_name(index, b".")).ok_or(MISSING)?;
                    format!("{table}/index/{index}")
                }
            }])
        }
        "BatchGetItem" | "BatchWriteItem" => {
            let tables = body.get("RequestItems")?.and_then(Value::as_object).ok_or(MISSING)?;
            tables.keys().map(|name| table(name)).collect()
        }
        "TransactGetItems" | "TransactWriteItems" => {
            let items = body.get("TransactItems")?.and_then(Value::as_array).ok_or(MISSING)?;
            let of_item = |item: &Value| {
                let item = item.as_object().filter(|item| item.len() == 1).ok_or(MISSING)?;
                let order = item.values().next().and_then(Value::as_object).ok_or(MISSING)?;
                table(Members(order.clone()).text("TableName")?)
            };
            items.iter().map(of_item).collect()
        }
        _ => Err(UNKNOWN),
    }
}
