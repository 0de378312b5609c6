//! AWS Signature Version 4 as text and bytes: canonical form, credential scope, timestamps, and the chain of a chunked body.
//!
//! Both directions use it: the signature that an SDK made with keys that Palisade vended is checked against the same form in
//! which the request is then signed for AWS. Everything here is pure; there is no clock, no credential and no tenant. Key
//! derivation and HMAC are the `aws-sigv4` crate's.

pub mod canonical;
pub mod chain;
pub mod payload_mode;
pub mod time;

pub use self::{
    canonical::{Canon, WireTarget},
    chain::Chain,
    payload_mode::PayloadMode,
};

/// The one algorithm that is made and taken.
pub const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// SHA-256 of nothing, in hex.
pub const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// `<date>/<region>/<service>/aws4_request`
pub fn credential_scope(date: &str, region: &str, service: &str) -> String {
    format!("{date}/{region}/{service}/aws4_request")
}

/// What is signed for a whole request.
pub fn string_to_sign(time: &str, scope: &str, canonical_request: &str) -> String {
    format!("{ALGORITHM}\n{time}\n{scope}\n{}", sha256_hex(canonical_request.as_bytes()))
}

/// SHA-256 in lower-case hex.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref())
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect()
}

/// Whether `text` is a SHA-256 or a signature: 64 lower-case hex digits.
pub fn is_hex_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}
