//! How many connections there may be to a service, how old they may grow, and what comes with an answer that must not pass.

use tokio::time::Instant;

use super::*;

/// Answers every request on every connection with the connection's number.
async fn numbering() -> (SocketAddr, Arc<AtomicUsize>) {
    scripted(|number, mut stream| async move {
        while read_head_or_end(&mut stream).await {
            let body = number.to_string();
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    })
    .await
}

/// Whether there is another head.
async fn read_head_or_end(stream: &mut TcpStream) -> bool {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return false,
        }
    }
    true
}

fn client(address: SocketAddr, connections: usize, lifetime: Duration, connect: Duration) -> (AwsClient, Endpoint) {
    let dial = endpoint(false, &address.to_string());
    let mut service = service(Some(dial.clone()), None);
    (service.connections, service.connection_lifetime, service.timeouts.connect) = (connections, lifetime, connect);
    (AwsClient::new(&egress(service)).unwrap(), dial)
}

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn beyond_the_bound_a_request_waits_and_is_then_refused() {
    let (address, connections) = scripted(|_, mut stream| async move {
        read_head(&mut stream).await;
        tokio::time::sleep(MILLIS * 60).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
        // Kept open, busy with a body that does not come.
        read_head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n").await.unwrap();
        tokio::time::sleep(HOUR).await;
    })
    .await;
    let (client, dial) = client(address, 1, HOUR, MILLIS * 200);
    // The second request gets the connection of the first when that is done: it needs no other.
    let (first, second) = tokio::join!(send(&client, &dial, true, get("/")), async {
        tokio::time::sleep(MILLIS * 20).await;
        send(&client, &dial, true, get("/")).await
    });
    assert_eq!(text(first.unwrap()).await, "ok");
    let busy = second.unwrap();
    let started = Instant::now();
    // With the host that was dialled, so that the other of the two clients is asked.
    let request = Request::get("/").header("host", dial.authority.as_str()).body(body::empty()).unwrap();
    let refusal = send(&client, &dial, true, request).await.unwrap_err();
    assert_eq!((refusal.reason, refusal.retry_after.is_some()), (Reason::Overloaded, true), "{refusal:?}");
    assert!(refusal.note.as_deref().unwrap().contains("egress.services.<name>.connections"), "{refusal:?}");
    assert!(started.elapsed() >= MILLIS * 190, "after {:?}", started.elapsed());
    assert_eq!(connections.load(Ordering::SeqCst), 1);
    // A place is free again when its socket is closed.
    drop(busy);
    let request = Request::get("/").header("host", dial.authority.as_str()).body(body::empty()).unwrap();
    assert_eq!(text(send(&client, &dial, true, request).await.unwrap()).await, "ok");
}

#[tokio::test]
async fn a_connection_past_its_lifetime_takes_no_new_request() {
    let (address, connections) = numbering().await;
    let lifetime = Duration::from_millis(400);
    let (client, dial) = client(address, 10, lifetime, Duration::from_secs(1));
    let started = Instant::now();
    let mut answers = Vec::new();
    while started.elapsed() < lifetime * 3 {
        answers.push((started.elapsed(), text(send(&client, &dial, true, get("/")).await.unwrap()).await));
        tokio::time::sleep(MILLIS * 20).await;
    }
    // Up to a tenth early, and never late: requests come often enough to learn the first connection's handle in the second half of its time.
    for (at, number) in &answers {
        let is_first = number == "0";
        assert!(!is_first || *at <= lifetime + MILLIS * 30, "the first connection is in use after {at:?}");
        assert!(is_first || *at >= lifetime * 9 / 10, "the first connection is gone after {at:?}");
    }
    assert!((3..=4).contains(&connections.load(Ordering::SeqCst)), "{answers:?}");
}

#[tokio::test]
async fn a_response_in_progress_outlives_its_connection_s_lifetime() {
    let lifetime = Duration::from_millis(200);
    let (address, connections) = scripted(|_, mut stream| async move {
        while read_head_or_end(&mut stream).await {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n").await.unwrap();
            for _ in 0..10 {
                tokio::time::sleep(MILLIS * 50).await;
                stream.write_all(b"x").await.unwrap();
            }
        }
    })
    .await;
    let (client, dial) = client(address, 10, lifetime, Duration::from_secs(1));
    for request in 1..=3 {
        let answer = send(&client, &dial, true, get("/")).await.unwrap();
        assert_eq!(text(answer).await, "xxxxxxxxxx");
        assert!(connections.load(Ordering::SeqCst) <= request);
    }
    assert!(connections.load(Ordering::SeqCst) >= 2, "each response takes longer than a connection lives");
}

#[tokio::test]
async fn an_unasked_for_101_does_not_pass() {
    let (address, _) = scripted(|_, mut stream| async move {
        read_head(&mut stream).await;
        stream
            .write_all(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n")
            .await
            .unwrap();
    })
    .await;
    let (client, dial) = client(address, 10, HOUR, Duration::from_secs(1));
    let refusal = send(&client, &dial, true, get("/")).await.unwrap_err();
    assert_eq!(refusal.reason, Reason::UpstreamUnavailable);
}

#[tokio::test]
async fn a_length_beside_chunks_is_not_believed() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n5\r\nwhole\r\n0\r\n\r\n";
    let (address, _) = scripted(move |_, mut stream| async move {
        while read_head_or_end(&mut stream).await {
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    })
    .await;
    let (client, dial) = client(address, 10, HOUR, Duration::from_secs(1));
    for answer in [send(&client, &dial, true, get("/")).await.unwrap(), deliver(&app(address), get("/")).await.unwrap()] {
        assert!(!answer.headers().contains_key("content-length"));
        assert_eq!(text(answer).await, "whole");
    }
}

#[tokio::test]
async fn a_name_s_next_address_is_tried_when_one_refuses() {
    let (address, _) = numbering().await;
    // The port is bound on 127.0.0.1 alone.
    let addresses = ["127.0.0.3", "127.0.0.2", "127.0.0.1"].map(|ip| SocketAddr::new(ip.parse().unwrap(), 0));
    let resolver = tower::service_fn(move |_| std::future::ready(Ok::<_, std::io::Error>(addresses.into_iter())));
    let client = connect::client(connect::tcp(resolver, Duration::from_secs(5)), HOUR);
    let (body, _progress) = progress::watch(body::empty());
    let request = Request::get(format!("http://many.test:{}/", address.port())).body(body).unwrap();
    assert_eq!(client.request(request).await.unwrap().status(), StatusCode::OK);
}
