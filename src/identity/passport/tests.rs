use std::{
    collections::HashSet,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::Map;

use super::*;
use crate::{aws::action::Actions, aws::action::Pattern, tenant::TenantId};

const SECOND: Duration = Duration::from_secs(1);

pub(super) fn config(max_age: u64) -> PassportConfig {
    let max_age = Duration::from_secs(max_age);
    let terms = PassportTerms { max_age, upgrade_max_age: max_age, actions: None, max_uses: None };
    PassportConfig { terms, grace: Duration::ZERO, stall: Duration::from_secs(10), max_live: 65_536 }
}

pub(super) fn table(config: PassportConfig) -> (Passports, Clock) {
    let clock = Clock::manual(UNIX_EPOCH + Duration::from_secs(1_000));
    (Passports::new(config, clock.clone(), Metrics::new().unwrap()), clock)
}

pub(super) fn text(passport: &Passport) -> String {
    passport.header_value().unwrap().to_str().unwrap().to_owned()
}

pub(super) fn expiring(tenant: &str, expires: SystemTime) -> Arc<VerifiedTenant> {
    VerifiedTenant::for_tests_until(tenant, "user-1", Map::new(), expires)
}

/// Of a request of which nothing else is known.
pub(super) fn occasion(request: &RequestId) -> Occasion<'_> {
    Occasion { request, method: &Method::GET, path: "/", rule: None }
}

fn mint(passports: &Passports, tenant: &str) -> Passport {
    passports.mint_for_tests(&VerifiedTenant::for_tests(tenant), &RequestId::random()).unwrap()
}

fn reason(passports: &Passports, text: &str) -> Option<Reason> {
    passports.redeem(text, None).err().map(|refusal| refusal.reason)
}

/// How often passports were presented, by result.
pub(super) fn redemptions(passports: &Passports, result: &str) -> u64 {
    let metrics = String::from_utf8(passports.table.metrics.render().unwrap()).unwrap();
    let line = format!("palisade_passport_redemptions_total{{result=\"{result}\"}} ");
    metrics.lines().find_map(|text| text.strip_prefix(&line)?.parse().ok()).unwrap_or(0)
}

#[test]
fn a_passport_speaks_for_its_tenant_until_it_is_dropped() {
    let (passports, _) = table(config(60));
    let passport = mint(&passports, "acme");
    let handle = text(&passport);
    assert_eq!(passports.redeem(&handle, None).unwrap().0.tenant().as_str(), "acme");
    assert_eq!(passport.stall(), passports.issue.config.stall);
    assert_eq!(passports.count(), 1);
    drop(passport);
    assert_eq!((reason(&passports, &handle), passports.count()), (Some(Reason::PassportUnknown), 0));
}

#[test]
fn it_dies_at_its_longest_life_even_while_held() {
    let (passports, clock) = table(config(60));
    let passport = mint(&passports, "acme");
    let handle = text(&passport);
    clock.advance(Duration::from_millis(59_999));
    passports.table.clear();
    assert_eq!(reason(&passports, &handle), None);
    clock.advance(Duration::from_millis(1));
    assert_eq!(reason(&passports, &handle), Some(Reason::PassportExpired));
    // Cleared away it is no other.
    passports.table.clear();
    assert_eq!((reason(&passports, &handle), passports.count()), (Some(Reason::PassportExpired), 0));
    passport.upgrade();
    assert_eq!(reason(&passports, &handle), Some(Reason::PassportExpired));
    drop(passport);
    assert_eq!((reason(&passports, &handle), passports.count()), (Some(Reason::PassportUnknown), 0));
}

