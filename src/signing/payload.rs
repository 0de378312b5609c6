//! How a request's body is bound to its signature.
//!
//! The client says in `x-amz-content-sha256` what it wants; what is possible depends on the service. Bodies of S3 stream;
//! bodies of other services are read whole up to a limit, because what they ask for stands inside them.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::Body as _;
use http_body_util::BodyExt;

use super::{canonical::Canon, verified_body::VerifiedBody};
use crate::{
    body::{self, Body, Buffers, Reserved, Unreadable},
    reject::{Reason, Refusal},
    server::idle,
};

/// The header that binds the body.
pub const CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");
/// SHA-256 of nothing, in hex.
pub const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// A body ready to be sent, and the value that stands for it in the signature.
#[derive(Debug)]
pub struct Payload {
    hash: String,
    send: Send,
    /// Whether `x-amz-content-sha256` is to be sent: S3 and OpenSearch Serverless need it, others take what the client sent.
    announce: bool,
}

enum Send {
    Whole(Bytes, Reserved),
    Stream(Body),
}

impl std::fmt::Debug for Send {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Whole(bytes, _) => write!(f, "Whole({} bytes)", bytes.len()),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
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
    /// has to fit into `room`.
    pub async fn prepare(signing_name: &str, headers: &HeaderMap, body: Body, room: Room<'_>) -> Result<Self, Refusal> {
        let declared = declared(headers)?;
        match Canon::of(signing_name) {
            Canon::S3 => Self::streaming(declared, body, room).await,
            Canon::Normalised => Self::whole(declared, signing_name == "aoss", body, room).await,
        }
    }

    /// The bytes, where they were read.
    pub fn bytes(&self) -> Option<&Bytes> {
        match &self.send {
            Send::Whole(bytes, _) => Some(bytes),
            Send::Stream(_) => None,
        }
    }

    /// What stands for the body in the canonical request.
    pub(super) fn hash(&self) -> &str {
        &self.hash
    }

    /// The header to send, if any.
    pub(super) fn header(&self) -> Result<Option<HeaderValue>, Refusal> {
        if !self.announce {
            return Ok(None);
        }
        HeaderValue::from_str(&self.hash).map(Some).map_err(|_| Reason::Internal.into())
    }

    /// The body to send.
    pub(super) fn into_body(self) -> Body {
        match self.send {
            Send::Whole(bytes, _) if bytes.is_empty() => body::empty(),
            Send::Whole(bytes, reserved) => body::holding(body::full(bytes), reserved),
            Send::Stream(body) => body,
        }
    }

    async fn streaming(declared: Declared, body: Body, room: Room<'_>) -> Result<Self, Refusal> {
        let send = |hash: &str, body| Self { hash: hash.to_owned(), send: Send::Stream(body), announce: true };
        match declared {
            Declared::Absent => Self::whole(Declared::Absent, true, body, room).await,
            // Nothing is ever sent of an empty body, so there is nothing to hold back: it is checked here.
            Declared::Hash(hash) if body.is_end_stream() && hash != EMPTY_SHA256 => Err(Reason::PayloadHashMismatch.into()),
            Declared::Hash(hash) => {
                let body = VerifiedBody::new(body, &hash).ok_or(Reason::SignatureMalformed)?;
                Ok(send(&hash, body.boxed_unsync()))
            }
            Declared::Unsigned => Ok(send("UNSIGNED-PAYLOAD", body)),
            Declared::UnsignedTrailer => Ok(send("STREAMING-UNSIGNED-PAYLOAD-TRAILER", body)),
            Declared::Unsupported => Err(Refusal::noted(Reason::PayloadUnsupported, "signed chunks are not supported in this release")),
        }
    }

