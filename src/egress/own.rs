//! Paths of our own on the egress, under `/_palisade` (no bucket's name begins with an underscore).
//!
//! * `GET /_palisade/credentials` speaks the protocol by which SDKs get credentials from a container's agent
//!   (`AWS_CONTAINER_CREDENTIALS_FULL_URI`). What they get are placeholder keys, worth nothing elsewhere and here as much as the
//!   proof that was given for them. For processes that serve one tenant: SDKs keep such credentials for the whole process.
//! * `POST /_palisade/presign` makes a presigned S3 URL of the tenant's own, to be given to a browser, say. It is off by default,
//!   because it breaks the claim on purpose: whoever has the URL can use it, without Palisade, until it expires.
//! * `POST /_palisade/defer` turns a live passport into a sealed context, for work that another process does later. Off by default too: a
//!   context outlives its request.
//!
//! All take a proof like any other request and go through the same checks and limits.

mod defer;
mod presign;

use std::time::{Duration, SystemTime};

use aws_smithy_types::{DateTime, date_time::Format};
use http::{HeaderValue, Method, Response, header, request};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Egress, verified::OwnRequest};
use crate::{
    audit::Event,
    body::{self, Body, Unreadable},
    directory::Standing,
    reject::{Reason, Refusal},
    server::{Peer, idle},
    telemetry::{Record, traces},
};

const PREFIX: &str = "/_palisade";
/// Bytes of a document: a key of 1,024 bytes and some headers fit many times.
const MAX_BYTES: usize = 16 * 1024;
/// For it to arrive.
const READING: Duration = Duration::from_secs(10);

/// What there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    Credentials,
    Defer,
    Presign,
}

impl Route {
    fn find(path: &str) -> Option<Self> {
        match path.strip_prefix(PREFIX)? {
            "/credentials" => Some(Self::Credentials),
            "/defer" => Some(Self::Defer),
            "/presign" => Some(Self::Presign),
            _ => None,
        }
    }

    const fn method(self) -> Method {
        match self {
            Self::Credentials => Method::GET,
            Self::Defer | Self::Presign => Method::POST,
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
    pub(super) async fn own(&self, head: request::Parts, body: Body, peer: &Peer, record: &mut Record) -> Result<Response<Body>, Refusal> {
        let route = Route::find(head.uri.path()).ok_or(Reason::NotFound)?;
        let off = |setting| Refusal::noted(Reason::NotFound, setting);
        let presign = || self.0.presign.ok_or_else(|| off("egress.presign is not set"));
        let sealer = || self.0.sealer.as_ref().ok_or_else(|| off("egress.defer is not set"));
        match route {
            Route::Credentials => {}
            Route::Defer => drop(sealer()?),
            Route::Presign => drop(presign()?),
        }
        if head.method != route.method() {
            return Err(Reason::MethodNotAllowed.into());
        }
        let request = traces::step("verify", OwnRequest::verify(head, peer, &self.0.gate)).await?;
        record.tenant(request.tenant());
        let lease = request.lease();
        record.for_proof(&lease);
        let standing = Standing::of(request.tenant(), &self.0.gate.directory, &self.0.recorder.metrics);
        match route {
            Route::Credentials => self.credentials(&request, record).await,
            Route::Defer => lease.cover(standing.cover(self.defer(&request, body, sealer()?, record))).await,
            Route::Presign => lease.cover(standing.cover(self.presign(request, body, presign()?, record))).await,
        }
    }

    /// `GET /_palisade/credentials`
    async fn credentials(&self, request: &OwnRequest, record: &Record) -> Result<Response<Body>, Refusal> {
        let this = &*self.0;
        let _permit = this.limiter.admit(request.tenant())?;
        let keys = request.vend(&this.gate)?;
        record.about_to(Event::KeysVended, None).await?;
        Ok(answer(&json!({
            "AccessKeyId": keys.access_key_id,
            "SecretAccessKey": keys.secret_access_key.expose(),
            "Token": keys.session_token.expose(),
            "Expiration": written(request.ends(this.clock.now()))?,
        })))
    }
}

/// A small JSON document.
async fn document<T: DeserializeOwned>(body: Body) -> Result<T, Refusal> {
    let reading = tokio::time::timeout(READING, body::collect(body, MAX_BYTES)).await;
    let bytes = reading.map_err(|_| Refusal::from(Reason::RequestTimeout))?.map_err(|unreadable| match unreadable {
        Unreadable::TooLarge | Unreadable::NoRoom => Refusal::from(Reason::BodyTooLarge),
        Unreadable::Broken(error) => idle::refusal(&*error),
    })?;
    let malformed = |error| Refusal::noted(Reason::MalformedRequest, format!("the body is not what is expected: {error}"));
    serde_json::from_slice(&bytes).map_err(malformed)
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
