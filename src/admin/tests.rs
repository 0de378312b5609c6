//! Both listeners over sockets, and the commands that ask them.

use std::{
    net::SocketAddr,
    process::ExitCode,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use bytes::Bytes;
use http::HeaderMap;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::*;
use crate::{
    cli::{drain, health},
    config::ServerConfig,
    reject::Reason,
    secret::Secret,
    server::{self, Bound, Drain, DrainHandle},
};

const TOKEN: &str = "admin-token";

struct Fake {
    metrics: Metrics,
    config: Value,
    ready: AtomicBool,
    draining: AtomicBool,
    drained: AtomicBool,
    quits: AtomicUsize,
}

impl AdminState for Fake {
    fn ready(&self) -> Vec<Check> {
        let ready = self.ready.load(Ordering::SeqCst);
        vec![
            Check { name: "keys", ok: ready, detail: "of https://idp.test/".to_owned() },
            Check { name: "serving", ok: true, detail: "yes".to_owned() },
        ]
    }

    fn config(&self) -> &Value {
        &self.config
    }

    fn sessions(&self) -> Value {
        json!([{ "tenant": "acme" }])
    }

    fn evict(&self, tenant: &TenantId) -> usize {
        usize::from(tenant.as_str() == "acme")
    }

    fn lacks(&self, tenant: &TenantId) -> bool {
        tenant.as_str() != "globex"
    }

    fn start_drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
    }

    fn drained(&self) -> bool {
        self.drained.load(Ordering::SeqCst)
    }

    fn quit(&self) {
        self.quits.fetch_add(1, Ordering::SeqCst);
    }

    fn metrics(&self) -> &Metrics {
        &self.metrics
    }
}

fn server_config() -> ServerConfig {
    let limit = Duration::from_secs(5);
    ServerConfig {
        handshake_timeout: limit,
        header_timeout: limit,
        idle_timeout: limit,
        header_bytes: 65_536,
        headers: 100,
        uri_bytes: 16_384,
        connections: 100,
        drain: limit,
    }
}

fn admin_config() -> AdminConfig {
    AdminConfig {
        listen: "127.0.0.1:0".parse().unwrap(),
        token: Some(Secret::new(TOKEN.to_owned())),
        metrics_token: None,
        quit_from_loopback: false,
        server: server_config(),
    }
}

struct Running {
    address: SocketAddr,
    state: Arc<Fake>,
    stop: DrainHandle,
}

fn start_handler<H: Handler>(name: Listener, state: &Arc<Fake>, handler: H) -> (SocketAddr, DrainHandle) {
    let bound = Bound::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let (address, (stop, stopped), metrics) = (bound.local_addr(), Drain::new(), state.metrics.clone());
    tokio::spawn(async move { server::serve(bound.into_listener(), None, name, &server_config(), handler, metrics, stopped).await });
    (address, stop)
}

fn fake() -> Arc<Fake> {
    Arc::new(Fake {
        metrics: Metrics::new().unwrap(),
        config: json!({ "egress": { "region": "eu-west-1" } }),
        ready: AtomicBool::new(true),
        draining: AtomicBool::new(false),
        drained: AtomicBool::new(false),
        quits: AtomicUsize::new(0),
    })
}

fn start(config: &AdminConfig) -> Running {
    let state = fake();
    let (address, stop) = start_handler(Listener::Admin, &state, Admin::new(state.clone(), config));
    Running { address, state, stop }
}

impl Running {
    /// The whole answer, as text.
    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> String {
        ask(self.address, method, path, headers).await
    }

    async fn status(&self, method: &str, path: &str, token: Option<&str>) -> u16 {
        let value = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<_> = value.iter().map(|value| ("authorization", value.as_str())).collect();
        status(&self.ask(method, path, &headers).await)
    }

    async fn drain(&self, wait: Duration, token: Option<&str>) -> ExitCode {
        drain::drain(&self.address.to_string(), wait, token.map(|token| Secret::new(token.to_owned()))).await
    }
}

