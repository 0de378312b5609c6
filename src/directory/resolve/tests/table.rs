//! The same promises, kept with a table.

use serde_json::json;

use super::*;
use crate::directory::testing::TableRig;

fn active() -> serde_json::Value {
    json!({"status": {"S": "active"}})
}

fn suspended() -> serde_json::Value {
    json!({"status": {"S": "suspended"}})
}

fn revoked() -> serde_json::Value {
    let gone = json!({"M": {"issuer": {"S": IDP}, "subject": {"S": "gone"}}});
    json!({"status": {"S": "active"}, "revoked": {"M": {"subjects": {"L": [gone]}}}})
}

async fn reason(rig: &TableRig, verified: Arc<VerifiedTenant>) -> Option<Reason> {
    rig.directory.resolve(verified).await.err().map(|refusal| refusal.reason)
}

#[tokio::test]
async fn a_table_is_asked_and_what_is_at_hand_is_remembered() {
    let rig = TableRig::new(OnSuspend::Cut, None).await;
    let of = |tenant: &str, subject: &str| holder(tenant, token(IDP, subject, "t", Some(1)));
    rig.put("acme", &revoked());
    rig.put("initech", &suspended());
    let names = |tenant: &str| [tenant.to_owned()];
    // Nothing is at hand: nobody is ended for that.
    for tenant in ["acme", "initech", "globex"] {
        assert!(rig.directory.stands(&of(tenant, "gone")).is_ok() && rig.directory.serves(&tenant.parse().unwrap()), "{tenant}");
        assert!(rig.directory.may_use(&TokenFacts { tenants: &names(tenant), ..token(IDP, "gone", "t", None) }), "{tenant}");
    }
    for (tenant, subject, expected) in [
        ("acme", "u", None),
        ("acme", "gone", Some(Reason::TokenRevoked)),
        ("initech", "u", Some(Reason::TenantSuspended)),
        ("globex", "u", Some(Reason::TenantUnknown)),
        ("Acme", "u", Some(Reason::TenantUnknown)),
    ] {
        assert_eq!(reason(&rig, of(tenant, subject)).await, expected, "{tenant} {subject}");
        assert_eq!(rig.directory.stands(&of(tenant, subject)).err().map(|refusal| refusal.reason), expected, "{tenant} {subject}");
        let facts = TokenFacts { tenants: &names(tenant), ..token(IDP, subject, "t", None) };
        assert_eq!(rig.directory.may_use(&facts), expected.is_none(), "{tenant} {subject}");
    }
    assert!(!rig.directory.serves(&"initech".parse().unwrap()) && !rig.directory.serves(&"globex".parse().unwrap()));
    assert_eq!(rig.directory.revoked_issuers(), [IDP]);
    assert_eq!(rig.directory.is_ready(), Some(true));
}

#[tokio::test]
async fn limits_of_a_record_change_with_it() {
    let rig = TableRig::new(OnSuspend::Cut, None).await;
    let limiter = crate::limits::Limiter::new(&crate::config::LimitsConfig::default(), rig.clock.clone());
    let limited = |concurrent: &str| json!({"status": {"S": "active"}, "limits": {"M": {"concurrent": {"N": concurrent}}}});
    let tenant = async || rig.directory.resolve(VerifiedTenant::for_tests("acme")).await.unwrap();
    rig.put("acme", &limited("1"));
    let first = limiter.admit(&tenant().await).unwrap();
    assert_eq!(limiter.admit(&tenant().await).unwrap_err().reason, Reason::ConcurrencyLimited);
    rig.put("acme", &limited("2"));
    assert!(limiter.admit(&tenant().await).is_err(), "within the cache's time");
    rig.later();
    let second = limiter.admit(&tenant().await).unwrap();
    assert!(limiter.admit(&tenant().await).is_err());
    drop((first, second));
}

