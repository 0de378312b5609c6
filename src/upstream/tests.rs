//! The clients against servers on loopback.

mod app;
mod expect;
mod fleet;
mod stale;
#[cfg(feature = "sandbox")]
mod streams;

use std::{
    io::Write,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, Version, request};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::{
    aws::target::{Style, Target},
    body::{self, BoxError},
    clock::Clock,
    config::{Balance, EgressConfig, Endpoint, Proofs, Protocol, RouteConfig, RoutingConfig, ServerConfig, ServiceConfig, Upstream},
    reject,
    server::{self, Bound, Drain, Handler, Peer, ReloadingTls, idle},
    signing::{PayloadError, signer::SignedParts},
    telemetry::{Metrics, metrics::Listener},
};

const MILLIS: Duration = Duration::from_millis(1);
const TIMEOUTS: TimeoutsConfig =
    TimeoutsConfig { connect: Duration::from_secs(5), response: Duration::from_millis(300), idle: Duration::from_millis(300) };

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
        drain: MILLIS,
    }
}

/// An application that says what it was asked.
#[derive(Clone)]
struct Mirror;

impl Handler for Mirror {
    async fn handle(&self, request: Request<Body>, _: Peer) -> Response<Body> {
        let seen = format!("{:?} {} {:?}", request.version(), request.uri(), request.headers().get("host"));
        let te = request.headers().get("te").cloned();
        if request.uri().path() == "/never" {
            std::future::pending::<()>().await;
        }
        let body = request.into_body().collect().await;
        let trailers = body.ok().and_then(|body| body.trailers().cloned()).unwrap_or_default();
        let frames = [Ok::<_, BoxError>(Frame::data(Bytes::from(seen))), Ok(Frame::trailers(trailers))];
        let mut response = Response::new(StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync());
        if let Some(te) = te {
            response.headers_mut().insert("x-te", te);
        }
        response
    }

    fn refuse(&self, refusal: Refusal, _: &request::Parts, _: &Peer) -> Response<Body> {
        reject::problem(&refusal, "mirror")
    }
}

async fn mirror(tls: Option<Arc<ReloadingTls>>) -> SocketAddr {
    let bound = Bound::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = bound.local_addr();
    tokio::spawn(async move {
        let (_handle, drain) = Drain::new();
        server::serve(bound.into_listener(), tls, Listener::Ingress, &server_config(), Mirror, Metrics::new().unwrap(), drain).await;
    });
    address
}

fn endpoint(tls: bool, authority: &str) -> Endpoint {
    Endpoint { tls, authority: authority.parse().unwrap() }
}

/// As in `ingress.upstream`.
fn upstream(text: &str) -> Upstream {
    Upstream::parse(text).unwrap()
}

/// Everybody goes to one of these.
fn routing(upstreams: &[String]) -> RoutingConfig {
    let otherwise = RouteConfig {
        name: "default".to_owned(),
        tenants: Vec::new(),
        tiers: Vec::new(),
        cells: Vec::new(),
        upstreams: upstreams.iter().map(|text| upstream(text)).collect(),
        protocol: Protocol::Auto,
    };
    RoutingConfig {
        routes: Vec::new(),
        otherwise: Some(otherwise),
        ca: None,
        balance: Balance::RoundRobin,
        health: None,
        timeouts: TIMEOUTS,
        max_upstreams: 10,
    }
}

fn client_of(config: &RoutingConfig) -> AppClient {
    AppClient::new(config, &Metrics::new().unwrap(), &Clock::system()).unwrap()
}

fn app(address: SocketAddr) -> AppClient {
    client_of(&routing(&[format!("http://{address}")]))
}

async fn deliver(app: &AppClient, request: Request<Body>) -> Result<Response<Answer>, Refusal> {
    app.deliver(request, false).await
}

fn get(target: &str) -> Request<Body> {
    Request::get(target).header("host", "api.example.com").body(body::empty()).unwrap()
}

fn stream(frames: Vec<Result<Frame<Bytes>, BoxError>>) -> Body {
    StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync()
}

async fn text(response: Response<Answer>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

/// A server that answers every connection with `script`, and counts them.
async fn scripted<F, R>(script: F) -> (SocketAddr, Arc<AtomicUsize>)
where
    F: Fn(usize, TcpStream) -> R + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, count) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counter = count.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(script(counter.fetch_add(1, Ordering::SeqCst), stream));
        }
    });
    (address, count)
}

/// Reads up to the end of a head.
async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

#[tokio::test]
async fn the_application_gets_the_target_and_host_that_the_caller_named() {
    let response = deliver(&app(mirror(None).await), get("https://api.example.com/a//b%2Fc?d=%20&e+f")).await.unwrap();
    assert_eq!(text(response).await, "HTTP/1.1 /a//b%2Fc?d=%20&e+f Some(\"api.example.com\")");
}

