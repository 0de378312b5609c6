//! Operation × place × way: each operation that rules of names can allow, with each member that names a thing spelled rightly and in every wrong way.
//!
//! Kept in golden files, `tests/guard/NAME.ways`, as the [matrix](super::matrix) is: the ways that pass, and those that do not, by rules that are written as names and
//! by such as are ARNs. What is another tenant's passes nowhere, whatever a file says.

mod context;
mod dynamodb;
mod rest;
mod s3;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};

use self::{
    context::{of_context, of_metrics},
    rest::of_rest,
};
use super::{
    matrix::golden,
    named::{members, name, put, value},
    *,
};
use crate::aws::{
    action,
    operation::lines_of,
    resource::{
        Kind,
        table::{About, Absent, Member, Metrics, Names, Rest, Table},
    },
    service::Service,
};

const ACCOUNT: &str = "111122223333";
const OTHER_ACCOUNT: &str = "999999999999";

/// Ways that are one's own thing, or no thing: to be let through or not as the service reads them. A `;` in a query is sent escaped, and separates nothing.
const HARMLESS: [&str; 10] = ["absent", "empty", "empty-list", "host", "null", "own", "own-and-more", "own-arn", "own-name", "own-part"];
const SENT_ESCAPED: &str = "separator";
/// Ways that are one's own name in another place, which a rule that is an ARN alone sees.
const ELSEWHERE: [&str; 2] = ["account", "partition"];

/// A request.
struct Sent {
    line: String,
    headers: Vec<(String, String)>,
    body: String,
}

