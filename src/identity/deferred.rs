//! Deferred work: authority that outlives its request, on purpose and within bounds.
//!
//! An application that has a request of a tenant in hand may need to act for that tenant when the request is over: render a
//! report, send a mail, index a document. It asks its own Palisade to turn the live passport into a *context*, puts the
//! context into a queue, and a worker presents it to the Palisade beside it. What is inside is sealed (AES-256-GCM): who it is
//! for, for what purpose, for which actions, and until when. The application can neither read nor widen it.
//!
//! The [`Sealer`] is on one side, the [`Redeemer`] on the other, and they share a key for an audience. No process is both
//! for one audience: whoever could redeem what it seals would have passports that do not end.
//!
//! There is no count of uses: redeemers share no memory.

mod key;
mod redeemer;
mod sealed;
mod sealer;

#[cfg(test)]
mod tests;

pub use self::{
    key::SealKey,
    redeemer::{Deferred, RedeemedContext, Redeemer},
    sealer::{Order, Sealed, Sealer},
};
use crate::reject::{Reason, Refusal};

/// What a context begins with, so that it is told from other proofs, and found by secret scanners.
pub(super) const PREFIX: &str = "pdc1_";

/// Who sealed a context: 128 random bits that a process draws at its start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Maker(String);

impl Maker {
    /// A new one.
    ///
    /// # Errors
    /// `Internal` when the system has no randomness.
    pub fn random() -> Result<Self, Refusal> {
        random_id().map(Self)
    }
}

/// 128 random bits in hex.
fn random_id() -> Result<String, Refusal> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| Refusal::noted(Reason::Internal, "the system has no randomness"))?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}
