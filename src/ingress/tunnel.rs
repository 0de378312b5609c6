//! Upgraded connections, such as WebSocket (RFC 6455).
//!
//! The request never ends while the connection is up, so a rule of its own applies: the passport lives with the tunnel, and
//! no longer than `identity.passport.max_age`; after that the connection goes on, but gives no more authority on the egress.

use std::time::Duration;

use http::{Method, Request, Response, header};
use hyper::upgrade::OnUpgrade;

use crate::{
    body::{self, Body},
    server::tunnel,
    upstream::Answer,
};

/// A tunnel in which nothing moves for so long is given up. WebSocket peers ping at least every minute or two.
const IDLE: Duration = Duration::from_secs(600);

/// Whether the caller asks for another protocol on this connection.
pub(super) fn wanted<B>(request: &Request<B>) -> bool {
    *request.method() == Method::GET && request.headers().contains_key(header::UPGRADE)
}

/// Joins the caller's connection with the application's, once the application has agreed to switch. `guard` is kept until
/// either side closes.
pub(super) fn join<G: Send + 'static>(mut answer: Response<Answer>, caller: OnUpgrade, guard: G) -> Response<Body> {
    let application = hyper::upgrade::on(&mut answer);
    tokio::spawn(async move {
        let _guard = guard;
        let (caller, application) = match tokio::join!(caller, application) {
            (Ok(caller), Ok(application)) => (caller, application),
            (Err(error), _) | (_, Err(error)) => return tracing::debug!(%error, "a connection was not upgraded"),
        };
        // How a tunnel ends is the business of its two sides.
        let _ = tunnel::join(caller, application, IDLE).await;
    });
    answer.map(|_| body::empty())
}
