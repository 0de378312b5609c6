//! The one body type that crosses module borders, and how to make one.

mod whole;

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::{BodyExt, Empty, Full, combinators::UnsyncBoxBody};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub use self::whole::Whole;

/// Any error, once it no longer matters which.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A request or response body in flight. Streams unless it was made from bytes.
pub type Body = UnsyncBoxBody<Bytes, BoxError>;

/// A body without bytes.
pub fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// A body that is all there.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// Memory for bodies that are read whole, shared by all requests: many large bodies at once must not exhaust the process.
#[derive(Debug, Clone)]
pub struct Buffers(Arc<Semaphore>);

/// Memory in use; given back on drop.
#[derive(Debug, Default)]
pub struct Reserved(Option<OwnedSemaphorePermit>);

impl Buffers {
    /// What is counted: reservations are rounded up to it.
    const UNIT: usize = 1024;

    /// Room for `bytes` in all.
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new((bytes / Self::UNIT).min(Semaphore::MAX_PERMITS))))
    }

    /// Raises `held` to cover `bytes`; false when there is no room.
    fn grow(&self, held: &mut Reserved, bytes: usize) -> bool {
        let units = |permit: &OwnedSemaphorePermit| permit.num_permits();
        let missing = bytes.div_ceil(Self::UNIT).saturating_sub(held.0.as_ref().map_or(0, units));
        if missing == 0 {
            return true;
        }
        let Some(more) = u32::try_from(missing).ok().and_then(|n| self.0.clone().try_acquire_many_owned(n).ok()) else { return false };
        match &mut held.0 {
            Some(permit) => permit.merge(more),
            None => held.0 = Some(more),
        }
        true
    }
}

/// Reads a whole body of at most `limit` bytes, which takes room in `buffers` until what is returned is dropped.
///
/// # Errors
/// [`Unreadable::TooLarge`] as soon as the limit is passed or announced to be; [`Unreadable::NoRoom`] when other bodies take
/// all the room; [`Unreadable::Broken`] when the body fails.
pub async fn collect_within(mut body: Body, limit: usize, buffers: &Buffers) -> Result<(Bytes, Reserved), Unreadable> {
    let mut reserved = Reserved::default();
    let bytes = read(&mut body, limit, |bytes| buffers.grow(&mut reserved, bytes)).await?;
    Ok((bytes, reserved))
}

/// Reads a whole body of at most `limit` bytes, which is small.
///
/// # Errors
/// [`Unreadable::TooLarge`] as soon as the limit is passed or announced to be; [`Unreadable::Broken`] when the body fails.
pub async fn collect(mut body: Body, limit: usize) -> Result<Bytes, Unreadable> {
    read(&mut body, limit, |_| true).await
}

async fn read(body: &mut Body, limit: usize, mut has_room: impl FnMut(usize) -> bool) -> Result<Bytes, Unreadable> {
    if body.size_hint().lower() > limit as u64 {
        return Err(Unreadable::TooLarge);
    }
    let mut first = Bytes::new();
    let mut rest: Vec<u8> = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(Unreadable::Broken)?.into_data() else { continue };
        if first.len() + rest.len() + data.len() > limit {
            return Err(Unreadable::TooLarge);
        }
        if !has_room(first.len() + rest.len() + data.len()) {
            return Err(Unreadable::NoRoom);
        }
        // Most bodies that are read whole are small and come in one piece, which is then not copied.
        if first.is_empty() {
            first = data;
        } else {
            rest.extend_from_slice(&data);
        }
    }
    if rest.is_empty() { Ok(first) } else { Ok([&first[..], &rest].concat().into()) }
}

/// A body of which up to a limit was read.
pub enum Gathered {
    /// All of it was, and takes room.
    Whole(Bytes, Reserved),
    /// There is more than the limit, or more than there was room for: all of it, as it would have been without the reading.
    Part(Body),
}

