//! The application: over sockets of both kinds, in several places, well and unwell, and each tenant's own.

use std::sync::{Mutex, atomic::AtomicU16};

use hyper::service::service_fn;
use hyper_util::{rt::TokioExecutor, server::conn::auto};
use tokio::net::UnixListener;

use super::*;
use crate::{
    config::{HealthConfig, TenantPattern},
    directory::{ActiveTenant, TenantRecord},
    identity::VerifiedTenant,
    ingress::ForwardRequest,
};

/// An application on a Unix socket that says what it was asked, over both protocols, and takes upgrades.
fn on_socket(path: &std::path::Path) {
    let listener = UnixListener::bind(path).unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let service = service_fn(|request| async { Ok::<_, std::convert::Infallible>(say(request).await) });
                let _ = auto::Builder::new(TokioExecutor::new()).serve_connection_with_upgrades(TokioIo::new(stream), service).await;
            });
        }
    });
}

async fn say(mut request: Request<hyper::body::Incoming>) -> Response<Body> {
    if request.headers().contains_key("upgrade") {
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let mut io = TokioIo::new(upgrade.await.unwrap());
            let mut ping = [0; 4];
            io.read_exact(&mut ping).await.unwrap();
            io.write_all(&ping).await.unwrap();
        });
        let response = Response::builder().status(101).header("connection", "upgrade").header("upgrade", "websocket");
        return response.body(body::empty()).unwrap();
    }
    let seen = format!("{:?} {} {:?}", request.version(), request.uri(), request.headers().get("host"));
    let trailers = request.into_body().collect().await.unwrap().trailers().cloned().unwrap_or_default();
    Response::new(stream(vec![Ok(Frame::data(Bytes::from(seen))), Ok(Frame::trailers(trailers))]))
}

fn grpc() -> Request<Body> {
    let trailers = [(HeaderName::from_static("grpc-status"), HeaderValue::from_static("7"))];
    let body = stream(vec![Ok(Frame::data(Bytes::from("x"))), Ok(Frame::trailers(trailers.into_iter().collect()))]);
    let mut request = Request::post("/pkg.Service/Call").header("content-type", "application/grpc").body(body).unwrap();
    *request.version_mut() = Version::HTTP_2;
    request
}

fn websocket() -> Request<Body> {
    let request = Request::get("/ws").header("host", "h").header("connection", "upgrade").header("upgrade", "websocket");
    request.body(body::empty()).unwrap()
}

fn speaking(protocol: Protocol, upstreams: &[String]) -> AppClient {
    let mut config = routing(upstreams);
    config.otherwise.as_mut().unwrap().protocol = protocol;
    client_of(&config)
}

#[tokio::test]
async fn a_unix_socket_speaks_everything_that_a_port_does() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    on_socket(&path);
    let app = client_of(&routing(&[format!("unix:{}", path.display())]));
    let response = deliver(&app, get("https://api.example.com/a//b%2Fc?d")).await.unwrap();
    assert_eq!(text(response).await, "HTTP/1.1 /a//b%2Fc?d Some(\"api.example.com\")");

    let response = deliver(&app, grpc()).await.unwrap();
    assert_eq!(response.version(), Version::HTTP_2);
    let body = response.into_body().collect().await.unwrap();
    assert_eq!(body.trailers().unwrap()["grpc-status"], "7");
    assert_eq!(body.to_bytes(), "HTTP/2.0 http://localhost/pkg.Service/Call None");

    let response = deliver(&app, websocket()).await.unwrap();
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    let mut io = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
    io.write_all(b"ping").await.unwrap();
    let mut pong = String::new();
    io.read_to_string(&mut pong).await.unwrap();
    assert_eq!(pong, "ping");

    std::fs::remove_file(&path).unwrap();
    let gone = client_of(&routing(&[format!("unix:{}", path.display())]));
    let refusal = deliver(&gone, get("/")).await.unwrap_err();
    assert_eq!(refusal.reason, Reason::UpstreamUnavailable);
    assert!(refusal.note.as_deref().unwrap().contains("app.sock: "), "{refusal:?}");
}

