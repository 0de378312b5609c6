//! Where one more would be too many, where it matters which rule is named, and what is held in memory.

use super::*;

const S3: &str = "s3.eu-west-1.amazonaws.com";
const DYNAMODB: &str = "dynamodb.eu-west-1.amazonaws.com";
const UNSIGNED: [(&str, &str); 1] = [("x-amz-content-sha256", "UNSIGNED-PAYLOAD")];

fn of_dynamodb(operation: &str, body: &serde_json::Value) -> Request<Body> {
    let target = format!("DynamoDB_20120810.{operation}");
    let headers = [("x-amz-target", target.as_str()), ("content-type", "application/x-amz-json-1.0")];
    request("POST /", DYNAMODB, &headers, body.to_string())
}

impl Bench {
    /// The request as it comes out of the guard's first half.
    async fn settled(&self, request: Request<Body>) -> (Box<GuardedParts>, SettledSignature) {
        let (head, body) = request.into_parts();
        let mut record = self.recorder.begin(Listener::Egress, &head.method, &Peer::at("127.0.0.1:5".parse().unwrap()));
        let limits = Limits { requests_per_second: None, burst: None, concurrent: None };
        let permit = Quota::new(limits, self.recorder.clock.clone()).admit().unwrap();
        let sent = Sent { head, body, placeholder: None, signature: ClientSignature::uncheckable(), permit };
        self.guard.settle(sent, &mut record).await.unwrap()
    }
}

#[tokio::test]
async fn as_many_items_are_taken_as_dynamodb_takes() {
    let bench = Bench::new("{dynamodb: {}}", "{dynamodb: [{tables: [left, right], leading_key: '{tenant.id}#', key: pk}]}");
    let keys = |count: usize| -> Vec<_> { (0..count).map(|nr| serde_json::json!({"pk": {"S": format!("acme#{nr}")}})).collect() };
    let gets = |a: usize, b: usize| {
        let mut tables = serde_json::Map::new();
        for (name, count) in [("left", a), ("right", b)].into_iter().filter(|(_, count)| *count > 0) {
            tables.insert(name.to_owned(), serde_json::json!({"Keys": keys(count)}));
        }
        of_dynamodb("BatchGetItem", &serde_json::json!({"RequestItems": tables}))
    };
    let checks = |count: usize| {
        let check =
            |key| serde_json::json!({"ConditionCheck": {"TableName": "left", "Key": key, "ConditionExpression": "attribute_exists(pk)"}});
        let items: Vec<_> = keys(count).into_iter().map(check).collect();
        of_dynamodb("TransactWriteItems", &serde_json::json!({"TransactItems": items}))
    };
    for (asked, verdict) in [
        (gets(100, 0), "allowed"),
        (gets(101, 0), "guard-denied"),
        (gets(50, 50), "allowed"),
        (gets(51, 50), "guard-denied"),
        (gets(99, 2), "guard-denied"),
        (checks(100), "allowed"),
        (checks(101), "guard-denied"),
    ] {
        let outcome = bench.ask(&tenant("acme"), asked).await;
        assert_eq!(outcome.verdict, verdict, "{}", outcome.note);
    }
}

#[tokio::test]
async fn a_denial_names_the_first_of_the_strictest_rules() {
    let rules = "{s3: [{buckets: [pool], prefix: '{tenant.id}/', mode: audit}, {buckets: [pool], prefix: 'a/', shared: true}, \
                 {buckets: [pool], prefix: 'b/', shared: true}], sqs: [{queues: ['jobs-{tenant.id}']}]}";
    let bench = Bench::new("{s3: {}, sqs: {}}", rules);
    let outcome = bench.ask(&tenant("acme"), request("GET /pool/globex/x", S3, &[], "")).await;
    assert!(outcome.verdict == "guard-denied" && outcome.note.starts_with("guard.s3[1]: "), "{outcome:?}");
    let headers = [("x-amz-target", "AmazonSQS.SendMessage"), ("content-type", "application/x-amz-json-1.0")];
    let body = r#"{"QueueUrl": "https://sqs.eu-west-1.amazonaws.com/111122223333/other", "MessageBody": "x"}"#;
    let outcome = bench.ask(&tenant("acme"), request("POST /", "sqs.eu-west-1.amazonaws.com", &headers, body)).await;
    assert!(outcome.verdict == "guard-denied" && outcome.note.starts_with("guard.sqs: "), "{outcome:?}");
}

