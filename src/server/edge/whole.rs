//! Bodies that end where their sender ended them.
//!
//! In HTTP/2 a sender can take a stream back, and with the code `NO_ERROR` hyper lets the body end as if it were complete. What has
//! been received by then must not go on as the whole: a store would keep half an object.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::Version;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;

use crate::{body::BoxError, server::activity::Tracked};

/// A request's body as it came.
pub(super) struct Whole {
    inner: Tracked<Incoming>,
    /// HTTP/1 says itself where a body breaks off.
    is_http2: bool,
    over: bool,
}

/// The stream was reset before its end.
#[derive(Debug, thiserror::Error)]
#[error("the stream was reset in the middle of its body")]
struct CutOff;

/// Lets `body` end in an error where its stream was reset.
pub(super) fn or_none(version: Version, body: Tracked<Incoming>) -> Whole {
    Whole { inner: body, is_http2: version == Version::HTTP_2, over: false }
}

impl HttpBody for Whole {
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
