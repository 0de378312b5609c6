//! What the edge refuses, one rule at a time, as bytes on a socket.

use super::*;

/// Sends a request that must be refused with `status` and `reason`, on a connection that must then be closed, without the
/// handler seeing it.
#[track_caller]
fn check(outcome: &str, entered: usize, status: u16, reason: &str) {
    assert!(outcome.starts_with(&format!("HTTP/1.1 {status} ")), "{outcome}");
    if !reason.is_empty() {
        assert!(outcome.contains(&format!("x-palisade-reason: {reason}\r\n")), "{outcome}");
    }
    assert!(outcome.contains("connection: close\r\n"), "{outcome}");
    assert_eq!(outcome.matches("HTTP/1.1 ").count(), 1, "what followed was answered as well: {outcome}");
    assert_eq!(entered, 0, "the handler saw it");
}

async fn refused_on(listener: Listener, request: &str, status: u16, reason: &str) {
    let server = start(listener, config());
    let outcome = server.say(request).await;
    check(&outcome, server.lab.entered(), status, reason);
}

async fn refused(request: &str, status: u16, reason: &str) {
    refused_on(Listener::Ingress, request, status, reason).await;
}

/// Malformed, and answered by the edge.
async fn malformed(request: &str) {
    refused(request, 400, "malformed-request").await;
}

/// Malformed, and answered by hyper, which has no reasons.
async fn unparsable(request: &str) {
    refused(request, 400, "").await;
}

async fn accepted_on(listener: Listener, request: &str) {
    let server = start(listener, config());
    let mut stream = server.connect().await;
    stream.write_all(request.as_bytes()).await.unwrap();
    let answer = response(&mut stream, "hello").await;
    assert!(answer.starts_with("HTTP/1.1 200 ") || answer.starts_with("HTTP/1.0 200 "), "{answer}");
}

#[tokio::test]
async fn a_plain_request_is_served() {
    accepted_on(Listener::Ingress, "GET /a?b=c HTTP/1.1\r\nHost: h\r\n\r\n").await;
    accepted_on(Listener::Egress, "GET /a HTTP/1.0\r\n\r\n").await;
    accepted_on(Listener::Egress, "GET /a HTTP/1.1\r\nHost: [::1]:8180\r\n\r\n").await;
}

#[tokio::test]
async fn garbage() {
    let server = start(Listener::Ingress, config());
    let outcome = server.say("\x16\x03\x01\x02\x00nonsense\r\n\r\n").await;
    check(&outcome, server.lab.entered(), 400, "");
    server
        .until("the count", |s| s.metrics_text().contains("palisade_refusals_total{listener=\"ingress\",reason=\"malformed-request\""))
        .await;
}

#[tokio::test]
async fn method_connect() {
    refused("CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n", 405, "method-not-allowed").await;
}

#[tokio::test]
async fn method_connect_with_a_path() {
    refused("CONNECT /x HTTP/1.1\r\nHost: h\r\n\r\n", 405, "method-not-allowed").await;
}

#[tokio::test]
async fn method_trace() {
    refused("TRACE / HTTP/1.1\r\nHost: h\r\n\r\n", 405, "method-not-allowed").await;
}

#[tokio::test]
async fn method_made_up() {
    let request = format!("{} / HTTP/1.1\r\nHost: h\r\n\r\n", "A".repeat(2_000));
    refused(&request, 405, "method-not-allowed").await;
}

#[tokio::test]
async fn method_in_lower_case() {
    refused("get / HTTP/1.1\r\nHost: h\r\n\r\n", 405, "method-not-allowed").await;
}

#[tokio::test]
async fn target_asterisk() {
    malformed("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n").await;
}

#[tokio::test]
async fn target_absolute_where_there_is_no_proxy() {
    malformed("GET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n").await;
}

#[tokio::test]
async fn target_absolute_on_the_egress_is_served() {
    accepted_on(Listener::Egress, "GET http://H/x HTTP/1.1\r\nHost: h:80\r\n\r\n").await;
}

#[tokio::test]
async fn target_absolute_and_host_disagree() {
    for request in [
        "GET http://one/ HTTP/1.1\r\nHost: two\r\n\r\n",
        "GET http://h/ HTTP/1.1\r\nHost: h:81\r\n\r\n",
        "GET https://h/ HTTP/1.1\r\nHost: h:80\r\n\r\n",
    ] {
        refused_on(Listener::Egress, request, 400, "malformed-request").await;
    }
}

#[tokio::test]
async fn target_with_another_scheme() {
    refused_on(Listener::Egress, "GET ftp://h/ HTTP/1.1\r\nHost: h\r\n\r\n", 400, "malformed-request").await;
}

#[tokio::test]
async fn target_with_user_information() {
    refused_on(Listener::Egress, "GET http://u:p@h/ HTTP/1.1\r\nHost: h\r\n\r\n", 400, "malformed-request").await;
}

#[tokio::test]
async fn target_with_raw_octets() {
    malformed("GET /\u{fc} HTTP/1.1\r\nHost: h\r\n\r\n").await;
}

