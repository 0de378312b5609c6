//! The keys of checkpoints: Ed25519, or ECDSA on P-256 with SHA-256.
//!
//! A key is known by the SHA-256 of its public half as a SubjectPublicKeyInfo in DER, in hex, so that it can be told with
//! `openssl pkey -pubin -outform DER | sha256sum`.

use std::fmt;

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair, UnparsedPublicKey,
    },
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use rustls::pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer, pem::PemObject};

use super::line::hex;
use crate::secret::Secret;

/// A SubjectPublicKeyInfo of an Ed25519 key is this and the 32 bytes of the key (RFC 8410, section 4).
const ED25519_SPKI: &[u8] = &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// One of a P-256 key is this and the uncompressed point (RFC 5480, section 2).
const P256_SPKI: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01,
    0x07, 0x03, 0x42, 0x00,
];
const ED25519_BYTES: usize = 32;
const P256_BYTES: usize = 65;
/// Characters of a line in a PEM block (RFC 7468, section 2).
const PEM_LINE: usize = 64;

/// What checkpoints are signed with. Never shown.
pub struct AuditKey {
    pair: Pair,
    public: PublicKey,
}

enum Pair {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// What they are verified with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    spki: Vec<u8>,
    id: String,
}

/// Why a text is no key. Nothing of the text is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyProblem {
    /// Encrypted, or of another encoding.
    #[error("is no PEM file with a -----BEGIN PRIVATE KEY----- block (PKCS#8, not encrypted)")]
    NotPkcs8,
    /// Of another encoding.
    #[error("is no PEM file with a -----BEGIN PUBLIC KEY----- block")]
    NotPublic,
    /// Of another type or curve.
    #[error("is a key of another type than Ed25519 and P-256")]
    OtherType,
    /// The library failed.
    #[error("no key can be made")]
    Library,
}

impl AuditKey {
    /// The first PKCS#8 key of a PEM text.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn from_pem(pem: &Secret) -> Result<Self, KeyProblem> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.expose().as_bytes()).map_err(|_| KeyProblem::NotPkcs8)?;
        Self::from_pkcs8(der.secret_pkcs8_der())
    }

    fn from_pkcs8(der: &[u8]) -> Result<Self, KeyProblem> {
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8(der) {
            return Ok(Self::of(Pair::Ed25519(pair)));
        }
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).map_err(|_| KeyProblem::OtherType)?;
        Ok(Self::of(Pair::Ecdsa(pair)))
    }

    /// An Ed25519 key drawn now, and its PEM.
    ///
    /// # Errors
    /// `Library` when the system has no randomness.
    pub fn generate() -> Result<(Self, Secret), KeyProblem> {
        let pair = Ed25519KeyPair::generate().map_err(|_| KeyProblem::Library)?;
        let der = pair.to_pkcs8v1().map_err(|_| KeyProblem::Library)?;
        Ok((Self::of(Pair::Ed25519(pair)), Secret::new(pem("PRIVATE KEY", der.as_ref()))))
    }

    /// The public half.
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The signature of `message`, in base64url without padding: 64 bytes, for P-256 the two numbers one after the other.
    ///
    /// # Errors
    /// A fault of the library.
    pub(super) fn sign(&self, message: &[u8]) -> Result<String, KeyProblem> {
        let signature = match &self.pair {
            Pair::Ecdsa(pair) => pair.sign(&SystemRandom::new(), message),
            Pair::Ed25519(pair) => pair.try_sign(message),
        };
        signature.map(|signature| URL_SAFE_NO_PAD.encode(signature)).map_err(|_| KeyProblem::Library)
    }

    fn of(pair: Pair) -> Self {
        let (prefix, raw) = match &pair {
            Pair::Ecdsa(pair) => (P256_SPKI, pair.public_key().as_ref()),
            Pair::Ed25519(pair) => (ED25519_SPKI, pair.public_key().as_ref()),
        };
        let public = PublicKey::of([prefix, raw].concat());
        Self { pair, public }
    }
}

impl fmt::Debug for AuditKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditKey").field("id", &self.public.id).finish_non_exhaustive()
    }
}

