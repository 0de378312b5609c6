//! How long a proof lasts, for whoever acts on it.
//!
//! Checking a proof when a request begins is not enough: an application could open requests while it holds a passport, keep
//! their bodies back, and go on with them when the passport has long ended. So what a proof allows is done under its
//! [`Lease`], and is cut off with it: a request that is still being read or sent, and a response that is still streaming.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::sync::watch;

use crate::{
    body::{Body, BoxError},
    clock::Clock,
    reject::{Reason, Refusal},
};

/// The life of a proof. A leaf: only this module's siblings make one.
#[derive(Debug, Clone)]
pub struct Lease(Option<Passing>);

/// A life that ends with its passport.
#[derive(Debug, Clone)]
struct Passing {
    /// Closed when the passport is dropped.
    alive: watch::Receiver<()>,
    ends: Instant,
    clock: Clock,
}

impl Lease {
    /// For a token: it is checked when the request begins, as AWS does with its own.
    pub(super) const fn of_token() -> Self {
        Self(None)
    }

    /// For a passport that ends when `alive` closes, and at `ends` at the latest.
    pub(super) fn of_passport(alive: watch::Receiver<()>, ends: Instant, clock: Clock) -> Self {
        Self(Some(Passing { alive, ends, clock }))
    }

    /// How long it lasts at most; `None` where it has no end of its own.
    pub fn remaining(&self) -> Option<Duration> {
        self.0.as_ref().map(Passing::remaining)
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
        let remaining = self.remaining();
        tokio::select! {
            biased;
            // Nothing is ever sent: the only change is the end.
            _ = self.alive.changed() => Reason::PassportUnknown,
            () = tokio::time::sleep(remaining) => Reason::PassportExpired,
        }
    }

    fn remaining(&self) -> Duration {
        self.ends.saturating_duration_since(self.clock.instant())
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

    fn lease(life: Duration) -> (watch::Sender<()>, Lease) {
        let (alive, receiver) = watch::channel(());
        let clock = Clock::system();
        (alive, Lease::of_passport(receiver, clock.instant() + life, clock))
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
    async fn what_ends_in_time_is_untouched_and_a_token_ends_nothing() {
        let (_alive, lease) = lease(LONG);
        assert_eq!(lease.cover(async { Ok(7) }).await.unwrap(), 7);
        assert_eq!(lease.cover_body(body::full("abc")).collect().await.unwrap().to_bytes(), "abc");
        assert_eq!(Lease::of_token().cover(async { Ok(7) }).await.unwrap(), 7);
        assert!(Lease::of_token().cover_body(endless()).frame().await.unwrap().is_ok());
    }
}
