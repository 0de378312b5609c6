//! The budget for calls to STS: who may call now, who waits behind whom, and who is told to come back.
//!
//! STS counts all calls of an account in a region together (600 a second by default, every operation and every caller: "IAM and
//! AWS STS quotas" in the IAM user guide), and a call that is over the quota is refused whoever made it. So calls have a rate with a
//! burst, and a number that may be in progress, over all tenants. Within these:
//!
//! * **Tenants take turns.** Each has a queue of its own, and the queues are served one call at a time. A tenant that wants a
//!   thousand sessions keeps another's first one waiting for one call, not for a thousand. A few places are the most that a
//!   tenant has at once, so that answers that are slow for one hold up nobody else.
//! * **What a request waits for goes first.** Renewals have a share of the rate and of the places that first calls cannot take
//!   while they want it, since the sessions of all tenants would end otherwise while some tenants ask for new ones. Of what is
//!   left they get what no first call wants.
//! * **Queues are bounded**, in length and in time. Whoever does not fit is told to come back, in the way in which AWS throttles,
//!   so that SDKs back off.
//! * **A throttled role is called less.** Each time its rate is halved, then it recovers; where STS says `Retry-After`, that is
//!   waited out. All calls together are slowed down in the same way, since the quota is the account's.
//!
//! * **Roles on the way count as well** ([`hub`]). A call for one is made within the place of the call that waits for it, which has none
//!   in progress meanwhile, so nobody waits for a place who holds one. It pays for itself.
//!
//! A call that was granted counts, whatever becomes of it. In any time `t` there are at most `burst + t × rate` calls.

mod hub;
mod pace;
mod place;
mod queue;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

pub(super) use self::place::Place;
use self::{
    pace::{Pace, Purse},
    place::Kind,
    queue::{Queue, Waiter},
};
use super::{error::StsError, owner::Owner, plan::StsInputs};
use crate::{
    clock::Clock,
    config::{BudgetConfig, CredentialsConfig},
    telemetry::Metrics,
};

/// First calls of one tenant at once, of all that may be: only several tenants together can take every place.
const SHARE_OF_PLACES: usize = 4;
/// Calls of one tenant that wait or are in progress, of all that may wait, and of all slots of the cache.
const SHARE_OF_QUEUE: usize = 4;
/// Shortest sleep until a call becomes possible.
const LEAST_SLEEP: Duration = Duration::from_millis(1);

/// The budget. Clones share it.
#[derive(Clone)]
pub struct Budget(Arc<Shared>);

/// Why there is no place for a renewal now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoPlace {
    /// There is none at all.
    ForAny,
    /// The role was throttled, and may not be called yet.
    ForTheRole,
}

struct Shared {
    clock: Clock,
    metrics: Metrics,
    config: BudgetConfig,
    /// Places for first calls, and for renewals.
    places: [usize; 2],
    /// Places of one tenant.
    own: usize,
    /// Calls of one tenant that wait or are in progress.
    crowd: usize,
    /// For short sections without an `await`.
    state: Mutex<State>,
}

struct State {
    purse: Purse,
    /// Of all calls.
    pace: Pace,
    /// Of roles that were throttled and have not recovered.
    roles: HashMap<String, Pace>,
    queue: Queue,
    taken: [usize; 2],
    renewals_wait: bool,
    /// A task sleeps until the next call is possible.
    sleeper: bool,
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Budget")
    }
}

impl Budget {
    /// All of what `config` gives, unspent.
    pub fn new(config: &CredentialsConfig, clock: Clock, metrics: Metrics) -> Self {
        Self::with(config.budget, config.max_sessions, clock, metrics)
    }

    /// Where a cache has `slots` of them, calls of one tenant never keep more than a quarter of them waiting.
    fn with(config: BudgetConfig, slots: usize, clock: Clock, metrics: Metrics) -> Self {
        let now = clock.instant();
        let renewals = (config.concurrent / 3).max(1);
        let first = config.concurrent.saturating_sub(renewals).max(1);
        let own = (first / SHARE_OF_PLACES).max(1);
        let crowd = (config.queue.min(slots) / SHARE_OF_QUEUE).max(own);
        let state = State {
            purse: Purse::new(config.requests_per_second, config.burst, now),
            pace: Pace::new(now),
            roles: HashMap::new(),
            queue: Queue::default(),
            taken: [0; 2],
            renewals_wait: false,
            sleeper: false,
        };
        metrics.sts_rate.set(config.requests_per_second);
        Self(Arc::new(Shared { clock, metrics, config, places: [first, renewals], own, crowd, state: Mutex::new(state) }))
    }

