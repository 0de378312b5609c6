//! Whole requests through the whole guard.

use std::{sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue, Request};

use super::*;
use crate::{
    body,
    clock::Clock,
    config::{Config, Limits},
    directory::TenantRecord,
    identity::VerifiedTenant,
    limits::Quota,
    server::Peer,
    telemetry::{AccessLog, Listener, Metrics, Recorder, TenantLabels},
};

mod catalogue;
#[cfg(feature = "cedar")]
mod cedar;
mod dynamodb;
mod edges;
mod learn;
mod matrix;
mod modes;
mod named;
mod report;
#[cfg(feature = "sandbox")]
mod s3_server;
mod search;
mod ways;

/// A guard, and what is beside it.
struct Bench {
    guard: Guard,
    recorder: Recorder,
}

/// What became of a request.
#[derive(Debug)]
struct Outcome {
    /// `allowed`, `watched`, or the reason of the refusal.
    verdict: &'static str,
    operation: Option<String>,
    /// What the log says of it, or what was added to it.
    note: String,
}

const BASE: &str = "
ingress: {tls: {certificate: c, private_key: c}, upstream: http://127.0.0.1:8080}
identity:
  issuers:
    - {issuer: i, audience: a, jwks: {file: c}}
tenants: {directory: {any: {}}}
credentials:
  source: {default_chain: {}}
  assume_role: {role_arn: 'arn:aws:iam::111122223333:role/{tenant.id}'}
";

impl Bench {
    /// A guard with these rules, as `guard` of a configuration has them, for `services` as `egress` has them.
    fn new(services: &str, rules: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("c"), "x").unwrap();
        let text = format!("{BASE}egress: {{region: eu-west-1, services: {services}}}\nguard: {rules}\n");
        Self::of(&text, folder.path())
    }

    /// The guard of this configuration, whose files are in `folder`.
    fn of(text: &str, folder: &std::path::Path) -> Self {
        let config = Config::parse(text, "P", folder, &|_| None).unwrap_or_else(|errors| panic!("{text}\n{errors}"));
        let metrics = Metrics::new().unwrap();
        let log = AccessLog::to(std::io::sink(), metrics.clone()).unwrap();
        let recorder = Recorder {
            metrics,
            log,
            labels: TenantLabels::new(10),
            traces: crate::telemetry::Tracer::off(),
            clock: Clock::manual(std::time::UNIX_EPOCH),
        };
        Self { guard: Guard::new(config.egress.as_ref().unwrap(), &config.guard), recorder }
    }

    /// The same, with somebody to ask about tables.
    fn learning(self, desk: &Arc<learn::Desk>) -> Self {
        Self { guard: self.guard.asking(desk.clone(), self.recorder.clock.clone()), ..self }
    }

    async fn ask(&self, tenant: &ActiveTenant, request: Request<Body>) -> Outcome {
        self.ask_under(tenant, None, request).await
    }

    /// The same with a passport, by the request that it belongs to.
    async fn ask_under(&self, tenant: &ActiveTenant, passport: Option<&RequestId>, request: Request<Body>) -> Outcome {
        let (head, body) = request.into_parts();
        let mut record = self.recorder.begin(Listener::Egress, &head.method, &Peer::at("127.0.0.1:5".parse().unwrap()));
        let limits = Limits { requests_per_second: None, burst: None, concurrent: None };
        let permit = Quota::new(limits, self.recorder.clock.clone()).admit().unwrap();
        let sent = Sent { head, body, placeholder: None, signature: ClientSignature::uncheckable(), permit };
        record.tenant(tenant);
        let settled = tokio::time::timeout(Duration::from_secs(5), self.guard.settle(sent, &mut record)).await.unwrap();
        let (parts, _) = match settled {
            Ok(settled) => settled,
            Err(refusal) => return Outcome::of(refusal, None),
        };
        let operation = parts.named.logged().map(|name| name.into_owned());
        match self.guard.judge(parts, tenant, passport, &mut record).await {
            Err(refusal) => Outcome::of(refusal, operation),
            Ok((_, added)) => match record.watched() {
                Some(note) => Outcome { verdict: "watched", operation, note: format!("{note}\n{}", shown(&added)) },
                None => Outcome { verdict: "allowed", operation, note: shown(&added) },
            },
        }
    }
}

/// What was added to a request.
fn shown(added: &[(HeaderName, HeaderValue)]) -> String {
    added.iter().map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap())).collect()
}

impl Outcome {
    fn of(refusal: Refusal, operation: Option<String>) -> Self {
        Self { verdict: refusal.reason.as_str(), operation, note: refusal.note.unwrap_or_default().into_owned() }
    }
}

/// A tenant of the directory, with a key, a cell and a number.
fn tenant(id: &str) -> ActiveTenant {
    let mut record = TenantRecord::bare(id.parse().unwrap());
    record.kms_key = Some(format!("arn:aws:kms:eu-west-1:111122223333:key/{id}"));
    record.cell = Some("c1".into());
    record.attributes.insert("number".into(), "42".into());
    ActiveTenant::join(VerifiedTenant::for_tests(id), Arc::new(record)).unwrap()
}

/// `METHOD URI`, `name: value`…, and a body.
fn request(line: &str, host: &str, headers: &[(&str, &str)], content: impl AsRef<[u8]>) -> Request<Body> {
    let (method, uri) = line.split_once(' ').unwrap();
    let mut request = Request::new(if content.as_ref().is_empty() { body::empty() } else { body::full(content.as_ref().to_vec()) });
    *request.method_mut() = method.parse().unwrap();
    *request.uri_mut() = uri.parse().unwrap_or_else(|error| panic!("{uri}: {error}"));
    request.headers_mut().insert(header::HOST, HeaderValue::from_str(host).unwrap());
    for (name, value) in headers {
        request.headers_mut().append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
    }
    request
}
