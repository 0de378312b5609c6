//! Presigned URLs of the tenant's own.

use std::{collections::BTreeMap, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, Uri, request};
use serde::Deserialize;
use serde_json::json;

use super::{answer, document, written};
use crate::{
    audit::Event,
    aws::operation::Known,
    body::Body,
    egress::{AdmittedRequest, Egress, verified::OwnRequest},
    identity::Placeholder,
    reject::{Reason, Refusal},
    signing,
    sigv4::{WireTarget, payload_mode::CONTENT_SHA256},
    telemetry::{Record, traces},
};

/// Bytes of a key, by S3's rules.
const MAX_KEY: usize = 1024;
/// Headers that may be signed for.
const MAX_HEADERS: usize = 32;
/// Parameters of GetObject that change which bytes are got, or how they are labelled. No other: among them are those of the signature itself,
/// and those that stand for headers.
const PARAMETERS: [&str; 7] = [
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "versionId",
];
const SERVICE: &str = "s3";

/// The body of `POST /_palisade/presign`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// `GET` or `PUT`
    method: String,
    bucket: String,
    key: String,
    /// Seconds; the configured maximum by default.
    expires_in: Option<u64>,
    /// The configured region by default.
    region: Option<String>,
    /// Headers that whoever uses the URL has to send: `content-type`, `content-md5`, `x-amz-*`.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// Query parameters of `GetObject`: `versionId`, `response-*`.
    #[serde(default)]
    query: BTreeMap<String, String>,
}

impl Egress {
    /// `POST /_palisade/presign`
    pub(super) async fn presign(
        &self,
        request: OwnRequest,
        body: Body,
        longest: Duration,
        record: &mut Record,
    ) -> Result<Response<Body>, Refusal> {
        let this = &*self.0;
        let longest = match request.tenant().verified().deferred() {
            None => longest,
            Some(deferred) if !deferred.may_presign() => {
                return Err(Refusal::noted(Reason::ProofNotAccepted, "a deferred context; egress.redeem.presign is not set"));
            }
            // A context says itself when the work has to be done; a URL made with it says no later.
            Some(_) => longest.min(request.ends(this.clock.now()).duration_since(this.clock.now()).unwrap_or_default()),
        };
        let mut request = AdmittedRequest::admit(request.into_request(body), &this.limiter)?;
        let wanted: Wanted = document(request.take_body()).await?;
        let expires = wanted.expires(longest)?;
        let (method, expected) = wanted.operation()?;
        let placeholder = Placeholder::of_our_own(wanted.region.as_deref().unwrap_or(&this.region), SERVICE);
        let head = wanted.head(method)?;

        let request = traces::step("guard", this.guard.guard(request.becomes(head, placeholder), record)).await?;
        // What the guard made of it decides, not what was asked for: a header or a parameter can make it another operation.
        if request.named().only().map(Known::name) != Some(expected) {
            return Err(Refusal::noted(Reason::OperationRefused, "only GetObject and PutObject are presigned"));
        }
        let request = self.credentialed(request).await?;
        let recorded = record.about_to(Event::Presigned, Some(request.credentials()));
        recorded.await?;
        let url = signing::presign(request, this.skew.time(), expires)?;
        let headers: BTreeMap<&str, &str> =
            url.headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?))).collect();
        Ok(answer(&json!({
            "method": url.method.as_str(),
            "url": url.url.expose(),
            "headers": headers,
            "expires": written(url.expires)?,
        })))
    }
}

impl Wanted {
    fn expires(&self, longest: Duration) -> Result<Duration, Refusal> {
        match self.expires_in.map(Duration::from_secs) {
            None => Ok(longest),
            Some(life) if !life.is_zero() && life <= longest => Ok(life),
            Some(_) => Err(malformed(format!("expires_in is not from 1 to {}", longest.as_secs()))),
        }
    }

    fn operation(&self) -> Result<(Method, &'static str), Refusal> {
        match self.method.as_str() {
            "GET" => Ok((Method::GET, "GetObject")),
            "PUT" => Ok((Method::PUT, "PutObject")),
            _ => Err(malformed("method is neither GET nor PUT")),
        }
    }

    /// The request that the URL stands for.
    fn head(self, method: Method) -> Result<request::Parts, Refusal> {
        // What is no bucket's name could become a part of the path.
        let is_bucket = (3..=63).contains(&self.bucket.len())
            && self.bucket.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
            && self.bucket.as_bytes()[0].is_ascii_alphanumeric();
        if !is_bucket {
            return Err(malformed("bucket is no bucket's name"));
        }
        if !(1..=MAX_KEY).contains(&self.key.len()) {
            return Err(malformed("key has not from 1 to 1024 bytes"));
        }
        if let Some(other) = self.query.keys().find(|name| method != Method::GET || !PARAMETERS.contains(&name.as_str())) {
            return Err(malformed(format!("query has {other:?}, which cannot be presigned for {method}")));
        }
        let query: Vec<_> = self.query.into_iter().collect();
        let mut parts = http::Request::new(()).into_parts().0;
        parts.method = method;
        parts.uri = Uri::from(WireTarget::s3_object(&self.bucket, &self.key, &query)?);
        parts.headers = headers(self.headers)?;
        parts.headers.insert(CONTENT_SHA256, HeaderValue::from_static("UNSIGNED-PAYLOAD"));
        Ok(parts)
    }
}

