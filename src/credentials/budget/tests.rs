use futures_util::{FutureExt, future::join_all};

use super::*;
use crate::credentials::{
    Authority,
    testing::{ample, clock},
};

/// Of 24 places: those for first calls, those of them for one tenant, those for renewals.
const FIRST: usize = 16;
const OWN: usize = 4;
const RENEWALS: usize = 8;

pub(super) struct Rig {
    pub(super) budget: Budget,
    pub(super) clock: Clock,
    metrics: Metrics,
}

impl Rig {
    pub(super) fn new(slots: usize, change: impl FnOnce(&mut BudgetConfig)) -> Self {
        let (clock, metrics) = (clock(), Metrics::new().unwrap());
        let mut config = ample();
        change(&mut config);
        Self { budget: Budget::with(config, slots, clock.clone(), metrics.clone()), clock, metrics }
    }

    /// A place that is there without waiting.
    pub(super) fn now(&self, tenant: &str) -> Option<Place> {
        self.budget.first(&inputs(tenant, "data")).now_or_never()?.ok()
    }

    fn renewal(&self, tenant: &str) -> Result<Place, NoPlace> {
        self.budget.renewal(&inputs(tenant, "data"))
    }

    fn lines(&self) -> usize {
        self.budget.0.state().queue.lines()
    }

    fn taken(&self) -> [usize; 2] {
        self.budget.0.state().taken
    }
}

pub(super) fn inputs(tenant: &str, role: &str) -> StsInputs {
    StsInputs {
        owner: Owner::for_tests(tenant),
        region: "eu-west-1".into(),
        authority: Authority::Identity(vec![]),
        role_arn: format!("arn:aws:iam::111122223333:role/{role}"),
        session_name: tenant.into(),
        external_id: None,
        source_identity: None,
        tags: vec![],
        transitive_tag_keys: vec![],
        policy: None,
        policy_arns: vec![],
        duration_seconds: 3600,
    }
}

