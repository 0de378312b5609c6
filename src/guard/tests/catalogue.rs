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
    cases: Vec<Case>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    #[serde(rename = "do", default)]
    line: String,
    #[serde(default)]
    ask: String,
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
        match &self.body {
            Content::Text(text) => text.clone(),
            Content::Json(value) => value.to_string(),
        }
    }

    /// Method and path, and the headers.
    fn head(&self) -> (&str, Vec<(&str, &str)>) {
        let own = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        if self.ask.is_empty() {
            return (&self.line, own.collect());
        }
        let usual = [("x-amz-target", self.ask.as_str()), ("content-type", "application/x-amz-json-1.0")];
        (if self.line.is_empty() { "POST /" } else { &self.line }, usual.into_iter().chain(own).collect())
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
            let ((line, headers), body) = (case.head(), case.body());
            let host = case.host.as_deref().unwrap_or(&self.host);
            assert!(!case.why.is_empty() && seen.insert((line, host, headers.clone(), body.clone())), "twice, or for no reason: {case:?}");
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
