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

/// Whose bound a request counts towards. Apart, so that whoever proves nothing takes nothing from those who do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Share {
    /// Requests under the passport of one that is recorded: its trace is not to lack its end because of other requests.
    Led,
    /// Requests that showed no valid proof, or needed none.
    Nobody,
    /// Requests of a verified tenant or workload that begin or continue a trace.
    Proved,
}

/// Requests of nobody are a tenth of the others.
const NOBODY: u64 = 10;

/// A second's worth may come at once, and does where requests come in bursts.
const SECOND: u64 = Duration::from_secs(1).as_nanos() as u64;

/// Decides.
#[derive(Debug)]
pub(super) struct Sampler {
    ratio: f64,
    follows: bool,
    led: Bound,
    nobody: Bound,
    proved: Bound,
    clock: Clock,
    origin: Instant,
}

/// A bound on requests that are recorded.
#[derive(Debug)]
struct Bound {
    /// Between two of them, in nanoseconds, where they come evenly.
    interval: u64,
    /// When the next one would be due, in nanoseconds since the sampler's origin.
    due: AtomicU64,
}

impl Bound {
    fn new(per_second: u64) -> Self {
        Self { interval: SECOND / per_second.max(1), due: AtomicU64::new(0) }
    }

    fn admits(&self, now: u64) -> bool {
        let next = |due: u64| {
            let due = due.max(now).saturating_add(self.interval);
            (due <= now.saturating_add(SECOND)).then_some(due)
        };
        self.due.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }
}

impl Sampler {
    pub(super) fn new(config: &SamplingConfig, clock: Clock) -> Self {
        Self {
            ratio: config.ratio,
            follows: config.follow_parent,
            led: Bound::new(config.per_second),
            nobody: Bound::new(config.per_second / NOBODY),
            proved: Bound::new(config.per_second),
            origin: clock.instant(),
            clock,
        }
    }

    /// Whether a request is to be recorded, within bounds, that continues `parent`, whose word on sampling may be followed, or begins a trace.
    pub(super) fn chooses(&self, parent: Option<&SpanContext>) -> bool {
        match parent {
            Some(parent) if self.follows => parent.is_sampled(),
            _ => self.draw(),
        }
    }

    /// By a number of our own: an id that somebody else chose could be chosen to be drawn.
    fn draw(&self) -> bool {
        if self.ratio >= 1.0 || self.ratio <= 0.0 {
            return self.ratio >= 1.0;
        }
        let mut bytes = [0; 4];
        getrandom::fill(&mut bytes).is_ok() && f64::from(u32::from_be_bytes(bytes)) < self.ratio * 2f64.powi(32)
    }

    /// What becomes of a request, once it is known whose it is.
    pub(super) fn charge(&self, is_chosen: bool, share: Share) -> Decision {
        if !is_chosen {
            return Decision::NotSampled;
        }
        let now = u64::try_from(self.clock.instant().saturating_duration_since(self.origin).as_nanos()).unwrap_or(u64::MAX);
        let bound = match share {
            Share::Led => &self.led,
            Share::Nobody => &self.nobody,
            Share::Proved => &self.proved,
        };
        if bound.admits(now) { Decision::Recorded } else { Decision::Limited }
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
            let recorded = (0..4_000).filter(|_| sampler.chooses(None)).count();
            assert!((least..=most).contains(&recorded), "{ratio}: {recorded}");
        }
    }

    #[test]
    fn a_parent_decides_only_where_it_is_followed() {
        let (follows, _) = sampler(0.0, true, 100);
        assert!(follows.chooses(Some(&parent(true))) && !follows.chooses(Some(&parent(false))));
        let (ignores, _) = sampler(0.0, false, 100);
        assert!(!ignores.chooses(Some(&parent(true))));
        let (ignores, _) = sampler(1.0, false, 100);
        assert!(ignores.chooses(Some(&parent(false))));
    }

    #[test]
    fn no_parent_gets_more_recorded_than_the_bound() {
        let (sampler, clock) = sampler(0.0, true, 50);
        let flood = |share| (0..1_000).filter(|_| sampler.charge(true, share) == Decision::Recorded).count();
        assert_eq!((flood(Share::Proved), flood(Share::Proved)), (50, 0));
        assert_eq!(sampler.charge(true, Share::Proved), Decision::Limited);
        assert_eq!(sampler.charge(false, Share::Led), Decision::NotSampled);
        clock.advance(Duration::from_millis(500));
        assert_eq!(flood(Share::Proved), 25);
        clock.advance(Duration::from_secs(3_600));
        assert_eq!(flood(Share::Proved), 50, "what was not used is not saved up");
    }

    #[test]
    fn no_share_is_used_up_by_another() {
        for per_second in [1, 50] {
            let (sampler, _) = sampler(1.0, true, per_second);
            let flood = |share| (0..1_000).filter(|_| sampler.charge(true, share) == Decision::Recorded).count() as u64;
            assert_eq!((flood(Share::Nobody), flood(Share::Nobody)), ((per_second / 10).max(1), 0));
            assert_eq!((flood(Share::Proved), flood(Share::Led)), (per_second, per_second));
        }
    }
}
