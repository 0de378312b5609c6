//! The connections to one service, over both protocols: how many there may be, and how old they may grow.
//!
//! A request that needs another connection than those that are open waits for a place, for as long as making one may take, and
//! is then refused. Connections past their lifetime take no new request and are closed when their last response has ended: the
//! addresses behind AWS's names change, and load should move with them.
//!
//! hyper's pool knows no lifetime, but does not hand out a connection that was *poisoned*. The handle for that can only be had
//! by a request that uses the connection, and asking for it costs a lock and several allocations. So requests ask only from
//! half of a connection's time on: until then, and when the handles are known, a request looks at the clock and one number. Most
//! connections are closed as idle before anybody has asked.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use http::{Extensions, Request, Uri};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{CaptureConnection, Connected, Connection, capture_connection};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};
use tower::Service;

use crate::body::BoxError;

/// How much earlier than its lifetime says a connection may end, as a part of it: so that those made together do not end so.
const SPREAD: f64 = 0.1;

/// No place for another connection.
#[derive(Debug, thiserror::Error)]
#[error("{limit} connections are open, the most that egress.services.<name>.connections allows")]
pub(super) struct Full {
    limit: usize,
}

/// The connections to one service. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Fleet(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    places: Arc<Semaphore>,
    limit: usize,
    wait: Duration,
    lifetime: Duration,
    begun: Instant,
    /// When a request has to look at the members, in milliseconds since `begun`.
    look: AtomicU64,
    members: Mutex<Members>,
}

/// Connections that are open and not past their lifetime.
#[derive(Debug, Default)]
struct Members {
    last: u64,
    /// Those whose handle is not known, by number.
    strangers: HashMap<u64, Stranger>,
    /// The others, the oldest first: when their time is over, their numbers, and their handles.
    known: BTreeMap<(u64, u64), CaptureConnection>,
}

/// A connection whose handle is not known.
#[derive(Debug)]
struct Stranger {
    /// When requests begin to ask for it.
    ask: u64,
    /// When its time is over.
    due: u64,
}

/// A connection's number, in its metadata.
#[derive(Debug, Clone, Copy)]
struct Number(u64);

impl Fleet {
    /// Room for `limit` connections, for which a request waits no longer than `wait`.
    pub(super) fn new(limit: usize, wait: Duration, lifetime: Duration) -> Self {
        Self(Arc::new(Shared {
            places: Arc::new(Semaphore::new(limit)),
            limit,
            wait,
            lifetime,
            begun: Instant::now(),
            look: AtomicU64::new(u64::MAX),
            members: Mutex::default(),
        }))
    }

    /// Before a request: connections whose time is over are not handed out any more. The returned handle, if any, is for
    /// [`Fleet::after`].
    pub(super) fn before<B>(&self, request: &mut Request<B>) -> Option<CaptureConnection> {
        let now = self.now();
        if now < self.0.look.load(Ordering::Relaxed) {
            return None;
        }
        let mut members = self.members();
        self.retire(&mut members);
        let asks = members.strangers.values().any(|stranger| stranger.ask <= now);
        drop(members);
        asks.then(|| capture_connection(request))
    }

    /// After a request: its connection's handle is known now.
    pub(super) fn after(&self, handle: &CaptureConnection) {
        let mut extensions = Extensions::new();
        if let Some(connected) = &*handle.connection_metadata() {
            connected.get_extras(&mut extensions);
        }
        let Some(Number(number)) = extensions.get() else { return };
        let mut members = self.members();
        if let Some(stranger) = members.strangers.remove(number) {
            members.known.insert((stranger.due, *number), handle.clone());
            self.retire(&mut members);
        }
    }

    /// Takes leave of those whose time is over.
    fn retire(&self, members: &mut Members) {
        let now = self.now();
        while let Some(oldest) = members.known.first_entry().filter(|oldest| oldest.key().0 <= now) {
            if let Some(connected) = &*oldest.remove().connection_metadata() {
                connected.poison();
            }
        }
        self.look_again(members);
    }

