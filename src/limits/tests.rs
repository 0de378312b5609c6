use std::time::UNIX_EPOCH;

use proptest::prelude::*;

use super::*;
use crate::{directory::TenantRecord, identity::VerifiedTenant};

fn limits(per_second: f64, burst: u32) -> Limits {
    Limits { requests_per_second: Some(per_second), burst: Some(burst), concurrent: None }
}

fn limiter(default: Limits) -> (Limiter, Clock) {
    let clock = Clock::manual(UNIX_EPOCH + Duration::from_secs(1_000));
    (Limiter::new(&LimitsConfig { default, ..LimitsConfig::default() }, clock.clone()), clock)
}

fn tenant(id: &str) -> ActiveTenant {
    tenant_with(id, None, None)
}

fn tenant_with(id: &str, tier: Option<&str>, own: Option<Limits>) -> ActiveTenant {
    let mut record = TenantRecord::bare(id.parse().unwrap());
    (record.tier, record.limits) = (tier.map(str::to_owned), own);
    ActiveTenant::join(VerifiedTenant::for_tests(id), Arc::new(record)).unwrap()
}

/// How many requests are admitted until one is not.
fn drain(limiter: &Limiter, tenant: &ActiveTenant) -> usize {
    (0..100_000).take_while(|_| limiter.admit(tenant).is_ok()).count()
}

#[test]
fn a_full_bucket_holds_the_burst_and_refills_at_the_rate() {
    let (limiter, clock) = limiter(limits(10.0, 5));
    let acme = tenant("acme");
    assert_eq!(drain(&limiter, &acme), 5);
    clock.advance(Duration::from_millis(99));
    assert_eq!(drain(&limiter, &acme), 0);
    clock.advance(Duration::from_millis(1));
    assert_eq!(drain(&limiter, &acme), 1);
    clock.advance(Duration::from_millis(300));
    assert_eq!(drain(&limiter, &acme), 3);
    clock.advance(Duration::from_secs(3600));
    assert_eq!(drain(&limiter, &acme), 5, "no more than the burst");
}

#[test]
fn a_refusal_says_exactly_when_to_come_back_and_consumes_nothing() {
    let (limiter, clock) = limiter(limits(4.0, 2));
    let acme = tenant("acme");
    drain(&limiter, &acme);
    clock.advance(Duration::from_millis(100));
    for _ in 0..100 {
        let refusal = limiter.admit(&acme).unwrap_err();
        assert_eq!(refusal.reason, Reason::RateLimited);
        assert_eq!(refusal.retry_after, Some(Duration::from_millis(150)));
        assert_eq!(refusal.limit, Some(LimitHit { policy: "requests", quota: 2, window: Some(1) }));
    }
    assert_eq!(limiter.in_flight(acme.id()), 0);
    clock.advance(Duration::from_millis(150));
    assert!(limiter.admit(&acme).is_ok());
}

#[test]
fn requests_in_progress_are_bounded_and_come_free_on_drop() {
    let (limiter, _) = limiter(Limits { concurrent: Some(2), ..limits(1.0, 3) });
    let acme = tenant("acme");
    let (one, two) = (limiter.admit(&acme).unwrap(), limiter.admit(&acme).unwrap());
    for _ in 0..10 {
        let refusal = limiter.admit(&acme).unwrap_err();
        assert_eq!(refusal.reason, Reason::ConcurrencyLimited);
        assert_eq!(refusal.limit, Some(LimitHit { policy: "concurrency", quota: 2, window: None }));
        assert!(refusal.retry_after.is_some());
    }
    drop(one);
    let three = limiter.admit(&acme);
    assert!(three.is_ok(), "the refused ones took no token either");
    drop((two, three));
    assert_eq!(limiter.in_flight(acme.id()), 0);
    assert_eq!(limiter.admit(&acme).unwrap_err().reason, Reason::RateLimited);
}

#[test]
fn tenants_do_not_touch_each_other() {
    let (limiter, _) = limiter(Limits { concurrent: Some(3), ..limits(1.0, 3) });
    let held: Vec<_> = (0..3).map(|_| limiter.admit(&tenant("acme")).unwrap()).collect();
    assert!(limiter.admit(&tenant("acme")).is_err());
    assert_eq!(drain(&limiter, &tenant("Acme")), 3);
    drop(held);
}

