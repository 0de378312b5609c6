//! The guard without the identity around it, for `benches/`.

use std::time::UNIX_EPOCH;

use http::{Request, request};

use super::{Guard, GuardedParts, Sent, rules::ServiceJudge};
use crate::{
    body::Body,
    clock::Clock,
    config::{Config, Limits, template::Values},
    identity::ClientSignature,
    limits::Quota,
    reject::Refusal,
    server::Peer,
    telemetry::{AccessLog, Listener, Metrics, Record, Recorder, TenantLabels},
};

/// A guard, and what stands around it in the egress.
#[derive(Debug)]
pub struct Rig {
    guard: Guard,
    recorder: Recorder,
    quota: Quota,
}

/// A request whose destination and operation are settled.
#[derive(Debug)]
pub struct Settled(GuardedParts);

impl Rig {
    /// The guard of a configuration; `None` where it has no egress.
    pub fn new(config: &Config) -> Option<Self> {
        let metrics = Metrics::new().ok()?;
        let log = AccessLog::to(std::io::sink(), metrics.clone()).ok()?;
        let clock = Clock::manual(UNIX_EPOCH);
        let limits = Limits { requests_per_second: None, burst: None, concurrent: None };
        let quota = Quota::new(limits, clock.clone());
        let recorder = Recorder { metrics, log, labels: TenantLabels::new(10), clock };
        Some(Self { guard: Guard::new(config.egress.as_ref()?, &config.guard), recorder, quota })
    }

    /// What is written down of a request.
    pub fn record(&self, head: &request::Parts) -> Record {
        self.recorder.begin(Listener::Egress, &head.method, &Peer::at(([127, 0, 0, 1], 1).into()))
    }

    /// As [`Guard::guard`] settles it.
    ///
    /// # Errors
    /// As there.
    pub async fn settle(&self, request: Request<Body>, record: &mut Record) -> Result<Settled, Refusal> {
        let (head, body) = request.into_parts();
        let permit = self.quota.admit()?;
        let sent = Sent { head, body, placeholder: None, signature: ClientSignature::uncheckable(), permit };
        self.guard.settle(sent, record).await.map(|(parts, _)| Settled(parts))
    }

    /// Whether the rules allow it.
    pub fn allows(&self, settled: &Settled, tenant: &dyn Values) -> bool {
        let Settled(parts) = settled;
        let needed = parts.needed();
        let tables = self.guard.schemas.nothing(&parts.target);
        let judge = |rules: &ServiceJudge| rules.judge(&parts.question(&needed, tenant, &tables));
        self.guard.rules.of(&parts.target.service).is_none_or(|rules| judge(rules).is_ok_and(|verdict| verdict.is_allowed()))
    }
}
