//! The way in: callers' requests to the application.
//!
//! Read [`Ingress::answer`] from top to bottom. The order is: who is it (token, claim, directory), have they the room
//! (limits), then the passport, the upstream that is theirs, and the application.

mod context;
mod forward;
mod hold;
mod origin;
mod trace;
mod tunnel;

use std::sync::Arc;

use http::{HeaderName, Request, Response, StatusCode, header, request};
use http_body_util::BodyExt;
use hyper::upgrade::OnUpgrade;

use self::hold::Held;
pub use self::{
    context::{CONTEXT, ContextSigner},
    forward::{About, ForwardHeaders, ForwardRequest, PASSPORT},
    origin::{Origin, Origins},
    trace::Trace,
};
use crate::{
    body::{self, Body},
    clock::Clock,
    directory::Directory,
    hop,
    identity::{Passports, Presented, Verifier, Workloads},
    limits::Limiter,
    reject::{REQUEST_ID_HEADER, Reason, Refusal, problem},
    server::{Handler, Peer},
    telemetry::{Listener, Record, Recorder},
    upstream::{Answer, AppClient},
};

/// The ingress listener's handler. Cheap to clone.
#[derive(Clone)]
pub struct Ingress(Arc<Pipeline>);

/// The rooms that a request goes through, in order.
pub struct Pipeline {
    /// Checks tokens.
    pub verifier: Arc<Verifier>,
    /// What is known of tenants.
    pub directory: Arc<Directory>,
    /// Has the tenant the room?
    pub limiter: Limiter,
    /// Authority for the egress; `None` without one.
    pub passports: Option<Passports>,
    /// Clients whose certificates are one tenant's.
    pub workloads: Workloads,
    /// What the application is told.
    pub headers: ForwardHeaders,
    /// The same, signed; `None`: not wanted.
    pub context: Option<Arc<ContextSigner>>,
    /// The application.
    pub upstream: AppClient,
    /// Log and metrics.
    pub recorder: Recorder,
    /// Time.
    pub clock: Clock,
}

impl Ingress {
    /// The handler over a pipeline.
    pub fn new(pipeline: Pipeline) -> Self {
        Self(Arc::new(pipeline))
    }

    async fn answer(&self, mut request: Request<Body>, peer: &Peer, record: &mut Record) -> Result<Response<Body>, Refusal> {
        let this = &*self.0;
        record.service("app", None);
        let upgrade = tunnel::wanted(&request).then(|| hyper::upgrade::on(&mut request));
        let (mut head, body) = request.into_parts();
        // Trailers that callers send could pose as headers where an application server merges the two.
        let body = body::without_trailers(record.count_received(body));

        let (origin, trace) = this.headers.origins.relayed(peer, &head, record);
        let workload = this.workloads.find(peer, Listener::Ingress)?;
        let presented = Presented::take_ingress(&mut head.headers, &this.headers.names)?.pinned(workload.as_ref())?;
        let verified = this.verifier.verify_token(presented, origin.client()).await?;
        let tenant = this.directory.resolve(verified)?;
        record.tenant(&tenant);
        let permit = this.limiter.admit(&tenant)?;
        let passport = this.passports.as_ref().map(|passports| passports.mint(tenant.verified(), record.request_id())).transpose()?;

        let sign = |signer: &Arc<ContextSigner>| signer.sign(&tenant, record.request_id(), this.clock.now());
        let context = this.context.as_ref().map(sign).transpose()?;

        let (request_id, client) = (record.request_id(), peer.client());
        let about =
            About { tenant: &tenant, passport: passport.as_ref(), context: context.as_ref(), request_id, origin: &origin, client, trace };
        let request = ForwardRequest::new(head, body, &this.headers, about)?;
        let begun = this.clock.instant();
        let request = this.upstream.route(request)?;
        record.route(request.route());
        let (answer, busy) = request.send().await?;
        record.upstream(this.clock.instant().saturating_duration_since(begun));
        // Authority and room are the request's until its response has ended, however it ends.
        pass_on(answer, upgrade, Held { room: (permit, busy), passport })
    }
}

impl Handler for Ingress {
    async fn handle(&self, request: Request<Body>, peer: Peer) -> Response<Body> {
        let mut record = self.0.recorder.begin(Listener::Ingress, request.method(), &peer);
        match self.answer(request, &peer, &mut record).await {
            Ok(mut response) => {
                stamp(&mut response, &record);
                record.finish_with(response)
            }
            Err(refusal) => refuse(&refusal, record),
        }
    }

    fn refuse(&self, refusal: Refusal, head: &request::Parts, peer: &Peer) -> Response<Body> {
        refuse(&refusal, self.0.recorder.begin(Listener::Ingress, &head.method, peer))
    }

    fn sensitive_headers(&self) -> Vec<HeaderName> {
        vec![self.0.headers.names.token.clone(), PASSPORT, CONTEXT]
    }
}

fn pass_on<R>(mut answer: Response<Answer>, upgrade: Option<OnUpgrade>, held: Held<R>) -> Result<Response<Body>, Refusal>
where
    R: Send + Unpin + 'static,
{
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        let caller = upgrade.ok_or_else(|| Refusal::noted(Reason::UpstreamUnavailable, "an answer of 101 that nobody asked for"))?;
        return Ok(tunnel::join(answer, caller, held));
    }
    hop::strip(answer.headers_mut());
    Ok(held.until_end_of(answer.map(BodyExt::boxed_unsync)))
}

fn refuse(refusal: &Refusal, mut record: Record) -> Response<Body> {
    record.refused(refusal);
    let response = problem(refusal, record.request_id().as_str());
    record.finish_with(response)
}

/// The application's own `x-palisade-*` headers, if any, go no further: only we speak under that name.
fn stamp(response: &mut Response<Body>, record: &Record) {
    let headers = response.headers_mut();
    let ours: Vec<_> = headers.keys().filter(|name| name.as_str().starts_with("x-palisade-")).cloned().collect();
    for name in ours {
        headers.remove(name);
    }
    headers.remove(header::PROXY_AUTHENTICATE);
    if let Ok(id) = http::HeaderValue::from_str(record.request_id().as_str()) {
        headers.insert(REQUEST_ID_HEADER, id);
    }
}
