//! Keys of tables that DynamoDB is asked for.

use std::{collections::BTreeMap, sync::Mutex};

use futures_util::{FutureExt as _, future::BoxFuture};
use http::Response;
use serde_json::{Value, json};

use super::*;
use crate::guard::Courier;

const HOST: &str = "dynamodb.eu-west-1.amazonaws.com";
const RULES: &str = "{dynamodb: [{tables: [pool, 'orders-*'], leading_key: '{tenant.id}#', learn: true, open_indexes: [by-status]}]}";

type Answer = Result<Response<Body>, Refusal>;
/// What is answered of a table.
type Answers = dyn Fn(&str) -> Answer + Send;
/// What is answered, whatever is asked.
type Told = dyn Fn() -> Answer + Send + Sync;

/// Stands for AWS, and remembers who asked for what.
pub(super) struct Desk {
    answer: Mutex<Box<Answers>>,
    asked: Mutex<Vec<(String, String)>>,
    /// Where they are not all of one.
    roles: BTreeMap<&'static str, &'static str>,
    credentials: Option<Reason>,
}

impl Desk {
    pub(super) fn new(answer: impl Fn(&str) -> Answer + Send + 'static) -> Arc<Self> {
        Arc::new(Self { answer: Mutex::new(Box::new(answer)), asked: Mutex::default(), roles: BTreeMap::new(), credentials: None })
    }

    /// One with the table `pool` and its indexes, and no other.
    fn of_a_pool() -> Arc<Self> {
        Self::new(|table| if table == "pool" { pool() } else { error(400, "ResourceNotFoundException") })
    }

    fn answers(&self, answer: impl Fn(&str) -> Answer + Send + 'static) {
        *self.answer.lock().unwrap() = Box::new(answer);
    }

    /// The tenants that asked, and the tables.
    pub(super) fn asked(&self) -> Vec<(String, String)> {
        self.asked.lock().unwrap().clone()
    }
}

impl Courier for Desk {
    fn role(&self, service: &str, tenant: &ActiveTenant) -> Result<String, Refusal> {
        assert_eq!(service, "dynamodb");
        let role = self.roles.get(tenant.id().as_str()).copied();
        Ok(role.unwrap_or("arn:aws:iam::111122223333:role/all").to_owned())
    }

    fn carry(&self, request: GuardedRequest) -> BoxFuture<'_, Answer> {
        let (tenant, parts) = request.into_parts();
        let header = |name: &str| parts.headers[name].to_str().unwrap().to_owned();
        assert_eq!((parts.method.as_str(), parts.wire.path_and_query().as_str()), ("POST", "/"));
        assert_eq!(parts.target.path_and_query, "/");
        assert_eq!(
            (header("x-amz-target").as_str(), header("content-type").as_str()),
            ("DynamoDB_20120810.DescribeTable", "application/x-amz-json-1.0")
        );
        assert_eq!((parts.headers.len(), parts.named.only().map(Known::name)), (2, Some("DescribeTable")));
        assert_eq!((parts.target.service.as_str(), parts.target.region.as_str()), ("dynamodb", "eu-west-1"));
        let body: Value = serde_json::from_slice(parts.payload.bytes().unwrap()).unwrap();
        let table = body["TableName"].as_str().unwrap().to_owned();
        assert_eq!(body, json!({"TableName": table}));
        self.asked.lock().unwrap().push((tenant.id().to_string(), table.clone()));
        let answer = match self.credentials {
            Some(reason) => Err(reason.into()),
            None => self.answer.lock().unwrap()(&table),
        };
        async move {
            tokio::task::yield_now().await;
            drop(parts);
            answer
        }
        .boxed()
    }
}

fn answer(status: u16, body: &str) -> Answer {
    Ok(Response::builder().status(status).body(body::full(body.to_owned())).unwrap())
}

fn error(status: u16, code: &str) -> Answer {
    answer(status, &json!({"__type": format!("com.amazonaws.dynamodb.v20120810#{code}"), "message": "m"}).to_string())
}

