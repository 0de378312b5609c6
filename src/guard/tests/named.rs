//! Services that are judged by names: every operation of botocore's models, and whatever bytes come.

use std::{collections::BTreeSet, fmt::Write as _};

use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::{Map, Value, json};

use super::{matrix::golden, *};
use crate::aws::{
    action,
    operation::lines_of,
    resource::{
        Kind,
        table::{About, Absent, Member, Metrics, Names, Rest, Table},
    },
    service::Service,
};

/// `SERVICE OPERATION MEMBER…`, a line each.
const OPERATIONS: &str = include_str!("../../../tests/guard/operations.txt");

/// What names a part of a thing, or the key that it is encrypted with: nothing that leads to another's.
const NO_NAMES: [&str; 22] = [
    "AttributeNames",
    "ConsumerName",
    "DurableExecutionName",
    "ExclusiveStartDestinationId",
    "ExclusiveStartShardId",
    "KeyId",
    "KmsKeyId",
    "MessageAttributeNames",
    "MessageDeduplicationId",
    "MessageGroupId",
    "MessageSystemAttributeNames",
    "MetricName",
    "MoveToVersionId",
    "Name",
    "PolicyName",
    "ReceiveRequestAttemptId",
    "RemoveFromVersionId",
    "ShardId",
    "VersionId",
    "logStreamName",
    "logStreamNames",
    "name",
];

fn modelled() -> impl Iterator<Item = (&'static str, &'static str, Vec<&'static str>)> {
    OPERATIONS.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let mut words = line.split(' ');
        (words.next().unwrap(), words.next().unwrap(), words.collect())
    })
}

pub(super) fn members(about: About) -> &'static [Member] {
    match about {
        About::Each(members) | About::Same(members) => members,
        About::Metrics(_) | About::Nothing | About::Rest(_) => &[],
    }
}

/// The members that are read of what is not in `members`.
fn read_by_hand(about: About) -> &'static [&'static str] {
    match about {
        About::Metrics(Metrics::Data) => &["Namespace", "MetricData"],
        About::Metrics(Metrics::Listing | Metrics::One) => &["Namespace", "Dimensions"],
        About::Metrics(Metrics::Queries) => &["MetricDataQueries"],
        About::Rest(Rest::Function | Rest::Invocation) => &["FunctionName"],
        About::Rest(Rest::Guardrail | Rest::Model | Rest::Arn(_)) | About::Each(_) | About::Same(_) | About::Nothing => &[],
    }
}

/// What is read where an operation has it.
const READ_WHERE_IT_IS: [&str; 7] =
    ["Qualifier", "TenantId", "modelId", "guardrailIdentifier", "guardrailConfig", "DurableExecutionArn", "Resource"];

pub(super) fn name(kind: Kind, owner: &str) -> String {
    match kind {
        Kind::LogGroup | Kind::Parameter => format!("/tenants/{owner}/x"),
        Kind::Secret => format!("tenants/{owner}/x"),
        Kind::Key => owner.to_owned(),
        Kind::Namespace => format!("app/{owner}"),
        _ => format!("own-{owner}"),
    }
}

/// What a member has that names a thing of this tenant.
pub(super) fn value(names: Names, owner: &str) -> Option<String> {
    let arn = |kind: Kind| kind.arn(("aws", "eu-west-1", "111122223333"), &name(kind, owner));
    match names {
        Names::Arn(kind) => Some(arn(kind)),
        Names::Any(kind) | Names::Name(kind) | Names::Owned(kind, _) => Some(name(kind, owner)),
        Names::Below(_) => Some(format!("/tenants/{owner}")),
        Names::Nothing => None,
        Names::Url => Some(format!("https://q/111122223333/{}", name(Kind::Queue, owner))),
    }
}

pub(super) fn put(document: &mut Map<String, Value>, path: &str, value: String) {
    let (head, rest) = path.split_once('.').map_or((path, None), |(head, rest)| (head, Some(rest)));
    let (key, is_list) = head.strip_suffix("[]").map_or((head, false), |key| (key, true));
    let value = match rest {
        Some(rest) => {
            let mut inside = Map::new();
            put(&mut inside, rest, value);
            Value::Object(inside)
        }
        None => Value::String(value),
    };
    document.insert(key.to_owned(), if is_list { json!([value]) } else { value });
}

