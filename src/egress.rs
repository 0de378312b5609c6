//! The way out: the application's requests to AWS, one tenant at a time, and those of workloads, which are no tenant's.
//!
//! Read [`Egress::answer`], [`Egress::carry_out`] and [`Egress::work`] from top to bottom: each line is one promise and takes the value of the line before it, so that
//! none can be left out or moved. Whatever fails, fails the request; nothing is ever sent unsigned, or signed for somebody
//! else.

mod admitted;
mod answer;
mod errands;
mod hoarding;
mod own;
mod taken;
mod verified;
mod voice;
mod workload;

use std::{pin::pin, sync::Arc, time::Duration};

use http::{HeaderName, Request, Response, request};

pub(crate) use self::errands::Errands;
use self::voice::Voice;
pub use self::{
    admitted::AdmittedRequest,
    hoarding::Hoarding,
    taken::Taken,
    verified::{Gate, VerifiedRequest},
    workload::{AdmittedWorkload, WorkloadRequest},
};
use crate::{
    body::{self, Body},
    clock::Clock,
    credentials::Broker,
    directory::Standing,
    guard::{Guard, GuardedRequest},
    identity::Sealer,
    ingress::PASSPORT,
    limits::Limiter,
    reject::Refusal,
    server::{Handler, Peer},
    signing::{self, CredentialedRequest},
    skew::Skew,
    telemetry::{Listener, Record, Recorder, traces},
    upstream::AwsClient,
};

/// Credentials that are there after this were at hand: nothing that the directory said a moment before is older for it.
const AT_HAND: Duration = Duration::from_millis(10);

/// The egress listener's handler. Cheap to clone.
#[derive(Clone)]
pub struct Egress(Arc<Pipeline>);

/// The rooms that a request goes through, in order.
pub struct Pipeline {
    /// Who is it for?
    pub gate: Gate,
    /// Has that tenant the room?
    pub limiter: Arc<Limiter>,
    /// May anybody ask for this?
    pub guard: Arc<Guard>,
    /// With whose credentials?
    pub broker: Arc<Broker>,
    /// AWS.
    pub upstream: AwsClient,
    /// The region for requests that name none.
    pub region: String,
    /// Regions whose names may be told.
    pub regions: Vec<String>,
    /// Longest life of a presigned URL that the application may ask for; `None`: it may not.
    pub presign: Option<Duration>,
    /// Makes contexts for work that is done later; `None`: nobody may.
    pub sealer: Option<Sealer>,
    /// Log and metrics.
    pub recorder: Recorder,
    /// Time.
    pub clock: Clock,
    /// AWS's time, to sign by.
    pub skew: Skew,
    /// Who warns of passports that are kept.
    pub hoarding: Arc<Hoarding>,
}

impl Egress {
    /// The handler over a pipeline.
    pub fn new(pipeline: Pipeline) -> Self {
        Self(Arc::new(pipeline))
    }

    async fn answer(&self, head: request::Parts, body: Body, peer: &Peer, record: &mut Record) -> Result<Response<Body>, Refusal> {
        let this = &*self.0;
        // Boxed is what is seldom: this future has room for the largest of its steps, and is moved into its own place whole.
        // In virtual-hosted style such a path is a key.
        if own::is_own(head.uri.path()) && this.guard.is_called_by(&head)? {
            return Box::pin(self.own(head, body, peer, record)).await;
        }
        let taken = Taken::take(head, body, peer, &this.gate)?;
        if taken.names_a_workload() {
            return Box::pin(self.work(taken, peer, record)).await;
        }
        let request = traces::step("verify", pin!(VerifiedRequest::verify(taken, &this.gate))).await?;
        record.tenant(request.tenant());
        let lease = request.lease();
        record.for_proof(&lease);
        let standing = Standing::of(request.tenant(), &this.gate.directory, &this.recorder.metrics);
        // In a place of its own, since each cover would move it and keep room for it twice.
        let going = Box::pin(self.carry_out(request, record));
        let response = lease.cover(standing.cover(going)).await?;
        Ok(response.map(|body| lease.cover_body(standing.cover_body(body))))
    }

