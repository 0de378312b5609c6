//! Shares, order, bounds, and that the books are always right.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

/// A value that says whose it is.
type Value = (u8, u8, u32);

impl Books {
    /// Everything that is counted twice agrees.
    pub(super) fn assert_sound(&self, room: Room) {
        let sum = |places: &mut dyn Iterator<Item = &Place>| {
            places.fold(Usage::default(), |mut sum, place| {
                sum.add(place.weight);
                sum
            })
        };
        assert_eq!(self.all, sum(&mut self.places.values()));
        assert!(!self.all.exceeds(room), "{:?} of {room:?}", self.all);
        assert_eq!(self.expiry.len(), self.places.len());
        assert!(self.places.iter().all(|(key, place)| self.expiry.contains(&(place.expires, *key))));
        for (name, issuer) in &self.issuers {
            let own = |place: &&Place| place.issuer == *name;
            assert_eq!(issuer.usage, sum(&mut self.places.values().filter(own)));
            assert!(!issuer.owners.is_empty());
            assert_eq!(issuer.ranks.len(), issuer.owners.len());
            for (owner, entry) in &issuer.owners {
                assert_eq!(entry.usage, sum(&mut self.places.values().filter(own).filter(|place| place.owner == *owner)));
                assert_eq!(issuer.ranks.get(&entry.rank(room).unwrap()), Some(owner));
                assert!(entry.entries.iter().all(|(number, key)| self.places[key].number == *number));
            }
        }
        let entries: usize = self.issuers.values().flat_map(|issuer| issuer.owners.values()).map(|owner| owner.entries.len()).sum();
        assert_eq!(entries, self.places.len());
    }
}

fn memory(entries: usize, bytes: usize) -> Memory<Value> {
    Memory::new(&TokenCacheConfig { entries, bytes }, Metrics::new().unwrap())
}

fn key(value: Value) -> Key {
    let mut key = [0; 32];
    key[0] = value.0;
    key[1] = value.1;
    key[2..6].copy_from_slice(&value.2.to_be_bytes());
    key
}

fn at(second: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(second)
}

fn account(value: Value, weight: usize, expires: u64) -> Account {
    Account { issuer: format!("i{}", value.0).into(), owner: format!("t{}", value.1).into(), weight, expires: at(expires) }
}

/// Issuer, tenant, number; a small token without an end.
fn put(memory: &Memory<Value>, value: Value) {
    memory.insert(key(value), Arc::new(value), account(value, 100, 1_000), at(0));
}

fn count(memory: &Memory<Value>, chosen: impl Fn(&Value) -> bool) -> usize {
    memory.entries.iter().filter(|entry| chosen(&entry.value)).count()
}

#[test]
fn a_tenant_with_very_many_tokens_neither_pushes_out_nor_keeps_out() {
    let memory = memory(100, usize::MAX);
    (0..10).for_each(|n| put(&memory, (1, 2, n)));
    (0..10_000).for_each(|n| put(&memory, (1, 1, n)));
    assert_eq!(count(&memory, |v| v.1 == 2), 10, "the flood pushed out another tenant's");
    assert_eq!(memory.len(), 100, "and has the rest, since nobody wants it");
    (0..30).for_each(|n| put(&memory, (1, 3, n)));
    assert_eq!((count(&memory, |v| v.1 == 2), count(&memory, |v| v.1 == 3)), (10, 30), "a newcomer was kept out");
    (0..1_000).for_each(|n| put(&memory, (1, 1, 20_000 + n)));
    assert_eq!((count(&memory, |v| v.1 == 2), count(&memory, |v| v.1 == 3), memory.len()), (10, 30, 100));
}

#[test]
fn an_issuer_with_many_tenants_has_no_more_than_one_with_few() {
    let memory = memory(100, usize::MAX);
    (0..40).for_each(|n| put(&memory, (1, 1, n)));
    for n in 0..5_000 {
        put(&memory, (2, (n % 250) as u8, n));
    }
    assert_eq!((count(&memory, |v| v.0 == 1), memory.len()), (40, 100), "an issuer that invents tenants pushed out another's");
    (40..200).for_each(|n| put(&memory, (1, 1, n)));
    assert_eq!((count(&memory, |v| v.0 == 1), count(&memory, |v| v.0 == 2)), (50, 50));
}

#[test]
fn large_tokens_take_from_their_own_owner() {
    let memory = memory(10_000, 1_000_000);
    (0..100).for_each(|n| put(&memory, (1, 1, n)));
    for n in 0..200 {
        let value = (1, 2, n);
        memory.insert(key(value), Arc::new(value), account(value, 100_000, 1_000), at(0));
        memory.len();
    }
    assert_eq!(count(&memory, |v| v.1 == 1), 100);
    assert_eq!(count(&memory, |v| v.1 == 2), 9);
    let huge = (1, 3, 0);
    memory.insert(key(huge), Arc::new(huge), account(huge, 1_000_001, 1_000), at(0));
    assert!(memory.get(&key(huge)).is_none() && memory.len() == 109, "larger than the room, and it made room");
}

#[test]
fn the_room_can_be_filled_to_its_last_byte_and_may_be_none() {
    // A token of `put`, with its books.
    let whole = 100 + BOOKS;
    for (bytes, held) in [(whole - 1, 0), (whole, 1), (2 * whole - 1, 1), (2 * whole, 2)] {
        let memory = memory(10, bytes);
        (0..3).for_each(|n| put(&memory, (1, 1, n)));
        assert_eq!((memory.len(), memory.lock().all.bytes), (held, held * whole), "{bytes}");
    }
    let none = memory(0, usize::MAX);
    put(&none, (1, 1, 1));
    assert_eq!((none.len(), none.get(&key((1, 1, 1)))), (0, None));
}

