//! The writer's thread, and what becomes of requests.

use std::{
    collections::VecDeque,
    fs, io,
    sync::{Mutex, MutexGuard, mpsc},
    time::Duration,
};

use proptest::prelude::*;

use super::*;
use crate::{
    audit::{Audit, QUEUE, sink::Sink},
    clock::Clock,
    config::{AuditConfig, AuditSink, CheckpointConfig, OnFailure},
    reject::Reason,
    telemetry::Metrics,
};

const LONG: Duration = Duration::from_secs(10);

fn config(sink: AuditSink, on_failure: OnFailure, timeout: Duration, key: &Arc<AuditKey>) -> AuditConfig {
    let checkpoint = CheckpointConfig { every: Duration::from_secs(60), records: 10, key: Some(key.clone()) };
    AuditConfig { sink, on_failure, timeout, checkpoint }
}

fn file(folder: &tempfile::TempDir, rotate_bytes: u64) -> AuditSink {
    AuditSink::File { path: folder.path().join("log"), rotate_bytes, keep: 100, sync: true }
}

fn open(config: &AuditConfig) -> (Audit, Metrics) {
    let metrics = Metrics::new().unwrap();
    let audit = Audit::open(config, &serde_json::Value::Null, Clock::system(), metrics.of_audit()).unwrap();
    (audit, metrics)
}

fn files(folder: &tempfile::TempDir) -> Vec<Vec<u8>> {
    let mut paths: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

#[derive(serde::Serialize)]
struct Happened<'a> {
    time: &'static str,
    event: &'static str,
    what: &'a str,
}

const fn happened(what: &str) -> Happened<'_> {
    Happened { time: TIME, event: "allowed", what }
}

/// Takes what its script says of each write, and all of it from then on: `Err` is a full disk.
#[derive(Clone, Default)]
struct Scripted(Arc<Mutex<Script>>);

#[derive(Default)]
struct Script {
    steps: VecDeque<Option<usize>>,
    /// All that was taken, by place: a new one is begun where the step says so.
    taken: Vec<Vec<u8>>,
    anew: VecDeque<bool>,
    is_full: bool,
}

impl Scripted {
    fn lock(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap()
    }

    fn opened(&self, config: &AuditConfig) -> (Audit, Metrics) {
        let metrics = Metrics::new().unwrap();
        let audit =
            Audit::over(Box::new(self.clone()), None, config, &serde_json::Value::Null, Clock::system(), metrics.of_audit()).unwrap();
        (audit, metrics)
    }
}

impl Sink for Scripted {
    fn ready(&mut self) -> io::Result<bool> {
        let mut script = self.lock();
        let anew = script.anew.pop_front().unwrap_or(false) || script.taken.is_empty();
        if anew {
            script.taken.push(Vec::new());
        }
        Ok(anew)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut script = self.lock();
        let taken = match script.steps.pop_front() {
            _ if script.is_full => return Err(io::ErrorKind::StorageFull.into()),
            Some(None) => return Err(io::ErrorKind::StorageFull.into()),
            Some(Some(most)) => bytes.len().min(most.max(1)),
            None => bytes.len(),
        };
        script.taken.last_mut().unwrap().extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }
}

#[tokio::test]
async fn what_is_recorded_is_there_before_anything_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let key = key();
    let config = config(file(&folder, 1 << 20), OnFailure::Refuse, LONG, &key);
    let (audit, metrics) = open(&config);
    for what in ["one", "two\n{\"log\":\"audit\"}", "\u{0}\u{7f}\u{2028}"] {
        audit.commit(&happened(what)).taken().await.unwrap();
        let written = String::from_utf8(files(&folder).concat()).unwrap();
        let last = written.lines().last().unwrap();
        assert_eq!(serde_json::from_str::<serde_json::Value>(last).unwrap()["what"], what);
    }
    audit.close(LONG);
    let report = verify(files(&folder), Terms { whole: true, ..terms(&key) }, audit.head().as_deref());
    assert!(report.is_good(), "{:?}", said(&report));
    let text = String::from_utf8(metrics.render().unwrap()).unwrap();
    // Started, signed, three, stopped, signed.
    for line in [
        "palisade_audit_records_total{result=\"written\"} 7",
        "palisade_audit_records_total{result=\"dropped\"} 0",
        "palisade_audit_sequence 6",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[tokio::test]
async fn rotation_and_restarts_leave_one_proof() {
    let folder = tempfile::tempdir().unwrap();
    let key = key();
    let config = config(file(&folder, 2_000), OnFailure::Refuse, LONG, &key);
    let mut heads = Vec::new();
    for _ in 0..3 {
        let (audit, _) = open(&config);
        for number in 0..25 {
            audit.commit(&happened(&number.to_string())).taken().await.unwrap();
        }
        audit.close(LONG);
        heads.push(audit.head().unwrap());
    }
    let files = files(&folder);
    assert!(files.len() > 5, "{} files", files.len());
    for head in &heads {
        let report = verify(files.clone(), Terms { whole: true, ..terms(&key) }, Some(head));
        assert!(report.is_good(), "{:?}", said(&report));
        assert_eq!(report.chains.len(), 3);
    }
    for (number, file) in files.iter().enumerate().skip(1) {
        let last = file.strip_suffix(b"\n").unwrap().rsplit(|byte| *byte == b'\n').next().unwrap();
        assert_eq!(Header::read(last).unwrap().event, "checkpoint", "file {number} ends without a signature");
    }
}

#[tokio::test]
async fn a_second_process_does_not_get_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(file(&folder, 2_000), OnFailure::Refuse, LONG, &key());
    let (_audit, metrics) = open(&config);
    let second = Audit::open(&config, &serde_json::Value::Null, Clock::system(), metrics.of_audit());
    assert!(second.unwrap_err().to_string().contains("another process writes to it"));
}

