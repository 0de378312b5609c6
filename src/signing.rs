//! Turning a tenant's request into one that AWS accepts as that tenant's: AWS Signature Version 4.
//!
//! The core is pure: bytes and a time in, bytes out. Key derivation and the final HMAC are the `aws-sigv4` crate's; the
//! canonical form is ours ([`sigv4`](crate::sigv4)), because that crate works on complete requests and derives the key anew
//! for each, and because what goes on the wire and what is signed must be made from the same bytes.

mod chunked;
pub mod credentialed;
mod hashed;
pub(crate) mod own;
pub mod payload;
mod presign;
pub mod signer;

pub use self::{
    credentialed::CredentialedRequest,
    payload::{Payload, PayloadError, Room, Route},
    presign::{PresignedUrl, presign},
    signer::{Receipt, SignedRequest, sign},
};
