//! The table of live passports: who is in it, how many, and until when.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use dashmap::DashMap;
use http::Method;
use tokio::sync::watch;

use super::{
    ended::{Ended, How},
    handle::Handle,
};
use crate::{
    aws::action::Actions,
    clock::Clock,
    config::PassportConfig,
    identity::{VerifiedTenant, lease::End},
    reject::{Reason, Refusal},
    telemetry::{Metrics, RequestId, traces::SpanContext},
    tenant::TenantId,
};

/// When to come back where there is no room. Requests end all the time.
const RETRY: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Table {
    pub(super) live: DashMap<Handle, Entry>,
    pub(super) count: AtomicUsize,
    pub(super) by_tenant: DashMap<TenantId, usize>,
    /// In their grace, by its end.
    leaving: Mutex<BinaryHeap<Reverse<(Instant, Handle)>>>,
    pub(super) ended: Ended,
    /// The second in which a full table was last searched for what has expired.
    searched: AtomicU64,
    pub(super) clock: Clock,
    pub(super) metrics: Metrics,
}

/// A live passport, as the table has it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) tenant: Arc<VerifiedTenant>,
    /// The ingress request that it was made for.
    pub(super) request: RequestId,
    /// The call to the application in the request's trace, where there are traces.
    pub(super) span: OnceLock<SpanContext>,
    pub(super) actions: Option<Actions>,
    /// `None` for any number.
    pub(super) uses_left: Option<AtomicU32>,
    /// Told to the leases, as is its own end.
    pub(super) until: watch::Sender<End>,
    /// When it ends at the latest, whatever the response turns out to be.
    pub(super) ceiling: Instant,
    /// The configuration that it was made under, by number.
    pub(super) issue: u64,
    pub(super) asked: Asked,
}

/// What a passport's request asked for, by which it is known what another configuration would give it.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) method: Method,
    /// `None` for one that is too long to be kept.
    pub(super) path: Option<Box<str>>,
}

impl Entry {
    pub(super) fn end(&self) -> End {
        *self.until.borrow()
    }

    /// Takes one of the uses that are left; false when there is none.
    pub(super) fn take_use(&self) -> bool {
        let Some(left) = &self.uses_left else { return true };
        left.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1)).is_ok()
    }

    pub(super) fn upgrade(&self, now: Instant) {
        self.until.send_if_modified(|end| {
            let lasts = now < end.at && !end.is_grace;
            if lasts {
                // Never before the first end.
                end.at = self.ceiling;
            }
            lasts
        });
    }
}

impl Table {
    pub(super) fn new(clock: Clock, metrics: Metrics) -> Self {
        Self {
            live: DashMap::new(),
            count: AtomicUsize::new(0),
            by_tenant: DashMap::new(),
            leaving: Mutex::default(),
            ended: Ended::default(),
            searched: AtomicU64::new(0),
            clock,
            metrics,
        }
    }

    /// Takes room for a passport of `tenant`, of that which `config` gives.
    ///
    /// # Errors
    /// `PassportsExhausted` when there is none, or the tenant has its share of it.
    pub(super) fn reserve(&self, tenant: &TenantId, config: &PassportConfig) -> Result<(), Refusal> {
        self.let_go(config.grace, self.clock.instant());
        if self.try_reserve(tenant, config.max_live).is_ok() {
            return Ok(());
        }
        // At most once a second: a full table of passports that are all still good would be searched for each newcomer.
        let second = self.clock.unix_seconds();
        if self.searched.swap(second, Ordering::Relaxed) != second {
            self.expire(self.clock.instant());
        }
        self.try_reserve(tenant, config.max_live).map_err(|note| Refusal::noted(Reason::PassportsExhausted, note).retry_after(RETRY))
    }

    fn try_reserve(&self, tenant: &TenantId, max_live: usize) -> Result<(), &'static str> {
        // No tenant's requests can shut out those of the others.
        let share = (max_live / 2).max(1);
        let mut held = self.by_tenant.entry(tenant.clone()).or_insert(0);
        if *held >= share {
            return Err("the tenant has half of all passports");
        }
        if self.count.fetch_add(1, Ordering::AcqRel) >= max_live {
            self.count.fetch_sub(1, Ordering::AcqRel);
            let is_none = *held == 0;
            drop(held);
            if is_none {
                self.by_tenant.remove_if(tenant, |_, held| *held == 0);
            }
            return Err("identity.passport.max_live are in use");
        }
        *held += 1;
        Ok(())
    }

    /// Gives back what [`Table::reserve`] took.
    pub(super) fn release(&self, tenant: &TenantId) {
        self.count.fetch_sub(1, Ordering::AcqRel);
        if let Some(mut held) = self.by_tenant.get_mut(tenant) {
            *held = held.saturating_sub(1);
        }
        self.by_tenant.remove_if(tenant, |_, held| *held == 0);
    }

    /// Ends a passport; false when it is not in the table.
    pub(super) fn end(&self, handle: &Handle, how: How) -> bool {
        self.end_if(handle, how, |_| true)
    }

    fn end_if(&self, handle: &Handle, how: How, is_over: impl FnOnce(&Entry) -> bool) -> bool {
        // Its leases end with the entry, at the latest when this returns.
        let Some((_, entry)) = self.live.remove_if(handle, |_, entry| is_over(entry)) else { return false };
        self.release(entry.tenant.tenant());
        self.metrics.passports_live.dec();
        self.remember(handle, &entry.request, how);
        true
    }

    pub(super) fn remember(&self, handle: &Handle, request: &RequestId, how: How) {
        self.ended.remember(handle.digest(), request, how, self.clock.instant());
    }

    /// Leaves a passport its `grace`, if there is one; false if there is none, or nothing left to be graceful with.
    pub(super) fn leave(&self, handle: &Handle, grace: Duration) -> bool {
        let now = self.clock.instant();
        self.let_go(grace, now);
        if grace.is_zero() {
            return false;
        }
        let Some(entry) = self.live.get(handle) else { return false };
        let mut last = None;
        entry.until.send_if_modified(|end| {
            if now < end.at {
                *end = End { at: end.at.min(now + grace), is_grace: true };
                last = Some(end.at);
            }
            last.is_some()
        });
        let Some(last) = last else { return false };
        self.leaving.lock().unwrap_or_else(PoisonError::into_inner).push(Reverse((last, *handle)));
        true
    }

    /// Ends what has used up its grace, where there is one. What another configuration gave one is found by [`Table::clear`].
    fn let_go(&self, grace: Duration, now: Instant) {
        if !grace.is_zero() {
            self.end_of_grace(now);
        }
    }

    fn end_of_grace(&self, now: Instant) {
        let mut over = Vec::new();
        {
            let mut leaving = self.leaving.lock().unwrap_or_else(PoisonError::into_inner);
            while let Some(Reverse((_, handle))) = leaving.peek().filter(|next| next.0.0 <= now).copied() {
                leaving.pop();
                over.push(handle);
            }
        }
        for handle in over {
            self.end(&handle, How::Ended);
        }
    }

    /// Takes out what has expired though its request still runs.
    fn expire(&self, now: Instant) {
        let is_over = |entry: &Entry| {
            let end = entry.end();
            !end.is_grace && end.at <= now
        };
        let over: Vec<_> = self.live.iter().filter(|entry| is_over(entry)).map(|entry| *entry.key()).collect();
        for handle in over {
            self.end_if(&handle, How::Expired, is_over);
        }
    }

    /// Takes out whatever is over.
    pub(super) fn clear(&self) {
        let now = self.clock.instant();
        self.end_of_grace(now);
        self.expire(now);
    }
}
