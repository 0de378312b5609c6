//! `telemetry.traces`

use super::*;
use crate::config::{OtlpProtocol, SamplingConfig, TracesConfig};

fn traces(settings: &str) -> TracesConfig {
    good(&format!("{BASE}telemetry: {{traces: {{{settings}}}}}\n")).telemetry.traces.unwrap()
}

#[test]
fn what_is_spoken_follows_from_the_place() {
    for (settings, protocol) in [
        ("otlp: 'http://127.0.0.1:4317', insecure: true", OtlpProtocol::Grpc),
        ("otlp: 'https://collector.example'", OtlpProtocol::Grpc),
        ("otlp: 'https://collector.example:4318'", OtlpProtocol::HttpProtobuf),
        ("otlp: 'https://collector.example/v1/traces'", OtlpProtocol::HttpProtobuf),
        ("otlp: 'https://collector.example:4318', protocol: grpc", OtlpProtocol::Grpc),
        ("otlp: 'https://collector.example', protocol: http/protobuf", OtlpProtocol::HttpProtobuf),
    ] {
        assert_eq!(traces(settings).protocol, protocol, "{settings}");
    }
}

#[test]
fn all_of_it_can_be_set_and_has_defaults() {
    let least = traces("otlp: 'https://c'");
    assert_eq!(least.sampling, SamplingConfig { ratio: 1.0, follow_parent: true, per_second: 100 });
    assert_eq!((least.queue, least.batch, least.delay, least.timeout), (2048, 512, Duration::from_secs(5), Duration::from_secs(10)));
    assert!(least.service_name == "palisade" && least.headers.is_empty() && !least.continues_application && least.ca.is_none());
    let most = traces(
        "otlp: 'https://c/t', ca: c, headers: {x-key: {file: c}, authorization: {file: c}}, timeout: 1s, service_name: parks, \
         resource: {a.b: c}, sampling: {ratio: 0, follow_parent: false, per_second: 7}, application_context: continue, queue: 64, batch: 64, delay: 10ms",
    );
    let headers: Vec<_> = most.headers.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
    assert_eq!(headers, [("x-key", "hunter2"), ("authorization", "hunter2")]);
    assert_eq!(most.sampling, SamplingConfig { ratio: 0.0, follow_parent: false, per_second: 7 });
    assert_eq!((most.resource, most.continues_application), (vec![("a.b".to_owned(), "c".to_owned())], true));
    let shown = good(&format!("{BASE}telemetry: {{traces: {{otlp: 'https://c', headers: {{x-key: {{file: c}}}}}}}}\n")).effective;
    assert_eq!(shown["telemetry"]["traces"]["headers"]["x-key"], "[redacted]");
    assert_eq!(shown["telemetry"]["traces"]["protocol"], "grpc");
    assert!(good(BASE).telemetry.traces.is_none());
}

#[test]
fn what_would_leak_or_have_no_effect_is_refused() {
    for (settings, wrong) in [
        ("otlp: 'http://127.0.0.1:4317'", "telemetry.traces.otlp: is plain http; use https://, or write insecure: true beside it"),
        ("otlp: 'https://c', insecure: true", "telemetry.traces.insecure: has no effect"),
        ("otlp: 'http://c', insecure: true, headers: {x-key: {file: c}}", "telemetry.traces.headers: would be sent in clear"),
        ("otlp: 'http://c', insecure: true, ca: c", "telemetry.traces.ca: has no effect"),
        ("otlp: 'https://c/?key=hunter2'", "telemetry.traces.otlp: has a query"),
        ("otlp: 'https://c/x', protocol: grpc", "telemetry.traces.otlp: has a path"),
        (
            "otlp: 'https://c', headers: {content-type: {file: c}}",
            "telemetry.traces.headers.content-type: is a header of the protocol's own",
        ),
        ("otlp: 'https://c', headers: {grpc-timeout: {file: c}}", "telemetry.traces.headers.grpc-timeout: is a header"),
        ("otlp: 'https://c', headers: {x-key: hunter2}", "telemetry.traces.headers.x-key: is a single value; give {file: PATH}"),
        ("otlp: 'https://c', resource: {service.name: x}", "telemetry.traces.resource.\"service.name\": is what service_name says"),
        ("otlp: 'https://c', queue: 64, batch: 65", "telemetry.traces.batch: is more than"),
        ("otlp: 'https://c', sampling: {ratio: 10}", "telemetry.traces.sampling.ratio: "),
        ("otlp: 'https://c', sampling: {per_second: 0}", "telemetry.traces.sampling.per_second: "),
        ("otlp: 'c:4317'", "telemetry.traces.otlp: "),
        ("service_name: x", "telemetry.traces.otlp: is missing"),
    ] {
        let errors = load(&format!("{BASE}telemetry: {{traces: {{{settings}}}}}\n")).map(drop).expect_err(settings).to_string();
        assert!(errors.contains(wrong) && errors.lines().count() == 1, "{settings}: {errors}");
        assert!(!errors.contains("hunter2"), "{errors}");
    }
    let ingress_only = "ingress: {tls: {certificate: c, private_key: c}, upstream: http://127.0.0.1:8080}\nidentity:\n  issuers:\n    - {issuer: i, audience: a, jwks: {file: c}}\ntenants: {directory: {any: {}}}\n";
    let settings = "telemetry: {traces: {otlp: 'https://c', application_context: continue}}\n";
    let errors = load(&format!("{ingress_only}{settings}")).map(drop).unwrap_err().to_string();
    assert!(errors.contains("telemetry.traces.application_context: has no effect without egress"), "{errors}");
}
