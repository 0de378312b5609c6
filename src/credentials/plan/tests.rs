use std::time::Duration;

use super::*;
use crate::{
    config::template::{JsonTemplate, Lands},
    credentials::testing::{
        assume_one_role, assume_role, bearer, callers_token as by_caller, clock, plan_of, record, template, tenant, tenant_with,
    },
    directory::ActiveTenant,
};

fn hub(role_arn: &str) -> HopConfig {
    HopConfig {
        role_arn: template(role_arn, Lands::Arn),
        session_name: template("palisade", Lands::SessionName),
        external_id: None,
        session_tags: vec![],
        transitive_tag_keys: vec![],
    }
}

fn planned(config: &AssumeRoleConfig, tenant: &ActiveTenant) -> Result<StsInputs, Refusal> {
    plan(&plan_of(config.clone()), "eu-west-1", &TenantValues::new(tenant))
}

#[test]
fn every_setting_arrives_rendered_for_the_tenant() {
    let inputs = planned(&assume_role(), &tenant("acme")).unwrap();
    let expected = StsInputs {
        owner: Owner::Tenant("acme".parse().unwrap()),
        region: "eu-west-1".into(),
        authority: Authority::Identity(vec![]),
        role_arn: "arn:aws:iam::111122223333:role/data".into(),
        session_name: "acme=user-1".into(),
        external_id: Some("external-1".into()),
        source_identity: Some("user-1".into()),
        tags: vec![("TenantID".into(), "acme".into()), ("Shard".into(), "7".into()), ("Team".into(), "blue".into())],
        transitive_tag_keys: vec!["TenantID".into()],
        policy: inputs.policy.clone(),
        policy_arns: vec!["arn:aws:iam::111122223333:policy/data".into()],
        duration_seconds: 3600,
    };
    assert_eq!(inputs, expected);
    assert!(inputs.policy.unwrap().contains("arn:aws:s3:::pool/acme/*"));
}

