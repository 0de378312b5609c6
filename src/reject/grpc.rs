//! Refusals of gRPC calls on the ingress.
//!
//! A gRPC client looks for its status in trailers and takes a plain HTTP error for a broken server. So a refused call gets what
//! the protocol calls Trailers-Only: `200`, the headers and the trailers in one, and no body
//! ([gRPC over HTTP/2](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md)).

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

use super::{Refusal, stamp};
use crate::body::{self, Body};

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
/// When a client that retries by itself should ([gRFC A6](https://github.com/grpc/proposal/blob/master/A6-client-retries.md)).
const PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

/// What a gRPC call declared its messages to be, so that it is answered in kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GrpcCall(&'static str);

impl GrpcCall {
    /// Knows a call of gRPC or gRPC-Web by its `Content-Type`.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let given = headers.get(header::CONTENT_TYPE)?.as_bytes();
        let kind = ["application/grpc-web-text", "application/grpc-web", "application/grpc"]
            .into_iter()
            .find(|kind| given.get(..kind.len()).is_some_and(|start| start.eq_ignore_ascii_case(kind.as_bytes())))?;
        matches!(given.get(kind.len()), None | Some(b'+' | b';' | b' ')).then_some(Self(kind))
    }

    /// Renders a refusal for it.
    ///
    /// gRPC-Web has its trailers in the body, except here: a response without messages may have its status in the headers, as gRPC's
    /// own proxies send it. Browsers show those headers to scripts where `ingress.cors` exposes them.
    pub fn refuse(self, refusal: &Refusal, request_id: &str) -> Response<Body> {
        let mut response = Response::new(body::empty());
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.0));
        headers.insert(STATUS, HeaderValue::from(code(refusal.reason.status())));
        if let Ok(message) = HeaderValue::from_str(&encoded(refusal.reason.text())) {
            headers.insert(MESSAGE, message);
        }
        if let Some(after) = refusal.retry_after {
            headers.insert(PUSHBACK, HeaderValue::from(u64::try_from(after.as_millis()).unwrap_or(u64::MAX)));
        }
        stamp(headers, refusal, request_id);
        response
    }
}

/// The [status code](https://grpc.github.io/grpc/core/md_doc_statuscodes.html) that says what an HTTP status does.
fn code(status: StatusCode) -> u16 {
    match status {
        // INVALID_ARGUMENT: it is the caller that has to change something.
        StatusCode::BAD_REQUEST | StatusCode::EXPECTATION_FAILED => 3,
        // DEADLINE_EXCEEDED
        StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => 4,
        // PERMISSION_DENIED
        StatusCode::FORBIDDEN => 7,
        // RESOURCE_EXHAUSTED
        StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::URI_TOO_LONG
        | StatusCode::TOO_MANY_REQUESTS
        | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => 8,
        // UNIMPLEMENTED
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => 12,
        // UNAVAILABLE
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE => 14,
        // UNAUTHENTICATED
        StatusCode::UNAUTHORIZED => 16,
        // INTERNAL
        _ => 13,
    }
}

/// Printable ASCII but for the percent sign stays as it is.
fn encoded(message: &str) -> String {
    message.bytes().fold(String::with_capacity(message.len()), |mut out, byte| {
        match byte {
            b'%' | 0..0x20 | 0x7f.. => out.push_str(&format!("%{byte:02X}")),
            byte => out.push(char::from(byte)),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http_body::Body as _;

    use super::*;
    use crate::reject::{REASON_HEADER, REQUEST_ID_HEADER, Reason};

    fn call(content_type: &str) -> Option<GrpcCall> {
        GrpcCall::of(&HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_str(content_type).unwrap())]))
    }

    #[test]
    fn calls_are_known_by_their_content_type() {
        for (content_type, kind) in [
            ("application/grpc", Some("application/grpc")),
            ("application/grpc+proto", Some("application/grpc")),
            ("Application/GRPC; x=y", Some("application/grpc")),
            ("application/grpc-web+proto", Some("application/grpc-web")),
            ("application/grpc-web-text", Some("application/grpc-web-text")),
            ("application/grpcx", None),
            ("application/grpc-other", None),
            ("application/json", None),
            ("", None),
        ] {
            assert_eq!(call(content_type), kind.map(GrpcCall), "{content_type}");
        }
        assert_eq!(GrpcCall::of(&HeaderMap::new()), None);
    }

    #[test]
    fn a_refused_call_has_its_status_in_the_headers_and_no_body() {
        let refusal = Refusal::noted(Reason::RateLimited, "inner detail").retry_after(Duration::from_millis(1_500));
        let response = call("application/grpc+proto").unwrap().refuse(&refusal, "req-1");
        assert_eq!((response.status(), response.body().is_end_stream()), (StatusCode::OK, true));
        let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap());
        assert_eq!(header("content-type"), Some("application/grpc"));
        assert_eq!(header("grpc-status"), Some("8"));
        assert_eq!(header("grpc-message"), Some(Reason::RateLimited.text()));
        assert_eq!(header("grpc-retry-pushback-ms"), Some("1500"));
        assert_eq!(response.headers()[REASON_HEADER], "rate-limited");
        assert_eq!(response.headers()[REQUEST_ID_HEADER], "req-1");
        assert!(!format!("{:?}", response.headers()).contains("inner detail"));
    }

    #[test]
    fn every_reason_is_a_failure_of_the_right_kind() {
        for reason in Reason::ALL {
            assert!((1..=16).contains(&code(reason.status())), "{}", reason.as_str());
        }
        for (reason, expected) in [
            (Reason::TokenMissing, 16),
            (Reason::TenantMismatch, 7),
            (Reason::ScopeInsufficient, 7),
            (Reason::TenantAmbiguous, 3),
            (Reason::BodyTooLarge, 8),
            (Reason::NotFound, 12),
            (Reason::Overloaded, 14),
            (Reason::UpstreamTimeout, 4),
            (Reason::Internal, 13),
        ] {
            assert_eq!(code(reason.status()), expected, "{}", reason.as_str());
        }
    }

    #[test]
    fn messages_are_percent_encoded() {
        assert_eq!(encoded("100% f\u{fc}r\n"), "100%25 f%C3%BCr%0A");
    }
}
