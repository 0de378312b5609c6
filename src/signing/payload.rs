//! How a request's body is bound to its signature.
//!
//! The client says in `x-amz-content-sha256` what it wants; what is possible depends on the service. Bodies of S3 stream;
//! bodies of other services are read whole up to a limit, because what they ask for stands inside them.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use http_body::Body as _;
use http_body_util::BodyExt;

use super::{
    chunked::{Announced, Chunks, Resigned},
    hashed::HashedBody,
};
use crate::{
    body::{self, Body, Buffers, Gathered, Reserved, Unreadable},
    reject::{Reason, Refusal},
    server::idle,
    sigv4::{Canon, Chain, EMPTY_SHA256, PayloadMode, sha256_hex},
};

/// What messages of an event stream are made of.
const EVENT_STREAM: &str = "application/vnd.amazon.eventstream";

/// A body ready to be sent, and the value that stands for it in the signature.
#[derive(Debug)]
pub struct Payload {
    hash: String,
    send: Send,
    /// Whether `x-amz-content-sha256` is to be sent: S3 and OpenSearch Serverless need it, others take what the client sent.
    announce: bool,
}

enum Send {
    Chunked(Box<Chunks>),
    Stream(Body),
    Whole(Bytes, Reserved),
}

impl std::fmt::Debug for Send {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Chunked(_) => f.write_str("Chunked"),
            Self::Stream(_) => f.write_str("Stream"),
            Self::Whole(bytes, _) => write!(f, "Whole({} bytes)", bytes.len()),
        }
    }
}

/// What the length of a body to be sent is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    /// This, whatever the client declared.
    Exact(u64),
    /// What the client declared, if it did.
    AsDeclared,
    /// Not known beforehand.
    Open,
}

/// Where a body goes.
#[derive(Debug, Clone, Copy)]
pub struct Route<'a> {
    /// The service's signing name.
    pub signing_name: &'a str,
    /// Whether the upstream is reached by TLS, which then protects a body that no hash covers.
    pub tls: bool,
    /// Whether the body has to be read whole, though it could stream.
    pub hold: bool,
}

/// Memory for a body that is read whole.
#[derive(Debug, Clone, Copy)]
pub struct Room<'a> {
    /// The service's `body_limit`.
    pub limit: usize,
    /// Shared by all requests.
    pub buffers: &'a Buffers,
}

/// Large bodies leave within seconds.
const RETRY: Duration = Duration::from_secs(1);

/// A body that turned out not to be what was promised while it was being sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", reason.text())]
pub struct PayloadError {
    /// Why.
    pub reason: Reason,
}

impl Payload {
    /// Decides the mode, reads what has to be read, and checks what can be checked before sending. A body that is read whole
    /// has to fit into `room`; `client` continues the client's own signature, where its keys are ours to check.
    pub async fn prepare(
        route: Route<'_>,
        headers: &HeaderMap,
        body: Body,
        room: Room<'_>,
        client: Option<Chain>,
    ) -> Result<Self, Refusal> {
        if is_event_stream(headers) {
            return Err(unsupported("event streams to AWS, each of whose events would need a signature"));
        }
        let mode = PayloadMode::of(headers)?;
        match Canon::of(route.signing_name) {
            Canon::S3 if route.hold => Self::whole(mode, true, body, room).await,
            Canon::S3 => Self::streaming(mode, headers, body, room, route.tls, client).await,
            Canon::Normalised => Self::whole(mode, route.signing_name == "aoss", body, room).await,
        }
    }

    /// The bytes, where they were read.
    pub fn bytes(&self) -> Option<&Bytes> {
        match &self.send {
            Send::Whole(bytes, _) => Some(bytes),
            Send::Chunked(_) | Send::Stream(_) => None,
        }
    }

    /// What stands for the body in the canonical request.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The header to send, if any.
    pub(super) fn header(&self) -> Result<Option<HeaderValue>, Refusal> {
        if !self.announce {
            return Ok(None);
        }
        HeaderValue::from_str(&self.hash).map(Some).map_err(|_| Reason::Internal.into())
    }

    /// How long the body to send is.
    pub(super) fn length(&self) -> Length {
        match &self.send {
            Send::Chunked(chunks) => chunks.announced().encoded().map_or(Length::Open, Length::Exact),
            Send::Stream(_) => Length::AsDeclared,
            Send::Whole(bytes, _) => Length::Exact(bytes.len() as u64),
        }
    }

    /// The body to send. `chain` continues the signature of the request, for a body of signed chunks.
    pub(super) fn into_body(self, chain: impl FnOnce() -> Chain) -> Body {
        match self.send {
            Send::Chunked(chunks) => Resigned::new(*chunks, chain()).boxed_unsync(),
            Send::Stream(body) => body,
            Send::Whole(bytes, _) if bytes.is_empty() => body::empty(),
            Send::Whole(bytes, reserved) => body::holding(body::full(bytes), reserved),
        }
    }

