//! One [`Record`] a request: filled in on the way, and turned into a log line and metrics when the last byte is out.
//!
//! The record travels inside the response body, so that "the end" is the true end: the last byte, an error, or the client's
//! going away, which drops the body.

use std::{
    borrow::Cow,
    cell::RefCell,
    net::IpAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, Method, Response, Version};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use prometheus::IntGauge;

use super::{
    Metrics, TenantLabel,
    access_log::{AccessLog, Line},
    label::TenantLabels,
    metrics::{Listener, RequestFacts},
    traces::{Current, RequestTrace, Step, Tracer},
};
use crate::{
    audit::{self, Decision, Event},
    body::{Body, BoxError},
    clock::Clock,
    credentials::ScopedCredentials,
    directory::ActiveTenant,
    guard::{Denial, Grounds, Touches},
    identity::{Deferred, Lease},
    reject::Refusal,
    server::{ClientCertificate, Peer},
    sigv4::hex,
    tenant::TenantId,
    workload_name::WorkloadName,
    workloads::ProvedWorkload,
};

/// The decision about a request of nobody's.
const PUBLIC: &str = "public";

/// Everything that recording needs. One a process, cheap to clone.
#[derive(Debug, Clone)]
pub struct Recorder {
    /// The registry.
    pub metrics: Metrics,
    /// The access log.
    pub log: AccessLog,
    /// Bounded tenant labels.
    pub labels: TenantLabels,
    /// Traces.
    pub traces: Tracer,
    /// Time.
    pub clock: Clock,
}

/// What is known of one request so far. Dropping it writes it down.
#[derive(Debug)]
pub struct Record {
    recorder: Recorder,
    listener: Listener,
    request_id: RequestId,
    peer: Peer,
    client_address: Option<IpAddr>,
    method: Method,
    started: Instant,
    tenant: Option<ActiveTenant>,
    workload: Option<WorkloadName>,
    label: TenantLabel,
    inflight: Option<IntGauge>,
    /// Id and purpose of a context that was made.
    context: Option<(String, String)>,
    target: Option<Target>,
    refusal: Option<Refusal>,
    would_deny: Option<(String, Touches)>,
    grounds: Option<Box<Grounds>>,
    for_request: Option<RequestId>,
    trace: Option<RequestTrace>,
    let_in: &'static str,
    status: u16,
    route: Option<Arc<str>>,
    upstream: Option<Duration>,
    received: Arc<AtomicU64>,
    sent: u64,
    complete: bool,
}

/// Whose a request is.
struct Who<'a> {
    tenant: Option<&'a str>,
    subject: Option<&'a str>,
    issuer: Option<&'a str>,
    context_id: Option<&'a str>,
    purpose: Option<&'a str>,
    for_request: Option<&'a str>,
}

#[derive(Debug)]
struct Target {
    /// A configured name, so a bounded label.
    service: String,
    region: Option<String>,
    operation: Option<Cow<'static, str>>,
}

/// 128 random bits in hex. Also the id of a trace that begins with the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(Box<str>);

impl RequestId {
    /// A new one. Without randomness (which other parts refuse to work without) ids are merely all the same.
    pub fn random() -> Self {
        // An id is no secret, so a thread asks the kernel for many at a time.
        let bytes = DRAWN.with_borrow_mut(|(drawn, used)| {
            if *used == drawn.len() {
                *used = 0;
                let _ = getrandom::fill(drawn.as_flattened_mut());
            }
            *used += 1;
            std::mem::take(&mut drawn[*used - 1])
        });
        Self(hex(&bytes).into())
    }

