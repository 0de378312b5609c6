//! The way out: to the application ([`AppClient`]), to AWS ([`AwsClient`]), and to whoever publishes keys ([`Fetcher`]).
//!
//! Connections are pooled and kept alive. Each exchange is under three deadlines, and a fault of the request's own body (a
//! wrong hash, a client that went silent) is told apart from a fault of the upstream:
//!
//! * `connect`: name resolution, TCP and TLS;
//! * `idle`: while the request's body is being sent, the longest time in which the upstream takes nothing of it;
//! * `response`: from the request's last byte to the response's head.
//!
//! A response's body is the caller's to watch ([`within`](crate::server::idle::within)). A request is sent again only when
//! it failed on a kept connection before any of it was written. Redirects are never followed.

mod app;
mod aws;
mod connect;
mod fetch;
mod progress;
mod resolve;

#[cfg(test)]
mod tests;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::client::legacy::{self, Client, connect::Connect};

pub use self::{
    app::AppClient,
    aws::AwsClient,
    connect::{SetupError, check_roots},
    fetch::{FetchError, Fetcher, https_client},
    resolve::is_forbidden,
};
use self::{progress::Watched, resolve::Forbidden};
use crate::{
    body::Body,
    causes::{chain, find},
    config::TimeoutsConfig,
    reject::{Reason, Refusal},
};

/// Sends a request and waits for the response's head, within the deadlines.
async fn exchange<C>(client: &Client<C, Watched>, request: Request<Body>, timeouts: &TimeoutsConfig) -> Result<Response<Incoming>, Refusal>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    let (head, body) = request.into_parts();
    let (body, progress) = progress::watch(body);
    tokio::select! {
        biased;
        result = client.request(Request::from_parts(head, body)) => match result {
            Ok(response) => Ok(response),
            // The body's failure is the cause; what hyper reports is its effect, and in HTTP/2 does not name it.
            Err(error) => Err(progress.failure().unwrap_or_else(|| refusal(&error))),
        },
        () = progress.overdue(timeouts) => Err(Reason::UpstreamTimeout.into()),
    }
}

fn refusal(error: &legacy::Error) -> Refusal {
    let reason = match find::<Forbidden>(error) {
        Some(_) => Reason::HostNotAllowed,
        None => Reason::UpstreamUnavailable,
    };
    Refusal::noted(reason, chain(error))
}
