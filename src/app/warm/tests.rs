use std::fs;

use super::*;
use crate::config::DirectoryConfig;

fn config(tenants: &[&str], tiers: &[&str]) -> WarmUpConfig {
    WarmUpConfig {
        tenants: tenants.iter().map(|id| id.parse().unwrap()).collect(),
        tiers: tiers.iter().map(|tier| (*tier).to_owned()).collect(),
        wait: Duration::from_secs(1),
    }
}

fn ids(records: &[Arc<TenantRecord>]) -> Vec<String> {
    records.iter().map(|record| record.id.to_string()).collect()
}

#[test]
fn active_tenants_are_meant_by_name_and_by_tier() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tenants.yaml");
    let tenants = "tenants: {a1: {tier: gold}, a2: {tier: gold, status: suspended}, a3: {}, a4: {tier: free}, a5: {status: suspended}}";
    fs::write(&path, tenants).unwrap();
    let directory = Directory::open(&DirectoryConfig::File(path), None).unwrap();
    assert_eq!(ids(&records(&config(&["a3", "a5", "unknown"], &["gold", "none"]), &directory)), ["a1", "a3"]);
    assert!(records(&config(&[], &[]), &directory).is_empty());
}

#[test]
fn without_records_those_are_meant_that_are_named() {
    let directory = Directory::open(&DirectoryConfig::Any, None).unwrap();
    assert_eq!(ids(&records(&config(&["acme", "globex"], &["gold"]), &directory)), ["acme", "globex"]);
}

#[test]
fn readiness_waits_for_a_warm_up_where_there_is_one() {
    assert_eq!(WarmUp::new(None).is_over(), None);
    assert_eq!(WarmUp::new(Some(config(&["acme"], &[]))).is_over(), Some(false));
}
