//! `tenants.directory`, and what tables have in common.

use super::*;
use crate::config::{DirectoryConfig, TenantKeyTemplate, TenantsTableConfig};

fn of_table(dynamodb: &str) -> TenantsTableConfig {
    match good(&with("{any: {}}", &format!("{{dynamodb: {{{dynamodb}}}}}"))).directory {
        DirectoryConfig::DynamoDb(table) => *table,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_table_needs_its_name_alone_and_takes_the_rest() {
    let least = of_table("table: tenants, cache: 30s");
    assert_eq!((least.table.name.as_str(), least.table.region.as_str(), least.table.consistent), ("tenants", "eu-west-1", true));
    assert!(least.table.reader.is_none() && least.load.is_none() && least.key.sort.is_none());
    assert_eq!((least.key.partition.0.as_str(), least.key.partition.1.render("acme").as_str()), ("tenant_id", "acme"));
    let cache = least.cache;
    assert_eq!(
        (cache.fresh, cache.max_stale, cache.negative, cache.max_entries),
        (Duration::from_secs(30), Duration::from_secs(300), Duration::from_secs(5), 100_000)
    );
    assert_eq!((least.attributes.status.as_str(), least.attributes.attributes.as_str()), ("status", "attributes"));
    assert_eq!(of_table("table: t, cache: 2s").cache.negative, Duration::from_secs(2), "not above cache");

    let most = of_table(
        "table: app, role_arn: 'arn:aws:iam::111122223333:role/directory', external_id: x-1, region: us-east-1, endpoint: 'http://127.0.0.1:1', \
         insecure: true, ca: c, timeout: 2s, consistent_reads: false, partition_key: pk, key_template: 'TENANT#{tenant.id}', sort_key: sk, \
         sort_key_template: PROFILE, cache: 1m, max_stale: 1h, negative: 10s, max_tenants: 50, load: {every: 1m, items_per_second: 5}, \
         attributes: {status: a, tier: b, cell: c, account: d, external_id: e, kms_key: f, region: g, limits: h, revoked: i, attributes: j}",
    );
    let reader = most.table.reader.unwrap();
    assert_eq!((reader.role_arn.as_str(), reader.external_id.as_deref()), ("arn:aws:iam::111122223333:role/directory", Some("x-1")));
    assert!(!most.table.consistent && most.table.endpoint.is_some());
    assert_eq!(most.key.partition, ("pk".to_owned(), TenantKeyTemplate::parse("TENANT#{tenant.id}").unwrap()));
    assert_eq!(most.key.sort, Some(("sk".to_owned(), TenantKeyTemplate::parse("PROFILE").unwrap())));
    let load = most.load.unwrap();
    assert_eq!((load.every, load.items_per_second), (Duration::from_secs(60), 5));
    let names = most.attributes;
    let names = [
        names.status,
        names.tier,
        names.cell,
        names.account,
        names.external_id,
        names.kms_key,
        names.region,
        names.limits,
        names.revoked,
        names.attributes,
    ];
    assert_eq!(names.concat(), "abcdefghij");
    let sorted = of_table("table: app, key_template: TENANTS, sort_key: sk, sort_key_template: '{tenant.id}'");
    assert!(sorted.key.sort.unwrap().1.tells_tenants_apart(), "one of the two keys is enough");
}

#[test]
fn what_does_not_go_with_a_table_is_said() {
    let mut wrong = Vec::new();
    for (dynamodb, lines) in [
        ("partition_key: pk", &["P:8:23: tenants.directory.dynamodb.table: is missing"][..]),
        (
            "table: t, key_template: TENANT",
            &["P:8:58: tenants.directory.dynamodb.key_template: is the same for every tenant; put {tenant.id} into it"],
        ),
        ("table: t, key_template: '{subject}'", &["P:8:58: tenants.directory.dynamodb.key_template: \"{subject}\" is not taken here"]),
        ("table: t, sort_key: sk", &["P:8:54: tenants.directory.dynamodb.sort_key: is here without sort_key_template"]),
        (
            "table: t, sort_key: tenant_id, sort_key_template: x",
            &["P:8:54: tenants.directory.dynamodb.sort_key: is the partition key; give the attribute that is the table's sort key"],
        ),
        ("table: t, external_id: x-1", &["P:8:57: tenants.directory.dynamodb.external_id: has no effect without role_arn"]),
        ("table: t, role_arn: reader", &["P:8:54: tenants.directory.dynamodb.role_arn: \"reader\" is not taken here"]),
        (
            "table: t, cache: 5s, max_stale: 4s, negative: 6s",
            &[
                "P:8:66: tenants.directory.dynamodb.max_stale: is below cache",
                "P:8:80: tenants.directory.dynamodb.negative: is above cache",
            ],
        ),
        ("table: t, load: {every: 1s}", &["P:8:58: tenants.directory.dynamodb.load.every: \"1s\" is out of range"]),
        ("table: t, insecure: true", &["P:8:54: tenants.directory.dynamodb.insecure: has no effect without endpoint"]),
    ] {
        wrong.extend(mismatch(&with("{any: {}}", &format!("{{dynamodb: {{{dynamodb}}}}}")), lines));
    }
    assert!(wrong.is_empty(), "{}", wrong.concat());
}

#[test]
fn tenants_in_a_table_need_an_identity_without_an_egress_too() {
    let (head, rest) = BASE.split_once("egress:").unwrap();
    let ingress = format!("{head}identity:{}", rest.split_once("identity:").unwrap().1.split_once("credentials:").unwrap().0);
    let ingress = ingress.replace("{any: {}}", "{dynamodb: {table: t, region: eu-central-1}}");
    let config = good(&format!("{ingress}credentials: {{source: {{default_chain: {{}}}}}}\n"));
    assert!(config.credentials.is_none());
    assert_eq!(config.base.unwrap().sts.region, "eu-central-1");
    expect(&ingress, &["P:1:1: credentials: is missing; tenants or users in DynamoDB need it: give source"]);
    let opened = crate::directory::Directory::open(&config.directory, None).unwrap_err();
    assert_eq!(opened.to_string(), "tenants.directory.dynamodb: there are no credentials to read it with; give credentials.source");
}

/// Every piece of YAML on the guide's page is what it says it is.
#[test]
fn the_guide_s_examples_and_the_shipped_one_load() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let guide = fs::read_to_string(root.join("guide/tenants.md")).unwrap();
    let (_, tail) = BASE.split_once("tenants: {directory: {any: {}}}\n").unwrap();
    let (head, _) = BASE.split_once("tenants:").unwrap();
    let examples: Vec<_> = guide.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    for example in &examples {
        good(&format!("{head}{}{tail}", example.replace("tenants.yaml", "c")));
    }
    assert_eq!(examples.len(), 4);
    let shipped = fs::read_to_string(root.join("examples/directory-dynamodb.yaml")).unwrap();
    let config = good(&shipped.replace("../tls/tls.crt", "c").replace("../tls/tls.key", "c"));
    let DirectoryConfig::DynamoDb(table) = config.directory else { panic!("{:?}", config.directory) };
    assert!(table.table.reader.is_some() && table.load.is_some());
}
