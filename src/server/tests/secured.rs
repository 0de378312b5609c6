//! TLS on a listener.

use rustls::pki_types::ServerName;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::*;
use crate::server::tls::tests::{Issued, client_config};

async fn connect(server: &Running, issued: &Issued, alpn: &[&[u8]]) -> io::Result<TlsStream<TcpStream>> {
    let mut config = client_config(issued);
    config.alpn_protocols = alpn.iter().map(|p| p.to_vec()).collect();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, server.connect().await).await
}

fn start_tls(issued: &Issued) -> Running {
    let tls = ReloadingTls::load(&issued.files, Listener::Ingress, Metrics::new().unwrap()).unwrap();
    start_with(Listener::Ingress, config(), Some(tls))
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
