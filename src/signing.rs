//! Turning a tenant's request into one that AWS accepts as that tenant's: AWS Signature Version 4.
//!
//! The core is pure: bytes and a time in, bytes out. The canonical form and what is made of it are ours ([`sigv4`](crate::sigv4)),
//! because the `aws-sigv4` crate works on complete requests and derives the key anew for each, and because what goes on the wire
//! and what is signed must be made from the same bytes. Tests hold it to that crate, over AWS's own vectors and over requests made up.

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
