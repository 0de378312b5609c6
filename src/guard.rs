//! What may be asked of AWS at all, whoever asks.
//!
//! The guard settles where a request goes and what it asks for, in the one form that is then signed and sent, and refuses
//! what no application behind this proxy may do: reach a service, region or host that is not configured, and call an
//! operation whose answer is a credential or a token (such an answer would leave with authority that outlives the request).
//! A passport may be for some actions only; whether this is one of them is said here too, where it is known what is asked for.
//!
//! Beyond that the [`rules`] of the configuration say what a tenant's requests may be *about*. They are read out of each request before it is signed,
//! in the words of IAM, which stays the last line: a mistake in the one is caught by the other. What the rules let through, Cedar policies can take away.

#[cfg(feature = "bench")]
#[doc(hidden)]
pub mod bench;
#[cfg(feature = "cedar")]
pub(crate) mod cedar;
mod dynamodb;
mod explain;
mod named;
#[cfg(not(feature = "cedar"))]
mod no_policies;
#[cfg(feature = "cedar")]
mod policies;
mod rules;
mod s3;
mod schemas;
mod search;
mod seen;
mod shape;
mod usual;

/// Readers of bodies, held to other readers.
#[cfg(any(test, fuzzing))]
pub(crate) mod oracles {
    pub(crate) use super::{dynamodb::oracle as dynamodb, s3::oracle as s3, schemas::oracle as schemas, search::oracle as search};
}

use std::{collections::BTreeMap, sync::Arc};

use http::{HeaderMap, Method, header, request, uri::Authority};

#[cfg(feature = "cedar")]
pub use self::cedar::Policies;
#[cfg(feature = "cedar")]
pub(crate) use self::policies::Permitted;
pub(crate) use self::shape::Grounds;
pub use self::shape::{Touched, Touches};
pub(crate) use self::{
    explain::{Judgement, Settled, Supposition},
    rules::Denial,
    schemas::Courier,
    search::{all_of as search_actions, are_meant as are_search_actions, is_possible as is_in_index_names},
    seen::{Heard, Judged, Said, Thing, Within},
    shape::{ID, UNSAID, is_separator},
    usual::usual,
};
use self::{
    rules::{Additions, Question, Rules, Verdict},
    schemas::{Behalf, RETRY, Schemas, Tables},
    seen::Seen,
};

use crate::{
    aws::{
        action::{self, Needed},
        operation::{self, Catalogue, Known, Named},
        resource::{self, Asked},
        target::{Scope, Target, TargetHints, Targets},
    },
    body::{Body, Buffers},
    clock::Clock,
    config::{EgressConfig, GuardConfig, ServiceConfig, template::Values},
    directory::ActiveTenant,
    egress::{AdmittedRequest, AdmittedWorkload},
    identity::{ClientSignature, Placeholder, SettledSignature},
    limits::Permit,
    reject::{Reason, Refusal},
    signing::{Payload, Room, Route},
    sigv4::{Canon, WireTarget},
    telemetry::{Record, RequestId},
    workloads::ProvedWorkload,
};

/// Memory for bodies that are held to be hashed, of all requests together. Each is bounded by its service's `body_limit`; this
/// bounds their number, so that no tenant can exhaust the process with many.
const BUFFERED_BYTES: usize = 256 << 20;

/// The guard's rules.
#[derive(Debug)]
pub struct Guard {
    targets: Targets,
    services: BTreeMap<String, Served>,
    buffers: Buffers,
    rules: Rules,
    schemas: Schemas,
    #[cfg(feature = "cedar")]
    cedar: Option<cedar::Cedar>,
}

/// A service that is configured, and its operations.
#[derive(Debug)]
struct Served {
    config: ServiceConfig,
    operations: Catalogue,
}

/// A tenant's request whose destination and operation are settled and allowed.
#[derive(Debug)]
pub struct GuardedRequest {
    tenant: ActiveTenant,
    parts: Box<GuardedParts>,
}

/// The same of a workload, which may do what is listed alone.
#[derive(Debug)]
pub struct GuardedWorkload {
    workload: ProvedWorkload,
    parts: Box<GuardedParts>,
}

/// A request as it comes to the guard, whosever it is.
struct Sent {
    head: request::Parts,
    body: Body,
    placeholder: Option<Placeholder>,
    signature: ClientSignature,
    permit: Permit,
}

/// What a guarded request consists of. Boxed, since it is handed from state to state.
#[derive(Debug)]
pub(crate) struct GuardedParts {
    pub(crate) permit: Permit,
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    pub(crate) target: Target,
    pub(crate) wire: WireTarget,
    pub(crate) payload: Payload,
    pub(crate) timeouts: crate::config::TimeoutsConfig,
    /// What is asked for.
    pub(crate) named: Named,
}

