use std::fs;

use super::*;
use crate::config::{Config, ConfigErrors};

/// A sidecar that asks for certificates on both sides; `I`, `T`, `E` and `W` stand for more of ingress, its TLS, egress and identity.
const BASE: &str = "
ingress: {tls: {certificate: c, private_key: c, client_ca: c T}, upstream: 'http://127.0.0.1:8080' I}
egress: {region: eu-west-1, services: {s3: {}}, tls: {certificate: c, private_key: c, client_ca: c} E}
identity: {issuers: [{issuer: i, audience: a, jwks: {file: c}}] W}
tenants: {directory: {any: {}}}
credentials: {source: {default_chain: {}}, assume_role: {role_arn: 'arn:aws:iam::111122223333:role/{tenant.id}'}}
";

fn fill(base: &str, parts: &[(&str, &str)]) -> String {
    let mut text = base.to_owned();
    for place in ["I", "T", "E", "W"] {
        let part = parts.iter().find(|(own, _)| *own == place).map_or(String::new(), |(_, part)| format!(", {part}"));
        text = text.replace(&format!(" {place}}}"), &format!("{part}}}"));
    }
    text
}

fn load_text(text: &str) -> Result<Config, ConfigErrors> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("c"), "x").unwrap();
    Config::parse(text, "P", folder.path(), &|_| None)
}

fn load(parts: &[(&str, &str)]) -> Config {
    load_text(&fill(BASE, parts)).unwrap_or_else(|errors| panic!("{parts:?}\n{errors}"))
}

#[track_caller]
fn wrong(parts: &[(&str, &str)], expected: &str) {
    refused(&fill(BASE, parts), expected);
}

#[track_caller]
fn refused(text: &str, expected: &str) {
    let errors = load_text(text).map(drop).expect_err(expected).to_string();
    assert!(errors.lines().count() == 1 && errors.contains(expected), "{expected}\n{errors}");
}

#[test]
fn certificates_are_required_where_there_are_roots_and_nobody_is_asked_without() {
    let clients = |parts: &[(&str, &str)]| load(parts).ingress.unwrap().tls.clients.unwrap();
    assert!(clients(&[]).required && clients(&[]).crl.is_none());
    assert!(clients(&[("T", "client_auth: required")]).required);
    assert!(!clients(&[("T", "client_auth: optional")]).required);
    assert!(clients(&[("T", "client_crl: c")]).crl.is_some());
    assert_eq!(load(&[]).effective["ingress"]["tls"]["client_auth"], "required");
    wrong(&[("T", "client_auth: maybe")], "ingress.tls.client_auth:");
    wrong(&[("T", "client_crl: nowhere")], "ingress.tls.client_crl:");
    let without = fill(&BASE.replace(", client_ca: c", ""), &[]);
    assert!(load_text(&without).unwrap().ingress.unwrap().tls.clients.is_none());
    let alone = |key: &str| fill(&BASE.replace(", client_ca: c T", &format!(", {key}")).replace(", client_ca: c", ""), &[]);
    refused(&alone("client_auth: optional"), "ingress.tls.client_auth: has no effect without client_ca");
    refused(&alone("client_crl: c"), "ingress.tls.client_crl: has no effect without client_ca");
}

#[test]
fn workloads_are_one_tenant_s_each() {
    let mappings = "workload_max_age: 5m, workloads: [{spiffe_id: 'spiffe://prod/ns/acme/*', tenant: acme}, \
        {subject: 'CN=w,O=x', tenant: globex, listener: egress}, {spiffe_id: 'spiffe://prod/ns/b/sa/c', tenant: bb, listener: ingress}]";
    let workloads = load(&[("W", mappings)]).identity.workloads;
    assert_eq!((workloads.mappings.len(), workloads.max_age.as_secs()), (3, 300));
    let holds = |number: usize| [Listener::Ingress, Listener::Egress].map(|listener| workloads.mappings[number].holds_on(listener));
    assert_eq!([holds(0), holds(1), holds(2)], [[true, true], [false, true], [true, false]]);
    assert_eq!(workloads.mappings[0].client.to_string(), "spiffe://prod/ns/acme/*");
    assert_eq!(load(&[]).identity.workloads.max_age.as_secs(), 3_600);

    for (entries, expected) in [
        ("{tenant: acme}", "identity.workloads[0].spiffe_id: is missing; give spiffe_id or subject"),
        ("{spiffe_id: 'spiffe://p/a', subject: CN=a, tenant: acme}", "identity.workloads[0].subject: is here beside spiffe_id"),
        ("{spiffe_id: 'spiffe://p/a'}", "identity.workloads[0].tenant: is missing"),
        ("{spiffe_id: 'spiffe://p/a*', tenant: acme}", "identity.workloads[0].spiffe_id:"),
        ("{spiffe_id: 'spiffe://p', tenant: acme}", "identity.workloads[0].spiffe_id:"),
        ("{subject: 'CN=a, O=b', tenant: acme}", "identity.workloads[0].subject:"),
        ("{spiffe_id: 'spiffe://p/a', tenant: 'a*'}", "identity.workloads[0].tenant:"),
        ("{spiffe_id: 'spiffe://p/a', tenant: acme, listener: admin}", "identity.workloads[0].listener:"),
        ("{spiffe_id: 'spiffe://p/a', tenant: acme}, {spiffe_id: 'spiffe://p/a', tenant: bb}", "identity.workloads[1].spiffe_id:"),
        ("{spiffe_id: 'spiffe://p/a/*', tenant: acme}, {spiffe_id: 'spiffe://p/a/b', tenant: bb}", "mean the same certificates"),
        ("{spiffe_id: 'spiffe://p/a/b/*', tenant: acme}, {spiffe_id: 'spiffe://p/a/*', tenant: bb}", "mean the same certificates"),
        ("{spiffe_id: 'spiffe://p/*/sa/b', tenant: acme}, {spiffe_id: 'spiffe://p/a/*', tenant: bb}", "mean the same certificates"),
        ("{subject: CN=a, tenant: acme}, {subject: CN=a, tenant: bb, listener: egress}", "identity.workloads[1].subject:"),
        ("{spiffe_id: 'spiffe://p/a', tenant: acme, roles: [r]}", "identity.workloads[0]: has roles without effect"),
    ] {
        wrong(&[("W", &format!("workloads: [{entries}]"))], expected);
    }
    // On different listeners they never meet.
    load(&[("W", "workloads: [{subject: CN=a, tenant: acme, listener: ingress}, {subject: CN=a, tenant: bb, listener: egress}]")]);
}