#[test]
fn it_never_outlives_the_token_behind_it() {
    let terms = PassportTerms { upgrade_max_age: Duration::from_secs(7_200), ..config(3_600).terms };
    for (upgraded, grace) in [(false, 0), (true, 0), (false, 5), (true, 5)] {
        let (passports, clock) =
            table(PassportConfig { terms: terms.clone(), grace: Duration::from_secs(grace), max_live: 10, ..config(1) });
        let tenant = expiring("acme", clock.now() + 2 * SECOND);
        let passport = passports.mint_for_tests(&tenant, &RequestId::random()).unwrap();
        let handle = text(&passport);
        clock.advance(SECOND);
        if upgraded {
            passport.upgrade();
        }
        if grace > 0 {
            passport.response_ended();
            assert_eq!(reason(&passports, &handle), None);
            clock.advance(SECOND);
            assert_eq!(reason(&passports, &handle), Some(Reason::PassportUnknown), "a grace beyond the token");
        } else {
            assert_eq!(reason(&passports, &handle), None);
            clock.advance(SECOND);
            assert_eq!(reason(&passports, &handle), Some(Reason::PassportExpired), "upgraded: {upgraded}");
        }
    }
}

#[tokio::test]
async fn it_can_end_before_its_request_does() {
    let (passports, _) = table(PassportConfig { grace: SECOND, ..config(60) });
    for is_over in [true, false] {
        let passport = mint(&passports, "acme");
        let (handle, (say, told)) = (text(&passport), tokio::sync::oneshot::channel());
        let (_, lease) = passports.redeem(&handle, None).unwrap();
        passport.end_upon("the test says so", async { told.await.unwrap() });
        tokio::task::yield_now().await;
        assert_eq!(reason(&passports, &handle), None);
        say.send(is_over).unwrap();
        tokio::task::yield_now().await;
        assert_eq!(reason(&passports, &handle), is_over.then_some(Reason::PassportExpired), "its request still runs");
        assert_eq!(lease.is_over(), is_over, "what was begun under it ends too");
        passport.upgrade();
        passport.response_ended();
        assert_eq!(reason(&passports, &handle), is_over.then_some(Reason::PassportUnknown), "no grace brings it back");
    }
}

#[test]
fn only_a_regular_end_has_a_grace_and_nothing_renews_it() {
    let (passports, clock) = table(PassportConfig { grace: 2 * SECOND, ..config(60) });
    let (ended, dropped) = (mint(&passports, "acme"), mint(&passports, "acme"));
    let handles = [text(&ended), text(&dropped)];
    let (_, lease) = passports.redeem(&handles[0], None).unwrap();
    ended.response_ended();
    drop(dropped);
    assert_eq!(handles.each_ref().map(|handle| reason(&passports, handle)), [None, Some(Reason::PassportUnknown)]);
    assert_eq!((passports.count(), lease.remaining()), (1, Some(2 * SECOND)), "what was begun has the grace too");
    clock.advance(2 * SECOND);
    assert!(lease.is_over());
    let refusal = passports.redeem(&handles[0], None).unwrap_err();
    assert_eq!((refusal.reason, redemptions(&passports, "late")), (Reason::PassportUnknown, 2));
    passports.table.clear();
    assert_eq!((reason(&passports, &handles[0]), passports.count()), (Some(Reason::PassportUnknown), 0));

    // No grace beyond the longest life.
    let passport = mint(&passports, "acme");
    let handle = text(&passport);
    clock.advance(59 * SECOND);
    passport.response_ended();
    clock.advance(SECOND);
    assert_eq!(reason(&passports, &handle), Some(Reason::PassportUnknown));
}

#[test]
fn a_response_that_ends_with_its_passport_has_no_grace() {
    let (passports, clock) = table(PassportConfig { grace: 2 * SECOND, ..config(60) });
    let passport = mint(&passports, "acme");
    let handle = text(&passport);
    clock.advance(60 * SECOND);
    passport.response_ended();
    assert_eq!((reason(&passports, &handle), passports.count()), (Some(Reason::PassportUnknown), 0));
}

#[tokio::test(start_paused = true)]
async fn what_is_over_is_cleared_away_although_nobody_asks() {
    let (passports, clock) = table(PassportConfig { grace: 2 * SECOND, ..config(60) });
    let (_held, ended) = (mint(&passports, "acme"), mint(&passports, "globex"));
    ended.response_ended();
    let clearing = tokio::spawn({
        let passports = passports.clone();
        async move { passports.maintain().await }
    });
    for (seconds, left) in [(1, 2), (1, 1), (57, 1), (1, 0)] {
        clock.advance(seconds * SECOND);
        tokio::time::sleep(CLEARING + SECOND).await;
        assert_eq!(passports.count(), left, "{seconds} seconds later");
    }
    clearing.abort();
}