#[tokio::test]
async fn connections_to_the_application_are_kept() {
    let (address, connections) = scripted(|_, mut stream| async move {
        loop {
            read_head(&mut stream).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
        }
    })
    .await;
    let app = app(address);
    for _ in 0..5 {
        assert_eq!(text(deliver(&app, get("/")).await.unwrap()).await, "ok");
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_request_that_was_sent_is_not_sent_again() {
    let (address, connections) = scripted(|_, mut stream| async move {
        read_head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
        // The second request on the connection is read, then the connection breaks.
        read_head(&mut stream).await;
    })
    .await;
    let app = app(address);
    text(deliver(&app, get("/")).await.unwrap()).await;
    let refusal = deliver(&app, get("/")).await.unwrap_err();
    assert_eq!(refusal.reason, Reason::UpstreamUnavailable);
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn grpc_goes_over_http2_with_its_trailers() {
    let address = mirror(None).await;
    let trailers = [("grpc-status", "7")].map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v)));
    let grpc = || {
        let body = stream(vec![Ok(Frame::data(Bytes::from("x"))), Ok(Frame::trailers(trailers.clone().into_iter().collect()))]);
        Request::post("/pkg.Service/Call")
            .header("content-type", "application/grpc+proto")
            .header("host", "api.example.com")
            .body(body)
            .unwrap()
    };
    let mut request = grpc();
    *request.version_mut() = Version::HTTP_2;
    let response = deliver(&app(address), request).await.unwrap();
    assert_eq!(response.version(), Version::HTTP_2);
    assert_eq!(response.headers()["x-te"], "trailers");
    let body = response.into_body().collect().await.unwrap();
    assert_eq!(body.trailers().unwrap()["grpc-status"], "7");
    assert_eq!(body.to_bytes(), format!("HTTP/2.0 http://{address}/pkg.Service/Call None"));

    // Over HTTP/1.1 it came without the means for gRPC, and goes on as it came.
    let response = deliver(&app(address), grpc()).await.unwrap();
    assert_eq!(response.version(), Version::HTTP_11);
}

#[tokio::test]
async fn an_upgrade_can_be_taken_up() {
    let (address, _) = scripted(|_, mut stream| async move {
        assert!(read_head(&mut stream).await.contains("upgrade: websocket"));
        stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nhi").await.unwrap();
        let mut ping = [0; 4];
        stream.read_exact(&mut ping).await.unwrap();
        stream.write_all(&ping).await.unwrap();
    })
    .await;
    let request = Request::get("/").header("host", "h").header("connection", "upgrade").header("upgrade", "websocket");
    let response = deliver(&app(address), request.body(body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    let mut io = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
    io.write_all(b"ping").await.unwrap();
    let mut all = String::new();
    io.read_to_string(&mut all).await.unwrap();
    assert_eq!(all, "hiping");
}

#[tokio::test]
async fn nobody_there_is_unavailable() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let refusal = deliver(&app(gone), get("/")).await.unwrap_err();
    assert_eq!(refusal.reason, Reason::UpstreamUnavailable);
    assert!(refusal.note.unwrap().contains("refused"));
}

#[tokio::test]
async fn a_connection_that_is_not_made_in_time_is_unavailable() {
    // A full queue: the kernel answers no further connection.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let _queued = [std::net::TcpStream::connect(address).unwrap()];
    let timeouts = TimeoutsConfig { connect: Duration::from_millis(100), ..TIMEOUTS };
    let timeouts = TimeoutsConfig { idle: Duration::from_secs(5), ..timeouts };
    let app = client_of(&RoutingConfig { timeouts, ..routing(&[format!("http://{address}")]) });
    let refusal = deliver(&app, get("/")).await.unwrap_err();
    assert_eq!(refusal.reason, Reason::UpstreamUnavailable);
    assert!(refusal.note.as_deref().unwrap().contains("no connection within 100 ms"), "{refusal:?}");
}

#[tokio::test]
async fn no_answer_in_time_is_a_timeout() {
    let started = tokio::time::Instant::now();
    let refusal = deliver(&app(mirror(None).await), get("/never")).await.unwrap_err();
    assert_eq!(refusal.reason, Reason::UpstreamTimeout);
    assert!(started.elapsed() >= TIMEOUTS.response);
}

#[tokio::test]
async fn a_failure_of_the_request_s_own_body_is_told_apart() {
    let address = mirror(None).await;
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let payload: BoxError = PayloadError { reason: Reason::PayloadHashMismatch }.into();
        let silent = StreamBody::new(futures_util::stream::pending::<Result<Frame<Bytes>, BoxError>>());
        let cases = [
            (stream(vec![Ok(Frame::data(Bytes::from("x"))), Err(payload)]), Reason::PayloadHashMismatch),
            (stream(vec![Ok(Frame::data(Bytes::from("x"))), Err("reset".into())]), Reason::MalformedRequest),
            (idle::within(silent, MILLIS * 50), Reason::RequestTimeout),
        ];
        for (body, reason) in cases {
            let mut request = Request::post("/").header("host", "h").header("content-type", "application/grpc").body(body).unwrap();
            *request.version_mut() = version;
            let refusal = deliver(&app(address), request).await.unwrap_err();
            assert_eq!(refusal.reason, reason, "{version:?}");
        }
    }
}

