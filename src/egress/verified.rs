//! A request whose tenant is proved, known and active. A leaf: nothing else can build one.

use http::request;

use crate::{
    body::Body,
    config::Proofs,
    directory::{ActiveTenant, Directory},
    identity::{IdentityHeaders, Lease, Passports, Placeholder, Presented, Verifier, unverified::strip_identity_headers},
    reject::Refusal,
};

/// What decides who a request is for.
#[derive(Debug)]
pub struct Gate {
    /// Checks tokens.
    pub verifier: std::sync::Arc<Verifier>,
    /// This process's passports; `None` without an ingress.
    pub passports: Option<Passports>,
    /// Which proofs are taken.
    pub proofs: Proofs,
    /// Where claims and proofs stand.
    pub names: IdentityHeaders,
    /// What is known of tenants.
    pub directory: std::sync::Arc<Directory>,
}

/// A request of the application, with the proof taken out and the tenant put in.
#[derive(Debug)]
pub struct VerifiedRequest {
    tenant: ActiveTenant,
    head: request::Parts,
    body: Body,
    placeholder: Option<Placeholder>,
    lease: Lease,
}

impl Gate {
    /// Asks the directory once more: time has passed since the request began, and a tenant may have been suspended in it.
    pub(super) fn recheck(&self, tenant: &ActiveTenant) -> Result<(), Refusal> {
        self.directory.resolve(tenant.verified().clone()).map(drop)
    }
}

impl VerifiedRequest {
    /// Checks the proof, the claim and the directory.
    pub async fn verify(mut head: request::Parts, body: Body, gate: &Gate) -> Result<Self, Refusal> {
        let (presented, placeholder) = Presented::take_egress(&mut head.headers, &head.uri, &gate.names)?;
        strip_identity_headers(&mut head.headers, &gate.names, std::iter::empty());
        let (verified, lease) = gate.verifier.verify_proof(presented, gate.proofs, gate.passports.as_ref()).await?;
        let tenant = gate.directory.resolve(verified)?;
        Ok(Self { tenant, head, body, placeholder, lease })
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
    pub(crate) fn into_parts(self) -> (ActiveTenant, request::Parts, Body, Option<Placeholder>) {
        (self.tenant, self.head, self.body, self.placeholder)
    }
}
