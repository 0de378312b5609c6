//! Per-tenant limits, in memory: requests per second with a burst, and requests in progress.
//!
//! One [`Limiter`] per listener. It takes an [`ActiveTenant`] and nothing else, so only a verified tenant has a bucket, and
//! nobody can spend another's. A refused request consumes nothing. Nothing is locked for the common case: a bucket is two
//! atomics behind a read lock on one shard of the map.
//!
//! A bucket is let go only when that changes nothing: nothing in progress, and full. Evicting a busy one would refill it.

mod bucket;
mod quota;
mod rate;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use dashmap::{DashMap, mapref::one::Ref};

pub use self::{bucket::Permit, quota::Quota};
use self::{
    bucket::{Bucket, Refused},
    rate::Rate,
};
use crate::{
    clock::Clock,
    config::{Limits, LimitsConfig},
    directory::{ActiveTenant, TenantRecord},
    reject::{LimitHit, Reason, Refusal},
    tenant::TenantId,
};

/// Buckets before the first sweep for idle ones; later sweeps come whenever the number has doubled.
const FIRST_SWEEP: usize = 1024;
/// Most tenants with a bucket at once. Beyond that all are busy, far above what one process serves.
const MAX_BUCKETS: usize = 262_144;
/// When to come back after a refusal for concurrency. Nobody can know; a second is what SDKs wait anyway.
const CONCURRENCY_RETRY: Duration = Duration::from_secs(1);

/// Admits requests within each tenant's limits.
#[derive(Debug)]
pub struct Limiter {
    config: LimitsConfig,
    clock: Clock,
    /// Nanoseconds in buckets count from here.
    origin: Instant,
    buckets: Arc<DashMap<TenantId, Arc<Bucket>>>,
    sweep_at: Arc<AtomicUsize>,
}

impl Limiter {
    /// A limiter with full buckets.
    pub fn new(config: &LimitsConfig, clock: Clock) -> Self {
        let origin = clock.instant();
        Self { config: config.clone(), clock, origin, buckets: Arc::default(), sweep_at: Arc::new(AtomicUsize::new(FIRST_SWEEP)) }
    }

    /// The same buckets, as full as they are and with all that is in progress, under other limits.
    #[must_use]
    pub fn under(&self, config: &LimitsConfig) -> Self {
        Self {
            config: config.clone(),
            clock: self.clock.clone(),
            origin: self.origin,
            buckets: self.buckets.clone(),
            sweep_at: self.sweep_at.clone(),
        }
    }

    /// Admits one request of `tenant`. The permit is held until the request has ended.
    ///
    /// # Errors
    /// [`Reason::ConcurrencyLimited`], or [`Reason::RateLimited`] with the exact time until a request would be admitted.
    pub fn admit(&self, tenant: &ActiveTenant) -> Result<Permit, Refusal> {
        let limits = self.limits(tenant);
        let rate = limits.requests_per_second.map(|per_second| Rate::new(per_second, limits.burst));
        let now = self.now();
        // The guard keeps the bucket in the map: a sweep waits until what is taken here is in it.
        let bucket = self.bucket(tenant.id(), now)?;
        bucket.admit(rate, limits.concurrent, now).map_err(|refused| refusal(refused, rate, &limits))
    }

    /// Requests in progress, of all tenants.
    pub fn all_in_flight(&self) -> u64 {
        self.buckets.iter().map(|bucket| u64::from(bucket.in_flight())).sum()
    }

    /// Requests of `tenant` in progress.
    pub fn in_flight(&self, tenant: &TenantId) -> u32 {
        self.buckets.get(tenant).map_or(0, |bucket| bucket.in_flight())
    }

    /// The tenant's own limits over its tier's over the default, field by field.
    fn limits(&self, tenant: &ActiveTenant) -> Limits {
        of_record(&self.config, tenant.record())
    }

    fn bucket(&self, tenant: &TenantId, now: u64) -> Result<Ref<'_, TenantId, Arc<Bucket>>, Refusal> {
        if let Some(bucket) = self.buckets.get(tenant) {
            return Ok(bucket);
        }
        self.sweep_when_due(now)?;
        Ok(self.buckets.entry(tenant.clone()).or_insert_with(|| Arc::new(Bucket::new())).downgrade())
    }

    /// Lets idle buckets go when their number has doubled since the last time: a constant cost per new tenant.
    fn sweep_when_due(&self, now: u64) -> Result<(), Refusal> {
        if self.buckets.len() < self.sweep_at.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.buckets.retain(|_, bucket| !bucket.is_idle(now));
        let left = self.buckets.len();
        self.sweep_at.store((2 * left).clamp(FIRST_SWEEP, MAX_BUCKETS), Ordering::Relaxed);
        if left >= MAX_BUCKETS {
            return Err(Refusal::noted(Reason::ConcurrencyLimited, "too many tenants are busy at once").retry_after(CONCURRENCY_RETRY));
        }
        Ok(())
    }

    fn now(&self) -> u64 {
        u64::try_from(self.clock.instant().duration_since(self.origin).as_nanos()).unwrap_or(u64::MAX)
    }
}

/// A tenant's own limits over its tier's over the default, field by field.
pub(crate) fn of_record(config: &LimitsConfig, record: &TenantRecord) -> Limits {
    let own = record.limits.unwrap_or_default();
    let tier = record.tier.as_ref().and_then(|tier| config.tiers.get(tier)).copied().unwrap_or_default();
    own.over(tier).over(config.default)
}

fn refusal(refused: Refused, rate: Option<Rate>, limits: &Limits) -> Refusal {
    let (reason, after, limit) = match refused {
        Refused::Concurrency => {
            let quota = limits.concurrent.unwrap_or_default().into();
            (Reason::ConcurrencyLimited, CONCURRENCY_RETRY, LimitHit { policy: "concurrency", quota, window: None })
        }
        Refused::Rate { wait } => {
            let (quota, window) = rate.map_or((0, 0), |rate| (rate.burst(), rate.window()));
            (Reason::RateLimited, Duration::from_nanos(wait), LimitHit { policy: "requests", quota, window: Some(window) })
        }
    };
    Refusal { limit: Some(limit), ..Refusal::from(reason).retry_after(after) }
}

#[cfg(test)]
mod tests;
