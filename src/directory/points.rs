//! Point reads of a table, cached: one record by one key.
//!
//! Knows neither tables nor users: `V` is the record, and [`ReadPoint`] fetches it. What it promises:
//! * **Bounded staleness.** A record is used for `fresh`, then read again. Only while the table cannot be read is an older one used,
//!   until `max_stale` after it was read; after that there is none.
//! * **One read at a time for one key**, however many ask. Whoever waits may go away; the next in line takes over.
//! * **What is not there is remembered too**, for `negative`, and in a room of its own: a flood of keys that do not exist
//!   displaces no record. How many such answers are fetched is bounded as well, so that it does not become a flood of reads.
//! * **Everything is bounded**: records, reads at once, the wait for a read.

mod room;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use tokio::sync::{Mutex, Semaphore};

use self::room::{Room, lock};
use crate::{clock::Clock, config::CacheConfig};

/// Reads at once of records that are known, which are renewed, and of those that are not. They do not stand in each other's way.
const READS: usize = 64;
/// How long a read that failed stands before the same key is read again, where nothing is at hand.
const FAILED_FOR: Duration = Duration::from_secs(1);
/// The same where an older record is: nobody is refused meanwhile, and a table in trouble is left alone.
const STALE_PAUSE: Duration = Duration::from_secs(5);
/// Answers of "not there" that are fetched in a second on the average, and at once after a pause.
const ABSENT_RATE: (f64, f64) = (50.0, 500.0);
/// The room for what is not there, as a part of that for records.
const ABSENT_SHARE: usize = 8;

/// Fetches records.
pub(super) trait ReadPoint<V>: Send + Sync {
    /// One read. May be dropped at any time.
    fn read<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<V>, ReadError>>;
}

/// Why there is no answer. Notes are for the log and hold no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ReadError {
    /// The table cannot be read at the moment.
    #[error("the table cannot be read: {0}")]
    Unavailable(String),
    /// There is a record, and it cannot be used: as good as a denial, and never replaced by an older one.
    #[error("the record cannot be used: {0}")]
    Unusable(String),
}

/// What there is of a key.
#[derive(Debug)]
pub(super) enum Point<V> {
    /// This.
    Record(Arc<V>),
    /// Nothing.
    Absent,
}

impl<V> Clone for Point<V> {
    fn clone(&self) -> Self {
        match self {
            Self::Record(record) => Self::Record(record.clone()),
            Self::Absent => Self::Absent,
        }
    }
}

/// How an answer came about, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// It was at hand.
    Cached,
    /// It was read.
    Read,
    /// It is older than it should be: the table cannot be read.
    Stale,
    /// The table cannot be read, and nothing is at hand.
    Failed,
    /// Too many keys that are not there were asked for; this one was not looked up.
    Shed,
}

/// An answer, or why there is none.
pub(super) struct Found<V> {
    pub(super) how: How,
    pub(super) point: Result<Point<V>, ReadError>,
    /// Whether this read brought something else than what was at hand.
    pub(super) changed: bool,
}

/// What became of a record that came with others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// It is another than the one that was at hand.
    Changed,
    /// It is the same, is new, or is not needed.
    Same,
    /// There are too many.
    NoRoom,
}

/// The cache over a table.
pub(super) struct Points<V> {
    source: Box<dyn ReadPoint<V>>,
    config: CacheConfig,
    /// Longest read, and longest wait for a place to make one.
    timeout: Duration,
    clock: Clock,
    /// Keys of which there is a record.
    known: Room<V>,
    /// Keys of which there is none, or nothing is known yet.
    strangers: Room<V>,
    renewals: Semaphore,
    first_reads: Semaphore,
    budget: std::sync::Mutex<Budget>,
}

/// One key's place. What is in it changes only under `reading`.
pub(super) struct Cell<V> {
    held: std::sync::Mutex<Held<V>>,
    /// Held by whoever reads.
    reading: Mutex<()>,
}

struct Held<V> {
    answer: Option<Answer<V>>,
    failed: Option<(ReadError, Instant)>,
}

impl<V> Held<V> {
    /// Whether what is held is from after `moment`: an answer, or that the record cannot be used.
    fn is_later_than(&self, moment: Instant, now: Instant) -> bool {
        let answered = self.answer.as_ref().is_some_and(|answer| answer.read_at > moment);
        answered || self.failed.as_ref().is_some_and(|(error, until)| matches!(error, ReadError::Unusable(_)) && now < *until)
    }
}