#[tokio::test]
async fn target_too_long() {
    let request = format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "a".repeat(2 * 1024));
    refused(&request, 414, "uri-too-long").await;
}

#[tokio::test]
async fn target_longer_than_hyper_allows() {
    let request = format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "a".repeat(65_600));
    refused(&request, 414, "").await;
}

#[tokio::test]
async fn headers_too_many_bytes() {
    let request = format!("GET / HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n", "a".repeat(8 * 1024));
    refused(&request, 431, "headers-too-large").await;
}

#[tokio::test]
async fn headers_too_many_lines() {
    let request = format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "X: y\r\n".repeat(20));
    refused(&request, 431, "headers-too-large").await;
}

#[tokio::test]
async fn headers_beyond_hyper_s_caps_are_counted_too() {
    for headers in ["X: y\r\n".repeat(200), format!("X: {}\r\n", "a".repeat(200_000))] {
        let server = start(Listener::Ingress, config());
        let mut stream = server.connect().await;
        // The server may close before all of it is written.
        let _ = stream.write_all(format!("GET / HTTP/1.1\r\nHost: h\r\n{headers}\r\n").as_bytes()).await;
        let mut line = [0; 12];
        stream.read_exact(&mut line).await.unwrap();
        assert_eq!(&line, b"HTTP/1.1 431");
        server.until("the count", |s| s.metrics_text().contains("reason=\"headers-too-large\",tenant=\"_none\"} 1")).await;
    }
}

#[tokio::test]
async fn host_missing() {
    malformed("GET / HTTP/1.1\r\n\r\n").await;
}

#[tokio::test]
async fn host_missing_beside_an_absolute_target() {
    refused_on(Listener::Egress, "GET http://h/ HTTP/1.1\r\n\r\n", 400, "malformed-request").await;
}

#[tokio::test]
async fn host_twice() {
    malformed("GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n").await;
}

#[tokio::test]
async fn host_that_is_none() {
    for host in ["", "a b", "h/x", "u@h", "h:port", "h:70000", "h:", ":80", "h,i", "h?x", "[::1", "[zz]", "u@[::1]"] {
        malformed(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
    }
}

#[tokio::test]
async fn transfer_encoding_not_chunked() {
    unparsable("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n").await;
}

#[tokio::test]
async fn transfer_encoding_list() {
    malformed("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n").await;
}

#[tokio::test]
async fn transfer_encoding_repeated_in_a_line() {
    malformed("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n").await;
}

#[tokio::test]
async fn transfer_encoding_in_two_lines() {
    malformed("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").await;
}

#[tokio::test]
async fn transfer_encoding_in_http_1_0() {
    let server = start(Listener::Ingress, config());
    let outcome = server.say("POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").await;
    assert!(outcome.contains(" 400 "), "{outcome}");
    assert_eq!(server.lab.entered(), 0);
}

/// The request that a front end would take for the body of the first must not be answered.
#[tokio::test]
async fn content_length_beside_transfer_encoding() {
    for order in ["Content-Length: 44\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 44"] {
        malformed(&format!("POST / HTTP/1.1\r\nHost: h\r\n{order}\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n")).await;
    }
}

#[tokio::test]
async fn content_length_twice_and_different() {
    unparsable("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab").await;
}

#[tokio::test]
async fn content_length_twice_and_equal() {
    malformed("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na").await;
}

#[tokio::test]
async fn content_length_that_is_no_number() {
    for length in ["1, 1", "+1", "-1", "0x1", "1 1", "", "99999999999999999999999"] {
        unparsable(&format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\na")).await;
    }
}

#[tokio::test]
async fn header_with_a_space_before_the_colon() {
    unparsable("GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding : chunked\r\n\r\n").await;
}

#[tokio::test]
async fn header_folded() {
    unparsable("GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n").await;
}

#[tokio::test]
async fn header_with_control_characters() {
    unparsable("GET / HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n").await;
    unparsable("GET / HTTP/1.1\r\nHost: h\r\nX: a\rb\r\n\r\n").await;
}

#[tokio::test]
async fn websocket_with_a_body() {
    malformed("GET /upgrade HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n\r\na").await;
}

/// What comes behind a refused request may be its body, so it is not answered.
#[tokio::test]
async fn nothing_is_read_behind_a_refused_request() {
    refused("TRACE / HTTP/1.1\r\nHost: h\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", 405, "method-not-allowed").await;
}

/// Declined by silence, and not passed on for somebody else to accept.
#[tokio::test]
async fn other_upgrades_are_taken_away() {
    for (listener, offer) in [(Listener::Ingress, "h2c"), (Listener::Ingress, "websocket, h2c"), (Listener::Egress, "websocket")] {
        let server = start(listener, config());
        let request = format!(
            "GET /headers HTTP/1.1\r\nHost: h\r\nConnection: close, Upgrade, HTTP2-Settings\r\nUpgrade: {offer}\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
        );
        let outcome = server.say(request).await;
        assert!(outcome.starts_with("HTTP/1.1 200 ") && outcome.ends_with("\r\nhost,connection"), "{outcome}");
    }
}
