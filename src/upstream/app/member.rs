//! One place: its connections, its requests in progress, its health.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::{
    HeaderValue, Request, Response, Uri, Version, header,
    uri::{Authority, Scheme},
};
use http_body_util::BodyExt;
use hyper_util::client::legacy::Client;
use rustls::{ClientConfig, RootCertStore};

use super::{
    super::{
        Answer, Failed, Sending,
        connect::{self, Protocols, SetupError, Timed},
        exchange,
        progress::Watched,
        resolve::Resolver,
    },
    dial::Dialer,
    health::{Condition, Gauges, Health},
};
use crate::{
    body::{self, Body},
    config::{HealthConfig, Place, Protocol, RoutingConfig, TimeoutsConfig},
    reject::{Reason, Refusal},
    telemetry::{Metrics, traces},
};

/// Below the five seconds after which Node.js closes a kept connection: the shortest among common servers. A request that
/// meets a connection just being closed can be lost.
const IDLE: Duration = Duration::from_secs(4);
/// Who is there on a Unix socket, where a request does not say.
const ON_SOCKET: Authority = Authority::from_static("localhost");

/// What every member is made of.
pub(super) struct Workshop {
    tls: ClientConfig,
    timeouts: TimeoutsConfig,
    health: Option<HealthConfig>,
    metrics: Metrics,
}

/// Which route a member is of, and what is spoken there.
pub(super) struct Origin {
    pub(super) route: Arc<str>,
    pub(super) protocol: Protocol,
}

/// A place.
pub(super) struct Member {
    route: Arc<str>,
    protocol: Protocol,
    place: Place,
    scheme: Scheme,
    authority: Authority,
    timeouts: TimeoutsConfig,
    http1: Client<Timed<Dialer>, Watched>,
    http2: Client<Timed<Dialer>, Watched>,
    in_progress: AtomicUsize,
    health: Option<Health>,
}

/// What a check found.
enum Checked {
    Well,
    Unwell(String),
    /// The place's name leads where nobody may go. Nothing is learned: requests are refused for that, and not for health.
    Forbidden,
}

/// A request in progress, until it is dropped.
#[derive(Debug)]
pub struct Busy(Arc<Member>);

impl Workshop {
    pub(super) fn new(config: &RoutingConfig, metrics: &Metrics) -> Result<Self, SetupError> {
        let roots = match (&config.ca, config.uses_tls()) {
            (_, false) => RootCertStore::empty(),
            (None, true) => connect::platform_roots(),
            (Some(ca), true) => {
                let mut roots = RootCertStore::empty();
                connect::add_roots(&mut roots, Some(ca))?;
                roots
            }
        };
        if config.uses_tls() && roots.is_empty() {
            return Err(SetupError::NoRoots);
        }
        let tls = connect::client_config(roots)?;
        Ok(Self { tls, timeouts: config.timeouts, health: config.health.clone(), metrics: metrics.clone() })
    }

    /// A member of a route. With `is_guarded`, its host's name must not lead to this machine, its link or its metadata services.
    pub(super) fn member(&self, origin: &Origin, place: &Place, is_guarded: bool) -> Result<Arc<Member>, SetupError> {
        let limit = self.timeouts.connect;
        let client = |protocols, http2_only| {
            let inner = match place {
                Place::Unix(path) => Dialer::Unix(path.as_path().into()),
                Place::Tcp(endpoint) => {
                    let resolver = Resolver { is_guarded };
                    Dialer::Tcp(connect::connector(self.tls.clone(), protocols, resolver, !endpoint.tls, limit, None).inner)
                }
            };
            connect::builder(IDLE).http2_only(http2_only).build(Timed { inner, limit })
        };
        let (scheme, authority) = match place {
            Place::Tcp(endpoint) if endpoint.tls => (Scheme::HTTPS, endpoint.authority.clone()),
            Place::Tcp(endpoint) => (Scheme::HTTP, endpoint.authority.clone()),
            Place::Unix(_) => (Scheme::HTTP, ON_SOCKET),
        };
        let health = self.health.as_ref().map(|health| {
            let (healthy, unhealthy) = self.metrics.upstream_health(&origin.route);
            Health::new(health.unhealthy, health.healthy, Gauges { healthy, unhealthy })
        });
        Ok(Arc::new(Member {
            route: origin.route.clone(),
            protocol: origin.protocol,
            place: place.clone(),
            scheme,
            authority,
            timeouts: self.timeouts,
            http1: client(Protocols::Http1, false),
            http2: client(Protocols::Http2, true),
            in_progress: AtomicUsize::new(0),
            health,
        }))
    }
}

