//! A request that its tenant's limits let pass. A leaf: nothing else can build one.

use http::request;

use super::VerifiedRequest;
use crate::{
    body::Body,
    identity::Placeholder,
    limits::{Limiter, Permit},
    reject::Refusal,
};

/// A verified request and its place among the tenant's requests in progress.
#[derive(Debug)]
pub struct AdmittedRequest {
    request: VerifiedRequest,
    permit: Permit,
}

impl AdmittedRequest {
    /// Charges the request to its tenant.
    pub fn admit(request: VerifiedRequest, limiter: &Limiter) -> Result<Self, Refusal> {
        let permit = limiter.admit(request.tenant())?;
        Ok(Self { request, permit })
    }

    /// Its body, which somebody else reads.
    pub(super) fn take_body(&mut self) -> Body {
        self.request.take_body()
    }

    /// Another request of the same tenant, in the same place.
    pub(super) fn becomes(self, head: request::Parts, placeholder: Placeholder) -> Self {
        Self { request: self.request.becomes(head, placeholder), permit: self.permit }
    }

    /// Gives the parts to the next state.
    pub(crate) fn into_parts(self) -> (VerifiedRequest, Permit) {
        (self.request, self.permit)
    }
}