impl<V> Default for Cell<V> {
    fn default() -> Self {
        Self { held: std::sync::Mutex::new(Held { answer: None, failed: None }), reading: Mutex::default() }
    }
}

struct Answer<V> {
    point: Point<V>,
    read_at: Instant,
    /// Until then it is used without a question.
    fresh_until: Instant,
}

/// Answers of "not there" that may still be fetched.
struct Budget {
    left: f64,
    at: Instant,
}

impl<V: PartialEq> Points<V> {
    pub(super) fn new(source: Box<dyn ReadPoint<V>>, config: CacheConfig, timeout: Duration, clock: Clock) -> Self {
        let budget = Budget { left: ABSENT_RATE.1, at: clock.instant() };
        Self {
            source,
            config,
            timeout,
            known: Room::new(config.max_entries),
            strangers: Room::new(config.max_entries / ABSENT_SHARE),
            renewals: Semaphore::new(READS),
            first_reads: Semaphore::new(READS),
            budget: std::sync::Mutex::new(budget),
            clock,
        }
    }

    /// The record of `key`, not older than the bounds allow.
    pub(super) async fn find(&self, key: &str) -> Found<V> {
        let cell = self.known.find(key).unwrap_or_else(|| self.strangers.find_or_add(key));
        if let Some(found) = cell.at_hand(self.clock.instant()) {
            return found;
        }
        let _reading = match cell.reading.try_lock() {
            Ok(reading) => reading,
            // The table is in trouble, and somebody is trying: what there is will do until they know more.
            Err(_) => match cell.in_trouble(self.clock.instant(), self.config.max_stale) {
                Some(found) => return found,
                None => cell.reading.lock().await,
            },
        };
        // Whoever was before us may have brought it, or found that it cannot be had.
        if let Some(found) = cell.at_hand(self.clock.instant()) {
            return found;
        }
        let is_known = matches!(cell.point(), Some(Point::Record(_)));
        let unavailable = |why: &str| ReadError::Unavailable(why.to_owned());
        let places = if is_known { &self.renewals } else { &self.first_reads };
        let Ok(Ok(_place)) = tokio::time::timeout(self.timeout, places.acquire()).await else {
            return self.take(key, &cell, self.clock.instant(), Err(unavailable("too many reads are waiting")));
        };
        // With a place, so that those who wait for one hold back nothing of it.
        let reserved = if is_known { None } else { self.reserve() };
        if !is_known && reserved.is_none() {
            return Found { how: How::Shed, point: Err(unavailable("too many unknown keys are asked for")), changed: false };
        }
        let began = self.clock.instant();
        let outcome = match tokio::time::timeout(self.timeout, self.source.read(key)).await {
            Ok(outcome) => outcome,
            Err(_elapsed) => Err(unavailable("no answer in time")),
        };
        if let (Some(reserved), Ok(None) | Err(ReadError::Unusable(_))) = (reserved, &outcome) {
            reserved.spend();
        }
        self.take(key, &cell, began, outcome.map(|record| record.map(Arc::new)))
    }

    /// What is at hand of `key`, whatever its age within the bounds, without a read.
    pub(super) fn recall(&self, key: &str) -> Option<Point<V>> {
        let now = self.clock.instant();
        let cell = self.known.peek(key).or_else(|| self.strangers.peek(key))?;
        let held = lock(&cell.held);
        let usable = |answer: &&Answer<V>| match answer.point {
            Point::Record(_) => now.saturating_duration_since(answer.read_at) < self.config.max_stale,
            Point::Absent => now < answer.fresh_until,
        };
        held.answer.as_ref().filter(usable).map(|answer| answer.point.clone())
    }

    /// Takes in a record that was read together with others, by a read that `began` then. What is known from later is left alone, and
    /// what somebody is reading at the moment: they bring something newer. Nobody makes room for it.
    pub(super) fn take_in(&self, key: &str, began: Instant, outcome: Result<V, ReadError>) -> Taken {
        self.take_unasked(key, began, outcome.map(|record| Some(Arc::new(record))))
    }

