use std::{
    sync::{Arc, Mutex},
    time::{Duration, UNIX_EPOCH},
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Version};
use tokio::sync::mpsc;

use super::{
    encode::Resource,
    export::{Carry, Exporter, Message, NotTaken},
    span::Span,
    *,
};
use crate::{
    body,
    config::{OtlpProtocol, SamplingConfig},
    directory::{ActiveTenant, TenantRecord},
    identity::VerifiedTenant,
    reject::{Reason, Refusal, problem},
    server::Peer,
    telemetry::{AccessLog, Listener, Recorder, TenantLabels, access_log::tests::Sink},
};

pub(crate) fn config() -> TracesConfig {
    TracesConfig {
        uri: "http://127.0.0.1:4317".parse().unwrap(),
        protocol: OtlpProtocol::Grpc,
        headers: Vec::new(),
        ca: None,
        timeout: Duration::from_secs(1),
        service_name: "palisade".to_owned(),
        resource: Vec::new(),
        sampling: SamplingConfig { ratio: 1.0, follow_parent: true, per_second: 1_000 },
        continues_application: false,
        queue: 64,
        batch: 4,
        delay: Duration::from_secs(5),
    }
}

/// A tracer, and the queue that its spans go into.
fn tracer(config: &TracesConfig) -> (Tracer, mpsc::Receiver<Message>, Metrics, Clock) {
    let (queue, spans) = mpsc::channel(config.queue);
    let (metrics, clock) = (Metrics::new().unwrap(), Clock::manual(UNIX_EPOCH + Duration::from_secs(100)));
    (Tracer::handing_to(queue, config, &clock, &metrics), spans, metrics, clock)
}

fn recorder(traces: Tracer, metrics: Metrics, clock: Clock) -> Recorder {
    let log = AccessLog::to(Sink::default(), metrics.clone()).unwrap();
    Recorder { metrics, log, labels: TenantLabels::new(10), traces, clock }
}

fn taken(spans: &mut mpsc::Receiver<Message>) -> Vec<(TraceId, Span)> {
    std::iter::from_fn(|| spans.try_recv().ok())
        .filter_map(|message| if let Message::Span(trace, span) = message { Some((trace, *span)) } else { None })
        .collect()
}

fn context(is_sampled: bool) -> SpanContext {
    SpanContext { trace: TraceId::random(), span: SpanId::random(), flags: SpanContext::flags(is_sampled) }
}

fn stating(stated: &SpanContext) -> HeaderMap {
    HeaderMap::from_iter([(TRACEPARENT, HeaderValue::try_from(stated.header()).unwrap())])
}

fn rendered(metrics: &Metrics) -> String {
    String::from_utf8(metrics.render().unwrap()).unwrap()
}

fn exported(metrics: &Metrics, result: &str) -> String {
    let text = rendered(metrics);
    let line = text.lines().find(|line| line.starts_with(&format!("palisade_trace_spans_total{{result=\"{result}\"}}")));
    line.map_or("0", |line| line.rsplit(' ').next().unwrap()).to_owned()
}

#[tokio::test]
async fn steps_hang_below_what_they_are_done_for() {
    let (tracer, mut spans, metrics, clock) = tracer(&config());
    let recorder = recorder(tracer, metrics, clock.clone());
    let record = recorder.begin(Listener::Ingress, &Method::GET, &Peer::at("127.0.0.1:9".parse().unwrap()));
    record.trace().unwrap().of_caller(None, TraceId::random());
    record.trace().unwrap().verified();
    let told = record.trace().unwrap().to_application().unwrap();
    within(record.span(), async {
        let worked = step("outer", async {
            clock.advance(Duration::from_secs(1));
            step("inner", async { Ok(()) }).await?;
            note("palisade.credentials", || "cached");
            Err::<(), _>(Refusal::from(Reason::UpstreamTimeout))
        });
        assert!(worked.await.is_err());
        let call = call(Step::to_application(&Method::POST), async { Ok(StatusCode::NOT_FOUND) }, |status| *status);
        assert_eq!(call.await.unwrap(), StatusCode::NOT_FOUND);
    })
    .await;
    drop(record.finish_with(Response::new(body::empty())));
    let found = taken(&mut spans);
    assert!(found.iter().all(|(trace, _)| *trace == told.trace));
    let by_name = |name: &str| found.iter().map(|(_, span)| span).find(|span| span.name == name).unwrap();
    let (root, outer, inner, app) = (by_name("GET"), by_name("outer"), by_name("inner"), by_name("POST"));
    assert_eq!((root.parent, outer.parent, inner.parent, app.parent), (None, Some(root.id), Some(outer.id), Some(root.id)));
    assert_eq!(app.id, told.span, "the application is told of the call to it");
    assert_eq!((outer.began, outer.ended - outer.began), (100_000_000_000, 1_000_000_000));
    assert!(outer.is_error && !inner.is_error && app.is_error && !root.is_error);
    assert_eq!((outer.text("error.type"), app.text("error.type")), (Some("upstream-timeout"), Some("404")));
    assert_eq!(outer.text("palisade.credentials"), Some("cached"));
}

