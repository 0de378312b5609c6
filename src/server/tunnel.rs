//! Bytes both ways between two upgraded connections.

use std::{
    convert::Infallible,
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use http::Request;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{flow::Flow, socket::Socket};

/// Where a caller's connection goes once it is upgraded, and what tells of its end meanwhile.
pub struct Caller {
    upgrade: OnUpgrade,
    /// `None` for a request that did not come by a listener.
    socket: Option<Socket>,
}

/// What a tunnel may take its time for.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Nothing moves: the tunnel ends.
    pub idle: Duration,
    /// One side takes nothing of what the other sends: the guard goes.
    pub stall: Duration,
}

impl Caller {
    /// The caller of a request that asks for an upgrade.
    pub fn of<B>(request: &mut Request<B>) -> Self {
        Self { socket: request.extensions_mut().remove(), upgrade: hyper::upgrade::on(request) }
    }
}

/// Joins `caller` with `upstream` once both have switched, and copies until both sides have ended, or one breaks, or neither has sent anything
/// for `patience.idle`. Dropping the future closes both. `guard`, made when they have switched, goes when the first of them ends: what one side
/// still has to say can be said without it. It goes too when that end may be hidden behind bytes that the other side does not take. Yields
/// the bytes from `caller` and the bytes from `upstream`.
///
/// # Errors
/// The first failure of a side; [`io::ErrorKind::TimedOut`] for silence.
pub async fn join<G: Send>(caller: Caller, upstream: OnUpgrade, patience: Patience, guard: impl FnOnce() -> G) -> io::Result<(u64, u64)> {
    let Caller { upgrade, socket } = caller;
    let (client, upstream): (Upgraded, Upgraded) = tokio::try_join!(upgrade, upstream).map_err(io::Error::other)?;
    let left = async {
        match socket {
            Some(socket) => socket.closed().await,
            None => std::future::pending().await,
        }
    };
    copy(TokioIo::new(client), TokioIo::new(upstream), patience, left, guard()).await
}

async fn copy<A, B, G>(a: A, b: B, patience: Patience, left: impl Future<Output = ()>, guard: G) -> io::Result<(u64, u64)>
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
    G: Send,
{
    let beats = Arc::new(AtomicU64::new(0));
    let (guard, flows) = (Mutex::new(Some(guard)), [Flow::new(), Flow::new()]);
    let mut a = Heard { io: a, beats: beats.clone(), flow: &flows[0], guard: &guard };
    let mut b = Heard { io: b, beats: beats.clone(), flow: &flows[1], guard: &guard };
    let hidden_end = async {
        tokio::select! {
            () = left => {}
            () = flows[0].stalled(patience.stall) => tracing::info!("the application's side of a tunnel takes nothing of what the caller sends"),
            () = flows[1].stalled(patience.stall) => tracing::info!("the caller's side of a tunnel takes nothing of what the application sends"),
        }
        release(&guard);
        std::future::pending::<Infallible>().await
    };
    tokio::select! {
        result = tokio::io::copy_bidirectional(&mut a, &mut b) => result,
        () = silence(&beats, patience.idle) => Err(io::Error::new(io::ErrorKind::TimedOut, "neither side of the tunnel sends")),
        never = hidden_end => match never {},
    }
}

fn release<G>(guard: &Mutex<Option<G>>) {
    drop(guard.lock().unwrap_or_else(PoisonError::into_inner).take());
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
    flow: &'g Flow,
    guard: &'g Mutex<Option<G>>,
}

impl<T: AsyncRead + Unpin, G> AsyncRead for Heard<'_, T, G> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let (before, has_room) = (buf.filled().len(), buf.remaining() > 0);
        let Poll::Ready(result) = Pin::new(&mut self.io).poll_read(cx, buf) else {
            self.flow.drained();
            return Poll::Pending;
        };
        self.beats.fetch_add(1, Ordering::Relaxed);
        let read = buf.filled().len() - before;
        self.flow.took(read);
        if result.is_err() || (has_room && read == 0) {
            release(self.guard);
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
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    const IDLE: Duration = Duration::from_secs(60);
    const PATIENCE: Patience = Patience { idle: IDLE, stall: Duration::from_secs(10) };

    async fn copy<G: Send>(a: DuplexStream, b: DuplexStream, guard: G) -> io::Result<(u64, u64)> {
        super::copy(a, b, PATIENCE, std::future::pending(), guard).await
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_pass_both_ways_until_both_ends_close() {
        let ((mut client, near), (far, mut upstream)) = (duplex(64), duplex(64));
        let tunnel = tokio::spawn(copy(near, far, ()));
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
        let error = copy(near, far, ()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn the_guard_goes_with_the_first_side_that_ends() {
        for client_first in [true, false] {
            let guard = Arc::new(());
            let ((client, near), (far, upstream)) = (duplex(64), duplex(64));
            let tunnel = tokio::spawn(copy(near, far, guard.clone()));
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

    /// The end of a side that has more to say than the other takes cannot be read.
    #[tokio::test(start_paused = true)]
    async fn the_guard_goes_when_one_side_takes_nothing_of_what_the_other_sends() {
        for client_sends in [true, false] {
            let guard = Arc::new(());
            let ((client, near), (far, upstream)) = (duplex(64), duplex(64));
            let tunnel = tokio::spawn(copy(near, far, guard.clone()));
            let (mut sender, mut taker) = if client_sends { (client, upstream) } else { (upstream, client) };
            let sending = tokio::spawn(async move { sender.write_all(&[0; 64 * 1024]).await });
            tokio::time::sleep(PATIENCE.stall * 9 / 10).await;
            assert_eq!(Arc::strong_count(&guard), 2);
            tokio::time::sleep(PATIENCE.stall / 5).await;
            assert_eq!(Arc::strong_count(&guard), 1, "the guard waits for an end that nobody can see");
            assert!(!tunnel.is_finished());
            let mut all = vec![0; 64 * 1024];
            taker.read_exact(&mut all).await.unwrap();
            sending.await.unwrap().unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_side_that_takes_what_it_is_sent_keeps_the_guard() {
        let guard = Arc::new(());
        let ((mut client, near), (far, mut upstream)) = (duplex(64), duplex(64));
        let tunnel = tokio::spawn(copy(near, far, guard.clone()));
        let mut four = [0; 4];
        for _ in 0..10 {
            client.write_all(b"ping").await.unwrap();
            upstream.read_exact(&mut four).await.unwrap();
            tokio::time::sleep(PATIENCE.stall * 2).await;
        }
        assert_eq!(Arc::strong_count(&guard), 2);
        tunnel.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn the_guard_goes_when_the_kernel_says_that_the_caller_has_left() {
        let guard = Arc::new(());
        let ((mut client, near), (far, mut upstream)) = (duplex(64), duplex(64));
        let (leave, left) = tokio::sync::oneshot::channel::<()>();
        let left = async { left.await.unwrap() };
        let tunnel = tokio::spawn(super::copy(near, far, PATIENCE, left, guard.clone()));
        leave.send(()).unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(Arc::strong_count(&guard), 1);
        // What was on its way still arrives.
        client.write_all(b"last").await.unwrap();
        let mut four = [0; 4];
        upstream.read_exact(&mut four).await.unwrap();
        tunnel.abort();
    }
}
