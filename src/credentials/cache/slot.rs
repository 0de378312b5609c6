//! One key's place in the cache.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use prometheus::IntGauge;
use tokio::sync::watch;

use super::sync::{AtomicBool, AtomicU32, AtomicU64, Mutex, Ordering, Swap, lock};
use crate::reject::{Reason, Refusal};

/// Refreshes that failed are tried again after a share of the life that is left, within these bounds.
const REFRESH_PAUSE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(60));
/// A value that was found wanting is replaced at once, but not more often than this.
const FORGET_PAUSE: Duration = Duration::from_secs(30);

/// A value and its times.
#[derive(Debug)]
pub(in crate::credentials) struct Held<V> {
    pub(in crate::credentials) value: Arc<V>,
    /// When it was fetched.
    pub(in crate::credentials) since: SystemTime,
    /// When it is of no more use.
    pub(in crate::credentials) expires: SystemTime,
    /// When it should be replaced, if anyone still wants it.
    pub(in crate::credentials) refresh_at: SystemTime,
}

/// What a fetch brought: a value, or a refusal and how long it stands.
pub(in crate::credentials) type Arrival<V> = Result<Held<V>, (Refusal, Duration)>;

/// What those who wait are told; `None` while there is nothing to tell.
type News<V> = Option<Result<Arc<V>, Refusal>>;

/// What a slot can do for a caller.
pub(in crate::credentials) enum Turn<K, V> {
    /// Here it is.
    Ready(Arc<V>),
    /// Someone is fetching it.
    Wait(watch::Receiver<News<V>>),
    /// Nobody is: the caller has to see to it that the flight lands, in a task of its own, and then waits like the others.
    Lead(Flight<K, V>, watch::Receiver<News<V>>),
    /// The last fetch failed a moment ago.
    Refused(Refusal),
    /// The slot has left the cache; look for the new one.
    Retired,
}

/// The place where everyone who wants the value of one key meets.
pub(in crate::credentials) struct Slot<K, V> {
    key: Arc<K>,
    held: Swap<Held<V>>,
    /// Milliseconds since the cache's origin.
    last_used: AtomicU64,
    /// Whether anyone asked for the value since it was stored.
    used: AtomicBool,
    /// How many values were stored, one after another.
    stored: AtomicU32,
    /// How many fetches have failed since the last one that did not.
    failures: AtomicU32,
    /// Every change to `held` is made under this lock.
    state: Mutex<State<V>>,
    gauge: IntGauge,
}

struct State<V> {
    flight: Option<watch::Receiver<News<V>>>,
    failed: Option<(Refusal, Instant)>,
    refresh_not_before: Option<Instant>,
    forgotten_at: Option<Instant>,
    retired: bool,
}

impl<V> State<V> {
    fn may_refresh(&self, instant: Instant) -> bool {
        let paused = self.refresh_not_before.is_some_and(|not_before| not_before > instant);
        !self.retired && self.flight.is_none() && !paused
    }
}

impl<K, V> Slot<K, V> {
    pub(super) fn new(key: Arc<K>, gauge: IntGauge) -> Self {
        let state = State { flight: None, failed: None, refresh_not_before: None, forgotten_at: None, retired: false };
        let (held, state) = (Swap::empty(), Mutex::new(state));
        let (stored, failures) = (AtomicU32::new(0), AtomicU32::new(0));
        Self { key, held, last_used: AtomicU64::new(0), used: AtomicBool::new(false), stored, failures, state, gauge }
    }

    pub(in crate::credentials) fn key(&self) -> &Arc<K> {
        &self.key
    }

    pub(in crate::credentials) fn held(&self) -> Option<Arc<Held<V>>> {
        self.held.load_full()
    }

    pub(in crate::credentials) fn in_flight(&self) -> bool {
        lock(&self.state).flight.is_some()
    }

    /// Whether anyone asked for the value since it was stored.
    pub(in crate::credentials) fn used_since_stored(&self) -> bool {
        self.used.load(Ordering::Relaxed)
    }

    /// How many times a value was stored.
    pub(in crate::credentials) fn stored(&self) -> u32 {
        self.stored.load(Ordering::Relaxed)
    }

    /// How many fetches have failed since the last one that did not, and why the last one did.
    pub(in crate::credentials) fn failures(&self) -> (u32, Option<Reason>) {
        let why = lock(&self.state).failed.as_ref().map(|(refusal, _)| refusal.reason);
        (self.failures.load(Ordering::Relaxed), why)
    }

    /// Whether a failed fetch is still remembered.
    pub(in crate::credentials) fn failed_lately(&self, instant: Instant) -> bool {
        lock(&self.state).failed.as_ref().is_some_and(|(_, until)| *until > instant)
    }

    /// What can be done for a caller who needs a value that lasts for more than `life_needed`.
    pub(super) fn join(self: &Arc<Self>, now: SystemTime, instant: Instant, life_needed: Duration) -> Turn<K, V> {
        if let Some(value) = self.usable(now, life_needed) {
            return Turn::Ready(value);
        }
        let mut state = lock(&self.state);
        if state.retired {
            return Turn::Retired;
        }
        // A flight may have landed since the first look.
        if let Some(value) = self.usable(now, life_needed) {
            return Turn::Ready(value);
        }
        if let Some(flight) = &state.flight {
            return Turn::Wait(flight.clone());
        }
        match &state.failed {
            Some((refusal, until)) if *until > instant => {
                Turn::Refused(Refusal { retry_after: refusal.retry_after.map(|_| until.duration_since(instant)), ..refusal.clone() })
            }
            _ => {
                let (flight, news) = self.take_off(&mut state, false);
                Turn::Lead(flight, news)
            }
        }
    }

