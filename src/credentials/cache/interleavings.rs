//! Every promise of a slot, under orders of events that real threads hardly ever find.
//!
//! The file `slot.rs` is compiled a second time here, on top of the locks and atomics of `shuttle`, which runs threads one at a time
//! and decides at each lock and each atomic who goes on: by chance, and by a strategy that finds bugs of a known depth ("A
//! randomized scheduler with probabilistic guarantees of finding bugs", Burckhardt and others, 2010). A failure prints a
//! schedule that repeats it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use prometheus::IntGauge;
use shuttle::{future::block_on, thread};

use self::slot::{Arrival, Flight, Held, Slot, Turn};
use crate::{
    clock::Clock,
    reject::{Reason, Refusal},
};

mod sync {
    pub(super) use shuttle::sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    };

    pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// As `arc-swap` has it, with a step of its own for each access.
    #[derive(Debug)]
    pub(super) struct Swap<T>(Mutex<Option<std::sync::Arc<T>>>);

    impl<T> Swap<T> {
        pub(super) fn empty() -> Self {
            Self(Mutex::new(None))
        }

        pub(super) fn load(&self) -> Option<std::sync::Arc<T>> {
            self.load_full()
        }

        pub(super) fn load_full(&self) -> Option<std::sync::Arc<T>> {
            lock(&self.0).clone()
        }

        pub(super) fn swap(&self, new: Option<std::sync::Arc<T>>) -> Option<std::sync::Arc<T>> {
            std::mem::replace(&mut *lock(&self.0), new)
        }
    }
}

#[path = "slot.rs"]
#[allow(clippy::duplicate_mod, reason = "that is the point")]
#[allow(dead_code, reason = "what the cache around slots uses is not used here")]
mod slot;

const SCHEDULES: usize = 1_500;
/// Bugs that need this many events in one order are looked for.
const DEPTH: usize = 3;
const MINUTE: Duration = Duration::from_secs(60);
const NEEDED: Duration = Duration::from_secs(5);

/// One slot, and what fetches its value: a counter.
#[derive(Clone)]
struct Rig {
    slot: Arc<Slot<&'static str, usize>>,
    gauge: IntGauge,
    clock: Clock,
    fetches: Arc<AtomicUsize>,
    in_flight: Arc<AtomicUsize>,
}

impl Rig {
    fn new() -> Self {
        let gauge = IntGauge::new("held", "held").unwrap();
        let slot = Arc::new(Slot::new(Arc::new("key"), gauge.clone()));
        let clock = Clock::manual(UNIX_EPOCH + Duration::from_secs(1_000));
        Self { slot, gauge, clock, fetches: Arc::default(), in_flight: Arc::default() }
    }

    fn now(&self) -> SystemTime {
        self.clock.now()
    }

    /// Lands `flight` with a value of its own number, and sees to it that it is the only one meanwhile.
    fn land(&self, flight: Flight<&'static str, usize>, life: Duration) {
        assert_eq!(self.in_flight.fetch_add(1, Ordering::SeqCst), 0, "two fetches of one value at once");
        thread::yield_now();
        let number = self.fetches.fetch_add(1, Ordering::SeqCst) + 1;
        assert_eq!(self.in_flight.fetch_sub(1, Ordering::SeqCst), 1);
        let (since, expires) = (self.now(), self.now() + life);
        let arrival: Arrival<usize> = Ok(Held { value: Arc::new(number), since, expires, refresh_at: since });
        flight.land(arrival, self.now(), self.clock.instant());
    }

    fn fail(&self, flight: Flight<&'static str, usize>) {
        flight.land(Err((Refusal::from(Reason::CredentialsUnavailable), MINUTE)), self.now(), self.clock.instant());
    }

