//! Passports that an application has kept.

use std::time::{Duration, Instant};

use crate::{
    reject::{Reason, Refusal},
    telemetry::{RequestId, Seldom},
};

/// A kept passport is usually kept by a mistake that every request makes. One message is enough to know of it; the access log has
/// the others, and `palisade_passport_redemptions_total{result="late"}` counts them.
const INTERVAL: Duration = Duration::from_secs(10);

/// Warns of an application that uses a passport after its request: one that keeps what it should let go of, by mistake or worse. One a
/// process: another configuration does not make it news.
#[derive(Debug)]
pub struct Hoarding(Seldom);

impl Default for Hoarding {
    fn default() -> Self {
        Self(Seldom::new(INTERVAL))
    }
}

impl Hoarding {
    /// Warns where `refusal` is of such a passport, and no other was warned of a moment before.
    pub(super) fn look_at(&self, refusal: &Refusal, request_id: &RequestId, now: Instant) {
        let Some((made_for, held_back)) = self.news(refusal, now) else { return };
        let (request_id, for_request, note) = (request_id.as_str(), made_for.as_str(), refusal.note.as_deref());
        tracing::warn!(request_id, for_request, note, held_back, "a passport was used after its request had ended");
    }

    /// The request that the passport was made for, and how many others nothing was said of.
    fn news<'r>(&self, refusal: &'r Refusal, now: Instant) -> Option<(&'r RequestId, u64)> {
        match (refusal.reason, &refusal.for_request) {
            (Reason::PassportUnknown, Some(made_for)) => Some((made_for, self.0.turn(now)?)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::clock::Clock;

    #[test]
    fn one_kept_passport_in_ten_seconds_is_news_and_other_refusals_are_none() {
        let (clock, hoarding) = (Clock::manual(UNIX_EPOCH), Hoarding::default());
        let kept = Refusal::from(Reason::PassportUnknown).of_request(RequestId::random());
        let others = [Refusal::from(Reason::PassportUnknown), Refusal::from(Reason::PassportExpired).of_request(RequestId::random())];
        let look = |refusal| hoarding.news(refusal, clock.instant()).map(|(_, held_back)| held_back);
        assert_eq!(others.each_ref().map(look), [None, None]);
        assert_eq!([look(&kept), look(&kept), look(&kept)], [Some(0), None, None]);
        clock.advance(INTERVAL);
        assert_eq!(others.each_ref().map(look), [None, None], "what is no news takes nobody's turn");
        let (made_for, held_back) = hoarding.news(&kept, clock.instant()).unwrap();
        assert_eq!((Some(made_for), held_back), (kept.for_request.as_ref(), 2));
    }
}
