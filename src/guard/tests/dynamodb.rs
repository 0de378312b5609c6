//! Every operation of DynamoDB, and every way to write a key.

use std::{fmt::Write as _, sync::LazyLock};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{matrix::golden, *};

const RULES: &str = "{dynamodb: [
  {tables: [pool], leading_key: '{tenant.id}#', key: pk, indexes: {by-owner: gsi1pk}},
  {tables: [numbers], leading_key: '{tenant.id}', key: pk},
  {tables: ['own-{tenant.id}']}]}";

/// Services, their prefixes and their operations.
fn operations() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    let lines = include_str!("../../../tests/guard/dynamodb.api").lines();
    lines.filter_map(|line| {
        let mut words = line.split(' ');
        match (words.next()?, words.next()?) {
            ("dynamodb", name) => Some(("dynamodb.eu-west-1.amazonaws.com", "DynamoDB_20120810", name)),
            ("dynamodbstreams", name) => Some(("streams.dynamodb.eu-west-1.amazonaws.com", "DynamoDBStreams_20120810", name)),
            _ => None,
        }
    })
}

/// A body for each operation, about this table and the items of this key. There has to be one for every operation that there is.
fn body_of(operation: &str, table: &str, key: &str) -> Value {
    let arn = format!("arn:aws:dynamodb:eu-west-1:111122223333:table/{table}");
    let item = json!({"pk": {"S": key}});
    let statement = format!("SELECT * FROM \"{table}\" WHERE pk = '{key}'");
    match operation {
        "BatchExecuteStatement" => json!({"Statements": [{"Statement": statement}]}),
        "BatchGetItem" => json!({"RequestItems": {table: {"Keys": [item]}}}),
        "BatchWriteItem" => json!({"RequestItems": {table: [{"PutRequest": {"Item": item}}, {"DeleteRequest": {"Key": item}}]}}),
        "CancelBulkOperation" | "DescribeBulkOperation" => json!({"BulkOperationArn": format!("{arn}/bulk/1")}),
        "CreateBackup" => json!({"TableName": table, "BackupName": "b"}),
        "CreateGlobalTable" => json!({"GlobalTableName": table, "ReplicationGroup": []}),
        "CreateTable" => json!({"TableName": table, "AttributeDefinitions": [], "KeySchema": []}),
        "DeleteBackup" | "DescribeBackup" => json!({"BackupArn": format!("{arn}/backup/1")}),
        "DeleteItem" | "GetItem" => json!({"TableName": table, "Key": item}),
        "DeleteResourcePolicy" | "GetResourcePolicy" | "ListTagsOfResource" => json!({"ResourceArn": arn}),
        "DeleteTable"
        | "DescribeContinuousBackups"
        | "DescribeContributorInsights"
        | "DescribeKinesisStreamingDestination"
        | "DescribeTable"
        | "DescribeTableReplicaAutoScaling"
        | "DescribeTimeToLive"
        | "ListBackups"
        | "ListContributorInsights"
        | "ListStreams"
        | "Scan"
        | "SearchVectors"
        | "UpdateContinuousBackups"
        | "UpdateContributorInsights"
        | "UpdateTable"
        | "UpdateTableReplicaAutoScaling"
        | "UpdateTimeToLive" => json!({"TableName": table}),
        "DescribeEndpoints" | "DescribeLimits" | "ListBulkOperations" | "ListGlobalTables" | "ListTables" => json!({}),
        "DescribeExport" => json!({"ExportArn": format!("{arn}/export/1")}),
        "DescribeGlobalTable" | "DescribeGlobalTableSettings" | "UpdateGlobalTable" | "UpdateGlobalTableSettings" => {
            json!({"GlobalTableName": table})
        }
        "DescribeImport" => json!({"ImportArn": format!("{arn}/import/1")}),
        "DescribeStream" => json!({"StreamArn": format!("{arn}/stream/2024-06-10T19:34:36.123")}),
        "DisableKinesisStreamingDestination" | "EnableKinesisStreamingDestination" | "UpdateKinesisStreamingDestination" => {
            json!({"TableName": table, "StreamArn": "arn:aws:kinesis:eu-west-1:111122223333:stream/s"})
        }
        "ExecuteStatement" => json!({"Statement": statement}),
        "ExecuteTransaction" => json!({"TransactStatements": [{"Statement": statement}]}),
        "ExportTableToPointInTime" => json!({"TableArn": arn, "S3Bucket": "bucket"}),
        "GetRecords" => json!({"ShardIterator": format!("{arn}/stream/2024-06-10T19:34:36.123|1|AAAA")}),
        "GetShardIterator" => {
            json!({"StreamArn": format!("{arn}/stream/2024-06-10T19:34:36.123"), "ShardId": "shardId-1", "ShardIteratorType": "LATEST"})
        }
        "ImportTable" => json!({"S3BucketSource": {"S3Bucket": "bucket"}, "TableCreationParameters": {"TableName": table}}),
        "ListExports" | "ListImports" => json!({"TableArn": arn}),
        "PutItem" => json!({"TableName": table, "Item": item}),
        "PutResourcePolicy" => json!({"ResourceArn": arn, "Policy": "{}"}),
        "Query" => {
            json!({"TableName": table, "KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": {"S": key}}})
        }
        "RestoreTableFromBackup" => json!({"TargetTableName": table, "BackupArn": format!("{arn}/backup/1")}),
        "RestoreTableToPointInTime" => json!({"SourceTableName": table, "TargetTableName": table}),
        "StartBulkPutItems" => json!({"TableName": table, "InputS3Configuration": {"S3Bucket": "bucket"}}),
        "TagResource" => json!({"ResourceArn": arn, "Tags": []}),
        "TransactGetItems" => json!({"TransactItems": [{"Get": {"TableName": table, "Key": item}}]}),
        "TransactWriteItems" => json!({"TransactItems": [
            {"ConditionCheck": {"TableName": table, "Key": item, "ConditionExpression": "attribute_exists(pk)"}},
            {"Delete": {"TableName": table, "Key": item}},
            {"Put": {"TableName": table, "Item": item}},
            {"Update": {"TableName": table, "Key": item, "UpdateExpression": "SET a = :a", "ExpressionAttributeValues": {":a": {"S": "x"}}}}]}),
        "UntagResource" => json!({"ResourceArn": arn, "TagKeys": []}),
        "UpdateItem" => {
            json!({"TableName": table, "Key": item, "UpdateExpression": "SET a = :a", "ExpressionAttributeValues": {":a": {"S": "x"}}})
        }
        _ => panic!("{operation} is new: say here what a request for it is like"),
    }
}

