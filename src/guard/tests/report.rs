//! From requests that are watched to rules that allow them, and nobody else's.

use super::*;
use crate::{cli::guard::tests::reported, telemetry::access_log::tests::Sink};

/// What tenants do with their own things. `T` is the tenant; SECRET is its data.
const OWN: &[(&str, &str, &str, &str)] = &[
    ("PUT /pool/T/SECRET", "s3", "", "x"),
    ("GET /pool/T/SECRET/x", "s3", "", ""),
    ("GET /pool?list-type=2&prefix=T%2FSECRET", "s3", "", ""),
    ("HEAD /pool", "s3", "", ""),
    ("GET /own-T/SECRET", "s3", "", ""),
    ("POST /pool?delete", "s3", "", "<Delete><Object><Key>T/SECRET</Key></Object></Delete>"),
    ("POST /", "dynamodb", "DynamoDB_20120810.GetItem", r##"{"TableName":"orders","Key":{"pk":{"S":"T#SECRET"},"sk":{"S":"SECRET"}}}"##),
    (
        "POST /",
        "dynamodb",
        "DynamoDB_20120810.PutItem",
        r##"{"TableName":"orders","Item":{"pk":{"S":"T#SECRET"},"sk":{"S":"SECRET"},"gsi":{"S":"T#SECRET"},"SECRET":{"S":"x"}}}"##,
    ),
    (
        "POST /",
        "dynamodb",
        "DynamoDB_20120810.Query",
        r##"{"TableName":"orders","IndexName":"by-day","KeyConditionExpression":"#g = :g AND sk = :s","ExpressionAttributeNames":{"#g":"gsi"},
            "ExpressionAttributeValues":{":g":{"S":"T#SECRET"},":s":{"S":"SECRET"}}}"##,
    ),
    (
        "POST /",
        "dynamodb",
        "DynamoDB_20120810.Query",
        r##"{"TableName":"orders","KeyConditions":{"pk":{"ComparisonOperator":"EQ","AttributeValueList":[{"S":"T#SECRET"}]}}}"##,
    ),
    ("POST /", "dynamodb", "DynamoDB_20120810.Scan", r#"{"TableName":"log-T"}"#),
    (
        "POST /",
        "sqs",
        "AmazonSQS.SendMessage",
        r#"{"QueueUrl":"https://sqs.eu-west-1.amazonaws.com/111122223333/jobs-T","MessageBody":"SECRET"}"#,
    ),
    ("POST /", "ssm", "AmazonSSM.GetParameter", r#"{"Name":"/tenants/T/SECRET"}"#),
    ("POST /", "ssm", "AmazonSSM.GetParametersByPath", r#"{"Path":"/tenants/T/SECRET"}"#),
    ("POST /", "secretsmanager", "secretsmanager.GetSecretValue", r#"{"SecretId":"tenants/T/SECRET"}"#),
    ("POST /", "kms", "TrentService.Encrypt", r#"{"KeyId":"arn:aws:kms:eu-west-1:111122223333:key/T","Plaintext":"SECRET"}"#),
    (
        "POST /",
        "kms",
        "TrentService.Encrypt",
        r#"{"KeyId":"alias/pool","Plaintext":"SECRET","EncryptionContext":{"tenant":"T","order":"SECRET"}}"#,
    ),
    ("POST /model/own-T/converse", "bedrock-runtime", "", "{}"),
];

const SERVICES: &str = "{s3: {}, dynamodb: {}, sqs: {}, ssm: {}, secretsmanager: {}, kms: {}, bedrock-runtime: {}}";

fn asked((line, service, target, body): &(&str, &str, &str, &str), tenant: &str) -> Request<Body> {
    let host = format!("{service}.eu-west-1.amazonaws.com");
    let version = if matches!(*service, "dynamodb" | "sqs") { "1.0" } else { "1.1" };
    let kind = format!("application/x-amz-json-{version}");
    let headers = [("x-amz-target", *target), ("content-type", kind.as_str())];
    let as_tenant = |text: &str| {
        let marked = text.replace("T#", "\u{1}#").replace("/T", "/\u{1}").replace("-T", "-\u{1}").replace("=T%", "=\u{1}%");
        marked.replace("<Key>T", "<Key>\u{1}").replace("\"T\"", "\"\u{1}\"").replace('\u{1}', tenant)
    };
    request(&as_tenant(line), &host, if target.is_empty() { &[] } else { &headers }, as_tenant(body))
}

/// A guard that writes what it sees.
fn watching(rules: &str) -> (Bench, Sink) {
    let mut bench = Bench::new(SERVICES, rules);
    let sink = Sink::default();
    bench.recorder.log = AccessLog::to(sink.clone(), bench.recorder.metrics.clone()).unwrap();
    (bench, sink)
}

fn written(bench: &Bench, sink: &Sink) -> String {
    bench.recorder.log.flush(Duration::from_secs(5));
    String::from_utf8(sink.0.lock().unwrap().clone()).unwrap()
}

/// Without any rule everything is watched; the rules that are proposed allow each of these requests to its own tenant.
#[tokio::test]
async fn what_is_proposed_allows_what_was_seen_and_no_crossing() {
    let (bench, sink) = watching("{mode: audit}");
    for id in ["acme", "globex"] {
        for one in OWN {
            let outcome = bench.ask(&tenant(id), asked(one, id)).await;
            assert_eq!(outcome.verdict, "watched", "{one:?}: {outcome:?}");
        }
    }
    let log = written(&bench, &sink);
    assert!(!log.contains("SECRET"), "{log}");
    assert_eq!(log.lines().count(), 2 * OWN.len());

    let report = reported(&log, false);
    let enforced = Bench::new(SERVICES, &enforced(&report));
    for (id, other) in [("acme", "globex"), ("globex", "acme")] {
        for one in OWN {
            let outcome = enforced.ask(&tenant(id), asked(one, id)).await;
            assert_eq!(outcome.verdict, "allowed", "{one:?}: {outcome:?}\n{report}");
            let crossing = enforced.ask(&tenant(other), asked(one, id)).await;
            let expected = if one.0 == "HEAD /pool" { "allowed" } else { "guard-denied" };
            assert_eq!(crossing.verdict, expected, "{one:?}: {crossing:?}\n{report}");
        }
    }
}

/// The rules of a report, enforced, on one line.
fn enforced(report: &str) -> String {
    let lines = report.lines().filter(|line| !line.trim_start().starts_with('#'));
    let text: Vec<String> =
        lines.map(|line| line.split("    # ").next().unwrap_or_default().replace("mode: audit", "mode: enforce")).collect();
    // What stands below `guard:` in the report stands below `guard:` in the configuration.
    format!("\n{}", text.iter().skip_while(|line| *line != "guard:").skip(1).map(|line| format!("{line}\n")).collect::<String>())
}

/// What nobody can generalise is not made a rule of, and is said.
#[tokio::test]
async fn what_everybody_touches_stays_refused() {
    let (bench, sink) = watching("{mode: audit}");
    let shared = [
        ("GET /news/today", "s3", "", ""),
        ("GET /", "s3", "", ""),
        ("POST /", "dynamodb", "DynamoDB_20120810.Scan", r#"{"TableName":"orders"}"#),
    ];
    for id in ["acme", "globex"] {
        for one in &shared {
            assert_eq!(bench.ask(&tenant(id), asked(one, id)).await.verdict, "watched");
        }
    }
    let report = reported(&written(&bench, &sink), false);
    assert!(report.contains("# - {buckets: [\"news\"], shared: true, actions: [\"s3:GetObject\"]}"), "{report}");
    assert!(report.contains("# - {tables: [\"orders\"], shared: true, actions: [\"dynamodb:Scan\"]}"), "{report}");
    assert!(report.contains("no rule is proposed for s3 ListBuckets"), "{report}");
    assert!(!report.lines().any(|line| line.trim_start().starts_with('-')), "{report}");
}

/// A log's line stays short, whatever a request names.
#[tokio::test]
async fn what_is_logged_of_a_request_is_bounded() {
    let (bench, sink) = watching("{mode: audit}");
    let gets: Vec<_> = (0..40).map(|n| format!(r#"{{"Get":{{"TableName":"table-{n}","Key":{{"pk":{{"S":"x"}}}}}}}}"#)).collect();
    let body = format!(r#"{{"TransactItems":[{}]}}"#, gets.join(","));
    let one = ("POST /", "dynamodb", "DynamoDB_20120810.TransactGetItems", body.as_str());
    assert_eq!(bench.ask(&tenant("acme"), asked(&one, "acme")).await.verdict, "watched");
    let line: serde_json::Value = serde_json::from_str(&written(&bench, &sink)).unwrap();
    assert_eq!((line["touched"].as_array().unwrap().len(), line["touched_left_out"].as_u64()), (16, Some(24)));
}

/// What a rule has beside what it is about is told apart from that.
#[tokio::test]
async fn a_guardrail_is_logged_as_one() {
    let (bench, sink) = watching("{mode: audit}");
    let model = "POST /model/arn%3Aaws%3Abedrock%3Aeu-west-1%3A111122223333%3Aapplication-inference-profile%2FT/converse";
    let asks = (model, "bedrock-runtime", "", r#"{"guardrailConfig":{"guardrailIdentifier":"gr1","guardrailVersion":"1"}}"#);
    assert_eq!(bench.ask(&tenant("acme"), asked(&asks, "acme")).await.verdict, "watched");
    let line: serde_json::Value = serde_json::from_str(&written(&bench, &sink)).unwrap();
    let kinds: Vec<_> = line["touched"].as_array().unwrap().iter().map(|touched| (&touched["kind"], &touched["name"])).collect();
    assert!(kinds.contains(&(&serde_json::json!("guardrail"), &serde_json::json!("gr1"))) && kinds.len() == 2, "{line}");
}

/// What a rule that is enforced allows of a request is nobody's question.
#[tokio::test]
async fn only_what_would_be_denied_is_logged() {
    let (bench, sink) = watching("{mode: audit, s3: [{buckets: [pool], prefix: '{tenant.id}/'}]}");
    let copy = request("PUT /pool/acme/x", "s3.eu-west-1.amazonaws.com", &[("x-amz-copy-source", "other/acme/y")], "");
    assert_eq!(bench.ask(&tenant("acme"), copy).await.verdict, "watched");
    assert_eq!(bench.ask(&tenant("acme"), asked(&OWN[0], "acme")).await.verdict, "allowed");
    let log = written(&bench, &sink);
    let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        lines[0]["touched"],
        serde_json::json!([{"section": "s3", "name": "other", "begins": "{tenant.id}/", "actions": ["s3:GetObject"]}])
    );
    assert_eq!(lines[1].get("touched"), None);
}

/// Names that a request makes up are no more said than what stands under them.
#[tokio::test]
async fn names_that_are_made_up_are_not_logged() {
    let (bench, sink) = watching("{mode: audit}");
    for one in [
        (
            "POST /",
            "kms",
            "TrentService.Encrypt",
            r#"{"KeyId":"alias/acme/SECRET","Plaintext":"x","EncryptionContext":{"SECRET word":"acme"}}"#,
        ),
        ("POST /", "dynamodb", "DynamoDB_20120810.GetItem", r#"{"TableName":"orders","Key":{"SECRET word":{"S":"acme#x"}}}"#),
        (
            "POST /",
            "dynamodb",
            "DynamoDB_20120810.GetItem",
            r#"{"TableName":"orders","Key":{"SECRET1":{"S":"x"},"SECRET2":{"S":"x"},"SECRET3":{"S":"x"},"SECRET4":{"S":"x"},"SECRET5":{"S":"x"}}}"#,
        ),
    ] {
        assert_eq!(bench.ask(&tenant("acme"), asked(&one, "acme")).await.verdict, "watched", "{one:?}");
    }
    let log = written(&bench, &sink);
    assert!(!log.contains("SECRET") && log.contains("alias/{tenant.id}/*") && log.contains("orders"), "{log}");
}
