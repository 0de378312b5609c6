//! The whole broker under seeded random events, checked against what was asked for at each moment.
//!
//! One thread and time by hand, so that a seed repeats its run. Whatever happens in whatever order (requests that wait and that
//! go away, sessions that end, renewals that fail, hang or bring dead credentials, evictions, records that change, room that is
//! scarce, an STS that throttles), a request gets credentials that STS issued
//! * for its own tenant and for exactly what its record and its user say at that moment,
//! * after the last time that the tenant was evicted, as on a suspension, if the request came after that,
//! * and that still live.

use std::collections::BTreeMap;

use super::*;
use crate::{
    config::BudgetConfig,
    credentials::{plan::StsInputs, testing::pass},
    directory::{ActiveTenant, TenantRecord},
};

const TENANTS: u64 = 6;
const SESSIONS: usize = 12;

/// Numbers below a bound, from a seed (xorshift).
pub(super) fn random(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    }
}

/// A request in progress, and what it may get.
struct Request {
    inputs: StsInputs,
    /// Calls to STS that had been made when its tenant was last evicted.
    not_before: usize,
    task: tokio::task::JoinHandle<Result<(Arc<ScopedCredentials>, SystemTime), Refusal>>,
}

struct World {
    rig: Rig,
    seed: u64,
    records: BTreeMap<String, TenantRecord>,
    evicted_at: BTreeMap<String, usize>,
    requests: Vec<Request>,
    answered: usize,
    refused: usize,
}

impl World {
    fn new(seed: u64) -> Self {
        let rig = Rig::new(|config| {
            config.max_sessions = SESSIONS;
            config.budget = BudgetConfig { requests_per_second: 20.0, burst: 12, concurrent: 6, queue: 16, wait: SECOND };
            config.sts.timeout = 2 * SECOND;
        });
        let records = (0..TENANTS).map(|n| format!("tenant-{n}")).map(|id| (id.clone(), record(&id))).collect();
        Self { rig, seed, records, evicted_at: BTreeMap::new(), requests: Vec::new(), answered: 0, refused: 0 }
    }

    fn tenant(&self, id: &str, user: u64) -> ActiveTenant {
        tenant_with(self.records[id].clone(), &format!("user-{user}"), "blue")
    }

    fn ask(&mut self, id: &str, user: u64) {
        let tenant = self.tenant(id, user);
        let inputs = self.rig.broker.0.plans.plan("s3", &tenant).unwrap().inputs().clone();
        let not_before = self.evicted_at.get(id).copied().unwrap_or_default();
        let (broker, clock) = (self.rig.broker.clone(), self.rig.clock.clone());
        let task = tokio::spawn(async move { broker.credentials(&tenant).await.map(|credentials| (credentials, clock.now())) });
        self.requests.push(Request { inputs, not_before, task });
    }

    /// As an operator does, and as a suspension does.
    fn evict(&mut self, id: &str) {
        self.rig.broker.evict(&self.records[id].id);
        self.evicted_at.insert(id.to_owned(), self.rig.sts.calls());
    }

    fn change_record(&mut self, id: &str, random: &mut impl FnMut(u64) -> u64) {
        let Some(record) = self.records.get_mut(id) else { return };
        let value = random(1_000);
        match random(3) {
            0 => record.external_id = Some(format!("external-{value}")),
            1 => drop(record.attributes.insert("shard".into(), value.to_string())),
            _ => record.account = Some(format!("11111111111{}", value % 3)),
        }
    }

    /// Checks what has been answered.
    async fn collect(&mut self) {
        let (done, open) = std::mem::take(&mut self.requests).into_iter().partition(|request| request.task.is_finished());
        self.requests = open;
        let done: Vec<Request> = done;
        for Request { inputs, not_before, task } in done {
            match task.await {
                Ok(Ok((credentials, at))) => self.check(&inputs, not_before, &credentials, at),
                Ok(Err(refusal)) => {
                    let is_ours = matches!(refusal.reason, Reason::Internal | Reason::PlanIncomplete);
                    assert!(!is_ours, "seed {}: {refusal:?}", self.seed);
                    self.refused += 1;
                }
                Err(gone) => assert!(gone.is_cancelled(), "seed {}: {gone}", self.seed),
            }
        }
    }

