use std::{fs, time::UNIX_EPOCH};

use super::*;
use crate::identity::UserStatus;

const USERS: &str = "
issuers:
  https://idp.test/:
    users:
      u:
        active_tenant: acme
        tenants: {acme: {roles: [admin]}, globex: {roles: reader}}
        attributes: {department: sales}
      off: {status: suspended, tenants: {acme: }}
  https://other.test/:
    users:
      u: {active_tenant: globex, tenants: {globex: {}}}
";

fn open(text: &str) -> (tempfile::TempDir, Result<UsersFile, ConfigErrors>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users.yaml");
    fs::write(&path, text).unwrap();
    let file = UsersFile::open_polling(&path, Changes::default(), Metrics::new().unwrap(), Duration::from_millis(5));
    (folder, file)
}

#[tokio::test]
async fn users_are_found_by_issuer_and_subject() {
    let (_folder, file) = open(USERS);
    let file = file.unwrap();
    let user = file.find("https://idp.test/", "u").await.unwrap();
    assert_eq!(user.active_tenant.as_ref().unwrap().as_str(), "acme");
    let roles: Vec<_> = user.memberships.iter().map(|(tenant, roles)| format!("{tenant} {}", roles.join(" "))).collect();
    assert_eq!(roles, ["acme admin", "globex reader"]);
    assert_eq!(user.attributes["department"], "sales");
    let other = file.find("https://other.test/", "u").await.unwrap();
    assert_eq!(other.active_tenant.as_ref().unwrap().as_str(), "globex", "another issuer's user of the same name");
    assert_eq!(file.find("https://idp.test/", "off").await.unwrap().status, UserStatus::Suspended);
    for (issuer, subject) in [("https://idp.test/", "U"), ("https://idp.test", "u"), ("", "")] {
        assert_eq!(file.find(issuer, subject).await.unwrap_err().reason, Reason::UserUnknown, "{issuer} {subject}");
        assert_eq!(file.recall(issuer, subject), Recalled::Unknown);
    }
    assert_eq!((file.len(), file.issuers().len()), (3, 2));
}

#[test]
fn every_mistake_is_reported_with_its_place() {
    let errors = open(
        "issuers:\n  i:\n    users:\n      a: {tenants: {acme: {}}, active_tenant: globex}\n      b: {active_tenant: '*', tenants: {}}\n      c: {status: off, tenants: {x: {role: admin}}}\n      d: {}\n",
    )
    .1
    .unwrap_err()
    .to_string();
    let lines: Vec<_> = errors.lines().map(|line| line.split_once("users.yaml:").unwrap().1).collect();
    let expected = [
        "4:47: issuers.i.users.a.active_tenant: globex is not among the user's tenants; give one of tenants",
        "5:26: issuers.i.users.b.active_tenant: \"*\" is not taken here; give a tenant id",
        "6:19: issuers.i.users.c.status: \"off\" is not taken here; give active or suspended",
        "6:34: issuers.i.users.c.tenants.x: \"x\" is not taken here; give a tenant id",
        "6:38: issuers.i.users.c.tenants.x.role: is not a known setting; did you mean roles?",
        "7:7: issuers.i.users.d.tenants: is missing; give a mapping",
    ];
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.starts_with(expected), "{line}\n{expected}");
    }
    assert!(open("issuers: {i: {users: {a: {tenants: {}}, a: {tenants: {}}}}}").1.is_err(), "a user who is there twice");
}

#[tokio::test]
async fn changes_are_taken_over_and_announced_and_broken_files_are_not() {
    let (folder, file) = open(USERS);
    let file = Arc::new(file.unwrap());
    let mut heard = file.changes.listen();
    let watching = tokio::spawn({
        let file = file.clone();
        async move { file.watch(&Clock::manual(UNIX_EPOCH + Duration::from_secs(9)), &Metrics::new().unwrap()).await }
    });
    let path = folder.path().join("users.yaml");
    for broken in ["issuers: [", "issuers: {}\nother: {}", ""] {
        fs::write(&path, broken).unwrap();
        tokio::time::sleep(Duration::from_millis(60)).await;
        assert!(file.find("https://idp.test/", "u").await.is_ok(), "{broken}");
    }
    fs::write(&path, USERS.replace("        active_tenant: acme\n", "        active_tenant: globex\n")).unwrap();
    tokio::time::timeout(Duration::from_secs(5), heard.next()).await.expect("the change never came");
    assert_eq!(file.find("https://idp.test/", "u").await.unwrap().active_tenant.as_ref().unwrap().as_str(), "globex");
    watching.abort();
}
