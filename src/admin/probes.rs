//! `/livez` and `/readyz` for whoever can reach the port; with `ingress.context` also the public keys of signed contexts, and
//! nothing else.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header, request};

use super::{AdminState, answer, refuse};
use crate::{
    body::Body,
    reject::{Reason, Refusal},
    server::{Handler, Peer},
    telemetry::{RequestId, metrics::Listener},
};

/// Where the public keys are, as RFC 8615 and common use have it.
const KEYS: &str = "/.well-known/jwks.json";

/// Serves the probes listener.
#[derive(Debug)]
pub struct Probes<S> {
    state: Arc<S>,
    /// A JWK Set.
    keys: Option<Bytes>,
}

impl<S> Clone for Probes<S> {
    fn clone(&self) -> Self {
        Self { state: self.state.clone(), keys: self.keys.clone() }
    }
}

impl<S: AdminState> Probes<S> {
    /// Tells the readiness of `state`, and `keys`, a JWK Set, where there are any.
    pub fn new(state: Arc<S>, keys: Option<Bytes>) -> Self {
        Self { state, keys }
    }

    fn answer(&self, head: &request::Parts) -> Result<Response<Body>, Refusal> {
        let answer: &dyn Fn() -> Response<Body> = match (head.uri.path(), &self.keys) {
            ("/livez", _) => &answer::live,
            ("/readyz", _) => &|| answer::ready(&self.state.ready(), answer::Detail::Hidden),
            (KEYS, Some(keys)) => &|| answer::keys(keys.clone()),
            _ => return Err(Reason::NotFound.into()),
        };
        if !matches!(head.method, Method::GET | Method::HEAD) {
            return Err(Reason::MethodNotAllowed.into());
        }
        Ok(answer())
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
        let mut response = refuse(refusal, Listener::Probes, self.state.metrics());
        if response.status() == StatusCode::METHOD_NOT_ALLOWED {
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        response
    }
}