    /// One that somebody else made, who is believed: up to 128 letters, digits, and `.`, `_`, `-`.
    pub fn given(text: &str) -> Option<Self> {
        let fits = (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
        fits.then(|| Self(text.into()))
    }

    /// 32 hex digits, where it is our own.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same in less room, for whoever keeps many.
    pub(crate) fn compact(&self) -> CompactRequestId {
        let own = self.0.len() == 32 && self.0.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        match u128::from_str_radix(&self.0, 16) {
            Ok(bits) if own => CompactRequestId::Own(bits),
            _ => CompactRequestId::Given(self.0.clone()),
        }
    }
}

thread_local! {
    /// Random bytes for ids, and how many of them are used.
    static DRAWN: RefCell<([[u8; 16]; 32], usize)> = const { RefCell::new(([[0; 16]; 32], 32)) };
}

/// A [`RequestId`] in little room: its 128 bits where it is our own, else its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CompactRequestId {
    Own(u128),
    Given(Box<str>),
}

impl CompactRequestId {
    /// The id that this was made of.
    pub(crate) fn restore(&self) -> RequestId {
        match self {
            Self::Own(bits) => RequestId(format!("{bits:032x}").into()),
            Self::Given(text) => RequestId(text.clone()),
        }
    }
}

impl Recorder {
    /// Begins the record of a request.
    pub fn begin(&self, listener: Listener, method: &Method, peer: &Peer) -> Record {
        Record {
            recorder: self.clone(),
            listener,
            request_id: RequestId::random(),
            peer: peer.clone(),
            client_address: None,
            method: method.clone(),
            started: self.clock.instant(),
            tenant: None,
            workload: None,
            label: TenantLabel::NONE,
            inflight: None,
            context: None,
            target: None,
            refusal: None,
            would_deny: None,
            grounds: None,
            for_request: None,
            trace: self.traces.begin(),
            let_in: "allowed",
            status: 0,
            route: None,
            upstream: None,
            received: Arc::new(AtomicU64::new(0)),
            sent: 0,
            complete: false,
        }
    }
}

impl Record {
    /// The request's id.
    pub fn request_id(&self) -> &RequestId {
        &self.request_id
    }

    /// Where the request's connection comes from.
    #[cfg(feature = "cedar")]
    pub(crate) fn source(&self) -> Option<IpAddr> {
        self.peer.source()
    }

    /// What the head of the request says, for traces.
    pub fn head(&self, version: Version, headers: &HeaderMap) {
        if let Some(trace) = &self.trace {
            trace.head(version, headers);
        }
    }

    /// What traces know of the request; `None` where there are none.
    pub fn trace(&self) -> Option<&RequestTrace> {
        self.trace.as_ref()
    }

    /// The span to do the request's work in.
    pub fn span(&self) -> Option<Current> {
        self.trace.as_ref().map(RequestTrace::span)
    }

    /// The call to the application, for traces.
    pub fn call_to_application(&self) -> Option<Step> {
        let step = Step::to_application(&self.method)?;
        if let Some(route) = &self.route {
            step.set("palisade.upstream", route.to_string());
        }
        Some(step)
    }

    /// The call to AWS, for traces.
    pub fn call_to_aws(&self) -> Option<Step> {
        let target = self.target.as_ref()?;
        Step::to_aws(&target.service, target.operation.as_deref(), target.region.as_deref())
    }

    /// The request's id is that of a proxy in front.
    pub fn adopt_request_id(&mut self, id: RequestId) {
        self.request_id = id;
    }

    /// Where the request comes from, as far as it is known behind proxies.
    pub fn client_address(&mut self, address: IpAddr) {
        self.client_address = Some(address);
    }

    /// The request is a tenant's.
    pub fn tenant(&mut self, tenant: &ActiveTenant) {
        self.count_as(self.recorder.labels.of(tenant));
        self.tenant = Some(tenant.clone());
        if let Some(trace) = &self.trace {
            trace.verified();
        }
    }

    /// The request is a workload's, and no tenant's.
    pub fn workload(&mut self, workload: &ProvedWorkload) {
        self.count_as(TenantLabel::of_workload(workload));
        self.workload = Some(workload.name().clone());
        if let Some(trace) = &self.trace {
            trace.of_application(None);
        }
    }

