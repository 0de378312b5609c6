//! The audit log: every decision of consequence, in a form in which change, removal and truncation can be proved.
//!
//! # Contract
//!
//! One record a line, one chain an *instance* (a run of a process). A record has a sequence number without gaps and the hash of the line before it ([`line`]), so
//! that a line cannot be changed, removed, moved or put in without breaking the chain behind it. Every so often a *checkpoint* signs the chain so
//! far. Its line is what `GET /audit/head` gives: kept elsewhere, it proves that the log reached so far ([`verify`]).
//!
//! The record of a request is made before the request is sent on. With `on_failure: refuse` the request waits until the sink has *taken* the record, for at most
//! `timeout`, and is refused otherwise; so do placeholder keys, presigned URLs and sealed contexts. Taken means: handed to the kernel whole, and with `sync` flushed to
//! disk. Refusals, sessions, reloads and what operators do are recorded without waiting, in the order in which they happen: what was recorded before a
//! request's record is taken when that is. With `continue` nothing waits.
//!
//! The log may say more than happened and never less: the record of a request that gave up waiting may have been written by then, and the
//! request's refusal follows it.
//!
//! # Failure modes
//!
//! * **A sink that takes nothing** (disk full, no permission, collector gone or slow): the writer tries again, from 50 ms to once a second. Records wait in a
//!   bounded queue; what finds no room is dropped and counted, and the next record that is written says how many were lost. Readiness fails with
//!   `refuse`.
//! * **A write that blocks**: the writer's thread hangs, and no other. Requests wait for `timeout` at most, and not at all once it has hung that long.
//! * **A crash**: what the queue held is lost, with `continue`; with `refuse` those requests were not sent. Half a line may be left. Whoever opens the file next ends it
//!   with a line feed, and names its hash in the chain's first record: that is how a verifier knows it from a line that was cut.
//! * **A restart**: a new chain, whose first record names the last record of the file, or of the one that was rotated last, and its hash (`after`). So the old chain's unsigned end is
//!   sealed by the new one's first checkpoint.
//! * **Rotation**: the chain goes on in the next file. The old one ends with a checkpoint.
//! * **A file moved or removed by others**: a new one is made for the next batch. What is gone shows as a gap.
//! * **A collector that reconnects**: the line that was partly out is sent again whole. What its predecessor had not read is lost, and shows as a gap.
//! * **Two processes, one file**: the second does not start. Two processes on one socket or one stream: their lines interleave, and are told apart by their instance.
//! * **A clock that goes back**: order is that of the sequence numbers. A verifier tells of it.
//! * **A new key**: read at start, so a new key is a new chain. Verifiers are given both.
//!
//! # Attack
//!
//! Who can write the file afterwards, and has no key, can change nothing that a checkpoint has signed, nor take out records between two lines that
//! stay. Unsigned records at the end of the last chain can be changed, cut off and made up: `checkpoint` bounds how many, and an orderly end leaves none. Chains, or the
//! end of one, can be cut off whole: that is found by a head that was exported, and by nothing else. So is the removal of the oldest files, which
//! rotation removes as well. Who has the key can write any log, and who controls the process can record what it likes: heads that were exported before bind both.
//!
//! # Values
//!
//! Text comes from validated ids, configuration, and (a subject, a note) from outside. JSON escapes control characters, so no value ends a line, and the
//! chain's own members come first in each line and are read strictly: none can be given twice.

mod entry;
mod key;
mod line;
mod sink;
pub mod verify;
mod writer;

use std::{
    fmt, io,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc::{SyncSender, TrySendError, sync_channel},
    },
    time::{Duration, Instant, SystemTime},
};

use arc_swap::{ArcSwap, ArcSwapOption};
use bytes::Bytes;
use prometheus::{Gauge, IntCounter, IntGauge};
use serde::Serialize;
use tokio::sync::oneshot;

pub use self::key::{AuditKey, KeyProblem, PublicKey};
use self::{
    entry::{Bare, Started},
    line::{After, Chain},
    sink::Sink,
    writer::{Message, Record, Writer},
};
pub(crate) use self::{
    entry::{Decision, Event, Operator, Plan, Reloaded, Session},
    line::{hex, written},
};
use crate::{
    clock::Clock,
    config::{AuditConfig, OnFailure},
    reject::{Reason, Refusal},
};

/// Records that may wait for the writer.
const QUEUE: usize = 8_192;
/// Bytes of them.
const QUEUE_BYTES: usize = 16 << 20;
/// When a request that could not be recorded should come back.
const RETRY: Duration = Duration::from_secs(1);

/// Where records are handed in. Cheap to clone.
#[derive(Clone)]
pub struct Audit {
    queue: SyncSender<Message>,
    shared: Arc<Shared>,
    key: Arc<AuditKey>,
    on_failure: OnFailure,
    timeout: Duration,
}

/// What is counted.
#[derive(Debug, Clone)]
pub struct Counters {
    /// Records that the sink took.
    pub written: IntCounter,
    /// Records that it never will.
    pub dropped: IntCounter,
    /// The last sequence number.
    pub sequence: IntGauge,
    /// When the last checkpoint was written.
    pub signed_at: Gauge,
}