/// Who may say what about the trace of a request on the egress.
#[tokio::test]
async fn the_passport_s_word_on_the_trace_wins() {
    let leader = context(true);
    let own = SpanContext { span: SpanId::random(), ..leader };
    let (foreign, quiet) = (context(true), context(false));
    let silent = SpanContext { flags: 0, ..own };
    // What the passport and the application say; whether the application is believed; the trace, the parent and the link that come of it.
    type Case = (Option<SpanContext>, Option<SpanContext>, bool, Option<TraceId>, Option<SpanId>, Option<SpanContext>);
    let cases: [Case; 8] = [
        (Some(leader), None, false, Some(leader.trace), Some(leader.span), None),
        (Some(leader), Some(own), false, Some(leader.trace), Some(own.span), None),
        (Some(leader), Some(silent), true, Some(leader.trace), Some(own.span), None),
        (Some(leader), Some(foreign), false, Some(leader.trace), Some(leader.span), Some(foreign)),
        (Some(leader), Some(foreign), true, Some(leader.trace), Some(leader.span), Some(foreign)),
        (None, Some(foreign), true, Some(foreign.trace), Some(foreign.span), None),
        (None, Some(foreign), false, None, None, Some(foreign)),
        (None, None, true, None, None, None),
    ];
    for (number, (leader, stated, believed, trace, parent, link)) in cases.into_iter().enumerate() {
        let (tracer, mut spans, metrics, clock) = tracer(&TracesConfig { continues_application: believed, ..config() });
        let record = recorder(tracer, metrics, clock).begin(Listener::Egress, &Method::GET, &Peer::at("127.0.0.1:9".parse().unwrap()));
        record.head(Version::HTTP_11, &stated.as_ref().map(stating).unwrap_or_default());
        within(record.span(), async { step("before", async { Ok(()) }).await }).await.unwrap();
        record.trace().unwrap().of_application(leader);
        drop(record);
        let found = taken(&mut spans);
        let [(of_step, before), (of_root, root)] = &found[..] else { panic!("{number}: {found:?}") };
        assert_eq!(of_step, of_root, "{number}");
        assert!(trace.is_none_or(|trace| trace == *of_root), "{number}");
        assert!(stated.is_none_or(|stated| trace == Some(stated.trace) || stated.trace != *of_root), "{number}: joined");
        assert_eq!((root.parent, before.parent), (parent, Some(root.id)), "{number}");
        assert_eq!(root.links.iter().map(|link| link.to).collect::<Vec<_>>(), link.into_iter().collect::<Vec<_>>(), "{number}");
    }
    // What the flag of either says about a trace that is not recorded changes nothing.
    let (tracer, mut spans, metrics, clock) = tracer(&config());
    let record = recorder(tracer, metrics, clock).begin(Listener::Egress, &Method::GET, &Peer::at("127.0.0.1:9".parse().unwrap()));
    record.head(Version::HTTP_11, &stating(&SpanContext { flags: 1, ..quiet }));
    within(record.span(), async { step("before", async { Ok(()) }).await }).await.unwrap();
    record.trace().unwrap().of_application(Some(quiet));
    within(record.span(), async { assert!(Step::begin("after", Kind::Internal).is_none()) }).await;
    drop(record);
    assert!(taken(&mut spans).is_empty());
}

