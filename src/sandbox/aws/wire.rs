//! Which of the three services a request is for, and so in which format it is answered.

use http::{HeaderMap, header};

/// A service of the double, by the protocol that it speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wire {
    /// DynamoDB: AWS JSON 1.0.
    Json,
    /// STS: AWS Query.
    Query,
    /// S3: REST-XML.
    S3,
}

impl Wire {
    /// The service that a credential scope names.
    pub(super) fn of_scope(service: &str) -> Option<Self> {
        Some(match service {
            "s3" => Self::S3,
            "sts" => Self::Query,
            "dynamodb" => Self::Json,
            _ => return None,
        })
    }

    /// The format in which a request that names no service here is refused. A guess, and used for nothing else.
    pub(super) fn guess(headers: &HeaderMap) -> Self {
        let content_type = headers.get(header::CONTENT_TYPE).map_or(&b""[..], |v| v.as_bytes());
        if headers.contains_key("x-amz-target") {
            Self::Json
        } else if content_type.starts_with(b"application/x-www-form-urlencoded") {
            Self::Query
        } else {
            Self::S3
        }
    }
}
