//! What has been answered, and what has not, each for a time. Bounded.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::Unknown;
use crate::{config::TableKeys, tenant::TenantId};

/// How long an answer is taken as it is.
pub(super) const FRESH: Duration = Duration::from_secs(300);
/// How long after it was given an answer stands in for one that cannot be had.
pub(super) const KEPT: Duration = Duration::from_secs(3_600);
/// How long an answer that stands in does so before DynamoDB is asked again.
pub(super) const AGAIN: Duration = Duration::from_secs(10);
/// How long what failed is not asked for again: because of what was asked, and because of how things are at the moment.
pub(super) const FAILED: Duration = Duration::from_secs(5);
pub(super) const FAILED_FOR_NOW: Duration = Duration::from_secs(1);
/// Tables of one place. More have keys that are asked for again and again.
const OF_A_PLACE: usize = 256;
/// Tables of all places.
const IN_ALL: usize = 10_000;
/// Failures of one tenant that stand. Whoever has so many asks for names that there are not.
const FAILURES: usize = 16;
/// Tenants whose failures are remembered.
const FAILING: usize = 4_096;

/// What is remembered. Nothing is awaited under its lock.
#[derive(Debug, Default)]
pub(super) struct Store(Mutex<Memory>);

#[derive(Debug, Default)]
struct Memory {
    /// By place and table.
    known: HashMap<Box<str>, HashMap<Box<str>, Known>>,
    /// By tenant: others may ask with a session that may do more.
    failed: HashMap<TenantId, Vec<Failed>>,
    /// Questions that are on their way, by who asks.
    asked: HashMap<Question, Arc<tokio::sync::Mutex<()>>>,
}

#[derive(Debug)]
struct Known {
    keys: Arc<TableKeys>,
    since: Instant,
    fresh_until: Instant,
}

#[derive(Debug)]
struct Failed {
    place: Box<str>,
    table: Box<str>,
    unknown: Unknown,
    until: Instant,
}

/// Who asks for what.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Question {
    pub(super) tenant: TenantId,
    pub(super) place: String,
    pub(super) table: String,
}

/// What is remembered of a table.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// To go by.
    Fresh(Arc<TableKeys>),
    /// To stand in for what cannot be had.
    Old(Arc<TableKeys>),
    Failed(Unknown),
    Nothing,
}

/// One tenant's turn to ask. The others who would ask the same wait for it to be dropped.
pub(super) struct Turn<'s> {
    store: &'s Store,
    question: Question,
    lock: Arc<tokio::sync::Mutex<()>>,
}

impl Store {
    pub(super) fn look(&self, tenant: &TenantId, place: &str, table: &str, now: Instant) -> Seen {
        let memory = self.lock();
        let known = memory.known.get(place).and_then(|tables| tables.get(table));
        if let Some(fresh) = known.filter(|known| now < known.fresh_until) {
            return Seen::Fresh(Arc::clone(&fresh.keys));
        }
        let failures = memory.failed.get(tenant).map(Vec::as_slice).unwrap_or_default();
        let of_this = |failed: &&Failed| now < failed.until && *failed.place == *place && *failed.table == *table;
        if let Some(failed) = failures.iter().find(of_this) {
            return Seen::Failed(failed.unknown.clone());
        }
        match known.filter(|known| now < known.since + KEPT) {
            Some(old) => Seen::Old(Arc::clone(&old.keys)),
            None => Seen::Nothing,
        }
    }

    /// Whether the tenant has asked for too much lately that could not be had.
    pub(super) fn is_at_its_end(&self, tenant: &TenantId, now: Instant) -> bool {
        let memory = self.lock();
        memory.failed.get(tenant).is_some_and(|failures| failures.iter().filter(|failed| now < failed.until).count() >= FAILURES)
    }

    pub(super) fn learnt(&self, place: &str, table: &str, keys: &Arc<TableKeys>, now: Instant) {
        let mut memory = self.lock();
        memory.make_room(place, table, now);
        let known = Known { keys: Arc::clone(keys), since: now, fresh_until: now + FRESH };
        memory.known.entry(place.into()).or_default().insert(table.into(), known);
    }

    /// An answer that is old has to do for a while.
    pub(super) fn stands_in(&self, place: &str, table: &str, now: Instant) {
        let mut memory = self.lock();
        if let Some(known) = memory.known.get_mut(place).and_then(|tables| tables.get_mut(table)) {
            known.fresh_until = (now + AGAIN).min(known.since + KEPT);
        }
    }

    /// The table's keys could not be had, and whoever asks is told so for a while. Where that is because of the table, or of who asks, what was known
    /// stands in no longer.
    pub(super) fn failed(&self, question: &Question, unknown: Unknown, now: Instant) {
        let mut memory = self.lock();
        let memory = &mut *memory;
        if let Some(tables) = memory.known.get_mut(question.place.as_str()).filter(|_| !unknown.for_now) {
            tables.retain(|table, known| **table != *question.table || now < known.fresh_until);
        }
        if !memory.failed.contains_key(&question.tenant) && memory.failed.len() >= FAILING {
            memory.failed.retain(|_, failures| failures.iter().any(|failed| now < failed.until));
            if memory.failed.len() >= FAILING {
                return;
            }
        }
        let until = now + if unknown.for_now { FAILED_FOR_NOW } else { FAILED };
        let failures = memory.failed.entry(question.tenant.clone()).or_default();
        failures.retain(|failed| now < failed.until);
        failures.push(Failed { place: question.place.as_str().into(), table: question.table.as_str().into(), unknown, until });
    }

    /// Waits until nobody else of the tenant asks the same.
    pub(super) fn turn(&self, question: Question) -> Turn<'_> {
        let lock = Arc::clone(self.lock().asked.entry(question.clone()).or_default());
        Turn { store: self, question, lock }
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        // Nothing is left half done in it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    /// Where all room is taken, of the place itself or of everybody, what was learnt first goes.
    fn make_room(&mut self, place: &str, table: &str, now: Instant) {
        let tables = self.known.get(place);
        if tables.is_some_and(|tables| tables.contains_key(table)) {
            return;
        }
        let is_full = |len: usize, max| len >= max;
        if is_full(tables.map_or(0, HashMap::len), OF_A_PLACE) {
            return self.forget_one(Some(place));
        }
        if is_full(self.known.values().map(HashMap::len).sum(), IN_ALL) {
            for tables in self.known.values_mut() {
                tables.retain(|_, known| now < known.since + KEPT);
            }
            self.known.retain(|_, tables| !tables.is_empty());
            if is_full(self.known.values().map(HashMap::len).sum(), IN_ALL) {
                self.forget_one(None);
            }
        }
    }

    fn forget_one(&mut self, of: Option<&str>) {
        let places = self.known.iter().filter(|(place, _)| of.is_none_or(|of| ***place == *of));
        let tables = places.flat_map(|(place, tables)| tables.iter().map(move |(table, known)| (known.since, place, table)));
        let first = tables.min_by_key(|(since, ..)| *since).map(|(_, place, table)| (place.clone(), table.clone()));
        let Some((place, table)) = first else { return };
        if let Some(tables) = self.known.get_mut(&place) {
            tables.remove(&table);
            if tables.is_empty() {
                self.known.remove(&place);
            }
        }
    }
}

impl Turn<'_> {
    /// The turn itself, which lasts until what is returned is dropped.
    pub(super) async fn come(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.lock.lock().await
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut memory = self.store.lock();
        // This one and the map's.
        if Arc::strong_count(&self.lock) <= 2 {
            memory.asked.remove(&self.question);
        }
    }
}

#[cfg(test)]
mod tests;
