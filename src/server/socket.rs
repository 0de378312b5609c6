//! A socket that can be watched while it is in use.
//!
//! hyper notices that a client has gone when it reads the end of the stream. It does not read while an upload's bytes wait
//! for the application, or while bytes of a next request wait for this one's response: a client that went then would be
//! noticed only when the response is written, and its request would live on. The kernel knows at once.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_util::FutureExt;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};

use super::{activity::Activity, stream::Stream};

/// How often a busy connection is looked at. Idle ones are not.
const LOOK: Duration = Duration::from_secs(1);

/// One end of a connection, shared between its reader and writer and whoever watches it.
#[derive(Debug, Clone)]
pub(super) struct Socket(Arc<Stream>);

/// The same of either kind of stream.
macro_rules! on {
    ($stream:expr, $socket:ident => $what:expr) => {
        match $stream {
            Stream::Tcp($socket) => $what,
            Stream::Unix($socket) => $what,
        }
    };
}

impl Socket {
    pub(super) fn new(stream: Stream) -> Self {
        Self(Arc::new(stream))
    }

    /// Returns when the peer has closed its side, or broken it, as far as the kernel knows: behind bytes for which it has no room it does not.
    pub(super) async fn closed(&self) {
        while !self.is_closed() {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The same, while requests of the peer's were in progress.
    pub(super) async fn peer_left(&self, activity: &Activity) {
        loop {
            activity.busy().await;
            tokio::time::sleep(LOOK).await;
            if activity.is_busy() && !activity.is_upgraded() && self.is_closed() {
                return;
            }
        }
    }

    /// Whether the kernel has seen the end of what the peer sends, read or not.
    fn is_closed(&self) -> bool {
        match on!(&*self.0, socket => socket.ready(Interest::READABLE).now_or_never()) {
            Some(Ok(ready)) => ready.is_read_closed(),
            Some(Err(_)) => true,
            None => false,
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(on!(&*self.0, socket => socket.poll_read_ready(cx)))?;
            match self.read(buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.write_with(cx, |stream| on!(stream, socket => socket.try_write(bytes)))
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.write_with(cx, |stream| on!(stream, socket => socket.try_write_vectored(slices)))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(on!(&*self.0, socket => socket2::SockRef::from(socket).shutdown(std::net::Shutdown::Write)))
    }
}

impl Socket {
    /// Reads what is there. Where that leaves room in the buffer there is no more, and the next reader waits to be woken without asking the kernel first (epoll(7),
    /// "Do I need to continuously read"): hyper reads on behind each head, to see its client go.
    fn read(&self, buf: &mut ReadBuf<'_>) -> io::Result<()> {
        let mut has_read = false;
        let result = on!(&*self.0, socket => socket.try_io(Interest::READABLE, || {
            let room = buf.remaining();
            // Into the buffer as it is: zeroing all of it would make all of it resident, for a head of a few hundred bytes.
            let read = socket.try_read_buf(buf)?;
            has_read = true;
            // Tokio forgets then that the socket was readable, unless it was told so again since before the read.
            if 0 < read && read < room { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
        }));
        if has_read { Ok(()) } else { result }
    }

    fn write_with(&self, cx: &mut Context<'_>, write: impl Fn(&Stream) -> io::Result<usize>) -> Poll<io::Result<usize>> {
        loop {
            ready!(on!(&*self.0, socket => socket.poll_write_ready(cx)))?;
            match write(&self.0) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
    };

    use super::*;

    async fn pair() -> (Socket, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (Socket::new(listener.accept().await.unwrap().0.into()), client)
    }

    #[tokio::test]
    async fn bytes_pass_both_ways_and_the_end_too() {
        let (mut socket, mut client) = pair().await;
        client.write_all(b"hello").await.unwrap();
        let mut got = [0; 5];
        socket.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"hello");
        let big = vec![7; 4 << 20];
        let reader = tokio::spawn(async move {
            let mut all = Vec::new();
            client.read_to_end(&mut all).await.unwrap();
            all
        });
        socket.write_all(&big).await.unwrap();
        socket.shutdown().await.unwrap();
        assert_eq!(reader.await.unwrap(), big);
    }

    #[tokio::test]
    async fn a_read_that_leaves_room_is_known_to_have_taken_all() {
        let (mut socket, mut client) = pair().await;
        let mut buffer = [0; 8];
        for (message, taken, is_more) in [("hello", 5, false), ("in two parts", 8, true)] {
            client.write_all(message.as_bytes()).await.unwrap();
            assert_eq!(AsyncReadExt::read(&mut socket, &mut buffer).await.unwrap(), taken);
            let is_readable = on!(&*socket.0, socket => socket.ready(Interest::READABLE).now_or_never());
            assert_eq!(is_readable.is_some(), is_more, "{message}: the kernel would be asked for nothing, or bytes be left lying");
        }
    }

    /// Bytes may come between a read that leaves room and the note that there are no more: they must wake the reader all the same. Nothing else does, since the
    /// peer waits for an answer then.
    #[tokio::test(flavor = "multi_thread", worker_threads = 3)]
    async fn what_comes_in_the_middle_of_a_read_is_read() {
        const ROUNDS: u32 = 20_000;
        let (mut socket, mut client) = pair().await;
        client.set_nodelay(true).unwrap();
        let peer = tokio::spawn(async move {
            for round in 0..ROUNDS {
                client.write_all(b"a").await.unwrap();
                // From at once to some microseconds later.
                for _ in 0..round % 500 {
                    std::hint::spin_loop();
                }
                client.write_all(b"b").await.unwrap();
                client.read_exact(&mut [0]).await.unwrap();
            }
        });
        let mut buffer = [0; 64];
        for _ in 0..ROUNDS {
            let mut taken = 0;
            while taken < 2 {
                let reading = tokio::time::timeout(Duration::from_secs(20), AsyncReadExt::read(&mut socket, &mut buffer));
                taken += reading.await.expect("the reader is woken").unwrap();
            }
            socket.write_all(b"!").await.unwrap();
        }
        peer.await.unwrap();
    }

    #[tokio::test]
    async fn the_end_of_a_peer_is_known_before_it_is_read() {
        for half in [true, false] {
            let (socket, mut client) = pair().await;
            client.write_all(b"unread").await.unwrap();
            assert!(tokio::time::timeout(LOOK * 3 / 2, socket.closed()).await.is_err(), "it is still there");
            if half {
                client.shutdown().await.unwrap();
            } else {
                socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
                drop(client);
            }
            tokio::time::timeout(LOOK * 3, socket.closed()).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_peer_that_went_is_noticed_though_its_bytes_are_unread() {
        let (socket, mut client) = pair().await;
        let activity = Activity::new(0);
        let busy = activity.begin();
        client.write_all(b"unread").await.unwrap();
        let soon = Duration::from_millis(1_500);
        assert!(tokio::time::timeout(soon, socket.peer_left(&activity)).await.is_err(), "it is still there");
        drop(client);
        tokio::time::timeout(soon * 2, socket.peer_left(&activity)).await.unwrap();
        drop(busy);
        assert!(tokio::time::timeout(soon, socket.peer_left(&activity)).await.is_err(), "nothing is in progress");
    }
}
