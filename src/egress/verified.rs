//! A request whose tenant is proved, known and active. A leaf: nothing else can build one.

use std::{borrow::Cow, sync::Arc, time::SystemTime};

use http::request;

use super::taken::Taken;
use crate::{
    body::{self, Body},
    clock::Clock,
    config::Proofs,
    directory::{ActiveTenant, Directory},
    identity::{
        Caller, ClientSignature, IdentityHeaders, Lease, Passports, Placeholder, Presented, Redeemer, VendedKeys, Vending, VerifiedTenant,
        Verifier, Workload, Workloads,
    },
    reject::{Reason, Refusal},
    secret::Secret,
    server::Peer,
    telemetry::Listener,
    workloads::NamedWorkloads,
};

/// What decides who a request is for.
#[derive(Debug)]
pub struct Gate {
    /// Checks tokens.
    pub verifier: Arc<Verifier>,
    /// This process's passports; `None` without an ingress.
    pub passports: Option<Passports>,
    /// Contexts that were sealed elsewhere; `None` where they are not taken.
    pub redeemer: Option<Redeemer>,
    /// Which proofs are taken.
    pub proofs: Proofs,
    /// Where claims and proofs stand.
    pub names: IdentityHeaders,
    /// Makes placeholder keys, and knows them again.
    pub vending: Arc<Vending>,
    /// Time.
    pub clock: Clock,
    /// What is known of tenants.
    pub directory: Arc<Directory>,
    /// Clients whose certificates are one tenant's.
    pub workloads: Workloads,
    /// Work of no tenant.
    pub named: NamedWorkloads,
}

/// A request of the application, with the proof taken out and the tenant put in.
#[derive(Debug)]
pub struct VerifiedRequest {
    tenant: ActiveTenant,
    head: request::Parts,
    body: Body,
    placeholder: Option<Placeholder>,
    signature: ClientSignature,
    lease: Lease,
}

impl Gate {
    /// Whose request it is, by what it presents and by the certificate of whoever sends it.
    async fn prove(&self, presented: Presented, workload: Option<&Workload>) -> Result<(Arc<VerifiedTenant>, Lease), Refusal> {
        let presented = presented.pinned(workload)?;
        match (workload, &self.redeemer) {
            (Some(workload), _) if self.proofs.certificate && presented.proof().is_err() => Ok(self.verifier.verify_workload(workload)),
            (_, Some(redeemer)) if Redeemer::is_meant(&presented) => self.verifier.verify_deferred(&presented, redeemer),
            _ => self.verifier.verify_proof(presented, self.proofs, self.passports.as_ref()).await,
        }
    }

    /// Asks the directory about a tenant that is proved. A context of deferred work that it refuses, being revoked, can be found in the log.
    async fn resolve(&self, verified: Arc<VerifiedTenant>) -> Result<ActiveTenant, Refusal> {
        let opened = verified.deferred().map(|deferred| deferred.opened(verified.tenant()));
        let resolved = self.directory.resolve(verified).await;
        resolved.map_err(|refusal| match opened {
            Some(opened) => refusal.of_context(opened),
            None => refusal,
        })
    }

    /// Asks the directory once more: time has passed since the request began, and its tenant, user or token may have been stopped in it. A record
    /// that changed meanwhile is another answer than the one that the guard looked at and that credentials were fetched for: the request has
    /// to be sent again, and is then judged by it.
    pub(super) async fn recheck(&self, tenant: &ActiveTenant) -> Result<ActiveTenant, Refusal> {
        let now = self.directory.resolve(tenant.verified().clone()).await?;
        if !now.has_record_of(tenant) {
            return Err(Refusal::noted(Reason::TenantsUnavailable, "the tenant's record changed while the request was on its way"));
        }
        Ok(now)
    }
}

/// Says of a request without a token why the certificate that came with it does not stand for one.
pub(super) fn explained(refusal: Refusal, peer: &Peer, workload: Option<&Workload>) -> Refusal {
    if refusal.reason != Reason::TokenMissing || refusal.note.is_some() || peer.client().is_none() {
        return refusal;
    }
    Refusal {
        note: Some(Cow::Borrowed(match workload {
            None => "the client's certificate is of no mapping of identity.workloads",
            Some(_) => "the client's certificate stands for a tenant, and is no proof here",
        })),
        ..refusal
    }
}

