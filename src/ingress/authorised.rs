//! A request that the endpoint rules allow. A leaf: nothing else can build one.

use http::request::Parts;

use super::verified::VerifiedRequest;
use crate::{body::Body, config::PassportRule, directory::ActiveTenant, reject::Refusal};

/// A verified request that its sender may make.
#[derive(Debug)]
pub struct AuthorisedRequest {
    tenant: ActiveTenant,
    head: Parts,
    body: Body,
    passport: Option<PassportRule>,
}

impl AuthorisedRequest {
    /// Asks for what the rule wants.
    ///
    /// # Errors
    /// [`Reason::EndpointNotAllowed`](crate::reject::Reason::EndpointNotAllowed),
    /// [`Reason::ScopeInsufficient`](crate::reject::Reason::ScopeInsufficient).
    pub fn authorise(request: VerifiedRequest) -> Result<Self, Refusal> {
        let (tenant, head, body, ruling) = request.into_parts();
        ruling.permit(&tenant)?;
        let passport = ruling.passport().cloned();
        Ok(Self { tenant, head, body, passport })
    }

    /// Whose request it is.
    pub fn tenant(&self) -> &ActiveTenant {
        &self.tenant
    }

    /// Gives the parts to the next state.
    pub(super) fn into_parts(self) -> (ActiveTenant, Parts, Body, Option<PassportRule>) {
        (self.tenant, self.head, self.body, self.passport)
    }
}