/// A request for an operation, about this tenant's things; of operations that name nothing, with this tenant's name in every member.
fn of(table: &Table, operation: &str, owner: &str) -> Request<Body> {
    let mut document = Map::new();
    if let Some([_, method, template]) = lines_of(table.key).find(|words| words[0] == operation).as_deref() {
        return placed(table, method, template, owner);
    }
    match table.about(operation) {
        Ok(About::Metrics(metrics)) => document = metrics_of(metrics, owner),
        Ok(about) => {
            for member in members(about) {
                value(member.names, owner).into_iter().for_each(|value| put(&mut document, member.path, value));
            }
        }
        Err(_) => {
            let (_, _, all) = modelled().find(|(key, name, _)| *key == table.key && *name == operation).unwrap();
            all.iter().for_each(|member| put(&mut document, member.trim_end_matches("{}"), name(table.kind, owner)));
        }
    }
    written(table, operation, document)
}

/// A request to a REST service, with this tenant's name, or the ARN of its function, in every label.
fn placed(table: &Table, method: &str, template: &str, owner: &str) -> Request<Body> {
    let name = name(table.kind, owner);
    let function = Kind::Function.arn(("aws", "eu-west-1", "111122223333"), &name).replace(':', "%3A");
    let path = template
        .replace("{DurableExecutionArn}", &format!("{function}%3A7%2Fdurable-execution%2Fn%2F1"))
        .replace("{Resource}", &function)
        .replace("{ResourceArn}", &function);
    let filled = path.split('/').map(|segment| match segment.split_once('{') {
        Some((before, label)) => format!("{before}{name}{}", label.split_once('}').unwrap().1),
        None => segment.to_owned(),
    });
    let host = format!("{}.eu-west-1.amazonaws.com", table.key);
    let body = if method == "GET" { "" } else { "{}" };
    request(&format!("{method} {}", filled.collect::<Vec<_>>().join("/")), &host, &[], body)
}

fn metrics_of(metrics: Metrics, owner: &str) -> Map<String, Value> {
    let namespace = name(Kind::Namespace, owner);
    let document = match metrics {
        Metrics::Data => json!({"Namespace": namespace, "MetricData": [{"MetricName": "m"}]}),
        Metrics::Listing | Metrics::One => json!({"Namespace": namespace, "MetricName": "m"}),
        Metrics::Queries => json!({"MetricDataQueries": [{"Id": "a", "MetricStat": {"Metric": {"Namespace": namespace}}}]}),
    };
    document.as_object().unwrap().clone()
}

/// A request with this input, in the service's protocol.
fn written(table: &Table, operation: &str, document: Map<String, Value>) -> Request<Body> {
    let host = format!("{}.eu-west-1.amazonaws.com", table.key);
    let Some(target) = Service::find(table.key).unwrap().targets.first() else {
        let mut form = format!("Action={operation}");
        for (key, value) in document.iter().filter(|(_, value)| value.is_string()) {
            write!(form, "&{key}={}", value.as_str().unwrap()).unwrap();
        }
        return request("POST /", &host, &[("content-type", "application/x-www-form-urlencoded")], &form);
    };
    let target = format!("{target}.{operation}");
    let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target.as_str())];
    request("POST /", &host, &headers, Value::Object(document).to_string())
}

fn bench(actions: bool) -> Bench {
    let (mut services, mut rules) = (Vec::new(), Vec::new());
    for table in Table::all() {
        let (list, pattern) = match table.kind {
            Kind::Bus => ("buses", "own-{tenant.id}"),
            Kind::DeliveryStream | Kind::Stream => ("streams", "own-{tenant.id}"),
            Kind::Function => ("functions", "own-{tenant.id}"),
            Kind::Guardrail => unreachable!("no service is about guardrails alone"),
            Kind::Key => ("keys", "{tenant.kms_key}"),
            Kind::LogGroup => ("groups", "/tenants/{tenant.id}/*"),
            Kind::Model => ("models", "own-{tenant.id}'], guardrails: ['own-{tenant.id}"),
            Kind::Namespace => ("namespaces", "app/{tenant.id}"),
            Kind::Parameter => ("parameters", "/tenants/{tenant.id}/*"),
            Kind::Queue => ("queues", "own-{tenant.id}"),
            Kind::Secret => ("secrets", "tenants/{tenant.id}/*"),
            Kind::StateMachine => ("state_machines", "own-{tenant.id}"),
            Kind::Topic => ("topics", "own-{tenant.id}"),
        };
        let actions = if actions { format!(", actions: '{}:*'", action::iam_service(table.signing_name())) } else { String::new() };
        services.push(format!("{}: {{}}", table.key));
        rules.push(format!("{}: [{{{list}: ['{pattern}']{actions}}}]", table.key));
    }
    Bench::new(&format!("{{{}}}", services.join(", ")), &format!("{{{}}}", rules.join(", ")))
}

