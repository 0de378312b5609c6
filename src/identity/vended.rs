//! Placeholder keys that Palisade hands out itself, for SDKs that take credentials from a container endpoint and for URLs
//! that an SDK presigns.
//!
//! They are worth nothing outside this process, and inside it as much as the proof that was given for them: the session token
//! is that proof, sealed, and is opened only under a signature made with the secret key that belongs to it. So a token that
//! leaks from a log or a presigned URL does nothing by itself, and keys end with their proof: a passport's with its request, a
//! JWT's at its expiry, all of them with this process.
//!
//! There is no table of them: nothing to fill, to evict or to keep in step with passports. What a forger would need is a key
//! that this process drew at its start and never shows.

use std::fmt;

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, RandomizedNonceKey},
    hmac,
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use zeroize::{Zeroize, Zeroizing};

use super::placeholder::TENANT_PREFIX;
use crate::{
    reject::{Reason, Refusal},
    secret::Secret,
    tenant::TenantId,
};

/// What such a session token begins with, so that it is told from a proof, and found by secret scanners.
pub(super) const PREFIX: &str = "pvc1_";

/// Makes keys, and knows its own again. Cheap to share.
pub struct Vending {
    seal: RandomizedNonceKey,
    /// Makes the secret key of a session token.
    secrets: hmac::Key,
}

/// A set of placeholder keys.
#[derive(Debug)]
pub struct VendedKeys {
    /// `tenant.<id>`
    pub access_key_id: String,
    /// What requests are signed with.
    pub secret_access_key: Secret,
    /// The sealed proof.
    pub session_token: Secret,
}

/// What is inside a session token.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) tenant: TenantId,
    pub(super) proof: Secret,
    pub(super) secret_access_key: Secret,
}

impl Vending {
    /// With keys of its own, drawn now.
    ///
    /// # Errors
    /// `Internal` when the system has no randomness.
    pub fn new() -> Result<Self, Refusal> {
        let failed = || Refusal::noted(Reason::Internal, "the system has no randomness");
        let mut bytes = Zeroizing::new([0; 64]);
        getrandom::fill(bytes.as_mut_slice()).map_err(|_| failed())?;
        let (seal, secrets) = bytes.split_at(32);
        Ok(Self {
            seal: RandomizedNonceKey::new(&AES_256_GCM, seal).map_err(|_| failed())?,
            secrets: hmac::Key::new(hmac::HMAC_SHA256, secrets),
        })
    }

    /// Keys for `tenant` that are worth as much as `proof`.
    ///
    /// # Errors
    /// `Internal` when the system has no randomness.
    pub fn vend(&self, tenant: &TenantId, proof: &Secret) -> Result<VendedKeys, Refusal> {
        let mut sealed = Zeroizing::new(format!("{tenant}\n{}", proof.expose()).into_bytes());
        let nonce = self
            .seal
            .seal_in_place_append_tag(Aad::from(PREFIX), &mut *sealed)
            .map_err(|_| Refusal::noted(Reason::Internal, "a proof cannot be sealed"))?;
        let bytes = [&nonce.as_ref()[..], &sealed].concat();
        let session_token = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
        let secret_access_key = self.secret(&session_token);
        Ok(VendedKeys { access_key_id: format!("{TENANT_PREFIX}{tenant}"), secret_access_key, session_token: Secret::new(session_token) })
    }

    /// What is inside `session_token`, if this process made it.
    pub(super) fn open(&self, session_token: &str) -> Option<Opened> {
        let mut bytes = URL_SAFE_NO_PAD.decode(session_token.strip_prefix(PREFIX)?).ok()?;
        let (nonce, sealed) = bytes.split_at_mut_checked(aws_lc_rs::aead::NONCE_LEN)?;
        let nonce = aws_lc_rs::aead::Nonce::try_assume_unique_for_key(nonce).ok()?;
        let text = self.seal.open_in_place(nonce, Aad::from(PREFIX), sealed).ok()?;
        let opened = std::str::from_utf8(text).ok().and_then(|text| {
            let (tenant, proof) = text.split_once('\n')?;
            let secret_access_key = self.secret(session_token);
            Some(Opened { tenant: tenant.parse().ok()?, proof: Secret::new(proof.to_owned()), secret_access_key })
        });
        bytes.zeroize();
        opened
    }

    fn secret(&self, session_token: &str) -> Secret {
        Secret::new(STANDARD_NO_PAD.encode(hmac::sign(&self.secrets, session_token.as_bytes())))
    }
}

impl fmt::Debug for Vending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vending([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(vending: &Vending, tenant: &str, proof: &str) -> VendedKeys {
        vending.vend(&tenant.parse().unwrap(), &Secret::new(proof.to_owned())).unwrap()
    }

    #[test]
    fn a_token_opens_to_what_was_sealed() {
        let vending = Vending::new().unwrap();
        for proof in ["psp1_x", &"e".repeat(16 * 1024)] {
            let keys = keys(&vending, "acme-1.x", proof);
            assert_eq!(keys.access_key_id, "tenant.acme-1.x");
            let opened = vending.open(keys.session_token.expose()).unwrap();
            assert_eq!((opened.tenant.as_str(), opened.proof.expose()), ("acme-1.x", proof));
            assert_eq!(opened.secret_access_key.expose(), keys.secret_access_key.expose());
            assert!(keys.secret_access_key.expose().len() == 43);
        }
    }

    #[test]
    fn no_two_sets_are_alike_and_no_proof_is_to_be_seen_in_them() {
        let vending = Vending::new().unwrap();
        let (one, two) = (keys(&vending, "acme", "proof-proof-proof"), keys(&vending, "acme", "proof-proof-proof"));
        assert_ne!(one.session_token.expose(), two.session_token.expose());
        assert_ne!(one.secret_access_key.expose(), two.secret_access_key.expose());
        let bytes = URL_SAFE_NO_PAD.decode(&one.session_token.expose()[PREFIX.len()..]).unwrap();
        assert!(!bytes.windows(5).any(|window| window == b"proof"));
        assert!(!format!("{one:?} {vending:?}").contains(one.secret_access_key.expose()));
    }

    #[test]
    fn what_was_not_made_here_does_not_open() {
        let (vending, other) = (Vending::new().unwrap(), Vending::new().unwrap());
        let token = keys(&vending, "acme", "proof").session_token;
        let text = token.expose();
        assert!(other.open(text).is_none(), "a token of another process was opened");
        for cut in 0..text.len() {
            assert!(vending.open(&text[..cut]).is_none());
        }
        for at in PREFIX.len()..text.len() - 1 {
            let mut changed = text.as_bytes().to_vec();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert!(vending.open(std::str::from_utf8(&changed).unwrap()).is_none(), "byte {at}");
        }
        for odd in ["", "pvc1_", "pvc1_!", "psp1_x", &format!("{text}="), &format!("{text}A"), &format!(" {text}")] {
            assert!(vending.open(odd).is_none(), "{odd}");
        }
    }
}
