//! How far the sending of a request has come, seen from its body.
//!
//! Nobody is woken when a request is out: that would be one more look at the whole connection for each of them. When it was is written down, and whoever waits for the answer
//! looks there when the first deadline comes that could be one.

use std::{
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, sleep_until};

use crate::{
    body::{Body, BoxError},
    causes::find,
    config::TimeoutsConfig,
    reject::Refusal,
    server::idle,
    signing::PayloadError,
};

/// A request body that reports on itself.
pub(super) struct Watched {
    body: Body,
    shared: Arc<Shared>,
}

/// The report.
pub(super) struct Progress(Arc<Shared>);

struct Shared {
    /// Frames handed over for sending.
    frames: AtomicU64,
    /// Whether the last thing seen was the body's source having nothing to give.
    starved: AtomicBool,
    born: Instant,
    /// When the body was sent, failed or was dropped: nanoseconds since `born`, and one. 0 until then.
    ended: AtomicU64,
    failure: OnceLock<Refusal>,
}

/// Starts to watch `body`.
pub(super) fn watch(body: Body) -> (Watched, Progress) {
    let shared = Arc::new(Shared {
        frames: AtomicU64::new(0),
        starved: AtomicBool::new(false),
        born: Instant::now(),
        ended: AtomicU64::new(0),
        failure: OnceLock::new(),
    });
    (Watched { body, shared: shared.clone() }, Progress(shared))
}

impl Progress {
    /// Why the body failed, if it did.
    pub(super) fn failure(&self) -> Option<Refusal> {
        self.0.failure.get().cloned()
    }

    /// Returns when the upstream has taken nothing of the body for `idle`, or has had all of it for `response`. A source that
    /// gives nothing is not the upstream's fault, and under a deadline of its own.
    pub(super) async fn overdue(&self, timeouts: &TimeoutsConfig) {
        let mut looked = self.0.born;
        let mut before = self.0.frames.load(Ordering::Relaxed);
        let mut stuck_at = Instant::now() + timeouts.idle;
        loop {
            // What ends behind this look has all of its time behind it, too.
            sleep_until(stuck_at.min(looked + timeouts.response)).await;
            if let Some(ended) = self.0.ended() {
                return sleep_until(ended + timeouts.response).await;
            }
            looked = Instant::now();
            if looked < stuck_at {
                continue;
            }
            let frames = self.0.frames.load(Ordering::Relaxed);
            if frames == before && !self.0.starved.load(Ordering::Relaxed) {
                return;
            }
            (before, stuck_at) = (frames, looked + timeouts.idle);
        }
    }
}

