//! How a request is answered by us: in the form that its client understands, and shown to the script that made it.

use http::{HeaderMap, HeaderValue, Response};

use super::cors::{Cors, origin};
use crate::{
    body::Body,
    reject::{GrpcCall, Refusal, problem},
    telemetry::Record,
};

/// What is remembered of a request for that.
#[derive(Debug)]
pub(super) struct Voice {
    call: Option<GrpcCall>,
    origin: Option<HeaderValue>,
}

impl Voice {
    /// By its headers.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        Self { call: GrpcCall::of(headers), origin: origin(headers) }
    }

    /// Answers with a refusal.
    pub(super) fn refuse(&self, refusal: &Refusal, mut record: Record, cors: &Cors) -> Response<Body> {
        record.refused(refusal);
        let request_id = record.request_id().as_str();
        let mut response = self.call.map_or_else(|| problem(refusal, request_id), |call| call.refuse(refusal, request_id));
        self.dress(&mut response, cors);
        record.finish_with(response)
    }

    /// Says whether the script that asked may read the answer.
    pub(super) fn dress(&self, response: &mut Response<Body>, cors: &Cors) {
        cors.dress(self.origin.as_ref(), response.headers_mut());
    }
}
