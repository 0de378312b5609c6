//! The key that the two sides of an audience share.

use std::fmt;

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    hmac,
};
use base64::{
    Engine,
    alphabet::{STANDARD, URL_SAFE},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::URL_SAFE_NO_PAD},
};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use super::PREFIX;
use crate::secret::Secret;

/// Bytes of a key.
const BYTES: usize = 32;
/// Bytes of a key's id.
const ID: usize = 8;
/// Longest context, in bytes. It has to fit into a header, where application servers commonly take 8 KiB.
const MAX_TEXT: usize = 6 * 1024;

/// Keys are made by tools that pad and tools that do not.
const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// 32 random bytes of an operator.
pub struct SealKey(Zeroizing<[u8; BYTES]>);

impl SealKey {
    /// Reads base64 of exactly 32 bytes, in either alphabet, with or without padding.
    pub fn parse(text: &Secret) -> Option<Self> {
        let decode = |alphabet| GeneralPurpose::new(alphabet, LENIENT).decode(text.expose().trim()).ok();
        let bytes = Zeroizing::new(decode(&STANDARD).or_else(|| decode(&URL_SAFE))?);
        let mut key = Zeroizing::new([0; BYTES]);
        if bytes.len() != BYTES {
            return None;
        }
        key.copy_from_slice(&bytes);
        Some(Self(key))
    }

    /// Whether the two are one key.
    pub fn is(&self, other: &Self) -> bool {
        self.0.as_slice().ct_eq(other.0.as_slice()).into()
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealKey([redacted])")
    }
}

/// A key in use, with the id by which the other side finds it. The id is in the clear, and what is sealed is tied to it.
pub(super) struct Seal {
    id: [u8; ID],
    aead: RandomizedNonceKey,
}

impl Seal {
    /// What is sealed with and what the key is called are two values that say nothing of each other: each is derived
    /// (HMAC-SHA-256 as a pseudo-random function) under a label of its own.
    pub(super) fn of(key: &SealKey) -> Option<Self> {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, key.0.as_slice());
        let mut sealing = Zeroizing::new([0; BYTES]);
        sealing.copy_from_slice(hmac::sign(&secret, b"palisade deferred context 1: sealing").as_ref());
        let mut id = [0; ID];
        id.copy_from_slice(hmac::sign(&secret, b"palisade deferred context 1: key id").as_ref().get(..ID)?);
        Some(Self { id, aead: RandomizedNonceKey::new(&AES_256_GCM, sealing.as_slice()).ok()? })
    }

    /// `plain`, sealed. Nothing when it is too long, or the library fails.
    pub(super) fn seal(&self, mut plain: Zeroizing<Vec<u8>>) -> Option<Secret> {
        let nonce = self.aead.seal_in_place_append_tag(Aad::from(self.associated()), &mut *plain).ok()?;
        let text = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode([&self.id[..], nonce.as_ref(), &plain].concat()));
        (text.len() <= MAX_TEXT).then(|| Secret::new(text))
    }

    /// Prefix and id: no context passes for one of another version or of another key.
    fn associated(&self) -> [u8; PREFIX.len() + ID] {
        let mut associated = [0; PREFIX.len() + ID];
        associated[..PREFIX.len()].copy_from_slice(PREFIX.as_bytes());
        associated[PREFIX.len()..].copy_from_slice(&self.id);
        associated
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal([redacted])")
    }
}

/// Why a text cannot be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shut {
    /// Not the form of a context.
    Form,
    /// Of none of our keys.
    Key,
    /// Changed after it was sealed.
    Changed,
}

/// Opens `text` with whichever of `seals` it says it is of, and gives what is inside to `read`.
pub(super) fn open<T>(seals: &[Seal], text: &str, read: impl FnOnce(&[u8]) -> T) -> Result<T, Shut> {
    if text.len() > MAX_TEXT {
        return Err(Shut::Form);
    }
    let mut bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX).ok_or(Shut::Form)?).map_err(|_| Shut::Form)?;
    let (id, rest) = bytes.split_at_mut_checked(ID).ok_or(Shut::Form)?;
    let (nonce, sealed) = rest.split_at_mut_checked(NONCE_LEN).ok_or(Shut::Form)?;
    let seal = seals.iter().find(|seal| seal.id == *id).ok_or(Shut::Key)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Shut::Form)?;
    let plain = seal.aead.open_in_place(nonce, Aad::from(seal.associated()), sealed);
    let outcome = plain.map(|plain| read(plain)).map_err(|_| Shut::Changed);
    bytes.zeroize();
    outcome
}
