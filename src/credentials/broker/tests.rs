use std::{collections::BTreeSet, time::UNIX_EPOCH};

use super::{renewals::IDLE, *};
use crate::credentials::testing::{
    Answer, FakeSts, START, assume_one_role, assume_role, clock, credentials_config, issued, plans_of, record, settle, tenant, tenant_with,
};

mod budget;
mod callers_token;
mod outage;
mod services;
mod simulation;

/// Of the 24 places that there are by default: those for first calls, those of them for one tenant, and those for renewals.
const AT_ONCE: usize = 16;
const OF_ONE_TENANT: usize = 4;
const RENEWALS: usize = 8;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

struct Rig {
    broker: Broker,
    sts: Arc<FakeSts>,
    clock: Clock,
    metrics: Metrics,
}

impl Rig {
    fn new(change: impl FnOnce(&mut CredentialsConfig)) -> Self {
        let clock = clock();
        Self::with(FakeSts::new(&clock), clock, change)
    }

    fn gated(change: impl FnOnce(&mut CredentialsConfig)) -> Self {
        let clock = clock();
        Self::with(FakeSts::gated(&clock), clock, change)
    }

    fn with(sts: Arc<FakeSts>, clock: Clock, change: impl FnOnce(&mut CredentialsConfig)) -> Self {
        let metrics = Metrics::new().unwrap();
        let mut config = credentials_config(assume_role());
        change(&mut config);
        let budget = Budget::new(&config, clock.clone(), metrics.clone());
        let broker = Broker::new(&config, sts.clone(), budget, clock.clone(), metrics.clone());
        Self { broker, sts, clock, metrics }
    }

    async fn get(&self, id: &str) -> Result<Arc<ScopedCredentials>, Refusal> {
        let credentials = self.broker.credentials(&tenant(id)).await?;
        check(&credentials, id);
        Ok(credentials)
    }

    /// For a user of the tenant, each of whom has a session of their own.
    async fn get_as(&self, id: &str, user: usize) -> Result<Arc<ScopedCredentials>, Refusal> {
        self.broker.credentials(&tenant_with(record(id), &format!("user-{user}"), "blue")).await
    }

    fn spawn(self: &Arc<Self>, id: &str, user: usize) -> tokio::task::JoinHandle<Result<Arc<ScopedCredentials>, Refusal>> {
        let (rig, id) = (Arc::clone(self), id.to_owned());
        tokio::spawn(async move { rig.get_as(&id, user).await })
    }

    async fn refused(&self, id: &str) -> Refusal {
        self.get(id).await.unwrap_err()
    }

    async fn round(&self) {
        self.broker.round();
        settle().await;
    }
}

impl Broker {
    /// One look, and what can be renewed at once.
    fn round(&self) {
        let mut due = self.look();
        self.renew(&mut due);
    }
}

