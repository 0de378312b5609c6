//! Operations on one item.

use serde_json::{Map, Value, json};

use super::{
    Call,
    expression::{Change, Exists},
    invalid, leading_keys,
    value::{Item, check_item},
};
use crate::sandbox::aws::{failure::Failure, policy::Context};

/// Accepted everywhere and without effect: this double does not reckon capacity, and is always consistent.
const HARMLESS: [&str; 3] = ["ReturnConsumedCapacity", "ReturnItemCollectionMetrics", "ConsistentRead"];
const WRITES: [&str; 5] = ["TableName", "ConditionExpression", "ExpressionAttributeNames", "ExpressionAttributeValues", "ReturnValues"];

impl Call<'_> {
    pub(super) fn get_item(&self) -> Result<Value, Failure> {
        self.supports(&with_harmless(&["TableName", "Key", "ProjectionExpression", "ExpressionAttributeNames"]))?;
        let (name, key) = (self.table_name()?, self.required("Key")?);
        let projection = self.projection()?;
        let context = self.item_context(name, key).with_all("dynamodb:Attributes", projection.iter().flatten().cloned());
        self.authorise(name, &context)?;
        let tables = self.tables.open();
        let table = tables.table(&self.caller.account, name)?;
        let item = table.get(&table.config.key(key)?);
        Ok(item.map_or_else(|| json!({}), |item| json!({"Item": project(item, projection.as_deref())})))
    }

    pub(super) fn put_item(&self) -> Result<Value, Failure> {
        self.supports(&with_harmless(&[&WRITES[..], &["Item"]].concat()))?;
        let (name, item) = (self.table_name()?, self.required("Item")?);
        let (conditions, returned) = (self.conditions()?, self.return_values(&["NONE", "ALL_OLD"])?);
        let touched = item.keys().cloned().chain(conditions.iter().map(|c| c.name.clone()));
        let context = self.item_context(name, item).with_all("dynamodb:Attributes", touched);
        self.authorise(name, &context.with("dynamodb:ReturnValues", returned))?;
        let mut tables = self.tables.open();
        let table = tables.table(&self.caller.account, name)?;
        let old = table.get(&table.config.key_of_item(item)?);
        check_conditions(&conditions, old)?;
        let old = tables.put(&self.caller.account, name, item.clone())?;
        Ok(attributes(old.filter(|_| returned == "ALL_OLD")))
    }

    pub(super) fn delete_item(&self) -> Result<Value, Failure> {
        self.supports(&with_harmless(&[&WRITES[..], &["Key"]].concat()))?;
        let (name, key) = (self.table_name()?, self.required("Key")?);
        let (conditions, returned) = (self.conditions()?, self.return_values(&["NONE", "ALL_OLD"])?);
        let touched = key.keys().cloned().chain(conditions.iter().map(|c| c.name.clone()));
        let context = self.item_context(name, key).with_all("dynamodb:Attributes", touched);
        self.authorise(name, &context.with("dynamodb:ReturnValues", returned))?;
        let mut tables = self.tables.open();
        let table = tables.table(&self.caller.account, name)?;
        let key = table.config.key(key)?;
        check_conditions(&conditions, table.get(&key))?;
        let old = tables.delete(&self.caller.account, name, &key);
        Ok(attributes(old.filter(|_| returned == "ALL_OLD")))
    }

    pub(super) fn update_item(&self) -> Result<Value, Failure> {
        self.supports(&with_harmless(&[&WRITES[..], &["Key", "UpdateExpression"]].concat()))?;
        let (name, key) = (self.table_name()?, self.required("Key")?);
        let (conditions, returned) = (self.conditions()?, self.return_values(&["NONE", "ALL_OLD", "ALL_NEW"])?);
        let changes = self.text("UpdateExpression")?.map_or(Ok(Vec::new()), |text| self.terms()?.update(text))?;
        let changed = changes.iter().map(|(Change::Set(name, _) | Change::Remove(name))| name.clone());
        let touched = changed.chain(key.keys().cloned()).chain(conditions.iter().map(|c| c.name.clone()));
        let context = self.item_context(name, key).with_all("dynamodb:Attributes", touched);
        self.authorise(name, &context.with("dynamodb:ReturnValues", returned))?;
        let mut tables = self.tables.open();
        let table = tables.table(&self.caller.account, name)?;
        let old = table.get(&table.config.key(key)?);
        check_conditions(&conditions, old)?;
        // A path that is changed twice, or is part of the key, is an error on AWS too.
        let mut new = old.cloned().unwrap_or_else(|| key.clone());
        let before = new.clone();
        for (at, change) in changes.iter().enumerate() {
            let (Change::Set(attribute, _) | Change::Remove(attribute)) = change;
            let twice = changes[..at].iter().any(|(Change::Set(other, _) | Change::Remove(other))| other == attribute);
            if twice || table.config.is_key(attribute) {
                return Err(invalid(format!("the attribute {attribute} is part of the key or is changed twice")));
            }
            match change {
                Change::Set(_, operand) => new.insert(attribute.clone(), operand.resolve(&before)?),
                Change::Remove(_) => new.remove(attribute),
            };
        }
        let old = tables.put(&self.caller.account, name, new.clone())?;
        Ok(attributes(match returned {
            "ALL_OLD" => old,
            "ALL_NEW" => Some(new),
            _ => None,
        }))
    }

    pub(super) fn required(&self, name: &str) -> Result<&Item, Failure> {
        let object = self.object(name)?.ok_or_else(|| invalid(format!("{name} is required")))?;
        check_item(object)?;
        Ok(object)
    }

    pub(super) fn projection(&self) -> Result<Option<Vec<String>>, Failure> {
        self.text("ProjectionExpression")?.map(|text| self.terms()?.projection(text)).transpose()
    }

    fn item_context(&self, table: &str, key: &Item) -> Context {
        leading_keys(self.tables.schema(&self.caller.account, table).as_ref(), std::iter::once(key))
    }

    fn conditions(&self) -> Result<Vec<Exists>, Failure> {
        self.text("ConditionExpression")?.map_or(Ok(Vec::new()), |text| self.terms()?.condition(text))
    }

    fn return_values(&self, known: &[&'static str]) -> Result<&'static str, Failure> {
        let asked = self.text("ReturnValues")?.unwrap_or("NONE");
        known.iter().find(|k| **k == asked).copied().ok_or_else(|| invalid("this double does not support that ReturnValues here"))
    }
}

pub(super) fn with_harmless<'n>(names: &[&'n str]) -> Vec<&'n str> {
    names.iter().chain(&HARMLESS).copied().collect()
}

/// The attributes asked for, or all of them.
pub(super) fn project(item: &Item, names: Option<&[String]>) -> Item {
    match names {
        None => item.clone(),
        Some(names) => item.iter().filter(|(name, _)| names.contains(name)).map(|(n, v)| (n.clone(), v.clone())).collect(),
    }
}

fn check_conditions(conditions: &[Exists], item: Option<&Item>) -> Result<(), Failure> {
    let holds = |c: &Exists| item.is_some_and(|item| item.contains_key(&c.name)) == c.wanted;
    match conditions.iter().all(holds) {
        true => Ok(()),
        false => Err(Failure::operation(400, "ConditionalCheckFailedException", "The conditional request failed")),
    }
}

fn attributes(item: Option<Item>) -> Value {
    Value::Object(item.map_or_else(Map::new, |item| Map::from_iter([("Attributes".to_owned(), Value::Object(item))])))
}
