//! Passports: authority that dies with a request.
//!
//! The ingress mints one for each request that it lets in, and the application presents it on the egress. It is 256 random
//! bits that mean something in this process's table alone: nothing to forge, nothing to decode, nothing that outlives the
//! process. Whoever redeems one acts under its [`Lease`]. The entry goes when the [`Passport`] is dropped, which the ingress ties to the response: its last byte, its
//! failure, or the client's going away. An entry older than its longest life is refused even while the request still runs,
//! so that a compromised application gains nothing by trickling a response.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use dashmap::DashMap;
use http::HeaderValue;
use tokio::sync::watch;
use zeroize::Zeroize;

use super::{lease::Lease, verifier::VerifiedTenant};
use crate::{
    clock::Clock,
    reject::{Reason, Refusal},
    telemetry::Metrics,
};

/// What the text form begins with, so that a passport can be told from a JWT and found by secret scanners.
pub const PREFIX: &str = "psp1_";
/// Most passports alive at once. Each belongs to a request in progress.
const MAX_LIVE: usize = 65_536;
const BYTES: usize = 32;

/// The table of live passports. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Passports(Arc<Table>);

#[derive(Debug)]
struct Table {
    live: DashMap<Handle, Entry>,
    count: AtomicUsize,
    max_age: Duration,
    clock: Clock,
    metrics: Metrics,
}

#[derive(PartialEq, Eq, Hash, Clone, Copy)]
struct Handle([u8; BYTES]);

#[derive(Debug)]
struct Entry {
    tenant: Arc<VerifiedTenant>,
    expires: Instant,
    /// Its end tells the leases.
    alive: watch::Sender<()>,
}

impl Passports {
    /// An empty table whose passports live for `max_age` at most.
    pub fn new(max_age: Duration, clock: Clock, metrics: Metrics) -> Self {
        Self(Arc::new(Table { live: DashMap::new(), count: AtomicUsize::new(0), max_age, clock, metrics }))
    }

    /// Mints a passport for a request that `tenant` makes. It lives until it is dropped, until `max_age`, or until the token
    /// behind it expires, whichever comes first.
    pub fn mint(&self, tenant: &Arc<VerifiedTenant>) -> Result<Passport, Refusal> {
        let table = &self.0;
        if table.count.fetch_add(1, Ordering::Relaxed) >= MAX_LIVE {
            table.count.fetch_sub(1, Ordering::Relaxed);
            return Err(Refusal::from(Reason::PassportsExhausted).retry_after(Duration::from_secs(1)));
        }
        let mut bytes = [0; BYTES];
        if getrandom::fill(&mut bytes).is_err() {
            table.count.fetch_sub(1, Ordering::Relaxed);
            return Err(Refusal::noted(Reason::Internal, "the system has no randomness"));
        }
        let handle = Handle(bytes);
        bytes.zeroize();
        let token_life = tenant.expires().duration_since(table.clock.now()).unwrap_or_default();
        let expires = table.clock.instant() + table.max_age.min(token_life);
        table.live.insert(handle, Entry { tenant: tenant.clone(), expires, alive: watch::Sender::new(()) });
        table.metrics.passports_live.inc();
        Ok(Passport { handle, table: self.clone() })
    }

    /// Whom `text` speaks for, if it is a live passport, and for how long.
    pub(super) fn redeem(&self, text: &str) -> Result<(Arc<VerifiedTenant>, Lease), Refusal> {
        let handle = Handle::parse(text).ok_or(Reason::PassportUnknown)?;
        let entry = self.0.live.get(&handle).ok_or(Reason::PassportUnknown)?;
        if self.0.clock.instant() >= entry.expires {
            return Err(Reason::PassportExpired.into());
        }
        let lease = Lease::of_passport(entry.alive.subscribe(), entry.expires, self.0.clock.clone());
        Ok((entry.tenant.clone(), lease))
    }

    /// Ends every live passport whose holder `ended` chooses, with everything that is in progress under it; how many there were.
    pub fn end_where(&self, ended: impl Fn(&VerifiedTenant) -> bool) -> usize {
        let chosen: Vec<_> = self.0.live.iter().filter(|entry| ended(&entry.tenant)).map(|entry| *entry.key()).collect();
        chosen.into_iter().filter(|handle| self.0.end(handle)).count()
    }
}

impl Table {
    /// Takes a passport out of the table; whether it was there.
    fn end(&self, handle: &Handle) -> bool {
        let ended = self.live.remove(handle).is_some();
        if ended {
            self.count.fetch_sub(1, Ordering::Relaxed);
            self.metrics.passports_live.dec();
        }
        ended
    }
}

/// One live passport. Dropping it ends it.
#[must_use = "a passport that is dropped at once is worth nothing"]
pub struct Passport {
    handle: Handle,
    table: Passports,
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
}

impl Drop for Passport {
    fn drop(&mut self) {
        self.table.0.end(&self.handle);
    }
}

impl fmt::Debug for Passport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passport([redacted])")
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handle([redacted])")
    }
}

