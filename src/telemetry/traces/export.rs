//! Sends spans to the collector, some at a time.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout_at},
};

use super::{
    context::TraceId,
    encode::{self, Resource},
    span::Span,
};
use crate::{config::TracesConfig, telemetry::Metrics, upstream::Collector};

/// Attempts at one batch. While a collector is away spans are lost in any case: what is kept for it is bounded by the queue.
const ATTEMPTS: u32 = 4;
/// What a request has at most, in bytes: servers of gRPC take 4 MiB unless they are told otherwise. What stands around the spans has the rest.
const MAX_REQUEST: usize = 4 * 1024 * 1024 - 64 * 1024;
/// Spans that are encoded at a stretch, on a thread that requests need too.
const SLICE: usize = 64;
/// The pause after the first of them; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause, whatever a collector asks for.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What is in the queue.
#[derive(Debug)]
pub(super) enum Message {
    Span(TraceId, Box<Span>),
    /// Everything before is to be sent; answered by dropping this.
    Flush(oneshot::Sender<()>),
}

/// Why a batch was not taken.
#[derive(Debug)]
pub(crate) struct NotTaken {
    /// For the log: what a collector says is not repeated.
    pub(crate) why: String,
    /// Whether it may be sent again, and where the collector says so, when.
    pub(crate) again: Option<Option<Duration>>,
}

/// Takes an `ExportTraceServiceRequest` somewhere, and yields what is answered.
pub(crate) trait Carry: Send + Sync {
    fn carry(&self, request: Bytes) -> BoxFuture<'_, Result<Bytes, NotTaken>>;
}

impl Carry for Collector {
    fn carry(&self, request: Bytes) -> BoxFuture<'_, Result<Bytes, NotTaken>> {
        Box::pin(self.send(request))
    }
}

/// What runs beside the requests.
pub struct Exporter {
    queue: mpsc::Receiver<Message>,
    resource: Resource,
    collector: Box<dyn Carry>,
    batch: usize,
    delay: Duration,
    metrics: Metrics,
    /// Whether the last batch was taken, so that the log tells of changes alone.
    works: bool,
}

impl std::fmt::Debug for Exporter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exporter").finish_non_exhaustive()
    }
}

impl Exporter {
    pub(super) fn new(
        queue: mpsc::Receiver<Message>,
        resource: Resource,
        collector: Box<dyn Carry>,
        config: &TracesConfig,
        metrics: Metrics,
    ) -> Self {
        Self { queue, resource, collector, batch: config.batch, delay: config.delay, metrics, works: true }
    }

    /// Sends what comes, until nothing can come any more.
    pub async fn run(mut self) {
        while let Some(first) = self.queue.recv().await {
            let due = Instant::now() + self.delay;
            let (mut spans, mut flushed) = (Vec::new(), None);
            let mut next = Some(first);
            while let Some(message) = next.take() {
                match message {
                    Message::Span(trace, span) => spans.push((trace, *span)),
                    Message::Flush(done) => {
                        flushed = Some(done);
                        break;
                    }
                }
                if spans.len() < self.batch {
                    next = timeout_at(due, self.queue.recv()).await.ok().flatten();
                }
            }
            if !spans.is_empty() {
                self.send_all(&spans).await;
            }
            drop(flushed);
        }
    }

    async fn send_all(&mut self, spans: &[(TraceId, Span)]) {
        let (mut encoded, mut size) = (Vec::<Vec<u8>>::new(), 0);
        for (number, (trace, span)) in (1..).zip(spans) {
            let next = encode::one(*trace, span);
            size += next.len() + encode::ROOM;
            if size > MAX_REQUEST && !encoded.is_empty() {
                self.send(&std::mem::take(&mut encoded)).await;
                size = next.len() + encode::ROOM;
            }
            encoded.push(next);
            if number % SLICE == 0 {
                tokio::task::yield_now().await;
            }
        }
        self.send(&encoded).await;
    }

    async fn send(&mut self, spans: &[Vec<u8>]) {
        let request = encode::request(&self.resource, spans);
        let count = spans.len() as u64;
        let mut pause = FIRST_PAUSE;
        for attempt in 1..=ATTEMPTS {
            match self.collector.carry(request.clone()).await {
                Ok(answer) => {
                    let rejected = encode::rejected(&answer).min(count);
                    self.metrics.trace_spans("exported", count - rejected);
                    self.metrics.trace_spans("rejected", rejected);
                    if !std::mem::replace(&mut self.works, true) {
                        tracing::info!("the collector takes traces again");
                    }
                    return;
                }
                Err(NotTaken { why, again }) => {
                    if std::mem::take(&mut self.works) {
                        tracing::warn!(error = why, "the collector does not take traces; spans that find no room are dropped and counted");
                    }
                    match again {
                        Some(asked) if attempt < ATTEMPTS => tokio::time::sleep(asked.unwrap_or(pause).min(LONGEST_PAUSE)).await,
                        _ => break,
                    }
                    pause *= 2;
                }
            }
        }
        self.metrics.trace_spans("failed", count);
    }
}

/// Waits until everything in the queue was sent.
pub(super) async fn flush(queue: &mpsc::Sender<Message>) {
    let (done, wait) = oneshot::channel();
    if queue.send(Message::Flush(done)).await.is_ok() {
        // An error: it was dropped, which is the answer.
        let _ = wait.await;
    }
}
