//! `users`, revocation, and issuers that are bound by the directory.

use super::*;
use crate::config::{IssuerTenants, OnSuspend};

/// The settings of a table of users.
const TABLE: &str = "users: {directory: {dynamodb: {table: users, partition_key: pk}}}\n";

#[test]
fn users_may_be_in_a_file_or_a_table() {
    let config = good(&format!("{BASE}users: {{directory: {{file: c}}}}\n"));
    assert!(matches!(config.users, Some(UsersConfig::File(_))) && config.on_suspend == OnSuspend::Cut);
    assert_eq!(config.identity.issuers[0].claims.tenant, None);
    let Some(UsersConfig::DynamoDb(users)) = good(&format!("{BASE}{TABLE}")).users else { panic!() };
    assert_eq!(
        (users.table.name.as_str(), users.table.region.as_str(), users.table.timeout),
        ("users", "eu-west-1", Duration::from_secs(1))
    );
    assert_eq!((users.partition_key.0.as_str(), users.partition_key.1.render("i", "s").as_str()), ("pk", "i#s"));
    assert!(users.sort_key.is_none());
    let cache = (users.cache.fresh, users.cache.max_stale, users.cache.max_entries);
    assert_eq!(cache, (Duration::from_secs(30), Duration::from_secs(300), 100_000));
    let names = [users.attributes.status, users.attributes.active_tenant, users.attributes.memberships, users.attributes.attributes];
    assert_eq!(names, ["status", "active_tenant", "memberships", "attributes"]);
    let text = format!("{BASE}{TABLE}").replace(
        "partition_key: pk",
        "role_arn: 'arn:aws:iam::111122223333:role/users', external_id: x-1, consistent_reads: false, negative: 2s, partition_key: PK, key_template: 'USER#{subject}', sort_key: SK, sort_key_template: PROFILE, region: us-east-1, endpoint: 'http://127.0.0.1:1', insecure: true, ca: c, timeout: 2s, cache: 1m, max_stale: 1h, max_entries: 50, attributes: {status: s, active_tenant: a, memberships: m, attributes: x}",
    );
    let Some(UsersConfig::DynamoDb(users)) = good(&text).users else { panic!() };
    assert_eq!(users.partition_key.1.render("i", "s"), "USER#s");
    assert_eq!(users.sort_key.map(|(name, template)| (name, template.render("i", "s"))), Some(("SK".into(), "PROFILE".into())));
    assert_eq!(
        (users.table.region.as_str(), users.table.endpoint.is_some(), users.attributes.memberships.as_str()),
        ("us-east-1", true, "m")
    );
    assert_eq!(users.table.reader.as_ref().and_then(|reader| reader.external_id.as_deref()), Some("x-1"));
    assert_eq!((users.table.consistent, users.cache.negative), (false, Duration::from_secs(2)));
    let bound =
        good(&with("{any: {}}", "{file: c}, on_suspend: finish").replace("{file: c}}\n", "{file: c}, tenants: {attribute: idp}}\n"));
    assert_eq!(bound.identity.issuers[0].tenants, IssuerTenants::Attribute("idp".into()));
    assert_eq!(bound.on_suspend, OnSuspend::Finish);
}

#[test]
fn users_in_a_table_need_an_identity_without_an_egress_too() {
    let (head, rest) = BASE.split_once("egress:").unwrap();
    let ingress = format!("{head}identity:{}", rest.split_once("identity:").unwrap().1.split_once("credentials:").unwrap().0);
    let table = TABLE.replace("table: users", "table: users, region: eu-west-1");
    let config = good(&format!("{ingress}{table}credentials: {{source: {{default_chain: {{}}}}}}\n"));
    assert!(config.credentials.is_none());
    assert_eq!(config.base.unwrap().sts.region, "eu-west-1");
    assert!(good(&format!("{BASE}{table}")).base.is_none());
    expect(&format!("{ingress}{table}"), &["P:1:1: credentials: is missing; tenants or users in DynamoDB need it: give source"]);
    expect(
        &format!("{ingress}{TABLE}credentials: {{source: {{default_chain: {{}}}}, sts: {{region: eu-west-1}}}}\n"),
        &["P:6:21: users.directory.dynamodb.region: is missing, and there is no egress to take it from"],
    );
    expect(
        &format!(
            "{ingress}{table}credentials: {{source: {{default_chain: {{}}}}, max_sessions: 5, refresh: {{}}, assume_role: {{role_arn: 'arn:aws:iam::111122223333:role/{{tenant.id}}'}}}}\n"
        ),
        &[
            "P:7:58: credentials.max_sessions: has no effect without egress",
            "P:7:61: credentials.refresh: has no effect without egress",
            "P:7:74: credentials.assume_role: has no effect without egress",
        ],
    );
    expect(
        &format!("{ingress}users: {{directory: {{file: c}}}}\ncredentials: {{source: {{default_chain: {{}}}}}}\n"),
        &["P:7:1: credentials: has no effect without egress"],
    );
    expect(
        &with("  assume_role:\n    role_arn: arn:aws:iam::111122223333:role/tenants/{tenant.id}\n", ""),
        &["P:9:1: credentials.assume_role: is missing; egress needs it"],
    );
}

