//! What has to pass: HTTP/2 in clear, trailers, upgrades.

use hyper::client::conn::http2;
use hyper_util::rt::TokioExecutor;

use super::*;

async fn http2(server: &Running) -> http2::SendRequest<Body> {
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(server.connect().await)).await.unwrap();
    tokio::spawn(connection);
    sender
}

#[tokio::test]
async fn http2_with_prior_knowledge_and_trailers_both_ways() {
    let server = start(Listener::Ingress, config());
    let mut sender = http2(&server).await;
    let frames = [Ok::<_, BoxError>(Frame::data(Bytes::from_static(b"x"))), Ok(Frame::trailers(trailer("grpc-status", "7")))];
    let sent = StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync();
    let request = Request::post("http://h/trailers").header("content-type", "application/grpc").header("te", "trailers").body(sent);
    let response = sender.send_request(request.unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let body = response.into_body().collect().await.unwrap();
    assert_eq!(body.trailers().unwrap(), &trailer("grpc-status", "7"));
    assert_eq!(body.to_bytes(), "data");
}

#[tokio::test]
async fn an_http2_connection_that_waits_for_its_first_request_is_not_a_slow_head() {
    let server = start(Listener::Ingress, config());
    let mut sender = http2(&server).await;
    tokio::time::sleep(config().header_timeout * 3 / 2).await;
    let request = Request::get("http://h/").body(body::empty()).unwrap();
    assert_eq!(sender.send_request(request).await.unwrap().status(), StatusCode::OK);
    // Idle, it is closed in time.
    server.until("the end", |s| s.open_connections() == 0).await;
}

#[tokio::test]
async fn http2_requests_meet_the_same_edge() {
    let server = start(Listener::Ingress, config());
    let mut sender = http2(&server).await;
    let cases = [
        (Request::trace("http://h/"), 405),
        (Request::get("http://h/").header("host", "other"), 400),
        (Request::get(format!("http://h/{}", "a".repeat(3_000))), 414),
        (Request::get("http://h/").header("x", "a".repeat(9_000)), 431),
    ];
    for (request, status) in cases {
        let request = request.body(body::empty()).unwrap();
        let what = format!("{} {:?}", request.method(), request.headers().keys().collect::<Vec<_>>());
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(response.status(), status, "{what}");
    }
    assert_eq!(server.lab.entered(), 0);
    let request = Request::get("http://h/").header("host", "h").body(body::empty()).unwrap();
    assert_eq!(sender.send_request(request).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn an_upgraded_connection_passes_bytes_and_is_under_no_head_deadline() {
    let server = start(Listener::Ingress, config());
    let mut stream = server.connect().await;
    let request =
        "GET /upgrade HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    assert!(response(&mut stream, "").await.starts_with("HTTP/1.1 101 "));
    for _ in 0..3 {
        stream.write_all(b"ping").await.unwrap();
        let mut echo = [0; 4];
        stream.read_exact(&mut echo).await.unwrap();
        assert_eq!(&echo, b"ping");
        tokio::time::sleep(config().header_timeout * 2 / 3).await;
    }
    assert_eq!(server.open_connections(), 1);
    drop(stream);
    server.until("the end", |s| s.open_connections() == 0).await;
}

#[tokio::test]
async fn a_client_that_expects_100_is_told_to_continue_when_the_body_is_wanted() {
    let server = start(Listener::Ingress, config());
    let mut stream = server.connect().await;
    stream.write_all(b"POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n").await.unwrap();
    assert!(response(&mut stream, "").await.starts_with("HTTP/1.1 100 "));
    stream.write_all(b"hi").await.unwrap();
    assert!(response(&mut stream, "hi").await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_client_that_waits_is_asked_when_its_body_is_read() {
    let server = start(Listener::Ingress, config());
    let mut stream = server.connect().await;
    for _ in 0..2 {
        stream.write_all(b"POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n").await.unwrap();
        assert_eq!(response(&mut stream, "").await, "HTTP/1.1 100 Continue\r\n\r\n");
        stream.write_all(b"ping").await.unwrap();
        let answer = response(&mut stream, "ping").await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && !answer.contains("connection: close"), "{answer}");
    }
}

#[tokio::test]
async fn a_client_that_is_not_asked_is_told_that_the_connection_ends() {
    let server = start(Listener::Ingress, config());
    let mut stream = server.connect().await;
    stream.write_all(b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n").await.unwrap();
    let outcome = rest(&mut stream).await;
    assert!(outcome.starts_with("HTTP/1.1 200 ") && outcome.contains("connection: close\r\n"), "{outcome}");
    assert!(outcome.ends_with("hello"), "{outcome}");
}

#[tokio::test]
async fn http10_and_requests_without_a_body_expect_nothing() {
    let server = start(Listener::Ingress, config());
    let mut stream = server.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n").await.unwrap();
    let answer = response(&mut stream, "hello").await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && !answer.contains("connection: close"), "{answer}");
    let mut stream = server.connect().await;
    stream.write_all(b"POST /echo HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\nping").await.unwrap();
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.0 200 ") && answer.ends_with("ping"), "{answer}");
}

#[tokio::test]
async fn other_expectations_are_417() {
    let server = start(Listener::Ingress, config());
    let outcome = server.say("POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 200-ok\r\nContent-Length: 4\r\n\r\nping").await;
    assert!(outcome.starts_with("HTTP/1.1 417 ") && outcome.contains("x-palisade-reason: expectation-failed\r\n"), "{outcome}");
    assert_eq!(server.lab.entered(), 0);
}
