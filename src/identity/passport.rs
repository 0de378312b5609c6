//! Passports: authority that dies with a request.
//!
//! The ingress mints one for each request that it lets in, and the application presents it on the egress. It is 256 random
//! bits that mean something in this process's table alone: nothing to forge, nothing to decode, nothing that outlives the
//! process. Whoever redeems one acts under its [`Lease`]. The entry goes when the [`Passport`] is dropped, which the ingress ties to
//! the response: its last byte, its failure, or the client's going away, or what may hide that. An entry older than its longest life is refused even
//! while the request still runs, so that a compromised application gains nothing by trickling a response.
//!
//! Three rules hold whatever happens, and in this order: what has ended never comes back, not by an upgrade and not by the grace;
//! no passport outlives the token behind it; and the response decides on a longer life only within what the
//! configuration allows.

mod ended;
mod handle;
mod table;

use std::{fmt, sync::Arc, time::Duration};

use http::HeaderValue;
use zeroize::Zeroize;

use self::{
    ended::How,
    handle::Handle,
    table::{Entry, Table},
};
use super::{
    lease::{End, Lease, Warrant},
    unverified::ClaimedTenant,
    verifier::VerifiedTenant,
};
use crate::{
    clock::Clock,
    config::{PassportConfig, PassportRule, PassportTerms},
    reject::{Reason, Refusal},
    telemetry::{Metrics, RequestId, traces::SpanContext},
};

/// What the text form begins with, so that a passport can be told from a JWT and found by secret scanners.
pub const PREFIX: &str = "psp1_";
/// How often what is over is cleared away. Nothing rests on it but memory and the gauge: whatever is over is refused at once.
const CLEARING: Duration = Duration::from_secs(1);

/// The table of live passports. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Passports(Arc<Table>);

/// Why a passport is not redeemed.
enum Denied {
    Expired(RequestId),
    /// The time since its end.
    Late(RequestId, Duration),
    OtherTenant(RequestId),
    Unknown,
    UsedUp(RequestId),
}

impl Passports {
    /// An empty table whose passports live as `config` says.
    pub fn new(config: PassportConfig, clock: Clock, metrics: Metrics) -> Self {
        Self(Arc::new(Table::new(config, clock, metrics)))
    }

    /// Passports that are minted from here on live as `config` says; those that are out stay what they were when they were minted.
    pub fn adopt(&self, config: PassportConfig) {
        self.0.adopt(config);
    }

    /// Mints a passport for `request`, which `tenant` makes. It lives until it is dropped, until the `max_age` of its terms, or until the
    /// token behind it expires, whichever comes first.
    ///
    /// # Errors
    /// `PassportsExhausted` when there is no room for another one, or the tenant has its share; `Internal` when the system has no
    /// randomness.
    pub fn mint(&self, tenant: &Arc<VerifiedTenant>, request: &RequestId) -> Result<Passport, Refusal> {
        self.mint_under(&self.0.config().terms, tenant, request)
    }

    /// The same for a request whose endpoint has a rule of its own.
    ///
    /// # Errors
    /// As [`Passports::mint`].
    pub fn mint_for(&self, tenant: &Arc<VerifiedTenant>, request: &RequestId, rule: &PassportRule) -> Result<Passport, Refusal> {
        self.mint_under(&self.0.config().terms.under(rule), tenant, request)
    }

    fn mint_under(&self, terms: &PassportTerms, tenant: &Arc<VerifiedTenant>, request: &RequestId) -> Result<Passport, Refusal> {
        let table = &self.0;
        table.reserve(tenant.tenant())?;
        let Some(handle) = Handle::random() else {
            table.release(tenant.tenant());
            return Err(Refusal::noted(Reason::Internal, "the system has no randomness"));
        };
        let now = table.clock.instant();
        let token_life = tenant.expires().duration_since(table.clock.now()).unwrap_or_default();
        let ends = now + terms.max_age.min(token_life);
        let ceiling = now + terms.upgrade_max_age.max(terms.max_age).min(token_life);
        table.live.insert(handle, Entry::new(tenant.clone(), request.clone(), terms, End { at: ends, is_grace: false }, ceiling));
        table.metrics.passports_live.inc();
        table.metrics.passports_minted.inc();
        Ok(Passport { handle, request: request.clone(), table: self.clone(), is_over: false })
    }

    /// Whom `text` speaks for, if it is a live passport, and for how long. A tenant that is claimed beside it has to be its own.
    ///
    /// To redeem is to use: whatever becomes of the request, one of the passport's uses is gone.
    pub(super) fn redeem(&self, text: &str, claimed: Option<&ClaimedTenant>) -> Result<(Arc<VerifiedTenant>, Lease), Refusal> {
        let result = self.find(text, claimed);
        // Of one that is redeemed the lease counts, which knows whether it was worth something.
        if let Err(denied) = &result {
            self.0.metrics.passport_redemption(denied.label());
        }
        result.map_err(Refusal::from)
    }

    fn find(&self, text: &str, claimed: Option<&ClaimedTenant>) -> Result<(Arc<VerifiedTenant>, Lease), Denied> {
        let table = &self.0;
        let handle = Handle::parse(text).ok_or(Denied::Unknown)?;
        let now = table.clock.instant();
        let Some(entry) = table.live.get(&handle) else {
            return Err(match table.ended.find(&handle.digest(), now) {
                None => Denied::Unknown,
                Some(gone) if gone.how == How::Expired => Denied::Expired(gone.request()),
                Some(gone) => Denied::Late(gone.request(), now.saturating_duration_since(gone.at)),
            });
        };
        let end = entry.end();
        if now >= end.at {
            let request = entry.request.clone();
            return Err(if end.is_grace { Denied::Late(request, now - end.at) } else { Denied::Expired(request) });
        }
        if claimed.is_some_and(|claimed| !claimed.names(entry.tenant.tenant())) {
            return Err(Denied::OtherTenant(entry.request.clone()));
        }
        if !entry.take_use() {
            return Err(Denied::UsedUp(entry.request.clone()));
        }
        let warrant = Warrant::new(entry.request.clone(), entry.actions.clone(), table.metrics.clone());
        let warrant = warrant.in_trace(entry.span.get().copied());
        Ok((entry.tenant.clone(), Lease::of_passport(entry.until.subscribe(), warrant, table.clock.clone())))
    }

