//! That the budget holds for the broker as a whole, and whose turn it is within it.

use std::collections::VecDeque;

use super::{simulation::random, *};
use crate::{config::BudgetConfig, credentials::testing::pass};

const STEP: Duration = Duration::from_millis(10);

fn slow(requests_per_second: f64, burst: u32) -> impl FnOnce(&mut CredentialsConfig) {
    move |config| config.budget = BudgetConfig { requests_per_second, burst, ..config.budget }
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_churns_keeps_anothers_first_call_waiting_for_one_turn() {
    let rig = Arc::new(Rig::new(slow(10.0, 4)));
    let flood: Vec<_> = (0..200).map(|user| rig.spawn("acme", user)).collect();
    pass(&rig.clock, SECOND, STEP).await;
    let before = rig.sts.calls();
    let other = rig.spawn("globex", 1);
    pass(&rig.clock, Duration::from_millis(300), STEP).await;
    assert!(other.is_finished(), "a turn of ten a second");
    assert!(other.await.unwrap().is_ok());
    assert!(rig.sts.calls() - before <= 4);
    pass(&rig.clock, 10 * SECOND, STEP).await;
    // Whoever did not get a turn in five seconds is told to back off as AWS would.
    let mut refused = 0;
    for task in flood {
        if let Err(refusal) = task.await.unwrap() {
            assert_eq!((refusal.reason, refusal.retry_after), (Reason::CredentialsThrottled, Some(SECOND)));
            refused += 1;
        }
    }
    assert!(refused > 100, "{refused}");
    assert!(rig.sts.calls() <= 4 + 10 * 12, "{}", rig.sts.calls());
}

#[tokio::test(start_paused = true)]
async fn renewals_have_their_share_while_first_calls_want_everything() {
    let rig = Arc::new(Rig::new(slow(8.0, 8)));
    for n in 0..40 {
        let id = format!("quiet-{n}");
        rig.get(&id).await.unwrap();
        rig.clock.advance(SECOND);
        rig.get(&id).await.unwrap();
    }
    rig.clock.advance(HOUR - 4 * MINUTE);
    for n in 0..40 {
        rig.get(&format!("quiet-{n}")).await.unwrap();
    }
    let maintaining = tokio::spawn({
        let rig = Arc::clone(&rig);
        async move { rig.broker.maintain().await }
    });
    let mut flood = Vec::new();
    for second in 0..60 {
        flood.extend((0..20).map(|n| rig.spawn(&format!("busy-{n}"), second)));
        pass(&rig.clock, SECOND, 4 * STEP).await;
    }
    let calls = rig.sts.asked();
    let renewals = calls[40..].iter().filter(|inputs| inputs.owner.to_string().starts_with("quiet")).count();
    assert_eq!(renewals, 40, "two a second are theirs: {} calls", calls.len());
    assert!(calls.len() - 40 <= 8 + 8 * 61, "{}", calls.len());
    assert!(calls.len() - 40 - renewals > 300, "and first calls have the rest: {}", calls.len());
    maintaining.abort();
    flood.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_sts_asks_for_is_kept_and_told() {
    let rig = Arc::new(Rig::new(|_| ()));
    let mut of_another_role = record("initech");
    of_another_role.account = Some("999999999999".into());
    rig.sts.answer(Answer::Fail(StsError::Throttled { note: "Throttling".into(), retry_after: Some(30 * SECOND) }));
    assert_eq!(rig.refused("acme").await.retry_after, Some(30 * SECOND));
    rig.sts.answer(Answer::Issue(HOUR));
    rig.clock.advance(SECOND);
    let refusal = rig.refused("globex").await;
    assert_eq!((refusal.reason, refusal.retry_after), (Reason::CredentialsThrottled, Some(29 * SECOND)));
    assert_eq!(rig.sts.calls(), 1, "nobody asked");
    rig.broker.credentials(&tenant_with(of_another_role, "user-1", "blue")).await.unwrap();
    rig.clock.advance(30 * SECOND);
    rig.get("globex").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_sts_that_throttles_is_asked_less_and_less_and_then_as_much_as_before() {
    let rig = Arc::new(Rig::new(slow(16.0, 4)));
    rig.sts.answer(Answer::Fail(StsError::Throttled { note: "Throttling".into(), retry_after: None }));
    let mut per_second = Vec::new();
    for second in 0..10 {
        let before = rig.sts.calls();
        let tasks: Vec<_> = (0..32).map(|n| rig.spawn(&format!("tenant-{n}"), second)).collect();
        pass(&rig.clock, SECOND, STEP).await;
        tasks.iter().for_each(tokio::task::JoinHandle::abort);
        per_second.push(rig.sts.calls() - before);
    }
    assert!(per_second[9] <= 3 && per_second[9] < per_second[0], "{per_second:?}");
    rig.sts.answer(Answer::Issue(HOUR));
    pass(&rig.clock, 40 * SECOND, SECOND).await;
    rig.broker.round();
    let before = rig.sts.calls();
    let tasks: Vec<_> = (0..64).map(|n| rig.spawn(&format!("other-{n}"), 1)).collect();
    pass(&rig.clock, SECOND, STEP).await;
    assert!(rig.sts.calls() - before >= 16, "{}", rig.sts.calls() - before);
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
}

/// 20,000 tenants, of which a few make most of the requests and most make few (Zipf), with sessions of twenty minutes.
#[tokio::test(start_paused = true)]
async fn twenty_thousand_tenants_stay_within_the_budget_and_wait_for_nothing_after_a_warm_up() {
    const TENANTS: usize = 20_000;
    const RATE: u32 = 50;
    const BURST: u32 = 100;
    let rig = Rig::new(|config| {
        config.plans = plans_of(assume_one_role());
        config.max_sessions = 25_000;
        config.budget = BudgetConfig { requests_per_second: f64::from(RATE), burst: BURST, ..config.budget };
    });
    rig.sts.answer(Answer::Issue(20 * MINUTE));
    let tenants: Vec<_> = (0..TENANTS).map(|n| tenant(&format!("tenant-{n}"))).collect();
    // The sums of the weights 1/rank up to each.
    let weights: Vec<f64> = (1..=TENANTS)
        .scan(0.0, |sum, rank| {
            *sum += 1.0 / rank as f64;
            Some(*sum)
        })
        .collect();
    let mut random = random(7);
    let mut pick = move || {
        let at = random(1 << 32) as f64 / f64::from(u32::MAX) * weights[TENANTS - 1];
        weights.partition_point(|sum| *sum < at).min(TENANTS - 1)
    };

    // As `warm_up` does, with what places there are each second.
    let mut left: VecDeque<_> = tenants.iter().map(|tenant| rig.broker.0.plans.plan("s3", tenant).unwrap()).collect();
    let mut seconds = 0;
    while !left.is_empty() {
        while let Some(plan) = left.front()
            && let Ok(place) = rig.broker.0.budget.renewal(plan.inputs())
        {
            rig.broker.obtain(plan, Some(place), None).await.unwrap();
            left.pop_front();
        }
        rig.clock.advance(SECOND);
        seconds += 1;
    }
    assert!((398..=402).contains(&seconds), "{seconds} seconds for 20,000 tenants at 50 a second, after a burst of 100");

    let begun = rig.sts.calls();
    let mut due = rig.broker.look();
    for second in 0..1_800 {
        let before = rig.sts.calls();
        if second % 20 == 0 {
            due = rig.broker.look();
        }
        for _ in 0..40 {
            let asked = &tenants[pick()];
            let got = tokio::time::timeout(STEP, rig.broker.credentials(asked)).await.expect("no request waits for its turn");
            check(&got.unwrap(), asked.id().as_str());
        }
        // Eight places, and three looks for one.
        for _ in 0..3 {
            rig.broker.renew(&mut due);
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
        }
        rig.clock.advance(SECOND);
        let calls = rig.sts.calls() - before;
        assert!(calls <= (BURST + RATE) as usize, "{calls} calls in one second");
    }
    let calls = rig.sts.calls() - begun;
    assert!(calls <= (BURST + RATE * 1_800) as usize, "{calls}");
    assert!(calls > 5_000, "sessions ended, and there was something to be done: {calls}");
}
