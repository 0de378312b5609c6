//! Paths of our own on the egress, under `/_palisade` (no bucket's name begins with an underscore).
//!
//! * `GET /_palisade/credentials` speaks the protocol by which SDKs get credentials from a container's agent
//!   (`AWS_CONTAINER_CREDENTIALS_FULL_URI`). What they get are placeholder keys, worth nothing elsewhere and here as much as the
//!   proof that was given for them. For processes that serve one tenant: SDKs keep such credentials for the whole process.
//! * `POST /_palisade/presign` makes a presigned S3 URL of the tenant's own, to be given to a browser, say. It is off by default,
//!   because it breaks the claim on purpose: whoever has the URL can use it, without Palisade, until it expires.
//!
//! Both take a proof like any other request and go through the same checks and limits.

mod presign;

use std::time::SystemTime;

use aws_smithy_types::{DateTime, date_time::Format};
use http::{HeaderValue, Method, Response, header, request};
use serde_json::{Value, json};

use super::{Egress, verified::OwnRequest};
use crate::{
    body::{self, Body},
    reject::{Reason, Refusal},
    telemetry::Record,
};

const PREFIX: &str = "/_palisade";

/// What there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    Credentials,
    Presign,
}

impl Route {
    fn find(path: &str) -> Option<Self> {
        match path.strip_prefix(PREFIX)? {
            "/credentials" => Some(Self::Credentials),
            "/presign" => Some(Self::Presign),
            _ => None,
        }
    }

    const fn method(self) -> Method {
        match self {
            Self::Credentials => Method::GET,
            Self::Presign => Method::POST,
        }
    }
}

/// Whether `path` is ours to answer.
pub(super) fn is_own(path: &str) -> bool {
    path.strip_prefix(PREFIX).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The method to use on `path`, for whoever used another.
pub(super) fn allow(path: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(Route::find(path)?.method().as_str()).ok()
}

impl Egress {
    /// Answers a request for one of our own paths.
    pub(super) async fn own(&self, head: request::Parts, body: Body, record: &mut Record) -> Result<Response<Body>, Refusal> {
        let route = Route::find(head.uri.path()).ok_or(Reason::NotFound)?;
        let off = || Refusal::noted(Reason::NotFound, "egress.presign is not set");
        if route == Route::Presign && self.0.presign.is_none() {
            return Err(off());
        }
        if head.method != route.method() {
            return Err(Reason::MethodNotAllowed.into());
        }
        let request = OwnRequest::verify(head, &self.0.gate).await?;
        record.tenant(request.tenant());
        let lease = request.lease();
        record.for_proof(&lease);
        match route {
            Route::Credentials => self.credentials(&request),
            Route::Presign => {
                let longest = self.0.presign.ok_or_else(off)?;
                lease.cover(self.presign(request, body, longest, record)).await
            }
        }
    }

    /// `GET /_palisade/credentials`
    fn credentials(&self, request: &OwnRequest) -> Result<Response<Body>, Refusal> {
        let this = &*self.0;
        let _permit = this.limiter.admit(request.tenant())?;
        let keys = request.vend(&this.gate)?;
        Ok(answer(&json!({
            "AccessKeyId": keys.access_key_id,
            "SecretAccessKey": keys.secret_access_key.expose(),
            "Token": keys.session_token.expose(),
            "Expiration": written(request.ends(this.clock.now()))?,
        })))
    }
}

/// RFC 3339, in UTC, without fractions: what every SDK reads.
fn written(time: SystemTime) -> Result<String, Refusal> {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_secs()).ok());
    seconds.and_then(|seconds| DateTime::from_secs(seconds).fmt(Format::DateTime).ok()).ok_or_else(|| Reason::Internal.into())
}

/// An answer that nobody may keep.
fn answer(document: &Value) -> Response<Body> {
    let mut response = Response::new(body::full(document.to_string()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_paths_are_not_keys() {
        assert!(is_own("/_palisade") && is_own("/_palisade/credentials") && is_own("/_palisade/x"));
        assert!(!is_own("/_palisades") && !is_own("/bucket/_palisade/x") && !is_own("/"));
        assert_eq!(Route::find("/_palisade/credentials/"), None);
        assert_eq!(Route::find("/_palisade/credentials"), Some(Route::Credentials));
        assert_eq!(allow("/_palisade/presign").unwrap(), "POST");
    }
}
