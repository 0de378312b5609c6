//! The rules that a parser in front keeps away from sockets; the rest is tried over sockets.

use std::time::Duration;

use http::Request;

use super::*;

fn rules(listener: Listener) -> Rules {
    let second = Duration::from_secs(1);
    Rules::new(
        listener,
        &ServerConfig {
            handshake_timeout: second,
            header_timeout: second,
            idle_timeout: second,
            header_bytes: 100,
            headers: 5,
            uri_bytes: 20,
            connections: 1,
            drain: second,
        },
    )
}

fn check(listener: Listener, version: Version, target: &str, headers: &[(&str, &str)]) -> Result<Parts, Reason> {
    let mut request = Request::post(target).version(version);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut head = request.body(()).unwrap().into_parts().0;
    rules(listener).check(&mut head).map(|()| head).map_err(|refusal| refusal.reason)
}

fn http1(headers: &[(&str, &str)]) -> Result<Parts, Reason> {
    check(Listener::Ingress, Version::HTTP_11, "/", headers)
}

fn http2(headers: &[(&str, &str)]) -> Result<Parts, Reason> {
    check(Listener::Ingress, Version::HTTP_2, "https://h/", headers)
}

const MALFORMED: Option<Reason> = Some(Reason::MalformedRequest);

#[test]
fn framing_is_judged_even_where_hyper_would_have() {
    let host = ("host", "h");
    assert!(http1(&[host, ("transfer-encoding", "Chunked")]).is_ok());
    assert!(http1(&[host, ("content-length", "10")]).is_ok());
    for headers in [
        &[host, ("transfer-encoding", "chunked"), ("content-length", "1")][..],
        &[host, ("transfer-encoding", "gzip")],
        &[host, ("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")],
        &[host, ("content-length", "1"), ("content-length", "1")],
        &[host, ("content-length", "1,1")],
        &[host, ("content-length", "")],
    ] {
        assert_eq!(http1(headers).err(), MALFORMED, "{headers:?}");
    }
    assert_eq!(check(Listener::Ingress, Version::HTTP_10, "/", &[("transfer-encoding", "chunked")]).err(), MALFORMED);
}

#[test]
fn http2_has_no_connection_specific_headers() {
    assert!(http2(&[("te", "trailers"), ("host", "h")]).is_ok());
    for (name, value) in [
        ("connection", "close"),
        ("keep-alive", "1"),
        ("proxy-connection", "close"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "websocket"),
        ("te", "gzip"),
        ("te", "trailers, deflate"),
    ] {
        assert_eq!(http2(&[(name, value)]).err(), MALFORMED, "{name}: {value}");
    }
}

#[test]
fn http2_needs_a_host_and_only_one() {
    assert!(check(Listener::Ingress, Version::HTTP_2, "/", &[("host", "h")]).is_ok());
    assert_eq!(check(Listener::Ingress, Version::HTTP_2, "/", &[]).err(), MALFORMED);
    assert!(http2(&[("host", "H:443")]).is_ok());
    for hosts in [&[("host", "i")][..], &[("host", "h:80")], &[("host", "h"), ("host", "h")], &[("host", "u@h")]] {
        assert_eq!(http2(hosts).err(), MALFORMED, "{hosts:?}");
    }
    assert_eq!(check(Listener::Ingress, Version::HTTP_2, "https://u@h/", &[]).err(), MALFORMED);
}

#[test]
fn limits_are_inclusive() {
    let host = ("host", "h");
    assert!(check(Listener::Ingress, Version::HTTP_11, &format!("/{}", "a".repeat(19)), &[host]).is_ok());
    assert_eq!(check(Listener::Ingress, Version::HTTP_11, &format!("/{}", "a".repeat(20)), &[host]).err(), Some(Reason::UriTooLong));
    let filler = |bytes: usize| "a".repeat(bytes - "host".len() - "h".len() - LINE_OVERHEAD - "x".len() - LINE_OVERHEAD);
    assert!(http1(&[host, ("x", &filler(100))]).is_ok());
    assert_eq!(http1(&[host, ("x", &filler(101))]).err(), Some(Reason::HeadersTooLarge));
    assert!(http1(&[host, ("a", ""), ("a", ""), ("a", ""), ("a", "")]).is_ok());
    assert_eq!(http1(&[host, ("a", ""), ("a", ""), ("a", ""), ("a", ""), ("a", "")]).err(), Some(Reason::HeadersTooLarge));
}

#[test]
fn nothing_but_100_continue_can_be_expected() {
    let host = ("host", "h");
    for known in ["100-continue", "100-Continue"] {
        assert!(http1(&[host, ("expect", known), ("expect", known)]).unwrap().headers.contains_key("expect"), "{known}");
    }
    for unknown in ["200-ok", "", "100-continue, 200-ok", "100-continue;a=b"] {
        assert_eq!(http1(&[host, ("expect", unknown)]).err(), Some(Reason::ExpectationFailed), "{unknown:?}");
        assert_eq!(http2(&[("expect", unknown)]).err(), Some(Reason::ExpectationFailed), "{unknown:?}");
    }
    // RFC 9110, section 10.1.1: in HTTP/1.0 it means nothing.
    let old = check(Listener::Ingress, Version::HTTP_10, "/", &[("expect", "200-ok")]).unwrap();
    assert!(!old.headers.contains_key("expect"));
}