/// Three columns: one's own thing; the same where the rule lists all actions; another's, where it does.
#[tokio::test]
async fn every_operation_of_services_that_are_judged_by_names() {
    let (usual, all) = (bench(false), bench(true));
    for table in Table::all() {
        let mut text = String::from("# operation: own | own, all actions listed | another's, all actions listed\n");
        for operation in table.operations().collect::<BTreeSet<_>>() {
            let mut verdicts = Vec::new();
            for (bench, owner) in [(&usual, "acme"), (&all, "acme"), (&all, "globex")] {
                let outcome = bench.ask(&tenant("acme"), of(table, operation, owner)).await;
                verdicts.push(if outcome.verdict == "guard-denied" { "denied" } else { outcome.verdict });
            }
            assert!(verdicts[2] != "allowed" || table.harmless.contains(&operation), "{} {operation}: another's", table.key);
            writeln!(text, "{operation}: {}", verdicts.join(" | ")).unwrap();
        }
        golden(&format!("{}.matrix", table.key), &text);
    }
}

/// A new operation of a service is refused until somebody has thought about it; this is where it is seen that there is one.
#[test]
fn every_operation_of_the_models_has_a_row() {
    let modelled: BTreeSet<_> = modelled().map(|(key, name, _)| (key, name)).collect();
    let rows: Vec<_> = Table::all().flat_map(|table| table.operations().map(|name| (table.key, name))).collect();
    let tabled: BTreeSet<_> = rows.iter().copied().collect();
    assert_eq!(rows.len(), tabled.len(), "an operation has two rows");
    // Nothing of Systems Manager but its parameters.
    let wanted: BTreeSet<_> = modelled.iter().copied().filter(|(key, name)| *key != "ssm" || name.contains("Parameter")).collect();
    assert_eq!(wanted.difference(&tabled).collect::<Vec<_>>(), Vec::<&(&str, &str)>::new(), "without a row");
    assert_eq!(tabled.difference(&wanted).collect::<Vec<_>>(), Vec::<&(&str, &str)>::new(), "not in the models");
}

/// A member that could name a thing is read, or known to name none. What operations that have to be listed do beside it is for who lists them.
#[test]
fn every_member_that_could_name_a_thing_is_known() {
    let ends = ["arn", "arns", "url", "name", "names", "id", "identifier", "identifiers", "idlist", "arnlist"];
    let mut unread: BTreeSet<&str> = BTreeSet::new();
    for (key, operation, all) in modelled() {
        let table = Table::of(key).unwrap();
        let Ok(about) = table.about(operation) else { continue };
        let mut read: BTreeSet<&str> = read_by_hand(about).iter().copied().collect();
        for member in members(about) {
            read.insert(member.path.split(['.', '[']).next().unwrap());
            read.extend((!member.context.is_empty()).then_some(member.context));
            if let Names::Owned(_, owner) = member.names {
                read.insert(owner);
            }
        }
        let bare: Vec<_> = all.iter().map(|member| member.trim_end_matches(['[', ']', '{', '}'])).collect();
        assert!(read.iter().all(|member| bare.contains(member)), "{key} {operation} has no such member: {read:?}");
        let is_usual = table.usual_operations().any(|usual| usual == operation);
        let is_name = |member: &&&str| ends.iter().any(|end| member.to_ascii_lowercase().ends_with(end));
        unread.extend(
            bare.iter().filter(is_name).filter(|member| {
                is_usual && !read.contains(*member) && !READ_WHERE_IT_IS.contains(member) && !table.foreign.contains(member)
            }),
        );
    }
    assert_eq!(unread.into_iter().collect::<Vec<_>>(), NO_NAMES);
}