fn egress(service: ServiceConfig) -> EgressConfig {
    EgressConfig {
        listen: Vec::new(),
        socket: None,
        tls: None,
        presign: None,
        defer: None,
        redeem: None,
        hosts: Vec::new(),
        region: "eu-west-1".to_owned(),
        regions: vec!["eu-west-1".to_owned()],
        proofs: Proofs { passport: false, jwt: true, deferred: false, certificate: false },
        services: [("s3".to_owned(), service)].into(),
        ca: None,
        server: server_config(),
    }
}

fn service(endpoint: Option<Endpoint>, ca: Option<PathBuf>) -> ServiceConfig {
    ServiceConfig {
        endpoint,
        host: None,
        signed_host: None,
        ca,
        region: None,
        signing_name: None,
        unguarded: false,
        body_limit: 1024,
        connections: 100,
        connection_lifetime: Duration::from_secs(600),
        timeouts: TIMEOUTS,
    }
}

fn parts(dial: &Endpoint, dial_is_configured: bool, request: Request<Body>) -> SignedParts {
    parts_of("s3", dial, dial_is_configured, request)
}

fn parts_of(service: &str, dial: &Endpoint, dial_is_configured: bool, request: Request<Body>) -> SignedParts {
    let Target { mut destination, .. } = Target::for_tests((service, service, service), Style::Plain, "/");
    let known = Arc::make_mut(&mut destination);
    (known.dial, known.dial_is_configured) = (dial.clone(), dial_is_configured);
    SignedParts { destination, timeouts: TIMEOUTS, expects_continue: false, request }
}

async fn send(client: &AwsClient, dial: &Endpoint, is_configured: bool, request: Request<Body>) -> Result<Response<Answer>, Refusal> {
    client.deliver(parts(dial, is_configured, request)).await
}

#[tokio::test]
async fn a_configured_endpoint_may_be_anywhere_and_the_signed_host_stays() {
    let address = mirror(None).await;
    let dial = endpoint(false, &address.to_string());
    let client = AwsClient::new(&egress(service(Some(dial.clone()), None))).unwrap();
    let request = Request::get("/bucket/a%2Fb//c").header("host", "s3.eu-west-1.amazonaws.com").body(body::empty()).unwrap();
    let response = send(&client, &dial, true, request).await.unwrap();
    assert_eq!(text(response).await, "HTTP/1.1 /bucket/a%2Fb//c Some(\"s3.eu-west-1.amazonaws.com\")");
}

#[tokio::test]
async fn a_host_that_a_request_named_may_not_be_this_machine() {
    let port = mirror(None).await.port();
    let client = AwsClient::new(&egress(service(None, None))).unwrap();
    for host in ["localhost", "127.0.0.1", "[::1]", "0x7f000001", "127.1"] {
        let refusal = send(&client, &endpoint(true, &format!("{host}:{port}")), false, get("/")).await.unwrap_err();
        assert_eq!(refusal.reason, Reason::HostNotAllowed, "{host}: {refusal:?}");
    }
    // In clear, only what is configured.
    let refusal = send(&client, &endpoint(false, "s3.eu-west-1.amazonaws.com"), false, get("/")).await.unwrap_err();
    assert_eq!(refusal.reason, Reason::HostNotAllowed);
}

#[tokio::test]
async fn claims_about_the_endpoint_are_checked_against_the_configuration() {
    let dial = endpoint(false, &mirror(None).await.to_string());
    let without = AwsClient::new(&egress(service(None, None))).unwrap();
    let with = AwsClient::new(&egress(service(Some(dial.clone()), None))).unwrap();
    let other = endpoint(false, "127.0.0.1:9");
    for (client, dial, is_configured) in [(&without, &dial, true), (&with, &other, true), (&with, &dial, false)] {
        assert_eq!(send(client, dial, is_configured, get("/")).await.unwrap_err().reason, Reason::Internal);
    }
    let unknown = with.deliver(parts_of("sqs", &dial, true, get("/"))).await.unwrap_err();
    assert_eq!(unknown.reason, Reason::Internal);
}

