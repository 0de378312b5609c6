//! What a request holds while its response lasts: room among the requests in progress, and a passport.
//!
//! How a response ends decides what becomes of the passport. One that comes to its end leaves the passport its grace, since it is the
//! application that was done, and knows what it still writes down. One that fails, or that its caller does not wait for, ends
//! the passport at once: nobody vouches for that request any longer, and nothing tells the application to finish.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;

use crate::{
    body::{Body, BoxError},
    identity::Passport,
};

/// Held until the response has ended, however it ends.
pub(super) struct Held<R> {
    pub(super) room: R,
    pub(super) passport: Option<Passport>,
}

impl<R: Send + Unpin + 'static> Held<R> {
    /// Ties what is held to a response's body.
    pub(super) fn until_end_of(self, response: Response<Body>) -> Response<Body> {
        if let Some(passport) = self.passport.as_ref().filter(|_| is_event_stream(&response)) {
            passport.upgrade();
        }
        response.map(|inner| {
            // Nobody asks a body without bytes for its end.
            if inner.is_end_stream() {
                self.response_ended();
                return inner;
            }
            Holding { inner, held: Some(self) }.boxed_unsync()
        })
    }

    fn response_ended(self) {
        if let Some(passport) = self.passport {
            passport.response_ended();
        }
        drop(self.room);
    }
}

/// The application says so, and may say it of any response: `upgrade_max_age` is what an operator allows it on that word.
fn is_event_stream(response: &Response<Body>) -> bool {
    let content_type = response.headers().get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let essence = content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    response.status() == StatusCode::OK && essence.eq_ignore_ascii_case(b"text/event-stream")
}

struct Holding<R> {
    inner: Body,
    held: Option<Held<R>>,
}

impl<R: Send + Unpin + 'static> HttpBody for Holding<R> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        // Some readers stop at a body that says it has ended and never ask for the `None` behind its last frame.
        let ended = frame.is_none() || self.inner.is_end_stream();
        match &frame {
            Some(Err(_)) => self.held = None,
            _ if ended => {
                if let Some(held) = self.held.take() {
                    held.response_ended();
                }
            }
            _ => {}
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
mod tests;