    /// A place for the call with `inputs` that a request waits for, when its turn comes within `budget.wait`.
    ///
    /// # Errors
    /// [`StsError::Crowded`]: at once where the queue, or the tenant's part of it, is full, or where the role is not to be called
    /// for longer than the wait; otherwise after the wait.
    pub(super) async fn first(&self, inputs: &StsInputs) -> Result<Place, StsError> {
        let shared = &self.0;
        let given = {
            let (now, mut state) = (shared.clock.instant(), shared.state());
            let held_off = state.held_off(&inputs.role_arn, now);
            if held_off > shared.config.wait {
                return Err(shared.refuse("throttled", "STS has asked for a pause", held_off));
            }
            let line = state.queue.line(&inputs.owner);
            if line.waiting() + line.taken >= shared.crowd {
                state.queue.forget_if_idle(&inputs.owner);
                return Err(shared.refuse("tenant", "too many calls to STS for this tenant are waiting", Duration::from_secs(1)));
            }
            if state.queue.waiting() >= shared.config.queue {
                state.queue.forget_if_idle(&inputs.owner);
                return Err(shared.refuse("queue", "too many calls to STS are waiting", Duration::from_secs(1)));
            }
            let (give, given) = oneshot::channel();
            state.queue.push(&inputs.owner, Waiter { role: inputs.role_arn.clone(), give });
            shared.dispatch(&mut state, now);
            given
        };
        match tokio::time::timeout(shared.config.wait, given).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) | Err(_) => {
                let mut state = shared.state();
                state.queue.sweep(&inputs.owner);
                shared.metrics.sts_waiting.set(gauge(state.queue.waiting()));
                drop(state);
                Err(shared.refuse("wait", "too many calls to STS are in progress", Duration::from_secs(1)))
            }
        }
    }

    /// A place for a renewal with `inputs`, if there is one. Nobody waits for these: what is due now is still due a moment later.
    pub(super) fn renewal(&self, inputs: &StsInputs) -> Result<Place, NoPlace> {
        let shared = &self.0;
        let (now, mut state) = (shared.clock.instant(), shared.state());
        if state.taken[Kind::Renewal as usize] >= shared.places[Kind::Renewal as usize] {
            return Err(NoPlace::ForAny);
        }
        if state.roles.get(&inputs.role_arn).is_some_and(|pace| !pace.wait(now).is_zero()) {
            return Err(NoPlace::ForTheRole);
        }
        let fraction = state.pace.fraction(now);
        let lends = state.queue.waiting() == 0;
        if !state.purse.take(Kind::Renewal, lends, fraction, now) {
            return Err(NoPlace::ForAny);
        }
        state.called(&inputs.role_arn, shared.config.requests_per_second, now);
        state.taken[Kind::Renewal as usize] += 1;
        Ok(Place::new(Arc::clone(shared), Kind::Renewal, inputs.owner.clone()))
    }

    /// Whether renewals are due that had no place: their share of the rate is kept for them then.
    pub(super) fn renewals_wait(&self, do_they: bool) {
        self.0.state().renewals_wait = do_they;
    }

    /// STS throttled a call for `role`.
    pub(super) fn throttled(&self, role: &str, retry_after: Option<Duration>) {
        let shared = &self.0;
        let (now, mut state) = (shared.clock.instant(), shared.state());
        state.purse.empty(now);
        state.pace.throttled(now, None);
        state.roles.entry(role.to_owned()).or_insert_with(|| Pace::new(now)).throttled(now, retry_after);
    }

    /// Housekeeping, some times a second: forgets roles that have recovered, and sees to it that nobody is forgotten.
    pub(super) fn tidy(&self) {
        let shared = &self.0;
        let (now, mut state) = (shared.clock.instant(), shared.state());
        state.roles.retain(|_, pace| !pace.has_recovered(now));
        shared.metrics.sts_rate.set(shared.config.requests_per_second * state.pace.fraction(now));
        shared.dispatch(&mut state, now);
    }
}

