//! Whether what a sender sends is being taken.
//!
//! The end of what a sender sends comes behind everything that it sent before. While a receiver takes nothing, the kernel's buffers are full,
//! the window is zero, and the sender's going away waits in its own kernel: nothing in TCP tells a sender that has gone from one that
//! waits (RFC 9293, section 3.8.6.1). So nothing here does. What can be told is that somebody does not take what is there, and for how long;
//! whatever rests on the sender's being there has to end with that.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::{
    sync::oneshot,
    time::{Instant, sleep},
};

use crate::body::{Body, BoxError};

/// How often a flow is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Bytes that have to be taken in the time that a flow may stall, where more are there. Someone who takes a byte now and then would otherwise
/// keep the end away for as long as there are bytes. No more than that, because kernels make room in pieces, of up to a megabyte on loopback:
/// a taker that is slow and steady shows as one piece in a while.
const STEADY: u64 = 256 * 1024;
/// The window of a connection before the kernel widens it: an end behind no more than that is never kept back.
const WINDOW: u64 = 64 * 1024;

/// The bytes of one sender, as they are taken.
#[derive(Debug)]
pub(super) struct Flow {
    taken: AtomicU64,
    /// Whether the last who asked for bytes found none: the sender's end would have been seen. Nobody has asked before the receiver is
    /// there, and has the sender's authority.
    is_drained: AtomicBool,
}

impl Flow {
    pub(super) fn new() -> Self {
        Self { taken: AtomicU64::new(0), is_drained: AtomicBool::new(true) }
    }

    /// Notes that `bytes` were taken; zero for something that is no bytes.
    pub(super) fn took(&self, bytes: usize) {
        self.taken.fetch_add(bytes as u64, Ordering::Relaxed);
        self.is_drained.store(false, Ordering::Relaxed);
    }

    /// Notes that somebody wanted bytes, and there were none.
    pub(super) fn drained(&self) {
        self.is_drained.store(true, Ordering::Relaxed);
    }

    /// Returns when there have been bytes for `limit`, within [`LOOK`], and next to none were taken.
    pub(super) async fn stalled(&self, limit: Duration) {
        let (mut taken, mut since) = (self.taken.load(Ordering::Relaxed), Instant::now());
        loop {
            sleep(LOOK.min(limit)).await;
            let now = self.taken.load(Ordering::Relaxed);
            if self.is_drained.load(Ordering::Relaxed) || now.wrapping_sub(taken) >= STEADY {
                (taken, since) = (now, Instant::now());
            } else if since.elapsed() >= limit {
                return;
            }
        }
    }
}

/// Watches how a request's body is taken.
#[derive(Debug)]
pub struct Upload {
    flow: Arc<Flow>,
    /// Fails when the body is gone.
    over: oneshot::Receiver<()>,
}

struct Watched {
    body: Body,
    flow: Arc<Flow>,
    _over: oneshot::Sender<()>,
}

/// Starts to watch `body`. `None` for one that is too short to keep its sender's end back.
pub fn watch(body: Body) -> (Body, Option<Upload>) {
    if body.is_end_stream() || body.size_hint().upper().is_some_and(|most| most <= WINDOW) {
        return (body, None);
    }
    let ((sender, over), flow) = (oneshot::channel(), Arc::new(Flow::new()));
    (Watched { body, flow: flow.clone(), _over: sender }.boxed_unsync(), Some(Upload { flow, over }))
}

impl Upload {
    /// Whether the body stalls for `limit`; false when it is over before: read to its end, failed or given up.
    pub async fn stalls(self, limit: Duration) -> bool {
        tokio::select! {
            _ = self.over => false,
            () = self.flow.stalled(limit) => true,
        }
    }
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => self.flow.took(frame.data_ref().map_or(0, Bytes::len)),
            // The sender's end is behind it, and there is nothing left to be taken.
            Poll::Ready(_) | Poll::Pending => self.flow.drained(),
        }
        if self.body.is_end_stream() {
            self.flow.drained();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{Full, StreamBody};
    use tokio::{task::JoinHandle, time::timeout};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    /// A body of which there always is more.
    fn endless() -> Body {
        let frames = futures_util::stream::repeat_with(|| Ok(Frame::data(Bytes::from_static(&[0; 8 * 1024]))));
        StreamBody::new(frames).boxed_unsync()
    }

    /// Takes a frame, then waits for `pause`, for as long as it lives.
    fn taker(mut body: Body, pause: Duration) -> JoinHandle<()> {
        tokio::spawn(async move {
            while body.frame().await.is_some() {
                sleep(pause).await;
            }
        })
    }

    /// Whether it stalls within a hundred times the limit, and when.
    async fn after(upload: Upload) -> Option<Duration> {
        let begun = Instant::now();
        let stalls = timeout(LIMIT * 100, upload.stalls(LIMIT)).await.unwrap_or(false);
        stalls.then(|| begun.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_left_lying_or_sipped_stalls_and_what_is_taken_steadily_does_not() {
        let (mut body, upload) = watch(endless());
        body.frame().await.unwrap().unwrap();
        assert_eq!(after(upload.unwrap()).await, Some(LIMIT), "nobody reads on");
        let (_unasked, upload) = watch(endless());
        assert_eq!(after(upload.unwrap()).await, None, "nobody is there to read");
        for (pause, expected) in [(Duration::from_secs(1), true), (Duration::from_millis(250), false)] {
            let (body, upload) = watch(endless());
            let taker = taker(body, pause);
            assert_eq!(after(upload.unwrap()).await.is_some(), expected, "8 KiB each {pause:?}");
            taker.abort();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_sender_that_is_slow_or_silent_is_not_a_taker_that_stalls() {
        use futures_util::StreamExt;
        let trickle = futures_util::stream::repeat(()).then(|()| async {
            sleep(LIMIT * 3).await;
            Ok::<_, BoxError>(Frame::data(Bytes::from_static(b"x")))
        });
        let (body, upload) = watch(StreamBody::new(trickle).boxed_unsync());
        let taker = taker(body, Duration::ZERO);
        assert_eq!(after(upload.unwrap()).await, None);
        taker.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_is_over_does_not_stall() {
        let (body, upload) = watch(endless());
        let watching = tokio::spawn(after(upload.unwrap()));
        sleep(LIMIT / 2).await;
        drop(body);
        assert_eq!(timeout(LOOK / 10, watching).await.unwrap().unwrap(), None, "it is told at once");

        let whole = |bytes: usize| Full::new(Bytes::from(vec![0; bytes])).map_err(|never| match never {}).boxed_unsync();
        let (mut body, upload) = watch(whole(100_000));
        body.frame().await.unwrap().unwrap();
        assert_eq!(after(upload.unwrap()).await, None, "all of it has been taken, though nobody asked for the end");
        assert!(watch(whole(64 * 1024)).1.is_none() && watch(crate::body::empty()).1.is_none(), "too short to hide anything");
        assert!(watch(whole(64 * 1024 + 1)).1.is_some());
    }
}
