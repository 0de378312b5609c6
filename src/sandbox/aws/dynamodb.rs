//! DynamoDB in memory, in AWS JSON 1.0.
//!
//! Approximate: no indexes, filters, transactions, streams or PartiQL; expressions as far as `expression` goes; a scan walks keys
//! in order. A parameter that would change an answer and is not supported is a `ValidationException`, never ignored.
//!
//! Authorisation comes before anything about the table is told, from the same parsed input that the operation then acts on.
//! `dynamodb:LeadingKeys` is the partition value of each item that the request names: one for Get, Put, Update, Delete and Query,
//! all of a table's for batches, none for Scan (so that `ForAllValues` alone lets a scan pass, as on AWS).

mod batch;
mod expression;
mod items;
mod query;
mod table;
mod value;

use bytes::Bytes;
use http::{HeaderValue, Method, Response, header, request::Parts};
use serde_json::{Map, Value, json};

use self::{
    expression::Terms,
    table::{Tables, table_arn},
    value::{Item, leading_text},
};
pub use self::{table::TableConfig, value::KeyType};
use super::{envelope::text, failure::Failure, policy::Context, principal::Principal, wire::Wire};
use crate::body::{self, Body};

/// The DynamoDB face of the double.
#[derive(Debug)]
pub(super) struct DynamoDb {
    region: String,
    tables: Tables,
}

/// One operation under way.
struct Call<'a> {
    region: &'a str,
    tables: &'a Tables,
    caller: &'a Principal,
    operation: &'a str,
    input: Map<String, Value>,
    /// Seconds since the Unix epoch.
    now: u64,
}

impl DynamoDb {
    pub(super) fn new(region: String, max_bytes: u64) -> Self {
        Self { region, tables: Tables::new(usize::try_from(max_bytes).unwrap_or(usize::MAX)) }
    }

    /// Answers one request whose signature is verified.
    pub(super) fn answer(&self, parts: &Parts, body: &[u8], caller: &Principal, now: u64) -> Result<Response<Body>, Failure> {
        let target = text(&parts.headers, "x-amz-target")?.unwrap_or_default();
        let operation = target.strip_prefix("DynamoDB_20120810.").unwrap_or_default();
        if parts.method != Method::POST || parts.uri.path() != "/" {
            return Err(unknown_operation());
        }
        let input = serde_json::from_slice(body).map_err(|_| Failure::operation(400, "SerializationException", "the body is not JSON"))?;
        let call = Call { region: &self.region, tables: &self.tables, caller, operation, input, now };
        let output = call.run()?;
        let mut response = Response::new(body::full(Bytes::from(output.to_string())));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.0"));
        Ok(response)
    }

    pub(super) fn create_table(&self, account: &str, table: TableConfig, now: u64) -> Result<(), Failure> {
        self.tables.open().create(account, table, now).map(drop)
    }

    pub(super) fn items(&self, account: &str, table: &str) -> Vec<Value> {
        let tables = self.tables.open();
        tables.table(account, table).map_or(Vec::new(), |t| t.walk(None, None, true).map(|(_, i)| Value::Object(i.clone())).collect())
    }
}

