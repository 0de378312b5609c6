//! The operators' listener ([`Admin`]), and the one for kubelets and load balancers ([`Probes`]).
//!
//! | path | method | needs |
//! | --- | --- | --- |
//! | `/livez` | GET | |
//! | `/readyz` | GET | |
//! | `/version` | GET | |
//! | `/metrics` | GET | `admin.metrics_token`, where one is set |
//! | `/audit/head` (the last checkpoint), `/audit/key` | GET | `admin.token` |
//! | `/config` | GET | `admin.token` |
//! | `/tenants` | GET | `admin.token` |
//! | `/tenants/{id}/evict` | POST | `admin.token` |
//! | `/drain` | GET (how far), POST (start) | `admin.token` |
//! | `/quit` | POST | `admin.token`, or to come from loopback where `admin.quit_from_loopback` is set |
//!
//! A token goes into `Authorization: Bearer`. Where no admin token is configured, what needs it is refused. Where a caller
//! comes from opens nothing else: the application shares our loopback interface. HEAD goes wherever GET does.
//!
//! No payload, token or secret is shown anywhere here.

mod access;
mod answer;
pub mod client;
mod probes;
mod route;

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use http::{Method, Request, Response, StatusCode, header, request};
use serde_json::{Value, json};

pub use self::probes::Probes;
use self::{access::Keys, route::Route};
use crate::{
    audit::Operator,
    body::Body,
    config::AdminConfig,
    reject::{Reason, Refusal},
    server::{Handler, Peer},
    telemetry::{Metrics, RequestId, TenantLabel, metrics::Listener},
    tenant::TenantId,
};

/// When to ask again for a checkpoint that there is not yet.
const HEAD_RETRY: Duration = Duration::from_secs(1);

/// What the rest of the process tells its operators, and lets them do.
pub trait AdminState: Send + Sync + 'static {
    /// The conditions for taking traffic. Ready is when all of them hold.
    fn ready(&self) -> Vec<Check>;
    /// The effective configuration, without secrets.
    fn config(&self) -> &Value;
    /// The tenant sessions held, without secrets.
    fn sessions(&self) -> Value;
    /// Forgets the tenant's sessions; how many there were.
    fn evict(&self, tenant: &TenantId) -> usize;
    /// Whether it is known that there is no such tenant.
    fn lacks(&self, tenant: &TenantId) -> bool;
    /// Stops taking new requests. May be called again.
    fn start_drain(&self);
    /// Whether a drain has come to its end.
    fn drained(&self) -> bool;
    /// Ends the process, by way of a drain. Returns at once.
    fn quit(&self);
    /// Everything counted.
    fn metrics(&self) -> &Metrics;
}

/// One condition for taking traffic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Which one, in snake case.
    pub name: &'static str,
    /// Whether it holds.
    pub ok: bool,
    /// For operators; no secret.
    pub detail: String,
}

/// Serves the admin listener.
#[derive(Debug)]
pub struct Admin<S>(Arc<Shared<S>>);

#[derive(Debug)]
struct Shared<S> {
    state: Arc<S>,
    keys: Keys,
}

impl<S> Clone for Admin<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S: AdminState> Admin<S> {
    /// Shows and does what `state` offers, to those whom `config` admits.
    pub fn new(state: Arc<S>, config: &AdminConfig) -> Self {
        Self(Arc::new(Shared { state, keys: Keys::new(config) }))
    }