/// What the writer tells everybody else.
struct Shared {
    clock: Clock,
    counters: Counters,
    /// Bytes in the queue.
    queued: AtomicUsize,
    /// Records lost since the last that said so.
    lost: AtomicU64,
    /// The last checkpoint's line.
    head: ArcSwapOption<Bytes>,
    born: Instant,
    /// Milliseconds from `born` to the beginning of the write in progress, and 1; 0 for none.
    busy: AtomicU64,
    /// For how many milliseconds the sink has been failing, and 1; 0 while it works.
    failing: AtomicU64,
    trouble: ArcSwap<String>,
}

impl Shared {
    fn millis(&self) -> u64 {
        u64::try_from(self.clock.instant().saturating_duration_since(self.born).as_millis()).unwrap_or(u64::MAX - 1)
    }

    fn begin(&self) {
        self.busy.store(self.millis() + 1, Ordering::Relaxed);
    }

    fn end(&self) {
        self.busy.store(0, Ordering::Relaxed);
    }

    fn works(&self) {
        self.failing.store(0, Ordering::Relaxed);
    }

    fn fails(&self, error: &io::Error, since: Duration) {
        self.trouble.store(Arc::new(error.to_string()));
        self.failing.store(u64::try_from(since.as_millis()).unwrap_or(u64::MAX - 1) + 1, Ordering::Relaxed);
    }

    /// For how long the sink has taken nothing of what it should; `None` while it works.
    fn trouble(&self) -> Option<Duration> {
        let busy = self.busy.load(Ordering::Relaxed);
        let stuck = if busy == 0 { 0 } else { (self.millis() + 1).saturating_sub(busy) };
        let failing = self.failing.load(Ordering::Relaxed);
        (stuck > 0 || failing > 0).then(|| Duration::from_millis(stuck.max(failing.saturating_sub(1))))
    }
}

/// A record that was handed in.
pub(crate) struct Pending {
    /// `None`: nobody waits for it.
    waiting: Result<Option<oneshot::Receiver<()>>, Refusal>,
    timeout: Duration,
    shared: Arc<Shared>,
}

impl Pending {
    /// Waits until the sink has taken the record. Dropped before that, the record is given up.
    ///
    /// # Errors
    /// [`Reason::AuditUnavailable`], with `on_failure: refuse`: what is recorded must not be done.
    pub(crate) async fn taken(self) -> Result<(), Refusal> {
        let Some(written) = self.waiting? else { return Ok(()) };
        match tokio::time::timeout(self.timeout, written).await {
            Ok(Ok(())) => Ok(()),
            // Dropped without a word: it is out, but may be on no disk.
            Ok(Err(_)) | Err(_) => Err(unavailable(format!("the audit log has not taken the record in time{}", because(&self.shared)))),
        }
    }
}

fn unavailable(note: String) -> Refusal {
    Refusal::noted(Reason::AuditUnavailable, note).retry_after(RETRY)
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Audit")
    }
}

impl Audit {
    /// Opens the sink and begins a chain. `effective` is the configuration, of which a digest is recorded.
    ///
    /// # Errors
    /// A file that cannot be had, or no thread.
    pub fn open(config: &AuditConfig, effective: &serde_json::Value, clock: Clock, counters: Counters) -> io::Result<Self> {
        let (sink, after) = sink::open(&config.sink, config.timeout)?;
        Self::over(sink, after, config, effective, clock, counters)
    }

    fn over(
        sink: Box<dyn Sink>,
        after: Option<After>,
        config: &AuditConfig,
        effective: &serde_json::Value,
        clock: Clock,
        counters: Counters,
    ) -> io::Result<Self> {
        let mut instance = [0; 16];
        getrandom::fill(&mut instance).map_err(|_| io::Error::other("the system has no randomness"))?;
        let key = match &config.checkpoint.key {
            Some(key) => key.clone(),
            None => {
                let (key, _) = AuditKey::generate().map_err(io::Error::other)?;
                tracing::warn!(
                    key = key.public().id(),
                    "telemetry.audit.checkpoint.key is unset: a key was drawn, which nobody will have after this process"
                );
                Arc::new(key)
            }
        };
        let public = key.public();
        let first = Started {
            time: written(clock.now()),
            event: "started",
            version: crate::VERSION,
            key: public.id(),
            public_key: public.to_base64(),
            config_sha256: &digest(effective),
            after,
        };
        let first = serde_json::to_vec(&first)?;
        let shared = Arc::new(Shared {
            born: clock.instant(),
            clock,
            counters,
            queued: AtomicUsize::new(0),
            lost: AtomicU64::new(0),
            head: ArcSwapOption::empty(),
            busy: AtomicU64::new(0),
            failing: AtomicU64::new(0),
            trouble: ArcSwap::from_pointee(String::new()),
        });
        let (queue, messages) = sync_channel(QUEUE);
        let signing = (config.checkpoint.clone(), key.clone());
        let writer = Writer::new(sink, shared.clone(), signing, Chain::new(hex(&instance)), first);
        std::thread::Builder::new().name("audit-log".to_owned()).spawn(move || writer.run(&messages))?;
        Ok(Self { queue, shared, key, on_failure: config.on_failure, timeout: config.timeout })
    }