#[test]
fn an_upgrade_puts_off_the_end_once_and_leases_follow() {
    let mut config = config(60);
    config.terms.upgrade_max_age = Duration::from_secs(3_600);
    let (passports, clock) = table(config);
    let passport = mint(&passports, "acme");
    let handle = text(&passport);
    let (_, before) = passports.redeem(&handle, None).unwrap();
    clock.advance(30 * SECOND);
    passport.upgrade();
    let (_, after) = passports.redeem(&handle, None).unwrap();
    assert_eq!((before.remaining(), after.remaining()), (Some(3_570 * SECOND), Some(3_570 * SECOND)));
    clock.advance(3_569 * SECOND);
    passport.upgrade();
    assert_eq!((reason(&passports, &handle), before.is_over()), (None, false));
    clock.advance(SECOND);
    assert_eq!((reason(&passports, &handle), before.is_over()), (Some(Reason::PassportExpired), true));

    let late = mint(&passports, "acme");
    clock.advance(60 * SECOND);
    late.upgrade();
    assert_eq!(reason(&passports, &text(&late)), Some(Reason::PassportExpired), "an upgrade brought it back");
}

#[test]
fn uses_are_counted_once_each_whoever_asks_at_the_same_time() {
    let mut config = config(60);
    config.terms.max_uses = Some(100);
    let (passports, _) = table(config);
    let passport = mint(&passports, "acme");
    let handle = text(&passport);
    // Of another tenant: not redeemed, so not used.
    let globex = ClaimedTenant::for_tests("globex");
    assert_eq!(passports.redeem(&handle, Some(&globex)).unwrap_err().reason, Reason::TenantMismatch);
    let good: usize = std::thread::scope(|scope| {
        let count = || (0..50).filter(|_| passports.redeem(&handle, None).is_ok()).count();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(count)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(good, 100);
    assert_eq!(reason(&passports, &handle), Some(Reason::PassportUsedUp));
    assert_eq!(["ok", "refused"].map(|result| redemptions(&passports, result)), [100, 102]);
}

#[test]
fn an_endpoint_s_rule_says_it_anew_and_what_it_leaves_out_is_as_for_all() {
    let mut config = config(60);
    config.terms.upgrade_max_age = Duration::from_secs(3_600);
    config.terms.max_uses = Some(5);
    let (passports, clock) = table(config);
    let mint = |rule: &PassportRule| {
        let request = RequestId::random();
        passports.mint(&VerifiedTenant::for_tests("acme"), Occasion { rule: Some(rule), ..occasion(&request) }).unwrap()
    };
    let actions = Actions::new(vec![Pattern::parse("s3:GetObject").unwrap()]);
    let rule = PassportRule { actions, max_uses: Some(1), max_age: Some(10 * SECOND), upgrade_max_age: None };
    let (short, usual) = (mint(&rule), mint(&PassportRule::default()));
    let (_, lease) = passports.redeem(&text(&short), None).unwrap();
    assert!(lease.permit(|| crate::aws::action::tests::s3("PutObject")).is_err());
    assert_eq!(reason(&passports, &text(&short)), Some(Reason::PassportUsedUp));
    short.upgrade();
    assert_eq!(lease.remaining(), Some(10 * SECOND), "an event stream got around the rule");
    assert_eq!(passports.redeem(&text(&usual), None).unwrap().1.remaining(), Some(60 * SECOND));
    let stream = mint(&PassportRule { max_age: Some(SECOND), upgrade_max_age: Some(20 * SECOND), ..PassportRule::default() });
    stream.upgrade();
    clock.advance(19 * SECOND);
    assert_eq!(reason(&passports, &text(&stream)), None);
    clock.advance(SECOND);
    assert_eq!(reason(&passports, &text(&stream)), Some(Reason::PassportExpired));
}

#[test]
fn what_a_passport_is_not_for_is_refused_and_counted_as_such() {
    let mut config = config(60);
    config.terms.actions = Actions::new(vec![Pattern::parse("s3:GetObject").unwrap()]);
    let (passports, _) = table(config);
    let passport = mint(&passports, "acme");
    let (_, lease) = passports.redeem(&text(&passport), None).unwrap();
    let needed = |operation| crate::aws::action::tests::s3(operation);
    assert!(lease.permit(|| needed("GetObject")).is_ok());
    assert_eq!(lease.permit(|| needed("PutObject")).unwrap_err().reason, Reason::ActionNotAllowed);
    assert_eq!((redemptions(&passports, "ok"), redemptions(&passports, "refused")), (0, 0), "not before its end");
    drop(lease);
    assert_eq!((redemptions(&passports, "ok"), redemptions(&passports, "refused")), (0, 1));
}

#[test]
fn a_passport_may_be_for_an_operation_of_a_rest_service() {
    let mut config = config(60);
    config.terms.actions = Actions::new(vec![Pattern::parse("lambda:InvokeFunction").unwrap()]);
    let (passports, _) = table(config);
    let passport = mint(&passports, "acme");
    let (_, lease) = passports.redeem(&text(&passport), None).unwrap();
    let permit = |method, path| lease.permit(|| crate::aws::action::tests::asked("lambda", method, path, &[], Some(b"")));
    assert!(permit(http::Method::POST, "/2015-03-31/functions/f/invocations").is_ok());
    for (method, path) in [
        (http::Method::GET, "/2015-03-31/functions/f"),
        (http::Method::DELETE, "/2015-03-31/functions/f"),
        (http::Method::POST, "/2015-03-31/functions/f/INVOCATIONS"),
    ] {
        assert_eq!(permit(method, path).unwrap_err().reason, Reason::ActionNotAllowed, "{path}");
    }
}

#[tokio::test]
async fn passports_of_chosen_holders_end_at_once_with_their_leases() {
    let (passports, _) = table(PassportConfig { grace: SECOND, ..config(60) });
    let (acme, gone, globex) = (mint(&passports, "acme"), mint(&passports, "acme"), mint(&passports, "globex"));
    let (_, lease) = passports.redeem(&text(&acme), None).unwrap();
    let in_grace = text(&gone);
    gone.response_ended();
    assert_eq!(passports.end_where(|holder| holder.tenant().as_str() == "acme"), 2);
    assert_eq!(reason(&passports, &text(&acme)), Some(Reason::PassportUnknown));
    assert_eq!(reason(&passports, &in_grace), Some(Reason::PassportUnknown));
    assert_eq!(lease.cover(std::future::pending::<Result<(), Refusal>>()).await.unwrap_err().reason, Reason::PassportUnknown);
    assert_eq!(reason(&passports, &text(&globex)), None);
    acme.response_ended();
    assert_eq!(passports.count(), 1, "counted once");
}

#[test]
fn late_is_told_from_unknown_for_a_while_and_names_the_request() {
    // The last are ids of others, which would be other ids as numbers.
    for request in
        [RequestId::random(), RequestId::given("5f3a").unwrap(), RequestId::given("0B7C1F3A-9d2e-4c11-8f00-1234567890ab").unwrap()]
    {
        late_is_told_of(request);
    }
}

fn late_is_told_of(request: RequestId) {
    let (passports, clock) = table(config(60));
    let passport = passports.mint_for_tests(&VerifiedTenant::for_tests("acme"), &request).unwrap();
    let handle = text(&passport);
    drop(passport);
    clock.advance(1_500 * Duration::from_millis(1));
    let refusal = passports.redeem(&handle, None).unwrap_err();
    assert_eq!((refusal.reason, &refusal.for_request), (Reason::PassportUnknown, &Some(request)));
    assert_eq!(refusal.note.as_deref(), Some("it ended 1500 ms before"));
    assert!(!format!("{refusal:?}").contains(&handle[PREFIX.len()..]));
    // As long after its end as it is kept, and not a moment more.
    clock.advance(ended::KEPT - Duration::from_millis(1_500));
    let refusal = passports.redeem(&handle, None).unwrap_err();
    assert_eq!((refusal.reason, refusal.for_request), (Reason::PassportUnknown, None));
    assert_eq!((redemptions(&passports, "late"), redemptions(&passports, "unknown")), (1, 1));
}

#[test]
fn what_is_remembered_is_bounded() {
    let (passports, clock) = table(config(60));
    let first = text(&mint(&passports, "acme"));
    for _ in 0..ended::MOST {
        drop(mint(&passports, "acme"));
    }
    assert_eq!(passports.table.ended.len(), ended::MOST);
    assert!(passports.redeem(&first, None).unwrap_err().for_request.is_none(), "the oldest is forgotten first");
    clock.advance(ended::KEPT);
    drop(mint(&passports, "acme"));
    assert_eq!(passports.table.ended.len(), 1);
}

#[test]
fn other_texts_are_unknown() {
    let (passports, _) = table(config(60));
    let (other, _) = table(config(60));
    let passport = mint(&passports, "acme");
    let text = text(&passport);
    assert!(other.redeem(&text, None).is_err(), "a passport of another process was accepted");
    for cut in 0..text.len() {
        assert!(passports.redeem(&text[..cut], None).is_err());
    }
    for at in 0..text.len() {
        for byte in [b'A', b'B', b'_', b'='] {
            let mut changed = text.clone().into_bytes();
            if changed[at] != byte {
                changed[at] = byte;
                assert_eq!(reason(&passports, std::str::from_utf8(&changed).unwrap()), Some(Reason::PassportUnknown), "byte {at}");
            }
        }
    }
    for bad in [format!("{text}A"), format!("{text}="), format!(" {text}"), text.to_uppercase(), String::new(), PREFIX.into()] {
        assert_eq!(reason(&passports, &bad), Some(Reason::PassportUnknown), "{bad:?}");
    }
}

#[test]
fn handles_are_random_and_never_shown() {
    let (passports, _) = table(config(60));
    let held: Vec<_> = (0..1_000).map(|_| mint(&passports, "acme")).collect();
    let texts: HashSet<_> = held.iter().map(text).collect();
    assert_eq!(texts.len(), 1_000);
    assert!(texts.iter().all(|text| text.len() == PREFIX.len() + 43));
    let shown = format!("{:?} {passports:?}", held[0]);
    assert!(texts.iter().all(|text| !shown.contains(&text[PREFIX.len()..])));
    assert!(held[0].header_value().unwrap().is_sensitive());
}

#[test]
fn the_table_is_bounded_and_recovers() {
    let (passports, clock) = table(PassportConfig { max_live: 10, ..config(60) });
    let try_mint = |tenant: &str| passports.mint_for_tests(&VerifiedTenant::for_tests(tenant), &RequestId::random());
    let mut held: Vec<_> = (0..5).map(|_| try_mint("acme").unwrap()).collect();
    let refused = try_mint("acme").unwrap_err();
    assert_eq!((refused.reason, refused.retry_after), (Reason::PassportsExhausted, Some(SECOND)), "one tenant took more than half");
    held.extend((0..5).map(|_| try_mint("globex").unwrap()));
    let acme: TenantId = "acme".parse().unwrap();
    assert_eq!(try_mint("initech").unwrap_err().reason, Reason::PassportsExhausted);
    assert_eq!((passports.count(), *passports.table.by_tenant.get(&acme).unwrap(), passports.table.by_tenant.len()), (10, 5, 2));
    // What has expired makes room, though its requests go on.
    clock.advance(60 * SECOND);
    let _new = try_mint("acme").unwrap();
    assert_eq!(passports.count(), 1);
    drop(held);
    assert_eq!(passports.count(), 1);
    assert!(try_mint("initech").is_ok());
}

#[test]
fn counts_come_out_even_whatever_happens_at_the_same_time() {
    let (passports, _) = table(PassportConfig { grace: Duration::from_millis(1), max_live: 64, ..config(60) });
    std::thread::scope(|scope| {
        for tenant in ["acme", "globex", "initech"] {
            let passports = &passports;
            scope.spawn(move || {
                for round in 0..2_000_u32 {
                    let Ok(passport) = passports.mint_for_tests(&VerifiedTenant::for_tests(tenant), &RequestId::random()) else { continue };
                    let _ = passports.redeem(&text(&passport), None);
                    match round % 3 {
                        0 => passport.response_ended(),
                        1 => drop(passport),
                        _ => assert!(passports.end_where(|holder| holder.tenant().as_str() == tenant) >= 1),
                    }
                }
            });
        }
    });
    passports.end_where(|_| true);
    assert_eq!((passports.count(), passports.table.by_tenant.len()), (0, 0));
}

#[test]
fn other_terms_hold_for_what_is_minted_then_and_change_nothing_that_is_out() {
    let (passports, clock) = table(PassportConfig { grace: SECOND, ..config(60) });
    let (old, leaving) = (mint(&passports, "acme"), mint(&passports, "acme"));
    let gone = text(&leaving);
    leaving.response_ended();
    let mut terms = config(10);
    terms.terms.max_uses = Some(1);
    terms.max_live = 6;
    let passports = passports.under(terms, Box::new(|_, _, _| true));
    let new = mint(&passports, "acme");
    assert_eq!([reason(&passports, &text(&new)), reason(&passports, &text(&new))], [None, Some(Reason::PassportUsedUp)]);
    assert!(passports.mint_for_tests(&VerifiedTenant::for_tests("acme"), &RequestId::random()).is_err(), "three are half of the room");
    assert_eq!([reason(&passports, &text(&old)), reason(&passports, &text(&old))], [None, None]);
    clock.advance(2 * SECOND);
    passports.clear_for_tests();
    assert_eq!(reason(&passports, &gone), Some(Reason::PassportUnknown), "a grace ends where there is none any more");
    clock.advance(20 * SECOND);
    assert_eq!([reason(&passports, &text(&new)), reason(&passports, &text(&old))], [Some(Reason::PassportExpired), None]);
}

#[test]
fn stall_and_grace_are_those_of_the_making_too() {
    let (before, clock) = table(PassportConfig { grace: 2 * SECOND, ..config(60) });
    let held = mint(&before, "acme");
    let after = before.under(PassportConfig { stall: SECOND, ..config(60) }, Box::new(|_, _, _| true));
    let new = mint(&after, "acme");
    assert_eq!((held.stall(), new.stall()), (10 * SECOND, SECOND));
    let (of_before, of_after) = (text(&held), text(&new));
    held.response_ended();
    new.response_ended();
    clock.advance(SECOND);
    assert_eq!((reason(&after, &of_before), reason(&after, &of_after)), (None, Some(Reason::PassportUnknown)));
    clock.advance(SECOND);
    assert_eq!(reason(&after, &of_before), Some(Reason::PassportUnknown));
    after.table.clear();
    assert_eq!(after.count(), 0);
}

/// A request that began before the change gets its passport after it: it is not there when the others are looked at.
#[tokio::test]
async fn what_would_not_be_given_now_is_not_taken_whenever_it_was_minted() {
    let (before, _) = table(config(60));
    let of = |passports: &Passports, path: &str| {
        let request = RequestId::random();
        passports.mint(&VerifiedTenant::for_tests("acme"), Occasion { path, ..occasion(&request) }).unwrap()
    };
    let (narrowed, stays) = (of(&before, "/reports"), of(&before, "/other"));
    let gives = |_: &Method, path: Option<&str>, held: Option<&Actions>| path == Some("/other") && held.is_none();
    let after = before.under(config(60), Box::new(gives));
    let (_, lease) = before.redeem(&text(&narrowed), None).unwrap();
    assert_eq!(after.end_withdrawn(), 1);
    assert_eq!(lease.cover(std::future::pending::<Result<(), Refusal>>()).await.unwrap_err().reason, Reason::PassportUnknown);
    assert_eq!((reason(&after, &text(&narrowed)), reason(&after, &text(&stays))), (Some(Reason::PassportExpired), None));
    let late = of(&before, "/reports");
    assert_eq!((reason(&after, &text(&late)), reason(&before, &text(&late))), (Some(Reason::PassportExpired), None));
    // One of the new configuration is what it says, and a path that is too long to be kept is any path.
    assert_eq!(reason(&after, &text(&of(&after, "/reports"))), None);
    let long = format!("/other/{}", "x".repeat(MAX_PATH));
    assert_eq!(reason(&after, &text(&of(&before, &long))), Some(Reason::PassportExpired));
}