#[tokio::test]
async fn a_tenant_has_a_few_places_and_leaves_the_others_to_the_rest() {
    let rig = Rig::new(1000, |_| ());
    let mut places: Vec<_> = (0..OWN).map(|_| rig.now("acme").unwrap()).collect();
    assert!(rig.now("acme").is_none());
    for n in 1..FIRST / OWN {
        places.extend((0..OWN).map(|_| rig.now(&format!("tenant-{n}")).unwrap()));
    }
    assert!(rig.now("globex").is_none(), "all together are bounded");
    drop(places.pop());
    assert!(rig.now("globex").is_some());
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_hold_no_place_and_nobody_waits_for_ever() {
    let rig = Rig::new(1000, |_| ());
    let _places: Vec<_> = (0..OWN).map(|_| rig.now("acme").unwrap()).collect();
    let acme = inputs("acme", "data");
    let mut waiting = Box::pin(join_all((0..64).map(|_| rig.budget.first(&acme))));
    assert!(waiting.as_mut().now_or_never().is_none());
    assert_eq!((rig.taken(), rig.metrics.sts_waiting.get()), ([OWN, 0], 64));
    assert!(waiting.await.iter().all(|outcome| matches!(outcome, Err(StsError::Crowded { .. }))));
    assert_eq!(rig.metrics.sts_waiting.get(), 0);
}

#[tokio::test]
async fn a_crowd_is_bounded_and_no_more_than_a_share_of_the_slots_and_of_the_queue() {
    for (slots, queue, crowd) in [(1, 1024, OWN), (80, 1024, 20), (10_000, 1024, 256), (10_000, 100, 25)] {
        let rig = Rig::new(slots, |config| config.queue = queue);
        let acme = inputs("acme", "data");
        let mut all: Vec<_> = (0..crowd).map(|_| Box::pin(rig.budget.first(&acme))).collect();
        let places: Vec<_> = all.iter_mut().filter_map(|call| call.now_or_never()).collect();
        assert_eq!(places.len(), OWN, "the rest waits");
        assert!(matches!(rig.budget.first(&acme).now_or_never(), Some(Err(StsError::Crowded { .. }))), "refused without a wait");
        assert!(rig.now("globex").is_some());
    }
}

#[tokio::test]
async fn the_queue_of_all_is_bounded() {
    let rig = Rig::new(1000, |config| (config.queue, config.concurrent) = (8, 2));
    let _place = rig.now("acme").unwrap();
    let everybody: Vec<_> = (0..8).map(|n| inputs(&format!("tenant-{n}"), "data")).collect();
    let mut waiting: Vec<_> = everybody.iter().map(|inputs| Box::pin(rig.budget.first(inputs))).collect();
    assert!(waiting.iter_mut().all(|call| call.now_or_never().is_none()));
    let lines = rig.lines();
    let refused = rig.budget.first(&inputs("globex", "data")).now_or_never();
    assert!(matches!(refused, Some(Err(StsError::Crowded { .. }))));
    assert_eq!(rig.lines(), lines, "and not remembered");
}

#[tokio::test]
async fn a_tenant_is_forgotten_when_its_last_call_has_ended_or_given_up() {
    let rig = Rig::new(1000, |_| ());
    let places: Vec<_> = (0..OWN).map(|_| rig.now("acme").unwrap()).collect();
    assert!(rig.now("acme").is_none(), "it waited, and went away");
    drop(places);
    assert_eq!((rig.lines(), rig.taken()), (0, [0, 0]));
    assert_eq!(rig.budget.0.state().queue.waiting(), 0);
}

#[tokio::test]
async fn renewals_have_places_of_their_own() {
    let rig = Rig::new(1000, |_| ());
    let first: Vec<_> = (0..FIRST).map(|n| rig.now(&format!("tenant-{n}")).unwrap()).collect();
    let renewals: Vec<_> = (0..RENEWALS).map(|_| rig.renewal("acme").unwrap()).collect();
    assert_eq!(rig.renewal("acme").unwrap_err(), NoPlace::ForAny);
    drop(first);
    assert_eq!(rig.renewal("acme").unwrap_err(), NoPlace::ForAny);
    drop(renewals);
    assert!(rig.renewal("acme").is_ok());
}

#[tokio::test]
async fn the_least_budget_has_a_place_of_each_kind() {
    let rig = Rig::new(1, |config| *config = BudgetConfig { requests_per_second: 0.1, burst: 4, concurrent: 2, queue: 4, ..*config });
    let (first, renewal) = (rig.now("acme").unwrap(), rig.renewal("acme").unwrap());
    assert!(rig.now("globex").is_none());
    drop((first, renewal));
    assert!(rig.now("globex").is_some());
}

#[tokio::test]
async fn whose_turn_it_is_goes_round_however_many_calls_a_tenant_has() {
    let rig = Rig::new(1000, |config| (config.concurrent, config.queue) = (2, 1024));
    let held = rig.now("first").unwrap();
    let order = Arc::new(Mutex::new(Vec::new()));
    let calls = [vec!["acme"; 6], vec!["globex"; 2], vec!["initech"]].concat().into_iter().map(|tenant| {
        let (budget, order, inputs) = (rig.budget.clone(), Arc::clone(&order), inputs(tenant, "data"));
        tokio::spawn(async move {
            let place = budget.first(&inputs).await.unwrap();
            order.lock().unwrap().push(inputs.owner.to_string());
            drop(place);
        })
    });
    let calls: Vec<_> = calls.collect();
    crate::credentials::testing::settle().await;
    assert!(order.lock().unwrap().is_empty());
    drop(held);
    for call in calls {
        call.await.unwrap();
    }
    assert_eq!(*order.lock().unwrap(), ["acme", "globex", "initech", "acme", "globex", "acme", "acme", "acme", "acme"]);
}

#[tokio::test]
async fn a_throttled_role_holds_up_no_other() {
    let rig = Rig::new(1000, |config| config.requests_per_second = 10.0);
    rig.budget.throttled("arn:aws:iam::111122223333:role/data", Some(Duration::from_secs(20)));
    rig.clock.advance(Duration::from_secs(2));
    assert_eq!(rig.renewal("acme").unwrap_err(), NoPlace::ForTheRole);
    let refused = rig.budget.first(&inputs("acme", "data")).now_or_never();
    assert!(matches!(refused, Some(Err(StsError::Crowded { retry_after, .. })) if retry_after == Duration::from_secs(18)));
    assert!(rig.budget.renewal(&inputs("acme", "other")).is_ok());
    assert!(matches!(rig.budget.first(&inputs("acme", "other")).now_or_never(), Some(Ok(_))));
    rig.budget.tidy();
    assert!(rig.metrics.sts_rate.get() < 6.0, "all are slowed down: {}", rig.metrics.sts_rate.get());
    rig.clock.advance(Duration::from_secs(30));
    rig.budget.tidy();
    assert_eq!((rig.metrics.sts_rate.get(), rig.budget.0.state().roles.len()), (10.0, 0));
    assert!(rig.now("acme").is_some());
}
