//! Sessions that are fetched before requests come (`credentials.warm_up`).

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;

use crate::{
    config::WarmUpConfig,
    credentials::{Broker, Owner},
    directory::{Directory, TenantRecord, TenantStatus},
    reject::Refusal,
};

/// What could not be fetched is tried again after this.
const AGAIN: Duration = Duration::from_secs(1);
/// Then whoever is still missing is left to its first request.
const ROUNDS: usize = 30;
/// Tenants that look for a place in the budget at once: more than there ever are for renewals by default.
const AT_ONCE: usize = 16;

/// The tenants to be warmed up, and whether that is over as far as readiness goes. Clones share that.
#[derive(Debug, Clone)]
pub(super) struct WarmUp {
    config: Option<WarmUpConfig>,
    is_over: Arc<AtomicBool>,
    missing: Arc<AtomicUsize>,
    /// Everything was tried, and is not to be tried again.
    is_done: Arc<AtomicBool>,
}

impl WarmUp {
    pub(super) fn new(config: Option<WarmUpConfig>) -> Self {
        let is_over = Arc::new(AtomicBool::new(config.is_none()));
        Self { config, is_over, missing: Arc::default(), is_done: Arc::default() }
    }

    /// One of a process that serves already: nothing waits for it.
    pub(super) fn beside_requests(config: Option<WarmUpConfig>) -> Self {
        let warm_up = Self::new(config);
        warm_up.is_over.store(true, Ordering::Relaxed);
        warm_up
    }

    /// How far it is, for operators.
    pub(super) fn detail(&self) -> String {
        match self.missing.load(Ordering::Relaxed) {
            _ if self.is_over() == Some(false) => "sessions are being fetched".to_owned(),
            0 => "over".to_owned(),
            missing => format!("over, {missing} missing; see the log"),
        }
    }

    /// Whether there was something to be done, and whether it need not be waited for any more.
    pub(super) fn is_over(&self) -> Option<bool> {
        self.config.as_ref().map(|_| self.is_over.load(Ordering::Relaxed))
    }

    /// Fetches the sessions. Readiness waits for all of them, or for `wait`.
    pub(super) async fn run(&self, broker: &Broker, directory: &Directory) {
        let Some(config) = self.config.as_ref().filter(|_| !self.is_done.load(Ordering::Relaxed)) else { return };
        let fetching = async {
            let outcome = fetch(broker, config, directory).await;
            self.missing.store(outcome.missing, Ordering::Relaxed);
            self.is_over.store(true, Ordering::Relaxed);
            outcome.tell();
            self.is_done.store(true, Ordering::Relaxed);
        };
        let waiting = async {
            tokio::time::sleep(config.wait).await;
            if !self.is_over.swap(true, Ordering::Relaxed) {
                tracing::warn!("credentials.warm_up is not through in credentials.warm_up.wait: requests are served meanwhile");
            }
        };
        tokio::join!(fetching, waiting);
    }
}

/// What came of a warm-up.
#[derive(Debug, Default)]
struct Outcome {
    /// Tenants that were meant.
    asked: usize,
    /// Those of them that have no session.
    missing: usize,
    /// Why the last one of them has none.
    reason: Option<Refusal>,
}

impl Outcome {
    fn tell(&self) {
        let Self { asked: tenants, missing, reason } = self;
        if *missing == 0 {
            return tracing::info!(tenants, missing, "warmed up");
        }
        let (reason, note) = match reason {
            Some(refusal) => (refusal.reason.as_str(), refusal.note.as_deref().unwrap_or_default()),
            None => ("none", "the session went again"),
        };
        tracing::warn!(tenants, missing, reason, note, "warmed up, but not all: the others are fetched with their first requests");
    }
}

async fn fetch(broker: &Broker, config: &WarmUpConfig, directory: &Directory) -> Outcome {
    for some in config.tenants.chunks(AT_ONCE) {
        join_all(some.iter().map(|tenant| directory.renew(tenant))).await;
    }
    let mut missing = records(config, directory);
    let asked = missing.len();
    let mut reason = None;
    for round in 0..ROUNDS {
        if round > 0 {
            tokio::time::sleep(AGAIN).await;
        }
        let mut failed = Vec::new();
        for some in missing.chunks(AT_ONCE) {
            failed.extend(join_all(some.iter().map(|record| one(broker, record))).await.into_iter().flatten());
        }
        if let Some((_, refusal)) = failed.last() {
            reason = Some(refusal.clone());
        }
        // What is not to be expected to go better by itself is in the log already.
        missing = failed.into_iter().filter(|(_, refusal)| refusal.retry_after.is_some()).map(|(record, _)| record).collect();
        if missing.is_empty() {
            break;
        }
    }
    let held: HashSet<Owner> = broker.sessions().into_iter().map(|session| session.owner).collect();
    let is_missing = |record: &&Arc<TenantRecord>| !held.contains(&Owner::Tenant(record.id.clone()));
    let missing = records(config, directory).iter().filter(is_missing).count();
    Outcome { asked, missing, reason: reason.filter(|_| missing > 0) }
}

/// The tenant again, and why there is no session for it.
async fn one(broker: &Broker, record: &Arc<TenantRecord>) -> Option<(Arc<TenantRecord>, Refusal)> {
    broker.warm_up(record).await.err().map(|refusal| (Arc::clone(record), refusal))
}

/// The active tenants that `config` means, by the records at hand. Where every tenant exists, those that it names.
fn records(config: &WarmUpConfig, directory: &Directory) -> Vec<Arc<TenantRecord>> {
    let records = directory.records();
    if records.is_empty() && directory.renewal().is_none() {
        let named = config.tenants.iter().filter(|tenant| directory.serves(tenant));
        return named.cloned().map(TenantRecord::bare).map(Arc::new).collect();
    }
    let is_meant = |record: &Arc<TenantRecord>| {
        let has_tier = || record.tier.as_ref().is_some_and(|tier| config.tiers.contains(tier));
        record.status == TenantStatus::Active && (config.tenants.contains(&record.id) || has_tier())
    };
    records.into_iter().filter(is_meant).collect()
}

#[cfg(test)]
mod tests;
