//! How long a proof lasts, for whoever acts on it.
//!
//! Checking a proof when a request begins is not enough: an application could open requests while it holds a passport, keep
//! their bodies back, and go on with them when the passport has long ended. So what a proof allows is done under its
//! [`Lease`], and is cut off with it: a request that is still being read or sent, and a response that is still streaming.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::sync::watch;

use crate::{
    aws::action::{Actions, Needed},
    body::{Body, BoxError},
    clock::Clock,
    reject::{Reason, Refusal},
    telemetry::{Metrics, RequestId, traces::SpanContext},
};

/// The life of a proof, and what it may be used for. A leaf: only this module's siblings make one.
#[derive(Debug, Clone)]
pub struct Lease(Option<Passing>);

/// A life that ends with its passport.
#[derive(Debug, Clone)]
struct Passing {
    /// When the passport ends at the latest, which can change. Closed when it ends before.
    until: watch::Receiver<End>,
    warrant: Arc<Warrant>,
    clock: Clock,
}

/// When a passport ends at the latest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    pub(super) at: Instant,
    /// Its request has ended already.
    pub(super) is_grace: bool,
}

/// What one redemption of a passport is for. Counted when the request that it was made with is over.
#[derive(Debug)]
pub(super) struct Warrant {
    request: RequestId,
    span: Option<SpanContext>,
    actions: Option<Actions>,
    refused: AtomicBool,
    metrics: Metrics,
}

impl Warrant {
    pub(super) fn new(request: RequestId, actions: Option<Actions>, metrics: Metrics) -> Self {
        Self { request, span: None, actions, refused: AtomicBool::new(false), metrics }
    }

    /// The same, of a request that is part of a trace.
    pub(super) fn in_trace(mut self, span: Option<SpanContext>) -> Self {
        self.span = span;
        self
    }
}

impl Drop for Warrant {
    fn drop(&mut self) {
        self.metrics.passport_redemption(if *self.refused.get_mut() { "refused" } else { "ok" });
    }
}

impl Lease {
    /// For a token: it is checked when the request begins, as AWS does with its own.
    pub(super) const fn of_token() -> Self {
        Self(None)
    }

    /// For a passport that ends when `until` closes or its time comes.
    pub(super) fn of_passport(until: watch::Receiver<End>, warrant: Warrant, clock: Clock) -> Self {
        Self(Some(Passing { until, warrant: Arc::new(warrant), clock }))
    }

    /// How long it lasts at most, as things are; `None` where it has no end of its own.
    pub fn remaining(&self) -> Option<Duration> {
        self.0.as_ref().map(|passing| passing.remaining(passing.until.borrow().at))
    }

    /// The ingress request that the proof belongs to; `None` for a token.
    pub fn for_request(&self) -> Option<&RequestId> {
        self.0.as_ref().map(|passing| &passing.warrant.request)
    }

    /// The call to the application that the proof was given with; `None` for a token, and where there are no traces.
    pub fn span(&self) -> Option<SpanContext> {
        self.0.as_ref()?.warrant.span
    }

    /// Whether the proof may be used for what `needed` yields. That is worked out only where the proof is bound to actions.
    ///
    /// # Errors
    /// `ActionNotAllowed`, with the first action that is missing as a note.
    pub fn permit<'n>(&self, needed: impl FnOnce() -> Needed<'n>) -> Result<(), Refusal> {
        let Some(warrant) = self.0.as_ref().map(|passing| &passing.warrant) else { return Ok(()) };
        let Some(actions) = &warrant.actions else { return Ok(()) };
        actions.allow(&needed()).map_err(|missing| {
            warrant.refused.store(true, Ordering::Relaxed);
            Refusal::noted(Reason::ActionNotAllowed, missing)
        })
    }

    /// Whether it has ended.
    #[cfg(test)]
    pub(crate) fn is_over(&self) -> bool {
        self.0.as_ref().is_some_and(|passing| passing.until.has_changed().is_err()) || self.remaining().is_some_and(|left| left.is_zero())
    }

    #[cfg(test)]
    pub(crate) fn of_passport_for_tests(actions: Option<Actions>) -> Self {
        let clock = Clock::system();
        let (alive, until) = watch::channel(End { at: clock.instant() + Duration::from_secs(60), is_grace: false });
        std::mem::forget(alive);
        Self::of_passport(until, Warrant::new(RequestId::random(), actions, Metrics::new().unwrap()), clock)
    }

    /// What the proof is bound to, where it is bound to anything.
    pub fn actions(&self) -> Option<&Actions> {
        self.0.as_ref()?.warrant.actions.as_ref()
    }

    /// Runs `work` under the lease: it is dropped when the lease ends.
    pub async fn cover<T>(&self, work: impl Future<Output = Result<T, Refusal>>) -> Result<T, Refusal> {
        let Some(passing) = &self.0 else { return work.await };
        tokio::select! {
            biased;
            reason = passing.clone().ended() => Err(Refusal::noted(reason, "the passport ended while its request was in progress")),
            result = work => result,
        }
    }

    /// Puts a response under the lease: it breaks off when the lease ends.
    pub fn cover_body(&self, body: Body) -> Body {
        match &self.0 {
            Some(passing) if !body.is_end_stream() => Covered { inner: body, ended: Box::pin(passing.clone().ended()) }.boxed_unsync(),
            _ => body,
        }
    }
}

