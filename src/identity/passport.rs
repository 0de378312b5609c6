//! Passports: authority that dies with a request.
//!
//! The ingress mints one for each request that it lets in, and the application presents it on the egress. It is 256 random
//! bits that mean something in this process's table alone: nothing to forge, nothing to decode, nothing that outlives the
//! process. Whoever redeems one acts under its [`Lease`]. The entry goes when the [`Passport`] is dropped, which the ingress ties to
//! the response: its last byte, its failure, or the client's going away, or what may hide that. An entry older than its longest life is refused even
//! while the request still runs, so that a compromised application gains nothing by trickling a response.
//!
//! A passport is worth what it was made worth, whatever the configuration has become since, with one exception: where the one in force
//! would give its request fewer actions, it ends.
//!
//! Three rules hold whatever happens, and in this order: what has ended never comes back, not by an upgrade and not by the grace;
//! no passport outlives the token behind it; and the response decides on a longer life only within what the
//! configuration allows.

mod ended;
mod handle;
mod table;

use std::{
    fmt,
    sync::{Arc, OnceLock, atomic::AtomicU32},
    time::Duration,
};

use http::{HeaderValue, Method};
use tokio::sync::watch;
use zeroize::Zeroize;

use self::{
    ended::How,
    handle::Handle,
    table::{Asked, Entry, Table},
};
use super::{
    lease::{End, Lease, Warrant},
    unverified::ClaimedTenant,
    verifier::VerifiedTenant,
};
use crate::{
    aws::action::Actions,
    clock::Clock,
    config::{PassportConfig, PassportRule, PassportTerms},
    reject::{Reason, Refusal},
    telemetry::{Metrics, RequestId, traces::SpanContext},
};

/// What the text form begins with, so that a passport can be told from a JWT and found by secret scanners.
pub const PREFIX: &str = "psp1_";
/// How often what is over is cleared away. Nothing rests on it but memory and the gauge: whatever is over is refused at once.
const CLEARING: Duration = Duration::from_secs(1);

/// Longest path that is kept beside a passport, in bytes. Of a request with a longer one it is not known what it would be given now.
const MAX_PATH: usize = 2048;

/// The table of live passports, as one configuration mints and takes them. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Passports {
    table: Arc<Table>,
    issue: Arc<Issue>,
}

/// Whether the configuration in force gives as many actions to a request of this method and path; without a path, to any.
pub type StillGives = Box<dyn Fn(&Method, Option<&str>, Option<&Actions>) -> bool + Send + Sync>;

/// What one configuration says of passports.
struct Issue {
    /// Counts configurations: passports of a lower number have to stand `still_gives`.
    number: u64,
    config: PassportConfig,
    still_gives: StillGives,
}

impl fmt::Debug for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issue").field("number", &self.number).field("config", &self.config).finish_non_exhaustive()
    }
}

