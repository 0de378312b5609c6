//! The budget of failures of each source.
//!
//! A table with an entry a source would have to let entries go, and whoever has many addresses could make it let go of theirs.
//! So nothing is let go here. Each source has one counter in each of a few rows, found by a keyed hash, and shares each
//! with others; what counts is the counter that says least (a count-min sketch). A source is over its budget only where every one
//! of its counters is: a flood from one address does not touch the others, and with a thousand addresses over their budgets
//! one other in eighty thousand would be taken for one of them. Memory is fixed, and nothing is locked.
//!
//! A counter is the state of a leaky bucket (GCRA, ITU-T I.371): the moment at which it will be empty again.

use std::{
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use super::Source;
use crate::{clock::Clock, config::FailureBudget};

const ROWS: usize = 4;
/// Counters in a row, found by so many bits of the hash. The whole is 512 KiB.
const COLUMNS: usize = 1 << BITS;
const BITS: u32 = 14;
const NANOS: f64 = 1e9;

/// All budgets.
#[derive(Debug)]
pub(super) struct Failures {
    counters: Box<[AtomicU64]>,
    /// Keyed at random, so that nobody can look for addresses that share counters with a victim.
    hasher: RandomState,
    /// Nanoseconds in which one failure is forgotten.
    interval: u64,
    /// Nanoseconds in which a whole burst is.
    tolerance: u64,
    clock: Clock,
    origin: Instant,
}

impl Failures {
    pub(super) fn new(budget: &FailureBudget, clock: Clock) -> Self {
        let counters = (0..ROWS * COLUMNS).map(|_| AtomicU64::new(0)).collect();
        let interval = (NANOS / budget.per_second).ceil().clamp(1.0, NANOS * 86_400.0) as u64;
        let origin = clock.instant();
        Self { counters, hasher: RandomState::new(), interval, tolerance: interval.saturating_mul(budget.burst.into()), clock, origin }
    }

    /// Whether the source has room for one more failure; otherwise, when it will.
    pub(super) fn check(&self, source: &Source) -> Result<(), Duration> {
        let allowed = self.now().saturating_add(self.tolerance);
        let level = self.counters(source).map(|counter| counter.load(Ordering::Relaxed)).min().unwrap_or(u64::MAX);
        match level.saturating_add(self.interval).checked_sub(allowed) {
            None | Some(0) => Ok(()),
            Some(wait) => Err(Duration::from_nanos(wait)),
        }
    }

    /// Counts a failure. A counter is never more than full: the wait after a flood does not depend on its length.
    pub(super) fn charge(&self, source: &Source) {
        let now = self.now();
        let full = now.saturating_add(self.tolerance);
        for counter in self.counters(source) {
            let one_more = |empty_at: u64| Some(empty_at.max(now).saturating_add(self.interval).min(full.max(empty_at)));
            let _ = counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        }
    }

    fn counters(&self, source: &Source) -> impl Iterator<Item = &AtomicU64> {
        let hash = self.hasher.hash_one(source);
        (0..ROWS).filter_map(move |row| {
            let column = (hash >> (row as u32 * BITS)) as usize % COLUMNS;
            self.counters.get(row * COLUMNS + column)
        })
    }

    fn now(&self) -> u64 {
        u64::try_from(self.clock.instant().saturating_duration_since(self.origin).as_nanos()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::{net::Ipv4Addr, time::SystemTime};

    use super::*;

    fn failures(per_second: f64, burst: u32) -> (Failures, Clock) {
        let clock = Clock::manual(SystemTime::UNIX_EPOCH);
        (Failures::new(&FailureBudget { per_second, burst }, clock.clone()), clock)
    }

    fn source(number: u32) -> Source {
        Source::client(Ipv4Addr::from_bits(0x0a00_0000 + number).into())
    }

    /// Failures that are let through at once.
    fn spend(failures: &Failures, source: &Source, most: u32) -> u32 {
        (0..most)
            .take_while(|_| {
                let ok = failures.check(source).is_ok();
                failures.charge(source);
                ok
            })
            .count() as u32
    }

    #[test]
    fn a_source_has_its_burst_and_then_its_rate() {
        let (failures, clock) = failures(2.0, 5);
        let (one, other) = (source(1), source(2));
        assert_eq!(spend(&failures, &one, 100), 5);
        assert_eq!(failures.check(&one), Err(Duration::from_millis(500)));
        assert_eq!(failures.check(&other), Ok(()), "somebody else's failures");
        clock.advance(Duration::from_millis(499));
        assert_eq!(failures.check(&one), Err(Duration::from_millis(1)));
        clock.advance(Duration::from_millis(1));
        assert_eq!(spend(&failures, &one, 100), 1);
        clock.advance(Duration::from_secs(3600));
        assert_eq!(spend(&failures, &one, 100), 5, "never more than the burst");
    }

    #[test]
    fn the_wait_after_a_flood_does_not_grow_with_it() {
        let (failures, _) = failures(1.0, 10);
        for _ in 0..10_000 {
            failures.charge(&source(1));
        }
        assert_eq!(failures.check(&source(1)), Err(Duration::from_secs(1)));
    }

    #[test]
    fn many_addresses_neither_reset_a_counter_nor_use_up_the_budgets_of_others() {
        let (failures, _) = failures(1.0, 10);
        assert_eq!(spend(&failures, &source(0), 100), 10);
        // Each with a failure or two, as whoever wants to push an entry out of a table would send them.
        for number in 1..50_000 {
            failures.charge(&source(number));
        }
        assert!(failures.check(&source(0)).is_err(), "the flood of addresses reset a budget");
        // A thousand over their budgets.
        for number in 100_000..101_000 {
            spend(&failures, &source(number), 20);
        }
        let hit = (1_000_000..1_010_000).filter(|number| failures.check(&source(*number)).is_err()).count();
        assert!(hit < 10, "{hit} of 10,000 that never failed are refused");
    }

    #[test]
    fn odd_rates_are_rates() {
        for (per_second, burst) in [(1e-9, 1), (1e6, 1_000_000), (f64::MIN_POSITIVE, u32::MAX)] {
            let (failures, clock) = failures(per_second, burst);
            assert_eq!(failures.check(&source(1)), Ok(()), "{per_second}");
            failures.charge(&source(1));
            clock.advance(Duration::from_secs(86_400));
            assert_eq!(failures.check(&source(1)), Ok(()), "{per_second}: a day later");
        }
    }
}