/// What proves nothing takes a tenth at most, and nothing of what others have.
#[tokio::test]
async fn junk_leaves_the_bound_of_others_alone() {
    let sampling = SamplingConfig { ratio: 1.0, follow_parent: true, per_second: 20 };
    let (tracer, mut spans, metrics, clock) = tracer(&TracesConfig { sampling, queue: 1_000, ..config() });
    let recorder = recorder(tracer, metrics.clone(), clock);
    let begin = |listener| recorder.begin(listener, &Method::GET, &Peer::at("127.0.0.1:9".parse().unwrap()));
    for _ in 0..200 {
        begin(Listener::Ingress).trace().unwrap().of_caller(None, TraceId::random());
        drop(begin(Listener::Egress));
    }
    assert_eq!(taken(&mut spans).len(), 2);
    let verified = || {
        let mut record = begin(Listener::Ingress);
        record.trace().unwrap().of_caller(None, TraceId::random());
        assert!(record.trace().unwrap().to_application().is_none(), "settled before anybody was verified");
        let tenant = VerifiedTenant::for_tests("acme");
        record.tenant(&ActiveTenant::join(tenant, Arc::new(TenantRecord::bare("acme".parse().unwrap()))).unwrap());
        record.trace().unwrap().to_application().unwrap()
    };
    let told: Vec<_> = (0..40).map(|_| verified()).filter(SpanContext::is_sampled).collect();
    assert_eq!((told.len(), taken(&mut spans).len()), (20, 20));
    for leader in told {
        begin(Listener::Egress).trace().unwrap().of_application(Some(leader));
    }
    assert_eq!(taken(&mut spans).len(), 20, "what is done under recorded passports is starved by others");
    assert!(rendered(&metrics).contains("palisade_traces_total{decision=\"limited\"} 418"), "{}", rendered(&metrics));
}

#[tokio::test]
async fn a_refused_proof_continues_no_trace() {
    let stated = context(true);
    let (tracer, mut spans, metrics, clock) = tracer(&TracesConfig { continues_application: true, ..config() });
    let mut record = recorder(tracer, metrics, clock).begin(Listener::Egress, &Method::GET, &Peer::at("127.0.0.1:9".parse().unwrap()));
    record.head(Version::HTTP_11, &stating(&stated));
    record.refused(&Refusal::from(Reason::TokenRevoked));
    drop(record);
    let found = taken(&mut spans);
    let [(trace, span)] = &found[..] else { panic!("{found:?}") };
    assert!(*trace != stated.trace && span.parent.is_none());
    assert_eq!(span.links.iter().map(|link| link.to).collect::<Vec<_>>(), [stated]);
}

#[tokio::test]
async fn a_caller_s_trace_that_goes_on_can_be_told_from_one_that_begins() {
    let stated = context(true);
    for continued in [Some(stated), None] {
        let (tracer, mut spans, metrics, clock) = tracer(&config());
        let record = recorder(tracer, metrics, clock).begin(Listener::Ingress, &Method::GET, &Peer::at("127.0.0.1:9".parse().unwrap()));
        record.head(Version::HTTP_11, &stating(&stated));
        let begun = TraceId::random();
        record.trace().unwrap().of_caller(continued, begun);
        drop(record);
        let found = taken(&mut spans);
        let [(trace, span)] = &found[..] else { panic!("{found:?}") };
        assert_eq!((*trace, span.parent), continued.map_or((begun, None), |stated| (stated.trace, Some(stated.span))));
        assert_eq!(span.attributes.contains(&("palisade.trace_continued", Value::Flag(true))), continued.is_some());
        assert_eq!(span.links.len(), usize::from(continued.is_none()));
    }
}