impl Shared {
    /// The first end counts: what was sent is dropped, too.
    fn end(&self) {
        if self.ended.load(Ordering::Relaxed) == 0 {
            let since = u64::try_from(self.born.elapsed().as_nanos()).unwrap_or(u64::MAX).saturating_add(1);
            let _ = self.ended.compare_exchange(0, since, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    fn ended(&self) -> Option<Instant> {
        let since = self.ended.load(Ordering::Relaxed);
        Some(self.born + Duration::from_nanos(since.checked_sub(1)?))
    }
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        let shared = &self.shared;
        shared.starved.store(polled.is_pending(), Ordering::Relaxed);
        match &polled {
            Poll::Pending => {}
            Poll::Ready(Some(Ok(_))) => {
                shared.frames.fetch_add(1, Ordering::Relaxed);
                if self.body.is_end_stream() {
                    shared.end();
                }
            }
            Poll::Ready(Some(Err(error))) => {
                // Only the first can be the cause.
                let _ = shared.failure.set(blame(&**error));
                shared.end();
            }
            Poll::Ready(None) => {
                shared.end();
            }
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

impl Drop for Watched {
    fn drop(&mut self) {
        self.shared.end();
    }
}

/// What a failure of the request's body means for the client.
fn blame(error: &(dyn std::error::Error + 'static)) -> Refusal {
    if let Some(error) = find::<PayloadError>(error) {
        return error.reason.into();
    }
    idle::refusal(error)
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, StreamBody};
    use tokio::time::timeout;

    use super::*;
    use crate::reject::Reason;

    const SECOND: Duration = Duration::from_secs(1);
    const TIMEOUTS: TimeoutsConfig = TimeoutsConfig { connect: SECOND, response: Duration::from_secs(30), idle: Duration::from_secs(10) };

    fn frames(items: Vec<Result<&'static str, BoxError>>) -> Body {
        let frames = items.into_iter().map(|item| item.map(|text| Frame::data(Bytes::from(text))));
        StreamBody::new(futures_util::stream::iter(frames.collect::<Vec<_>>())).boxed_unsync()
    }

    #[tokio::test(start_paused = true)]
    async fn the_wait_for_the_response_starts_when_the_body_is_out() {
        let (mut body, progress) = watch(frames(vec![Ok("a"), Ok("b"), Ok("c")]));
        let started = Instant::now();
        let upload = tokio::spawn(async move {
            while let Some(frame) = body.frame().await {
                frame.unwrap();
                tokio::time::sleep(SECOND * 8).await;
            }
        });
        progress.overdue(&TIMEOUTS).await;
        assert_eq!(started.elapsed(), SECOND * 24 + TIMEOUTS.response);
        upload.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_body_the_wait_starts_when_the_request_is_out_and_not_before_there_is_a_connection() {
        let (body, progress) = watch(crate::body::empty());
        let started = Instant::now();
        let connecting = tokio::spawn(async move {
            tokio::time::sleep(SECOND * 8).await;
            drop(body);
        });
        progress.overdue(&TIMEOUTS).await;
        assert_eq!(started.elapsed(), SECOND * 8 + TIMEOUTS.response);
        connecting.await.unwrap();
    }

    /// Whichever of the two deadlines is the longer one.
    #[tokio::test(start_paused = true)]
    async fn the_wait_is_as_long_wherever_in_between_the_body_is_out() {
        for (response, idle) in [(30, 10), (10, 30), (10, 10), (7, 1)].map(|(response, idle)| (SECOND * response, SECOND * idle)) {
            let timeouts = TimeoutsConfig { response, idle, ..TIMEOUTS };
            for out in (0..130).map(|tenths| SECOND / 10 * tenths) {
                let (body, progress) =
                    watch(StreamBody::new(futures_util::stream::pending::<Result<Frame<Bytes>, BoxError>>()).boxed_unsync());
                let started = Instant::now();
                let upload = tokio::spawn(async move {
                    let mut body = body;
                    // A source that gives nothing until it is given up.
                    let _ = timeout(out, body.frame()).await;
                });
                progress.overdue(&timeouts).await;
                assert_eq!(started.elapsed(), out + response, "{timeouts:?}");
                upload.await.unwrap();
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_upstream_that_takes_nothing_is_overdue() {
        let (mut body, progress) = watch(frames(vec![Ok("a"), Ok("b")]));
        body.frame().await.unwrap().unwrap();
        let started = Instant::now();
        progress.overdue(&TIMEOUTS).await;
        assert_eq!(started.elapsed(), TIMEOUTS.idle);
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_that_gives_nothing_is_not_the_upstream_s_fault() {
        let stalled = StreamBody::new(futures_util::stream::pending::<Result<Frame<Bytes>, BoxError>>()).boxed_unsync();
        let (mut body, progress) = watch(stalled);
        tokio::spawn(async move { body.frame().await });
        assert!(timeout(TIMEOUTS.idle * 10, progress.overdue(&TIMEOUTS)).await.is_err());
    }

    #[tokio::test]
    async fn a_body_s_failure_is_named() {
        let payload: BoxError = PayloadError { reason: Reason::PayloadHashMismatch }.into();
        let wrapped: BoxError = std::io::Error::other(PayloadError { reason: Reason::BodyTooLarge }).into();
        let other: BoxError = "reset".into();
        let cases = [(payload, Reason::PayloadHashMismatch), (wrapped, Reason::BodyTooLarge), (other, Reason::MalformedRequest)];
        for (error, reason) in cases {
            let (mut body, progress) = watch(frames(vec![Ok("a"), Err(error)]));
            body.frame().await.unwrap().unwrap();
            assert!(progress.failure().is_none());
            body.frame().await.unwrap().unwrap_err();
            assert_eq!(progress.failure().unwrap().reason, reason);
        }
    }
}
