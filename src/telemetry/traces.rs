//! Traces for OpenTelemetry: what of a request took how long, on both listeners, sent to a collector over OTLP.
//!
//! A request is one trace from the caller through the application to AWS, whether the application passes `traceparent` on or not: its passport
//! knows the trace. Spans are handed in through a bounded queue and sent by a task of their own; one that finds no room is dropped and counted
//! (`palisade_trace_spans_total`), so that no collector, however slow, holds up a request.
//!
//! Nobody outside decides how much is recorded. A caller's trace goes on only where a trusted proxy brought it, what its sampled flag is worth is
//! a setting, and bounds on requests recorded a second hold whoever asks:
//! those who prove nothing have one of their own.

mod context;
mod encode;
mod export;
mod live;
mod sampler;
mod served;
mod span;
mod step;

use std::{sync::Arc, time::Duration};

use tokio::sync::mpsc;

pub(crate) use self::export::NotTaken;
pub use self::{
    context::{SpanContext, SpanId, TRACEPARENT, TraceId},
    export::Exporter,
    live::{Current, RequestTrace, current, within},
    span::{Kind, Value},
    step::{Step, call, call_aws, link, note, step},
};
use self::{encode::Resource, export::Message, sampler::Sampler, span::Span};
use super::Metrics;
use crate::{clock::Clock, config::TracesConfig, upstream::Collector};

/// Begins the traces of requests. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Tracer(Option<Arc<Shared>>);

#[derive(Debug)]
struct Shared {
    sampler: Sampler,
    continues_application: bool,
    queue: mpsc::Sender<Message>,
    metrics: Metrics,
    clock: Clock,
}

impl Tracer {
    /// One that records nothing.
    pub const fn off() -> Self {
        Self(None)
    }

    /// One that records what `config` says, and what has to run for that.
    pub fn new(config: &TracesConfig, collector: Collector, clock: &Clock, metrics: &Metrics) -> (Self, Exporter) {
        let (queue, spans) = mpsc::channel(config.queue);
        let instance = format!("{:032x}", u128::from_be_bytes(TraceId::random().to_bytes()));
        let own = [("service.name", config.service_name.as_str()), ("service.version", crate::VERSION), ("service.instance.id", &instance)];
        let given = config.resource.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let given: Vec<_> = given.collect();
        let own = own.into_iter().filter(|(key, _)| !given.iter().any(|(known, _)| known == key));
        let resource = Resource::new(own.chain(given.iter().copied()).collect::<Vec<_>>());
        let exporter = Exporter::new(spans, resource, Box::new(collector), config, metrics.clone());
        (Self::handing_to(queue, config, clock, metrics), exporter)
    }

    fn handing_to(queue: mpsc::Sender<Message>, config: &TracesConfig, clock: &Clock, metrics: &Metrics) -> Self {
        Self(Some(Arc::new(Shared {
            sampler: Sampler::new(&config.sampling, clock.clone()),
            continues_application: config.continues_application,
            queue,
            metrics: metrics.clone(),
            clock: clock.clone(),
        })))
    }

    /// The trace of a request that has just come; `None` where nothing is recorded.
    pub fn begin(&self) -> Option<RequestTrace> {
        self.0.as_ref().map(RequestTrace::begin)
    }

    /// Waits until everything handed in so far was sent, or given up, at most `deadline`. For the end of the process.
    pub async fn flush(&self, deadline: Duration) {
        if let Some(shared) = &self.0 {
            let _ = tokio::time::timeout(deadline, export::flush(&shared.queue)).await;
        }
    }
}

impl Shared {
    /// Never waits.
    fn hand_in(&self, trace: TraceId, span: Span) {
        if self.queue.try_send(Message::Span(trace, Box::new(span))).is_err() {
            self.metrics.trace_spans("queue_full", 1);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
