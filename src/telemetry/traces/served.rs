//! The span of a request that was served, out of the line of the access log about it.
//!
//! Out of the line, so that no more can be said here than there. Less is: no subject, no issuer, no note and nothing that was touched, since
//! traces are read by more people than logs, and often by another company.

use super::span::Span;
use crate::telemetry::access_log::Line;

/// The methods that [the conventions](https://opentelemetry.io/docs/specs/semconv/http/http-spans/) know.
const METHODS: [&str; 9] = ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"];

/// A method as an attribute: of a closed list.
pub(super) fn method(method: &str) -> &'static str {
    METHODS.into_iter().find(|known| *known == method).unwrap_or("_OTHER")
}

/// What SDKs call the services whose requests can be guarded. The others are called by their key, which is configured.
const SERVICES: [(&str, &str); 19] = [
    ("aoss", "OpenSearchServerless"),
    ("bedrock-runtime", "Bedrock Runtime"),
    ("dynamodb", "DynamoDB"),
    ("dynamodbstreams", "DynamoDB Streams"),
    ("es", "OpenSearch"),
    ("events", "EventBridge"),
    ("firehose", "Firehose"),
    ("kinesis", "Kinesis"),
    ("kms", "KMS"),
    ("lambda", "Lambda"),
    ("logs", "CloudWatch Logs"),
    ("monitoring", "CloudWatch"),
    ("s3", "S3"),
    ("secretsmanager", "Secrets Manager"),
    ("sns", "SNS"),
    ("sqs", "SQS"),
    ("ssm", "SSM"),
    ("states", "SFN"),
    ("sts", "STS"),
];

/// Where AWS says what it calls a request.
pub(super) const REQUEST_IDS: [(&str, &[&str]); 2] =
    [("aws.request_id", &["x-amzn-requestid", "x-amzn-request-id", "x-amz-request-id"]), ("aws.extended_request_id", &["x-amz-id-2"])];

/// `rpc.service` of a key of `egress.services`.
pub(super) fn service_id(key: &str) -> &str {
    SERVICES.iter().find(|(known, _)| *known == key).map_or(key, |(_, id)| id)
}

pub(super) fn describe(span: &mut Span, line: &Line<'_>) {
    let method = method(line.method);
    let route = span.text("http.route").map(str::to_owned);
    let called = line.service.zip(line.operation).map(|(service, operation)| format!("{service}:{operation}"));
    let what = if method == "_OTHER" { "HTTP" } else { method };
    span.name = match route.or(called) {
        Some(target) => format!("{what} {target}").into(),
        None => what.into(),
    };
    span.set("http.request.method", method);
    if line.status != 0 {
        span.set("http.response.status_code", line.status);
    }
    if line.listener == "ingress" {
        // It speaks nothing but TLS.
        span.set("url.scheme", "https");
    }
    let peer = line.peer.parse::<std::net::SocketAddr>().ok();
    if let Some(peer) = peer {
        span.set("network.peer.address", peer.ip().to_string());
        span.set("network.peer.port", peer.port());
    }
    for (key, value) in [
        ("client.address", line.client_address.as_deref()),
        ("palisade.request_id", Some(line.request_id)),
        ("palisade.for_request", line.for_request),
        ("palisade.tenant", line.tenant),
        ("palisade.workload", line.workload),
        ("palisade.service", line.service),
        ("palisade.operation", line.operation),
        ("palisade.upstream", line.upstream),
        ("palisade.context_id", line.context_id),
        ("cloud.region", line.region),
    ] {
        if let Some(value) = value {
            span.set(key, value.to_owned());
        }
    }
    span.set("palisade.listener", line.listener);
    span.set("palisade.decision", line.decision);
    span.set("http.request.body.size", line.bytes_received);
    span.set("http.response.body.size", line.bytes_sent);
    if line.would_deny.is_some() {
        span.set("palisade.would_deny", true);
    }
    if line.aborted {
        span.set("palisade.aborted", true);
    }
    if let Some(reason) = line.reason {
        span.set("palisade.reason", reason);
    }
    // To a server what a client did wrong is no error (semantic conventions for HTTP spans, status).
    if line.status >= 500 {
        match line.reason {
            Some(reason) => span.fail(reason),
            None => span.fail(line.status.to_string()),
        }
    }
}
