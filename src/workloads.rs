//! Work that belongs to no tenant: polling a shared queue, reading parameters at start, putting metrics.
//!
//! A workload is a name of the configuration with a proof of its own, a role of its own, and a list of what it may do. Not to be confused with
//! [`identity::workload`](crate::identity::workload), a client whose certificate stands for one tenant.
//!
//! The attack: whoever has taken over the application wants a workload's role for a tenant's request, or a tenant's for a workload's. So
//! * **a workload is named, never fallen back to**: a request that names none is a tenant's or nobody's, and one that names a workload and a
//!   tenant is refused, whatever else it has;
//! * **its proof is no tenant's, and a tenant's is none of its**: a token of its own, or a client certificate that stands for no tenant;
//!   passports, JWTs and vended keys are never looked at here;
//! * **it is another type**: a [`ProvedWorkload`] is no [`ActiveTenant`](crate::directory::ActiveTenant), its requests go through states of
//!   their own up to the signature, and its sessions have another kind of [`Owner`](crate::credentials::Owner);
//! * **it may do what is listed, with what is listed**: an action that is not, and a resource that is not or cannot be told, are refused
//!   before credentials are asked for.
//!
//! What this does not do: a compromised application that has a workload's token can use it, for what is listed, for as long as the token is in
//! the file. Give the proof to the process that does the work alone.

mod registry;
#[cfg(test)]
pub(crate) mod testing;
mod token;

use std::path::Path;

pub use self::registry::{NamedWorkloads, ProvedWorkload, UnusableWorkload};

/// Whether the tokens in a file can be used.
///
/// # Errors
/// Why they cannot, without a word of what is in it.
pub fn check_token(path: &Path) -> Result<(), String> {
    token::read(path).map(drop)
}