impl Member {
    /// Counts a request until the guard is dropped.
    fn begin(self: &Arc<Self>) -> Busy {
        self.in_progress.fetch_add(1, Ordering::Relaxed);
        Busy(self.clone())
    }

    /// Requests in progress.
    pub(super) fn in_progress(&self) -> usize {
        self.in_progress.load(Ordering::Relaxed)
    }

    /// Whether requests may go there: nothing speaks against it.
    pub(super) fn is_usable(&self) -> bool {
        self.health.as_ref().is_none_or(|health| health.condition() != Condition::Unhealthy)
    }

    /// Whether a check has succeeded, and nothing speaks against it since.
    pub(super) fn is_known_to_work(&self) -> bool {
        self.health.as_ref().is_some_and(|health| health.condition() == Condition::Healthy)
    }

    /// Sends a tenant's request, and learns from what becomes of it. It is counted as in progress from here on.
    pub(super) async fn attempt(
        self: &Arc<Self>,
        mut request: Request<Body>,
        expects_continue: bool,
    ) -> Result<(Response<Answer>, Busy), Failed> {
        let busy = self.begin();
        traces::note("server.address", || self.authority.host().to_owned());
        if let Some(port) = self.authority.port_u16() {
            traces::note("server.port", || port);
        }
        let is_http2 = self.address(&mut request)?;
        // In HTTP/2 nobody waits to be asked for a body: a server that does not want it resets the stream.
        let sending = Sending { timeouts: &self.timeouts, expects_continue: expects_continue && !is_http2, connection: None };
        let outcome = exchange(if is_http2 { &self.http2 } else { &self.http1 }, request, sending).await;
        match outcome {
            Err(failed) if failed.refusal.reason == Reason::HostNotAllowed => {
                // The name of a tenant's own place leads where no application of a tenant can be.
                let note = failed.refusal.note.unwrap_or_default();
                Err(Refusal::noted(Reason::NoRoute, format!("{}: {note}", self.place)).into())
            }
            Err(failed) => {
                if failed.is_unconnected {
                    self.learn(|health| health.unreached(), "connections to it fail");
                }
                Err(Failed { refusal: self.named(failed.refusal), ..failed })
            }
            Ok(answer) => {
                if let Some(health) = &self.health {
                    health.reached();
                }
                Ok((answer, busy))
            }
        }
    }

    /// The refusal, where the fault is the upstream's, with its place for the log.
    fn named(&self, refusal: Refusal) -> Refusal {
        if !matches!(refusal.reason, Reason::UpstreamUnavailable | Reason::UpstreamTimeout) {
            return refusal;
        }
        let note = refusal.note.as_ref().map_or_else(|| self.place.to_string(), |note| format!("{}: {note}", self.place));
        Refusal { note: Some(note.into()), ..refusal }
    }

    /// Asks for `health.path` once, and learns from the answer.
    pub(super) async fn check(&self, health: &HealthConfig) {
        let outcome = tokio::time::timeout(health.timeout, self.ask(health)).await;
        match outcome.unwrap_or_else(|_| Checked::Unwell("no answer in time".to_owned())) {
            Checked::Well => self.learn(|health| health.checked(true), "checks succeed"),
            Checked::Unwell(why) => self.learn(|health| health.checked(false), &why),
            Checked::Forbidden => {}
        }
    }

