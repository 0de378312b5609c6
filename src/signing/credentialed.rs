//! A guarded request with its owner's credentials. A leaf: nothing else can build one.

use std::sync::Arc;

use crate::{
    credentials::{Broker, Owner, ScopedCredentials},
    guard::{GuardedParts, GuardedRequest, GuardedWorkload},
    reject::{Reason, Refusal},
};

/// A request and credentials of one and the same owner.
#[derive(Debug)]
pub struct CredentialedRequest {
    owner: Owner,
    parts: Box<GuardedParts>,
    credentials: Arc<ScopedCredentials>,
}

impl CredentialedRequest {
    /// Gets the tenant's credentials and joins them with its request. That both are of the same tenant is checked here once
    /// more, where they meet.
    pub async fn attach(request: GuardedRequest, broker: &Broker) -> Result<Self, Refusal> {
        let credentials = broker.credentials_for(request.service(), request.tenant()).await?;
        let (tenant, parts) = request.into_parts();
        Self::join(Owner::Tenant(tenant.id().clone()), parts, credentials)
    }

    /// The same for a workload, with the workload's.
    pub async fn attach_workload(request: GuardedWorkload, broker: &Broker) -> Result<Self, Refusal> {
        let credentials = broker.workload_credentials(request.workload()).await?;
        let (workload, parts) = request.into_parts();
        Self::join(Owner::Workload(workload.name().clone()), parts, credentials)
    }

    fn join(owner: Owner, parts: Box<GuardedParts>, credentials: Arc<ScopedCredentials>) -> Result<Self, Refusal> {
        if credentials.owner() != &owner {
            return Err(Refusal::noted(Reason::Internal, "credentials of another owner were about to be attached"));
        }
        Ok(Self { owner, parts, credentials })
    }

    /// What it will be signed with.
    pub(crate) fn credentials(&self) -> &ScopedCredentials {
        &self.credentials
    }

    /// Gives the parts to the signer.
    pub(super) fn into_parts(self) -> (Owner, Box<GuardedParts>, Arc<ScopedCredentials>) {
        (self.owner, self.parts, self.credentials)
    }
}