    /// Records `event`, and waits for nothing.
    pub(crate) fn tell(&self, event: &impl Serialize) {
        let Ok(body) = serde_json::to_vec(event) else { return self.lose() };
        if !self.push(Record { body, waiter: None }) {
            self.lose();
        }
    }

    /// Records `event`, which is not to happen before its record is [taken](Pending::taken).
    pub(crate) fn commit(&self, event: &impl Serialize) -> Pending {
        let waiting = match self.on_failure {
            OnFailure::Continue => {
                self.tell(event);
                Ok(None)
            }
            OnFailure::Refuse => self.hand_in(event).map(Some).map_err(unavailable),
        };
        Pending { waiting, timeout: self.timeout, shared: self.shared.clone() }
    }

    fn hand_in(&self, event: &impl Serialize) -> Result<oneshot::Receiver<()>, String> {
        let body = serde_json::to_vec(event).map_err(|_| "the record cannot be written".to_owned())?;
        if self.shared.trouble().is_some_and(|since| since >= self.timeout) {
            self.shared.counters.dropped.inc();
            return Err(format!("the audit log takes no records{}", because(&self.shared)));
        }
        let (waiter, written) = oneshot::channel();
        if !self.push(Record { body, waiter: Some(waiter) }) {
            self.shared.counters.dropped.inc();
            return Err("the audit log's queue is full".to_owned());
        }
        Ok(written)
    }

    fn push(&self, record: Record) -> bool {
        let bytes = record.body.len();
        if self.shared.queued.fetch_add(bytes, Ordering::Relaxed) + bytes <= QUEUE_BYTES {
            match self.queue.try_send(Message::Record(record)) {
                Ok(()) => return true,
                Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
            }
        }
        self.shared.queued.fetch_sub(bytes, Ordering::Relaxed);
        false
    }

    fn lose(&self) {
        self.shared.counters.dropped.inc();
        self.shared.lost.fetch_add(1, Ordering::Relaxed);
    }

    /// Records that something happened of which there is no more to say.
    pub(crate) fn note(&self, event: &'static str) {
        self.tell(&Bare { time: self.now(), event });
    }

    /// Records that a file of the configuration was read again.
    pub(crate) fn reloaded(&self, what: &str, is_ok: bool) {
        self.reloaded_as(what, is_ok, &[], None);
    }

    /// Records that another configuration is in force: by what it differs from the one before, and its [`digest`].
    pub(crate) fn reconfigured(&self, settings: &[String], config_sha256: &str) {
        self.reloaded_as("configuration", true, settings, Some(config_sha256));
    }

    fn reloaded_as(&self, what: &str, is_ok: bool, settings: &[String], config_sha256: Option<&str>) {
        let result = if is_ok { "ok" } else { "error" };
        self.tell(&Reloaded { time: self.now(), event: "reloaded", what, result, settings, config_sha256 });
    }

    /// The time of a record.
    pub(crate) fn now(&self) -> String {
        written(self.shared.clock.now())
    }

    /// A time of AWS's, say.
    pub(crate) fn at(time: SystemTime) -> String {
        written(time)
    }

    /// The last checkpoint's line, its line feed included; `None` where nothing was written yet.
    pub fn head(&self) -> Option<Bytes> {
        self.shared.head.load_full().map(|head| (*head).clone())
    }

    /// What checkpoints are verified with.
    pub fn public_key(&self) -> &PublicKey {
        self.key.public()
    }

    /// Whether requests can be recorded, and in words.
    pub fn health(&self) -> (bool, String) {
        match self.shared.trouble().filter(|since| *since >= self.timeout) {
            None => (true, "is written".to_owned()),
            Some(_) => {
                let refuses = self.on_failure == OnFailure::Refuse;
                (
                    !refuses,
                    format!(
                        "takes no records{}; {}",
                        because(&self.shared),
                        if refuses { "requests are refused" } else { "records are lost" }
                    ),
                )
            }
        }
    }

    /// Ends the chain and waits until everything handed in so far is written, at most `deadline`. For the end of the process.
    pub fn close(&self, deadline: Duration) {
        let (done, wait) = sync_channel(1);
        let queue = self.queue.clone();
        // Handing it in blocks too where the queue is full and the writer stuck, so that is left to a thread that may be given up.
        if std::thread::Builder::new().spawn(move || queue.send(Message::Close(done))).is_ok() {
            let _ = wait.recv_timeout(deadline);
        }
    }
}

fn because(shared: &Shared) -> String {
    let trouble = shared.trouble.load();
    if trouble.is_empty() || shared.failing.load(Ordering::Relaxed) == 0 { String::new() } else { format!(": {trouble}") }
}

/// That of a configuration without its secrets, in hexadecimal.
pub(crate) fn digest(effective: &serde_json::Value) -> String {
    line::hash(effective.to_string().as_bytes())
}

#[cfg(test)]
mod tests;