    async fn streaming(
        mode: PayloadMode,
        headers: &HeaderMap,
        body: Body,
        room: Room<'_>,
        tls: bool,
        client: Option<Chain>,
    ) -> Result<Self, Refusal> {
        let hash = mode.in_signature().unwrap_or_default().to_owned();
        let send = match mode {
            PayloadMode::Absent => return Self::unannounced(body, room, tls).await,
            PayloadMode::Foreign(what) => return Err(unsupported(what)),
            // Nothing is ever sent of an empty body, so there is nothing to hold back: it is checked here.
            PayloadMode::Hash(_) if body.is_end_stream() && hash != EMPTY_SHA256 => return Err(Reason::PayloadHashMismatch.into()),
            PayloadMode::Hash(_) if body.is_end_stream() => Send::Stream(body::empty()),
            PayloadMode::Hash(_) => Send::Stream(HashedBody::new(body, &hash).ok_or(Reason::SignatureMalformed)?.boxed_unsync()),
            PayloadMode::SignedChunks { trailer } => Send::Chunked(Box::new(Chunks::new(body, Announced::read(headers, trailer)?, client))),
            PayloadMode::Unsigned | PayloadMode::UnsignedTrailer => Send::Stream(body),
        };
        Ok(Self { hash, send, announce: true })
    }

    /// A body for S3 without a word about its hash: hashed if it fits into `room`, and otherwise left to TLS.
    async fn unannounced(body: Body, room: Room<'_>, tls: bool) -> Result<Self, Refusal> {
        if !tls {
            return Self::whole(PayloadMode::Absent, true, body, room).await;
        }
        match body::gather(body, room.limit, room.buffers).await.map_err(|error| idle::refusal(&*error))? {
            Gathered::Whole(bytes, reserved) => Ok(Self { hash: sha256_hex(&bytes), send: Send::Whole(bytes, reserved), announce: true }),
            Gathered::Part(body) => Ok(Self {
                hash: PayloadMode::Unsigned.in_signature().unwrap_or_default().to_owned(),
                send: Send::Stream(body),
                announce: true,
            }),
        }
    }

    async fn whole(mode: PayloadMode, announce: bool, body: Body, room: Room<'_>) -> Result<Self, Refusal> {
        let announce = match mode {
            PayloadMode::Absent => announce,
            PayloadMode::Hash(_) | PayloadMode::Unsigned => true,
            PayloadMode::Foreign(what) => return Err(unsupported(what)),
            PayloadMode::SignedChunks { .. } | PayloadMode::UnsignedTrailer => {
                return Err(unsupported("this service does not take bodies in chunks"));
            }
        };
        let Room { limit, buffers } = room;
        let (bytes, reserved) = body::collect_within(body, limit, buffers).await.map_err(|unreadable| match unreadable {
            Unreadable::TooLarge => Refusal::noted(
                Reason::BodyTooLarge,
                format!("more than {limit} bytes cannot be hashed; see egress.services.<name>.body_limit"),
            ),
            Unreadable::NoRoom => Refusal::from(Reason::Overloaded).retry_after(RETRY),
            Unreadable::Broken(error) => idle::refusal(&*error),
        })?;
        let hash = if bytes.is_empty() { EMPTY_SHA256.to_owned() } else { sha256_hex(&bytes) };
        if matches!(&mode, PayloadMode::Hash(promised) if *promised != hash) {
            return Err(Reason::PayloadHashMismatch.into());
        }
        Ok(Self { hash, send: Send::Whole(bytes, reserved), announce })
    }
}

/// Whether the body is an event stream, whose events AWS wants signed one by one.
fn is_event_stream(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|value| {
        let media_type = value.as_bytes().split(|b| *b == b';').next().unwrap_or_default();
        media_type.trim_ascii().eq_ignore_ascii_case(EVENT_STREAM.as_bytes())
    })
}

