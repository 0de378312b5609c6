//! A bounded map of cells, out of which the one unused for longest goes first.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use super::Cell;

/// The map.
pub(super) struct Room<V> {
    places: Mutex<HashMap<Box<str>, Place<V>>>,
    max: usize,
    /// Counts uses: the order in which places were used last.
    uses: AtomicU64,
}

struct Place<V> {
    cell: Arc<Cell<V>>,
    used: u64,
}

impl<V> Room<V> {
    /// At most `max` places, at least one.
    pub(super) fn new(max: usize) -> Self {
        Self { places: Mutex::default(), max: max.max(1), uses: AtomicU64::new(0) }
    }

    /// The cell of `key`, if there is one, marked as used.
    pub(super) fn find(&self, key: &str) -> Option<Arc<Cell<V>>> {
        let used = self.uses.fetch_add(1, Ordering::Relaxed);
        let mut places = lock(&self.places);
        let place = places.get_mut(key)?;
        place.used = used;
        Some(place.cell.clone())
    }

    /// The same without a mark.
    pub(super) fn peek(&self, key: &str) -> Option<Arc<Cell<V>>> {
        lock(&self.places).get(key).map(|place| place.cell.clone())
    }

    /// The cell of `key`, an empty one if there was none.
    pub(super) fn find_or_add(&self, key: &str) -> Arc<Cell<V>> {
        let used = self.uses.fetch_add(1, Ordering::Relaxed);
        let mut places = lock(&self.places);
        if let Some(place) = places.get_mut(key) {
            place.used = used;
            return place.cell.clone();
        }
        self.make_room(&mut places);
        let cell = Arc::new(Cell::default());
        places.insert(key.into(), Place { cell: cell.clone(), used });
        cell
    }

    /// Puts `cell` in for `key`.
    pub(super) fn add(&self, key: &str, cell: &Arc<Cell<V>>) {
        let used = self.uses.fetch_add(1, Ordering::Relaxed);
        let mut places = lock(&self.places);
        if !places.contains_key(key) {
            self.make_room(&mut places);
        }
        places.insert(key.into(), Place { cell: cell.clone(), used });
    }

    /// Lets `key` go.
    pub(super) fn remove(&self, key: &str) {
        lock(&self.places).remove(key);
    }

    /// Every cell and its key.
    pub(super) fn cells(&self) -> Vec<(Box<str>, Arc<Cell<V>>)> {
        lock(&self.places).iter().map(|(key, place)| (key.clone(), place.cell.clone())).collect()
    }

    /// Whether another one would displace one.
    pub(super) fn is_full(&self) -> bool {
        self.len() >= self.max
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        lock(&self.places).len()
    }

    /// Lets a part of a full map go at once, so that it is not searched for each newcomer. Whoever waits at a cell that goes still
    /// gets the answer.
    fn make_room(&self, places: &mut HashMap<Box<str>, Place<V>>) {
        if places.len() < self.max {
            return;
        }
        let excess = places.len() - self.max + 1 + self.max / 16;
        let mut uses: Vec<u64> = places.values().map(|place| place.used).collect();
        let last = excess.min(uses.len()) - 1;
        let (_, oldest, _) = uses.select_nth_unstable(last);
        let oldest = *oldest;
        places.retain(|_, place| place.used > oldest);
    }
}

/// Locks for a short section without an `await`. A panic elsewhere leaves nothing half done in these sections.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