    fn count_as(&mut self, label: TenantLabel) {
        self.label = label;
        let inflight = self.recorder.metrics.inflight(self.listener, &self.label);
        inflight.inc();
        if let Some(before) = self.inflight.replace(inflight) {
            before.dec();
        }
    }

    /// The request made a context of deferred work.
    pub fn context(&mut self, id: &str, purpose: &str) {
        self.context = Some((id.to_owned(), purpose.to_owned()));
    }

    /// Where the request goes: a service of the configuration, or `app`.
    pub fn service(&mut self, service: &str, region: Option<&str>) {
        self.target = Some(Target { service: service.to_owned(), region: region.map(str::to_owned), operation: None });
    }

    /// What it asks for.
    pub fn operation(&mut self, operation: Option<Cow<'static, str>>) {
        if let Some(target) = &mut self.target {
            target.operation = operation;
        }
    }

    /// What the guard made of it.
    pub(crate) fn guard(&mut self, decision: &str, denial: Option<&Denial>) {
        let service = self.target.as_ref().map_or("_none", |target| &target.service);
        self.recorder.metrics.guard_decision(service, decision, denial.map_or("_none", |denial| &denial.rule));
    }

    /// What would have been refused, were the rule enforced, and what it was about.
    pub(crate) fn would_deny(&mut self, denial: &Denial, touches: Touches) {
        self.guard("would_deny", Some(denial));
        self.would_deny = Some((denial.to_string(), touches));
    }

    /// Whether somebody wants to know on what grounds the guard lets it pass.
    pub(crate) fn wants_grounds(&self) -> bool {
        self.recorder.metrics.audit().is_some()
    }

    /// Those are the ones.
    pub(crate) fn grounds(&mut self, grounds: Grounds) {
        self.grounds = Some(Box::new(grounds));
    }

    /// What [`Record::would_deny`] was told.
    #[cfg(test)]
    pub(crate) fn watched(&self) -> Option<&str> {
        self.would_deny.as_ref().map(|(denial, _)| denial.as_str())
    }

    /// Which route to the application it takes.
    pub fn route(&mut self, name: &Arc<str>) {
        self.route = Some(name.clone());
    }

    /// Under which proof it is made: a passport belongs to a request on the ingress.
    pub fn for_proof(&mut self, lease: &Lease) {
        self.for_request = lease.for_request().cloned();
        if let Some(trace) = &self.trace {
            trace.of_application(lease.span());
        }
    }

    /// The upstream's response head came after `duration`.
    pub fn upstream(&mut self, duration: Duration) {
        self.upstream = Some(duration);
    }

    /// The request is nobody's, and may be.
    pub fn public(&mut self) {
        self.let_in = PUBLIC;
        if let Some(trace) = &self.trace {
            trace.of_nobody();
        }
    }

    /// The request is a browser's question, answered here.
    pub fn preflight(&mut self) {
        self.let_in = "preflight";
        self.target = None;
    }

    /// The request is refused.
    pub fn refused(&mut self, refusal: &Refusal) {
        self.refusal = Some(refusal.clone());
        if let Some(trace) = &self.trace {
            trace.refused(refusal);
        }
        if refusal.for_request.is_some() {
            self.for_request.clone_from(&refusal.for_request);
        }
        if let Some(audit) = self.recorder.metrics.audit() {
            audit.tell(&self.decided(Event::Refused, None));
        }
    }

    /// Something is about to be done for the request, with `credentials` where AWS is asked: not before the audit log has it.
    ///
    /// # Errors
    /// [`Reason::AuditUnavailable`](crate::reject::Reason::AuditUnavailable): it must not be done.
    pub(crate) fn about_to(
        &self,
        event: Event,
        credentials: Option<&ScopedCredentials>,
    ) -> impl Future<Output = Result<(), Refusal>> + Send + use<> {
        let event = if event == Event::Allowed && self.let_in == PUBLIC { Event::Public } else { event };
        let audit = self.recorder.metrics.audit();
        let record = audit.map(|audit| audit.commit(&self.decided(event, credentials)));
        async move {
            match record {
                Some(record) => record.taken().await,
                None => Ok(()),
            }
        }
    }

