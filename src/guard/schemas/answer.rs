//! What `DescribeTable` answers: which attributes are hash keys.
//!
//! An index may have several hash keys. A query says `=` of each of them, so that the first alone keeps tenants apart where writes and queries are held
//! to it; which one is the first, the table says in the order in which it was made.
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.DesignPattern.MultiAttributeKeys.html>

use std::{collections::BTreeMap, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};

use crate::config::TableKeys;

/// An object and nothing else: a list of what its members would be is one to `serde_json` alone.
#[derive(Debug)]
struct Object<T>(T);

/// Members that are not here decide nothing. One that is twice is an error.
#[derive(Debug, Deserialize)]
struct Answer {
    #[serde(rename = "Table")]
    table: Object<Described>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Described {
    table_name: String,
    key_schema: Vec<Object<Key>>,
    local_secondary_indexes: Option<Vec<Object<Index>>>,
    global_secondary_indexes: Option<Vec<Object<Index>>>,
}

/// Whatever its status: one that is being made has its keys already.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Index {
    index_name: String,
    key_schema: Vec<Object<Key>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Key {
    attribute_name: String,
    key_type: KeyType,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
enum KeyType {
    Hash,
    Range,
}

impl TryFrom<String> for KeyType {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.as_str() {
            "HASH" => Ok(Self::Hash),
            "RANGE" => Ok(Self::Range),
            _ => Err("a kind of key that is not known"),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Reader<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(members)).map(Object)
            }
        }

        deserializer.deserialize_map(Reader(PhantomData))
    }
}

/// What a document says of the table `name`; `None` where it is no such document, or one of another table.
pub(super) fn read(document: &[u8], name: &str) -> Option<TableKeys> {
    let Object(Answer { table: Object(table) }) = serde_json::from_slice(document).ok()?;
    if table.table_name != name {
        return None;
    }
    let key = named(one(hashes(table.key_schema))?)?;
    let mut indexes = BTreeMap::new();
    for Object(index) in table.local_secondary_indexes.unwrap_or_default() {
        // A local index is within the table's key, or none.
        one(hashes(index.key_schema)).filter(|hash| *hash == key)?;
        put(&mut indexes, index.index_name, key.clone())?;
    }
    for Object(index) in table.global_secondary_indexes.unwrap_or_default() {
        put(&mut indexes, index.index_name, named(hashes(index.key_schema).next()?)?)?;
    }
    Some(TableKeys { key, indexes })
}

fn hashes(schema: Vec<Object<Key>>) -> impl Iterator<Item = String> {
    let hashes = schema.into_iter().map(|Object(key)| key).filter(|key| key.key_type == KeyType::Hash);
    hashes.map(|key| key.attribute_name)
}

fn one(mut all: impl Iterator<Item = String>) -> Option<String> {
    all.next().filter(|_| all.next().is_none())
}

fn named(attribute: String) -> Option<String> {
    (!attribute.is_empty()).then_some(attribute)
}

fn put(indexes: &mut BTreeMap<String, String>, name: String, hash: String) -> Option<()> {
    indexes.insert(name, hash).is_none().then_some(())
}

