//! Trust in credentials starts here: the only place that makes [`ScopedCredentials`].
//!
//! The [`Broker`] owns control flow alone: it plans, asks the cache whose turn it is, and sees to it that every flight
//! lands. Calls to STS run in tasks of their own, so that a caller who goes away takes nothing from those who wait with it.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::Serialize;

use super::{
    cache::{Arrival, Cache, Flight, Held, Slot, Turn, numbered},
    calls::{Calls, Place},
    error::StsError,
    planner::{Plan, Planner},
    signing_key::{SigningKey, SigningKeys},
    sts::{IssuedCredentials, TenantSts},
};
use crate::{
    clock::Clock,
    config::{CredentialsConfig, RefreshConfig},
    directory::ActiveTenant,
    reject::{Reason, Refusal},
    secret::Secret,
    telemetry::Metrics,
    tenant::TenantId,
};

/// Credentials are not handed out with less life than this: a request signed with them has to reach AWS first.
const LIFE_NEEDED: Duration = Duration::from_secs(5);
/// How often sessions are looked at. With [`RENEWALS`](super::calls::RENEWALS) this bounds renewals to 16 a second.
const ROUND: Duration = Duration::from_millis(500);
/// Sessions that nobody used for this long are let go, well before a session of several hours would end.
const IDLE: Duration = Duration::from_secs(30 * 60);

/// What STS issued for one tenant and one set of inputs.
///
/// The secret access key cannot be read, only signing keys be derived from it. Secrets are wiped when the last holder goes.
pub struct ScopedCredentials {
    plan: Arc<Plan>,
    access_key_id: String,
    session_token: Secret,
    keys: SigningKeys,
    expires: SystemTime,
}

impl ScopedCredentials {
    /// The tenant that these credentials are for, and no other.
    pub fn tenant(&self) -> &TenantId {
        &self.plan.inputs().tenant
    }

    /// Names the key in the credential scope.
    pub fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    /// For `X-Amz-Security-Token`.
    pub fn session_token(&self) -> &Secret {
        &self.session_token
    }

    /// When AWS stops accepting them, as STS said.
    pub fn expires(&self) -> SystemTime {
        self.expires
    }

    /// The role that was assumed, so that it can be kept out of responses.
    pub fn role_arn(&self) -> &str {
        &self.plan.inputs().role_arn
    }

    /// The SigV4 key for the day of `time` (UTC), derived once per day, region and service; the last eight are kept.
    pub fn signing_key(&self, time: SystemTime, region: &str, service: &str) -> SigningKey {
        self.keys.key(time, region, service)
    }

    /// Takes in STS's answer to `plan`. An answer without credentials, or with ones that are as good as expired, is none.
    fn accept(plan: &Arc<Plan>, issued: IssuedCredentials, now: SystemTime) -> Result<Self, StsError> {
        if issued.access_key_id.is_empty() || issued.secret_access_key.expose().is_empty() || issued.session_token.expose().is_empty() {
            return Err(StsError::Unavailable("the answer holds no credentials".to_owned()));
        }
        if issued.expires <= now + LIFE_NEEDED {
            return Err(StsError::Unavailable("the answer's credentials have expired, or it does not say when they will".to_owned()));
        }
        Ok(Self {
            plan: Arc::clone(plan),
            access_key_id: issued.access_key_id,
            session_token: issued.session_token,
            keys: SigningKeys::new(issued.secret_access_key),
            expires: issued.expires,
        })
    }
}

impl fmt::Debug for ScopedCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopedCredentials")
            .field("tenant", self.tenant())
            .field("role_arn", &self.role_arn())
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// A tenant session, for operators.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SessionView {
    /// Whose it is.
    pub tenant: String,
    /// The role assumed.
    pub role_arn: String,
    /// `RoleSessionName`, as CloudTrail shows it.
    pub session_name: String,
    /// Seconds since STS issued it.
    pub age_seconds: u64,
    /// Seconds since it was last handed out.
    pub unused_seconds: u64,
    /// When it ends, in seconds since the Unix epoch.
    pub expires: u64,
    /// Whether it is being renewed at the moment.
    pub renewing: bool,
}

/// Hands out each tenant's credentials. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct Broker(Arc<Inner>);

struct Inner {
    planner: Planner,
    cache: Cache<Plan, ScopedCredentials>,
    sts: Arc<dyn TenantSts>,
    clock: Clock,
    metrics: Metrics,
    refresh: RefreshConfig,
    timeout: Duration,
    calls: Calls,
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Broker")
    }
}