fn call(host: &str, prefix: &str, operation: &str, body: &str) -> Request<Body> {
    let target = format!("{prefix}.{operation}");
    request("POST /", host, &[("x-amz-target", &target), ("content-type", "application/x-amz-json-1.0")], body)
}

#[tokio::test]
async fn every_operation_of_dynamodb() {
    let bench = Bench::new("{dynamodb: {}, dynamodbstreams: {}}", RULES);
    let mut text = String::from("# operation: own key, another's key | own table, another's table\n");
    for (host, prefix, operation) in operations() {
        let mut verdicts = Vec::new();
        for (table, key) in [("pool", "acme#1"), ("pool", "globex#1"), ("own-acme", "acme#1"), ("own-globex", "acme#1")] {
            let body = body_of(operation, table, key).to_string();
            let outcome = bench.ask(&tenant("acme"), call(host, prefix, operation, &body)).await;
            verdicts.push(if outcome.verdict == "guard-denied" { "denied" } else { outcome.verdict });
        }
        // What tables look like, and where DynamoDB is, has nobody's items in it.
        let is_schema = matches!(operation, "DescribeEndpoints" | "DescribeTable" | "DescribeTimeToLive");
        assert!(verdicts[1] != "allowed" || is_schema, "{operation}: another's key");
        assert!(verdicts[3] != "allowed" || operation == "DescribeEndpoints", "{operation}: another's table");
        writeln!(text, "{operation}: {}, {} | {}, {}", verdicts[0], verdicts[1], verdicts[2], verdicts[3]).unwrap();
    }
    golden("dynamodb.matrix", &text);
}

static BENCH: LazyLock<(Bench, tokio::runtime::Runtime)> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    (Bench::new("{dynamodb: {}, dynamodbstreams: {}}", RULES), runtime)
});

/// What becomes of a body, for a tenant.
fn verdict(id: &str, operation: &str, body: &str) -> &'static str {
    let request = call("dynamodb.eu-west-1.amazonaws.com", "DynamoDB_20120810", operation, body);
    let (bench, runtime) = &*BENCH;
    runtime.block_on(bench.ask(&tenant(id), request)).verdict
}

/// Text in JSON, of which some characters are escaped that need not be.
fn spelt(text: &str, escaped: u64) -> String {
    let mut spelt = String::from("\"");
    for (at, unit) in text.chars().enumerate() {
        if escaped >> (at % 64) & 1 == 1 || unit.is_control() || unit == '"' || unit == '\\' {
            unit.encode_utf16(&mut [0; 2]).iter().for_each(|unit| write!(spelt, "\\u{unit:04x}").unwrap());
        } else {
            spelt.push(unit);
        }
    }
    spelt + "\""
}