#[test]
fn a_mapping_that_can_never_apply_is_refused() {
    let own = |listener: &str| format!("workloads: [{{spiffe_id: 'spiffe://p/a', tenant: acme{listener}}}]");
    let nobody_asks = BASE.replace(", client_ca: c", "").replace(" T}", "}");
    refused(&fill(&nobody_asks, &[("W", &own(""))]), "identity.workloads[0]: can never apply: no listener asks for certificates");
    let ingress_asks = BASE.replace(", client_ca: c}", "}");
    let at_egress = own(", listener: egress");
    refused(&fill(&ingress_asks, &[("W", &at_egress)]), "can never apply: egress asks for no certificates");
    load_text(&fill(&ingress_asks, &[("W", &own(""))])).unwrap();
}

#[test]
fn endpoint_rules_name_clients_where_somebody_is_asked_who_they_are() {
    let rules = |clients: &str| format!("endpoints: [{{path: /a, clients: {clients}}}, {{path: /b}}]");
    let access = load(&[("I", &rules("[{spiffe_id: 'spiffe://p/ns/*/sa/b'}, {subject: 'CN=a,O=b'}, {dns: '*.mesh.example'}]"))])
        .ingress
        .unwrap()
        .access;
    let read: Vec<Vec<_>> = access.endpoints.rules().map(|rule| rule.clients.iter().map(ToString::to_string).collect()).collect();
    assert_eq!(read, [vec!["spiffe://p/ns/*/sa/b", "CN=a,O=b", "*.mesh.example"], vec![]]);
    load(&[("I", "endpoints: [{path: /a, auth: none, clients: [{dns: a}]}]"), ("T", "client_auth: optional")]);
    for (clients, expected) in [
        ("[]", "ingress.endpoints[0].clients: is an empty list"),
        ("{dns: a}", "ingress.endpoints[0].clients: is a mapping"),
        ("['spiffe://p/a']", "ingress.endpoints[0].clients[0]: is a single value; give exactly one of spiffe_id, subject, dns"),
        ("[{}]", "ingress.endpoints[0].clients[0]: says none of its alternatives"),
        ("[{dns: a, subject: CN=a}]", "ingress.endpoints[0].clients[0]: says more than one of its alternatives"),
        ("[{spiffe: 'spiffe://p/a'}]", "ingress.endpoints[0].clients[0].spiffe: is not a known setting; did you mean spiffe_id?"),
        ("[{spiffe_id: 'spiffe://*/a'}]", "ingress.endpoints[0].clients[0].spiffe_id:"),
        ("[{dns: a}, {dns: 'a.*'}]", "ingress.endpoints[0].clients[1].dns: \"a.*\" is not taken here; give a name in lower case"),
        ("[{subject: 'CN=*, O=b'}]", "ingress.endpoints[0].clients[0].subject:"),
    ] {
        wrong(&[("I", &rules(clients))], expected);
    }
    let nobody_asks = BASE.replace(", client_ca: c T", "").replace(", client_ca: c", "");
    let never = "ingress.endpoints[0].clients: can never be met: the listener asks for no certificates; give ingress.tls.client_ca";
    refused(&fill(&nobody_asks, &[("I", &rules("[{dns: a}]"))]), never);
}

