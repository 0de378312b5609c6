//! Attacks as data: `tests/guard/*.json`.
//!
//! A file has the services and rules of a configuration, and cases: a request of the tenant `acme`, what is to become of it (`allowed`, `watched`, or the reason of the
//! refusal), and why. `note` is a part of what the log has to say, or of what is added to the request, and `""` that nothing is.
//! `op` with `cbor` or `hex` is for services in RPC v2; `ask` is for services in JSON: `PREFIX.Operation`, with what every client sends beside it.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{
    learn::{Desk, described},
    search, *,
};
use crate::aws::{
    operation::{names_of, s3_operation_names},
    resource::table::Table,
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Catalogue {
    pub(super) services: String,
    pub(super) rules: String,
    host: String,
    /// What stands before the operation in `X-Amz-Target`.
    target: Option<String>,
    content_type: Option<String>,
    pub(super) cases: Vec<Case>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    #[serde(rename = "do", default)]
    line: String,
    /// The whole of `X-Amz-Target`, for JSON 1.0.
    #[serde(default)]
    ask: String,
    /// The operation in `X-Amz-Target`, behind the catalogue's own.
    op: Option<String>,
    /// The body, in place of `body`.
    json: Option<serde_json::Value>,
    /// The body in CBOR, in place of `body`, for the operation `op` in RPC v2.
    cbor: Option<serde_json::Value>,
    /// The same, byte for byte.
    hex: Option<String>,
    host: Option<String>,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    body: Content,
    /// What of an operation it covers: `operation place way`, where services say so.
    covers: Option<String>,
    pub(super) is: String,
    note: Option<String>,
    why: String,
}

/// A body, as text or as the document that it is.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Json(serde_json::Value),
}

impl Default for Content {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

impl Case {
    fn body(&self) -> Vec<u8> {
        if let Some(hex) = &self.hex {
            let two = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
            return (0..hex.len()).step_by(2).map(two).collect();
        }
        if let Some(value) = &self.cbor {
            return packed(value);
        }
        match (&self.json, &self.body) {
            (Some(value), _) | (None, Content::Json(value)) => value.to_string().into_bytes(),
            (None, Content::Text(text)) => text.clone().into_bytes(),
        }
    }

    fn is_packed(&self) -> bool {
        self.cbor.is_some() || self.hex.is_some()
    }

    fn line(&self, of: &Catalogue) -> String {
        match &self.op {
            Some(op) if self.is_packed() && self.line.is_empty() => {
                format!("POST /service/{}/operation/{op}", of.target.as_deref().unwrap_or_default())
            }
            _ if self.line.is_empty() => "POST /".to_owned(),
            _ => self.line.clone(),
        }
    }

    fn headers<'c>(&'c self, of: &'c Catalogue) -> Vec<(&'c str, String)> {
        let own = self.headers.iter().map(|(name, value)| (name.as_str(), value.clone()));
        if !self.ask.is_empty() {
            let usual = [("x-amz-target", self.ask.clone()), ("content-type", "application/x-amz-json-1.0".to_owned())];
            return usual.into_iter().chain(own).collect();
        }
        if self.is_packed() {
            let own: Vec<_> = own.collect();
            let usual = [("smithy-protocol", "rpc-v2-cbor".to_owned()), ("content-type", "application/cbor".to_owned())];
            let usual = usual.into_iter().filter(|(name, _)| own.iter().all(|(other, _)| other != name)).collect::<Vec<_>>();
            return usual.into_iter().chain(own).collect();
        }
        let says_type = self.headers.iter().any(|(name, _)| name == "content-type");
        let content_type = of.content_type.as_ref().filter(|_| !says_type).map(|text| ("content-type", text.clone()));
        let target = self.op.as_ref().map(|op| ("x-amz-target", format!("{}.{op}", of.target.as_deref().unwrap_or_default())));
        own.chain(content_type).chain(target).collect()
    }
}

