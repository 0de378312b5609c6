//! Metrics, logs, the audit log and traces.

use std::{path::PathBuf, sync::Arc, time::Duration};

use super::TracesConfig;
use crate::audit::AuditKey;

/// `telemetry`
#[derive(Debug)]
pub struct TelemetryConfig {
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub log_level: tracing::Level,
    /// How messages and the access log are written.
    pub log_format: LogFormat,
    /// Share of allowed requests that have a line in the access log, from 0 to 1.
    pub log_sample: f64,
    /// Distinct values of the `tenant` label before the rest are `_other`.
    pub max_tenants: usize,
    /// The audit log; `None`: there is none.
    pub audit: Option<AuditConfig>,
    /// Traces; `None`: there are none.
    pub traces: Option<TracesConfig>,
}

/// `telemetry.logs.format`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// For people.
    Text,
}

/// `telemetry.audit`
#[derive(Debug, Clone)]
pub struct AuditConfig {
    /// Where records go.
    pub sink: AuditSink,
    /// What becomes of requests that cannot be recorded.
    pub on_failure: OnFailure,
    /// How long a request waits for its record.
    pub timeout: Duration,
    /// Signatures.
    pub checkpoint: CheckpointConfig,
}

/// `telemetry.audit.path` and what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditSink {
    /// Standard output, which the access log has as well.
    Stdout,
    /// A file.
    File {
        /// Where.
        path: PathBuf,
        /// A file of this size is rotated.
        rotate_bytes: u64,
        /// How many old files stay.
        keep: usize,
        /// Whether records are flushed to disk before they count as taken.
        sync: bool,
    },
    /// A Unix socket that a collector listens on.
    Unix(PathBuf),
}

/// `telemetry.audit.on_failure`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// They are carried out, and the loss is counted.
    Continue,
    /// They are refused.
    Refuse,
}

/// `telemetry.audit.checkpoint`
#[derive(Debug, Clone)]
pub struct CheckpointConfig {
    /// A record is signed after this at the latest.
    pub every: Duration,
    /// And after so many.
    pub records: u64,
    /// What with; `None`: a key is drawn at start.
    pub key: Option<Arc<AuditKey>>,
}
