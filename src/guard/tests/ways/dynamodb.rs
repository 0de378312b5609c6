//! The same of DynamoDB: tables, and hash keys of items, of indexes, of queries and of each item of a batch or a transaction.

use super::*;

/// Ways that are one's own, in another writing, or say nothing of whose it is.
const OWN: [&str; 5] = ["account", "own", "own-arn", "own-binary", "own-table"];
const NOT_THERE: &str = "absent";

/// A place where a member says whose an item is: what is before the items, each item, with `@` for the member, and what is behind them.
struct Place {
    operation: &'static str,
    place: &'static str,
    /// The member's name.
    name: &'static str,
    document: [&'static str; 3],
    is_list: bool,
    /// Whether an item without the member is nobody's, as one that is in no index.
    may_be_absent: bool,
}

const fn one(operation: &'static str, place: &'static str, name: &'static str, document: [&'static str; 3]) -> Place {
    Place { operation, place, name, document, is_list: false, may_be_absent: false }
}

const fn list(operation: &'static str, place: &'static str, name: &'static str, document: [&'static str; 3]) -> Place {
    Place { is_list: true, ..one(operation, place, name, document) }
}

const fn of_index(place: Place) -> Place {
    Place { may_be_absent: true, ..place }
}

const KEY: &str = "{@,\"sk\":{\"S\":\"1\"}}";
const ITEM: &str = "{\"pk\":{\"S\":\"acme#1\"},\"sk\":{\"S\":\"1\"},@}";
const OF_POOL: &str = "{\"TableName\":\"pool\",\"Key\":";

/// What is behind a member, about one's own item.
const ITEM_BEHIND: &str = ",\"Key\":{\"pk\":{\"S\":\"acme#1\"},\"sk\":{\"S\":\"1\"}}}";
const UPDATED: &str = "}},\"Key\":{\"pk\":{\"S\":\"acme#1\"},\"sk\":{\"S\":\"1\"}}}";
const SET: &str = "},\"Key\":{\"pk\":{\"S\":\"acme#1\"},\"sk\":{\"S\":\"1\"}},\"UpdateExpression\":\"SET #o = :o\",\"ExpressionAttributeNames\":{\"#o\":\"owner\"}}";

/// Where hash keys stand.
const KEYS: &[Place] = &[
    one("GetItem", "Key", "pk", [OF_POOL, KEY, "}"]),
    one("DeleteItem", "Key", "pk", [OF_POOL, KEY, "}"]),
    one("UpdateItem", "Key", "pk", [OF_POOL, KEY, "}"]),
    one("PutItem", "Item", "pk", ["{\"TableName\":\"pool\",\"Item\":", KEY, "}"]),
    of_index(one("PutItem", "Item, of an index", "owner", ["{\"TableName\":\"pool\",\"Item\":", ITEM, "}"])),
    one("UpdateItem", "UpdateExpression, of an index", ":o", ["{\"TableName\":\"pool\",\"ExpressionAttributeValues\":{", "@", SET]),
    of_index(one(
        "UpdateItem",
        "AttributeUpdates, of an index",
        "Value",
        ["{\"TableName\":\"pool\",\"AttributeUpdates\":{\"owner\":{", "@", UPDATED],
    )),
    one(
        "Query",
        "KeyConditionExpression",
        ":p",
        ["{\"TableName\":\"pool\",\"KeyConditionExpression\":\"pk = :p\",\"ExpressionAttributeValues\":{", "@", "}}"],
    ),
    one(
        "Query",
        "KeyConditionExpression, of an index",
        ":p",
        [
            "{\"TableName\":\"pool\",\"IndexName\":\"by-owner\",\"KeyConditionExpression\":\"owner = :p\",\"ExpressionAttributeValues\":{",
            "@",
            "}}",
        ],
    ),
    list(
        "Query",
        "KeyConditions",
        "",
        ["{\"TableName\":\"pool\",\"KeyConditions\":{\"pk\":{\"ComparisonOperator\":\"EQ\",\"AttributeValueList\":[", "@", "]}}}"],
    ),
    one(
        "Query",
        "ExclusiveStartKey",
        "pk",
        [
            "{\"TableName\":\"pool\",\"KeyConditionExpression\":\"pk = :p\",\"ExpressionAttributeValues\":{\":p\":{\"S\":\"acme#1\"}},\"ExclusiveStartKey\":",
            KEY,
            "}",
        ],
    ),
    list("BatchGetItem", "Keys", "pk", ["{\"RequestItems\":{\"pool\":{\"Keys\":[", KEY, "]}}}"]),
    list(
        "BatchWriteItem",
        "DeleteRequest",
        "pk",
        ["{\"RequestItems\":{\"pool\":[", "{\"DeleteRequest\":{\"Key\":{@,\"sk\":{\"S\":\"1\"}}}}", "]}}"],
    ),
    list(
        "BatchWriteItem",
        "PutRequest",
        "pk",
        ["{\"RequestItems\":{\"pool\":[", "{\"PutRequest\":{\"Item\":{@,\"sk\":{\"S\":\"1\"}}}}", "]}}"],
    ),
    list(
        "TransactGetItems",
        "Get",
        "pk",
        ["{\"TransactItems\":[", "{\"Get\":{\"TableName\":\"pool\",\"Key\":{@,\"sk\":{\"S\":\"1\"}}}}", "]}"],
    ),
    list(
        "TransactWriteItems",
        "Put",
        "pk",
        ["{\"TransactItems\":[", "{\"Put\":{\"TableName\":\"pool\",\"Item\":{@,\"sk\":{\"S\":\"1\"}}}}", "]}"],
    ),
    list(
        "TransactWriteItems",
        "Delete",
        "pk",
        ["{\"TransactItems\":[", "{\"Delete\":{\"TableName\":\"pool\",\"Key\":{@,\"sk\":{\"S\":\"1\"}}}}", "]}"],
    ),
    list(
        "TransactWriteItems",
        "Update",
        "pk",
        [
            "{\"TransactItems\":[",
            "{\"Update\":{\"TableName\":\"pool\",\"Key\":{@,\"sk\":{\"S\":\"1\"}},\"UpdateExpression\":\"REMOVE a\"}}",
            "]}",
        ],
    ),
    list(
        "TransactWriteItems",
        "ConditionCheck",
        "pk",
        [
            "{\"TransactItems\":[",
            "{\"ConditionCheck\":{\"TableName\":\"pool\",\"Key\":{@,\"sk\":{\"S\":\"1\"}},\"ConditionExpression\":\"attribute_exists(pk)\"}}",
            "]}",
        ],
    ),
];

