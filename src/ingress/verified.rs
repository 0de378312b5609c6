//! A request whose tenant is proved, known and active. A leaf: nothing else can build one.

use std::sync::Arc;

use http::request::Parts;

use super::{Origin, Way, cors::Cors, matched::MatchedRequest, same_site};
use crate::{
    authorise::Ruling,
    body::Body,
    directory::{ActiveTenant, Directory},
    identity::{IdentityHeaders, Places, Presented, Verifier, Workloads},
    reject::Refusal,
    server::Peer,
    telemetry::Listener,
};

/// What decides who a request is from.
#[derive(Debug)]
pub struct Gate {
    /// Checks tokens.
    pub verifier: Arc<Verifier>,
    /// What is known of tenants.
    pub directory: Arc<Directory>,
    /// The headers in which callers say who they are.
    pub names: IdentityHeaders,
    /// Where else they may.
    pub places: Places,
    /// Clients whose certificates are one tenant's.
    pub workloads: Workloads,
}

/// A request with the proof taken out and the tenant put in.
#[derive(Debug)]
pub struct VerifiedRequest {
    tenant: ActiveTenant,
    head: Parts,
    body: Body,
    ruling: Ruling,
}

impl Gate {
    /// Whose request it is, by what it presents, by what its path says (`in_path`) and by the certificate of whoever sends it. `origin` is
    /// where it comes from: the host that it is for, and the address that bad tokens count against.
    ///
    /// # Errors
    /// Whatever is wrong with one of them.
    pub(crate) async fn prove(
        &self,
        head: &mut Parts,
        in_path: &[String],
        peer: &Peer,
        origin: &Origin,
        cors: &Cors,
    ) -> Result<ActiveTenant, Refusal> {
        let host = origin.host();
        let workload = self.workloads.find(peer, Listener::Ingress)?;
        let presented = Presented::take_ingress(&mut head.headers, &self.names, &self.places, host, in_path)?.pinned(workload.as_ref())?;
        if presented.is_by_cookie() {
            same_site::check(head, host, cors)?;
        }
        let verified = self.verifier.verify_token(presented, origin.client()).await?;
        self.directory.resolve(verified).await
    }
}

impl VerifiedRequest {
    /// Checks the proof, the claim and the directory.
    ///
    /// # Errors
    /// Whatever is wrong with one of them.
    pub(super) async fn verify(request: MatchedRequest, way: Way<'_>, gate: &Gate, cors: &Cors) -> Result<Self, Refusal> {
        let (mut head, body, ruling, tenants) = request.into_parts();
        let tenant = gate.prove(&mut head, &tenants, way.peer, way.origin, cors).await?;
        Ok(Self { tenant, head, body, ruling })
    }

    /// Whose request it is.
    pub fn tenant(&self) -> &ActiveTenant {
        &self.tenant
    }

    /// Gives the parts to the next state.
    pub(super) fn into_parts(self) -> (ActiveTenant, Parts, Body, Ruling) {
        (self.tenant, self.head, self.body, self.ruling)
    }
}
