//! `Expect: 100-continue`: who asks for a body, and what becomes of one that nobody wants.

use tokio::{sync::mpsc, time::Instant};

use super::*;
use crate::upstream::expect::PATIENCE;

const BODY: &str = "0123456789";

/// What a double saw of a connection.
struct Seen {
    head: String,
    /// Whatever came behind the head.
    rest: Vec<u8>,
    /// Whether the connection was closed by its client.
    is_closed: bool,
}

/// Reads a head, says `first` at once, and `second` when as many bytes as a body has are there or after `wait`. Then it listens on.
async fn double(
    first: &'static str,
    wait: Duration,
    second: &'static str,
) -> (SocketAddr, Arc<AtomicUsize>, mpsc::UnboundedReceiver<Seen>) {
    let (report, reports) = mpsc::unbounded_channel();
    let (address, connections) = scripted(move |_, mut stream| {
        let report = report.clone();
        async move {
            let head = read_head(&mut stream).await;
            stream.write_all(first.as_bytes()).await.unwrap();
            let mut rest = Vec::new();
            let _ = tokio::time::timeout(wait, async {
                while rest.len() < BODY.len() && stream.read_buf(&mut rest).await.is_ok_and(|read| read > 0) {}
            })
            .await;
            let _ = stream.write_all(second.as_bytes()).await;
            let ended = tokio::time::timeout(Duration::from_secs(3), stream.read_to_end(&mut rest)).await;
            let _ = report.send(Seen { head, rest, is_closed: ended.is_ok() });
        }
    })
    .await;
    (address, connections, reports)
}

/// A body, and the number of times that somebody tried to read it.
fn counted() -> (Body, Arc<AtomicUsize>) {
    let reads = Arc::new(AtomicUsize::new(0));
    let counter = reads.clone();
    let frames = futures_util::stream::once(async move {
        counter.fetch_add(1, Ordering::SeqCst);
        Ok::<_, BoxError>(Frame::data(Bytes::from_static(BODY.as_bytes())))
    });
    (StreamBody::new(frames).boxed_unsync(), reads)
}

fn put(body: Body) -> Request<Body> {
    Request::put("/b/k").header("host", "api.example.com").header("content-length", BODY.len()).body(body).unwrap()
}

fn aws(address: SocketAddr) -> (AwsClient, Endpoint) {
    let dial = endpoint(false, &address.to_string());
    (AwsClient::new(&egress(service(Some(dial.clone()), None))).unwrap(), dial)
}

async fn upload(client: &AwsClient, dial: &Endpoint, body: Body) -> Result<Response<Answer>, Refusal> {
    client.deliver(SignedParts { expects_continue: true, ..parts(dial, true, put(body)) }).await
}

const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const DENIED: &str = "HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno";
const LONG: Duration = Duration::from_secs(5);

#[tokio::test]
async fn the_body_goes_when_the_upstream_asks_for_it() {
    for is_app in [false, true] {
        let (address, _, mut seen) = double(CONTINUE, LONG, OK).await;
        let (body, reads) = counted();
        let started = Instant::now();
        let response = if is_app {
            app(address).deliver(put(body), true).await.unwrap()
        } else {
            let (client, dial) = aws(address);
            upload(&client, &dial, body).await.unwrap()
        };
        assert_eq!(text(response).await, "ok");
        assert!(started.elapsed() < PATIENCE, "it was waited for in vain");
        let seen = seen.recv().await.unwrap();
        assert!(seen.head.to_lowercase().contains("\r\nexpect: 100-continue\r\n"), "{}", seen.head);
        assert_eq!((seen.rest.as_slice(), reads.load(Ordering::SeqCst)), (BODY.as_bytes(), 1));
    }
}

