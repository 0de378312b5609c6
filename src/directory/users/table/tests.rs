use std::time::UNIX_EPOCH;

use serde_json::{Value as Json, json};

use super::*;
use crate::{
    config::CacheConfig,
    directory::dynamodb::tests::{Wire, table},
};

const IDP: &str = "https://idp.test/";

fn names() -> UserAttributesConfig {
    let name = |text: &str| text.to_owned();
    UserAttributesConfig {
        status: name("status"),
        active_tenant: name("active"),
        memberships: name("member_of"),
        attributes: name("about"),
    }
}

async fn users(wire: &Wire, partition: &str, sort: Option<&str>) -> (UsersTable, Clock, Metrics) {
    let clock = Clock::manual(UNIX_EPOCH + Duration::from_secs(1_000));
    let metrics = Metrics::new().unwrap();
    let reader = Arc::new(Reader {
        table: table(wire).await,
        partition_key: "pk".into(),
        sort_key: sort.map(|_| "sk".to_owned()),
        attributes: names(),
    });
    let cache = CacheConfig {
        fresh: Duration::from_secs(30),
        max_stale: Duration::from_secs(60),
        negative: Duration::from_secs(5),
        max_entries: 100,
    };
    let users = UsersTable {
        points: Points::new(Box::new(reader.clone()), cache, Duration::from_secs(1), clock.clone()),
        reader,
        partition: KeyTemplate::parse(partition).unwrap(),
        sort: sort.map(|text| KeyTemplate::parse(text).unwrap()),
        changes: Changes::default(),
        clock: clock.clone(),
        metrics: metrics.clone(),
    };
    (users, clock, metrics)
}

fn item(members: Json) -> String {
    json!({ "Item": members }).to_string()
}

fn good() -> Json {
    json!({
        "pk": {"S": "x"}, "status": {"S": "active"}, "active": {"S": "acme"},
        "member_of": {"M": {"acme": {"L": [{"S": "admin"}, {"S": "reader"}]}, "globex": {"SS": ["reader"]}, "initech": {"L": []}}},
        "about": {"M": {"department": {"S": "sales"}, "level": {"N": "3"}, "remote": {"BOOL": true}}},
    })
}

#[tokio::test]
async fn an_item_is_a_user_found_by_both_keys() {
    let wire = Wire::default();
    wire.says(200, &item(good()));
    let (users, _, metrics) = users(&wire, "USER#{issuer}#{subject}", Some("PROFILE")).await;
    let user = users.find(IDP, "u1").await.unwrap();
    assert_eq!(user.active_tenant.as_ref().unwrap().as_str(), "acme");
    let roles: Vec<_> = user.memberships.iter().map(|(tenant, roles)| (tenant.as_str(), roles.join(" "))).collect();
    assert_eq!(roles, [("acme", "admin reader".to_owned()), ("globex", "reader".to_owned()), ("initech", String::new())]);
    let about: Vec<_> = user.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(about, [("department", "sales"), ("level", "3"), ("remote", "true")]);
    assert_eq!(wire.requests()[0].2["Key"], json!({"pk": {"S": "USER#https://idp.test/#u1"}, "sk": {"S": "PROFILE"}}));
    users.find(IDP, "u1").await.unwrap();
    assert_eq!(wire.requests().len(), 1);
    let text = String::from_utf8(metrics.render().unwrap()).unwrap();
    for line in [
        "palisade_user_lookups_total{result=\"read\"} 1",
        "palisade_user_lookups_total{result=\"cached\"} 1",
        "palisade_directory_last_success_timestamp_seconds{directory=\"users\"} 1000",
    ] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
}

#[tokio::test]
async fn two_issuers_with_one_subject_are_two_items() {
    let wire = Wire::default();
    wire.says(200, &item(good()));
    let (users, ..) = users(&wire, "{issuer}#{subject}", None).await;
    users.find(IDP, "u").await.unwrap();
    users.find("https://other.test/", "u").await.unwrap();
    let keys: Vec<_> = wire.requests().iter().map(|(_, _, body)| body["Key"]["pk"]["S"].clone()).collect();
    assert_eq!(keys, ["https://idp.test/#u", "https://other.test/#u"]);
}

#[tokio::test]
async fn a_table_that_is_down_is_503_for_strangers_and_stale_for_the_known() {
    let wire = Wire::default();
    wire.says(200, &item(good()));
    let (users, clock, _) = users(&wire, "{issuer}#{subject}", None).await;
    users.find(IDP, "known").await.unwrap();
    wire.says(500, "");
    clock.advance(Duration::from_secs(30));
    assert!(users.find(IDP, "known").await.is_ok());
    let refusal = users.find(IDP, "new").await.unwrap_err();
    assert_eq!((refusal.reason, refusal.retry_after), (Reason::UsersUnavailable, Some(Duration::from_secs(1))));
    clock.advance(Duration::from_secs(30));
    assert_eq!(users.find(IDP, "known").await.unwrap_err().reason, Reason::UsersUnavailable);
    wire.says(200, &item(good()));
    clock.advance(Duration::from_secs(1));
    assert!(users.find(IDP, "known").await.is_ok());
}