#[tokio::test]
async fn a_denial_names_the_attribute_that_an_update_leaves_open() {
    let rules = "{dynamodb: [{tables: [left], leading_key: '{tenant.id}#', key: pk, indexes: {by-owner: gsi1pk}}]}";
    let bench = Bench::new("{dynamodb: {}}", rules);
    let update = serde_json::json!({
        "TableName": "left", "Key": {"pk": {"S": "acme#1"}},
        "UpdateExpression": "SET gsi1pk = if_not_exists(gsi1pk, :v)", "ExpressionAttributeValues": {":v": {"S": "acme#2"}},
    });
    let outcome = bench.ask(&tenant("acme"), of_dynamodb("UpdateItem", &update)).await;
    assert!(outcome.verdict == "guard-denied" && outcome.note.contains("the update makes of gsi1pk"), "{outcome:?}");
}

/// What is deleted by its version needs that action, and what is not, the other.
#[tokio::test]
async fn each_object_of_a_deletion_needs_its_own_action() {
    for (actions, plain, version) in [
        ("s3:DeleteObject", "allowed", "guard-denied"),
        ("s3:DeleteObjectVersion", "guard-denied", "allowed"),
        ("'s3:DeleteObject*'", "allowed", "allowed"),
    ] {
        let bench = Bench::new("{s3: {}}", &format!("{{s3: [{{buckets: [pool], prefix: '{{tenant.id}}/', actions: {actions}}}]}}"));
        for (inside, expected) in [("<Key>acme/x</Key>", plain), ("<Key>acme/x</Key><VersionId>1</VersionId>", version)] {
            let body = format!("<Delete><Object>{inside}</Object></Delete>");
            let outcome = bench.ask(&tenant("acme"), request("POST /pool?delete", S3, &UNSIGNED, &body)).await;
            assert_eq!(outcome.verdict, expected, "{actions} {inside} {}", outcome.note);
        }
    }
}

/// Records in which one tenant's folder is inside another one's.
#[tokio::test]
async fn no_tenant_has_what_is_below_another_ones_folder() {
    let bench = Bench::new("{s3: {}}", "{s3: [{buckets: [pool], prefix: '{tenant.attributes.folder}/'}]}");
    let with = |id: &str, folder: &str| {
        let mut record = TenantRecord::bare(id.parse().unwrap());
        record.attributes.insert("folder".into(), folder.into());
        ActiveTenant::join(VerifiedTenant::for_tests(id), Arc::new(record)).unwrap()
    };
    let get = || request("GET /pool/data/globex/secret", S3, &[], "");
    // Of the two that the key could be of, it is the one's whose folder ends where the slash is; the other one's record is not taken.
    assert_eq!(bench.ask(&with("acme", "data"), get()).await.verdict, "allowed");
    let outcome = bench.ask(&with("globex", "data/globex"), get()).await;
    let why = "{tenant.attributes.folder} has a value that is not taken here";
    assert!(outcome.verdict == "guard-denied" && outcome.note.contains(why), "{outcome:?}");
    assert_eq!(bench.ask(&with("globex", "data-globex"), get()).await.verdict, "guard-denied");
}

/// Settings of a bucket are no listing: not even everything that may be done with a tenant's part of it is anything of the bucket.
#[tokio::test]
async fn settings_of_a_bucket_are_nobodys_where_it_is_shared_and_are_never_changed() {
    let rules = "{s3: [{buckets: [pool], prefix: '{tenant.id}/', actions: 's3:*'}, {buckets: ['own-{tenant.id}'], actions: 's3:*'}]}";
    let bench = Bench::new("{s3: {}}", rules);
    for (line, verdict) in [
        ("GET /pool?policy", "guard-denied"),
        ("PUT /pool?policy", "guard-denied"),
        ("HEAD /pool", "allowed"),
        ("GET /own-acme?policy", "allowed"),
        ("PUT /own-acme?policy", "guard-denied"),
        ("DELETE /own-acme", "guard-denied"),
    ] {
        let outcome = bench.ask(&tenant("acme"), request(line, S3, &[], "")).await;
        assert_eq!(outcome.verdict, verdict, "{line} {}", outcome.note);
    }
}

