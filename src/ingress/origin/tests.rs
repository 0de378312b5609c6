use std::time::UNIX_EPOCH;

use proptest::prelude::*;

use super::*;
use crate::{
    clock::Clock,
    telemetry::{
        AccessLog, Listener, Metrics, Recorder, TenantLabels,
        access_log::tests::Sink,
        traces::{TRACEPARENT, Tracer},
    },
};

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    lines.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap())).collect()
}

fn peer(address: &str) -> Peer {
    Peer::at(format!("{address}:4711").parse().unwrap())
}

fn hops(hops: usize) -> OriginConfig {
    OriginConfig { hops, proto: true, host: true, ..OriginConfig::default() }
}

fn proxies(ranges: &[&str]) -> OriginConfig {
    OriginConfig { proxies: ranges.iter().map(|range| range.parse().unwrap()).collect(), ..hops(0) }
}

/// Client, scheme, host and whether a proxy was believed, for a connection from 10.0.0.9.
fn origin(config: OriginConfig, lines: &[(&'static str, &str)]) -> (String, bool, String, bool) {
    let mut all = headers(lines);
    all.insert(header::HOST, HeaderValue::from_static("api.example.com"));
    let origin = Origins::new(config).of(&peer("10.0.0.9"), &all, &Uri::from_static("/"));
    (origin.client.to_string(), origin.https, origin.host.map(|host| host.to_string()).unwrap_or_default(), origin.is_relayed)
}

fn client(config: OriginConfig, forwarded_for: &str) -> String {
    origin(config, &[("x-forwarded-for", forwarded_for)]).0
}

/// Under the proxy's id, two requests could be told to be of one trace by whoever sends it.
#[test]
fn the_id_of_a_proxy_is_no_trace() {
    const ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let origins = Origins::new(OriginConfig { request_id: true, ..hops(1) });
    let metrics = Metrics::new().unwrap();
    let log = AccessLog::to(Sink::default(), metrics.clone()).unwrap();
    let recorder = Recorder { metrics, log, labels: TenantLabels::new(1), traces: Tracer::off(), clock: Clock::manual(UNIX_EPOCH) };
    let trace = || {
        let request = http::Request::builder().header("x-forwarded-for", "192.0.2.1").header(REQUEST_ID_HEADER, ID);
        let (head, ()) = request.body(()).unwrap().into_parts();
        let mut record = recorder.begin(Listener::Ingress, &head.method, &peer("10.0.0.9"));
        let (_, trace) = origins.relayed(&peer("10.0.0.9"), &head, &mut record);
        assert_eq!(record.request_id().as_str(), ID);
        let mut told = HeaderMap::new();
        trace.write(&mut told);
        told[TRACEPARENT].to_str().unwrap()[3..35].to_owned()
    };
    let (first, second) = (trace(), trace());
    assert!(first != ID && second != ID && first != second, "{first}, {second}");
}

const OWN: &str = "10.0.0.9";

#[test]
fn without_a_proxy_in_front_the_peer_is_the_client() {
    let lines =
        [("x-forwarded-for", "192.0.2.1"), ("forwarded", "for=192.0.2.1"), ("x-forwarded-proto", "http"), ("x-forwarded-host", "evil")];
    assert_eq!(origin(hops(0), &lines), (OWN.into(), true, "api.example.com".into(), false));
}

/// The address that the n-th proxy from here was called from is the n-th from the right: what Express and Envoy do with the same number.
#[test]
fn hops_are_counted_from_the_right() {
    let spoofed = "203.0.113.66, 192.0.2.1, 198.51.100.7";
    // One load balancer: it wrote the last.
    assert_eq!(client(hops(1), "192.0.2.1"), "192.0.2.1");
    assert_eq!(client(hops(1), spoofed), "198.51.100.7");
    // A content network before the load balancer: the last is the network's own server.
    assert_eq!(client(hops(2), spoofed), "192.0.2.1");
    assert_eq!(client(hops(3), spoofed), "203.0.113.66");
    // Fewer entries than proxies: some request did not come through all of them.
    assert_eq!(client(hops(4), spoofed), OWN);
    assert_eq!(origin(hops(1), &[]).0, OWN);
    assert_eq!(client(hops(1), ""), OWN);
}

#[test]
fn known_proxies_are_passed_over_from_the_right() {
    let inside = || proxies(&["10.0.0.0/8", "198.51.100.0/24"]);
    assert_eq!(client(inside(), "203.0.113.66, 192.0.2.1, 198.51.100.7"), "192.0.2.1");
    assert_eq!(client(inside(), "192.0.2.1"), "192.0.2.1");
    assert_eq!(client(inside(), "10.1.1.1, 198.51.100.7"), "10.1.1.1", "the outermost of them, where they are all that there is");
    assert_eq!(client(inside(), "192.0.2.1, unknown, 198.51.100.7"), OWN, "one that cannot be read hides what is behind it");
    assert_eq!(client(inside(), "unknown, 192.0.2.1, 198.51.100.7"), "192.0.2.1", "what a caller wrote does not matter");
    // The connection is from somewhere else: nothing is believed.
    let elsewhere = proxies(&["198.51.100.0/24"]);
    assert_eq!(
        origin(elsewhere, &[("x-forwarded-for", "192.0.2.1"), ("x-forwarded-proto", "http"), ("x-forwarded-host", "evil.example")]),
        (OWN.into(), true, "api.example.com".into(), false)
    );
    // Both: who may be in front, and how many there are.
    let both = |range: &str| OriginConfig { hops: 2, ..proxies(&[range]) };
    assert_eq!(client(both("10.0.0.0/8"), "203.0.113.66, 192.0.2.1, 198.51.100.7"), "192.0.2.1");
    assert_eq!(client(both("10.1.0.0/16"), "203.0.113.66, 192.0.2.1, 198.51.100.7"), OWN);
}

#[test]
fn addresses_come_in_several_forms_and_others_are_none() {
    for (text, expected) in [
        ("192.0.2.1:8080", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("\t192.0.2.1 ", "192.0.2.1"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
    ] {
        assert_eq!(client(hops(1), text), expected, "{text:?}");
    }
    for bad in [
        "unknown",
        "_hidden",
        "192.0.2.1:",
        "192.0.2",
        "192.0.2.01",
        "[2001:db8::1",
        "[192.0.2.1]",
        "2001:db8::1]:80",
        "a.example.com",
        "192.0.2.1 192.0.2.2",
        "\"192.0.2.1\"",
        "192.0.2.1,",
        "\u{e9}",
    ] {
        assert_eq!(client(hops(1), bad), OWN, "{bad:?}");
    }
}

#[test]
fn several_lines_are_one_list() {
    assert_eq!(client(hops(1), "\u{e9}, 192.0.2.1"), "192.0.2.1", "what cannot be read further left does not matter");
    let lines = [("x-forwarded-for", "203.0.113.66"), ("x-forwarded-for", "192.0.2.1, 198.51.100.7")];
    assert_eq!(origin(hops(2), &lines).0, "192.0.2.1");
    assert_eq!(origin(hops(3), &lines).0, "203.0.113.66");
}

#[test]
fn scheme_and_host_are_the_proxy_s_word_where_it_is_taken() {
    let said = |config, proto: &str, host: &str| {
        let (_, https, host, _) =
            origin(config, &[("x-forwarded-for", "203.0.113.66, 192.0.2.1"), ("x-forwarded-proto", proto), ("x-forwarded-host", host)]);
        (https, host)
    };
    assert_eq!(said(hops(1), "http", "shop.example.com:8443"), (false, "shop.example.com:8443".into()));
    // Each proxy's own, or one word for all of them.
    assert_eq!(said(hops(1), "https, http", "a.example, b.example"), (false, "b.example".into()));
    assert_eq!(said(hops(2), "https, http", "a.example, b.example"), (true, "a.example".into()));
    for bad in ["ftp", "", "https http", "\u{e9}"] {
        assert_eq!(said(hops(1), bad, "user@evil").1, "api.example.com");
        assert!(said(hops(1), bad, "a/b").0, "{bad}");
    }
    assert_eq!(said(OriginConfig { proto: false, host: false, ..hops(1) }, "http", "evil"), (true, "api.example.com".into()));
}

#[test]
fn one_header_is_read_and_the_other_means_nothing() {
    let lines = [("x-forwarded-for", "192.0.2.1"), ("forwarded", "for=203.0.113.66")];
    assert_eq!(origin(hops(1), &lines).0, "192.0.2.1");
    assert_eq!(origin(OriginConfig { header: ForwardingHeader::Forwarded, ..hops(1) }, &lines).0, "203.0.113.66");
}

#[test]
fn the_standard_header_is_read_as_it_is_written() {
    let said = |n: usize, value: &str| origin(OriginConfig { header: ForwardingHeader::Forwarded, ..hops(n) }, &[("forwarded", value)]);
    let full = "for=203.0.113.66;proto=http, For=\"[2001:db8::17]:47011\" ; Proto=http;host=\"shop.example.com:8443\";by=_x";
    assert_eq!(said(1, full), ("2001:db8::17".into(), false, "shop.example.com:8443".into(), true));
    assert_eq!(said(2, full), ("203.0.113.66".into(), false, "api.example.com".into(), true));
    assert_eq!(said(1, "for=192.0.2.1:47011").0, "192.0.2.1");
    assert_eq!(said(1, "for=192.0.2.1;secret=\"a,b;for=203.0.113.66\\\"\"").0, "192.0.2.1");
    assert_eq!(said(1, "for=192.0.2.1; ;").0, "192.0.2.1");
    for bad in [
        "for=unknown",
        "for=_hidden",
        "for=2001:db8::17",
        "for=\"2001:db8::17\"",
        "for=192.0.2.1;for=192.0.2.2",
        "proto=http",
        "for",
        "for=",
        "for=\"192.0.2.1",
        "=x;for=192.0.2.1",
        "for = 192.0.2.1",
        "for=\"192.0.2.1\"x",
        "for=192.0.2.1, x=\"",
        "",
    ] {
        assert_eq!(said(1, bad), (OWN.into(), true, "api.example.com".into(), false), "{bad}");
    }
    assert_eq!(
        said(1, "for=192.0.2.1;x=\"a\\\\\";y=\"\\\", for=203.0.113.66, \\\\\\\"\"").0,
        "192.0.2.1",
        "backslashes in the proxy's own quotes"
    );
}

#[test]
fn nothing_that_a_caller_writes_hides_what_the_proxy_appends() {
    let said = |config: OriginConfig, value: &[u8]| {
        let headers = HeaderMap::from_iter([(header::FORWARDED, HeaderValue::from_bytes(value).unwrap())]);
        let config = OriginConfig { header: ForwardingHeader::Forwarded, ..config };
        Origins::new(config).of(&peer("10.0.0.9"), &headers, &Uri::from_static("/")).client.to_string()
    };
    for caller in [
        &b"\""[..],
        b"for=203.0.113.66;x=\"",
        b"for=203.0.113.66;x=\"\\",
        b"\\",
        b"x=\"a\\\"",
        b"\xe9",
        b"\xff\xfe;for=203.0.113.66",
        b",,\",\"",
        b"for=10.0.0.9",
    ] {
        for appended in ["for=192.0.2.1", "for=\"192.0.2.1:80\";by=\"_a, for=203.0.113.66\"", "by=\"\\\"\\\\\";for=192.0.2.1"] {
            let line = [caller, b", ", appended.as_bytes()].concat();
            for config in [hops(1), proxies(&["10.0.0.0/8"])] {
                assert_eq!(said(config, &line), "192.0.2.1", "{}", line.escape_ascii());
            }
            let line = [&line[..], b", for=198.51.100.7"].concat();
            for config in [hops(2), proxies(&["10.0.0.0/8", "198.51.100.0/24"])] {
                assert_eq!(said(config, &line), "192.0.2.1", "{}", line.escape_ascii());
            }
        }
    }
}

#[test]
fn the_host_is_the_one_that_the_client_asked_for() {
    let host = |config, lines: &[(&'static str, &str)], uri: &'static str| {
        Origins::new(config).of(&peer("10.0.0.9"), &headers(lines), &Uri::from_static(uri)).host().map(ToString::to_string)
    };
    let (own, said) = (("host", "inside.example"), ("x-forwarded-host", "shop.example:8443"));
    let by = ("x-forwarded-for", "192.0.2.1");
    let named = |name: &str| Some(name.to_owned());
    assert_eq!(host(hops(1), &[own, by, said], "/"), named("shop.example:8443"));
    assert_eq!(host(hops(1), &[by, said], "https://inside.example/"), named("shop.example:8443"), "HTTP/2");
    assert_eq!(host(hops(1), &[own, by], "/"), named("inside.example"), "the proxy names none");
    assert_eq!(host(hops(1), &[by], "https://inside.example/"), named("inside.example"), "HTTP/2 has it in the target");
    assert_eq!(host(hops(1), &[by], "/"), None);
    // Nobody is believed, not all of it is, or not this connection.
    for config in [hops(0), OriginConfig { host: false, ..hops(1) }, proxies(&["198.51.100.0/24"])] {
        assert_eq!(host(config, &[own, by, said], "/"), named("inside.example"));
    }
    assert_eq!(host(hops(1), &[own, said], "/"), named("inside.example"), "it did not come through a proxy");
}

#[test]
fn every_spelling_says_the_same() {
    let written = |client: &str, https, host: Option<&str>| {
        let mut all = headers(&[("forwarded", "for=x"), ("x-forwarded-host", "evil"), ("x-forwarded-for", "1.1.1.1")]);
        all.remove("x-forwarded-host");
        let host = host.map(|host| host.parse().unwrap());
        Origin { client: client.parse().unwrap(), https, host, is_relayed: true }.write(&mut all);
        let mut lines: Vec<_> = all.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        lines.sort();
        lines
    };
    assert_eq!(
        written("2001:db8::1", true, Some("shop.example.com:8443")),
        [
            "forwarded: for=\"[2001:db8::1]\";proto=https;host=\"shop.example.com:8443\"",
            "x-forwarded-for: 2001:db8::1",
            "x-forwarded-host: shop.example.com:8443",
            "x-forwarded-port: 8443",
            "x-forwarded-proto: https",
            "x-real-ip: 2001:db8::1",
        ]
    );
    assert_eq!(
        written("192.0.2.1", false, None),
        [
            "forwarded: for=192.0.2.1;proto=http",
            "x-forwarded-for: 192.0.2.1",
            "x-forwarded-port: 80",
            "x-forwarded-proto: http",
            "x-real-ip: 192.0.2.1"
        ]
    );
}

proptest! {
    /// Whatever a caller sends, the one trusted proxy's appended address is the client.
    #[test]
    fn what_callers_write_moves_nothing(lines in prop::collection::vec("[ -~]{0,40}", 0..4), client in any::<u32>()) {
        let client = IpAddr::from(client.to_be_bytes());
        let standard = |config| OriginConfig { header: ForwardingHeader::Forwarded, ..config };
        let by_range = || proxies(&["10.0.0.0/8"]);
        for (header, config, is_joined) in [
            (FORWARDED_FOR, hops(1), false),
            (FORWARDED_FOR, by_range(), false),
            (header::FORWARDED, standard(hops(1)), false),
            (header::FORWARDED, standard(hops(1)), true),
            (header::FORWARDED, standard(by_range()), true),
        ] {
            prop_assume!(config.hops > 0 || !"10.0.0.0/8".parse::<crate::cidr::Cidr>().unwrap().contains(client));
            let mut all = HeaderMap::new();
            let appended = if header == header::FORWARDED { format!("for={client}") } else { client.to_string() };
            // Proxies append to the line, or add one of their own.
            let whole = if is_joined { vec![lines.iter().chain([&appended]).map(String::as_str).collect::<Vec<_>>().join(", ")] } else { lines.iter().chain([&appended]).cloned().collect() };
            for line in whole {
                all.append(header.clone(), HeaderValue::from_str(&line).unwrap());
            }
            prop_assert_eq!(Origins::new(config).of(&peer("10.0.0.9"), &all, &Uri::from_static("/")).client(), client);
        }
    }
}
