//! The state of the process as operators see it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use serde::Serialize;
use serde_json::Value;

use super::warm::WarmUp;
use crate::{
    admin::{AdminState, Check},
    clock::Clock,
    config::{Config, CredentialsSource, SharedConfig, ShutdownConfig},
    credentials::{Broker, Owner, SdkSts, SessionView, StsError},
    directory::Directory,
    identity::Verifier,
    limits::Limiter,
    server::DrainHandle,
    skew::Skew,
    telemetry::Metrics,
    tenant::TenantId,
    upstream::AppClient,
    workloads::NamedWorkloads,
};

/// How often a base identity that works is tried again.
const RECHECK: Duration = Duration::from_secs(60);
/// First pause after one that does not work; doubled up to [`RECHECK`].
pub(super) const RETRY: Duration = Duration::from_secs(1);

/// What obtains tenant credentials, where there is an egress.
#[derive(Debug, Clone)]
pub(super) struct Vendor {
    pub(super) sts: Arc<SdkSts>,
    pub(super) broker: Arc<Broker>,
    /// The egress's.
    pub(super) limiter: Arc<Limiter>,
    /// What time it is at STS.
    pub(super) skew: Skew,
    /// Work of no tenant, on the egress too.
    pub(super) workloads: NamedWorkloads,
}

/// A session as operators see it.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    session: SessionView,
    /// Requests of its tenant or workload in progress on the egress.
    in_flight: u32,
}

impl Vendor {
    fn sessions(&self) -> Vec<Shown> {
        let shown = |session: SessionView| Shown { in_flight: self.in_flight(&session.owner), session };
        self.broker.sessions().into_iter().map(shown).collect()
    }

    fn in_flight(&self, owner: &Owner) -> u32 {
        match owner {
            Owner::Tenant(tenant) => self.limiter.in_flight(tenant),
            Owner::Workload(name) => self.workloads.in_flight(name),
        }
    }
}

/// What holds for the process, whatever it is configured to be.
#[derive(Debug)]
pub(super) struct Process {
    drain: DrainHandle,
    quit: DrainHandle,
    draining: AtomicBool,
    ingress_drained: AtomicBool,
    is_short_of_memory: AtomicBool,
    /// For so long that it may not end by itself.
    is_stuck: AtomicBool,
    shutdown: ArcSwap<ShutdownConfig>,
}

impl Process {
    /// One that serves. Its ingress is told to end by `drain`, and all of it by `quit`.
    pub(super) fn new(drain: DrainHandle, quit: DrainHandle, shutdown: ShutdownConfig) -> Self {
        let no = || AtomicBool::new(false);
        let shutdown = ArcSwap::from_pointee(shutdown);
        Self { drain, quit, draining: no(), ingress_drained: no(), is_short_of_memory: no(), is_stuck: no(), shutdown }
    }

    /// How it ends.
    pub(super) fn shutdown(&self) -> ShutdownConfig {
        **self.shutdown.load()
    }

    /// Lets it end in another way, unless it has begun to.
    pub(super) fn adopt(&self, shutdown: ShutdownConfig) {
        if self.is_draining() {
            return;
        }
        self.shutdown.store(Arc::new(shutdown));
    }

    /// Is not ready from now on, and begins to end the ingress when `shutdown.delay` is over. Needs a Tokio runtime.
    pub(super) fn drain(&self) {
        let delay = self.shutdown().delay;
        if delay.is_zero() {
            return self.drain_now();
        }
        if !self.draining.swap(true, Ordering::Relaxed) {
            let drain = self.drain.clone();
            tokio::spawn(async move {
                tokio::time::sleep(delay).await;
                drain.start();
            });
        }
    }

