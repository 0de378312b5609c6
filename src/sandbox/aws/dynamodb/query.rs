//! Query and Scan: pages of items.

use serde_json::{Map, Value, json};

use super::{
    Call, invalid,
    items::{project, with_harmless},
    leading_keys,
    table::{Key, Table},
    value::{Item, KeyValue, leading_text},
};
use crate::sandbox::aws::{failure::Failure, policy::Context};

/// AWS reads at most a megabyte for one page.
const MAX_PAGE: usize = 1024 * 1024;
const PAGES: [&str; 7] =
    ["TableName", "Limit", "ExclusiveStartKey", "ProjectionExpression", "ExpressionAttributeNames", "ExpressionAttributeValues", "Select"];

/// What is read of an item beside its key.
struct Selection {
    names: Option<Vec<String>>,
    count_only: bool,
}

impl Call<'_> {
    pub(super) fn query(&self) -> Result<Value, Failure> {
        self.supports(&with_harmless(&[&PAGES[..], &["KeyConditionExpression", "ScanIndexForward"]].concat()))?;
        let name = self.table_name()?;
        let selection = self.selection()?;
        let text = self.text("KeyConditionExpression")?.ok_or_else(|| invalid("this double needs a KeyConditionExpression"))?;
        let forward = self.flag("ScanIndexForward")?.unwrap_or(true);
        let Some(schema) = self.tables.schema(&self.caller.account, name) else {
            self.authorise(name, &Context::default())?;
            return self.tables.open().table(&self.caller.account, name).map(|_| Value::Null);
        };
        let terms = self.terms()?;
        let condition = terms.key_condition(text, &schema)?;
        let leading = Context::default().with_all("dynamodb:LeadingKeys", leading_text(condition.partition));
        self.authorise(name, &selection.context(leading))?;
        let partition = KeyValue::read(condition.partition, schema.partition.1)?;
        let tables = self.tables.open();
        let table = tables.table(&self.caller.account, name)?;
        let after = self.start_key(table)?;
        if after.as_ref().is_some_and(|(start, _)| *start != partition) {
            return Err(invalid("The provided starting key is outside query boundaries"));
        }
        let in_range = |key: &Key| match (&condition.sort, &key.1) {
            (Some(test), Some(sort)) => test.accepts(sort),
            _ => true,
        };
        let found = table.walk(Some(&partition), after.as_ref(), forward).filter(|(key, _)| in_range(key));
        self.page(table, found, &selection)
    }

    pub(super) fn scan(&self) -> Result<Value, Failure> {
        self.supports(&with_harmless(&PAGES))?;
        let name = self.table_name()?;
        let selection = self.selection()?;
        self.authorise(name, &selection.context(leading_keys(None, std::iter::empty())))?;
        let tables = self.tables.open();
        let table = tables.table(&self.caller.account, name)?;
        let after = self.start_key(table)?;
        self.page(table, table.walk(None, after.as_ref(), true), &selection)
    }

    fn page<'t>(&self, table: &Table, found: impl Iterator<Item = (&'t Key, &'t Item)>, selection: &Selection) -> Result<Value, Failure> {
        let limit = match self.input.get("Limit").map(Value::as_u64) {
            None => usize::MAX,
            Some(Some(limit)) if limit > 0 => usize::try_from(limit).unwrap_or(usize::MAX),
            Some(_) => return Err(invalid("Limit must be at least 1")),
        };
        let (mut items, mut count, mut read, mut last) = (Vec::new(), 0_usize, 0, None);
        for (_, item) in found {
            if count == limit || read > MAX_PAGE {
                break;
            }
            count += 1;
            read += serde_json::to_vec(item).map_or(0, |bytes| bytes.len());
            last = Some(item);
            if !selection.count_only {
                items.push(Value::Object(project(item, selection.names.as_deref())));
            }
        }
        let mut output = Map::from_iter([("Count".to_owned(), json!(count)), ("ScannedCount".to_owned(), json!(count))]);
        if !selection.count_only {
            output.insert("Items".to_owned(), Value::Array(items));
        }
        // As on AWS, a page that is exactly full says that there may be more, whether there is or not.
        if let Some(last) = last.filter(|_| count == limit || read > MAX_PAGE) {
            output.insert("LastEvaluatedKey".to_owned(), Value::Object(table.config.key_attributes(last)));
        }
        Ok(Value::Object(output))
    }

    fn start_key(&self, table: &Table) -> Result<Option<Key>, Failure> {
        self.object("ExclusiveStartKey")?.map(|key| table.config.key(key)).transpose()
    }

    fn selection(&self) -> Result<Selection, Failure> {
        let names = self.projection()?;
        let count_only = match (self.text("Select")?, &names) {
            (None, _) | (Some("ALL_ATTRIBUTES"), None) | (Some("SPECIFIC_ATTRIBUTES"), Some(_)) => false,
            (Some("COUNT"), None) => true,
            _ => return Err(invalid("this Select does not go with the other parameters, or is not supported")),
        };
        Ok(Selection { names, count_only })
    }
}

impl Selection {
    fn context(&self, context: Context) -> Context {
        let select = match (&self.names, self.count_only) {
            (Some(_), _) => "SPECIFIC_ATTRIBUTES",
            (None, true) => "COUNT",
            (None, false) => "ALL_ATTRIBUTES",
        };
        context.with("dynamodb:Select", select).with_all("dynamodb:Attributes", self.names.iter().flatten().cloned())
    }
}