#[test]
fn the_records_limits_win_over_the_tiers_and_the_tiers_over_the_default_field_by_field() {
    let clock = Clock::manual(UNIX_EPOCH);
    let gold = Limits { requests_per_second: Some(1.0), burst: Some(20), concurrent: None };
    let config = LimitsConfig { default: Limits { concurrent: Some(7), ..limits(1.0, 10) }, tiers: [("gold".to_owned(), gold)].into() };
    let limiter = Limiter::new(&config, clock);
    let own = Limits { burst: Some(30), ..Limits::default() };
    for (id, tier, own, burst) in [
        ("t1", None, None, 10),
        ("t2", Some("gold"), None, 20),
        ("t3", Some("unheard-of"), None, 10),
        ("t4", Some("gold"), Some(own), 30),
        ("t5", None, Some(own), 30),
    ] {
        let tenant = tenant_with(id, tier, own);
        let effective = limiter.limits(&tenant);
        assert_eq!((effective.burst, effective.concurrent), (Some(burst), Some(7)), "{id}");
        assert_eq!(drain(&limiter, &tenant), burst as usize, "{id}");
    }
}

#[test]
fn what_is_done_beside_a_request_is_never_refused_and_charged_to_those_that_follow() {
    let (limiter, clock) = limiter(Limits { concurrent: Some(1), ..limits(10.0, 2) });
    let acme = tenant("acme");
    let permit = limiter.admit(&acme).unwrap();
    let beside = [permit.beside(), permit.beside(), permit.beside()];
    assert_eq!(limiter.in_flight(acme.id()), 4);
    drop((permit, beside));
    assert_eq!(limiter.in_flight(acme.id()), 0);
    // Four tokens of two, of which one comes back in a tenth of a second.
    let refusal = limiter.admit(&acme).unwrap_err();
    assert_eq!((refusal.reason, refusal.retry_after), (Reason::RateLimited, Some(Duration::from_millis(300))));
    clock.advance(Duration::from_millis(300));
    drop(limiter.admit(&acme).unwrap());
    let (endless, _) = self::limiter(Limits::default());
    let permit = endless.admit(&acme).unwrap();
    drop(permit.beside());
    assert_eq!(endless.in_flight(acme.id()), 1);
}

#[test]
fn without_limits_everything_is_admitted_and_counted() {
    let (limiter, _) = limiter(Limits::default());
    let held: Vec<_> = (0..1_000).map(|_| limiter.admit(&tenant("acme")).unwrap()).collect();
    assert_eq!(limiter.in_flight(tenant("acme").id()), 1_000);
    drop(held);
}

#[test]
fn a_rate_that_is_none_admits_next_to_nothing() {
    for nonsense in [0.0, -5.0, f64::NAN] {
        let (limiter, clock) = limiter(limits(nonsense, 1));
        assert_eq!(drain(&limiter, &tenant("acme")), 1);
        clock.advance(Duration::from_secs(86_400));
        assert_eq!(drain(&limiter, &tenant("acme")), 0, "{nonsense}");
    }
}

#[test]
fn new_limits_apply_at_once_and_refill_nothing() {
    let (limiter, clock) = limiter(Limits::default());
    let at = |per_second, burst| tenant_with("acme", None, Some(limits(per_second, burst)));
    assert_eq!(drain(&limiter, &at(100.0, 10)), 10);
    assert_eq!(drain(&limiter, &at(1.0, 10)), 0, "an empty bucket stays empty");
    assert_eq!(drain(&limiter, &at(1_000.0, 10)), 0);
    clock.advance(Duration::from_millis(5));
    assert_eq!(drain(&limiter, &at(1_000.0, 10)), 5, "and fills at the new rate");
    assert_eq!(drain(&limiter, &at(1_000.0, 20)), 0, "a larger bucket is no fuller");
    clock.advance(Duration::from_millis(10));
    assert_eq!(drain(&limiter, &at(1.0, 20)), 10, "what came back at the old rate is kept");
    // Back and forth, as when two versions of a record are in use for a moment.
    for _ in 0..1_000 {
        assert!(limiter.admit(&at(100.0, 10)).is_err() && limiter.admit(&at(1.0, 20)).is_err());
    }
}

#[test]
fn only_buckets_that_are_full_and_unused_are_let_go() {
    let (limiter, clock) = limiter(limits(1.0, 2));
    let busy = limiter.admit(&tenant("busy")).unwrap();
    let idle = |n: usize| tenant(&format!("idle-{n}"));
    for n in 0..FIRST_SWEEP {
        drop(limiter.admit(&idle(n)));
    }
    clock.advance(Duration::from_secs(10));
    for n in 0..10 * FIRST_SWEEP {
        clock.advance(Duration::from_millis(1));
        drop(limiter.admit(&tenant(&format!("later-{n}"))));
        assert!(limiter.buckets.len() <= 3 * FIRST_SWEEP, "{}", limiter.buckets.len());
    }
    assert_eq!(limiter.in_flight(tenant("busy").id()), 1, "a request in progress keeps its bucket");
    drop(busy);
}

#[test]
fn sweeping_at_the_worst_moment_refills_nobody() {
    let (limiter, clock) = limiter(limits(1.0, 5));
    let acme = tenant("acme");
    let mut admitted = 0;
    for second in 0..60 {
        admitted += drain(&limiter, &acme);
        limiter.buckets.retain(|_, bucket| !bucket.is_idle(limiter.now()));
        clock.advance(Duration::from_secs(1));
        assert!(admitted <= 5 + second, "{admitted} after {second} s");
    }
}

