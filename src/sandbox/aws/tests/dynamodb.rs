//! DynamoDB: what works, and what one tenant's session may not do.

use super::*;

fn item(pk: &str, sk: u32, name: &str) -> Value {
    json!({"pk": {"S": pk}, "sk": {"N": sk.to_string()}, "name": {"S": name}})
}

fn key(pk: &str, sk: u32) -> Value {
    json!({"pk": {"S": pk}, "sk": {"N": sk.to_string()}})
}

fn on(operation: &str, mut input: Value) -> Call {
    input["TableName"] = json!("orders");
    Call::dynamodb(operation, input)
}

#[tokio::test]
async fn items_are_put_read_changed_and_deleted() {
    let sandbox = Sandbox::new();
    let keys = sandbox.tenant("acme").await;
    let once = json!({"Item": item("acme#1", 1, "first"), "ConditionExpression": "attribute_not_exists(pk)"});
    sandbox.send(&on("PutItem", once.clone()), &keys).await.ok();
    assert_eq!(sandbox.send(&on("PutItem", once), &keys).await.code(), "ConditionalCheckFailedException");
    let read = sandbox.send(&on("GetItem", json!({"Key": key("acme#1", 1)})), &keys).await.ok();
    assert_eq!(read.json()["Item"], item("acme#1", 1, "first"));
    assert_eq!(read.headers["content-type"], "application/x-amz-json-1.0");
    let projected = json!({"Key": key("acme#1", 1), "ProjectionExpression": "#n", "ExpressionAttributeNames": {"#n": "name"}});
    assert_eq!(sandbox.send(&on("GetItem", projected), &keys).await.ok().json()["Item"], json!({"name": {"S": "first"}}));
    let update = json!({
        "Key": key("acme#1", 1),
        "UpdateExpression": "SET #n = :n, old = #n, seen = if_not_exists(seen, :one) REMOVE gone",
        "ExpressionAttributeNames": {"#n": "name"},
        "ExpressionAttributeValues": {":n": {"S": "second"}, ":one": {"N": "1"}},
        "ReturnValues": "ALL_NEW",
    });
    let new = sandbox.send(&on("UpdateItem", update.clone()), &keys).await.ok().json()["Attributes"].clone();
    assert_eq!((&new["name"], &new["old"], &new["seen"]), (&json!({"S": "second"}), &json!({"S": "first"}), &json!({"N": "1"})));
    let of_key = json!({"Key": key("acme#1", 1), "UpdateExpression": "SET pk = :v", "ExpressionAttributeValues": {":v": {"S": "other#1"}}});
    assert_eq!(sandbox.send(&on("UpdateItem", of_key), &keys).await.code(), "ValidationException");
    let delete = json!({"Key": key("acme#1", 1), "ReturnValues": "ALL_OLD"});
    assert_eq!(sandbox.send(&on("DeleteItem", delete), &keys).await.ok().json()["Attributes"]["name"], json!({"S": "second"}));
    assert_eq!(sandbox.send(&on("GetItem", json!({"Key": key("acme#1", 1)})), &keys).await.ok().text, "{}");
}

#[tokio::test]
async fn queries_walk_a_partition_in_pages() {
    let sandbox = Sandbox::new();
    let keys = sandbox.tenant("acme").await;
    for n in [2, 10, 1, 30] {
        sandbox.send(&on("PutItem", json!({"Item": item("acme#1", n, "x")})), &keys).await.ok();
        sandbox.send(&on("PutItem", json!({"Item": item("acme#2", n, "x")})), &keys).await.ok();
    }
    let query = |condition: &str, extra: Value| {
        let mut input = json!({
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": {":p": {"S": "acme#1"}, ":a": {"N": "2"}, ":b": {"N": "10"}},
        });
        input.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        on("Query", input)
    };
    let numbers = |answer: &Value| -> Vec<String> {
        answer["Items"].as_array().unwrap().iter().map(|i| i["sk"]["N"].as_str().unwrap().to_owned()).collect()
    };
    for (condition, extra, expected) in [
        ("pk = :p", json!({}), vec!["1", "2", "10", "30"]),
        ("pk = :p", json!({"ScanIndexForward": false}), vec!["30", "10", "2", "1"]),
        ("pk = :p AND sk BETWEEN :a AND :b", json!({}), vec!["2", "10"]),
        ("pk = :p AND sk > :a", json!({"Limit": 1}), vec!["10"]),
    ] {
        let answer = sandbox.send(&query(condition, extra.clone()), &keys).await.ok().json();
        assert_eq!(numbers(&answer), expected, "{condition} {extra}");
    }
    for forward in [true, false] {
        let (mut all, mut page) = (Vec::new(), json!({"Limit": 3, "ScanIndexForward": forward}));
        loop {
            let answer = sandbox.send(&query("pk = :p", page.clone()), &keys).await.ok().json();
            all.extend(numbers(&answer));
            match answer.get("LastEvaluatedKey") {
                Some(last) => page["ExclusiveStartKey"] = last.clone(),
                None => break,
            }
        }
        all.sort_by_key(|n| n.parse::<u32>().unwrap());
        assert_eq!(all, ["1", "2", "10", "30"]);
    }
    let elsewhere = query("pk = :p", json!({"ExclusiveStartKey": key("acme#2", 1)}));
    assert_eq!(sandbox.send(&elsewhere, &keys).await.code(), "ValidationException");
    let count = sandbox.send(&query("pk = :p", json!({"Select": "COUNT"})), &keys).await.ok().json();
    assert_eq!((&count["Count"], count.get("Items")), (&json!(4), None));
}

