//! What an item means, and what is refused.

use super::*;

/// As [`IN_FILE`].
fn full() -> Json {
    json!({
        "status": {"S": "active"}, "tier": {"S": "gold"}, "cell": {"S": "c1"}, "account": {"S": "012345678901"},
        "external_id": {"S": "x-1"}, "kms_key": {"S": "alias/acme"}, "region": {"S": "eu-west-1"},
        "limits": {"M": {"requests_per_second": {"N": "2.5"}, "concurrent": {"N": "3"}}},
        "revoked": {"M": {
            "issued_before": {"S": "2026-11-28T10:00:00Z"},
            "subjects": {"L": [
                {"M": {"issuer": {"S": "https://idp.test/"}, "subject": {"S": "u1"}}},
                {"M": {"issuer": {"S": "https://idp.test/"}, "subject": {"S": "u2"}, "issued_before": {"S": "2026-11-28T10:00:00+01:00"}}},
            ]},
            "tokens": {"L": [{"M": {"issuer": {"S": "https://idp.test/"}, "id": {"S": "t1"}}}]},
        }},
        "about": {"M": {"bucket": {"S": "pool-1"}, "shard": {"N": "7"}, "trial": {"BOOL": false}}},
        "updated_at": {"N": "1"},
    })
}

const IN_FILE: &str = r#"
tenants:
  acme:
    status: active
    tier: gold
    cell: c1
    account: "012345678901"
    external_id: x-1
    kms_key: alias/acme
    region: eu-west-1
    limits: {requests_per_second: 2.5, concurrent: 3}
    revoked:
      issued_before: 2026-11-28T10:00:00Z
      subjects:
        - {issuer: "https://idp.test/", subject: u1}
        - {issuer: "https://idp.test/", subject: u2, issued_before: "2026-11-28T10:00:00+01:00"}
      tokens: [{issuer: "https://idp.test/", id: t1}]
    attributes: {bucket: pool-1, shard: "7", trial: "false"}
"#;

#[tokio::test]
async fn an_item_is_the_record_that_a_file_would_have() {
    let rig = Rig::new(Changes::default()).await;
    rig.store.put("T#acme", &full());
    let in_file = crate::directory::records::parse(IN_FILE, "F").unwrap().tenants.into_values().next().unwrap();
    assert_eq!(rig.find("acme").await, Ok(in_file));
    rig.store.put("T#bare", &active());
    assert_eq!(rig.find("bare").await, Ok(Arc::new(TenantRecord::bare("bare".parse().unwrap()))));
    let mut nulls = full();
    nulls.as_object_mut().unwrap().iter_mut().filter(|(name, _)| *name != "status").for_each(|(_, value)| *value = json!({"NULL": true}));
    rig.store.put("T#nulls", &nulls);
    assert_eq!(rig.find("nulls").await, Ok(Arc::new(TenantRecord::bare("nulls".parse().unwrap()))));
}

