//! One connection, from the accepted socket to its end.
//!
//! Most connections are idle most of the time, and hyper holds two buffers of 8 KiB for each, idle or not. So it gets a
//! connection only for as long as there is something to do: the first bytes are waited for without it, and an HTTP/1
//! connection on which nothing has happened for a moment ([`PARK_AFTER`]) is *parked*, that is, taken back from hyper until
//! the next byte comes. That byte's request pays with a new hyper connection (a few allocations) and one more read; a
//! connection in steady use is never parked and pays nothing. HTTP/2 connections and upgraded ones are not parked.
//!
//! Nothing may be under way then, in either direction: bytes of a body that are taken for a request would be one that nobody
//! has checked. [`Activity`] counts requests until the last byte of response and body, and hyper has the last word: it is told
//! to shut down gracefully, which an idle connection does at once, while the [`Wire`] keeps the socket open. What it had read
//! of a next head goes back to the wire.

use std::{convert::Infallible, error::Error, pin::Pin, sync::Arc, time::Duration};

use futures_util::FutureExt;
use http::{Request, Response, StatusCode, header};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::{Service, service_fn},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prometheus::IntGauge;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    sync::{OwnedSemaphorePermit, watch},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tower::ServiceExt;

use super::{
    ClientCertificate, Drain, Handler, Peer, ReloadingTls,
    activity::{Activity, Tracked},
    edge, protocols,
    socket::Socket,
    stream::Stream,
    tls::failure,
    trust::Trust,
    wire::{HeadOverdue, Protocol, Wire, WireLimits},
};
use crate::{
    causes::{chain, find},
    config::ServerConfig,
    reject::Reason,
    telemetry::{Metrics, TenantLabel, metrics::Listener},
};

/// How long an HTTP/1 connection has to be idle to be parked. Longer than the pauses of a client that is at work; short enough
/// that of many connections which come and fall idle few hold hyper's buffers at the same time.
pub(super) const PARK_AFTER: Duration = Duration::from_millis(250);

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
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
}

