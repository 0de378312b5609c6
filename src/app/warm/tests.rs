use std::{fs, path::Path, time::UNIX_EPOCH};

use futures_util::future::BoxFuture;

use super::*;
use crate::{
    clock::Clock,
    config::{BudgetConfig, Config, DirectoryConfig},
    credentials::{
        Budget, IssuedCredentials, StsError, StsInputs, TenantSts,
        testing::{Answer, FakeSts, ample, broker_over, pass},
    },
    directory::ActiveTenant,
    identity::VerifiedTenant,
    reject::Reason,
    secret::Secret,
    telemetry::Metrics,
};

const SECOND: Duration = Duration::from_secs(1);
/// Places for renewals, of the 24 that there are by default.
const PLACES: usize = 8;

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

struct Rig {
    warm_up: WarmUp,
    sts: Arc<FakeSts>,
    broker: Arc<Broker>,
    directory: Arc<Directory>,
    clock: Clock,
    _folder: tempfile::TempDir,
}

impl Rig {
    /// Tenants `t01` and so on, of which all up to `gold` are to be warmed up, within `wait`.
    fn new(gold: usize, wait: Duration, is_gated: bool, budget: BudgetConfig) -> Self {
        let (folder, clock) = (tempfile::tempdir().unwrap(), Clock::manual(UNIX_EPOCH + 1_800_000_000 * SECOND));
        let path = folder.path().join("tenants.yaml");
        let records = (1..=gold + 2).map(|n| format!("t{n:02}: {{tier: {}}}", if n <= gold { "gold" } else { "free" }));
        fs::write(&path, format!("tenants: {{{}}}", records.collect::<Vec<_>>().join(", "))).unwrap();
        let directory = Arc::new(Directory::open(&DirectoryConfig::File(path), None).unwrap());
        let sts = if is_gated { FakeSts::gated(&clock) } else { FakeSts::new(&clock) };
        let broker = broker_over(sts.clone(), budget, &clock, &Metrics::new().unwrap());
        let warm_up = WarmUp::new(Some(WarmUpConfig { wait, ..config(&[], &["gold"]) }));
        Self { warm_up, sts, broker, directory, clock, _folder: folder }
    }

    fn run(&self) -> tokio::task::JoinHandle<()> {
        let (warm_up, broker, directory) = (self.warm_up.clone(), self.broker.clone(), self.directory.clone());
        tokio::spawn(async move { warm_up.run(&broker, &directory).await })
    }

    async fn pass(&self, time: Duration) {
        pass(&self.clock, time, SECOND / 40).await;
    }

    /// Whom STS was asked for, in order.
    fn asked(&self) -> Vec<String> {
        self.sts.asked().iter().map(|inputs| inputs.owner.to_string()).collect()
    }
}

fn named(numbers: std::ops::RangeInclusive<usize>) -> Vec<String> {
    numbers.map(|n| format!("t{n:02}")).collect()
}