#[tokio::test]
async fn a_change_is_announced_when_it_is_seen() {
    let wire = Wire::default();
    wire.says(200, &item(good()));
    let (users, clock, _) = users(&wire, "{issuer}#{subject}", None).await;
    let mut heard = users.changes.listen();
    users.find(IDP, "u").await.unwrap();
    let mut suspended = good();
    suspended["status"] = json!({"S": "suspended"});
    wire.says(200, &item(suspended));
    clock.advance(Duration::from_secs(30));
    assert_eq!(users.find(IDP, "u").await.unwrap().status, UserStatus::Suspended);
    tokio::time::timeout(Duration::from_secs(1), heard.next()).await.expect("nothing was announced");
    assert!(matches!(users.recall(IDP, "u"), Recalled::Record(record) if record.status == UserStatus::Suspended));
    assert_eq!(users.recall(IDP, "v"), Recalled::Nothing);
    wire.says(200, "{}");
    assert_eq!(users.find(IDP, "v").await.unwrap_err().reason, Reason::UserUnknown);
    assert_eq!(users.recall(IDP, "v"), Recalled::Unknown);
}

#[tokio::test]
async fn a_subject_that_fits_no_key_is_nobody_and_is_not_looked_up() {
    let wire = Wire::default();
    let (users, ..) = users(&wire, "{issuer}#{subject}", Some("{subject}")).await;
    for subject in ["a\0b", &"x".repeat(2_048), &"x".repeat(1_025)] {
        assert_eq!(users.find(IDP, subject).await.unwrap_err().reason, Reason::UserUnknown);
    }
    assert!(wire.requests().is_empty());
}

#[tokio::test]
async fn items_that_are_malformed_are_refused_and_none_is_read_as_something_else() {
    let (wire, mut admitted) = (Wire::default(), Vec::new());
    let changes: &[(&str, Json)] = &[
        ("status", Json::Null),
        ("status", json!({"S": "Active"})),
        ("status", json!({"S": ""})),
        ("status", json!({"BOOL": true})),
        ("status", json!({"NULL": true})),
        ("active", json!({"S": "*"})),
        ("active", json!({"L": [{"S": "acme"}]})),
        ("active", json!({"N": "7"})),
        ("member_of", json!({"S": "acme"})),
        ("member_of", json!({"L": [{"S": "acme"}, {"N": "1"}]})),
        ("member_of", json!({"M": {"acme": {"S": "admin"}}})),
        ("member_of", json!({"M": {"acme": {"L": [{"L": []}]}}})),
        ("member_of", json!({"M": {"acme": {"L": [{"S": ""}]}}})),
        ("member_of", json!({"M": {"a*": {"L": []}}})),
        ("member_of", json!({"NS": ["1"]})),
        ("about", json!({"L": []})),
        ("about", json!({"M": {"x": {"L": []}}})),
        ("about", json!({"M": {"x": {"S": "x".repeat(1_025)}}})),
    ];
    for (number, (name, value)) in changes.iter().enumerate() {
        let mut changed = good();
        match value {
            Json::Null => drop(changed.as_object_mut().unwrap().remove(*name)),
            value => changed[*name] = value.clone(),
        }
        wire.says(200, &item(changed));
        let (users, ..) = users(&wire, "{issuer}#{subject}", None).await;
        match users.find(IDP, &format!("u{number}")).await {
            Err(refusal) => assert_eq!(refusal.reason, Reason::UsersUnavailable, "{name} {value}"),
            Ok(_) => admitted.push((name, value)),
        }
    }
    assert!(admitted.is_empty(), "{admitted:?}");
}

#[tokio::test]
async fn without_an_active_tenant_or_memberships_a_record_is_one_that_allows_nothing() {
    let wire = Wire::default();
    for gone in ["active", "member_of"] {
        let mut changed = good();
        changed.as_object_mut().unwrap().remove(gone);
        wire.says(200, &item(changed));
        let (users, ..) = users(&wire, "{issuer}#{subject}", None).await;
        let record = users.find(IDP, "u").await.unwrap();
        assert_eq!(crate::identity::ActiveUser::admit(record).unwrap_err().reason, Reason::TenantNotActive, "{gone}");
    }
    let mut listed = good();
    listed["member_of"] = json!({"SS": ["acme", "globex"]});
    wire.says(200, &item(listed));
    let (users, ..) = users(&wire, "{issuer}#{subject}", None).await;
    let record = users.find(IDP, "u").await.unwrap();
    assert!(record.memberships.values().all(Vec::is_empty) && record.memberships.len() == 2);
}

#[test]
fn the_guide_s_item_is_a_user() {
    let guide =
        std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config/guide/users-and-revocation.md")).unwrap();
    let example = guide.split("```json\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    fn value(json: &Json) -> Value {
        let (kind, inner) = json.as_object().unwrap().iter().next().unwrap();
        let text = |json: &Json| json.as_str().unwrap().to_owned();
        match kind.as_str() {
            "S" => Value::Text(text(inner)),
            "N" => Value::Number(text(inner)),
            "SS" => Value::Strings(inner.as_array().unwrap().iter().map(text).collect()),
            "L" => Value::List(inner.as_array().unwrap().iter().map(value).collect()),
            "M" => Value::Map(inner.as_object().unwrap().iter().map(|(name, json)| (name.clone(), value(json))).collect()),
            other => panic!("{other}"),
        }
    }
    let members: Json = serde_json::from_str(example).unwrap();
    let item = Item(members.as_object().unwrap().iter().map(|(name, json)| (name.clone(), value(json))).collect());
    let name = |text: &str| text.to_owned();
    let names = UserAttributesConfig {
        status: name("status"),
        active_tenant: name("active_tenant"),
        memberships: name("memberships"),
        attributes: name("attributes"),
    };
    let user = crate::identity::ActiveUser::admit(Arc::new(user(&item, &names).unwrap())).unwrap();
    assert_eq!((user.tenant().as_str(), user.roles().join(" ").as_str()), ("acme", "reader admin"));
    assert_eq!(user.attributes()["level"], "3");
}