/// The access log has more fields than traces may have.
#[tokio::test]
async fn a_server_span_says_less_than_the_log() {
    let (tracer, mut spans, metrics, clock) = tracer(&config());
    let recorder = recorder(tracer, metrics, clock);
    let mut record = recorder.begin(Listener::Egress, &Method::from_bytes(b"find-me").unwrap(), &Peer::at("127.0.0.1:9".parse().unwrap()));
    let tenant = VerifiedTenant::for_tests("acme");
    let (subject, issuer) = (tenant.subject().to_owned(), tenant.issuer().to_owned());
    record.tenant(&ActiveTenant::join(tenant, Arc::new(TenantRecord::bare("acme".parse().unwrap()))).unwrap());
    record.service("s3", Some("eu-west-1"));
    record.operation(Some("PutObject".into()));
    let refusal = Refusal::noted(Reason::UpstreamUnavailable, "the key acme/secret");
    record.refused(&refusal);
    let response = problem(&refusal, record.request_id().as_str());
    drop(record.finish_with(response));
    let found = taken(&mut spans);
    let [(_, span)] = &found[..] else { panic!("{found:?}") };
    assert_eq!((&*span.name, span.kind), ("HTTP s3:PutObject", Kind::Server));
    assert_eq!((span.text("palisade.tenant"), span.text("palisade.reason")), (Some("acme"), Some("upstream-unavailable")));
    assert_eq!(span.text("http.request.method"), Some("_OTHER"), "methods are of a closed list");
    assert!(span.is_error && span.events.len() == 1 && span.events[0].name == "palisade.refusal");
    let all = format!("{span:?}");
    for hidden in [&*subject, &*issuer, "secret", "find-me", "acme/"] {
        assert!(!all.contains(hidden), "{hidden} is in {all}");
    }
}

#[tokio::test]
async fn without_traces_there_is_nothing_to_be_in() {
    let metrics = Metrics::new().unwrap();
    let recorder = recorder(Tracer::off(), metrics.clone(), Clock::manual(UNIX_EPOCH));
    let record = recorder.begin(Listener::Egress, &Method::GET, &Peer::at("127.0.0.1:9".parse().unwrap()));
    assert!(record.trace().is_none() && record.span().is_none());
    within(record.span(), async {
        assert!(current().is_none() && Step::begin("x", Kind::Client).is_none());
        note::<bool>("x", || unreachable!("nobody asks"));
        step("x", async { Ok(()) }).await.unwrap();
    })
    .await;
    assert!(current().is_none());
    drop(record);
    assert!(!rendered(&metrics).contains("palisade_traces_total{"));
}

#[tokio::test]
async fn what_finds_no_room_is_dropped_and_counted() {
    let (tracer, mut spans, metrics, clock) = tracer(&config());
    let recorder = recorder(tracer, metrics.clone(), clock);
    for _ in 0..100 {
        let record = recorder.begin(Listener::Ingress, &Method::GET, &Peer::at("127.0.0.1:9".parse().unwrap()));
        record.trace().unwrap().of_caller(None, TraceId::random());
        record.trace().unwrap().verified();
    }
    assert_eq!(taken(&mut spans).len(), 64);
    assert_eq!(exported(&metrics, "queue_full"), "36");
}

/// Answers in turn, the last one for ever.
struct Scripted {
    answers: Mutex<Vec<Result<Bytes, Option<Option<Duration>>>>>,
    calls: Arc<Mutex<Vec<(tokio::time::Instant, usize)>>>,
}

impl Carry for Scripted {
    fn carry(&self, request: Bytes) -> BoxFuture<'_, Result<Bytes, NotTaken>> {
        self.calls.lock().unwrap().push((tokio::time::Instant::now(), request.len()));
        let mut answers = self.answers.lock().unwrap();
        let answer = if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() };
        Box::pin(async move { answer.map_err(|again| NotTaken { why: "scripted".to_owned(), again }) })
    }
}

type Calls = Arc<Mutex<Vec<(tokio::time::Instant, usize)>>>;

