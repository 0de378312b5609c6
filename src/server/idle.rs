//! A body that may be slow, but not silent.

use std::{
    error::Error,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::time::{Instant, Sleep, sleep};

use crate::{
    body::{Body, BoxError},
    causes::{chain, find},
    reject::{Reason, Refusal},
};

/// A body's sender has been silent for too long. The body ends with this error, which can be found in the error chain of
/// whoever was reading it.
#[derive(Debug, thiserror::Error)]
#[error("nothing came for {} ms in the middle of a body", limit.as_millis())]
pub struct Silence {
    limit: Duration,
}

/// Ends `body` with [`Silence`] when a reader has waited for `limit` without getting a frame. The time in which nobody
/// reads does not count: a slow reader is not the sender's fault.
pub fn within<B>(body: B, limit: Duration) -> Body
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    // What is over or all there cannot fall silent.
    if body.is_end_stream() {
        return body.map_err(Into::into).boxed_unsync();
    }
    IdleBody { body: Box::pin(body), limit, deadline: None, is_waiting: false }.boxed_unsync()
}

/// What the failure of a *request's* body means for the client who sent it.
pub fn refusal(error: &(dyn Error + 'static)) -> Refusal {
    match find::<Silence>(error) {
        Some(silence) => Refusal::noted(Reason::RequestTimeout, silence.to_string()),
        None => Refusal::noted(Reason::MalformedRequest, format!("the body broke off: {}", chain(error))),
    }
}

struct IdleBody<B> {
    body: Pin<Box<B>>,
    limit: Duration,
    /// Made on the first wait, then used again: most bodies never wait twice for long.
    deadline: Option<Pin<Box<Sleep>>>,
    is_waiting: bool,
}

impl<B> HttpBody for IdleBody<B>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = this.body.as_mut().poll_frame(cx) {
            this.is_waiting = false;
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let limit = this.limit;
        let deadline = this.deadline.get_or_insert_with(|| Box::pin(sleep(limit)));
        if !this.is_waiting {
            this.is_waiting = true;
            deadline.as_mut().reset(Instant::now() + limit);
        }
        deadline.as_mut().poll(cx).map(|()| Some(Err(Silence { limit }.into())))
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
    use futures_util::StreamExt;
    use http_body_util::StreamBody;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    /// A body with a pause before each frame.
    fn paused(pauses: Vec<Duration>) -> Body {
        let frames = futures_util::stream::iter(pauses).then(|pause| async move {
            tokio::time::sleep(pause).await;
            Ok::<_, BoxError>(Frame::data(Bytes::from_static(b"x")))
        });
        within(StreamBody::new(frames), LIMIT)
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_below_the_limit_may_add_up() {
        let body = paused(vec![LIMIT * 9 / 10; 5]).collect().await.unwrap();
        assert_eq!(body.to_bytes().len(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_over_the_limit_ends_the_body_with_a_cause_to_be_found() {
        let mut body = paused(vec![Duration::ZERO, LIMIT * 2]);
        assert!(body.frame().await.unwrap().is_ok());
        let error = body.frame().await.unwrap().unwrap_err();
        assert!(error.is::<Silence>());
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_is_not_silence() {
        let mut body = paused(vec![LIMIT / 2, LIMIT / 2, LIMIT / 2]);
        while let Some(frame) = body.frame().await {
            assert!(frame.is_ok());
            tokio::time::sleep(LIMIT * 10).await;
        }
    }
}