#[tokio::test]
async fn the_protocol_is_what_the_configuration_says() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    on_socket(&path);
    let upstreams = [format!("unix:{}", path.display())];
    let plain = || Request::post("/a").header("host", "h").body(body::full("x")).unwrap();

    let http2 = speaking(Protocol::Http2, &upstreams);
    assert_eq!(text(deliver(&http2, plain()).await.unwrap()).await, "HTTP/2.0 http://localhost/a None");
    assert_eq!(deliver(&http2, grpc()).await.unwrap().version(), Version::HTTP_2);
    // Only HTTP/1.1 has upgrades.
    assert_eq!(deliver(&http2, websocket()).await.unwrap().status(), StatusCode::SWITCHING_PROTOCOLS);
    // A body that the client holds back is asked for at once.
    let answer = http2.deliver(plain(), true).await.unwrap();
    assert_eq!(answer.version(), Version::HTTP_2);

    let http1 = speaking(Protocol::Http1, &upstreams);
    assert_eq!(deliver(&http1, grpc()).await.unwrap().version(), Version::HTTP_11);
    let auto = speaking(Protocol::Auto, &upstreams);
    assert_eq!(deliver(&auto, plain()).await.unwrap().version(), Version::HTTP_11);
}

/// A server that counts requests and answers them with its name, or with `status` when that is set.
struct Named {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    status: Arc<AtomicU16>,
}

async fn named(name: &'static str) -> Named {
    let (seen, status) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicU16::new(200)));
    let (log, answer) = (seen.clone(), status.clone());
    let (address, _) = scripted(move |_, mut stream| {
        let (log, answer) = (log.clone(), answer.clone());
        async move {
            let head = read_head(&mut stream).await;
            let mut body = vec![0; head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0)];
            stream.read_exact(&mut body).await.unwrap();
            log.lock().unwrap().push(format!("{} {}", head.lines().next().unwrap(), String::from_utf8(body).unwrap()));
            let (status, length) = (answer.load(Ordering::SeqCst), name.len());
            let text = format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{name}");
            stream.write_all(text.as_bytes()).await.unwrap();
        }
    })
    .await;
    Named { address, seen, status }
}

