//! A panic ends its request, not its connection.

use std::{
    convert::Infallible,
    panic::AssertUnwindSafe,
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::FutureExt;
use http::{Request, Response, request};
use tower::Service;

use crate::{
    body::Body,
    reject::{Reason, Refusal},
    server::{Handler, Peer},
};

/// Answers for a service that panics.
#[derive(Clone)]
pub(super) struct CatchPanic<S, H> {
    inner: S,
    handler: H,
    peer: Peer,
}

impl<S, H> CatchPanic<S, H> {
    /// Wraps `inner`; `handler` says what the client gets.
    pub(super) fn new(inner: S, handler: H, peer: Peer) -> Self {
        Self { inner, handler, peer }
    }
}

impl<S, H, B> Service<Request<B>> for CatchPanic<S, H>
where
    S: Service<Request<B>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    H: Handler,
    B: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let clone = self.inner.clone();
        // The service that was found ready, not its clone, takes the request.
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let (handler, peer) = (self.handler.clone(), self.peer.clone());
        let head = copy(&request);
        Box::pin(async move {
            // The state that a panic could leave half-changed is the request's own, and goes with it.
            match AssertUnwindSafe(async move { inner.call(request).await }).catch_unwind().await {
                Ok(result) => result,
                // The message is not repeated: it may quote anything.
                Err(_) => Ok(handler.refuse(Refusal::noted(Reason::Internal, "the request's handler panicked"), &head, &peer)),
            }
        })
    }
}

/// What a refusal is shaped by. Header values are shared, not copied.
fn copy<B>(request: &Request<B>) -> request::Parts {
    let mut copy = Request::new(());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    copy.into_parts().0
}
