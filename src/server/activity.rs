//! What one connection is doing: shared between its socket ([`Wire`](super::wire::Wire)), its requests and its task.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

use crate::body::Body;

/// The state of one connection.
#[derive(Debug)]
pub(super) struct Activity {
    /// Requests between their head and the last byte of their response and their body, and writes that wait for the peer.
    in_flight: AtomicUsize,
    /// Told when nothing is in progress any more.
    rested: Notify,
    /// When the connection was last in use, in nanoseconds since `opened`.
    used: AtomicU64,
    opened: Instant,
    /// Requests so far.
    begun: AtomicU64,
    /// Bytes read since the last request began, while none was in flight: the next head, as it came.
    head: Mutex<Vec<u8>>,
    head_limit: usize,
    /// No longer HTTP.
    upgraded: AtomicBool,
    /// hyper may end, but not the socket.
    kept_open: AtomicBool,
}

impl Activity {
    /// A connection on which nothing has happened; keeps at most `head_limit` bytes of a head.
    pub(super) fn new(head_limit: usize) -> Arc<Self> {
        Arc::new(Self {
            in_flight: AtomicUsize::new(0),
            rested: Notify::new(),
            used: AtomicU64::new(0),
            opened: Instant::now(),
            begun: AtomicU64::new(0),
            head: Mutex::default(),
            head_limit,
            upgraded: AtomicBool::new(false),
            kept_open: AtomicBool::new(false),
        })
    }

    /// Counts a request until the guard is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> InFlight {
        self.begun.fetch_add(1, Ordering::SeqCst);
        self.hold()
    }

    /// Keeps the connection from being idle until the guard is dropped, without counting a request.
    pub(super) fn hold(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::SeqCst);
        InFlight(self.clone())
    }

    /// Whether a request or a write is in progress.
    pub(super) fn is_busy(&self) -> bool {
        self.in_flight.load(Ordering::SeqCst) > 0
    }

    /// Ready when something is in progress. For the task that begins requests alone, which asks again whenever it has begun one: nobody is woken,
    /// since that would have it look at everything twice for each request.
    pub(super) async fn busy(&self) {
        poll_fn(|_| if self.is_busy() { Poll::Ready(()) } else { Poll::Pending }).await;
    }

    /// How many requests have begun.
    pub(super) fn begun(&self) -> u64 {
        self.begun.load(Ordering::SeqCst)
    }

    /// Keeps bytes of a head, up to the limit.
    pub(super) fn keep_head(&self, bytes: &[u8]) {
        let mut head = self.lock_head();
        let room = self.head_limit.saturating_sub(head.len());
        head.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// The bytes kept, which are then forgotten.
    pub(super) fn take_head(&self) -> Vec<u8> {
        std::mem::take(&mut *self.lock_head())
    }

    /// Whether the bytes kept start with `prefix`; `None` while there are too few to say.
    pub(super) fn head_starts_with(&self, prefix: &[u8]) -> Option<bool> {
        let head = self.lock_head();
        let common = head.len().min(prefix.len());
        if head[..common] != prefix[..common] {
            return Some(false);
        }
        (common == prefix.len()).then_some(true)
    }

    /// Held for a copy at most; a panic cannot leave it half-changed.
    fn lock_head(&self) -> MutexGuard<'_, Vec<u8>> {
        self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From here on the connection is not HTTP, and the rules for heads do not apply.
    pub(super) fn upgrade(&self) {
        self.upgraded.store(true, Ordering::SeqCst);
    }

    /// Whether [`Activity::upgrade`] was called.
    pub(super) fn is_upgraded(&self) -> bool {
        self.upgraded.load(Ordering::SeqCst)
    }

    /// From here on, until told otherwise, a shutdown does not reach the socket.
    pub(super) fn keep_open(&self, kept: bool) {
        self.kept_open.store(kept, Ordering::SeqCst);
    }

    /// What was last said to [`Activity::keep_open`].
    pub(super) fn is_kept_open(&self) -> bool {
        self.kept_open.load(Ordering::SeqCst)
    }

    /// As [`Activity::idle_for`], and no head has begun since.
    pub(super) async fn quiet_for(&self, limit: Duration) {
        loop {
            self.idle_for(limit).await;
            if self.lock_head().is_empty() {
                return;
            }
            // The head has a deadline of its own.
        }
    }

    /// Returns when nothing has been in progress for `limit` without a break, from now on. It looks when that could be so at the earliest, since
    /// being told of each request would cost more; of one that is in progress then, it waits for the end.
    pub(super) async fn idle_for(&self, limit: Duration) {
        let from = Instant::now();
        let mut earliest = from + limit;
        loop {
            sleep_until(earliest).await;
            let mut rested = pin!(self.rested.notified());
            // Before the look, so that an end behind it is not missed.
            rested.as_mut().enable();
            if self.is_busy() {
                rested.await;
            }
            earliest = from.max(self.last_use()) + limit;
            if !self.is_busy() && earliest <= Instant::now() {
                return;
            }
        }
    }

    fn last_use(&self) -> Instant {
        self.opened + Duration::from_nanos(self.used.load(Ordering::SeqCst))
    }
}