#[test]
fn threads_together_get_no_more_than_one_would() {
    let (limiter, clock) = limiter(Limits { concurrent: Some(50), ..limits(1_000.0, 100) });
    let at = |burst| tenant_with("acme", None, Some(Limits { burst: Some(burst), ..Limits::default() }));
    let admitted = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (limiter, clock, admitted, at) = (&limiter, &clock, &admitted, &at);
            scope.spawn(move || {
                for n in 0..2_000 {
                    // Two versions of the record at once: the gate is replaced all the time.
                    if let Ok(permit) = limiter.admit(&at(if (n + thread) % 7 == 0 { 90 } else { 100 })) {
                        admitted.fetch_add(1, Ordering::SeqCst);
                        drop(permit);
                    }
                    if n % 100 == 0 {
                        clock.advance(Duration::from_millis(1));
                    }
                }
            });
        }
    });
    assert_eq!(limiter.in_flight(at(100).id()), 0);
    let admitted = admitted.into_inner();
    assert!(admitted <= 100 + 4 * 20, "{admitted}");
    assert!(admitted >= 90, "{admitted}");
}

#[test]
fn no_token_is_taken_twice_while_the_rate_changes_under_it() {
    for _ in 0..5 {
        let (limiter, _) = limiter(limits(0.001, 1_000));
        let admitted: usize = std::thread::scope(|scope| {
            let take = |thread: u32| {
                let versions = [0, 1].map(|n| tenant_with("acme", None, Some(limits(0.001, 1_000 + n))));
                (0..1_000).filter(|n| limiter.admit(&versions[((n + thread) % 2) as usize]).is_ok()).count()
            };
            let threads: Vec<_> = (0..4).map(|thread| scope.spawn(move || take(thread))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert!((990..=1_001).contains(&admitted), "{admitted}");
    }
}

proptest! {
    /// In any window of `t` seconds no more than `burst + rate * t` are admitted.
    #[test]
    fn no_window_holds_more_than_the_burst_and_the_rate(
        per_second in 0.1_f64..5_000.0,
        burst in 1_u32..50,
        steps in prop::collection::vec((0_u64..2_000, 0_usize..60), 1..20),
    ) {
        let (limiter, clock) = limiter(limits(per_second, burst));
        let acme = tenant("acme");
        let (mut now, mut admitted) = (0, Vec::new());
        for (pause, requests) in steps {
            clock.advance(Duration::from_millis(pause));
            now += pause;
            admitted.extend((0..requests).filter(|_| limiter.admit(&acme).is_ok()).map(|_| now));
        }
        for (first, start) in admitted.iter().enumerate() {
            for (last, end) in admitted.iter().enumerate().skip(first) {
                let seconds = (end - start) as f64 / 1_000.0;
                let count = (last - first + 1) as f64;
                prop_assert!(count <= f64::from(burst) + per_second * seconds + 1e-6, "{count} in {seconds} s");
            }
        }
    }

    /// The limit is not stricter than it says either: whoever comes back when told is admitted.
    #[test]
    fn whoever_waits_as_told_is_admitted(
        per_second in 0.5_f64..2_000.0,
        burst in 1_u32..50,
        pauses in prop::collection::vec(0_u64..500, 1..40),
    ) {
        let (limiter, clock) = limiter(limits(per_second, burst));
        let acme = tenant("acme");
        prop_assert_eq!(drain(&limiter, &acme), burst as usize);
        for pause in pauses {
            clock.advance(Duration::from_millis(pause));
            if let Err(refusal) = limiter.admit(&acme) {
                // The manual clock moves by whole milliseconds.
                clock.advance(refusal.retry_after.unwrap() + Duration::from_millis(1));
                prop_assert!(limiter.admit(&acme).is_ok());
            }
        }
    }
}

#[test]
fn other_limits_find_the_buckets_as_they_are() {
    let (old, clock) = limiter(limits(1.0, 2));
    let acme = tenant("acme");
    let held = old.admit(&acme).unwrap();
    assert_eq!(drain(&old, &acme), 1);
    let new = old.under(&LimitsConfig { default: Limits { concurrent: Some(2), ..limits(1.0, 4) }, ..LimitsConfig::default() });
    assert_eq!((new.in_flight(acme.id()), new.all_in_flight()), (1, 1), "what is in progress counts on");
    assert_eq!(drain(&new, &acme), 0, "and nothing is refilled");
    clock.advance(Duration::from_secs(2));
    assert_eq!(drain(&new, &acme), 2);
    drop(held);
    assert_eq!(old.in_flight(acme.id()), 0, "the two are one");
}
