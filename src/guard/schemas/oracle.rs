//! What has to hold for whatever bytes come: another reader of what `DescribeTable` answers, which takes a document as it comes.

use std::collections::BTreeMap;

use serde_json::Value;

use super::answer;

/// The table that is asked about.
const TABLE: &str = "pool";

/// The hash keys that are read are those of the document, of the table and of each index: all that there are, and no others.
pub(crate) fn described(bytes: &[u8]) -> bool {
    let Some(keys) = answer::read(bytes, TABLE) else { return false };
    // What is not looked at may be more than it can read.
    let Ok(document) = serde_json::from_slice::<Value>(bytes) else { return true };
    let table = &document["Table"];
    assert_eq!(table["TableName"], TABLE, "it is of another table");
    let own = hashes(table);
    assert_eq!(own, [keys.key.as_str()], "the table's own");
    let mut indexes = BTreeMap::new();
    for list in ["GlobalSecondaryIndexes", "LocalSecondaryIndexes"] {
        for index in table[list].as_array().into_iter().flatten() {
            let hashes = hashes(index);
            assert!(list == "GlobalSecondaryIndexes" || hashes == own, "a local index is by {hashes:?}");
            let first = hashes.first().unwrap_or_else(|| panic!("{index} has no key"));
            let name = index["IndexName"].as_str().unwrap_or_else(|| panic!("{index} has no name"));
            assert!(indexes.insert(name.to_owned(), (*first).to_owned()).is_none(), "{name} is there twice");
        }
    }
    assert_eq!(keys.indexes, indexes);
    true
}

/// In the order in which they are listed.
fn hashes(of: &Value) -> Vec<&str> {
    let keys = of["KeySchema"].as_array().into_iter().flatten();
    keys.filter(|key| key["KeyType"] == "HASH")
        .map(|key| key["AttributeName"].as_str().unwrap_or_else(|| panic!("{key} has no name")))
        .collect()
}
