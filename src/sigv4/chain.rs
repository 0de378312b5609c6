//! The chain of signatures of a chunked body: each covers its chunk and the signature before it, the first that of the
//! request, so that no chunk can be changed, left out, moved or taken from another request.
//!
//! Source: "Signature calculations for the authorization header: transferring payload in multiple chunks" and the page on
//! trailing headers, both in the S3 API reference.

use std::fmt;

use zeroize::Zeroizing;

use super::{EMPTY_SHA256, signature};

/// The running signature, and the key that continues it.
pub struct Chain {
    key: Zeroizing<[u8; 32]>,
    time: String,
    scope: String,
    previous: String,
}

impl Chain {
    /// A chain that goes on from a request's own signature, `seed`.
    pub fn new(key: Zeroizing<[u8; 32]>, time: &str, scope: &str, seed: String) -> Self {
        Self { key, time: time.to_owned(), scope: scope.to_owned(), previous: seed }
    }

    /// The signature of the next chunk, whose data has this hash (hex).
    pub fn chunk(&mut self, sha256: &str) -> &str {
        self.advance("AWS4-HMAC-SHA256-PAYLOAD", &[EMPTY_SHA256, sha256])
    }

    /// The signature of the trailers, whose canonical form has this hash (hex).
    pub fn trailer(&mut self, sha256: &str) -> &str {
        self.advance("AWS4-HMAC-SHA256-TRAILER", &[sha256])
    }

    fn advance(&mut self, algorithm: &str, hashes: &[&str]) -> &str {
        let Self { time, scope, previous, .. } = self;
        let text = format!("{algorithm}\n{time}\n{scope}\n{previous}\n{}", hashes.join("\n"));
        self.previous = signature(self.key.as_slice(), &text);
        &self.previous
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Chain([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use aws_credential_types::Credentials;
    use aws_sigv4::{
        http_request::SigningSettings,
        sign::v4::{self, SigningParams},
    };
    use aws_smithy_runtime_api::http::Headers;
    use bytes::Bytes;

    use super::*;
    use crate::sigv4::sha256_hex;

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    /// The example of the S3 API reference: its time, its region, the signature of its request.
    const NOW: u64 = 1_369_353_600;
    const SEED: &str = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";

    fn chain() -> Chain {
        let key = v4::generate_signing_key(SECRET, UNIX_EPOCH + Duration::from_secs(NOW), "us-east-1", "s3");
        let mut bytes = Zeroizing::new([0; 32]);
        bytes.copy_from_slice(key.as_ref());
        Chain::new(bytes, "20130524T000000Z", "20130524/us-east-1/s3/aws4_request", SEED.into())
    }

    #[test]
    fn agrees_with_the_example_of_the_s3_reference() {
        let mut chain = chain();
        assert_eq!(chain.chunk(&sha256_hex(&[b'a'; 65_536])), "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648");
        assert_eq!(chain.chunk(&sha256_hex(&[b'a'; 1_024])), "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497");
        assert_eq!(chain.chunk(EMPTY_SHA256), "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9");
    }

    #[test]
    fn agrees_with_the_reference_implementation() {
        let identity = Credentials::new("AKIDEXAMPLE", SECRET, None, None, "test").into();
        let params: SigningParams<'_, SigningSettings> = SigningParams::builder()
            .identity(&identity)
            .region("us-east-1")
            .name("s3")
            .time(UNIX_EPOCH + Duration::from_secs(NOW))
            .settings(SigningSettings::default())
            .build()
            .unwrap();
        let mut chain = chain();
        let mut running = SEED.to_owned();
        for data in [&b"abc"[..], &[0; 70_000], b""] {
            running = v4::sign_chunk(&Bytes::copy_from_slice(data), &running, &params).unwrap().signature().to_owned();
            assert_eq!(chain.chunk(&sha256_hex(data)), running);
        }
        let mut trailers = Headers::new();
        trailers.insert("x-amz-checksum-crc32c", "sOO8/Q==");
        running = v4::sign_trailer(&trailers, &running, &params).unwrap().signature().to_owned();
        assert_eq!(chain.trailer(&sha256_hex(b"x-amz-checksum-crc32c:sOO8/Q==\n")), running);
        assert!(!format!("{chain:?}").contains(&running));
    }
}
