//! A bounded map of expiring values, each fetched by one caller for all.
//!
//! Knows nothing of STS: `K` says what a value is of and whose it is, and `V` is the value. A [`Slot`] is where everyone
//! who wants one value meets: [`Slot::join`] hands out the value, or a place to wait for it, or, to exactly one caller, the
//! [`Flight`] that has to bring it. No lock is held across an `await`, and none is taken where a value is at hand.

mod slot;
mod sync;

use std::{
    cmp::Reverse,
    collections::HashMap,
    hash::Hash,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use dashmap::DashMap;
use prometheus::IntGauge;

pub(super) use self::slot::{Arrival, Flight, Held, Slot, Turn};
use self::sync::{Mutex, lock};
use crate::clock::Clock;

/// A key that belongs to somebody. Owners share the room, and none can take it from those who have less.
pub(super) trait Owned: Eq + Hash {
    type Owner: Eq + Hash;

    fn owner(&self) -> Self::Owner;
}

/// The map.
pub(super) struct Cache<K, V> {
    slots: DashMap<Arc<K>, Arc<Slot<K, V>>>,
    max: usize,
    /// Held while a slot is added, which makes the bound exact. Never taken where there is a slot already.
    adding: Mutex<()>,
    clock: Clock,
    /// Times of use are milliseconds since this.
    origin: Instant,
    /// How many slots hold a value.
    held: IntGauge,
}

/// Every slot is waiting for a value, so none can make room.
#[derive(Debug)]
pub(super) struct Full;

impl<K: Owned, V> Cache<K, V> {
    /// At most `max` slots (at least one); `held` follows the number of values in them.
    pub(super) fn new(max: usize, clock: Clock, held: IntGauge) -> Self {
        let origin = clock.instant();
        Self { slots: DashMap::new(), max: max.max(1), adding: Mutex::new(()), clock, origin, held }
    }

    /// The slot of `key`, marked as used now.
    pub(super) fn slot(&self, key: &Arc<K>) -> Result<Arc<Slot<K, V>>, Full> {
        let slot = match self.find(key) {
            Some(slot) => slot,
            None => self.add(key)?,
        };
        slot.touch(self.elapsed());
        Ok(slot)
    }

    /// The slot of `key`, if there is one.
    pub(super) fn find(&self, key: &Arc<K>) -> Option<Arc<Slot<K, V>>> {
        self.slots.get(key).map(|slot| Arc::clone(&slot))
    }

    /// What `slot` can do for a caller now; see [`Slot::join`].
    pub(super) fn join(&self, slot: &Arc<Slot<K, V>>, life_needed: Duration) -> Turn<K, V> {
        slot.join(self.clock.now(), self.clock.instant(), life_needed)
    }

    /// Ends `flight`: stores the value, or remembers the refusal for as long as it stands.
    pub(super) fn land(&self, flight: Flight<K, V>, arrival: Arrival<V>) {
        flight.land(arrival, self.clock.now(), self.clock.instant());
    }

    /// How many slots there are.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// All slots, for a look at each; no lock is held while they are looked at.
    pub(super) fn slots(&self) -> Vec<Arc<Slot<K, V>>> {
        self.slots.iter().map(|entry| Arc::clone(entry.value())).collect()
    }

    /// Removes those of `slots` that are not waiting for a value and that `idle` chooses; the others.
    pub(super) fn sweep(&self, slots: Vec<Arc<Slot<K, V>>>, idle: impl Fn(&Slot<K, V>) -> bool) -> Vec<Arc<Slot<K, V>>> {
        slots.into_iter().filter(|slot| !(idle(slot) && self.remove_unless_in_flight(slot))).collect()
    }

    /// Removes `slot` even while it waits: those who wait still get their answer, and it is not kept.
    pub(super) fn remove(&self, slot: &Arc<Slot<K, V>>) {
        slot.retire();
        self.slots.remove_if(slot.key(), |_, found| Arc::ptr_eq(found, slot));
    }

    /// How long `slot` has not been used.
    pub(super) fn unused(&self, slot: &Slot<K, V>) -> Duration {
        Duration::from_millis(self.elapsed().saturating_sub(slot.last_used()))
    }

    /// Wall time, as everything here sees it.
    pub(super) fn now(&self) -> SystemTime {
        self.clock.now()
    }

    fn add(&self, key: &Arc<K>) -> Result<Arc<Slot<K, V>>, Full> {
        let _adding = lock(&self.adding);
        if let Some(slot) = self.find(key) {
            return Ok(slot);
        }
        if self.slots.len() >= self.max {
            self.make_room()?;
        }
        let slot = Arc::new(Slot::new(Arc::clone(key), self.held.clone()));
        self.slots.insert(Arc::clone(key), Arc::clone(&slot));
        Ok(slot)
    }

    /// Lets go of the slots that are missed least.
    ///
    /// A few more than needed go at once, so that a full map is not searched for each new key.
    fn make_room(&self) -> Result<(), Full> {
        let wanted = 1 + self.max / 64;
        let gone = self.least_missed_first().filter(|slot| self.remove_unless_in_flight(slot)).take(wanted).count();
        if gone == 0 { Err(Full) } else { Ok(()) }
    }

    /// Slots without a usable value first, then one by one of whoever has the most left, the one unused for longest.
    ///
    /// With an owner's slots numbered from the one used last, the highest number is the next to go: it is found at the owner
    /// who has the most. At equal numbers it is the slot unused for longest.
    fn least_missed_first(&self) -> impl Iterator<Item = Arc<Slot<K, V>>> {
        let now = self.clock.now();
        let mut slots = self.slots();
        slots.sort_by_cached_key(|slot| Reverse(slot.last_used()));
        let mut slots = numbered(slots);
        slots.reverse();
        slots.sort_by_cached_key(|(number, slot)| (slot.held().is_some_and(|held| held.expires > now), Reverse(*number)));
        slots.into_iter().map(|(_, slot)| slot)
    }

    fn remove_unless_in_flight(&self, slot: &Arc<Slot<K, V>>) -> bool {
        let retired = slot.retire_unless_in_flight();
        if retired {
            self.slots.remove_if(slot.key(), |_, found| Arc::ptr_eq(found, slot));
        }
        retired
    }

    fn elapsed(&self) -> u64 {
        u64::try_from(self.clock.instant().duration_since(self.origin).as_millis()).unwrap_or(u64::MAX)
    }
}

/// Each slot with its number among those of its owner, in the order of `slots`.
pub(super) fn numbered<K: Owned, V>(slots: Vec<Arc<Slot<K, V>>>) -> Vec<(usize, Arc<Slot<K, V>>)> {
    let mut numbers: HashMap<K::Owner, usize> = HashMap::new();
    let number = |slot: Arc<Slot<K, V>>| {
        let number = numbers.entry(slot.key().owner()).or_default();
        *number += 1;
        (*number, slot)
    };
    slots.into_iter().map(number).collect()
}

#[cfg(test)]
mod interleavings;
#[cfg(test)]
mod tests;
