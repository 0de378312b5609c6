//! Reading an upload into memory, and checking it against what came with it.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use s3s::{
    S3Result, TrailingHeaders,
    checksum::ChecksumHasher,
    crypto::{Checksum, Crc32, Crc32c, Crc64Nvme, Md5, Sha1, Sha256},
    dto::StreamingBlob,
};

use super::{super::failure::Failure, hex, refused, store::Store};

/// The checksums that a request brings, in base64, as named in `x-amz-checksum-...`.
#[derive(Debug, Default)]
pub(super) struct Announced {
    pub(super) md5: Option<String>,
    pub(super) crc32: Option<String>,
    pub(super) crc32c: Option<String>,
    pub(super) crc64nvme: Option<String>,
    pub(super) sha1: Option<String>,
    pub(super) sha256: Option<String>,
}

/// Bytes that arrived whole.
pub(super) struct Upload {
    pub(super) bytes: Bytes,
    /// The MD5 of the bytes, in hexadecimal: the ETag of an object that was uploaded in one piece.
    pub(super) etag: String,
}

/// Reads a body within the caps. `s3s` fails the stream when a hash or a chunk's signature is wrong.
pub(super) async fn read(
    store: &Store,
    body: Option<StreamingBlob>,
    mut announced: Announced,
    trailers: Option<TrailingHeaders>,
) -> S3Result<Upload> {
    let mut room = store.room();
    let mut bytes = BytesMut::new();
    if let Some(mut body) = body {
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|error| refused(broken(&error.to_string())))?;
            room.take(chunk.len()).map_err(refused)?;
            bytes.extend_from_slice(&chunk);
        }
    }
    let bytes = bytes.freeze();
    if let Some(trailers) = trailers {
        announced.add(&trailers);
    }
    let md5 = Md5::checksum(&bytes);
    announced.check(&bytes, md5.as_ref()).map_err(refused)?;
    Ok(Upload { etag: hex(md5.as_ref()), bytes })
}

/// What a failed stream means. `s3s` keeps its error types to itself, so their texts are all there is to go by; an unknown one is
/// an incomplete body.
fn broken(error: &str) -> Failure {
    if error.contains("Sha256Mismatch") {
        Failure::BodyMismatch
    } else if error.contains("SignatureMismatch") {
        Failure::SignatureMismatch
    } else {
        Failure::operation(400, "IncompleteBody", "The body ended early or is not framed as announced.")
    }
}

impl Announced {
    fn add(&mut self, trailers: &TrailingHeaders) {
        trailers.read(|headers| {
            let take = |slot: &mut Option<String>, name: &str| {
                if let Some(value) = headers.get(name).and_then(|v| v.to_str().ok()) {
                    *slot = Some(value.to_owned());
                }
            };
            take(&mut self.crc32, "x-amz-checksum-crc32");
            take(&mut self.crc32c, "x-amz-checksum-crc32c");
            take(&mut self.crc64nvme, "x-amz-checksum-crc64nvme");
            take(&mut self.sha1, "x-amz-checksum-sha1");
            take(&mut self.sha256, "x-amz-checksum-sha256");
        });
    }

    fn check(&self, bytes: &[u8], md5: &[u8]) -> Result<(), Failure> {
        let mut hasher = ChecksumHasher {
            crc32: self.crc32.as_ref().map(|_| Crc32::new()),
            crc32c: self.crc32c.as_ref().map(|_| Crc32c::new()),
            sha1: self.sha1.as_ref().map(|_| Sha1::new()),
            sha256: self.sha256.as_ref().map(|_| Sha256::new()),
            crc64nvme: self.crc64nvme.as_ref().map(|_| Crc64Nvme::new()),
        };
        hasher.update(bytes);
        let have = hasher.finalize();
        let right = [
            self.crc32 == have.checksum_crc32,
            self.crc32c == have.checksum_crc32c,
            self.crc64nvme == have.checksum_crc64nvme,
            self.sha1 == have.checksum_sha1,
            self.sha256 == have.checksum_sha256,
            self.md5.as_ref().is_none_or(|announced| *announced == STANDARD.encode(md5)),
        ];
        match right.iter().all(|r| *r) {
            true => Ok(()),
            false => Err(Failure::operation(400, "BadDigest", "The checksum you specified did not match what we received.")),
        }
    }
}