impl PublicKey {
    /// The first public key of a PEM text.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn from_pem(pem: &str) -> Result<Self, KeyProblem> {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes()).map_err(|_| KeyProblem::NotPublic)?;
        Self::from_der(&der).ok_or(KeyProblem::OtherType)
    }

    /// One in base64 of DER, as a chain's first record has it.
    pub(super) fn from_base64(text: &str) -> Option<Self> {
        Self::from_der(&STANDARD.decode(text).ok()?)
    }

    fn from_der(der: &[u8]) -> Option<Self> {
        let fits = |prefix: &[u8], bytes| der.strip_prefix(prefix).is_some_and(|raw| raw.len() == bytes);
        (fits(ED25519_SPKI, ED25519_BYTES) || fits(P256_SPKI, P256_BYTES)).then(|| Self::of(der.to_vec()))
    }

    fn of(spki: Vec<u8>) -> Self {
        let id = hex(digest(&SHA256, &spki).as_ref());
        Self { spki, id }
    }

    /// How it is called in checkpoints.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// A `PUBLIC KEY` block.
    pub fn to_pem(&self) -> String {
        pem("PUBLIC KEY", &self.spki)
    }

    /// The same in base64 of DER, without the block's lines.
    pub(super) fn to_base64(&self) -> String {
        STANDARD.encode(&self.spki)
    }

    /// Whether `signature`, as [`AuditKey::sign`] writes it, is this key's for `message`.
    pub(super) fn verifies(&self, message: &[u8], signature: &str) -> bool {
        let Ok(signature) = URL_SAFE_NO_PAD.decode(signature) else { return false };
        match self.spki.strip_prefix(ED25519_SPKI) {
            Some(raw) => UnparsedPublicKey::new(&ED25519, raw).verify(message, &signature).is_ok(),
            None => {
                let raw = self.spki.strip_prefix(P256_SPKI).unwrap_or_default();
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, raw).verify(message, &signature).is_ok()
            }
        }
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(PEM_LINE));
        text.push_str(line);
        text.push('\n');
        rest = more;
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn p256() -> AuditKey {
        let der = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap().to_pkcs8v1().unwrap();
        AuditKey::from_pem(&Secret::new(pem("PRIVATE KEY", der.as_ref()))).unwrap()
    }

    #[test]
    fn a_key_is_read_as_it_is_written_and_verifies_what_it_signed_alone() {
        let (ed25519, private) = AuditKey::generate().unwrap();
        assert_eq!(AuditKey::from_pem(&private).unwrap().public(), ed25519.public());
        let (one, other) = (ed25519.public().clone(), p256());
        for key in [&ed25519, &other] {
            let read = PublicKey::from_pem(&key.public().to_pem()).unwrap();
            assert_eq!((&read, PublicKey::from_base64(&read.to_base64()).as_ref()), (key.public(), Some(&read)));
            let signature = key.sign(b"message").unwrap();
            assert!(read.verifies(b"message", &signature) && !read.verifies(b"messagf", &signature));
            assert!(!read.verifies(b"message", "") && !read.verifies(b"message", &signature[1..]));
        }
        assert!(!one.verifies(b"message", &other.sign(b"message").unwrap()), "another key's signature was taken");
        assert!(!format!("{ed25519:?}").contains(private.expose().lines().nth(1).unwrap()));
    }

    #[test]
    fn what_is_no_key_is_told() {
        let p384 = EcdsaKeyPair::generate(&aws_lc_rs::signature::ECDSA_P384_SHA384_FIXED_SIGNING).unwrap().to_pkcs8v1().unwrap();
        let private = |text: String| AuditKey::from_pem(&Secret::new(text)).unwrap_err();
        assert_eq!(private(pem("PRIVATE KEY", p384.as_ref())), KeyProblem::OtherType);
        assert_eq!(private("x".to_owned()), KeyProblem::NotPkcs8);
        let (key, secret) = AuditKey::generate().unwrap();
        assert_eq!(private(key.public().to_pem()), KeyProblem::NotPkcs8);
        assert_eq!(PublicKey::from_pem(secret.expose()), Err(KeyProblem::NotPublic));
        assert_eq!(PublicKey::from_pem(&pem("PUBLIC KEY", b"0123")), Err(KeyProblem::OtherType));
    }
}
