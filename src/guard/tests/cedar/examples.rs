//! The policies of `config/examples/cedar`, each by what it lets through.

use std::{path::Path, time::Duration};

use super::*;

const RULES: &str = "{s3: [{buckets: ['own-{tenant.id}']}], dynamodb: [{tables: ['own-{tenant.id}']}]}";

/// A guard under one example, at a moment.
fn example(name: &str, at: u64) -> Bench {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/examples/cedar");
    let (mut bench, _, folder) = Bench::awaiting("{s3: {}, dynamodb: {}}", RULES, "");
    fs::copy(examples.join(name), folder.path().join("p.cedar")).unwrap();
    fs::copy(examples.join("everybody.cedar"), folder.path().join("everybody.cedar")).unwrap();
    bench.recorder.clock = Clock::manual(UNIX_EPOCH + Duration::from_secs(at));
    bench.serving(Policies::open(folder.path()).unwrap_or_else(|errors| panic!("{errors}")))
}

/// Somebody of acme's with these roles, in this tier.
fn somebody(roles: &[&str], tier: &str) -> ActiveTenant {
    let mut record = TenantRecord::bare("acme".parse().unwrap());
    record.tier = Some(tier.to_owned());
    ActiveTenant::join(VerifiedTenant::for_tests_as("acme", roles, &[]), Arc::new(record)).unwrap()
}

async fn is_permitted(bench: &Bench, who: &ActiveTenant, asked: Request<Body>) -> bool {
    match bench.ask(who, asked).await {
        Outcome { verdict: "allowed", .. } => true,
        Outcome { verdict: "guard-denied", note, .. } if note.starts_with("guard.cedar: ") => false,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn support_reads_and_changes_nothing() {
    let bench = example("support.cedar", 0);
    let item = json!({"TableName": "own-acme", "Item": {"pk": {"S": "1"}}});
    let query = json!({"TableName": "own-acme", "KeyConditionExpression": "pk = :v", "ExpressionAttributeValues": {":v": {"S": "1"}}});
    for (roles, is) in [(&["support"][..], false), (&["support", "editor"], false), (&["editor"], true), (&[], true)] {
        let who = somebody(roles, "basic");
        for read in
            [at_s3("GET /own-acme/x"), at_s3("HEAD /own-acme/x"), at_s3("GET /own-acme?list-type=2"), dynamodb("Query", query.clone())]
        {
            assert!(is_permitted(&bench, &who, read).await, "{roles:?}");
        }
        let puts = at_s3("PUT /own-acme/x");
        let writes = [puts, at_s3("DELETE /own-acme/x"), at_s3("PUT /own-acme/x?tagging"), dynamodb("PutItem", item.clone())];
        for write in writes {
            assert_eq!(is_permitted(&bench, &who, write).await, is, "{roles:?}");
        }
    }
}

#[tokio::test]
async fn exports_are_for_the_gold_tier() {
    let bench = example("export.cedar", 0);
    let copy = |source: &str| request("PUT /own-acme/copy", HOST, &[("x-amz-copy-source", source)], "");
    for (tier, is) in [("gold", true), ("basic", false), ("", false)] {
        let who = somebody(&[], tier);
        assert!(is_permitted(&bench, &who, at_s3("GET /own-acme/exported/x")).await, "{tier}");
        assert!(is_permitted(&bench, &who, at_s3("PUT /own-acme/exports/x")).await, "{tier}");
        assert_eq!(is_permitted(&bench, &who, at_s3("GET /own-acme/exports/x")).await, is, "{tier}");
        assert_eq!(is_permitted(&bench, &who, copy("own-acme/exports/x")).await, is, "{tier}");
    }
}

#[tokio::test]
async fn contractors_work_in_office_hours() {
    const DAY: u64 = 86_400;
    // Monday, 30 November 2026, 00:00.
    const MONDAY: u64 = 1_795_996_800;
    let contractor = somebody(&["contractor"], "basic");
    for (at, is) in [
        (MONDAY + 7 * 3_600 - 1, false),
        (MONDAY + 7 * 3_600, true),
        (MONDAY + 18 * 3_600 - 1, true),
        (MONDAY + 18 * 3_600, false),
        (MONDAY + 4 * DAY + 12 * 3_600, true),
        (MONDAY + 5 * DAY + 12 * 3_600, false),
        (MONDAY + 6 * DAY + 12 * 3_600, false),
    ] {
        let bench = example("office-hours.cedar", at);
        assert_eq!(is_permitted(&bench, &contractor, at_s3("GET /own-acme/x")).await, is, "{at}");
        assert!(is_permitted(&bench, &somebody(&["editor"], "basic"), at_s3("GET /own-acme/x")).await, "{at}");
    }
}

/// The three are a folder, as a configuration has them.
#[test]
fn all_examples_go_together() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/examples/cedar");
    assert_eq!(Policies::open(&folder).unwrap_or_else(|errors| panic!("{errors}")).count(), 5);
}
