//! How far the sending of a request has come, seen from its body.

use std::{
    pin::{Pin, pin},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

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
    /// Sent, failed or dropped.
    has_ended: AtomicBool,
    /// Told of that.
    ended: Notify,
    failure: OnceLock<Refusal>,
}

/// Starts to watch `body`.
pub(super) fn watch(body: Body) -> (Watched, Progress) {
    let shared = Arc::new(Shared {
        frames: AtomicU64::new(0),
        starved: AtomicBool::new(false),
        has_ended: AtomicBool::new(false),
        ended: Notify::new(),
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
        loop {
            let before = self.0.frames.load(Ordering::Relaxed);
            if timeout(timeouts.idle, self.0.ended()).await.is_ok() {
                return sleep(timeouts.response).await;
            }
            let is_stuck = self.0.frames.load(Ordering::Relaxed) == before;
            if is_stuck && !self.0.starved.load(Ordering::Relaxed) {
                return;
            }
        }
    }
}

impl Shared {
    fn end(&self) {
        self.has_ended.store(true, Ordering::SeqCst);
        self.ended.notify_waiters();
    }

    async fn ended(&self) {
        let mut told = pin!(self.ended.notified());
        // Before the look, so that an end behind it is not missed.
        told.as_mut().enable();
        if !self.has_ended.load(Ordering::SeqCst) {
            told.await;
        }
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
    use std::time::Duration;

    use http_body_util::{BodyExt, StreamBody};
    use tokio::time::Instant;

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
