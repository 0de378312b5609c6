//! Time as an argument.
//!
//! Everything that expires, waits or signs takes a [`Clock`]. Ambient time (`SystemTime::now`, `Instant::now`) is banned by
//! `clippy.toml` everywhere but here, so that expiry and refresh can be tested without sleeping.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// Wall time and monotonic time, real or driven by hand.
#[derive(Clone, Debug)]
pub struct Clock {
    source: Source,
    /// Milliseconds that wall time is put forward by; negative: back.
    offset: Option<Arc<AtomicI64>>,
}

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
    /// Milliseconds that the wall clock alone was set by.
    set_by: AtomicI64,
}

impl Clock {
    /// The machine's clocks.
    pub fn system() -> Self {
        Self { source: Source::System, offset: None }
    }

    /// A clock that stands at `wall` until [`Clock::advance`] moves it.
    #[allow(clippy::disallowed_methods, reason = "the one place that reads ambient time")]
    pub fn manual(wall: SystemTime) -> Self {
        let time = ManualTime { wall, monotonic: Instant::now(), elapsed: AtomicU64::new(0), set_by: AtomicI64::new(0) };
        Self { source: Source::Manual(Arc::new(time)), offset: None }
    }

    /// The same clock, whose wall time is put forward by `offset` milliseconds, whatever that is at the moment.
    pub(crate) fn with_offset(&self, offset: Arc<AtomicI64>) -> Self {
        Self { source: self.source.clone(), offset: Some(offset) }
    }

    /// Wall time: token expiry, credential expiry, signing dates, log lines.
    #[allow(clippy::disallowed_methods, reason = "the one place that reads ambient time")]
    pub fn now(&self) -> SystemTime {
        let now = match &self.source {
            Source::System => SystemTime::now(),
            Source::Manual(time) => shifted(time.wall + time.elapsed(), time.set_by.load(Ordering::SeqCst)),
        };
        self.offset.as_ref().map_or(now, |offset| shifted(now, offset.load(Ordering::Relaxed)))
    }

    /// Seconds since the Unix epoch, 0 before it.
    pub fn unix_seconds(&self) -> u64 {
        self.now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
    }

    /// Monotonic time: durations, rate limits, deadlines.
    #[allow(clippy::disallowed_methods, reason = "the one place that reads ambient time")]
    pub fn instant(&self) -> Instant {
        match &self.source {
            Source::System => Instant::now(),
            Source::Manual(time) => time.monotonic + time.elapsed(),
        }
    }

    /// Moves a manual clock forward; a system clock is not moved.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual(time) = &self.source {
            time.elapsed.fetch_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX), Ordering::SeqCst);
        }
    }

    /// Sets a manual clock's wall time forward by `by` milliseconds, as somebody who corrects a clock does.
    #[cfg(test)]
    pub(crate) fn set_wall(&self, by: i64) {
        if let Source::Manual(time) = &self.source {
            time.set_by.fetch_add(by, Ordering::SeqCst);
        }
    }
}

/// `time`, put forward by `millis`; unchanged where there is no such time.
fn shifted(time: SystemTime, millis: i64) -> SystemTime {
    let by = Duration::from_millis(millis.unsigned_abs());
    let moved = if millis < 0 { time.checked_sub(by) } else { time.checked_add(by) };
    moved.unwrap_or(time)
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

    #[test]
    fn an_offset_moves_wall_time_alone_and_may_change() {
        let clock = Clock::manual(UNIX_EPOCH + Duration::from_secs(1_000));
        let offset = Arc::new(AtomicI64::new(-90_000));
        let other = clock.with_offset(Arc::clone(&offset));
        assert_eq!((other.unix_seconds(), other.instant()), (910, clock.instant()));
        offset.store(60_000, Ordering::Relaxed);
        clock.advance(Duration::from_secs(1));
        assert_eq!((other.unix_seconds(), clock.unix_seconds()), (1_061, 1_001));
    }
}