impl State {
    /// How long STS has asked not to be called for `role`.
    fn held_off(&self, role: &str, now: Instant) -> Duration {
        self.roles.get(role).map_or(Duration::ZERO, |pace| pace.held_off(now))
    }

    fn called(&mut self, role: &str, rate: f64, now: Instant) {
        if let Some(pace) = self.roles.get_mut(role) {
            pace.called(rate, now);
        }
    }
}

impl Shared {
    /// Gives places to whose turn it is, as long as there are any; then sees to it that somebody looks again when there are.
    fn dispatch(self: &Arc<Self>, state: &mut State, now: Instant) {
        let first = Kind::First as usize;
        let mut later: Option<Duration> = None;
        let mut passed = 0;
        while state.taken[first] < self.places[first] && passed < state.queue.lines_waiting() {
            let Some(tenant) = state.queue.next() else { break };
            let line = state.queue.line(&tenant);
            let Some(role) = line.head().map(|waiter| waiter.role.clone()).filter(|_| line.taken < self.own) else {
                // Its calls in progress end before it can have another, and then this is called again.
                state.queue.turn(tenant);
                passed += 1;
                continue;
            };
            let paced = state.roles.get(&role).map_or(Duration::ZERO, |pace| pace.wait(now));
            if !paced.is_zero() {
                later = Some(later.map_or(paced, |soonest| soonest.min(paced)));
                state.queue.turn(tenant);
                passed += 1;
                continue;
            }
            let fraction = state.pace.fraction(now);
            let lends = !state.renewals_wait;
            if !state.purse.take(Kind::First, lends, fraction, now) {
                let wait = state.purse.wait(Kind::First, lends, fraction);
                later = Some(later.map_or(wait, |soonest| soonest.min(wait)));
                state.queue.unturn(tenant);
                break;
            }
            if self.grant(state, &tenant) {
                state.called(&role, self.config.requests_per_second, now);
                passed = 0;
            } else {
                state.purse.give_back(Kind::First);
            }
            state.queue.turn(tenant);
        }
        self.metrics.sts_waiting.set(gauge(state.queue.waiting()));
        if let Some(later) = later {
            self.look_again(state, later);
        }
    }

    /// Gives the head of `tenant`'s line its place, unless it has gone away.
    fn grant(self: &Arc<Self>, state: &mut State, tenant: &Owner) -> bool {
        let Some(waiter) = state.queue.pop(tenant) else { return false };
        match waiter.give.send(Place::new(Arc::clone(self), Kind::First, tenant.clone())) {
            Ok(()) => {
                state.queue.line(tenant).taken += 1;
                state.taken[Kind::First as usize] += 1;
                true
            }
            Err(place) => {
                // What it would give back when dropped was never taken.
                place.void();
                false
            }
        }
    }

    /// Looks again after `wait`. One task at a time does; where there is no runtime left, the next round does.
    fn look_again(self: &Arc<Self>, state: &mut State, wait: Duration) {
        if state.sleeper {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        state.sleeper = true;
        let shared = Arc::downgrade(self);
        runtime.spawn(async move {
            tokio::time::sleep(wait.max(LEAST_SLEEP)).await;
            if let Some(shared) = shared.upgrade() {
                let (now, mut state) = (shared.clock.instant(), shared.state());
                state.sleeper = false;
                shared.dispatch(&mut state, now);
            }
        });
    }

    /// The call of `tenant` that had a place has ended.
    fn give_back(self: &Arc<Self>, kind: Kind, tenant: &Owner) {
        let (now, mut state) = (self.clock.instant(), self.state());
        state.taken[kind as usize] -= 1;
        if kind == Kind::First {
            state.queue.line(tenant).taken -= 1;
            state.queue.forget_if_idle(tenant);
        }
        self.dispatch(&mut state, now);
    }

    fn refuse(&self, cause: &'static str, why: &'static str, retry_after: Duration) -> StsError {
        self.metrics.sts_call_not_made(cause);
        StsError::Crowded { why, retry_after }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn gauge(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
