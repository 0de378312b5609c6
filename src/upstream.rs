//! The way out: to the application ([`AppClient`]), to AWS ([`AwsClient`]), to whoever publishes keys ([`Fetcher`]), and
//! to whoever collects traces ([`Collector`]).
//!
//! Connections are pooled and kept alive. Each exchange is under three deadlines, and a fault of the request's own body (a
//! wrong hash, a client that went silent) is told apart from a fault of the upstream:
//!
//! * `connect`: name resolution, TCP and TLS;
//! * `idle`: while the request's body is being sent, the longest time in which the upstream takes nothing of it;
//! * `response`: from the request's last byte to the response's head.
//!
//! A response's body is the caller's to watch ([`within`](crate::server::idle::within)). A request is sent again only when
//! it failed on a kept connection before any of it was written, or to the next of the application's places when there was no connection
//! to the one before. Redirects are never followed. A body that the client holds back
//! until it is asked for (`Expect: 100-continue`) is asked for when the upstream asks.

mod app;
mod aws;
mod collector;
mod connect;
mod expect;
mod fetch;
mod fleet;
mod progress;
mod resolve;

#[cfg(test)]
mod tests;

use std::{convert::Infallible, time::Duration};

use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper_util::client::legacy::{
    self, Client,
    connect::{CaptureConnection, Connect, Connected},
};

pub use self::{
    app::{AppClient, Busy, RoutedRequest},
    aws::AwsClient,
    collector::Collector,
    connect::{SetupError, check_roots},
    expect::Answer,
    fetch::{Ask, Document, FetchError, Fetcher, https_client},
    resolve::is_forbidden,
};
use self::{expect::Gate, fleet::Full, progress::Watched, resolve::Forbidden};
use crate::{
    body::Body,
    causes::{chain, find},
    config::TimeoutsConfig,
    reject::{Reason, Refusal},
};

/// Connections become free within seconds.
const RETRY: Duration = Duration::from_secs(1);

/// How a request is sent.
struct Sending<'a> {
    timeouts: &'a TimeoutsConfig,
    /// Whether the client waits to be asked for the body.
    expects_continue: bool,
    /// Tells which connection was chosen, where that may be one of HTTP/2.
    connection: Option<CaptureConnection>,
}

/// An exchange that came to nothing.
struct Failed {
    refusal: Refusal,
    /// Whether there was no connection, so that nothing can have been sent.
    is_unconnected: bool,
}

impl From<Refusal> for Failed {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, is_unconnected: false }
    }
}

/// Sends a request and waits for the response's head, within the deadlines.
async fn exchange<C>(client: &Client<C, Watched>, request: Request<Body>, sending: Sending<'_>) -> Result<Response<Answer>, Failed>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    let (mut head, body) = request.into_parts();
    let (body, gate) = if sending.expects_continue { expect::hold(body) } else { (body, None) };
    if gate.is_some() {
        head.headers.insert(header::EXPECT, HeaderValue::from_static("100-continue"));
    }
    let (body, progress) = progress::watch(body);
    let mut request = Request::from_parts(head, body);
    if let Some(gate) = gate.clone() {
        hyper::ext::on_informational(&mut request, move |interim| {
            if interim.status() == StatusCode::CONTINUE {
                gate.open();
            }
        });
    }
    tokio::select! {
        biased;
        result = client.request(request) => match result {
            Ok(response) => {
                let version = response.version();
                Ok(received(response.map(|incoming| Answer::new(version, incoming, gate.and_then(Gate::close)))))
            }
            // The body's failure is the cause; what hyper reports is its effect, and in HTTP/2 does not name it.
            Err(error) => Err(match progress.failure() {
                Some(refusal) => refusal.into(),
                None => Failed { refusal: refusal(&error), is_unconnected: error.is_connect() },
            }),
        },
        () = progress.overdue(sending.timeouts) => Err(Refusal::from(Reason::UpstreamTimeout).into()),
        never = open_over_http2(gate.as_ref(), sending.connection) => match never {},
    }
}

/// hyper does not tell of interim responses in HTTP/2. There a body can be sent at once: a server that does not want it resets
/// the stream, and the connection goes on.
async fn open_over_http2(gate: Option<&Gate>, connection: Option<CaptureConnection>) -> Infallible {
    if let (Some(gate), Some(mut connection)) = (gate, connection) {
        let is_http2 = connection.wait_for_connection_metadata().await.as_ref().is_some_and(Connected::is_negotiated_h2);
        if is_http2 {
            gate.open();
        }
    }
    std::future::pending().await
}

/// RFC 9112, section 6.3: where both are there, the length is not the body's. hyper has read it so.
fn received(mut response: Response<Answer>) -> Response<Answer> {
    if response.headers().contains_key(header::TRANSFER_ENCODING) {
        response.headers_mut().remove(header::CONTENT_LENGTH);
    }
    response
}

fn refusal(error: &legacy::Error) -> Refusal {
    if find::<Full>(error).is_some() {
        return Refusal::noted(Reason::Overloaded, chain(error)).retry_after(RETRY);
    }
    let reason = match find::<Forbidden>(error) {
        Some(_) => Reason::HostNotAllowed,
        None => Reason::UpstreamUnavailable,
    };
    Refusal::noted(reason, chain(error))
}