fn headers(lines: BTreeMap<String, String>) -> Result<HeaderMap, Refusal> {
    let mut headers = HeaderMap::new();
    if lines.len() > MAX_HEADERS {
        return Err(malformed("headers has too many"));
    }
    for (name, value) in lines {
        let bad = || malformed("headers has one that cannot be presigned");
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
        let is_ours = matches!(name.as_str(), "x-amz-content-sha256" | "x-amz-date" | "x-amz-security-token");
        let is_signed = matches!(name.as_str(), "content-type" | "content-md5") || name.as_str().starts_with("x-amz-");
        // They have to be sent as they are, and are told as text.
        let is_visible = value.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
        if is_ours || !is_signed || !is_visible {
            return Err(bad());
        }
        if headers.insert(name, HeaderValue::from_str(&value).map_err(|_| bad())?).is_some() {
            return Err(malformed("headers has one twice"));
        }
    }
    Ok(headers)
}

fn malformed(note: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::noted(Reason::MalformedRequest, note)
}

#[cfg(test)]
mod tests {
    use super::{super::MAX_BYTES, *};
    use crate::body;

    async fn wanted(text: &str) -> Result<(Duration, &'static str, String), Reason> {
        let read = async {
            let wanted: Wanted = document(body::full(text.to_owned())).await?;
            let expires = wanted.expires(Duration::from_secs(300))?;
            let (method, operation) = wanted.operation()?;
            Ok::<_, Refusal>((expires, operation, wanted.head(method)?.uri.to_string()))
        };
        read.await.map_err(|r| r.reason)
    }

    #[tokio::test]
    async fn a_request_says_what_the_url_is_for() {
        let (expires, operation, uri) = wanted(r#"{"method": "GET", "bucket": "pool", "key": "acme//a b+/../é"}"#).await.unwrap();
        assert_eq!((expires, operation), (Duration::from_secs(300), "GetObject"));
        assert_eq!(uri, "/pool/acme//a%20b%2B/../%C3%A9");
        let (expires, operation, uri) =
            wanted(r#"{"method": "PUT", "bucket": "pool", "key": "k", "expires_in": 1, "headers": {"Content-Type": "x"}}"#).await.unwrap();
        assert_eq!((expires, operation, uri.as_str()), (Duration::from_secs(1), "PutObject", "/pool/k"));
        let (.., uri) = wanted(r#"{"method": "GET", "bucket": "pool", "key": "k", "query": {"versionId": "a&b c"}}"#).await.unwrap();
        assert_eq!(uri, "/pool/k?versionId=a%26b%20c");
    }

    #[tokio::test]
    async fn what_is_not_to_be_presigned_is_refused() {
        let with = |more: &str| format!(r#"{{"method": "GET", "bucket": "pool", "key": "k"{more}}}"#);
        assert!(wanted(&with("")).await.is_ok());
        for text in [
            String::new(),
            "[]".into(),
            with(r#", "verb": "GET""#),
            with(r#", "key": "other""#),
            with(r#", "expires_in": 0"#),
            with(r#", "expires_in": 301"#),
            with(r#", "expires_in": -1"#),
            with(r#", "query": {"X-Amz-Expires": "604800"}"#),
            with(r#", "query": {"x-amz-copy-source": "/pool/globex/a"}"#),
            with(r#", "query": {"acl": ""}"#),
            with(r#", "query": {"Signature": "a"}"#),
            with(r#", "query": {"versionId": "1"}"#).replace("GET", "PUT"),
            with(r#", "headers": {"x-amz-meta-a": "é"}"#),
            with(r#", "headers": {"x-amz-security-token": "t"}"#),
            with(r#", "headers": {"X-Amz-Date": "t"}"#),
            with(r#", "headers": {"host": "h"}"#),
            with(r#", "headers": {"x-amz-a": "a\nb"}"#),
            with(r#", "headers": {"x-amz-a": "a", "X-AMZ-A": "b"}"#),
            with("").replace("GET", "DELETE"),
            with("").replace("pool", "pool/acme"),
            with("").replace("pool", "_palisade"),
            with("").replace("pool", ".."),
            with("").replace("\"k\"", "\"\""),
            with("").replace("\"k\"", &format!("\"{}\"", "k".repeat(1025))),
        ] {
            assert_eq!(wanted(&text).await, Err(Reason::MalformedRequest), "{text}");
        }
        assert_eq!(wanted(&with(&" ".repeat(MAX_BYTES))).await, Err(Reason::BodyTooLarge));
    }
}
