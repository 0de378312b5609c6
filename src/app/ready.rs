//! The state of the process as operators see it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::Value;

use crate::{
    admin::{AdminState, Check},
    clock::Clock,
    config::SharedConfig,
    credentials::{BaseIdentity, Broker},
    identity::Verifier,
    server::DrainHandle,
    telemetry::Metrics,
    tenant::TenantId,
};

/// How often a base identity that works is tried again: it is a local check or a cached answer.
const RECHECK: Duration = Duration::from_secs(60);
/// How often one that does not work is.
const RETRY: Duration = Duration::from_secs(2);

pub(super) struct State {
    config: SharedConfig,
    verifier: Arc<Verifier>,
    base: Option<BaseIdentity>,
    base_works: AtomicBool,
    broker: Option<Arc<Broker>>,
    metrics: Metrics,
    clock: Clock,
    drain: DrainHandle,
    quit: DrainHandle,
    draining: AtomicBool,
    ingress_drained: AtomicBool,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").finish_non_exhaustive()
    }
}

impl State {
    #[expect(clippy::too_many_arguments, reason = "called once, by the one function that wires everything")]
    pub(super) fn new(
        config: SharedConfig,
        verifier: Arc<Verifier>,
        base: Option<BaseIdentity>,
        broker: Option<Arc<Broker>>,
        metrics: Metrics,
        clock: Clock,
        drain: DrainHandle,
        quit: DrainHandle,
    ) -> Self {
        let base_works = AtomicBool::new(base.is_none());
        let ingress_drained = AtomicBool::new(false);
        Self { config, verifier, base, base_works, broker, metrics, clock, drain, quit, draining: AtomicBool::new(false), ingress_drained }
    }

    pub(super) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
        self.drain.start();
    }

    pub(super) fn ingress_drained(&self) {
        self.ingress_drained.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_drained(&self) -> bool {
        self.ingress_drained.load(Ordering::Relaxed)
    }

    pub(super) fn clock(&self) -> Clock {
        self.clock.clone()
    }

    /// Tries the base identity for ever.
    pub(super) async fn watch_base_identity(&self) {
        let Some(base) = &self.base else { return };
        loop {
            let outcome = base.check().await;
            let works = outcome.is_ok();
            if self.base_works.swap(works, Ordering::Relaxed) != works || !works {
                match outcome {
                    Ok(()) => tracing::info!("the base identity works"),
                    Err(error) => tracing::warn!(%error, "the base identity does not work"),
                }
            }
            tokio::time::sleep(if works { RECHECK } else { RETRY }).await;
        }
    }
}

impl AdminState for State {
    fn ready(&self) -> Vec<Check> {
        let missing = self.verifier.issuers_without_keys();
        let keys = if missing.is_empty() { "loaded".to_owned() } else { format!("no keys yet for {}", missing.join(", ")) };
        let mut checks = vec![Check { name: "keys", ok: missing.is_empty(), detail: keys }];
        if self.base.is_some() {
            let ok = self.base_works.load(Ordering::Relaxed);
            let detail = if ok { "works" } else { "has not worked yet; see the log" };
            checks.push(Check { name: "base_identity", ok, detail: detail.to_owned() });
        }
        let draining = self.draining.load(Ordering::Relaxed);
        checks.push(Check { name: "serving", ok: !draining, detail: if draining { "draining" } else { "yes" }.to_owned() });
        checks
    }

    fn config(&self) -> &Value {
        &self.config.effective
    }

    fn sessions(&self) -> Value {
        let sessions = self.broker.as_ref().map(|broker| broker.sessions()).unwrap_or_default();
        serde_json::to_value(sessions).unwrap_or_default()
    }

    fn evict(&self, tenant: &TenantId) -> usize {
        self.broker.as_ref().map_or(0, |broker| broker.evict(tenant))
    }

    fn start_drain(&self) {
        self.drain();
    }

    fn drained(&self) -> bool {
        self.is_drained()
    }

    fn quit(&self) {
        self.quit.start();
    }

    fn metrics(&self) -> &Metrics {
        &self.metrics
    }
}