fn unsupported(what: &'static str) -> Refusal {
    Refusal::noted(Reason::PayloadUnsupported, format!("not supported: {what}"))
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;
    use crate::sigv4::payload_mode::CONTENT_SHA256;

    /// The payload of a request of `service`, over TLS or not, with a body of `text` and these headers.
    async fn payload(service: &str, tls: bool, lines: &[(HeaderName, &str)], text: &'static str) -> Result<Payload, Reason> {
        let headers = lines.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect();
        let body = if text.is_empty() { body::empty() } else { body::full(text) };
        let room = Room { limit: 8, buffers: &Buffers::new(1 << 20) };
        Payload::prepare(Route { signing_name: service, tls, hold: false }, &headers, body, room, None).await.map_err(|r| r.reason)
    }

    async fn prepare(service: &str, mode: Option<&str>, text: &'static str) -> Result<(String, Option<HeaderValue>, bool), Reason> {
        let lines: Vec<_> = mode.into_iter().map(|mode| (CONTENT_SHA256, mode)).collect();
        let payload = payload(service, false, &lines, text).await?;
        Ok((payload.hash().to_owned(), payload.header().unwrap(), payload.bytes().is_some()))
    }

    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[tokio::test]
    async fn s3_streams_in_every_mode_that_is_supported() {
        for mode in [ABC, "UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"] {
            let (hash, header, read) = prepare("s3", Some(mode), "abc").await.unwrap();
            assert_eq!((hash.as_str(), header.unwrap().to_str().unwrap(), read), (mode, mode, false));
        }
        for mode in ["STREAMING-AWS4-HMAC-SHA256-EVENTS", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"] {
            assert_eq!(prepare("s3", Some(mode), "abc").await, Err(Reason::PayloadUnsupported));
            assert_eq!(prepare("transcribe", Some(mode), "abc").await, Err(Reason::PayloadUnsupported));
        }
    }

    #[tokio::test]
    async fn signed_chunks_are_for_s3_and_have_a_length_of_their_own() {
        for (mode, length) in [("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", 175), ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", 296)] {
            let lines = [
                (CONTENT_SHA256, mode),
                (HeaderName::from_static("x-amz-decoded-content-length"), "3"),
                (HeaderName::from_static("x-amz-trailer"), "x-amz-checksum-crc32"),
            ];
            let chunked = payload("s3", false, &lines, "abc").await.unwrap();
            assert_eq!((chunked.hash(), chunked.length(), chunked.bytes()), (mode, Length::Exact(length), None));
            assert_eq!(payload("dynamodb", false, &lines, "abc").await.unwrap_err(), Reason::PayloadUnsupported);
            assert_eq!(payload("s3", false, &lines[..1], "abc").await.unwrap_err(), Reason::PayloadMalformed);
        }
    }

    #[tokio::test]
    async fn a_large_body_without_a_hash_is_left_to_tls_where_there_is_one() {
        let large = payload("s3", true, &[], "123456789").await.unwrap();
        assert_eq!((large.hash(), large.header().unwrap().unwrap().to_str().unwrap()), ("UNSIGNED-PAYLOAD", "UNSIGNED-PAYLOAD"));
        assert_eq!(large.into_body(|| unreachable!()).collect().await.unwrap().to_bytes(), "123456789");
        assert_eq!(payload("s3", true, &[], "abc").await.unwrap().hash(), ABC);
        assert_eq!(payload("dynamodb", true, &[], "123456789").await.unwrap_err(), Reason::BodyTooLarge);
    }

    #[tokio::test]
    async fn event_streams_to_aws_are_refused() {
        for (service, media_type) in
            [("transcribe", EVENT_STREAM), ("bedrock", "Application/vnd.amazon.eventstream; a=b"), ("s3", EVENT_STREAM)]
        {
            assert_eq!(payload(service, true, &[(header::CONTENT_TYPE, media_type)], "abc").await.unwrap_err(), Reason::PayloadUnsupported);
        }
    }

    #[tokio::test]
    async fn without_a_hash_the_body_is_hashed_up_to_the_limit() {
        let (hash, header, read) = prepare("s3", None, "abc").await.unwrap();
        assert_eq!((hash.as_str(), header.unwrap().to_str().unwrap(), read), (ABC, ABC, true));
        let (hash, header, read) = prepare("dynamodb", None, "abc").await.unwrap();
        assert_eq!((hash.as_str(), header, read), (ABC, None, true));
        assert_eq!(prepare("aoss", None, "").await.unwrap().1.unwrap(), EMPTY_SHA256);
        assert_eq!(prepare("dynamodb", None, "123456789").await, Err(Reason::BodyTooLarge));
        assert_eq!(prepare("s3", None, "123456789").await, Err(Reason::BodyTooLarge));
    }

    #[tokio::test]
    async fn a_promise_that_can_be_checked_before_sending_is() {
        assert_eq!(prepare("dynamodb", Some(EMPTY_SHA256), "abc").await, Err(Reason::PayloadHashMismatch));
        assert_eq!(prepare("s3", Some(ABC), "").await, Err(Reason::PayloadHashMismatch));
        assert!(prepare("dynamodb", Some(ABC), "abc").await.is_ok());
        assert_eq!(prepare("dynamodb", Some("UNSIGNED-PAYLOAD"), "abc").await.unwrap().0, ABC, "what is read is hashed");
    }

    #[tokio::test]
    async fn odd_promises_are_refused() {
        assert_eq!(prepare("s3", Some("abc"), "abc").await, Err(Reason::SignatureMalformed));
        let twice = [(CONTENT_SHA256, ABC), (CONTENT_SHA256, "UNSIGNED-PAYLOAD")];
        let mut headers = HeaderMap::new();
        for (name, value) in twice {
            headers.append(name, HeaderValue::from_static(value));
        }
        let (route, room) = (Route { signing_name: "s3", tls: true, hold: false }, Room { limit: 8, buffers: &Buffers::new(1 << 20) });
        assert_eq!(Payload::prepare(route, &headers, body::full("abc"), room, None).await.unwrap_err().reason, Reason::SignatureMalformed);
    }
}