    fn decided<'a>(&'a self, event: Event, credentials: Option<&'a ScopedCredentials>) -> Decision<'a> {
        let who = self.who();
        let grounds = self.grounds.as_deref();
        Decision {
            time: audit::written(self.recorder.clock.now()),
            event,
            listener: self.listener.as_str(),
            request_id: self.request_id.as_str(),
            for_request: who.for_request,
            peer: self.peer.as_str(),
            client_address: self.client_address,
            client: self.peer.client().map(ClientCertificate::name),
            method: self.method.as_str(),
            tenant: who.tenant,
            workload: self.workload.as_ref().map(WorkloadName::as_str),
            subject: who.subject,
            issuer: who.issuer,
            context_id: who.context_id,
            purpose: who.purpose,
            service: self.target.as_ref().map(|t| t.service.as_str()),
            region: self.target.as_ref().and_then(|t| t.region.as_deref()),
            operation: self.target.as_ref().and_then(|t| t.operation.as_deref()),
            upstream: self.route.as_deref(),
            plan: credentials.map(ScopedCredentials::recorded),
            rules: grounds.map_or(&[], |grounds| &grounds.rules),
            resources: grounds.map_or(&[], |grounds| &grounds.touches.things),
            resources_left_out: grounds.map_or(0, |grounds| grounds.touches.left_out),
            would_deny: self.would_deny.as_ref().map(|(denial, _)| denial.as_str()),
            reason: self.refusal.as_ref().map(|r| r.reason.as_str()),
            note: self.refusal.as_ref().and_then(|r| r.note.as_deref()),
        }
    }

    /// Whose it is, as far as that is known.
    fn who(&self) -> Who<'_> {
        let verified = self.tenant.as_ref().map(ActiveTenant::verified);
        let deferred = verified.and_then(|verified| verified.deferred());
        let presented = deferred.map(|deferred| (deferred.id(), deferred.purpose()));
        let opened = self.refusal.as_ref().and_then(|refusal| refusal.context.as_deref());
        let context = presented
            .or(self.context.as_ref().map(|(id, purpose)| (id.as_str(), purpose.as_str())))
            .or(opened.map(|opened| (opened.id.as_str(), opened.purpose.as_str())));
        let made_in = deferred.map(Deferred::for_request).or(opened.map(|opened| opened.for_request.as_str()));
        Who {
            tenant: verified.map(|v| v.tenant()).or(opened.map(|opened| &opened.tenant)).map(TenantId::as_str),
            subject: verified.map(|v| v.subject()),
            issuer: verified.map(|v| v.issuer()),
            context_id: context.map(|(id, _)| id),
            purpose: context.map(|(_, purpose)| purpose),
            for_request: self.for_request.as_ref().map(RequestId::as_str).or(made_in),
        }
    }

    /// Counts the request body's bytes.
    pub fn count_received(&self, body: Body) -> Body {
        Counted { inner: body, count: self.received.clone() }.boxed_unsync()
    }

    /// Lets the record end with the response.
    pub fn finish_with(mut self, response: Response<Body>) -> Response<Body> {
        self.status = response.status().as_u16();
        response.map(|inner| {
            if inner.is_end_stream() {
                self.complete = true;
                drop(self);
                return inner;
            }
            Recorded { inner, record: Some(self) }.boxed_unsync()
        })
    }

    fn decision(&self) -> &'static str {
        if self.refusal.is_some() { "refused" } else { self.let_in }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if let Some(inflight) = &self.inflight {
            inflight.dec();
        }
        let recorder = &self.recorder;
        let duration = recorder.clock.instant().saturating_duration_since(self.started);
        let received = self.received.load(Ordering::Relaxed);
        recorder.metrics.request(&RequestFacts {
            listener: self.listener,
            tenant: &self.label,
            service: self.target.as_ref().map_or("_none", |t| &t.service),
            decision: self.decision(),
            status: self.status,
            duration,
            upstream: self.upstream,
            bytes_received: received,
            bytes_sent: self.sent,
        });
        if let Some(refusal) = &self.refusal {
            recorder.metrics.refusal(self.listener, &self.label, refusal.reason);
        }
        let who = self.who();
        let mut line = Line {
            time: audit::written(recorder.clock.now()),
            log: "access",
            listener: self.listener.as_str(),
            request_id: self.request_id.as_str(),
            for_request: who.for_request,
            peer: self.peer.as_str(),
            client_address: self.client_address.map(|address| address.to_string()),
            client: self.peer.client().map(ClientCertificate::name),
            method: self.method.as_str(),
            tenant: who.tenant,
            workload: self.workload.as_ref().map(WorkloadName::as_str),
            subject: who.subject,
            issuer: who.issuer,
            context_id: who.context_id,
            purpose: who.purpose,
            service: self.target.as_ref().map(|t| t.service.as_str()),
            region: self.target.as_ref().and_then(|t| t.region.as_deref()),
            operation: self.target.as_ref().and_then(|t| t.operation.as_deref()),
            upstream: self.route.as_deref(),
            decision: self.decision(),
            would_deny: self.would_deny.as_ref().map(|(denial, _)| denial.as_str()),
            touched: self.would_deny.as_ref().map_or(&[], |(_, touches)| &touches.things),
            touched_left_out: self.would_deny.as_ref().map_or(0, |(_, touches)| touches.left_out),
            reason: self.refusal.as_ref().map(|r| r.reason.as_str()),
            note: self.refusal.as_ref().and_then(|r| r.note.as_deref()),
            status: self.status,
            duration_ms: millis(duration),
            upstream_ms: self.upstream.map(millis),
            bytes_received: received,
            bytes_sent: self.sent,
            aborted: !self.complete,
            sample: None,
        };
        recorder.log.write(&mut line);
        if let Some(trace) = &self.trace {
            trace.end(&line);
        }
    }
}

fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// Counts bytes as they pass.
struct Counted {
    inner: Body,
    count: Arc<AtomicU64>,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        if let Some(data) = frame.as_ref().and_then(|f| f.as_ref().ok()).and_then(Frame::data_ref) {
            self.count.fetch_add(data.len() as u64, Ordering::Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A response body that carries its request's record.
struct Recorded {
    inner: Body,
    record: Option<Record>,
}

impl HttpBody for Recorded {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        let this = &mut *self;
        let ended = frame.is_none() || this.inner.is_end_stream();
        if let Some(record) = &mut this.record {
            match &frame {
                Some(Ok(frame)) => record.sent += frame.data_ref().map_or(0, |data| data.len() as u64),
                Some(Err(_)) => {}
                None => record.complete = true,
            }
            if ended {
                record.complete |= !matches!(frame, Some(Err(_)));
                this.record = None;
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use serde_json::Value;

    use super::*;
    use crate::{
        body,
        directory::TenantRecord,
        identity::VerifiedTenant,
        reject::{OpenedContext, Reason, problem},
        telemetry::access_log::tests::Sink,
    };

    fn recorder() -> (Recorder, Arc<Mutex<Vec<u8>>>) {
        let metrics = Metrics::new().unwrap();
        let sink = Sink::default();
        let log = AccessLog::to(sink.clone(), metrics.clone()).unwrap();
        (
            Recorder { metrics, log, labels: TenantLabels::new(10), traces: Tracer::off(), clock: Clock::manual(std::time::UNIX_EPOCH) },
            sink.0,
        )
    }

    fn lines(recorder: &Recorder, sink: &Mutex<Vec<u8>>) -> Vec<Value> {
        recorder.log.flush(Duration::from_secs(5));
        String::from_utf8(sink.lock().unwrap().clone()).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect()
    }

    fn begin(recorder: &Recorder) -> Record {
        let mut record = recorder.begin(Listener::Egress, &Method::PUT, &Peer::at("127.0.0.1:9".parse().unwrap()));
        let id = "acme".parse().unwrap();
        record.tenant(&ActiveTenant::join(VerifiedTenant::for_tests("acme"), Arc::new(TenantRecord::bare(id))).unwrap());
        record.service("s3", Some("eu-west-1"));
        record
    }

    #[tokio::test]
    async fn the_record_is_written_when_the_last_byte_is_out() {
        let (recorder, sink) = recorder();
        let record = begin(&recorder);
        let _ = record.count_received(body::full("12345")).collect().await.unwrap();
        let response = record.finish_with(Response::new(body::full("1234567")));
        assert!(lines(&recorder, &sink).is_empty());
        response.into_body().collect().await.unwrap();
        let line = &lines(&recorder, &sink)[0];
        assert_eq!((&line["tenant"], &line["decision"], &line["status"]), (&"acme".into(), &"allowed".into(), &200.into()));
        assert_eq!((&line["bytes_received"], &line["bytes_sent"]), (&5.into(), &7.into()));
        assert_eq!((&line["aborted"], &line["time"]), (&Value::Null, &"1970-01-01T00:00:00.000Z".into()));
        assert_eq!(recorder.metrics.inflight(Listener::Egress, &TenantLabels::new(1).of(&begin_tenant())).get(), 0);
    }

    fn begin_tenant() -> ActiveTenant {
        ActiveTenant::join(VerifiedTenant::for_tests("acme"), Arc::new(TenantRecord::bare("acme".parse().unwrap()))).unwrap()
    }

    #[tokio::test]
    async fn a_response_that_is_dropped_is_recorded_as_aborted() {
        let (recorder, sink) = recorder();
        drop(begin(&recorder).finish_with(Response::new(body::full("1234567"))));
        let line = &lines(&recorder, &sink)[0];
        assert_eq!((&line["aborted"], &line["bytes_sent"]), (&true.into(), &0.into()));
    }

    #[tokio::test]
    async fn a_refusal_is_recorded_with_its_reason_and_note() {
        let (recorder, sink) = recorder();
        let mut record = begin(&recorder);
        let refusal = Refusal::noted(Reason::RateLimited, "why");
        record.refused(&refusal);
        let response = problem(&refusal, record.request_id().as_str());
        record.finish_with(response).into_body().collect().await.unwrap();
        let line = &lines(&recorder, &sink)[0];
        assert_eq!((&line["decision"], &line["reason"], &line["note"]), (&"refused".into(), &"rate-limited".into(), &"why".into()));
    }

    #[tokio::test]
    async fn a_refused_context_can_be_found() {
        let (recorder, sink) = recorder();
        let mut record = recorder.begin(Listener::Egress, &Method::GET, &Peer::at("127.0.0.1:9".parse().unwrap()));
        let word = str::to_owned;
        let opened = OpenedContext { id: word("c1"), purpose: word("mail"), for_request: word("r1"), tenant: "acme".parse().unwrap() };
        record.refused(&Refusal::from(Reason::TokenRevoked).of_context(opened));
        let _response = record.finish_with(Response::new(body::empty()));
        let line = &lines(&recorder, &sink)[0];
        let found: Vec<_> = ["context_id", "purpose", "for_request", "tenant", "reason"].iter().map(|key| &line[*key]).collect();
        assert_eq!(found, ["c1", "mail", "r1", "acme", "token-revoked"]);
        assert_eq!(line["subject"], Value::Null, "nobody was let in");
    }

    #[tokio::test]
    async fn an_empty_response_is_recorded_at_once() {
        let (recorder, sink) = recorder();
        let _response = begin(&recorder).finish_with(Response::new(body::empty()));
        assert_eq!(lines(&recorder, &sink)[0]["aborted"], Value::Null);
    }
}
