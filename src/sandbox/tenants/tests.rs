use super::*;
use crate::{
    config::{Config, CredentialsSource, template::Name, template::Values},
    sandbox::aws::policy::{Context, Policy, PolicyKind, Request, Verdict},
};

fn places() -> Places {
    let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
    Places { ingress: at(18443), egress: at(18444), admin: at(18445), idp: at(18446), aws: at(18447), app: at(40000) }
}

#[test]
fn documents_are_complete_and_agree_with_the_names_here() {
    let config = config(&places());
    assert!(!config.contains('@'), "a place was not filled in");
    for said in [REGION, BASE_KEY_ID, &format!("arn:aws:iam::{ACCOUNT}:role/{ROLE}"), "127.0.0.1:18446", "127.0.0.1:40000"] {
        assert!(config.contains(said), "{said} is not in the configuration");
    }
    let policies = format!("{config}{ROLE_POLICY}");
    let bucket = format!("arn:aws:s3:::{BUCKET}");
    let table = format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{TABLE}");
    assert_eq!((policies.matches(&bucket).count(), policies.matches(&table).count()), (4, 2));
    for tenant in TENANTS {
        assert!(RECORDS.contains(&format!("  {tenant}:")));
    }
    let trust = trust_policy("arn:aws:iam::111122223333:user/palisade").unwrap();
    assert_eq!(trust["Statement"][0]["Principal"]["AWS"], "arn:aws:iam::111122223333:user/palisade");
    assert!(role_policy().unwrap().is_object());
}

/// The configuration as `palisade dev` loads it, from a directory with the files that it names.
fn load() -> Config {
    let folder = tempfile::tempdir().unwrap();
    for name in ["server.crt", "server.key", "admin-token", "base-secret"] {
        std::fs::write(folder.path().join(name), "x").unwrap();
    }
    std::fs::write(folder.path().join("tenants.yaml"), RECORDS).unwrap();
    Config::parse(&config(&places()), "palisade.yaml", folder.path(), &|_| None).unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn the_configuration_is_one_that_palisade_takes() {
    let config = load();
    let egress = config.egress.unwrap();
    assert!(egress.proofs.passport && egress.proofs.jwt);
    assert!(egress.services.values().all(|service| service.endpoint.as_ref().is_some_and(|e| e.authority == "127.0.0.1:18447")));
    assert!(config.probes.is_none() && config.admin.token.is_some());
    assert_eq!(config.identity.issuers[0].issuer, places().issuer());
    assert_eq!(config.identity.issuers[0].audience, [super::super::idp::DEFAULT_AUDIENCE]);
    let source = config.credentials.unwrap().source;
    assert!(matches!(source, CredentialsSource::Static { access_key_id, .. } if access_key_id == BASE_KEY_ID));
    // What the story says of them.
    let limits = config.limits.default;
    assert_eq!((limits.requests_per_second, limits.burst), (Some(5.0), Some(10)));
}

/// A policy, and what is known of the one who asks.
struct Judge(Policy, Context);

impl Judge {
    fn allows(&self, action: &str, resource: &str, key: Option<(&str, &str)>) -> bool {
        let context = key.into_iter().fold(self.1.clone(), |context, (key, value)| context.with(key, value));
        self.0.evaluate(&Request { action, resource, caller: &[], context: &context }) == Verdict::Allow
    }
}

struct Acme;

impl Values for Acme {
    fn value(&self, name: &Name) -> Option<std::borrow::Cow<'_, str>> {
        (*name == Name::TenantId).then_some("acme".into())
    }
}

#[test]
fn the_roles_policy_and_the_session_policy_each_keep_tenants_apart_alone() {
    let parse = |document: &Value| Policy::parse(document, PolicyKind::Identity).unwrap();
    let role = Judge(parse(&role_policy().unwrap()), Context::default().with("aws:PrincipalTag/TenantID", "acme"));
    let template = load().credentials.unwrap().plans.sole().session_policy.clone().unwrap();
    let rendered = serde_json::from_str(&template.render(&Acme).unwrap()).unwrap();
    let session = Judge(parse(&rendered), Context::default());
    let bucket = format!("arn:aws:s3:::{BUCKET}");
    let table = format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{TABLE}");

    for (name, judge) in [("role", role), ("session", session)] {
        for (expected, tenant) in [(true, "acme"), (false, "globex"), (false, "acme-eu"), (false, "acm")] {
            for action in ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"] {
                assert_eq!(judge.allows(action, &format!("{bucket}/{tenant}/a"), None), expected, "{name}: {action} of {tenant}");
            }
            let prefix = format!("{tenant}/");
            assert_eq!(judge.allows("s3:ListBucket", &bucket, Some(("s3:prefix", &prefix))), expected, "{name}: list of {tenant}");
            let keys = format!("{tenant}#items");
            for action in ["dynamodb:Query", "dynamodb:GetItem", "dynamodb:PutItem"] {
                assert_eq!(judge.allows(action, &table, Some(("dynamodb:LeadingKeys", &keys))), expected, "{name}: {action} of {tenant}");
            }
        }
        assert!(!judge.allows("s3:ListBucket", &bucket, None), "{name}: a list of everything");
        assert!(!judge.allows("dynamodb:Scan", &table, None), "{name}: a scan names no keys");
        assert!(!judge.allows("s3:GetObject", "arn:aws:s3:::other/acme/a", None), "{name}: another bucket");
    }
}

#[test]
fn only_the_base_identity_may_assume_the_role_and_only_for_a_tenant() {
    let base = ["arn:aws:iam::111122223333:user/palisade".to_owned()];
    let trust = Policy::parse(&trust_policy(&base[0]).unwrap(), PolicyKind::Trust).unwrap();
    let verdict =
        |caller: &[String], context: &Context| trust.evaluate(&Request { action: "sts:AssumeRole", resource: "", caller, context });
    let tagged = Context::default().with("aws:RequestTag/TenantID", "acme");
    assert_eq!(verdict(&base, &tagged), Verdict::Allow);
    assert_eq!(verdict(&base, &Context::default()), Verdict::Silent);
    assert_eq!(verdict(&["arn:aws:iam::111122223333:user/other".to_owned()], &tagged), Verdict::Silent);
}