#[tokio::test]
async fn after_a_final_answer_the_body_is_not_read_and_the_connection_not_used_again() {
    let (address, connections, mut seen) = double(DENIED, LONG, "").await;
    let (client, dial) = aws(address);
    let (body, reads) = counted();
    let started = Instant::now();
    let response = upload(&client, &dial, body).await.unwrap();
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert!(started.elapsed() < PATIENCE / 2);
    assert_eq!(text(response).await, "no", "the answer is whole");
    let seen = seen.recv().await.unwrap();
    assert!(seen.rest.is_empty() && seen.is_closed, "{:?} came, closed: {}", seen.rest, seen.is_closed);
    assert_eq!(reads.load(Ordering::SeqCst), 0);
    let (body, _) = counted();
    assert_eq!(upload(&client, &dial, body).await.unwrap().status(), StatusCode::FORBIDDEN);
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_long_answer_is_not_broken_off_by_the_body_that_it_refuses() {
    const PART: usize = 64 * 1024;
    let (address, _) = scripted(|_, mut stream| async move {
        read_head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 404 Not Found\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
        // Longer than the body may be waited for.
        for _ in 0..6 {
            tokio::time::sleep(PATIENCE / 4).await;
            stream.write_all(format!("{PART:x}\r\n{}\r\n", "x".repeat(PART)).as_bytes()).await.unwrap();
        }
        stream.write_all(b"0\r\n\r\n").await.unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        assert!(rest.is_empty());
    })
    .await;
    let (client, dial) = aws(address);
    let (body, reads) = counted();
    let response = upload(&client, &dial, body).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes().len(), 6 * PART);
    assert_eq!(reads.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_answer_that_nobody_reads_to_its_end_ends_the_connection() {
    let (address, _, mut seen) = double("HTTP/1.1 403 Forbidden\r\ncontent-length: 1000\r\n\r\nno", LONG, "").await;
    let (client, dial) = aws(address);
    let (body, reads) = counted();
    drop(upload(&client, &dial, body).await.unwrap());
    let seen = seen.recv().await.unwrap();
    assert!(seen.rest.is_empty() && seen.is_closed);
    assert_eq!(reads.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_upstream_that_says_nothing_gets_the_body_after_a_while() {
    let (address, _, mut seen) = double("", LONG, OK).await;
    let (client, dial) = aws(address);
    let (body, _) = counted();
    let started = Instant::now();
    assert_eq!(text(upload(&client, &dial, body).await.unwrap()).await, "ok");
    assert!(started.elapsed() >= PATIENCE, "the deadlines of 300 ms do not count while the body is held back");
    assert_eq!(seen.recv().await.unwrap().rest, BODY.as_bytes());
}

#[tokio::test]
async fn a_late_100_is_no_answer() {
    let (address, connections) = scripted(|_, mut stream| async move {
        loop {
            read_head(&mut stream).await;
            let mut body = [0; BODY.len()];
            stream.read_exact(&mut body).await.unwrap();
            stream.write_all(format!("{CONTINUE}{OK}").as_bytes()).await.unwrap();
        }
    })
    .await;
    let (client, dial) = aws(address);
    for _ in 0..2 {
        let (body, _) = counted();
        assert_eq!(text(upload(&client, &dial, body).await.unwrap()).await, "ok");
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1, "the connection is as good as before");
}

#[tokio::test]
async fn other_interim_answers_ask_for_nothing() {
    let (address, _, mut seen) = double("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n", PATIENCE / 2, DENIED).await;
    let (client, dial) = aws(address);
    let (body, reads) = counted();
    assert_eq!(upload(&client, &dial, body).await.unwrap().status(), StatusCode::FORBIDDEN);
    assert!(seen.recv().await.unwrap().rest.is_empty());
    assert_eq!(reads.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_upstream_that_closes_instead_is_unavailable_and_gets_nothing_twice() {
    let (address, connections) = scripted(|_, mut stream| async move {
        read_head(&mut stream).await;
    })
    .await;
    let (client, dial) = aws(address);
    let (body, reads) = counted();
    assert_eq!(upload(&client, &dial, body).await.unwrap_err().reason, Reason::UpstreamUnavailable);
    assert_eq!((connections.load(Ordering::SeqCst), reads.load(Ordering::SeqCst)), (1, 0));
}

#[tokio::test]
async fn a_fault_of_the_body_is_told_apart_after_the_100_too() {
    let (address, _, _seen) = double(CONTINUE, LONG, "").await;
    let (client, dial) = aws(address);
    let payload: BoxError = PayloadError { reason: Reason::PayloadHashMismatch }.into();
    let refusal = upload(&client, &dial, stream(vec![Ok(Frame::data(Bytes::from("x"))), Err(payload)])).await.unwrap_err();
    assert_eq!(refusal.reason, Reason::PayloadHashMismatch);
}

#[tokio::test]
async fn an_upstream_that_asks_and_takes_nothing_is_a_timeout() {
    let (address, _) = scripted(|_, mut stream| async move {
        read_head(&mut stream).await;
        stream.write_all(CONTINUE.as_bytes()).await.unwrap();
        tokio::time::sleep(LONG).await;
    })
    .await;
    let (client, dial) = aws(address);
    let endless = futures_util::stream::repeat_with(|| Ok::<_, BoxError>(Frame::data(Bytes::from(vec![0; 1 << 20]))));
    let started = Instant::now();
    let request = Request::put("/b/k").header("host", "h").body(StreamBody::new(endless).boxed_unsync()).unwrap();
    let refusal = client.deliver(SignedParts { expects_continue: true, ..parts(&dial, true, request) }).await.unwrap_err();
    assert_eq!(refusal.reason, Reason::UpstreamTimeout);
    assert!(started.elapsed() >= TIMEOUTS.idle);
}

#[tokio::test]
async fn what_has_no_body_is_sent_without_an_expectation() {
    let (address, _, mut seen) = double(OK, MILLIS, "").await;
    let (client, dial) = aws(address);
    let request = Request::put("/b/k").header("host", "h").header("content-length", "0").body(body::empty()).unwrap();
    let answer = client.deliver(SignedParts { expects_continue: true, ..parts(&dial, true, request) }).await.unwrap();
    assert_eq!(text(answer).await, "ok");
    drop(client);
    assert!(!seen.recv().await.unwrap().head.to_lowercase().contains("expect"));
}

#[cfg(feature = "sandbox")]
#[tokio::test]
async fn over_http2_nobody_waits() {
    let issued = crate::server::tls::tests::Issued::new();
    let tls = ReloadingTls::load(&issued.files, Listener::Ingress, Clock::system(), Metrics::new().unwrap()).unwrap();
    let dial = endpoint(true, &format!("localhost:{}", mirror(Some(tls)).await.port()));
    let client = AwsClient::new(&egress(service(Some(dial.clone()), Some(issued.files.certificate.name().to_owned())))).unwrap();
    // Twice: on a new connection, and on one that is there.
    for _ in 0..2 {
        let (body, reads) = counted();
        let request = Request::put("/b/k").header("host", dial.authority.as_str()).body(body).unwrap();
        let started = Instant::now();
        let answer = client.deliver(SignedParts { expects_continue: true, ..parts(&dial, true, request) }).await.unwrap();
        assert_eq!((answer.version(), reads.load(Ordering::SeqCst)), (Version::HTTP_2, 1));
        assert!(started.elapsed() < PATIENCE);
    }
}
