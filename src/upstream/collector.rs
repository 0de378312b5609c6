//! The collector of traces, over OTLP ([specification](https://opentelemetry.io/docs/specs/otlp/)): gRPC, or protocol buffers over HTTP.
//!
//! A call of gRPC without streams is one request of HTTP/2 with a prefix of five bytes and a status behind the body
//! ([protocol](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md)), which the client that is here anyway can send.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header, response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper_util::client::legacy::{self, Client};

use super::{
    connect::{self, Connector, Protocols, SetupError},
    progress::{self, Watched},
    resolve::Resolver,
};
use crate::{
    body::{self, BoxError},
    causes::{chain, find},
    config::{OtlpProtocol, TracesConfig},
    telemetry::NotTaken,
};

/// Batches are seconds apart.
const IDLE: Duration = Duration::from_secs(60);
/// While a batch waits for its answer, a connection over HTTP/2 that is silent so long is asked whether it is there,
const PING: Duration = Duration::from_secs(10);
/// and given up where it does not say so within this: a host that is gone says nothing by itself.
const PONG: Duration = Duration::from_secs(5);
/// Longest text of an error, in bytes.
const MAX_TEXT: usize = 200;
/// For resolution, TCP and TLS; the whole call has a deadline as well.
const CONNECT: Duration = Duration::from_secs(5);
/// The largest answer: a number and a sentence.
const MAX_ANSWER: usize = 64 * 1024;
/// The method that takes traces.
const METHOD: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
/// Statuses of gRPC after which a call may be made again: cancelled, deadline exceeded, aborted, out of range, unavailable, data loss. After "resource
/// exhausted" it may only where the server says when, in a form that is not read here.
const TRANSIENT: [&[u8]; 6] = [b"1", b"4", b"10", b"11", b"14", b"15"];

/// Sends batches of spans.
pub struct Collector {
    client: Client<Connector, Watched>,
    protocol: OtlpProtocol,
    uri: Uri,
    headers: HeaderMap,
    timeout: Duration,
}

impl std::fmt::Debug for Collector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Collector").field("uri", &self.uri).finish_non_exhaustive()
    }
}

