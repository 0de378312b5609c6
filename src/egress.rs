//! The way out: the application's requests to AWS, one tenant at a time.
//!
//! Read [`Egress::answer`] and [`Egress::carry_out`] from top to bottom: each line is one promise and takes the value of the line before it, so that
//! none can be left out or moved. Whatever fails, fails the request; nothing is ever sent unsigned, or signed for somebody
//! else.

mod admitted;
mod answer;
mod verified;
mod voice;

use std::{net::SocketAddr, sync::Arc};

use http::{HeaderName, Request, Response, request};

use self::voice::Voice;
pub use self::{
    admitted::AdmittedRequest,
    verified::{Gate, VerifiedRequest},
};
use crate::{
    body::{self, Body},
    clock::Clock,
    credentials::Broker,
    guard::Guard,
    ingress::PASSPORT,
    limits::Limiter,
    reject::{Reason, Refusal},
    server::Handler,
    signing::{self, CredentialedRequest},
    telemetry::{Listener, Record, Recorder},
    upstream::AwsClient,
};

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
    pub guard: Guard,
    /// With whose credentials?
    pub broker: Arc<Broker>,
    /// AWS.
    pub upstream: AwsClient,
    /// Regions whose names may be told.
    pub regions: Vec<String>,
    /// Log and metrics.
    pub recorder: Recorder,
    /// Time.
    pub clock: Clock,
}

/// Paths of our own on the egress; no legal bucket name begins with an underscore.
const OWN_PATHS: &str = "/_palisade";

impl Egress {
    /// The handler over a pipeline.
    pub fn new(pipeline: Pipeline) -> Self {
        Self(Arc::new(pipeline))
    }

    async fn answer(&self, head: request::Parts, body: Body, record: &mut Record) -> Result<Response<Body>, Refusal> {
        let this = &*self.0;
        if is_own(head.uri.path()) {
            return Err(Reason::NotFound.into());
        }
        let request = VerifiedRequest::verify(head, body, &this.gate).await?;
        record.tenant(request.tenant());
        let lease = request.lease();
        let response = lease.cover(self.carry_out(request, record)).await?;
        Ok(response.map(|body| lease.cover_body(body)))
    }

    /// What a verified request goes through. Dropped where it stands when the proof behind it ends.
    async fn carry_out(&self, request: VerifiedRequest, record: &mut Record) -> Result<Response<Body>, Refusal> {
        let this = &*self.0;
        let request = AdmittedRequest::admit(request, &this.limiter)?;
        let request = this.guard.guard(request, record).await?;
        this.gate.recheck(request.tenant())?;
        let request = CredentialedRequest::attach(request, &this.broker).await?;
        let (request, receipt) = signing::sign(request, this.clock.now())?;
        self.send(request, receipt, record).await
    }
}

impl Handler for Egress {
    async fn handle(&self, request: Request<Body>, peer: SocketAddr) -> Response<Body> {
        let (head, body) = request.into_parts();
        let mut record = self.0.recorder.begin(Listener::Egress, &head.method, peer);
        let voice = Voice::of(&head);
        let body = body::without_trailers(record.count_received(body));
        match self.answer(head, body, &mut record).await {
            Ok(mut response) => {
                stamp(&mut response, &record);
                record.finish_with(response)
            }
            Err(refusal) => voice.refuse(&refusal, record),
        }
    }

    fn refuse(&self, refusal: Refusal, head: &request::Parts, peer: SocketAddr) -> Response<Body> {
        Voice::of(head).refuse(&refusal, self.0.recorder.begin(Listener::Egress, &head.method, peer))
    }

    fn sensitive_headers(&self) -> Vec<HeaderName> {
        vec![self.0.gate.names.token.clone(), PASSPORT]
    }
}

fn is_own(path: &str) -> bool {
    path.strip_prefix(OWN_PATHS).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn stamp(response: &mut Response<Body>, record: &Record) {
    if let Ok(id) = http::HeaderValue::from_str(record.request_id().as_str()) {
        response.headers_mut().insert(crate::reject::REQUEST_ID_HEADER, id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_paths_are_not_keys() {
        assert!(is_own("/_palisade") && is_own("/_palisade/credentials"));
        assert!(!is_own("/_palisades") && !is_own("/bucket/_palisade/x") && !is_own("/"));
    }
}
