//! Keeping an issuer's keys at hand.
//!
//! Keys are fetched at start and again in the background, ahead of the end of their freshness, so that no request waits for the
//! identity provider in the normal course. A token with an unknown key id may mean a rotation: it causes one fetch, shared by
//! all requests that ask and not repeated within [`KeyPolicy::unknown_key_interval`], however many junk tokens come. A failed
//! fetch, and one that brings anything but a usable set, keeps the old keys, up to [`KeyPolicy::max_stale`].
//!
//! A fetch is a task of its own: a client that asks and goes away cannot end it, and use up the interval for nothing.

mod schedule;
mod source;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use aws_lc_rs::digest::{Digest, SHA256, digest};
use tokio::sync::{Notify, Semaphore, watch};

pub use self::source::{FetchKeys, Fetched, InlineKeys, KeysFile, MAX_BYTES};
use super::keyset::KeySet;
use crate::{clock::Clock, config::KeyPolicy, telemetry::Metrics};

/// What a client is told to wait when there are no keys.
pub const RETRY_INTERVAL: Duration = Duration::from_secs(10);
/// Most requests that wait for one issuer's keys. Each holds its headers meanwhile; the rest are refused at once.
const MAX_WAITING: usize = 256;

/// One issuer's keys.
pub struct Jwks {
    issuer: String,
    source: Box<dyn FetchKeys>,
    policy: KeyPolicy,
    current: ArcSwapOption<Loaded>,
    flight: Mutex<Flight>,
    waiting: Semaphore,
    /// A fetch has ended, and the time of the next may be another.
    landed: Notify,
    clock: Clock,
    metrics: Metrics,
}

/// The fetch that is under way, and when there may be another.
struct Flight {
    /// Closed when the fetch ends, however it ends.
    landing: Option<watch::Receiver<()>>,
    /// When an unknown key id last caused a fetch.
    forced: Option<Instant>,
    /// Failures in a row.
    failures: u32,
    /// When the background fetch is due.
    next: Instant,
}

pub(super) struct Loaded {
    pub(super) keys: KeySet,
    /// Counts changes of the document: a token verified under other keys is verified again.
    pub(super) generation: u64,
    digest: Digest,
    /// Until then nothing newer is needed.
    fresh_until: Instant,
}

impl std::fmt::Debug for Jwks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Jwks").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

impl Jwks {
    /// Keys of `issuer`, none loaded yet, under the default policy.
    pub fn new(issuer: String, source: Box<dyn FetchKeys>, clock: Clock, metrics: Metrics) -> Self {
        metrics.jwks_begin(&issuer);
        let flight = Flight { landing: None, forced: None, failures: 0, next: clock.instant() };
        Self {
            issuer,
            source,
            policy: KeyPolicy::default(),
            current: ArcSwapOption::empty(),
            flight: Mutex::new(flight),
            waiting: Semaphore::new(MAX_WAITING),
            landed: Notify::new(),
            clock,
            metrics,
        }
    }

    /// The same, under this policy.
    pub fn with_policy(self, policy: KeyPolicy) -> Self {
        Self { policy, ..self }
    }

    /// Whether tokens can be verified now.
    pub fn is_ready(&self) -> bool {
        self.usable().is_some()
    }

    /// Fetches in the background for ever.
    pub async fn maintain(self: &Arc<Self>) {
        loop {
            let pause = self.flight().next.saturating_duration_since(self.clock.instant());
            if pause.is_zero() {
                if let Some(mut landing) = self.board(false) {
                    // An error: the fetch is over.
                    let _ = landing.changed().await;
                }
                continue;
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.landed.notified() => {}
            }
        }
    }

    /// The keys, unless there are none or they are too old.
    pub(super) fn usable(&self) -> Option<Arc<Loaded>> {
        let now = self.clock.instant();
        self.current.load_full().filter(|loaded| now.saturating_duration_since(loaded.fresh_until) <= self.policy.max_stale)
    }

