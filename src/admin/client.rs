//! One request to an admin listener, for the command line.

use std::{io, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::{
    body::{self, BoxError},
    causes::chain,
    secret::Secret,
};

/// Far more than any answer that is asked for here.
const MAX_ANSWER: usize = 64 * 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Nobody listens there.
    #[error("nothing listens on {address}: {source}")]
    Connect {
        /// Where.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// Somebody listens, but does not answer as expected.
    #[error("{address} does not answer as an admin listener: {reason}")]
    Exchange {
        /// Where.
        address: String,
        /// What went wrong.
        reason: String,
    },
    /// Not in time.
    #[error("{address} did not answer within {} ms", limit.as_millis())]
    Overdue {
        /// Where.
        address: String,
        /// The deadline.
        limit: Duration,
    },
}

/// Asks the admin listener at `address` (`host:port`) for `path`, with a bearer token if one is given, within `limit`.
pub async fn call(
    address: &str,
    method: Method,
    path: &str,
    token: Option<&Secret>,
    limit: Duration,
) -> Result<(StatusCode, Bytes), CallError> {
    match tokio::time::timeout(limit, attempt(address, method, path, token)).await {
        Ok(result) => result,
        Err(_) => Err(CallError::Overdue { address: address.to_owned(), limit }),
    }
}

async fn attempt(address: &str, method: Method, path: &str, token: Option<&Secret>) -> Result<(StatusCode, Bytes), CallError> {
    let stream = TcpStream::connect(address).await.map_err(|source| CallError::Connect { address: address.to_owned(), source })?;
    exchange(stream, address, method, path, token)
        .await
        .map_err(|error| CallError::Exchange { address: address.to_owned(), reason: chain(&*error) })
}

async fn exchange(
    stream: TcpStream,
    address: &str,
    method: Method,
    path: &str,
    token: Option<&Secret>,
) -> Result<(StatusCode, Bytes), BoxError> {
    let mut request = Request::builder().method(method).uri(path).header(header::HOST, address).header(header::CONNECTION, "close");
    if let Some(token) = token {
        let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose()))?;
        value.set_sensitive(true);
        request = request.header(header::AUTHORIZATION, value);
    }
    let request = request.body(body::empty())?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let answer = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await?;
        Ok((status, body.to_bytes()))
    };
    tokio::pin!(answer, connection);
    tokio::select! {
        result = &mut answer => result,
        // The connection can end with the answer already in hand.
        _ = &mut connection => answer.await,
    }
}
