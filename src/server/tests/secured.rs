//! TLS on a listener.

use rustls::pki_types::ServerName;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::*;
use crate::{
    clock::Clock,
    server::tls::tests::{Issued, client_config},
};

async fn connect(server: &Running, issued: &Issued, alpn: &[&[u8]]) -> io::Result<TlsStream<TcpStream>> {
    let mut config = client_config(issued);
    config.alpn_protocols = alpn.iter().map(|p| p.to_vec()).collect();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, server.connect().await).await
}

fn start_tls(issued: &Issued) -> Running {
    start_tls_with(issued, config())
}

fn start_tls_with(issued: &Issued, config: ServerConfig) -> Running {
    let tls = ReloadingTls::load(&issued.files, Listener::Ingress, Clock::system(), Metrics::new().unwrap()).unwrap();
    start_with(Listener::Ingress, config, Some(tls))
}

#[tokio::test]
async fn both_protocols_are_offered_and_served() {
    let issued = Issued::new();
    let server = start_tls(&issued);
    let mut stream = connect(&server, &issued, &[b"http/1.1"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    response(&mut stream, "hello").await;

    let stream = connect(&server, &issued, &[b"h2", b"http/1.1"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(hyper_util::rt::TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("https://localhost/").body(body::empty()).unwrap();
    assert_eq!(sender.send_request(request).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn no_protocol_in_common_is_no_connection() {
    let issued = Issued::new();
    let server = start_tls(&issued);
    assert!(connect(&server, &issued, &[b"imap"]).await.is_err());
}

#[tokio::test]
async fn a_handshake_that_never_ends_is_cut_off_and_others_go_on() {
    let issued = Issued::new();
    let server = start_tls(&issued);
    let mut silent = server.connect().await;
    // The first bytes of a ClientHello record.
    silent.write_all(b"\x16\x03\x01\x02\x00\x01").await.unwrap();
    let mut stream = connect(&server, &issued, &[b"http/1.1"]).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await.unwrap();
    response(&mut stream, "hello").await;
    drop(stream);
    let started = tokio::time::Instant::now();
    assert_eq!(rest(&mut silent).await, "");
    assert!(started.elapsed() < PATIENCE / 2);
    server.until("its place to be free", |s| s.open_connections() == 0).await;
}

#[tokio::test]
async fn clear_text_on_a_tls_port_reaches_no_handler() {
    let issued = Issued::new();
    let server = start_tls(&issued);
    let answer = server.say("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert!(!answer.contains("HTTP"), "{answer}");
    assert_eq!(server.lab.entered(), 0);
}

#[tokio::test]
async fn a_slow_head_gets_its_408_through_tls() {
    let issued = Issued::new();
    let server = start_tls(&issued);
    let mut stream = connect(&server, &issued, &[b"http/1.1"]).await.unwrap();
    stream.write_all(b"GET / HT").await.unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 408");
}

/// When hyper is given a connection after a pause, all but the first bytes of what woke it are inside rustls.
#[tokio::test]
async fn a_parked_connection_loses_nothing_of_what_tls_holds() {
    let issued = Issued::new();
    let server = start_tls_with(&issued, ServerConfig { header_timeout: PATIENCE, idle_timeout: PATIENCE, ..config() });
    let mut stream = connect(&server, &issued, &[b"http/1.1"]).await.unwrap();
    let (get, large) = ("GET / HTTP/1.1\r\nHost: h\r\n\r\n", "b".repeat(100_000));
    let post = format!("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n", large.len());
    let pause = connection::PARK_AFTER * 2;
    for round in 0..3 {
        // Two requests and half a third in one record; then its other half, in many.
        stream.write_all(format!("{get}{get}{}", &post[..20]).as_bytes()).await.unwrap();
        response(&mut stream, "hello").await;
        response(&mut stream, "hello").await;
        tokio::time::sleep(pause).await;
        assert_eq!(server.lab.served(), 2 * (round + 1), "woken by the first, and with what was left behind the second");
        stream.write_all(format!("{}{large}{get}", &post[20..]).as_bytes()).await.unwrap();
        response(&mut stream, "").await;
        let mut echo = vec![0; large.len()];
        stream.read_exact(&mut echo).await.unwrap();
        assert!(echo == large.as_bytes());
        response(&mut stream, "hello").await;
        tokio::time::sleep(pause).await;
    }
    // More than hyper takes at a time, while it takes nothing.
    let many = 400;
    stream.write_all(b"GET /gate HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    stream.write_all(get.repeat(many).as_bytes()).await.unwrap();
    tokio::time::sleep(pause).await;
    server.lab.0.gate.notify_one();
    response(&mut stream, "through").await;
    for _ in 0..many {
        response(&mut stream, "hello").await;
    }
}

/// Without it a client could not tell the end from an attack (RFC 8446, section 6.1).
#[tokio::test]
async fn a_parked_connection_is_closed_in_the_words_of_tls() {
    let issued = Issued::new();
    let server = start_tls(&issued);
    let mut stream = connect(&server, &issued, &[b"http/1.1"]).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    response(&mut stream, "hello").await;
    let end = tokio::time::timeout(PATIENCE, stream.read(&mut [0])).await.unwrap();
    assert_eq!(end.unwrap(), 0);
}
