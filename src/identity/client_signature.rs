//! The signature that a client made with its placeholder keys.
//!
//! Keys that nobody but the client knows prove nothing, and nothing can be checked. Keys that Palisade vended can be checked
//! like AWS checks its own, and have to be: their session token is only worth something under such a signature. What is
//! signed covers method, target, the named headers and the body, so a signature that was seen somewhere can at most repeat
//! the very request, and that within 15 minutes or the life of the presigned URL.
//!
//! The body's hash may not be known before the body was read: outside S3 SDKs seldom declare it. Until then the signature is
//! *pending*, and whoever goes on needs it *settled*: a [`SettledSignature`] comes from nowhere else. So a session token without its
//! secret can have one such body read, at its tenant's cost within its tenant's limits, and no more.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use aws_sigv4::sign::v4::generate_signing_key;
use http::{HeaderMap, Method, header, uri::PathAndQuery};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::placeholder::Placeholder;
use crate::{
    reject::{Reason, Refusal},
    secret::Secret,
    sigv4::{Canon, Chain, PayloadMode, SignedHeaders, WireTarget, canonical, credential_scope, signature, string_to_sign, time::AmzDate},
};

/// How far a client's clock may be off, as AWS has it.
pub(super) const MAX_SKEW: Duration = Duration::from_secs(15 * 60);

/// A client's signature, before or after it was checked.
#[derive(Debug)]
pub struct ClientSignature(State);

#[derive(Debug)]
enum State {
    Pending(Box<Pending>),
    Settled(SettledSignature),
}

/// Proof that a client's signature is right, or that it was made with keys that nobody can check.
#[derive(Debug)]
pub struct SettledSignature {
    /// For the chunks of a body, where the keys are ours.
    chain: Option<Chain>,
}

/// Everything but the payload. With its signature it is enough to repeat the request, so it is not shown.
struct Pending {
    /// The canonical request up to the payload's hash.
    request: String,
    date: AmzDate,
    scope: String,
    key: Zeroizing<[u8; 32]>,
    signature: String,
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pending([redacted])")
    }
}

/// A request as the client signed it.
#[derive(Debug, Clone, Copy)]
pub(super) struct AsSigned<'a> {
    pub(super) method: &'a Method,
    pub(super) target: &'a PathAndQuery,
    /// Before anything was taken out; `Host` included.
    pub(super) headers: &'a HeaderMap,
}

/// What its signature claims.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claim<'a> {
    pub(super) placeholder: &'a Placeholder,
    /// `X-Amz-Date`
    pub(super) date: &'a str,
    /// How long it is good for; `None` for a signature in the headers.
    pub(super) expires: Option<Duration>,
}

impl ClientSignature {
    /// Made with keys that are not ours.
    pub(crate) const fn uncheckable() -> Self {
        Self(State::Settled(SettledSignature { chain: None }))
    }

    /// Made with the keys that belong to `secret`. Age and form are checked at once.
    ///
    /// # Errors
    /// `SignatureMalformed`, `SignatureExpired`, and what a target may be refused for.
    pub(super) fn pending(request: AsSigned<'_>, claim: Claim<'_>, secret: &Secret, now: SystemTime) -> Result<Self, Refusal> {
        let malformed = |note| Refusal::noted(Reason::SignatureMalformed, note);
        let placeholder = claim.placeholder;
        let (date, time) = AmzDate::parse(claim.date).ok_or_else(|| malformed("X-Amz-Date is missing or malformed"))?;
        if placeholder.date != date.date() {
            return Err(malformed("X-Amz-Date and the credential scope are of different days"));
        }
        check_age(time, claim.expires, now)?;
        let names: Vec<&str> = placeholder.signed_headers.iter().map(String::as_str).collect();
        if !names.is_sorted_by(|a, b| a < b) || !names.contains(&header::HOST.as_str()) {
            return Err(malformed("SignedHeaders is not in order, or lacks host"));
        }
        let canon = Canon::of(&placeholder.service);
        let target = WireTarget::new(request.target, canon)?;
        // The canonical form sorts them, so their order is not signed; S3 has none that may be repeated.
        if canon == Canon::S3 && target.has_repeated_parameters() {
            return Err(malformed("a query parameter is repeated"));
        }
        let key = generate_signing_key(secret.expose(), time, &placeholder.region, &placeholder.service);
        let mut bytes = Zeroizing::new([0; 32]);
        bytes.copy_from_slice(key.as_ref());
        Ok(Self(State::Pending(Box::new(Pending {
            request: canonical::request(request.method.as_str(), &target, &SignedHeaders::named(request.headers, &names))?,
            scope: credential_scope(date.date(), &placeholder.region, &placeholder.service),
            date,
            key: bytes,
            signature: placeholder.signature.clone(),
        }))))
    }

    /// Checks the signature now if what it says of the payload stands in the headers already.
    ///
    /// # Errors
    /// `SignatureMismatch`, and `SignatureMalformed` for an odd `x-amz-content-sha256`.
    pub(super) fn settle_early(self, headers: &HeaderMap) -> Result<Self, Refusal> {
        match PayloadMode::of(headers)?.in_signature() {
            Some(hash) => Ok(Self(State::Settled(self.settle(hash)?))),
            None => Ok(self),
        }
    }

    /// Whether the path was checked in the form in which it will be signed for AWS: a service may be configured under a name of its
    /// own, to which the client signed.
    ///
    /// # Errors
    /// `TargetConflict`
    pub fn check_canon(&self, placeholder: &Placeholder, canon: Canon) -> Result<(), Refusal> {
        let is_checkable = !matches!(&self.0, State::Settled(SettledSignature { chain: None }));
        if is_checkable && Canon::of(&placeholder.service) != canon {
            return Err(Refusal::noted(Reason::TargetConflict, "vended keys have to sign for the service's own signing name"));
        }
        Ok(())
    }

    /// The client's chain, for a body of signed chunks; `None` while or where nothing can be checked.
    pub fn chunks(&mut self) -> Option<Chain> {
        match &mut self.0 {
            State::Settled(settled) => settled.chain.take(),
            State::Pending(_) => None,
        }
    }

    /// Checks the signature for a payload of this hash.
    ///
    /// # Errors
    /// `SignatureMismatch`
    pub fn settle(self, payload_hash: &str) -> Result<SettledSignature, Refusal> {
        let pending = match self.0 {
            State::Settled(settled) => return Ok(settled),
            State::Pending(pending) => *pending,
        };
        let canonical_request = pending.request + payload_hash;
        let text = string_to_sign(pending.date.time(), &pending.scope, &canonical_request);
        let computed = signature(pending.key.as_slice(), &text);
        let is_right: bool = computed.as_bytes().ct_eq(pending.signature.as_bytes()).into();
        if !is_right {
            return Err(Reason::SignatureMismatch.into());
        }
        Ok(SettledSignature { chain: Some(Chain::new(pending.key, pending.date.time(), &pending.scope, computed)) })
    }
}

fn check_age(signed: SystemTime, expires: Option<Duration>, now: SystemTime) -> Result<(), Refusal> {
    let expired = |note| Refusal::noted(Reason::SignatureExpired, note);
    if signed.duration_since(now).is_ok_and(|ahead| ahead > MAX_SKEW) {
        return Err(expired("signed in the future"));
    }
    let age = now.duration_since(signed).unwrap_or_default();
    match expires {
        None if age > MAX_SKEW => Err(expired("signed more than 15 minutes ago")),
        Some(life) if age >= life => Err(expired("the presigned URL has expired")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
