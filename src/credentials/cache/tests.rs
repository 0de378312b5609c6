use std::time::UNIX_EPOCH;

use super::*;
use crate::reject::{Reason, Refusal};

const NO_TIME: Duration = Duration::ZERO;

/// The hundreds say whose it is.
impl Owned for u32 {
    type Owner = u32;

    fn owner(&self) -> u32 {
        self / 100
    }
}

fn cache(max: usize) -> (Cache<u32, String>, Clock) {
    let clock = Clock::manual(UNIX_EPOCH + Duration::from_secs(1_000));
    (Cache::new(max, clock.clone(), IntGauge::new("held", "held").unwrap()), clock)
}

fn held(clock: &Clock, text: &str, life: u64) -> Held<String> {
    let now = clock.now();
    let expires = now + Duration::from_secs(life);
    Held { value: Arc::new(text.to_owned()), since: now, expires, refresh_at: expires }
}

fn lead(cache: &Cache<u32, String>, key: u32) -> Flight<u32, String> {
    loop {
        match cache.join(&cache.slot(&Arc::new(key)).unwrap(), NO_TIME) {
            Turn::Lead(flight, _) => return flight,
            Turn::Retired => (),
            _ => panic!("{key} has a value or a leader"),
        }
    }
}

fn fill(cache: &Cache<u32, String>, clock: &Clock, key: u32) {
    cache.land(lead(cache, key), Ok(held(clock, "value", 100)));
}

#[test]
fn one_leads_and_the_rest_wait_until_the_flight_has_landed() {
    let (cache, clock) = cache(10);
    let slot = cache.slot(&Arc::new(1)).unwrap();
    let flight = lead(&cache, 1);
    let Turn::Wait(news) = cache.join(&slot, NO_TIME) else { panic!() };
    cache.land(flight, Ok(held(&clock, "value", 100)));
    assert!(matches!(&*news.borrow(), Some(Ok(value)) if **value == "value"));
    assert!(matches!(cache.join(&slot, NO_TIME), Turn::Ready(_)));
    assert_eq!(cache.held.get(), 1);
}

#[test]
fn a_value_without_the_life_that_is_needed_is_fetched_again() {
    let (cache, clock) = cache(10);
    fill(&cache, &clock, 1);
    let slot = cache.slot(&Arc::new(1)).unwrap();
    clock.advance(Duration::from_secs(90));
    assert!(matches!(cache.join(&slot, Duration::from_secs(9)), Turn::Ready(_)));
    assert!(matches!(cache.join(&slot, Duration::from_secs(10)), Turn::Lead(..)));
}

#[test]
fn a_flight_that_is_dropped_frees_the_slot_and_wakes_those_who_wait() {
    let (cache, _) = cache(10);
    let slot = cache.slot(&Arc::new(1)).unwrap();
    let flight = lead(&cache, 1);
    let Turn::Wait(news) = cache.join(&slot, NO_TIME) else { panic!() };
    drop(flight);
    assert!(news.has_changed().is_err(), "the sender is gone");
    assert!(matches!(cache.join(&slot, NO_TIME), Turn::Lead(..)));
}

#[test]
fn a_failure_stands_for_its_time_and_says_what_is_left_of_it() {
    let (cache, clock) = cache(10);
    let slot = cache.slot(&Arc::new(1)).unwrap();
    let refusal = Refusal::from(Reason::CredentialsUnavailable).retry_after(Duration::from_secs(4));
    cache.land(lead(&cache, 1), Err((refusal, Duration::from_secs(4))));
    clock.advance(Duration::from_secs(3));
    let Turn::Refused(refusal) = cache.join(&slot, NO_TIME) else { panic!() };
    assert_eq!(refusal.retry_after, Some(Duration::from_secs(1)));
    clock.advance(Duration::from_secs(1));
    assert!(matches!(cache.join(&slot, NO_TIME), Turn::Lead(..)));
}

#[test]
fn room_is_made_by_those_without_a_value_then_by_those_unused_for_longest() {
    let (cache, clock) = cache(3);
    for key in [1, 2] {
        clock.advance(Duration::from_secs(1));
        fill(&cache, &clock, key);
    }
    clock.advance(Duration::from_secs(1));
    cache.slot(&Arc::new(3)).unwrap(); // used last, and empty
    let present = |cache: &Cache<u32, String>| (1..=5).filter(|key| cache.find(&Arc::new(*key)).is_some()).collect::<Vec<u32>>();
    fill(&cache, &clock, 4);
    assert_eq!(present(&cache), [1, 2, 4]);
    clock.advance(Duration::from_secs(1));
    cache.slot(&Arc::new(1)).unwrap();
    fill(&cache, &clock, 5);
    assert_eq!(present(&cache), [1, 4, 5], "2 was unused for longest");
    assert_eq!(cache.held.get(), 3);
}

#[test]
fn room_is_made_by_whoever_has_the_most_down_to_an_equal_share() {
    let (cache, clock) = cache(6);
    let present = |cache: &Cache<u32, String>, owner: u32| (0..100).filter(|n| cache.find(&Arc::new(owner * 100 + n)).is_some()).count();
    for key in [100, 101, 200] {
        clock.advance(Duration::from_secs(1));
        fill(&cache, &clock, key);
    }
    for key in 300..350 {
        clock.advance(Duration::from_secs(1));
        fill(&cache, &clock, key);
    }
    assert_eq!([1, 2, 3].map(|owner| present(&cache, owner)), [2, 1, 3]);
    assert!([347, 348, 349].iter().all(|key| cache.find(&Arc::new(*key)).is_some()), "its own least used went");
    fill(&cache, &clock, 400);
    assert_eq!([1, 2, 3, 4].map(|owner| present(&cache, owner)), [2, 1, 2, 1]);
    fill(&cache, &clock, 201);
    assert_eq!([1, 2, 3, 4].map(|owner| present(&cache, owner)), [1, 2, 2, 1], "of equals, the one unused for longest");
}

#[test]
fn a_slot_in_flight_makes_no_room() {
    let (cache, _) = cache(2);
    let flights = [lead(&cache, 1), lead(&cache, 2)];
    assert!(cache.slot(&Arc::new(3)).is_err());
    drop(flights);
    assert!(cache.slot(&Arc::new(3)).is_ok());
}

#[test]
fn a_slot_that_left_leads_nobody_and_keeps_nothing() {
    let (cache, clock) = cache(10);
    let slot = cache.slot(&Arc::new(1)).unwrap();
    let flight = lead(&cache, 1);
    cache.remove(&slot);
    assert!(matches!(cache.join(&slot, NO_TIME), Turn::Retired));
    cache.land(flight, Ok(held(&clock, "value", 100)));
    assert!(slot.held().is_none());
    assert_eq!(cache.held.get(), 0);
    assert!(matches!(cache.join(&cache.slot(&Arc::new(1)).unwrap(), NO_TIME), Turn::Lead(..)), "a new slot");
}

#[test]
fn the_bound_holds_while_many_threads_add() {
    let (cache, clock) = cache(16);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (cache, clock) = (&cache, &clock);
            scope.spawn(move || {
                for n in 0..200 {
                    fill(cache, clock, thread * 1_000 + n);
                    // Slots come only under this lock, so the count is exact while it is held.
                    let _adding = lock(&cache.adding);
                    assert!(cache.slots.len() <= 16);
                }
            });
        }
    });
    assert_eq!(usize::try_from(cache.held.get()).unwrap(), cache.slots().iter().filter(|slot| slot.held().is_some()).count());
}
