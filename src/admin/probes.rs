//! `/livez` and `/readyz` for whoever can reach the port, and nothing else.

use std::sync::Arc;

use http::{HeaderValue, Method, Request, Response, StatusCode, header, request};

use super::{AdminState, answer, refuse};
use crate::{
    body::Body,
    reject::{Reason, Refusal},
    server::{Handler, Peer},
    telemetry::{RequestId, metrics::Listener},
};

/// Serves the probes listener.
#[derive(Debug)]
pub struct Probes<S>(Arc<S>);

impl<S> Clone for Probes<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S: AdminState> Probes<S> {
    /// Tells the readiness of `state`.
    pub fn new(state: Arc<S>) -> Self {
        Self(state)
    }

    fn answer(&self, head: &request::Parts) -> Result<Response<Body>, Refusal> {
        let probe = head.uri.path();
        if !matches!(probe, "/livez" | "/readyz") {
            return Err(Reason::NotFound.into());
        }
        if !matches!(head.method, Method::GET | Method::HEAD) {
            return Err(Reason::MethodNotAllowed.into());
        }
        Ok(if probe == "/livez" { answer::live() } else { answer::ready(&self.0.ready(), answer::Detail::Hidden) })
    }
}

impl<S: AdminState> Handler for Probes<S> {
    async fn handle(&self, request: Request<Body>, peer: Peer) -> Response<Body> {
        let (head, _) = request.into_parts();
        match self.answer(&head) {
            Ok(response) => answer::stamped(response, &RequestId::random()),
            Err(refusal) => self.refuse(refusal, &head, &peer),
        }
    }

    fn refuse(&self, refusal: Refusal, _: &request::Parts, _: &Peer) -> Response<Body> {
        let mut response = refuse(refusal, Listener::Probes, self.0.metrics());
        if response.status() == StatusCode::METHOD_NOT_ALLOWED {
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        response
    }
}
