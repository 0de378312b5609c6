//! In which shape the caller understands a refusal.
//!
//! Settled from the request as it came, before anything is taken out of it: an SDK that calls S3 must get S3's XML even when
//! its token is no good. Nothing here is trusted; the worst that a forged request gets is an error in a format that it
//! asked for. Few requests are refused, so what tells it is kept, and looked at when it is wanted.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri, header, request, uri::Authority};

use super::own;
use crate::{
    aws::{
        dialect::{self, Dialect},
        service::Service,
    },
    body::Body,
    identity::Placeholder,
    reject::Refusal,
    telemetry::Record,
};

/// What a request says of the service that it calls, and of the protocol it is written in.
pub(super) struct Voice {
    method: Method,
    uri: Uri,
    authorization: Option<HeaderValue>,
    host: Option<HeaderValue>,
    spoken: [Option<HeaderValue>; dialect::TOLD],
}

impl Voice {
    pub(super) fn of(head: &request::Parts) -> Self {
        let value = |name: &HeaderName| head.headers.get(name).cloned();
        let (authorization, host) = (value(&header::AUTHORIZATION), value(&header::HOST));
        Self { method: head.method.clone(), uri: head.uri.clone(), authorization, host, spoken: dialect::TELLING.each_ref().map(value) }
    }

    pub(super) fn refuse(&self, refusal: &Refusal, mut record: Record) -> Response<Body> {
        record.refused(refusal);
        let (path, request_id) = (self.uri.path(), record.request_id().as_str());
        // SDKs read errors of a credentials endpoint as JSON.
        let is_own = own::is_own(path) && self.scoped().is_none();
        let (dialect, resource) = if is_own { (Dialect::RestJson, "") } else { (self.dialect(), path) };
        let mut response = dialect.refusal(refusal, request_id, &self.method, resource);
        if is_own
            && response.status() == StatusCode::METHOD_NOT_ALLOWED
            && let Some(allow) = own::allow(path)
        {
            response.headers_mut().insert(header::ALLOW, allow);
        }
        record.finish_with(response)
    }

    fn dialect(&self) -> Dialect {
        let said = dialect::TELLING.into_iter().zip(self.spoken.clone());
        let headers: HeaderMap = said.filter_map(|(name, value)| Some((name, value?))).collect();
        Dialect::of(self.scoped().or_else(|| self.hosted()).as_deref(), &headers, &self.method)
    }

    /// The service of the credential scope, in the headers or in the query of a presigned URL.
    fn scoped(&self) -> Option<String> {
        match &self.authorization {
            Some(authorization) => Placeholder::parse(authorization).ok().map(|placeholder| placeholder.service),
            None => {
                let pairs = self.uri.query()?.split('&').filter_map(|pair| pair.split_once('='));
                let credential = pairs.filter(|(name, _)| *name == "X-Amz-Credential").map(|(_, value)| value).next()?;
                let text = percent_encoding::percent_decode_str(credential).decode_utf8().ok()?;
                text.rsplit('/').nth(1).map(str::to_owned)
            }
        }
    }

    /// The service of an AWS host name: the label nearest to the domain that is one.
    fn hosted(&self) -> Option<String> {
        let host = self.host.as_ref().and_then(|value| value.to_str().ok()?.parse::<Authority>().ok());
        let authority = self.uri.authority().cloned().or(host)?;
        let name = authority.host();
        if !name.contains("amazonaws.com") && !name.ends_with(".api.aws") {
            return None;
        }
        name.rsplit('.').find_map(Service::labelled).map(|service| service.key.to_owned())
    }
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
        Voice::of(&request.body(()).unwrap().into_parts().0).dialect()
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
