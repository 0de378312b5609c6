//! A request of the application with everything taken out of it that says who sends it. Nothing of that is believed yet.

use http::request;

use super::{Gate, verified::explained};
use crate::{
    body::Body,
    hop,
    identity::{Caller, Workload, unverified::strip_identity_headers},
    reject::Refusal,
    server::Peer,
    telemetry::Listener,
};

/// What is left of the request, what was said, and the tenant that the client's certificate stands for.
#[derive(Debug)]
pub struct Taken {
    pub(super) head: request::Parts,
    pub(super) body: Body,
    pub(super) caller: Caller,
    pub(super) certificate: Option<Workload>,
}

impl Taken {
    /// Takes it all out.
    pub fn take(mut head: request::Parts, body: Body, peer: &Peer, gate: &Gate) -> Result<Self, Refusal> {
        // First of all: what is signed, checked and sent must be one request, and a sender may name any header for removal here.
        hop::strip(&mut head.headers);
        let certificate = gate.workloads.find(peer, Listener::Egress)?;
        let certified = certificate.is_some() && gate.proofs.certificate;
        let caller = Caller::take(&mut head, &gate.names, &gate.vending, gate.clock.now(), certified)
            .map_err(|refusal| explained(refusal, peer, certificate.as_ref()))?;
        strip_identity_headers(&mut head.headers, &gate.names, std::iter::empty());
        Ok(Self { head, body, caller, certificate })
    }

    /// Whether it is to be a workload's: then it is never a tenant's.
    pub(super) fn names_a_workload(&self) -> bool {
        self.caller.workload.is_some()
    }
}