#[tokio::test]
async fn what_is_not_what_it_should_be_is_refused_and_named() {
    let rig = Rig::new(Changes::default()).await;
    let entry = |entry: Json| json!({"M": {"subjects": {"L": [entry]}}});
    let secret = "hunter2";
    let wrong: Vec<(&str, Json)> = vec![
        ("status", Json::Null),
        ("status", json!({"NULL": true})),
        ("status", json!({"S": ""})),
        ("status", json!({"S": "Active"})),
        ("status", json!({"S": secret})),
        ("status", json!({"BOOL": true})),
        ("tier", json!({"S": ""})),
        ("tier", json!({"S": "go\nld"})),
        ("tier", json!({"N": "1"})),
        ("cell", json!({"L": [{"S": "c1"}]})),
        ("cell", json!({"S": "x".repeat(1_025)})),
        ("account", json!({"N": "111122223333"})),
        ("account", json!({"S": "12345678901"})),
        ("account", json!({"S": "*"})),
        ("external_id", json!({"S": "x"})),
        ("external_id", json!({"S": "x y"})),
        ("kms_key", json!({"S": "a\0"})),
        ("region", json!({"S": "nowhere"})),
        ("limits", json!({"S": "none"})),
        ("limits", json!({"M": {"requests_per_second": {"S": "5"}}})),
        ("limits", json!({"M": {"requests_per_second": {"N": "0"}}})),
        ("limits", json!({"M": {"requests_per_second": {"N": "-1"}}})),
        ("limits", json!({"M": {"burst": {"N": "0"}}})),
        ("limits", json!({"M": {"burst": {"N": "1.5"}}})),
        ("limits", json!({"M": {"concurrent": {"N": "1000001"}}})),
        ("limits", json!({"M": {"bytes_per_second": {"N": "5"}}})),
        ("revoked", json!({"L": []})),
        ("revoked", json!({"M": {"isued_before": {"S": "2026-11-28T10:00:00Z"}}})),
        ("revoked", json!({"M": {"issued_before": {"S": "yesterday"}}})),
        ("revoked", json!({"M": {"issued_before": {"N": "1"}}})),
        ("revoked", json!({"M": {"subjects": {"SS": ["u1"]}}})),
        ("revoked", entry(json!({"S": "u1"}))),
        ("revoked", entry(json!({"M": {"subject": {"S": "u1"}}}))),
        ("revoked", entry(json!({"M": {"issuer": {"S": "i"}, "subject": {"S": ""}}}))),
        ("revoked", entry(json!({"M": {"issuer": {"S": "i"}, "subject": {"S": "u1"}, "until": {"S": "x"}}}))),
        ("revoked", json!({"M": {"tokens": {"L": [{"M": {"issuer": {"S": "i"}}}]}}})),
        ("about", json!({"S": "x"})),
        ("about", json!({"M": {"x": {"L": []}}})),
        ("about", json!({"M": {"x": {"S": "a\nb"}}})),
        ("about", json!({"M": {"x": {"S": "x".repeat(1_025)}}})),
    ];
    let mut admitted = Vec::new();
    for (number, (name, value)) in wrong.iter().enumerate() {
        let (mut item, tenant) = (full(), format!("tenant-{number}"));
        match value {
            Json::Null => drop(item.as_object_mut().unwrap().remove(*name)),
            value => item[*name] = value.clone(),
        }
        rig.store.put(&format!("T#{tenant}"), &item);
        match rig.table.find(&tenant.parse().unwrap()).await {
            Err(refusal) => {
                assert_eq!(refusal.reason, Reason::TenantsUnavailable, "{name} {value}");
                let note = refusal.note.as_deref().unwrap_or_default();
                assert!(note.starts_with(&format!("the record cannot be used: {name} is ")) && !note.contains(secret), "{note}");
            }
            Ok(_) => admitted.push((name, value)),
        }
    }
    assert!(admitted.is_empty(), "{admitted:?}");
}

#[tokio::test]
async fn an_item_that_breaks_is_not_replaced_by_what_it_was() {
    let rig = Rig::new(Changes::default()).await;
    rig.store.put("T#acme", &active());
    assert_eq!(rig.status("acme").await, Ok(Active));
    rig.store.put("T#acme", &json!({}));
    rig.clock.advance(FRESH);
    assert_eq!(rig.status("acme").await, Err(Reason::TenantsUnavailable));
    assert!(rig.counted("palisade_tenant_lookups_total{result=\"malformed\"} 1"));
    rig.store.goes(true);
    rig.clock.advance(NEGATIVE);
    assert_eq!(rig.status("acme").await, Err(Reason::TenantsUnavailable));
    assert_eq!(rig.table.recall("acme"), AtHand::Nothing);
}

#[tokio::test]
async fn another_tenant_s_item_is_not_taken() {
    let rig = Rig::new(Changes::default()).await;
    for (number, pk) in ["T#globex", "T#ACME", "acme", "T#", "U#acme"].into_iter().enumerate() {
        let mut item = active();
        item["pk"] = json!({"S": pk});
        rig.store.says_instead(Some(item));
        assert_eq!(rig.status(&format!("acme{number}")).await, Err(Reason::TenantsUnavailable), "{pk}");
    }
    rig.store.says_instead(Some(active()));
    assert_eq!(rig.status("acme").await, Err(Reason::TenantsUnavailable), "without its key");
}