/// A request for one of our own paths, whose tenant is proved, known and active.
#[derive(Debug)]
pub(super) struct OwnRequest {
    tenant: ActiveTenant,
    lease: Lease,
    proof: Secret,
}

impl OwnRequest {
    /// Checks the proof, the claim and the directory.
    pub(super) async fn verify(mut head: request::Parts, peer: &Peer, gate: &Gate) -> Result<Self, Refusal> {
        let workload = gate.workloads.find(peer, Listener::Egress)?;
        let presented = Presented::take_own(&mut head.headers, &head.uri, &gate.names)
            .map_err(|refusal| explained(refusal, peer, workload.as_ref()))?;
        // Keys that are handed out have to be worth something without the connection.
        let proof = presented.proof()?.clone();
        let (verified, lease) = gate.prove(presented, workload.as_ref()).await?;
        let tenant = gate.resolve(verified).await?;
        Ok(Self { tenant, lease, proof })
    }

    /// Whose request it is.
    pub(super) fn tenant(&self) -> &ActiveTenant {
        &self.tenant
    }

    /// How long its proof lasts.
    pub(super) fn lease(&self) -> Lease {
        self.lease.clone()
    }

    /// When its proof ends at the latest.
    pub(super) fn ends(&self, now: SystemTime) -> SystemTime {
        let token = self.tenant.verified().expires();
        self.lease.remaining().map_or(token, |remaining| token.min(now + remaining))
    }

    /// Placeholder keys that are worth as much as its proof.
    pub(super) fn vend(&self, gate: &Gate) -> Result<VendedKeys, Refusal> {
        gate.vending.vend(self.tenant.id(), &self.proof)
    }

    /// The request that its sender wants to have made under its proof; `body` is to say which.
    pub(super) fn into_request(self, body: Body) -> VerifiedRequest {
        let (head, ()) = http::Request::new(()).into_parts();
        let signature = ClientSignature::uncheckable();
        VerifiedRequest { tenant: self.tenant, head, body, placeholder: None, signature, lease: self.lease }
    }
}

impl VerifiedRequest {
    /// Checks the proof, the claim and the directory.
    pub async fn verify(taken: Taken, gate: &Gate) -> Result<Self, Refusal> {
        let Taken { head, body, caller, certificate } = taken;
        let Caller { presented, placeholder, signature, workload } = caller;
        if workload.is_some() {
            return Err(Refusal::noted(Reason::Internal, "a workload's request was about to become a tenant's"));
        }
        let (verified, lease) = gate.prove(presented, certificate.as_ref()).await?;
        let tenant = gate.resolve(verified).await?;
        Ok(Self { tenant, head, body, placeholder, signature, lease })
    }

    /// Its body, which somebody else reads.
    pub(super) fn take_body(&mut self) -> Body {
        std::mem::replace(&mut self.body, body::empty())
    }

    /// Another request of the same tenant, under the same proof, made by Palisade itself.
    pub(super) fn becomes(self, head: request::Parts, placeholder: Placeholder) -> Self {
        Self { head, placeholder: Some(placeholder), body: body::empty(), signature: ClientSignature::uncheckable(), ..self }
    }

    /// Whose request it is.
    pub fn tenant(&self) -> &ActiveTenant {
        &self.tenant
    }

    /// How long its proof lasts: whatever is done for the request is done under it.
    pub fn lease(&self) -> Lease {
        self.lease.clone()
    }

    /// Gives the parts to the next state.
    pub(crate) fn into_parts(self) -> (ActiveTenant, request::Parts, Body, Option<Placeholder>, ClientSignature) {
        (self.tenant, self.head, self.body, self.placeholder, self.signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::ClientCertificate;

    /// The note alone changes, and only where there is none.
    #[test]
    fn a_certificate_that_is_no_proof_is_explained() {
        let bare = Peer::at("127.0.0.1:5".parse().unwrap());
        let shown = Peer::for_tests(ClientCertificate::for_tests(None, "CN=worker", &[]));
        let note = |refusal: Refusal, peer| explained(refusal, peer, None).note;
        assert_eq!(
            note(Reason::TokenMissing.into(), &shown).as_deref(),
            Some("the client's certificate is of no mapping of identity.workloads")
        );
        assert_eq!(note(Reason::TokenMissing.into(), &bare), None);
        assert_eq!(note(Reason::TenantMissing.into(), &shown), None);
        assert_eq!(note(Refusal::noted(Reason::TokenMissing, "known"), &shown).as_deref(), Some("known"));
    }
}
