//! The one body type that crosses module borders, and how to make one.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::{BodyExt, Empty, Full, combinators::UnsyncBoxBody};

/// Any error, once it no longer matters which.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A request or response body in flight. Streams unless it was made from bytes.
pub type Body = UnsyncBoxBody<Bytes, BoxError>;

/// A body without bytes.
pub fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// A body that is all there.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// Reads a whole body of at most `limit` bytes.
///
/// # Errors
/// [`Unreadable::TooLarge`] as soon as the limit is passed or announced to be; [`Unreadable::Broken`] when the body fails.
pub async fn collect(mut body: Body, limit: usize) -> Result<Bytes, Unreadable> {
    if body.size_hint().lower() > limit as u64 {
        return Err(Unreadable::TooLarge);
    }
    let mut first = Bytes::new();
    let mut rest: Vec<u8> = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(Unreadable::Broken)?.into_data() else { continue };
        if first.len() + rest.len() + data.len() > limit {
            return Err(Unreadable::TooLarge);
        }
        // Most bodies that are read whole are small and come in one piece, which is then not copied.
        if first.is_empty() {
            first = data;
        } else {
            rest.extend_from_slice(&data);
        }
    }
    if rest.is_empty() { Ok(first) } else { Ok([&first[..], &rest].concat().into()) }
}

/// Why a body could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// The sender failed.
    #[error("the body broke off: {0}")]
    Broken(BoxError),
    /// More than the limit.
    #[error("the body is larger than the limit")]
    TooLarge,
}

/// A body that keeps `guard` alive until its end: its last byte, an error, or the drop of whoever reads it.
pub fn holding<G: Send + Unpin + 'static>(body: Body, guard: G) -> Body {
    Holding { inner: body, guard: Some(guard) }.boxed_unsync()
}

struct Holding<G> {
    inner: Body,
    guard: Option<G>,
}

impl<G: Unpin> HttpBody for Holding<G> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        // Some readers stop at a body that says it has ended and never ask for the `None` behind its last frame.
        if !matches!(frame, Some(Ok(_))) || self.inner.is_end_stream() {
            self.guard = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn a_body_is_read_up_to_the_limit() {
        let parts = |parts: &'static [&'static str]| {
            let frames = parts.iter().map(|p| Ok::<_, BoxError>(Frame::data(Bytes::from_static(p.as_bytes()))));
            http_body_util::StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync()
        };
        for whole in [&["abcdef"][..], &["abc", "def"], &["", "abc", "", "d", "ef"]] {
            assert_eq!(collect(parts(whole), 6).await.unwrap(), "abcdef");
            assert!(matches!(collect(parts(whole), 5).await, Err(Unreadable::TooLarge)));
        }
        assert!(collect(empty(), 0).await.unwrap().is_empty());
        assert!(matches!(collect(full("abc"), 2).await, Err(Unreadable::TooLarge)));
    }

    #[tokio::test]
    async fn a_guard_goes_with_the_last_byte_or_the_reader() {
        let guard = Arc::new(());
        let mut body = holding(full("abc"), guard.clone());
        assert_eq!(Arc::strong_count(&guard), 2);
        body.frame().await.unwrap().unwrap();
        assert_eq!(Arc::strong_count(&guard), 1, "the guard outlived the last byte");

        let unread = holding(full("abc"), guard.clone());
        drop(unread);
        assert_eq!(Arc::strong_count(&guard), 1);
    }
}