    /// The same without a delay.
    pub(super) fn drain_now(&self) {
        self.draining.store(true, Ordering::Relaxed);
        self.drain.start();
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Whether there is so little memory left that requests are refused.
    pub(super) fn is_short_of_memory(&self) -> bool {
        self.is_short_of_memory.load(Ordering::Relaxed)
    }

    /// Refuses requests, or does no longer; `is_stuck` where it has done so for too long to be ready.
    pub(super) fn short_of_memory(&self, is_short: bool, is_stuck: bool) {
        self.is_short_of_memory.store(is_short, Ordering::Relaxed);
        self.is_stuck.store(is_stuck, Ordering::Relaxed);
    }

    pub(super) fn ingress_drained(&self) {
        self.ingress_drained.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_ingress_drained(&self) -> bool {
        self.ingress_drained.load(Ordering::Relaxed)
    }
}

/// The process under one configuration.
pub(super) struct State {
    config: SharedConfig,
    verifier: Arc<Verifier>,
    vendor: Option<Vendor>,
    application: Option<AppClient>,
    directory: Option<Arc<Directory>>,
    warm_up: WarmUp,
    /// Whether the base identity is known to work. Shared by the configurations that have the same.
    base_works: Arc<AtomicBool>,
    process: Arc<Process>,
    metrics: Metrics,
    clock: Clock,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").finish_non_exhaustive()
    }
}

impl State {
    pub(super) fn new(
        config: SharedConfig,
        verifier: Arc<Verifier>,
        vendor: Option<Vendor>,
        metrics: Metrics,
        clock: Clock,
        process: Arc<Process>,
    ) -> Self {
        let (application, directory, warm_up) = (None, None, WarmUp::new(None));
        Self { config, verifier, vendor, application, directory, warm_up, base_works: Arc::default(), process, metrics, clock }
    }

    /// The same, with the way to the application that its readiness may depend on.
    pub(super) fn with_application(self, application: Option<AppClient>) -> Self {
        Self { application, ..self }
    }

    /// The same, with the directory that has to have answered once.
    pub(super) fn with_directory(self, directory: Arc<Directory>) -> Self {
        Self { directory: Some(directory), ..self }
    }

    /// The same, with what its readiness waits for at the start.
    pub(super) fn with_warm_up(self, warm_up: WarmUp) -> Self {
        Self { warm_up, ..self }
    }

    /// The same, of which is known what is known of the base identity of `before`: it is the same one.
    pub(super) fn with_base_identity_of(self, before: &Self) -> Self {
        Self { base_works: before.base_works.clone(), ..self }
    }

    pub(super) fn clock(&self) -> Clock {
        self.clock.clone()
    }

    /// Whether there is an identity that has to work.
    pub(super) fn needs_base_identity(&self) -> bool {
        self.vendor.is_some() && has_identity(&self.config)
    }

    /// Whether the base identity is known to work, or there is none that has to.
    pub(super) fn base_works(&self) -> bool {
        !self.needs_base_identity() || self.base_works.load(Ordering::Relaxed)
    }

    /// Tries the base identity once, where there is one, and keeps what that says of it.
    pub(super) async fn try_base_identity(&self) -> Result<(), StsError> {
        let Some(Vendor { sts, .. }) = self.vendor.as_ref().filter(|_| has_identity(&self.config)) else { return Ok(()) };
        let outcome = sts.check_identity().await;
        match &outcome {
            Ok(()) => self.base_works.store(true, Ordering::Relaxed),
            Err(StsError::Identity(_)) => self.base_works.store(false, Ordering::Relaxed),
            // Only a rejection says something about the identity. While STS cannot be asked, what was last known holds:
            // an outage must not take a process out of service whose sessions still work.
            Err(_) => {}
        }
        outcome
    }

