//! What the admin and the probes listener say.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

use super::Check;
use crate::{
    body::{self, Body},
    reject::{REQUEST_ID_HEADER, Reason, Refusal},
    telemetry::{Metrics, RequestId},
};

/// The version of the text format is part of its media type.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Whether readiness comes with explanations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    /// To anybody who can reach the port: names alone.
    Hidden,
    /// To operators.
    Shown,
}

/// The process runs: it can say so.
pub(super) fn live() -> Response<Body> {
    json(StatusCode::OK, &json!({ "live": true }))
}

/// Whether all checks hold, and which do not.
pub(super) fn ready(checks: &[Check], detail: Detail) -> Response<Body> {
    let is_ready = checks.iter().all(|check| check.ok);
    let listed: Vec<_> = checks
        .iter()
        .map(|check| match detail {
            Detail::Hidden => json!({ "name": check.name, "ok": check.ok }),
            Detail::Shown => json!({ "name": check.name, "ok": check.ok, "detail": check.detail }),
        })
        .collect();
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json(status, &json!({ "ready": is_ready, "checks": listed }))
}

/// Everything counted.
pub(super) fn metrics(metrics: &Metrics) -> Result<Response<Body>, Refusal> {
    let text = metrics.render().map_err(|error| Refusal::noted(Reason::Internal, error.to_string()))?;
    Ok(respond(StatusCode::OK, METRICS_TYPE, text))
}

/// A JSON document.
pub(super) fn json(status: StatusCode, document: &Value) -> Response<Body> {
    respond(status, "application/json", format!("{document}\n").into_bytes())
}

/// Public keys. They change with a restart alone, and a new one is published before it signs: a verifier may keep them for a while.
pub(super) fn keys(key_set: Bytes) -> Response<Body> {
    let mut response = respond(StatusCode::OK, "application/jwk-set+json", key_set);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    response
}

/// A line of the audit log, as it is.
pub(super) fn audit_head(line: Bytes) -> Response<Body> {
    respond(StatusCode::OK, "application/json", line)
}

/// A public key.
pub(super) fn pem(text: String) -> Response<Body> {
    respond(StatusCode::OK, "application/x-pem-file", text)
}

/// Puts the request's id on its answer.
pub(super) fn stamped(mut response: Response<Body>, id: &RequestId) -> Response<Body> {
    if let Ok(id) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(REQUEST_ID_HEADER, id);
    }
    response
}

fn respond(status: StatusCode, media_type: &'static str, bytes: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(body::full(bytes));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