impl Handle {
    fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
        Some(Self(bytes.try_into().ok()?))
    }

    fn text(&self) -> String {
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(self.0))
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, time::UNIX_EPOCH};

    use super::*;

    fn table(max_age: u64) -> (Passports, Clock) {
        let clock = Clock::manual(UNIX_EPOCH + Duration::from_secs(1_000));
        (Passports::new(Duration::from_secs(max_age), clock.clone(), Metrics::new().unwrap()), clock)
    }

    #[test]
    fn a_passport_speaks_for_its_tenant_until_it_is_dropped() {
        let (passports, _) = table(60);
        let passport = passports.mint(&VerifiedTenant::for_tests("acme")).unwrap();
        let text = passport.header_value().unwrap().to_str().unwrap().to_owned();
        assert_eq!(passports.redeem(&text).unwrap().0.tenant().as_str(), "acme");
        assert_eq!(passports.0.metrics.passports_live.get(), 1);
        drop(passport);
        assert_eq!(passports.redeem(&text).unwrap_err().reason, Reason::PassportUnknown);
        assert_eq!((passports.0.metrics.passports_live.get(), passports.0.count.load(Ordering::SeqCst)), (0, 0));
    }

    #[test]
    fn it_dies_at_its_longest_life_even_while_held() {
        let (passports, clock) = table(60);
        let passport = passports.mint(&VerifiedTenant::for_tests("acme")).unwrap();
        let text = passport.header_value().unwrap().to_str().unwrap().to_owned();
        clock.advance(Duration::from_millis(59_999));
        assert!(passports.redeem(&text).is_ok());
        clock.advance(Duration::from_millis(1));
        assert_eq!(passports.redeem(&text).unwrap_err().reason, Reason::PassportExpired);
    }

    #[test]
    fn it_never_outlives_the_token_behind_it() {
        let (passports, clock) = table(3_600);
        let tenant = VerifiedTenant::for_tests("acme");
        clock.advance(tenant.expires().duration_since(clock.now()).unwrap() - Duration::from_secs(1));
        let passport = passports.mint(&tenant).unwrap();
        let text = passport.header_value().unwrap().to_str().unwrap().to_owned();
        assert!(passports.redeem(&text).is_ok());
        clock.advance(Duration::from_secs(1));
        assert_eq!(passports.redeem(&text).unwrap_err().reason, Reason::PassportExpired);
    }

    #[tokio::test]
    async fn passports_of_chosen_holders_end_at_once_with_their_leases() {
        let (passports, _) = table(60);
        let acme = passports.mint(&VerifiedTenant::for_tests("acme")).unwrap();
        let globex = passports.mint(&VerifiedTenant::for_tests("globex")).unwrap();
        let text = |passport: &Passport| passport.header_value().unwrap().to_str().unwrap().to_owned();
        let (_, lease) = passports.redeem(&text(&acme)).unwrap();
        assert_eq!(passports.end_where(|holder| holder.tenant().as_str() == "acme"), 1);
        assert_eq!(passports.redeem(&text(&acme)).unwrap_err().reason, Reason::PassportUnknown);
        assert_eq!(lease.cover(std::future::pending::<Result<(), Refusal>>()).await.unwrap_err().reason, Reason::PassportUnknown);
        assert!(passports.redeem(&text(&globex)).is_ok());
        drop(acme);
        assert_eq!((passports.0.metrics.passports_live.get(), passports.0.count.load(Ordering::SeqCst)), (1, 1), "counted once");
    }

    #[test]
    fn other_texts_are_unknown() {
        let (passports, _) = table(60);
        let (other, _) = table(60);
        let passport = passports.mint(&VerifiedTenant::for_tests("acme")).unwrap();
        let text = passport.header_value().unwrap().to_str().unwrap().to_owned();
        assert!(other.redeem(&text).is_err(), "a passport of another process was accepted");
        for cut in 0..text.len() {
            assert!(passports.redeem(&text[..cut]).is_err());
        }
        let mut flipped = text.clone().into_bytes();
        flipped[10] = if flipped[10] == b'A' { b'B' } else { b'A' };
        for bad in
            [String::from_utf8(flipped).unwrap(), format!("{text}A"), format!("{text}="), format!(" {text}"), String::new(), PREFIX.into()]
        {
            assert_eq!(passports.redeem(&bad).unwrap_err().reason, Reason::PassportUnknown, "{bad:?}");
        }
    }

    #[test]
    fn handles_are_random_and_never_shown() {
        let (passports, _) = table(60);
        let tenant = VerifiedTenant::for_tests("acme");
        let held: Vec<_> = (0..1_000).map(|_| passports.mint(&tenant).unwrap()).collect();
        let texts: HashSet<_> = held.iter().map(|p| p.handle.text()).collect();
        assert_eq!(texts.len(), 1_000);
        assert!(texts.iter().all(|t| t.len() == PREFIX.len() + 43));
        let shown = format!("{:?} {passports:?}", held[0]);
        assert!(texts.iter().all(|t| !shown.contains(&t[PREFIX.len()..])));
        assert!(held[0].header_value().unwrap().is_sensitive());
    }

    #[test]
    fn the_table_is_bounded_and_recovers() {
        let (passports, _) = table(60);
        let tenant = VerifiedTenant::for_tests("acme");
        let held: Vec<_> = (0..MAX_LIVE).map(|_| passports.mint(&tenant).unwrap()).collect();
        assert_eq!(passports.mint(&tenant).unwrap_err().reason, Reason::PassportsExhausted);
        drop(held);
        assert!(passports.mint(&tenant).is_ok());
    }
}