/// What an absent name stands for is a name too.
#[test]
fn what_is_meant_by_default_is_a_name() {
    for table in Table::all() {
        for row in table.usual.iter().chain(table.listed) {
            for member in members(row.about) {
                assert!(!matches!(member.absent, Absent::Default("")), "{} {:?}", table.key, row.operations);
            }
        }
    }
}

/// Nobody's actions are usual and have to be listed at once.
#[test]
fn an_action_is_usual_or_to_be_listed() {
    for table in Table::all() {
        let usual = crate::aws::action::of_operations(table.signing_name(), table.usual_operations()).unwrap();
        let listed = crate::aws::action::of_operations(table.signing_name(), table.listed.iter().flat_map(|row| row.operations).copied());
        assert!(listed.is_none_or(|listed| !usual.cover(&listed)), "{}", table.key);
        for row in table.listed {
            for operation in row.operations {
                let listed = crate::aws::action::of_operations(table.signing_name(), std::iter::once(*operation)).unwrap();
                assert!(!usual.cover(&listed), "{} {operation}", table.key);
            }
        }
    }
}

/// Bytes of any kind as a body, and documents that are nearly right.
#[test]
fn no_body_panics_and_none_of_another_tenant_passes() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let bench = bench(true);
    let operations: Vec<_> =
        Table::all().flat_map(|table| table.usual.iter().flat_map(|row| row.operations).map(move |name| (table, *name))).collect();
    let spoil = ("[ -~]{0,12}", any::<prop::sample::Index>(), 0_usize..16, 0..operations.len(), prop::collection::vec(any::<u8>(), 0..48));
    let case = |(text, at, cut, operation, bytes): (String, prop::sample::Index, usize, usize, Vec<u8>)| {
        let (table, name) = operations[operation];
        let whole = of(table, name, "globex");
        let (head, body) = whole.into_parts();
        let whole = runtime.block_on(async { http_body_util::BodyExt::collect(body).await.unwrap().to_bytes() });
        let at = at.index(whole.len() + 1);
        let spoiled = [&whole[..at], text.as_bytes(), &whole[(at + cut).min(whole.len())..]].concat();
        for content in [bytes, spoiled] {
            // What names the tenant's own thing may pass: it takes the tenant's own name, which is not in there.
            if content.windows(4).any(|four| four == b"acme") {
                continue;
            }
            let sent = Request::from_parts(head.clone(), body::full(content.clone()));
            let outcome = runtime.block_on(bench.ask(&tenant("acme"), sent));
            prop_assert!(outcome.verdict != "allowed", "{} {}", name, String::from_utf8_lossy(&content));
        }
        Ok(())
    };
    TestRunner::default().run(&spoil, case).unwrap();
}

/// Whatever two tenants are called: what one's rule means is not the other's.
#[test]
fn no_name_is_two_tenants() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let bench = bench(true);
    let id = "[a-z][a-z0-9._-]{1,6}";
    let case = |(a, b, end): (String, String, String)| {
        prop_assume!(a != b && !a.contains("..") && !b.contains(".."));
        for table in Table::all() {
            for row in table.usual {
                let sent = of(table, row.operations[0], &b);
                let outcome = runtime.block_on(bench.ask(&tenant(&a), sent));
                prop_assert!(outcome.verdict != "allowed", "{} {} {}", table.key, row.operations[0], b);
                for member in members(row.about) {
                    let Some(text) = value(member.names, &b) else { continue };
                    let mut document = Map::new();
                    put(&mut document, member.path, format!("{text}{end}"));
                    let sent = written(table, row.operations[0], document);
                    let outcome = runtime.block_on(bench.ask(&tenant(&a), sent));
                    prop_assert!(outcome.verdict != "allowed", "{} {} {}", table.key, text, end);
                }
            }
        }
        Ok(())
    };
    TestRunner::default().run(&(id, id, "(-[a-zA-Z0-9]{6})?(:[0-9]{1,2})?"), case).unwrap();
}
