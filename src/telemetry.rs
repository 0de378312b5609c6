//! What operators see: metrics, one log line a request, and traces. No payload, no token, no secret passes through here.

pub mod access_log;
pub mod label;
pub mod lines;
pub mod metrics;
mod process;
pub mod record;
pub mod seldom;
mod text;
pub mod traces;

pub use self::{
    access_log::AccessLog,
    label::{TenantLabel, TenantLabels},
    metrics::{Listener, Metrics},
    record::{Record, Recorder, RequestId},
    seldom::Seldom,
    traces::Tracer,
};
pub(crate) use self::{record::CompactRequestId, traces::NotTaken};
