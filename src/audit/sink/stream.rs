//! Standard output, and a Unix socket that a collector listens on.

use std::{
    io::{self, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use super::Sink;

/// Standard output, which the access log has as well.
#[derive(Debug)]
pub(in crate::audit) struct Stdout;

impl Sink for Stdout {
    fn ready(&mut self) -> io::Result<bool> {
        Ok(false)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // The lock keeps lines of the access log out of ours. Its buffer is gone round: of what an error leaves in there nobody knows how
        // much was written.
        let mut lock = io::stdout().lock();
        lock.flush()?;
        Ok(rustix::io::write(rustix::stdio::stdout(), bytes)?)
    }
}

/// A stream socket. There is no answer: what a collector that dies had not read yet is lost, and shows as a gap.
#[derive(Debug)]
pub(in crate::audit) struct UnixSocket {
    path: PathBuf,
    timeout: Duration,
    stream: Option<UnixStream>,
}

impl UnixSocket {
    pub(super) fn new(path: &Path, timeout: Duration) -> Self {
        Self { path: path.to_owned(), timeout, stream: None }
    }
}

impl Sink for UnixSocket {
    fn ready(&mut self) -> io::Result<bool> {
        if self.stream.is_some() {
            return Ok(false);
        }
        let stream = UnixStream::connect(&self.path)?;
        stream.set_write_timeout(Some(self.timeout))?;
        self.stream = Some(stream);
        Ok(true)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let stream = self.stream.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        let written = stream.write(bytes);
        // One that is only slow goes on where it stopped.
        if written.as_ref().is_err_and(|error| !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)) {
            self.stream = None;
        }
        written
    }
}