#[tokio::test]
async fn without_a_record_nothing_is_done() {
    let sink = Scripted::default();
    let key = key();
    let timeout = Duration::from_millis(200);
    let (audit, metrics) = sink.opened(&config(AuditSink::Stdout, OnFailure::Refuse, timeout, &key));
    audit.commit(&happened("before")).taken().await.unwrap();
    sink.lock().is_full = true;
    let refused = audit.commit(&happened("never")).taken().await.unwrap_err();
    assert_eq!(refused.reason, Reason::AuditUnavailable);
    assert!(refused.retry_after.is_some());
    while audit.health().0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let begun = tokio::time::Instant::now();
    let refused = audit.commit(&happened("never")).taken().await.unwrap_err();
    assert!(begun.elapsed() < timeout, "it was waited for");
    assert!(refused.note.unwrap().contains("no storage space"), "why is not told");
    audit.tell(&happened("told meanwhile"));
    sink.lock().is_full = false;
    while !audit.health().0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    audit.commit(&happened("after")).taken().await.unwrap();
    audit.close(LONG);
    let written = sink.lock().taken.concat();
    let text = String::from_utf8(written.clone()).unwrap();
    assert!(!text.contains("never"), "what was given up was written:\n{text}");
    assert!(text.contains("told meanwhile") && text.contains("after"));
    let report = verify([written], Terms { whole: true, ..terms(&key) }, audit.head().as_deref());
    assert!(report.is_good(), "{:?}", said(&report));
    assert_eq!(metrics.of_audit().dropped.get(), 2);
}

#[tokio::test]
async fn what_is_lost_is_told() {
    let sink = Scripted::default();
    let key = key();
    let (audit, metrics) = sink.opened(&config(AuditSink::Stdout, OnFailure::Continue, Duration::from_millis(50), &key));
    sink.lock().is_full = true;
    let all = 2 * QUEUE;
    for number in 0..all {
        audit.commit(&happened(&number.to_string())).taken().await.unwrap();
    }
    let dropped = metrics.of_audit().dropped.get();
    assert!(dropped > 0 && dropped < all as u64, "{dropped}");
    assert!(audit.health().0, "requests go on");
    sink.lock().is_full = false;
    // Closing waits for room.
    tokio::task::spawn_blocking(move || audit.close(LONG)).await.unwrap();
    let written = sink.lock().taken.concat();
    let text = String::from_utf8(written.clone()).unwrap();
    let lost: u64 =
        text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()).filter_map(|line| line["count"].as_u64()).sum();
    assert_eq!(lost, dropped);
    assert_eq!(text.matches("\"event\":\"allowed\"").count() as u64, all as u64 - dropped);
    let report = verify([written], terms(&key), None);
    assert!(report.is_good(), "{:?}", said(&report));
}

/// A pipe whose reader is stuck, a network disk that is gone.
#[tokio::test]
async fn a_write_that_blocks_holds_up_nobody() {
    struct Stuck(mpsc::Receiver<()>);
    impl Sink for Stuck {
        fn ready(&mut self) -> io::Result<bool> {
            Ok(false)
        }
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            Ok(bytes.len())
        }
    }
    let (release, stuck) = mpsc::channel();
    let timeout = Duration::from_millis(100);
    let metrics = Metrics::new().unwrap();
    let config = config(AuditSink::Stdout, OnFailure::Refuse, timeout, &key());
    let audit = Audit::over(Box::new(Stuck(stuck)), None, &config, &serde_json::Value::Null, Clock::system(), metrics.of_audit()).unwrap();
    let begun = tokio::time::Instant::now();
    assert!(audit.commit(&happened("x")).taken().await.is_err());
    let waited = begun.elapsed();
    assert!(waited >= timeout && waited < LONG, "{waited:?}");
    assert!(audit.commit(&happened("x")).taken().await.is_err());
    assert!(!audit.health().0);
    audit.close(Duration::from_millis(10));
    drop(release);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// However little a sink takes at once, however often it fails or is another: what is there is one chain.
    #[test]
    fn no_sink_can_break_the_chain(
        steps in prop::collection::vec(prop::option::weighted(0.9, 1..700_usize), 0..30),
        anew in prop::collection::vec(prop::bool::weighted(0.1), 0..30),
        count in 1..40_usize,
    ) {
        let sink = Scripted::default();
        let key = super::key();
        // A sink that failed is tried again after a pause, so failures are few.
        let mut failures = 3;
        let steps = steps.into_iter().filter(|step| step.is_some() || { failures -= 1; failures >= 0 }).collect();
        *sink.lock() = Script { steps, anew: anew.into(), ..Script::default() };
        let (audit, _) = sink.opened(&config(AuditSink::Stdout, OnFailure::Refuse, LONG, &key));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        for number in 0..count {
            runtime.block_on(audit.commit(&happened(&number.to_string())).taken()).unwrap();
        }
        while sink.lock().steps.contains(&None) {
            runtime.block_on(audit.commit(&happened("more")).taken()).unwrap();
        }
        audit.close(LONG);
        let taken = sink.lock().taken.clone();
        let report = verify(taken.into_iter().filter(|place| !place.is_empty()), terms(&key), audit.head().as_deref());
        prop_assert!(report.is_good(), "{:?}", said(&report));
        prop_assert_eq!(report.chains.iter().map(|chain| chain.first).max(), Some(0));
    }
}
