//! Small documents from the web: issuers' keys, and what says where they are.

use std::{path::Path, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, header, uri::Scheme};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper_util::client::legacy::Client;

use super::{
    connect::{self, Connector, NO_ROOTS, Protocols, SetupError},
    progress::{self, Watched},
    resolve::Resolver,
};
use crate::{
    body,
    causes::{chain, find},
};

/// Fetches are minutes apart: a connection is not worth keeping for long.
const IDLE: Duration = Duration::from_secs(5);
/// For resolution, TCP and TLS; the whole fetch has a deadline as well.
const CONNECT: Duration = Duration::from_secs(5);

/// Fetches documents from hosts that the configuration names.
#[derive(Clone)]
pub struct Fetcher {
    client: Client<Connector, Watched>,
    has_roots: bool,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Ask<'a> {
    /// Where it is.
    pub uri: &'a Uri,
    /// Largest answer, in bytes.
    pub max_bytes: usize,
    /// Longest exchange.
    pub limit: Duration,
    /// `Authorization`, where the place wants one.
    pub authorization: Option<HeaderValue>,
}

/// A document.
#[derive(Debug, Clone)]
pub struct Document {
    /// Its text.
    pub body: Bytes,
    /// How long it is fresh (RFC 9111, section 4.2), where the answer says so.
    pub fresh_for: Option<Duration>,
}

/// Why there is no document. Says nothing of its content.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The host cannot be reached, or the exchange broke.
    #[error("{0}")]
    Exchange(String),
    /// Nobody could be trusted.
    #[error("{NO_ROOTS}")]
    NoRoots,
    /// No complete answer within the deadline.
    #[error("no complete answer within {} ms", .0.as_millis())]
    Overdue(Duration),
    /// Another status than 200. Redirects are not followed: the configuration names the place.
    #[error("the answer's status is {0}")]
    Status(StatusCode),
    /// Larger than allowed.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
}

/// A [`Fetcher`] that trusts the system's roots and those of a PEM file. It takes `http` URIs too: whether one is acceptable
/// is the configuration's business.
pub fn https_client(ca: Option<&Path>) -> Result<Fetcher, SetupError> {
    let mut roots = connect::platform_roots();
    connect::add_roots(&mut roots, ca)?;
    let has_roots = !roots.is_empty();
    let tls = connect::client_config(roots)?;
    let connector = connect::connector(tls, Protocols::Negotiated, Resolver { is_guarded: false }, true, CONNECT, None);
    Ok(Fetcher { client: connect::client(connector, IDLE), has_roots })
}

impl Fetcher {
    /// The document that is asked for. Redirects are not followed.
    ///
    /// # Errors
    /// When there is none in time, or a larger one.
    pub async fn fetch(&self, ask: Ask<'_>) -> Result<Document, FetchError> {
        let limit = ask.limit;
        match tokio::time::timeout(limit, self.get(ask)).await {
            Ok(result) => result,
            Err(_) => Err(FetchError::Overdue(limit)),
        }
    }

    async fn get(&self, ask: Ask<'_>) -> Result<Document, FetchError> {
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = ask.uri.clone();
        let headers = request.headers_mut();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json, application/jwk-set+json"));
        if let Some(mut authorization) = ask.authorization {
            authorization.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, authorization);
        }
        let response = self.send(request, |status| status == StatusCode::OK, ask.max_bytes).await?;
        Ok(Document { fresh_for: fresh_for(response.headers()), body: response.into_body() })
    }

    /// The answer to `request`, whatever its status, within `limit`.
    ///
    /// # Errors
    /// When there is none in time, or one with more than `max_bytes`.
    pub async fn exchange(&self, request: Request<Bytes>, max_bytes: usize, limit: Duration) -> Result<Response<Bytes>, FetchError> {
        let answer = tokio::time::timeout(limit, self.send(request, |_| true, max_bytes)).await;
        answer.unwrap_or(Err(FetchError::Overdue(limit)))
    }

    async fn send(
        &self,
        request: Request<Bytes>,
        takes: impl Fn(StatusCode) -> bool,
        max_bytes: usize,
    ) -> Result<Response<Bytes>, FetchError> {
        if !self.has_roots && request.uri().scheme() == Some(&Scheme::HTTPS) {
            return Err(FetchError::NoRoots);
        }
        let mut request = request.map(|bytes| progress::watch(if bytes.is_empty() { body::empty() } else { body::full(bytes) }).0);
        request.headers_mut().insert(header::USER_AGENT, HeaderValue::from_static(concat!("palisade/", env!("CARGO_PKG_VERSION"))));
        let (head, body) = self.client.request(request).await.map_err(|error| FetchError::Exchange(chain(&error)))?.into_parts();
        if !takes(head.status) {
            return Err(FetchError::Status(head.status));
        }
        match Limited::new(body, max_bytes).collect().await {
            Ok(body) => Ok(Response::from_parts(head, body.to_bytes())),
            Err(error) if find::<LengthLimitError>(&*error).is_some() => Err(FetchError::TooLarge(max_bytes)),
            Err(error) => Err(FetchError::Exchange(chain(&*error))),
        }
    }
}

