//! In which shape the caller understands a refusal.
//!
//! Settled from the request as it came, before anything is taken out of it: an SDK that calls S3 must get S3's XML even when
//! its token is no good. Nothing here is trusted; the worst that a forged request gets is an error in a format that it
//! asked for.

use http::{HeaderValue, Method, Response, StatusCode, header, request, uri::Authority};

use super::own;
use crate::{
    aws::{dialect::Dialect, service::Service},
    body::Body,
    identity::Placeholder,
    reject::Refusal,
    telemetry::Record,
};

pub(super) struct Voice {
    dialect: Dialect,
    method: Method,
    resource: String,
    /// For a path of our own that was asked with the wrong method.
    allow: Option<HeaderValue>,
}

impl Voice {
    pub(super) fn of(head: &request::Parts) -> Self {
        // SDKs read errors of a credentials endpoint as JSON.
        if own::is_own(head.uri.path()) && scoped(head).is_none() {
            let allow = own::allow(head.uri.path());
            return Self { dialect: Dialect::RestJson, method: head.method.clone(), resource: String::new(), allow };
        }
        let service = scoped(head).or_else(|| hosted(head));
        let dialect = Dialect::of(service.as_deref(), &head.headers, &head.method);
        Self { dialect, method: head.method.clone(), resource: head.uri.path().to_owned(), allow: None }
    }

    pub(super) fn refuse(&self, refusal: &Refusal, mut record: Record) -> Response<Body> {
        record.refused(refusal);
        let mut response = self.dialect.refusal(refusal, record.request_id().as_str(), &self.method, &self.resource);
        if let (StatusCode::METHOD_NOT_ALLOWED, Some(allow)) = (response.status(), &self.allow) {
            response.headers_mut().insert(header::ALLOW, allow.clone());
        }
        record.finish_with(response)
    }
}

/// The service of the credential scope, in the headers or in the query of a presigned URL.
fn scoped(head: &request::Parts) -> Option<String> {
    match head.headers.get(header::AUTHORIZATION) {
        Some(value) => Placeholder::parse(value).ok().map(|placeholder| placeholder.service),
        None => {
            let pairs = head.uri.query()?.split('&').filter_map(|pair| pair.split_once('='));
            let credential = pairs.filter(|(name, _)| *name == "X-Amz-Credential").map(|(_, value)| value).next()?;
            let text = percent_encoding::percent_decode_str(credential).decode_utf8().ok()?;
            text.rsplit('/').nth(1).map(str::to_owned)
        }
    }
}

/// The service of an AWS host name: the label nearest to the domain that is one.
fn hosted(head: &request::Parts) -> Option<String> {
    let host = head.headers.get(header::HOST).and_then(|value| value.to_str().ok()?.parse::<Authority>().ok());
    let authority = head.uri.authority().cloned().or(host)?;
    let name = authority.host();
    if !name.contains("amazonaws.com") && !name.ends_with(".api.aws") {
        return None;
    }
    name.rsplit('.').find_map(Service::labelled).map(|service| service.key.to_owned())
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn dialect(lines: &[(&str, &str)]) -> Dialect {
        let mut request = Request::builder().uri("/b/k");
        for (name, value) in lines {
            request = request.header(*name, *value);
        }
        Voice::of(&request.body(()).unwrap().into_parts().0).dialect
    }

    fn scope(service: &str) -> String {
        format!("AWS4-HMAC-SHA256 Credential=x/20261122/eu-west-1/{service}/aws4_request, SignedHeaders=host, Signature=0")
    }

    #[test]
    fn the_scope_then_the_host_then_the_headers_tell() {
        assert_eq!(dialect(&[("authorization", &scope("s3"))]), Dialect::S3Xml);
        assert_eq!(dialect(&[("authorization", &scope("lambda")), ("host", "s3.eu-west-1.amazonaws.com")]), Dialect::RestJson);
        assert_eq!(dialect(&[("host", "b.s3.eu-west-1.amazonaws.com")]), Dialect::S3Xml);
        assert_eq!(dialect(&[("host", "sns.eu-west-1.amazonaws.com")]), Dialect::Query);
        assert_eq!(dialect(&[("host", "127.0.0.1"), ("x-amz-target", "DynamoDB_20120810.GetItem")]), Dialect::AwsJson10);
    }
}