    /// What a caller gets: the number of a fetch, or a refusal's reason; `None` where nothing came, or the slot is gone.
    fn get(&self, lead: impl FnOnce(&Self, Flight<&'static str, usize>)) -> Option<Result<usize, Reason>> {
        let mut news = match self.slot.join(self.now(), self.clock.instant(), NEEDED) {
            Turn::Ready(value) => return Some(Ok(*value)),
            Turn::Refused(refusal) => return Some(Err(refusal.reason)),
            Turn::Retired => return None,
            Turn::Wait(news) => news,
            Turn::Lead(flight, news) => {
                let rig = self.clone();
                lead(&rig, flight);
                news
            }
        };
        let heard = block_on(async { news.wait_for(Option::is_some).await.ok().and_then(|news| news.clone()) });
        heard.map(|outcome| outcome.map(|value| *value).map_err(|refusal| refusal.reason))
    }
}

/// Runs `test` under many schedules of both kinds.
fn explore(test: impl Fn() + Send + Sync + Clone + 'static) {
    shuttle::check_random(test.clone(), SCHEDULES);
    shuttle::check_pct(test, SCHEDULES, DEPTH);
}

fn both<A: Send + 'static, B: Send + 'static>(
    one: impl FnOnce() -> A + Send + 'static,
    other: impl FnOnce() -> B + Send + 'static,
) -> (A, B) {
    let one = thread::spawn(one);
    let other = thread::spawn(other);
    (one.join().unwrap(), other.join().unwrap())
}

#[test]
fn whoever_comes_there_is_one_fetch_and_all_get_its_value() {
    explore(|| {
        let rig = Rig::new();
        let callers: Vec<_> = (0..4)
            .map(|_| {
                let rig = rig.clone();
                thread::spawn(move || rig.get(|rig, flight| rig.land(flight, MINUTE)))
            })
            .collect();
        for caller in callers {
            assert_eq!(caller.join().unwrap(), Some(Ok(1)));
        }
        assert_eq!((rig.fetches.load(Ordering::SeqCst), rig.gauge.get(), rig.slot.in_flight()), (1, 1, false));
    });
}

#[test]
fn a_failure_is_told_to_all_and_fetched_by_nobody_else() {
    explore(|| {
        let rig = Rig::new();
        let get = |rig: Rig| move || rig.get(|rig, flight| rig.fail(flight));
        let (one, other) = both(get(rig.clone()), get(rig.clone()));
        assert_eq!([one, other], [Some(Err(Reason::CredentialsUnavailable)); 2]);
        assert_eq!((rig.slot.failures().0, rig.gauge.get()), (1, 0), "one fetch");
    });
}

#[test]
fn a_fetch_that_is_given_up_leaves_nobody_waiting() {
    explore(|| {
        let rig = Rig::new();
        let (one, other) = {
            let (one, other) = (rig.clone(), rig.clone());
            both(move || one.get(|_, flight| drop(flight)), move || other.get(|rig, flight| rig.land(flight, MINUTE)))
        };
        // Whoever led and gave up hears nothing, and so does who waited for that; whoever came later fetches.
        for outcome in [one, other] {
            assert!(matches!(outcome, None | Some(Ok(1))), "{outcome:?}");
        }
        assert!(!rig.slot.in_flight());
        assert_eq!(rig.get(|rig, flight| rig.land(flight, MINUTE)), Some(Ok(1)), "the slot goes on");
    });
}

#[test]
fn what_lands_in_a_slot_that_was_let_go_is_told_and_not_kept() {
    explore(|| {
        let rig = Rig::new();
        let (outcome, ()) = {
            let (one, other) = (rig.clone(), rig.clone());
            both(move || one.get(|rig, flight| rig.land(flight, MINUTE)), move || other.slot.retire())
        };
        assert!(matches!(outcome, None | Some(Ok(1))), "{outcome:?}");
        assert!(rig.slot.held().is_none(), "an evicted session came back");
        assert_eq!(rig.gauge.get(), 0);
        assert!(matches!(rig.slot.join(rig.now(), rig.clock.instant(), NEEDED), Turn::Retired));
    });
}

#[test]
fn a_slot_that_waits_is_not_swept() {
    explore(|| {
        let rig = Rig::new();
        let (outcome, swept) = {
            let (one, other) = (rig.clone(), rig.clone());
            both(move || one.get(|rig, flight| rig.land(flight, MINUTE)), move || other.slot.retire_unless_in_flight())
        };
        if swept {
            // Before it took off, or after it had landed.
            assert!(matches!(outcome, None | Some(Ok(1))), "{outcome:?}");
            assert!(rig.slot.held().is_none());
        } else {
            assert_eq!(outcome, Some(Ok(1)));
            assert!(rig.slot.held().is_some());
        }
        assert_eq!(rig.gauge.get(), i64::from(rig.slot.held().is_some()));
    });
}

#[test]
fn renewals_and_first_fetches_never_fly_together() {
    explore(|| {
        let rig = Rig::new();
        // Too short-lived for callers, long enough to be renewed: both may want to fetch.
        assert_eq!(rig.get(|rig, flight| rig.land(flight, NEEDED)), Some(Ok(1)));
        let renew = |rig: Rig| {
            move || {
                let flight = rig.slot.refresh(rig.clock.instant());
                flight.into_iter().for_each(|flight| rig.land(flight, MINUTE));
            }
        };
        let caller = {
            let rig = rig.clone();
            thread::spawn(move || rig.get(|rig, flight| rig.land(flight, MINUTE)))
        };
        both(renew(rig.clone()), renew(rig.clone()));
        let got = caller.join().unwrap();
        let fetches = rig.fetches.load(Ordering::SeqCst);
        assert!(matches!(got, Some(Ok(number)) if (2..=fetches).contains(&number)), "{got:?} of {fetches}");
        assert_eq!((rig.gauge.get(), rig.slot.in_flight()), (1, false));
        assert_eq!(rig.slot.held().map(|held| *held.value), Some(fetches), "the last one stays");
    });
}

#[test]
fn news_about_an_old_value_does_not_take_the_new_one() {
    explore(|| {
        let rig = Rig::new();
        rig.get(|rig, flight| rig.land(flight, MINUTE));
        let Some(old) = rig.slot.held() else { panic!("no value") };
        let (forgotten, ()) = {
            let (one, other) = (rig.clone(), rig.clone());
            both(
                move || one.slot.forget(&old.value, one.clock.instant()),
                move || {
                    let flight = other.slot.refresh(other.clock.instant());
                    flight.into_iter().for_each(|flight| other.land(flight, MINUTE));
                },
            )
        };
        assert_eq!(rig.slot.held().map(|held| *held.value), Some(2), "forgotten before it came: {forgotten}");
        assert_eq!(rig.gauge.get(), 1);
    });
}
