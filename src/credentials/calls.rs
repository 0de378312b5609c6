//! Room for calls to STS: who may call now, and who waits behind whom.
//!
//! The call for a first session, which a request waits for, needs one of the common places. A tenant has a few of those at
//! most; its other calls wait in a queue of its own, so they are in nobody else's way. That queue is bounded too: whoever
//! waits keeps a slot of the cache. Renewals have places that no first call can take, since the sessions of all tenants
//! would end otherwise while some tenants ask for new ones.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::StsError;
use crate::tenant::TenantId;

/// First calls at once. A cold start of many tenants queues here instead of being throttled by STS.
pub(super) const AT_ONCE: usize = 16;
/// First calls of one tenant at once: only several tenants together can take all places.
pub(super) const OF_ONE_TENANT: usize = 4;
/// Renewals at once, on top of [`AT_ONCE`].
pub(super) const RENEWALS: usize = 8;
/// Most calls of one tenant that have a place or wait for one. Those behind would hardly get theirs in time.
const CROWD: usize = 256;

/// All places.
pub(super) struct Calls {
    first: Arc<Semaphore>,
    renewals: Arc<Semaphore>,
    tenants: Arc<Tenants>,
}

/// Permission for one call, given back when dropped.
pub(super) struct Place {
    _common: OwnedSemaphorePermit,
    _own: Option<Own>,
}

/// One of its tenant's own places. The permit goes back first: the last member out takes the places away.
struct Own {
    _permit: OwnedSemaphorePermit,
    _member: Member,
}

impl Calls {
    /// Where a cache has `slots` of them, calls of one tenant never keep more than about a quarter waiting.
    pub(super) fn new(slots: usize) -> Self {
        let crowd = (slots / 4).clamp(OF_ONE_TENANT, CROWD);
        Self {
            first: Arc::new(Semaphore::new(AT_ONCE)),
            renewals: Arc::new(Semaphore::new(RENEWALS)),
            tenants: Arc::new(Tenants { crowd, present: Mutex::default() }),
        }
    }

    /// A place for the call that a request of `tenant` waits for, when there is one within `patience`.
    ///
    /// # Errors
    /// [`StsError::Unavailable`] at once when too many calls of the tenant wait already, or when `patience` has run out.
    pub(super) async fn first(&self, tenant: &TenantId, patience: Duration) -> Result<Place, StsError> {
        let member = Tenants::join(&self.tenants, tenant)
            .ok_or_else(|| StsError::Unavailable("too many calls to STS for this tenant are waiting".to_owned()))?;
        let place = async {
            let own = Arc::clone(&member.places).acquire_owned().await.ok()?;
            let common = Arc::clone(&self.first).acquire_owned().await.ok()?;
            Some(Place { _common: common, _own: Some(Own { _permit: own, _member: member }) })
        };
        let place = tokio::time::timeout(patience, place).await.ok().flatten();
        place.ok_or_else(|| StsError::Unavailable("too many calls to STS are in progress".to_owned()))
    }

    /// A place for a renewal, if one is free. Nobody waits for these: what is due now is still due a moment later.
    pub(super) fn renewal(&self) -> Option<Place> {
        let common = Arc::clone(&self.renewals).try_acquire_owned().ok()?;
        Some(Place { _common: common, _own: None })
    }
}

/// The tenants with a first call in progress or waiting, and no others.
struct Tenants {
    crowd: usize,
    present: Mutex<HashMap<TenantId, Present>>,
}

struct Present {
    places: Arc<Semaphore>,
    members: usize,
}

impl Tenants {
    /// One more call of `tenant`, unless it has too many.
    fn join(this: &Arc<Self>, tenant: &TenantId) -> Option<Member> {
        let mut all = this.lock();
        let present = all.entry(tenant.clone()).or_insert_with(|| Present { places: Arc::new(Semaphore::new(OF_ONE_TENANT)), members: 0 });
        if present.members >= this.crowd {
            return None;
        }
        present.members += 1;
        Some(Member { tenants: Arc::clone(this), tenant: tenant.clone(), places: Arc::clone(&present.places) })
    }

