use std::{
    collections::HashMap,
    sync::{
        Mutex as StdMutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::UNIX_EPOCH,
};

use futures_util::FutureExt;
use proptest::prelude::*;

use super::*;

/// A table by hand: what is in it, whether it can be read, how often it was.
#[derive(Clone)]
struct Script(Arc<Inner>);

struct Inner {
    records: StdMutex<HashMap<String, Result<String, ReadError>>>,
    down: StdMutex<bool>,
    reads: AtomicUsize,
    /// A permit a read.
    gate: Semaphore,
}

impl ReadPoint<String> for Script {
    fn read<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<String>, ReadError>> {
        self.0.reads.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            drop(self.0.gate.acquire().await);
            if *self.0.down.lock().unwrap() {
                return Err(ReadError::Unavailable("down".into()));
            }
            self.0.records.lock().unwrap().get(key).cloned().transpose()
        })
    }
}

const FRESH: Duration = Duration::from_secs(30);
const STALE: Duration = Duration::from_secs(300);
const NEGATIVE: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_secs(1);

fn rig(max_entries: usize) -> (Arc<Points<String>>, Script, Clock) {
    let gate = Semaphore::new(Semaphore::MAX_PERMITS / 2);
    let script = Script(Arc::new(Inner { records: StdMutex::default(), down: StdMutex::new(false), reads: AtomicUsize::new(0), gate }));
    let clock = Clock::manual(UNIX_EPOCH + Duration::from_secs(1_000));
    let config = CacheConfig { fresh: FRESH, max_stale: STALE, negative: NEGATIVE, max_entries };
    (Arc::new(Points::new(Box::new(script.clone()), config, TIMEOUT, clock.clone())), script, clock)
}

impl Script {
    fn put(&self, key: &str, value: &str) {
        self.0.records.lock().unwrap().insert(key.to_owned(), Ok(value.to_owned()));
    }

    fn spoil(&self, key: &str) {
        self.0.records.lock().unwrap().insert(key.to_owned(), Err(ReadError::Unusable("no string".into())));
    }

    fn delete(&self, key: &str) {
        self.0.records.lock().unwrap().remove(key);
    }

    fn goes(&self, down: bool) {
        *self.0.down.lock().unwrap() = down;
    }

    fn reads(&self) -> usize {
        self.0.reads.load(Ordering::SeqCst)
    }
}

/// What was found, how, and whether it was new.
async fn find(points: &Points<String>, key: &str) -> (Result<Option<String>, &'static str>, How) {
    let found = points.find(key).await;
    let point = match found.point {
        Ok(Point::Record(record)) => Ok(Some((*record).clone())),
        Ok(Point::Absent) => Ok(None),
        Err(ReadError::Unavailable(_)) => Err("unavailable"),
        Err(ReadError::Unusable(_)) => Err("unusable"),
    };
    (point, found.how)
}

fn record(value: &str) -> Result<Option<String>, &'static str> {
    Ok(Some(value.to_owned()))
}

#[tokio::test]
async fn a_record_is_read_once_in_its_time_and_again_after_it() {
    let (points, script, clock) = rig(100);
    script.put("a", "1");
    assert_eq!(find(&points, "a").await, (record("1"), How::Read));
    script.put("a", "2");
    clock.advance(FRESH.mul_f64(0.9) - Duration::from_millis(1));
    assert_eq!(find(&points, "a").await, (record("1"), How::Cached));
    clock.advance(FRESH.mul_f64(0.1) + Duration::from_millis(1));
    let found = points.find("a").await;
    assert!(found.changed && found.how == How::Read);
    assert_eq!(find(&points, "a").await, (record("2"), How::Cached));
    assert_eq!(script.reads(), 2);
    clock.advance(FRESH);
    assert!(!points.find("a").await.changed, "the same again is no change");
}

#[tokio::test]
async fn an_outage_is_ridden_out_up_to_the_bound_and_no_longer() {
    let (points, script, clock) = rig(100);
    script.put("a", "1");
    drop(find(&points, "a").await);
    script.goes(true);
    clock.advance(FRESH);
    assert_eq!(find(&points, "a").await, (record("1"), How::Stale));
    let reads = script.reads();
    for _ in 0..100 {
        assert_eq!(find(&points, "a").await, (record("1"), How::Stale));
    }
    assert_eq!(script.reads(), reads, "a table in trouble is left alone for a while");
    clock.advance(STALE - FRESH - Duration::from_millis(1));
    assert_eq!(find(&points, "a").await, (record("1"), How::Stale));
    assert!(points.recall("a").is_some());
    clock.advance(Duration::from_millis(1));
    assert!(points.recall("a").is_none());
    assert_eq!(find(&points, "a").await, (Err("unavailable"), How::Failed));
    assert_eq!(find(&points, "b").await, (Err("unavailable"), How::Failed));
    script.goes(false);
    clock.advance(FAILED_FOR);
    assert_eq!(find(&points, "a").await, (record("1"), How::Read));
}