/// What is known of one connection, whoever has it in hand.
struct Line {
    peer: Peer,
    trust: Trust,
    socket: Socket,
    activity: Arc<Activity>,
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
        let (http1, http2) = (protocols::http1(&config), protocols::http2(&config));
        Self(Arc::new(Shared { tls, listener, config, handler, metrics, drain, alive, http1, http2 }))
    }

    /// The gauge of open connections.
    pub(super) fn gauge(&self) -> IntGauge {
        self.0.metrics.connections(self.0.listener)
    }

    /// Serves one connection to its end. What goes wrong on it is its own affair.
    pub(super) async fn run(self, stream: Stream, peer: Peer, admission: Admission) {
        let mut alive = self.0.alive.clone();
        tokio::select! {
            () = self.handshake_and_serve(stream, peer.clone(), admission) => {}
            // Fails when the sender is gone, which is the signal.
            _ = alive.changed() => tracing::debug!(%peer, "connection cut off"),
        }
    }

    /// Everything large is in a box of its own: a task is as large as the largest of its states, and stays so.
    async fn handshake_and_serve(&self, stream: Stream, peer: Peer, admission: Admission) {
        let socket = Socket::new(stream);
        match &self.0.tls {
            None => Box::pin(self.serve(socket.clone(), socket, peer, Trust::NONE, admission)).await,
            Some(tls) => {
                if let Some((stream, peer, trust)) = Box::pin(self.handshake(tls, socket.clone(), peer)).await {
                    Box::pin(self.serve(stream, socket, peer, trust, admission)).await;
                }
            }
        }
    }

    /// Takes a connection into TLS, and says who the client is and for how long that holds. `None`: that failed.
    async fn handshake(&self, tls: &ReloadingTls, socket: Socket, peer: Peer) -> Option<(Box<TlsStream<Socket>>, Peer, Trust)> {
        let (terms, in_force) = tls.terms();
        let handshake = TlsAcceptor::from(terms).accept(socket);
        let stream = match tokio::time::timeout(self.0.config.handshake_timeout, handshake).await {
            Ok(Ok(stream)) => Box::new(stream),
            Ok(Err(error)) => {
                tls.failed(failure::class(&error));
                tracing::debug!(%peer, %error, "TLS handshake failed");
                return None;
            }
            Err(_) => {
                tls.failed(failure::TIMEOUT);
                tracing::debug!(%peer, "TLS handshake did not end in time");
                return None;
            }
        };
        let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        match shown.map(|leaf| ClientCertificate::of_verified(leaf)).transpose() {
            Ok(None) => Some((stream, peer, Trust::NONE)),
            Ok(Some(client)) => {
                let trust = Trust::new(in_force, client.not_after(), tls.clock());
                Some((stream, peer.with_client(Arc::new(client)), trust))
            }
            Err(error) => {
                tls.failed(failure::IDENTITY);
                tracing::debug!(%peer, %error, "the client's certificate is not taken");
                None
            }
        }
    }

    /// Waits for something to do, has hyper do it, and waits again.
    async fn serve<T>(&self, stream: T, socket: Socket, peer: Peer, trust: Trust, admission: Admission)
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let config = &self.0.config;
        let activity = Activity::new(config.header_bytes + config.uri_bytes);
        let limits = WireLimits { head: config.header_timeout, write: config.idle_timeout };
        let mut wire = Wire::new(stream, activity.clone(), limits, admission);
        let line = Line { peer, trust, socket, activity };
        let mut patience = config.idle_timeout;
        loop {
            let spoken = tokio::select! {
                // A request that is there is served, even if the drain began with it.
                biased;
                spoken = wire.wake() => spoken,
                () = self.0.drain.started() => Ok(None),
                () = line.trust.ended() => Ok(None),
                () = tokio::time::sleep(patience) => Ok(None),
            };
            match spoken {
                Ok(Some(Protocol::Http1)) => match Box::pin(self.http1(wire, &line)).await {
                    Some(parked) => wire = parked,
                    None => return,
                },
                Ok(Some(Protocol::Http2)) => return Box::pin(self.http2(wire, &line)).await,
                Ok(None) => {
                    // Nobody is left to hear of a failure.
                    let _ = wire.shutdown().await;
                    return;
                }
                Err(error) => return self.broke_off(&line.peer, &error),
            }
            patience = config.idle_timeout.saturating_sub(PARK_AFTER);
        }
    }

    /// Serves until the connection has ended, or is idle and can be parked.
    async fn http1<T>(&self, wire: Wire<T>, line: &Line) -> Option<Wire<T>>
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut connection = self.0.http1.serve_connection(TokioIo::new(wire), self.service(line)).with_upgrades();
        let result = tokio::select! {
            // What has been read is acted upon before anything is ended.
            biased;
            result = &mut connection => Some(result),
            () = self.0.drain.started() => None,
            () = line.trust.ended() => None,
            () = line.activity.quiet_for(PARK_AFTER.min(self.0.config.idle_timeout)) => {
                line.activity.keep_open(true);
                Pin::new(&mut connection).graceful_shutdown();
                let at_once = (&mut connection).now_or_never();
                line.activity.keep_open(false);
                if let Some(Ok(())) = at_once {
                    let parts = connection.into_parts()?;
                    let mut wire = parts.io.into_inner();
                    wire.give_back(parts.read_buf);
                    return Some(wire);
                }
                at_once
            }
            () = line.socket.peer_left(&line.activity) => {
                tracing::debug!(peer = %line.peer, "the client went while its requests were in progress");
                return None;
            }
        };
        let result = match result {
            Some(result) => result,
            None => {
                Pin::new(&mut connection).graceful_shutdown();
                self.finish(connection, line).await
            }
        };
        if let Err(error) = result {
            self.broke_off(&line.peer, &error);
        }
        None
    }

    /// Serves until the connection has ended.
    async fn http2<T>(&self, wire: Wire<T>, line: &Line)
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut connection = self.0.http2.serve_connection(TokioIo::new(wire), self.service(line));
        let result = tokio::select! {
            biased;
            result = &mut connection => Some(result),
            () = self.0.drain.started() => None,
            () = line.trust.ended() => None,
            () = line.activity.idle_for(self.0.config.idle_timeout) => None,
            () = line.socket.peer_left(&line.activity) => {
                return tracing::debug!(peer = %line.peer, "the client went while its requests were in progress");
            }
        };
        let result = match result {
            Some(result) => result,
            None => {
                Pin::new(&mut connection).graceful_shutdown();
                self.finish(connection, line).await
            }
        };
        if let Err(error) = result {
            self.broke_off(&line.peer, &error);
        }
    }

    /// Waits for the end of a connection that takes nothing new.
    async fn finish(&self, connection: impl Future<Output = hyper::Result<()>>, line: &Line) -> hyper::Result<()> {
        tokio::select! {
            result = connection => result,
            // Nothing in progress, and yet it does not end: half a message, or an HTTP/2 client that ignores GOAWAY.
            () = line.activity.idle_for(self.0.config.header_timeout) => Ok(()),
            () = line.socket.peer_left(&line.activity) => Ok(()),
        }
    }

    /// The edge, as hyper calls it.
    fn service(
        &self,
        line: &Line,
    ) -> impl Service<Request<Incoming>, Response = Response<Tracked>, Error = Infallible, Future: Send + 'static> + use<H> {
        let (activity, socket) = (line.activity.clone(), line.socket.clone());
        let stack = edge::stack(self.0.handler.clone(), self.0.listener, &self.0.config, line.peer.clone(), activity.clone());
        service_fn(move |mut request: Request<Incoming>| {
            if request.headers().contains_key(header::UPGRADE) {
                // The handler takes the connection over, and with it the watch on its end.
                request.extensions_mut().insert(socket.clone());
            }
            let in_flight = activity.begin();
            let request = request.map(|body| Tracked::request(body, &activity));
            let (stack, activity) = (stack.clone(), activity.clone());
            async move {
                let response = stack.oneshot(request).await?;
                if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                    activity.upgrade();
                }
                Ok::<_, Infallible>(response.map(|body| Tracked::response(body, in_flight)))
            }
        })
    }

    /// Writes down why a connection ended in the middle of something.
    fn broke_off(&self, peer: &Peer, error: &(dyn Error + Send + Sync + 'static)) {
        tracing::debug!(%peer, error = %chain(error), "connection ended");
        // No handler saw the request, so none counts it or writes it down.
        if let Some(reason) = reason(error) {
            let listener = self.0.listener;
            tracing::info!(%peer, listener = listener.as_str(), reason = reason.as_str(), "request refused while it was read");
            self.0.metrics.refusal(listener, &TenantLabel::NONE, reason);
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