/// Bodies in which one value is the hash key, and their operations.
fn bodies(table: &str, value: &str) -> [(&'static str, String); 8] {
    let key = format!(r#"{{"pk":{value}}}"#);
    let named = format!(r#"{{"TableName":"{table}","Key":{key}}}"#);
    [
        ("GetItem", named.clone()),
        ("DeleteItem", named.clone()),
        ("UpdateItem", named.clone()),
        ("PutItem", format!(r#"{{"Item":{key},"TableName":"{table}"}}"#)),
        (
            "Query",
            format!(
                r##"{{"TableName":"{table}","KeyConditionExpression":"#k = :v","ExpressionAttributeNames":{{"#k":"pk"}},"ExpressionAttributeValues":{{":v":{value}}}}}"##
            ),
        ),
        (
            "Query",
            format!(r#"{{"TableName":"{table}","KeyConditions":{{"pk":{{"ComparisonOperator":"EQ","AttributeValueList":[{value}]}}}}}}"#),
        ),
        ("BatchWriteItem", format!(r#"{{"RequestItems":{{"{table}":[{{"PutRequest":{{"Item":{key}}}}}]}}}}"#)),
        ("TransactGetItems", format!(r#"{{"TransactItems":[{{"Get":{named}}}]}}"#)),
    ]
}

fn keys() -> impl Strategy<Value = String> {
    let start = prop::sample::select(vec![
        "",
        "acme#",
        "acme",
        "acme-eu#",
        "ACME#",
        "globex#",
        "аcme#",
        "acme\u{ff03}",
        "acme\0#",
        " acme#",
        "\u{feff}acme#",
    ]);
    (start, "[a#/\u{e9}\u{1f600}\"\\\\\u{0}]{0,6}").prop_map(|(start, rest)| format!("{start}{rest}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whatever the operation and the spelling, a key passes exactly if what DynamoDB would store begins so.
    #[test]
    fn the_verdict_is_about_the_text_that_is_stored(key in keys(), escaped in any::<u64>()) {
        let value = format!("{{{}:{}}}", spelt("S", escaped & 1), spelt(&key, escaped));
        for (operation, body) in bodies("pool", &value) {
            prop_assert_eq!(verdict("acme", operation, &body) == "allowed", key.starts_with("acme#"), "{} {}", operation, body);
        }
    }

    #[test]
    fn the_verdict_is_about_the_bytes_that_are_stored(start in prop::sample::select(vec![&b""[..], b"acme#", b"acme", b"Acme#"]), rest in prop::collection::vec(any::<u8>(), 0..6), escaped in any::<u64>()) {
        let bytes = [start, &rest].concat();
        let value = format!(r#"{{"B":{}}}"#, spelt(&STANDARD.encode(&bytes), escaped));
        for (operation, body) in bodies("pool", &value) {
            prop_assert_eq!(verdict("acme", operation, &body) == "allowed", bytes.starts_with(b"acme#"), "{} {}", operation, body);
        }
    }

    #[test]
    fn the_verdict_is_about_the_number_that_is_stored(number in prop_oneof![Just(42u64), Just(420), Just(4), 0..100u64], zeros in 0..4usize, shift in 0..4usize) {
        let text = format!("{}{number}{}e-{shift}", "0".repeat(zeros), "0".repeat(shift));
        for (operation, body) in bodies("numbers", &format!(r#"{{"N":"{text}"}}"#)) {
            prop_assert_eq!(verdict("42", operation, &body) == "allowed", number == 42, "{} {}", operation, body);
            prop_assert_eq!(verdict("042", operation, &body), "guard-denied", "no number is that of a tenant 042");
        }
    }

    /// What is written into an index's key is held as the table's own key is.
    #[test]
    fn the_verdict_is_about_the_key_of_the_index_too(key in keys(), escaped in any::<u64>()) {
        let value = format!(r#"{{"S":{}}}"#, spelt(&key, escaped));
        let mine = r#""TableName":"pool","Key":{"pk":{"S":"acme#1"}}"#;
        for (operation, body) in [
            ("PutItem", format!(r#"{{"TableName":"pool","Item":{{"pk":{{"S":"acme#1"}},"gsi1pk":{value}}}}}"#)),
            ("UpdateItem", format!(r#"{{{mine},"UpdateExpression":"SET a = a + :one, gsi1pk = :v","ExpressionAttributeValues":{{":one":{{"N":"1"}},":v":{value}}}}}"#)),
            ("UpdateItem", format!(r#"{{{mine},"AttributeUpdates":{{"gsi1pk":{{"Value":{value}}}}}}}"#)),
            ("Query", format!(r#"{{"TableName":"pool","IndexName":"by-owner","KeyConditionExpression":"gsi1pk = :v","ExpressionAttributeValues":{{":v":{value}}}}}"#)),
        ] {
            prop_assert_eq!(verdict("acme", operation, &body) == "allowed", key.starts_with("acme#"), "{} {}", operation, body);
        }
    }

    #[test]
    fn no_body_panics(body in "[\\[\\]{}\":,a0\\\\]{0,40}") {
        let _ = (verdict("acme", "GetItem", &body), verdict("acme", "TransactWriteItems", &body));
    }
}