    /// After an unknown key id: the keys after at most one fetch. None too where more requests wait than should: whether the key
    /// is known cannot be said then.
    pub(super) async fn after_unknown_key(self: &Arc<Self>) -> Option<Arc<Loaded>> {
        if let Some(mut landing) = self.board(true) {
            let _seat = self.waiting.try_acquire().ok()?;
            // An error: the fetch is over. It has the same deadline, which here is for one that hangs all the same.
            let _ = tokio::time::timeout(self.policy.timeout, landing.changed()).await;
        }
        self.usable()
    }

    fn flight(&self) -> MutexGuard<'_, Flight> {
        self.flight.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Joins the fetch that is under way, or begins one. None where an unknown key id caused one too short a time ago.
    fn board(self: &Arc<Self>, forced: bool) -> Option<watch::Receiver<()>> {
        let mut flight = self.flight();
        if let Some(landing) = flight.landing.as_ref().filter(|landing| landing.has_changed().is_ok()) {
            return Some(landing.clone());
        }
        let now = self.clock.instant();
        if forced {
            let interval = self.policy.unknown_key_interval;
            if flight.forced.is_some_and(|last| now.saturating_duration_since(last) < interval) {
                return None;
            }
            flight.forced = Some(now);
        }
        let (done, landing) = watch::channel(());
        flight.landing = Some(landing.clone());
        // Holds should the task fail before it sets another.
        flight.next = now + schedule::MAX_BACKOFF;
        let jwks = self.clone();
        tokio::spawn(async move {
            jwks.load().await;
            drop(done);
            jwks.landed.notify_one();
        });
        Some(landing)
    }

    async fn load(&self) {
        let fetched = match tokio::time::timeout(self.policy.timeout, self.source.fetch()).await {
            Ok(fetched) => fetched,
            Err(_) => Err(format!("no complete answer within {} ms", self.policy.timeout.as_millis())),
        };
        let parsed = fetched.and_then(|fetched| {
            let keys = KeySet::parse(&fetched.body).map_err(|error| error.to_string())?;
            Ok((keys, fetched))
        });
        match parsed {
            Ok((keys, fetched)) => self.take(keys, &fetched),
            Err(error) => self.keep(&error),
        }
    }

    fn take(&self, keys: KeySet, fetched: &Fetched) {
        let document = digest(&SHA256, &fetched.body);
        let count = keys.len();
        let generation = match &*self.current.load() {
            Some(old) if old.digest.as_ref() == document.as_ref() => old.generation,
            Some(old) => {
                tracing::info!(issuer = %self.issuer, keys = count, "the issuer's key set has changed");
                old.generation + 1
            }
            None => 1,
        };
        let now = self.clock.instant();
        let lifetime = schedule::lifetime(fetched.fresh_for, &self.policy);
        self.current.store(Some(Arc::new(Loaded { keys, generation, digest: document, fresh_until: now + lifetime })));
        {
            let mut flight = self.flight();
            if flight.failures > 0 {
                tracing::info!(issuer = %self.issuer, failures = flight.failures, "the issuer's keys can be loaded again");
            }
            flight.failures = 0;
            flight.next = now + schedule::ahead(lifetime, schedule::random());
        }
        let seconds = self.clock.unix_seconds();
        self.metrics.jwks_refresh(&self.issuer, "ok");
        self.metrics.jwks_last_success(&self.issuer, seconds);
        self.metrics.jwks_keys(&self.issuer, count, seconds + (lifetime + self.policy.max_stale).as_secs());
    }

    fn keep(&self, error: &str) {
        tracing::warn!(issuer = %self.issuer, %error, "cannot load the issuer's keys");
        self.metrics.jwks_refresh(&self.issuer, "error");
        let mut flight = self.flight();
        flight.failures = flight.failures.saturating_add(1);
        flight.next = self.clock.instant() + schedule::backoff(flight.failures, schedule::random());
    }
}

#[cfg(test)]
mod tests;