#[test]
fn certificates_are_proofs_where_somebody_can_show_one() {
    let proofs = ("E", "proofs: [passport, certificate]");
    let workload = |more: &str| format!("workloads: [{{spiffe_id: 'spiffe://p/a', tenant: acme{more}}}]");
    let config = load(&[proofs, ("W", &workload(", roles: [writer]"))]);
    let taken = config.egress.unwrap().proofs;
    assert!(taken.passport && taken.certificate && !taken.jwt);
    wrong(&[proofs], "egress.proofs: takes certificates, and none stands for a tenant");
    wrong(&[proofs, ("W", &workload(", listener: ingress"))], "egress.proofs: takes certificates, and none stands for a tenant");
    let egress_asks_nobody = BASE.replace(", client_ca: c}", "}");
    refused(
        &fill(&egress_asks_nobody, &[proofs, ("W", &workload(""))]),
        "egress.proofs: takes certificates, and egress.tls.client_ca is not set",
    );
    let issuer = BASE.replace("issuer: i,", "issuer: 'urn:palisade:workload',");
    refused(&fill(&issuer, &[]), "identity.issuers[0].issuer: is what Palisade calls certificates of workloads");
}

#[test]
fn proxies_are_believed_where_the_file_says_so() {
    let origin = |part: &str| load(&[("I", part)]).ingress.unwrap().origin;
    assert!(!load(&[]).ingress.unwrap().origin.trusts_anybody());
    let one = origin("trusted_hops: 1");
    assert!(one.hops == 1 && one.proto && !one.host && one.header == ForwardingHeader::XForwarded && !one.request_id && !one.trace);
    let all = origin(
        "trusted_proxies: [10.0.0.0/8, '::1'], forwarded_header: forwarded, forwarded_fields: [for, host], keep_headers: [via, x-forwarded-prefix], \
         trust_request_id: true, trace_context: continue",
    );
    assert!(all.proxies.len() == 2 && all.host && !all.proto && all.header == ForwardingHeader::Forwarded && all.request_id && all.trace);
    assert_eq!(all.keep, ["via", "x-forwarded-prefix"]);
    for (part, expected) in [
        ("trusted_hops: 17", "ingress.trusted_hops:"),
        ("trusted_proxies: [10.0.0.1/8]", "ingress.trusted_proxies[0]:"),
        ("trusted_hops: 1, forwarded_fields: [proto]", "ingress.forwarded_fields: does not contain for"),
        ("trusted_hops: 1, forwarded_fields: [for, port]", "ingress.forwarded_fields[1]:"),
        ("trusted_hops: 1, keep_headers: [x-forwarded-for]", "ingress.keep_headers[0]: \"x-forwarded-for\" is set by Palisade itself"),
        ("trusted_hops: 1, keep_headers: [x-api-key]", "ingress.keep_headers[0]: \"x-api-key\" is not removed"),
        ("forwarded_header: forwarded", "ingress.forwarded_header: has no effect: no proxy in front is believed"),
        ("forwarded_fields: [for]", "ingress.forwarded_fields: has no effect"),
        ("keep_headers: [via]", "ingress.keep_headers: has no effect"),
        ("trust_request_id: true", "ingress.trust_request_id: has no effect"),
        ("trace_context: continue", "ingress.trace_context: has no effect"),
        ("headers: {x-real-ip: '{subject}'}", "ingress.headers.x-real-ip:"),
    ] {
        wrong(&[("I", part)], expected);
    }
}

#[test]
fn a_client_s_name_is_known_to_headers_alone() {
    load(&[("I", "headers: {x-caller: '{client.spiffe_id}', x-holder: '{client.subject}'}")]);
    let role = fill(&BASE.replace("role/{tenant.id}", "role/{tenant.id}/{client.spiffe_id}"), &[]);
    refused(&role, "{client.spiffe_id} is known in ingress.headers alone");
}

/// Its pieces are those of one configuration.
#[test]
fn what_the_guide_shows_loads() {
    use serde_json::Value;

    use crate::config::document::{Bounds, parse};

    fn merge(whole: &mut Value, piece: Value) {
        match (whole, piece) {
            (Value::Object(whole), Value::Object(piece)) => {
                piece.into_iter().for_each(|(key, value)| merge(whole.entry(key).or_insert(Value::Null), value))
            }
            (whole, piece) => *whole = piece,
        }
    }
    let json = |text: &str| parse(text, Bounds::CONFIG).unwrap().to_json();
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("tls")).unwrap();
    for name in ["c", "tls/tls.crt", "tls/tls.key", "tls/egress.crt", "tls/egress.key", "tls/clients.crt", "tls/clients.crl"] {
        fs::write(folder.path().join(name), "x").unwrap();
    }
    let guide = fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config/guide/mtls-and-proxies.md")).unwrap();
    let pieces: Vec<_> = guide.split("```yaml\n").skip(1).map(|rest| json(rest.split("```").next().unwrap())).collect();
    assert_eq!(pieces.len(), 4);
    let mut whole = json(&fill(BASE, &[]));

    for piece in pieces {
        merge(&mut whole, piece);
    }
    let config = Config::parse(&whole.to_string(), "P", folder.path(), &|_| None).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!((config.identity.workloads.mappings.len(), config.ingress.unwrap().origin.hops), (2, 1));
    assert!(config.egress.unwrap().proofs.certificate);
}
