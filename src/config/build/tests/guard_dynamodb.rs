use super::*;
use crate::config::{LeadingKey, SchemaConfig, ServiceRules};

const POOL: &str = "{dynamodb: [{tables: [orders], leading_key: '{tenant.id}#', key: pk}]}";

fn text(services: &str, guard: &str) -> String {
    format!("{}guard: {guard}\n", with("{s3: {}}", services))
}

fn errors(services: &str, guard: &str) -> String {
    load(&text(services, guard)).map(drop).unwrap_err().to_string()
}

#[test]
fn a_rule_is_about_a_part_of_tables_or_about_whole_ones() {
    let rules = "{dynamodb: [{tables: ['orders-*', carts], leading_key: '{tenant.id}', key: pk, indexes: {by-date: gsi1pk, local: pk}, account: '111122223333'}, \
                 {tables: ['own-{tenant.id}'], account: '{tenant.account}', mode: audit}]}";
    let guard = good(&text("{dynamodb: {}}", rules)).guard;
    let ServiceRules::DynamoDb(rules) = &guard.rules["dynamodb"] else { panic!("{guard:?}") };
    let pool = rules[0].pool.as_ref().unwrap();
    let SchemaConfig::Given(keys) = &pool.schema else { panic!("{pool:?}") };
    assert!(matches!(pool.leading_key, LeadingKey::Is(_)) && keys.key == "pk" && rules[0].tables.len() == 2 && !guard.learns_keys());
    assert_eq!((&*keys.indexes["by-date"], &*keys.indexes["local"]), ("gsi1pk", "pk"));
    assert!(rules[1].pool.is_none() && rules[1].account.is_some() && &*rules[1].terms.name == "guard.dynamodb[1]");
}

#[test]
fn keys_are_given_or_learnt() {
    let learnt = |more: &str| {
        let rule = format!("{{dynamodb: [{{tables: [t], leading_key: '{{tenant.id}}#', learn: true{more}}}]}}");
        let guard = good(&text("{dynamodb: {}}", &rule)).guard;
        assert!(guard.learns_keys());
        let ServiceRules::DynamoDb(rules) = &guard.rules["dynamodb"] else { panic!("{guard:?}") };
        let SchemaConfig::Learnt { open_indexes } = &rules[0].pool.as_ref().unwrap().schema else { panic!("{rules:?}") };
        open_indexes.iter().cloned().collect::<Vec<_>>()
    };
    assert!(learnt("").is_empty());
    assert_eq!(learnt(", open_indexes: [by-status, by-day]"), ["by-day", "by-status"]);
    assert_eq!(learnt(", open_indexes: by-status"), ["by-status"]);
}

#[test]
fn streams_are_judged_as_tables_or_want_no_rule() {
    good(&text("{dynamodb: {}, dynamodbstreams: {}}", POOL));
    good(&text("{dynamodbstreams: {}}", POOL));
    good(&text("{dynamodb: {}, dynamodbstreams: {unguarded: true}}", POOL));
    let wrong = errors("{dynamodb: {unguarded: true}, dynamodbstreams: {}}", POOL);
    assert!(wrong.contains("egress.services.dynamodb: is unguarded, and has rules in guard.dynamodb"), "{wrong}");
    let wrong = errors("{dynamodbstreams: {}}", "{}");
    assert!(wrong.contains("egress.services.dynamodbstreams: has no rule in guard") && wrong.contains("give guard.dynamodb"), "{wrong}");
}

#[test]
fn what_says_nothing_or_not_enough_is_wrong() {
    for (rule, wrong) in [
        ("{tables: [t], leading_key: '{tenant.id}#'}", "guard.dynamodb[0].key: is missing"),
        ("{tables: ['t-{tenant.id}'], key: pk}", "guard.dynamodb[0].key: has no effect without leading_key"),
        ("{tables: ['t-{tenant.id}'], indexes: {i: pk}}", "guard.dynamodb[0].indexes: has no effect without leading_key"),
        ("{tables: ['t-{tenant.id}'], open_indexes: [i]}", "guard.dynamodb[0].open_indexes: has no effect without leading_key"),
        ("{tables: ['t-{tenant.id}'], learn: true}", "guard.dynamodb[0].learn: has no effect without leading_key"),
        ("{tables: [t], leading_key: '{tenant.id}#', learn: false}", "or say learn: true"),
        ("{tables: [t], leading_key: '{tenant.id}#', learn: true, key: pk}", "guard.dynamodb[0].key: is given, and learn is true"),
        (
            "{tables: [t], leading_key: '{tenant.id}#', learn: true, indexes: {i: a}}",
            "guard.dynamodb[0].indexes: is given, and learn is true",
        ),
        (
            "{tables: [t], leading_key: '{tenant.id}#', key: pk, open_indexes: [i]}",
            "guard.dynamodb[0].open_indexes: has no effect without learn",
        ),
        ("{tables: [t]}", "guard.dynamodb[0].shared: is false"),
        ("{tables: [t], leading_key: '{tenant.cell}#', key: pk}", "guard.dynamodb[0].shared: is false"),
        ("{tables: ['t-{tenant.id}'], shared: true}", "guard.dynamodb[0].shared: is true"),
        ("{tables: [t], leading_key: '{tenant.id}#', key: pk, shared: true}", "guard.dynamodb[0].shared: is true"),
        ("{tables: [t], leading_key: '{tenant.id}-', key: pk}", "guard.dynamodb[0].leading_key: {tenant.id} is directly followed by '-'"),
        ("{tables: [t], leading_key: '{subject}#', key: pk}", "guard.dynamodb[0].leading_key: {subject} is of a user"),
        ("{tables: [t], leading_key: '{tenant.id}#*', key: pk}", "guard.dynamodb[0].leading_key: '*' means nothing in a prefix"),
        ("{tables: [t], leading_key: '*{tenant.id}', key: pk}", "guard.dynamodb[0].leading_key: a '*' stands before a placeholder"),
        ("{tables: [t], leading_key: '', key: pk}", "guard.dynamodb[0].leading_key: it is empty"),
        ("{tables: ['t-{tenant.id}'], account: '1111'}", "guard.dynamodb[0].account: is no account"),
        ("{tables: ['t-{tenant.id}'], account: '{tenant.id}'}", "guard.dynamodb[0].account: is no account"),
        ("{tables: ['t-{tenant.id}'], account: '11112222333*'}", "guard.dynamodb[0].account: is no account"),
        ("{tables: ['{tenant.id}-t']}", "guard.dynamodb[0].tables[0]: {tenant.id} is directly followed by '-'"),
    ] {
        let errors = errors("{dynamodb: {}}", &format!("{{dynamodb: [{rule}]}}"));
        assert!(errors.contains(wrong) && errors.lines().count() == 1, "{rule}\n{errors}");
    }
}

/// Where every id can be looked at, and none begins another.
#[test]
fn an_open_end_is_settled_by_the_file_of_tenants() {
    FOLDER.with(|folder| fs::write(folder.path().join("guarded-tables.yaml"), "tenants: {acme: {}, globex: {}}\n").unwrap());
    let with_file = with("{any: {}}", "{file: guarded-tables.yaml}").replace("{s3: {}}", "{dynamodb: {}}");
    let text = format!("{with_file}guard: {{dynamodb: [{{tables: [t], leading_key: '{{tenant.id}}-', key: pk}}]}}\n");
    assert!(matches!(load(&text).unwrap().directory, crate::config::DirectoryConfig::PrefixFreeFile(_)));
}
