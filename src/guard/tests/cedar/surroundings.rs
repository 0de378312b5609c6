//! Who asks, when, and under which proof.

use serde_json::{Map, Value};

use super::*;
use crate::identity::{TokenFacts, workload::WORKLOAD_ISSUER};

/// Whether acme's request is let through under one policy that permits where `condition` holds.
async fn holds(condition: &str, tenant: &ActiveTenant, passport: Option<&RequestId>) -> bool {
    let bench = s3(&format!("permit(principal, action, resource) when {{ {condition} }};"));
    let id = tenant.id().to_string();
    bench.ask_under(tenant, passport, request(&format!("GET /own-{id}/x"), HOST, &[], "")).await.verdict == "allowed"
}

fn proved(verified: Arc<VerifiedTenant>) -> ActiveTenant {
    let mut record = TenantRecord::bare(verified.tenant().clone());
    record.tier = Some("gold".into());
    record.attributes.insert("shard".into(), "7".into());
    ActiveTenant::join(verified, Arc::new(record)).unwrap()
}

/// The proof says the tenant, and nothing that is the request's.
#[tokio::test]
async fn one_tenant_is_not_another() {
    let policies = "permit(principal in Palisade::Tenant::\"acme\", action, resource);";
    let bench = Bench::under("{s3: {}}", "{s3: [{buckets: ['own-*'], shared: true}]}", policies);
    let ask = |id: &'static str, named: &'static str| {
        let bench = &bench;
        async move {
            let headers = [("x-tenant-id", named), ("x-palisade-roles", "\"admin\"")];
            bench.ask(&tenant(id), request("GET /own-x/x", HOST, &headers, "")).await.verdict
        }
    };
    assert_eq!(ask("acme", "acme").await, "allowed");
    assert_eq!(ask("globex", "globex").await, "guard-denied");
    assert_eq!(ask("globex", "acme").await, "guard-denied");
}

#[tokio::test]
async fn a_user_has_what_the_proof_and_the_directory_say() {
    let facts =
        TokenFacts { issuer: "https://other.test/", subject: "user-1", token_id: None, context_id: None, issued_at: None, tenants: &[] };
    let acme = proved(VerifiedTenant::for_tests_as("acme", &["reader", "auditor"], &["files:read"]));
    let other = proved(VerifiedTenant::for_tests_of("acme", facts, None, None));
    for (condition, of_acme, of_other) in [
        ("principal == Palisade::User::\"https://idp.test/#user-1\"", true, false),
        ("principal.subject == \"user-1\"", true, true),
        ("principal.issuer == \"https://idp.test/\"", true, false),
        ("principal in Palisade::Role::\"auditor\"", true, false),
        ("principal.roles.contains(\"auditor\") && !principal.roles.contains(\"admin\")", true, false),
        ("principal in Palisade::Role::\"admin\"", false, false),
        ("principal in Palisade::Tenant::\"acme\"", true, true),
        // A tenant that is named nowhere.
        ("principal in principal.tenant", true, true),
        ("context.token.scopes.contains(\"files:read\")", true, false),
        ("principal.tenant.id == \"acme\" && principal.tenant has tier && principal.tenant.tier == \"gold\"", true, true),
        ("principal.tenant.hasTag(\"shard\") && principal.tenant.getTag(\"shard\") == \"7\"", true, true),
        ("principal.tenant has cell", false, false),
        ("principal.hasTag(\"desk\")", false, false),
    ] {
        assert_eq!((holds(condition, &acme, None).await, holds(condition, &other, None).await), (of_acme, of_other), "{condition}");
    }
}

#[tokio::test]
async fn claims_are_sets_of_texts() {
    let Value::Object(claims) = json!({
        "groups": ["finance", "ops"], "level": 3, "admin": false, "gone": null, "app": {"plan": "pro", "a/b": {"c": "d"}}, "/app/plan": "forged",
    }) else {
        unreachable!()
    };
    let acme = proved(VerifiedTenant::for_tests_with("acme", "user-1", claims));
    let bare = proved(VerifiedTenant::for_tests_with("acme", "user-1", Map::new()));
    for (name, value, is) in [
        ("groups", "finance", true),
        ("groups", "finance, ops", false),
        ("level", "3", true),
        ("admin", "false", true),
        ("/app/plan", "pro", true),
        ("/app/plan", "forged", false),
        ("/app/a~1b/c", "d", true),
        ("plan", "pro", false),
        ("gone", "", false),
    ] {
        let condition = format!("context.token.hasTag(\"{name}\") && context.token.getTag(\"{name}\").contains(\"{value}\")");
        assert_eq!(holds(&condition, &acme, None).await, is, "{condition}");
        assert!(!holds(&condition, &bare, None).await, "{condition}");
    }
}

#[tokio::test]
async fn a_request_has_a_time_a_place_and_a_proof() {
    let acme = proved(VerifiedTenant::for_tests("acme"));
    let passport = RequestId::given("r-1").unwrap();
    for (condition, with_passport, without) in [
        // The clock of these tests stands at the beginning of 1970, a Thursday.
        ("context.now == datetime(\"1970-01-01\") && context.hour == 0 && context.minute == 0 && context.weekday == 4", true, true),
        ("context.now.toTime() < duration(\"8h\")", true, true),
        ("context has source && context.source.isInRange(ip(\"127.0.0.0/8\"))", true, true),
        ("context has source && context.source.isInRange(ip(\"10.0.0.0/8\"))", false, false),
        ("context.listener == \"egress\" && context.service == \"s3\" && context.region == \"eu-west-1\"", true, true),
        ("context has operation && context.operation == \"GetObject\"", true, true),
        ("context.proof == \"passport\"", true, false),
        ("context.proof == \"token\"", false, true),
        ("context has passport && context.passport.request == \"r-1\"", true, false),
        ("context has deferred", false, false),
    ] {
        let found = (holds(condition, &acme, Some(&passport)).await, holds(condition, &acme, None).await);
        assert_eq!(found, (with_passport, without), "{condition}");
    }
}

/// A certificate is a proof of its own: nothing was presented that could be taken from somebody.
#[tokio::test]
async fn a_certificate_is_no_token() {
    let facts = |issuer: &'static str| TokenFacts {
        issuer,
        subject: "spiffe://prod/worker",
        token_id: None,
        context_id: None,
        issued_at: None,
        tenants: &[],
    };
    let proved_by = |issuer: &'static str| proved(VerifiedTenant::for_tests_of("acme", facts(issuer), None, None));
    let (certified, told) = (proved_by(WORKLOAD_ISSUER), proved_by("https://idp.test/"));
    let passport = RequestId::given("r-1").unwrap();
    for (condition, passport, of_certified, of_told) in [
        ("context.proof == \"certificate\"", None, true, false),
        ("context.proof == \"token\"", None, false, true),
        ("context.proof == \"certificate\"", Some(&passport), false, false),
    ] {
        assert_eq!(
            (holds(condition, &certified, passport).await, holds(condition, &told, passport).await),
            (of_certified, of_told),
            "{condition}"
        );
    }
}
