//! Takes contexts that were sealed elsewhere. A leaf: nothing else can build a [`RedeemedContext`].
//!
//! Every use is checked anew, from the seal on; nothing is remembered between two of them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{
    Maker, PREFIX,
    key::{Seal, Shut, open},
    sealed::Contents,
};
use crate::{
    aws::action::{Actions, Needed, Pattern},
    clock::Clock,
    config::RedeemConfig,
    identity::Presented,
    reject::{OpenedContext, Reason, Refusal},
    telemetry::Metrics,
    tenant::TenantId,
};

/// How far the sealer's clock may be ahead of ours. Both are kept by NTP.
const MAX_AHEAD: Duration = Duration::from_secs(60);

/// Redeems contexts of one audience. One a process.
#[derive(Debug)]
pub struct Redeemer {
    audience: String,
    maker: Maker,
    seals: Vec<Seal>,
    may_presign: bool,
    clock: Clock,
    metrics: Metrics,
}

/// A context whose seal, audience, maker and expiry are good. For the verifier alone.
#[derive(Debug)]
pub struct RedeemedContext {
    contents: Contents,
    tenant: TenantId,
    deferred: Deferred,
}

/// What a context may be used for, and what it is called. It goes with the proof wherever that goes.
#[derive(Debug)]
pub struct Deferred {
    id: String,
    purpose: String,
    request: String,
    actions: Actions,
    may_presign: bool,
}

/// What the verifier makes a proof of.
#[derive(Debug)]
pub(in crate::identity) struct Parts {
    pub(in crate::identity) tenant: TenantId,
    pub(in crate::identity) issuer: String,
    pub(in crate::identity) subject: String,
    pub(in crate::identity) roles: Vec<String>,
    pub(in crate::identity) scopes: Vec<String>,
    pub(in crate::identity) token_id: Option<String>,
    pub(in crate::identity) issued_at: Option<SystemTime>,
    pub(in crate::identity) expires: SystemTime,
    pub(in crate::identity) deferred: Deferred,
}

impl Redeemer {
    /// A redeemer for the configured audience, in the process called `maker`.
    ///
    /// # Errors
    /// `Internal` when the library takes no key.
    pub fn new(config: &RedeemConfig, maker: Maker, clock: Clock, metrics: Metrics) -> Result<Self, Refusal> {
        let seals = config.keys.iter().map(Seal::of).collect::<Option<_>>().ok_or(Reason::Internal)?;
        Ok(Self { audience: config.audience.clone(), maker, seals, may_presign: config.presign, clock, metrics })
    }

    /// Whether what is presented is meant to be a context.
    pub fn is_meant(presented: &Presented) -> bool {
        presented.proof().is_ok_and(|proof| proof.expose().starts_with(PREFIX))
    }

    /// Counts what became of a context.
    pub(in crate::identity) fn count<T>(&self, outcome: &Result<T, Refusal>) {
        self.metrics.deferred_context(if outcome.is_ok() { "redeemed" } else { "refused" });
    }

    #[cfg(test)]
    pub(super) const fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Opens and checks `text`.
    ///
    /// # Errors
    /// `DeferredUnknown`, `DeferredNotForUs`, `DeferredExpired`; the note has the context's id as soon as that can be believed.
    pub(in crate::identity) fn redeem(&self, text: &str) -> Result<RedeemedContext, Refusal> {
        let contents = open(&self.seals, text, |plain| serde_json::from_slice::<Contents>(plain).ok()).map_err(|shut| {
            unknown(match shut {
                Shut::Form => "not the form of a context",
                Shut::Key => "sealed with none of egress.redeem.keys",
                Shut::Changed => "changed after it was sealed",
            })
        })?;
        let contents = contents.ok_or_else(|| unknown("sealed by a release that says more than this one understands"))?;
        let tenant: TenantId = contents.tenant.parse().map_err(|_| unknown("its tenant is malformed"))?;
        let refused = |reason, why: &str| {
            let (id, purpose, for_request) = (contents.id.clone(), contents.purpose.clone(), contents.request.clone());
            let opened = OpenedContext { id, purpose, for_request, tenant: tenant.clone() };
            Refusal::noted(reason, format!("context {}: {why}", contents.id)).of_context(opened)
        };
        if contents.audience != self.audience {
            return Err(refused(Reason::DeferredNotForUs, "sealed for another audience than egress.redeem.audience"));
        }
        if contents.maker == self.maker.0 {
            return Err(refused(Reason::DeferredNotForUs, "sealed by this very process"));
        }
        let now = self.clock.unix_seconds();
        if now >= contents.expires {
            return Err(refused(Reason::DeferredExpired, "expired"));
        }
        if contents.sealed_at > now + MAX_AHEAD.as_secs() {
            return Err(refused(Reason::DeferredNotForUs, "sealed in the future: the two clocks differ"));
        }
        let patterns: Option<Vec<_>> = contents.actions.iter().map(|text| Pattern::parse(text)).collect();
        let actions = patterns.and_then(Actions::new).ok_or_else(|| unknown("its actions are malformed"))?;
        let deferred = Deferred {
            id: contents.id.clone(),
            purpose: contents.purpose.clone(),
            request: contents.request.clone(),
            actions,
            may_presign: self.may_presign,
        };
        Ok(RedeemedContext { contents, tenant, deferred })
    }
}

impl RedeemedContext {
    /// Whose it is.
    pub(in crate::identity) const fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// What the log says of it where the request is refused.
    pub(in crate::identity) fn opened(&self) -> OpenedContext {
        self.deferred.opened(&self.tenant)
    }

    /// Who vouched for the caller whose passport it was made of.
    pub(in crate::identity) fn issuer(&self) -> &str {
        &self.contents.issuer
    }

    /// Gives the parts to the verifier.
    pub(in crate::identity) fn into_parts(self) -> Parts {
        let Self { contents, tenant, deferred } = self;
        Parts {
            tenant,
            issuer: contents.issuer,
            subject: contents.subject,
            roles: contents.roles,
            scopes: contents.scopes,
            token_id: contents.token_id,
            issued_at: contents.token_issued_at.map(|millis| UNIX_EPOCH + Duration::from_millis(millis)),
            expires: UNIX_EPOCH + Duration::from_secs(contents.expires),
            deferred,
        }
    }
}

impl Deferred {
    /// The context's own id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What it was made for.
    pub fn purpose(&self) -> &str {
        &self.purpose
    }

    /// The ingress request that it was made in.
    pub fn for_request(&self) -> &str {
        &self.request
    }

    /// What it is for.
    pub const fn actions(&self) -> &Actions {
        &self.actions
    }

    /// Whether presigned URLs may be made with it.
    pub const fn may_presign(&self) -> bool {
        self.may_presign
    }

    /// What the log says of it where the request is refused. It is `tenant`'s.
    pub(crate) fn opened(&self, tenant: &TenantId) -> OpenedContext {
        OpenedContext { id: self.id.clone(), purpose: self.purpose.clone(), for_request: self.request.clone(), tenant: tenant.clone() }
    }

    /// Whether it is for `needed`.
    ///
    /// # Errors
    /// `ActionNotAllowed`, with the first action that is missing as a note.
    pub fn permit(&self, needed: &Needed<'_>) -> Result<(), Refusal> {
        self.actions.allow(needed).map_err(|missing| Refusal::noted(Reason::ActionNotAllowed, missing))
    }
}

fn unknown(note: &'static str) -> Refusal {
    Refusal::noted(Reason::DeferredUnknown, note)
}