/// Reads a body of at most `limit` bytes, like [`collect_within`]; a larger one is handed back unharmed.
///
/// # Errors
/// When the body fails.
pub async fn gather(mut body: Body, limit: usize, buffers: &Buffers) -> Result<Gathered, BoxError> {
    if body.size_hint().lower() > limit as u64 {
        return Ok(Gathered::Part(body));
    }
    // Copied but for the first piece: many small ones would take more room than their bytes.
    let (mut first, mut more, mut reserved) = (Bytes::new(), BytesMut::new(), Reserved::default());
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        if first.is_empty() {
            first = data;
        } else {
            more.extend_from_slice(&data);
        }
        let length = first.len() + more.len();
        if length > limit || !buffers.grow(&mut reserved, length) {
            let read = [first, more.freeze()].into_iter().filter(|bytes| !bytes.is_empty()).collect();
            return Ok(Gathered::Part(Resumed { read, rest: body, reserved: Some(reserved) }.boxed_unsync()));
        }
    }
    let bytes = if more.is_empty() { first } else { [&first[..], &more].concat().into() };
    Ok(Gathered::Whole(bytes, reserved))
}

/// What was read of a body, and the rest of it.
struct Resumed {
    read: VecDeque<Bytes>,
    rest: Body,
    /// For what was read; given back when that is on its way.
    reserved: Option<Reserved>,
}

impl HttpBody for Resumed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.read.pop_front() {
            Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            None => {
                self.reserved = None;
                Pin::new(&mut self.rest).poll_frame(cx)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.read.is_empty() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let read = self.read.iter().map(|bytes| bytes.len() as u64).sum::<u64>();
        let rest = self.rest.size_hint();
        let mut whole = SizeHint::new();
        whole.set_lower(read + rest.lower());
        if let Some(upper) = rest.upper() {
            whole.set_upper(read + upper);
        }
        whole
    }
}

/// Why a body could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// The sender failed.
    #[error("the body broke off: {0}")]
    Broken(BoxError),
    /// Other bodies take all the room there is.
    #[error("there is no room for another body")]
    NoRoom,
    /// More than the limit.
    #[error("the body is larger than the limit")]
    TooLarge,
}

/// A body without its trailers.
pub fn without_trailers(body: Body) -> Body {
    if body.is_end_stream() { body } else { DataOnly(body).boxed_unsync() }
}

struct DataOnly(Body);

impl HttpBody for DataOnly {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match ready!(Pin::new(&mut self.0).poll_frame(cx)) {
            Some(Ok(frame)) if frame.is_trailers() => Poll::Ready(None),
            other => Poll::Ready(other),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

/// A body that keeps `guard` alive until its end: its last byte, an error, or the drop of whoever reads it.
pub fn holding<G: Send + Unpin + 'static>(body: Body, guard: G) -> Body {
    Holding { inner: body, guard: Some(guard) }.boxed_unsync()
}

struct Holding<G> {
    inner: Body,
    guard: Option<G>,
}

impl<G: Unpin> HttpBody for Holding<G> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        // Some readers stop at a body that says it has ended and never ask for the `None` behind its last frame.
        if !matches!(frame, Some(Ok(_))) || self.inner.is_end_stream() {
            self.guard = None;
        }
        Poll::Ready(frame)
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
    use super::*;

