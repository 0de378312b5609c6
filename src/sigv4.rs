//! AWS Signature Version 4 as text and bytes: canonical form, credential scope, timestamps, and the chain of a chunked body.
//!
//! Both directions use it: the signature that an SDK made with keys that Palisade vended is checked against the same form in
//! which the request is then signed for AWS. Everything here is pure; there is no clock, no credential and no tenant. Tests hold
//! it to the `aws-sigv4` crate.

pub mod canonical;
pub mod chain;
pub mod payload_mode;
pub mod time;

use aws_lc_rs::{digest, hmac};

pub use self::{
    canonical::{Canon, SignedHeaders, WireTarget},
    chain::Chain,
    payload_mode::PayloadMode,
};

/// The one algorithm that is made and taken.
pub const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// SHA-256 of nothing, in hex.
pub const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// `<date>/<region>/<service>/aws4_request`
pub fn credential_scope(date: &str, region: &str, service: &str) -> String {
    [date, "/", region, "/", service, "/aws4_request"].concat()
}

/// What is signed for a whole request.
pub fn string_to_sign(time: &str, scope: &str, canonical_request: &str) -> String {
    [ALGORITHM, "\n", time, "\n", scope, "\n", &sha256_hex(canonical_request.as_bytes())].concat()
}

/// SHA-256 in lower-case hex.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// The signature of a string to sign under a derived key: HMAC-SHA256 in lower-case hex.
pub fn signature(key: &[u8], string_to_sign: &str) -> String {
    hex(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), string_to_sign.as_bytes()).as_ref())
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 0xf)]));
    }
    out
}

/// Whether `text` is a SHA-256 or a signature: 64 lower-case hex digits.
pub fn is_hex_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}
