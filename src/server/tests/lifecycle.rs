//! Panics, clients that leave, and the end.

use super::*;

const GATE: &[u8] = b"GET /gate HTTP/1.1\r\nHost: h\r\n\r\n";

#[tokio::test]
async fn a_panic_costs_one_request() {
    let server = start(Listener::Ingress, config());
    let mut stream = server.connect().await;
    stream.write_all(b"GET /panic HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 500");
    let mut body = String::new();
    while !body.contains("\"instance\":\"request-1\"}") {
        body.push(stream.read_u8().await.unwrap().into());
    }
    assert!(body.contains("x-palisade-reason: internal") && !body.contains("as told"), "{body}");
    // The same connection goes on.
    stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    response(&mut stream, "hello").await;
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_request_along() {
    let server = start(Listener::Ingress, config());
    let mut stream = server.connect().await;
    stream.write_all(GATE).await.unwrap();
    server.until("the request", |s| s.lab.entered() == 1).await;
    assert_eq!(server.lab.0.left.load(Ordering::SeqCst), 0);
    drop(stream);
    server.until("the handler's future to be dropped", |s| s.lab.0.left.load(Ordering::SeqCst) == 1).await;
    server.until("the connection's end", |s| s.open_connections() == 0).await;
}

#[tokio::test]
async fn an_http2_stream_that_is_reset_takes_its_request_along() {
    let server = start(Listener::Ingress, config());
    let io = TokioIo::new(server.connect().await);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(hyper_util::rt::TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("http://h/gate").body(body::empty()).unwrap();
    let pending = tokio::spawn(sender.send_request(request));
    server.until("the request", |s| s.lab.entered() == 1).await;
    pending.abort();
    server.until("the handler's future to be dropped", |s| s.lab.0.left.load(Ordering::SeqCst) == 1).await;
    // The connection is unharmed.
    let request = Request::get("http://h/").body(body::empty()).unwrap();
    assert_eq!(sender.send_request(request).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_drain_lets_requests_finish_and_takes_no_new_ones() {
    let server = start(Listener::Ingress, config());
    let mut idle = server.connect().await;
    idle.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    response(&mut idle, "hello").await;
    let mut busy = server.connect().await;
    busy.write_all(GATE).await.unwrap();
    server.until("the request", |s| s.lab.entered() == 2).await;

    server.drain.start();
    assert_eq!(rest(&mut idle).await, "", "an idle connection is closed");
    let refused = TcpStream::connect(server.address).await;
    assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    assert!(!server.task.is_finished());

    server.lab.0.gate.notify_one();
    let answer = rest(&mut busy).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("through") && answer.contains("connection: close"), "{answer}");
    tokio::time::timeout(PATIENCE, server.task).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_drain_ends_at_its_deadline_and_cuts_off_the_rest() {
    let server = start(Listener::Ingress, ServerConfig { drain: Duration::from_millis(200), ..config() });
    let mut busy = server.connect().await;
    busy.write_all(GATE).await.unwrap();
    server.until("the request", |s| s.lab.entered() == 1).await;
    server.drain.start();
    tokio::time::timeout(PATIENCE, server.task).await.unwrap().unwrap();
    assert_eq!(rest(&mut busy).await, "");
    assert_eq!(server.lab.0.left.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_drain_waits_for_upgraded_connections_too() {
    let server = start(Listener::Ingress, ServerConfig { drain: Duration::from_secs(60), ..config() });
    let mut stream = server.connect().await;
    stream.write_all(b"GET /upgrade HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n").await.unwrap();
    response(&mut stream, "").await;
    server.drain.start();
    stream.write_all(b"still here").await.unwrap();
    let mut echo = [0; 10];
    stream.read_exact(&mut echo).await.unwrap();
    assert!(!server.task.is_finished());
    assert_eq!(server.open_connections(), 1);
    drop(stream);
    tokio::time::timeout(PATIENCE, server.task).await.unwrap().unwrap();
}