    #[tokio::test]
    async fn a_body_is_read_up_to_the_limit() {
        let parts = |parts: &'static [&'static str]| {
            let frames = parts.iter().map(|p| Ok::<_, BoxError>(Frame::data(Bytes::from_static(p.as_bytes()))));
            http_body_util::StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync()
        };
        for whole in [&["abcdef"][..], &["abc", "def"], &["", "abc", "", "d", "ef"]] {
            assert_eq!(collect(parts(whole), 6).await.unwrap(), "abcdef");
            assert!(matches!(collect(parts(whole), 5).await, Err(Unreadable::TooLarge)));
        }
        assert!(collect(empty(), 0).await.unwrap().is_empty());
        assert!(matches!(collect(full("abc"), 2).await, Err(Unreadable::TooLarge)));
    }

    #[tokio::test]
    async fn a_body_that_is_too_large_comes_back_whole() {
        let parts = |parts: &'static [&'static str]| {
            let frames = parts.iter().map(|p| Ok::<_, BoxError>(Frame::data(Bytes::from_static(p.as_bytes()))));
            http_body_util::StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync()
        };
        let buffers = Buffers::new(64 * 1024);
        for pieces in [&["abcdef"][..], &["abc", "def"], &["", "abc", "", "d", "ef"]] {
            match gather(parts(pieces), 6, &buffers).await.unwrap() {
                Gathered::Whole(bytes, _) => assert_eq!(bytes, "abcdef"),
                Gathered::Part(_) => panic!("six bytes fit"),
            }
            match gather(parts(pieces), 5, &buffers).await.unwrap() {
                Gathered::Part(body) => assert_eq!(body.collect().await.unwrap().to_bytes(), "abcdef"),
                Gathered::Whole(..) => panic!("six bytes do not fit into five"),
            }
        }
        let Gathered::Part(announced) = gather(full("abcdef"), 5, &buffers).await.unwrap() else { panic!("too large") };
        assert_eq!(announced.size_hint().exact(), Some(6));
        let full_room = Buffers::new(8 * 1024);
        let Gathered::Part(mut large) = gather(parts(&["abc", "def", "ghi"]), 5, &full_room).await.unwrap() else { panic!("too large") };
        assert_eq!(full_room.0.available_permits(), 7);
        while let Some(frame) = large.frame().await {
            frame.unwrap();
        }
        assert_eq!(full_room.0.available_permits(), 8, "an upload keeps room for what it has sent");
        let Gathered::Part(crowded) = gather(full("abc"), 5, &Buffers::new(0)).await.unwrap() else { panic!("there is no room") };
        assert_eq!(crowded.collect().await.unwrap().to_bytes(), "abc");
    }

    #[tokio::test]
    async fn bodies_share_the_room_and_give_it_back() {
        let buffers = Buffers::new(8 * 1024);
        let body = |bytes: usize| full(vec![0; bytes]);
        let (_, first) = collect_within(body(5 * 1024), 1 << 20, &buffers).await.unwrap();
        assert!(matches!(collect_within(body(4 * 1024), 1 << 20, &buffers).await, Err(Unreadable::NoRoom)));
        let (_, second) = collect_within(body(3 * 1024), 1 << 20, &buffers).await.unwrap();
        drop((first, second));
        assert!(collect_within(body(8 * 1024), 1 << 20, &buffers).await.is_ok());
    }

    #[tokio::test]
    async fn trailers_are_left_out() {
        let trailers =
            http::HeaderMap::from_iter([(http::HeaderName::from_static("x-tenant-id"), http::HeaderValue::from_static("globex"))]);
        let frames = [Ok::<_, BoxError>(Frame::data(Bytes::from_static(b"abc"))), Ok(Frame::trailers(trailers))];
        let body = http_body_util::StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync();
        let collected = without_trailers(body).collect().await.unwrap();
        assert!(collected.trailers().is_none());
        assert_eq!(collected.to_bytes(), "abc");
    }

    #[tokio::test]
    async fn a_guard_goes_with_the_last_byte_or_the_reader() {
        let guard = Arc::new(());
        let mut body = holding(full("abc"), guard.clone());
        assert_eq!(Arc::strong_count(&guard), 2);
        body.frame().await.unwrap().unwrap();
        assert_eq!(Arc::strong_count(&guard), 1, "the guard outlived the last byte");

        let unread = holding(full("abc"), guard.clone());
        drop(unread);
        assert_eq!(Arc::strong_count(&guard), 1);
    }
}