impl Broker {
    /// A broker without sessions. [`Broker::maintain`] has to run beside it.
    pub fn new(config: &CredentialsConfig, sts: Arc<dyn TenantSts>, clock: Clock, metrics: Metrics) -> Self {
        Self(Arc::new(Inner {
            planner: Planner::new(&config.assume_role, &config.sts.region, config.max_sessions),
            cache: Cache::new(config.max_sessions, clock.clone(), metrics.tenant_sessions.clone()),
            sts,
            clock,
            metrics,
            refresh: config.refresh,
            timeout: config.sts.timeout,
            calls: Calls::new(config.max_sessions),
        }))
    }

    /// Credentials of `tenant`, with more than five seconds of life left: from the cache, or from STS.
    ///
    /// May be dropped at any time; others who wait for the same session are not affected.
    ///
    /// # Errors
    /// [`Reason::PlanIncomplete`], [`Reason::CredentialsDenied`], or [`Reason::CredentialsUnavailable`] with `retry_after`.
    /// A failure stands for a few seconds, in which STS is not asked again for the same session.
    pub async fn credentials(&self, tenant: &ActiveTenant) -> Result<Arc<ScopedCredentials>, Refusal> {
        let plan = self.0.planner.plan(tenant)?;
        let credentials = self.obtain(&plan).await?;
        if credentials.tenant() != tenant.id() {
            tracing::error!(asked = %tenant.id(), found = %credentials.tenant(), "credentials of another tenant were found and withheld");
            return Err(Refusal::noted(Reason::Internal, "credentials of another tenant were found and withheld"));
        }
        Ok(credentials)
    }

    /// Every session held.
    pub fn sessions(&self) -> Vec<SessionView> {
        let now = self.0.cache.now();
        self.0.cache.slots().iter().filter_map(|slot| self.0.view(slot, now)).collect()
    }

    /// Forgets every session of `tenant`, and what STS last refused it; how many there were.
    pub fn evict(&self, tenant: &TenantId) -> usize {
        let slots = self.0.cache.slots();
        slots.iter().filter(|slot| &slot.key().inputs().tenant == tenant).inspect(|slot| self.0.cache.remove(slot)).count()
    }

    /// AWS said that `credentials` are expired or invalid: forgets this very session, not one that has replaced it.
    ///
    /// A session is forgotten in this way at most every 30 seconds, so that a service that rejects everything does not turn
    /// every request into a call to STS.
    pub fn reject(&self, credentials: &ScopedCredentials) {
        let forgotten = self.0.cache.find(&credentials.plan).is_some_and(|slot| slot.forget(credentials, self.0.clock.instant()));
        tracing::warn!(tenant = %credentials.tenant(), role = credentials.role_arn(), forgotten, "AWS rejected a tenant session");
    }

    /// Renews sessions that are in use and near their end, and lets idle ones go. Never returns.
    pub async fn maintain(&self) {
        loop {
            tokio::time::sleep(ROUND).await;
            self.round();
        }
    }

    fn round(&self) {
        let (now, instant) = (self.0.cache.now(), self.0.clock.instant());
        self.0.cache.sweep(|slot| {
            let spent = slot.held().is_none_or(|held| held.expires <= now) && !slot.failed_lately(instant);
            spent || self.0.cache.unused(slot) >= IDLE
        });
        for slot in self.0.due(now) {
            let Some(place) = self.0.calls.renewal() else { return };
            if let Some(flight) = slot.refresh(instant) {
                self.fly(flight, Some(place));
            }
        }
    }

    async fn obtain(&self, plan: &Arc<Plan>) -> Result<Arc<ScopedCredentials>, Refusal> {
        loop {
            let slot = self.0.cache.slot(plan).map_err(|_full| {
                Refusal::noted(Reason::CredentialsUnavailable, "every session slot is waiting for STS").retry_after(Duration::from_secs(1))
            })?;
            let mut news = match self.0.cache.join(&slot, LIFE_NEEDED) {
                Turn::Ready(credentials) => return Ok(credentials),
                Turn::Refused(refusal) => return Err(refusal),
                Turn::Wait(news) => news,
                Turn::Lead(flight, news) => {
                    self.fly(flight, None);
                    news
                }
                Turn::Retired => {
                    tokio::task::yield_now().await;
                    continue;
                }
            };
            let heard = news.wait_for(Option::is_some).await;
            let Ok(Some(outcome)) = heard.as_deref() else {
                return Err(Refusal::noted(Reason::Internal, "the task that asks STS died"));
            };
            return outcome.clone();
        }
    }

