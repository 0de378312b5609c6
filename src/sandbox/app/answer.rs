//! What the application says.

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

use super::xml;
use crate::{
    body::{self, Body},
    reject::REASON_HEADER,
};

/// A JSON document, indented for people, with a newline at its end for terminals.
pub(super) fn json(status: StatusCode, value: &Value) -> Response<Body> {
    let mut response = Response::new(body::full(format!("{value:#}\n")));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// An error of the application's own.
pub(super) fn error(status: StatusCode, why: &str) -> Response<Body> {
    json(status, &json!({"error": why}))
}

/// What the egress, or AWS behind it, refused: the same status, and what is known of the reason.
pub(super) fn refusal(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Response<Body> {
    let said = Said::read(body);
    let reason = headers.get(REASON_HEADER).and_then(|value| value.to_str().ok());
    let mut response = json(status, &json!({"status": status.as_u16(), "reason": reason, "code": said.code, "message": said.message}));
    for name in [header::RETRY_AFTER, REASON_HEADER] {
        if let Some(value) = headers.get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}

/// An AWS error, in S3's XML or in DynamoDB's JSON.
#[derive(Default)]
struct Said {
    code: Option<String>,
    message: Option<String>,
}

impl Said {
    fn read(body: &[u8]) -> Self {
        match serde_json::from_slice::<Value>(body) {
            Ok(value) => {
                let text = |name: &str| value.get(name).and_then(Value::as_str);
                let code = text("__type").map(|t| t.rsplit('#').next().unwrap_or(t).to_owned());
                Self { code, message: text("message").or(text("Message")).map(str::to_owned) }
            }
            Err(_) => {
                let mut said = Self::default();
                for (path, text) in xml::leaves(body).unwrap_or_default() {
                    match path.as_str() {
                        "Error/Code" => said.code = Some(text),
                        "Error/Message" => said.message = Some(text),
                        _ => {}
                    }
                }
                said
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    async fn passed_on(body: &[u8]) -> Value {
        let mut headers = HeaderMap::new();
        headers.insert(REASON_HEADER, HeaderValue::from_static("aws-denied"));
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        headers.insert("x-secret", HeaderValue::from_static("s"));
        let response = refusal(StatusCode::FORBIDDEN, &headers, body);
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        assert_eq!(response.headers()[REASON_HEADER], "aws-denied");
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
        assert!(!response.headers().contains_key("x-secret"));
        serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap()
    }

    #[tokio::test]
    async fn aws_errors_are_understood_in_both_formats() {
        let expected =
            |code: Option<&str>, message: Option<&str>| json!({"status": 403, "reason": "aws-denied", "code": code, "message": message});
        let s3 = b"<?xml version=\"1.0\"?>\n<Error><Code>AccessDenied</Code><Message>No &amp; no</Message></Error>";
        assert_eq!(passed_on(s3).await, expected(Some("AccessDenied"), Some("No & no")));
        let dynamodb = br#"{"__type":"com.amazonaws.dynamodb.v20120810#AccessDeniedException","Message":"no"}"#;
        assert_eq!(passed_on(dynamodb).await, expected(Some("AccessDeniedException"), Some("no")));
        assert_eq!(passed_on(b"").await, expected(None, None));
        assert_eq!(passed_on(b"<Error><Code>").await, expected(None, None));
    }
}
