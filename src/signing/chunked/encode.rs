//! Writing signed chunks.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll, ready},
};

use aws_lc_rs::digest;
use bytes::{Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::{
    Announced, SIGNATURE_EXTENSION, TRAILER_SIGNATURE, checksum_length,
    decode::{Chunks, Piece, canonical},
};
use crate::{
    body::BoxError,
    reject::Reason,
    signing::PayloadError,
    sigv4::{Chain, EMPTY_SHA256, hex, sha256_hex},
};

/// Pieces of data below this are copied together: a client may send chunks of a byte, and each piece kept would keep the whole
/// buffer that it arrived in.
const SMALL: usize = 4 * 1024;
/// Pieces of a client's body that are worked on before other tasks get their turn.
const TURN: usize = 64;
/// Data in a chunk. S3 takes no less than 8 KiB, but for the last; SDKs send 64 or 128 KiB. It is what a stream holds in memory.
pub(super) const CHUNK: usize = 64 * 1024;
const HEX_DIGEST: usize = 64;
const CRLF: &str = "\r\n";

/// A body of signed chunks under another key.
pub(in crate::signing) struct Resigned {
    chunks: Chunks,
    chain: Chain,
    /// Data of the chunk being filled, as it came, and behind it what was copied together.
    filling: Vec<Bytes>,
    small: BytesMut,
    filled: usize,
    hasher: digest::Context,
    /// Ready to be sent.
    out: VecDeque<Bytes>,
    /// Whether a chunk was written, whose line end is still owed.
    owes_line_end: bool,
    over: bool,
    sent: u64,
    size: SizeHint,
}

impl Resigned {
    /// `chain` continues the signature of the request that the body belongs to.
    pub(in crate::signing) fn new(chunks: Chunks, chain: Chain) -> Self {
        let size = chunks.announced().encoded().map_or_else(SizeHint::default, SizeHint::with_exact);
        Self {
            chunks,
            chain,
            filling: Vec::new(),
            small: BytesMut::new(),
            filled: 0,
            hasher: digest::Context::new(&digest::SHA256),
            out: VecDeque::new(),
            owes_line_end: false,
            over: false,
            sent: 0,
            size,
        }
    }

    fn take(&mut self, mut data: Bytes) {
        while !data.is_empty() {
            let part = data.split_to(data.len().min(CHUNK - self.filled));
            self.hasher.update(&part);
            self.filled += part.len();
            if part.len() < SMALL {
                self.small.extend_from_slice(&part);
            } else {
                self.end_small();
                self.filling.push(part);
            }
            if self.filled == CHUNK {
                self.write_chunk();
            }
        }
    }

    fn end_small(&mut self) {
        if !self.small.is_empty() {
            self.filling.push(self.small.split().freeze());
        }
    }

    fn write_chunk(&mut self) {
        self.end_small();
        let hasher = std::mem::replace(&mut self.hasher, digest::Context::new(&digest::SHA256));
        let line = self.size_line(self.filled, &hex(hasher.finish().as_ref()));
        self.out.push_back(line);
        self.out.extend(self.filling.drain(..));
        self.filled = 0;
        self.owes_line_end = true;
    }

    /// The line before a chunk's data, and the line end behind the chunk before it: one piece, to be sent in one go.
    fn size_line(&mut self, size: usize, sha256: &str) -> Bytes {
        let owed = if self.owes_line_end { CRLF } else { "" };
        Bytes::from(format!("{owed}{size:x}{SIGNATURE_EXTENSION}{}{CRLF}", self.chain.chunk(sha256)))
    }

    fn finish(&mut self, trailers: &[(String, String)]) {
        if self.filled > 0 {
            self.write_chunk();
        }
        let last = self.size_line(0, EMPTY_SHA256);
        self.out.push_back(last);
        let mut end = String::new();
        if self.chunks.announced().has_trailer {
            for (name, value) in trailers {
                end.push_str(&trailer_line(name, value));
            }
            let signature = self.chain.trailer(&sha256_hex(canonical(trailers).as_bytes())).to_owned();
            end.push_str(&trailer_line(TRAILER_SIGNATURE, &signature));
        }
        end.push_str(CRLF);
        self.out.push_back(Bytes::from(end));
        self.over = true;
    }
}

fn trailer_line(name: &str, value: &str) -> String {
    format!("{name}:{value}{CRLF}")
}

impl HttpBody for Resigned {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        for _ in 0..TURN {
            if let Some(bytes) = this.out.pop_front() {
                this.sent += bytes.len() as u64;
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            if this.over {
                // Promised in the head: a byte more would be cut off, a byte less waited for.
                let kept = this.size.exact().is_none_or(|promised| promised == this.sent);
                this.size = SizeHint::default();
                return Poll::Ready((!kept).then(|| Err(PayloadError { reason: Reason::PayloadMalformed }.into())));
            }
            match ready!(this.chunks.poll_piece(cx)) {
                Some(Ok(Piece::Data(data))) => this.take(data),
                Some(Ok(Piece::End(trailers))) => this.finish(&trailers),
                Some(Err(error)) => {
                    this.over = true;
                    this.size = SizeHint::default();
                    return Poll::Ready(Some(Err(error)));
                }
                None => this.over = true,
            }
        }
        // A client may send chunks of a byte, each with a signature.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.over && self.out.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.size
    }
}

impl Announced {
    /// Bytes of the whole body as [`Resigned`] writes it; `None` where a trailer's length is not known beforehand.
    pub(in crate::signing) fn encoded(&self) -> Option<u64> {
        let framed = |size: u64| {
            let digits = format!("{size:x}").len() + SIGNATURE_EXTENSION.len() + HEX_DIGEST + CRLF.len();
            digits as u64 + size
        };
        let chunk = CHUNK as u64;
        let (full, rest) = (self.decoded / chunk, self.decoded % chunk);
        let line_end = CRLF.len() as u64;
        let mut length = full.checked_mul(framed(chunk) + line_end)?;
        if rest > 0 {
            length = length.checked_add(framed(rest) + line_end)?;
        }
        let mut end = framed(0) + line_end;
        if self.has_trailer {
            for name in &self.trailers {
                end += trailer_line(name, "").len() as u64 + checksum_length(name)?;
            }
            end += (trailer_line(TRAILER_SIGNATURE, "").len() + HEX_DIGEST) as u64;
        }
        length.checked_add(end)
    }
}
