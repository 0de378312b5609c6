//! Messages that whoever sends requests can cause, and could cause as often as requests come.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Lets one message through in an interval, and counts the others, so that the next one says how many there were.
///
/// For messages on the process's own log, which is for what somebody should look at. What has to be complete is in the access log
/// and in a metric.
#[derive(Debug)]
pub struct Seldom {
    interval: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When the next one may be written; `None` is now.
    again: Option<Instant>,
    held_back: u64,
}

impl Seldom {
    /// One message in `interval`.
    pub const fn new(interval: Duration) -> Self {
        Self { interval, state: Mutex::new(State { again: None, held_back: 0 }) }
    }

    /// Whether a message is to be written: then with how many like it were not, since the last that was.
    pub fn turn(&self, now: Instant) -> Option<u64> {
        // Both fields are whole after every statement, so that a panic elsewhere leaves nothing half done.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.again.is_some_and(|again| now < again) {
            state.held_back = state.held_back.saturating_add(1);
            return None;
        }
        state.again = now.checked_add(self.interval);
        Some(std::mem::take(&mut state.held_back))
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::clock::Clock;

    #[test]
    fn one_in_an_interval_is_written_and_says_how_many_were_not() {
        let (clock, seldom) = (Clock::manual(UNIX_EPOCH), Seldom::new(Duration::from_secs(10)));
        let turns = |after: u64| {
            clock.advance(Duration::from_secs(after));
            seldom.turn(clock.instant())
        };
        assert_eq!([turns(0), turns(0), turns(9)], [Some(0), None, None]);
        assert_eq!([turns(1), turns(9), turns(0), turns(0)], [Some(2), None, None, None]);
        assert_eq!([turns(3600), turns(1), turns(10)], [Some(3), None, Some(1)]);
    }

    #[test]
    fn of_many_threads_one_writes() {
        let (now, seldom) = (Clock::manual(UNIX_EPOCH).instant(), Seldom::new(Duration::from_secs(10)));
        let written: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| (0..100).filter_map(|_| seldom.turn(now)).count())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(written, 1);
        assert_eq!(seldom.turn(now + Duration::from_secs(10)), Some(399));
    }
}
