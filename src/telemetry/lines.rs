//! Lines of output that nobody waits for.
//!
//! Whoever reads our output may stall: a full pipe, a stuck collector. A write would then block, and with it a worker of the
//! runtime and all requests on it. So lines are put into a bounded buffer, and a thread that may block as long as it likes
//! writes them out.
//!
//! The thread gathers what comes within some milliseconds into one write. Waking it for each line would cost a request two
//! system calls and a switch of threads, which is more than the line itself.
//!
//! Failure modes: where the buffer is full a line is lost, and where a write fails, all of it that was not written; both are
//! counted. After a write that broke off, the next begins a new line.

use std::{
    io::{self, Write},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use prometheus::IntCounter;

/// Lines that may wait for the writer.
pub(super) const QUEUE: usize = 8_192;
/// Those of them that only lines may use which are not to be left out.
const KEPT_FREE: usize = QUEUE / 4;
/// How long a line waits for others to be written with.
const GATHERING: Duration = Duration::from_millis(10);
/// What a buffer keeps of its memory after a burst, in bytes.
const KEPT_BYTES: usize = 256 * 1024;

/// Where lines are handed in. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LineQueue(Arc<Handle>);

#[derive(Debug)]
struct Handle(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// The writer has something to do.
    work: Condvar,
    /// Something was written.
    written: Condvar,
    lost: Option<IntCounter>,
}

#[derive(Debug, Default)]
struct Waiting {
    bytes: Vec<u8>,
    lines: usize,
    /// Lines handed in since the beginning, and those of them that are written or lost.
    taken: u64,
    done: u64,
    /// What is there is not to wait, so that nothing more is gathered.
    is_urgent: bool,
    /// Every [`LineQueue`] is gone.
    is_over: bool,
}

/// What becomes of a line where there is little room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rank {
    /// It is left out first.
    Ordinary,
    /// It is kept for as long as there is any room.
    Kept,
}

impl LineQueue {
    /// A queue whose lines are written to `out` by a thread called `name`. Lines that are lost are counted in `lost`.
    pub fn to(out: impl Write + Send + 'static, name: &str, lost: Option<IntCounter>) -> io::Result<Self> {
        let shared = Arc::new(Shared { waiting: Mutex::default(), work: Condvar::new(), written: Condvar::new(), lost });
        let writers = shared.clone();
        std::thread::Builder::new().name(name.to_owned()).spawn(move || writers.write_to(out))?;
        Ok(Self(Arc::new(Handle(shared))))
    }

    /// Hands in a line, its end included. Blocks for no longer than it takes to copy it; false where there was no room, which is counted.
    pub fn push(&self, line: &[u8], rank: Rank) -> bool {
        let shared = &self.0.0;
        let room = if rank == Rank::Kept { QUEUE } else { QUEUE - KEPT_FREE };
        let mut waiting = shared.lock();
        if waiting.lines >= room {
            drop(waiting);
            shared.lose(1);
            return false;
        }
        waiting.bytes.extend_from_slice(line);
        waiting.lines += 1;
        waiting.taken += 1;
        let is_first = waiting.lines == 1;
        drop(waiting);
        // Otherwise the writer was told already.
        if is_first {
            shared.work.notify_one();
        }
        true
    }

    /// Waits until everything handed in so far is written, at most `deadline`.
    pub fn flush(&self, deadline: Duration) {
        let shared = &self.0.0;
        let mut waiting = shared.lock();
        let until = waiting.taken;
        if waiting.done < until {
            waiting.is_urgent = true;
            shared.work.notify_one();
            let _ = shared.written.wait_timeout_while(waiting, deadline, |waiting| waiting.done < until);
        }
    }
}

/// For loggers that write a line at a time, which are few and may be somebody's last words: nothing is waited for to be written
/// with them. A line that finds no room is lost.
impl Write for LineQueue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line, Rank::Kept);
        let shared = &self.0.0;
        shared.lock().is_urgent = true;
        shared.work.notify_one();
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.lock().is_over = true;
        self.0.work.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lose(&self, lines: usize) {
        if let Some(lost) = &self.lost {
            lost.inc_by(lines as u64);
        }
    }

    fn write_to(&self, mut out: impl Write) {
        let (mut batch, mut is_torn) = (Vec::new(), false);
        while let Some(lines) = self.gather(&mut batch) {
            if is_torn {
                batch.insert(0, b'\n');
            }
            let rest = written(&mut out, &batch);
            let whole = batch.len() - rest.len();
            is_torn = if whole == 0 { is_torn } else { batch[whole - 1] != b'\n' };
            self.lose(rest.iter().filter(|byte| **byte == b'\n').count().min(lines));
            batch.clear();
            batch.shrink_to(KEPT_BYTES);
            self.lock().done += lines as u64;
            self.written.notify_all();
        }
    }

    /// Waits for lines, and a little for more; how many there are. None where no more can come.
    fn gather(&self, batch: &mut Vec<u8>) -> Option<usize> {
        let waiting = self.work.wait_while(self.lock(), |waiting| waiting.lines == 0 && !waiting.is_over);
        let waiting = waiting.unwrap_or_else(PoisonError::into_inner);
        let gathered = self.work.wait_timeout_while(waiting, GATHERING, |waiting| !waiting.is_urgent && !waiting.is_over);
        let mut waiting = gathered.unwrap_or_else(PoisonError::into_inner).0;
        waiting.is_urgent = false;
        std::mem::swap(&mut waiting.bytes, batch);
        Some(std::mem::take(&mut waiting.lines)).filter(|lines| *lines > 0)
    }
}

/// Writes as much as can be; what cannot.
fn written<'a>(out: &mut impl Write, mut rest: &'a [u8]) -> &'a [u8] {
    while !rest.is_empty() {
        match out.write(rest) {
            Ok(0) => break,
            Ok(length) => rest = &rest[length..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    let _ = out.flush();
    rest
}

#[cfg(test)]
mod tests;