impl Named {
    fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// An address where nobody listens.
async fn nobody() -> String {
    format!("http://{}", TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap())
}

fn post(body: &'static str) -> Request<Body> {
    Request::post("/").header("host", "h").header("content-length", body.len()).body(body::full(body)).unwrap()
}

#[tokio::test]
async fn requests_go_round() {
    let (a, b) = (named("a").await, named("b").await);
    let app = client_of(&routing(&[a.url(), b.url()]));
    let mut answers = Vec::new();
    for _ in 0..6 {
        answers.push(text(deliver(&app, get("/")).await.unwrap()).await);
    }
    assert_eq!(answers.concat(), "ababab");
}

#[tokio::test]
async fn the_least_busy_one_is_preferred() {
    let (a, b) = (named("a").await, named("b").await);
    let app = client_of(&RoutingConfig { balance: Balance::LeastRequests, ..routing(&[a.url(), b.url()]) });
    let send = async || app.routed(get("/"), false).unwrap().send().await.unwrap();
    let (first, busy) = send().await;
    assert_eq!(text(first).await, "a");
    for _ in 0..4 {
        let (response, _) = send().await;
        assert_eq!(text(response).await, "b", "a is busy");
    }
    drop(busy);
    let mut answers = Vec::new();
    for _ in 0..4 {
        answers.push(text(send().await.0).await);
    }
    assert!(answers.contains(&"a".to_owned()), "{answers:?}: a is not busy any more");
}

#[tokio::test]
async fn without_a_connection_the_next_one_gets_the_whole_request() {
    let well = named("b").await;
    let app = client_of(&routing(&[nobody().await, nobody().await, well.url()]));
    for _ in 0..6 {
        assert_eq!(text(deliver(&app, post("0123456789")).await.unwrap()).await, "b");
    }
    // A body that is held back until somebody asks for it is whole as well.
    assert_eq!(text(app.deliver(post("0123456789"), true).await.unwrap()).await, "b");
    let seen = well.seen.lock().unwrap().clone();
    assert_eq!(seen, vec!["POST / HTTP/1.1 0123456789".to_owned(); 7]);
    // Three attempts, and no more.
    let far = client_of(&routing(&[nobody().await, nobody().await, nobody().await, well.url()]));
    let mut outcomes = Vec::new();
    for _ in 0..4 {
        outcomes.push(deliver(&far, get("/")).await.is_ok());
    }
    assert_eq!(outcomes, [false, true, true, true]);
}

#[tokio::test]
async fn what_was_sent_does_not_go_elsewhere() {
    let (broken, connections) = scripted(|_, mut stream| async move {
        read_head(&mut stream).await;
    })
    .await;
    let well = named("b").await;
    let app = client_of(&routing(&[format!("http://{broken}"), well.url()]));
    for request in [get("/"), post("x")] {
        let refusal = deliver(&app, request).await.unwrap_err();
        assert_eq!(refusal.reason, Reason::UpstreamUnavailable);
        assert_eq!(text(deliver(&app, get("/")).await.unwrap()).await, "b");
    }
    assert_eq!((connections.load(Ordering::SeqCst), well.count()), (2, 2));
}

fn health(readiness: bool) -> Option<HealthConfig> {
    Some(HealthConfig {
        path: "/healthz?x".parse().unwrap(),
        interval: Duration::from_secs(7),
        timeout: Duration::from_millis(300),
        unhealthy: 2,
        healthy: 2,
        expect: vec![200],
        readiness,
    })
}

#[tokio::test]
async fn an_unwell_place_gets_no_requests_until_it_is_well_again() {
    let place = named("a").await;
    let metrics = Metrics::new().unwrap();
    let app = AppClient::new(&RoutingConfig { health: health(true), ..routing(&[place.url()]) }, &metrics, &Clock::system()).unwrap();
    let (healthy, unhealthy) = metrics.upstream_health("default");
    let counts = || (healthy.get(), unhealthy.get());
    assert_eq!((app.is_ready(), counts()), (Some(false), (0, 0)), "nothing is known yet");
    assert!(deliver(&app, get("/")).await.is_ok(), "nothing speaks against it");
    app.round().await;
    assert_eq!((app.is_ready(), counts()), (Some(true), (1, 0)));
    assert_eq!(place.seen.lock().unwrap().last().unwrap(), "GET /healthz?x HTTP/1.1 ");

    place.status.store(503, Ordering::SeqCst);
    app.round().await;
    assert!(deliver(&app, get("/")).await.is_ok(), "one failure is not two");
    app.round().await;
    assert_eq!((app.is_ready(), counts()), (Some(false), (0, 1)));
    let before = place.count();
    let refusal = deliver(&app, get("/")).await.unwrap_err();
    assert_eq!((refusal.reason, refusal.retry_after), (Reason::UpstreamUnavailable, Some(Duration::from_secs(7))));
    assert_eq!(place.count(), before, "it was asked all the same");

    place.status.store(200, Ordering::SeqCst);
    app.round().await;
    assert!(deliver(&app, get("/")).await.is_err(), "one success is not two");
    app.round().await;
    assert_eq!((app.is_ready(), counts()), (Some(true), (1, 0)));
    assert!(deliver(&app, get("/")).await.is_ok());
}

#[tokio::test]
async fn a_place_that_does_not_answer_a_check_in_time_is_unwell() {
    let app = client_of(&RoutingConfig {
        timeouts: TimeoutsConfig { response: Duration::from_secs(60), ..TIMEOUTS },
        health: Some(HealthConfig { path: "/never".parse().unwrap(), ..health(false).unwrap() }),
        ..routing(&[format!("http://{}", mirror(None).await)])
    });
    assert_eq!(app.is_ready(), None, "readiness does not depend on it");
    let started = tokio::time::Instant::now();
    app.round().await;
    app.round().await;
    assert!(started.elapsed() < Duration::from_secs(5));
    assert_eq!(deliver(&app, get("/")).await.unwrap_err().reason, Reason::UpstreamUnavailable);
}

#[tokio::test]
async fn requests_that_find_nobody_take_a_place_out_of_use_and_checks_bring_it_back() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let well = named("b").await;
    let app = client_of(&RoutingConfig { health: health(false), ..routing(&[format!("http://{address}"), well.url()]) });
    let alone = client_of(&RoutingConfig { health: health(false), ..routing(&[format!("http://{address}")]) });
    for _ in 0..2 {
        let refusal = deliver(&alone, get("/")).await.unwrap_err();
        assert!(refusal.retry_after.is_none() && refusal.note.unwrap().contains("refused"));
    }
    let refusal = deliver(&alone, get("/")).await.unwrap_err();
    assert!(refusal.retry_after.is_some() && refusal.note.as_deref().unwrap().contains("out of use"), "{refusal:?}");
    for _ in 0..6 {
        assert_eq!(text(deliver(&app, get("/")).await.unwrap()).await, "b");
    }
    // Somebody is there again.
    let listener = TcpListener::bind(address).await.unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            read_head(&mut stream).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 1\r\n\r\nc").await.unwrap();
        }
    });
    app.round().await;
    app.round().await;
    let mut answers = String::new();
    for _ in 0..4 {
        answers += &text(deliver(&app, get("/")).await.unwrap()).await;
    }
    assert!(answers.contains('b') && answers.contains('c'), "{answers}");
}

