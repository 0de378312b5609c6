//! Where lines go. Everything here may block: it is called from the writer's own thread alone.

mod file;
mod stream;

use std::{io, path::Path, time::Duration};

pub(super) use self::{
    file::FileSink,
    stream::{Stdout, UnixSocket},
};
use super::line::After;
use crate::config::AuditSink;

/// A place for lines.
pub(super) trait Sink: Send {
    /// Makes it ready for the next line; true where that begins somewhere new, so that nothing of an unfinished line is there.
    fn ready(&mut self) -> io::Result<bool>;

    /// Writes what it takes at once of `bytes`; how much that was.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Makes sure of what was written, where that is asked for.
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Whether it is full, so that what follows belongs into another file.
    fn is_full(&self) -> bool {
        false
    }

    /// Begins another file.
    fn rotate(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Opens what is configured, and says what a file had in it.
///
/// # Errors
/// A file that cannot be had. A socket that nobody listens on is waited for.
pub(super) fn open(config: &AuditSink, timeout: Duration) -> io::Result<(Box<dyn Sink>, Option<After>)> {
    Ok(match config {
        AuditSink::Stdout => (Box::new(Stdout), None),
        AuditSink::Unix(path) => (Box::new(UnixSocket::new(path, timeout)), None),
        AuditSink::File { path, rotate_bytes, keep, sync } => {
            let (sink, after) = FileSink::open(path, *rotate_bytes, *keep, *sync)?;
            (Box::new(sink), after)
        }
    })
}

/// `PATH.N`
fn numbered(path: &Path, number: usize) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}
