//! A body that is hashed while it is sent, and whose last bytes are held back until the hash is known to be right.
//!
//! An upstream commits an upload when its last byte is in. Here that byte is only sent once the whole body has proved to be
//! what the client signed for; otherwise the stream ends in an error, the connection is dropped, and nothing is committed.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use aws_lc_rs::digest;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::payload::PayloadError;
use crate::{
    body::{Body, BoxError},
    reject::Reason,
    sigv4::{hex, is_hex_digest},
};

pub(super) struct HashedBody {
    inner: Body,
    hasher: Option<digest::Context>,
    expected: String,
    held: Bytes,
    size: SizeHint,
}

impl HashedBody {
    /// `expected` is 64 lower-case hex digits.
    pub(super) fn new(inner: Body, expected: &str) -> Option<Self> {
        let size = inner.size_hint();
        is_hex_digest(expected).then(|| Self {
            inner,
            hasher: Some(digest::Context::new(&digest::SHA256)),
            expected: expected.to_owned(),
            held: Bytes::new(),
            size,
        })
    }

    fn finish(&mut self) -> Result<Option<Bytes>, BoxError> {
        let Some(hasher) = self.hasher.take() else { return Ok(None) };
        if hex(hasher.finish().as_ref()) != self.expected {
            return Err(Box::new(PayloadError { reason: Reason::PayloadHashMismatch }));
        }
        let last = std::mem::take(&mut self.held);
        Ok((!last.is_empty()).then_some(last))
    }
}

impl HttpBody for HashedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        loop {
            let Some(hasher) = &mut this.hasher else { return Poll::Ready(None) };
            match ready!(Pin::new(&mut this.inner).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    // Trailers are dropped: SigV4 covers them in the trailer modes alone.
                    let Ok(data) = frame.into_data() else { continue };
                    if data.is_empty() {
                        continue;
                    }
                    hasher.update(&data);
                    let earlier = std::mem::replace(&mut this.held, data);
                    if !earlier.is_empty() {
                        return Poll::Ready(Some(Ok(Frame::data(earlier))));
                    }
                }
                Some(Err(error)) => {
                    this.hasher = None;
                    return Poll::Ready(Some(Err(error)));
                }
                None => return Poll::Ready(this.finish().map(|last| last.map(Frame::data)).transpose()),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.hasher.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.size
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use http_body_util::{BodyExt, StreamBody};

    use super::*;

    const ABCDEF: &str = "bef57ec7f53a6d40beb640a780a639c83bc29ac8a9816f1fc6c5c6dcd93c4721";

    /// Everything that would reach the upstream, and whether the stream ended well.
    async fn send(parts: &'static [&'static str], expected: &str) -> (String, bool) {
        let frames = stream::iter(parts.iter().map(|p| Ok::<_, BoxError>(Frame::data(Bytes::from_static(p.as_bytes())))));
        let mut body = HashedBody::new(StreamBody::new(frames).boxed_unsync(), expected).unwrap();
        let mut sent = String::new();
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => sent.push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap()),
                Err(error) => {
                    assert_eq!(error.downcast_ref::<PayloadError>().unwrap().reason, Reason::PayloadHashMismatch);
                    return (sent, false);
                }
            }
        }
        (sent, true)
    }

    #[tokio::test]
    async fn the_right_body_arrives_whole() {
        for parts in [&["abcdef"][..], &["abc", "def"], &["a", "", "bcde", "f", ""]] {
            assert_eq!(send(parts, ABCDEF).await, ("abcdef".to_owned(), true));
        }
        assert_eq!(send(&[], crate::sigv4::EMPTY_SHA256).await, (String::new(), true));
    }

    #[tokio::test]
    async fn the_wrong_body_never_arrives_whole() {
        for parts in [&["abcdeg"][..], &["abc", "deg"], &["a", "bcde", "g"], &["abcdef", "x"], &["abcde"], &["x", ""]] {
            let (sent, ended_well) = send(parts, ABCDEF).await;
            let whole: String = parts.concat();
            assert!(!ended_well && sent.len() < whole.len(), "{sent:?} of {whole:?} was sent");
        }
        assert_eq!(send(&[], ABCDEF).await, (String::new(), false));
    }
}
