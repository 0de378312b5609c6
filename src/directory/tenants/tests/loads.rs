//! The reading of the whole table.

use super::*;

const EVERY: Duration = Duration::from_secs(100);

async fn rig(max_entries: usize, items_per_second: usize) -> (Rig, crate::directory::Heard) {
    let changes = Changes::default();
    let heard = changes.listen();
    (Rig::of(changes, &config(max_entries, Some(LoadConfig { every: EVERY, items_per_second }))).await, heard)
}

/// Lets the background run for `time`, in small steps that the manual clock takes part in.
async fn run(rig: &Rig, time: Duration) {
    let watch = rig.table.watch();
    tokio::pin!(watch);
    let mut left = time;
    while !left.is_zero() {
        let step = left.min(Duration::from_millis(100));
        drop(tokio::time::timeout(step, &mut watch).await);
        rig.clock.advance(step);
        left -= step;
    }
}

#[tokio::test(start_paused = true)]
async fn a_load_spares_every_tenant_its_first_read() {
    let (rig, _) = rig(100, 10).await;
    for number in 0..45 {
        rig.store.put(&format!("T#tenant-{number}"), &active());
    }
    // What else is in the table.
    for pk in ["U#someone", "T#no/id", "T#", "tenant-1"] {
        rig.store.put(pk, &active());
    }
    rig.store.put("T#broken", &json!({}));
    run(&rig, Duration::from_secs(10)).await;
    assert_eq!(rig.store.reads(), (1, 6), "a probe, and 50 items in parts of 10 and the one that is empty");
    for number in 0..45 {
        assert_eq!(rig.status(&format!("tenant-{number}")).await, Ok(Active));
    }
    assert_eq!(rig.store.reads().0, 1, "nobody had to be asked for");
    assert_eq!(rig.status("broken").await, Err(Reason::TenantsUnavailable));
    assert_eq!(rig.table.records().len(), 45);
    assert!(rig.counted("palisade_tenant_loads_total{result=\"ok\"} 1"));
    rig.store.goes(true);
    rig.clock.advance(FRESH);
    assert_eq!(rig.status("tenant-7").await, Ok(Active), "an outage finds every record at hand");
}

#[tokio::test(start_paused = true)]
async fn before_it_has_ended_tenants_are_looked_up_one_by_one() {
    let (rig, _) = rig(100, 1).await;
    for number in 0..50 {
        rig.store.put(&format!("T#tenant-{number:02}"), &active());
    }
    run(&rig, Duration::from_secs(3)).await;
    assert!((2..5).contains(&rig.store.reads().1), "{:?}", rig.store.reads());
    assert_eq!(rig.status("tenant-49").await, Ok(Active));
    assert_eq!(rig.store.reads().0, 2);
}

