//! One connection, from the accepted socket to its end.

use std::{convert::Infallible, error::Error, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use http::StatusCode;
use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use prometheus::IntGauge;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::{OwnedSemaphorePermit, watch},
};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use super::{
    Drain, Handler, ReloadingTls,
    activity::{Activity, Tracked},
    edge,
    socket::Socket,
    wire::{HeadOverdue, Wire, WireLimits},
};
use crate::{
    causes::{chain, find},
    config::ServerConfig,
    reject::Reason,
    telemetry::{Metrics, TenantLabel, metrics::Listener},
};

/// How far hyper's caps lie above ours, so that ours answer, with a reason and a log line.
const HEADROOM_BYTES: usize = 64 * 1024;
/// The same for the number of header lines.
const HEADROOM_LINES: usize = 64;
/// Requests at once on one HTTP/2 connection; a common value, and enough for an SDK's pool.
const MAX_STREAMS: u32 = 128;
/// Response bytes held for one HTTP/2 stream whose client is slow.
const MAX_STREAM_BUFFER: usize = 128 * 1024;
/// HTTP/2 pings find clients that vanished; the values are those that gRPC servers use.
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// What all connections of a listener share. Cheap to clone.
pub(super) struct Connections<H>(Arc<Shared<H>>);

struct Shared<H> {
    tls: Option<Arc<ReloadingTls>>,
    listener: Listener,
    config: ServerConfig,
    handler: H,
    metrics: Metrics,
    drain: Drain,
    /// Ends when the listener's time is over.
    alive: watch::Receiver<()>,
    http: auto::Builder<TokioExecutor>,
}

/// A place among the permitted connections, and in the gauge, given back on drop.
pub(super) struct Admission {
    _permit: OwnedSemaphorePermit,
    gauge: IntGauge,
}

impl Admission {
    /// Takes the place.
    pub(super) fn new(permit: OwnedSemaphorePermit, gauge: IntGauge) -> Self {
        gauge.inc();
        Self { _permit: permit, gauge }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.gauge.dec();
    }
}

impl<H> Clone for Connections<H> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<H: Handler> Connections<H> {
    /// Gathers what connections need.
    pub(super) fn new(
        tls: Option<Arc<ReloadingTls>>,
        listener: Listener,
        config: ServerConfig,
        handler: H,
        metrics: Metrics,
        drain: Drain,
        alive: watch::Receiver<()>,
    ) -> Self {
        let http = http(&config);
        Self(Arc::new(Shared { tls, listener, config, handler, metrics, drain, alive, http }))
    }

    /// The gauge of open connections.
    pub(super) fn gauge(&self) -> IntGauge {
        self.0.metrics.connections(self.0.listener)
    }

    /// Serves one connection to its end. What goes wrong on it is its own affair.
    pub(super) async fn run(self, stream: TcpStream, peer: SocketAddr, admission: Admission) {
        let mut alive = self.0.alive.clone();
        tokio::select! {
            () = self.handshake_and_serve(stream, peer, admission) => {}
            // Fails when the sender is gone, which is the signal.
            _ = alive.changed() => tracing::debug!(%peer, "connection cut off"),
        }
    }

    async fn handshake_and_serve(&self, stream: TcpStream, peer: SocketAddr, admission: Admission) {
        let socket = Socket::new(stream);
        let Some(tls) = &self.0.tls else {
            return self.serve(socket.clone(), &socket, peer, admission).await;
        };
        let handshake = TlsAcceptor::from(tls.server_config()).accept(socket.clone());
        match tokio::time::timeout(self.0.config.handshake_timeout, handshake).await {
            Ok(Ok(stream)) => self.serve(stream, &socket, peer, admission).await,
            Ok(Err(error)) => tracing::debug!(%peer, %error, "TLS handshake failed"),
            Err(_) => tracing::debug!(%peer, "TLS handshake did not end in time"),
        }
    }

    async fn serve<T>(&self, stream: T, socket: &Socket, peer: SocketAddr, admission: Admission)
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let shared = &*self.0;
        let activity = Activity::new(shared.config.header_bytes + shared.config.uri_bytes);
        let limits = WireLimits { head: shared.config.header_timeout, write: shared.config.idle_timeout };
        let wire = Wire::new(stream, activity.clone(), limits, admission);

        let stack = edge::stack(shared.handler.clone(), shared.listener, &shared.config, peer, activity.clone());
        let service = service_fn(|request| {
            let in_flight = activity.begin();
            let (stack, activity) = (stack.clone(), activity.clone());
            async move {
                let response = stack.oneshot(request).await?;
                if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                    activity.upgrade();
                }
                Ok::<_, Infallible>(response.map(|body| Tracked::new(body, in_flight)))
            }
        });

        let mut connection = pin!(shared.http.serve_connection_with_upgrades(TokioIo::new(wire), service));
        let early = tokio::select! {
            result = connection.as_mut() => Some(result),
            () = shared.drain.started() => None,
            () = activity.idle_for(shared.config.idle_timeout) => None,
            () = socket.peer_left(&activity) => return tracing::debug!(%peer, "the client went while its requests were in progress"),
        };
        let result = match early {
            Some(result) => result,
            None => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    result = connection.as_mut() => result,
                    // Nothing in progress, and yet it does not end: half a head, or an HTTP/2 client that ignores GOAWAY.
                    () = activity.idle_for(shared.config.header_timeout) => Ok(()),
                    () = socket.peer_left(&activity) => Ok(()),
                }
            }
        };
        if let Err(error) = result {
            tracing::debug!(%peer, error = %chain(&*error), "connection ended");
            // No handler saw the request, so none counts it or writes it down.
            if let Some(reason) = reason(&*error) {
                tracing::info!(%peer, listener = shared.listener.as_str(), reason = reason.as_str(), "request refused while it was read");
                shared.metrics.refusal(shared.listener, &TenantLabel::NONE, reason);
            }
        }
    }
}

/// What hyper, or the socket below it, refused.
fn reason(error: &(dyn Error + Send + Sync + 'static)) -> Option<Reason> {
    if find::<HeadOverdue>(error).is_some() {
        return Some(Reason::RequestTimeout);
    }
    let error = find::<hyper::Error>(error)?;
    if error.is_parse_too_large() {
        return Some(Reason::HeadersTooLarge);
    }
    error.is_parse().then_some(Reason::MalformedRequest)
}

/// hyper, told our limits.
fn http(config: &ServerConfig) -> auto::Builder<TokioExecutor> {
    let head_bytes = config.header_bytes + config.uri_bytes + HEADROOM_BYTES;
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1()
        .timer(TokioTimer::new())
        // Counts from the end of the request before. The real deadline is the wire's; this one is for half a head that came
        // in the wake of another request, where the wire cannot tell.
        .header_read_timeout(config.idle_timeout + config.header_timeout)
        .max_buf_size(head_bytes)
        .max_headers(config.headers + HEADROOM_LINES);
    http.http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(u32::try_from(head_bytes).unwrap_or(u32::MAX))
        .max_send_buf_size(MAX_STREAM_BUFFER)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT);
    http
}