#[test]
fn what_does_not_go_with_users_is_said() {
    let two = "{file: c}, tenants: [a*]}\n    - {issuer: i#b, audience: a, jwks: {file: c}, tenants: [b*]}";
    let mut wrong = Vec::new();
    for (text, lines) in [
        (
            format!("{BASE}{TABLE}").replace("{file: c}", "{file: c}, claims: {tenant: t}"),
            &["P:7:66: identity.issuers[0].claims.tenant: has no effect with users"][..],
        ),
        (
            with("upstream", "headers: {x-a: '{user.attributes.team}'}, upstream"),
            &["P:1:1: users: is missing, and a template has {user.attributes.team}"],
        ),
        (
            with(
                "role/tenants/{tenant.id}",
                "role/tenants/{tenant.id}\n    session_policy: {inline: {Statement: {Effect: Allow, Action: 's3:*', Resource: 'arn:aws:s3:::{tenant.id}/{user.attributes.team}'}}}",
            ),
            &["P:1:1: users: is missing, and a template has {user.attributes.team}"],
        ),
        (
            with("{file: c}}", "{file: c}, tenants: {attribute: idp}}"),
            &["P:8:11: tenants.directory: is any, whose records are empty, and issuer i is bound by an attribute of them"],
        ),
        (
            with("{file: c}}", "{file: c}, tenants: {attribut: idp}}").replace("{any: {}}", "{file: c}"),
            &["P:7:59: identity.issuers[0].tenants.attribut: is not a known setting; did you mean attribute?"],
        ),
        (
            format!("{BASE}{TABLE}").replace("pk", "pk, key_template: '{issuer}'"),
            &["P:13:79: users.directory.dynamodb.key_template: is the same for every user; put {subject} into it"],
        ),
        (
            format!("{BASE}{TABLE}").replace("{file: c}}", two),
            &["P:14:21: users.directory.dynamodb.key_template: does not keep users of i#b and i apart"],
        ),
        (
            format!("{BASE}{TABLE}").replace("pk", "pk, key_template: '{subject}'").replace("{file: c}}", &two.replace("i#b", "j")),
            &["P:14:79: users.directory.dynamodb.key_template: is the same for users of all issuers"],
        ),
        (
            format!("{BASE}{TABLE}").replace("pk", "pk, sort_key: sk, cache: 1m, max_stale: 59s"),
            &[
                "P:13:75: users.directory.dynamodb.sort_key: is here without sort_key_template",
                "P:13:101: users.directory.dynamodb.max_stale: is below cache",
            ],
        ),
        (
            format!("{BASE}users: {{directory: {{}}}}\n"),
            &["P:13:9: users.directory: says none of its alternatives; give exactly one of file, dynamodb"],
        ),
        (with("{any: {}}", "{any: {}}, on_suspend: wait"), &["P:8:45: tenants.on_suspend: \"wait\" is not taken here; give cut or finish"]),
    ] {
        wrong.extend(mismatch(&text, lines));
    }
    assert!(wrong.is_empty(), "{}", wrong.concat());
}

/// Every piece of YAML on the guide's page is what it says it is.
#[test]
fn the_guide_s_examples_load() {
    let guide = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/guide/users-and-revocation.md")).unwrap();
    let examples: Vec<_> = guide.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    let folder = folder();
    let records = folder.path().join("records.yaml");
    let (mut of_records, mut of_users, mut of_issuers) = (0, 0, 0);
    for example in examples {
        if example.starts_with("tenants:") {
            of_records += 1;
            fs::write(&records, example).unwrap();
            let config = crate::config::DirectoryConfig::File(records.clone());
            crate::directory::Directory::open(&config, None).unwrap_or_else(|errors| panic!("{example}\n{errors}"));
        } else if example.starts_with("users:") {
            of_users += 1;
            good(&format!("{BASE}{}", example.replace("users.yaml", "c")));
        } else {
            of_issuers += 1;
            let (head, rest) = BASE.split_once("identity:").unwrap();
            let rest = rest.split_once("tenants:").unwrap().1.replace("{any: {}}", "{file: c}");
            good(&format!("{head}{example}tenants:{rest}"));
        }
    }
    assert_eq!((of_records, of_users, of_issuers), (2, 2, 1));
}
