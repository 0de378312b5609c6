//! The way in: callers' requests to the application.
//!
//! Read [`Ingress::answer`] and [`Ingress::carry_out`] from top to bottom: each line takes the value of the line before it, so that none can be
//! left out or moved. The order is: what is it (method and path), who is it (token, claim, directory), may they (endpoint rules), have
//! they the room (limits), then the passport, the upstream that is theirs, and the application. A public request skips who and may,
//! and has no tenant.

mod admitted;
mod authorised;
mod context;
mod cors;
mod forward;
mod hold;
mod matched;
mod origin;
mod same_site;
mod trace;
mod tunnel;
mod verified;
mod voice;

use std::{pin::pin, sync::Arc};

use http::{HeaderName, Request, Response, StatusCode, Version, header, request};
use http_body_util::BodyExt;

pub use self::{
    admitted::{AdmittedPublic, AdmittedRequest, PublicPermit, PublicRoom},
    authorised::AuthorisedRequest,
    context::{CONTEXT, ContextSigner},
    cors::Cors,
    forward::{About, ForwardHeaders, ForwardRequest, PASSPORT},
    matched::{Arrival, MatchedRequest, Matcher, PublicRequest},
    origin::{Origin, Origins},
    trace::Trace,
    verified::{Gate, VerifiedRequest},
};
use self::{cors::Preflight, hold::Held, voice::Voice};
use crate::{
    audit::Event,
    authorise::Shown,
    body::{self, Body},
    clock::Clock,
    directory::Standing,
    hop,
    identity::Passports,
    limits::Limiter,
    reject::{REQUEST_ID_HEADER, Reason, Refusal},
    server::{
        Handler, Peer,
        flow::{self, Upload},
        tunnel::Caller,
    },
    telemetry::{
        Listener, Record, Recorder, RequestId,
        traces::{self, RequestTrace},
    },
    upstream::{Answer, AppClient, Busy},
};

/// The ingress listener's handler. Cheap to clone.
#[derive(Clone)]
pub struct Ingress(Arc<Pipeline>);

/// The rooms that a request goes through, in order.
pub struct Pipeline {
    /// What is asked for?
    pub matcher: Matcher,
    /// Who is asking?
    pub gate: Gate,
    /// Has the tenant the room?
    pub limiter: Arc<Limiter>,
    /// Is there room for requests of nobody?
    pub public: Arc<PublicRoom>,
    /// What browsers are told about scripts of other origins.
    pub cors: Cors,
    /// Authority for the egress; `None` without one.
    pub passports: Option<Passports>,
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

/// How a request came here.
#[derive(Clone, Copy)]
struct Way<'a> {
    /// The other end of the connection.
    peer: &'a Peer,
    /// Where it came from, as far as proxies in front are believed.
    origin: &'a Origin,
    /// The trace that it is part of.
    trace: &'a Trace,
}

impl<'a> Way<'a> {
    /// What endpoint rules may go by: the certificate of the connection, never one of which a header tells.
    fn shown(self, clock: &Clock) -> Shown<'a> {
        Shown { certificate: self.peer.client(), at: clock.now() }
    }

    fn about(self, request_id: &'a RequestId) -> About<'a> {
        About { request_id, origin: self.origin, client: self.peer.client(), trace: self.trace }
    }
}

impl Ingress {
    /// The handler over a pipeline.
    pub fn new(pipeline: Pipeline) -> Self {
        Self(Arc::new(pipeline))
    }

    async fn answer(&self, mut request: Request<Body>, peer: &Peer, voice: &Voice, record: &mut Record) -> Result<Response<Body>, Refusal> {
        let this = &*self.0;
        record.service("app", None);
        record.head(request.version(), request.headers());
        let upgrade = tunnel::wanted(&request).then(|| Caller::of(&mut request));
        let (head, body) = request.into_parts();
        // Trailers that callers send could pose as headers where an application server merges the two.
        let body = body::without_trailers(record.count_received(body));
        // HTTP/2 says that a caller goes in a frame of its own, which is not kept back by the body.
        let (body, upload) = if this.passports.is_some() && head.version < Version::HTTP_2 { flow::watch(body) } else { (body, None) };
        let Gate { names, places, .. } = &this.gate;
        let (origin, trace) = this.headers.origins.relayed(peer, &head, record);
        let way = Way { peer, origin: &origin, trace: &trace };

        let arrival = match this.cors.preflight(&head)? {
            Some(Preflight::Answered(response)) => {
                record.preflight();
                return Ok(response);
            }
            Some(Preflight::Pass) => Arrival::Public(this.matcher.preflight(head, body, names, places)?),
            None => this.matcher.look(head, body, names, places, way.shown(&this.clock))?,
        };
        let mut response = match arrival {
            Arrival::Guarded(request) => self.carry_out(request, (upgrade, upload), way, record).await?,
            Arrival::Public(request) => Box::pin(self.carry_out_public(request, upgrade, way, record)).await?,
        };
        voice.dress(&mut response, &this.cors);
        Ok(response)
    }