/// What `Cache-Control` and `Age` leave of an answer's freshness, as a private cache reads them (RFC 9111, sections 4.2.1 and 5.2.2). What
/// contradicts itself or cannot be read is not fresh. `Expires` is from before, and means the clock of the other side.
fn fresh_for(headers: &HeaderMap) -> Option<Duration> {
    let mut ages: Vec<Option<u64>> = Vec::new();
    for value in headers.get_all(header::CACHE_CONTROL) {
        for directive in value.to_str().unwrap_or("no-cache").split(',') {
            let (name, argument) = directive.split_once('=').map_or((directive, None), |(name, argument)| (name, Some(argument)));
            match name.trim().to_ascii_lowercase().as_str() {
                "no-store" | "no-cache" => return Some(Duration::ZERO),
                "max-age" => ages.push(argument.and_then(seconds)),
                _ => {}
            }
        }
    }
    let max_age = match ages.as_slice() {
        [] => return None,
        [first, rest @ ..] if rest.iter().all(|other| other == first) => first.unwrap_or(0),
        _ => 0,
    };
    let age = match headers.get(header::AGE) {
        None => 0,
        Some(value) => value.to_str().ok().and_then(seconds).unwrap_or(u64::MAX),
    };
    Some(Duration::from_secs(max_age.saturating_sub(age)))
}

/// RFC 9111, section 1.2.2; a number of seconds may be quoted, and a large one is as good as for ever.
fn seconds(text: &str) -> Option<u64> {
    let digits = text.trim().trim_matches('"');
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u64::from(u32::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn freshness_is_what_the_answer_says_of_it() {
        let fresh = |headers: &[(&'static str, &'static str)]| {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(*name, HeaderValue::from_static(value));
            }
            fresh_for(&map).map(|fresh| fresh.as_secs())
        };
        let control = |value: &'static str| fresh(&[("cache-control", value)]);
        assert_eq!((fresh(&[]), control("public"), control("s-maxage=60")), (None, None, None));
        assert_eq!((control("max-age=300"), control("public, Max-Age=300 , must-revalidate")), (Some(300), Some(300)));
        assert_eq!((control("max-age=\"300\""), control("max-age=99999999999999999999")), (Some(300), Some(u64::from(u32::MAX))));
        for none in [
            "no-store",
            "no-cache, max-age=300",
            "max-age=300, no-store",
            "max-age",
            "max-age=",
            "max-age=x",
            "max-age=-1",
            "max-age=300, max-age=60",
        ] {
            assert_eq!(control(none), Some(0), "{none}");
        }
        assert_eq!(fresh(&[("cache-control", "max-age=300"), ("cache-control", "no-store")]), Some(0));
        assert_eq!(fresh(&[("cache-control", "max-age=300"), ("age", "100")]), Some(200));
        assert_eq!(fresh(&[("cache-control", "max-age=300"), ("age", "301")]), Some(0));
        assert_eq!(fresh(&[("cache-control", "max-age=300"), ("age", "old")]), Some(0));
        assert_eq!(fresh(&[("age", "100")]), None);
    }
}