impl Guard {
    /// Rules for what `config` allows.
    pub fn new(config: &EgressConfig, guard: &GuardConfig) -> Self {
        let targets = Targets::new(config);
        let rules = Rules::new(guard, config, |service| targets.kind(service).to_owned());
        let served = |(key, known, signing_name): (&str, _, &str)| {
            let config = config.services.get(key)?.clone();
            Some((key.to_owned(), Served { config, operations: Catalogue::of(known, signing_name) }))
        };
        let services = targets.services().filter_map(served).collect();
        Self {
            targets,
            services,
            buffers: Buffers::new(BUFFERED_BYTES),
            rules,
            schemas: Schemas::default(),
            #[cfg(feature = "cedar")]
            cedar: guard.cedar.as_ref().and_then(cedar::Cedar::new),
        }
    }

    /// The same, which has its own questions sent by `courier`. Rules that learn refuse everything without one.
    pub(crate) fn asking(self, courier: Arc<dyn Courier>, clock: Clock) -> Self {
        Self { schemas: Schemas::new(courier, clock), ..self }
    }

    /// Whether a request names Palisade as its host, and not a bucket or AWS: only then can it be for a path of our own.
    pub fn is_called_by(&self, head: &request::Parts) -> Result<bool, Refusal> {
        Ok(self.targets.means_us(head.uri.authority().or(host(head)?.as_ref())))
    }

    /// Settles and checks destination, target, body and operation, and whether the proof is for it.
    pub async fn guard(&self, request: AdmittedRequest, record: &mut Record) -> Result<GuardedRequest, Refusal> {
        let (request, permit) = request.into_parts();
        let lease = request.lease();
        let (tenant, head, body, placeholder, signature) = request.into_parts();
        let (parts, settled) = self.settle(Sent { head, body, placeholder, signature, permit }, record).await?;
        lease.permit(|| parts.needed())?;
        if let Some(deferred) = tenant.verified().deferred() {
            deferred.permit(&parts.needed())?;
        }
        let (mut parts, added) = self.judge(parts, &tenant, lease.for_request(), record).await?;
        for (name, value) in added {
            parts.headers.insert(name, value);
        }
        Ok(GuardedRequest::new(tenant, parts, settled))
    }

    /// The same for a workload, and whether it and what it is about are on the workload's lists.
    pub async fn guard_workload(&self, request: AdmittedWorkload, record: &mut Record) -> Result<GuardedWorkload, Refusal> {
        let (request, permit) = request.into_parts();
        let (workload, head, body, placeholder, signature) = request.into_parts();
        let (parts, settled) = self.settle(Sent { head, body, placeholder, signature, permit }, record).await?;
        workload.permit(&parts.needed(), || resource::arns(&parts.asked(), workload.home()))?;
        Ok(GuardedWorkload::new(workload, parts, settled))
    }

    /// Whether what the request is about is the tenant's, and what has to be added to it. Waits where the rules have to learn something for that. `passport` is the
    /// request that the tenant's passport belongs to, where there is one.
    async fn judge(
        &self,
        parts: Box<GuardedParts>,
        tenant: &ActiveTenant,
        passport: Option<&RequestId>,
        record: &mut Record,
    ) -> Result<(Box<GuardedParts>, Additions), Refusal> {
        let mut tables = self.schemas.tables(tenant, &parts.target);
        let wants_grounds = record.wants_grounds();
        let watcher = || self.watcher().or_else(|| wants_grounds.then(Seen::default));
        let mut seen = watcher();
        let mut verdict = self.opine(&parts, tenant, &tables, seen.as_ref());
        if let Err(wanted) = verdict {
            let Served { config, operations } = self.services.get(&parts.target.service).ok_or(Reason::ServiceNotAllowed)?;
            let behalf = Behalf { operations, buffers: &self.buffers, timeouts: config.timeouts, permit: &parts.permit };
            Box::pin(self.schemas.learn(&mut tables, wanted, behalf)).await?;
            seen = watcher();
            verdict = self.opine(&parts, tenant, &tables, seen.as_ref());
        }
        let Ok(verdict) = verdict else { return Err(Refusal::noted(Reason::Internal, "what was learnt is not known")) };
        let grounds = seen.as_ref().filter(|_| wants_grounds).map(|seen| Grounds::of(seen, tenant));
        let verdict = self.under_policies(verdict, seen, &parts, (tenant, passport), record);
        let added = match verdict {
            None => Vec::new(),
            Some(Verdict::Allowed(added)) => {
                record.guard("allowed", None);
                if let Some(grounds) = grounds {
                    record.grounds(grounds);
                }
                added
            }
            Some(Verdict::Watched(denial, added)) => {
                record.would_deny(&denial, self.touches(&parts, tenant, &tables));
                added
            }
            Some(Verdict::Denied(denial)) => {
                record.guard("denied", Some(&denial));
                let refusal = |reason| Refusal::noted(reason, denial.to_string());
                return Err(if denial.for_now {
                    refusal(Reason::UpstreamUnavailable).retry_after(RETRY)
                } else {
                    refusal(Reason::GuardDenied)
                });
            }
        };
        Ok((parts, added))
    }