    /// Sees `flight` through in a task of its own. Without a `place` for its call it waits for one.
    fn fly(&self, flight: Flight<Plan, ScopedCredentials>, place: Option<Place>) {
        let inner = Arc::clone(&self.0);
        tokio::spawn(async move {
            let arrival = inner.fetch(flight.key(), place).await;
            inner.cache.land(flight, arrival);
        });
    }
}

impl Inner {
    async fn fetch(&self, plan: &Arc<Plan>, place: Option<Place>) -> Arrival<ScopedCredentials> {
        let inputs = plan.inputs();
        match self.call(plan, place).await {
            Ok(credentials) => {
                let (since, expires) = (self.clock.now(), credentials.expires);
                tracing::debug!(tenant = %inputs.tenant, role = inputs.role_arn, session = inputs.session_name, "tenant session issued");
                let refresh_at = refresh_at(since, expires, self.refresh, random_fraction());
                Ok(Held { value: Arc::new(credentials), since, expires, refresh_at })
            }
            Err(error) => {
                tracing::warn!(tenant = %inputs.tenant, role = inputs.role_arn, session = inputs.session_name, %error, "no tenant session");
                Err((error.refusal(), error.stands_for()))
            }
        }
    }

    /// One call, within the timeout, once there is a place for it, which is waited for no longer than that either.
    async fn call(&self, plan: &Arc<Plan>, place: Option<Place>) -> Result<ScopedCredentials, StsError> {
        let _place = match place {
            Some(place) => place,
            None => self.calls.first(&plan.inputs().tenant, self.timeout).await?,
        };
        let started = self.clock.instant();
        let answer = tokio::time::timeout(self.timeout, self.sts.assume_role(plan.inputs())).await;
        let issued = answer.unwrap_or_else(|_elapsed| Err(StsError::Unavailable("no answer in time".to_owned())));
        if let Ok(IssuedCredentials { packed_policy_percent: Some(percent), .. }) = &issued {
            self.metrics.packed_policy_percent.set(f64::from(*percent));
        }
        let result = issued.and_then(|issued| ScopedCredentials::accept(plan, issued, self.clock.now()));
        let label = result.as_ref().map_or_else(StsError::label, |_| "ok");
        self.metrics.sts_request(label, self.clock.instant().duration_since(started));
        result
    }

    /// The sessions to renew: of each tenant the one that ends first, then of each the next one, and so on.
    fn due(&self, now: SystemTime) -> impl Iterator<Item = Arc<Slot<Plan, ScopedCredentials>>> {
        let mut due: Vec<_> = self.cache.slots().into_iter().filter_map(|slot| Some((due(&slot, now)?, slot))).collect();
        due.sort_by_key(|(expires, _)| *expires);
        let mut due = numbered(due.into_iter().map(|(_, slot)| slot).collect());
        due.sort_by_key(|(number, _)| *number);
        due.into_iter().map(|(_, slot)| slot)
    }

    fn view(&self, slot: &Slot<Plan, ScopedCredentials>, now: SystemTime) -> Option<SessionView> {
        let (held, inputs) = (slot.held()?, slot.key().inputs());
        Some(SessionView {
            tenant: inputs.tenant.to_string(),
            role_arn: inputs.role_arn.clone(),
            session_name: inputs.session_name.clone(),
            age_seconds: now.duration_since(held.since).map_or(0, |age| age.as_secs()),
            unused_seconds: self.cache.unused(slot).as_secs(),
            expires: held.expires.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            renewing: slot.in_flight(),
        })
    }
}

/// When the session in `slot` ends, if it is time to renew it and somebody used it since it was issued.
fn due(slot: &Slot<Plan, ScopedCredentials>, now: SystemTime) -> Option<SystemTime> {
    let held = slot.held()?;
    (held.refresh_at <= now && slot.used_since_stored()).then_some(held.expires)
}

/// `ahead` of the end, and up to `jitter` earlier, but never in the first half of a session's life.
fn refresh_at(since: SystemTime, expires: SystemTime, refresh: RefreshConfig, fraction: f64) -> SystemTime {
    let life = expires.duration_since(since).unwrap_or_default();
    let lead = refresh.ahead.saturating_add(refresh.jitter.mul_f64(fraction));
    expires - lead.min(life / 2)
}

/// From 0 to 1. Without a source of randomness renewals only come closer together.
fn random_fraction() -> f64 {
    getrandom::u64().map_or(0.0, |bits| bits as f64 / u64::MAX as f64)
}

#[cfg(test)]
mod tests;
