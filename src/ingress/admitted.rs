//! Requests that there is room for. A leaf: nothing else can build one.

use std::{sync::Arc, time::Duration};

use http::request::Parts;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{authorised::AuthorisedRequest, matched::PublicRequest};
use crate::{
    body::Body,
    config::PassportRule,
    directory::ActiveTenant,
    identity::Occasion,
    limits::{Limiter, Permit},
    reject::{Reason, Refusal},
    telemetry::RequestId,
};

/// When a request of nobody should come back. Nobody can know; a second is what a client waits anyway.
const RETRY: Duration = Duration::from_secs(1);

/// An authorised request and its place among the tenant's requests in progress.
#[derive(Debug)]
pub struct AdmittedRequest {
    tenant: ActiveTenant,
    head: Parts,
    body: Body,
    permit: Permit,
    passport: Option<PassportRule>,
}

/// A public request and its place among those.
#[derive(Debug)]
pub struct AdmittedPublic {
    head: Parts,
    body: Body,
    permit: PublicPermit,
}

/// Room for public requests: they belong to no tenant whose limits could hold, so all of them share this.
#[derive(Debug)]
pub struct PublicRoom(Arc<Semaphore>);

/// A place among the public requests in progress, given back on drop.
#[derive(Debug)]
#[must_use = "dropping the permit ends the request"]
pub struct PublicPermit(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

impl AdmittedRequest {
    /// Charges the request to its tenant.
    ///
    /// # Errors
    /// As [`Limiter::admit`].
    pub fn admit(request: AuthorisedRequest, limiter: &Limiter) -> Result<Self, Refusal> {
        let (tenant, head, body, passport) = request.into_parts();
        let permit = limiter.admit(&tenant)?;
        Ok(Self { tenant, head, body, permit, passport })
    }

    /// Whose request it is.
    pub fn tenant(&self) -> &ActiveTenant {
        &self.tenant
    }

    /// What its passport is made for; its own id is `request`.
    pub fn occasion<'r>(&'r self, request: &'r RequestId) -> Occasion<'r> {
        Occasion { request, method: &self.head.method, path: self.head.uri.path(), rule: self.passport.as_ref() }
    }

    /// Gives the parts to the next state.
    pub(super) fn into_parts(self) -> (ActiveTenant, Parts, Body, Permit) {
        (self.tenant, self.head, self.body, self.permit)
    }
}

impl PublicRoom {
    /// Room for so many at once.
    pub fn new(concurrent: usize) -> Self {
        Self(Arc::new(Semaphore::new(concurrent.min(Semaphore::MAX_PERMITS))))
    }
}

impl AdmittedPublic {
    /// Takes a place, if there is one.
    ///
    /// # Errors
    /// [`Reason::Overloaded`].
    pub fn admit(request: PublicRequest, room: &PublicRoom) -> Result<Self, Refusal> {
        let (head, body) = request.into_parts();
        let Ok(permit) = room.0.clone().try_acquire_owned() else {
            return Err(Refusal::noted(Reason::Overloaded, "ingress.public_concurrent public requests are in progress").retry_after(RETRY));
        };
        Ok(Self { head, body, permit: PublicPermit(permit) })
    }

    /// Gives the parts to the next state.
    pub(super) fn into_parts(self) -> (Parts, Body, PublicPermit) {
        (self.head, self.body, self.permit)
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, Request};

    use super::*;
    use crate::{
        authorise::Endpoints,
        body,
        identity::{IdentityHeaders, Places},
        ingress::matched::Matcher,
    };

    #[test]
    fn public_requests_share_their_room_and_give_it_back() {
        let public = || {
            let matcher = Matcher { endpoints: Endpoints::none(), tenant_path: None };
            let names =
                IdentityHeaders { tenant: HeaderName::from_static("x-tenant-id"), token: HeaderName::from_static("x-tenant-token") };
            let (head, ()) = Request::new(()).into_parts();
            matcher.preflight(head, body::empty(), &names, &Places::default()).unwrap()
        };
        let room = PublicRoom::new(2);
        let (first, second) = (AdmittedPublic::admit(public(), &room).unwrap(), AdmittedPublic::admit(public(), &room).unwrap());
        let refused = AdmittedPublic::admit(public(), &room).unwrap_err();
        assert_eq!((refused.reason, refused.retry_after), (Reason::Overloaded, Some(RETRY)));
        let (_, _, permit) = first.into_parts();
        assert!(AdmittedPublic::admit(public(), &room).is_err(), "the place is held beyond the request");
        drop(permit);
        assert!(AdmittedPublic::admit(public(), &room).is_ok());
        drop(second);
    }
}