/// Uploads stream: only what says in its body what it is about is held.
#[tokio::test]
async fn only_bodies_that_are_read_are_held() {
    let bench = Bench::new("{s3: {}}", "{s3: [{buckets: [pool], prefix: '{tenant.id}/'}]}");
    for (line, is_held) in [
        ("POST /pool?delete", true),
        ("POST /pool/acme/x?restore", true),
        ("PUT /pool/acme/x", false),
        ("POST /pool/acme/x?uploadId=1", false),
        ("PUT /pool/acme/x?tagging", false),
    ] {
        let (parts, _) = bench.settled(request(line, S3, &UNSIGNED, "<x/>")).await;
        assert_eq!(parts.payload.bytes().is_some(), is_held, "{line}");
    }
}

#[tokio::test]
async fn a_request_becomes_nobody_elses() {
    let bench = Bench::new("{s3: {}}", "{s3: [{buckets: [pool], prefix: '{tenant.id}/'}]}");
    let (parts, settled) = bench.settled(request("GET /pool/acme/x", S3, &[], "")).await;
    let request = GuardedRequest::new(tenant("acme"), parts, settled);
    assert_eq!((request.service(), request.named().only().map(Known::name)), ("s3", Some("GetObject")));
    let mut record = TenantRecord::bare("acme".parse().unwrap());
    record.cell = Some("c2".into());
    let moved = ActiveTenant::join(VerifiedTenant::for_tests("acme"), Arc::new(record)).unwrap();
    let request = request.renewed(moved).unwrap();
    assert_eq!(request.tenant().record().cell.as_deref(), Some("c2"));
    assert_eq!(request.renewed(tenant("globex")).unwrap_err().reason, Reason::Internal);
}

#[test]
fn a_path_of_our_own_is_asked_of_us_alone() {
    let bench = Bench::new("{s3: {}}", "{s3: [{buckets: [pool], prefix: '{tenant.id}/'}]}");
    for (host, is_us) in [("127.0.0.1:8180", true), ("localhost:8180", true), (S3, false), ("pool.localhost", false)] {
        let (head, _) = request("GET /_palisade/credentials", host, &[], "").into_parts();
        assert_eq!(bench.guard.is_called_by(&head).ok(), Some(is_us), "{host}");
    }
}

/// Lists are bounded before anything is made of what is in them.
#[tokio::test]
async fn no_more_metrics_are_looked_at_than_cloudwatch_takes() {
    let bench = Bench::new(
        "{monitoring: {}, events: {}}",
        "{monitoring: [{namespaces: ['app/{tenant.id}']}], events: [{buses: ['app-{tenant.id}']}]}",
    );
    let asked = |host: &str, target: &str, body: serde_json::Value| {
        let kind = if target.starts_with("AWS") { "application/x-amz-json-1.1" } else { "application/x-amz-json-1.0" };
        request("POST /", host, &[("x-amz-target", target), ("content-type", kind)], body.to_string())
    };
    let cloudwatch =
        |operation: &str, body| asked("monitoring.eu-west-1.amazonaws.com", &format!("GraniteServiceVersion20100801.{operation}"), body);
    let data = |count: usize| {
        let data: Vec<_> = (0..count).map(|_| serde_json::json!({"MetricName": "m", "Value": 1})).collect();
        cloudwatch("PutMetricData", serde_json::json!({"Namespace": "app/acme", "MetricData": data}))
    };
    let queries = |count: usize| {
        let stat = serde_json::json!({"Metric": {"Namespace": "app/acme", "MetricName": "m"}, "Period": 60, "Stat": "Sum"});
        let queries: Vec<_> = (0..count).map(|nr| serde_json::json!({"Id": format!("m{nr}"), "MetricStat": stat})).collect();
        cloudwatch("GetMetricData", serde_json::json!({"MetricDataQueries": queries, "StartTime": 0, "EndTime": 60}))
    };
    let entries = |count: usize| {
        let entries: Vec<_> = (0..count).map(|_| serde_json::json!({"EventBusName": "app-acme"})).collect();
        asked("events.eu-west-1.amazonaws.com", "AWSEvents.PutEvents", serde_json::json!({"Entries": entries}))
    };
    for (request, verdict) in [
        (data(1_000), "allowed"),
        (data(1_001), "guard-denied"),
        (queries(500), "allowed"),
        (queries(501), "guard-denied"),
        (entries(1_000), "allowed"),
        (entries(1_001), "guard-denied"),
    ] {
        let outcome = bench.ask(&tenant("acme"), request).await;
        assert_eq!(outcome.verdict, verdict, "{}", outcome.note);
    }
}
