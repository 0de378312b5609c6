//! Requests of workloads. A leaf: nothing else can build these states, and none of them becomes a tenant's.

use http::request;

use super::{Gate, taken::Taken};
use crate::{
    body::Body,
    identity::{Caller, ClientSignature, Placeholder},
    limits::Permit,
    reject::{Reason, Refusal},
    server::Peer,
    workloads::ProvedWorkload,
};

/// A request of the application that is no tenant's, with the proof taken out and the workload put in.
#[derive(Debug)]
pub struct WorkloadRequest {
    workload: ProvedWorkload,
    head: request::Parts,
    body: Body,
    placeholder: Option<Placeholder>,
    signature: ClientSignature,
}

/// A workload's request and its place among the workload's requests in progress.
#[derive(Debug)]
pub struct AdmittedWorkload {
    request: WorkloadRequest,
    permit: Permit,
}

impl WorkloadRequest {
    /// Checks the proof of the workload that the request names.
    pub(super) fn prove(taken: Taken, peer: &Peer, gate: &Gate) -> Result<Self, Refusal> {
        let Taken { head, body, caller, certificate } = taken;
        let Caller { presented, placeholder, signature, workload } = caller;
        let name = workload.ok_or(Reason::Internal)?;
        if certificate.is_some() {
            return Err(Refusal::noted(
                Reason::WorkloadAmbiguous,
                "the request names a workload, and the client's certificate stands for a tenant",
            ));
        }
        let workload = gate.named.prove(&name, &presented, peer)?;
        Ok(Self { workload, head, body, placeholder, signature })
    }

    /// Whose request it is.
    pub fn workload(&self) -> &ProvedWorkload {
        &self.workload
    }

    /// Charges the request to its workload.
    pub(super) fn admit(self) -> Result<AdmittedWorkload, Refusal> {
        let permit = self.workload.admit()?;
        Ok(AdmittedWorkload { request: self, permit })
    }

    /// Gives the parts to the next state.
    pub(crate) fn into_parts(self) -> (ProvedWorkload, request::Parts, Body, Option<Placeholder>, ClientSignature) {
        (self.workload, self.head, self.body, self.placeholder, self.signature)
    }
}

impl AdmittedWorkload {
    /// Gives the parts to the next state.
    pub(crate) fn into_parts(self) -> (WorkloadRequest, Permit) {
        (self.request, self.permit)
    }
}
