//! Many items at once. Every table is asked about before any is touched, and everything is checked before anything is written.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{
    Call, checked_name,
    expression::Terms,
    invalid,
    items::{project, with_harmless},
    leading_keys, supports,
    table::{Key, TableConfig},
    value::{Item, check_item},
    wrong_type,
};
use crate::sandbox::aws::failure::Failure;

/// AWS's limits on one batch.
const MAX_GETS: usize = 100;
const MAX_WRITES: usize = 25;

/// The keys asked of one table.
struct Gets<'a> {
    keys: Vec<&'a Item>,
    projection: Option<Vec<String>>,
}

enum Write<'a> {
    Put(&'a Item),
    Delete(&'a Item),
}

impl<'a> Write<'a> {
    fn item(&self) -> &'a Item {
        match self {
            Self::Put(item) | Self::Delete(item) => item,
        }
    }
}

impl Call<'_> {
    pub(super) fn batch_get(&self) -> Result<Value, Failure> {
        self.supports(&with_harmless(&["RequestItems"]))?;
        let mut batch = Vec::new();
        for (name, request) in self.request_items()? {
            let gets = read_gets(request)?;
            let schema = self.tables.schema(&self.caller.account, checked_name(name)?);
            let context = leading_keys(schema.as_ref(), gets.keys.iter().copied());
            self.authorise(name, &context.with_all("dynamodb:Attributes", gets.projection.iter().flatten().cloned()))?;
            batch.push((name, gets));
        }
        within(batch.iter().map(|(_, gets)| gets.keys.len()).sum(), MAX_GETS)?;
        let tables = self.tables.open();
        let mut responses = Map::new();
        for (name, gets) in batch {
            let table = tables.table(&self.caller.account, name)?;
            let keys = distinct(&table.config, gets.keys.iter().map(|key| table.config.key(key)))?;
            let found = keys.iter().filter_map(|key| table.get(key)).map(|item| Value::Object(project(item, gets.projection.as_deref())));
            responses.insert(name.clone(), Value::Array(found.collect()));
        }
        Ok(json!({"Responses": responses, "UnprocessedKeys": {}}))
    }

    pub(super) fn batch_write(&self) -> Result<Value, Failure> {
        self.supports(&with_harmless(&["RequestItems"]))?;
        let mut batch = Vec::new();
        for (name, requests) in self.request_items()? {
            let writes = read_writes(requests)?;
            let schema = self.tables.schema(&self.caller.account, checked_name(name)?);
            let context = leading_keys(schema.as_ref(), writes.iter().map(Write::item));
            let touched: BTreeSet<String> = writes.iter().flat_map(|w| w.item().keys().cloned()).collect();
            self.authorise(name, &context.with_all("dynamodb:Attributes", touched))?;
            batch.push((name, writes));
        }
        within(batch.iter().map(|(_, writes)| writes.len()).sum(), MAX_WRITES)?;
        let mut tables = self.tables.open();
        for (name, writes) in &batch {
            let config = &tables.table(&self.caller.account, name)?.config;
            distinct(config, writes.iter().map(|w| w.key(config)))?;
        }
        for (name, writes) in batch {
            for write in writes {
                let key = write.key(&tables.table(&self.caller.account, name)?.config)?;
                match write {
                    Write::Put(item) => drop(tables.put(&self.caller.account, name, item.clone())?),
                    Write::Delete(_) => drop(tables.delete(&self.caller.account, name, &key)),
                }
            }
        }
        Ok(json!({"UnprocessedItems": {}}))
    }

    fn request_items(&self) -> Result<&Item, Failure> {
        self.object("RequestItems")?.filter(|tables| !tables.is_empty()).ok_or_else(|| invalid("RequestItems is required"))
    }
}

impl Write<'_> {
    fn key(&self, config: &TableConfig) -> Result<Key, Failure> {
        match self {
            Self::Put(item) => config.key_of_item(item),
            Self::Delete(key) => config.key(key),
        }
    }
}

fn read_gets(request: &Value) -> Result<Gets<'_>, Failure> {
    let request = request.as_object().ok_or_else(|| wrong_type("RequestItems"))?;
    supports(request, &["Keys", "ConsistentRead", "ProjectionExpression", "ExpressionAttributeNames"])?;
    let keys = request.get("Keys").and_then(Value::as_array).ok_or_else(|| wrong_type("Keys"))?;
    let keys = keys.iter().map(|key| key.as_object().ok_or_else(|| wrong_type("Keys"))).collect::<Result<_, _>>()?;
    let terms = Terms { names: request.get("ExpressionAttributeNames").and_then(Value::as_object), values: None };
    let projection = request.get("ProjectionExpression").map(|text| terms.projection(text.as_str().unwrap_or_default())).transpose()?;
    Ok(Gets { keys, projection })
}

fn read_writes(requests: &Value) -> Result<Vec<Write<'_>>, Failure> {
    let mut writes = Vec::new();
    for request in requests.as_array().ok_or_else(|| wrong_type("RequestItems"))? {
        let Some((put, Value::Object(item))) = read_write(request) else { return Err(wrong_type("RequestItems")) };
        check_item(item)?;
        writes.push(if put { Write::Put(item) } else { Write::Delete(item) });
    }
    Ok(writes)
}

/// Whether a put or a delete is asked for, and of what.
fn read_write(request: &Value) -> Option<(bool, &Value)> {
    match (request.as_object()?.len(), request.get("PutRequest"), request.get("DeleteRequest")) {
        (1, Some(put), None) => Some((true, put.get("Item")?)),
        (1, None, Some(delete)) => Some((false, delete.get("Key")?)),
        _ => None,
    }
}

/// The keys, none of them twice.
fn distinct(config: &TableConfig, keys: impl Iterator<Item = Result<Key, Failure>>) -> Result<BTreeSet<Key>, Failure> {
    let mut all = BTreeSet::new();
    for key in keys {
        if !all.insert(key?) {
            return Err(invalid(format!("Provided list of item keys for {} contains duplicates", config.name)));
        }
    }
    Ok(all)
}

fn within(count: usize, limit: usize) -> Result<(), Failure> {
    match (1..=limit).contains(&count) {
        true => Ok(()),
        false => Err(invalid(format!("a batch must have 1 to {limit} members"))),
    }
}
