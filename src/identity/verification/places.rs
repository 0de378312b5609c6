//! Places to wait for an issuer's keys.
//!
//! A token of a key that is not at hand waits for a fetch, which takes as long as the provider does. Such requests hold memory and
//! a connection, so there is a bound on all of them and one on those of a source; others still verify with the keys at hand.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::Source;

/// No source has more than this part of the places.
const SHARE: usize = 8;

/// All places.
#[derive(Debug)]
pub(super) struct Places {
    taken: Arc<Mutex<Taken>>,
    most: usize,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_source: HashMap<Source, usize>,
}

/// A place, given back on drop.
#[derive(Debug)]
#[must_use = "a place is held while waiting"]
pub(in crate::identity) struct Place {
    taken: Arc<Mutex<Taken>>,
    source: Source,
}

impl Places {
    pub(super) fn new(most: usize) -> Self {
        Self { taken: Arc::default(), most }
    }

    /// A place for `source`, unless there is none left, or it has its share.
    pub(super) fn take(&self, source: &Source) -> Option<Place> {
        let mut taken = lock(&self.taken);
        let own = taken.by_source.get(source).copied().unwrap_or_default();
        if taken.all >= self.most || own >= self.most.div_ceil(SHARE) {
            return None;
        }
        taken.all += 1;
        taken.by_source.insert(source.clone(), own + 1);
        Some(Place { taken: self.taken.clone(), source: source.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        taken.all = taken.all.saturating_sub(1);
        match taken.by_source.get_mut(&self.source) {
            Some(own) if *own > 1 => *own -= 1,
            _ => drop(taken.by_source.remove(&self.source)),
        }
    }
}

/// Nothing panics inside.
fn lock(taken: &Mutex<Taken>) -> MutexGuard<'_, Taken> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(number: u8) -> Source {
        Source::client([192, 0, 2, number].into())
    }

    #[test]
    fn a_source_has_its_share_and_all_have_the_whole() {
        let places = Places::new(16);
        let of_one: Vec<_> = (0..10).filter_map(|_| places.take(&source(1))).collect();
        assert_eq!(of_one.len(), 2);
        let others: Vec<_> = (2..100).filter_map(|number| places.take(&source(number))).collect();
        assert_eq!(others.len(), 14);
        assert!(places.take(&source(200)).is_none());
        drop(of_one);
        assert!(places.take(&source(200)).is_some());
        drop(others);
        assert!(lock(&places.taken).by_source.is_empty() && lock(&places.taken).all == 0, "something stays");
    }

    #[test]
    fn few_places_are_at_least_one_each() {
        let places = Places::new(2);
        let held = (places.take(&source(1)), places.take(&source(2)));
        assert!(held.0.is_some() && held.1.is_some() && places.take(&source(3)).is_none());
    }

    #[test]
    fn a_place_that_is_given_back_is_one_place() {
        let places = Places::new(16);
        let (first, second) = (places.take(&source(1)).unwrap(), places.take(&source(1)).unwrap());
        drop(first);
        let third = places.take(&source(1)).unwrap();
        assert!(places.take(&source(1)).is_none());
        drop((second, third));
        assert_eq!((0..3).filter_map(|_| places.take(&source(1))).map(std::mem::forget).count(), 2);
    }
}