/// How a request that is in progress for acme ends when its item becomes `item`, or goes; `None` where it goes on.
async fn ends(on_suspend: OnSuspend, item: Option<serde_json::Value>) -> Option<Reason> {
    let rig = TableRig::new(on_suspend, None).await;
    rig.put("acme", &active());
    let metrics = Metrics::new().unwrap();
    let verified = holder("acme", token(IDP, "gone", "t", Some(1)));
    let standing = Standing::of(&rig.directory.resolve(verified).await.unwrap(), &rig.directory, &metrics);
    match item {
        Some(item) => rig.put("acme", &item),
        None => rig.delete("acme"),
    }
    let clock = async {
        // The manual clock goes as the paused one does.
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            rig.clock.advance(Duration::from_secs(1));
        }
    };
    let work = standing.cover(std::future::pending::<Result<(), Refusal>>());
    tokio::select! {
        outcome = tokio::time::timeout(Duration::from_secs(70), work) => outcome.ok().map(|outcome| outcome.unwrap_err().reason),
        () = clock => None,
    }
}

#[tokio::test(start_paused = true)]
async fn requests_in_progress_ask_again_though_nobody_else_does() {
    for (on_suspend, item, expected) in [
        (OnSuspend::Cut, Some(suspended()), Some(Reason::TenantSuspended)),
        (OnSuspend::Finish, Some(suspended()), None),
        (OnSuspend::Cut, None, Some(Reason::TenantUnknown)),
        (OnSuspend::Finish, None, None),
        (OnSuspend::Finish, Some(revoked()), Some(Reason::TokenRevoked)),
        (OnSuspend::Finish, Some(json!({})), Some(Reason::TenantsUnavailable)),
        (OnSuspend::Cut, Some(active()), None),
    ] {
        assert_eq!(ends(on_suspend, item.clone()).await, expected, "{on_suspend:?} {item:?}");
    }
}

#[tokio::test]
async fn an_outage_ends_nothing_within_its_bound() {
    let rig = TableRig::new(OnSuspend::Cut, None).await;
    rig.put("acme", &active());
    let verified = VerifiedTenant::for_tests("acme");
    assert_eq!(reason(&rig, verified.clone()).await, None);
    rig.goes(true);
    rig.later();
    assert_eq!(reason(&rig, verified.clone()).await, None);
    assert_eq!(reason(&rig, VerifiedTenant::for_tests("globex")).await, Some(Reason::TenantsUnavailable));
    rig.clock.advance(Duration::from_secs(300));
    assert_eq!(reason(&rig, verified.clone()).await, Some(Reason::TenantsUnavailable));
    assert!(rig.directory.stands(&verified).is_ok(), "what is held ends with its own end; whoever uses it is refused");
}

#[tokio::test]
async fn a_directory_of_the_same_table_answers_for_whom_the_one_before_knows_and_another_one_does_not() {
    let rig = TableRig::new(OnSuspend::default(), None).await;
    rig.put("acme", &active());
    rig.put("globex", &suspended());
    let answer = async |directory: &Directory, tenant: &str| {
        directory.resolve(VerifiedTenant::for_tests(tenant)).await.map(drop).map_err(|refusal| refusal.reason)
    };
    assert_eq!(answer(&rig.directory, "acme").await, Ok(()));
    assert_eq!(answer(&rig.directory, "globex").await, Err(Reason::TenantSuspended));
    rig.goes(true);
    let unavailable = Err(Reason::TenantsUnavailable);
    for (region, same_base, expected) in [
        ("eu-west-1", true, (Ok(()), Err(Reason::TenantSuspended))),
        // A table of the same name, which may be another account's, or is another region's.
        ("eu-west-1", false, (unavailable, unavailable)),
        ("eu-central-1", true, (unavailable, unavailable)),
    ] {
        let next = rig.beside(region).await;
        next.take_over(&rig.directory, same_base);
        assert_eq!((answer(&next, "acme").await, answer(&next, "globex").await), expected, "{region} {same_base}");
        assert_eq!(next.is_ready(), Some(false), "it has not answered itself");
    }
}
