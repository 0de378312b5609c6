//! Tenants whom STS denies everything that a plan asks for, and who therefore ask it less.
//!
//! A denied session is remembered by its own slot for some seconds. That does not help where each user, or each request, of a
//! tenant has a session of its own: a trust policy that went wrong would turn every one of them into a call. So after
//! [`IN_A_ROW`] denials without a success between them no first call is made for the tenant by that plan for [`PAUSE`]. It is
//! not one denial that counts, since one user's session may be denied for what is in it; sessions at hand are not affected,
//! and neither are other tenants, nor services of the tenant with a plan of their own, whose role another trust policy guards.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::credentials::Owner;

/// Denials that make a pause.
const IN_A_ROW: u32 = 3;
/// How long nothing is asked then: a repaired trust policy works at once by human measure.
const PAUSE: Duration = Duration::from_secs(5);
/// Denials that lie further back are forgotten.
const MEMORY: Duration = Duration::from_secs(60);

/// The denied tenants.
pub(super) struct Denials {
    most: usize,
    /// By owner, and by place of the plan.
    tenants: Mutex<HashMap<Key, Denied>>,
}

type Key = (Owner, Arc<str>);

struct Denied {
    in_a_row: u32,
    at: Instant,
}

impl Denials {
    /// Remembers at most `most` of them; those beyond are asked for as if nothing had happened.
    pub(super) fn new(most: usize) -> Self {
        Self { most, tenants: Mutex::default() }
    }

    /// How long nothing is to be asked for `owner` by `plan`.
    pub(super) fn pause(&self, owner: &Owner, plan: &Arc<str>, now: Instant) -> Option<Duration> {
        let tenants = self.tenants();
        let denied = tenants.get(&key(owner, plan)).filter(|denied| denied.in_a_row >= IN_A_ROW)?;
        Some((denied.at + PAUSE).saturating_duration_since(now)).filter(|left| !left.is_zero())
    }

    /// STS denied a call for `owner` by `plan`.
    pub(super) fn denied(&self, owner: &Owner, plan: &Arc<str>, now: Instant) {
        let mut tenants = self.tenants();
        if let Some(denied) = tenants.get_mut(&key(owner, plan)) {
            let is_old = now.saturating_duration_since(denied.at) >= MEMORY;
            (denied.in_a_row, denied.at) = (if is_old { 1 } else { denied.in_a_row.saturating_add(1) }, now);
        } else if tenants.len() < self.most {
            tenants.insert(key(owner, plan), Denied { in_a_row: 1, at: now });
        }
    }

    /// STS issued a session for `owner` by `plan`.
    pub(super) fn forget(&self, owner: &Owner, plan: &Arc<str>) {
        self.tenants().remove(&key(owner, plan));
    }

    /// An operator wants everything of `owner` tried again.
    pub(super) fn forget_all_of(&self, owner: &Owner) {
        self.tenants().retain(|(denied, _), _| denied != owner);
    }

    /// Lets go of what lies too far back.
    pub(super) fn tidy(&self, now: Instant) {
        self.tenants().retain(|_, denied| now.saturating_duration_since(denied.at) < MEMORY);
    }

    /// For short sections without an `await`.
    fn tenants(&self) -> MutexGuard<'_, HashMap<Key, Denied>> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(owner: &Owner, plan: &Arc<str>) -> Key {
    (owner.clone(), Arc::clone(plan))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::testing::clock;

    #[test]
    fn a_tenant_that_is_denied_everything_is_left_alone_for_a_moment() {
        let (clock, denials) = (clock(), Denials::new(2));
        let (acme, globex, initech) = (Owner::for_tests("acme"), Owner::for_tests("globex"), Owner::for_tests("initech"));
        let (plan, other): (Arc<str>, Arc<str>) = ("credentials.assume_role".into(), "credentials.services.s3.assume_role".into());
        let pause = |owner| denials.pause(owner, &plan, clock.instant());
        let deny = |owner, times| (0..times).for_each(|_| denials.denied(owner, &plan, clock.instant()));
        deny(&acme, 2);
        assert_eq!(pause(&acme), None, "one user's session may be denied for what is in it");
        denials.forget(&acme, &plan);
        deny(&acme, 2);
        assert_eq!(pause(&acme), None, "a success lies between");
        deny(&acme, 1);
        assert_eq!((pause(&acme), pause(&globex)), (Some(PAUSE), None));
        assert_eq!(denials.pause(&acme, &other, clock.instant()), None, "another plan has another role");
        denials.forget(&acme, &other);
        assert_eq!(pause(&acme), Some(PAUSE), "and its success says nothing of this one");
        clock.advance(PAUSE);
        assert_eq!(pause(&acme), None, "now it is tried again");
        deny(&acme, 1);
        assert_eq!(pause(&acme), Some(PAUSE));
        deny(&globex, 1);
        deny(&initech, 9);
        assert_eq!(pause(&initech), None, "there is no room to remember it");
        clock.advance(MEMORY);
        denials.tidy(clock.instant());
        assert!(denials.tenants().is_empty());
        deny(&acme, 3);
        denials.forget_all_of(&globex);
        assert_eq!(pause(&acme), Some(PAUSE));
        denials.forget_all_of(&acme);
        assert_eq!(pause(&acme), None);
    }
}
