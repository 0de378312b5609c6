//! Whether a place takes requests, as far as is known. Pure but for the gauges: outcomes go in, a condition comes out.

use std::sync::{Mutex, MutexGuard, PoisonError};

use prometheus::IntGauge;

/// The gauges of one route, which its places share.
#[derive(Debug, Clone)]
pub(super) struct Gauges {
    pub(super) healthy: IntGauge,
    pub(super) unhealthy: IntGauge,
}

/// What is known of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    /// Nothing yet. Requests go there: they find out as fast as a check does.
    Unknown,
    /// It works.
    Healthy,
    /// It does not, and gets no requests.
    Unhealthy,
}

/// The health of one place.
#[derive(Debug)]
pub(super) struct Health {
    /// Failures in a row that make it unhealthy.
    fall: u32,
    /// Successful checks in a row that make it healthy again.
    rise: u32,
    state: Mutex<State>,
    gauges: Gauges,
}

#[derive(Debug)]
struct State {
    condition: Condition,
    /// Checks in a row that failed.
    failed: u32,
    /// Checks in a row that succeeded.
    succeeded: u32,
    /// Requests in a row that found nobody.
    unreached: u32,
}

impl Health {
    pub(super) fn new(fall: u32, rise: u32, gauges: Gauges) -> Self {
        let state = State { condition: Condition::Unknown, failed: 0, succeeded: 0, unreached: 0 };
        Self { fall, rise, state: Mutex::new(state), gauges }
    }

    pub(super) fn condition(&self) -> Condition {
        self.state().condition
    }

    /// A check succeeded or failed. Yields the condition if it is another one now.
    pub(super) fn checked(&self, is_well: bool) -> Option<Condition> {
        let mut state = self.state();
        if is_well {
            state.failed = 0;
            state.succeeded = state.succeeded.saturating_add(1);
            // Nothing speaks against a place of which nothing is known.
            let needed = if state.condition == Condition::Unhealthy { self.rise } else { 1 };
            if state.succeeded >= needed {
                state.unreached = 0;
                return self.turn(&mut state, Condition::Healthy);
            }
            return None;
        }
        state.succeeded = 0;
        state.failed = state.failed.saturating_add(1);
        if state.failed >= self.fall { self.turn(&mut state, Condition::Unhealthy) } else { None }
    }

    /// A request found nobody there. Yields the condition if it is another one now.
    pub(super) fn unreached(&self) -> Option<Condition> {
        let mut state = self.state();
        state.unreached = state.unreached.saturating_add(1);
        if state.unreached < self.fall {
            return None;
        }
        // What was checked before is no longer so.
        state.succeeded = 0;
        self.turn(&mut state, Condition::Unhealthy)
    }

    /// A request was answered. That brings nothing back that checks took out of use: they ask for more than an answer.
    pub(super) fn reached(&self) {
        self.state().unreached = 0;
    }

    fn turn(&self, state: &mut State, to: Condition) -> Option<Condition> {
        if state.condition == to {
            return None;
        }
        self.count(state.condition, -1);
        self.count(to, 1);
        state.condition = to;
        Some(to)
    }

    fn count(&self, condition: Condition, by: i64) {
        match condition {
            Condition::Unknown => {}
            Condition::Healthy => self.gauges.healthy.add(by),
            Condition::Unhealthy => self.gauges.unhealthy.add(by),
        }
    }

    /// Held for a few additions; a panic cannot leave it half-changed.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Health {
    fn drop(&mut self) {
        self.count(self.condition(), -1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health(fall: u32, rise: u32) -> (Health, Gauges) {
        let gauge = |name: &str| IntGauge::new(name, "x").unwrap();
        let gauges = Gauges { healthy: gauge("healthy"), unhealthy: gauge("unhealthy") };
        (Health::new(fall, rise, gauges.clone()), gauges)
    }

    fn counts(gauges: &Gauges) -> (i64, i64) {
        (gauges.healthy.get(), gauges.unhealthy.get())
    }

    #[test]
    fn failures_in_a_row_take_it_out_and_successes_in_a_row_bring_it_back() {
        let (health, gauges) = health(3, 2);
        assert_eq!((health.condition(), counts(&gauges)), (Condition::Unknown, (0, 0)));
        assert_eq!(health.checked(true), Some(Condition::Healthy));
        assert_eq!(counts(&gauges), (1, 0));
        for well in [false, false, true, false, false] {
            assert_eq!(health.checked(well), None, "not in a row");
        }
        assert_eq!(health.checked(false), Some(Condition::Unhealthy));
        assert_eq!(counts(&gauges), (0, 1));
        assert_eq!(health.checked(false), None, "said twice");
        for well in [true, false, true] {
            assert_eq!(health.checked(well), None, "not in a row");
        }
        assert_eq!(health.checked(true), Some(Condition::Healthy));
        assert_eq!(counts(&gauges), (1, 0));
        drop(health);
        assert_eq!(counts(&gauges), (0, 0), "a place that is gone is counted");
    }

    #[test]
    fn requests_that_find_nobody_take_it_out_and_answers_do_not_bring_it_back() {
        let (health, gauges) = health(2, 1);
        health.checked(true);
        assert_eq!(health.unreached(), None);
        health.reached();
        assert_eq!(health.unreached(), None, "not in a row");
        assert_eq!(health.unreached(), Some(Condition::Unhealthy));
        health.reached();
        assert_eq!((health.condition(), counts(&gauges)), (Condition::Unhealthy, (0, 1)));
        assert_eq!(health.checked(true), Some(Condition::Healthy));
        assert_eq!(health.unreached(), None, "the count goes on from before the check");
    }

    #[test]
    fn an_unknown_place_falls_by_failures_as_well() {
        let (health, gauges) = health(2, 5);
        assert_eq!((health.checked(false), health.checked(false)), (None, Some(Condition::Unhealthy)));
        assert_eq!(counts(&gauges), (0, 1));
        let (health, _) = self::health(2, 5);
        assert_eq!(health.checked(true), Some(Condition::Healthy), "one success is enough while nothing speaks against it");
    }
}