/// Where tables are named.
const TABLES: &[Place] = &[
    one("GetItem", "TableName", "TableName", ["{", "@", ITEM_BEHIND]),
    one("DeleteItem", "TableName", "TableName", ["{", "@", ITEM_BEHIND]),
    one("UpdateItem", "TableName", "TableName", ["{", "@", ITEM_BEHIND]),
    one("PutItem", "TableName", "TableName", ["{", "@", ",\"Item\":{\"pk\":{\"S\":\"acme#1\"}}}"]),
    one(
        "Query",
        "TableName",
        "TableName",
        ["{", "@", ",\"KeyConditionExpression\":\"pk = :p\",\"ExpressionAttributeValues\":{\":p\":{\"S\":\"acme#1\"}}}"],
    ),
    one("DescribeTable", "TableName", "TableName", ["{", "@", "}"]),
    list(
        "TransactGetItems",
        "Get, TableName",
        "TableName",
        ["{\"TransactItems\":[", "{\"Get\":{@,\"Key\":{\"pk\":{\"S\":\"acme#1\"}}}}", "]}"],
    ),
    list(
        "TransactWriteItems",
        "Put, TableName",
        "TableName",
        ["{\"TransactItems\":[", "{\"Put\":{@,\"Item\":{\"pk\":{\"S\":\"acme#1\"}}}}", "]}"],
    ),
    list("BatchGetItem", "RequestItems", "", ["{\"RequestItems\":{", "@:{\"Keys\":[{\"pk\":{\"S\":\"acme#1\"}}]}", "}}"]),
    list(
        "BatchWriteItem",
        "RequestItems",
        "",
        ["{\"RequestItems\":{", "@:[{\"DeleteRequest\":{\"Key\":{\"pk\":{\"S\":\"acme#1\"}}}}]", "}}"],
    ),
];

/// Values of a hash key, in JSON.
const VALUES: [(&str, &str); 19] = [
    ("own", "{\"S\":\"acme#1\"}"),
    ("own-binary", "{\"B\":\"YWNtZSMx\"}"),
    ("another", "{\"S\":\"globex#1\"}"),
    ("another-binary", "{\"B\":\"Z2xvYmV4IzE=\"}"),
    ("beginning", "{\"S\":\"acme-2#1\"}"),
    ("beginning-2", "{\"S\":\"acme2#1\"}"),
    ("shorter", "{\"S\":\"acm#1\"}"),
    ("capital", "{\"S\":\"ACME#1\"}"),
    ("no-separator", "{\"S\":\"acme\"}"),
    ("behind", "{\"S\":\"globex#acme#1\"}"),
    ("number", "{\"N\":\"1\"}"),
    ("set", "{\"SS\":[\"acme#1\"]}"),
    ("list", "{\"L\":[{\"S\":\"acme#1\"}]}"),
    ("null-type", "{\"NULL\":true}"),
    ("empty", "{\"S\":\"\"}"),
    ("two-types", "{\"S\":\"acme#1\",\"B\":\"Z2xvYmV4IzE=\"}"),
    ("type-twice", "{\"S\":\"acme#1\",\"S\":\"globex#1\"}"),
    ("type-case", "{\"s\":\"acme#1\"}"),
    ("text", "\"acme#1\""),
];

