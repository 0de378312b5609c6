use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn keys(key: &str) -> Arc<TableKeys> {
    Arc::new(TableKeys { key: key.to_owned(), indexes: Default::default() })
}

fn tenant(id: &str) -> TenantId {
    id.parse().unwrap()
}

fn question(id: &str, table: &str) -> Question {
    Question { tenant: tenant(id), place: "place".to_owned(), table: table.to_owned() }
}

fn start() -> Instant {
    crate::clock::Clock::manual(std::time::UNIX_EPOCH).instant()
}

#[test]
fn a_place_that_is_full_takes_room_from_itself_alone() {
    let (store, now, acme) = (Store::default(), start(), tenant("acme"));
    store.learnt("quiet", "pool", &keys("pk"), now);
    for number in 0..1_000 {
        store.learnt("loud", &format!("orders-{number}"), &keys("pk"), now + SECOND);
    }
    let look = |place, table: &str| store.look(&acme, place, table, now + SECOND);
    assert_eq!((look("quiet", "pool"), look("loud", "orders-999")), (Seen::Fresh(keys("pk")), Seen::Fresh(keys("pk"))));
    let kept = (0..1_000).filter(|number| look("loud", &format!("orders-{number}")) != Seen::Nothing).count();
    assert_eq!(kept, OF_A_PLACE);
    // What is learnt again takes no room.
    store.learnt("loud", "orders-999", &keys("other"), now + SECOND);
    assert_eq!((look("loud", "orders-999"), look("quiet", "pool")), (Seen::Fresh(keys("other")), Seen::Fresh(keys("pk"))));
}

#[test]
fn all_places_together_are_bounded_and_what_was_learnt_first_goes_first() {
    let (store, now, acme) = (Store::default(), start(), tenant("acme"));
    let count = |store: &Store| store.lock().known.values().map(HashMap::len).sum::<usize>();
    for number in 0..IN_ALL {
        store.learnt(&format!("place-{}", number / 200), &format!("t-{number}"), &keys("pk"), now + Duration::from_millis(number as u64));
    }
    let then = now + 11 * SECOND;
    store.learnt("another", "pool", &keys("pk"), then);
    assert_eq!(count(&store), IN_ALL);
    assert_eq!(store.look(&acme, "place-0", "t-0", then), Seen::Nothing);
    assert_eq!(store.look(&acme, "place-0", "t-1", then), Seen::Fresh(keys("pk")));
    // What nothing can be done with any more makes room for many.
    store.learnt("late", "pool", &keys("pk"), now + KEPT + 11 * SECOND);
    assert_eq!(count(&store), 1);
}

#[test]
fn failures_are_a_tenants_own_and_stand_for_a_while() {
    let (store, now) = (Store::default(), start());
    let (acme, globex) = (tenant("acme"), tenant("globex"));
    let unknown = |for_now| Unknown { why: "why".into(), for_now };
    store.failed(&question("acme", "pool"), unknown(false), now);
    store.failed(&question("acme", "other"), unknown(true), now);
    let look = |tenant, table, after| store.look(tenant, "place", table, now + after);
    assert_eq!((look(&acme, "pool", SECOND), look(&acme, "other", SECOND)), (Seen::Failed(unknown(false)), Seen::Nothing));
    assert_eq!((look(&globex, "pool", SECOND), look(&acme, "pool", FAILED)), (Seen::Nothing, Seen::Nothing));
    assert_eq!(store.look(&acme, "elsewhere", "pool", now), Seen::Nothing);
    for number in 0..FAILURES {
        assert!(!store.is_at_its_end(&tenant("loud"), now));
        store.failed(&question("loud", &format!("t-{number}")), unknown(false), now);
    }
    assert!(store.is_at_its_end(&tenant("loud"), now) && !store.is_at_its_end(&acme, now));
    assert!(!store.is_at_its_end(&tenant("loud"), now + FAILED));
    for number in 0..2 * FAILING {
        store.failed(&question(&format!("tenant-{number}"), "t"), unknown(false), now);
    }
    assert_eq!(store.lock().failed.len(), FAILING);
    store.failed(&question("late", "t"), unknown(false), now + FAILED);
    assert_eq!(store.lock().failed.len(), 1, "those that stand no longer make room");
}

#[test]
fn what_a_failure_is_about_stands_in_no_longer() {
    let (store, acme) = (Store::default(), tenant("acme"));
    let (learnt, unknown) = (start(), |for_now| Unknown { why: "why".into(), for_now });
    store.learnt("place", "pool", &keys("pk"), learnt);
    store.learnt("place", "other", &keys("pk"), learnt);
    let old = learnt + FRESH;
    // Until the moment at which an answer is old, nobody asks, and what somebody else was told changes nothing.
    store.failed(&question("acme", "pool"), unknown(false), old - SECOND);
    assert_eq!(store.look(&acme, "place", "pool", old - SECOND), Seen::Fresh(keys("pk")));
    // It may be had again: the answer goes on standing in, for others at once.
    store.failed(&question("acme", "pool"), unknown(true), old);
    assert_eq!(store.look(&tenant("globex"), "place", "pool", old), Seen::Old(keys("pk")));
    store.failed(&question("acme", "pool"), unknown(false), old);
    assert_eq!(store.look(&tenant("globex"), "place", "pool", old), Seen::Nothing);
    assert_eq!(store.look(&tenant("globex"), "place", "other", old), Seen::Old(keys("pk")), "the other table is none of its business");
}

#[test]
fn who_failed_before_is_remembered_where_nobody_else_is_any_more() {
    let (store, now) = (Store::default(), start());
    let unknown = || Unknown { why: "why".into(), for_now: false };
    for number in 0..FAILING {
        store.failed(&question(&format!("tenant-{number}"), "t"), unknown(), now);
    }
    store.failed(&question("tenant-0", "u"), unknown(), now);
    assert_eq!(store.look(&tenant("tenant-0"), "place", "u", now), Seen::Failed(unknown()));
    // What stands no longer is not kept: a tenant that fails for years has as many as fit into a moment.
    store.failed(&question("tenant-0", "v"), unknown(), now + FAILED);
    assert_eq!(store.lock().failed[&tenant("tenant-0")].len(), 1);
}

#[tokio::test]
async fn turns_are_taken_one_by_one_and_leave_nothing_behind() {
    let store = Store::default();
    let (one, two, other) =
        (store.turn(question("acme", "pool")), store.turn(question("acme", "pool")), store.turn(question("globex", "pool")));
    let first = one.come().await;
    assert!(futures_util::FutureExt::now_or_never(two.come()).is_none());
    assert!(futures_util::FutureExt::now_or_never(other.come()).is_some());
    drop(first);
    drop(one);
    // Who comes now waits with those who are there.
    let third = store.turn(question("acme", "pool"));
    let second = futures_util::FutureExt::now_or_never(two.come()).unwrap();
    assert!(futures_util::FutureExt::now_or_never(third.come()).is_none());
    drop(second);
    drop((two, other, third));
    assert!(store.lock().asked.is_empty());
}
