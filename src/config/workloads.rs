//! Workloads of no tenant.

use std::{path::PathBuf, time::Duration};

use super::Limits;
use crate::{
    aws::{action::Actions, resource::ResourcePattern},
    client_pattern::ClientPattern,
    workload_name::WorkloadName,
};

/// `workloads.<name>`
#[derive(Debug, Clone)]
pub struct NamedWorkloadConfig {
    /// Its name.
    pub name: WorkloadName,
    /// How a request proves that it is the workload's.
    pub proof: WorkloadProof,
    /// Who it is at AWS.
    pub role: WorkloadRole,
    /// What it may do.
    pub actions: Actions,
    /// With what it may do that; never empty.
    pub resources: Vec<ResourcePattern>,
    /// Its own limits; `limits.default` gives what they leave out.
    pub limits: Limits,
}

/// The proof of a workload.
#[derive(Debug, Clone)]
pub enum WorkloadProof {
    /// A client certificate on the egress.
    Client(ClientPattern),
    /// A user of this machine, on the egress's Unix socket.
    User(u32),
    /// A random secret in a file, read again when it changes.
    TokenFile(PathBuf),
}

/// `workloads.<name>.assume_role`
#[derive(Debug, Clone)]
pub struct WorkloadRole {
    /// `RoleArn`
    pub role_arn: String,
    /// `RoleSessionName`
    pub session_name: String,
    /// `ExternalId`
    pub external_id: Option<String>,
    /// `Tags`, in the configuration's order.
    pub session_tags: Vec<(String, String)>,
    /// `DurationSeconds`
    pub duration: Duration,
}
