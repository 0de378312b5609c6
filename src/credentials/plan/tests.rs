use std::time::Duration;

use super::*;
use crate::{
    config::template::{JsonTemplate, Lands},
    credentials::testing::{assume_one_role, assume_role, record, template, tenant, tenant_with},
    directory::ActiveTenant,
};

fn planned(config: &AssumeRoleConfig, tenant: &ActiveTenant) -> Result<StsInputs, Refusal> {
    plan(config, "eu-west-1", &TenantValues::new(tenant))
}

#[test]
fn every_setting_arrives_rendered_for_the_tenant() {
    let inputs = planned(&assume_role(), &tenant("acme")).unwrap();
    let expected = StsInputs {
        owner: Owner::Tenant("acme".parse().unwrap()),
        region: "eu-west-1".into(),
        role_arn: "arn:aws:iam::111122223333:role/data".into(),
        session_name: "acme=user-1".into(),
        external_id: Some("external-1".into()),
        source_identity: Some("user-1".into()),
        tags: vec![("TenantID".into(), "acme".into()), ("Shard".into(), "7".into()), ("Team".into(), "blue".into())],
        transitive_tag_keys: vec!["TenantID".into()],
        policy: inputs.policy.clone(),
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
    let changes: [(&str, Change); 10] = [
        ("role_arn", |c| c.role_arn = template("arn:aws:iam::{tenant.account}:role/other", Lands::Arn)),
        ("session_name", |c| c.session_name = template("{tenant.id}", Lands::SessionName)),
        ("external_id", |c| c.external_id = None),
        ("source_identity", |c| c.source_identity = None),
        ("session_tags: value", |c| c.session_tags[0].1 = template("{subject}", Lands::TagValue)),
        ("session_tags: key", |c| c.session_tags[1].0 = "Other".into()),
        ("session_tags: order", |c| c.session_tags.swap(0, 1)),
        ("transitive_tag_keys", |c| c.transitive_tag_keys = vec![]),
        ("session_policy", |c| c.session_policy = Some(JsonTemplate::parse(r#"{"Statement":[]}"#).unwrap())),
        ("duration", |c| c.duration = Duration::from_secs(3599)),
    ];
    for (setting, change) in changes {
        let mut config = assume_role();
        change(&mut config);
        assert_ne!(planned(&config, &tenant("acme")).unwrap(), base, "{setting}");
    }
    assert_ne!(plan(&assume_role(), "eu-west-2", &TenantValues::new(&tenant("acme"))).unwrap(), base, "region");
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
        inputs.acceptable().map_err(|(setting, _)| setting)
    };
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
        assert_eq!(with(&|i| i.role_arn = arn.into()), Err("role_arn"), "{arn}");
    }
    for arn in ["arn:aws-cn:iam::111122223333:role/x", "arn:aws:iam::111122223333:role/path/to/x"] {
        assert_eq!(with(&|i| i.role_arn = arn.into()), Ok(()), "{arn}");
    }
    for name in ["", "a", "a b", "a/b", "ä-b", &"x".repeat(65)] {
        assert_eq!(with(&|i| i.session_name = name.into()), Err("session_name"), "{name}");
        assert_eq!(with(&|i| i.source_identity = Some(name.into())), Err("source_identity"), "{name}");
    }
    assert_eq!(with(&|i| i.external_id = Some("x".into())), Err("external_id"));
    assert_eq!(with(&|i| i.external_id = Some("a:/b".into())), Ok(()));
    assert_eq!(with(&|i| i.policy = Some("x".repeat(2049))), Err("session_policy"));
    assert_eq!(with(&|i| i.policy = Some("€".into())), Err("session_policy"));
    assert_eq!(with(&|i| i.duration_seconds = 899), Err("duration"));
    assert_eq!(with(&|i| i.duration_seconds = 43_201), Err("duration"));
    assert_eq!(with(&|i| i.tags = (0..51).map(|n| (format!("k{n}"), String::new())).collect()), Err("session_tags"));
    for (key, value) in [("", "v"), ("aws:x", "v"), ("AWS:x", "v"), ("k*", "v"), ("k", "a*b"), ("k", "a\nb"), ("TENANTID", "v")] {
        assert_eq!(with(&|i| i.tags.push((key.into(), value.into()))), Err("session_tags"), "{key}={value}");
    }
    assert_eq!(with(&|i| i.tags.push(("Größe".into(), "zwölf Meter".into()))), Ok(()));
    assert_eq!(with(&|i| i.transitive_tag_keys.push("Other".into())), Err("transitive_tag_keys"));
}
