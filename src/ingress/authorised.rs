//! A request that the endpoint rules allow. A leaf: nothing else can build one.

use http::request::Parts;

use super::verified::VerifiedRequest;
use crate::{authorise::Shown, body::Body, config::PassportRule, directory::ActiveTenant, reject::Refusal};

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
    /// As [`Ruling::permit`](crate::authorise::Ruling::permit).
    pub fn authorise(request: VerifiedRequest, client: Shown<'_>) -> Result<Self, Refusal> {
        let (tenant, head, body, ruling) = request.into_parts();
        ruling.permit(&tenant, client)?;
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