    /// Takes in what `before` has at hand, which reads the same table: as old as it is there, so within the same bounds. What is known here
    /// from later is left alone.
    pub(super) fn take_over(&self, before: &Self) {
        let cells = before.known.cells().into_iter().chain(before.strangers.cells());
        for (key, cell) in cells {
            let at_hand = lock(&cell.held).answer.as_ref().map(|answer| (answer.point.clone(), answer.read_at));
            let Some((point, read_at)) = at_hand else { continue };
            let record = match point {
                Point::Record(record) => Some(record),
                // Worth a place only where something older is known here.
                Point::Absent if self.known.peek(&key).is_none() => continue,
                Point::Absent => None,
            };
            self.take_unasked(&key, read_at, Ok(record));
        }
    }

    fn take_unasked(&self, key: &str, began: Instant, outcome: Result<Option<Arc<V>>, ReadError>) -> Taken {
        let cell = match self.known.peek(key) {
            Some(cell) => cell,
            None if self.known.is_full() => return Taken::NoRoom,
            None => self.strangers.peek(key).unwrap_or_default(),
        };
        let Ok(_reading) = cell.reading.try_lock() else { return Taken::Same };
        if lock(&cell.held).is_later_than(began, self.clock.instant()) {
            return Taken::Same;
        }
        if self.take(key, &cell, began, outcome).changed { Taken::Changed } else { Taken::Same }
    }

    /// As [`Points::find`], with another read of what was read at `since` or before.
    pub(super) async fn renew(&self, key: &str, since: Instant) -> Found<V> {
        if let Some(cell) = self.known.peek(key) {
            let mut held = lock(&cell.held);
            // A table in trouble is left alone, however many ask.
            if held.failed.is_none()
                && let Some(answer) = held.answer.as_mut().filter(|answer| answer.read_at <= since)
            {
                answer.fresh_until = answer.fresh_until.min(self.clock.instant());
            }
        }
        self.find(key).await
    }

    /// The records at hand that may be used, whatever their age within the bounds.
    pub(super) fn records(&self) -> Vec<Arc<V>> {
        let now = self.clock.instant();
        let record = |(_, cell): (Box<str>, Arc<Cell<V>>)| match &lock(&cell.held).answer {
            Some(Answer { point: Point::Record(record), read_at, .. })
                if now.saturating_duration_since(*read_at) < self.config.max_stale =>
            {
                Some(record.clone())
            }
            _ => None,
        };
        self.known.cells().into_iter().filter_map(record).collect()
    }

    /// The keys of records at hand that were read before `moment`.
    pub(super) fn read_before(&self, moment: Instant) -> Vec<Box<str>> {
        let is_older = |cell: &Cell<V>| lock(&cell.held).answer.as_ref().is_some_and(|answer| answer.read_at < moment);
        self.known.cells().into_iter().filter(|(_, cell)| is_older(cell)).map(|(key, _)| key).collect()
    }

    /// How many keys there is a record of.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// How long an answer is used at most without a question.
    pub(super) fn fresh(&self) -> Duration {
        self.config.fresh
    }

