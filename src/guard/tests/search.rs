//! Whole requests to OpenSearch: tenant × tenant × operation, tenants whose ids begin alike, and bytes of any kind.

use std::fmt::Write as _;

use proptest::{prelude::*, test_runner::TestRunner};

use super::{matrix::golden, *};
use crate::{cli::guard::tests::reported, guard::search::APIS};

type Routes = &'static [(&'static [&'static str], &'static str)];

/// Services that are OpenSearch.
pub(super) const KEYS: [&str; 2] = ["aoss", "es"];

/// Ways to name an index, of which one is right.
pub(super) const WAYS: &[&str] = &[
    "own",
    "all",
    "another",
    "beginning",
    "capital",
    "cluster",
    "date-math",
    "empty",
    "escaped",
    "everything",
    "exclusion",
    "hidden",
    "list",
    "slash",
    "wildcard",
];

/// Where bodies name indexes.
const IN_BODIES: &[(&str, &[&str])] = &[
    ("bulk", &["line", "line-beside-path", "delete", "update", "create"]),
    ("mget", &["document", "document-beside-path"]),
    ("msearch", &["header", "header-beside-path", "list", "indices"]),
];

/// Every operation.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    APIS.iter().map(|api| api.name)
}

/// `operation place`, of every place where an index can be named.
pub(super) fn places() -> impl Iterator<Item = String> {
    let in_paths = APIS.iter().filter(|api| !api.actions.is_empty()).map(|api| format!("{} path", api.name));
    in_paths.chain(IN_BODIES.iter().flat_map(|(name, places)| places.iter().map(move |place| format!("{name} {place}"))))
}

#[test]
fn a_body_names_indexes_where_it_is_said_to() {
    let named: Vec<&str> = APIS.iter().filter(|api| api.body_names_indexes()).map(|api| api.name).collect();
    assert_eq!(named, IN_BODIES.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    let mut sorted: Vec<&str> = names().collect();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted, names().collect::<Vec<_>>(), "by name, and none twice");
}

fn host(key: &str) -> String {
    format!("abc123.eu-west-1.{key}.amazonaws.com")
}

fn bench(key: &str, rules: &str) -> Bench {
    Bench::new(&format!("{{{key}: {{endpoint: 'https://{}'}}}}", host(key)), &format!("{{{key}: {rules}}}"))
}

/// What an operation takes, about this index where its body names one.
fn body_of(name: &str, index: &str) -> String {
    match name {
        "bulk" => format!("{{\"index\":{{\"_index\":\"{index}\"}}}}\n{{\"a\":1}}\n"),
        "create" | "index" => "{\"a\":1}".to_owned(),
        "indices.analyze" => "{\"text\":\"x\"}".to_owned(),
        "indices.create" => "{\"mappings\":{}}".to_owned(),
        "indices.put_mapping" => "{\"properties\":{}}".to_owned(),
        "indices.put_settings" => "{\"refresh_interval\":\"1s\"}".to_owned(),
        "mget" => format!("{{\"docs\":[{{\"_index\":\"{index}\",\"_id\":\"1\"}}]}}"),
        "msearch" => format!("{{\"index\":\"{index}\"}}\n{{}}\n"),
        "update" => "{\"doc\":{}}".to_owned(),
        _ => String::new(),
    }
}

/// The verdicts on every route of an operation, which are one.
async fn verdict(bench: &Bench, key: &str, (name, routes): (&str, Routes), index: &str) -> &'static str {
    let mut verdicts = Vec::new();
    for (methods, path) in routes {
        for method in *methods {
            let line = format!("{method} {}", path.replace("{index}", index).replace("{id}", "1"));
            let sent = request(&line, &host(key), &[("content-type", "application/json")], body_of(name, index));
            verdicts.push(bench.ask(&tenant("acme"), sent).await.verdict);
        }
    }
    verdicts.dedup();
    assert_eq!(verdicts.len(), 1, "{name}: {verdicts:?}");
    if verdicts[0] == "guard-denied" { "denied" } else { verdicts[0] }
}

/// Three columns: one's own index; the same where the rule lists all actions; another's, where it does.
#[tokio::test]
async fn every_operation_of_opensearch() {
    for key in KEYS {
        let usual = bench(key, "[{indexes: ['own-{tenant.id}']}]");
        let all = bench(key, &format!("[{{indexes: ['own-{{tenant.id}}'], actions: '{key}:*'}}]"));
        let mut text = String::from("# operation: own | own, all actions listed | another's, all actions listed\n");
        for api in APIS {
            let mut verdicts = Vec::new();
            for (bench, index) in [(&usual, "own-acme"), (&all, "own-acme"), (&all, "own-globex")] {
                verdicts.push(verdict(bench, key, (api.name, api.routes), index).await);
            }
            assert!(verdicts[2] != "allowed" || api.name == "info", "{key} {}: another's", api.name);
            writeln!(text, "{}: {}", api.name, verdicts.join(" | ")).unwrap();
        }
        golden(&format!("{key}.matrix"), &text);
    }
}

