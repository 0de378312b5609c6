//! Why the double refuses a request, and how each service says so.
//!
//! Codes and statuses are those of the services' "Common errors" pages and, for S3, of its "Error responses" page. Denials name
//! the caller's ARN, as AWS's do: what Palisade lets through to an application can be checked against that.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::json;

use super::{principal::Denial, wire::Wire};
use crate::body::{self, Body};

/// A refusal, before it is known in which service's format it goes out.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Failure {
    /// Nothing in the request says who it is from.
    MissingAuthentication,
    /// The signature's parts are malformed, contradictory or unsupported.
    Incomplete(String),
    UnknownKey,
    /// The session token is not the one issued with the access key.
    BadToken,
    Expired,
    /// The request's time is too far from the double's clock, or a presigned request is too old.
    Skewed,
    /// The credential scope names another region; here is the right one.
    WrongRegion {
        expected: String,
    },
    /// The credential scope names a service that is not here, or its date is not the request's.
    WrongScope(String),
    /// Headers that must be signed and are not.
    Unsigned(String),
    SignatureMismatch,
    /// The body is not the one that was signed or announced.
    BodyMismatch,
    Denied(Denial),
    Throttled,
    Unavailable,
    TooLarge,
    /// An operation's own refusal, with the code as its service spells it.
    Operation {
        status: u16,
        code: &'static str,
        message: String,
    },
}

/// An HTTP status and an error code.
type Code = (u16, &'static str);

impl Failure {
    pub(super) fn operation(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self::Operation { status, code, message: message.into() }
    }

    /// A refusal of an operation's input: `ValidationException` of DynamoDB, `ValidationError` of STS.
    pub(super) fn validation(wire: Wire, message: impl Into<String>) -> Self {
        Self::operation(400, if wire == Wire::Query { "ValidationError" } else { "ValidationException" }, message)
    }

    /// Status, code and message in the terms of one service.
    pub(super) fn describe(&self, wire: Wire) -> (u16, &'static str, String) {
        let [s3, query, json] = self.codes();
        let (status, code) = match wire {
            Wire::S3 => s3,
            Wire::Query => query,
            Wire::Json => json,
        };
        (status, code, self.message())
    }

    /// Status and code as S3, STS and DynamoDB have them.
    fn codes(&self) -> [Code; 3] {
        const MISMATCH: [Code; 3] = [(403, "SignatureDoesNotMatch"), (403, "SignatureDoesNotMatch"), (400, "InvalidSignatureException")];
        match self {
            Self::MissingAuthentication => {
                [(403, "AccessDenied"), (403, "MissingAuthenticationToken"), (400, "MissingAuthenticationTokenException")]
            }
            Self::Incomplete(_) => {
                [(400, "AuthorizationHeaderMalformed"), (400, "IncompleteSignature"), (400, "IncompleteSignatureException")]
            }
            Self::UnknownKey => [(403, "InvalidAccessKeyId"), (403, "InvalidClientTokenId"), (400, "UnrecognizedClientException")],
            Self::BadToken => [(400, "InvalidToken"), (403, "InvalidClientTokenId"), (400, "UnrecognizedClientException")],
            Self::Expired => [(400, "ExpiredToken"), (403, "ExpiredToken"), (400, "ExpiredTokenException")],
            Self::Skewed => [(403, "RequestTimeTooSkewed"), MISMATCH[1], MISMATCH[2]],
            Self::WrongRegion { .. } | Self::WrongScope(_) => [(400, "AuthorizationHeaderMalformed"), MISMATCH[1], MISMATCH[2]],
            Self::Unsigned(_) => [(403, "AccessDenied"), MISMATCH[1], MISMATCH[2]],
            Self::SignatureMismatch => MISMATCH,
            Self::BodyMismatch => [(400, "XAmzContentSHA256Mismatch"), MISMATCH[1], MISMATCH[2]],
            Self::Denied(_) => [(403, "AccessDenied"), (403, "AccessDenied"), (400, "AccessDeniedException")],
            Self::Throttled => [(503, "SlowDown"), (400, "Throttling"), (400, "ThrottlingException")],
            Self::Unavailable => [(503, "ServiceUnavailable"), (503, "ServiceUnavailable"), (500, "InternalServerError")],
            Self::TooLarge => [(400, "EntityTooLarge"), (413, "RequestEntityTooLarge"), (413, "RequestEntityTooLargeException")],
            Self::Operation { status, code, .. } => [(*status, code), (*status, code), (*status, code)],
        }
    }

    fn message(&self) -> String {
        match self {
            Self::MissingAuthentication => "Request is missing Authentication Token".to_owned(),
            Self::Incomplete(why) | Self::WrongScope(why) => why.clone(),
            Self::UnknownKey => "The access key id of the request is not known.".to_owned(),
            Self::BadToken => "The security token included in the request is invalid.".to_owned(),
            Self::Expired => "The security token included in the request is expired".to_owned(),
            Self::Skewed => "Signature expired or not yet valid: the request time differs too much from the server's".to_owned(),
            Self::WrongRegion { expected } => format!("The credential scope names a wrong region; expecting '{expected}'"),
            Self::Unsigned(names) => format!("There were headers present in the request which were not signed: {names}"),
            Self::SignatureMismatch => "The request signature we calculated does not match the signature you provided.".to_owned(),
            Self::BodyMismatch => "The body does not match the hash or the checksum that came with it.".to_owned(),
            Self::Denied(denial) => denial.to_string(),
            Self::Throttled => "Rate exceeded".to_owned(),
            Self::Unavailable => "The service is told to be unavailable".to_owned(),
            Self::TooLarge => "The request or what it would store is larger than this double keeps.".to_owned(),
            Self::Operation { message, .. } => message.clone(),
        }
    }

    /// The response, in the format of the service behind `wire`.
    pub(super) fn render(&self, wire: Wire, request_id: &str) -> Response<Body> {
        let (status, code, message) = self.describe(wire);
        let (content_type, bytes) = match wire {
            Wire::S3 => ("application/xml", self.s3_xml(code, &message, request_id)),
            Wire::Query => ("text/xml", query_xml(status, code, &message, request_id)),
            Wire::Json => ("application/x-amz-json-1.0", json_document(code, &message)),
        };
        let mut response = Response::new(body::full(Bytes::from(bytes)));
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        response
    }

    fn s3_xml(&self, code: &str, message: &str, request_id: &str) -> String {
        let region = match self {
            Self::WrongRegion { expected } => format!("<Region>{}</Region>", escape(expected)),
            _ => String::new(),
        };
        let message = escape(message);
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message>{region}\
             <RequestId>{request_id}</RequestId></Error>"
        )
    }
}