/// The code of an error in AWS's JSON protocols, without its namespace.
pub(super) fn error_code(document: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Error {
        #[serde(rename = "__type")]
        kind: String,
    }
    let Error { kind } = serde_json::from_slice(document).ok()?;
    Some(kind.rsplit_once('#').map_or(kind.as_str(), |(_, code)| code).to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn schema(hashes: &[&str], ranges: &[&str]) -> Value {
        let keys =
            |names: &[&str], kind: &str| names.iter().map(|name| json!({"AttributeName": name, "KeyType": kind})).collect::<Vec<_>>();
        Value::Array([keys(hashes, "HASH"), keys(ranges, "RANGE")].concat())
    }

    fn described(more: Value) -> Value {
        let mut table = json!({"TableName": "pool", "TableStatus": "ACTIVE", "KeySchema": schema(&["pk"], &["sk"]), "ItemCount": 1});
        for (name, value) in more.as_object().unwrap() {
            table[name] = value.clone();
        }
        json!({"Table": table})
    }

    fn index(name: &str, hashes: &[&str], ranges: &[&str]) -> Value {
        json!({"IndexName": name, "KeySchema": schema(hashes, ranges), "IndexStatus": "CREATING", "Projection": {"ProjectionType": "ALL"}})
    }

    fn keys(document: &Value) -> Option<TableKeys> {
        read(document.to_string().as_bytes(), "pool")
    }

    #[test]
    fn hash_keys_are_those_of_the_table_and_of_every_index_whatever_its_status() {
        let of = |key: &str, indexes: &[(&str, &str)]| {
            let indexes = indexes.iter().map(|(name, hash)| ((*name).to_owned(), (*hash).to_owned())).collect();
            Some(TableKeys { key: key.to_owned(), indexes })
        };
        assert_eq!(keys(&described(json!({}))), of("pk", &[]));
        assert_eq!(keys(&described(json!({"LocalSecondaryIndexes": null, "GlobalSecondaryIndexes": []}))), of("pk", &[]));
        let all = json!({
            "KeySchema": schema(&["order"], &[]),
            "LocalSecondaryIndexes": [index("by-date", &["order"], &["date"])],
            "GlobalSecondaryIndexes": [index("by-owner", &["owner"], &["date"]), index("by-place", &["tenant", "region"], &["a", "b"])],
        });
        assert_eq!(keys(&described(all)), of("order", &[("by-date", "order"), ("by-owner", "owner"), ("by-place", "tenant")]));
        // The order in which keys of two kinds are listed means nothing.
        let mixed = json!([{"AttributeName": "sk", "KeyType": "RANGE"}, {"AttributeName": "pk", "KeyType": "HASH"}]);
        assert_eq!(keys(&described(json!({"KeySchema": mixed}))), of("pk", &[]));
    }

    #[test]
    fn what_is_not_understood_is_no_answer() {
        for more in [
            json!({"TableName": "other"}),
            json!({"TableName": "POOL"}),
            json!({"TableName": null}),
            json!({"KeySchema": []}),
            json!({"KeySchema": null}),
            json!({"KeySchema": schema(&[], &["sk"])}),
            json!({"KeySchema": schema(&["pk", "other"], &[])}),
            json!({"KeySchema": schema(&[""], &[])}),
            json!({"KeySchema": [{"AttributeName": "pk", "KeyType": "VECTOR"}]}),
            json!({"KeySchema": [{"AttributeName": "pk", "KeyType": "hash"}]}),
            json!({"KeySchema": [{"KeyType": "HASH"}]}),
            json!({"LocalSecondaryIndexes": [index("i", &["other"], &["a"])]}),
            json!({"LocalSecondaryIndexes": [index("i", &[], &["a"])]}),
            json!({"GlobalSecondaryIndexes": [index("i", &[], &["a"])]}),
            json!({"GlobalSecondaryIndexes": [index("i", &["", "b"], &["a"])]}),
            json!({"GlobalSecondaryIndexes": [{"IndexName": "i"}]}),
            json!({"GlobalSecondaryIndexes": [{"KeySchema": schema(&["pk"], &[])}]}),
            json!({"GlobalSecondaryIndexes": [index("i", &["a"], &[]), index("i", &["b"], &[])]}),
            json!({"GlobalSecondaryIndexes": {}}),
        ] {
            assert_eq!(keys(&described(more.clone())), None, "{more}");
        }
        // Lists in place of objects, and objects in place of texts.
        for more in [
            json!({"KeySchema": [["pk", "HASH"]]}),
            json!({"KeySchema": [{"AttributeName": "pk", "KeyType": {"HASH": null}}]}),
            json!({"GlobalSecondaryIndexes": [["i", schema(&["pk"], &[])]]}),
        ] {
            assert_eq!(keys(&described(more.clone())), None, "{more}");
        }
        assert_eq!(keys(&json!([["pool", schema(&["pk"], &[]), null, null]])), None);
        assert_eq!(keys(&json!({"Table": ["pool", schema(&["pk"], &[]), null, null]})), None);
        let good = described(json!({})).to_string();
        assert!(read(good.as_bytes(), "pool").is_some());
        let twice = good.replacen("\"TableName\"", "\"KeySchema\":[{\"AttributeName\":\"sk\",\"KeyType\":\"HASH\"}],\"TableName\"", 1);
        for text in ["", "{}", "[]", "null", "{\"Table\": {}}", &twice, &good[..good.len() - 1], &format!("{good}{good}")] {
            assert_eq!(read(text.as_bytes(), "pool"), None, "{text}");
        }
    }

    #[test]
    fn an_error_says_its_code() {
        let code = |text: &str| error_code(text.as_bytes());
        let full = r#"{"__type": "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException", "message": "Requested resource not found"}"#;
        assert_eq!(code(full).as_deref(), Some("ResourceNotFoundException"));
        assert_eq!(code(r#"{"__type": "ThrottlingException"}"#).as_deref(), Some("ThrottlingException"));
        assert_eq!((code("{}"), code("<Error/>")), (None, None));
    }
}