/// Names of tables, in JSON.
const NAMES: [(&str, &str); 17] = [
    ("own", "\"pool\""),
    ("own-table", "\"own-acme\""),
    ("own-arn", "\"arn:aws:dynamodb:eu-west-1:111122223333:table/own-acme\""),
    ("another", "\"own-globex\""),
    ("another-arn", "\"arn:aws:dynamodb:eu-west-1:111122223333:table/own-globex\""),
    ("account", "\"arn:aws:dynamodb:eu-west-1:999999999999:table/own-acme\""),
    ("region", "\"arn:aws:dynamodb:us-east-1:111122223333:table/own-acme\""),
    ("service", "\"arn:aws:s3:eu-west-1:111122223333:table/own-acme\""),
    ("index", "\"arn:aws:dynamodb:eu-west-1:111122223333:table/pool/index/by-owner\""),
    ("beginning", "\"own-acme-2\""),
    ("shorter", "\"own-acm\""),
    ("capital", "\"OWN-ACME\""),
    ("nobody's", "\"nobodys\""),
    ("wildcard", "\"own-*\""),
    ("step", "\"own-acme/../own-globex\""),
    ("space", "\"own-acme \""),
    ("empty", "\"\""),
];

impl Place {
    /// Whether two cases of a name are two names: of attributes of an item, and of values in an expression.
    fn has_case(&self) -> bool {
        self.name.starts_with(':') || self.place.starts_with("Item") || matches!(self.place, "ExclusiveStartKey" | "Put" | "PutRequest")
    }
}

/// The documents of a place: its member with each of these values, and with two of them, in each order, or under another name.
fn documents(place: &Place, values: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    let [before, item, behind] = place.document;
    let member = |name: &str, value: &str| if name.is_empty() { value.to_owned() } else { format!("{}:{value}", quoted(name)) };
    let document = |members: &[String]| {
        let items: Vec<_> = members
            .iter()
            .map(|member| match (member.as_str(), item.contains("@,"), item.contains(",@")) {
                ("", true, _) => item.replacen("@,", "", 1),
                ("", _, true) => item.replacen(",@", "", 1),
                _ => item.replacen('@', member, 1),
            })
            .collect();
        let text = format!("{before}{}{behind}", items.join(","));
        // What follows a member that is not there begins the object.
        text.replace("{,", "{")
    };
    let of = |way: &str| values.iter().find(|(other, _)| *other == way).unwrap().1;
    let (own, another) = (member(place.name, of("own")), member(place.name, of("another")));
    let mut all: Vec<(&'static str, String)> = values.iter().map(|(way, value)| (*way, document(&[member(place.name, value)]))).collect();
    if place.is_list {
        all.push(("own-and-another", document(&[own.clone(), another.clone()])));
        all.push(("another-and-own", document(&[another.clone(), own.clone()])));
        all.push(("nothing", document(&[])));
    }
    if !place.name.is_empty() {
        let case = if place.name.starts_with(':') { place.name.to_uppercase() } else { other_case(place.name) };
        all.extend([
            ("twice", document(&[format!("{own},{another}")])),
            ("twice-another-first", document(&[format!("{another},{own}")])),
            ("two-cases", document(&[format!("{own},{}", member(&case, of("another")))])),
            ("other-case", document(&[member(&case, of("own"))])),
            ("null", document(&[member(place.name, "null")])),
            (NOT_THERE, document(&[String::new()])),
        ]);
    }
    all
}

#[tokio::test]
async fn every_place_of_dynamodb() {
    let rules =
        "{dynamodb: [{tables: [pool], leading_key: '{tenant.id}#', key: pk, indexes: {by-owner: owner}}, {tables: ['own-{tenant.id}']}]}";
    let bench = Bench::new("{dynamodb: {}}", rules);
    let mut text = String::from("# operation and place: the ways to name a table, or to say whose an item is there\n");
    let mut wrong = Vec::new();
    let places = KEYS.iter().map(|place| (place, &VALUES[..])).chain(TABLES.iter().map(|place| (place, &NAMES[..])));
    for (place, values) in places {
        let mut verdicts: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (way, body) in documents(place, values) {
            let target = format!("DynamoDB_20120810.{}", place.operation);
            let headers = [("content-type", "application/x-amz-json-1.0"), ("x-amz-target", target.as_str())];
            let outcome = bench.ask(&tenant("acme"), request("POST /", "dynamodb.eu-west-1.amazonaws.com", &headers, &body)).await;
            // What is in no index is nobody's there.
            let is_absent = place.may_be_absent && matches!(way, NOT_THERE | "null" | "other-case");
            let may_pass = OWN.contains(&way) || is_absent || (place.has_case() && way == "two-cases");
            if !may_pass && outcome.verdict == "allowed" {
                wrong.push(format!("{} {} {way}: {body}", place.operation, place.place));
            }
            verdicts.entry(brief(outcome.verdict)).or_default().push(way);
        }
        assert!(verdicts.get("allowed").is_some_and(|ways| ways.contains(&"own")), "{} {}", place.operation, place.place);
        text += &format!("{} {}\n{}", place.operation, place.place, listed("", verdicts));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    golden("dynamodb.ways", &text);
}
