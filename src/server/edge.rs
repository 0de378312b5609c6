//! The edge: what every request passes before a handler sees it.
//!
//! A tower stack of generic concerns, outermost first: credentials are marked so that nothing prints them, panics are
//! caught, [`rules`] stop whatever could be understood in two ways, and bodies are put under the idle limit. The rules work on hyper's parsed request; the
//! reasons and sources are at each rule.

mod expect;
mod host;
mod panic;
pub mod rules;

pub(crate) use self::host::parse as parse_host;

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::TryFutureExt;
use http::{HeaderName, HeaderValue, Request, Response, Version, header};
use hyper::body::Incoming;
use tower::{Service, ServiceBuilder, layer::layer_fn, service_fn};

use self::{panic::CatchPanic, rules::Rules};
use super::{
    Handler, Peer,
    activity::{Activity, Tracked},
    head, idle,
};
use crate::{
    body::{Body, Whole},
    config::ServerConfig,
    reject::Reason,
    reject::Refusal,
    telemetry::metrics::Listener,
};

/// Headers that carry credentials by standard, by AWS's use, or by ours.
const SENSITIVE: [HeaderName; 7] = [
    header::AUTHORIZATION,
    header::COOKIE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("x-amz-security-token"),
    HeaderName::from_static("x-palisade-passport"),
    HeaderName::from_static("x-tenant-token"),
    HeaderName::from_static("x-aws-ec2-metadata-token"),
];

type EdgeFuture = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

/// Builds the stack in front of `handler` for one connection.
pub(super) fn stack<H: Handler>(
    handler: H,
    listener: Listener,
    config: &ServerConfig,
    peer: Peer,
    activity: Arc<Activity>,
) -> impl Service<Request<Tracked<Incoming>>, Response = Response<Body>, Error = Infallible, Future: Send> + Clone + Send + 'static + use<H>
{
    let sensitive: Arc<[HeaderName]> = SENSITIVE.into_iter().chain(handler.sensitive_headers()).collect();
    let (rules, idle) = (Rules::new(listener, config), config.idle_timeout);
    let (guarded, ruled) = (handler.clone(), handler.clone());
    let (guarded_peer, ruled_peer) = (peer.clone(), peer.clone());
    ServiceBuilder::new()
        // First, so that not even a panic can print them.
        .map_request(move |request| marked(request, &sensitive))
        // Around the rules too: what they read is hostile.
        .layer(layer_fn(move |inner| CatchPanic::new(inner, guarded.clone(), guarded_peer.clone())))
        .layer(layer_fn(move |inner| {
            let (handler, activity, peer) = (ruled.clone(), activity.clone(), ruled_peer.clone());
            Ruled { inner, rules, handler, activity, peer, idle }
        }))
        .service(service_fn(move |request| {
            let (handler, peer) = (handler.clone(), peer.clone());
            async move { Ok(handler.handle(request, peer).await) }
        }))
}

/// Marks the values of these headers as secret, for whoever prints them.
fn marked<B>(mut request: Request<B>, secret: &[HeaderName]) -> Request<B> {
    for (name, value) in request.headers_mut().iter_mut() {
        if secret.contains(name) {
            value.set_sensitive(true);
        }
    }
    request
}

/// Applies the [`Rules`], and the idle limit to what they let pass: here, so that no handler can forget it.
#[derive(Clone)]
struct Ruled<S, H> {
    inner: S,
    rules: Rules,
    handler: H,
    activity: Arc<Activity>,
    peer: Peer,
    idle: Duration,
}

impl<S, H> Service<Request<Tracked<Incoming>>> for Ruled<S, H>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
    H: Handler,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = EdgeFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Tracked<Incoming>>) -> EdgeFuture {
        let (mut parts, body) = request.into_parts();
        let raw = self.activity.take_head();
        let verdict = if head::contradicts_itself(&raw, &parts.method) {
            Err(Refusal::noted(Reason::MalformedRequest, "the body is framed in two ways"))
        } else {
            self.rules.check(&mut parts)
        };
        match verdict {
            Ok(()) => {
                let (body, asked) = expect::watch(&parts, idle::within(Whole::of(parts.version, body), self.idle));
                let answering = self.inner.call(Request::from_parts(parts, body));
                let Some(asked) = asked else { return Box::pin(answering) };
                Box::pin(answering.map_ok(move |mut response| {
                    asked.close_unless_asked(&mut response);
                    response
                }))
            }
            Err(refusal) => {
                let mut response = self.handler.refuse(refusal, &parts, &self.peer);
                // What follows on this connection cannot be told apart from the refused request's body with certainty.
                if parts.version < Version::HTTP_2 {
                    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                Box::pin(std::future::ready(Ok(response)))
            }
        }
    }
}
