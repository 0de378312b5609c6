use super::*;
use crate::config::ServiceRules;

const ENDPOINTS: &str =
    "{aoss: {endpoint: 'https://a.eu-west-1.aoss.amazonaws.com'}, es: {endpoint: 'https://search-a-b.eu-west-1.es.amazonaws.com'}}";

fn text(guard: &str) -> String {
    format!("{}guard: {guard}\n", with("{s3: {}}", ENDPOINTS))
}

fn both(rule: &str) -> String {
    text(&format!("{{aoss: [{}], es: [{}]}}", rule.replace("KEY", "aoss"), rule.replace("KEY", "es")))
}

#[test]
fn collections_and_domains_have_the_same_rules() {
    let guard =
        good(&both("{indexes: ['index-v1-{tenant.id}', 'own-{tenant.id}'], actions: ['KEY:Read*', 'KEY:DeleteIndex'], mode: audit}")).guard;
    for key in ["aoss", "es"] {
        let ServiceRules::Search(rules) = &guard.rules[key] else { panic!("{guard:?}") };
        assert!(rules[0].indexes.len() == 2 && rules[0].terms.actions.is_some() && *rules[0].terms.name == *format!("guard.{key}[0]"));
    }
    assert!(load(&text("{aoss: [{indexes: ['a-{tenant.id}']}]}")).unwrap_err().to_string().contains("give guard.es"));
    good(&both("{indexes: [public], shared: true, actions: 'KEY:*'}"));
}

#[test]
fn what_says_nothing_of_an_index_is_an_error() {
    for (rule, wrong) in [
        ("{}", "].indexes: is missing"),
        ("{indexes: [pool]}", "].shared: is false"),
        ("{indexes: ['{tenant.id}-logs']}", "].indexes[0]: {tenant.id} is directly followed by '-'"),
        ("{indexes: ['logs-{tenant.id}-*']}", "].indexes[0]: {tenant.id} is directly followed by '-'"),
        ("{indexes: ['*-{tenant.id}']}", "].indexes[0]: a '*' stands before a placeholder"),
        ("{indexes: ['Logs-{tenant.id}']}", "].indexes[0]: has 'L', which the guard takes in no name of an index"),
        ("{indexes: ['logs/{tenant.id}']}", "].indexes[0]: has '/', which"),
        ("{indexes: ['other:logs-{tenant.id}']}", "].indexes[0]: has ':', which"),
        ("{indexes: ['.logs-{tenant.id}']}", "].indexes[0]: begins with what no name"),
        ("{indexes: ['logs-{subject}']}", "].indexes[0]: {subject} is of a user"),
        (
            "{indexes: ['logs-{tenant.id}'], actions: 'KEY:APIAccessAll'}",
            "].actions: has an action that is none of what is done with an index",
        ),
        ("{indexes: ['logs-{tenant.id}'], actions: 'KEY:ESHttpGet'}", "].actions: has an action that is none"),
        ("{indexes: ['logs-{tenant.id}'], actions: ['KEY:ReadDocument', 's3:GetObject']}", "].actions: has an action that is none"),
        ("{indexes: ['logs-{tenant.id}'], prefix: x}", "].prefix: "),
    ] {
        let errors = load(&both(rule)).map(drop).unwrap_err().to_string();
        for key in ["aoss", "es"] {
            assert!(errors.lines().any(|line| line.contains(&format!("guard.{key}[0{wrong}"))), "{rule}: {errors}");
        }
    }
}

/// Where it is known that no id begins another, a wildcard may stand behind an id.
#[test]
fn a_wildcard_behind_an_id_needs_ids_that_are_known() {
    FOLDER.with(|folder| fs::write(folder.path().join("guarded-indexes.yaml"), "tenants: {acme: {}, globex: {}}\n").unwrap());
    let guard = "{aoss: [{indexes: ['logs-{tenant.id}-*']}], es: [{indexes: ['{tenant.id}-logs']}]}";
    let text = format!("{}guard: {guard}\n", with("{any: {}}", "{file: guarded-indexes.yaml}").replace("{s3: {}}", ENDPOINTS));
    assert!(matches!(load(&text).unwrap().directory, crate::config::DirectoryConfig::PrefixFreeFile(_)));
}
