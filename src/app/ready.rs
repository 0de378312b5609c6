//! The state of the process as operators see it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde::Serialize;
use serde_json::Value;

use crate::{
    admin::{AdminState, Check},
    clock::Clock,
    config::SharedConfig,
    credentials::{Broker, SdkSts, SessionView},
    identity::Verifier,
    limits::Limiter,
    server::DrainHandle,
    telemetry::Metrics,
    tenant::TenantId,
};

/// How often a base identity that works is tried again.
const RECHECK: Duration = Duration::from_secs(60);
/// How often one that does not work is.
const RETRY: Duration = Duration::from_secs(2);

/// What obtains tenant credentials, where there is an egress.
#[derive(Debug, Clone)]
pub(super) struct Vendor {
    pub(super) sts: Arc<SdkSts>,
    pub(super) broker: Arc<Broker>,
    /// The egress's.
    pub(super) limiter: Arc<Limiter>,
}

/// A session as operators see it.
#[derive(Serialize)]
struct Tenant {
    #[serde(flatten)]
    session: SessionView,
    /// The tenant's requests in progress on the egress.
    in_flight: u32,
}

pub(super) struct State {
    config: SharedConfig,
    verifier: Arc<Verifier>,
    vendor: Option<Vendor>,
    base_works: AtomicBool,
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
    pub(super) fn new(
        config: SharedConfig,
        verifier: Arc<Verifier>,
        vendor: Option<Vendor>,
        metrics: Metrics,
        clock: Clock,
        drain: DrainHandle,
        quit: DrainHandle,
    ) -> Self {
        let base_works = AtomicBool::new(vendor.is_none());
        let ingress_drained = AtomicBool::new(false);
        Self { config, verifier, vendor, base_works, metrics, clock, drain, quit, draining: AtomicBool::new(false), ingress_drained }
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
        let Some(Vendor { sts, .. }) = &self.vendor else { return };
        loop {
            let outcome = sts.check_identity().await;
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
        if self.vendor.is_some() {
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
        let Some(vendor) = &self.vendor else { return Value::Array(Vec::new()) };
        let in_flight = |tenant: &str| tenant.parse().map_or(0, |id| vendor.limiter.in_flight(&id));
        let view = |session: SessionView| Tenant { in_flight: in_flight(&session.tenant), session };
        serde_json::to_value(vendor.broker.sessions().into_iter().map(view).collect::<Vec<_>>()).unwrap_or_default()
    }

    fn evict(&self, tenant: &TenantId) -> usize {
        self.vendor.as_ref().map_or(0, |vendor| vendor.broker.evict(tenant))
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