impl Collector {
    /// A client of the collector that `config` names. Reads the roots, and opens nothing.
    ///
    /// # Errors
    /// There are no roots that can be used.
    pub fn new(config: &TracesConfig) -> Result<Self, SetupError> {
        let is_tls = config.uri.scheme_str() == Some("https");
        let mut roots = if is_tls { connect::platform_roots() } else { rustls::RootCertStore::empty() };
        connect::add_roots(&mut roots, config.ca.as_deref())?;
        if is_tls && roots.is_empty() {
            return Err(SetupError::NoRoots);
        }
        let protocols = if config.protocol == OtlpProtocol::Grpc { Protocols::Http2 } else { Protocols::Http1 };
        let tls = connect::client_config(roots)?;
        let connector = connect::connector(tls, protocols, Resolver { is_guarded: false }, !is_tls, CONNECT, None);
        let mut builder = connect::builder(IDLE);
        builder.http2_only(config.protocol == OtlpProtocol::Grpc).http2_keep_alive_interval(PING).http2_keep_alive_timeout(PONG);
        let client = builder.build(connector);
        let (content_type, path) = match config.protocol {
            OtlpProtocol::Grpc => ("application/grpc", METHOD),
            OtlpProtocol::HttpProtobuf => ("application/x-protobuf", "/v1/traces"),
        };
        let mut headers = HeaderMap::new();
        for (name, value) in &config.headers {
            let mut value = HeaderValue::from_str(value.expose()).map_err(|_| SetupError::Header(name.clone()))?;
            value.set_sensitive(true);
            headers.insert(name.clone(), value);
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(header::USER_AGENT, HeaderValue::from_static(concat!("palisade/", env!("CARGO_PKG_VERSION"))));
        if config.protocol == OtlpProtocol::Grpc {
            headers.insert(header::TE, HeaderValue::from_static("trailers"));
            let millis = HeaderValue::try_from(format!("{}m", config.timeout.as_millis()));
            headers.insert("grpc-timeout", millis.map_err(|_| SetupError::Header(header::TE))?);
        }
        let mut parts = config.uri.clone().into_parts();
        // A path that is given is the whole of it, as with OTEL_EXPORTER_OTLP_TRACES_ENDPOINT.
        if matches!(config.uri.path(), "" | "/") {
            parts.path_and_query = Some(http::uri::PathAndQuery::from_static(path));
        }
        let uri = Uri::from_parts(parts).unwrap_or_else(|_| config.uri.clone());
        Ok(Self { client, protocol: config.protocol, uri, headers, timeout: config.timeout })
    }

    /// Hands in an `ExportTraceServiceRequest`; the `ExportTraceServiceResponse` where it is taken.
    ///
    /// # Errors
    /// It was not, and whether to send it again.
    pub(crate) async fn send(&self, message: Bytes) -> Result<Bytes, NotTaken> {
        let answer = tokio::time::timeout(self.timeout, self.exchange(message)).await;
        let overdue = |_| NotTaken { why: format!("no answer within {} ms", self.timeout.as_millis()), again: Some(None) };
        answer.unwrap_or_else(|elapsed| Err(overdue(elapsed)))
    }

    async fn exchange(&self, message: Bytes) -> Result<Bytes, NotTaken> {
        let is_grpc = self.protocol == OtlpProtocol::Grpc;
        let mut request = Request::new(progress::watch(body::full(if is_grpc { framed(&message) } else { message })).0);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        let broken = |why: String| NotTaken { why, again: Some(None) };
        let response = self.client.request(request).await.map_err(|error| broken(unanswered(&error)))?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, MAX_ANSWER).collect().await.map_err(|error| broken(broken_off(&error)))?;
        if is_grpc {
            let trailers = body.trailers().cloned();
            grpc_answer(&head, trailers.as_ref(), body.to_bytes())
        } else {
            http_answer(&head, body.to_bytes())
        }
    }
}

/// Why there is no answer. Of a connection that was made the collector has a say in the error (what it sends with GOAWAY), which is no text for the
/// log.
fn unanswered(error: &legacy::Error) -> String {
    if error.is_connect() {
        return cut(chain(error));
    }
    match find::<hyper::Error>(error) {
        Some(error) if error.is_timeout() => "the connection does not answer pings any more".to_owned(),
        _ => "the connection ended before there was an answer".to_owned(),
    }
}

/// Why an answer is not whole.
fn broken_off(error: &BoxError) -> String {
    let why = if error.is::<LengthLimitError>() { "the answer is too long" } else { "the answer broke off" };
    why.to_owned()
}

fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MAX_TEXT));
    text
}

/// A message, not compressed, behind its length.
fn framed(message: &Bytes) -> Bytes {
    let mut framed = BytesMut::with_capacity(message.len() + 5);
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    framed.put_slice(message);
    framed.freeze()
}

/// An answer without a body has its status in the head.
fn grpc_answer(head: &response::Parts, trailers: Option<&HeaderMap>, body: Bytes) -> Result<Bytes, NotTaken> {
    if head.status != StatusCode::OK {
        return Err(refused(head));
    }
    let status = trailers.and_then(|trailers| trailers.get("grpc-status")).or(head.headers.get("grpc-status"));
    match status.map(HeaderValue::as_bytes) {
        Some(b"0") => Ok(body.get(5..).map_or_else(Bytes::new, |message| body.slice_ref(message))),
        Some(status) => {
            let again = TRANSIENT.contains(&status).then_some(None);
            let known = std::str::from_utf8(status).ok().and_then(|text| text.parse::<u8>().ok());
            Err(NotTaken {
                why: known.map_or_else(|| "a gRPC status that is none".to_owned(), |code| format!("gRPC status {code}")),
                again,
            })
        }
        None => Err(NotTaken { why: "the answer has no gRPC status: is this port one of OTLP over gRPC?".to_owned(), again: None }),
    }
}

