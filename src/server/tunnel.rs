//! Bytes both ways between two upgraded connections.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Copies until both sides have ended, or one breaks, or neither has sent anything for `idle`. Dropping the future closes
/// both. `guard` goes when the first of them ends: what one side still has to say can be said without it. Yields the bytes from
/// `client` and the bytes from `upstream`.
pub async fn join<G: Send>(client: Upgraded, upstream: Upgraded, idle: Duration, guard: G) -> io::Result<(u64, u64)> {
    copy(TokioIo::new(client), TokioIo::new(upstream), idle, guard).await
}

async fn copy<A, B, G>(a: A, b: B, idle: Duration, guard: G) -> io::Result<(u64, u64)>
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
    G: Send,
{
    let beats = Arc::new(AtomicU64::new(0));
    let guard = Mutex::new(Some(guard));
    let (mut a, mut b) = (Heard { io: a, beats: beats.clone(), guard: &guard }, Heard { io: b, beats: beats.clone(), guard: &guard });
    tokio::select! {
        result = tokio::io::copy_bidirectional(&mut a, &mut b) => result,
        () = silence(&beats, idle) => Err(io::Error::new(io::ErrorKind::TimedOut, "neither side of the tunnel sends")),
    }
}

/// Returns after one to two times `idle` without a beat: the count is looked at once a period, not at every byte.
async fn silence(beats: &AtomicU64, idle: Duration) {
    loop {
        let before = beats.load(Ordering::Relaxed);
        tokio::time::sleep(idle).await;
        if beats.load(Ordering::Relaxed) == before {
            return;
        }
    }
}

/// Counts what is read, and notices the end.
struct Heard<'g, T, G> {
    io: T,
    beats: Arc<AtomicU64>,
    guard: &'g Mutex<Option<G>>,
}

impl<T: AsyncRead + Unpin, G> AsyncRead for Heard<'_, T, G> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let (before, has_room) = (buf.filled().len(), buf.remaining() > 0);
        let result = ready!(Pin::new(&mut self.io).poll_read(cx, buf));
        self.beats.fetch_add(1, Ordering::Relaxed);
        if result.is_err() || (has_room && buf.filled().len() == before) {
            drop(self.guard.lock().unwrap_or_else(PoisonError::into_inner).take());
        }
        Poll::Ready(result)
    }
}

impl<T: AsyncWrite + Unpin, G> AsyncWrite for Heard<'_, T, G> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
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
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const IDLE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn bytes_pass_both_ways_until_both_ends_close() {
        let ((mut client, near), (far, mut upstream)) = (duplex(64), duplex(64));
        let tunnel = tokio::spawn(copy(near, far, IDLE, ()));
        client.write_all(b"ping").await.unwrap();
        let mut four = [0; 4];
        upstream.read_exact(&mut four).await.unwrap();
        assert_eq!(&four, b"ping");
        // A tunnel that is used now and then stays open.
        for _ in 0..5 {
            tokio::time::sleep(IDLE / 2).await;
            upstream.write_all(b"pong").await.unwrap();
            client.read_exact(&mut four).await.unwrap();
        }
        drop((client, upstream));
        assert_eq!(tunnel.await.unwrap().unwrap(), (4, 20));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_it() {
        let ((_client, near), (far, _upstream)) = (duplex(64), duplex(64));
        let error = copy(near, far, IDLE, ()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn the_guard_goes_with_the_first_side_that_ends() {
        for client_first in [true, false] {
            let guard = Arc::new(());
            let ((client, near), (far, upstream)) = (duplex(64), duplex(64));
            let tunnel = tokio::spawn(copy(near, far, IDLE, guard.clone()));
            let (first, mut other) = if client_first { (client, upstream) } else { (upstream, client) };
            tokio::time::sleep(IDLE / 4).await;
            assert_eq!(Arc::strong_count(&guard), 2);
            drop(first);
            tokio::time::sleep(IDLE / 4).await;
            // The other side is still up, and says something now and then.
            assert!(!tunnel.is_finished());
            assert_eq!(Arc::strong_count(&guard), 1, "a side that stays kept the guard");
            other.shutdown().await.unwrap();
            let _ = tunnel.await.unwrap();
        }
    }
}
