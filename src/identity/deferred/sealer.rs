//! Makes contexts out of live passports.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use zeroize::Zeroizing;

use super::{Maker, key::Seal, random_id, sealed::Contents};
use crate::{
    aws::action::{Actions, Pattern},
    clock::Clock,
    config::DeferConfig,
    identity::{Lease, VerifiedTenant},
    reject::{Reason, Refusal},
    secret::Secret,
    telemetry::Metrics,
};

/// Longest purpose, in characters.
const MAX_PURPOSE: usize = 128;
/// Most actions of one context.
const MAX_ACTIONS: usize = 32;

/// Seals contexts. One a process.
#[derive(Debug)]
pub struct Sealer {
    maker: Maker,
    audiences: BTreeMap<String, Audience>,
    clock: Clock,
    metrics: Metrics,
}

#[derive(Debug)]
struct Audience {
    seal: Seal,
    max_lifetime: Duration,
    actions: Actions,
}

/// What an application asks for.
#[derive(Debug)]
pub struct Order {
    /// What the context is for: a word for logs, which binds nothing.
    pub purpose: String,
    /// Who is to redeem it.
    pub audience: String,
    /// What it is to be good for, as patterns.
    pub actions: Vec<String>,
    /// How long.
    pub lifetime: Duration,
}

/// A context.
#[derive(Debug)]
pub struct Sealed {
    /// To be kept like a password until it expires.
    pub context: Secret,
    /// No secret: what logs of both sides and deny-lists call it.
    pub id: String,
    /// The end of it.
    pub expires: SystemTime,
}

impl Sealer {
    /// A sealer for the configured audiences.
    ///
    /// # Errors
    /// `Internal` when the library takes no key.
    pub fn new(config: &DeferConfig, maker: Maker, clock: Clock, metrics: Metrics) -> Result<Self, Refusal> {
        let audience = |(name, audience): (&String, &crate::config::AudienceConfig)| {
            let seal = Seal::of(&audience.key).ok_or(Reason::Internal)?;
            Ok((name.clone(), Audience { seal, max_lifetime: audience.max_lifetime, actions: audience.actions.clone() }))
        };
        let audiences = config.audiences.iter().map(audience).collect::<Result<_, Refusal>>()?;
        Ok(Self { maker, audiences, clock, metrics })
    }

    /// Seals what `order` wants, for the tenant whose passport has `lease`.
    ///
    /// # Errors
    /// `ProofNotAccepted` where the proof is no passport: a token needs no context, and a context is not renewed.
    /// `MalformedRequest` for an order that makes no sense, `DeferNotAllowed` for one that wants more than the audience or the
    /// passport allows.
    pub fn seal(&self, order: &Order, tenant: &VerifiedTenant, lease: &Lease) -> Result<Sealed, Refusal> {
        let outcome = self.try_seal(order, tenant, lease);
        self.metrics.deferred_context(if outcome.is_ok() { "sealed" } else { "refused" });
        outcome
    }

    #[cfg(test)]
    pub(super) const fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    fn try_seal(&self, order: &Order, tenant: &VerifiedTenant, lease: &Lease) -> Result<Sealed, Refusal> {
        let request = lease.for_request().filter(|_| tenant.deferred().is_none());
        let request = request.ok_or_else(|| Refusal::noted(Reason::ProofNotAccepted, "only a live passport can be deferred"))?;
        let wanted = order.actions()?;
        let audience = self.audiences.get(&order.audience).ok_or_else(|| beyond("egress.defer.audiences has no such audience"))?;
        if order.lifetime > audience.max_lifetime {
            return Err(beyond("a longer lifetime than max_lifetime of the audience"));
        }
        if !audience.actions.cover(&wanted) {
            return Err(beyond("an action that is not among those of the audience"));
        }
        if lease.actions().is_some_and(|own| !own.cover(&wanted)) {
            return Err(beyond("an action that the passport itself is not for"));
        }
        let (now, id) = (self.clock.unix_seconds(), random_id()?);
        let expires = now + order.lifetime.as_secs();
        let contents = Contents {
            id: id.clone(),
            maker: self.maker.0.clone(),
            audience: order.audience.clone(),
            purpose: order.purpose.clone(),
            actions: order.actions.clone(),
            tenant: tenant.tenant().to_string(),
            issuer: tenant.issuer().to_owned(),
            subject: tenant.subject().to_owned(),
            roles: tenant.roles().to_vec(),
            scopes: tenant.scopes().to_vec(),
            token_id: tenant.token_id().map(str::to_owned),
            token_issued_at: tenant.issued_at().map(millis),
            request: request.as_str().to_owned(),
            sealed_at: now,
            expires,
        };
        let plain = Zeroizing::new(serde_json::to_vec(&contents).map_err(|_| Reason::Internal)?);
        let context = audience.seal.seal(plain).ok_or_else(|| Refusal::noted(Reason::ContextTooLarge, "a context of over 6 KiB"))?;
        Ok(Sealed { context, id, expires: UNIX_EPOCH + Duration::from_secs(expires) })
    }
}

impl Order {
    /// The actions, in order; with them the whole order is well formed.
    fn actions(&self) -> Result<Actions, Refusal> {
        let is_word = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'/' | b'-');
        if !(1..=MAX_PURPOSE).contains(&self.purpose.len()) || !self.purpose.bytes().all(is_word) {
            return Err(malformed("purpose is not 1 to 128 letters, digits and ._:/-"));
        }
        if self.lifetime < Duration::from_secs(1) {
            return Err(malformed("lifetime is below a second"));
        }
        if self.actions.len() > MAX_ACTIONS {
            return Err(malformed("more than 32 actions"));
        }
        let patterns: Option<Vec<_>> = self.actions.iter().map(|text| Pattern::parse(text)).collect();
        patterns.and_then(Actions::new).ok_or_else(|| malformed("actions is no list of such as s3:GetObject"))
    }
}

fn malformed(note: &'static str) -> Refusal {
    Refusal::noted(Reason::MalformedRequest, note)
}

fn beyond(note: &'static str) -> Refusal {
    Refusal::noted(Reason::DeferNotAllowed, note)
}

fn millis(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).ok().and_then(|since| u64::try_from(since.as_millis()).ok()).unwrap_or_default()
}
