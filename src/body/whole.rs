//! Bodies that end where their sender ended them.
//!
//! In HTTP/2 a sender can take a stream back, and with the code `NO_ERROR` hyper lets the body end as if it were complete. What has
//! been received by then must not go on as the whole: a store would keep half an object, a reader take half of one for all.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::Version;
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::BoxError;

/// A message's body as it came.
#[derive(Debug)]
pub struct Whole<B> {
    inner: B,
    /// HTTP/1 says itself where a body breaks off.
    is_http2: bool,
    over: bool,
}

/// The stream was reset before its end.
#[derive(Debug, thiserror::Error)]
#[error("the stream was reset in the middle of its body")]
struct CutOff;

impl<B> Whole<B> {
    /// Lets the body of a message of this version end in an error where its stream was reset.
    pub const fn of(version: Version, body: B) -> Self {
        Self { inner: body, is_http2: matches!(version, Version::HTTP_2), over: false }
    }
}

impl<B> HttpBody for Whole<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.over {
            return Poll::Ready(None);
        }
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        let is_cut_off = frame.is_none() && self.is_http2 && !self.inner.is_end_stream();
        self.over = !matches!(frame, Some(Ok(_)));
        Poll::Ready(if is_cut_off { Some(Err(CutOff.into())) } else { frame.map(|frame| frame.map_err(Into::into)) })
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
    use http_body_util::BodyExt;

    use super::*;

    /// Says that it has ended, or does not.
    struct Ended(bool);

    impl HttpBody for Ended {
        type Data = Bytes;
        type Error = BoxError;

        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
            Poll::Ready(None)
        }

        fn is_end_stream(&self) -> bool {
            self.0
        }
    }

    #[tokio::test]
    async fn an_end_without_an_end_is_an_error_in_http2_alone() {
        let mut cut = Whole::of(Version::HTTP_2, Ended(false));
        assert!(cut.frame().await.unwrap().unwrap_err().is::<CutOff>());
        assert!(cut.frame().await.is_none());
        assert!(Whole::of(Version::HTTP_2, Ended(true)).frame().await.is_none());
        assert!(Whole::of(Version::HTTP_11, Ended(false)).frame().await.is_none());
    }
}
