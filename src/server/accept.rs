//! Accepting a connection, whatever it takes.

use std::{io, time::Duration};

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

use super::{
    Peer,
    stream::{Listening, Stream},
};

/// First pause after a failure that is not the connection's own; doubled up to [`MAX_PAUSE`].
const MIN_PAUSE: Duration = Duration::from_millis(10);
/// Long enough not to spin while file descriptors are short, short enough not to be noticed after.
const MAX_PAUSE: Duration = Duration::from_secs(1);
/// When probing of a silent peer begins, and how often it is repeated. Finds peers that vanished during a long poll.
const PROBE: Duration = Duration::from_secs(30);

/// Bytes that may wait unsent in the kernel. Without this a socket counts as writable again only when a third of its buffer,
/// which grows to megabytes, is free: a slow reader would look like one that takes nothing.
#[cfg(target_os = "linux")]
const UNSENT: u32 = 128 * 1024;

/// Something to accept from; a trait so that failures can be tried.
pub(super) trait Accept {
    /// One attempt.
    fn accept(&self) -> impl Future<Output = io::Result<(Stream, Peer)>> + Send;
}

impl Accept for Listening {
    async fn accept(&self) -> io::Result<(Stream, Peer)> {
        Self::accept(self).await
    }
}

/// The next connection. Never gives up: an error of one connection is skipped, and one of the process (no file descriptors,
/// no memory) is waited out.
pub(super) async fn next(listener: &impl Accept) -> (Stream, Peer) {
    let mut pause = MIN_PAUSE;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                if let Stream::Tcp(stream) = &stream {
                    tune(stream);
                }
                return (stream, peer);
            }
            Err(error) if is_of_one_connection(&error) => tracing::debug!(%error, "a connection broke before it was accepted"),
            Err(error) => {
                tracing::warn!(%error, pause_ms = pause.as_millis() as u64, "cannot accept connections; trying again");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(MAX_PAUSE);
            }
        }
    }
}

/// See accept(2): errors that were pending on the new socket.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}

/// None of these options is needed to serve, so failing to set it is no reason to refuse the connection.
fn tune(stream: &TcpStream) {
    let keepalive = TcpKeepalive::new().with_time(PROBE).with_interval(PROBE);
    let socket = SockRef::from(stream);
    let tuned = stream.set_nodelay(true).and_then(|()| socket.set_tcp_keepalive(&keepalive));
    #[cfg(target_os = "linux")]
    let tuned = tuned.and_then(|()| socket.set_tcp_notsent_lowat(UNSENT));
    if let Err(error) = tuned {
        tracing::debug!(%error, "cannot set socket options");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Fails as told, then accepts.
    struct Failing<'a> {
        inner: Listening,
        errors: &'a [i32],
        calls: AtomicUsize,
    }

    impl Accept for Failing<'_> {
        async fn accept(&self) -> io::Result<(Stream, Peer)> {
            match self.errors.get(self.calls.fetch_add(1, Ordering::SeqCst)) {
                Some(&code) => Err(io::Error::from_raw_os_error(code)),
                None => Accept::accept(&self.inner).await,
            }
        }
    }

    async fn accept_through(errors: &[i32]) -> (usize, Duration) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let failing = Failing { inner: listener.into(), errors, calls: AtomicUsize::new(0) };
        let started = tokio::time::Instant::now();
        let (stream, peer) = next(&failing).await;
        assert_eq!(peer.address(), client.local_addr().unwrap());
        let Stream::Tcp(stream) = stream else { panic!("it came over TCP") };
        assert!(stream.nodelay().unwrap());
        #[cfg(target_os = "linux")]
        assert_eq!(SockRef::from(&stream).tcp_notsent_lowat().unwrap(), UNSENT);
        (failing.calls.into_inner(), started.elapsed())
    }

    #[tokio::test]
    async fn no_error_ends_the_loop_and_scarcity_is_waited_out() {
        const EMFILE: i32 = 24;
        const ECONNABORTED: i32 = 103;
        let (calls, waited) = accept_through(&[ECONNABORTED, EMFILE, EMFILE, ECONNABORTED]).await;
        assert_eq!(calls, 5);
        assert!(waited >= MIN_PAUSE * 3, "two pauses, the second twice the first, not {waited:?}");
    }

    #[tokio::test]
    async fn a_broken_connection_costs_no_pause() {
        const ECONNRESET: i32 = 104;
        let (calls, waited) = accept_through(&[ECONNRESET; 50]).await;
        assert_eq!(calls, 51);
        assert!(waited < MIN_PAUSE * 10);
    }
}