/// The request that a passport is made for.
#[derive(Debug, Clone, Copy)]
pub struct Occasion<'r> {
    /// Its id.
    pub request: &'r RequestId,
    /// Its method.
    pub method: &'r Method,
    /// Its path, as the endpoint rules read it.
    pub path: &'r str,
    /// What its endpoint says of passports, where it says anything.
    pub rule: Option<&'r PassportRule>,
}

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
        let issue = Issue { number: 0, config, still_gives: Box::new(|_, _, _| true) };
        Self { table: Arc::new(Table::new(clock, metrics)), issue: Arc::new(issue) }
    }

    /// The same table under another configuration: passports that it mints live as `config` says. Those that are out stay what they were when
    /// they were minted, unless `still_gives` says no of them; then they are not taken any more.
    #[must_use]
    pub fn under(&self, config: PassportConfig, still_gives: StillGives) -> Self {
        Self { table: self.table.clone(), issue: Arc::new(Issue { number: self.issue.number + 1, config, still_gives }) }
    }

    /// Mints a passport for a request that `tenant` makes. It lives until it is dropped, until the `max_age` of its terms, or until the
    /// token behind it expires, whichever comes first.
    ///
    /// # Errors
    /// `PassportsExhausted` when there is no room for another one, or the tenant has its share; `Internal` when the system has no
    /// randomness.
    pub fn mint(&self, tenant: &Arc<VerifiedTenant>, occasion: Occasion<'_>) -> Result<Passport, Refusal> {
        let terms = &self.issue.config.terms;
        match occasion.rule {
            Some(rule) => self.mint_under(&terms.under(rule), tenant, occasion),
            None => self.mint_under(terms, tenant, occasion),
        }
    }

    fn mint_under(&self, terms: &PassportTerms, tenant: &Arc<VerifiedTenant>, occasion: Occasion<'_>) -> Result<Passport, Refusal> {
        let (table, config) = (&self.table, &self.issue.config);
        table.reserve(tenant.tenant(), config)?;
        let Some(handle) = Handle::random() else {
            table.release(tenant.tenant());
            return Err(Refusal::noted(Reason::Internal, "the system has no randomness"));
        };
        let now = table.clock.instant();
        let token_life = tenant.expires().duration_since(table.clock.now()).unwrap_or_default();
        let ends = now + terms.max_age.min(token_life);
        let ceiling = now + terms.upgrade_max_age.max(terms.max_age).min(token_life);
        let request = occasion.request.clone();
        let asked =
            Asked { method: occasion.method.clone(), path: Some(occasion.path).filter(|path| path.len() <= MAX_PATH).map(Into::into) };
        table.live.insert(
            handle,
            Entry {
                tenant: tenant.clone(),
                request: request.clone(),
                span: OnceLock::new(),
                actions: terms.actions.clone(),
                uses_left: terms.max_uses.map(AtomicU32::new),
                until: watch::Sender::new(End { at: ends, is_grace: false }),
                ceiling,
                issue: self.issue.number,
                asked,
            },
        );
        table.metrics.passports_live.inc();
        table.metrics.passports_minted.inc();
        Ok(Passport { handle, request, table: table.clone(), grace: config.grace, stall: config.stall, is_over: false })
    }

    /// Whom `text` speaks for, if it is a live passport, and for how long. A tenant that is claimed beside it has to be its own.
    ///
    /// To redeem is to use: whatever becomes of the request, one of the passport's uses is gone.
    pub(super) fn redeem(&self, text: &str, claimed: Option<&ClaimedTenant>) -> Result<(Arc<VerifiedTenant>, Lease), Refusal> {
        let result = self.find(text, claimed);
        // Of one that is redeemed the lease counts, which knows whether it was worth something.
        if let Err(denied) = &result {
            self.table.metrics.passport_redemption(denied.label());
        }
        result.map_err(Refusal::from)
    }

    fn find(&self, text: &str, claimed: Option<&ClaimedTenant>) -> Result<(Arc<VerifiedTenant>, Lease), Denied> {
        let table = &self.table;
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
        if !self.issue.honours(&entry) {
            return Err(Denied::Expired(entry.request.clone()));
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
        self.end_all(How::Ended, |entry| dies(&entry.tenant))
    }

    /// Ends the passports of before that are good for more than their requests would be given now; yields their number.
    pub fn end_withdrawn(&self) -> usize {
        self.end_all(How::Expired, |entry| !self.issue.honours(entry))
    }

    fn end_all(&self, how: How, dies: impl Fn(&Entry) -> bool) -> usize {
        let doomed: Vec<_> = self.table.live.iter().filter(|entry| dies(entry)).map(|entry| *entry.key()).collect();
        doomed.iter().filter(|handle| self.table.end(handle, how)).count()
    }

    /// Clears away what is over, for ever.
    pub async fn maintain(&self) {
        loop {
            tokio::time::sleep(CLEARING).await;
            self.table.clear();
        }
    }

    #[cfg(test)]
    pub(crate) fn for_tests(max_age: Duration, clock: Clock) -> Self {
        let terms = PassportTerms { max_age, upgrade_max_age: max_age, actions: None, max_uses: None };
        let config = PassportConfig { terms, grace: Duration::ZERO, stall: Duration::from_secs(10), max_live: 65_536 };
        Self::new(config, clock, Metrics::new().unwrap())
    }

    /// Mints one for a request of which nothing is known but its id.
    #[cfg(test)]
    pub(crate) fn mint_for_tests(&self, tenant: &Arc<VerifiedTenant>, request: &RequestId) -> Result<Passport, Refusal> {
        self.mint(tenant, Occasion { request, method: &Method::GET, path: "/", rule: None })
    }

    #[cfg(test)]
    pub(crate) fn clear_for_tests(&self) {
        self.table.clear();
    }

    /// How many can be redeemed, by three accounts that have to agree.
    #[cfg(test)]
    fn count(&self) -> usize {
        let table = &self.table;
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

impl Issue {
    /// Whether a passport is taken: it is one of this configuration, or a later one, or good for no more than its request would be given now.
    fn honours(&self, entry: &Entry) -> bool {
        entry.issue >= self.number || (self.still_gives)(&entry.asked.method, entry.asked.path.as_deref(), entry.actions.as_ref())
    }
}

/// One passport. Dropping it ends it.
#[must_use = "a passport that is dropped at once is worth nothing"]
pub struct Passport {
    handle: Handle,
    request: RequestId,
    table: Arc<Table>,
    grace: Duration,
    stall: Duration,
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
        if let Some(entry) = self.table.live.get(&self.handle) {
            entry.upgrade(self.table.clock.instant());
        }
    }

    /// Says which span of which trace calls the application, so that what is done under the passport belongs there.
    pub fn in_trace(&self, call: SpanContext) {
        if let Some(entry) = self.table.live.get(&self.handle) {
            let _ = entry.span.set(call);
        }
    }

    /// Ends it while its request still runs, if `is_over` says so. `why` is for the log.
    pub fn end_upon(&self, why: &'static str, is_over: impl Future<Output = bool> + Send + 'static) {
        let (handle, request, table) = (self.handle, self.request.clone(), self.table.clone());
        tokio::spawn(async move {
            if is_over.await && table.end(&handle, How::Expired) {
                tracing::info!(request_id = request.as_str(), why, "a passport ended before its request");
            }
        });
    }

    /// How long the application may leave what the caller sends lying.
    pub fn stall(&self) -> Duration {
        self.stall
    }

    /// The response has come to its end, as it should: what is left is the configured grace. Any other end has none, and is a drop.
    pub fn response_ended(mut self) {
        self.is_over = self.table.leave(&self.handle, self.grace);
    }
}

impl Drop for Passport {
    fn drop(&mut self) {
        // One that had expired before is no longer in the table; from now on it is one of a request that has ended.
        if !self.is_over && !self.table.end(&self.handle, How::Ended) {
            self.table.remember(&self.handle, &self.request, How::Ended);
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
