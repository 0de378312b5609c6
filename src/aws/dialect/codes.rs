//! Error codes and statuses: what each service protocol calls each class of error.
//!
//! Sources: S3 API reference, "Error responses"; EC2 API reference, "Error codes"; the "Common errors" page that all Query
//! and JSON services share; Smithy's protocol specifications.

use http::StatusCode;

use super::Dialect;
use crate::reject::{AwsError, Reason};

/// An error as a protocol names it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Code {
    /// The error's type, such as `AccessDeniedException`.
    pub(super) name: &'static str,
    /// Who is at fault, as Query says it: `Sender` or `Receiver`.
    pub(super) fault: &'static str,
    /// The HTTP status.
    pub(super) status: StatusCode,
}

/// The families of protocols that share names.
#[derive(Clone, Copy)]
enum Family {
    Ec2,
    JsonRpc,
    Query,
    RestJson,
    S3,
}

/// What `dialect` calls `reason`.
pub(super) fn of(dialect: Dialect, reason: Reason) -> Code {
    let family = match dialect {
        Dialect::AwsJson10 | Dialect::AwsJson10Compatible | Dialect::AwsJson11 | Dialect::Cbor => Family::JsonRpc,
        Dialect::Ec2Query => Family::Ec2,
        Dialect::Query | Dialect::RestXml => Family::Query,
        Dialect::RestJson => Family::RestJson,
        Dialect::S3Xml => Family::S3,
    };
    let (name, status) = named(family, reason);
    Code { name, fault: if status.is_server_error() { "Receiver" } else { "Sender" }, status }
}

fn named(family: Family, reason: Reason) -> (&'static str, StatusCode) {
    use Family::{Ec2, JsonRpc, Query, RestJson, S3};
    const BAD: StatusCode = StatusCode::BAD_REQUEST;
    const FORBIDDEN: StatusCode = StatusCode::FORBIDDEN;
    const UNAVAILABLE: StatusCode = StatusCode::SERVICE_UNAVAILABLE;
    match (reason.aws(), family) {
        (AwsError::AccessDenied, Query | S3) => ("AccessDenied", FORBIDDEN),
        (AwsError::AccessDenied, JsonRpc | RestJson) => ("AccessDeniedException", FORBIDDEN),
        (AwsError::AccessDenied, Ec2) => ("UnauthorizedOperation", FORBIDDEN),

        (AwsError::BodyHashMismatch, S3) => ("XAmzContentSHA256Mismatch", BAD),
        (AwsError::BodyHashMismatch, JsonRpc) => ("InvalidSignatureException", BAD),
        (AwsError::BodyHashMismatch, RestJson) => ("InvalidSignatureException", FORBIDDEN),
        (AwsError::BodyHashMismatch, Query | Ec2) => ("SignatureDoesNotMatch", FORBIDDEN),

        (AwsError::ExpiredToken, S3) => ("ExpiredToken", BAD),
        (AwsError::ExpiredToken, JsonRpc) => ("ExpiredTokenException", BAD),
        (AwsError::ExpiredToken, RestJson) => ("ExpiredTokenException", FORBIDDEN),
        (AwsError::ExpiredToken, Query) => ("ExpiredToken", FORBIDDEN),
        (AwsError::ExpiredToken, Ec2) => ("RequestExpired", BAD),

        (AwsError::Internal, S3 | Ec2) => ("InternalError", StatusCode::INTERNAL_SERVER_ERROR),
        (AwsError::Internal, JsonRpc | RestJson | Query) => ("InternalFailure", StatusCode::INTERNAL_SERVER_ERROR),

        (AwsError::Invalid, S3) if reason == Reason::PayloadUnsupported => ("NotImplemented", StatusCode::NOT_IMPLEMENTED),
        (AwsError::Invalid, S3) if reason == Reason::PayloadMalformed => ("IncompleteBody", BAD),
        (AwsError::Invalid, S3 | Ec2) => ("InvalidRequest", malformed(reason)),
        (AwsError::Invalid, JsonRpc | RestJson) => ("ValidationException", malformed(reason)),
        (AwsError::Invalid, Query) => ("ValidationError", malformed(reason)),

        (AwsError::MethodNotAllowed, _) => ("MethodNotAllowed", StatusCode::METHOD_NOT_ALLOWED),

        // S3 has no code of its own for an anonymous request.
        (AwsError::MissingToken, S3) => ("AccessDenied", FORBIDDEN),
        (AwsError::MissingToken, JsonRpc | RestJson) => ("MissingAuthenticationTokenException", FORBIDDEN),
        (AwsError::MissingToken, Query | Ec2) => ("MissingAuthenticationToken", FORBIDDEN),

        (AwsError::ServiceUnavailable, S3 | JsonRpc | RestJson | Query) => ("ServiceUnavailable", UNAVAILABLE),
        (AwsError::ServiceUnavailable, Ec2) => ("Unavailable", UNAVAILABLE),

        (AwsError::SignatureMismatch, S3 | Query) => ("SignatureDoesNotMatch", FORBIDDEN),
        (AwsError::SignatureMismatch | AwsError::SkewedTime, JsonRpc) => ("InvalidSignatureException", BAD),
        (AwsError::SignatureMismatch | AwsError::SkewedTime, RestJson) => ("InvalidSignatureException", FORBIDDEN),
        (AwsError::SignatureMismatch, Ec2) => ("AuthFailure", FORBIDDEN),

        (AwsError::SkewedTime, S3) => ("RequestTimeTooSkewed", FORBIDDEN),
        (AwsError::SkewedTime, Query | Ec2) => ("RequestExpired", BAD),

        (AwsError::Throttled, S3) => ("SlowDown", UNAVAILABLE),
        (AwsError::Throttled, JsonRpc) => ("ThrottlingException", BAD),
        (AwsError::Throttled, RestJson) => ("ThrottlingException", StatusCode::TOO_MANY_REQUESTS),
        (AwsError::Throttled, Query) => ("Throttling", BAD),
        (AwsError::Throttled, Ec2) => ("RequestLimitExceeded", UNAVAILABLE),

        (AwsError::TooLarge, S3) => ("EntityTooLarge", StatusCode::PAYLOAD_TOO_LARGE),
        (AwsError::TooLarge, _) => ("RequestEntityTooLarge", StatusCode::PAYLOAD_TOO_LARGE),
    }
}

/// Malformed HTTP keeps HTTP's own status (408, 414, 431, ...); the rest is AWS's usual 400.
fn malformed(reason: Reason) -> StatusCode {
    let status = reason.status();
    if status.is_client_error() { status } else { StatusCode::BAD_REQUEST }
}
