//! What is known of a tenant besides its id.
//!
//! The directory is asked on every request, after the token is verified: an unknown or suspended tenant is refused, and so is what
//! is revoked, whatever the token says. With a directory of users ([`users`]) it also says for whom a user acts. Its answer, an [`ActiveTenant`], ties the proof and the record together, so that no later function takes
//! a tenant from one place and a record from another.

mod active;
mod changes;
mod dynamodb;
mod error;
mod item;
mod points;
mod records;
mod resolve;
mod revoked;
mod standing;
mod tenants;
#[cfg(test)]
pub(crate) mod testing;
pub mod users;
mod values;
mod watched;

use std::collections::BTreeMap;

pub use self::{
    active::ActiveTenant,
    changes::{Changes, Heard},
    error::OpenError,
    resolve::{Directory, Tables},
    revoked::Revoked,
    standing::Standing,
};
use crate::{
    config::Limits,
    reject::{Reason, Refusal},
    tenant::TenantId,
};

/// One tenant's entry.
#[derive(Debug, Clone, PartialEq)]
pub struct TenantRecord {
    /// The tenant.
    pub id: TenantId,
    /// Whether it may do anything.
    pub status: TenantStatus,
    /// Names a set of limits in `limits.tiers`.
    pub tier: Option<String>,
    /// Group of tenants that shares resources.
    pub cell: Option<String>,
    /// AWS account id, 12 digits.
    pub account: Option<String>,
    /// For the tenant role's trust policy.
    pub external_id: Option<String>,
    /// KMS key id, alias or ARN.
    pub kms_key: Option<String>,
    /// Home region.
    pub region: Option<String>,
    /// Limits of its own; they win over the tier's.
    pub limits: Option<Limits>,
    /// Users and tokens that are refused for this tenant.
    pub revoked: Revoked,
    /// Free values for templates.
    pub attributes: BTreeMap<String, String>,
}

/// `status` of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TenantStatus {
    /// Served.
    Active,
    /// Refused.
    Suspended,
}

impl TenantRecord {
    /// Whether the tenant may do anything at all, whoever asks for it.
    ///
    /// # Errors
    /// [`Reason::TenantSuspended`]
    pub(crate) fn may_act(&self) -> Result<(), Refusal> {
        match self.status {
            TenantStatus::Suspended => Err(Reason::TenantSuspended.into()),
            TenantStatus::Active => Ok(()),
        }
    }

    /// A record that says nothing but that the tenant exists.
    pub fn bare(id: TenantId) -> Self {
        Self {
            id,
            status: TenantStatus::Active,
            tier: None,
            cell: None,
            account: None,
            external_id: None,
            kms_key: None,
            region: None,
            limits: None,
            revoked: Revoked::default(),
            attributes: BTreeMap::new(),
        }
    }
}