/// Every part of the credentials is of the tenant that asked.
fn check(credentials: &ScopedCredentials, id: &str) {
    assert_eq!(credentials.owner().to_string(), id);
    assert!(credentials.session_token().expose().starts_with(&format!("TOKEN/{id}/")));
    assert!(credentials.access_key_id().starts_with(&format!("ASIA/{id}/")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_thousand_cold_requests_make_one_call() {
    let rig = Arc::new(Rig::gated(|_| ()));
    let tasks: Vec<_> = (0..10_000)
        .map(|_| {
            tokio::spawn({
                let rig = Arc::clone(&rig);
                async move { rig.get("acme").await.unwrap() }
            })
        })
        .collect();
    settle().await;
    rig.sts.gate.add_permits(1);
    let mut all = Vec::new();
    for task in tasks {
        all.push(task.await.unwrap());
    }
    assert_eq!(rig.sts.calls(), 1);
    assert!(all.iter().all(|credentials| Arc::ptr_eq(credentials, &all[0])));
}

#[tokio::test]
async fn the_first_caller_may_go_away() {
    let rig = Arc::new(Rig::gated(|_| ()));
    let ask = || {
        tokio::spawn({
            let rig = Arc::clone(&rig);
            async move { rig.get("acme").await }
        })
    };
    let (first, second) = (ask(), ask());
    settle().await;
    first.abort();
    settle().await;
    rig.sts.gate.add_permits(1);
    assert!(second.await.unwrap().is_ok());
    assert_eq!(rig.sts.calls(), 1);
}

#[tokio::test]
async fn a_session_is_renewed_ahead_of_its_end_and_only_if_it_is_used() {
    let rig = Rig::new(|_| ());
    rig.sts.answer(Answer::Issue(20 * MINUTE));
    let old = rig.get("acme").await.unwrap();
    rig.get("globex").await.unwrap();
    // Renewal is due 5 to 6 minutes ahead of the end.
    rig.clock.advance(14 * MINUTE - SECOND);
    rig.get("acme").await.unwrap();
    rig.round().await;
    assert_eq!(rig.sts.calls(), 2, "it is not time yet");
    rig.clock.advance(MINUTE + SECOND);
    rig.round().await;
    assert_eq!(rig.sts.calls(), 3, "only acme was used since it was issued");
    let new = rig.get("acme").await.unwrap();
    assert!(!Arc::ptr_eq(&old, &new) && new.expires() > old.expires());
    rig.round().await;
    assert_eq!(rig.sts.calls(), 3);
}

#[tokio::test]
async fn a_renewal_that_fails_keeps_the_old_session_until_it_ends() {
    let rig = Rig::new(|_| ());
    let old = rig.get("acme").await.unwrap();
    rig.get("acme").await.unwrap();
    rig.sts.answer(Answer::Fail(StsError::Unavailable("connection reset".into())));
    rig.clock.advance(HOUR - 300 * SECOND);
    rig.get("acme").await.unwrap();
    for _ in 0..50 {
        rig.round().await;
    }
    assert_eq!(rig.sts.calls(), 2, "a failed renewal is not repeated at once");
    assert!(Arc::ptr_eq(&old, &rig.get("acme").await.unwrap()));
    rig.clock.advance(60 * SECOND);
    rig.round().await;
    assert_eq!(rig.sts.calls(), 3, "and not never");
    rig.clock.advance(234 * SECOND);
    assert!(Arc::ptr_eq(&old, &rig.get("acme").await.unwrap()), "six seconds of life");
    rig.clock.advance(SECOND);
    let refusal = rig.refused("acme").await;
    assert_eq!(refusal.reason, Reason::CredentialsUnavailable);
    assert_eq!(refusal.retry_after, Some(SECOND));
    // STS is back: the next request after the pause gets through.
    rig.sts.answer(Answer::Issue(HOUR));
    rig.clock.advance(SECOND);
    assert!(rig.get("acme").await.is_ok());
}

#[tokio::test]
async fn a_renewal_that_hangs_stands_in_nobodys_way() {
    let rig = Rig::new(|config| config.sts.timeout = Duration::from_secs(600));
    let old = rig.get("acme").await.unwrap();
    rig.get("acme").await.unwrap();
    rig.sts.answer(Answer::Hang);
    rig.clock.advance(HOUR - 200 * SECOND);
    rig.get("acme").await.unwrap();
    rig.round().await;
    assert_eq!(rig.sts.calls(), 2);
    assert!(Arc::ptr_eq(&old, &rig.get("acme").await.unwrap()));
    assert!(rig.broker.sessions()[0].renewing);
}

#[tokio::test]
async fn tenants_share_nothing_even_where_the_configuration_tells_them_apart_in_nothing() {
    let rig = Rig::new(|config| config.plans = plans_of(assume_one_role()));
    for _ in 0..3 {
        for id in ["acme", "globex", "Acme", "acme.eu"] {
            rig.get(id).await.unwrap();
        }
    }
    assert_eq!(rig.sts.calls(), 4);
    assert_eq!(rig.broker.sessions().len(), 4);
}

#[tokio::test]
async fn each_value_that_reaches_sts_has_a_session_of_its_own() {
    let rig = Rig::new(|_| ());
    let changed = |change: &dyn Fn(&mut crate::directory::TenantRecord)| {
        let mut record = record("acme");
        change(&mut record);
        tenant_with(record, "user-1", "blue")
    };
    let tenants = [
        tenant("acme"),
        tenant("globex"),
        changed(&|r| r.account = Some("999999999999".into())),
        changed(&|r| r.external_id = Some("external-2".into())),
        changed(&|r| r.attributes = [("shard".to_owned(), "8".to_owned())].into()),
        tenant_with(record("acme"), "user-2", "blue"),
        tenant_with(record("acme"), "user-1", "red"),
    ];
    for _ in 0..2 {
        let mut keys = BTreeSet::new();
        for tenant in &tenants {
            keys.insert(rig.broker.credentials(tenant).await.unwrap().access_key_id().to_owned());
        }
        assert_eq!((keys.len(), rig.sts.calls()), (tenants.len(), tenants.len()));
    }
    let asked = rig.sts.asked();
    assert!(asked.iter().enumerate().all(|(i, one)| !asked[..i].contains(one)), "STS was asked for different things");
}

#[tokio::test]
async fn a_failure_is_remembered_for_a_moment_and_per_session() {
    for (error, reason, stands) in [
        (StsError::Denied("no".into()), Reason::CredentialsDenied, 5),
        (StsError::Token("ExpiredTokenException".into()), Reason::CredentialsDenied, 5),
        (StsError::Throttled { note: "slow".into(), retry_after: None }, Reason::CredentialsThrottled, 2),
        (StsError::Inputs { setting: "session_policy", note: "bad".into() }, Reason::PlanIncomplete, 5),
        (StsError::Identity("ExpiredToken".into()), Reason::CredentialsUnavailable, 1),
        (StsError::Unavailable("reset".into()), Reason::CredentialsUnavailable, 1),
    ] {
        let rig = Rig::new(|_| ());
        rig.sts.answer(Answer::Fail(error.clone()));
        for _ in 0..10 {
            let refusal = rig.refused("acme").await;
            let passes = matches!(reason, Reason::CredentialsUnavailable | Reason::CredentialsThrottled);
            assert_eq!((refusal.reason, refusal.retry_after.is_some()), (reason, passes));
        }
        assert_eq!(rig.sts.calls(), 1, "{error}");
        // What a throttled call takes out of the budget comes back.
        rig.clock.advance(Duration::from_millis(1));
        rig.refused("globex").await;
        assert_eq!(rig.sts.calls(), 2, "{error}");
        rig.clock.advance(SECOND * stands);
        rig.refused("acme").await;
        assert_eq!(rig.sts.calls(), 3, "{error}");
    }
}

#[tokio::test]
async fn an_answer_that_is_expired_empty_or_without_an_end_is_none() {
    let rig = Rig::new(|_| ());
    for life in [0, 5] {
        rig.sts.answer(Answer::Issue(SECOND * life));
        assert_eq!(rig.refused("acme").await.reason, Reason::CredentialsUnavailable);
        rig.clock.advance(SECOND);
    }
    rig.sts.answer(Answer::Issue(SECOND * 6));
    rig.get("acme").await.unwrap();

    let plan = rig.broker.0.plans.plan("s3", &tenant("acme")).unwrap();
    let now = rig.clock.now();
    let accepted = |change: &dyn Fn(&mut IssuedCredentials)| {
        let mut answer = issued("acme", 1, now + HOUR);
        change(&mut answer);
        ScopedCredentials::accept(&plan, answer, now).is_ok()
    };
    assert!(accepted(&|_| ()));
    assert!(!accepted(&|a| a.expires = UNIX_EPOCH));
    assert!(!accepted(&|a| a.access_key_id.clear()));
    assert!(!accepted(&|a| a.secret_access_key = Secret::new(String::new())));
    assert!(!accepted(&|a| a.session_token = Secret::new(String::new())));
}

#[tokio::test]
async fn a_call_that_hangs_ends_at_the_timeout() {
    let rig = Rig::new(|config| config.sts.timeout = Duration::from_millis(20));
    rig.sts.answer(Answer::Hang);
    let refusal = tokio::time::timeout(5 * SECOND, rig.refused("acme")).await.expect("the wait is bounded");
    assert_eq!(refusal.reason, Reason::CredentialsUnavailable);
    assert!(refusal.note.unwrap().contains("in time"));
}

#[tokio::test]
async fn a_call_that_panics_takes_nobody_along() {
    let rig = Rig::new(|_| ());
    rig.sts.answer(Answer::Panic);
    assert_eq!(rig.refused("acme").await.reason, Reason::Internal);
    rig.sts.answer(Answer::Issue(HOUR));
    assert!(rig.get("acme").await.is_ok());
}

#[tokio::test]
async fn calls_at_once_are_bounded_and_nobody_waits_for_room_for_ever() {
    let rig = Arc::new(Rig::gated(|config| config.sts.timeout = Duration::from_millis(100)));
    let ask = |n: usize| {
        tokio::spawn({
            let rig = Arc::clone(&rig);
            async move { rig.get(&format!("tenant-{n}")).await }
        })
    };
    let tasks: Vec<_> = (0..100).map(ask).collect();
    settle().await;
    for task in tasks {
        assert_eq!(task.await.unwrap().unwrap_err().reason, Reason::CredentialsUnavailable);
    }
    assert_eq!(rig.sts.most_at_once.load(std::sync::atomic::Ordering::SeqCst), AT_ONCE);
}

#[tokio::test(start_paused = true)]
async fn a_tenant_with_many_cold_requests_keeps_no_other_waiting() {
    let rig = Arc::new(Rig::new(|_| ()));
    rig.sts.answer(Answer::Late(2 * SECOND));
    let flood: Vec<_> = (0..64).map(|n| rig.spawn("acme", n)).collect();
    settle().await;
    assert_eq!(rig.sts.calls(), OF_ONE_TENANT);
    let started = tokio::time::Instant::now();
    rig.get("globex").await.unwrap();
    assert_eq!(started.elapsed().as_secs(), 2, "one call, and no wait for a place");
    let mut answered = 0;
    for task in flood {
        match task.await.unwrap() {
            Ok(_) => answered += 1,
            Err(refusal) => assert_eq!(refusal.reason, Reason::CredentialsThrottled),
        }
    }
    assert_eq!(answered, 3 * OF_ONE_TENANT, "calls began after 0, 2 and 4 of the 5 seconds that each waits for a place");
}

#[tokio::test(start_paused = true)]
async fn a_tenant_whose_requests_wait_for_sts_leaves_slots_to_others() {
    let rig = Arc::new(Rig::new(|config| config.max_sessions = 40));
    rig.sts.answer(Answer::Late(2 * SECOND));
    let flood: Vec<_> = (0..400).map(|n| rig.spawn("acme", n)).collect();
    settle().await;
    rig.get("globex").await.unwrap();
    for task in flood {
        assert!(task.await.unwrap().map_or_else(|refusal| refusal.retry_after.is_some(), |_| true));
    }
}

#[tokio::test]
async fn renewals_go_on_while_first_calls_have_all_their_places() {
    let rig = Arc::new(Rig::new(|_| ()));
    let old = rig.get("acme").await.unwrap();
    rig.clock.advance(HOUR - 200 * SECOND);
    rig.get("acme").await.unwrap();
    rig.sts.answer(Answer::Hang);
    let flood: Vec<_> = (0..100).map(|n| rig.spawn(&format!("tenant-{}", n / 10), n)).collect();
    settle().await;
    assert_eq!(rig.sts.calls(), 1 + AT_ONCE);
    rig.sts.answer(Answer::Issue(HOUR));
    rig.round().await;
    assert!(!Arc::ptr_eq(&old, &rig.get("acme").await.unwrap()), "renewed");
    assert_eq!(rig.sts.calls(), 2 + AT_ONCE);
    flood.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn tenants_take_turns_at_renewals() {
    let rig = Rig::new(|_| ());
    rig.sts.answer(Answer::Issue(20 * MINUTE));
    for n in 0..50 {
        rig.get_as("acme", n).await.unwrap();
        rig.get_as("acme", n).await.unwrap();
    }
    rig.clock.advance(SECOND);
    let old = rig.get("globex").await.unwrap();
    rig.get("globex").await.unwrap();
    rig.clock.advance(16 * MINUTE);
    rig.round().await;
    assert_eq!(rig.sts.calls(), 51 + RENEWALS);
    assert!(!Arc::ptr_eq(&old, &rig.get("globex").await.unwrap()), "renewed, though acme's sessions end before it");
}

#[tokio::test]
async fn a_tenant_with_many_sessions_takes_none_from_the_others() {
    let rig = Rig::new(|config| config.max_sessions = 10);
    for id in ["globex", "initech", "umbrella"] {
        rig.get(id).await.unwrap();
    }
    for n in 0..100 {
        rig.clock.advance(SECOND);
        rig.get_as("acme", n).await.unwrap();
    }
    assert_eq!((rig.broker.sessions().len(), rig.sts.calls()), (10, 103));
    for id in ["globex", "initech", "umbrella"] {
        rig.get(id).await.unwrap();
    }
    assert_eq!(rig.sts.calls(), 103);
}

#[tokio::test]
async fn the_number_of_sessions_is_bounded_and_idle_ones_go_first() {
    let rig = Rig::new(|config| config.max_sessions = 4);
    for n in 0..50 {
        rig.clock.advance(SECOND);
        rig.get("busy").await.unwrap();
        rig.get(&format!("tenant-{n}")).await.unwrap();
        assert!(rig.broker.sessions().len() <= 4);
    }
    assert_eq!(rig.sts.calls(), 51, "the busy tenant's session was never let go");
}

#[tokio::test]
async fn when_every_session_is_waiting_another_is_refused() {
    let rig = Arc::new(Rig::gated(|config| config.max_sessions = 2));
    let ask = |id: &'static str| {
        tokio::spawn({
            let rig = Arc::clone(&rig);
            async move { rig.get(id).await }
        })
    };
    let waiting = [ask("acme"), ask("globex")];
    settle().await;
    assert_eq!(rig.refused("initech").await.reason, Reason::CredentialsUnavailable);
    rig.sts.gate.add_permits(1);
    for task in waiting {
        assert!(task.await.unwrap().is_ok());
    }
    assert!(rig.get("initech").await.is_ok());
}

#[tokio::test]
async fn idle_and_spent_sessions_are_let_go() {
    let rig = Rig::new(|_| ());
    rig.get("idle").await.unwrap();
    rig.get("busy").await.unwrap();
    rig.clock.advance(IDLE - SECOND);
    rig.get("busy").await.unwrap();
    rig.round().await;
    assert_eq!(rig.broker.sessions().len(), 2);
    rig.clock.advance(SECOND);
    rig.round().await;
    assert_eq!(rig.broker.sessions().iter().map(|session| &session.owner).collect::<Vec<_>>(), [&Owner::for_tests("busy")]);
    assert_eq!(rig.metrics.tenant_sessions.get(), 1);
}

#[tokio::test]
async fn evicting_a_tenant_leaves_the_others() {
    let rig = Rig::new(|_| ());
    for subject in ["user-1", "user-2"] {
        rig.broker.credentials(&tenant_with(record("acme"), subject, "blue")).await.unwrap();
    }
    rig.get("globex").await.unwrap();
    assert_eq!(rig.broker.evict(tenant("acme").id()), 2);
    assert_eq!(rig.broker.evict(tenant("acme").id()), 0);
    assert_eq!(rig.metrics.tenant_sessions.get(), 1);
    rig.get("globex").await.unwrap();
    assert_eq!(rig.sts.calls(), 3);
    rig.get("acme").await.unwrap();
    assert_eq!(rig.sts.calls(), 4);
}

#[tokio::test]
async fn a_rejected_session_is_forgotten_and_no_other() {
    let rig = Rig::new(|_| ());
    let other = rig.get("globex").await.unwrap();
    let first = rig.get("acme").await.unwrap();
    rig.broker.reject(&first);
    let second = rig.get("acme").await.unwrap();
    assert!(!Arc::ptr_eq(&first, &second));
    assert_eq!(rig.sts.calls(), 3);
    // Late news of the first one says nothing about the second.
    rig.clock.advance(60 * SECOND);
    rig.broker.reject(&first);
    assert!(Arc::ptr_eq(&second, &rig.get("acme").await.unwrap()));
    assert!(Arc::ptr_eq(&other, &rig.get("globex").await.unwrap()));
}

#[tokio::test]
async fn rejections_do_not_turn_into_a_flood_of_calls() {
    let rig = Rig::new(|_| ());
    for _ in 0..60 {
        let credentials = rig.get("acme").await.unwrap();
        rig.broker.reject(&credentials);
        rig.clock.advance(SECOND);
    }
    assert_eq!(rig.sts.calls(), 3, "the first, and one every 30 seconds");
}

/// Whatever happens in whatever order, nobody ever gets another's credentials, and the bound holds.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_interleaving_hands_out_another_tenants_credentials() {
    for seed in 1..=6_u64 {
        let rig = Arc::new(Rig::new(|config| {
            config.max_sessions = 5;
            // The clock stands still while a call waits for its turn.
            config.budget.wait = Duration::from_millis(5);
            config.plans = plans_of(if seed % 2 == 0 { assume_role() } else { assume_one_role() });
        }));
        let workers: Vec<_> = (0..8).map(|worker| tokio::spawn(wander(Arc::clone(&rig), seed * 1_000 + worker))).collect();
        for worker in workers {
            worker.await.unwrap();
        }
        assert!(rig.broker.0.cache.slots().len() <= 5);
        let held = rig.broker.sessions().len();
        assert_eq!(usize::try_from(rig.metrics.tenant_sessions.get()).unwrap(), held);
    }
}

async fn wander(rig: Arc<Rig>, seed: u64) {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut random = move |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    for _ in 0..300 {
        let id = format!("tenant-{}", random(9));
        match random(12) {
            0 => rig.broker.round(),
            1 => rig.clock.advance(Duration::from_secs(random(900))),
            2 => drop(rig.broker.evict(tenant(&id).id())),
            3 => rig.sts.answer(Answer::Fail(StsError::Throttled { note: "slow".into(), retry_after: None })),
            4 => rig.sts.answer(Answer::Issue(Duration::from_secs(random(3_600)))),
            5 => {
                let (rig, id) = (Arc::clone(&rig), id.clone());
                let going = tokio::spawn(async move { drop(rig.get(&id).await) });
                tokio::task::yield_now().await;
                going.abort();
            }
            _ => match rig.get(&id).await {
                Ok(credentials) if random(8) == 0 => rig.broker.reject(&credentials),
                Ok(_) => (),
                Err(refusal) => assert!(refusal.retry_after.is_some(), "{refusal:?}"),
            },
        }
    }
}

#[tokio::test]
async fn nothing_that_can_be_printed_holds_a_secret() {
    let rig = Rig::new(|_| ());
    let credentials = rig.get("acme").await.unwrap();
    let key = credentials.signing_key(rig.clock.now(), "eu-west-1", "s3");
    let shown = format!(
        "{:?} {credentials:?} {key:?} {:?} {:?} {}",
        rig.broker,
        issued("acme", 1, rig.clock.now()),
        credentials_config(assume_role()),
        serde_json::to_string(&rig.broker.sessions()).unwrap()
    );
    for secret in ["SECRET", "TOKEN", "base-secret"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[tokio::test]
async fn operators_see_sessions_and_calls() {
    let rig = Rig::new(|_| ());
    rig.get("acme").await.unwrap();
    rig.clock.advance(10 * SECOND);
    let expected = SessionView {
        owner: Owner::for_tests("acme"),
        role_arn: "arn:aws:iam::111122223333:role/data".into(),
        session_name: "acme=user-1".into(),
        age_seconds: 10,
        unused_seconds: 10,
        expires: START + 3600,
        renewing: false,
        renewals: 0,
        failures: 0,
        last_failure: None,
        packed_policy_percent: Some(42),
    };
    assert_eq!(rig.broker.sessions(), [expected]);
    rig.round().await;
    rig.sts.answer(Answer::Fail(StsError::Denied("no".into())));
    rig.refused("globex").await;
    let text = String::from_utf8(rig.metrics.render().unwrap()).unwrap();
    for line in [
        "palisade_sts_requests_total{result=\"ok\"} 1",
        "palisade_sts_requests_total{result=\"denied\"} 1",
        "palisade_tenant_sessions 1",
        "palisade_sts_packed_policy_percent 42",
        "palisade_tenant_session_oldest_age_seconds 10",
        "palisade_tenant_session_first_expiry_timestamp_seconds 1800003600",
        "palisade_sts_calls_waiting 0",
        "palisade_sts_calls_per_second 1000000",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[tokio::test]
async fn operators_see_what_becomes_of_renewals() {
    let rig = Rig::new(|_| ());
    rig.sts.answer(Answer::Issue(20 * MINUTE));
    rig.get("acme").await.unwrap();
    rig.get("acme").await.unwrap();
    rig.clock.advance(15 * MINUTE);
    rig.sts.answer(Answer::Fail(StsError::Unavailable("reset".into())));
    rig.round().await;
    let seen = |rig: &Rig| {
        let session = rig.broker.sessions().remove(0);
        (session.renewals, session.failures, session.last_failure)
    };
    assert_eq!(seen(&rig), (0, 1, Some("credentials-unavailable")));
    rig.sts.answer(Answer::Issue(20 * MINUTE));
    rig.clock.advance(MINUTE);
    rig.round().await;
    assert_eq!(seen(&rig), (1, 0, None));
    let text = String::from_utf8(rig.metrics.render().unwrap()).unwrap();
    for line in ["palisade_tenant_session_renewals_total{result=\"error\"} 1", "palisade_tenant_session_renewals_total{result=\"ok\"} 1"] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[tokio::test]
async fn a_tenant_whose_users_are_all_denied_stops_asking() {
    let rig = Rig::new(|_| ());
    rig.sts.answer(Answer::Fail(StsError::Denied("no".into())));
    for user in 0..100 {
        assert_eq!(rig.get_as("acme", user).await.unwrap_err().reason, Reason::CredentialsDenied);
    }
    assert_eq!(rig.sts.calls(), 3, "not one for each user");
    rig.sts.answer(Answer::Issue(HOUR));
    rig.get("globex").await.unwrap();
    rig.clock.advance(6 * SECOND);
    rig.get_as("acme", 200).await.unwrap();
    // An operator who has mended the trust policy need not wait.
    rig.sts.answer(Answer::Fail(StsError::Denied("no".into())));
    for user in 300..310 {
        rig.get_as("acme", user).await.unwrap_err();
    }
    rig.broker.evict(tenant("acme").id());
    rig.sts.answer(Answer::Issue(HOUR));
    rig.get_as("acme", 400).await.unwrap();
}

#[tokio::test]
async fn a_warm_up_fetches_what_a_request_will_ask_for_and_hands_nothing_out() {
    let plain = |config: &mut CredentialsConfig| {
        let mut ask = assume_one_role();
        ask.session_tags = vec![(
            "Shard".into(),
            crate::credentials::testing::template("{tenant.attributes.shard}", crate::config::template::Lands::TagValue),
        )];
        config.plans = plans_of(ask);
    };
    let rig = Rig::new(plain);
    rig.broker.warm_up(&record("acme")).await.unwrap();
    assert_eq!(rig.broker.sessions().len(), 1);
    rig.get("acme").await.unwrap();
    assert_eq!(rig.sts.calls(), 1, "the request found the session");
    rig.get("globex").await.unwrap();
    assert_eq!(rig.sts.calls(), 2);
    // Where a session depends on the user there is none to be fetched.
    let rig = Rig::new(|_| ());
    assert_eq!(rig.broker.warm_up(&record("acme")).await.unwrap_err().reason, Reason::PlanIncomplete);
    assert_eq!(rig.sts.calls(), 0);
}

#[test]
fn renewal_is_spread_and_never_in_the_first_half_of_a_life() {
    let refresh = RefreshConfig { ahead: 300 * SECOND, jitter: 60 * SECOND };
    let at = |life: u64, fraction| {
        let since = UNIX_EPOCH;
        refresh_at(since, since + SECOND * u32::try_from(life).unwrap(), refresh, fraction).duration_since(since).unwrap().as_secs()
    };
    assert_eq!(at(3600, 0.0), 3300);
    assert_eq!(at(3600, 1.0), 3240);
    assert_eq!(at(3600, 0.5), 3270);
    assert_eq!(at(400, 1.0), 200);
    assert_eq!(at(0, 1.0), 0);
    let fractions: BTreeSet<u64> = (0..32).map(|_| (random_fraction() * 1e9) as u64).collect();
    assert!(fractions.len() > 16 && fractions.iter().all(|f| *f <= 1_000_000_000));
}

#[tokio::test(start_paused = true)]
async fn other_plans_take_over_the_sessions_that_they_would_ask_for_and_no_others() {
    let rig = Rig::new(|_| {});
    let held = rig.get("acme").await.unwrap();
    let same = rig.broker.succeeded(&credentials_config(assume_role()), rig.sts.clone());
    assert!(Arc::ptr_eq(&held, &same.credentials(&tenant("acme")).await.unwrap()));
    assert_eq!(rig.sts.calls(), 1);
    let other = same.succeeded(&credentials_config(assume_one_role()), rig.sts.clone());
    let fetched = other.credentials(&tenant("acme")).await.unwrap();
    assert_ne!(fetched.role_arn(), held.role_arn(), "a session of the old plan is not used");
    assert_eq!((rig.sts.calls(), other.sessions().len()), (2, 2));
    assert_eq!(other.evict(&"acme".parse().unwrap()), 2, "and an operator finds both");
}
