//! Bodies that come back when nobody touched them.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;

use crate::body::{Body, BoxError};

/// Where the body comes back to.
#[derive(Clone, Default)]
pub(super) struct Lent(Arc<Mutex<Option<Body>>>);

struct Loan {
    /// Taken on drop alone.
    body: Option<Body>,
    is_touched: bool,
    home: Lent,
}

/// Gives `body` away. Once what is returned has been dropped, [`Lent::take`] has it back, unless it was read from.
pub(super) fn lend(body: Body) -> (Body, Lent) {
    let home = Lent::default();
    (Loan { body: Some(body), is_touched: false, home: home.clone() }.boxed_unsync(), home)
}

impl Lent {
    /// The body, if it is back.
    pub(super) fn take(&self) -> Option<Body> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl HttpBody for Loan {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.is_touched = true;
        self.body.as_mut().map_or(Poll::Ready(None), |body| Pin::new(body).poll_frame(cx))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map(HttpBody::size_hint).unwrap_or_default()
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        if !self.is_touched {
            *self.home.0.lock().unwrap_or_else(PoisonError::into_inner) = self.body.take();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body;

    #[tokio::test]
    async fn a_body_comes_back_whole_unless_it_was_touched() {
        let (given, lent) = lend(body::full("abc"));
        assert!(lent.take().is_none(), "it is back while somebody has it");
        assert_eq!(given.size_hint().exact(), Some(3));
        drop(given);
        assert_eq!(lent.take().unwrap().collect().await.unwrap().to_bytes(), "abc");

        let (mut given, lent) = lend(body::full("abc"));
        given.frame().await.unwrap().unwrap();
        drop(given);
        assert!(lent.take().is_none(), "it is back in part");
    }
}