/// A value in CBOR, of definite length, with numbers as SDKs write them.
fn packed(value: &serde_json::Value) -> Vec<u8> {
    use serde_json::Value;
    let head = |major: u8, length: usize| match length {
        0..24 => vec![major << 5 | u8::try_from(length).unwrap()],
        24..256 => vec![major << 5 | 24, u8::try_from(length).unwrap()],
        _ => [&[major << 5 | 25][..], &u16::try_from(length).unwrap().to_be_bytes()].concat(),
    };
    let text = |text: &str| [head(3, text.len()), text.as_bytes().to_vec()].concat();
    match value {
        Value::Null => vec![0xf6],
        Value::Bool(said) => vec![if *said { 0xf5 } else { 0xf4 }],
        Value::Number(number) => [&[0xfb][..], &number.as_f64().unwrap().to_be_bytes()].concat(),
        Value::String(string) => text(string),
        Value::Array(items) => [head(4, items.len()), items.iter().flat_map(packed).collect()].concat(),
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| [text(name), packed(value)].concat();
            [head(5, members.len()), members.iter().flat_map(member).collect()].concat()
        }
    }
}

impl Catalogue {
    pub(super) fn read(text: &str) -> Self {
        serde_json::from_str(text).unwrap()
    }

    /// The request of a case.
    #[cfg(feature = "cedar")]
    pub(super) fn request(&self, case: &Case) -> Request<Body> {
        let headers = case.headers(self);
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        request(&case.line(self), case.host.as_deref().unwrap_or(&self.host), &headers, case.body())
    }

    /// Tries every case, and returns the operations that were asked for.
    async fn hold(&self) -> BTreeSet<String> {
        self.hold_at(&Bench::new(&self.services, &self.rules)).await
    }

