//! Upgraded connections, such as WebSocket (RFC 6455).
//!
//! The request never ends while the connection is up, so a rule of its own applies: the passport lives until either side closes, or leaves
//! what the other sends lying for `identity.passport.stall`, and no longer than `identity.passport.upgrade_max_age`; after that the connection
//! goes on, but gives no more authority on the egress. There is no grace: no response comes to an end that an application could have waited
//! for. A tunnel whose caller would no longer be let in is closed.

use std::time::Duration;

use http::{Method, Request, Response, header};

use super::hold::Held;
use crate::{
    body::{self, Body},
    directory::Standing,
    identity::Passport,
    reject::Refusal,
    server::tunnel::{self, Caller, Patience},
    upstream::Answer,
};

/// A tunnel in which nothing moves for so long is given up. WebSocket peers ping at least every minute or two.
const IDLE: Duration = Duration::from_secs(600);

/// Whether the caller asks for another protocol on this connection.
pub(super) fn wanted<B>(request: &Request<B>) -> bool {
    *request.method() == Method::GET && request.headers().contains_key(header::UPGRADE)
}

/// Joins the caller's connection with the application's, once the application has agreed to switch, until either side closes or
/// `standing` is lost.
pub(super) fn join<R: Send + 'static>(
    mut answer: Response<Answer>,
    caller: Caller,
    standing: Option<Standing>,
    held: Held<R>,
) -> Response<Body> {
    let application = hyper::upgrade::on(&mut answer);
    tokio::spawn(async move {
        let Held { room, passport } = held;
        let patience = Patience { idle: IDLE, stall: passport.as_ref().map_or(IDLE, Passport::stall) };
        let switched = || passport.inspect(Passport::upgrade);
        tokio::select! {
            refusal = lost(standing) => tracing::info!(reason = refusal.reason.as_str(), "a tunnel was closed"),
            // How a tunnel ends is the business of its two sides.
            ended = tunnel::join(caller, application, patience, switched) => tracing::debug!(?ended, "a tunnel ended"),
        }
        drop(room);
    });
    answer.map(|_| body::empty())
}

/// When the request no longer stands; a request of nobody always does.
async fn lost(standing: Option<Standing>) -> Refusal {
    match standing {
        Some(standing) => standing.lost().await,
        None => std::future::pending().await,
    }
}
