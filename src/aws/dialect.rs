//! Refusals in the wire format of the called service, so that SDKs raise the error types they know and back off as they do
//! for AWS.
//!
//! Which code and status a refusal gets is in `codes`, which bytes carry them in `wire`. Texts are the fixed ones of
//! [`Reason`](crate::reject::Reason); of what the peer sent only S3's `<Resource>`, the path without its query, comes back.

mod codes;
mod wire;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, header};

use crate::{
    aws::{operation::TARGET_HEADER, service::Service},
    body::{self, Body},
    reject::{self, Refusal},
};

/// Says that a message is RPC v2 CBOR; mandatory on its responses.
pub(crate) const PROTOCOL_HEADER: HeaderName = HeaderName::from_static("smithy-protocol");
/// How many headers tell in which protocol a request is written.
pub(crate) const TOLD: usize = 4;
/// The headers that tell in which protocol a request is written, for whoever keeps them in place of the request.
pub(crate) const TELLING: [HeaderName; TOLD] =
    [PROTOCOL_HEADER, header::CONTENT_TYPE, TARGET_HEADER, HeaderName::from_static("x-amz-content-sha256")];
const ERROR_TYPE_HEADER: HeaderName = HeaderName::from_static("x-amzn-errortype");
const QUERY_ERROR_HEADER: HeaderName = HeaderName::from_static("x-amzn-query-error");

/// A protocol that a service speaks, as far as its errors go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// AWS JSON 1.0
    AwsJson10,
    /// AWS JSON 1.0 of a service that spoke Query before: errors carry the older code in `x-amzn-query-error` too.
    AwsJson10Compatible,
    /// AWS JSON 1.1
    AwsJson11,
    /// Smithy RPC v2 CBOR
    Cbor,
    /// EC2's own kind of Query
    Ec2Query,
    /// AWS Query
    Query,
    /// REST-JSON
    RestJson,
    /// REST-XML with wrapped errors (Route 53, CloudFront, S3 Control)
    RestXml,
    /// REST-XML as S3 speaks it: the error is the document
    S3Xml,
}

impl Dialect {
    /// Every dialect.
    pub const ALL: &'static [Self] = &[
        Self::AwsJson10,
        Self::AwsJson10Compatible,
        Self::AwsJson11,
        Self::Cbor,
        Self::Ec2Query,
        Self::Query,
        Self::RestJson,
        Self::RestXml,
        Self::S3Xml,
    ];

    /// The dialect in which the sender of a request expects its answer.
    ///
    /// `service` is a service's key or signing name, where it is known. A service with several protocols is answered in the
    /// one that the request is written in. Nothing here is trusted: the worst that a forged header gets is an error in a
    /// format that its sender asked for.
    pub fn of(service: Option<&str>, headers: &HeaderMap, method: &Method) -> Self {
        let spoken = Self::spoken(headers, method);
        let Some(service) = service.and_then(Service::named) else {
            return spoken.unwrap_or(Self::RestJson);
        };
        match spoken {
            Some(Self::Cbor) if service.protocols.contains(&Self::Cbor) => Self::Cbor,
            Some(Self::Query) if service.protocols.contains(&Self::Query) => Self::Query,
            Some(Self::AwsJson10 | Self::AwsJson11) => {
                service.protocols.iter().copied().find(|p| p.is_json_rpc()).unwrap_or(service.protocols[0])
            }
            _ => service.protocols[0],
        }
    }

    /// What the request's own headers say about its protocol.
    fn spoken(headers: &HeaderMap, method: &Method) -> Option<Self> {
        let content_type = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default().to_ascii_lowercase();
        if headers.contains_key(PROTOCOL_HEADER) {
            Some(Self::Cbor)
        } else if content_type.starts_with("application/x-amz-json-1.1") {
            Some(Self::AwsJson11)
        } else if content_type.starts_with("application/x-amz-json") || headers.contains_key(TARGET_HEADER) {
            Some(Self::AwsJson10)
        } else if method == Method::POST && content_type.starts_with("application/x-www-form-urlencoded") {
            Some(Self::Query)
        } else if headers.contains_key("x-amz-content-sha256") {
            // S3 demands this header; few others get it.
            Some(Self::S3Xml)
        } else {
            None
        }
    }

    /// Whether requests name their operation outside the path.
    pub(crate) const fn is_rpc(self) -> bool {
        match self {
            Self::AwsJson10 | Self::AwsJson10Compatible | Self::AwsJson11 | Self::Cbor | Self::Ec2Query | Self::Query => true,
            Self::RestJson | Self::RestXml | Self::S3Xml => false,
        }
    }

    const fn is_json_rpc(self) -> bool {
        matches!(self, Self::AwsJson10 | Self::AwsJson10Compatible | Self::AwsJson11)
    }

    /// Writes `refusal` as the called service would.
    ///
    /// `resource` is the request's path without its query; only S3's format shows it.
    pub fn refusal(self, refusal: &Refusal, request_id: &str, method: &Method, resource: &str) -> Response<Body> {
        let code = codes::of(self, refusal.reason);
        let body = wire::body(self, &code, refusal.reason.text(), request_id, resource);
        let mut response = Response::new(if method == Method::HEAD { body::empty() } else { body::full(body) });
        *response.status_mut() = code.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(wire::content_type(self)));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Ok(id) = HeaderValue::from_str(request_id) {
            headers.insert(wire::request_id_header(self), id);
        }
        if self.is_json_rpc() || self == Self::RestJson {
            headers.insert(ERROR_TYPE_HEADER, HeaderValue::from_static(code.name));
        }
        if self == Self::AwsJson10Compatible {
            let older = codes::of(Self::Query, refusal.reason);
            if let Ok(value) = HeaderValue::from_str(&format!("{};{}", older.name, older.fault)) {
                headers.insert(QUERY_ERROR_HEADER, value);
            }
        }
        if self == Self::Cbor {
            headers.insert(PROTOCOL_HEADER, HeaderValue::from_static("rpc-v2-cbor"));
        }
        reject::stamp(headers, refusal, request_id);
        response
    }
}

#[cfg(test)]
mod tests;