#[test]
fn a_broken_bundle_of_roots_is_an_error_that_names_it() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"no certificates").unwrap();
    let config = egress(service(None, Some(file.path().to_owned())));
    let message = AwsClient::new(&config).err().unwrap().to_string();
    assert!(message.contains(file.path().to_str().unwrap()) && message.contains("no PEM certificate"), "{message}");
}

#[cfg(feature = "sandbox")]
mod secured {
    use super::*;
    use crate::server::tls::tests::Issued;

    async fn mirror_tls(issued: &Issued) -> SocketAddr {
        mirror(Some(ReloadingTls::load(&issued.files, Listener::Ingress, Clock::system(), Metrics::new().unwrap()).unwrap())).await
    }

    #[tokio::test]
    async fn only_configured_roots_are_trusted_and_alpn_chooses() {
        let issued = Issued::new();
        let dial = endpoint(true, &format!("localhost:{}", mirror_tls(&issued).await.port()));

        let stranger = AwsClient::new(&egress(service(Some(dial.clone()), None))).unwrap();
        let refusal = send(&stranger, &dial, true, get("/")).await.unwrap_err();
        assert_eq!(refusal.reason, Reason::UpstreamUnavailable);
        assert!(refusal.note.as_deref().unwrap().contains("UnknownIssuer"), "{refusal:?}");

        let client = AwsClient::new(&egress(service(Some(dial.clone()), Some(issued.files.certificate.name().to_owned())))).unwrap();
        let own_host = Request::get("/").header("host", dial.authority.as_str()).body(body::empty()).unwrap();
        assert_eq!(send(&client, &dial, true, own_host).await.unwrap().version(), Version::HTTP_2);
        // Another host than the one dialled can only be said in HTTP/1.1.
        let response = send(&client, &dial, true, get("/")).await.unwrap();
        assert_eq!(text(response).await, "HTTP/1.1 / Some(\"api.example.com\")");
    }

    #[tokio::test]
    async fn documents_are_fetched_over_tls() {
        let issued = Issued::new();
        let uri: http::Uri = format!("https://localhost:{}/jwks", mirror_tls(&issued).await.port()).parse().unwrap();
        let fetcher = https_client(Some(issued.files.certificate.name())).unwrap();
        let ask = || Ask { uri: &uri, max_bytes: 1_000, limit: Duration::from_secs(5), authorization: None };
        let document = fetcher.fetch(ask()).await.unwrap();
        assert!(document.body.starts_with(b"HTTP/2.0 "), "{document:?}");
        let error = https_client(None).unwrap().fetch(ask()).await.unwrap_err();
        assert!(matches!(error, FetchError::Exchange(_) | FetchError::NoRoots), "{error}");
    }
}

#[tokio::test]
async fn a_fetch_is_bounded_in_size_and_time_and_follows_nothing() {
    let (address, _) = scripted(|_, mut stream| async move {
        let large = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n400\r\n{}\r\n0\r\n\r\n", "x".repeat(1_024));
        loop {
            let answer = match read_head(&mut stream).await {
                head if head.starts_with("GET /moved ") => "HTTP/1.1 302 Found\r\nlocation: /small\r\ncontent-length: 0\r\n\r\n",
                head if head.starts_with("GET /large ") => &large,
                head if head.starts_with("GET /slow ") => "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc",
                head if head.starts_with("GET /kept ") => {
                    "HTTP/1.1 200 OK\r\ncache-control: max-age=90\r\nage: 30\r\ncontent-length: 1\r\n\r\nk"
                }
                head if head.starts_with("GET /told ") && head.to_lowercase().contains("authorization: bearer t\r\n") => {
                    "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ntold"
                }
                _ => "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nsmall",
            };
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    })
    .await;
    let fetcher = https_client(None).unwrap();
    let fetch = |path: &str| {
        let (fetcher, uri) = (fetcher.clone(), format!("http://{address}/{path}").parse().unwrap());
        async move {
            let authorization = Some(http::HeaderValue::from_static("Bearer t"));
            fetcher.fetch(Ask { uri: &uri, max_bytes: 1_000, limit: Duration::from_millis(300), authorization }).await
        }
    };
    let small = fetch("small").await.unwrap();
    assert_eq!((small.body, small.fresh_for), ("small".into(), None));
    assert_eq!(fetch("kept").await.unwrap().fresh_for, Some(Duration::from_secs(60)));
    assert_eq!(fetch("told").await.unwrap().body, "told");
    assert!(matches!(fetch("moved").await, Err(FetchError::Status(StatusCode::FOUND))));
    assert!(matches!(fetch("large").await, Err(FetchError::TooLarge(1_000))));
    assert!(matches!(fetch("slow").await, Err(FetchError::Overdue(_))));
}