#[tokio::test]
async fn batches_read_and_write() {
    let sandbox = Sandbox::new();
    let keys = sandbox.tenant("acme").await;
    let write = |requests: Value| Call::dynamodb("BatchWriteItem", json!({"RequestItems": {"orders": requests}}));
    let puts = json!([{"PutRequest": {"Item": item("acme#1", 1, "a")}}, {"PutRequest": {"Item": item("acme#2", 2, "b")}}]);
    assert_eq!(sandbox.send(&write(puts), &keys).await.ok().json(), json!({"UnprocessedItems": {}}));
    let read = Call::dynamodb("BatchGetItem", json!({"RequestItems": {"orders": {"Keys": [key("acme#1", 1), key("acme#9", 9)]}}}));
    assert_eq!(sandbox.send(&read, &keys).await.ok().json()["Responses"]["orders"], json!([item("acme#1", 1, "a")]));
    let twice = json!([{"DeleteRequest": {"Key": key("acme#1", 1)}}, {"PutRequest": {"Item": item("acme#1", 1, "c")}}]);
    assert_eq!(sandbox.send(&write(twice), &keys).await.code(), "ValidationException");
    sandbox.send(&write(json!([{"DeleteRequest": {"Key": key("acme#1", 1)}}])), &keys).await.ok();
    assert_eq!(sandbox.double.items("orders"), [item("acme#2", 2, "b")]);
}

#[tokio::test]
async fn a_session_reaches_its_own_partitions_and_nothing_else() {
    let sandbox = Sandbox::new();
    let (acme, other) = (sandbox.tenant("acme").await, sandbox.tenant("other").await);
    sandbox.send(&on("PutItem", json!({"Item": item("other#1", 1, "theirs")})), &other).await.ok();
    let query = |value: &str| {
        let values = json!({":p": {"S": value}});
        on("Query", json!({"KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": values}))
    };
    let mixed = json!([{"PutRequest": {"Item": item("acme#1", 1, "a")}}, {"DeleteRequest": {"Key": key("other#1", 1)}}]);
    for call in [
        on("GetItem", json!({"Key": key("other#1", 1)})),
        on("GetItem", json!({"Key": key("acme", 1)})),
        on("GetItem", json!({"Key": key("acme-eu#1", 1)})),
        on("PutItem", json!({"Item": item("other#1", 1, "mine")})),
        on("DeleteItem", json!({"Key": key("other#1", 1)})),
        on("UpdateItem", json!({"Key": key("other#1", 1), "UpdateExpression": "REMOVE gone"})),
        query("other#1"),
        on("Scan", json!({})),
        Call::dynamodb("BatchGetItem", json!({"RequestItems": {"orders": {"Keys": [key("acme#1", 1), key("other#1", 1)]}}})),
        Call::dynamodb("BatchWriteItem", json!({"RequestItems": {"orders": mixed}})),
        Call::dynamodb("GetItem", json!({"TableName": "secrets", "Key": key("acme#1", 1)})),
        Call::dynamodb("CreateTable", json!({"TableName": "mine"})),
    ] {
        let answer = sandbox.send(&call, &acme).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "AccessDeniedException"), "{:?}", call.headers);
        let message = answer.json()["Message"].as_str().unwrap().to_owned();
        assert!(message.contains("arn:aws:sts::111122223333:assumed-role/tenant-data/acme is not authorized"), "{message}");
    }
    assert_eq!(sandbox.double.items("orders"), [item("other#1", 1, "theirs")]);
    sandbox.send(&query("acme#1"), &acme).await.ok();
}

#[tokio::test]
async fn a_scan_passes_for_all_values_alone() {
    let sandbox = Sandbox::with(|config| {
        let condition = json!({"ForAllValues:StringLike": {"dynamodb:LeadingKeys": "${aws:PrincipalTag/TenantID}#*"}});
        let statement = json!({"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*", "Condition": condition});
        config.roles[0].policy = json!({"Version": "2012-10-17", "Statement": [statement]});
    });
    let (acme, other) = (sandbox.tenant("acme").await, sandbox.tenant("other").await);
    sandbox.send(&on("PutItem", json!({"Item": item("other#1", 1, "theirs")})), &other).await.ok();
    let scan = sandbox.send(&on("Scan", json!({})), &acme).await.ok().json();
    assert_eq!(scan["Count"], 1, "AWS documents that an absent key meets ForAllValues");
}