fn tenant(id: &str, cell: &str) -> ActiveTenant {
    let mut record = TenantRecord::bare(id.parse().unwrap());
    record.cell = Some(cell.to_owned());
    ActiveTenant::join(VerifiedTenant::for_tests(id), Arc::new(record)).unwrap()
}

#[tokio::test]
async fn each_cell_has_a_socket_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    for cell in ["c1", "c2"] {
        on_socket(&folder.path().join(format!("{cell}.sock")));
    }
    let app = client_of(&routing(&[format!("unix:{}/{{tenant.cell}}.sock", folder.path().display())]));
    for (id, cell) in [("acme", "c1"), ("globex", "c2"), ("initech", "c1")] {
        let (response, _) = app.route(ForwardRequest::for_tests(&tenant(id, cell))).unwrap().send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
    }
    let held = app.held();
    assert!(held.len() == 2 && held[0].contains("c1.sock") && held[1].contains("c2.sock"), "{held:?}");
    // There is nobody in this cell, and no other cell answers in its place.
    let refusal = app.route(ForwardRequest::for_tests(&tenant("umbrella", "c3"))).unwrap().send().await.unwrap_err();
    assert_eq!(refusal.reason, Reason::UpstreamUnavailable);
    for cell in ["../c1", "c1.sock", "C1", ""] {
        let refusal = app.route(ForwardRequest::for_tests(&tenant("umbrella", cell))).err().unwrap();
        assert_eq!(refusal.reason, Reason::NoRoute, "{cell}");
    }
}

#[tokio::test]
async fn the_name_of_a_tenant_s_own_place_may_not_lead_to_this_machine() {
    let here = named("a").await;
    let port = here.address.port();
    let app = client_of(&RoutingConfig { health: health(false), ..routing(&[format!("http://local{{tenant.cell}}:{port}")]) });
    for _ in 0..3 {
        let refusal = app.route(ForwardRequest::for_tests(&tenant("acme", "host"))).unwrap().send().await.unwrap_err();
        assert_eq!(refusal.reason, Reason::NoRoute, "{refusal:?}");
    }
    for _ in 0..3 {
        app.round().await;
    }
    assert_eq!(here.count(), 0, "requests or checks arrived");
    let refusal = app.route(ForwardRequest::for_tests(&tenant("acme", "host"))).unwrap().send().await.unwrap_err();
    assert_eq!(refusal.reason, Reason::NoRoute, "it was taken for unwell: {refusal:?}");
    // The operator may say the same.
    let operators = client_of(&routing(&[format!("http://localhost:{port}")]));
    assert!(operators.route(ForwardRequest::for_tests(&tenant("acme", "host"))).unwrap().send().await.is_ok());
}

