//! Streams over HTTP/2: they flow as they come, end with their readers, and do not stand in each other's way.

use std::sync::Mutex;

use futures_util::StreamExt;
use tokio::{sync::Notify, time::Instant};

use super::*;
use crate::server::tls::tests::Issued;

/// More than a stream's window, so that the rest waits at the upstream.
const LARGE: usize = 1 << 20;
const PAUSE: Duration = Duration::from_millis(150);

/// Streams: `/large`, `/slow` (five frames with pauses), `/endless`.
#[derive(Clone, Default)]
struct Streams(Arc<Ends>);

#[derive(Default)]
struct Ends {
    /// Endless streams that were given up.
    count: AtomicUsize,
    noticed: Notify,
    peers: Mutex<std::collections::HashSet<SocketAddr>>,
}

struct OnDrop(Arc<Ends>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.count.fetch_add(1, Ordering::SeqCst);
        self.0.noticed.notify_one();
    }
}

impl Handler for Streams {
    async fn handle(&self, request: Request<Body>, peer: Peer) -> Response<Body> {
        self.0.peers.lock().unwrap().insert(peer.address());
        let frame = |bytes| Ok::<_, BoxError>(Frame::data(bytes));
        match request.uri().path() {
            "/large" => Response::new(body::full(vec![0; LARGE])),
            "/slow" => {
                let frames = futures_util::stream::iter(0..5).then(move |number| async move {
                    tokio::time::sleep(PAUSE).await;
                    frame(Bytes::from(number.to_string()))
                });
                Response::new(StreamBody::new(frames).boxed_unsync())
            }
            _ => {
                let end = OnDrop(self.0.clone());
                let frames = futures_util::stream::repeat(()).then(move |()| {
                    let _held = &end;
                    async move {
                        tokio::time::sleep(MILLIS * 20).await;
                        frame(Bytes::from_static(b"."))
                    }
                });
                Response::new(StreamBody::new(frames).boxed_unsync())
            }
        }
    }

    fn refuse(&self, refusal: Refusal, _: &request::Parts, _: &Peer) -> Response<Body> {
        reject::problem(&refusal, "streams")
    }
}

/// A client of `handler`, over HTTP/2.
async fn over_http2<H: Handler>(handler: H, lifetime: Duration) -> (AwsClient, Endpoint) {
    let issued = Issued::new();
    let bound = Bound::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let dial = endpoint(true, &format!("localhost:{}", bound.local_addr().port()));
    let tls = ReloadingTls::load(&issued.files, Listener::Ingress, Clock::system(), Metrics::new().unwrap()).unwrap();
    tokio::spawn(async move {
        let (_handle, drain) = Drain::new();
        let metrics = Metrics::new().unwrap();
        server::serve(bound.into_listener(), Some(tls), Listener::Ingress, &server_config(), handler, metrics, drain).await;
    });
    let service = service(Some(dial.clone()), Some(issued.files.certificate.name().to_owned()));
    let client = AwsClient::new(&egress(ServiceConfig { connection_lifetime: lifetime, ..service })).unwrap();
    (client, dial)
}

const HOUR: Duration = Duration::from_secs(3600);

async fn open(client: &AwsClient, dial: &Endpoint, path: &str) -> Response<Answer> {
    let request = Request::get(path).header("host", dial.authority.as_str()).body(body::empty()).unwrap();
    let answer = send(client, dial, true, request).await.unwrap();
    assert_eq!(answer.version(), Version::HTTP_2);
    answer
}

#[tokio::test]
async fn frames_come_one_by_one() {
    let (client, dial) = over_http2(Streams::default(), HOUR).await;
    let mut body = open(&client, &dial, "/slow").await.into_body();
    let mut last = Instant::now();
    for number in 0..5 {
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), number.to_string());
        assert!(last.elapsed() < PAUSE * 3, "frame {number} was held back");
        last = Instant::now();
    }
}

#[tokio::test]
async fn a_reader_that_goes_ends_its_stream_and_not_the_connection() {
    let streams = Streams::default();
    let (client, dial) = over_http2(streams.clone(), HOUR).await;
    let mut other = open(&client, &dial, "/endless").await.into_body();
    let mut body = open(&client, &dial, "/endless").await.into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);
    tokio::time::timeout(Duration::from_secs(2), streams.0.noticed.notified()).await.expect("the upstream was not told");
    assert_eq!(streams.0.count.load(Ordering::SeqCst), 1);
    for _ in 0..5 {
        other.frame().await.unwrap().unwrap();
    }
    assert_eq!(streams.0.peers.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_request_that_is_given_up_before_its_answer_ends_too() {
    let held = Held::default();
    let (client, silent) = over_http2(held.clone(), HOUR).await;
    let request = Request::get("/").header("host", silent.authority.as_str()).body(body::empty()).unwrap();
    let given_up = tokio::time::timeout(TIMEOUTS.response / 2, send(&client, &silent, true, request)).await;
    assert!(given_up.is_err());
    tokio::time::timeout(Duration::from_secs(2), held.0.noticed.notified()).await.expect("the upstream was not told");
}

/// Never answers.
#[derive(Clone, Default)]
struct Held(Arc<Ends>);

impl Handler for Held {
    async fn handle(&self, _: Request<Body>, _: Peer) -> Response<Body> {
        let _end = OnDrop(self.0.clone());
        std::future::pending().await
    }

    fn refuse(&self, refusal: Refusal, _: &request::Parts, _: &Peer) -> Response<Body> {
        reject::problem(&refusal, "held")
    }
}

#[tokio::test]
async fn unread_streams_do_not_use_up_the_others_windows() {
    let streams = Streams::default();
    let (client, dial) = over_http2(streams.clone(), HOUR).await;
    let mut unread = Vec::new();
    // 15 MiB in windows: three times what a connection has by default.
    for _ in 0..60 {
        unread.push(open(&client, &dial, "/large").await);
    }
    // Their windows are full by now.
    tokio::time::sleep(MILLIS * 300).await;
    let body = tokio::time::timeout(Duration::from_secs(5), open(&client, &dial, "/large").await.into_body().collect()).await;
    assert_eq!(body.expect("starved by unread streams").unwrap().to_bytes().len(), LARGE);
    assert_eq!(streams.0.peers.lock().unwrap().len(), 1, "all on one connection");
    drop(unread);
}

#[tokio::test]
async fn streams_of_an_aged_connection_go_on_beside_its_successor() {
    let (streams, lifetime) = (Streams::default(), Duration::from_millis(300));
    let (client, dial) = over_http2(streams.clone(), lifetime).await;
    let mut old = open(&client, &dial, "/endless").await.into_body();
    let started = Instant::now();
    while started.elapsed() < lifetime * 2 {
        open(&client, &dial, "/large").await.into_body().collect().await.unwrap();
        tokio::time::sleep(MILLIS * 20).await;
    }
    assert!((2..=4).contains(&streams.0.peers.lock().unwrap().len()));
    for _ in 0..20 {
        old.frame().await.unwrap().unwrap();
    }
    assert_eq!(streams.0.count.load(Ordering::SeqCst), 0);
}
