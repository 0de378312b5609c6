//! Calls for the roles on the way to a tenant's.

use std::time::Duration;

use super::{Budget, Kind, Place};
use crate::credentials::{Owner, StsError};

impl Budget {
    /// Makes the `call` that assumes the hub `role`, once it is paid for: at once where there is something left, otherwise with what comes in
    /// next, before whoever has no place yet.
    ///
    /// Whoever calls has a place, for a tenant's call or by [`Budget::hub_renewal`].
    ///
    /// # Errors
    /// Those of `call`; [`StsError::Crowded`] where it could not be made in `patience`, nor in `budget.wait`.
    pub(in crate::credentials) async fn hub<T>(
        &self,
        role: &str,
        patience: Duration,
        call: impl Future<Output = Result<T, StsError>>,
    ) -> Result<T, StsError> {
        let wait = self.pay(role, patience)?;
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        let shared = &self.0;
        let started = shared.clock.instant();
        let outcome = call.await;
        let label = outcome.as_ref().map_or_else(StsError::label, |_| "ok");
        shared.metrics.sts_request(label, shared.clock.instant().saturating_duration_since(started));
        if let Err(StsError::Throttled { retry_after, .. }) = &outcome {
            self.throttled(role, *retry_after);
        }
        outcome
    }

    /// A place in which the session of the hub `role` can be renewed, on the way to a role of `owner`, if there is one.
    pub(in crate::credentials) fn hub_renewal(&self, role: &str, owner: &Owner) -> Option<Place> {
        let shared = &self.0;
        let (now, mut state) = (shared.clock.instant(), shared.state());
        let is_full = state.taken[Kind::Renewal as usize] >= shared.places[Kind::Renewal as usize];
        if is_full || state.roles.get(role).is_some_and(|pace| !pace.wait(now).is_zero()) {
            return None;
        }
        state.taken[Kind::Renewal as usize] += 1;
        Some(Place::new(shared.clone(), Kind::Renewal, owner.clone()))
    }

    /// Pays for a call for `role`; how long it has to wait until that is worth something.
    fn pay(&self, role: &str, patience: Duration) -> Result<Duration, StsError> {
        let shared = &self.0;
        let patience = patience.min(shared.config.wait);
        let (now, mut state) = (shared.clock.instant(), shared.state());
        let paced = state.roles.get(role).map_or(Duration::ZERO, |pace| pace.wait(now));
        if paced > patience {
            return Err(shared.refuse("throttled", "STS has asked for a pause", paced));
        }
        let (lends, fraction) = (!state.renewals_wait, state.pace.fraction(now));
        let mut wait = paced;
        if !state.purse.take(Kind::First, lends, fraction, now) {
            let owed = state.purse.wait(Kind::First, false, fraction);
            if owed > patience {
                return Err(shared.refuse("wait", "too many calls to STS are waiting", owed));
            }
            state.purse.owe(Kind::First);
            wait = wait.max(owed);
        }
        state.called(role, shared.config.requests_per_second, now);
        Ok(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::{
        budget::tests::{Rig, inputs},
        testing::pass,
    };

    const SECOND: Duration = Duration::from_secs(1);
    const HUB: &str = "arn:aws:iam::444455556666:role/hub";

    async fn call(rig: &Rig, role: &str, outcome: Result<(), StsError>) -> Result<(), StsError> {
        rig.budget.hub(role, SECOND, std::future::ready(outcome)).await
    }

    #[tokio::test(start_paused = true)]
    async fn who_owes_a_call_waits_for_it_before_all_others_and_is_told_when_that_takes_long() {
        let rig = Rig::new(1000, |config| (config.requests_per_second, config.burst) = (4.0, 4));
        for _ in 0..4 {
            call(&rig, HUB, Ok(())).await.unwrap();
        }
        assert!(rig.now("acme").is_none(), "they count as everybody's");
        // Three of four a second are for what requests wait for, and none are lent.
        rig.budget.renewals_wait(true);
        let mut owing: Vec<_> = (0..3)
            .map(|_| {
                tokio::spawn({
                    let budget = rig.budget.clone();
                    async move { budget.hub(HUB, SECOND, std::future::ready(Ok(()))).await }
                })
            })
            .collect();
        crate::credentials::testing::settle().await;
        let Err(StsError::Crowded { retry_after, .. }) = call(&rig, HUB, Ok(())).await else {
            panic!("it would take longer than a second")
        };
        assert!(retry_after > SECOND && retry_after < 2 * SECOND, "{retry_after:?}");
        let queued = tokio::spawn({
            let budget = rig.budget.clone();
            async move { budget.first(&inputs("acme", "data")).await.map(drop) }
        });
        pass(&rig.clock, 1_010 * SECOND / 1_000, SECOND / 100).await;
        assert!(owing.iter().all(tokio::task::JoinHandle::is_finished) && !queued.is_finished());
        for call in owing.drain(..) {
            call.await.unwrap().unwrap();
        }
        pass(&rig.clock, SECOND / 2, SECOND / 100).await;
        queued.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_throttled_hub_is_not_called_in_its_pause_and_others_are() {
        let rig = Rig::new(1000, |_| ());
        let throttled = StsError::Throttled { note: "slow".into(), retry_after: Some(20 * SECOND) };
        assert_eq!(call(&rig, HUB, Err(throttled.clone())).await, Err(throttled));
        rig.clock.advance(2 * SECOND);
        let refused = call(&rig, HUB, Ok(())).await;
        assert!(matches!(refused, Err(StsError::Crowded { retry_after, .. }) if retry_after == 18 * SECOND), "{refused:?}");
        assert!(rig.budget.hub_renewal(HUB, &inputs("acme", "data").owner).is_none());
        call(&rig, "another", Ok(())).await.unwrap();
        rig.clock.advance(18 * SECOND);
        call(&rig, HUB, Ok(())).await.unwrap();
    }
}
