//! Slow, silent and too many.

use super::*;

#[tokio::test]
async fn a_head_that_comes_byte_by_byte_is_answered_408() {
    let server = start(Listener::Ingress, config());
    let mut stream = server.connect().await;
    let started = tokio::time::Instant::now();
    let (mut read, mut write) = stream.split();
    let drip = async {
        for byte in b"GET / HTTP/1.1\r\nHost: h\r\nX-Slow: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".iter().cycle() {
            if write.write_all(&[*byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let answer = tokio::select! {
        () = drip => panic!("cut off without an answer"),
        answer = rest(&mut read) => answer,
    };
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("x-palisade-reason: request-timeout"), "{answer}");
    assert!(started.elapsed() < config().idle_timeout, "that was another deadline");
    server.until("the count", |s| s.metrics_text().contains("reason=\"request-timeout\",tenant=\"_none\"} 1")).await;
}

#[tokio::test]
async fn half_a_head_is_answered_408_on_a_used_connection_too() {
    let server = start(Listener::Ingress, config());
    let mut stream = server.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    response(&mut stream, "hello").await;
    stream.write_all(b"GET / HTTP").await.unwrap();
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 408 "));
}

#[tokio::test]
async fn half_a_head_behind_a_pipelined_request_does_not_last_either() {
    let server = start(Listener::Ingress, config());
    let mut stream = server.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\nGET / HT").await.unwrap();
    let answer = rest(&mut stream).await;
    assert_eq!(answer.matches("HTTP/1.1 200 ").count(), 1, "{answer}");
    assert_eq!(answer.matches("HTTP/1.1 408 ").count(), 1, "{answer}");
    server.until("the end", |s| s.open_connections() == 0).await;
}

#[tokio::test]
async fn a_kept_connection_may_pause_for_longer_than_a_head() {
    let server = start(Listener::Ingress, config());
    let mut stream = server.connect().await;
    for _ in 0..2 {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
        response(&mut stream, "hello").await;
        tokio::time::sleep(config().header_timeout * 3 / 2).await;
    }
    // And is closed, without a word, when the pause is over the idle limit.
    assert_eq!(rest(&mut stream).await, "");
}

#[tokio::test]
async fn a_connection_without_a_byte_is_closed() {
    let server = start(Listener::Ingress, config());
    assert_eq!(server.say("").await, "");
}

#[tokio::test]
async fn a_body_that_falls_silent_is_given_up() {
    let server = start(Listener::Ingress, config());
    let mut stream = server.connect().await;
    stream.write_all(b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc").await.unwrap();
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 408 "));
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off() {
    let server = start(Listener::Ingress, config());
    let mut stream = server.connect().await;
    stream.write_all(b"GET /large HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    server.until("the connection", |s| s.open_connections() == 1).await;
    server.until("its end", |s| s.open_connections() == 0).await;
}

/// How long an upstream may be silent is not this side's business.
#[tokio::test]
async fn a_response_that_pauses_is_not_an_idle_connection() {
    let server = start(Listener::Ingress, config());
    let mut stream = server.connect().await;
    stream.write_all(b"GET /stream HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await.unwrap();
    response(&mut stream, "").await;
    tokio::time::sleep(config().idle_timeout + config().header_timeout * 2).await;
    server.lab.0.gate.notify_one();
    assert_eq!(rest(&mut stream).await, "4\r\nlate\r\n0\r\n\r\n");
}

#[tokio::test]
async fn a_client_that_reads_slowly_gets_everything() {
    let server = start(Listener::Ingress, config());
    let mut stream = server.connect().await;
    stream.write_all(b"GET /large HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut part = vec![0; LARGE / 16];
    // Longer in all than a connection may be idle and then come to its end.
    for _ in 0..5 {
        tokio::time::sleep(config().idle_timeout / 2).await;
        stream.read_exact(&mut part).await.unwrap();
    }
    let rest = rest(&mut stream).await;
    assert!(part.len() * 5 + rest.len() > LARGE);
}

#[tokio::test]
async fn connections_over_the_limit_wait_for_their_turn() {
    let server = start(Listener::Ingress, ServerConfig { connections: 1, ..config() });
    let mut first = server.connect().await;
    first.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    response(&mut first, "hello").await;

    let mut second = server.connect().await;
    second.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    let early = tokio::time::timeout(Duration::from_millis(100), second.read_u8()).await;
    assert!(early.is_err(), "served beyond the limit");
    assert_eq!(server.open_connections(), 1);

    drop(first);
    response(&mut second, "hello").await;
}
