//! Bodies of signed chunks (`STREAMING-AWS4-HMAC-SHA256-PAYLOAD`, with or without `-TRAILER`): taken apart, checked, and put
//! together again under the tenant's signature.
//!
//! The client's chunks are signed with its placeholder keys, so every one of them has to be signed anew. The data is read
//! out of them ([`decode`]) and cut into chunks of our own size ([`encode`]), because a chunk's signature stands before its
//! data: whoever signs has to hold a whole chunk, and a client may make them as large as it likes.
//!
//! What can go wrong ends the upload before its last chunk is sent, so that nothing is stored: framing that is not what the
//! S3 API reference describes, more or fewer bytes than `x-amz-decoded-content-length`, trailers that `x-amz-trailer` does
//! not announce, a chunk whose signature is wrong where the keys are ours to check.

mod decode;
mod encode;

use http::{HeaderMap, HeaderName};

pub(super) use self::{decode::Chunks, encode::Resigned};
use crate::reject::{Reason, Refusal};

/// Length of the data without the framing.
const DECODED_LENGTH: HeaderName = HeaderName::from_static("x-amz-decoded-content-length");
/// Names of the trailers.
const TRAILER: HeaderName = HeaderName::from_static("x-amz-trailer");
/// The signature behind the trailers.
const TRAILER_SIGNATURE: &str = "x-amz-trailer-signature";
/// What stands between a chunk's size and its signature.
const SIGNATURE_EXTENSION: &str = ";chunk-signature=";
/// Most trailers; S3 takes one checksum.
const MAX_TRAILERS: usize = 8;

/// What the headers promise about the chunks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Announced {
    /// Bytes of data.
    decoded: u64,
    /// Names of the trailers, lower case; empty where there are none.
    trailers: Vec<String>,
    /// Whether the mode has a trailer section.
    has_trailer: bool,
}

impl Announced {
    /// Reads `x-amz-decoded-content-length` and `x-amz-trailer`.
    ///
    /// # Errors
    /// `PayloadMalformed` when one is missing, repeated or no value.
    pub(super) fn read(headers: &HeaderMap, has_trailer: bool) -> Result<Self, Refusal> {
        let decoded = single(headers, &DECODED_LENGTH)?.ok_or_else(|| malformed("x-amz-decoded-content-length is missing"))?;
        if decoded.is_empty() || !decoded.bytes().all(|b| b.is_ascii_digit()) {
            return Err(malformed("x-amz-decoded-content-length is no number"));
        }
        let decoded = decoded.parse().map_err(|_| malformed("x-amz-decoded-content-length is out of range"))?;
        let mut trailers = Vec::new();
        if has_trailer {
            let names = single(headers, &TRAILER)?.ok_or_else(|| malformed("x-amz-trailer is missing"))?;
            for name in names.split(',').map(|name| name.trim().to_ascii_lowercase()) {
                let is_name = HeaderName::from_bytes(name.as_bytes()).is_ok();
                if !is_name || name == TRAILER_SIGNATURE || trailers.contains(&name) || trailers.len() == MAX_TRAILERS {
                    return Err(malformed("x-amz-trailer is no list of names"));
                }
                trailers.push(name);
            }
        }
        Ok(Self { decoded, trailers, has_trailer })
    }
}

fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Refusal> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(|text| Some(text.trim())).map_err(|_| malformed("not text")),
        (Some(_), Some(_)) => Err(malformed("repeated")),
    }
}

/// Characters of a checksum in base64. Source: "Checking object integrity" in the S3 user guide.
fn checksum_length(trailer: &str) -> Option<u64> {
    let bytes: u64 = match trailer.strip_prefix("x-amz-checksum-")? {
        "crc32" | "crc32c" => 4,
        "crc64nvme" => 8,
        "sha1" => 20,
        "sha256" => 32,
        _ => return None,
    };
    Some(bytes.div_ceil(3) * 4)
}

fn malformed(note: &'static str) -> Refusal {
    Refusal::noted(Reason::PayloadMalformed, note)
}

#[cfg(test)]
mod tests;