#[tokio::test]
async fn attributes_can_be_confined_too() {
    let sandbox = Sandbox::with(|config| {
        let condition = json!({
            "ForAllValues:StringEquals": {"dynamodb:Attributes": ["pk", "sk", "name"]},
            "StringEqualsIfExists": {"dynamodb:Select": "SPECIFIC_ATTRIBUTES", "dynamodb:ReturnValues": ["NONE", "UPDATED_NEW"]},
        });
        let statement = json!({"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*", "Condition": condition});
        config.roles[0].policy = json!({"Version": "2012-10-17", "Statement": [statement]});
    });
    let keys = sandbox.tenant("acme").await;
    sandbox.send(&on("PutItem", json!({"Item": item("p", 1, "x")})), &keys).await.ok();
    let mut wide = item("p", 1, "x");
    wide["secret"] = json!({"S": "s"});
    let update = |text: &str| on("UpdateItem", json!({"Key": key("p", 1), "UpdateExpression": text}));
    sandbox.send(&update("REMOVE name"), &keys).await.ok();
    for call in [
        on("PutItem", json!({"Item": wide})),
        on("PutItem", json!({"Item": item("p", 1, "x"), "ReturnValues": "ALL_OLD"})),
        on("GetItem", json!({"Key": key("p", 1), "ProjectionExpression": "secret"})),
        on("Scan", json!({})),
        update("REMOVE secret"),
    ] {
        assert_eq!(sandbox.send(&call, &keys).await.code(), "AccessDeniedException");
    }
}

#[tokio::test]
async fn tables_are_made_described_and_listed() {
    let sandbox = Sandbox::with(|config| {
        config.roles[0].policy =
            json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"}]});
    });
    let keys = sandbox.tenant("acme").await;
    let create = Call::dynamodb(
        "CreateTable",
        json!({
            "TableName": "made",
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "B"}],
            "BillingMode": "PAY_PER_REQUEST",
        }),
    );
    let made = sandbox.send(&create, &keys).await.ok().json();
    assert_eq!(made["TableDescription"]["TableArn"], "arn:aws:dynamodb:eu-west-1:111122223333:table/made");
    assert_eq!(sandbox.send(&create, &keys).await.code(), "ResourceInUseException");
    let listed = sandbox.send(&Call::dynamodb("ListTables", json!({})), &keys).await.ok().json();
    assert_eq!(listed, json!({"TableNames": ["made", "orders"]}));
    let described = sandbox.send(&Call::dynamodb("DescribeTable", json!({"TableName": "made"})), &keys).await.ok().json();
    assert_eq!(described["Table"]["TableStatus"], "ACTIVE");
    let missing = Call::dynamodb("GetItem", json!({"TableName": "none", "Key": {"id": {"B": "AA=="}}}));
    assert_eq!(sandbox.send(&missing, &keys).await.code(), "ResourceNotFoundException");
}

#[tokio::test]
async fn what_is_not_supported_says_so() {
    let sandbox = Sandbox::with(|config| {
        config.roles[0].policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]});
    });
    let keys = sandbox.tenant("acme").await;
    let values = json!({":p": {"S": "x"}});
    for (call, code) in [
        (Call::dynamodb("TransactWriteItems", json!({})), "UnknownOperationException"),
        (Call::dynamodb("ExecuteStatement", json!({"Statement": "SELECT * FROM orders"})), "UnknownOperationException"),
        (on("Scan", json!({"FilterExpression": "a = :p"})), "ValidationException"),
        (on("Query", json!({"IndexName": "i", "KeyConditionExpression": "pk = :p"})), "ValidationException"),
        (on("Query", json!({"KeyConditionExpression": "pk = :p OR pk = :p", "ExpressionAttributeValues": values})), "ValidationException"),
        (on("PutItem", json!({"Item": item("p", 1, "x"), "ConditionExpression": "sk > :p"})), "ValidationException"),
        (on("PutItem", json!({"Item": {"pk": {"S": "p"}}})), "ValidationException"),
        (on("GetItem", json!({"Key": {"pk": {"S": "p"}}})), "ValidationException"),
        (on("GetItem", json!({"Key": "x"})), "SerializationException"),
        (Call::dynamodb("GetItem", json!({"TableName": "arn:aws:dynamodb:x:1:table/orders", "Key": {}})), "ValidationException"),
    ] {
        assert_eq!(sandbox.send(&call, &keys).await.code(), code, "{:?}", call.headers);
    }
}
