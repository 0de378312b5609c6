//! The application: one address, plain HTTP, on this host.

use std::time::Duration;

use http::{HeaderValue, Request, Response, Uri, Version, header, uri::Scheme};
use hyper_util::client::legacy::{Client, connect::HttpConnector};

use super::{
    Answer, Sending,
    connect::{self, SetupError, Timed},
    exchange,
    progress::Watched,
    resolve::Resolver,
};
use crate::{
    body::Body,
    config::{Endpoint, TimeoutsConfig},
    ingress::ForwardRequest,
    reject::{Reason, Refusal},
};

/// Below the five seconds after which Node.js closes a kept connection: the shortest among common servers. A request that
/// meets a connection just being closed can be lost.
const IDLE: Duration = Duration::from_secs(4);

/// Sends verified requests to the application.
#[derive(Clone)]
pub struct AppClient {
    endpoint: Endpoint,
    timeouts: TimeoutsConfig,
    http1: Client<Timed<HttpConnector<Resolver>>, Watched>,
    /// With prior knowledge, for gRPC.
    http2: Client<Timed<HttpConnector<Resolver>>, Watched>,
}

impl AppClient {
    /// A client for the application at `endpoint`.
    pub fn new(endpoint: &Endpoint, timeouts: TimeoutsConfig) -> Result<Self, SetupError> {
        if endpoint.tls {
            return Err(SetupError::AppOverTls);
        }
        // The operator names the application's host; it is on loopback as a rule.
        let connector = Timed { inner: connect::tcp(Resolver { is_guarded: false }, timeouts.connect), limit: timeouts.connect };
        let http2 = connect::builder(IDLE).http2_only(true).build(connector.clone());
        Ok(Self { endpoint: endpoint.clone(), timeouts, http1: connect::client(connector, IDLE), http2 })
    }

    /// Sends the request and yields the response as soon as its head is there.
    ///
    /// A gRPC request that came over HTTP/2 goes out over HTTP/2, which its trailers and its streaming need; everything
    /// else goes over HTTP/1.1. A `101` can be followed by [`hyper::upgrade::on`].
    pub async fn send(&self, request: ForwardRequest) -> Result<Response<Answer>, Refusal> {
        let expects_continue = request.expects_continue();
        self.deliver(request.into_request(), expects_continue).await
    }

    pub(super) async fn deliver(&self, mut request: Request<Body>, expects_continue: bool) -> Result<Response<Answer>, Refusal> {
        let mut target = request.uri().clone().into_parts();
        target.scheme = Some(Scheme::HTTP);
        target.authority = Some(self.endpoint.authority.clone());
        *request.uri_mut() = Uri::from_parts(target).map_err(|_| Refusal::noted(Reason::Internal, "the target is not a path"))?;

        let sending = |expects_continue| Sending { timeouts: &self.timeouts, expects_continue, connection: None };
        if !is_grpc(&request) {
            *request.version_mut() = Version::HTTP_11;
            return exchange(&self.http1, request, sending(expects_continue)).await;
        }
        *request.version_mut() = Version::HTTP_2;
        // The authority says where the request goes; another name beside it would be a contradiction (RFC 9113, section
        // 8.3.1).
        request.headers_mut().remove(header::HOST);
        // gRPC servers refuse requests without it; proxies take it off, hop by hop.
        request.headers_mut().insert(header::TE, HeaderValue::from_static("trailers"));
        // A call's messages go back and forth; nobody waits to be asked for the first.
        exchange(&self.http2, request, sending(false)).await
    }
}

fn is_grpc(request: &Request<Body>) -> bool {
    let content_type = request.headers().get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    // `application/grpc`, `application/grpc+proto`, `application/grpc;...`, but not `application/grpc-web`, which is for
    // HTTP/1.1 as well.
    let Some(rest) = content_type.strip_prefix(b"application/grpc") else { return false };
    request.version() == Version::HTTP_2 && matches!(rest.first(), None | Some(b'+' | b';' | b' '))
}
