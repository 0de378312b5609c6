//! The guard without the identity around it, for `benches/`.

use std::time::UNIX_EPOCH;

use http::{Request, request};

use super::{Guard, GuardedParts, Sent, rules::ServiceJudge};
use crate::{
    app::ServedPolicies,
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
pub struct Settled(Box<GuardedParts>);

impl Rig {
    /// The guard of a configuration; `None` where it has no egress.
    pub fn new(config: &Config) -> Option<Self> {
        let metrics = Metrics::new().ok()?;
        let log = AccessLog::to(std::io::sink(), metrics.clone()).ok()?;
        let clock = Clock::manual(UNIX_EPOCH);
        let limits = Limits { requests_per_second: None, burst: None, concurrent: None };
        let quota = Quota::new(limits, clock.clone());
        let recorder = Recorder { metrics, log, labels: TenantLabels::new(10), traces: crate::telemetry::Tracer::off(), clock };
        let guard = Guard::new(config.egress.as_ref()?, &config.guard);
        let guard = ServedPolicies::open(&config.guard).ok()?.over(guard, recorder.clock.clone());
        Some(Self { guard, recorder, quota })
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

/// What the rules said that a request is about, and who asks.
#[cfg(feature = "cedar")]
#[derive(Debug)]
pub struct Permissible {
    judged: Vec<super::Judged>,
    record: crate::directory::TenantRecord,
    roles: Vec<String>,
    claims: serde_json::Map<String, serde_json::Value>,
}

#[cfg(feature = "cedar")]
impl Rig {
    /// What it takes to ask the policies about it: a user of this tenant, with two roles and the claims that a token usually has.
    pub fn permissible(&self, settled: &Settled, tenant: crate::tenant::TenantId) -> Permissible {
        let Settled(parts) = settled;
        let record = crate::directory::TenantRecord { tier: Some("gold".to_owned()), ..crate::directory::TenantRecord::bare(tenant) };
        let (seen, needed, tables) = (super::Seen::default(), parts.needed(), self.guard.schemas.nothing(&parts.target));
        if let Some(rules) = self.guard.rules.of(&parts.target.service) {
            let _ = rules.judge(&super::Question { seen: Some(&seen), ..parts.question(&needed, &record, &tables) });
        }
        let names = ["aud", "azp", "email", "exp", "iat", "iss", "jti", "name", "scope", "sub", "tenant_id", "typ"];
        let claims = names.into_iter().map(|name| (name.to_owned(), format!("the {name} of a token").into())).collect();
        Permissible { judged: seen.into_judged(), record, roles: vec!["reader".to_owned(), "editor".to_owned()], claims }
    }

    /// Whether the policies permit it.
    pub fn permits(&self, settled: &Settled, permissible: &Permissible) -> bool {
        let (Settled(parts), Permissible { judged, record, roles, claims }) = (settled, permissible);
        let who = super::cedar::Who {
            record,
            issuer: "https://idp.example.com/",
            subject: "user-1",
            roles,
            scopes: &[],
            attributes: std::borrow::Cow::default(),
            claims: std::borrow::Cow::Borrowed(claims),
            proof: super::cedar::Proof::Token,
        };
        let needed = parts.needed();
        self.guard.cedar.as_ref().is_none_or(|cedar| cedar.judge(&parts.asking(judged, None, &needed, &who)).is_none())
    }
}