/// A way to name a thing, and a request that does so.
type Way = (&'static str, Sent);

/// What is written in the place of a member: of each item of a list, the names and values in JSON.
type Written = Vec<Vec<(String, String)>>;

/// Rules for every service: as names, and as ARNs. Beside those for a tenant's own things there are some for shared ones, of which the context says whose they are.
struct Rules {
    names: Bench,
    arns: Bench,
}

impl Rules {
    fn new() -> Self {
        let bench = |arns: bool| {
            let (mut services, mut rules) = (Vec::new(), Vec::new());
            for table in Table::all() {
                let pattern = |kind: Kind| {
                    let pattern = name(kind, "{tenant.id}").replace("/x", "/*");
                    if arns && kind != Kind::Namespace { kind.arn(("aws", "eu-west-1", ACCOUNT), &pattern) } else { pattern }
                };
                let guardrails = match table.kind {
                    Kind::Model => format!(", guardrails: ['{}']", pattern(Kind::Guardrail)),
                    _ => String::new(),
                };
                let shared = match table.kind {
                    Kind::Key => "{keys: [alias/pool], context: {tenant: '{tenant.id}'}}",
                    Kind::Function => "{functions: [pool], tenant_id: '{tenant.id}', actions: 'lambda:*'}",
                    Kind::Namespace => "{namespaces: [app], dimensions: {tenant: '{tenant.id}'}}",
                    _ => "",
                };
                let actions = action::iam_service(table.signing_name());
                services.push(format!("{}: {{}}", table.key));
                let (list, own) = (table.kind.plural(), pattern(table.kind));
                rules.push(format!("{}: [{{{list}: ['{own}']{guardrails}, actions: '{actions}:*'}}, {shared}]", table.key));
            }
            Bench::new(&format!("{{{}}}", services.join(", ")), &format!("{{{}}}", rules.join(", ")).replace(", ]", "]"))
        };
        Self { names: bench(false), arns: bench(true) }
    }

    /// What becomes of each way, as the golden file has it.
    async fn told(&self, table: &Table, place: &str, ways: &[Way]) -> String {
        let mut text = format!("{place}\n");
        assert!(ways.len() > 4, "{place}");
        let mut seen = BTreeSet::new();
        assert!(ways.iter().all(|(way, _)| seen.insert(way)), "{place}: a way twice");
        for (by, bench) in [("names", &self.names), ("ARNs", &self.arns)] {
            let mut verdicts: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
            for (way, sent) in ways {
                let headers: Vec<_> = sent.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                let host = format!("{}.eu-west-1.amazonaws.com", table.key);
                let outcome = bench.ask(&tenant("acme"), request(&sent.line, &host, &headers, &sent.body)).await;
                let may_pass = HARMLESS.contains(way) || *way == SENT_ESCAPED || (by == "names" && ELSEWHERE.contains(way));
                assert!(may_pass || outcome.verdict != "allowed", "{} {place} {way} by {by}: {} {}", table.key, sent.line, sent.body);
                verdicts.entry(brief(outcome.verdict)).or_default().push(way);
            }
            text += &listed(&format!("by {by} "), verdicts);
        }
        text
    }
}

fn brief(verdict: &'static str) -> &'static str {
    if verdict == "guard-denied" { "denied" } else { verdict }
}

/// Verdicts, as the golden file has them.
fn listed(by: &str, verdicts: BTreeMap<&str, Vec<&str>>) -> String {
    verdicts.into_iter().map(|(verdict, ways)| format!("  {by}{verdict}: {}\n", ways.join(" "))).collect()
}

/// The texts that a member may have which names a `kind` of thing, each once.
fn texts(names: Names, kind: Kind) -> Vec<(&'static str, String)> {
    let spelt = |owner: &str| value(names, owner).unwrap_or_else(|| kind.arn(("aws", "eu-west-1", ACCOUNT), &name(kind, owner)));
    let arn = |place: (&str, &str, &str), owner: &str| kind.arn(place, &name(kind, owner));
    let home = ("aws", "eu-west-1", ACCOUNT);
    let own = spelt("acme");
    let mut all = vec![
        ("own", own.clone()),
        ("own-arn", arn(home, "acme")),
        ("own-name", name(kind, "acme")),
        ("another", spelt("globex")),
        ("another-arn", arn(home, "globex")),
        ("another-name", name(kind, "globex")),
        ("account", arn(("aws", "eu-west-1", OTHER_ACCOUNT), "acme")),
        ("partition", arn(("aws-cn", "eu-west-1", ACCOUNT), "acme")),
        ("region", arn(("aws", "us-east-1", ACCOUNT), "acme")),
        ("service", arn(home, "acme").replacen(kind.service(), "iam", 1)),
        ("capital", spelt("ACME")),
        ("beginning", spelt("acme-2")),
        ("beginning-2", spelt("acme2")),
        ("shorter", spelt("acm")),
        ("wildcard", spelt("*")),
        ("two", format!("{own},{}", spelt("globex"))),
        ("behind-slash", format!("{own}/../{}", name(kind, "globex"))),
        ("space", format!("{own} ")),
        ("empty", String::new()),
    ];
    match names {
        Names::Url => {
            let url = |host: &str, account: &str| format!("https://{host}/{account}/{}", name(kind, "acme"));
            all.extend([("host", url("sqs.us-east-1.amazonaws.com", ACCOUNT)), ("query", format!("{own}?x=1"))]);
            all.retain(|(way, _)| !matches!(*way, "account" | "partition" | "region" | "service"));
            all.push(("account", url("q", OTHER_ACCOUNT)));
        }
        Names::Below(_) => all.extend([("above", "/tenants".to_owned()), ("root", "/".to_owned())]),
        // What is below a name of one's own, and what is behind a slash in it, is one's own: `/tenants/acme/*`.
        _ => {}
    }
    if matches!(kind, Kind::LogGroup | Kind::Parameter | Kind::Secret) && !matches!(names, Names::Below(_)) {
        all.retain(|(way, _)| *way != "behind-slash");
    }
    let mut seen = BTreeSet::new();
    all.retain(|(_, text)| seen.insert(text.clone()));
    all
}

/// The name with its first letter in the other case.
fn other_case(key: &str) -> String {
    let (first, rest) = key.split_at(1);
    let other = if first == first.to_uppercase() { first.to_lowercase() } else { first.to_uppercase() };
    format!("{other}{rest}")
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// All that can be written in JSON where `key` is a text, or a list of texts, `mid` whether its object is an item of a list.
fn written(key: &str, texts: &[(&'static str, String)], (is_list, mid): (bool, bool)) -> Vec<(&'static str, Written)> {
    let wrap = |text: &str| if is_list { format!("[{text}]") } else { text.to_owned() };
    let one = |raw: String| vec![vec![(key.to_owned(), raw)]];
    let two = |first: (&str, String), second: (&str, String)| vec![vec![(first.0.to_owned(), first.1), (second.0.to_owned(), second.1)]];
    let of = |way: &str| texts.iter().find(|(other, _)| *other == way).map(|(_, text)| quoted(text)).unwrap();
    let (own, another) = (of("own"), of("another"));
    let other = other_case(key);
    let mut all: Vec<(&'static str, Written)> = texts.iter().map(|(way, text)| (*way, one(wrap(&quoted(text))))).collect();
    all.extend([
        ("twice", two((key, wrap(&own)), (key, wrap(&another)))),
        ("twice-another-first", two((key, wrap(&another)), (key, wrap(&own)))),
        ("two-cases", two((key, wrap(&own)), (&other, wrap(&another)))),
        ("other-case", vec![vec![(other.clone(), wrap(&own))]]),
        ("other-case-another", vec![vec![(other, wrap(&another))]]),
        ("null", one("null".to_owned())),
        ("number", one(wrap("1"))),
        ("list", one(wrap(&format!("[{own}]")))),
        ("list-of-both", one(wrap(&format!("[{own},{another}]")))),
        ("object", one(wrap(&format!("{{{}:{own}}}", quoted(key))))),
        ("absent", vec![Vec::new()]),
    ]);
    if is_list {
        all.extend([
            ("own-and-another", one(format!("[{own},{another}]"))),
            ("another-and-own", one(format!("[{another},{own}]"))),
            ("own-and-null", one(format!("[{own},null]"))),
            ("no-list", one(another.clone())),
            ("empty-list", one("[]".to_owned())),
        ]);
    }
    if mid {
        let both = |first: &str, second: &str| vec![vec![(key.to_owned(), first.to_owned())], vec![(key.to_owned(), second.to_owned())]];
        all.extend([
            ("own-and-another", both(&own, &another)),
            ("another-and-own", both(&another, &own)),
            ("own-and-absent", vec![vec![(key.to_owned(), own.clone())], Vec::new()]),
            ("empty-list", Vec::new()),
        ]);
    }
    all
}

/// What stands around a member.
#[derive(Default)]
struct Around {
    /// Before each item of the list in which it is, and behind it; empty where it stands at the top.
    list: Option<(String, String, String)>,
    /// Other members beside it, in JSON without braces.
    within: String,
    /// Other members at the top.
    beside: String,
}

impl Around {
    fn document(&self, written: &Written) -> String {
        let joined = |item: &[(String, String)], others: &str| {
            let own = item.iter().map(|(key, raw)| format!("{}:{raw}", quoted(key)));
            own.chain((!others.is_empty()).then(|| others.to_owned())).collect::<Vec<_>>().join(",")
        };
        match &self.list {
            None => format!("{{{}}}", joined(written.first().map_or(&[], Vec::as_slice), &self.beside)),
            Some((name, open, close)) => {
                let items: Vec<_> = written.iter().map(|item| format!("{open}{}{close}", joined(item, &self.within))).collect();
                let beside = if self.beside.is_empty() { String::new() } else { format!(",{}", self.beside) };
                format!("{{{}:[{}]{beside}}}", quoted(name), items.join(","))
            }
        }
    }
}

/// A document for an operation in its service's JSON protocol.
fn in_json(table: &Table, operation: &str, body: String) -> Sent {
    let target = Service::find(table.key).unwrap().targets[0];
    let headers = [("content-type", "application/x-amz-json-1.1".to_owned()), ("x-amz-target", format!("{target}.{operation}"))];
    Sent { line: "POST /".to_owned(), headers: headers.map(|(name, value)| (name.to_owned(), value)).into(), body }
}

fn in_form(path: &str, operation: &str, pairs: &[(String, String)]) -> Sent {
    let mut body = format!("Action={operation}&Version=1");
    for (key, value) in pairs {
        write!(body, "&{key}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)).unwrap();
    }
    let headers = vec![("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned())];
    Sent { line: format!("POST {path}"), headers, body }
}

/// The kind of thing that a member names.
fn kind_of(table: &Table, names: Names) -> Kind {
    match names {
        Names::Any(kind) | Names::Arn(kind) | Names::Below(kind) | Names::Name(kind) | Names::Owned(kind, _) => kind,
        Names::Nothing => table.kind,
        Names::Url => Kind::Queue,
    }
}

/// One's own things in these members, in JSON without braces, and as a form has them.
fn beside(members: &[&Member]) -> (String, Vec<(String, String)>) {
    let (mut document, mut pairs) = (Map::new(), Vec::new());
    for member in members {
        let Some(own) = value(member.names, "acme") else { continue };
        pairs.push((member.path.to_owned(), own.clone()));
        put(&mut document, member.path, own);
    }
    let text = Value::Object(document).to_string();
    (text[1..text.len() - 1].to_owned(), pairs)
}

/// Where a member stands, alone among those of which one is enough, and beside one's own in all of them.
fn settings<'m>(all: &'m [Member], member: &Member) -> Vec<(&'static str, Vec<&'m Member>)> {
    let others = || all.iter().filter(|other| other.path != member.path && other.names != Names::Nothing);
    let needed: Vec<_> = others().filter(|other| !matches!(other.absent, Absent::Skipped)).collect();
    let every: Vec<_> = others().collect();
    if needed.len() == every.len() { vec![("", every)] } else { vec![(" alone", needed), (" beside the others", every)] }
}

/// An operation whose names stand in a document or a form.
async fn of_members(rules: &Rules, table: &Table, operation: &str, all: &[Member]) -> String {
    let mut text = String::new();
    let is_form = Service::find(table.key).unwrap().targets.is_empty();
    for member in all {
        let kind = kind_of(table, member.names);
        let texts = texts(member.names, kind);
        let (head, rest) = member.path.split_once("[].").map_or((member.path, None), |(head, rest)| (head, Some(rest)));
        let key = rest.unwrap_or(head).trim_end_matches("[]");
        for (where_, others) in settings(all, member) {
            let (document, pairs) = beside(&others);
            let place = format!("{operation} {}{where_}", member.path);
            if !is_form {
                let list = rest.map(|_| (head.to_owned(), "{".to_owned(), "}".to_owned()));
                let around = Around { list, beside: document, ..Around::default() };
                let written = written(key, &texts, (member.path.ends_with("[]"), rest.is_some()));
                let ways: Vec<Way> =
                    written.into_iter().map(|(way, written)| (way, in_json(table, operation, around.document(&written)))).collect();
                text += &rules.told(table, &place, &ways).await;
            }
            if is_form || table.kind == Kind::Queue {
                text += &rules.told(table, &format!("{place} in a form"), &forms(operation, key, &texts, &pairs)).await;
            }
        }
        if let Names::Owned(_, owner) = member.names {
            text += &of_owner(rules, table, operation, member, owner).await;
        }
        if table.kind == Kind::Queue && member.names == Names::Url {
            text += &rules.told(table, &format!("{operation} path in a form"), &paths(operation, None)).await;
            let own = value(member.names, "acme");
            text +=
                &rules.told(table, &format!("{operation} path beside {key} in a form"), &paths(operation, own.map(|own| (key, own)))).await;
        }
        if !member.context.is_empty() {
            text += &of_context(rules, table, operation, all, member).await;
        }
    }
    text
}

/// All that a form can have for `key`.
fn forms(operation: &str, key: &str, texts: &[(&'static str, String)], beside: &[(String, String)]) -> Vec<Way> {
    let of = |way: &str| texts.iter().find(|(other, _)| *other == way).map(|(_, text)| text.clone()).unwrap();
    let (own, another, other) = (of("own"), of("another"), other_case(key));
    let pair = |key: &str, text: &String| (key.to_owned(), text.clone());
    let mut all: Vec<(&'static str, Vec<(String, String)>)> = texts.iter().map(|(way, text)| (*way, vec![pair(key, text)])).collect();
    all.extend([
        ("twice", vec![pair(key, &own), pair(key, &another)]),
        ("twice-another-first", vec![pair(key, &another), pair(key, &own)]),
        ("two-cases", vec![pair(key, &own), pair(&other, &another)]),
        ("other-case", vec![pair(&other, &own)]),
        ("other-case-another", vec![pair(&other, &another)]),
        ("list", vec![pair(&format!("{key}.member.1"), &own)]),
        ("list-of-both", vec![pair(&format!("{key}.member.1"), &own), pair(&format!("{key}.member.2"), &another)]),
        ("beside-a-list", vec![pair(key, &own), pair(&format!("{key}.1"), &another)]),
        ("absent", Vec::new()),
    ]);
    all.into_iter().map(|(way, pairs)| (way, in_form("/", operation, &[pairs.as_slice(), beside].concat()))).collect()
}

/// The queue as the path of a request, beside one's own as a parameter or alone.
fn paths(operation: &str, beside: Option<(&str, String)>) -> Vec<Way> {
    let pairs: Vec<_> = beside.map(|(key, own)| (key.to_owned(), own)).into_iter().collect();
    let paths = [
        ("own", format!("/{ACCOUNT}/own-acme")),
        ("another", format!("/{ACCOUNT}/own-globex")),
        ("account", format!("/{OTHER_ACCOUNT}/own-acme")),
        ("beginning", format!("/{ACCOUNT}/own-acme-2")),
        ("capital", format!("/{ACCOUNT}/own-ACME")),
        ("escaped", format!("/{ACCOUNT}/own-%67lobex")),
        ("escaped-slash", format!("/{ACCOUNT}/own-acme%2F..%2Fown-globex")),
        ("two-slashes", format!("//{ACCOUNT}/own-globex")),
        ("deeper", format!("/{ACCOUNT}/own-acme/own-globex")),
        ("in-front", format!("/own-globex/{ACCOUNT}/own-acme")),
        ("query", format!("/{ACCOUNT}/own-acme?QueueUrl=own-globex")),
    ];
    paths.into_iter().map(|(way, path)| (way, in_form(&path, operation, &pairs))).collect()
}

/// The account of a thing that is named by name.
async fn of_owner(rules: &Rules, table: &Table, operation: &str, member: &Member, owner: &str) -> String {
    let texts = [("own", ACCOUNT), ("another", "globex"), ("account", OTHER_ACCOUNT), ("short", "1111"), ("empty", "")];
    let texts = texts.map(|(way, text)| (way, text.to_owned()));
    let around = Around { beside: beside(&[member]).0, ..Around::default() };
    let ways = written(owner, &texts, (false, false));
    let ways: Vec<_> = ways.into_iter().map(|(way, written)| (way, in_json(table, operation, around.document(&written)))).collect();
    rules.told(table, &format!("{operation} {owner}"), &ways).await
}

/// Each operation that a rule can allow and that names something.
#[tokio::test]
async fn every_place_of_services_that_are_judged_by_names() {
    let rules = Rules::new();
    for table in Table::all() {
        let mut text =
            String::from("# operation and place: the ways to name a thing there, by rules that are written as names, and as ARNs\n");
        let rows = table.usual.iter().chain(table.listed);
        let operations: BTreeMap<&str, About> = rows.flat_map(|row| row.operations.iter().map(|name| (*name, row.about))).collect();
        for (operation, about) in operations {
            text += &match about {
                About::Each(_) | About::Same(_) => of_members(&rules, table, operation, members(about)).await,
                About::Metrics(metrics) => of_metrics(&rules, table, operation, metrics).await,
                About::Nothing => panic!("{operation} names nothing, and is not among the harmless"),
                About::Rest(rest) => of_rest(&rules, table, operation, rest).await,
            };
        }
        golden(&format!("{}.ways", table.key), &text);
    }
}