    /// For short sections without an `await`.
    fn lock(&self) -> MutexGuard<'_, HashMap<TenantId, Present>> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One call's part in keeping its tenant's entry.
struct Member {
    tenants: Arc<Tenants>,
    tenant: TenantId,
    places: Arc<Semaphore>,
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut all = self.tenants.lock();
        if let Some(present) = all.get_mut(&self.tenant) {
            present.members -= 1;
            if present.members == 0 {
                all.remove(&self.tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, future::join_all};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    fn tenant(id: &str) -> TenantId {
        id.parse().unwrap()
    }

    /// A place that is there without waiting.
    fn now(calls: &Calls, id: &str) -> Option<Place> {
        calls.first(&tenant(id), PATIENCE).now_or_never()?.ok()
    }

    #[tokio::test]
    async fn a_tenant_has_a_few_places_and_leaves_the_others_to_the_rest() {
        let calls = Calls::new(1000);
        let mut places: Vec<_> = (0..OF_ONE_TENANT).map(|_| now(&calls, "acme").unwrap()).collect();
        assert!(now(&calls, "acme").is_none());
        for n in 1..AT_ONCE / OF_ONE_TENANT {
            places.extend((0..OF_ONE_TENANT).map(|_| now(&calls, &format!("tenant-{n}")).unwrap()));
        }
        assert!(now(&calls, "globex").is_none(), "all together are bounded");
        drop(places.pop());
        assert!(now(&calls, "globex").is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_wait_for_a_place_of_their_own_hold_no_common_one() {
        let calls = Calls::new(1000);
        let _places: Vec<_> = (0..OF_ONE_TENANT).map(|_| now(&calls, "acme").unwrap()).collect();
        let acme = tenant("acme");
        let mut waiting = Box::pin(join_all((0..64).map(|_| calls.first(&acme, PATIENCE))));
        assert!(waiting.as_mut().now_or_never().is_none());
        assert_eq!(calls.first.available_permits(), AT_ONCE - OF_ONE_TENANT);
        assert!(waiting.await.iter().all(Result::is_err), "nobody waits for ever");
    }

    #[tokio::test]
    async fn a_crowd_is_bounded_and_no_more_than_a_share_of_the_slots() {
        for (slots, crowd) in [(1, OF_ONE_TENANT), (80, 20), (10_000, CROWD)] {
            let (calls, acme) = (Calls::new(slots), tenant("acme"));
            let mut all: Vec<_> = (0..crowd).map(|_| Box::pin(calls.first(&acme, PATIENCE))).collect();
            let places: Vec<_> = all.iter_mut().filter_map(|call| call.now_or_never()).collect();
            assert_eq!(places.len(), OF_ONE_TENANT, "the rest waits");
            assert!(matches!(calls.first(&acme, PATIENCE).now_or_never(), Some(Err(_))), "refused without a wait");
            assert!(now(&calls, "globex").is_some());
        }
    }

    #[tokio::test]
    async fn a_tenant_is_forgotten_when_its_last_call_has_ended_or_given_up() {
        let calls = Calls::new(1000);
        let places: Vec<_> = (0..OF_ONE_TENANT).map(|_| now(&calls, "acme").unwrap()).collect();
        assert!(now(&calls, "acme").is_none(), "it waited, and went away");
        assert_eq!(calls.tenants.lock()[&tenant("acme")].members, OF_ONE_TENANT);
        drop(places);
        assert!(calls.tenants.lock().is_empty());
        assert_eq!(calls.first.available_permits(), AT_ONCE);
    }

    #[tokio::test]
    async fn renewals_have_places_of_their_own() {
        let calls = Calls::new(1000);
        let first: Vec<_> = (0..AT_ONCE).map(|n| now(&calls, &format!("tenant-{n}")).unwrap()).collect();
        let renewals: Vec<_> = (0..RENEWALS).map(|_| calls.renewal().unwrap()).collect();
        assert!(calls.renewal().is_none());
        drop(first);
        assert!(calls.renewal().is_none());
        drop(renewals);
        assert!(calls.renewal().is_some());
    }
}
