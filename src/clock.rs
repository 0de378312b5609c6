//! Time as an argument.
//!
//! Everything that expires, waits or signs takes a [`Clock`]. Ambient time (`SystemTime::now`, `Instant::now`) is banned by
//! `clippy.toml` everywhere but here, so that expiry and refresh can be tested without sleeping.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// Wall time and monotonic time, real or driven by hand.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Manual(Arc<ManualTime>),
}

#[derive(Debug)]
struct ManualTime {
    wall: SystemTime,
    monotonic: Instant,
    /// Milliseconds since both starts.
    elapsed: AtomicU64,
}

impl Clock {
    /// The machine's clocks.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands at `wall` until [`Clock::advance`] moves it.
    #[allow(clippy::disallowed_methods, reason = "the one place that reads ambient time")]
    pub fn manual(wall: SystemTime) -> Self {
        Self(Source::Manual(Arc::new(ManualTime { wall, monotonic: Instant::now(), elapsed: AtomicU64::new(0) })))
    }

    /// Wall time: token expiry, credential expiry, signing dates, log lines.
    #[allow(clippy::disallowed_methods, reason = "the one place that reads ambient time")]
    pub fn now(&self) -> SystemTime {
        match &self.0 {
            Source::System => SystemTime::now(),
            Source::Manual(time) => time.wall + time.elapsed(),
        }
    }

    /// Seconds since the Unix epoch, 0 before it.
    pub fn unix_seconds(&self) -> u64 {
        self.now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
    }

    /// Monotonic time: durations, rate limits, deadlines.
    #[allow(clippy::disallowed_methods, reason = "the one place that reads ambient time")]
    pub fn instant(&self) -> Instant {
        match &self.0 {
            Source::System => Instant::now(),
            Source::Manual(time) => time.monotonic + time.elapsed(),
        }
    }

    /// Moves a manual clock forward; a system clock is not moved.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual(time) = &self.0 {
            time.elapsed.fetch_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX), Ordering::SeqCst);
        }
    }
}

impl ManualTime {
    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.elapsed.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_both_times_and_only_when_told() {
        let clock = Clock::manual(UNIX_EPOCH + Duration::from_secs(1_000));
        let (wall, mono) = (clock.now(), clock.instant());
        assert_eq!((clock.now(), clock.instant()), (wall, mono));
        clock.advance(Duration::from_secs(5));
        assert_eq!(clock.unix_seconds(), 1_005);
        assert_eq!(clock.instant() - mono, Duration::from_secs(5));
    }
}
