//! The thread that writes: it alone knows the chain, and it alone touches the sink.
//!
//! What waits is written in batches, each with one call where the sink takes it whole, and whoever waits for a record is told when the
//! batch with it is out: many requests share one write, and one flush to disk where that is asked for.
//!
//! A record gets its place in the chain when it is first written, and not before. Until then whoever waits for it may give it up. Of a line that is
//! only partly out the rest follows when the sink takes it again, or the whole of it where the sink is another one by then.

use std::{
    collections::VecDeque,
    io,
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{Receiver, RecvTimeoutError, SyncSender},
    },
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::{
    Shared,
    entry::{Bare, Lost},
    key::AuditKey,
    line::{Chain, written},
    sink::Sink,
};
use crate::config::CheckpointConfig;

/// Records of one batch at most.
const BATCH: usize = 256;
/// Bytes of one batch, but for its last line.
const BATCH_BYTES: usize = 256 << 10;
/// First pause after a sink that failed; doubled up to [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Between two messages about a sink that fails.
const SAY_AGAIN: Duration = Duration::from_secs(60);
/// How long to wait for a record where nothing else is to be done.
const IDLE: Duration = Duration::from_secs(3600);

/// What is handed to the thread.
#[derive(Debug)]
pub(super) enum Message {
    Record(Record),
    /// All that was handed in before is to be written, and the chain closed; answered on the channel.
    Close(SyncSender<()>),
}

/// A record without its place: a JSON object.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) body: Vec<u8>,
    /// Who does nothing before it is written.
    pub(super) waiter: Option<oneshot::Sender<()>>,
}

impl Record {
    /// Nobody waits for it any more: what it says will not be done.
    fn is_given_up(&self) -> bool {
        self.waiter.as_ref().is_some_and(oneshot::Sender::is_closed)
    }
}

#[derive(Debug)]
enum Item {
    Record(Record),
    Checkpoint,
    Lost(u64),
}

/// A line that is partly out.
#[derive(Debug)]
struct Torn {
    line: Line,
    out: usize,
}

/// An item with its place.
#[derive(Debug)]
struct Line {
    item: Item,
    bytes: Vec<u8>,
    /// The place behind it.
    next: Chain,
}

pub(super) struct Writer {
    sink: Box<dyn Sink>,
    shared: Arc<Shared>,
    checkpoint: CheckpointConfig,
    key: Arc<AuditKey>,
    chain: Chain,
    backlog: VecDeque<Item>,
    torn: Option<Torn>,
    /// Records since the last checkpoint.
    unsigned: u64,
    signed_at: Instant,
    failing: Option<Failing>,
    /// When it was last said that the file cannot be rotated.
    rotation_said: Option<Instant>,
}

/// A sink that takes nothing.
#[derive(Debug, Clone, Copy)]
struct Failing {
    since: Instant,
    said: Instant,
    pause: Duration,
}

impl Writer {
    /// A writer whose chain begins with `first`.
    pub(super) fn new(
        sink: Box<dyn Sink>,
        shared: Arc<Shared>,
        (checkpoint, key): (CheckpointConfig, Arc<AuditKey>),
        chain: Chain,
        first: Vec<u8>,
    ) -> Self {
        let signed_at = shared.clock.instant();
        let backlog = [Item::Record(Record { body: first, waiter: None }), Item::Checkpoint].into();
        Self { sink, shared, checkpoint, key, chain, backlog, torn: None, unsigned: 0, signed_at, failing: None, rotation_said: None }
    }

    /// Writes until it is closed, or nobody is left who could hand anything in.
    pub(super) fn run(mut self, messages: &Receiver<Message>) {
        self.write();
        loop {
            if let Some(failing) = self.failing {
                // Whether it works again is only known by trying, also where everybody has given up.
                if self.backlog.is_empty() {
                    self.backlog.push_back(Item::Checkpoint);
                }
                std::thread::sleep(failing.pause);
            }
            let has_work = !self.backlog.is_empty() || self.torn.is_some();
            let patience = if has_work { Duration::ZERO } else { self.until_checkpoint() };
            let closing = match messages.recv_timeout(patience) {
                Ok(message) => self.take(message),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return self.close(),
            };
            let closing = closing.or_else(|| self.take_more(messages));
            if let Some(done) = closing {
                self.close();
                // Whoever waits may open the file again.
                drop(self);
                let _ = done.send(());
                return;
            }
            if self.until_checkpoint().is_zero() && !self.backlog.iter().any(|item| matches!(item, Item::Checkpoint)) {
                self.backlog.push_back(Item::Checkpoint);
            }
            self.write();
        }
    }