    /// What a request goes through that names a workload: it is that workload's, or nobody's.
    async fn work(&self, taken: Taken, peer: &Peer, record: &mut Record) -> Result<Response<Body>, Refusal> {
        let this = &*self.0;
        let request = WorkloadRequest::prove(taken, peer, &this.gate)?;
        record.workload(request.workload());
        let request = request.admit()?;
        let request = traces::step("guard", this.guard.guard_workload(request, record)).await?;
        let request = traces::step("credentials", CredentialedRequest::attach_workload(request, &this.broker)).await?;
        let (request, receipt) = signing::sign(request, this.skew.time())?;
        self.send(request, receipt, record).await
    }

    /// What a verified request goes through. Dropped where it stands when the proof behind it ends, or would no longer be taken.
    async fn carry_out(&self, request: VerifiedRequest, record: &mut Record) -> Result<Response<Body>, Refusal> {
        let this = &*self.0;
        let request = AdmittedRequest::admit(request, &this.limiter)?;
        let request = traces::step("guard", pin!(this.guard.guard(request, record))).await?;
        let request = self.credentialed(request).await?;
        let (request, receipt) = signing::sign(request, this.skew.time())?;
        self.send(request, receipt, record).await
    }

    /// Joins a request with its tenant's credentials. The tenant is asked about before, since its record says which, and again where STS kept the request
    /// waiting: what is signed then could otherwise be of a tenant that was stopped meanwhile.
    async fn credentialed(&self, request: GuardedRequest) -> Result<CredentialedRequest, Refusal> {
        let this = &*self.0;
        let tenant = this.gate.recheck(request.tenant()).await?;
        let request = request.renewed(tenant.clone())?;
        let began = this.clock.instant();
        let request = traces::step("credentials", pin!(CredentialedRequest::attach(request, &this.broker))).await?;
        if this.clock.instant().saturating_duration_since(began) > AT_HAND {
            this.gate.recheck(&tenant).await?;
        }
        Ok(request)
    }
}

impl Egress {
    fn turn_down(&self, voice: &Voice, refusal: &Refusal, record: Record) -> Response<Body> {
        self.0.hoarding.look_at(refusal, record.request_id(), self.0.clock.instant());
        voice.refuse(refusal, record)
    }
}

impl Handler for Egress {
    async fn handle(&self, request: Request<Body>, peer: Peer) -> Response<Body> {
        let (head, body) = request.into_parts();
        let mut record = self.0.recorder.begin(Listener::Egress, &head.method, &peer);
        let voice = Voice::of(&head);
        record.head(head.version, &head.headers);
        let body = body::without_trailers(record.count_received(body));
        let span = record.span();
        let answered = traces::within(span, pin!(self.answer(head, body, &peer, &mut record))).await;
        match answered {
            Ok(mut response) => {
                stamp(&mut response, &record);
                record.finish_with(response)
            }
            Err(refusal) => self.turn_down(&voice, &refusal, record),
        }
    }

    fn refuse(&self, refusal: Refusal, head: &request::Parts, peer: &Peer) -> Response<Body> {
        self.turn_down(&Voice::of(head), &refusal, self.0.recorder.begin(Listener::Egress, &head.method, peer))
    }

    fn sensitive_headers(&self) -> Vec<HeaderName> {
        vec![self.0.gate.names.token.clone(), PASSPORT]
    }
}

fn stamp(response: &mut Response<Body>, record: &Record) {
    if let Ok(id) = http::HeaderValue::from_str(record.request_id().as_str()) {
        response.headers_mut().insert(crate::reject::REQUEST_ID_HEADER, id);
    }
}

#[cfg(test)]
mod tests;
