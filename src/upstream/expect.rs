//! Bodies that wait for the upstream's `100 Continue` (RFC 9110, section 10.1.1).
//!
//! A client that says `Expect: 100-continue` sends its body when it is asked to, and hyper asks it as soon as somebody reads the
//! body. So all depends on when the body is read: here not before the upstream has asked in its turn, or has been silent for
//! [`PATIENCE`]. A final answer that comes instead is passed on at once, and the body is never read: it ends in an error when
//! the answer has ended, which closes the upstream's connection. Earlier it must not end, since that would break off the answer.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use http::Version;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::{Sleep, sleep};

use crate::body::{Body, BoxError, Whole};

/// How long the upstream may take to ask for a body before it is sent unasked, since not every server asks. What the AWS SDKs
/// and curl wait.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// The upstream has neither asked nor answered yet.
const WAITING: u8 = 0;
/// It has asked, or has been silent for too long.
const ASKED: u8 = 1;
/// It has answered without asking.
const ANSWERED: u8 = 2;
/// That answer has ended.
const OVER: u8 = 3;

/// Ends a body that nobody asked for.
#[derive(Debug, thiserror::Error)]
#[error("the upstream answered without having asked for the body")]
struct Unwanted;

#[derive(Debug)]
struct Shared {
    state: AtomicU8,
    reader: AtomicWaker,
}

impl Shared {
    fn advance(&self, from: u8, to: u8) -> bool {
        let advanced = self.state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok();
        if advanced {
            self.reader.wake();
        }
        advanced
    }
}

/// Opens or closes the way for a body.
#[derive(Clone)]
pub(super) struct Gate(Arc<Shared>);

/// Keeps a body back. To be held until the answer has ended.
#[derive(Debug)]
pub(super) struct Unasked(Arc<Shared>);

struct Held {
    body: Body,
    shared: Arc<Shared>,
    /// Runs from the first attempt to read, which is when the head has been sent.
    deadline: Option<Pin<Box<Sleep>>>,
}

/// Holds `body` back until its gate opens. `None` if there is no body to wait for.
pub(super) fn hold(body: Body) -> (Body, Option<Gate>) {
    if body.is_end_stream() || body.size_hint().upper() == Some(0) {
        return (body, None);
    }
    let shared = Arc::new(Shared { state: AtomicU8::new(WAITING), reader: AtomicWaker::new() });
    (Held { body, shared: shared.clone(), deadline: None }.boxed_unsync(), Some(Gate(shared)))
}

impl Gate {
    /// The upstream wants the body.
    pub(super) fn open(&self) {
        self.0.advance(WAITING, ASKED);
    }

    /// The upstream has answered. `None` if the body had been asked for before.
    pub(super) fn close(self) -> Option<Unasked> {
        self.0.advance(WAITING, ANSWERED).then_some(Unasked(self.0))
    }
}

impl Drop for Unasked {
    fn drop(&mut self) {
        self.0.advance(ANSWERED, OVER);
    }
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        while this.shared.state.load(Ordering::Acquire) != ASKED {
            // Before the second look: what happens after it wakes this task.
            this.shared.reader.register(cx.waker());
            match this.shared.state.load(Ordering::Acquire) {
                WAITING => {
                    let deadline = this.deadline.get_or_insert_with(|| Box::pin(sleep(PATIENCE)));
                    ready!(deadline.as_mut().poll(cx));
                    this.shared.advance(WAITING, ASKED);
                }
                ANSWERED => return Poll::Pending,
                OVER => return Poll::Ready(Some(Err(Unwanted.into()))),
                _ => {}
            }
        }
        Pin::new(&mut this.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of an upstream's answer. While it lasts, a request body that was not asked for is kept back.
#[derive(Debug)]
pub struct Answer {
    incoming: Whole<Incoming>,
    unasked: Option<Unasked>,
}

impl Answer {
    pub(super) fn new(version: Version, incoming: Incoming, unasked: Option<Unasked>) -> Self {
        let incoming = Whole::of(version, incoming);
        let unasked = unasked.filter(|_| !incoming.is_end_stream());
        Self { incoming, unasked }
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = ready!(Pin::new(&mut self.incoming).poll_frame(cx));
        if !matches!(frame, Some(Ok(_))) || self.incoming.is_end_stream() {
            self.unasked = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, timeout};

    use super::*;
    use crate::body;

    async fn read(mut body: Body) -> Result<Bytes, String> {
        match body.frame().await.unwrap() {
            Ok(frame) => Ok(frame.into_data().unwrap()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_is_read_when_it_is_asked_for_or_nothing_is_said() {
        let started = Instant::now();
        let (held, gate) = hold(body::full("abc"));
        let reader = tokio::spawn(read(held));
        tokio::time::sleep(PATIENCE / 4).await;
        gate.unwrap().open();
        assert_eq!(reader.await.unwrap().unwrap(), "abc");
        assert_eq!(started.elapsed(), PATIENCE / 4);

        let (held, gate) = hold(body::full("abc"));
        assert_eq!(read(held).await.unwrap(), "abc");
        assert_eq!(started.elapsed(), PATIENCE / 4 + PATIENCE);
        assert!(gate.unwrap().close().is_none(), "an answer to a body that was sent");
    }

    #[tokio::test(start_paused = true)]
    async fn after_an_answer_it_is_never_read_and_ends_with_that_answer() {
        let (held, gate) = hold(body::full("abc"));
        let reader = tokio::spawn(read(held));
        let gate = gate.unwrap();
        let unasked = gate.clone().close().unwrap();
        gate.open();
        let mut reader = std::pin::pin!(reader);
        assert!(timeout(PATIENCE * 100, &mut reader).await.is_err(), "it was read, or ended before the answer");
        drop(unasked);
        assert!(reader.await.unwrap().unwrap_err().contains("without having asked"));
    }

    #[tokio::test]
    async fn nothing_is_not_waited_for() {
        assert!(hold(body::empty()).1.is_none());
    }
}
