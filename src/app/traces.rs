//! Traces, where they are wanted.

use super::StartError;
use crate::{
    clock::Clock,
    config::TracesConfig,
    telemetry::{Metrics, Tracer},
    upstream::Collector,
};

/// Sends what is recorded from here on, until nothing can be any more. Needs a Tokio runtime.
pub(super) fn start(config: Option<&TracesConfig>, clock: &Clock, metrics: &Metrics) -> Result<Tracer, StartError> {
    let Some(config) = config else { return Ok(Tracer::off()) };
    let collector = Collector::new(config).map_err(StartError::Traces)?;
    let (tracer, exporter) = Tracer::new(config, collector, clock, metrics);
    tokio::spawn(exporter.run());
    Ok(tracer)
}
