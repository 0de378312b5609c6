//! Which mode holds.

use super::*;

const HOST: &str = "s3.eu-west-1.amazonaws.com";

async fn verdict(bench: &Bench, line: &str, headers: &[(&str, &str)]) -> &'static str {
    bench.ask(&tenant("acme"), request(line, HOST, headers, "")).await.verdict
}

#[tokio::test]
async fn of_two_rules_about_one_thing_the_stricter_holds() {
    let rules = |first: &str, second: &str| {
        format!(
            "{{mode: audit, s3: [{{buckets: [pool], prefix: '{{tenant.id}}/', mode: {first}}}, {{buckets: [pool], prefix: 'all/', shared: true, mode: {second}}}]}}"
        )
    };
    for (first, second, expected) in [
        ("enforce", "audit", "guard-denied"),
        ("audit", "enforce", "guard-denied"),
        ("audit", "off", "watched"),
        ("off", "audit", "watched"),
        ("off", "off", "allowed"),
    ] {
        let bench = Bench::new("{s3: {}}", &rules(first, second));
        assert_eq!(verdict(&bench, "GET /pool/globex/x", &[]).await, expected, "{first} {second}");
        assert_eq!(verdict(&bench, "GET /pool/acme/x", &[]).await, "allowed");
        assert_eq!(verdict(&bench, "GET /pool/all/x", &[]).await, "allowed");
        assert_eq!(verdict(&bench, "GET /other/x", &[]).await, "watched", "no rule is about it: the guard's own");
    }
}

/// It could be about what the strictest of the rules is about.
#[tokio::test]
async fn what_is_not_understood_is_held_to_the_strictest_rule() {
    let bench = Bench::new(
        "{s3: {}, dynamodb: {}}",
        "{mode: audit, s3: [{buckets: [pool], prefix: '{tenant.id}/', mode: enforce}], dynamodb: [{tables: [t], leading_key: '{tenant.id}#', key: pk, mode: enforce}]}",
    );
    let encoded = [("x-amz-copy-source", "p%6Fol/globex/x")];
    assert_eq!(verdict(&bench, "PUT /pool/acme/x", &encoded).await, "guard-denied");
    assert_eq!(verdict(&bench, "GET /pool/acme/x?unheard-of", &[]).await, "guard-denied");
    let sql = [("x-amz-target", "DynamoDB_20120810.ExecuteStatement"), ("content-type", "application/x-amz-json-1.0")];
    let asked = request("POST /", "dynamodb.eu-west-1.amazonaws.com", &sql, "{\"Statement\": \"SELECT * FROM t\"}");
    assert_eq!(bench.ask(&tenant("acme"), asked).await.verdict, "guard-denied");
    let audit = Bench::new("{s3: {}}", "{mode: audit, s3: [{buckets: [pool], prefix: '{tenant.id}/'}]}");
    assert_eq!(verdict(&audit, "PUT /pool/acme/x", &encoded).await, "watched");
}

/// A rule that is only tried out, and that may or may not be about a thing, takes nothing away.
#[tokio::test]
async fn a_rule_without_its_value_opens_nothing() {
    for mode in ["audit", "off"] {
        let rules = format!(
            "{{s3: [{{buckets: [pool], prefix: '{{tenant.id}}/'}}, {{buckets: ['{{tenant.attributes.archive}}'], mode: {mode}}}, \
             {{buckets: ['archive-{{tenant.attributes.archive}}'], mode: {mode}}}]}}"
        );
        let bench = Bench::new("{s3: {}}", &rules);
        for line in ["GET /other/x", "GET /archive-globex/x", "GET /pool/globex/x"] {
            assert_eq!(verdict(&bench, line, &[]).await, "guard-denied", "{mode} {line}");
        }
        assert_eq!(verdict(&bench, "GET /pool/acme/x", &[]).await, "allowed");
    }
}

/// An index may have the table's range key for its own hash key, and an update makes the item that is not there.
#[tokio::test]
async fn an_update_s_key_is_an_index_s_too() {
    let bench =
        Bench::new("{dynamodb: {}}", "{dynamodb: [{tables: [orders], leading_key: '{tenant.id}#', key: pk, indexes: {inverted: sk}}]}");
    let target = [("x-amz-target", "DynamoDB_20120810.UpdateItem"), ("content-type", "application/x-amz-json-1.0")];
    for (sk, expected) in [("acme#1", "allowed"), ("globex#1", "guard-denied")] {
        let body = format!(
            r##"{{"TableName":"orders","Key":{{"pk":{{"S":"acme#1"}},"sk":{{"S":"{sk}"}}}},"UpdateExpression":"SET total = :t","ExpressionAttributeValues":{{":t":{{"N":"0"}}}}}}"##
        );
        let outcome = bench.ask(&tenant("acme"), request("POST /", "dynamodb.eu-west-1.amazonaws.com", &target, &body)).await;
        assert_eq!(outcome.verdict, expected, "{sk}: {outcome:?}");
    }
}

/// A ciphertext says itself whose key it is of: only a context that is one tenant's says whose it is.
#[tokio::test]
async fn a_ciphertext_without_a_key_needs_a_context_that_is_the_tenant_s() {
    let target = [("x-amz-target", "TrentService.Decrypt"), ("content-type", "application/x-amz-json-1.1")];
    for (context, given, expected) in [
        ("{app: orders}", r#"{"app":"orders"}"#, "guard-denied"),
        ("{app: orders, tenant: '{tenant.id}'}", r#"{"app":"orders","tenant":"acme"}"#, "allowed"),
        ("{app: orders, tenant: '{tenant.id}'}", r#"{"app":"orders","tenant":"globex"}"#, "guard-denied"),
    ] {
        let bench = Bench::new("{kms: {}}", &format!("{{kms: [{{keys: ['{{tenant.kms_key}}'], context: {context}}}]}}"));
        let body = format!(r#"{{"CiphertextBlob":"AAAA","EncryptionContext":{given}}}"#);
        let outcome = bench.ask(&tenant("acme"), request("POST /", "kms.eu-west-1.amazonaws.com", &target, &body)).await;
        assert_eq!(outcome.verdict, expected, "{context}: {outcome:?}");
    }
}

/// A copy from where a rule is only tried out is no way around the key that its target has to have.
#[tokio::test]
async fn what_an_enforced_rule_adds_is_added_whatever_else_is_watched() {
    let rules = |mode: &str| {
        format!("{{mode: audit, s3: [{{buckets: [pool], prefix: '{{tenant.id}}/', mode: {mode}, kms: {{key: '{{tenant.kms_key}}'}}}}]}}")
    };
    let copy = [("x-amz-copy-source", "other/y")];
    let bench = Bench::new("{s3: {}}", &rules("enforce"));
    let outcome = bench.ask(&tenant("acme"), request("PUT /pool/acme/x", HOST, &copy, "")).await;
    assert_eq!(outcome.verdict, "watched");
    assert!(outcome.note.contains("x-amz-server-side-encryption: aws:kms"), "{outcome:?}");
    // What is off changes nothing.
    let off = Bench::new("{s3: {}}", &rules("off"));
    let outcome = off.ask(&tenant("acme"), request("PUT /pool/acme/x", HOST, &[], "")).await;
    assert_eq!((outcome.verdict, outcome.note.as_str()), ("allowed", ""));
}
