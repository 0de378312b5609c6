//! The places out of templates: made when a tenant asks, bounded in number, let go when nobody asks any more.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{super::connect::SetupError, member::Member};
use crate::{
    config::Place,
    reject::{Reason, Refusal},
};

/// How long a place is kept, and checked, after the last request for it.
const UNUSED: Duration = Duration::from_secs(600);
/// A place is free again when one of its requests ends.
const RETRY: Duration = Duration::from_secs(1);

/// Members by route and place.
pub(super) struct Pool {
    limit: usize,
    held: Mutex<HashMap<(usize, Place), Held>>,
}

struct Held {
    member: Arc<Member>,
    used: Instant,
}

impl Pool {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, held: Mutex::default() }
    }

    /// The member of `route` for `place`, made by `make` if there is none.
    ///
    /// # Errors
    /// There is no room, and nobody whose place could be taken: all have requests in progress.
    pub(super) fn get<F>(&self, route: usize, place: Place, now: Instant, make: F) -> Result<Arc<Member>, Refusal>
    where
        F: FnOnce(&Place) -> Result<Arc<Member>, SetupError>,
    {
        let mut held = self.held();
        let key = (route, place);
        if let Some(found) = held.get_mut(&key) {
            found.used = now;
            return Ok(found.member.clone());
        }
        if held.len() >= self.limit {
            let idle = held.iter().filter(|(_, held)| held.member.in_progress() == 0);
            let Some(oldest) = idle.min_by_key(|(_, held)| held.used).map(|(key, _)| key.clone()) else {
                let note = format!("{} upstreams out of templates are busy, the most that ingress.max_upstreams allows", self.limit);
                return Err(Refusal::noted(Reason::Overloaded, note).retry_after(RETRY));
            };
            held.remove(&oldest);
        }
        let member = make(&key.1).map_err(|error| Refusal::noted(Reason::Internal, error.to_string()))?;
        held.insert(key, Held { member: member.clone(), used: now });
        Ok(member)
    }

    /// Lets go of what nobody has asked for lately.
    pub(super) fn sweep(&self, now: Instant) {
        self.held().retain(|_, held| held.member.in_progress() > 0 || now.saturating_duration_since(held.used) < UNUSED);
    }

    /// Everybody.
    pub(super) fn all(&self) -> Vec<Arc<Member>> {
        self.held().values().map(|held| held.member.clone()).collect()
    }

    /// Held for look-ups and insertions; nothing in there waits.
    fn held(&self) -> MutexGuard<'_, HashMap<(usize, Place), Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