    async fn ask(&self, health: &HealthConfig) -> Checked {
        let mut request = Request::new(body::empty());
        *request.uri_mut() = Uri::from(health.path.clone());
        request.headers_mut().insert(header::USER_AGENT, HeaderValue::from_static("palisade-health"));
        let sending = Sending { timeouts: &self.timeouts, expects_continue: false, connection: None };
        let answer = match self.address(&mut request) {
            Ok(is_http2) => exchange(if is_http2 { &self.http2 } else { &self.http1 }, request, sending).await,
            Err(failed) => Err(failed),
        };
        let answer = match answer {
            Ok(answer) => answer,
            Err(failed) if failed.refusal.reason == Reason::HostNotAllowed => return Checked::Forbidden,
            Err(failed) => {
                let reason = failed.refusal.reason.as_str();
                return Checked::Unwell(failed.refusal.note.map_or_else(|| reason.to_owned(), std::borrow::Cow::into_owned));
            }
        };
        let status = answer.status().as_u16();
        // A short answer is read, so that the connection can be used again; of a long one nobody wants the rest.
        let _ = body::collect(answer.into_body().boxed_unsync(), MAX_ANSWER).await;
        if health.expect.contains(&status) { Checked::Well } else { Checked::Unwell(format!("the status is {status}")) }
    }

    /// Makes the request one to this place. Whether it goes over HTTP/2.
    fn address(&self, request: &mut Request<Body>) -> Result<bool, Failed> {
        let mut target = request.uri().clone().into_parts();
        (target.scheme, target.authority) = (Some(self.scheme.clone()), Some(self.authority.clone()));
        *request.uri_mut() = Uri::from_parts(target).map_err(|_| Refusal::noted(Reason::Internal, "the target is not a path"))?;
        let is_grpc = is_grpc(request);
        let is_http2 = match self.protocol {
            Protocol::Auto => is_grpc,
            Protocol::Http1 => false,
            Protocol::Http2 => !request.headers().contains_key(header::UPGRADE),
        };
        if !is_http2 {
            *request.version_mut() = Version::HTTP_11;
            return Ok(false);
        }
        *request.version_mut() = Version::HTTP_2;
        // The authority says where the request goes; another name beside it would be a contradiction (RFC 9113, section
        // 8.3.1).
        request.headers_mut().remove(header::HOST);
        if is_grpc {
            // gRPC servers refuse requests without it; proxies take it off, hop by hop.
            request.headers_mut().insert(header::TE, HeaderValue::from_static("trailers"));
        }
        Ok(true)
    }

    fn learn(&self, outcome: impl FnOnce(&Health) -> Option<Condition>, why: &str) {
        let Some(condition) = self.health.as_ref().and_then(outcome) else { return };
        match condition {
            Condition::Unhealthy => tracing::warn!(route = %self.route, upstream = %self.place, why, "an upstream is out of use"),
            Condition::Healthy | Condition::Unknown => tracing::info!(route = %self.route, upstream = %self.place, "an upstream works"),
        }
    }
}

/// Bytes of a check's answer that are read.
const MAX_ANSWER: usize = 64 * 1024;

fn is_grpc(request: &Request<Body>) -> bool {
    let content_type = request.headers().get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    // `application/grpc`, `application/grpc+proto`, `application/grpc;...`, but not `application/grpc-web`, which is for
    // HTTP/1.1 as well.
    let Some(rest) = content_type.strip_prefix(b"application/grpc") else { return false };
    request.version() == Version::HTTP_2 && matches!(rest.first(), None | Some(b'+' | b';' | b' '))
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.in_progress.fetch_sub(1, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Member").field("route", &self.route).field("place", &self.place).finish_non_exhaustive()
    }
}