    /// Ends the passports of whomever `dies` is said of; yields their number. What is in progress under them breaks off.
    pub fn end_where(&self, dies: impl Fn(&VerifiedTenant) -> bool) -> usize {
        let doomed: Vec<_> = self.0.live.iter().filter(|entry| dies(&entry.tenant)).map(|entry| *entry.key()).collect();
        doomed.iter().filter(|handle| self.0.end(handle, How::Ended)).count()
    }

    /// Clears away what is over, for ever.
    pub async fn maintain(&self) {
        loop {
            tokio::time::sleep(CLEARING).await;
            self.0.clear();
        }
    }

    #[cfg(test)]
    pub(crate) fn for_tests(max_age: Duration, clock: Clock) -> Self {
        let terms = PassportTerms { max_age, upgrade_max_age: max_age, actions: None, max_uses: None };
        let config = PassportConfig { terms, grace: Duration::ZERO, stall: Duration::from_secs(10), max_live: 65_536 };
        Self::new(config, clock, Metrics::new().unwrap())
    }

    #[cfg(test)]
    pub(crate) fn clear_for_tests(&self) {
        self.0.clear();
    }

    /// How many can be redeemed, by three accounts that have to agree.
    #[cfg(test)]
    fn count(&self) -> usize {
        let table = &self.0;
        let counts = [
            table.count.load(std::sync::atomic::Ordering::SeqCst),
            table.live.len(),
            table.by_tenant.iter().map(|entry| *entry.value()).sum(),
        ];
        assert!(counts.iter().all(|count| *count == counts[0]), "{counts:?}");
        assert_eq!(usize::try_from(table.metrics.passports_live.get()).unwrap(), counts[0]);
        counts[0]
    }
}

/// One passport. Dropping it ends it.
#[must_use = "a passport that is dropped at once is worth nothing"]
pub struct Passport {
    handle: Handle,
    request: RequestId,
    table: Passports,
    /// The table ends it.
    is_over: bool,
}

impl Passport {
    /// The value of `x-palisade-passport`, marked as sensitive.
    pub fn header_value(&self) -> Result<HeaderValue, Refusal> {
        let mut text = self.handle.text();
        let value = HeaderValue::from_str(&text);
        text.zeroize();
        let mut value = value.map_err(|_| Reason::Internal)?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// The response turned out to be one that lasts, a WebSocket or an event stream: the passport lives for `upgrade_max_age` from
    /// its making. Leases that were handed out before follow. One that is over stays so.
    pub fn upgrade(&self) {
        if let Some(entry) = self.table.0.live.get(&self.handle) {
            entry.upgrade(self.table.0.clock.instant());
        }
    }

    /// Says which span of which trace calls the application, so that what is done under the passport belongs there.
    pub fn in_trace(&self, call: SpanContext) {
        if let Some(entry) = self.table.0.live.get(&self.handle) {
            let _ = entry.span.set(call);
        }
    }

    /// Ends it while its request still runs, if `is_over` says so. `why` is for the log.
    pub fn end_upon(&self, why: &'static str, is_over: impl Future<Output = bool> + Send + 'static) {
        let (handle, request, table) = (self.handle, self.request.clone(), self.table.clone());
        tokio::spawn(async move {
            if is_over.await && table.0.end(&handle, How::Expired) {
                tracing::info!(request_id = request.as_str(), why, "a passport ended before its request");
            }
        });
    }

    /// How long the application may leave what the caller sends lying.
    pub fn stall(&self) -> Duration {
        self.table.0.config().stall
    }

    /// The response has come to its end, as it should: what is left is the configured grace. Any other end has none, and is a drop.
    pub fn response_ended(mut self) {
        self.is_over = self.table.0.leave(&self.handle);
    }
}

impl Drop for Passport {
    fn drop(&mut self) {
        // One that had expired before is no longer in the table; from now on it is one of a request that has ended.
        if !self.is_over && !self.table.0.end(&self.handle, How::Ended) {
            self.table.0.remember(&self.handle, &self.request, How::Ended);
        }
    }
}

impl fmt::Debug for Passport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passport([redacted])")
    }
}

impl Denied {
    /// The value of the metric's `result`.
    const fn label(&self) -> &'static str {
        match self {
            Self::Expired(_) => "expired",
            Self::Late(..) => "late",
            Self::OtherTenant(_) | Self::UsedUp(_) => "refused",
            Self::Unknown => "unknown",
        }
    }
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Expired(request) => Self::from(Reason::PassportExpired).of_request(request),
            Denied::Late(request, since) => {
                Self::noted(Reason::PassportUnknown, format!("it ended {} ms before", since.as_millis())).of_request(request)
            }
            Denied::OtherTenant(request) => {
                Self::noted(Reason::TenantMismatch, "the passport is of another tenant than the request names").of_request(request)
            }
            Denied::Unknown => Reason::PassportUnknown.into(),
            Denied::UsedUp(request) => Self::from(Reason::PassportUsedUp).of_request(request),
        }
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