/// A request, or a write, in progress.
#[derive(Debug)]
pub(super) struct InFlight(Arc<Activity>);

impl Drop for InFlight {
    fn drop(&mut self) {
        let used = u64::try_from(self.0.opened.elapsed().as_nanos()).unwrap_or(u64::MAX);
        // First: whoever sees that nothing is in progress has to see since when.
        self.0.used.fetch_max(used, Ordering::SeqCst);
        if self.0.in_flight.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.rested.notify_waiters();
        }
    }
}

/// A body that keeps its connection in use until it is done with. A request's is tracked too: it may outlast its response, and
/// what comes in until then is no next head.
#[derive(Debug)]
pub(super) struct Tracked<B = Body> {
    body: B,
    _in_flight: Option<InFlight>,
}

impl Tracked {
    /// Ties a response's body to its request.
    pub(super) fn response(body: Body, in_flight: InFlight) -> Self {
        Self { body, _in_flight: Some(in_flight) }
    }
}

impl<B: http_body::Body> Tracked<B> {
    /// Counts a request's body. One that is all there already, or none, is not looked after.
    pub(super) fn request(body: B, activity: &Arc<Activity>) -> Self {
        let in_flight = (!body.is_end_stream()).then(|| activity.hold());
        Self { body, _in_flight: in_flight }
    }
}

impl<B: http_body::Body<Data = Bytes> + Unpin> http_body::Body for Tracked<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
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
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn idleness_is_counted_from_the_last_response() {
        let activity = Activity::new(10);
        let limit = Duration::from_secs(60);
        let first = activity.begin();
        let watcher = tokio::spawn({
            let activity = activity.clone();
            async move { activity.idle_for(limit).await }
        });
        tokio::time::sleep(limit * 2).await;
        assert!(!watcher.is_finished(), "a request is in progress");
        drop(first);
        tokio::time::sleep(limit / 2).await;
        drop(activity.begin());
        tokio::time::sleep(limit * 3 / 4).await;
        assert!(!watcher.is_finished(), "the second request started the count again");
        tokio::time::sleep(limit / 2).await;
        assert!(watcher.is_finished());
        assert_eq!((activity.begun(), activity.is_busy()), (2, false));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_lasts_is_not_looked_at_again_and_again() {
        let activity = Activity::new(10);
        let limit = Duration::from_millis(250);
        let lasting = activity.begin();
        let looks = Arc::new(AtomicUsize::new(0));
        let watcher = tokio::spawn({
            let (activity, looks) = (activity.clone(), looks.clone());
            async move {
                let mut idle = pin!(activity.idle_for(limit));
                poll_fn(|cx| {
                    looks.fetch_add(1, Ordering::SeqCst);
                    idle.as_mut().poll(cx)
                })
                .await;
            }
        });
        tokio::time::sleep(limit * 1_000).await;
        assert!(looks.load(Ordering::SeqCst) <= 3 && !watcher.is_finished());
        drop(lasting);
        tokio::time::sleep(limit * 2).await;
        assert!(watcher.is_finished(), "its end is told");
    }

    #[test]
    fn a_head_is_kept_up_to_the_limit() {
        let activity = Activity::new(4);
        activity.keep_head(b"PR");
        assert_eq!(activity.head_starts_with(b"PRI"), None);
        assert_eq!(activity.head_starts_with(b"GET"), Some(false));
        activity.keep_head(b"I * HTTP");
        assert_eq!(activity.head_starts_with(b"PRI"), Some(true));
        assert_eq!(activity.take_head(), b"PRI ");
        assert!(activity.take_head().is_empty());
    }
}