#[tokio::test(start_paused = true)]
async fn it_finds_what_was_suspended_or_removed_though_nobody_asks() {
    let (rig, mut heard) = rig(100, 1_000).await;
    for tenant in ["acme", "globex", "initech"] {
        rig.store.put(&format!("T#{tenant}"), &active());
    }
    run(&rig, Duration::from_secs(1)).await;
    assert_eq!(rig.table.records().len(), 3);
    assert!(futures_util::FutureExt::now_or_never(heard.next()).is_none(), "what is new concerns nobody");
    rig.store.put("T#acme", &suspended());
    rig.store.delete("T#globex");
    run(&rig, EVERY + Duration::from_secs(1)).await;
    tokio::time::timeout(Duration::from_secs(1), heard.next()).await.expect("nothing was announced");
    assert!(matches!(rig.table.recall("acme"), AtHand::Record(record) if record.status == Suspended));
    assert_ne!(rig.table.recall("globex"), AtHand::Record(Arc::new(TenantRecord::bare("globex".parse().unwrap()))));
    let ids: BTreeSet<_> = rig.table.records().iter().map(|record| record.id.to_string()).collect();
    assert_eq!(ids.into_iter().collect::<Vec<_>>(), ["acme", "initech"]);
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_it_did_not_meet_is_asked_for_and_not_taken_for_removed() {
    let (rig, mut heard) = rig(100, 2).await;
    for tenant in ["aa", "bb", "cc", "dd"] {
        rig.store.put(&format!("T#{tenant}"), &active());
    }
    run(&rig, Duration::from_secs(4)).await;
    // The item is behind the place that the second load has reached when it comes back.
    rig.store.delete("T#aa");
    rig.store.becomes_after(1, &[("T#aa", active()), ("T#bb", active()), ("T#cc", active()), ("T#dd", active())]);
    let gets = rig.store.reads().0;
    run(&rig, EVERY + Duration::from_secs(5)).await;
    assert_eq!(rig.table.records().len(), 4, "{:?}", rig.table.records());
    assert!(rig.store.reads().0 > gets, "it was asked for");
    assert!(futures_util::FutureExt::now_or_never(heard.next()).is_none());
}

#[tokio::test(start_paused = true)]
async fn what_is_known_from_later_is_left_alone() {
    let (rig, _) = rig(100, 1).await;
    rig.store.put("T#aa", &active());
    rig.store.put("T#zz", &active());
    let began = rig.clock.instant();
    rig.clock.advance(Duration::from_secs(1));
    rig.store.put("T#zz", &suspended());
    assert_eq!(rig.status("zz").await, Ok(Suspended));
    let record = TenantRecord::bare("zz".parse().unwrap());
    assert_eq!(rig.table.points.take_in("zz", began, Ok(record.clone())), crate::directory::points::Taken::Same);
    assert_eq!(rig.status("zz").await, Ok(Suspended));
    rig.store.put("T#aa", &json!({}));
    assert_eq!(rig.status("aa").await, Err(Reason::TenantsUnavailable));
    let record = TenantRecord { id: "aa".parse().unwrap(), ..record };
    rig.table.points.take_in("aa", began, Ok(record));
    assert_eq!(rig.status("aa").await, Err(Reason::TenantsUnavailable), "nor does an older one replace what cannot be used");
}

#[tokio::test(start_paused = true)]
async fn a_load_that_fails_in_its_middle_removes_nobody() {
    let (rig, mut heard) = rig(100, 2).await;
    for tenant in ["aa", "bb", "cc", "dd", "ee"] {
        rig.store.put(&format!("T#{tenant}"), &active());
    }
    run(&rig, Duration::from_secs(5)).await;
    assert_eq!(rig.table.records().len(), 5);
    let scans = rig.store.reads().1;
    rig.store.breaks_after(1);
    run(&rig, EVERY + Duration::from_secs(1)).await;
    assert!(rig.store.reads().1 >= scans + 2, "one part was read, and one could not be");
    assert!(!rig.counted("palisade_tenant_loads_total{result=\"ok\"} 2"));
    assert_eq!(rig.table.records().len(), 5, "within the bounds of staleness");
    assert!(futures_util::FutureExt::now_or_never(heard.next()).is_none());
    run(&rig, STALE).await;
    assert_eq!(rig.table.records().len(), 0, "and not beyond");
    rig.store.goes(false);
    run(&rig, EVERY * 2).await;
    assert_eq!(rig.table.records().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn more_than_there_is_room_for_displaces_nobody() {
    let (rig, _) = rig(16, 1_000).await;
    rig.store.put("T#zz-in-use", &active());
    assert_eq!(rig.status("zz-in-use").await, Ok(Active));
    for number in 0..50 {
        rig.store.put(&format!("T#tenant-{number:02}"), &active());
    }
    run(&rig, Duration::from_secs(5)).await;
    assert_eq!(rig.table.records().len(), 16);
    let gets = rig.store.reads().0;
    assert_eq!(rig.status("zz-in-use").await, Ok(Active));
    assert_eq!(rig.store.reads().0, gets);
    assert_eq!(rig.status("tenant-49").await, Ok(Active), "the others are looked up");
    assert!(rig.counted("palisade_tenant_loads_total{result=\"partial\"} 1"));
}
