//! Listeners: from an accepted socket to a request that is worth looking at, and back.
//!
//! Knows HTTP and TLS, and nothing of tenants. A [`Handler`] gets only requests that passed the [`edge`]: well-framed,
//! unambiguous, within the limits of [`ServerConfig`]. Everything about one connection, its TLS handshake included, happens
//! in that connection's own task; nothing a peer does ends the accept loop.
//!
//! What each limit is for:
//!
//! | limit | keeps away |
//! | --- | --- |
//! | `connections` | more sockets than file descriptors; further ones wait in the kernel's queue |
//! | `handshake_timeout` | connections that never finish TLS |
//! | `header_timeout` | requests whose head comes byte by byte (answered 408) |
//! | `idle_timeout` | silence: between requests, inside a body ([`idle`]), and from a peer that does not read |
//! | `header_bytes`, `headers`, `uri_bytes` | heads that cost memory; hyper's own caps lie above, so that ours answer |
//! | `drain` | a shutdown that never ends |
//!
//! Who a client is by its certificate is a [`ClientCertificate`], which a [`Peer`] has only from a verified handshake. Over a Unix socket the kernel
//! says which [`User`] it is.

mod accept;
mod activity;
mod client;
mod connection;
pub mod drain;
pub mod edge;
pub mod flow;
mod head;
pub mod idle;
mod peer;
mod protocols;
mod socket;
mod stream;
pub mod tls;
mod trust;
pub mod tunnel;
mod wire;

#[cfg(test)]
mod tests;

use std::{io, net::SocketAddr, sync::Arc};

use http::{HeaderName, Request, Response, request};
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::{Semaphore, watch},
};

pub(crate) use self::stream::is_socket_path;
pub use self::{
    client::ClientCertificate,
    drain::{Drain, DrainHandle},
    peer::Peer,
    stream::{BoundSocket, Listening, Stream, User},
    tls::ReloadingTls,
};
use self::{
    connection::{Admission, Connections},
    drain::Ended,
};
use crate::{
    body::Body,
    config::ServerConfig,
    reject::Refusal,
    telemetry::{Metrics, metrics::Listener},
};

/// Length of the kernel's queue of connections that wait to be accepted.
const BACKLOG: u32 = 1024;

/// What a listener does with its requests. Cloned for every connection, so it should be an `Arc` inside.
pub trait Handler: Clone + Send + Sync + 'static {
    /// Answers a request. The future is dropped when the client goes away, and so is the response's body. The request's body
    /// ends with [`idle::Silence`] when the client sends nothing of it for `idle_timeout`.
    fn handle(&self, request: Request<Body>, peer: Peer) -> impl Future<Output = Response<Body>> + Send;

    /// Says no to a request that the edge stopped, in this listener's own format, and accounts for it. `head` may be
    /// malformed in any way and is not trustworthy; after a panic its extensions are missing.
    fn refuse(&self, refusal: Refusal, head: &request::Parts, peer: &Peer) -> Response<Body>;

    /// Headers to mark as sensitive besides the ones that are so by standard, such as a configured token header.
    fn sensitive_headers(&self) -> Vec<HeaderName> {
        Vec::new()
    }
}

/// A socket that is bound and listening, before anything is accepted from it.
///
/// Binding apart from serving lets a process fail before it starts, and lets tests bind port 0.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
}

impl Bound {
    /// Binds and listens. Needs a Tokio runtime.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // A restarted sidecar must not wait for its predecessor's connections to leave TIME_WAIT.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let listener = socket.listen(BACKLOG)?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// The address, with the port that was given when 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The socket, for [`serve`].
    pub fn into_listener(self) -> TcpListener {
        self.listener
    }
}

/// Serves `listener` until `drain` starts, then lets requests in progress finish, for `config.drain` at most.
///
/// Returns when every connection, upgraded ones included, has ended, or when that time is over; what is still open then is
/// cut off (an upgraded connection lives on in the handler's hands). Dropping the future cuts off every connection at once.
pub async fn serve<H: Handler>(
    listener: impl Into<Listening>,
    tls: Option<Arc<ReloadingTls>>,
    listener_name: Listener,
    config: &ServerConfig,
    handler: H,
    metrics: Metrics,
    drain: Drain,
) {
    let listener = listener.into();
    let limit = u32::try_from(config.connections).unwrap_or(u32::MAX);
    let permits = Arc::new(Semaphore::new(limit as usize));
    metrics.connections_allowed(listener_name, limit);
    // Its end is the signal: connections watch for the sender to go.
    let (_alive, alive) = watch::channel(());
    let connections = Connections::new(tls, listener_name, config.clone(), handler, metrics, drain.clone(), alive);

    tokio::select! {
        () = accept_all(&listener, &permits, &connections) => {}
        () = drain.started() => {}
    }
    // Refuses new connections from here on, instead of letting them wait for an answer that will not come.
    drop(listener);

    let ended = drain::wait(&permits, limit, config.drain).await;
    match ended {
        Ended::Quietly => tracing::info!(listener = listener_name.as_str(), "drained: every connection has ended"),
        Ended::Overdue { open } => {
            tracing::warn!(listener = listener_name.as_str(), open, "drain is over its deadline: remaining connections are cut off");
        }
    }
}

/// Accepts for ever.
async fn accept_all<H: Handler>(listener: &Listening, permits: &Arc<Semaphore>, connections: &Connections<H>) {
    // The permit comes first: a connection that cannot be served is better off in the kernel's queue than half open here.
    while let Ok(permit) = permits.clone().acquire_owned().await {
        let (stream, peer) = accept::next(listener).await;
        let admission = Admission::new(permit, connections.gauge());
        tokio::spawn(connections.clone().run(stream, peer, admission));
    }
}
