//! The limits of somebody who is known from the start, and is no tenant.

use std::{sync::Arc, time::Instant};

use super::{
    bucket::{Bucket, Permit},
    rate::Rate,
    refusal,
};
use crate::{clock::Clock, config::Limits, reject::Refusal};

/// One set of limits and what is used of them.
#[derive(Debug)]
pub struct Quota {
    limits: Limits,
    rate: Option<Rate>,
    bucket: Arc<Bucket>,
    clock: Clock,
    origin: Instant,
}

impl Quota {
    /// An empty one.
    pub fn new(limits: Limits, clock: Clock) -> Self {
        let origin = clock.instant();
        let rate = limits.requests_per_second.map(|per_second| Rate::new(per_second, limits.burst));
        Self { limits, rate, bucket: Arc::new(Bucket::new()), clock, origin }
    }

    /// The same, used as it is, under other limits.
    #[must_use]
    pub fn under(&self, limits: Limits) -> Self {
        Self { bucket: Arc::clone(&self.bucket), origin: self.origin, ..Self::new(limits, self.clock.clone()) }
    }

    /// Admits one request. The permit is held until the request has ended.
    ///
    /// # Errors
    /// As [`Limiter::admit`](super::Limiter::admit).
    pub fn admit(&self) -> Result<Permit, Refusal> {
        let now = u64::try_from(self.clock.instant().duration_since(self.origin).as_nanos()).unwrap_or(u64::MAX);
        self.bucket.admit(self.rate, self.limits.concurrent, now).map_err(|refused| refusal(refused, self.rate, &self.limits))
    }

    /// Requests in progress.
    pub fn in_flight(&self) -> u32 {
        self.bucket.in_flight()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::reject::Reason;

    #[test]
    fn a_quota_is_used_up_for_its_own_alone() {
        let clock = Clock::manual(UNIX_EPOCH + Duration::from_secs(1_000));
        let limits = Limits { requests_per_second: Some(1.0), burst: Some(2), concurrent: Some(1) };
        let (one, other) = (Quota::new(limits, clock.clone()), Quota::new(limits, clock.clone()));
        let permit = one.admit().unwrap();
        assert_eq!(one.admit().map(drop).unwrap_err().reason, Reason::ConcurrencyLimited);
        drop(permit);
        drop(one.admit().unwrap());
        assert_eq!((one.admit().map(drop).unwrap_err().reason, one.in_flight()), (Reason::RateLimited, 0));
        drop(other.admit().unwrap());
        clock.advance(Duration::from_secs(1));
        drop(one.admit().unwrap());
        // Other limits do not fill it again.
        let more = one.under(Limits { burst: Some(3), ..limits });
        assert_eq!(more.admit().map(drop).unwrap_err().reason, Reason::RateLimited);
        let endless = Quota::new(Limits::default(), clock);
        let permits: Vec<_> = (0..1_000).map(|_| endless.admit().unwrap()).collect();
        assert_eq!(endless.in_flight() as usize, permits.len());
    }
}
