//! The two kinds of sockets that connections come over.
//!
//! A Unix socket says more of its peer than an address does: which user of this machine it is, as the kernel saw it when the peer connected. A peer
//! that wants to be somebody else would have to be.

use std::{
    fmt, io,
    net::SocketAddr,
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::Path,
};

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use super::Peer;

/// One accepted connection.
#[derive(Debug)]
pub enum Stream {
    /// Over TCP.
    Tcp(TcpStream),
    /// Over a Unix socket.
    Unix(UnixStream),
}

/// What connections are accepted from.
#[derive(Debug)]
pub enum Listening {
    /// An address.
    Tcp(TcpListener),
    /// A path.
    Unix(UnixListener),
}

/// A user of this machine, as the kernel says who has connected (SO_PEERCRED, unix(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User {
    /// The effective user id, in the namespace of this process. One that has no number there is 65534, the kernel's overflow id.
    pub uid: u32,
    /// The process, in the same way; 0 where it is not known.
    pub pid: i32,
}

/// A Unix socket that is bound and listening, before anything is accepted from it.
#[derive(Debug)]
pub struct BoundSocket {
    listener: UnixListener,
}

impl BoundSocket {
    /// Binds and listens at `path`, for whom the permissions `mode` let write to it. Needs a Tokio runtime.
    ///
    /// A socket that a process before this one has left there is removed; one that somebody listens on is not.
    pub fn bind(path: &Path, mode: u32) -> io::Result<Self> {
        if let Ok(found) = std::fs::symlink_metadata(path) {
            if !found.file_type().is_socket() {
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, "what is there is no socket"));
            }
            match std::os::unix::net::UnixStream::connect(path) {
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path)?,
                Err(error) => return Err(error),
                Ok(_) => return Err(io::ErrorKind::AddrInUse.into()),
            }
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
        Ok(Self { listener })
    }

    /// The socket, for [`serve`](super::serve).
    pub fn into_listener(self) -> UnixListener {
        self.listener
    }
}

impl Listening {
    pub(super) async fn accept(&self) -> io::Result<(Stream, Peer)> {
        match self {
            Self::Tcp(listener) => listener.accept().await.map(|(stream, address)| (Stream::Tcp(stream), Peer::at(address))),
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                // A peer that the kernel says nothing of is nobody, which is no reason to refuse it.
                let user = stream.peer_cred().ok().map(|user| User { uid: user.uid(), pid: user.pid().unwrap_or_default() });
                Ok((Stream::Unix(stream), Peer::over_socket(user)))
            }
        }
    }
}

impl From<TcpListener> for Listening {
    fn from(listener: TcpListener) -> Self {
        Self::Tcp(listener)
    }
}

impl From<UnixListener> for Listening {
    fn from(listener: UnixListener) -> Self {
        Self::Unix(listener)
    }
}

impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Self {
        Self::Tcp(stream)
    }
}

impl From<UnixStream> for Stream {
    fn from(stream: UnixStream) -> Self {
        Self::Unix(stream)
    }
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "uid {} (process {})", self.uid, self.pid)
    }
}

/// For messages: where a peer without an address comes from.
pub(super) const NO_ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// Whether a path fits into a socket's address.
pub(crate) fn is_socket_path(path: &Path) -> bool {
    std::os::unix::net::SocketAddr::from_pathname(path).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_peer_is_the_user_that_the_kernel_says() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let bound = BoundSocket::bind(&path, 0o600).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let listening = Listening::from(bound.into_listener());
        let _client = UnixStream::connect(&path).await.unwrap();
        let (stream, peer) = listening.accept().await.unwrap();
        assert!(matches!(stream, Stream::Unix(_)));
        let user = peer.user().unwrap();
        assert_eq!((user.uid, user.pid), (rustix::process::geteuid().as_raw(), std::process::id() as i32));
        assert_eq!(peer.to_string(), format!("uid {} (process {})", user.uid, user.pid));
        assert!(peer.ip().is_loopback() && peer.client().is_none());
    }

    #[tokio::test]
    async fn what_a_dead_process_left_is_replaced_and_a_living_one_s_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let bind = || BoundSocket::bind(&path, 0o660).map(drop).map_err(|error| error.kind());
        let living = BoundSocket::bind(&path, 0o660).unwrap();
        assert_eq!(bind(), Err(io::ErrorKind::AddrInUse));
        drop(living);
        assert_eq!(bind(), Ok(()));
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "a file").unwrap();
        assert_eq!(bind(), Err(io::ErrorKind::AlreadyExists));
    }
}
