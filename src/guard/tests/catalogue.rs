//! Attacks as data: `tests/guard/*.json`.
//!
//! A file has the services and rules of a configuration, and cases: a request of the tenant `acme`, what is to become of it (`allowed`, `watched`, or the reason of the
//! refusal), and why. `note` is a part of what the log has to say, or of what is added to the request, and `""` that nothing is.

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
    #[serde(rename = "do")]
    line: String,
    host: Option<String>,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    body: String,
    is: String,
    note: Option<String>,
    why: String,
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
            let headers: Vec<_> = case.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let host = case.host.as_deref().unwrap_or(&self.host);
            assert!(
                !case.why.is_empty() && seen.insert((&case.line, host, &case.headers, &case.body)),
                "twice, or for no reason: {case:?}"
            );
            let outcome = bench.ask(&tenant("acme"), request(&case.line, host, &headers, &case.body)).await;
            if outcome.verdict != case.is
                || !outcome.note.contains(case.note.as_deref().unwrap_or_default())
                || (case.note.as_deref() == Some("") && !outcome.note.is_empty())
            {
                wrong.push(format!("{} {host} {headers:?} {}\n  {}: {outcome:?}", case.line, case.body, case.why));
            }
            operations.extend(outcome.operation);
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        operations
    }
}

#[tokio::test]
async fn s3_is_held_to_its_rules() {
    Catalogue::read(include_str!("../../../tests/guard/s3.json")).hold().await;
}

#[tokio::test]
async fn what_is_written_to_s3_is_encrypted_as_the_rules_say() {
    Catalogue::read(include_str!("../../../tests/guard/s3-encryption.json")).hold().await;
}