#[tokio::test(start_paused = true)]
async fn sessions_are_fetched_in_order_within_the_places_for_renewals_and_then_it_is_over() {
    let rig = Rig::new(12, 60 * SECOND, true, ample());
    let running = rig.run();
    rig.pass(SECOND).await;
    assert_eq!(rig.asked(), named(1..=PLACES), "no more at once");
    assert_eq!(rig.warm_up.is_over(), Some(false));
    rig.sts.gate.add_permits(1);
    rig.pass(SECOND).await;
    assert_eq!((rig.asked(), rig.warm_up.is_over()), (named(1..=12), Some(true)));
    assert_eq!(rig.broker.sessions().len(), 12);
    rig.pass(60 * SECOND).await;
    assert!(running.is_finished() && rig.asked().len() == 12);
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_fails_holds_readiness_no_longer_than_the_wait_and_is_given_up() {
    let rig = Rig::new(4, 5 * SECOND, false, ample());
    rig.sts.answer(Answer::FailFor("t02", StsError::Unavailable("down".into())));
    let running = rig.run();
    rig.pass(4 * SECOND).await;
    assert_eq!((rig.broker.sessions().len(), rig.warm_up.is_over()), (3, Some(false)), "the others have theirs");
    rig.pass(SECOND + SECOND / 10).await;
    assert_eq!((running.is_finished(), rig.warm_up.is_over()), (false, Some(true)), "it is tried on beside requests");
    rig.pass(AGAIN * u32::try_from(ROUNDS).unwrap()).await;
    assert!(running.is_finished());
    let tries = rig.asked().iter().filter(|id| *id == "t02").count();
    assert!((ROUNDS / 3..=ROUNDS).contains(&tries) && rig.asked().len() == tries + 3, "{tries}");
}

#[tokio::test(start_paused = true)]
async fn what_does_not_go_better_by_itself_is_not_waited_for() {
    let rig = Rig::new(4, 60 * SECOND, false, ample());
    rig.sts.answer(Answer::FailFor("t02", StsError::Denied("no".into())));
    rig.run();
    rig.pass(SECOND / 2).await;
    assert_eq!((rig.broker.sessions().len(), rig.warm_up.is_over()), (3, Some(true)));
    assert_eq!(rig.asked(), named(1..=4));
}

#[tokio::test(start_paused = true)]
async fn requests_that_wait_leave_it_its_share_of_the_rate_at_most() {
    let rig = Rig::new(40, 600 * SECOND, false, BudgetConfig { requests_per_second: 8.0, burst: 8, wait: 600 * SECOND, ..ample() });
    let flood: Vec<_> = (0..120)
        .map(|n| {
            let (broker, id) = (rig.broker.clone(), format!("busy-{n}"));
            let record = Arc::new(TenantRecord::bare(id.parse().unwrap()));
            let tenant = ActiveTenant::join(VerifiedTenant::for_tests(&id), record).unwrap();
            tokio::spawn(async move { broker.credentials_for("s3", &tenant).await.map(drop) })
        })
        .collect();
    rig.pass(SECOND / 10).await;
    rig.run();
    rig.pass(10 * SECOND).await;
    let of_requests = rig.asked().iter().filter(|id| id.starts_with("busy")).count();
    let of_warm_up = rig.asked().len() - of_requests;
    assert!(of_warm_up <= 2 + 2 * 10 && of_requests >= 6 * 10, "{of_warm_up} beside {of_requests}");
    rig.pass(20 * SECOND).await;
    assert_eq!((rig.asked().len(), rig.warm_up.is_over()), (160, Some(true)), "once nobody waits it has all of it");
    assert!(flood.iter().all(tokio::task::JoinHandle::is_finished));
}

/// An STS that nobody gets to ask.
struct Unasked;

impl TenantSts for Unasked {
    fn assume_role<'a>(&'a self, inputs: &'a StsInputs, _: Option<&'a Secret>) -> BoxFuture<'a, Result<IssuedCredentials, StsError>> {
        panic!("{inputs:?}")
    }
}

#[tokio::test]
async fn whoever_is_missing_is_counted_with_the_reason() {
    // A user's own sessions, of whom none is known at the start.
    let text = "egress: {region: eu-west-1, services: {s3: {}}}\n\
                identity: {issuers: [{issuer: i, audience: a, jwks: {uri: 'https://idp.example.com/keys'}}]}\n\
                tenants: {directory: {any: {}}}\n\
                credentials:\n  source: {default_chain: {}}\n  shared_with_application: accepted\n  \
                assume_role: {role_arn: 'arn:aws:iam::111122223333:role/{tenant.id}', session_name: '{subject}'}\n";
    let parsed = Config::parse(text, "P", Path::new(""), &|_| None).unwrap_or_else(|errors| panic!("{errors}"));
    let credentials = parsed.credentials.as_ref().unwrap();
    let (clock, metrics) = (Clock::system(), Metrics::new().unwrap());
    let budget = Budget::new(credentials, clock.clone(), metrics.clone());
    let broker = Broker::new(credentials, Arc::new(Unasked), budget, clock, metrics);
    let directory = Directory::open(&DirectoryConfig::Any, None).unwrap();
    let config = WarmUpConfig { wait: Duration::ZERO, ..config(&["acme", "globex"], &[]) };
    let outcome = fetch(&broker, &config, &directory).await;
    assert_eq!((outcome.asked, outcome.missing), (2, 2));
    assert_eq!(outcome.reason.map(|refusal| refusal.reason), Some(Reason::PlanIncomplete));
    let warm_up = WarmUp::new(Some(config));
    assert_eq!(warm_up.detail(), "sessions are being fetched");
    warm_up.run(&broker, &directory).await;
    assert_eq!((warm_up.is_over(), warm_up.detail().as_str()), (Some(true), "over, 2 missing; see the log"));
    assert_eq!(WarmUp::new(None).detail(), "over");
}