fn http_answer(head: &response::Parts, body: Bytes) -> Result<Bytes, NotTaken> {
    if head.status.is_success() { Ok(body) } else { Err(refused(head)) }
}

/// Four statuses are for trying again (OTLP specification, "retryable response codes"), the same that gRPC takes for "unavailable".
fn refused(head: &response::Parts) -> NotTaken {
    let is_transient = matches!(head.status.as_u16(), 429 | 502 | 503 | 504);
    let asked = head.headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok().map(Duration::from_secs));
    NotTaken { why: format!("the status is {}", head.status), again: is_transient.then_some(asked) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(status: u16, headers: &[(&'static str, &'static str)]) -> response::Parts {
        let mut response = http::Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        response.body(()).unwrap().into_parts().0
    }

    fn trailers(status: &'static str) -> HeaderMap {
        HeaderMap::from_iter([("grpc-status".parse().unwrap(), HeaderValue::from_static(status))])
    }

    #[test]
    fn an_answer_of_grpc_has_its_status_behind_it() {
        let answer = |status| grpc_answer(&head(200, &[]), Some(&trailers(status)), framed(&Bytes::from_static(b"abc")));
        assert_eq!(answer("0").unwrap(), "abc");
        for (status, again) in [("14", true), ("4", true), ("8", false), ("16", false), ("3", false)] {
            assert_eq!(answer(status).unwrap_err().again.is_some(), again, "{status}");
        }
        assert!(!answer("secret").unwrap_err().why.contains("secret"));
        let only_a_head = grpc_answer(&head(200, &[("grpc-status", "12")]), None, Bytes::new());
        assert!(only_a_head.unwrap_err().again.is_none());
        assert!(grpc_answer(&head(200, &[]), None, Bytes::new()).unwrap_err().why.contains("no gRPC status"));
    }

    #[test]
    fn a_text_is_cut_between_letters() {
        assert_eq!(cut("a".repeat(300)).len(), MAX_TEXT);
        assert_eq!(cut(format!("a{}", "é".repeat(200))).len(), MAX_TEXT - 1);
    }

    #[tokio::test]
    async fn what_a_collector_says_on_going_away_is_not_repeated() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let server = tokio::spawn(async move {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let (mut stream, _) = listener.accept().await.unwrap();
            // SETTINGS, and GOAWAY of an internal error with six bytes of text (RFC 9113, sections 6.5 and 6.8).
            let frames = b"\0\0\0\x04\0\0\0\0\0\0\0\x0e\x07\0\0\0\0\0\0\0\0\0\0\0\0\x02secret";
            stream.write_all(frames).await.unwrap();
            let mut read = Vec::new();
            let _ = stream.read_to_end(&mut read).await;
        });
        let collector = Collector::new(&TracesConfig { uri, ..crate::telemetry::traces::tests::config() }).unwrap();
        let NotTaken { why, again } = collector.send(Bytes::from_static(b"x")).await.unwrap_err();
        assert_eq!((&*why, again), ("the connection ended before there was an answer", Some(None)));
        server.abort();
    }

    #[test]
    fn of_http_four_statuses_are_for_trying_again() {
        for (status, again) in [(429, true), (502, true), (503, true), (504, true), (400, false), (401, false), (500, false), (301, false)]
        {
            assert_eq!(http_answer(&head(status, &[]), Bytes::new()).unwrap_err().again.is_some(), again, "{status}");
        }
        let asked = http_answer(&head(503, &[("retry-after", "7")]), Bytes::new()).unwrap_err().again;
        assert_eq!(asked, Some(Some(Duration::from_secs(7))));
        assert_eq!(http_answer(&head(200, &[]), Bytes::from_static(b"x")).unwrap(), "x");
    }
}
