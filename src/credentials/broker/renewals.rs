//! What goes on beside requests: sessions in use are renewed, those that nobody uses are let go.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{Broker, SessionSlot};
use crate::{
    config::RefreshConfig,
    credentials::{budget::NoPlace, cache::numbered},
};

/// How often it is tried to find places for the renewals that are due.
pub(super) const TICK: Duration = Duration::from_millis(25);
/// After so many ticks sessions are looked at anew: which are due, and which are to be let go. With more sessions than [`FEW`] it is
/// proportionally later, so that a look at all of them costs about the same share of a processor however many there are.
const ROUND: usize = 20;
/// Ten seconds, which is little beside `refresh.ahead` as it comes (five minutes). Where that is set shorter than a round, a session may end before its
/// turn: the next request then fetches it, as the first one did.
const LONGEST_ROUND: usize = 400;
/// So many sessions are looked at in less than a millisecond or two.
const FEW: usize = 2_048;
/// Sessions that nobody used for this long are let go, well before a session of several hours would end.
pub(super) const IDLE: Duration = Duration::from_secs(30 * 60);

impl Broker {
    /// Renews sessions that are in use and near their end, and lets idle ones go. Never returns.
    pub async fn maintain(&self) {
        loop {
            let sessions = self.0.cache.len();
            let mut due = self.look_apart(sessions).await;
            for _ in 0..round(sessions) {
                self.renew(&mut due);
                tokio::time::sleep(TICK).await;
            }
        }
    }

    /// A [`look`](Self::look), for which no request has to wait: where there are many sessions it is another thread that looks.
    async fn look_apart(&self, sessions: usize) -> VecDeque<Arc<SessionSlot>> {
        if sessions <= FEW {
            return self.look();
        }
        let broker = self.clone();
        // Fails where it panicked, and then the next look may not.
        tokio::task::spawn_blocking(move || broker.look()).await.unwrap_or_default()
    }

    /// Lets go of what nobody uses; the sessions that are to be renewed, the first first.
    pub(super) fn look(&self) -> VecDeque<Arc<SessionSlot>> {
        let (now, instant) = (self.0.cache.now(), self.0.clock.instant());
        let slots = self.0.cache.sweep(self.0.cache.slots(), |slot| {
            let spent = slot.held().is_none_or(|held| held.expires <= now) && !slot.failed_lately(instant);
            spent || self.0.cache.unused(slot) >= IDLE
        });
        self.0.denials.tidy(instant);
        self.0.budget.tidy();
        self.0.report(&slots, now);
        in_turns(slots, now).collect()
    }

    /// Renews of `due` what there are places for.
    pub(super) fn renew(&self, due: &mut VecDeque<Arc<SessionSlot>>) {
        for _ in 0..due.len() {
            let Some(slot) = due.pop_front() else { break };
            let (now, instant) = (self.0.cache.now(), self.0.clock.instant());
            // It may have been renewed, or let go, since it was looked at.
            if !slot.may_refresh(instant) || is_due(&slot, now).is_none() {
                continue;
            }
            match self.0.budget.renewal(slot.key().inputs()) {
                Ok(place) => {
                    if let Some(flight) = slot.refresh(instant) {
                        self.fly(flight, Some(place), None);
                    }
                }
                Err(NoPlace::ForTheRole) => due.push_back(slot),
                Err(NoPlace::ForAny) => {
                    due.push_front(slot);
                    break;
                }
            }
        }
        self.0.budget.renewals_wait(!due.is_empty());
    }
}

/// How many ticks there are from one look at so many sessions to the next.
fn round(sessions: usize) -> usize {
    (ROUND * (sessions / FEW)).clamp(ROUND, LONGEST_ROUND)
}

/// Those of `slots` that are to be renewed: of each tenant the one that ends first, then of each the next one, and so on.
fn in_turns(slots: Vec<Arc<SessionSlot>>, now: SystemTime) -> impl Iterator<Item = Arc<SessionSlot>> {
    let mut due: Vec<_> = slots.into_iter().filter_map(|slot| Some((is_due(&slot, now)?, slot))).collect();
    due.sort_by_key(|(expires, _)| *expires);
    let mut due = numbered(due.into_iter().map(|(_, slot)| slot).collect());
    due.sort_by_key(|(number, _)| *number);
    due.into_iter().map(|(_, slot)| slot)
}

/// When the session in `slot` ends, if it can be renewed, it is time to, and somebody used it since it was issued.
fn is_due(slot: &SessionSlot, now: SystemTime) -> Option<SystemTime> {
    let held = slot.held()?;
    (held.refresh_at <= now && slot.key().is_renewable() && slot.used_since_stored()).then_some(held.expires)
}

/// `ahead` of the end, and up to `jitter` earlier, but never in the first half of a session's life.
pub(super) fn refresh_at(since: SystemTime, expires: SystemTime, refresh: RefreshConfig, fraction: f64) -> SystemTime {
    let life = expires.duration_since(since).unwrap_or_default();
    let lead = refresh.ahead.saturating_add(refresh.jitter.mul_f64(fraction));
    expires - lead.min(life / 2)
}

/// From 0 to 1. Without a source of randomness renewals only come closer together.
pub(super) fn random_fraction() -> f64 {
    getrandom::u64().map_or(0.0, |bits| bits as f64 / u64::MAX as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_sessions_there_are_the_less_often_all_are_looked_at_and_still_often_enough() {
        let every = |sessions| TICK * u32::try_from(round(sessions)).unwrap();
        assert_eq!((every(0), every(FEW)), (Duration::from_millis(500), Duration::from_millis(500)));
        assert_eq!(every(10 * FEW), Duration::from_secs(5));
        assert_eq!((every(100_000), every(usize::MAX / ROUND)), (Duration::from_secs(10), Duration::from_secs(10)));
    }
}
