//! Lines of output that nobody waits for.
//!
//! Whoever reads our output may stall: a full pipe, a stuck collector. A write would then block, and with it a worker of the
//! runtime and all requests on it. So lines are handed to a thread that may block as long as it likes, through a bounded
//! queue.

use std::{
    io::{self, BufWriter, Write},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    time::Duration,
};

/// Lines that may wait for the writer.
pub(super) const QUEUE: usize = 8_192;

/// Where lines are handed in. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LineQueue(SyncSender<Message>);

#[derive(Debug)]
enum Message {
    Line(Vec<u8>),
    /// Everything queued before is to be written out; answered on the channel.
    Flush(SyncSender<()>),
}

impl LineQueue {
    /// A queue whose lines are written to `out` by a thread called `name`.
    pub fn to(out: impl Write + Send + 'static, name: &str) -> io::Result<Self> {
        let (queue, lines) = sync_channel(QUEUE);
        std::thread::Builder::new().name(name.to_owned()).spawn(move || write_lines(&lines, out))?;
        Ok(Self(queue))
    }

    /// Hands in a line, its end included. Never blocks; false where there was no room for it.
    pub fn push(&self, line: Vec<u8>) -> bool {
        self.0.try_send(Message::Line(line)).is_ok()
    }

    /// Waits until everything handed in so far is written, at most `deadline`.
    pub fn flush(&self, deadline: Duration) {
        let (done, wait) = sync_channel(1);
        let queue = self.0.clone();
        // Handing it in blocks too where the queue is full and the writer stuck, so that is left to a thread that may be given up.
        if std::thread::Builder::new().spawn(move || queue.send(Message::Flush(done))).is_ok() {
            let _ = wait.recv_timeout(deadline);
        }
    }
}

/// For loggers that write a line at a time. A line that finds no room is lost.
impl Write for LineQueue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line.to_vec());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write_lines(lines: &Receiver<Message>, out: impl Write) {
    let mut out = BufWriter::with_capacity(64 * 1024, out);
    while let Ok(message) = lines.recv() {
        // Whatever is there goes out in one write; nothing waits in the buffer while the queue is empty.
        let mut next = Some(message);
        while let Some(message) = next {
            match message {
                Message::Line(bytes) => drop(out.write_all(&bytes)),
                Message::Flush(done) => {
                    let _ = out.flush();
                    let _ = done.send(());
                }
            }
            next = lines.try_recv().ok();
        }
        let _ = out.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Stuck;

    impl Write for Stuck {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            loop {
                std::thread::park();
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stuck_reader_holds_up_nobody() {
        let mut queue = LineQueue::to(Stuck, "stuck").unwrap();
        for _ in 0..QUEUE * 4 {
            queue.write_all(b"line\n").unwrap();
        }
        // The writer's own buffer takes some more, whenever its thread gets to run.
        assert!((0..QUEUE + 64 * 1024).any(|_| !queue.push(b"line\n".to_vec())), "there is always room");
        // Comes back, though nothing is ever written.
        LineQueue::flush(&queue, Duration::from_millis(10));
    }
}
