//! Kept connections that the upstream closed meanwhile: a request goes out again only if nothing of it was sent.

use std::sync::Mutex;

use super::*;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Answers one request a connection and closes it; keeps what was sent.
async fn one_each(sent: Arc<Mutex<Vec<String>>>) -> (SocketAddr, Arc<AtomicUsize>) {
    scripted(move |_, mut stream| {
        let sent = sent.clone();
        async move {
            let head = read_head(&mut stream).await;
            let mut body = vec![0; if head.starts_with("PUT") { 10 } else { 0 }];
            stream.read_exact(&mut body).await.unwrap();
            sent.lock().unwrap().push(format!("{}{}", head.lines().next().unwrap(), String::from_utf8(body).unwrap()));
            stream.write_all(ANSWER).await.unwrap();
        }
    })
    .await
}

fn put() -> Request<Body> {
    let body = stream(vec![Ok(Frame::data(Bytes::from("01234"))), Ok(Frame::data(Bytes::from("56789")))]);
    Request::put("/k").header("host", "h").header("content-length", "10").body(body).unwrap()
}

#[tokio::test]
async fn a_connection_closed_while_idle_costs_no_request() {
    let sent = Arc::new(Mutex::new(Vec::new()));
    let (address, connections) = one_each(sent.clone()).await;
    let dial = endpoint(false, &address.to_string());
    let client = AwsClient::new(&egress(service(Some(dial.clone()), None))).unwrap();
    for round in 0..4 {
        for expects_continue in [false, true] {
            let request = if round % 2 == 0 { put() } else { get("/") };
            let answer = client.deliver(SignedParts { expects_continue, ..parts(&dial, true, request) }).await.unwrap();
            assert_eq!(text(answer).await, "ok", "round {round}");
            // The end of the connection arrives before the next request.
            tokio::time::sleep(MILLIS * 20).await;
        }
    }
    assert_eq!(connections.load(Ordering::SeqCst), 8);
    let sent = sent.lock().unwrap();
    assert_eq!(sent.iter().filter(|line| *line == "PUT /k HTTP/1.10123456789").count(), 4, "{sent:?}");
}

#[tokio::test]
async fn what_was_sent_in_part_is_not_sent_again() {
    let heads = Arc::new(AtomicUsize::new(0));
    let counter = heads.clone();
    let (address, connections) = scripted(move |_, mut stream| {
        let heads = counter.clone();
        async move {
            read_head(&mut stream).await;
            stream.write_all(ANSWER).await.unwrap();
            // The second request on the connection is begun: its head and half of its body are read.
            read_head(&mut stream).await;
            heads.fetch_add(1, Ordering::SeqCst);
            stream.read_exact(&mut [0; 5]).await.unwrap();
        }
    })
    .await;
    let dial = endpoint(false, &address.to_string());
    let client = AwsClient::new(&egress(service(Some(dial.clone()), None))).unwrap();
    text(send(&client, &dial, true, get("/")).await.unwrap()).await;
    let slow = futures_util::stream::once(async { Ok::<_, BoxError>(Frame::data(Bytes::from("01234"))) });
    let never = futures_util::stream::pending();
    let body = StreamBody::new(futures_util::StreamExt::chain(slow, never)).boxed_unsync();
    let request = Request::put("/k").header("host", "h").header("content-length", "10").body(body).unwrap();
    let refusal = send(&client, &dial, true, request).await.unwrap_err();
    assert_eq!(refusal.reason, Reason::UpstreamUnavailable);
    assert_eq!((heads.load(Ordering::SeqCst), connections.load(Ordering::SeqCst)), (1, 1));
}