    /// What the rules make of the request; `None` where there are none.
    ///
    /// # Errors
    /// The tables whose keys they have to know for that.
    fn opine(
        &self,
        parts: &GuardedParts,
        tenant: &ActiveTenant,
        tables: &Tables<'_>,
        seen: Option<&Seen>,
    ) -> Result<Option<Verdict>, Vec<String>> {
        let Some(rules) = self.rules.of(&parts.target.service) else { return Ok(None) };
        let needed = parts.needed();
        rules.judge(&Question { seen, ..parts.question(&needed, tenant, tables) }).map(Some)
    }

    /// What of the request would have been denied.
    fn touches(&self, parts: &GuardedParts, tenant: &ActiveTenant, tables: &Tables<'_>) -> Touches {
        let needed = parts.needed();
        let rules = self.rules.of(&parts.target.service);
        rules.map_or_else(Touches::default, |rules| Touches::of(rules, parts.question(&needed, tenant, tables)))
    }

    async fn settle(&self, sent: Sent, record: &mut Record) -> Result<(Box<GuardedParts>, SettledSignature), Refusal> {
        let Sent { head, body, placeholder, mut signature, permit } = sent;
        let mut target = self.targets.resolve(&hints(&head, host(&head)?.as_ref(), placeholder.as_ref()))?;
        record.service(&target.service, Some(&target.region));
        let Served { config: service, operations } = self.services.get(&target.service).ok_or(Reason::ServiceNotAllowed)?;
        if let Some(placeholder) = &placeholder {
            signature.check_canon(placeholder, Canon::of(&target.signing_name))?;
        }
        let wire = WireTarget::new(&target.path_and_query, Canon::of(&target.signing_name))?;
        // What is looked at is what will be sent, not what was received.
        target.path_and_query = wire.path_and_query().clone();
        let asked = Asked { target: &target, operation: None, labels: &[], headers: &head.headers, body: None };
        let (route, room) = (
            Route {
                signing_name: &target.signing_name,
                tls: target.dial.tls,
                hold: self.rules.of(&target.service).is_some_and(|rules| rules.reads_body(&asked, &head.method)),
            },
            Room { limit: service.body_limit, buffers: &self.buffers },
        );
        let payload = Payload::prepare(route, &head.headers, body, room, signature.chunks()).await?;
        let settled = signature.settle(payload.hash())?;
        let body = payload.bytes().map(|bytes| &bytes[..]);
        let candidates = operation::candidates(operations, &target, &head.method, &head.headers, body)?;
        let named = operation::check(operations, candidates)?;
        record.operation(named.logged());
        let (method, headers, timeouts) = (head.method, head.headers, service.timeouts);
        Ok((Box::new(GuardedParts { permit, method, headers, target, wire, payload, timeouts, named }), settled))
    }
}

impl GuardedParts {
    /// The actions that it needs.
    fn needed(&self) -> Needed<'_> {
        action::needed(&self.target, &self.headers, &self.named)
    }

    /// What it is, for rules.
    fn question<'a>(&'a self, needed: &'a Needed<'a>, tenant: &'a dyn Values, tables: &'a Tables<'a>) -> Question<'a> {
        Question { asked: self.asked(), method: &self.method, named: &self.named, needed, tenant, tables, seen: None }
    }

    /// What it is about can be read from this.
    fn asked(&self) -> Asked<'_> {
        let body = self.payload.bytes().map(|bytes| &bytes[..]);
        let only = self.named.only();
        let labels = only.map_or(&[][..], Known::labels);
        Asked { target: &self.target, operation: only.map(Known::name), labels, headers: &self.headers, body }
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
    /// Takes the settled signature as a token: a request whose signature is still open cannot get here.
    fn new(tenant: ActiveTenant, parts: Box<GuardedParts>, _: SettledSignature) -> Self {
        Self { tenant, parts }
    }

    /// Whose request it is.
    pub fn tenant(&self) -> &ActiveTenant {
        &self.tenant
    }

    /// The same request, with what is known of its tenant now.
    ///
    /// # Errors
    /// [`Reason::Internal`]: that is another tenant.
    pub(crate) fn renewed(self, tenant: ActiveTenant) -> Result<Self, Refusal> {
        if tenant.id() != self.tenant.id() {
            return Err(Refusal::noted(Reason::Internal, "a request was about to become another tenant's"));
        }
        Ok(Self { tenant, ..self })
    }

    /// The key in `egress.services` of what it calls.
    pub fn service(&self) -> &str {
        &self.parts.target.service
    }

    /// What it asks for.
    pub fn named(&self) -> &Named {
        &self.parts.named
    }

    /// Gives the parts to the next state.
    pub(crate) fn into_parts(self) -> (ActiveTenant, Box<GuardedParts>) {
        (self.tenant, self.parts)
    }
}

impl GuardedWorkload {
    /// As [`GuardedRequest::new`].
    fn new(workload: ProvedWorkload, parts: Box<GuardedParts>, _: SettledSignature) -> Self {
        Self { workload, parts }
    }

    /// Whose request it is.
    pub fn workload(&self) -> &ProvedWorkload {
        &self.workload
    }

    /// Gives the parts to the next state.
    pub(crate) fn into_parts(self) -> (ProvedWorkload, Box<GuardedParts>) {
        (self.workload, self.parts)
    }
}

#[cfg(test)]
mod tests;