    async fn whole(declared: Declared, announce: bool, body: Body, room: Room<'_>) -> Result<Self, Refusal> {
        let Room { limit, buffers } = room;
        let (bytes, reserved) = body::collect_within(body, limit, buffers).await.map_err(|unreadable| match unreadable {
            Unreadable::TooLarge => {
                Refusal::noted(Reason::BodyTooLarge, format!("more than {limit} bytes; see egress.services.<name>.body_limit"))
            }
            Unreadable::NoRoom => Refusal::from(Reason::Overloaded).retry_after(RETRY),
            Unreadable::Broken(error) => idle::refusal(&*error),
        })?;
        let hash = if bytes.is_empty() { EMPTY_SHA256.to_owned() } else { hex(digest(&SHA256, &bytes).as_ref()) };
        let announce = match declared {
            Declared::Absent => announce,
            Declared::Hash(promised) if promised != hash => return Err(Reason::PayloadHashMismatch.into()),
            Declared::Hash(_) | Declared::Unsigned => true,
            Declared::UnsignedTrailer | Declared::Unsupported => {
                return Err(Refusal::noted(Reason::PayloadUnsupported, "this service does not take streamed payloads"));
            }
        };
        Ok(Self { hash, send: Send::Whole(bytes, reserved), announce })
    }
}

/// What `x-amz-content-sha256` says.
enum Declared {
    Absent,
    Hash(String),
    Unsigned,
    UnsignedTrailer,
    Unsupported,
}

fn declared(headers: &HeaderMap) -> Result<Declared, Refusal> {
    let malformed = |note| Refusal::noted(Reason::SignatureMalformed, note);
    let mut values = headers.get_all(CONTENT_SHA256).iter();
    let Some(value) = values.next() else { return Ok(Declared::Absent) };
    if values.next().is_some() {
        return Err(malformed("x-amz-content-sha256 is there more than once"));
    }
    match value.to_str().unwrap_or_default() {
        "UNSIGNED-PAYLOAD" => Ok(Declared::Unsigned),
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => Ok(Declared::UnsignedTrailer),
        text if text.starts_with("STREAMING-") => Ok(Declared::Unsupported),
        text if text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) => {
            Ok(Declared::Hash(text.to_owned()))
        }
        _ => Err(malformed("x-amz-content-sha256 is neither a hash nor a known mode")),
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn prepare(service: &str, mode: Option<&str>, text: &'static str) -> Result<(String, Option<HeaderValue>, bool), Reason> {
        let mut headers = HeaderMap::new();
        if let Some(mode) = mode {
            headers.insert(CONTENT_SHA256, HeaderValue::from_str(mode).unwrap());
        }
        let body = if text.is_empty() { body::empty() } else { body::full(text) };
        let payload =
            Payload::prepare(service, &headers, body, Room { limit: 8, buffers: &Buffers::new(1 << 20) }).await.map_err(|r| r.reason)?;
        Ok((payload.hash().to_owned(), payload.header().unwrap(), payload.bytes().is_some()))
    }

    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[tokio::test]
    async fn s3_streams_in_every_mode_that_is_supported() {
        for mode in [ABC, "UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"] {
            let (hash, header, read) = prepare("s3", Some(mode), "abc").await.unwrap();
            assert_eq!((hash.as_str(), header.unwrap().to_str().unwrap(), read), (mode, mode, false));
        }
        for mode in
            ["STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"]
        {
            assert_eq!(prepare("s3", Some(mode), "abc").await, Err(Reason::PayloadUnsupported));
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
        for odd in ["", "abc", &ABC[1..], &ABC.to_uppercase(), "unsigned-payload"] {
            assert_eq!(prepare("s3", Some(odd), "abc").await, Err(Reason::SignatureMalformed), "{odd}");
        }
        let mut headers = HeaderMap::new();
        headers.append(CONTENT_SHA256, HeaderValue::from_static(ABC));
        headers.append(CONTENT_SHA256, HeaderValue::from_static("UNSIGNED-PAYLOAD"));
        let refused =
            Payload::prepare("s3", &headers, body::full("abc"), Room { limit: 8, buffers: &Buffers::new(1 << 20) }).await.unwrap_err();
        assert_eq!(refused.reason, Reason::SignatureMalformed);
    }
}
