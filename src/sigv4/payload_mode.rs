//! What a client says in `x-amz-content-sha256` about how its body is bound to the signature.

use http::{HeaderMap, HeaderName};

use super::is_hex_digest;
use crate::reject::{Reason, Refusal};

/// The header that binds the body.
pub const CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");

/// A payload mode of SigV4. Source: "Authenticating Requests: Using the Authorization Header" in the S3 API reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PayloadMode {
    /// The header is not there: the signature covers the hash of the body.
    Absent,
    /// `STREAMING-AWS4-HMAC-SHA256-EVENTS` and the SigV4A modes: not taken.
    Foreign(&'static str),
    /// The hash of the whole body.
    Hash(String),
    /// Chunks with a signature each, with or without signed trailers behind them.
    SignedChunks {
        /// Whether trailers follow.
        trailer: bool,
    },
    /// The body is not covered.
    Unsigned,
    /// Chunks without signatures, and trailers.
    UnsignedTrailer,
}

impl PayloadMode {
    /// Reads the header.
    ///
    /// # Errors
    /// `SignatureMalformed` when it is repeated or none of the above.
    pub fn of(headers: &HeaderMap) -> Result<Self, Refusal> {
        let malformed = |note| Refusal::noted(Reason::SignatureMalformed, note);
        let mut values = headers.get_all(CONTENT_SHA256).iter();
        let Some(value) = values.next() else { return Ok(Self::Absent) };
        if values.next().is_some() {
            return Err(malformed("x-amz-content-sha256 is there more than once"));
        }
        match value.to_str().unwrap_or_default() {
            "UNSIGNED-PAYLOAD" => Ok(Self::Unsigned),
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => Ok(Self::UnsignedTrailer),
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" => Ok(Self::SignedChunks { trailer: false }),
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" => Ok(Self::SignedChunks { trailer: true }),
            "STREAMING-AWS4-HMAC-SHA256-EVENTS" => Ok(Self::Foreign("event streams to AWS, each of whose events would need a signature")),
            text if text.starts_with("STREAMING-AWS4-ECDSA-") => Ok(Self::Foreign("SigV4A")),
            text if is_hex_digest(text) => Ok(Self::Hash(text.to_owned())),
            _ => Err(malformed("x-amz-content-sha256 is neither a hash nor a known mode")),
        }
    }

    /// What the canonical request says in place of the body's hash; `None` where that is the hash itself, yet to be computed.
    pub fn in_signature(&self) -> Option<&str> {
        match self {
            Self::Absent | Self::Foreign(_) => None,
            Self::Hash(hash) => Some(hash),
            Self::SignedChunks { trailer: false } => Some("STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
            Self::SignedChunks { trailer: true } => Some("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"),
            Self::Unsigned => Some("UNSIGNED-PAYLOAD"),
            Self::UnsignedTrailer => Some("STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn mode(text: &str) -> Result<PayloadMode, Reason> {
        PayloadMode::of(&HeaderMap::from_iter([(CONTENT_SHA256, HeaderValue::from_str(text).unwrap())])).map_err(|r| r.reason)
    }

    #[test]
    fn what_stands_in_the_signature_is_what_was_sent() {
        let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        for text in [
            hash,
            "UNSIGNED-PAYLOAD",
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        ] {
            assert_eq!(mode(text).unwrap().in_signature(), Some(text));
        }
        assert_eq!(PayloadMode::of(&HeaderMap::new()).unwrap(), PayloadMode::Absent);
    }

    #[test]
    fn odd_modes_are_refused_and_foreign_ones_named() {
        let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        for odd in ["", "abc", &hash[1..], &hash.to_uppercase(), "unsigned-payload", "STREAMING-", "STREAMING-UNSIGNED-PAYLOAD"] {
            assert_eq!(mode(odd), Err(Reason::SignatureMalformed), "{odd}");
        }
        assert!(matches!(mode("STREAMING-AWS4-HMAC-SHA256-EVENTS"), Ok(PayloadMode::Foreign(_))));
        assert!(matches!(mode("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"), Ok(PayloadMode::Foreign(_))));
        let mut headers = HeaderMap::new();
        headers.append(CONTENT_SHA256, HeaderValue::from_static("UNSIGNED-PAYLOAD"));
        headers.append(CONTENT_SHA256, HeaderValue::from_static("UNSIGNED-PAYLOAD"));
        assert_eq!(PayloadMode::of(&headers).unwrap_err().reason, Reason::SignatureMalformed);
    }
}
