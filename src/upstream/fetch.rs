//! Small documents from the web: issuers' keys.

use std::{path::Path, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, Uri, header, uri::Scheme};
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
    /// The document at `uri`, which may have `max_bytes` and take `limit`.
    pub async fn fetch(&self, uri: &Uri, max_bytes: usize, limit: Duration) -> Result<Bytes, FetchError> {
        match tokio::time::timeout(limit, self.get(uri, max_bytes)).await {
            Ok(result) => result,
            Err(_) => Err(FetchError::Overdue(limit)),
        }
    }

    async fn get(&self, uri: &Uri, max_bytes: usize) -> Result<Bytes, FetchError> {
        if !self.has_roots && uri.scheme() == Some(&Scheme::HTTPS) {
            return Err(FetchError::NoRoots);
        }
        let (body, _) = progress::watch(body::empty());
        let mut request = Request::new(body);
        *request.uri_mut() = uri.clone();
        request.headers_mut().insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        request.headers_mut().insert(header::USER_AGENT, HeaderValue::from_static(concat!("palisade/", env!("CARGO_PKG_VERSION"))));
        let response = self.client.request(request).await.map_err(|error| FetchError::Exchange(chain(&error)))?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status()));
        }
        match Limited::new(response.into_body(), max_bytes).collect().await {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) if find::<LengthLimitError>(&*error).is_some() => Err(FetchError::TooLarge(max_bytes)),
            Err(error) => Err(FetchError::Exchange(chain(&*error))),
        }
    }
}
