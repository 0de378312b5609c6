//! Tenant × tenant × operation: what each operation of a service gets that names one's own thing, and another tenant's.
//!
//! Kept in a golden file, which `PALISADE_BLESS=1` writes anew, so that a verdict that changes is seen in review. Every operation of the table is in it.

use std::{fmt::Write as _, path::Path};

use super::*;
use crate::aws::operation::{S3Example, s3_examples};

const S3: &str = "{s3: [{buckets: [pool-data], prefix: '{tenant.id}/'}, {buckets: ['own-{tenant.id}']}]}";

pub(super) fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guard").join(name);
    if std::env::var_os("PALISADE_BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let recorded = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(recorded, text, "{} has changed: PALISADE_BLESS=1 writes it anew", path.display());
}

/// What tells nothing of a bucket but that it is there.
const HARMLESS: [&str; 2] = ["GetBucketLocation", "HeadBucket"];

/// A request for an operation, about this bucket and key.
fn of_s3((name, method, (has_bucket, has_key), query, header): &S3Example, bucket: &str, key: &str) -> Request<Body> {
    let path = match (has_bucket, has_key) {
        (false, _) => "/".to_owned(),
        (true, false) => format!("/{bucket}"),
        (true, true) => format!("/{bucket}/{key}"),
    };
    let mut query: Vec<String> =
        query.iter().map(|part| if part.contains('=') { (*part).to_owned() } else { format!("{part}=1") }).collect();
    if matches!(*name, "ListMultipartUploads" | "ListObjectVersions" | "ListObjects" | "ListObjectsV2") {
        query.push(format!("prefix={key}"));
    }
    let source = format!("{bucket}/{key}");
    let headers = if header.is_empty() { Vec::new() } else { vec![(*header, source.as_str())] };
    let content = match *name {
        "DeleteObjects" => format!("<Delete><Object><Key>{key}</Key></Object></Delete>"),
        "RestoreObject" => "<RestoreRequest><Days>1</Days></RestoreRequest>".to_owned(),
        _ => String::new(),
    };
    let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
    request(&format!("{method} {path}{query}"), "s3.eu-west-1.amazonaws.com", &headers, &content)
}

#[tokio::test]
async fn every_operation_of_s3() {
    let bench = Bench::new("{s3: {}}", S3);
    let mut text = String::from("# operation: own key, another's key | own bucket, another's bucket\n");
    for example in s3_examples() {
        let mut verdicts = Vec::new();
        let name = example.0;
        for (bucket, owner) in [("pool-data", "acme"), ("pool-data", "globex"), ("own-acme", "acme"), ("own-globex", "globex")] {
            let outcome = bench.ask(&tenant("acme"), of_s3(&example, bucket, &format!("{owner}/x"))).await;
            verdicts.push(if outcome.verdict == "guard-denied" { "denied" } else { outcome.verdict });
        }
        assert!(verdicts[1] != "allowed" || HARMLESS.contains(&name), "{name}: another's key");
        assert!(verdicts[3] != "allowed", "{name}: another's bucket");
        writeln!(text, "{name}: {}, {} | {}, {}", verdicts[0], verdicts[1], verdicts[2], verdicts[3]).unwrap();
    }
    golden("s3.matrix", &text);
}
