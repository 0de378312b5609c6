//! What may be asked of AWS at all, whoever asks.
//!
//! The guard settles where a request goes and what it asks for, in the one form that is then signed and sent, and refuses
//! what no application behind this proxy may do: reach a service, region or host that is not configured, and call an
//! operation whose answer is a credential or a token (such an answer would leave with authority that outlives the request).

use http::{HeaderMap, Method, header, request, uri::Authority};

use crate::{
    aws::{
        operation,
        target::{Scope, Target, TargetHints, Targets},
    },
    body::Buffers,
    config::EgressConfig,
    directory::ActiveTenant,
    egress::AdmittedRequest,
    hop,
    identity::Placeholder,
    limits::Permit,
    reject::{Reason, Refusal},
    signing::{Canon, Payload, Room, WireTarget},
    telemetry::Record,
};

/// Memory for bodies that are held to be hashed, of all requests together. Each is bounded by its service's `body_limit`; this
/// bounds their number, so that no tenant can exhaust the process with many.
const BUFFERED_BYTES: usize = 256 << 20;

/// The guard's rules.
#[derive(Debug)]
pub struct Guard {
    targets: Targets,
    services: std::collections::BTreeMap<String, crate::config::ServiceConfig>,
    buffers: Buffers,
}

/// A request whose destination and operation are settled and allowed.
#[derive(Debug)]
pub struct GuardedRequest {
    parts: GuardedParts,
}

/// What a guarded request consists of.
#[derive(Debug)]
pub(crate) struct GuardedParts {
    pub(crate) tenant: ActiveTenant,
    pub(crate) permit: Permit,
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    pub(crate) target: Target,
    pub(crate) wire: WireTarget,
    pub(crate) payload: Payload,
    pub(crate) timeouts: crate::config::TimeoutsConfig,
}

impl Guard {
    /// Rules for what `config` allows.
    pub fn new(config: &EgressConfig) -> Self {
        Self { targets: Targets::new(config), services: config.services.clone(), buffers: Buffers::new(BUFFERED_BYTES) }
    }

    /// Settles and checks destination, target, body and operation.
    pub async fn guard(&self, request: AdmittedRequest, record: &mut Record) -> Result<GuardedRequest, Refusal> {
        let (request, permit) = request.into_parts();
        let (tenant, mut head, body, placeholder) = request.into_parts();
        let mut target = self.targets.resolve(&hints(&head, host(&head)?.as_ref(), placeholder.as_ref()))?;
        record.service(&target.service, Some(&target.region));
        let service = self.services.get(&target.service).ok_or(Reason::ServiceNotAllowed)?;
        hop::strip(&mut head.headers);
        let wire = WireTarget::new(&target.path_and_query, Canon::of(&target.signing_name))?;
        let payload =
            Payload::prepare(&target.signing_name, &head.headers, body, Room { limit: service.body_limit, buffers: &self.buffers }).await?;
        // What is looked at is what will be sent, not what was received.
        target.path_and_query = wire.path_and_query().clone();
        let body = payload.bytes().map(|bytes| &bytes[..]);
        let candidates = operation::candidates(&target, &head.method, &head.headers, body)?;
        record.operation(operation::check(&target, &candidates)?);
        let parts =
            GuardedParts { tenant, permit, method: head.method, headers: head.headers, target, wire, payload, timeouts: service.timeouts };
        Ok(GuardedRequest { parts })
    }
}

fn hints<'a>(head: &'a request::Parts, host: Option<&'a Authority>, placeholder: Option<&'a Placeholder>) -> TargetHints<'a> {
    let scope = placeholder.map(|placeholder| Scope { service: &placeholder.service, region: &placeholder.region });
    TargetHints { scope, uri: &head.uri, host, headers: &head.headers }
}

fn host(head: &request::Parts) -> Result<Option<Authority>, Refusal> {
    let Some(value) = head.headers.get(header::HOST) else { return Ok(None) };
    let authority = value.to_str().ok().and_then(|text| text.parse().ok());
    authority.map(Some).ok_or_else(|| Refusal::noted(Reason::MalformedRequest, "Host is no authority"))
}

impl GuardedRequest {
    /// Whose request it is.
    pub fn tenant(&self) -> &ActiveTenant {
        &self.parts.tenant
    }

    /// Gives the parts to the next state.
    pub(crate) fn into_parts(self) -> GuardedParts {
        self.parts
    }
}