    fn look_again(&self, members: &Members) {
        let oldest = members.known.keys().next().map(|(due, _)| *due);
        let asked = members.strangers.values().map(|stranger| stranger.ask).min();
        self.0.look.store(oldest.into_iter().chain(asked).min().unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    async fn place(&self) -> Result<OwnedSemaphorePermit, Full> {
        let place = tokio::time::timeout(self.0.wait, self.0.places.clone().acquire_owned()).await;
        place.ok().and_then(Result::ok).ok_or(Full { limit: self.0.limit })
    }

    fn enlist(&self, place: OwnedSemaphorePermit) -> Membership {
        let random = getrandom::u64().map_or(0.0, |bits| bits as f64 / u64::MAX as f64);
        let (now, life) = (self.now(), millis(self.0.lifetime.mul_f64(1.0 - SPREAD * random)));
        let (ask, due) = (now.saturating_add(life / 2), now.saturating_add(life));
        let mut members = self.members();
        members.last += 1;
        let number = members.last;
        members.strangers.insert(number, Stranger { ask, due });
        self.look_again(&members);
        drop(members);
        Membership { number, due, fleet: self.clone(), _place: place }
    }

    fn now(&self) -> u64 {
        millis(self.0.begun.elapsed())
    }

    /// Held for changes of the maps; a panic cannot leave them half-changed.
    fn members(&self) -> MutexGuard<'_, Members> {
        self.0.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A place among the connections, given back when the socket is closed.
#[derive(Debug)]
struct Membership {
    number: u64,
    due: u64,
    fleet: Fleet,
    _place: OwnedSemaphorePermit,
}

impl Drop for Membership {
    fn drop(&mut self) {
        let mut members = self.fleet.members();
        members.strangers.remove(&self.number);
        members.known.remove(&(self.due, self.number));
        self.fleet.look_again(&members);
    }
}

/// A connector that makes no more connections than a fleet has room for.
#[derive(Debug, Clone)]
pub(super) struct Bounded<C> {
    /// Does the work.
    pub(super) inner: C,
    /// Counts.
    pub(super) fleet: Fleet,
}

impl<C> Service<Uri> for Bounded<C>
where
    C: Service<Uri, Error = BoxError> + Clone + Send + 'static,
    C::Future: Send + 'static,
{
    type Response = Member<C::Response>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        // The one that was polled ready is used, and its clone stays for the next call.
        let clone = self.inner.clone();
        let (mut inner, fleet) = (std::mem::replace(&mut self.inner, clone), self.fleet.clone());
        Box::pin(async move {
            let place = fleet.place().await?;
            let io = inner.call(target).await?;
            Ok(Member { io, membership: fleet.enlist(place) })
        })
    }
}

/// A connection of a fleet.
#[derive(Debug)]
pub(super) struct Member<T> {
    io: T,
    membership: Membership,
}

impl<T: Connection> Connection for Member<T> {
    fn connected(&self) -> Connected {
        // Without the addresses, which would be copied into every response.
        let ours = Connected::new().extra(Number(self.membership.number));
        if self.io.connected().is_negotiated_h2() { ours.negotiated_h2() } else { ours }
    }
}

impl<T: Read + Unpin> Read for Member<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<T: Write + Unpin> Write for Member<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn requests_ask_in_the_second_half_of_a_connection_s_time_alone() {
        const HOUR: Duration = Duration::from_secs(3600);
        let fleet = Fleet::new(2, HOUR, HOUR);
        let asks = || fleet.before(&mut Request::new(())).is_some();
        assert!(!asks(), "there is nothing to ask for");
        let member = fleet.enlist(fleet.place().await.unwrap());
        assert!(!asks(), "a new connection costs requests something");
        tokio::time::advance(HOUR * 2 / 5).await;
        assert!(!asks(), "requests ask too early");
        tokio::time::advance(HOUR / 5).await;
        assert!(asks(), "nobody asks for the handle of a connection that has to go");
        drop(member);
        assert!(!asks(), "a connection that is closed is still asked for");
    }
}
