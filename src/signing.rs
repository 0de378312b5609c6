//! Turning a tenant's request into one that AWS accepts as that tenant's: AWS Signature Version 4.
//!
//! The core is pure: bytes and a time in, bytes out. Key derivation and the final HMAC are the `aws-sigv4` crate's; the
//! canonical form is ours, because that crate works on complete requests and derives the key anew for each, and because what
//! goes on the wire and what is signed must be made from the same bytes.

pub mod canonical;
pub mod credentialed;
pub mod payload;
pub mod signer;
mod verified_body;

pub use self::{
    canonical::{Canon, WireTarget},
    credentialed::CredentialedRequest,
    payload::{Payload, PayloadError, Room},
    signer::{Receipt, SignedRequest, sign},
};