#[test]
fn within_an_owner_what_was_not_used_goes_first() {
    let memory = memory(10, usize::MAX);
    (0..10).for_each(|n| put(&memory, (1, 1, n)));
    for n in [0, 2, 4] {
        assert!(memory.get(&key((1, 1, n))).is_some());
    }
    (10..14).for_each(|n| put(&memory, (1, 1, n)));
    let left: Vec<_> = (0..14).filter(|n| memory.entries.contains_key(&key((1, 1, *n)))).collect();
    assert_eq!(left, [0, 2, 4, 7, 8, 9, 10, 11, 12, 13]);
}

#[test]
fn among_equals_the_least_used_goes() {
    let memory = memory(50, usize::MAX);
    (0..50).for_each(|tenant| put(&memory, (1, tenant, 0)));
    // All have one. Those in use stay, however many newcomers with one each there are.
    for tenant in 50..100 {
        for used in 0..5 {
            assert!(memory.get(&key((1, used, 0))).is_some(), "tenant {used} lost its only token, in use, to newcomer {tenant}");
        }
        put(&memory, (1, tenant, 0));
    }
    assert_eq!(memory.len(), 50);
}

#[test]
fn even_when_all_are_in_use_there_is_room() {
    let memory = memory(50, usize::MAX);
    for n in 0..200 {
        put(&memory, (1, 1, n));
        for n in 0..200 {
            memory.get(&key((1, 1, n)));
        }
    }
    assert_eq!(memory.len(), 50);
    assert!(memory.get(&key((1, 1, 199))).is_some());
}

#[test]
fn what_has_expired_makes_room_before_anybody_has_to() {
    let memory = memory(10, usize::MAX);
    for n in 0..10 {
        let value = (1, n as u8, n);
        memory.insert(key(value), Arc::new(value), account(value, 100, if n < 5 { 10 } else { 1_000 }), at(0));
    }
    let late = (2, 0, 0);
    memory.insert(key(late), Arc::new(late), account(late, 100, 1_000), at(10));
    assert_eq!(memory.len(), 7, "four were cleared away");
    assert_eq!(count(&memory, |v| (5..10).contains(&v.1)), 5);
    assert_eq!(memory.metrics.token_cache_entries.get(), 7);
}

#[test]
fn the_same_token_twice_is_one_entry() {
    let memory = memory(10, usize::MAX);
    put(&memory, (1, 1, 1));
    put(&memory, (1, 1, 1));
    assert_eq!(memory.len(), 1);
    memory.remove(&key((1, 1, 1)), Gone::Stale);
    memory.remove(&key((1, 1, 1)), Gone::Stale);
    assert_eq!(memory.len(), 0);
    assert!(memory.lock().issuers.is_empty(), "an issuer without an entry stays");
}

#[test]
fn what_is_chosen_is_forgotten_and_counted() {
    let memory = memory(100, usize::MAX);
    (0..10).for_each(|n| put(&memory, (1, (n % 2) as u8, n)));
    assert_eq!(memory.forget_where(|value| value.1 == 1), 5);
    assert_eq!(memory.forget_where(|value| value.1 == 1), 0);
    assert_eq!((memory.len(), count(&memory, |v| v.1 == 0)), (5, 5));
    let text = String::from_utf8(memory.metrics.render().unwrap()).unwrap();
    assert!(text.contains("palisade_token_cache_removals_total{reason=\"forgotten\"} 5"), "{text}");
}

#[derive(Debug, Clone)]
enum Step {
    Get(Value),
    Put(Value, usize, u64),
    Remove(Value),
    Forget(u8),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let value = || (0..3_u8, 0..4_u8, 0..8_u32);
    let step = prop_oneof![
        6 => (value(), 1..4_000_usize, 1..60_u64).prop_map(|(v, w, e)| Step::Put(v, w, e)),
        3 => value().prop_map(Step::Get),
        1 => value().prop_map(Step::Remove),
        1 => (0..4_u8).prop_map(Step::Forget),
        1 => (1..20_u64).prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 1..200)
}

proptest! {
    /// Whatever is done, the bounds hold, the books are right, and what comes out is what went in under that key.
    #[test]
    fn the_books_are_right(steps in steps()) {
        let memory = memory(20, 30_000);
        let mut now = 0;
        for step in steps {
            match step {
                Step::Get(value) => {
                    if let Some(found) = memory.get(&key(value)) {
                        prop_assert_eq!(*found, value);
                    }
                }
                Step::Put(value, weight, life) => {
                    memory.insert(key(value), Arc::new(value), account(value, weight, now + life), at(now));
                    let found = memory.get(&key(value));
                    prop_assert_eq!(found.as_deref(), Some(&value), "the newcomer itself was let go");
                }
                Step::Remove(value) => memory.remove(&key(value), Gone::Stale),
                Step::Forget(tenant) => {
                    memory.forget_where(|value| value.1 == tenant);
                    prop_assert_eq!(count(&memory, |value| value.1 == tenant), 0);
                }
                Step::Wait(seconds) => now += seconds,
            }
            memory.len();
        }
    }
}
