//! A scripted STS, tenants and configurations for the tests of this room.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures_util::future::BoxFuture;
use serde_json::{Map, Value};
use tokio::sync::Semaphore;

use super::{
    BaseIdentity, Broker, Budget, IssuedCredentials, SdkSts, StsError, StsInputs, TenantSts,
    sts::tests::{ASKED, Wire, answer_xml},
};
use crate::{
    clock::Clock,
    config::{
        AskConfig, AssumeRoleConfig, BudgetConfig, CredentialsConfig, CredentialsSource, PlanConfig, PlansConfig, RefreshConfig, StsConfig,
        WebIdentityConfig, WebTokenConfig,
        template::{JsonTemplate, Lands, Template},
    },
    directory::{ActiveTenant, TenantRecord},
    identity::VerifiedTenant,
    secret::Secret,
    skew::Skew,
    telemetry::Metrics,
};

pub(super) const START: u64 = 1_800_000_000;

pub(super) fn clock() -> Clock {
    Clock::manual(UNIX_EPOCH + Duration::from_secs(START))
}

/// What the scripted STS does next.
#[derive(Clone)]
pub(crate) enum Answer {
    /// Credentials with this life; zero is an expiration in the past.
    Issue(Duration),
    Fail(StsError),
    /// Credentials for an hour, but for the owner that is shown like this.
    FailFor(&'static str, StsError),
    /// Credentials for an hour, after this time.
    Late(Duration),
    Hang,
    Panic,
}

pub(crate) struct FakeSts {
    clock: Clock,
    answer: Mutex<Answer>,
    calls: Mutex<Vec<StsInputs>>,
    tokens: Mutex<Vec<Option<String>>>,
    /// Closed at first for a gated one; one permit opens it.
    pub(crate) gate: Semaphore,
    in_progress: AtomicUsize,
    pub(super) most_at_once: AtomicUsize,
}

impl FakeSts {
    pub(crate) fn new(clock: &Clock) -> Arc<Self> {
        Arc::new(Self {
            clock: clock.clone(),
            answer: Mutex::new(Answer::Issue(Duration::from_secs(3600))),
            calls: Mutex::default(),
            tokens: Mutex::default(),
            gate: Semaphore::new(1),
            in_progress: AtomicUsize::new(0),
            most_at_once: AtomicUsize::new(0),
        })
    }

    /// One whose calls wait for a permit on [`FakeSts::gate`].
    pub(crate) fn gated(clock: &Clock) -> Arc<Self> {
        let sts = Self::new(clock);
        sts.gate.forget_permits(1);
        sts
    }

    pub(crate) fn answer(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.lock().unwrap().len()
    }

    pub(crate) fn asked(&self) -> Vec<StsInputs> {
        self.calls.lock().unwrap().clone()
    }
}

impl FakeSts {
    /// The callers' tokens that came with the calls.
    pub(super) fn tokens(&self) -> Vec<Option<String>> {
        self.tokens.lock().unwrap().clone()
    }
}

/// One call in progress, until it ends or is dropped.
struct Counted<'a>(&'a FakeSts);

impl<'a> Counted<'a> {
    fn new(sts: &'a FakeSts) -> Self {
        let now = sts.in_progress.fetch_add(1, Ordering::SeqCst) + 1;
        sts.most_at_once.fetch_max(now, Ordering::SeqCst);
        Self(sts)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.in_progress.fetch_sub(1, Ordering::SeqCst);
    }
}

impl TenantSts for FakeSts {
    fn assume_role<'a>(&'a self, inputs: &'a StsInputs, token: Option<&'a Secret>) -> BoxFuture<'a, Result<IssuedCredentials, StsError>> {
        Box::pin(async move {
            let number = {
                let mut calls = self.calls.lock().unwrap();
                calls.push(inputs.clone());
                self.tokens.lock().unwrap().push(token.map(|token| token.expose().to_owned()));
                calls.len()
            };
            let _counted = Counted::new(self);
            drop(self.gate.acquire().await.unwrap());
            let answer = self.answer.lock().unwrap().clone();
            match answer {
                Answer::Issue(life) => Ok(issued(&inputs.owner.to_string(), number, self.clock.now() + life)),
                Answer::Fail(error) => Err(error),
                Answer::FailFor(owner, error) if inputs.owner.to_string() == owner => Err(error),
                Answer::FailFor(..) => Ok(issued(&inputs.owner.to_string(), number, self.clock.now() + Duration::from_secs(3600))),
                Answer::Late(wait) => {
                    tokio::time::sleep(wait).await;
                    Ok(issued(&inputs.owner.to_string(), number, self.clock.now() + Duration::from_secs(3600)))
                }
                Answer::Hang => std::future::pending().await,
                Answer::Panic => panic!("scripted"),
            }
        })
    }
}

