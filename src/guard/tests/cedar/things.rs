//! What policies are told of a thing: as much as the request says of it.

use super::*;

const SERVICES: &str = "{s3: {}, dynamodb: {}, kms: {}, ssm: {}, states: {}}";

/// Whether a request is let through by one policy, which permits what is done with a `kind` of thing where `condition` holds.
async fn holds(kind: &str, condition: &str, asked: Request<Body>) -> bool {
    let policies = format!("permit(principal, action, resource is Palisade::{kind}) when {{ {condition} }};");
    // What the rules say is nobody's question here.
    let bench = Bench::under(SERVICES, "{mode: off, cedar: {policies: p.cedar, mode: enforce}}", &policies);
    let outcome = bench.ask(&tenant("acme"), asked).await;
    match outcome.verdict {
        "guard-denied" => {
            assert!(outcome.note.starts_with("guard.cedar: no policy permits "), "{condition}: {outcome:?}");
            false
        }
        _ => true,
    }
}

fn json_of(service: &str, target: &str, body: &serde_json::Value) -> Request<Body> {
    let version = if service == "states" { "1.0" } else { "1.1" };
    let kind = format!("application/x-amz-json-{version}");
    let headers = [("x-amz-target", target), ("content-type", kind.as_str())];
    request("POST /", &format!("{service}.eu-west-1.amazonaws.com"), &headers, body.to_string())
}

fn get(table: &str) -> Request<Body> {
    dynamodb("GetItem", json!({"TableName": table, "Key": {"pk": {"S": "acme#1"}}}))
}

#[tokio::test]
async fn an_arn_says_the_account_and_the_region() {
    let starts = |arn: &str| json_of("states", "AWSStepFunctions.StartExecution", &json!({"stateMachineArn": arn}));
    let (elsewhere, here) =
        ("arn:aws:states:us-east-1:444455556666:stateMachine:m", "arn:aws:states:eu-west-1:111122223333:stateMachine:m");
    for (condition, of_elsewhere, of_here) in [
        ("resource has account && resource.account == \"444455556666\"", true, false),
        ("resource has account && resource.account == \"111122223333\"", false, true),
        ("resource.region == \"us-east-1\"", true, false),
        ("resource.region == \"eu-west-1\"", false, true),
        ("resource has arn && resource.arn == \"arn:aws:states:us-east-1:444455556666:stateMachine:m\"", true, false),
        ("resource.name == \"m\"", true, true),
    ] {
        assert_eq!(holds("StateMachine", condition, starts(elsewhere)).await, of_elsewhere, "{condition}");
        assert_eq!(holds("StateMachine", condition, starts(here)).await, of_here, "{condition}");
    }
    let arn = "arn:aws:dynamodb:eu-west-1:444455556666:table/orders";
    for (condition, of_arn, of_name) in [
        ("resource has account && resource.account == \"444455556666\"", true, false),
        ("resource has account", true, false),
        ("resource.table == \"orders\"", true, true),
    ] {
        assert_eq!(holds("Item", condition, get(arn)).await, of_arn, "{condition}");
        assert_eq!(holds("Item", condition, get("orders")).await, of_name, "{condition}");
    }
}

#[tokio::test]
async fn an_object_is_in_its_bucket_and_items_are_in_their_table() {
    for (bucket, is) in [("own", true), ("other", false)] {
        let asked = || at_s3(&format!("GET /{bucket}/x"));
        assert_eq!(holds("Object", "resource in Palisade::Bucket::\"own\"", asked()).await, is, "{bucket}");
        assert!(holds("Object", "resource in Palisade::Service::\"s3\"", asked()).await);
        assert!(!holds("Object", "resource in Palisade::Service::\"sqs\"", asked()).await);
    }
    for (table, is) in [("orders", true), ("other", false)] {
        assert_eq!(holds("Item", "resource in Palisade::Table::\"orders\"", get(table)).await, is, "{table}");
    }
    assert!(holds("Bucket", "resource in Palisade::Service::\"s3\"", at_s3("HEAD /own")).await);
}

#[tokio::test]
async fn an_encryption_context_is_the_tags_of_a_key() {
    let encrypt = |context: serde_json::Value| {
        json_of("kms", "TrentService.Encrypt", &json!({"KeyId": "alias/pool", "Plaintext": "eA==", "EncryptionContext": context}))
    };
    let condition = "resource.hasTag(\"tenant\") && resource.getTag(\"tenant\") == \"acme\"";
    for (context, is) in
        [(json!({"tenant": "acme", "app": "x"}), true), (json!({"tenant": "globex"}), false), (json!({"app": "acme"}), false)]
    {
        assert_eq!(holds("Key", condition, encrypt(context.clone())).await, is, "{context}");
    }
}

#[tokio::test]
async fn what_is_below_a_name_is_told_from_what_has_it() {
    for (operation, member, below) in [("GetParametersByPath", "Path", true), ("GetParameter", "Name", false)] {
        let asked = || json_of("ssm", &format!("AmazonSSM.{operation}"), &json!({member: "/tenants/acme"}));
        assert_eq!(holds("Parameter", "resource.below", asked()).await, below, "{operation}");
        assert_eq!(holds("Parameter", "!resource.below", asked()).await, !below, "{operation}");
    }
}

/// However the query writes them.
#[tokio::test]
async fn what_a_query_wants_to_be_equal_is_told_as_tags() {
    let values = json!({":t": {"S": "acme#1"}, ":s": {"S": "closed"}});
    let query = |expression: &str, names: serde_json::Value| {
        let mut body = json!({"TableName": "orders", "KeyConditionExpression": expression, "ExpressionAttributeValues": values});
        if !names.is_null() {
            body["ExpressionAttributeNames"] = names;
        }
        dynamodb("Query", body)
    };
    let old = |name: &str| {
        let conditions = json!({name: {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "closed"}]}});
        dynamodb("Query", json!({"TableName": "orders", "KeyConditions": conditions}))
    };
    let condition = "resource.hasTag(\"sort_key2\") && resource.getTag(\"sort_key2\") == \"closed\"";
    for (asked, is) in [
        (query("tenant_key = :t AND sort_key2 = :s", json!(null)), true),
        (query("(tenant_key=:t)AND(sort_key2=:s)", json!(null)), true),
        (query("tenant_key = :t AND #s = :s", json!({"#s": "sort_key2"})), true),
        (query("tenant_key = :t AND sort_key2 > :s", json!(null)), false),
        (query("tenant_key = :t AND sort_key = :s", json!(null)), false),
        (old("sort_key2"), true),
        (old("sort_key"), false),
    ] {
        assert_eq!(holds("Item", condition, asked).await, is);
    }
}
