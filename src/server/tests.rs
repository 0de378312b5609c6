//! The server over real sockets: raw bytes in, raw bytes out.

mod lifecycle;
mod limits;
mod malformed;
#[cfg(feature = "sandbox")]
mod mutual;
mod parked;
mod protocols;
#[cfg(feature = "sandbox")]
mod secured;

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Notify,
    task::JoinHandle,
};

use super::*;
use crate::{body, body::BoxError, reject};

/// Longer than anything here should take.
const PATIENCE: Duration = Duration::from_secs(10);

/// More than the kernel's buffers hold, so that a client that does not read is felt.
const LARGE: usize = 64 * 1024 * 1024;

/// Short enough to wait for, long enough not to be hit by a busy machine.
fn config() -> ServerConfig {
    ServerConfig {
        handshake_timeout: Duration::from_millis(300),
        header_timeout: Duration::from_millis(300),
        idle_timeout: Duration::from_millis(900),
        header_bytes: 8 * 1024,
        headers: 20,
        uri_bytes: 2 * 1024,
        connections: 100,
        drain: Duration::from_secs(5),
    }
}

/// Answers by path.
#[derive(Clone, Default)]
struct Lab(Arc<LabState>);

#[derive(Default)]
struct LabState {
    /// Lets `/gate` answer and `/stream` go on.
    gate: Notify,
    /// Requests that reached the handler.
    entered: AtomicUsize,
    /// Requests of `/gate` whose future is gone.
    left: AtomicUsize,
    /// Times that hyper was given a connection.
    served: AtomicUsize,
}

struct OnDrop<'a>(&'a AtomicUsize);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Lab {
    fn entered(&self) -> usize {
        self.0.entered.load(Ordering::SeqCst)
    }

    fn served(&self) -> usize {
        self.0.served.load(Ordering::SeqCst)
    }
}

impl Handler for Lab {
    async fn handle(&self, mut request: Request<Body>, peer: Peer) -> Response<Body> {
        self.0.entered.fetch_add(1, Ordering::SeqCst);
        match request.uri().path() {
            "/gate" => {
                let _left = OnDrop(&self.0.left);
                self.0.gate.notified().await;
                Response::new(body::full("through"))
            }
            // Answers before its body is there, and goes on reading that.
            "/early" => {
                tokio::spawn(request.into_body().collect());
                Response::new(body::full("early"))
            }
            "/panic" => panic!("as told"),
            "/stream" => {
                let lab = self.clone();
                let late = futures_util::stream::once(async move {
                    lab.0.gate.notified().await;
                    Ok::<_, BoxError>(Frame::data(Bytes::from_static(b"late")))
                });
                Response::new(StreamBody::new(late).boxed_unsync())
            }
            "/echo" => match request.into_body().collect().await {
                Ok(body) => Response::new(body::full(body.to_bytes())),
                Err(error) if error.is::<idle::Silence>() => status(StatusCode::REQUEST_TIMEOUT),
                Err(_) => status(StatusCode::BAD_REQUEST),
            },
            "/headers" => {
                let names: Vec<_> = request.headers().keys().map(HeaderName::as_str).collect();
                Response::new(body::full(names.join(",")))
            }
            "/trailers" => trailers(request).await,
            "/upgrade" => {
                let upgrade = hyper::upgrade::on(&mut request);
                tokio::spawn(async move {
                    let mut io = TokioIo::new(upgrade.await.unwrap());
                    let (mut read, mut write) = tokio::io::split(&mut io);
                    tokio::io::copy(&mut read, &mut write).await
                });
                let mut response = status(StatusCode::SWITCHING_PROTOCOLS);
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
                response.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("websocket"));
                response
            }
            "/client" => Response::new(body::full(peer.client().map_or_else(|| "nobody".to_owned(), ClientCertificate::name) + ".\n")),
            "/large" => Response::new(body::full(vec![0_u8; LARGE])),
            _ => Response::new(body::full("hello")),
        }
    }

    fn refuse(&self, refusal: Refusal, _: &request::Parts, _: &Peer) -> Response<Body> {
        reject::problem(&refusal, "request-1")
    }

    /// Asked for once whenever a connection is handed to hyper.
    fn sensitive_headers(&self) -> Vec<HeaderName> {
        self.0.served.fetch_add(1, Ordering::SeqCst);
        Vec::new()
    }
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(body::empty());
    *response.status_mut() = status;
    response
}

/// Sends back the request's trailers as its own.
async fn trailers(request: Request<Body>) -> Response<Body> {
    let received = request.into_body().collect().await.unwrap().trailers().cloned().unwrap_or_default();
    let frames = [Ok::<_, BoxError>(Frame::data(Bytes::from_static(b"data"))), Ok(Frame::trailers(received))];
    Response::new(StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync())
}

/// A server on a port of its own.
struct Running {
    address: SocketAddr,
    drain: DrainHandle,
    metrics: Metrics,
    lab: Lab,
    task: JoinHandle<()>,
}

fn start(listener: Listener, config: ServerConfig) -> Running {
    start_with(listener, config, None)
}

fn start_with(listener: Listener, config: ServerConfig, tls: Option<Arc<ReloadingTls>>) -> Running {
    let bound = Bound::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let (address, lab, metrics) = (bound.local_addr(), Lab::default(), Metrics::new().unwrap());
    let (drain, drained) = Drain::new();
    let (handler, counters) = (lab.clone(), metrics.clone());
    let task = tokio::spawn(async move { serve(bound.into_listener(), tls, listener, &config, handler, counters, drained).await });
    Running { address, drain, metrics, lab, task }
}

impl Running {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends `bytes` on a connection of its own; everything that comes back until the server closes.
    async fn say(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect().await;
        stream.write_all(bytes.as_ref()).await.unwrap();
        rest(&mut stream).await
    }

    /// Waits until `condition` holds.
    async fn until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let wait = async {
            while !condition(self) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        assert!(tokio::time::timeout(PATIENCE, wait).await.is_ok(), "waited in vain: {what}");
    }

    fn open_connections(&self) -> i64 {
        self.metrics.connections(Listener::Ingress).get()
    }

    fn metrics_text(&self) -> String {
        String::from_utf8(self.metrics.render().unwrap()).unwrap()
    }
}

/// Everything until the other side closes.
async fn rest(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    assert!(read.is_ok(), "the connection stayed open after {:?}", String::from_utf8_lossy(&answer));
    String::from_utf8_lossy(&answer).into_owned()
}

/// Reads one response head and `body` bytes after it.
async fn response(stream: &mut (impl AsyncReadExt + Unpin), body: &str) -> String {
    let mut answer = Vec::new();
    let read = async {
        while !answer.ends_with(format!("\r\n\r\n{body}").as_bytes()) {
            answer.push(stream.read_u8().await.unwrap());
        }
    };
    let done = tokio::time::timeout(PATIENCE, read).await;
    assert!(done.is_ok(), "incomplete: {:?}", String::from_utf8_lossy(&answer));
    String::from_utf8(answer).unwrap()
}

fn trailer(name: &'static str, value: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))])
}