impl Passing {
    async fn ended(mut self) -> Reason {
        loop {
            let end = *self.until.borrow_and_update();
            let remaining = self.remaining(end.at);
            tokio::select! {
                biased;
                changed = self.until.changed() => {
                    if changed.is_err() {
                        return Reason::PassportUnknown;
                    }
                }
                () = tokio::time::sleep(remaining) => {
                    return if end.is_grace { Reason::PassportUnknown } else { Reason::PassportExpired };
                }
            }
        }
    }

    fn remaining(&self, end: Instant) -> Duration {
        end.saturating_duration_since(self.clock.instant())
    }
}

/// A response whose passport ended before it did.
#[derive(Debug, thiserror::Error)]
#[error("the passport ended before the response did")]
struct LeaseEnded;

struct Covered {
    inner: Body,
    ended: Pin<Box<dyn Future<Output = Reason> + Send>>,
}

impl HttpBody for Covered {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.ended.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Some(Err(LeaseEnded.into())));
        }
        Poll::Ready(ready!(Pin::new(&mut self.inner).poll_frame(cx)))
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
    use futures_util::stream;
    use http_body_util::StreamBody;

    use super::*;
    use crate::body;

    fn lease(life: Duration) -> (watch::Sender<End>, Lease) {
        let clock = Clock::system();
        let (alive, until) = watch::channel(End { at: clock.instant() + life, is_grace: false });
        let warrant = Warrant::new(RequestId::random(), None, Metrics::new().unwrap());
        (alive, Lease::of_passport(until, warrant, clock))
    }

    const LONG: Duration = Duration::from_secs(3_600);

    fn endless() -> Body {
        StreamBody::new(stream::repeat_with(|| Ok::<_, BoxError>(Frame::data(Bytes::from_static(b"x"))))).boxed_unsync()
    }

    #[tokio::test(start_paused = true)]
    async fn work_is_dropped_when_the_passport_goes_or_its_time_is_over() {
        let (alive, lease) = lease(LONG);
        let work = tokio::spawn({
            let lease = lease.clone();
            async move { lease.cover(std::future::pending::<Result<(), Refusal>>()).await }
        });
        tokio::task::yield_now().await;
        drop(alive);
        assert_eq!(work.await.unwrap().unwrap_err().reason, Reason::PassportUnknown);
        assert_eq!(lease.cover(async { Ok(()) }).await.unwrap_err().reason, Reason::PassportUnknown, "the end comes first");

        let (_alive, lease) = self::lease(Duration::from_secs(1));
        let late = lease.cover(std::future::pending::<Result<(), Refusal>>()).await;
        assert_eq!(late.unwrap_err().reason, Reason::PassportExpired);
    }

    #[tokio::test(start_paused = true)]
    async fn an_end_that_is_put_off_or_moved_up_is_followed() {
        let (alive, lease) = lease(Duration::from_secs(1));
        let work = |lease: &Lease| {
            let lease = lease.clone();
            tokio::spawn(async move { lease.cover(std::future::pending::<Result<(), Refusal>>()).await })
        };
        let (upgraded, start) = (work(&lease), tokio::time::Instant::now());
        tokio::task::yield_now().await;
        let began = alive.borrow().at;
        alive.send_modify(|end| end.at += LONG);
        assert!(lease.remaining().unwrap() > LONG - Duration::from_secs(5));
        tokio::time::sleep(Duration::from_secs(1_800)).await;
        assert!(!upgraded.is_finished(), "the lease kept to its first end");
        // Its request has come to an end; what is left is a grace, of which nothing is left.
        alive.send_modify(|end| *end = End { at: began - Duration::from_secs(1), is_grace: true });
        assert_eq!(upgraded.await.unwrap().unwrap_err().reason, Reason::PassportUnknown);
        assert!(start.elapsed() < Duration::from_secs(1_801));
    }

    #[tokio::test]
    async fn a_response_breaks_off_when_the_passport_goes() {
        let (alive, lease) = lease(LONG);
        let mut covered = lease.cover_body(endless());
        assert!(covered.frame().await.unwrap().is_ok());
        drop(alive);
        assert!(covered.frame().await.unwrap().unwrap_err().is::<LeaseEnded>());
        assert!(lease.cover_body(endless()).frame().await.unwrap().is_err());
    }

    #[tokio::test]
    async fn a_covered_response_says_what_is_left_of_it_and_an_empty_one_needs_no_cover() {
        let (alive, lease) = lease(LONG);
        let mut covered = lease.cover_body(body::full("abc"));
        assert_eq!((covered.size_hint().exact(), covered.is_end_stream()), (Some(3), false));
        assert!(covered.frame().await.unwrap().is_ok());
        assert!(covered.is_end_stream());
        drop(alive);
        let empty = lease.cover_body(body::empty()).collect().await;
        assert!(empty.unwrap().to_bytes().is_empty(), "nothing of it was left to break off");
    }

    #[tokio::test]
    async fn what_ends_in_time_is_untouched_and_a_token_ends_nothing() {
        let (_alive, lease) = lease(LONG);
        assert_eq!(lease.cover(async { Ok(7) }).await.unwrap(), 7);
        assert_eq!(lease.cover_body(body::full("abc")).collect().await.unwrap().to_bytes(), "abc");
        assert_eq!(Lease::of_token().cover(async { Ok(7) }).await.unwrap(), 7);
        assert!(Lease::of_token().cover_body(endless()).frame().await.unwrap().is_ok());
    }
}
