//! `telemetry.traces`

use std::{path::PathBuf, time::Duration};

use http::{HeaderName, Uri};

use crate::secret::Secret;

/// Where traces go, and how much of them.
#[derive(Debug)]
pub struct TracesConfig {
    /// Where the collector is.
    pub uri: Uri,
    /// What it speaks.
    pub protocol: OtlpProtocol,
    /// Headers for it, as a rule with a key.
    pub headers: Vec<(HeaderName, Secret)>,
    /// PEM file of extra roots.
    pub ca: Option<PathBuf>,
    /// Deadline of one batch.
    pub timeout: Duration,
    /// `service.name`
    pub service_name: String,
    /// Other attributes of this process.
    pub resource: Vec<(String, String)>,
    /// Which requests are recorded.
    pub sampling: SamplingConfig,
    /// Whether the trace that the application states goes on where no passport knows one.
    pub continues_application: bool,
    /// Spans that may wait.
    pub queue: usize,
    /// Spans that are sent together, at most.
    pub batch: usize,
    /// How long a span waits for others.
    pub delay: Duration,
}

/// `telemetry.traces.protocol`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtlpProtocol {
    /// OTLP/gRPC.
    Grpc,
    /// OTLP/HTTP with protocol buffers.
    HttpProtobuf,
}

/// `telemetry.traces.sampling`
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SamplingConfig {
    /// The share of the traces that begin here, from 0 to 1.
    pub ratio: f64,
    /// Whether a trace that goes on here is recorded if its sampled flag says so.
    pub follow_parent: bool,
    /// Most requests of somebody verified that are recorded in a second, on both listeners; at least one.
    pub per_second: u64,
}
