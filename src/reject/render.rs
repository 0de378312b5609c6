//! Refusals on the ingress, the admin and the probes listener: RFC 9457 problem documents.

use http::{HeaderName, HeaderValue, Response, header};
use serde::Serialize;

use super::{Reason, Refusal};
use crate::body::{self, Body};

/// Carries the reason of a refusal.
pub const REASON_HEADER: HeaderName = HeaderName::from_static("x-palisade-reason");
/// Carries the request id, on requests to the application and on every response.
pub const REQUEST_ID_HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The `application/problem+json` document (RFC 9457, section 3).
#[derive(Serialize)]
struct Problem<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    instance: &'a str,
}

/// Renders a refusal as a problem document.
pub fn problem(refusal: &Refusal, request_id: &str) -> Response<Body> {
    let reason = refusal.reason;
    let status = reason.status();
    let document = Problem {
        r#type: format!("urn:palisade:reason:{}", reason.as_str()),
        title: status.canonical_reason().unwrap_or("Error"),
        status: status.as_u16(),
        detail: reason.text(),
        instance: request_id,
    };
    let bytes = serde_json::to_vec(&document).unwrap_or_default();
    let mut response = Response::new(body::full(bytes));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(challenge) = challenge(reason) {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    stamp(headers, refusal, request_id);
    response
}

/// The headers that every refusal has, in whatever shape its body is.
pub(crate) fn stamp(headers: &mut http::HeaderMap, refusal: &Refusal, request_id: &str) {
    headers.insert(REASON_HEADER, HeaderValue::from_static(refusal.reason.as_str()));
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(REQUEST_ID_HEADER, id);
    }
    if let Some(after) = refusal.retry_after {
        // Rounded up: coming back too early only earns another refusal.
        headers.insert(header::RETRY_AFTER, HeaderValue::from(after.as_millis().div_ceil(1_000).max(1) as u64));
    }
    if let Some(limit) = refusal.limit {
        let window = limit.window.map(|w| format!(";w={w}")).unwrap_or_default();
        let policy = format!("\"{}\";q={}{window}", limit.policy, limit.quota);
        let reset = refusal.retry_after.map(|a| format!(";t={}", a.as_millis().div_ceil(1_000).max(1))).unwrap_or_default();
        let state = format!("\"{}\";r=0{reset}", limit.policy);
        if let (Ok(policy), Ok(state)) = (HeaderValue::from_str(&policy), HeaderValue::from_str(&state)) {
            headers.insert(HeaderName::from_static("ratelimit-policy"), policy);
            headers.insert(HeaderName::from_static("ratelimit"), state);
        }
    }
}

/// RFC 6750, section 3: a request without a token gets a bare challenge, a bad token an `error`.
fn challenge(reason: Reason) -> Option<&'static str> {
    // RFC 6750, section 3.1: a good token that does not reach far enough.
    if reason == Reason::ScopeInsufficient {
        return Some("Bearer error=\"insufficient_scope\"");
    }
    if reason.status() != http::StatusCode::UNAUTHORIZED {
        return None;
    }
    Some(match reason {
        Reason::TokenMissing => "Bearer",
        Reason::TokenExpired => "Bearer error=\"invalid_token\", error_description=\"The token has expired\"",
        _ => "Bearer error=\"invalid_token\"",
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::StatusCode;
    use http_body_util::BodyExt;

    use super::*;
    use crate::reject::LimitHit;

    #[tokio::test]
    async fn a_problem_document_names_the_reason_and_the_request() {
        let response = problem(&Refusal::noted(Reason::TenantMismatch, "inner detail"), "req-1");
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        assert_eq!(response.headers()[REASON_HEADER], "tenant-mismatch");
        assert_eq!(response.headers()[REQUEST_ID_HEADER], "req-1");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(json["type"], "urn:palisade:reason:tenant-mismatch");
        assert_eq!(json["status"], 403);
        assert_eq!(json["instance"], "req-1");
        assert!(!String::from_utf8_lossy(&body).contains("inner detail"), "a note went out");
    }

    #[test]
    fn only_a_missing_token_gets_a_bare_challenge() {
        let challenge = |r: Reason| problem(&r.into(), "i").headers().get(header::WWW_AUTHENTICATE).map(|v| v.to_str().unwrap().to_owned());
        assert_eq!(challenge(Reason::TokenMissing).as_deref(), Some("Bearer"));
        assert!(challenge(Reason::TokenExpired).unwrap().contains("invalid_token"));
        assert_eq!(challenge(Reason::ScopeInsufficient).as_deref(), Some("Bearer error=\"insufficient_scope\""));
        assert_eq!(challenge(Reason::TenantMismatch), None);
        assert_eq!(challenge(Reason::EndpointNotAllowed), None);
    }

    #[test]
    fn limits_are_described_and_waits_rounded_up() {
        let refusal = Refusal {
            limit: Some(LimitHit { policy: "requests", quota: 10, window: Some(1) }),
            ..Refusal::from(Reason::RateLimited).retry_after(Duration::from_millis(1_200))
        };
        let response = problem(&refusal, "i");
        assert_eq!(response.headers()[header::RETRY_AFTER], "2");
        assert_eq!(response.headers()["ratelimit-policy"], "\"requests\";q=10;w=1");
        assert_eq!(response.headers()["ratelimit"], "\"requests\";r=0;t=2");
    }
}