impl From<Denial> for Failure {
    fn from(denial: Denial) -> Self {
        Self::Denied(denial)
    }
}

fn query_xml(status: u16, code: &str, message: &str, request_id: &str) -> String {
    let fault = if status < 500 { "Sender" } else { "Receiver" };
    let message = escape(message);
    format!(
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>{fault}</Type><Code>{code}</Code>\
         <Message>{message}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
    )
}

/// Errors of the front end are in coral's namespace with a capital `Message`, DynamoDB's own in its own with a small one.
fn json_document(code: &str, message: &str) -> String {
    match code {
        "AccessDeniedException"
        | "ExpiredTokenException"
        | "IncompleteSignatureException"
        | "InvalidSignatureException"
        | "MissingAuthenticationTokenException"
        | "SerializationException"
        | "UnknownOperationException"
        | "UnrecognizedClientException" => json!({"__type": format!("com.amazon.coral.service#{code}"), "Message": message}).to_string(),
        "ValidationException" => json!({"__type": format!("com.amazon.coral.validate#{code}"), "message": message}).to_string(),
        own => json!({"__type": format!("com.amazonaws.dynamodb.v20120810#{own}"), "message": message}).to_string(),
    }
}

/// Text for the inside of an XML element.
pub(super) fn escape(text: &str) -> String {
    quick_xml::escape::escape(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_service_spells_an_expired_session_its_own_way() {
        let spelled = [Wire::S3, Wire::Query, Wire::Json].map(|w| Failure::Expired.describe(w));
        assert_eq!(spelled.map(|s| (s.0, s.1)), [(400, "ExpiredToken"), (403, "ExpiredToken"), (400, "ExpiredTokenException")]);
    }

    #[tokio::test]
    async fn messages_cannot_break_out_of_the_document() {
        use http_body_util::BodyExt;
        let failure = Failure::Incomplete("<a href=\"&\">\"".to_owned());
        for wire in [Wire::S3, Wire::Query] {
            let body = failure.render(wire, "id").into_body().collect().await.unwrap().to_bytes();
            assert!(!String::from_utf8_lossy(&body).contains("<a "));
        }
        let body = failure.render(Wire::Json, "id").into_body().collect().await.unwrap().to_bytes();
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(json["Message"], "<a href=\"&\">\"");
    }
}
