//! What a request in progress rests on: that it would still be let in.
//!
//! A request is let in once and may then last for hours: a download, a stream of events, a WebSocket. It is looked at again
//! whenever the directory changes, and broken off when its token, its user or its tenant may no longer act. It comes on top of the
//! proof's own [`Lease`](crate::identity::Lease), and holds for tokens as well as for passports.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;

use super::{ActiveTenant, Directory, Heard};
use crate::{
    body::{Body, BoxError},
    identity::VerifiedTenant,
    reject::Refusal,
    telemetry::Metrics,
};

/// Changes that come in a burst are answered together: there may be thousands of requests in progress.
const PAUSE: Duration = Duration::from_millis(250);

/// The standing of one request. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Standing {
    directory: Arc<Directory>,
    verified: Arc<VerifiedTenant>,
    changes: Heard,
    metrics: Metrics,
}

impl Standing {
    /// Of a request that was let in for `tenant`: every change since the look that let it in counts.
    pub fn of(tenant: &ActiveTenant, directory: &Arc<Directory>, metrics: &Metrics) -> Self {
        let changes = tenant.heard().cloned().unwrap_or_else(|| directory.changes());
        Self { directory: directory.clone(), verified: tenant.verified().clone(), changes, metrics: metrics.clone() }
    }

    /// Runs `work` for as long as the request stands: it is dropped when it no longer does.
    pub async fn cover<T>(&self, work: impl Future<Output = Result<T, Refusal>>) -> Result<T, Refusal> {
        tokio::select! {
            biased;
            refusal = self.clone().lost() => Err(refusal),
            result = work => result,
        }
    }

    /// Puts a response under it: it breaks off when the request no longer stands.
    pub fn cover_body(&self, body: Body) -> Body {
        if body.is_end_stream() {
            return body;
        }
        Covered { inner: body, standing: Ok(Box::pin(self.clone().lost())) }.boxed_unsync()
    }

    /// Ends when the request no longer stands, with the reason.
    pub async fn lost(mut self) -> Refusal {
        loop {
            self.follow();
            match self.directory.recheck() {
                None => self.changes.next().await,
                Some(interval) => {
                    if tokio::time::timeout(interval, self.changes.next()).await.is_err() {
                        self.directory.renew(self.verified.tenant()).await;
                    }
                }
            }
            self.follow();
            if let Err(refusal) = self.directory.resolve(self.verified.clone()).await
                && !self.directory.lets_finish(&refusal)
            {
                self.metrics.revocations_applied("requests", 1);
                return refusal;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Goes by the directory that holds now, and lets go of one whose place was taken: the request may last for hours.
    fn follow(&mut self) {
        if let Some(successor) = self.directory.successor().cloned() {
            self.directory = successor;
        }
    }
}

/// A response to a request that no longer stands.
#[derive(Debug, thiserror::Error)]
#[error("the request was broken off: {0}")]
struct Lost(&'static str);

struct Covered {
    inner: Body,
    /// Why it is lost, once it is.
    standing: Result<Pin<Box<dyn Future<Output = Refusal> + Send>>, &'static str>,
}

impl HttpBody for Covered {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Ok(lost) = &mut self.standing
            && let Poll::Ready(refusal) = lost.as_mut().poll(cx)
        {
            self.standing = Err(refusal.reason.as_str());
        }
        if let Err(reason) = self.standing {
            return Poll::Ready(Some(Err(Lost(reason).into())));
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