async fn ask(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)]) -> String {
    let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("{method} {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n{lines}\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains("x-request-id: "), "{answer}");
    answer
}

fn status(answer: &str) -> u16 {
    answer["HTTP/1.1 ".len()..][..3].parse().unwrap()
}

fn says(answer: &str, reason: Reason) -> bool {
    answer.contains(&format!("x-palisade-reason: {}\r\n", reason.as_str()))
}

#[tokio::test]
async fn probes_and_version_are_open() {
    let server = start(&admin_config());
    assert_eq!(server.status("GET", "/livez", None).await, 200);
    assert_eq!(server.status("HEAD", "/readyz", None).await, 200);
    let version = server.ask("GET", "/version", &[]).await;
    assert!(version.contains(&format!("\"version\":\"{}\"", crate::VERSION)), "{version}");
}

#[tokio::test]
async fn readiness_says_which_check_fails() {
    let server = start(&admin_config());
    server.state.ready.store(false, Ordering::SeqCst);
    let answer = server.ask("GET", "/readyz", &[]).await;
    assert_eq!(status(&answer), 503);
    assert!(answer.contains(r#"{"name":"keys","ok":false,"detail":"of https://idp.test/"}"#), "{answer}");
    assert_eq!(server.status("GET", "/livez", None).await, 200, "not ready is not dead");
}

#[tokio::test]
async fn what_is_not_open_needs_the_token() {
    let server = start(&admin_config());
    let protected = [
        ("GET", "/config"),
        ("GET", "/tenants"),
        ("POST", "/tenants/acme/evict"),
        ("POST", "/drain"),
        ("GET", "/drain"),
        ("POST", "/quit"),
    ];
    for (method, path) in protected {
        assert_eq!(server.status(method, path, None).await, 401, "{path}");
        let wrong = server.ask(method, path, &[("authorization", "Bearer admin-tokem")]).await;
        assert!(
            status(&wrong) == 403 && says(&wrong, Reason::AdminTokenWrong) && wrong.contains("\"detail\":\"The admin token is wrong.\""),
            "{path}: {wrong}"
        );
        assert_eq!(server.status(method, path, Some("")).await, 401, "{path}");
        let basic = server.ask(method, path, &[("authorization", &format!("Basic {TOKEN}"))]).await;
        assert_eq!(status(&basic), 401, "{path}");
        let bearer = format!("Bearer {TOKEN}");
        let twice = server.ask(method, path, &[("authorization", &bearer), ("authorization", &bearer)]).await;
        assert_eq!(status(&twice), 400, "{path}");
    }
    assert_eq!(server.state.quits.load(Ordering::SeqCst), 0);
    assert!(!server.state.draining.load(Ordering::SeqCst));
    for (method, path) in protected {
        assert!(server.status(method, path, Some(TOKEN)).await < 300, "{path}");
    }
    assert_eq!(server.state.quits.load(Ordering::SeqCst), 1);
    let metrics = String::from_utf8(server.state.metrics.render().unwrap()).unwrap();
    assert!(metrics.contains("palisade_refusals_total{listener=\"admin\",reason=\"token-missing\""), "{metrics}");
}

#[tokio::test]
async fn without_a_configured_token_nothing_opens() {
    let server = start(&AdminConfig { token: None, ..admin_config() });
    for token in [None, Some(""), Some(TOKEN)] {
        let value = format!("Bearer {}", token.unwrap_or_default());
        let headers: Vec<_> = token.iter().map(|_| ("authorization", value.as_str())).collect();
        let answer = server.ask("GET", "/config", &headers).await;
        assert!(
            status(&answer) == 403 && says(&answer, Reason::AdminTokenUnset) && answer.contains("since admin.token is not set"),
            "{token:?}: {answer}"
        );
    }
    assert_eq!(server.status("POST", "/quit", None).await, 403);
}

#[tokio::test]
async fn metrics_have_a_token_of_their_own() {
    let open = start(&admin_config());
    let answer = open.ask("GET", "/metrics", &[]).await;
    assert!(answer.contains("content-type: text/plain; version=0.0.4") && answer.contains("palisade_build_info"), "{answer}");

    let closed = start(&AdminConfig { metrics_token: Some(Secret::new("scrape".to_owned())), ..admin_config() });
    assert_eq!(closed.status("GET", "/metrics", None).await, 401);
    assert_eq!(closed.status("GET", "/metrics", Some(TOKEN)).await, 403);
    assert_eq!(closed.status("GET", "/metrics", Some("scrape")).await, 200);
    assert_eq!(closed.status("GET", "/config", Some("scrape")).await, 403);
}

#[tokio::test]
async fn quitting_from_loopback_is_one_thing_and_opens_no_other() {
    let server = start(&AdminConfig { quit_from_loopback: true, ..admin_config() });
    assert_eq!(server.status("POST", "/quit", None).await, 202);
    assert_eq!(server.status("GET", "/quit", None).await, 405);
    for (method, path) in [("POST", "/drain"), ("GET", "/config"), ("POST", "/tenants/acme/evict")] {
        assert_eq!(server.status(method, path, None).await, 401, "{path}");
    }
    assert_eq!(server.state.quits.load(Ordering::SeqCst), 1);
}

#[test]
fn quitting_from_elsewhere_needs_the_token() {
    let keys = Keys::new(&AdminConfig { quit_from_loopback: true, ..admin_config() });
    let quit = |peer: &str| keys.check(&Route::Quit, &HeaderMap::new(), &Peer::at(peer.parse().unwrap())).is_ok();
    assert!(quit("127.0.0.1:5") && quit("[::1]:5") && quit("[::ffff:127.0.0.1]:5"));
    assert!(!quit("10.0.0.7:5") && !quit("[fe80::1]:5"));
}

#[tokio::test]
async fn unknown_paths_and_methods_are_told_apart() {
    let server = start(&admin_config());
    let answer = server.ask("GET", "/nowhere", &[]).await;
    assert!(status(&answer) == 404 && answer.contains("application/problem+json"), "{answer}");
    let answer = server.ask("DELETE", "/drain", &[]).await;
    assert!(status(&answer) == 405 && answer.contains("allow: GET, HEAD, POST"), "{answer}");
    // Also where the edge refuses the method.
    let answer = server.ask("TRACE", "/config", &[]).await;
    assert!(status(&answer) == 405 && answer.contains("allow: GET, HEAD\r\n"), "{answer}");
    assert_eq!(server.status("POST", "/tenants/a*/evict", Some(TOKEN)).await, 400);
    // Somebody who is known and has no session is no mistake, nor is one whose record has gone before its sessions.
    assert_eq!(server.status("POST", "/tenants/globex/evict", Some(TOKEN)).await, 200);
    assert_eq!(server.status("POST", "/tenants/acme/evict", Some(TOKEN)).await, 200);
    let answer = server.ask("POST", "/tenants/Globex/evict", &[("authorization", &format!("Bearer {TOKEN}"))]).await;
    assert!(status(&answer) == 404 && answer.contains("There is no tenant Globex in tenants.directory"), "{answer}");
}

#[tokio::test]
async fn documents_are_what_the_state_says() {
    let server = start(&admin_config());
    let get = |path: &'static str| {
        let address = server.address.to_string();
        async move {
            let token = Secret::new(TOKEN.to_owned());
            let (_, body): (_, Bytes) = client::call(&address, Method::GET, path, Some(&token), Duration::from_secs(5)).await.unwrap();
            serde_json::from_slice::<Value>(&body).unwrap()
        }
    };
    assert_eq!(get("/config").await, json!({ "egress": { "region": "eu-west-1" } }));
    assert_eq!(get("/tenants").await, json!([{ "tenant": "acme" }]));
    let evicted = server.ask("POST", "/tenants/acme/evict", &[("authorization", &format!("bearer {TOKEN}"))]).await;
    assert!(evicted.ends_with("{\"evicted\":1}\n"), "{evicted}");
}

#[tokio::test]
async fn the_probes_listener_has_nothing_else() {
    let state = fake();
    let (address, _stop) = start_handler(Listener::Probes, &state, Probes::new(state.clone(), None));
    assert_eq!(status(&ask(address, "GET", "/livez", &[]).await), 200);
    state.ready.store(false, Ordering::SeqCst);
    let answer = ask(address, "GET", "/readyz", &[]).await;
    assert!(status(&answer) == 503 && answer.contains(r#"{"name":"keys","ok":false}"#), "{answer}");
    assert!(!answer.contains("idp.test"), "details are for operators: {answer}");
    let bearer = format!("Bearer {TOKEN}");
    for path in ["/metrics", "/config", "/tenants", "/version", "/drain", "/quit", "/"] {
        assert_eq!(status(&ask(address, "GET", path, &[("authorization", &bearer)]).await), 404, "{path}");
    }
    let answer = ask(address, "POST", "/livez", &[]).await;
    assert!(status(&answer) == 405 && answer.contains("allow: GET, HEAD"), "{answer}");
}

#[tokio::test]
async fn public_keys_are_on_the_probes_listener_where_there_are_any() {
    let state = fake();
    let (address, _stop) = start_handler(Listener::Probes, &state, Probes::new(state.clone(), None));
    assert_eq!(status(&ask(address, "GET", "/.well-known/jwks.json", &[]).await), 404);
    let keys = Some(Bytes::from_static(b"{\"keys\":[]}\n"));
    let (address, _stop) = start_handler(Listener::Probes, &state, Probes::new(state.clone(), keys));
    let answer = ask(address, "GET", "/.well-known/jwks.json", &[]).await;
    assert!(status(&answer) == 200 && answer.ends_with("{\"keys\":[]}\n"), "{answer}");
    assert!(answer.contains("application/jwk-set+json") && answer.contains("cache-control: public, max-age=300"), "{answer}");
    assert_eq!(status(&ask(address, "POST", "/.well-known/jwks.json", &[]).await), 405);
    assert_eq!(status(&ask(address, "GET", "/.well-known/jwks.json/", &[]).await), 404);
}

/// `ExitCode` cannot be compared.
#[track_caller]
fn exits(code: ExitCode, expected: u8) {
    assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::from(expected)));
}

#[tokio::test]
async fn the_health_command_tells_ready_from_not_ready_and_gone() {
    let server = start(&admin_config());
    let address = server.address.to_string();
    exits(health::health(&address).await, 0);
    server.state.ready.store(false, Ordering::SeqCst);
    exits(health::health(&address).await, 1);
    server.stop.start();
    while TcpStream::connect(&address).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    exits(health::health(&address).await, 1);
    exits(health::health("no port").await, 1);
}

#[tokio::test]
async fn the_drain_command_starts_it_and_waits() {
    let server = start(&admin_config());
    exits(server.drain(Duration::from_secs(5), None).await, 1);
    exits(server.drain(Duration::from_secs(5), Some("other")).await, 1);
    assert!(!server.state.draining.load(Ordering::SeqCst));

    exits(server.drain(Duration::from_millis(50), Some(TOKEN)).await, 1);
    assert!(server.state.draining.load(Ordering::SeqCst));

    server.state.drained.store(true, Ordering::SeqCst);
    exits(server.drain(Duration::from_secs(5), Some(TOKEN)).await, 0);
}

#[tokio::test]
async fn the_drain_command_takes_a_process_that_is_gone_for_drained() {
    let server = start(&admin_config());
    let address = server.address.to_string();
    let command = tokio::spawn(async move { drain::drain(&address, Duration::from_secs(5), Some(Secret::new(TOKEN.to_owned()))).await });
    while !server.state.draining.load(Ordering::SeqCst) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    server.stop.start();
    exits(command.await.unwrap(), 0);
}

/// With an audit log: its head and key are for operators, and what those do is in it.
#[tokio::test]
async fn the_audit_log_is_shown_to_operators_and_knows_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let running = start(&admin_config());
    assert_eq!(running.status("GET", "/audit/head", Some(TOKEN)).await, 404, "there is no audit log");
    let config = crate::config::AuditConfig {
        sink: crate::config::AuditSink::File { path: path.clone(), rotate_bytes: 1 << 20, keep: 1, sync: false },
        on_failure: crate::config::OnFailure::Refuse,
        timeout: Duration::from_secs(5),
        checkpoint: crate::config::CheckpointConfig { every: Duration::from_secs(60), records: 100, key: None },
    };
    let metrics = &running.state.metrics;
    let audit = crate::audit::Audit::open(&config, &Value::Null, crate::clock::Clock::system(), metrics.of_audit()).unwrap();
    metrics.record_in(audit.clone());
    while audit.head().is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for path in ["/audit/head", "/audit/key"] {
        assert_eq!((running.status("GET", path, None).await, running.status("GET", path, Some("guess")).await), (401, 403));
    }
    let bearer = format!("Bearer {TOKEN}");
    let head = running.ask("GET", "/audit/head", &[("authorization", &bearer)]).await;
    assert!(head.as_bytes().ends_with(&audit.head().unwrap()), "{head}");
    let key = running.ask("GET", "/audit/key", &[("authorization", &bearer)]).await;
    assert!(key.ends_with(&audit.public_key().to_pem()), "{key}");
    assert_eq!(running.status("POST", "/tenants/acme/evict", Some(TOKEN)).await, 200);
    assert_eq!(running.status("POST", "/tenants/acme/evict", Some("guess")).await, 403);
    audit.close(Duration::from_secs(5));
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains(r#""event":"operator","listener":"admin""#) && text.contains(r#""action":"evict","tenant":"acme""#), "{text}");
    assert!(text.contains(r#""action":"evict","reason":"admin-token-wrong""#) && !text.contains("guess"), "{text}");
}
