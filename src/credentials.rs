//! Tenant-scoped credentials: from an active tenant to keys that can sign for that tenant alone.
//!
//! ```text
//! ActiveTenant ─▶ plan ─▶ StsInputs ─▶ cache (one slot per distinct inputs) ─▶ ScopedCredentials
//!                                        │ cold, or due for renewal
//!                                        ▼
//!                              broker ─▶ STS AssumeRole, signed with the base identity or by way of hubs,
//!                                        or AssumeRoleWithWebIdentity with a token
//! ```
//!
//! Promises, and where they are kept:
//! * **A session is found only by the very inputs that made it.** The key is every value that STS gets, and its owner,
//!   compared by equality ([`StsInputs`]). The caller's token is no part of it; where STS is asked with it, what it says is.
//! * **Owners are compared where they meet**: when an answer is taken in, and again when credentials are handed out.
//! * **One call for one thing.** However many requests miss at once, one call is made; it is not tied to the request that
//!   came first, so that request may go away.
//! * **An STS outage is ridden out.** A session that is in use is renewed ahead of its end; a renewal that fails leaves the
//!   old one in place until it ends. Only then are requests refused.
//! * **No tenant starves another.** Tenants take turns at calls, first ones and renewals, and each of the two has its share of
//!   the [budget]; room for sessions is made by the tenant that has the most.
//! * **Everything is bounded**: sessions, calls a second and at once, who waits for one and how long, the wait for an answer.
//!
//! Deliberately absent: a default role, credentials shared between tenants, a way to read a secret key (a
//! [`ScopedCredentials`] only derives [`SigningKey`]s).

mod answer;
mod broker;
mod budget;
mod cache;
mod date;
mod denials;
mod error;
mod http;
mod hubs;
mod own;
mod owner;
mod plan;
mod planner;
mod plans;
mod reader;
mod signing_key;
mod source;
mod sts;
#[cfg(test)]
pub(crate) mod testing;
mod values;

use std::borrow::Cow;

pub(crate) use self::{
    answer::causes,
    http::client as http_client,
    own::{own_key, profile_key},
};
pub use self::{
    broker::{Broker, ScopedCredentials, SessionView},
    budget::Budget,
    error::{SetupError, StsError},
    owner::Owner,
    plan::{Authority, CallersToken, Hop, StsInputs},
    reader::Readers,
    signing_key::SigningKey,
    source::{BaseIdentity, BaseIdentityError, check_file},
    sts::{IssuedCredentials, SdkSts, TenantSts},
};
use crate::{
    config::{PlanConfig, StsConfig, template::Values},
    reject::Refusal,
    tenant::TenantId,
};

/// What `plan` would ask of STS for `tenant`, by values that need not be those of a request: nobody is let in by it.
///
/// # Errors
/// A placeholder without a value, a rendering that STS does not take, or a session that cannot be made without a caller's token:
/// which setting, and why.
pub(crate) fn foresee(plan: &PlanConfig, region: &str, tenant: &TenantId, values: &dyn Values) -> Result<StsInputs, String> {
    let refused = |refusal: Refusal| refusal.note.map_or_else(|| format!("{:?}", refusal.reason), Cow::into_owned);
    plan::plan(plan, region, &values::TenantValues::supposed(tenant, values)).map_err(refused)
}

/// Whether the roots of `credentials.sts.ca`, where it is set, can be used.
///
/// # Errors
/// They cannot.
pub fn check_roots(config: &StsConfig) -> Result<(), SetupError> {
    http::client(config.ca.as_deref()).map(drop)
}