    fn take(&mut self, message: Message) -> Option<SyncSender<()>> {
        match message {
            Message::Record(record) => {
                self.shared.queued.fetch_sub(record.body.len(), Ordering::Relaxed);
                self.backlog.push_back(Item::Record(record));
                None
            }
            Message::Close(done) => Some(done),
        }
    }

    /// What else is there, as far as it fits into a batch: what is behind stays in the queue, which is bounded.
    fn take_more(&mut self, messages: &Receiver<Message>) -> Option<SyncSender<()>> {
        while self.backlog.len() < BATCH {
            if let Some(done) = self.take(messages.try_recv().ok()?) {
                return Some(done);
            }
        }
        None
    }

    fn until_checkpoint(&self) -> Duration {
        if self.unsigned == 0 {
            return IDLE;
        }
        if self.unsigned >= self.checkpoint.records {
            return Duration::ZERO;
        }
        self.checkpoint.every.saturating_sub(self.since(self.signed_at))
    }

    fn since(&self, begun: Instant) -> Duration {
        self.shared.clock.instant().saturating_duration_since(begun)
    }

    /// The last records of the chain. What the sink does not take now is not written.
    fn close(&mut self) {
        if let Some(body) = self.body(&Bare { time: written(self.shared.clock.now()), event: "stopped" }) {
            self.backlog.push_back(Item::Record(Record { body, waiter: None }));
        }
        self.backlog.push_back(Item::Checkpoint);
        while self.write() {
            if self.backlog.is_empty() && self.torn.is_none() {
                return;
            }
        }
        self.shared.counters.dropped.inc_by(self.backlog.len() as u64);
    }

    /// Writes one batch; false where the sink did not take all of it.
    fn write(&mut self) -> bool {
        let before = self.backlog.len();
        self.backlog.retain(|item| !matches!(item, Item::Record(record) if record.is_given_up()));
        self.shared.counters.dropped.inc_by((before - self.backlog.len()) as u64);
        if self.backlog.is_empty() && self.torn.is_none() {
            return true;
        }
        self.shared.begin();
        let outcome = self.attempt();
        self.shared.end();
        match outcome {
            Ok(()) => self.works(),
            Err(error) => self.fails(&error),
        }
        self.failing.is_none()
    }