/// Streams ask anew in a rhythm of their own; that must not be a read for each of them while the table is down.
#[tokio::test]
async fn renewals_read_again_and_leave_a_table_in_trouble_alone() {
    let (points, script, clock) = rig(100);
    script.put("a", "1");
    drop(find(&points, "a").await);
    clock.advance(Duration::from_secs(1));
    drop(points.renew("a", clock.instant()).await);
    assert_eq!(script.reads(), 2, "though it was fresh");
    script.goes(true);
    for _ in 0..10 {
        assert!(matches!(points.renew("a", clock.instant()).await.point, Ok(Point::Record(_))));
    }
    assert_eq!(script.reads(), 3);
}

#[tokio::test]
async fn what_the_table_says_goes_before_what_was_known() {
    let (points, script, clock) = rig(100);
    script.put("a", "1");
    drop(find(&points, "a").await);
    script.delete("a");
    clock.advance(FRESH);
    let found = points.find("a").await;
    assert!(found.changed && matches!(found.point, Ok(Point::Absent)));
    script.goes(true);
    clock.advance(NEGATIVE);
    assert_eq!(find(&points, "a").await, (Err("unavailable"), How::Failed), "an older record does not come back");

    script.goes(false);
    script.put("a", "2");
    clock.advance(FAILED_FOR);
    drop(find(&points, "a").await);
    script.spoil("a");
    clock.advance(FRESH);
    let found = points.find("a").await;
    assert!(found.changed && matches!(found.point, Err(ReadError::Unusable(_))));
    assert_eq!(find(&points, "a").await, (Err("unusable"), How::Cached));
    script.goes(true);
    clock.advance(NEGATIVE);
    assert_eq!(find(&points, "a").await, (Err("unavailable"), How::Failed));
}

#[tokio::test]
async fn many_ask_as_one_and_who_goes_away_takes_nothing_along() {
    let (points, script, _) = rig(100);
    script.put("a", "1");
    script.0.gate.forget_permits(Semaphore::MAX_PERMITS);
    let ask = || {
        let points = points.clone();
        tokio::spawn(async move { find(&points, "a").await })
    };
    let first = ask();
    tokio::task::yield_now().await;
    let rest: Vec<_> = (0..50).map(|_| ask()).collect();
    tokio::task::yield_now().await;
    assert_eq!(script.reads(), 1);
    first.abort();
    script.0.gate.add_permits(2);
    for task in rest {
        assert_eq!(task.await.unwrap().0, record("1"));
    }
    assert_eq!(script.reads(), 2, "one who was aborted, and one for all others");
}

#[tokio::test(start_paused = true)]
async fn no_wait_is_longer_than_the_timeouts() {
    let (points, script, _) = rig(1_000);
    script.0.gate.forget_permits(Semaphore::MAX_PERMITS);
    let asked: Vec<_> = (0..200)
        .map(|number| {
            let points = points.clone();
            tokio::spawn(async move { find(&points, &format!("k{number}")).await.0 })
        })
        .collect();
    let all = async {
        for task in asked {
            assert_eq!(task.await.unwrap(), Err("unavailable"));
        }
    };
    tokio::time::timeout(TIMEOUT * 2 + Duration::from_millis(10), all).await.expect("somebody waited longer");
    assert!(script.reads() <= READS * 2, "{} reads at once", script.reads());
}

#[tokio::test]
async fn a_flood_of_strangers_displaces_nobody_and_stops_at_the_budget() {
    let (points, script, clock) = rig(800);
    for number in 0..800 {
        script.put(&format!("user-{number}"), "x");
    }
    for number in 0..800 {
        assert_eq!(find(&points, &format!("user-{number}")).await.0, record("x"), "{number}: users take nothing of the budget");
    }
    let reads = script.reads();
    let mut shed = 0;
    for number in 0..5_000 {
        let (point, how) = find(&points, &format!("stranger-{number}")).await;
        assert!(point == Ok(None) || how == How::Shed, "{number}: {point:?}");
        shed += usize::from(how == How::Shed);
    }
    assert_eq!(script.reads() - reads, ABSENT_RATE.1 as usize);
    assert_eq!(shed, 5_000 - ABSENT_RATE.1 as usize);
    assert!(points.strangers.len() <= 100, "{}", points.strangers.len());
    for number in 0..800 {
        assert_eq!(find(&points, &format!("user-{number}")).await, (record("x"), How::Cached), "{number}");
    }
    clock.advance(Duration::from_secs(1));
    assert_eq!(find(&points, "late").await, (Ok(None), How::Read));
    assert_eq!(find(&points, "late").await, (Ok(None), How::Cached), "and is remembered");
}

/// Whoever breaks off requests while their record is being read keeps nobody else's from being read.
#[tokio::test]
async fn a_read_whose_asker_goes_away_takes_nothing_of_the_budget() {
    let (points, script, _) = rig(800);
    let all = script.0.gate.forget_permits(usize::MAX);
    for number in 0..ABSENT_RATE.1 as usize * 2 {
        assert!(find(&points, &format!("stranger-{}", number % 7)).now_or_never().is_none(), "{number}: it is being read");
    }
    script.0.gate.add_permits(all);
    script.put("new", "x");
    assert_eq!(find(&points, "new").await, (record("x"), How::Read));
    assert_eq!(find(&points, "nobody").await, (Ok(None), How::Read));
}

