use std::{collections::BTreeMap, time::UNIX_EPOCH};

use serde_json::json;

use super::*;
use crate::{
    config::{LimitsConfig, ShutdownOrder},
    credentials::testing::{broker, sts},
    directory::{ActiveTenant, TenantRecord},
    identity::VerifiedTenant,
    workloads::testing::{proved, reader_of_s3},
};

/// The tenant `id`, active.
fn tenant(id: &str) -> ActiveTenant {
    ActiveTenant::join(VerifiedTenant::for_tests(id), Arc::new(TenantRecord::bare(id.parse().unwrap()))).unwrap()
}

#[tokio::test]
async fn each_session_shows_whose_it_is_and_what_that_one_has_in_progress() {
    let (clock, metrics) = (Clock::manual(UNIX_EPOCH + Duration::from_secs(1_800_000_000)), Metrics::new().unwrap());
    // A workload with the name of a tenant has nothing to do with it.
    let workloads = reader_of_s3("acme", &clock);
    let limits = LimitsConfig { default: Default::default(), tiers: BTreeMap::new() };
    let skew = Skew::new(clock.clone(), metrics.clone());
    let vendor = Vendor {
        sts: sts(&skew, &metrics),
        broker: broker(&clock, &metrics),
        limiter: Arc::new(Limiter::new(&limits, clock.clone())),
        skew,
        workloads: workloads.clone(),
    };
    let (workload, acme) = (proved(&workloads, "acme"), tenant("acme"));
    vendor.broker.workload_credentials(&workload).await.unwrap();
    vendor.broker.credentials_for("s3", &acme).await.unwrap();
    let shown = || {
        let sessions = serde_json::to_value(vendor.sessions()).unwrap();
        let shown = |session: &Value| {
            let whose = ["tenant", "workload"].map(|kind| session.get(kind).cloned().unwrap_or_default());
            (whose, session["role_arn"].as_str().unwrap().rsplit('/').next().unwrap().to_owned(), session["in_flight"].clone())
        };
        let mut shown: Vec<_> = sessions.as_array().unwrap().iter().map(shown).collect();
        shown.sort_by_key(|(_, role, _)| role.clone());
        shown
    };
    let expected = |of_workload: u32, of_tenant: u32| {
        vec![
            ([Value::Null, json!("acme")], "acme".to_owned(), json!(of_workload)),
            ([json!("acme"), Value::Null], "shared".to_owned(), json!(of_tenant)),
        ]
    };
    assert_eq!(shown(), expected(0, 0));
    let held = [workload.admit().unwrap(), workload.admit().unwrap()];
    let other = vendor.limiter.admit(&acme).unwrap();
    assert_eq!(shown(), expected(2, 1));
    drop((held, other));
    assert_eq!(shown(), expected(0, 0));
}

pub(in crate::app) fn process() -> Arc<Process> {
    let shutdown = ShutdownConfig { delay: Duration::from_secs(60), order: ShutdownOrder::IngressFirst, linger: Duration::ZERO };
    Arc::new(Process::new(crate::server::Drain::new().0, crate::server::Drain::new().0, shutdown))
}

#[tokio::test]
async fn a_process_ends_as_it_was_configured_when_it_began_to() {
    let process = process();
    let other = |seconds| ShutdownConfig { delay: Duration::from_secs(seconds), ..process.shutdown() };
    process.adopt(other(50));
    assert_eq!(process.shutdown().delay.as_secs(), 50);
    process.drain();
    process.adopt(other(0));
    assert_eq!(process.shutdown().delay.as_secs(), 50);
}