    /// What a request of a tenant goes through.
    async fn carry_out(
        &self,
        request: MatchedRequest,
        (upgrade, upload): (Option<Caller>, Option<Upload>),
        way: Way<'_>,
        record: &mut Record,
    ) -> Result<Response<Body>, Refusal> {
        let this = &*self.0;
        let request = traces::step("verify", pin!(VerifiedRequest::verify(request, way, &this.gate, &this.cors))).await?;
        record.tenant(request.tenant());
        let request = AuthorisedRequest::authorise(request, way.shown(&this.clock))?;
        let request = AdmittedRequest::admit(request, &this.limiter)?;
        let mint = |passports: &Passports| passports.mint(request.tenant().verified(), request.occasion(record.request_id()));
        let passport = this.passports.as_ref().map(mint).transpose()?;
        if let (Some(passport), Some(call)) = (&passport, record.trace().and_then(RequestTrace::to_application)) {
            passport.in_trace(call);
        }
        if let (Some(passport), Some(upload)) = (&passport, upload) {
            passport.end_upon(
                "the application leaves its body lying, behind which the caller's going away cannot be seen",
                upload.stalls(passport.stall()),
            );
        }
        let sign = |signer: &Arc<ContextSigner>| signer.sign(request.tenant(), record.request_id(), this.clock.now());
        let context = this.context.as_ref().map(sign).transpose()?;
        let authority = (passport.as_ref(), context.as_ref());
        let standing = Standing::of(request.tenant(), &this.gate.directory, &this.recorder.metrics);
        let (request, permit) = ForwardRequest::for_tenant(request, authority, &this.headers, way.about(record.request_id()))?;
        let (answer, busy) = standing.cover(Box::pin(self.send(request, record))).await?;
        // Authority and room are the request's until its response has ended, however it ends.
        pass_on(answer, upgrade, Some(&standing), Held { room: (permit, busy), passport })
    }

    /// What a request of nobody goes through: it has no tenant, and so no passport.
    async fn carry_out_public(
        &self,
        request: PublicRequest,
        upgrade: Option<Caller>,
        way: Way<'_>,
        record: &mut Record,
    ) -> Result<Response<Body>, Refusal> {
        let this = &*self.0;
        record.public();
        let request = AdmittedPublic::admit(request, &this.public)?;
        let (request, permit) = ForwardRequest::for_nobody(request, &this.headers, way.about(record.request_id()))?;
        let (answer, busy) = self.send(request, record).await?;
        pass_on(answer, upgrade, None, Held { room: (permit, busy), passport: None })
    }

    /// Sends the request to the upstream that is its tenant's, or everybody's.
    async fn send(&self, request: ForwardRequest, record: &mut Record) -> Result<(Response<Answer>, Busy), Refusal> {
        let begun = self.0.clock.instant();
        let request = self.0.upstream.route(request)?;
        record.route(request.route());
        record.about_to(Event::Allowed, None).await?;
        let answered = traces::call(record.call_to_application(), pin!(request.send()), |(response, _)| response.status()).await?;
        record.upstream(self.0.clock.instant().saturating_duration_since(begun));
        Ok(answered)
    }
}

impl Handler for Ingress {
    async fn handle(&self, request: Request<Body>, peer: Peer) -> Response<Body> {
        let mut record = self.0.recorder.begin(Listener::Ingress, request.method(), &peer);
        let voice = Voice::of(request.headers());
        let span = record.span();
        let answered = traces::within(span, pin!(self.answer(request, &peer, &voice, &mut record))).await;
        match answered {
            Ok(mut response) => {
                stamp(&mut response, &record);
                record.finish_with(response)
            }
            Err(refusal) => voice.refuse(&refusal, record, &self.0.cors),
        }
    }

    fn refuse(&self, refusal: Refusal, head: &request::Parts, peer: &Peer) -> Response<Body> {
        Voice::of(&head.headers).refuse(&refusal, self.0.recorder.begin(Listener::Ingress, &head.method, peer), &self.0.cors)
    }

    fn sensitive_headers(&self) -> Vec<HeaderName> {
        vec![self.0.headers.names.token.clone(), PASSPORT, CONTEXT]
    }
}

fn pass_on<R>(
    mut answer: Response<Answer>,
    upgrade: Option<Caller>,
    standing: Option<&Standing>,
    held: Held<R>,
) -> Result<Response<Body>, Refusal>
where
    R: Send + Unpin + 'static,
{
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        let caller = upgrade.ok_or_else(|| Refusal::noted(Reason::UpstreamUnavailable, "an answer of 101 that nobody asked for"))?;
        return Ok(tunnel::join(answer, caller, standing.cloned(), held));
    }
    hop::strip(answer.headers_mut());
    let under = |body: Body| match standing {
        Some(standing) => standing.cover_body(body),
        None => body,
    };
    Ok(held.until_end_of(answer.map(|body| under(body.boxed_unsync()))))
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
