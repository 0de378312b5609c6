//! A guarded request with its tenant's credentials. A leaf: nothing else can build one.

use std::sync::Arc;

use crate::{
    credentials::{Broker, ScopedCredentials},
    guard::GuardedRequest,
    reject::{Reason, Refusal},
};

/// A request and credentials of one and the same tenant.
#[derive(Debug)]
pub struct CredentialedRequest {
    request: GuardedRequest,
    credentials: Arc<ScopedCredentials>,
}

impl CredentialedRequest {
    /// Gets the tenant's credentials and joins them with its request. That both are of the same tenant is checked here once
    /// more, where they meet.
    pub async fn attach(request: GuardedRequest, broker: &Broker) -> Result<Self, Refusal> {
        let credentials = broker.credentials(request.tenant()).await?;
        if !credentials.owner().is_tenant(request.tenant().id()) {
            return Err(Refusal::noted(Reason::Internal, "credentials of another tenant were about to be attached"));
        }
        Ok(Self { request, credentials })
    }

    /// Gives the parts to the signer.
    pub(super) fn into_parts(self) -> (GuardedRequest, Arc<ScopedCredentials>) {
        (self.request, self.credentials)
    }
}
