//! Attacks as data: `tests/guard/*.json`.
//!
//! A file has the services and rules of a configuration, and cases: a request of the tenant `acme`, what is to become of it (`allowed`, `watched`, or the reason of the
//! refusal), and why. `note` is a part of what the log has to say, or of what is added to the request, and `""` that nothing is.
//! `ask` is for services in JSON: `PREFIX.Operation`, with what every client sends beside it.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::*;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Catalogue {
    services: String,
    rules: String,
    host: String,
    /// What stands before the operation in `X-Amz-Target`.
    target: Option<String>,
    content_type: Option<String>,
    cases: Vec<Case>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    #[serde(rename = "do", default)]
    line: String,
    /// The whole of `X-Amz-Target`, for JSON 1.0.
    #[serde(default)]
    ask: String,
    /// The operation in `X-Amz-Target`, behind the catalogue's own.
    op: Option<String>,
    /// The body, in place of `body`.
    json: Option<serde_json::Value>,
    host: Option<String>,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    body: Content,
    is: String,
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
    fn body(&self) -> String {
        match (&self.json, &self.body) {
            (Some(value), _) | (None, Content::Json(value)) => value.to_string(),
            (None, Content::Text(text)) => text.clone(),
        }
    }

    fn line(&self) -> &str {
        if self.line.is_empty() { "POST /" } else { &self.line }
    }

    fn headers<'c>(&'c self, of: &'c Catalogue) -> Vec<(&'c str, String)> {
        let own = self.headers.iter().map(|(name, value)| (name.as_str(), value.clone()));
        if !self.ask.is_empty() {
            let usual = [("x-amz-target", self.ask.clone()), ("content-type", "application/x-amz-json-1.0".to_owned())];
            return usual.into_iter().chain(own).collect();
        }
        let says_type = self.headers.iter().any(|(name, _)| name == "content-type");
        let content_type = of.content_type.as_ref().filter(|_| !says_type).map(|text| ("content-type", text.clone()));
        let target = self.op.as_ref().map(|op| ("x-amz-target", format!("{}.{op}", of.target.as_deref().unwrap_or_default())));
        own.chain(content_type).chain(target).collect()
    }
}

impl Catalogue {
    fn read(text: &str) -> Self {
        serde_json::from_str(text).unwrap()
    }

    /// Tries every case, and returns the operations that were asked for.
    async fn hold(&self) -> BTreeSet<String> {
        let bench = Bench::new(&self.services, &self.rules);
        let (mut wrong, mut operations, mut seen) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
        for case in &self.cases {
            let (line, headers, body) = (case.line(), case.headers(self), case.body());
            let host = case.host.as_deref().unwrap_or(&self.host);
            assert!(!case.why.is_empty() && seen.insert((line, host, headers.clone(), body.clone())), "twice, or for no reason: {case:?}");
            let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let outcome = bench.ask(&tenant("acme"), request(line, host, &headers, &body)).await;
            if outcome.verdict != case.is
                || !outcome.note.contains(case.note.as_deref().unwrap_or_default())
                || (case.note.as_deref() == Some("") && !outcome.note.is_empty())
            {
                wrong.push(format!("{line} {host} {headers:?} {body}\n  {}: {outcome:?}", case.why));
            }
            operations.extend(outcome.operation);
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        operations
    }
}

#[tokio::test]
async fn dynamodb_is_held_to_its_rules() {
    Catalogue::read(include_str!("../../../tests/guard/dynamodb.json")).hold().await;
}

#[tokio::test]
async fn s3_is_held_to_its_rules() {
    Catalogue::read(include_str!("../../../tests/guard/s3.json")).hold().await;
}

#[tokio::test]
async fn what_is_written_to_s3_is_encrypted_as_the_rules_say() {
    Catalogue::read(include_str!("../../../tests/guard/s3-encryption.json")).hold().await;
}

#[tokio::test]
async fn services_that_are_judged_by_names_are_held_to_their_rules() {
    for (least, text) in [
        (12, include_str!("../../../tests/guard/events.json")),
        (12, include_str!("../../../tests/guard/firehose.json")),
        (12, include_str!("../../../tests/guard/kinesis.json")),
        (25, include_str!("../../../tests/guard/kms.json")),
        (12, include_str!("../../../tests/guard/logs.json")),
        (25, include_str!("../../../tests/guard/secretsmanager.json")),
        (25, include_str!("../../../tests/guard/sns.json")),
        (25, include_str!("../../../tests/guard/sqs.json")),
        (25, include_str!("../../../tests/guard/ssm.json")),
        (12, include_str!("../../../tests/guard/states.json")),
    ] {
        let catalogue = Catalogue::read(text);
        assert!(catalogue.cases.len() >= least, "{}", catalogue.host);
        catalogue.hold().await;
    }
}