fn exporter(answers: Vec<Result<Bytes, Option<Option<Duration>>>>) -> (Tracer, Metrics, Calls) {
    let (queue, spans) = mpsc::channel(64);
    let (metrics, clock, calls) = (Metrics::new().unwrap(), Clock::system(), Calls::default());
    let carry = Scripted { answers: Mutex::new(answers), calls: calls.clone() };
    let resource = Resource::new([("service.name", "palisade")]);
    let exporter = Exporter::new(spans, resource, Box::new(carry), &config(), metrics.clone());
    tokio::spawn(exporter.run());
    (Tracer::handing_to(queue, &config(), &clock, &metrics), metrics, calls)
}

fn hand_in(tracer: &Tracer, count: usize) {
    let shared = tracer.0.as_ref().unwrap();
    for _ in 0..count {
        shared.hand_in(TraceId::random(), Span::new(SpanId::random(), None, "x".into(), Kind::Internal, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn spans_go_in_batches_when_there_are_enough_or_they_have_waited() {
    let (tracer, metrics, calls) = exporter(vec![Ok(Bytes::new())]);
    hand_in(&tracer, 9);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(calls.lock().unwrap().len(), 2, "two batches of four");
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!((calls.lock().unwrap().len(), exported(&metrics, "exported")), (3, "9".to_owned()));
    hand_in(&tracer, 1);
    tracer.flush(Duration::from_secs(1)).await;
    assert_eq!(exported(&metrics, "exported"), "10", "a flush does not wait for others");
}

#[tokio::test(start_paused = true)]
async fn no_request_is_larger_than_servers_take() {
    const COUNT: usize = 700;
    let (queue, spans) = mpsc::channel(COUNT);
    let (metrics, calls) = (Metrics::new().unwrap(), Calls::default());
    let carry = Scripted { answers: Mutex::new(vec![Ok(Bytes::new())]), calls: calls.clone() };
    let config = TracesConfig { queue: COUNT, batch: COUNT, ..config() };
    tokio::spawn(Exporter::new(spans, Resource::new([("service.name", "palisade")]), Box::new(carry), &config, metrics.clone()).run());
    let mut span = Span::new(SpanId::random(), None, "x".into(), Kind::Internal, 1);
    for _ in 0..32 {
        span.event(1, "e", vec![("k", "v".repeat(250).into())]);
    }
    for _ in 0..COUNT {
        queue.try_send(Message::Span(TraceId::random(), Box::new(span.clone()))).unwrap();
    }
    tokio::time::sleep(Duration::from_secs(6)).await;
    let sizes: Vec<_> = calls.lock().unwrap().iter().map(|(_, size)| *size).collect();
    assert!(sizes.len() == 2 && sizes.iter().all(|size| *size <= 4 * 1024 * 1024), "{sizes:?}");
    assert_eq!(exported(&metrics, "exported"), COUNT.to_string());
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_tried_again_only_where_that_is_asked_for() {
    let (tracer, metrics, calls) = exporter(vec![Err(Some(None)), Err(Some(Some(Duration::from_secs(7)))), Ok(Bytes::new())]);
    hand_in(&tracer, 4);
    tokio::time::sleep(Duration::from_secs(60)).await;
    let pauses: Vec<_> = calls.lock().unwrap().windows(2).map(|pair| (pair[1].0 - pair[0].0).as_millis()).collect();
    assert_eq!((pauses, exported(&metrics, "exported")), (vec![500, 7_000], "4".to_owned()));

    let (tracer, metrics, calls) = exporter(vec![Err(None)]);
    hand_in(&tracer, 4);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!((calls.lock().unwrap().len(), exported(&metrics, "failed")), (1, "4".to_owned()));

    let (tracer, metrics, calls) = exporter(vec![Err(Some(None))]);
    hand_in(&tracer, 4);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!((calls.lock().unwrap().len(), exported(&metrics, "failed")), (4, "4".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_process_waits_for_a_collector_no_longer_than_it_may() {
    let (tracer, _, _) = exporter(vec![Err(Some(Some(Duration::from_secs(30))))]);
    hand_in(&tracer, 4);
    let began = tokio::time::Instant::now();
    tracer.flush(Duration::from_secs(2)).await;
    assert!((2_000..2_010).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
    Tracer::off().flush(Duration::from_secs(2)).await;
}
