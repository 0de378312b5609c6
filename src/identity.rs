//! Who is calling, proved.
//!
//! Trust starts here and only here. A caller's words are read in one place ([`unverified`]), become a [`Presented`] claim
//! that nothing else accepts, and turn into a [`VerifiedTenant`] in [`verifier`], either from a JWT of a configured issuer,
//! from a [`passport`] that this process minted for a request still in progress, from a context that another process
//! sealed for us ([`Redeemer`]), or from the certificate of a [`workload`].

pub mod caller;
mod caller_token;
mod claims;
pub mod client_signature;
mod context_key;
mod cookie;
mod deferred;
pub mod discovery;
pub mod facts;
mod framing;
pub mod jwks;
mod keyset;
pub mod lease;
pub mod passport;
pub mod placeholder;
mod presigned;
pub mod spoofed;
mod tenant_host;
mod token;
#[cfg(test)]
mod trials;
pub mod unverified;
pub mod users;
pub mod vended;
mod verification;
pub mod verifier;
pub mod workload;

pub(crate) use self::context_key::CONTEXT_TYPE;
pub use self::{
    caller::Caller,
    caller_token::CallerToken,
    client_signature::{ClientSignature, SettledSignature},
    context_key::{ContextAlgorithm, ContextKey, KeyProblem},
    cookie::CookieName,
    deferred::{Deferred, Maker, Order, RedeemedContext, Redeemer, SealKey, Sealed, Sealer},
    facts::TokenFacts,
    jwks::Jwks,
    lease::Lease,
    passport::{Occasion, Passport, Passports, StillGives},
    placeholder::Placeholder,
    tenant_host::TenantHost,
    unverified::{IdentityHeaders, Places, Presented},
    users::{ActiveUser, Recalled, UserRecord, UserStatus, Users},
    vended::{VendedKeys, Vending},
    verifier::{Entitled, VerifiedTenant, Verifier},
    workload::{Workload, Workloads},
};
use crate::strict_json;