/// What was denied says what was asked for and with which API, and nothing that the request made up.
#[tokio::test]
async fn nothing_of_a_request_is_in_what_the_log_says_of_it() {
    let bench = bench("aoss", "[{indexes: ['own-{tenant.id}']}]");
    for (line, body) in [
        ("GET /secret-index/_search", ""),
        ("GET /_secret", ""),
        ("GET /own-acme/_search?secret=1", ""),
        ("POST /own-acme/_search", r#"{"secret":1}"#),
        ("POST /own-acme/_search", r#"{"query":{"secret_script":{}}}"#),
        ("POST /_bulk", "{\"secret\":{}}\n{}\n"),
        ("PUT /own-acme/_settings", r#"{"secret":1}"#),
        ("PUT /own-acme", r#"{"mappings":{"properties":{"secret":{"type":"secret"}}}}"#),
    ] {
        let outcome = bench.ask(&tenant("acme"), request(line, &host("aoss"), &[("content-type", "application/json")], body)).await;
        assert!(outcome.verdict == "guard-denied" && !outcome.note.contains("secret"), "{line}: {outcome:?}");
    }
}

/// A log of what was watched is enough for rules that allow it.
#[tokio::test]
async fn rules_are_found_by_watching() {
    let watched = Bench::new(&format!("{{aoss: {{endpoint: 'https://{}'}}}}", host("aoss")), "{mode: audit}");
    let mut log = Vec::new();
    for id in ["acme", "globex"] {
        for line in [format!("GET /index-v1-{id}/_search"), "GET /news/_search".to_owned()] {
            let sent = request(&line, &host("aoss"), &[], "");
            let outcome = watched.ask(&tenant(id), sent).await;
            assert_eq!(outcome.verdict, "watched", "{outcome:?}");
            let name = if line.contains("news") { "news" } else { "index-v1-{tenant.id}" };
            log.push(format!(
                r#"{{"log":"access","tenant":"{id}","service":"aoss","operation":"APIAccessAll","would_deny":"guard.aoss: x","touched":[{{"section":"aoss","name":"{name}","actions":["aoss:ReadDocument"]}}]}}"#
            ));
        }
    }
    let text = reported(&log.join("\n"), false);
    assert!(text.contains(r#"- {indexes: ["index-v1-{tenant.id}"]}"#), "{text}");
    assert!(text.contains(r#"# - {indexes: ["news"], shared: true, actions: ["aoss:ReadDocument"]}"#), "{text}");
}

/// Whatever two tenants are called: what one's rule means is not the other's.
#[test]
fn no_index_is_two_tenants() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let bench = bench("es", "[{indexes: ['own-{tenant.id}'], actions: 'es:*'}]");
    let id = "[a-z0-9][a-z0-9._-]{1,6}";
    let case = |(a, b, api, end): (String, String, prop::sample::Index, String)| {
        prop_assume!(a != b && !a.contains("..") && !b.contains("..") && a != format!("{b}{end}"));
        let api = api.get(APIS);
        prop_assume!(api.name != "info");
        for (methods, path) in api.routes {
            let index = format!("own-{b}{end}");
            let line = format!("{} {}", methods[0], path.replace("{index}", &index).replace("{id}", "1"));
            let sent = request(&line, &host("es"), &[("content-type", "application/json")], body_of(api.name, &index));
            let outcome = runtime.block_on(bench.ask(&tenant(&a), sent));
            prop_assert!(outcome.verdict != "allowed", "{} {}", line, a);
        }
        Ok(())
    };
    TestRunner::default().run(&(id, id, any::<prop::sample::Index>(), "[a-z0-9.,*_-]{0,3}"), case).unwrap();
}

/// Bodies of any kind, and such as are nearly right: none that names another's index passes, and none panics.
#[test]
fn no_body_panics_and_none_of_another_tenant_passes() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let bench = bench("aoss", "[{indexes: ['own-{tenant.id}'], actions: 'aoss:*'}]");
    let spoil = (
        "[ -~\n]{0,12}",
        any::<prop::sample::Index>(),
        0_usize..16,
        any::<prop::sample::Index>(),
        prop::collection::vec(any::<u8>(), 0..48),
    );
    let case = |(text, at, cut, api, bytes): (String, prop::sample::Index, usize, prop::sample::Index, Vec<u8>)| {
        let api = api.get(APIS);
        let Some((methods, path)) = api.routes.iter().find(|(_, path)| !path.contains("{index}") && path.len() > 1) else { return Ok(()) };
        let whole = body_of(api.name, "own-globex").into_bytes();
        let at = at.index(whole.len() + 1);
        let spoiled = [&whole[..at], text.as_bytes(), &whole[(at + cut).min(whole.len())..]].concat();
        for content in [bytes, spoiled].into_iter().filter(|content| !content.windows(4).any(|four| four == b"acme")) {
            let sent = request(&format!("{} {path}", methods[0]), &host("aoss"), &[("content-type", "application/json")], content.clone());
            let outcome = runtime.block_on(bench.ask(&tenant("acme"), sent));
            prop_assert!(outcome.verdict != "allowed", "{} {}", api.name, String::from_utf8_lossy(&content));
        }
        Ok(())
    };
    TestRunner::default().run(&spoil, case).unwrap();
}