#[tokio::test]
async fn routes_are_named_and_lead_to_their_own_upstreams() {
    let (vip, rest) = (named("vip").await, named("rest").await);
    let mut config = routing(&[rest.url()]);
    config.routes.push(RouteConfig {
        name: "vip".to_owned(),
        tenants: vec![TenantPattern("ac*".to_owned())],
        upstreams: vec![upstream(&vip.url())],
        ..config.otherwise.clone().unwrap()
    });
    let app = client_of(&config);
    for (id, route, answer) in [("acme", "vip", "vip"), ("globex", "default", "rest")] {
        let routed = app.route(ForwardRequest::for_tests(&tenant(id, "c1"))).unwrap();
        assert_eq!(&**routed.route(), route);
        assert_eq!(text(routed.send().await.unwrap().0).await, answer);
    }
    config.otherwise = None;
    let refusal = client_of(&config).route(ForwardRequest::for_tests(&tenant("globex", "c1"))).err().unwrap();
    assert_eq!(refusal.reason, Reason::NoRoute);
}

#[tokio::test]
async fn places_out_of_templates_are_bounded_and_let_go() {
    let folder = tempfile::tempdir().unwrap();
    for cell in ["c1", "c2", "c3"] {
        on_socket(&folder.path().join(cell));
    }
    let clock = Clock::manual(std::time::UNIX_EPOCH);
    let config = RoutingConfig { max_upstreams: 2, ..routing(&[format!("unix:{}/{{tenant.cell}}", folder.path().display())]) };
    let app = AppClient::new(&config, &Metrics::new().unwrap(), &clock).unwrap();
    let visit = async |cell: &str| app.route(ForwardRequest::for_tests(&tenant("acme", cell)))?.send().await;
    let cells = || app.held().iter().map(|place| place.rsplit('/').next().unwrap()[..2].to_owned()).collect::<Vec<_>>();
    for cell in ["c1", "c2", "c1"] {
        clock.advance(MILLIS * 10);
        drop(visit(cell).await.unwrap());
    }
    clock.advance(MILLIS * 10);
    drop(visit("c3").await.unwrap());
    assert_eq!(cells(), ["c1", "c3"], "not the one that was idle for longest made room");

    let (first, second) = (visit("c1").await.unwrap(), visit("c3").await.unwrap());
    let refusal = visit("c2").await.unwrap_err();
    assert_eq!((refusal.reason, refusal.retry_after.is_some()), (Reason::Overloaded, true));
    assert_eq!(cells(), ["c1", "c3"]);
    drop(first);
    drop(visit("c2").await.unwrap());
    assert_eq!(cells(), ["c2", "c3"]);

    // Ten minutes without a request, but for the one that is in progress.
    clock.advance(Duration::from_secs(601));
    app.round().await;
    assert_eq!(cells(), ["c3"]);
    drop(second);
    app.round().await;
    assert!(cells().is_empty());
}

#[cfg(feature = "sandbox")]
#[tokio::test]
async fn over_tls_the_configured_roots_alone_vouch_for_the_host_that_is_dialled() {
    use crate::server::tls::tests::Issued;

    let (issued, other) = (Issued::new(), Issued::new());
    let port =
        mirror(Some(ReloadingTls::load(&issued.files, Listener::Ingress, Clock::system(), Metrics::new().unwrap()).unwrap())).await.port();
    let secured = |host: &str, protocol, ca: &std::path::Path| {
        let mut config = RoutingConfig { ca: Some(ca.to_owned()), ..routing(&[format!("https://{host}:{port}")]) };
        config.otherwise.as_mut().unwrap().protocol = protocol;
        client_of(&config)
    };
    let ca = issued.files.certificate.name();
    let app = secured("localhost", Protocol::Auto, ca);
    assert_eq!(text(deliver(&app, get("/a")).await.unwrap()).await, "HTTP/1.1 /a Some(\"api.example.com\")");
    assert_eq!(deliver(&app, grpc()).await.unwrap().version(), Version::HTTP_2);
    assert_eq!(deliver(&secured("localhost", Protocol::Http2, ca), get("/")).await.unwrap().version(), Version::HTTP_2);
    for app in [secured("localhost", Protocol::Auto, other.files.certificate.name()), secured("127.0.0.1", Protocol::Auto, ca)] {
        let refusal = deliver(&app, get("/")).await.unwrap_err();
        assert_eq!(refusal.reason, Reason::UpstreamUnavailable, "{refusal:?}");
        assert!(refusal.note.as_deref().unwrap().contains("certificate"), "{refusal:?}");
    }
}