/// Credentials that name their tenant in every part, so that a test can tell whose they are.
pub(super) fn issued(tenant: &str, number: usize, expires: SystemTime) -> IssuedCredentials {
    IssuedCredentials {
        access_key_id: format!("ASIA/{tenant}/{number}"),
        secret_access_key: Secret::new(format!("SECRET/{tenant}/{number}")),
        session_token: Secret::new(format!("TOKEN/{tenant}/{number}")),
        expires,
        packed_policy_percent: Some(42),
    }
}

pub(super) fn template(text: &str, lands: Lands) -> Template {
    Template::parse(text, lands).unwrap()
}

/// Uses every setting, and values of the record, the subject and a claim.
pub(super) fn assume_role() -> AssumeRoleConfig {
    let policy =
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::pool/{tenant.id}/*"}]}"#;
    AssumeRoleConfig {
        role_arn: template("arn:aws:iam::{tenant.account}:role/data", Lands::Arn),
        session_name: template("{tenant.id}={subject}", Lands::SessionName),
        external_id: Some(template("{tenant.external_id}", Lands::ExternalId)),
        source_identity: Some(template("{subject}", Lands::SourceIdentity)),
        session_tags: vec![
            ("TenantID".into(), template("{tenant.id}", Lands::TagValue)),
            ("Shard".into(), template("{tenant.attributes.shard}", Lands::TagValue)),
            ("Team".into(), template("{claims.team}", Lands::TagValue)),
        ],
        transitive_tag_keys: vec!["TenantID".into()],
        session_policy: Some(JsonTemplate::parse(policy).unwrap()),
        policy_arns: vec![template("arn:aws:iam::{tenant.account}:policy/data", Lands::Arn)],
        duration: Duration::from_secs(3600),
        via: vec![],
    }
}

/// The least that is possible: nothing in it tells one tenant from another.
pub(super) fn assume_one_role() -> AssumeRoleConfig {
    AssumeRoleConfig {
        role_arn: template("arn:aws:iam::111122223333:role/shared", Lands::Arn),
        session_name: template("palisade", Lands::SessionName),
        external_id: None,
        source_identity: None,
        session_tags: vec![],
        transitive_tag_keys: vec![],
        session_policy: None,
        policy_arns: vec![],
        duration: Duration::from_secs(3600),
        via: vec![],
    }
}

pub(super) fn plan_of(assume_role: AssumeRoleConfig) -> PlanConfig {
    PlanConfig { key: "credentials.assume_role".into(), ask: AskConfig::AssumeRole(assume_role), others: [].into(), lower_case_ids: false }
}

/// Asks with the caller's own token.
pub(super) fn callers_token() -> PlanConfig {
    let ask = AskConfig::WebIdentity(WebIdentityConfig {
        token: WebTokenConfig::Caller,
        role_arn: template("arn:aws:iam::111122223333:role/{tenant.id}", Lands::Arn),
        session_name: template("{tenant.id}", Lands::SessionName),
        token_tags: vec![],
        session_policy: None,
        policy_arns: vec![],
        duration: Duration::from_secs(3600),
    });
    PlanConfig { key: "credentials.assume_role_with_web_identity".into(), ask, others: [].into(), lower_case_ids: false }
}

/// A user, by a token that says `payload` and ends at `ends`.
pub(super) fn bearer(tenant: &str, subject: &str, payload: &str, ends: SystemTime) -> ActiveTenant {
    let verified = VerifiedTenant::for_tests_bearing(tenant, subject, Map::new(), payload, ends);
    ActiveTenant::join(verified, Arc::new(record(tenant))).unwrap()
}

/// One plan for every service.
pub(super) fn plans_of(assume_role: AssumeRoleConfig) -> PlansConfig {
    plans_config(plan_of(assume_role))
}

pub(super) fn plans_config(plan: PlanConfig) -> PlansConfig {
    PlansConfig { default: Some(plan), services: BTreeMap::new() }
}

pub(super) fn credentials_config(assume_role: AssumeRoleConfig) -> CredentialsConfig {
    CredentialsConfig {
        source: CredentialsSource::Static {
            access_key_id: "AKIABASE".into(),
            secret_access_key: Secret::new("base-secret".into()),
            session_token: None,
        },
        sts: StsConfig { endpoint: None, region: "eu-west-1".into(), ca: None, timeout: Duration::from_secs(5) },
        refresh: RefreshConfig { ahead: Duration::from_secs(300), jitter: Duration::from_secs(60) },
        plans: plans_of(assume_role),
        max_sessions: 1000,
        budget: ample(),
        warm_up: None,
    }
}

/// Lets `time` pass on `clock` and on the runtime's own, which is paused, in steps of `step`; after each, every task runs that can.
pub(crate) async fn pass(clock: &Clock, time: Duration, step: Duration) {
    let mut left = time;
    while !left.is_zero() {
        let next = left.min(step);
        clock.advance(next);
        tokio::time::advance(next).await;
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        left -= next;
    }
}

/// A budget whose rate no test reaches that is not about it; places and queue as by default.
pub(crate) fn ample() -> BudgetConfig {
    BudgetConfig { requests_per_second: 1e6, burst: 100_000, concurrent: 24, queue: 1024, wait: Duration::from_secs(5) }
}

pub(super) fn record(id: &str) -> TenantRecord {
    let mut record = TenantRecord::bare(id.parse().unwrap());
    record.account = Some("111122223333".into());
    record.external_id = Some("external-1".into());
    record.attributes = BTreeMap::from([("shard".to_owned(), "7".to_owned())]);
    record
}

pub(super) fn tenant_with(record: TenantRecord, subject: &str, team: &str) -> ActiveTenant {
    let claims = Map::from_iter([("team".to_owned(), Value::from(team))]);
    ActiveTenant::join(VerifiedTenant::for_tests_with(record.id.clone().as_str(), subject, claims), Arc::new(record)).unwrap()
}

pub(super) fn tenant(id: &str) -> ActiveTenant {
    tenant_with(record(id), "user-1", "blue")
}

/// A broker whose STS gives an hour to everybody.
pub(crate) fn broker(clock: &Clock, metrics: &Metrics) -> Arc<Broker> {
    broker_over(FakeSts::new(clock), ample(), clock, metrics)
}

/// A broker that asks `sts` within `budget`.
pub(crate) fn broker_over(sts: Arc<FakeSts>, budget: BudgetConfig, clock: &Clock, metrics: &Metrics) -> Arc<Broker> {
    let config = CredentialsConfig { budget, ..credentials_config(assume_one_role()) };
    let budget = Budget::new(&config, clock.clone(), metrics.clone());
    Arc::new(Broker::new(&config, sts, budget, clock.clone(), metrics.clone()))
}

/// A clock that nobody has found to be wrong.
pub(crate) fn on_time(clock: &Clock) -> Skew {
    Skew::new(clock.clone(), Metrics::new().unwrap())
}

/// An STS that nobody asks.
pub(crate) fn sts(skew: &Skew, metrics: &Metrics) -> Arc<SdkSts> {
    let config = credentials_config(assume_one_role());
    let base = BaseIdentity::open(&config.source, &config.sts, skew).unwrap();
    Arc::new(SdkSts::new(&config.sts, base, skew, Budget::new(&config, skew.clock(), metrics.clone())).unwrap())
}

/// A broker over an STS that gives sessions until `expiration` and says that it is `date`, that STS, and the skew that follows from what it says.
pub(crate) fn dated(clock: &Clock, metrics: &Metrics, date: &str, expiration: &str) -> (Arc<Broker>, Arc<SdkSts>, Skew) {
    let wire = Wire::answering(200, &answer_xml("AssumeRole", ASKED, &format!("<Expiration>{expiration}</Expiration>")));
    wire.headers([("date", date.to_owned())]);
    let config = credentials_config(assume_one_role());
    let skew = Skew::new(clock.clone(), metrics.clone());
    let base = BaseIdentity::open(&config.source, &config.sts, &skew).unwrap();
    let budget = Budget::new(&config, skew.clock(), metrics.clone());
    let sts = Arc::new(SdkSts::over(wire.client(), &config.sts, base, &skew, budget.clone()));
    let broker = Arc::new(Broker::new(&config, sts.clone(), budget, skew.clock(), metrics.clone()));
    (broker, sts, skew)
}

/// Lets every task that can run, run.
pub(crate) async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}