    /// A flight to replace a value that is still good, unless there is one already or the last one failed lately.
    pub(in crate::credentials) fn refresh(self: &Arc<Self>, instant: Instant) -> Option<Flight<K, V>> {
        let mut state = lock(&self.state);
        state.may_refresh(instant).then(|| self.take_off(&mut state, true).0)
    }

    /// Whether [`Slot::refresh`] would take off now.
    pub(in crate::credentials) fn may_refresh(&self, instant: Instant) -> bool {
        lock(&self.state).may_refresh(instant)
    }

    /// Drops the value if it is `unwanted` itself, not a newer one; whether it did.
    ///
    /// At most one value every 30 seconds is dropped in this way: whoever can make a value look bad must not be able to
    /// turn each request into a fetch.
    pub(in crate::credentials) fn forget(&self, unwanted: &V, instant: Instant) -> bool {
        let mut state = lock(&self.state);
        let is_it = self.held.load().as_ref().is_some_and(|held| std::ptr::eq(Arc::as_ptr(&held.value), unwanted));
        let too_soon = state.forgotten_at.is_some_and(|at| instant.duration_since(at) < FORGET_PAUSE);
        if !is_it || too_soon {
            return false;
        }
        state.forgotten_at = Some(instant);
        self.store(None);
        true
    }

    pub(super) fn touch(&self, elapsed: u64) {
        // Busy slots are touched by every core: look before writing.
        if self.last_used() < elapsed {
            self.last_used.fetch_max(elapsed, Ordering::Relaxed);
        }
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
    }

    pub(super) fn last_used(&self) -> u64 {
        self.last_used.load(Ordering::Relaxed)
    }

    pub(super) fn retire(&self) {
        let mut state = lock(&self.state);
        state.retired = true;
        self.store(None);
    }

    pub(super) fn retire_unless_in_flight(&self) -> bool {
        let mut state = lock(&self.state);
        if state.flight.is_none() {
            state.retired = true;
            self.store(None);
        }
        state.retired
    }

    fn usable(&self, now: SystemTime, life_needed: Duration) -> Option<Arc<V>> {
        let held = self.held.load();
        held.as_ref().filter(|held| held.expires > now + life_needed).map(|held| Arc::clone(&held.value))
    }

    fn take_off(self: &Arc<Self>, state: &mut State<V>, is_renewal: bool) -> (Flight<K, V>, watch::Receiver<News<V>>) {
        let (sender, news) = watch::channel(None);
        state.flight = Some(news.clone());
        (Flight { slot: Arc::clone(self), sender, is_renewal }, news)
    }

    fn store(&self, new: Option<Held<V>>) {
        let gained = i64::from(new.is_some());
        let old = self.held.swap(new.map(Arc::new));
        self.gauge.add(gained - i64::from(old.is_some()));
    }
}

/// The duty to fetch a slot's value. Dropped without landing, it frees the slot, and those who wait learn that nothing comes.
pub(in crate::credentials) struct Flight<K, V> {
    slot: Arc<Slot<K, V>>,
    sender: watch::Sender<News<V>>,
    is_renewal: bool,
}

impl<K, V> Flight<K, V> {
    pub(in crate::credentials) fn key(&self) -> &Arc<K> {
        &self.slot.key
    }

    /// Whether it is to replace a value that is still good.
    pub(in crate::credentials) fn is_renewal(&self) -> bool {
        self.is_renewal
    }

    pub(super) fn land(self, arrival: Arrival<V>, now: SystemTime, instant: Instant) {
        let mut state = lock(&self.slot.state);
        let news = match arrival {
            Ok(held) => {
                let value = Arc::clone(&held.value);
                (state.failed, state.refresh_not_before) = (None, None);
                self.slot.failures.store(0, Ordering::Relaxed);
                if !state.retired {
                    self.slot.used.store(false, Ordering::Relaxed);
                    self.slot.stored.fetch_add(1, Ordering::Relaxed);
                    self.slot.store(Some(held));
                }
                Ok(value)
            }
            Err((refusal, stands_for)) => {
                self.slot.failures.fetch_add(1, Ordering::Relaxed);
                let left = self.slot.held().and_then(|held| held.expires.duration_since(now).ok()).unwrap_or_default();
                state.refresh_not_before = Some(instant + (left / 8).clamp(REFRESH_PAUSE.0, REFRESH_PAUSE.1));
                state.failed = Some((refusal.clone(), instant + stands_for));
                Err(refusal)
            }
        };
        state.flight = None;
        drop(state);
        self.sender.send_replace(Some(news));
    }
}

impl<K, V> Drop for Flight<K, V> {
    fn drop(&mut self) {
        // After a landing this finds the flight gone, or, at worst, one that took off since, which is not ours to end.
        let mut state = lock(&self.slot.state);
        if state.flight.as_ref().is_some_and(|news| news.same_channel(&self.sender.subscribe())) {
            state.flight = None;
        }
    }
}
