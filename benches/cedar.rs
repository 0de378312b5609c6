//! What Cedar policies cost a request that the rules have let through: all of it, from who asks to the answer.
//!
//! `cargo bench --features bench --bench cedar`

#![allow(clippy::unwrap_used, reason = "what is measured is written here")]

use std::{fmt::Write as _, hint::black_box};

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use futures_util::FutureExt as _;
use http::Request;
use palisade::{
    body::{self, Body},
    config::Config,
    guard::bench::Rig,
};

// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CONFIG: &str = r##"
ingress: {tls: {certificate: p.cedar, private_key: p.cedar}, upstream: "http://127.0.0.1:8080"}
identity:
  issuers:
    - {issuer: i, audience: a, jwks: {file: p.cedar}}
tenants: {directory: {any: {}}}
credentials:
  source: {default_chain: {}}
  assume_role: {role_arn: "arn:aws:iam::111122223333:role/{tenant.id}"}
egress: {region: eu-west-1, services: {s3: {}, dynamodb: {}}}
guard:
  cedar: {policies: p.cedar}
  s3:
    - {buckets: ["own-{tenant.id}"]}
  dynamodb:
    - {tables: [orders], leading_key: "{tenant.id}#", key: pk}
"##;

/// Policies of several shapes, in turn: by role and group of actions, by tenant, by time, by tag, by key.
fn policies(count: usize) -> String {
    let mut text = "permit (principal, action, resource);\n".to_owned();
    for number in 1..count {
        let policy = match number % 5 {
            0 => format!("forbid (principal in Palisade::Role::\"role-{number}\", action in Palisade::Action::\"write\", resource);"),
            1 => format!(
                "forbid (principal in Palisade::Tenant::\"tenant-{number}\", action, resource) unless {{ context.weekday <= 5 && context.hour >= 7 }};"
            ),
            2 => format!(
                "forbid (principal, action == Palisade::Action::\"s3:DeleteObject\", resource is Palisade::Object) when {{ resource.key like \"kept-{number}/*\" }};"
            ),
            3 => format!(
                "forbid (principal, action, resource is Palisade::Object) when {{ resource.key like \"*/closed-{number}/*\" && !(principal.tenant has tier && principal.tenant.tier == \"gold\") }};"
            ),
            _ => format!(
                "forbid (principal, action, resource is Palisade::Item) when {{ resource.hasTag(\"pk\") && resource.getTag(\"pk\") like \"acme#closed-{number}*\" }};"
            ),
        };
        let _ = writeln!(text, "{policy}");
    }
    text
}

fn get(key: &str) -> Request<Body> {
    let request = Request::builder().method("GET").uri(format!("/own-acme/{key}")).header("host", "s3.eu-west-1.amazonaws.com");
    request.body(body::empty()).unwrap()
}

fn items(count: usize) -> Request<Body> {
    let keys: Vec<_> = (0..count).map(|number| format!(r#"{{"pk":{{"S":"acme#{number}"}},"sk":{{"S":"2026"}}}}"#)).collect();
    let body = Bytes::from(format!(r#"{{"RequestItems":{{"orders":{{"Keys":[{}]}}}}}}"#, keys.join(",")));
    let request = Request::builder().method("POST").uri("/").header("host", "dynamodb.eu-west-1.amazonaws.com");
    let request = request.header("x-amz-target", "DynamoDB_20120810.BatchGetItem").header("content-type", "application/x-amz-json-1.0");
    request.body(body::full(body)).unwrap()
}

fn cedar(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    for count in [1, 10, 100] {
        std::fs::write(folder.path().join("p.cedar"), policies(count)).unwrap();
        let config = Config::parse(CONFIG, "bench", folder.path(), &|_| None).unwrap_or_else(|errors| panic!("{errors}"));
        let rig = Rig::new(&config).unwrap();
        let mut group = criterion.benchmark_group("policies");
        // The second begins as a policy has it, so that all of them are evaluated: it is of the tier for which that policy does not hold.
        let keys = [("GetObject", "reports/2026/11/28.csv"), ("GetObject that a pattern fits", "reports/closed-3/28.csv")];
        let requests = keys.map(|(name, key)| (name, get(key))).into_iter().chain([("BatchGetItem of 25", items(25))]);
        for (name, request) in requests {
            let (head, body) = request.into_parts();
            let mut record = rig.record(&head);
            // Nothing is waited for: the body is there.
            let settled = rig.settle(Request::from_parts(head, body), &mut record).now_or_never().unwrap().unwrap();
            let permissible = rig.permissible(&settled, "acme".parse().unwrap());
            assert!(rig.permits(&settled, &permissible), "{name} is not permitted");
            group.bench_function(BenchmarkId::new(name, count), |bencher| bencher.iter(|| rig.permits(black_box(&settled), &permissible)));
        }
        group.finish();
        // How long a start, or a change, takes: parsing and validation.
        criterion.bench_function(&format!("read {count} policies"), |bencher| bencher.iter(|| Rig::new(&config).unwrap()));
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = cedar
}
criterion_main!(benches);
