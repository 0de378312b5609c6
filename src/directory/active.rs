//! The proof that a verified tenant is in the directory and may act.
//!
//! A leaf: nothing else can build an [`ActiveTenant`].

use std::sync::Arc;

use super::{TenantRecord, TenantStatus};
use crate::{
    identity::VerifiedTenant,
    reject::{Reason, Refusal},
    tenant::TenantId,
};

/// A tenant that a verified proof names, that the directory knows, and that is not suspended.
///
/// From here on this one value stands for the tenant: limits, credentials and signing take it, never an id and a record.
#[derive(Debug, Clone)]
pub struct ActiveTenant {
    verified: Arc<VerifiedTenant>,
    record: Arc<TenantRecord>,
}

impl ActiveTenant {
    /// Joins a proof and a record. They must be of the same tenant; that they are not is a fault of ours, and refused.
    pub fn join(verified: Arc<VerifiedTenant>, record: Arc<TenantRecord>) -> Result<Self, Refusal> {
        if verified.tenant() != &record.id {
            return Err(Refusal::noted(Reason::Internal, "the directory answered with another tenant's record"));
        }
        match record.status {
            TenantStatus::Suspended => Err(Reason::TenantSuspended.into()),
            TenantStatus::Active => Ok(Self { verified, record }),
        }
    }

    /// The tenant.
    pub fn id(&self) -> &TenantId {
        &self.record.id
    }

    /// What was proved: subject, roles, claims, expiry.
    pub fn verified(&self) -> &Arc<VerifiedTenant> {
        &self.verified
    }

    /// What the directory says.
    pub fn record(&self) -> &TenantRecord {
        &self.record
    }
}
