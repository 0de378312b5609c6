//! Connections that are idle, without hyper, and go on as if nothing had been.

use hyper::client::conn::http2;
use hyper_util::rt::TokioExecutor;

use super::*;

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";

/// Long enough to be parked.
const WHILE: Duration = connection::PARK_AFTER.saturating_mul(2);

/// Nothing ends but by what the test does.
fn patient() -> ServerConfig {
    ServerConfig { idle_timeout: Duration::from_secs(60), ..config() }
}

/// Nor a head.
fn unhurried() -> ServerConfig {
    ServerConfig { header_timeout: PATIENCE, ..patient() }
}

async fn ask(stream: &mut (impl AsyncReadExt + AsyncWriteExt + Unpin)) {
    stream.write_all(GET).await.unwrap();
    assert!(response(stream, "hello").await.starts_with("HTTP/1.1 200 "));
}

impl Running {
    /// A connection that has made a request and is parked.
    async fn parked(&self) -> TcpStream {
        let mut stream = self.connect().await;
        ask(&mut stream).await;
        tokio::time::sleep(WHILE).await;
        stream
    }
}

#[tokio::test]
async fn hyper_has_a_connection_only_while_it_is_in_use() {
    let server = start(Listener::Ingress, patient());
    let mut stream = server.connect().await;
    tokio::time::sleep(WHILE).await;
    assert_eq!((server.open_connections(), server.lab.served()), (1, 0));
    for _ in 0..20 {
        ask(&mut stream).await;
        tokio::time::sleep(connection::PARK_AFTER / 10).await;
    }
    assert_eq!(server.lab.served(), 1, "in steady use it stays");
    for times in 2..4 {
        tokio::time::sleep(WHILE).await;
        ask(&mut stream).await;
        assert_eq!((server.open_connections(), server.lab.served()), (1, times));
    }
}

#[tokio::test]
async fn half_a_head_that_came_with_a_request_is_not_lost() {
    let server = start(Listener::Ingress, unhurried());
    let mut stream = server.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\nPOST /echo HTTP/1.1\r\nHo").await.unwrap();
    response(&mut stream, "hello").await;
    tokio::time::sleep(WHILE).await;
    assert_eq!(server.lab.served(), 2, "hyper has it again at once");
    stream.write_all(b"st: h\r\nContent-Length: 4\r\n\r\nbody").await.unwrap();
    assert!(response(&mut stream, "body").await.starts_with("HTTP/1.1 200 "));
    ask(&mut stream).await;
    assert_eq!(server.lab.served(), 2);
}

#[tokio::test]
async fn a_head_that_has_begun_keeps_its_connection() {
    let server = start(Listener::Ingress, unhurried());
    let mut stream = server.connect().await;
    for times in 1..3 {
        stream.write_all(&GET[..10]).await.unwrap();
        tokio::time::sleep(WHILE).await;
        stream.write_all(&GET[10..]).await.unwrap();
        let answer = response(&mut stream, "hello").await;
        assert!(!answer.contains("connection: close"), "{answer}");
        assert_eq!(server.lab.served(), times);
        tokio::time::sleep(WHILE).await;
    }
}

#[tokio::test]
async fn requests_that_come_together_are_all_answered() {
    let server = start(Listener::Ingress, patient());
    let mut stream = server.parked().await;
    stream.write_all(&GET.repeat(5)).await.unwrap();
    for _ in 0..5 {
        response(&mut stream, "hello").await;
    }
}

