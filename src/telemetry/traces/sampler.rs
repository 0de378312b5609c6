//! Which requests are recorded.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use super::context::SpanContext;
use crate::{clock::Clock, config::SamplingConfig};

/// What was decided about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    Recorded,
    /// Not its turn, or so decided by whoever began the trace.
    NotSampled,
    /// It would have been recorded, and there were too many of them.
    Limited,
}

impl Decision {
    /// The value of the metric's `decision`.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Limited => "limited",
            Self::NotSampled => "not_sampled",
            Self::Recorded => "recorded",
        }
    }
}

/// Decides.
#[derive(Debug)]
pub(super) struct Sampler {
    ratio: f64,
    follows: bool,
    /// Between two requests that are recorded, in nanoseconds, where they come evenly.
    interval: u64,
    /// How far ahead of its time the last one may be.
    burst: u64,
    clock: Clock,
    origin: Instant,
    /// When the next one would be due, in nanoseconds since `origin`.
    due: AtomicU64,
}

impl Sampler {
    pub(super) fn new(config: &SamplingConfig, clock: Clock) -> Self {
        let second = Duration::from_secs(1).as_nanos() as u64;
        // A whole second's worth may come at once, and does where requests come in bursts.
        Self {
            ratio: config.ratio,
            follows: config.follow_parent,
            interval: second / config.per_second.max(1),
            burst: second,
            origin: clock.instant(),
            clock,
            due: AtomicU64::new(0),
        }
    }

    /// What becomes of a request that continues `parent`, whose word on sampling may be followed, or begins a trace.
    pub(super) fn decide(&self, parent: Option<&SpanContext>) -> Decision {
        let is_chosen = match parent {
            Some(parent) if self.follows => parent.is_sampled(),
            _ => self.draw(),
        };
        self.within_bounds(is_chosen)
    }

    /// What becomes of a request that belongs to one about which was decided already.
    pub(super) fn follow(&self, leader: &SpanContext) -> Decision {
        self.within_bounds(leader.is_sampled())
    }

    /// By a number of our own: an id that somebody else chose could be chosen to be drawn.
    fn draw(&self) -> bool {
        if self.ratio >= 1.0 || self.ratio <= 0.0 {
            return self.ratio >= 1.0;
        }
        let mut bytes = [0; 4];
        getrandom::fill(&mut bytes).is_ok() && f64::from(u32::from_be_bytes(bytes)) < self.ratio * 2f64.powi(32)
    }

    fn within_bounds(&self, is_chosen: bool) -> Decision {
        if !is_chosen {
            return Decision::NotSampled;
        }
        let now = u64::try_from(self.clock.instant().saturating_duration_since(self.origin).as_nanos()).unwrap_or(u64::MAX);
        let next = |due: u64| {
            let due = due.max(now).saturating_add(self.interval);
            (due <= now.saturating_add(self.burst)).then_some(due)
        };
        match self.due.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next) {
            Ok(_) => Decision::Recorded,
            Err(_) => Decision::Limited,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::telemetry::traces::{SpanId, TraceId};

    fn sampler(ratio: f64, follow_parent: bool, per_second: u64) -> (Sampler, Clock) {
        let clock = Clock::manual(UNIX_EPOCH);
        (Sampler::new(&SamplingConfig { ratio, follow_parent, per_second }, clock.clone()), clock)
    }

    fn parent(is_sampled: bool) -> SpanContext {
        SpanContext { trace: TraceId::random(), span: SpanId::random(), flags: SpanContext::flags(is_sampled) }
    }

    #[test]
    fn the_ratio_is_kept() {
        for (ratio, least, most) in [(0.0, 0, 0), (1.0, 4_000, 4_000), (0.25, 800, 1_200)] {
            let (sampler, _) = sampler(ratio, true, 1_000_000);
            let recorded = (0..4_000).filter(|_| sampler.decide(None) == Decision::Recorded).count();
            assert!((least..=most).contains(&recorded), "{ratio}: {recorded}");
        }
    }

    #[test]
    fn a_parent_decides_only_where_it_is_followed() {
        let (follows, _) = sampler(0.0, true, 100);
        assert_eq!(follows.decide(Some(&parent(true))), Decision::Recorded);
        assert_eq!(follows.decide(Some(&parent(false))), Decision::NotSampled);
        let (ignores, _) = sampler(0.0, false, 100);
        assert_eq!(ignores.decide(Some(&parent(true))), Decision::NotSampled);
        let (ignores, _) = sampler(1.0, false, 100);
        assert_eq!(ignores.decide(Some(&parent(false))), Decision::Recorded);
        assert_eq!(ignores.follow(&parent(false)), Decision::NotSampled);
        assert_eq!(ignores.follow(&parent(true)), Decision::Recorded);
    }

    #[test]
    fn no_parent_gets_more_recorded_than_the_bound() {
        let (sampler, clock) = sampler(0.0, true, 50);
        let flood = || (0..1_000).filter(|_| sampler.decide(Some(&parent(true))) == Decision::Recorded).count();
        assert_eq!((flood(), flood()), (50, 0));
        assert_eq!(sampler.follow(&parent(true)), Decision::Limited);
        clock.advance(Duration::from_millis(500));
        assert_eq!(flood(), 25);
        clock.advance(Duration::from_secs(3_600));
        assert_eq!(flood(), 50, "what was not used is not saved up");
    }
}
