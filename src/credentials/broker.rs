//! Trust in credentials starts here: the only place that makes [`ScopedCredentials`].
//!
//! The [`Broker`] owns control flow alone: it plans, asks the cache whose turn it is, and sees to it that every flight
//! lands. Calls to STS run in tasks of their own, so that a caller who goes away takes nothing from those who wait with it.

mod renewals;
mod view;

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use self::renewals::{TICK, random_fraction, refresh_at};
pub use self::view::SessionView;
use super::{
    budget::{Budget, Place},
    cache::{Arrival, Cache, Flight, Held, Slot, Turn},
    denials::Denials,
    error::StsError,
    owner::Owner,
    planner::Plan,
    plans::Plans,
    signing_key::{SigningKey, SigningKeys},
    sts::{IssuedCredentials, TenantSts},
};
use crate::{
    audit::{self, Audit},
    clock::Clock,
    config::{CredentialsConfig, RefreshConfig},
    directory::{ActiveTenant, TenantRecord},
    identity::CallerToken,
    reject::{Reason, Refusal},
    secret::Secret,
    telemetry::{
        Metrics,
        traces::{self, SpanContext, Step},
    },
    tenant::TenantId,
    workloads::ProvedWorkload,
};

/// Credentials are not handed out with less life than this: a request signed with them has to reach AWS first.
const LIFE_NEEDED: Duration = Duration::from_secs(5);
/// From here on a session policy and its tags are close to what STS takes, in percent.
const NEARLY_PACKED: i32 = 90;

type SessionSlot = Slot<Plan, ScopedCredentials>;

/// What STS issued for one owner and one set of inputs.
///
/// The secret access key cannot be read, only signing keys be derived from it. Secrets are wiped when the last holder goes.
pub struct ScopedCredentials {
    plan: Arc<Plan>,
    access_key_id: String,
    session_token: Secret,
    keys: SigningKeys,
    expires: SystemTime,
    packed_policy_percent: Option<i32>,
    /// The call that brought them, where it is part of a trace.
    call: Option<SpanContext>,
}

impl ScopedCredentials {
    /// Whom these credentials are for, and nobody else.
    pub fn owner(&self) -> &Owner {
        &self.plan.inputs().owner
    }

    /// Names the key in the credential scope.
    pub fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    /// For `X-Amz-Security-Token`.
    pub fn session_token(&self) -> &Secret {
        &self.session_token
    }

    /// When AWS stops accepting them, as STS said, or before that the end of the token that they rest on.
    pub fn expires(&self) -> SystemTime {
        self.expires
    }

    /// The role that was assumed, so that it can be kept out of responses.
    pub fn role_arn(&self) -> &str {
        &self.plan.inputs().role_arn
    }

    /// What the audit log says of them.
    pub(crate) fn recorded(&self) -> audit::Plan<'_> {
        let inputs = self.plan.inputs();
        audit::Plan {
            role_arn: &inputs.role_arn,
            session_name: &inputs.session_name,
            source_identity: inputs.source_identity.as_deref(),
            access_key_id: &self.access_key_id,
            expires: Audit::at(self.expires),
            setting: self.plan.key(),
        }
    }

    /// The SigV4 key for the day of `time` (UTC), derived once per day, region and service; the last eight are kept.
    pub fn signing_key(&self, time: SystemTime, region: &str, service: &str) -> SigningKey {
        self.keys.key(time, region, service)
    }

    /// Takes in STS's answer to `plan`. An answer without credentials, or with ones that are as good as expired, is none.
    ///
    /// They end with what they rest on, if that ends before: a caller's session does not outlive the caller's token.
    fn accept(plan: &Arc<Plan>, issued: IssuedCredentials, now: SystemTime) -> Result<Self, StsError> {
        if issued.access_key_id.is_empty() || issued.secret_access_key.expose().is_empty() || issued.session_token.expose().is_empty() {
            return Err(StsError::Unavailable("the answer holds no credentials".to_owned()));
        }
        if issued.expires <= now + LIFE_NEEDED {
            return Err(StsError::Unavailable("the answer's credentials have expired, or it does not say when they will".to_owned()));
        }
        let ends = plan.inputs().ends();
        if ends.is_some_and(|ends| ends <= now + LIFE_NEEDED) {
            return Err(StsError::Token("the caller's token has expired meanwhile".to_owned()));
        }
        Ok(Self {
            plan: Arc::clone(plan),
            access_key_id: issued.access_key_id,
            session_token: issued.session_token,
            keys: SigningKeys::new(issued.secret_access_key),
            expires: ends.map_or(issued.expires, |ends| ends.min(issued.expires)),
            packed_policy_percent: issued.packed_policy_percent,
            call: None,
        })
    }
}

