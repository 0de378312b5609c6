use std::{fs, time::SystemTime};

use super::*;
use crate::{config::Limits, directory::TenantStatus, telemetry::Metrics};

const RECORDS: &str = r#"
tenants:
  acme:
    status: active
    tier: gold
    cell: c1
    account: "012345678901"
    external_id: x-1
    kms_key: alias/acme
    region: eu-west-1
    limits: {requests_per_second: 2.5, concurrent: 3}
    attributes: {bucket: pool-1}
  globex:
  initech: {status: suspended}
"#;

fn open(text: &str) -> (tempfile::TempDir, PathBuf, Result<Directory, ConfigErrors>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tenants.yaml");
    fs::write(&path, text).unwrap();
    let directory = Directory::open_polling(&DirectoryConfig::File(path.clone()), Duration::from_millis(5));
    (folder, path, directory)
}

fn reason(directory: &Directory, tenant: &str) -> Option<Reason> {
    directory.resolve(VerifiedTenant::for_tests(tenant)).err().map(|refusal| refusal.reason)
}

#[test]
fn resolves_the_active_and_refuses_the_rest() {
    let (_folder, _, directory) = open(RECORDS);
    let directory = directory.unwrap();
    let acme = directory.resolve(VerifiedTenant::for_tests("acme")).unwrap();
    let expected = TenantRecord {
        tier: Some("gold".to_owned()),
        cell: Some("c1".to_owned()),
        account: Some("012345678901".to_owned()),
        external_id: Some("x-1".to_owned()),
        kms_key: Some("alias/acme".to_owned()),
        region: Some("eu-west-1".to_owned()),
        limits: Some(Limits { requests_per_second: Some(2.5), burst: Some(3), concurrent: Some(3) }),
        attributes: [("bucket".to_owned(), "pool-1".to_owned())].into(),
        ..TenantRecord::bare("acme".parse().unwrap())
    };
    assert_eq!(acme.record(), &expected);
    assert_eq!(reason(&directory, "globex"), None);
    assert_eq!(reason(&directory, "initech"), Some(Reason::TenantSuspended));
    assert_eq!(reason(&directory, "Acme"), Some(Reason::TenantUnknown));
    assert_eq!(directory.records().iter().map(|record| record.id.to_string()).collect::<Vec<_>>(), ["acme", "globex", "initech"]);
}

#[test]
fn any_knows_everyone_and_nothing() {
    let directory = Directory::open(&DirectoryConfig::Any).unwrap();
    let tenant = directory.resolve(VerifiedTenant::for_tests("whoever")).unwrap();
    assert_eq!(tenant.record(), &TenantRecord::bare("whoever".parse().unwrap()));
    assert_eq!(tenant.record().status, TenantStatus::Active);
}

#[test]
fn every_mistake_is_reported_with_its_place() {
    let (_folder, path, directory) = open(
        "tenants:\n  a: {}\n  acme: {status: paused, account: 12}\n  ACME: {}\n  x..y:\n    teir: gold\n  ok: {region: nowhere, limits: {bytes_per_second: 1MiB}}\n  ok: {}\n",
    );
    assert_eq!(directory.unwrap_err().to_string().lines().count(), 1, "a repeated key is found before anything else");
    fs::write(&path, fs::read_to_string(&path).unwrap().replace("\n  ok: {}", "")).unwrap();
    let errors = Directory::open(&DirectoryConfig::File(path.clone())).unwrap_err().to_string();
    let found: Vec<_> = errors.lines().map(|line| line.replacen(&path.display().to_string(), "F", 1)).collect();
    let expected = [
        "F:2:3: tenants.a: \"a\" is not taken here; give a tenant id",
        "F:3:18: tenants.acme.status: \"paused\" is not taken here; give active or suspended",
        "F:3:35: tenants.acme.account: \"12\" is not taken here; give an AWS account id, 12 digits",
        "F:4:3: tenants.ACME: differs from acme in case alone",
        "F:5:3: tenants.\"x..y\": \"x..y\" is not taken here",
        "F:6:5: tenants.\"x..y\".teir: is not a known setting; did you mean tier?",
        "F:7:16: tenants.ok.region: \"nowhere\" is not taken here",
        "F:7:34: tenants.ok.limits.bytes_per_second: is not supported yet",
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found}\n{expected}");
    }
}

#[test]
fn a_missing_file_is_an_error() {
    let config = DirectoryConfig::File(PathBuf::from("/nowhere/tenants.yaml"));
    assert!(Directory::open(&config).unwrap_err().to_string().starts_with("/nowhere/tenants.yaml: cannot be read"));
}

/// Waits until `done` holds, at most five seconds of real time.
async fn eventually(done: impl Fn() -> bool) {
    for _ in 0..1_000 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it never came");
}

#[tokio::test]
async fn changes_are_taken_over_and_broken_files_are_not() {
    let (_folder, path, directory) = open(RECORDS);
    let directory = Arc::new(directory.unwrap());
    let metrics = Metrics::new().unwrap();
    let watching = tokio::spawn({
        let (directory, metrics) = (directory.clone(), metrics.clone());
        async move { directory.watch(Clock::manual(SystemTime::UNIX_EPOCH), metrics).await }
    });

    fs::write(&path, RECORDS.replace("status: active", "status: suspended")).unwrap();
    eventually(|| reason(&directory, "acme") == Some(Reason::TenantSuspended)).await;

    for broken in ["tenants: [", "tenants: {acme: {status: actve}}", "", "other: {}"] {
        fs::write(&path, broken).unwrap();
        tokio::time::sleep(Duration::from_millis(40)).await;
        assert_eq!(reason(&directory, "acme"), Some(Reason::TenantSuspended), "{broken}");
        assert_eq!(reason(&directory, "globex"), None, "{broken}");
    }
    fs::remove_file(&path).unwrap();
    tokio::time::sleep(Duration::from_millis(40)).await;
    assert_eq!(reason(&directory, "globex"), None);

    // The same length and, where the clock is coarse, the same time.
    fs::write(&path, "tenants: {newcomer: {}}").unwrap();
    eventually(|| reason(&directory, "newcomer").is_none()).await;
    assert_eq!(reason(&directory, "acme"), Some(Reason::TenantUnknown));
    fs::write(&path, "tenants: {newcomee: {}}").unwrap();
    eventually(|| reason(&directory, "newcomee").is_none()).await;
    watching.abort();
    let text = String::from_utf8(metrics.render().unwrap()).unwrap();
    assert!(text.contains("palisade_config_reloads_total{result=\"ok\"} 3"), "{text}");
    assert!(text.contains("palisade_config_reloads_total{result=\"error\"}"), "{text}");
}
