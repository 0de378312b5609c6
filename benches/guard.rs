//! What the guard costs: reading where a request goes and what it asks for (`settle`), and whether the rules allow it (`judge`).
//!
//! `cargo bench --features bench --bench guard`

#![allow(clippy::unwrap_used, reason = "what is measured is written here")]

use std::{borrow::Cow, hint::black_box};

use bytes::Bytes;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use futures_util::FutureExt as _;
use http::Request;
use palisade::{
    body::{self, Body},
    config::{
        Config,
        template::{Name, Values},
    },
    guard::bench::Rig,
};

// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CONFIG: &str = r##"
ingress: {tls: {certificate: c, private_key: c}, upstream: "http://127.0.0.1:8080"}
identity:
  issuers:
    - {issuer: i, audience: a, jwks: {file: c}}
tenants: {directory: {any: {}}}
credentials:
  source: {default_chain: {}}
  assume_role: {role_arn: "arn:aws:iam::111122223333:role/{tenant.id}"}
egress: {region: eu-west-1, services: {s3: {}, dynamodb: {}, sqs: {}}}
guard:
  s3:
    - {buckets: [pool-data], prefix: "{tenant.id}/"}
    - {buckets: ["own-{tenant.id}"]}
  dynamodb:
    - {tables: ["orders-*"], leading_key: "{tenant.id}#", key: pk, indexes: {by-date: gsi1pk}}
  sqs:
    - {queues: ["jobs-{tenant.id}"]}
"##;

struct Tenant(&'static str);

impl Values for Tenant {
    fn value(&self, name: &Name) -> Option<Cow<'_, str>> {
        (*name == Name::TenantId).then_some(Cow::Borrowed(self.0))
    }
}

fn request(line: &str, host: &str, headers: &[(&str, &str)], content: &Bytes) -> Request<Body> {
    let (method, uri) = line.split_once(' ').unwrap_or(("GET", line));
    let mut request = Request::builder().method(method).uri(uri).header("host", host);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = if content.is_empty() { body::empty() } else { body::full(content.clone()) };
    request.body(body).unwrap()
}

fn guard(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("c"), "x").unwrap();
    let config = Config::parse(CONFIG, "bench", folder.path(), &|_| None).unwrap_or_else(|errors| panic!("{errors}"));
    let rig = Rig::new(&config).unwrap();
    let tenant = Tenant("acme");
    let json = |target| [("x-amz-target", target), ("content-type", "application/x-amz-json-1.0")];
    let s3: [(&str, &str); 3] =
        [("accept-encoding", "identity"), ("user-agent", "Boto3/1.42"), ("x-amz-content-sha256", "UNSIGNED-PAYLOAD")];
    let cases = [
        ("s3/GetObject", "GET /pool-data/acme/reports/2026/11/28.csv", "s3.eu-west-1.amazonaws.com", &s3[..], Bytes::new()),
        ("s3/ListObjectsV2", "GET /pool-data?list-type=2&prefix=acme%2Freports%2F", "s3.eu-west-1.amazonaws.com", &s3, Bytes::new()),
        (
            "dynamodb/GetItem",
            "POST /",
            "dynamodb.eu-west-1.amazonaws.com",
            &json("DynamoDB_20120810.GetItem"),
            Bytes::from_static(br#"{"TableName":"orders-2026","Key":{"pk":{"S":"acme#42"},"sk":{"S":"2026-11-28"}}}"#),
        ),
        (
            "dynamodb/Query",
            "POST /",
            "dynamodb.eu-west-1.amazonaws.com",
            &json("DynamoDB_20120810.Query"),
            Bytes::from_static(
                br##"{"TableName":"orders-2026","KeyConditionExpression":"#p = :p AND begins_with(sk, :s)","ExpressionAttributeNames":{"#p":"pk"},"ExpressionAttributeValues":{":p":{"S":"acme#42"},":s":{"S":"2026"}}}"##,
            ),
        ),
        (
            "sqs/SendMessage",
            "POST /",
            "sqs.eu-west-1.amazonaws.com",
            &json("AmazonSQS.SendMessage"),
            Bytes::from_static(br#"{"QueueUrl":"https://sqs.eu-west-1.amazonaws.com/111122223333/jobs-acme","MessageBody":"hello"}"#),
        ),
    ];
    for (name, line, host, headers, content) in &cases {
        let ask = || request(line, host, headers, content);
        let settle = |request| {
            let (head, body) = Request::into_parts(request);
            let mut record = rig.record(&head);
            // Nothing is waited for: the body is there.
            rig.settle(Request::from_parts(head, body), &mut record).now_or_never().unwrap().unwrap()
        };
        let settled = settle(ask());
        assert!(rig.allows(&settled, &tenant), "{name} is not allowed");
        assert!(!rig.allows(&settled, &Tenant("globex")), "{name} is allowed to another");
        let mut group = criterion.benchmark_group(*name);
        group.bench_function("settle", |bencher| {
            bencher.iter_batched(
                || (ask(), rig.record(&ask().into_parts().0)),
                |(request, mut record)| {
                    let settled = rig.settle(request, &mut record).now_or_never();
                    (settled, record)
                },
                BatchSize::SmallInput,
            );
        });
        group.bench_function("judge", |bencher| bencher.iter(|| rig.allows(black_box(&settled), &tenant)));
        group.finish();
    }
}

criterion_group!(benches, guard);
criterion_main!(benches);