impl fmt::Debug for ScopedCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopedCredentials")
            .field("owner", self.owner())
            .field("role_arn", &self.role_arn())
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// Hands out each tenant's credentials. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct Broker(Arc<Inner>);

struct Inner {
    plans: Plans,
    cache: Arc<Cache<Plan, ScopedCredentials>>,
    sts: Arc<dyn TenantSts>,
    clock: Clock,
    metrics: Metrics,
    refresh: RefreshConfig,
    timeout: Duration,
    budget: Budget,
    denials: Arc<Denials>,
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Broker")
    }
}

impl Broker {
    /// A broker without sessions. [`Broker::maintain`] has to run beside it. `clock` has AWS's time, by which sessions end.
    /// `budget` is the one that `sts` has too.
    pub fn new(config: &CredentialsConfig, sts: Arc<dyn TenantSts>, budget: Budget, clock: Clock, metrics: Metrics) -> Self {
        Self(Arc::new(Inner {
            plans: Plans::new(&config.plans, &config.sts.region, config.max_sessions),
            cache: Arc::new(Cache::new(config.max_sessions, clock.clone(), metrics.tenant_sessions.clone())),
            budget,
            denials: Arc::new(Denials::new(config.max_sessions)),
            sts,
            clock,
            metrics,
            refresh: config.refresh,
            timeout: config.sts.timeout,
        }))
    }

    /// A broker for other plans that takes over the sessions of this one. A session is found by all that STS was asked with, so none is used
    /// for a plan that asks otherwise; what no plan asks for any more goes when nobody has used it for a while.
    ///
    /// Only for an identity and an STS that are the same: neither is among what is asked with. `sts` has the budget of this one.
    #[must_use]
    pub fn succeeded(&self, config: &CredentialsConfig, sts: Arc<dyn TenantSts>) -> Self {
        let old = &*self.0;
        Self(Arc::new(Inner {
            plans: old.plans.succeeded(&config.plans, &config.sts.region, config.max_sessions),
            cache: old.cache.clone(),
            sts,
            clock: old.clock.clone(),
            metrics: old.metrics.clone(),
            refresh: config.refresh,
            timeout: config.sts.timeout,
            budget: old.budget.clone(),
            denials: old.denials.clone(),
        }))
    }

    /// The budget for calls to STS.
    pub fn budget(&self) -> Budget {
        self.0.budget.clone()
    }

    /// Credentials of `tenant` for calls to `service`, by its key in `egress.services`, with more than five seconds of life left: from
    /// the cache, or from STS.
    ///
    /// May be dropped at any time; others who wait for the same session are not affected.
    ///
    /// # Errors
    /// [`Reason::PlanIncomplete`], [`Reason::CredentialsDenied`], [`Reason::TokenExpired`] where the session would rest on a token that
    /// is at its end, or, with `retry_after`, [`Reason::CredentialsThrottled`] or [`Reason::CredentialsUnavailable`].
    /// A failure stands for a few seconds, in which STS is not asked again for the same session.
    pub async fn credentials_for(&self, service: &str, tenant: &ActiveTenant) -> Result<Arc<ScopedCredentials>, Refusal> {
        let plan = self.0.plans.plan(service, tenant)?;
        let token = if plan.is_renewable() { None } else { tenant.verified().caller_token() };
        if plan.inputs().ends().is_some_and(|ends| ends <= self.0.clock.now() + LIFE_NEEDED) {
            return Err(Refusal::noted(Reason::TokenExpired, "no session can be had with a token that is at its end"));
        }
        let credentials = self.obtain(&plan, None, token).await?;
        if !credentials.owner().is_tenant(tenant.id()) {
            tracing::error!(asked = %tenant.id(), found = %credentials.owner(), "credentials of another tenant were found and withheld");
            return Err(Refusal::noted(Reason::Internal, "credentials of another tenant were found and withheld"));
        }
        Ok(credentials)
    }

    /// The role that is assumed for `tenant` where it calls `service`. Asks nobody.
    ///
    /// # Errors
    /// [`Reason::PlanIncomplete`]
    pub fn role_for(&self, service: &str, tenant: &ActiveTenant) -> Result<String, Refusal> {
        Ok(self.0.plans.plan(service, tenant)?.inputs().role_arn.clone())
    }

    #[cfg(test)]
    pub(super) async fn credentials(&self, tenant: &ActiveTenant) -> Result<Arc<ScopedCredentials>, Refusal> {
        self.credentials_for("s3", tenant).await
    }

