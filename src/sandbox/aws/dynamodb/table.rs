//! Tables in memory, bounded.

use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{Mutex, MutexGuard},
};

use serde_json::{Value, json};

use super::{
    super::{failure::Failure, observe::lock},
    invalid,
    value::{Item, KeyType, KeyValue, check_item},
};

/// What an item costs beside its bytes.
const ITEM_COST: usize = 512;
const MAX_TABLES: usize = 256;

/// A table's name and key.
#[derive(Debug, Clone)]
pub struct TableConfig {
    /// 3 to 255 characters of `[A-Za-z0-9_.-]`.
    pub name: String,
    /// Name and type of the partition key.
    pub partition: (String, KeyType),
    /// Name and type of the sort key, if there is one.
    pub sort: Option<(String, KeyType)>,
}

/// An item's key values: partition, and sort where the table has one.
pub(super) type Key = (KeyValue, Option<KeyValue>);

/// All tables, by account and name.
#[derive(Debug)]
pub(super) struct Tables {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
pub(super) struct Inner {
    tables: BTreeMap<(String, String), Table>,
    used: usize,
    max_bytes: usize,
}

#[derive(Debug)]
pub(super) struct Table {
    pub(super) config: TableConfig,
    created: u64,
    items: BTreeMap<Key, Item>,
}

impl Tables {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self { inner: Mutex::new(Inner { max_bytes, ..Inner::default() }) }
    }

    /// The tables, for one operation: reading, deciding and writing happen under one lock, so conditions are atomic.
    pub(super) fn open(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }

    pub(super) fn schema(&self, account: &str, name: &str) -> Option<TableConfig> {
        self.open().table(account, name).ok().map(|t| t.config.clone())
    }
}

impl Inner {
    pub(super) fn table(&self, account: &str, name: &str) -> Result<&Table, Failure> {
        let found = self.tables.get(&(account.to_owned(), name.to_owned()));
        found.ok_or_else(|| Failure::operation(400, "ResourceNotFoundException", "Requested resource not found"))
    }

    pub(super) fn names(&self, account: &str) -> Vec<String> {
        self.tables.keys().filter(|(a, _)| a == account).map(|(_, name)| name.clone()).collect()
    }

    pub(super) fn create(&mut self, account: &str, config: TableConfig, now: u64) -> Result<&Table, Failure> {
        let place = (account.to_owned(), config.name.clone());
        if self.tables.contains_key(&place) {
            return Err(Failure::operation(400, "ResourceInUseException", format!("Table already exists: {}", config.name)));
        }
        if self.tables.len() >= MAX_TABLES {
            return Err(Failure::operation(400, "LimitExceededException", "There are too many tables"));
        }
        Ok(self.tables.entry(place).or_insert(Table { config, created: now, items: BTreeMap::new() }))
    }

    /// Puts an item in the place of the one that was there, and returns that one.
    pub(super) fn put(&mut self, account: &str, name: &str, item: Item) -> Result<Option<Item>, Failure> {
        let size = check_item(&item)? + ITEM_COST;
        let key = self.table(account, name)?.config.key_of_item(&item)?;
        let freed = self.table(account, name)?.items.get(&key).map_or(0, cost);
        if self.used - freed + size > self.max_bytes {
            return Err(Failure::operation(400, "LimitExceededException", "this double keeps no more than its cap"));
        }
        self.used = self.used - freed + size;
        Ok(self.tables.get_mut(&(account.to_owned(), name.to_owned())).and_then(|t| t.items.insert(key, item)))
    }

    pub(super) fn delete(&mut self, account: &str, name: &str, key: &Key) -> Option<Item> {
        let removed = self.tables.get_mut(&(account.to_owned(), name.to_owned())).and_then(|t| t.items.remove(key));
        self.used -= removed.as_ref().map_or(0, cost);
        removed
    }
}