    fn attempt(&mut self) -> io::Result<()> {
        if self.sink.ready()?
            && let Some(torn) = &mut self.torn
        {
            torn.out = 0;
        }
        if self.torn.is_none() && self.sink.is_full() {
            self.rotate()?;
            self.sink.ready()?;
        }
        let lost = self.shared.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            // A chain begins with its first record, whatever came before that.
            let at = usize::from(self.chain.seq == 0);
            self.backlog.insert(at.min(self.backlog.len()), Item::Lost(lost));
        }
        let (lines, bytes) = self.compose();
        self.put(lines, &bytes)
    }

    /// A file ends with a signature, so that it can be verified by itself. One that cannot be rotated is gone on with: better a file that is too long than none.
    fn rotate(&mut self) -> io::Result<()> {
        if self.unsigned > 0
            && let Some(line) = self.place(&self.chain, Item::Checkpoint)
        {
            let bytes = line.bytes.clone();
            self.put(VecDeque::from([line]), &bytes)?;
        }
        if let Err(error) = self.sink.rotate()
            && self.rotation_said.is_none_or(|said| self.since(said) >= SAY_AGAIN)
        {
            self.rotation_said = Some(self.shared.clock.instant());
            tracing::error!(%error, "the audit log's file cannot be rotated and grows on");
        }
        Ok(())
    }

    /// The next batch, and the lines that it consists of.
    fn compose(&mut self) -> (VecDeque<Line>, Vec<u8>) {
        let (mut lines, mut bytes) = (VecDeque::new(), Vec::new());
        if let Some(torn) = &self.torn {
            bytes.extend_from_slice(&torn.line.bytes[torn.out..]);
        }
        while lines.len() < BATCH && bytes.len() < BATCH_BYTES {
            let Some(item) = self.backlog.pop_front() else { break };
            let chain = lines.back().map_or(&self.chain, |line: &Line| &line.next);
            if let Some(line) = self.place(chain, item) {
                bytes.extend_from_slice(&line.bytes);
                lines.push_back(line);
            }
        }
        (lines, bytes)
    }

    /// Gives an item its place, which is the next of `chain`.
    fn place(&self, chain: &Chain, item: Item) -> Option<Line> {
        let mut next = chain.clone();
        let time = || written(self.shared.clock.now());
        let bytes = match &item {
            Item::Record(record) => next.append(&record.body),
            Item::Lost(count) => next.append(&self.body(&Lost { time: time(), event: "lost", count: *count })?),
            Item::Checkpoint => match next.checkpoint(&time(), &self.key) {
                Ok(bytes) => bytes,
                Err(error) => {
                    tracing::error!(%error, "the audit log has no checkpoint: it could not be signed");
                    return None;
                }
            },
        };
        Some(Line { item, bytes, next })
    }

    fn body<T: serde::Serialize>(&self, event: &T) -> Option<Vec<u8>> {
        serde_json::to_vec(event).ok()
    }

    /// Writes `bytes`, which are the rest of the torn line and `lines`. Lines of which nothing is out lose their place again.
    fn put(&mut self, mut lines: VecDeque<Line>, bytes: &[u8]) -> io::Result<()> {
        let (mut out, mut outcome) = (0, Ok(()));
        while out < bytes.len() {
            match self.sink.write(&bytes[out..]) {
                Ok(0) => {
                    outcome = Err(io::ErrorKind::WriteZero.into());
                    break;
                }
                Ok(written) => out += written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            }
        }
        let mut done = Vec::with_capacity(lines.len() + 1);
        if let Some(torn) = &mut self.torn {
            let rest = torn.line.bytes.len() - torn.out;
            torn.out += out.min(rest);
            out = out.saturating_sub(rest);
            if torn.out == torn.line.bytes.len() {
                done.extend(self.torn.take().map(|torn| torn.line));
            }
        }
        while self.torn.is_none()
            && out > 0
            && let Some(line) = lines.pop_front()
        {
            self.chain.clone_from(&line.next);
            if out >= line.bytes.len() {
                out -= line.bytes.len();
                done.push(line);
            } else {
                self.torn = Some(Torn { line, out });
            }
        }
        for line in lines.into_iter().rev() {
            self.backlog.push_front(line.item);
        }
        let synced = if done.is_empty() { Ok(()) } else { self.sink.sync() };
        self.finish(done, synced.is_ok());
        outcome.and(synced)
    }

    /// Lines are out. Who waits for one learns it, unless it may be on no disk.
    fn finish(&mut self, lines: Vec<Line>, is_safe: bool) {
        self.shared.counters.written.inc_by(lines.len() as u64);
        for line in lines {
            self.unsigned += 1;
            self.shared.counters.sequence.set(i64::try_from(line.next.seq - 1).unwrap_or(i64::MAX));
            match line.item {
                Item::Record(Record { waiter: Some(waiter), .. }) if is_safe => drop(waiter.send(())),
                Item::Record(_) | Item::Lost(_) => {}
                Item::Checkpoint => {
                    self.unsigned = 0;
                    self.signed_at = self.shared.clock.instant();
                    self.shared.counters.signed_at.set(self.shared.clock.unix_seconds() as f64);
                    self.shared.head.store(Some(Arc::new(line.bytes.into())));
                }
            }
        }
    }

    fn works(&mut self) {
        if let Some(failing) = self.failing.take() {
            self.shared.works();
            tracing::info!(seconds = self.since(failing.since).as_secs(), "the audit log is written again");
        }
    }

    fn fails(&mut self, error: &io::Error) {
        let now = self.shared.clock.instant();
        let failing = self.failing.map_or(Failing { since: now, said: now, pause: PAUSE }, |failing| Failing {
            pause: (failing.pause * 2).min(LONGEST_PAUSE),
            ..failing
        });
        let is_first = self.failing.is_none();
        let says = is_first || self.since(failing.said) >= SAY_AGAIN;
        if says {
            let (seconds, dropped) = (self.since(failing.since).as_secs(), self.shared.counters.dropped.get());
            tracing::error!(%error, seconds, dropped, "the audit log cannot be written");
        }
        self.shared.fails(error, self.since(failing.since));
        self.failing = Some(Failing { said: if says { now } else { failing.said }, ..failing });
    }
}