    fn answer(&self, head: &request::Parts, peer: &Peer) -> Result<Response<Body>, Refusal> {
        let Shared { state, keys } = &*self.0;
        let route = Route::find(head.uri.path()).ok_or(Reason::NotFound)?;
        if !route.methods().contains(&head.method) {
            return Err(Reason::MethodNotAllowed.into());
        }
        if let Err(refusal) = keys.check(&route, &head.headers, peer) {
            self.record(peer, route, Some(refusal.reason));
            return Err(refusal);
        }
        let audit = || state.metrics().audit().ok_or(Refusal::noted(Reason::NotFound, "telemetry.audit is not set"));
        Ok(match route {
            Route::AuditHead => {
                let not_yet = || Refusal::noted(Reason::NotFound, "the audit log has no checkpoint yet").retry_after(HEAD_RETRY);
                answer::audit_head(audit()?.head().ok_or_else(not_yet)?)
            }
            Route::AuditKey => answer::pem(audit()?.public_key().to_pem()),
            Route::Config => answer::json(StatusCode::OK, state.config()),
            Route::Drain => {
                if head.method == Method::POST {
                    tracing::info!(%peer, "drain requested");
                    self.record(peer, route, None);
                    state.start_drain();
                }
                answer::json(StatusCode::OK, &json!({ "drained": state.drained() }))
            }
            Route::Evict(id) => {
                let tenant: TenantId = id.parse().map_err(|_| Reason::TenantMalformed)?;
                self.record(peer, route, None);
                let evicted = state.evict(&tenant);
                tracing::info!(%peer, tenant = tenant.as_str(), evicted, "sessions evicted");
                // What was held of one whose record is gone is evicted all the same.
                if evicted == 0 && state.lacks(&tenant) {
                    let detail = format!("There is no tenant {tenant} in tenants.directory: nothing was evicted. Ids differ in case.");
                    return Ok(answer::json(StatusCode::NOT_FOUND, &json!({ "evicted": 0, "detail": detail })));
                }
                answer::json(StatusCode::OK, &json!({ "evicted": evicted }))
            }
            Route::Livez => answer::live(),
            Route::Metrics => answer::metrics(state.metrics())?,
            Route::Quit => {
                tracing::info!(%peer, "quit requested");
                self.record(peer, route, None);
                state.quit();
                answer::json(StatusCode::ACCEPTED, &json!({ "quitting": true }))
            }
            Route::Readyz => answer::ready(&state.ready(), answer::Detail::Shown),
            Route::Tenants => answer::json(StatusCode::OK, &state.sessions()),
            Route::Version => answer::json(StatusCode::OK, &json!({ "version": crate::VERSION, "rustc": crate::RUSTC })),
        })
    }
}

impl<S: AdminState> Admin<S> {
    /// Tells the audit log what an operator does, or was not let do.
    fn record(&self, peer: &Peer, route: Route<'_>, refused: Option<Reason>) {
        let Some(audit) = self.0.state.metrics().audit() else { return };
        audit.tell(&Operator {
            time: audit.now(),
            event: if refused.is_some() { "refused" } else { "operator" },
            listener: Listener::Admin.as_str(),
            peer: peer.to_string(),
            action: route.name(),
            tenant: if let (Route::Evict(id), None) = (route, refused) { Some(id) } else { None },
            reason: refused.map(Reason::as_str),
        });
    }
}

impl<S: AdminState> Handler for Admin<S> {
    async fn handle(&self, request: Request<Body>, peer: Peer) -> Response<Body> {
        // No path takes a body; what is sent is left unread, which ends the connection.
        let (head, _) = request.into_parts();
        match self.answer(&head, &peer) {
            Ok(response) => answer::stamped(response, &RequestId::random()),
            Err(refusal) => self.refuse(refusal, &head, &peer),
        }
    }

    fn refuse(&self, refusal: Refusal, head: &request::Parts, _: &Peer) -> Response<Body> {
        let mut response = refuse(refusal, Listener::Admin, self.0.state.metrics());
        if let (StatusCode::METHOD_NOT_ALLOWED, Some(route)) = (response.status(), Route::find(head.uri.path())) {
            response.headers_mut().insert(header::ALLOW, route.allow());
        }
        response
    }
}

/// The refusals of both listeners: a problem document, counted and logged.
fn refuse(refusal: Refusal, listener: Listener, metrics: &Metrics) -> Response<Body> {
    let id = RequestId::random();
    metrics.refusal(listener, &TenantLabel::NONE, refusal.reason);
    tracing::debug!(
        listener = listener.as_str(),
        reason = refusal.reason.as_str(),
        request_id = id.as_str(),
        note = refusal.note.as_deref(),
        "refused"
    );
    crate::reject::problem(&refusal, id.as_str())
}