    fn check(&mut self, inputs: &StsInputs, not_before: usize, credentials: &ScopedCredentials, at: SystemTime) {
        let seed = self.seed;
        check(credentials, &inputs.owner.to_string());
        let number: usize = credentials.access_key_id().rsplit('/').next().unwrap().parse().unwrap();
        assert_eq!(&self.rig.sts.asked()[number - 1], inputs, "seed {seed}: credentials for something else");
        assert!(number > not_before, "seed {seed}: call {number} was made before the eviction after call {not_before}");
        assert!(credentials.expires() > at, "seed {seed}: dead credentials");
        self.answered += 1;
    }

    async fn step(&mut self, random: &mut impl FnMut(u64) -> u64) {
        let id = format!("tenant-{}", random(TENANTS));
        let throttled = |retry_after| Answer::Fail(StsError::Throttled { note: "slow".into(), retry_after });
        match random(24) {
            0 => self.evict(&id),
            1 => self.change_record(&id, random),
            2 => self.rig.sts.answer(Answer::Issue(Duration::from_secs(random(4_000)))),
            3 => self.rig.sts.answer(throttled((random(2) == 0).then(|| Duration::from_secs(random(5))))),
            4 => self.rig.sts.answer(Answer::Fail(StsError::Unavailable("reset".into()))),
            5 => self.rig.sts.answer(Answer::Fail(StsError::Denied("no".into()))),
            6 => self.rig.sts.answer(Answer::Late(Duration::from_millis(random(2_500)))),
            7 => self.rig.sts.answer(Answer::Hang),
            8..=10 => self.rig.sts.answer(Answer::Issue(HOUR)),
            11 => pass(&self.rig.clock, Duration::from_secs(random(1_800)), 10 * MINUTE).await,
            12 => self.requests.iter().skip(1).step_by(3).for_each(|request| request.task.abort()),
            13 => {
                // AWS says that a session is no good.
                let tenant = self.tenant(&id, random(3));
                let asked = tokio::time::timeout(Duration::from_millis(1), self.rig.broker.credentials(&tenant)).await;
                asked.into_iter().flatten().for_each(|credentials| self.rig.broker.reject(&credentials));
            }
            _ => (0..=random(4)).for_each(|user| self.ask(&id, user % 3)),
        }
        self.rig.broker.round();
        pass(&self.rig.clock, Duration::from_millis(random(400)), Duration::from_millis(100)).await;
        self.collect().await;
    }
}

#[tokio::test(start_paused = true)]
async fn no_order_of_events_hands_out_credentials_of_another_tenant_or_of_an_older_plan() {
    let (mut answered, mut refused) = (0, 0);
    for seed in 1..=20 {
        let mut world = World::new(seed);
        let mut random = random(seed);
        for _ in 0..300 {
            world.step(&mut random).await;
            let slots = world.rig.broker.0.cache.slots().len();
            assert!(slots <= SESSIONS, "seed {seed}: {slots} sessions");
        }
        // Nobody waits for ever, and nothing is kept of those who waited.
        world.rig.sts.answer(Answer::Issue(HOUR));
        pass(&world.rig.clock, 10 * SECOND, SECOND / 10).await;
        world.collect().await;
        assert!(world.requests.is_empty(), "seed {seed}: {} requests are still waiting", world.requests.len());
        assert_eq!(world.rig.metrics.sts_waiting.get(), 0, "seed {seed}");
        let held = world.rig.broker.0.cache.slots().iter().filter(|slot| slot.held().is_some()).count();
        assert_eq!(usize::try_from(world.rig.metrics.tenant_sessions.get()).unwrap(), held, "seed {seed}");
        answered += world.answered;
        refused += world.refused;
    }
    assert!(answered > 2_500 && refused > 300, "{answered} answered, {refused} refused: it tries both");
}