/// A setting that did not reach the inputs would let two different sessions be taken for one.
#[test]
fn a_change_of_any_setting_changes_the_inputs() {
    let base = planned(&assume_role(), &tenant("acme")).unwrap();
    type Change = fn(&mut AssumeRoleConfig);
    let changes: [(&str, Change); 13] = [
        ("role_arn", |c| c.role_arn = template("arn:aws:iam::{tenant.account}:role/other", Lands::Arn)),
        ("session_name", |c| c.session_name = template("{tenant.id}", Lands::SessionName)),
        ("external_id", |c| c.external_id = None),
        ("source_identity", |c| c.source_identity = None),
        ("session_tags: value", |c| c.session_tags[0].1 = template("{subject}", Lands::TagValue)),
        ("session_tags: key", |c| c.session_tags[1].0 = "Other".into()),
        ("session_tags: order", |c| c.session_tags.swap(0, 1)),
        ("transitive_tag_keys", |c| c.transitive_tag_keys = vec![]),
        ("session_policy", |c| c.session_policy = Some(JsonTemplate::parse(r#"{"Statement":[]}"#).unwrap())),
        ("policy_arns", |c| c.policy_arns = vec![]),
        ("via", |c| c.via = vec![hub("arn:aws:iam::444455556666:role/hub")]),
        ("via: its tags", |c| {
            let tags = vec![("TenantID".into(), template("{tenant.id}", Lands::TagValue))];
            c.via = vec![HopConfig { session_tags: tags, ..hub("arn:aws:iam::444455556666:role/hub") }];
        }),
        ("duration", |c| c.duration = Duration::from_secs(3599)),
    ];
    let mut seen = vec![base.clone()];
    for (setting, change) in changes {
        let mut config = assume_role();
        change(&mut config);
        let inputs = planned(&config, &tenant("acme")).unwrap();
        assert!(!seen.contains(&inputs), "{setting}");
        seen.push(inputs);
    }
    assert_ne!(plan(&plan_of(assume_role()), "eu-west-2", &TenantValues::new(&tenant("acme"))).unwrap(), base, "region");
}

#[test]
fn tenants_differ_even_where_nothing_that_is_sent_does() {
    let config = assume_one_role();
    let (one, other) = (planned(&config, &tenant("acme")).unwrap(), planned(&config, &tenant("globex")).unwrap());
    assert_eq!(StsInputs { owner: other.owner.clone(), ..one.clone() }, other);
    assert_ne!(one, other);
}

#[test]
fn a_missing_value_is_refused_with_the_settings_name_and_no_value() {
    let mut incomplete = record("acme");
    incomplete.external_id = None;
    let refusal = planned(&assume_role(), &tenant_with(incomplete, "user-1", "blue")).unwrap_err();
    assert_eq!(refusal.reason, Reason::PlanIncomplete);
    let note = refusal.note.unwrap();
    assert!(note.contains("credentials.assume_role.external_id") && note.contains("tenant.external_id"), "{note}");

    let refusal = planned(&assume_role(), &tenant_with(record("acme"), "o'hara hunter2", "blue")).unwrap_err();
    let note = refusal.note.unwrap();
    assert!(note.contains("session_name") && !note.contains("hunter2"), "{note}");
}

#[test]
fn what_sts_would_refuse_is_refused_here() {
    let fine = planned(&assume_role(), &tenant("acme")).unwrap();
    let with = |change: &dyn Fn(&mut StsInputs)| {
        let mut inputs = fine.clone();
        change(&mut inputs);
        inputs.acceptable().map_err(|wrong| wrong.setting)
    };
    let wrong = |setting: &str| Err(setting.to_owned());
    assert_eq!(with(&|_| ()), Ok(()));
    for arn in [
        "",
        "arn:aws:iam::111122223333:user/x",
        "arn:aws:iam::11112222333:role/x",
        "arn:aws:iam::111122223333:role/",
        "arn:aws:iam::111122223333:role/a//b",
        "arn:aws:iam::111122223333:role/x*",
        "arn:aws:sts::111122223333:role/x",
        "arn:aws:iam:eu-west-1:111122223333:role/x",
        "arn:other:iam::111122223333:role/x",
    ] {
        assert_eq!(with(&|i| i.role_arn = arn.into()), wrong("role_arn"), "{arn}");
    }
    for arn in ["arn:aws-cn:iam::111122223333:role/x", "arn:aws:iam::111122223333:role/path/to/x"] {
        assert_eq!(with(&|i| i.role_arn = arn.into()), Ok(()), "{arn}");
    }
    for name in ["", "a", "a b", "a/b", "ä-b", &"x".repeat(65)] {
        assert_eq!(with(&|i| i.session_name = name.into()), wrong("session_name"), "{name}");
        assert_eq!(with(&|i| i.source_identity = Some(name.into())), wrong("source_identity"), "{name}");
    }
    assert_eq!(with(&|i| i.external_id = Some("x".into())), wrong("external_id"));
    assert_eq!(with(&|i| i.external_id = Some("a:/b".into())), Ok(()));
    assert_eq!(with(&|i| i.policy = Some("x".repeat(2049))), wrong("session_policy"));
    assert_eq!(with(&|i| i.policy = Some("€".into())), wrong("session_policy"));
    assert_eq!(with(&|i| i.duration_seconds = 899), wrong("duration"));
    assert_eq!(with(&|i| i.duration_seconds = 43_201), wrong("duration"));
    assert_eq!(with(&|i| i.tags = (0..51).map(|n| (format!("k{n}"), String::new())).collect()), wrong("session_tags"));
    for (key, value) in [("", "v"), ("aws:x", "v"), ("AWS:x", "v"), ("k*", "v"), ("k", "a*b"), ("k", "a\nb"), ("TENANTID", "v")] {
        assert_eq!(with(&|i| i.tags.push((key.into(), value.into()))), wrong("session_tags"), "{key}={value}");
    }
    assert_eq!(with(&|i| i.tags.push(("Größe".into(), "zwölf Meter".into()))), Ok(()));
    assert_eq!(with(&|i| i.transitive_tag_keys.push("Other".into())), wrong("transitive_tag_keys"));
}

#[test]
fn policies_together_and_the_way_to_the_role_have_limits_too() {
    let fine = planned(&assume_role(), &tenant("acme")).unwrap();
    let with = |change: &dyn Fn(&mut StsInputs)| {
        let mut inputs = fine.clone();
        change(&mut inputs);
        inputs.acceptable().map_err(|wrong| wrong.setting)
    };
    let arn = |name: &str| format!("arn:aws:iam::111122223333:policy/{name}");
    assert_eq!(with(&|i| i.policy_arns = (0..10).map(|n| arn(&format!("p{n}"))).collect()), Ok(()));
    assert_eq!(with(&|i| i.policy_arns.push("arn:aws:iam::aws:policy/job-function/ViewOnlyAccess".into())), Ok(()));
    for wrong in [
        vec![arn("x"); 11],
        vec![arn("x*")],
        vec!["arn:aws:iam::111122223333:role/x".into()],
        vec!["arn:aws:iam::1:policy/x".into()],
        vec![arn("")],
        vec![arn(&"x".repeat(600)), arn(&"y".repeat(600)), arn(&"z".repeat(600)), arn(&"u".repeat(600))],
    ] {
        assert_eq!(with(&|i| i.policy_arns = wrong.clone()), Err("policy_arns".to_owned()), "{wrong:?}");
    }
    let hop = |change: &dyn Fn(&mut Hop)| {
        let role_arn = "arn:aws:iam::444455556666:role/hub".to_owned();
        let mut hop = Hop { role_arn, session_name: "palisade".into(), external_id: None, tags: vec![], transitive_tag_keys: vec![] };
        change(&mut hop);
        with(&|i| i.authority = Authority::Identity(vec![hop.clone()]))
    };
    assert_eq!(hop(&|_| ()), Ok(()));
    assert_eq!(hop(&|h| h.role_arn = "arn:aws:iam::444455556666:role/".into()), Err("via[0].role_arn".to_owned()));
    assert_eq!(hop(&|h| h.session_name = "x".into()), Err("via[0].session_name".to_owned()));
    assert_eq!(hop(&|h| h.external_id = Some("x".into())), Err("via[0].external_id".to_owned()));
    assert_eq!(hop(&|h| h.tags = vec![("aws:x".into(), "v".into())]), Err("via[0].session_tags".to_owned()));
    assert_eq!(hop(&|h| h.transitive_tag_keys = vec!["x".into()]), Err("via[0].transitive_tag_keys".to_owned()));
    let chained = StsInputs { authority: Authority::Identity(vec![]), duration_seconds: 3601, ..fine.clone() };
    assert_eq!(chained.acceptable(), Ok(()));
    let hops = planned(&AssumeRoleConfig { via: vec![hub("arn:aws:iam::444455556666:role/hub")], ..assume_role() }, &tenant("acme"));
    let chained = StsInputs { duration_seconds: 3601, ..hops.unwrap() };
    assert_eq!(chained.acceptable().unwrap_err().setting, "duration");
}

/// Whoever may write a tenant's record decides on its role, and on a role alone.
#[test]
fn a_record_can_name_its_role_and_nothing_else() {
    let config = AssumeRoleConfig { role_arn: template("{tenant.attributes.role_arn}", Lands::Arn), ..assume_one_role() };
    let with = |role: &str| {
        let mut record = record("acme");
        record.attributes.insert("role_arn".into(), role.into());
        planned(&config, &tenant_with(record, "user-1", "blue")).map(|inputs| inputs.role_arn).map_err(|refusal| refusal.note)
    };
    let role = "arn:aws:iam::222233334444:role/tenants/acme";
    assert_eq!(with(role).as_deref(), Ok(role));
    for other in ["arn:aws:iam::222233334444:user/acme", "arn:aws:iam::222233334444:role/*", "acme", "arn:aws:iam::222233334444:role/../x"]
    {
        let note = with(other).unwrap_err().unwrap();
        assert!(note.starts_with("credentials.assume_role.role_arn: "), "{other}: {note}");
    }
}

#[test]
fn a_caller_s_session_is_that_of_its_issuer_subject_and_claims() {
    let plan = |tenant: &ActiveTenant| super::plan(&by_caller(), "eu-west-1", &TenantValues::new(tenant));
    let ends = clock().now() + Duration::from_secs(600);
    let token = |subject: &str, payload: &str| bearer("acme", subject, payload, ends);
    let inputs = plan(&token("user-1", "claims")).unwrap();
    let Authority::Caller(CallersToken { issuer, subject, .. }) = &inputs.authority else { panic!() };
    assert_eq!((issuer.as_str(), subject.as_str(), inputs.ends()), ("https://idp.test/", "user-1", Some(ends)));
    assert_eq!(plan(&token("user-1", "claims")).unwrap(), inputs);
    assert_ne!(plan(&token("user-2", "claims")).unwrap(), inputs);
    assert_ne!(plan(&token("user-1", "other")).unwrap(), inputs);
    assert!(!format!("{inputs:?}").contains("TOKEN"), "the token is no part of it");

    let note = plan(&tenant("acme")).unwrap_err().note.unwrap();
    assert!(note.starts_with("credentials.assume_role_with_web_identity.token: "), "{note}");

    let mut tagged = by_caller();
    let AskConfig::WebIdentity(ask) = &mut tagged.ask else { panic!() };
    ask.token_tags = vec![("TenantID".into(), template("{tenant.id}", Lands::TagValue))];
    let refusal = super::plan(&tagged, "eu-west-1", &TenantValues::new(&token("user-1", "claims"))).unwrap_err();
    assert!(refusal.note.unwrap().contains("token_tags.TenantID"));
}

#[test]
fn a_record_cannot_name_a_role_that_is_not_a_tenants() {
    let whole = AssumeRoleConfig { role_arn: template("{tenant.attributes.role}", Lands::Arn), ..assume_role() };
    let of = |config: &AssumeRoleConfig, role: &str| {
        let other = |arn: &str, setting: &str| OtherRole { arn: arn.into(), setting: setting.into() };
        let others = [
            other("arn:aws:iam::111122223333:role/base", "credentials.source.web_identity.role_arn"),
            other("arn:aws:iam::111122223333:role/queue-poller", "workloads.queue-poller.assume_role.role_arn"),
        ];
        let mut record = record("acme");
        record.attributes.insert("role".into(), role.to_owned());
        let config = PlanConfig { others: others.into(), ..plan_of(config.clone()) };
        plan(&config, "eu-west-1", &TenantValues::new(&tenant_with(record, "user-1", "blue"))).map_err(|refusal| format!("{refusal:?}"))
    };
    let role = |name: &str| format!("arn:aws:iam::111122223333:role/{name}");
    assert_eq!(of(&whole, &role("acme")).unwrap().role_arn, role("acme"));
    for name in ["base", "queue-poller", "Queue-Poller"] {
        let error = of(&whole, &role(name)).unwrap_err();
        assert!(error.contains("PlanIncomplete") && error.contains("no tenant's"), "{name}: {error}");
    }
    let by_hub = AssumeRoleConfig { via: vec![hub(&role("hub-{tenant.id}"))], ..whole.clone() };
    assert!(of(&by_hub, &role("acme")).is_ok() && of(&by_hub, &role("hub-acme")).unwrap_err().contains("a role of via"));
    // One role for all is what the operator says it is.
    let fixed = AssumeRoleConfig { role_arn: template(&role("base"), Lands::Arn), ..assume_role() };
    assert!(of(&fixed, "x").is_ok());
}

/// `Acme` would have the role of `acme`, where IAM takes the one name for the other.
#[test]
fn an_id_with_capitals_has_no_session_where_its_name_may_be_anothers() {
    let of = |id: &str, lower_case_ids: bool| {
        let config = PlanConfig { lower_case_ids, ..plan_of(assume_role()) };
        plan(&config, "eu-west-1", &TenantValues::new(&tenant(id))).map(|inputs| inputs.role_arn)
    };
    assert!(of("Acme", false).is_ok() && of("acme-1", true).is_ok());
    for id in ["Acme", "acmE", "0-A"] {
        let refusal = of(id, true).unwrap_err();
        assert!(refusal.reason == Reason::PlanIncomplete && format!("{refusal:?}").contains("capital letters"), "{id}: {refusal:?}");
    }
}