    /// Tries the base identity for ever, which also asks STS what time it is.
    pub(super) async fn watch_base_identity(&self) {
        let Some(Vendor { skew, .. }) = self.vendor.as_ref().filter(|_| has_identity(&self.config)) else { return };
        let mut pause = RETRY;
        loop {
            let worked = self.base_works();
            let outcome = self.try_base_identity().await;
            let works = self.base_works();
            match outcome {
                Ok(()) if !worked => tracing::info!("the base identity works"),
                Ok(()) => {}
                Err(error) => tracing::warn!(%error, "the base identity could not be checked"),
            }
            pause = match (works, skew.is_in_doubt()) {
                (true, false) => RECHECK,
                (true, true) => RETRY,
                (false, _) => (pause * 2).min(RECHECK),
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = skew.complaint() => {}
            }
        }
    }
}

/// Whether calls to STS are signed at all.
fn has_identity(config: &Config) -> bool {
    config.credentials.as_ref().is_some_and(|credentials| !matches!(credentials.source, CredentialsSource::Nobody))
}

impl AdminState for State {
    fn ready(&self) -> Vec<Check> {
        let missing = self.verifier.issuers_without_keys();
        let keys = if missing.is_empty() { "loaded".to_owned() } else { format!("no keys yet for {}", missing.join(", ")) };
        let mut checks = vec![Check { name: "keys", ok: missing.is_empty(), detail: keys }];
        if self.needs_base_identity() {
            let ok = self.base_works();
            let detail = if ok { "works" } else { "does not work; see the log" };
            checks.push(Check { name: "base_identity", ok, detail: detail.to_owned() });
        }
        // Once, and never again: an outage must not take a process out of service that can ride it out.
        if let Some(ok) = self.directory.as_ref().and_then(|directory| directory.is_ready()) {
            let detail = if ok { "has answered" } else { "the table has not answered yet; see the log" };
            checks.push(Check { name: "tenants", ok, detail: detail.to_owned() });
        }
        if let Some(ok) = self.warm_up.is_over() {
            checks.push(Check { name: "warm_up", ok, detail: self.warm_up.detail() });
        }
        if let Some(ok) = self.application.as_ref().and_then(AppClient::is_ready) {
            let detail = if ok { "works" } else { "no upstream is known to work" };
            checks.push(Check { name: "application", ok, detail: detail.to_owned() });
        }
        if let Some(audit) = self.metrics.audit() {
            let (ok, detail) = audit.health();
            checks.push(Check { name: "audit", ok, detail });
        }
        if self.process.is_stuck.load(Ordering::Relaxed) {
            checks.push(Check {
                name: "memory",
                ok: false,
                detail: "requests have been refused for want of memory for too long".to_owned(),
            });
        }
        let draining = self.process.is_draining();
        checks.push(Check { name: "serving", ok: !draining, detail: if draining { "draining" } else { "yes" }.to_owned() });
        checks
    }

    fn config(&self) -> &Value {
        &self.config.effective
    }

    fn sessions(&self) -> Value {
        let sessions = self.vendor.as_ref().map(Vendor::sessions).unwrap_or_default();
        serde_json::to_value(sessions).unwrap_or_default()
    }

    fn evict(&self, tenant: &TenantId) -> usize {
        let evicted = self.vendor.as_ref().map_or(0, |vendor| vendor.broker.evict(tenant));
        self.metrics.sessions_evicted("operator", evicted);
        evicted
    }

    fn lacks(&self, tenant: &TenantId) -> bool {
        self.directory.as_ref().is_some_and(|directory| directory.lacks(tenant))
    }

    fn start_drain(&self) {
        self.process.drain();
    }

    fn drained(&self) -> bool {
        // An egress-only process goes on serving the application until its end; it is drained while nothing is in progress.
        let in_flight = |vendor: &Vendor| vendor.limiter.all_in_flight() + vendor.workloads.all_in_flight();
        let is_quiet = || self.vendor.as_ref().is_none_or(|vendor| in_flight(vendor) == 0);
        let draining = self.process.is_draining();
        draining && if self.config.ingress.is_some() { self.process.is_ingress_drained() } else { is_quiet() }
    }

    fn quit(&self) {
        self.process.quit.start();
    }

    fn metrics(&self) -> &Metrics {
        &self.metrics
    }
}

#[cfg(test)]
pub(super) mod tests;