    pub(super) async fn hold_at(&self, bench: &Bench) -> BTreeSet<String> {
        let (mut wrong, mut operations, mut seen) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
        for case in &self.cases {
            let (line, headers, body) = (case.line(self), case.headers(self), case.body());
            let host = case.host.as_deref().unwrap_or(&self.host);
            assert!(
                !case.why.is_empty() && seen.insert((line.clone(), host, headers.clone(), body.clone())),
                "twice, or for no reason: {case:?}"
            );
            let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let outcome = bench.ask(&tenant("acme"), request(&line, host, &headers, &body)).await;
            if outcome.verdict != case.is
                || !outcome.note.contains(case.note.as_deref().unwrap_or_default())
                || (case.note.as_deref() == Some("") && !outcome.note.is_empty())
            {
                let body = String::from_utf8_lossy(&body);
                wrong.push(format!("{line} {host} {headers:?} {body}\n  {}: {outcome:?}", case.why));
            }
            operations.extend(outcome.operation);
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        operations
    }
}

/// Every catalogue, with the least number of its cases: one that shrinks is seen.
pub(super) const CATALOGUES: &[(&str, usize, &str)] = &[
    ("aoss", 1495, include_str!("../../../tests/guard/aoss.json")),
    ("bedrock-runtime", 56, include_str!("../../../tests/guard/bedrock-runtime.json")),
    ("dynamodb", 419, include_str!("../../../tests/guard/dynamodb.json")),
    ("es", 1498, include_str!("../../../tests/guard/es.json")),
    ("events", 21, include_str!("../../../tests/guard/events.json")),
    ("firehose", 14, include_str!("../../../tests/guard/firehose.json")),
    ("kinesis", 24, include_str!("../../../tests/guard/kinesis.json")),
    ("kms", 53, include_str!("../../../tests/guard/kms.json")),
    ("lambda", 73, include_str!("../../../tests/guard/lambda.json")),
    ("logs", 18, include_str!("../../../tests/guard/logs.json")),
    ("monitoring", 111, include_str!("../../../tests/guard/monitoring.json")),
    ("s3", 174, include_str!("../../../tests/guard/s3.json")),
    ("s3-compatible", 17, include_str!("../../../tests/guard/s3-compatible.json")),
    ("s3-encryption", 42, include_str!("../../../tests/guard/s3-encryption.json")),
    ("secretsmanager", 48, include_str!("../../../tests/guard/secretsmanager.json")),
    ("sns", 49, include_str!("../../../tests/guard/sns.json")),
    ("sqs", 67, include_str!("../../../tests/guard/sqs.json")),
    ("ssm", 51, include_str!("../../../tests/guard/ssm.json")),
    ("states", 20, include_str!("../../../tests/guard/states.json")),
];

/// Whoever is told which attributes are keys judges by them as whoever is given them.
#[tokio::test]
async fn dynamodb_is_held_to_keys_that_are_learnt() {
    let catalogue = Catalogue::read(include_str!("../../../tests/guard/dynamodb.json"));
    let orders = [("by-date", "gsi1pk"), ("by-id", "id.of"), ("local", "pk")];
    let mut rules = catalogue.rules.clone();
    for given in ["key: pk, indexes: {by-date: gsi1pk, by-id: id.of, local: pk}", "key: tenant", "key: nr", "key: pk"] {
        assert!(rules.contains(given), "{rules}");
        rules = rules.replace(given, "learn: true");
    }
    let desk = Desk::new(move |table| {
        let name = table.rsplit('/').next().unwrap();
        let (key, indexes) = match name {
            "exact" => ("tenant", &[][..]),
            "numbers" => ("nr", &[][..]),
            _ if name.starts_with("orders-") => ("pk", &orders[..]),
            _ => ("pk", &[][..]),
        };
        described(name, key, indexes)
    });
    let bench = Bench::new(&catalogue.services, &rules).learning(&desk);
    catalogue.hold_at(&bench).await;
    assert!(desk.asked().len() > 4, "{:?}", desk.asked());
}

#[tokio::test]
async fn every_service_is_held_to_its_rules() {
    for (name, least, text) in CATALOGUES {
        let catalogue = Catalogue::read(text);
        assert!(catalogue.cases.len() >= *least, "{name} has lost cases: {} of {least}", catalogue.cases.len());
        catalogue.hold().await;
    }
}

/// What there is in the folder is tried, and each service that has rules has a catalogue and a matrix with all its operations.
#[test]
fn no_service_is_without_a_catalogue_and_a_matrix() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guard");
    let files = |end: &str| -> BTreeSet<String> {
        let names = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter_map(|name| name.strip_suffix(end).map(str::to_owned)).collect()
    };
    assert_eq!(files(".json"), owned(CATALOGUES.iter().map(|(name, ..)| *name)));
    let in_matrix = |key: &str| -> BTreeSet<String> {
        let text = std::fs::read_to_string(folder.join(format!("{key}.matrix"))).unwrap();
        text.lines()
            .filter_map(|line| line.split_once(": "))
            .map(|(name, _)| name.to_owned())
            .filter(|name| !name.starts_with('#'))
            .collect()
    };
    let mut services = BTreeSet::from(["dynamodb".to_owned(), "s3".to_owned()]);
    assert_eq!(files(".ways"), owned(Table::all().map(|table| table.key).chain(["dynamodb", "s3"])));
    for table in Table::all() {
        services.insert(table.key.to_owned());
        assert_eq!(in_matrix(table.key), owned(table.operations()), "{}", table.key);
    }
    assert_eq!(in_matrix("s3"), owned(s3_operation_names()), "s3");
    assert_eq!(in_matrix("dynamodb"), owned(names_of("dynamodb").chain(names_of("dynamodbstreams"))), "dynamodb");
    for key in search::KEYS {
        services.insert(key.to_owned());
        assert_eq!(in_matrix(key), owned(search::names()), "{key}");
    }
    assert_eq!(files(".matrix"), services);
    for key in services {
        assert!(CATALOGUES.iter().any(|(name, ..)| *name == key), "{key} has no catalogue");
    }
}

fn owned<'n>(names: impl Iterator<Item = &'n str>) -> BTreeSet<String> {
    names.map(str::to_owned).collect()
}

/// Each operation of OpenSearch is tried with each way to name an index wrongly, in each place where it can name one; and once rightly.
#[test]
fn every_place_where_an_index_of_opensearch_is_named_is_covered() {
    for key in search::KEYS {
        let (.., text) = CATALOGUES.iter().find(|(name, ..)| *name == key).unwrap();
        let catalogue = Catalogue::read(text);
        let covered: BTreeSet<(&str, &str)> =
            catalogue.cases.iter().filter_map(|case| Some((case.covers.as_deref()?, case.is.as_str()))).collect();
        let missing: Vec<String> = search::places()
            .flat_map(|place| search::WAYS.iter().map(move |way| (place.clone(), *way)))
            .map(|(place, way)| (format!("{place} {way}"), if way == "own" { "allowed" } else { "guard-denied" }))
            .filter(|(covers, is)| !covered.contains(&(covers.as_str(), is)))
            .map(|(covers, _)| covers)
            .collect();
        assert_eq!(missing, Vec::<String>::new(), "{key}");
    }
}