fn cost(item: &Item) -> usize {
    serde_json::to_vec(item).map_or(0, |bytes| bytes.len()) + ITEM_COST
}

impl Table {
    pub(super) fn get(&self, key: &Key) -> Option<&Item> {
        self.items.get(key)
    }

    /// All items in order, from behind `after`; with `partition`, only those of it.
    pub(super) fn walk<'a>(
        &'a self,
        partition: Option<&'a KeyValue>,
        after: Option<&Key>,
        forward: bool,
    ) -> Box<dyn Iterator<Item = (&'a Key, &'a Item)> + Send + 'a> {
        let start = match (after.filter(|_| forward), partition) {
            (Some(after), _) => Bound::Excluded(after.clone()),
            (None, Some(partition)) => Bound::Included((partition.clone(), None)),
            (None, None) => Bound::Unbounded,
        };
        let end = after.filter(|_| !forward).map_or(Bound::Unbounded, |after| Bound::Excluded(after.clone()));
        if empty_range(&start, &end) {
            return Box::new(std::iter::empty());
        }
        let of_partition = move |entry: &(&Key, &Item)| partition.is_none_or(|p| entry.0.0 == *p);
        let items = self.items.range((start, end));
        match forward {
            true => Box::new(items.take_while(of_partition)),
            false => Box::new(items.rev().skip_while(move |e| !of_partition(e)).take_while(of_partition)),
        }
    }

    pub(super) fn description(&self, region: &str, account: &str) -> Value {
        let mut attributes = vec![definition(&self.config.partition)];
        let mut schema = vec![json!({"AttributeName": self.config.partition.0, "KeyType": "HASH"})];
        if let Some(sort) = &self.config.sort {
            attributes.push(definition(sort));
            schema.push(json!({"AttributeName": sort.0, "KeyType": "RANGE"}));
        }
        json!({
            "TableName": self.config.name,
            "TableArn": table_arn(region, account, &self.config.name),
            "TableStatus": "ACTIVE",
            "CreationDateTime": self.created,
            "AttributeDefinitions": attributes,
            "KeySchema": schema,
            "ItemCount": self.items.len(),
            "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
        })
    }
}

/// A range that runs backwards, over which a `BTreeMap` would panic: the page to go on from lies before the partition.
fn empty_range(start: &Bound<Key>, end: &Bound<Key>) -> bool {
    match (start, end) {
        (Bound::Included(a) | Bound::Excluded(a), Bound::Included(b) | Bound::Excluded(b)) => a >= b,
        _ => false,
    }
}

fn definition((name, kind): &(String, KeyType)) -> Value {
    json!({"AttributeName": name, "AttributeType": kind.letter()})
}

pub(super) fn table_arn(region: &str, account: &str, name: &str) -> String {
    format!("arn:aws:dynamodb:{region}:{account}:table/{name}")
}

impl TableConfig {
    /// The key of a whole item.
    pub(super) fn key_of_item(&self, item: &Item) -> Result<Key, Failure> {
        let read = |(name, kind): &(String, KeyType)| {
            let missing = || invalid(format!("One of the required keys was not given a value: {name}"));
            KeyValue::read(item.get(name).ok_or_else(missing)?, *kind)
        };
        Ok((read(&self.partition)?, self.sort.as_ref().map(read).transpose()?))
    }

    /// The key given as a key: its attributes and no others.
    pub(super) fn key(&self, key: &Item) -> Result<Key, Failure> {
        if key.len() != 1 + usize::from(self.sort.is_some()) {
            return Err(invalid("The number of conditions on the keys is invalid"));
        }
        self.key_of_item(key)
    }

    /// Only the key attributes of an item.
    pub(super) fn key_attributes(&self, item: &Item) -> Item {
        item.iter().filter(|(name, _)| self.is_key(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    pub(super) fn is_key(&self, name: &str) -> bool {
        self.partition.0 == name || self.sort.as_ref().is_some_and(|(sort, _)| sort == name)
    }
}