#[tokio::test]
async fn a_request_in_progress_keeps_its_connection() {
    let server = start(Listener::Ingress, patient());
    let mut stream = server.connect().await;
    stream.write_all(b"GET /gate HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    tokio::time::sleep(WHILE).await;
    // One more waits behind it.
    stream.write_all(GET).await.unwrap();
    tokio::time::sleep(WHILE).await;
    server.lab.0.gate.notify_one();
    response(&mut stream, "through").await;
    response(&mut stream, "hello").await;

    stream.write_all(b"GET /stream HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    response(&mut stream, "").await;
    tokio::time::sleep(WHILE).await;
    server.lab.0.gate.notify_one();
    let mut late = [0; 14];
    stream.read_exact(&mut late).await.unwrap();
    assert_eq!(&late, b"4\r\nlate\r\n0\r\n\r\n");
    ask(&mut stream).await;

    stream.write_all(b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 8\r\n\r\nhalf").await.unwrap();
    tokio::time::sleep(WHILE).await;
    stream.write_all(b"half").await.unwrap();
    response(&mut stream, "halfhalf").await;
    assert_eq!(server.lab.served(), 1);
}

/// The one mistake here that would open a door: bytes of a body taken for a request.
#[tokio::test]
async fn a_body_that_outlasts_its_response_is_never_read_as_a_request() {
    let server = start(Listener::Ingress, ServerConfig { header_timeout: WHILE, ..patient() });
    for (entered, connection) in [(1, "close"), (2, "keep-alive")] {
        let mut stream = server.connect().await;
        let head = format!("POST /early HTTP/1.1\r\nHost: h\r\nConnection: {connection}\r\nContent-Length: {}\r\n\r\n", GET.len() + 1);
        stream.write_all(head.as_bytes()).await.unwrap();
        response(&mut stream, "early").await;
        tokio::time::sleep(WHILE).await;
        stream.write_all(GET).await.unwrap();
        // Nor is it a head that is overdue.
        tokio::time::sleep(WHILE * 2).await;
        stream.write_all(b".").await.unwrap();
        if connection == "close" {
            assert_eq!(rest(&mut stream).await, "");
        } else {
            tokio::time::sleep(WHILE).await;
            assert_eq!(server.lab.entered(), entered);
            ask(&mut stream).await;
        }
    }
    assert_eq!(server.lab.entered(), 3);
}

#[tokio::test]
async fn a_response_that_the_client_does_not_take_yet_keeps_its_connection() {
    let server = start(Listener::Ingress, patient());
    let mut stream = server.connect().await;
    stream.write_all(b"GET /large HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    response(&mut stream, "").await;
    tokio::time::sleep(WHILE).await;
    let mut all = vec![1; LARGE];
    stream.read_exact(&mut all).await.unwrap();
    assert!(all.iter().all(|byte| *byte == 0));
    ask(&mut stream).await;
    assert_eq!(server.lab.served(), 1);
}

#[tokio::test]
async fn a_drain_closes_what_is_parked_at_once() {
    let server = start(Listener::Ingress, ServerConfig { drain: PATIENCE * 2, ..patient() });
    let (mut used, mut fresh) = (server.parked().await, server.connect().await);
    server.until("both", |s| s.open_connections() == 2).await;
    server.drain.start();
    assert_eq!((rest(&mut used).await, rest(&mut fresh).await), (String::new(), String::new()));
    tokio::time::timeout(PATIENCE, server.task).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_client_that_leaves_gives_its_place_back() {
    let server = start(Listener::Ingress, ServerConfig { connections: 1, ..patient() });
    let first = server.parked().await;
    let mut second = server.connect().await;
    second.write_all(GET).await.unwrap();
    let early = tokio::time::timeout(WHILE, second.read_u8()).await;
    assert!(early.is_err(), "a parked connection has a place");
    assert_eq!(server.open_connections(), 1);
    drop(first);
    response(&mut second, "hello").await;
    // Half a close is one too, as long as nothing is in progress.
    tokio::time::sleep(WHILE).await;
    second.shutdown().await.unwrap();
    assert_eq!(rest(&mut second).await, "");
    server.until("the end", |s| s.open_connections() == 0).await;
}

#[tokio::test]
async fn idleness_counts_from_the_last_response() {
    let server = start(Listener::Ingress, config());
    let mut stream = server.connect().await;
    ask(&mut stream).await;
    let since = tokio::time::Instant::now();
    tokio::time::sleep(config().idle_timeout * 3 / 4).await;
    ask(&mut stream).await;
    assert_eq!(rest(&mut stream).await, "");
    assert!(since.elapsed() > config().idle_timeout * 3 / 2, "the second request started the count again");
}

#[tokio::test]
async fn a_head_after_a_pause_has_its_own_deadline() {
    let server = start(Listener::Ingress, patient());
    let mut slow = server.parked().await;
    // The pause before it does not count.
    slow.write_all(b"G").await.unwrap();
    tokio::time::sleep(config().header_timeout / 3).await;
    slow.write_all(&GET[1..]).await.unwrap();
    response(&mut slow, "hello").await;
    tokio::time::sleep(WHILE).await;
    slow.write_all(b"GET / HT").await.unwrap();
    let answer = rest(&mut slow).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");

    // What could still become HTTP/2 is waited for no longer.
    let answer = server.say("PRI * HT").await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    server.until("the counts", |s| s.metrics_text().contains("reason=\"request-timeout\",tenant=\"_none\"} 2")).await;
}

#[tokio::test]
async fn what_hyper_refuses_is_refused_after_a_pause_too() {
    let server = start(Listener::Ingress, patient());
    let mut malformed = server.parked().await;
    malformed.write_all(b"no such thing\r\n\r\n").await.unwrap();
    assert!(rest(&mut malformed).await.starts_with("HTTP/1.1 400 "));
    let mut large = server.parked().await;
    large.write_all(format!("GET / HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n", "a".repeat(9_000)).as_bytes()).await.unwrap();
    assert!(rest(&mut large).await.starts_with("HTTP/1.1 431 "));
}

#[tokio::test]
async fn a_request_that_ends_its_connection_ends_it_at_once() {
    let server = start(Listener::Ingress, patient());
    let mut stream = server.parked().await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await.unwrap();
    assert!(rest(&mut stream).await.ends_with("hello"));
    assert!(server.say("GET / HTTP/1.0\r\nHost: h\r\n\r\n").await.ends_with("hello"));

    let mut kept = server.connect().await;
    for _ in 0..2 {
        kept.write_all(b"GET / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n").await.unwrap();
        response(&mut kept, "hello").await;
        tokio::time::sleep(WHILE).await;
    }
    assert_eq!(server.open_connections(), 1);
}

#[tokio::test]
async fn a_connection_is_what_its_first_bytes_say_however_they_come() {
    let server = start(Listener::Ingress, patient());
    // `P` could be the start of either.
    let mut stream = server.connect().await;
    for byte in b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx" {
        stream.write_all(&[*byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert!(response(&mut stream, "x").await.starts_with("HTTP/1.1 200 "));

    let mut stream = server.connect().await;
    for part in [&b"PRI * HTTP"[..], b"/2.0\r\n\r\nSM\r\n\r", b"\n\0\0\0\x04\0\0\0\0\0"] {
        stream.write_all(part).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // A frame of settings (RFC 9113, section 6.5): the type comes after three bytes of length.
    let mut settings = [0; 4];
    stream.read_exact(&mut settings).await.unwrap();
    assert_eq!(settings[3], 4);

    assert!(server.say("PRI / HTTP/1.1\r\nHost: h\r\n\r\n").await.starts_with("HTTP/1.1 405 "));
}

#[tokio::test]
async fn http2_and_upgraded_connections_are_not_parked() {
    let server = start(Listener::Ingress, patient());
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(server.connect().await)).await.unwrap();
    tokio::spawn(connection);
    for _ in 0..2 {
        let request = Request::get("http://h/").body(body::empty()).unwrap();
        assert_eq!(sender.send_request(request).await.unwrap().status(), StatusCode::OK);
        tokio::time::sleep(WHILE).await;
    }
    assert_eq!(server.lab.served(), 1);

    let mut stream = server.parked().await;
    stream.write_all(b"GET /upgrade HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n").await.unwrap();
    response(&mut stream, "").await;
    for _ in 0..2 {
        tokio::time::sleep(WHILE).await;
        stream.write_all(GET).await.unwrap();
        let mut echo = vec![0; GET.len()];
        stream.read_exact(&mut echo).await.unwrap();
        assert_eq!(echo, GET);
    }
    assert_eq!((server.lab.served(), server.open_connections()), (3, 2));
}
