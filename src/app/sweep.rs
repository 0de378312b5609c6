//! What follows when the directory changes, beyond the refusal of new requests.
//!
//! Every request asks the directory, so none of this is needed for a revocation to hold; requests in progress look after
//! themselves ([`Standing`](crate::directory::Standing)). Here goes what would otherwise lie about until its own end: passports whose
//! holder may no longer act, remembered tokens that can no longer be used, and the AWS sessions of tenants that are stopped.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use futures_util::{StreamExt, stream};

use crate::{
    config::Config,
    credentials::Broker,
    directory::{Directory, TenantStatus},
    identity::{Passports, VerifiedTenant, Verifier, workload::WORKLOAD_ISSUER},
    telemetry::Metrics,
    tenant::TenantId,
};

/// Changes that come in a burst are answered together: a sweep looks at everything.
const PAUSE: Duration = Duration::from_millis(250);
/// Tenants whose records are looked at again at once.
const RENEWALS: usize = 16;

/// Sweeps after every change of the directory.
#[derive(Debug)]
pub(super) struct Sweep {
    directory: Arc<Directory>,
    verifier: Arc<Verifier>,
    passports: Option<Passports>,
    broker: Option<Arc<Broker>>,
    /// Those of the configuration; `None` where others than those can be behind what is redeemed.
    issuers: Option<Vec<String>>,
    metrics: Metrics,
    /// As of the last sweep.
    revoked_before: Mutex<BTreeMap<TenantId, Option<SystemTime>>>,
}

/// What a sweep ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Swept {
    passports: usize,
    tokens: usize,
    sessions: usize,
}

impl Sweep {
    pub(super) fn new(
        directory: Arc<Directory>,
        verifier: Arc<Verifier>,
        passports: Option<Passports>,
        broker: Option<Arc<Broker>>,
        config: &Config,
        metrics: Metrics,
    ) -> Self {
        let redeems = config.egress.as_ref().is_some_and(|egress| egress.redeem.is_some());
        let of_tokens = config.identity.issuers.iter().map(|issuer| issuer.issuer.clone());
        let issuers = (!redeems).then(|| of_tokens.chain([WORKLOAD_ISSUER.to_owned()]).collect());
        let known = moments(&directory);
        Self { directory, verifier, passports, broker, issuers, metrics, revoked_before: Mutex::new(known) }
    }

    /// The same; what `before` had seen is not new to it.
    pub(super) fn after(self, before: &Self) -> Self {
        let known = before.revoked_before.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Self { revoked_before: Mutex::new(known), ..self }
    }

    /// Sweeps for ever: after every change, and where changes are found by asking, in the rhythm in which records are due.
    pub(super) async fn run(&self) {
        let mut changes = self.directory.changes();
        self.warn();
        let after_changes = async {
            loop {
                changes.next().await;
                self.warn();
                self.look();
                tokio::time::sleep(PAUSE).await;
            }
        };
        // Beside it, so that neither puts the other off: a table that is slow, and changes that are many.
        let when_due = async {
            let Some(renewal) = self.directory.renewal() else { return };
            loop {
                tokio::time::sleep(renewal).await;
                self.renew().await;
                self.look();
            }
        };
        tokio::join!(after_changes, when_due);
    }

    fn look(&self) {
        let swept = self.once();
        if swept != (Swept { passports: 0, tokens: 0, sessions: 0 }) {
            let Swept { passports, tokens, sessions } = swept;
            tracing::info!(passports, tokens, sessions, "the directory changed: passports ended, tokens forgotten, sessions evicted");
        }
    }

    /// Looks at the records of tenants that have sessions: one that sends no requests is asked for by nobody else.
    async fn renew(&self) {
        let Some(broker) = &self.broker else { return };
        let held: BTreeSet<TenantId> = broker.sessions().into_iter().filter_map(|session| session.owner.tenant().cloned()).collect();
        stream::iter(held).for_each_concurrent(RENEWALS, async |tenant| self.directory.renew(&tenant).await).await;
    }

    /// A revocation under an issuer that there is not is a slip of somebody who believes that it works.
    fn warn(&self) {
        let Some(issuers) = &self.issuers else { return };
        for issuer in self.directory.revoked_issuers().into_iter().filter(|issuer| !issuers.contains(issuer)) {
            tracing::warn!(issuer, "the tenant records revoke something of an issuer that is not configured: that has no effect");
        }
    }

    /// One look at everything.
    pub(super) fn once(&self) -> Swept {
        let falls = |holder: &VerifiedTenant| self.directory.stands(holder).is_err_and(|refusal| !self.directory.lets_finish(&refusal));
        let swept = Swept {
            passports: self.passports.as_ref().map_or(0, |passports| passports.end_where(falls)),
            tokens: self.verifier.forget_where(|token| !self.directory.may_use(token)),
            sessions: self.evict(),
        };
        self.metrics.revocations_applied("passports", swept.passports);
        self.metrics.revocations_applied("tokens", swept.tokens);
        self.metrics.sessions_evicted("directory", swept.sessions);
        swept
    }

    /// Lets go of the sessions of tenants that are stopped, or all of whose tokens were revoked since the last look.
    fn evict(&self) -> usize {
        let mut known = self.revoked_before.lock().unwrap_or_else(PoisonError::into_inner);
        let now = moments(&self.directory);
        // Of a tenant that was not looked at before, nothing is known to have been revoked already.
        let is_new = |(id, before): &(&TenantId, &Option<SystemTime>)| known.get(*id).copied().flatten() < **before;
        let revoked: Vec<_> = now.iter().filter(is_new).map(|(id, _)| id.clone()).collect();
        *known = now;
        let Some(broker) = &self.broker else { return 0 };
        let held = broker.sessions().into_iter().filter_map(|session| session.owner.tenant().cloned());
        let stopped: Vec<_> = held.filter(|tenant| !self.directory.serves(tenant)).collect();
        stopped.iter().chain(&revoked).map(|tenant| broker.evict(tenant)).sum()
    }
}

/// The moment before which each tenant's tokens are revoked, of tenants that are served.
fn moments(directory: &Directory) -> BTreeMap<TenantId, Option<SystemTime>> {
    let served = directory.records().into_iter().filter(|record| record.status == TenantStatus::Active);
    served.map(|record| (record.id.clone(), directory.revoked_before(&record.id))).collect()
}

#[cfg(test)]
mod tests;
