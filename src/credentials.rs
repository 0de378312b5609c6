//! Tenant-scoped credentials: from an active tenant to keys that can sign for that tenant alone.
//!
//! ```text
//! ActiveTenant ─▶ plan ─▶ StsInputs ─▶ cache (one slot per distinct inputs) ─▶ ScopedCredentials
//!                                        │ cold, or due for renewal
//!                                        ▼
//!                              broker ─▶ STS AssumeRole, signed with the base identity
//! ```
//!
//! Promises, and where they are kept:
//! * **A session is found only by the very inputs that made it.** The key is every value that STS gets, and its owner,
//!   compared by equality ([`StsInputs`]). The caller's token is no part of it.
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
mod own;
mod owner;
mod plan;
mod planner;
mod reader;
mod signing_key;
mod source;
mod sts;
#[cfg(test)]
pub(crate) mod testing;
mod values;

pub(crate) use self::{
    answer::causes,
    http::client as http_client,
    own::{own_key, profile_key},
};
pub use self::{
    broker::{Broker, ScopedCredentials, SessionView},
    error::{SetupError, StsError},
    owner::Owner,
    plan::StsInputs,
    reader::Readers,
    signing_key::SigningKey,
    source::{BaseIdentity, BaseIdentityError, check_file},
    sts::{IssuedCredentials, SdkSts, TenantSts},
};
use crate::{
    config::{CredentialsConfig, StsConfig, template::Values},
    tenant::TenantId,
};

/// What would be asked of STS for `tenant`, by values that need not be those of a request: nobody is let in by it.
///
/// # Errors
/// A placeholder without a value, or a rendering that STS does not take: what, and where.
pub(crate) fn foresee(config: &CredentialsConfig, tenant: &TenantId, values: &dyn Values) -> Result<StsInputs, String> {
    let refused =
        |refusal: crate::reject::Refusal| refusal.note.map_or_else(|| format!("{:?}", refusal.reason), std::borrow::Cow::into_owned);
    plan::render(&config.assume_role, &config.sts.region, tenant, values).map_err(refused)
}

/// Whether the roots of `credentials.sts.ca`, where it is set, can be used.
///
/// # Errors
/// They cannot.
pub fn check_roots(config: &StsConfig) -> Result<(), SetupError> {
    http::client(config.ca.as_deref()).map(drop)
}
