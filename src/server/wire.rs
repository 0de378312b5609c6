//! The socket as hyper sees it, with the deadlines that hyper does not have.
//!
//! * A head must be complete `header_timeout` after its first byte. hyper's own deadline starts with the wait for that first
//!   byte, so it cannot be both this and the longer `idle_timeout` between requests; and it closes without a word, where a
//!   client is owed a 408.
//! * A peer that does not take what is written to it for `idle_timeout` is cut off.
//!
//! Bytes that were read too early, to see what a connection speaks or by hyper before it was parked, are read from here again.
//!
//! It also owns the connection's place among the permitted ones, because an upgraded connection outlives its task.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use super::{
    activity::{Activity, InFlight},
    connection::Admission,
};

/// The HTTP/2 preface (RFC 9113, section 3.4), which is no HTTP/1 request that is ever accepted.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// What a client gets whose head is overdue: there is no request yet, so no handler can say it.
const TOO_SLOW: &[u8] = b"HTTP/1.1 408 Request Timeout\r\n\
    connection: close\r\ncontent-length: 0\r\nx-palisade-reason: request-timeout\r\n\r\n";

/// A socket, or TLS over one, with deadlines.
pub(super) struct Wire<T> {
    io: T,
    activity: Arc<Activity>,
    limits: WireLimits,
    /// There from the first byte of a head.
    head_deadline: Option<HeadDeadline>,
    /// There while the peer takes nothing.
    stall: Option<Stall>,
    http2: Option<bool>,
    /// Comes before what is read from `io`.
    unread: Bytes,
    _admission: Admission,
}

/// What a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// Deadlines of a [`Wire`].
#[derive(Debug, Clone, Copy)]
pub(super) struct WireLimits {
    /// From a head's first byte to its last.
    pub(super) head: Duration,
    /// For the peer to take something.
    pub(super) write: Duration,
}

impl<T> Wire<T> {
    /// Takes over `io`.
    pub(super) fn new(io: T, activity: Arc<Activity>, limits: WireLimits, admission: Admission) -> Self {
        Self { io, activity, limits, head_deadline: None, stall: None, http2: None, unread: Bytes::new(), _admission: admission }
    }

    /// Takes back what was read in the wake of a request that is over: the start of a next head, whose time begins now.
    pub(super) fn give_back(&mut self, read: Bytes) {
        debug_assert!(self.unread.is_empty(), "hyper reads until nothing is left before it is idle");
        // An empty `Bytes` may still hold its buffer.
        if !read.is_empty() {
            self.note_read(&read);
            self.unread = read;
        }
    }

    /// Whether incoming bytes may belong to the head of an HTTP/1 request.
    fn expects_head(&self) -> bool {
        self.http2 != Some(true) && !self.activity.is_busy() && !self.activity.is_upgraded()
    }

    fn note_read(&mut self, bytes: &[u8]) {
        if bytes.is_empty() || !self.expects_head() {
            return;
        }
        self.activity.keep_head(bytes);
        if self.http2.is_none() {
            self.http2 = self.activity.head_starts_with(PREFACE);
            if self.http2 == Some(true) {
                self.activity.take_head();
                self.head_deadline = None;
                return;
            }
        }
        let begun = self.activity.begun();
        if self.head_deadline.as_ref().is_none_or(|deadline| deadline.behind != begun) {
            self.head_deadline = Some(HeadDeadline { behind: begun, clock: None });
        }
    }

    fn head_is_overdue(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(deadline) = &mut self.head_deadline else { return false };
        if deadline.behind != self.activity.begun() {
            self.head_deadline = None;
            return false;
        }
        deadline.clock.get_or_insert_with(|| Box::pin(sleep(self.limits.head))).as_mut().poll(cx).is_ready()
    }

    /// Turns a write that has been pending for too long into an error.
    fn watch_write<R>(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        if result.is_ready() {
            self.stall = None;
            return result;
        }
        let Self { activity, limits, stall, .. } = self;
        let stall = stall.get_or_insert_with(|| Stall { deadline: Box::pin(sleep(limits.write)), _in_flight: activity.hold() });
        ready!(stall.deadline.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer does not read")))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Wire<T> {
    /// Waits, with next to no memory, until there is something to read, and leaves it there. `None` at the end of the stream.
    pub(super) async fn wake(&mut self) -> io::Result<Option<Protocol>> {
        if !self.unread.is_empty() {
            return Ok(Some(Protocol::Http1));
        }
        // As much as is needed to tell the protocols apart.
        let (mut first, mut length) = ([0; PREFACE.len()], 0);
        loop {
            match self.read(&mut first[length..]).await? {
                0 if length == 0 => return Ok(None),
                0 => break,
                read => length += read,
            }
            if self.http2.is_some() {
                break;
            }
        }
        self.unread = Bytes::copy_from_slice(&first[..length]);
        Ok(Some(if self.http2 == Some(true) { Protocol::Http2 } else { Protocol::Http1 }))
    }
}

/// What a head has to be complete by.
struct HeadDeadline {
    /// How many requests came before it, to tell when it is complete.
    behind: u64,
    /// There once the head is found to be incomplete: most come whole.
    clock: Option<Pin<Box<Sleep>>>,
}

/// A write that waits for the peer.
struct Stall {
    deadline: Pin<Box<Sleep>>,
    /// hyper lets go of a response's body when it has the last of it, which can be long before the client does.
    _in_flight: InFlight,
}

/// The error of a head that did not come in time; found again in hyper's error.
#[derive(Debug, thiserror::Error)]
#[error("the request head did not arrive in time")]
pub(super) struct HeadOverdue;

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for Wire<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let again = this.unread.split_to(this.unread.len().min(buf.remaining()));
        buf.put_slice(&again);
        if !again.is_empty() && buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        // In the same call as what is read again: hyper doubles its buffer when it has to read twice.
        if let Poll::Ready(result) = Pin::new(&mut this.io).poll_read(cx, buf) {
            let is_going_on = this.head_deadline.is_some();
            this.note_read(&buf.filled()[before..]);
            // A client that sends a byte now and then is overdue as well.
            if !(is_going_on && this.head_is_overdue(cx)) {
                return Poll::Ready(result);
            }
        } else if !this.head_is_overdue(cx) {
            return if again.is_empty() { Poll::Pending } else { Poll::Ready(Ok(())) };
        }
        // Best effort: a peer that does not read either does not deserve another wait.
        if let Poll::Ready(Ok(_)) = Pin::new(&mut this.io).poll_write(cx, TOO_SLOW) {
            let _ = Pin::new(&mut this.io).poll_flush(cx);
        }
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, HeadOverdue)))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Wire<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.io).poll_write(cx, buf);
        this.watch_write(cx, result)
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.io).poll_write_vectored(cx, bufs);
        this.watch_write(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.io).poll_flush(cx);
        this.watch_write(cx, result)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.activity.is_kept_open() {
            return Poll::Ready(Ok(()));
        }
        let result = Pin::new(&mut this.io).poll_shutdown(cx);
        this.watch_write(cx, result)
    }
}