/// The description of a table of this hash key, with global indexes.
pub(super) fn described(name: &str, key: &str, indexes: &[(&str, &str)]) -> Answer {
    let schema = |hash: &str| json!([{"AttributeName": hash, "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}]);
    let indexes: Vec<_> = indexes.iter().map(|(name, hash)| json!({"IndexName": name, "KeySchema": schema(hash)})).collect();
    let table = json!({"TableName": name, "KeySchema": schema(key), "GlobalSecondaryIndexes": indexes, "TableStatus": "ACTIVE"});
    answer(200, &json!({"Table": table}).to_string())
}

fn pool() -> Answer {
    described("pool", "tenant_key", &[("by-owner", "owner"), ("by-status", "status")])
}

fn ask(operation: &str, body: &Value) -> Request<Body> {
    let target = format!("DynamoDB_20120810.{operation}");
    request("POST /", HOST, &[("x-amz-target", &target), ("content-type", "application/x-amz-json-1.0")], body.to_string())
}

fn get(table: &str, attribute: &str, key: &str) -> Request<Body> {
    ask("GetItem", &json!({"TableName": table, "Key": {attribute: {"S": key}, "sk": {"S": "x"}}}))
}

/// The table `pool`, of the tenant's own item.
fn own(tenant: &str) -> Request<Body> {
    get("pool", "tenant_key", &format!("{tenant}#1"))
}

fn bench(desk: &Arc<Desk>) -> Bench {
    Bench::new("{dynamodb: {}}", RULES).learning(desk)
}

fn later(bench: &Bench, seconds: u64) {
    bench.recorder.clock.advance(Duration::from_secs(seconds));
}

#[tokio::test]
async fn keys_are_those_that_dynamodb_says_and_are_asked_for_once() {
    let desk = Desk::of_a_pool();
    let bench = bench(&desk);
    let acme = tenant("acme");
    for (request, verdict, note) in [
        (own("acme"), "allowed", ""),
        (own("globex"), "guard-denied", "tenant_key does not begin with {tenant.id}#"),
        (get("pool", "pk", "acme#1"), "guard-denied", "no value of tenant_key"),
        (ask("Scan", &json!({"TableName": "pool"})), "guard-denied", "everybody's"),
        (ask("DescribeTable", &json!({"TableName": "pool"})), "allowed", ""),
    ] {
        let outcome = bench.ask(&acme, request).await;
        assert!(outcome.verdict == verdict && outcome.note.contains(note), "{outcome:?}");
    }
    assert_eq!(bench.ask(&tenant("globex"), own("globex")).await.verdict, "allowed");
    assert_eq!(bench.ask(&tenant("globex"), own("acme")).await.verdict, "guard-denied");
    assert_eq!(desk.asked(), [("acme".to_owned(), "pool".to_owned())], "of one role it is one answer");
}

/// Many indexes, each with as much said of it as DynamoDB says.
#[tokio::test]
async fn a_description_may_be_long() {
    let names: Vec<String> = (0..400).map(|number| format!("index-{number}-{}", "x".repeat(100))).collect();
    let desk = Desk::of_a_pool();
    desk.answers(move |table| described(table, "tenant_key", &names.iter().map(|name| (name.as_str(), "owner")).collect::<Vec<_>>()));
    let described = bench(&desk);
    assert_eq!(described.ask(&tenant("acme"), own("acme")).await.verdict, "allowed");
    assert_eq!(described.ask(&tenant("acme"), own("globex")).await.verdict, "guard-denied");
}

/// The question is ours, and has nothing of the request's but whose it is and where it goes.
#[tokio::test]
async fn a_question_is_asked_at_the_root_whatever_path_made_it_necessary() {
    let desk = Desk::of_a_pool();
    let (bench, acme) = (bench(&desk), tenant("acme"));
    let (mut head, body) = own("acme").into_parts();
    head.uri = "/pool?x=1".parse().unwrap();
    let mut record = bench.recorder.begin(Listener::Egress, &head.method, &Peer::at("127.0.0.1:5".parse().unwrap()));
    let limits = Limits { requests_per_second: None, burst: None, concurrent: None };
    let permit = Quota::new(limits, bench.recorder.clock.clone()).admit().unwrap();
    let sent = Sent { head, body, placeholder: None, signature: ClientSignature::uncheckable(), permit };
    let (parts, _) = bench.guard.settle(sent, &mut record).await.unwrap();
    assert_eq!(parts.target.path_and_query, "/pool?x=1");
    let Served { config, operations } = &bench.guard.services["dynamodb"];
    let behalf = Behalf { operations, buffers: &bench.guard.buffers, timeouts: config.timeouts, permit: &parts.permit };
    let mut tables = bench.guard.schemas.tables(&acme, &parts.target);
    // The desk looks at what it is to carry.
    bench.guard.schemas.learn(&mut tables, vec!["pool".to_owned()], behalf).await.unwrap();
    assert_eq!(tables.keys_of("pool").ok().flatten().map(|keys| keys.key.clone()), Some("tenant_key".to_owned()));
    assert_eq!(desk.asked(), [("acme".to_owned(), "pool".to_owned())]);
}

#[tokio::test]
async fn every_index_is_held_to_and_open_ones_are_queried_by_nobody() {
    let desk = Desk::of_a_pool();
    let (bench, acme) = (bench(&desk), tenant("acme"));
    let query = |index: &str, attribute: &str, value: &str| {
        ask(
            "Query",
            &json!({"TableName": "pool", "IndexName": index, "KeyConditionExpression": "#k = :v", "ExpressionAttributeNames": {"#k": attribute},
                    "ExpressionAttributeValues": {":v": {"S": value}}}),
        )
    };
    let put = |owner: &str| {
        ask(
            "PutItem",
            &json!({"TableName": "pool", "Item": {"tenant_key": {"S": "acme#1"}, "owner": {"S": owner}, "status": {"S": "OPEN"}}}),
        )
    };
    let set = |attribute: &str, value: &str| {
        ask(
            "UpdateItem",
            &json!({"TableName": "pool", "Key": {"tenant_key": {"S": "acme#1"}}, "UpdateExpression": "SET #a = :v",
                    "ExpressionAttributeNames": {"#a": attribute}, "ExpressionAttributeValues": {":v": {"S": value}}}),
        )
    };
    for (request, verdict, note) in [
        (query("by-owner", "owner", "acme#1"), "allowed", ""),
        (query("by-owner", "owner", "globex#1"), "guard-denied", "owner does not begin"),
        (query("by-owner", "tenant_key", "acme#1"), "guard-denied", "which hash key"),
        (query("by-status", "status", "OPEN"), "guard-denied", "open_indexes"),
        (query("by-status", "status", "acme#OPEN"), "guard-denied", "open_indexes"),
        (query("by-nothing", "owner", "acme#1"), "guard-denied", "the table does not have"),
        (put("acme#1"), "allowed", ""),
        (put("globex#1"), "guard-denied", "owner does not begin"),
        (set("owner", "globex#1"), "guard-denied", "owner does not begin"),
        (set("owner", "acme#2"), "allowed", ""),
        (set("status", "DONE"), "allowed", ""),
    ] {
        let outcome = bench.ask(&acme, request).await;
        assert!(outcome.verdict == verdict && outcome.note.contains(note), "{outcome:?}");
    }
    let held = Bench::new("{dynamodb: {}}", &RULES.replace(", open_indexes: [by-status]", "")).learning(&desk);
    let outcome = held.ask(&acme, put("acme#1")).await;
    assert!(
        outcome.verdict == "guard-denied" && outcome.note.contains("status does not begin"),
        "held to unless it is said to be open: {outcome:?}"
    );
}

#[tokio::test]
async fn an_answer_is_good_for_five_minutes() {
    let desk = Desk::of_a_pool();
    let (bench, acme) = (bench(&desk), tenant("acme"));
    assert_eq!(bench.ask(&acme, own("acme")).await.verdict, "allowed");
    desk.answers(|_| described("pool", "sk", &[]));
    later(&bench, 299);
    assert_eq!(bench.ask(&acme, own("acme")).await.verdict, "allowed");
    later(&bench, 1);
    assert_eq!(bench.ask(&acme, own("acme")).await.verdict, "guard-denied", "made anew, with its keys the other way round");
    assert_eq!(desk.asked().len(), 2);
}

#[tokio::test]
async fn what_a_tenants_role_is_told_is_told_to_no_other_role() {
    let mut desk = Desk::of_a_pool();
    Arc::get_mut(&mut desk).unwrap().roles = BTreeMap::from([("evil", "arn:aws:iam::666677778888:role/all")]);
    // Its own account has a table of this name, with whatever keys it likes.
    let (bench, evil, acme) = (bench(&desk), tenant("evil"), tenant("acme"));
    desk.answers(|_| described("pool", "sk", &[]));
    assert_eq!(bench.ask(&evil, get("pool", "other", "x")).await.verdict, "guard-denied");
    desk.answers(|_| pool());
    assert_eq!(bench.ask(&acme, own("acme")).await.verdict, "allowed");
    assert_eq!(bench.ask(&acme, own("evil")).await.verdict, "guard-denied");
    assert_eq!(desk.asked(), [("evil", "pool"), ("acme", "pool")].map(|(tenant, table)| (tenant.to_owned(), table.to_owned())));
    // Another host is another place too.
    let fips = request(
        "POST /",
        "dynamodb-fips.eu-west-1.amazonaws.com",
        &[("x-amz-target", "DynamoDB_20120810.GetItem"), ("content-type", "application/x-amz-json-1.0")],
        json!({"TableName": "pool", "Key": {"tenant_key": {"S": "acme#1"}}}).to_string(),
    );
    assert_eq!(bench.ask(&acme, fips).await.verdict, "allowed");
    assert_eq!(desk.asked().len(), 3);
}

#[tokio::test]
async fn without_an_answer_nothing_is_allowed() {
    let fresh = || (Desk::of_a_pool(), tenant("acme"));
    let cases: [(Arc<Told>, &str, &str, u64); 12] = [
        (Arc::new(|| Err(Reason::AwsDenied.into())), "guard-denied", "give dynamodb:DescribeTable to the tenant's role", 5),
        (Arc::new(|| error(400, "AccessDeniedException")), "guard-denied", "give dynamodb:DescribeTable", 5),
        (Arc::new(|| error(400, "ResourceNotFoundException")), "guard-denied", "there is no such table", 5),
        (Arc::new(|| error(400, "ValidationException")), "guard-denied", "was not understood", 5),
        (Arc::new(|| answer(200, "{}")), "guard-denied", "is not understood", 5),
        (Arc::new(|| described("other", "tenant_key", &[])), "guard-denied", "is not understood", 5),
        (Arc::new(|| answer(200, &format!("{{\"a\": \"{}\"}}", "x".repeat(600_000)))), "upstream-unavailable", "too large", 1),
        (Arc::new(|| error(400, "ThrottlingException")), "upstream-unavailable", "answered with an error", 1),
        (Arc::new(|| answer(500, "")), "upstream-unavailable", "answered with an error", 1),
        (Arc::new(|| answer(204, "")), "upstream-unavailable", "answered with an error", 1),
        (Arc::new(|| Err(Reason::UpstreamTimeout.into())), "upstream-unavailable", "upstream-timeout", 1),
        (Arc::new(|| Err(Reason::AwsCredentialsRejected.into())), "upstream-unavailable", "aws-credentials-rejected", 1),
    ];
    for (answer, verdict, note, stands) in cases {
        let (desk, acme) = fresh();
        let again = Arc::clone(&answer);
        desk.answers(move |_| answer());
        let bench = bench(&desk);
        for _ in 0..3 {
            let outcome = bench.ask(&acme, own("acme")).await;
            assert!(outcome.verdict == verdict && outcome.note.contains(note) && outcome.note.contains("guard.dynamodb[0]"), "{outcome:?}");
        }
        assert_eq!(desk.asked().len(), 1, "what failed stands: {note}");
        // Others may have a session that may do more.
        desk.answers(|_| pool());
        assert_eq!(bench.ask(&tenant("globex"), own("globex")).await.verdict, "allowed", "{note}");
        let (desk, acme) = fresh();
        desk.answers(move |_| again());
        let bench = self::bench(&desk);
        bench.ask(&acme, own("acme")).await;
        desk.answers(|_| pool());
        later(&bench, stands - 1);
        assert_eq!(bench.ask(&acme, own("acme")).await.verdict, verdict, "{note}");
        later(&bench, 1);
        assert_eq!(bench.ask(&acme, own("acme")).await.verdict, "allowed", "{note}");
    }
}

#[tokio::test]
async fn an_old_answer_stands_in_where_dynamodb_cannot_be_had_and_for_an_hour() {
    let desk = Desk::of_a_pool();
    let (bench, acme) = (bench(&desk), tenant("acme"));
    assert_eq!(bench.ask(&acme, own("acme")).await.verdict, "allowed");
    desk.answers(|_| Err(Reason::UpstreamUnavailable.into()));
    later(&bench, 300);
    for _ in 0..3 {
        assert_eq!(bench.ask(&acme, own("acme")).await.verdict, "allowed");
        assert_eq!(bench.ask(&acme, own("globex")).await.verdict, "guard-denied");
    }
    assert_eq!(desk.asked().len(), 2, "it is asked again in ten seconds");
    later(&bench, 10);
    assert_eq!((bench.ask(&acme, own("acme")).await.verdict, desk.asked().len()), ("allowed", 3));
    later(&bench, 3_290);
    assert_eq!(bench.ask(&acme, own("acme")).await.verdict, "upstream-unavailable", "an hour is over");
    // Who is told no has no use for what was known before.
    desk.answers(|_| pool());
    later(&bench, 1);
    assert_eq!(bench.ask(&acme, own("acme")).await.verdict, "allowed");
    desk.answers(|_| Err(Reason::AwsDenied.into()));
    later(&bench, 300);
    assert_eq!(bench.ask(&acme, own("acme")).await.verdict, "guard-denied");
    desk.answers(|_| Err(Reason::UpstreamUnavailable.into()));
    later(&bench, 5);
    assert_eq!(bench.ask(&acme, own("acme")).await.verdict, "upstream-unavailable");
}

#[tokio::test]
async fn made_up_names_are_asked_for_in_small_numbers_or_not_at_all() {
    let desk = Desk::of_a_pool();
    let (bench, acme) = (bench(&desk), tenant("acme"));
    let nobodys = bench.ask(&acme, get("customers", "tenant_key", "acme#1")).await;
    assert!(nobodys.note.contains("no rule is about the table") && desk.asked().is_empty(), "{nobodys:?}");
    for number in 0..40 {
        let outcome = bench.ask(&acme, get(&format!("orders-{number}"), "tenant_key", "acme#1")).await;
        let (verdict, note) = if number < 16 { ("guard-denied", "no such table") } else { ("upstream-unavailable", "too many tables") };
        assert!(outcome.verdict == verdict && outcome.note.contains(note), "{number}: {outcome:?}");
    }
    assert_eq!(desk.asked().len(), 16);
    assert_eq!(bench.ask(&acme, own("acme")).await.verdict, "upstream-unavailable", "even of one that there is, for the moment");
    assert_eq!(bench.ask(&tenant("globex"), own("globex")).await.verdict, "allowed", "it is nobody else's loss");
    assert_eq!(bench.ask(&acme, own("acme")).await.verdict, "allowed", "what is known is no question");
    later(&bench, 5);
    assert_eq!(bench.ask(&acme, get("orders-50", "tenant_key", "acme#1")).await.verdict, "guard-denied");
    assert_eq!(desk.asked().len(), 18);
}

#[tokio::test]
async fn a_request_that_is_refused_anyway_asks_nothing() {
    let desk = Desk::of_a_pool();
    let (bench, acme) = (bench(&desk), tenant("acme"));
    let key = json!({"Keys": [{"tenant_key": {"S": "acme#1"}}]});
    for request in [
        ask("BatchGetItem", &json!({"RequestItems": {"pool": key, "secrets": key}})),
        ask("GetItem", &json!({"TableName": "pool", "Key": {"tenant_key": {"S": "acme#1"}}, "Unheard": 1})),
        ask("GetItem", &json!({"TableName": "pool"})),
        ask("ExecuteStatement", &json!({"Statement": "SELECT * FROM pool"})),
        ask("Scan", &json!({"TableName": "pool"})),
        ask("GetItem", &json!({"TableName": "pool\", \"x\": \"y", "Key": {"tenant_key": {"S": "acme#1"}}})),
    ] {
        assert_eq!(bench.ask(&acme, request).await.verdict, "guard-denied");
    }
    let reading = Bench::new("{dynamodb: {}}", &RULES.replace("learn: true", "learn: true, actions: ['dynamodb:GetItem']")).learning(&desk);
    let put = ask("PutItem", &json!({"TableName": "pool", "Item": {"tenant_key": {"S": "acme#1"}}}));
    assert_eq!(reading.ask(&acme, put).await.verdict, "guard-denied");
    assert!(desk.asked().is_empty(), "{:?}", desk.asked());
}

#[tokio::test]
async fn many_tables_are_learnt_over_several_requests() {
    let desk = Desk::new(|table| described(table, "pk", &[]));
    let (bench, acme) = (bench(&desk), tenant("acme"));
    let batch = || {
        let tables: serde_json::Map<_, _> = (10..30).map(|n| (format!("orders-{n}"), json!({"Keys": [{"pk": {"S": "acme#1"}}]}))).collect();
        ask("BatchGetItem", &json!({"RequestItems": tables}))
    };
    let first = bench.ask(&acme, batch()).await;
    assert!(first.verdict == "upstream-unavailable" && first.note.contains("at once"), "{first:?}");
    assert_eq!(bench.ask(&acme, batch()).await.verdict, "allowed");
    assert_eq!(desk.asked().len(), 20);
}

#[tokio::test]
async fn requests_of_a_tenant_wait_for_one_answer_and_those_of_others_do_not() {
    let desk = Desk::of_a_pool();
    let (bench, acme, globex) = (bench(&desk), tenant("acme"), tenant("globex"));
    let (one, two, three) = tokio::join!(bench.ask(&acme, own("acme")), bench.ask(&acme, own("acme")), bench.ask(&globex, own("globex")));
    assert_eq!([one.verdict, two.verdict, three.verdict], ["allowed"; 3]);
    let asked = desk.asked();
    assert_eq!(asked.iter().filter(|(tenant, _)| tenant == "acme").count(), 1, "{asked:?}");
    assert_eq!(asked.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_come_is_waited_for_three_seconds_and_an_old_one_stands_in() {
    let silence = || -> Answer {
        let body = http_body_util::StreamBody::new(futures_util::stream::pending());
        Ok(Response::new(http_body_util::BodyExt::boxed_unsync(body)))
    };
    let desk = Desk::new(move |_| silence());
    let (bench, acme) = (bench(&desk), tenant("acme"));
    let begun = tokio::time::Instant::now();
    let outcome = bench.ask(&acme, own("acme")).await;
    assert!(outcome.verdict == "upstream-unavailable" && outcome.note.contains("no answer in time"), "{outcome:?}");
    assert_eq!(begun.elapsed().as_secs(), 3);
    later(&bench, 1);
    desk.answers(|_| pool());
    assert_eq!(bench.ask(&acme, own("acme")).await.verdict, "allowed");
    later(&bench, 300);
    desk.answers(move |_| silence());
    assert_eq!(bench.ask(&acme, own("acme")).await.verdict, "allowed");
    assert_eq!(begun.elapsed().as_secs(), 6);
    // Of many tables no more than five seconds in all.
    let keys = json!({"Keys": [{"pk": {"S": "acme#1"}}]});
    let batch = ask("BatchGetItem", &json!({"RequestItems": {"orders-1": keys, "orders-2": keys, "orders-3": keys}}));
    let outcome = bench.ask(&acme, batch).await;
    assert!(outcome.verdict == "upstream-unavailable", "{outcome:?}");
    assert_eq!(begun.elapsed().as_secs(), 11);
}

#[tokio::test]
async fn a_table_may_be_named_by_its_arn() {
    let desk = Desk::new(|table| described(table.rsplit('/').next().unwrap(), "tenant_key", &[]));
    let (bench, acme) = (bench(&desk), tenant("acme"));
    let arn = "arn:aws:dynamodb:eu-west-1:999900001111:table/pool";
    assert_eq!(bench.ask(&acme, get(arn, "tenant_key", "acme#1")).await.verdict, "allowed");
    assert_eq!(bench.ask(&acme, get(arn, "tenant_key", "globex#1")).await.verdict, "guard-denied");
    assert_eq!(bench.ask(&acme, own("acme")).await.verdict, "allowed");
    let asked: Vec<_> = desk.asked().into_iter().map(|(_, table)| table).collect();
    assert_eq!(asked, [arn, "pool"], "another account's table of this name is another table");
}

#[tokio::test]
async fn what_is_only_watched_passes_without_keys_and_who_has_no_credentials_is_told_so() {
    let desk = Desk::new(|_| Err(Reason::AwsDenied.into()));
    let acme = tenant("acme");
    let watching = Bench::new("{dynamodb: {}}", &RULES.replace("{dynamodb", "{mode: audit, dynamodb")).learning(&desk);
    let outcome = watching.ask(&acme, own("acme")).await;
    assert!(outcome.verdict == "watched" && outcome.note.contains("give dynamodb:DescribeTable"), "{outcome:?}");
    desk.answers(|_| pool());
    later(&watching, 5);
    assert_eq!(watching.ask(&acme, own("acme")).await.verdict, "allowed");
    let outcome = watching.ask(&acme, own("globex")).await;
    assert!(outcome.verdict == "watched" && outcome.note.contains("tenant_key does not begin"), "{outcome:?}");

    let mut desk = Desk::of_a_pool();
    Arc::get_mut(&mut desk).unwrap().credentials = Some(Reason::CredentialsDenied);
    assert_eq!(bench(&desk).ask(&acme, own("acme")).await.verdict, "credentials-denied");
    let nobody = Bench::new("{dynamodb: {}}", RULES);
    assert_eq!(nobody.ask(&acme, own("acme")).await.verdict, "internal");
}