    /// Credentials of `workload`, as [`Broker::credentials_for`] has a tenant's.
    ///
    /// # Errors
    /// As [`Broker::credentials_for`].
    pub async fn workload_credentials(&self, workload: &ProvedWorkload) -> Result<Arc<ScopedCredentials>, Refusal> {
        let credentials = self.obtain(&self.0.plans.of_workload(workload), None, None).await?;
        if credentials.owner() != &workload.inputs().owner {
            tracing::error!(asked = %workload.name(), found = %credentials.owner(), "credentials of another owner were found and withheld");
            return Err(Refusal::noted(Reason::Internal, "credentials of another owner were found and withheld"));
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
        self.0.denials.forget_all_of(&Owner::Tenant(tenant.clone()));
        let slots = self.0.cache.slots();
        slots.iter().filter(|slot| slot.key().inputs().owner.is_tenant(tenant)).inspect(|slot| self.0.cache.remove(slot)).count()
    }

    /// AWS said that `credentials` are expired or invalid: forgets this very session, not one that has replaced it.
    ///
    /// A session is forgotten in this way at most every 30 seconds, so that a service that rejects everything does not turn
    /// every request into a call to STS.
    pub fn reject(&self, credentials: &ScopedCredentials) {
        let forgotten = self.0.cache.find(&credentials.plan).is_some_and(|slot| slot.forget(credentials, self.0.clock.instant()));
        tracing::warn!(tenant = %credentials.owner(), role = credentials.role_arn(), forgotten, "AWS rejected a tenant session");
    }

    /// Fetches the sessions of the tenant of `record`, one for each plan, as if requests had asked that know no more than the record does.
    ///
    /// Hands nothing out: a request has to bring its own proof to get at a session. The calls count as renewals, so that requests go
    /// first. A plan that fails does not keep the others from being tried.
    ///
    /// # Errors
    /// As [`Broker::credentials_for`]; [`Reason::PlanIncomplete`] too where a session depends on the user. Of several, one after
    /// which it is of use to try again, if there is one.
    pub async fn warm_up(&self, record: &TenantRecord) -> Result<(), Refusal> {
        let mut outcome = Ok(());
        for plan in self.0.plans.of_record(record) {
            let error = match plan {
                Ok(plan) => self.warm_up_one(&plan).await.err(),
                Err(error) => Some(error),
            };
            let Some(error) = error else { continue };
            if outcome.as_ref().err().is_none_or(|other: &Refusal| other.retry_after.is_none()) {
                outcome = Err(error);
            }
        }
        outcome
    }

    async fn warm_up_one(&self, plan: &Arc<Plan>) -> Result<(), Refusal> {
        let place = loop {
            match self.0.budget.renewal(plan.inputs()) {
                Ok(place) => break place,
                Err(_) => tokio::time::sleep(TICK).await,
            }
        };
        self.obtain(plan, Some(place), None).await.map(drop)
    }

    /// The credentials for `plan`. Where they have to be fetched, that takes the `place`, or waits for one; and the caller's `token`,
    /// where the plan rests on it.
    async fn obtain(
        &self,
        plan: &Arc<Plan>,
        mut place: Option<Place>,
        token: Option<&CallerToken>,
    ) -> Result<Arc<ScopedCredentials>, Refusal> {
        let mut how = "cached";
        loop {
            let slot = self.0.cache.slot(plan).map_err(|_full| {
                Refusal::noted(Reason::CredentialsUnavailable, "every session slot is waiting for STS").retry_after(Duration::from_secs(1))
            })?;
            let mut news = match self.0.cache.join(&slot, LIFE_NEEDED) {
                Turn::Ready(credentials) => {
                    traces::note("palisade.credentials", || how);
                    return Ok(credentials);
                }
                Turn::Refused(refusal) => return Err(refusal),
                Turn::Wait(news) => {
                    how = "awaited";
                    news
                }
                Turn::Lead(flight, news) => {
                    how = "fetched";
                    self.fly(flight, place.take(), token.map(|token| token.text().clone()));
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
            traces::note("palisade.credentials", || how);
            // Who asked first has the call among its own spans.
            if let ("awaited", Ok(credentials)) = (how, outcome) {
                traces::link(credentials.call, "sts");
            }
            return outcome.clone();
        }
    }

    /// Sees `flight` through in a task of its own. Without a `place` for its call it waits for one. The caller's `token`, where the plan
    /// rests on it, goes when the call is over.
    fn fly(&self, flight: Flight<Plan, ScopedCredentials>, place: Option<Place>, token: Option<Secret>) {
        let inner = Arc::clone(&self.0);
        let span = traces::current();
        tokio::spawn(traces::within(span, async move {
            let is_renewal = flight.is_renewal();
            let arrival = inner.fetch(flight.key(), place, token).await;
            if let (Some(audit), Ok(held)) = (inner.metrics.audit(), &arrival) {
                audit.tell(&held.value.issued(audit.now(), is_renewal));
            }
            if is_renewal {
                inner.metrics.session_renewed(arrival.is_ok());
            }
            inner.cache.land(flight, arrival);
        }));
    }
}

impl Inner {
    async fn fetch(&self, plan: &Arc<Plan>, place: Option<Place>, token: Option<Secret>) -> Arrival<ScopedCredentials> {
        let inputs = plan.inputs();
        match self.call(plan, place, token).await {
            Ok(credentials) => {
                let (since, expires) = (self.clock.now(), credentials.expires);
                tracing::debug!(tenant = %inputs.owner, role = inputs.role_arn, session = inputs.session_name, "tenant session issued");
                let refresh_at = refresh_at(since, expires, self.refresh, random_fraction());
                Ok(Held { value: Arc::new(credentials), since, expires, refresh_at })
            }
            Err(error) => {
                tracing::warn!(tenant = %inputs.owner, role = inputs.role_arn, session = inputs.session_name, %error, "no tenant session");
                Err((error.refusal(plan.key()), error.stands_for()))
            }
        }
    }

    /// One call, within the timeout, once there is a place for it.
    async fn call(&self, plan: &Arc<Plan>, place: Option<Place>, token: Option<Secret>) -> Result<ScopedCredentials, StsError> {
        let inputs = plan.inputs();
        // Where a hub is not to be had, a place in the budget would be wasted, and others wait for it.
        if let Some(error) = self.sts.known_failure(inputs) {
            self.metrics.sts_call_not_made("hub");
            return Err(error);
        }
        let _place = match place {
            Some(place) => place,
            None => {
                self.not_denied_lately(plan)?;
                let place = self.budget.first(inputs).await?;
                // Others of the owner may have been denied meanwhile.
                self.not_denied_lately(plan)?;
                place
            }
        };
        let started = self.clock.instant();
        let step = Step::to_aws("sts", Some(inputs.operation()), None);
        let asking = traces::within(step.as_ref().map(Step::span), self.sts.assume_role(inputs, token.as_ref()));
        let answer = tokio::time::timeout(self.timeout, asking).await;
        let issued = answer.unwrap_or_else(|_elapsed| Err(StsError::Unavailable("no answer in time".to_owned())));
        let mut result = issued.and_then(|issued| ScopedCredentials::accept(plan, issued, self.clock.now()));
        match (&step, &mut result) {
            (Some(step), Ok(credentials)) => credentials.call = step.context(),
            (Some(step), Err(error)) => step.fail(error.label()),
            (None, _) => {}
        }
        drop(step);
        // A hub's call that failed has been counted, and the tenant's was not made.
        if !matches!(result, Err(StsError::Hub { .. })) {
            let label = result.as_ref().map_or_else(StsError::label, |_| "ok");
            self.metrics.sts_request(label, self.clock.instant().duration_since(started));
        }
        self.learn(plan, &result);
        result
    }

    /// What an answer means for the calls that follow.
    fn learn(&self, plan: &Plan, result: &Result<ScopedCredentials, StsError>) {
        let inputs = plan.inputs();
        match result {
            Ok(credentials) => {
                self.denials.forget(&inputs.owner, plan.key());
                let Some(percent) = credentials.packed_policy_percent else { return };
                self.metrics.packed_policy_percent.set(f64::from(percent));
                if percent >= NEARLY_PACKED {
                    tracing::warn!(
                        tenant = %inputs.owner, role = inputs.role_arn, percent,
                        "the session policy and tags take nearly all the room that STS has for them: beyond 100 % it refuses"
                    );
                }
            }
            Err(StsError::Denied(_)) => self.denials.denied(&inputs.owner, plan.key(), self.clock.instant()),
            Err(StsError::Throttled { retry_after, .. }) => self.budget.throttled(&inputs.role_arn, *retry_after),
            // What a hub was told says nothing of the tenant, nor of its role.
            Err(_) => {}
        }
    }

    fn not_denied_lately(&self, plan: &Plan) -> Result<(), StsError> {
        match self.denials.pause(&plan.inputs().owner, plan.key(), self.clock.instant()) {
            None => Ok(()),
            Some(left) => {
                self.metrics.sts_call_not_made("denied");
                Err(StsError::DeniedLately { left })
            }
        }
    }
}

#[cfg(test)]
mod tests;
