//! `Expect` (RFC 9110, section 10.1.1): what may be expected, and what becomes of a connection whose client waits in vain.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderValue, Response, Version, header, request::Parts};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;

use crate::{
    body::{Body, BoxError},
    reject::{Reason, Refusal},
};

/// Nothing but `100-continue` can be expected, and nothing at all in HTTP/1.0, where the header is ignored.
pub(super) fn check(head: &mut Parts) -> Result<(), Refusal> {
    if head.version < Version::HTTP_11 {
        head.headers.remove(header::EXPECT);
    }
    let is_known = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
    if head.headers.get_all(header::EXPECT).iter().all(is_known) { Ok(()) } else { Err(Reason::ExpectationFailed.into()) }
}

/// Whether somebody has read a body, which is what asks the client for it.
pub(super) struct Asked(Arc<AtomicBool>);

struct Watched {
    body: Body,
    asked: Arc<AtomicBool>,
}

/// Watches the body of a client that waits to be asked for it. HTTP/2 needs none of this: there a stream ends by itself.
pub(super) fn watch(head: &Parts, body: Body) -> (Body, Option<Asked>) {
    if head.version != Version::HTTP_11 || body.is_end_stream() || !head.headers.contains_key(header::EXPECT) {
        return (body, None);
    }
    let asked = Arc::new(AtomicBool::new(false));
    (Watched { body, asked: asked.clone() }.boxed_unsync(), Some(Asked(asked)))
}

impl Asked {
    /// A client that was not asked may send the body all the same, or its next request: which it is nobody could tell, so the
    /// connection ends, and is said to.
    pub(super) fn close_unless_asked(&self, response: &mut Response<Body>) {
        if !self.0.load(Ordering::Relaxed) {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.asked.store(true, Ordering::Relaxed);
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
