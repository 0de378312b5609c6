//! Who is calling, proved.
//!
//! Trust starts here and only here. A caller's words are read in one place ([`unverified`]), become a [`Presented`] claim
//! that nothing else accepts, and turn into a [`VerifiedTenant`] in [`verifier`], either from a JWT of a configured issuer
//! or from a [`passport`] that this process minted for a request still in progress.

pub mod jwks;
pub mod passport;
mod token;
pub mod unverified;
pub mod verifier;

pub use self::{
    passport::{Passport, Passports},
    unverified::Presented,
    verifier::{VerifiedTenant, Verifier},
};