#[tokio::test]
async fn the_room_is_bounded_and_the_longest_unused_goes_first() {
    let (points, script, _) = rig(64);
    for number in 0..1_000 {
        script.put(&format!("u{number}"), "x");
    }
    for number in 0..1_000 {
        drop(find(&points, &format!("u{number}")).await);
        drop(find(&points, "u0").await);
        assert!(points.known.len() <= 64);
    }
    assert_eq!(find(&points, "u0").await.1, How::Cached, "in use all the time");
    assert_eq!(find(&points, "u999").await.1, How::Cached);
    assert_eq!(find(&points, "u500").await.1, How::Read);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever happens in whatever order: no answer is older than the bounds allow, and nothing that the table never said is found.
    #[test]
    fn no_answer_is_older_than_allowed(steps in prop::collection::vec((0..6_u8, 0..2_u8, 1..40_u64), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (points, script, clock) = rig(32);
            // When each key last said what, oldest first.
            let mut said: HashMap<String, Vec<(Instant, Option<String>)>> = HashMap::new();
            let mut is_down = false;
            for (step, (what, key, number)) in steps.into_iter().enumerate() {
                let key = format!("k{key}");
                let now = clock.instant();
                match what {
                    0 => {
                        script.put(&key, &format!("v{step}"));
                        said.entry(key).or_default().push((now, Some(format!("v{step}"))));
                    }
                    1 => {
                        script.delete(&key);
                        said.entry(key).or_default().push((now, None));
                    }
                    2 => {
                        is_down = !is_down;
                        script.goes(is_down);
                    }
                    3 => clock.advance(Duration::from_secs(number)),
                    _ => {
                        let (point, how) = find(&points, &key).await;
                        let Ok(value) = point else {
                            prop_assert!(is_down || how == How::Failed, "{how:?}");
                            continue;
                        };
                        let history = said.get(&key).cloned().unwrap_or_default();
                        let bound = if how == How::Stale { STALE } else { FRESH };
                        // It was true at some moment within the bound: said before, and not replaced before the bound began.
                        let from = now.checked_sub(bound).unwrap_or(now);
                        let mut spans = vec![(None, None)];
                        spans.extend(history.iter().map(|(at, value)| (Some(*at), value.clone())));
                        let was_true = spans.iter().enumerate().any(|(n, (_, said))| {
                            *said == value && spans.get(n + 1).is_none_or(|(until, _)| until.is_some_and(|until| until > from))
                        });
                        prop_assert!(was_true, "{key}: {value:?} by {how:?} at {now:?} of {history:?}");
                    }
                }
            }
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn what_another_cache_has_of_the_same_table_is_taken_over_as_old_as_it_is() {
    let (old, script, clock) = rig(10);
    let another = |max_entries| {
        let config = CacheConfig { fresh: FRESH, max_stale: STALE, negative: NEGATIVE, max_entries };
        Points::new(Box::new(script.clone()), config, TIMEOUT, clock.clone())
    };
    let new = another(10);
    for (key, value) in [("kept", "1"), ("newer", "1"), ("gone", "1")] {
        script.put(key, value);
        find(&old, key).await.0.unwrap();
    }
    find(&new, "gone").await.0.unwrap();
    clock.advance(FRESH);
    // What each learns later than the other.
    script.delete("gone");
    assert_eq!(find(&old, "gone").await, (Ok(None), How::Read));
    clock.advance(Duration::from_secs(1));
    script.put("newer", "2");
    assert_eq!(find(&new, "newer").await, (record("2"), How::Read));
    new.take_over(&old);
    script.goes(true);
    assert_eq!(find(&new, "kept").await, (record("1"), How::Stale), "its first read fails, and refuses nobody");
    assert_eq!(find(&new, "newer").await, (record("2"), How::Cached));
    assert_eq!(find(&new, "gone").await, (Ok(None), How::Cached), "it is not brought back");
    assert_eq!(find(&new, "never").await.0, Err("unavailable"));
    // No bound begins again.
    clock.advance(STALE - FRESH - Duration::from_secs(1));
    assert_eq!(find(&new, "kept").await.0, Err("unavailable"));
    let small = another(1);
    small.take_over(&old);
    assert_eq!(small.len(), 1, "nor is any room made");
}

#[tokio::test]
async fn what_is_taken_over_and_still_fresh_is_not_read_again() {
    let (old, script, clock) = rig(10);
    script.put("a", "1");
    find(&old, "a").await.0.unwrap();
    let config = CacheConfig { fresh: FRESH / 2, max_stale: STALE, negative: NEGATIVE, max_entries: 10 };
    let new = Points::new(Box::new(script.clone()), config, TIMEOUT, clock.clone());
    new.take_over(&old);
    assert_eq!((find(&new, "a").await, script.reads()), ((record("1"), How::Cached), 1));
    // By its own bounds, from the moment at which it was read.
    clock.advance(FRESH / 2);
    assert_eq!((find(&new, "a").await, script.reads()), ((record("1"), How::Read), 2));
}