    /// Takes in what a read that `began` then has brought. Its answer is as old as the question.
    fn take(&self, key: &str, cell: &Arc<Cell<V>>, began: Instant, outcome: Result<Option<Arc<V>>, ReadError>) -> Found<V> {
        let now = self.clock.instant();
        let mut held = lock(&cell.held);
        match outcome {
            Ok(Some(record)) => {
                // The same record keeps its place in memory.
                let (record, changed) = match held.answer.as_ref().map(|answer| &answer.point) {
                    Some(Point::Record(old)) if *old == record => (old.clone(), false),
                    before => (record, before.is_some()),
                };
                let point = Point::Record(record);
                // Up to a tenth less, so that what was read together is not read again together.
                let fresh = self.config.fresh.mul_f64(1.0 - 0.1 * fraction());
                *held = Held { answer: Some(Answer { point: point.clone(), read_at: began, fresh_until: began + fresh }), failed: None };
                drop(held);
                // In this order, so that it is always in one of them.
                self.known.add(key, cell);
                self.strangers.remove(key);
                Found { how: How::Read, point: Ok(point), changed }
            }
            Ok(None) => {
                let changed = matches!(held.answer.as_ref().map(|answer| &answer.point), Some(Point::Record(_)));
                let until = began + self.config.negative;
                *held = Held { answer: Some(Answer { point: Point::Absent, read_at: began, fresh_until: until }), failed: None };
                drop(held);
                self.leaves(key, cell);
                Found { how: How::Read, point: Ok(Point::Absent), changed }
            }
            Err(error @ ReadError::Unusable(_)) => {
                let changed = held.answer.is_some();
                *held = Held { answer: None, failed: Some((error.clone(), now + self.config.negative)) };
                drop(held);
                self.leaves(key, cell);
                Found { how: How::Read, point: Err(error), changed }
            }
            Err(error @ ReadError::Unavailable(_)) => {
                held.failed = Some((error.clone(), now + FAILED_FOR));
                // An absence is not known for longer than it was meant to be: only a record is worth keeping.
                let usable = |answer: &&mut Answer<V>| {
                    matches!(answer.point, Point::Record(_)) && now.saturating_duration_since(answer.read_at) < self.config.max_stale
                };
                match held.answer.as_mut().filter(usable) {
                    Some(answer) => {
                        answer.fresh_until = (now + STALE_PAUSE).min(answer.read_at + self.config.max_stale);
                        Found { how: How::Stale, point: Ok(answer.point.clone()), changed: false }
                    }
                    None => {
                        held.answer = None;
                        drop(held);
                        self.leaves(key, cell);
                        Found { how: How::Failed, point: Err(error), changed: false }
                    }
                }
            }
        }
    }

    /// `key` has no record any more.
    fn leaves(&self, key: &str, cell: &Arc<Cell<V>>) {
        self.strangers.add(key, cell);
        self.known.remove(key);
    }

    /// Takes one of the answers of "not there" that may be fetched, if there is one left.
    fn reserve(&self) -> Option<Reserved<'_>> {
        let now = self.clock.instant();
        let mut budget = lock(&self.budget);
        let gained = now.saturating_duration_since(budget.at).as_secs_f64() * ABSENT_RATE.0;
        *budget = Budget { left: (budget.left + gained).min(ABSENT_RATE.1), at: now };
        let afforded = budget.left >= 1.0;
        budget.left -= f64::from(u8::from(afforded));
        drop(budget);
        // Not made where there is none: what is made gives one back.
        afforded.then(|| Reserved(Some(&self.budget)))
    }
}

/// One of the answers of "not there", given back unless it is spent. A read whose asker goes away has brought none: to take one for it would let whoever
/// breaks off requests keep all new keys out.
struct Reserved<'b>(Option<&'b std::sync::Mutex<Budget>>);

impl Reserved<'_> {
    fn spend(mut self) {
        self.0 = None;
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        if let Some(budget) = self.0 {
            lock(budget).left += 1.0;
        }
    }
}

impl<V> Cell<V> {
    /// What needs no read: an answer that is fresh, or a failure of a moment ago.
    fn at_hand(&self, now: Instant) -> Option<Found<V>> {
        let held = lock(&self.held);
        match (&held.answer, &held.failed) {
            (Some(answer), failed) if now < answer.fresh_until => {
                let how = if failed.is_some() { How::Stale } else { How::Cached };
                Some(Found { how, point: Ok(answer.point.clone()), changed: false })
            }
            (None, Some((error, until))) if now < *until => {
                let how = if matches!(error, ReadError::Unusable(_)) { How::Cached } else { How::Failed };
                Some(Found { how, point: Err(error.clone()), changed: false })
            }
            _ => None,
        }
    }

    /// An older record, where the last read failed.
    fn in_trouble(&self, now: Instant, max_stale: Duration) -> Option<Found<V>> {
        let held = lock(&self.held);
        let answer = held.answer.as_ref().filter(|answer| now.saturating_duration_since(answer.read_at) < max_stale)?;
        let is_record = matches!(answer.point, Point::Record(_));
        (is_record && held.failed.is_some()).then(|| Found { how: How::Stale, point: Ok(answer.point.clone()), changed: false })
    }

    fn point(&self) -> Option<Point<V>> {
        lock(&self.held).answer.as_ref().map(|answer| answer.point.clone())
    }
}

/// From 0 to 1, to spread things. Without a source of randomness reads only come closer together.
pub(super) fn fraction() -> f64 {
    getrandom::u64().map_or(0.0, |bits| bits as f64 / u64::MAX as f64)
}

#[cfg(test)]
mod tests;