impl Call<'_> {
    fn run(&self) -> Result<Value, Failure> {
        match self.operation {
            "CreateTable" => self.create_table(),
            "DescribeTable" => self.describe_table(),
            "ListTables" => self.list_tables(),
            "GetItem" => self.get_item(),
            "PutItem" => self.put_item(),
            "DeleteItem" => self.delete_item(),
            "UpdateItem" => self.update_item(),
            "Query" => self.query(),
            "Scan" => self.scan(),
            "BatchGetItem" => self.batch_get(),
            "BatchWriteItem" => self.batch_write(),
            _ => Err(unknown_operation()),
        }
    }

    fn create_table(&self) -> Result<Value, Failure> {
        // What shapes a real table's cost or protection and changes no answer here is accepted.
        self.supports(&[
            "TableName",
            "AttributeDefinitions",
            "KeySchema",
            "BillingMode",
            "ProvisionedThroughput",
            "SSESpecification",
            "Tags",
            "DeletionProtectionEnabled",
        ])?;
        let name = self.table_name()?;
        self.authorise(name, &Context::default())?;
        let (mut partition, mut sort) = (None, None);
        for element in self.array("KeySchema")? {
            let attribute = member(element, "AttributeName")?;
            let kind = self.array("AttributeDefinitions")?.iter().find(|d| d["AttributeName"] == attribute);
            let kind = kind.and_then(|d| d["AttributeType"].as_str()).and_then(KeyType::of_letter);
            let kind = kind.ok_or_else(|| invalid("a key attribute is not defined"))?;
            match member(element, "KeyType")? {
                "HASH" if partition.is_none() => partition = Some((attribute.to_owned(), kind)),
                "RANGE" if sort.is_none() => sort = Some((attribute.to_owned(), kind)),
                _ => return Err(invalid("KeySchema needs one HASH and at most one RANGE")),
            }
        }
        let partition = partition.ok_or_else(|| invalid("KeySchema needs one HASH"))?;
        let config = TableConfig { name: name.to_owned(), partition, sort };
        let mut tables = self.tables.open();
        let table = tables.create(&self.caller.account, config, self.now)?;
        Ok(json!({"TableDescription": table.description(self.region, &self.caller.account)}))
    }

    fn describe_table(&self) -> Result<Value, Failure> {
        self.supports(&["TableName"])?;
        let name = self.table_name()?;
        self.authorise(name, &Context::default())?;
        let tables = self.tables.open();
        Ok(json!({"Table": tables.table(&self.caller.account, name)?.description(self.region, &self.caller.account)}))
    }

    fn list_tables(&self) -> Result<Value, Failure> {
        self.supports(&["Limit"])?;
        self.authorise("*", &Context::default())?;
        Ok(json!({"TableNames": self.tables.open().names(&self.caller.account)}))
    }

    /// Asks the caller's policies about this operation on a table.
    fn authorise(&self, table: &str, context: &Context) -> Result<(), Failure> {
        let action = format!("dynamodb:{}", self.operation);
        Ok(self.caller.authorise(&action, &table_arn(self.region, &self.caller.account, table), context)?)
    }

    /// Refuses any parameter that is not named here.
    fn supports(&self, known: &[&str]) -> Result<(), Failure> {
        supports(&self.input, known)
    }

    fn table_name(&self) -> Result<&str, Failure> {
        checked_name(self.text("TableName")?.ok_or_else(|| invalid("TableName is required"))?)
    }

    fn terms(&self) -> Result<Terms<'_>, Failure> {
        Ok(Terms { names: self.object("ExpressionAttributeNames")?, values: self.object("ExpressionAttributeValues")? })
    }

    fn text(&self, name: &str) -> Result<Option<&str>, Failure> {
        self.input.get(name).map(|value| value.as_str().ok_or_else(|| wrong_type(name))).transpose()
    }

    fn object(&self, name: &str) -> Result<Option<&Item>, Failure> {
        self.input.get(name).map(|value| value.as_object().ok_or_else(|| wrong_type(name))).transpose()
    }

    fn array(&self, name: &str) -> Result<&[Value], Failure> {
        self.input.get(name).map_or(Ok(&[]), |value| value.as_array().map(Vec::as_slice).ok_or_else(|| wrong_type(name)))
    }

    fn flag(&self, name: &str) -> Result<Option<bool>, Failure> {
        self.input.get(name).map(|value| value.as_bool().ok_or_else(|| wrong_type(name))).transpose()
    }
}

/// The condition key that confines a caller to partitions.
fn leading_keys<'a>(table: Option<&TableConfig>, keys: impl Iterator<Item = &'a Item>) -> Context {
    let partition = |key: &Item| table.and_then(|t| key.get(&t.partition.0)).and_then(leading_text);
    Context::default().with_all("dynamodb:LeadingKeys", keys.filter_map(partition))
}

fn supports(input: &Map<String, Value>, known: &[&str]) -> Result<(), Failure> {
    match input.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(invalid(format!("this double does not support the parameter {name}"))),
        None => Ok(()),
    }
}

fn checked_name(name: &str) -> Result<&str, Failure> {
    let right = (3..=255).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
    if right { Ok(name) } else { Err(invalid("TableName must have 3 to 255 characters of a-z, A-Z, 0-9, '_', '-' and '.'")) }
}

fn member<'v>(value: &'v Value, name: &str) -> Result<&'v str, Failure> {
    value.get(name).and_then(Value::as_str).ok_or_else(|| wrong_type(name))
}

fn wrong_type(name: &str) -> Failure {
    Failure::operation(400, "SerializationException", format!("{name} is not of the type that it has"))
}

fn unknown_operation() -> Failure {
    Failure::operation(400, "UnknownOperationException", "this double does not know the operation")
}

fn invalid(message: impl Into<String>) -> Failure {
    Failure::validation(Wire::Json, message)
}
