//! The identity provider's keys: made at its start, gone with it.

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rand::SystemRandom,
    rsa,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use jsonwebtoken::{
    Algorithm, EncodingKey, Header,
    jwk::{Jwk, PublicKeyUse},
};
use serde_json::{Value, json};

/// Why there is no key or no signature.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The cryptographic library could not make a key.
    #[error("a signing key could not be made")]
    Generate,
    /// The token library does not take the key or the claims.
    #[error("the token could not be signed: {0}")]
    Sign(#[from] jsonwebtoken::errors::Error),
    /// There is no key for the algorithm.
    #[error("there is no key for this algorithm")]
    Unknown,
}

/// One key for each algorithm.
#[derive(Debug)]
pub(super) struct Keys([SigningKey; 3]);

#[derive(Debug)]
pub(super) struct SigningKey {
    algorithm: Algorithm,
    key: EncodingKey,
    public: Jwk,
}

impl Keys {
    pub(super) fn generate() -> Result<Self, KeyError> {
        let rng = SystemRandom::new();
        let ec = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &rng).map_err(|_| KeyError::Generate)?;
        let ed = Ed25519KeyPair::generate_pkcs8v1(&rng).map_err(|_| KeyError::Generate)?;
        let rsa = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).map_err(|_| KeyError::Generate)?;
        let rsa: Pkcs8V1Der<'_> = rsa.as_der().map_err(|_| KeyError::Generate)?;
        Ok(Self([
            SigningKey::new("sandbox-es256", Algorithm::ES256, EncodingKey::from_ec_der(ec.as_ref()))?,
            SigningKey::new("sandbox-rs256", Algorithm::RS256, EncodingKey::from_rsa_pem(pem(rsa.as_ref()).as_bytes())?)?,
            SigningKey::new("sandbox-eddsa", Algorithm::EdDSA, EncodingKey::from_ed_der(ed.as_ref()))?,
        ]))
    }

    pub(super) fn find(&self, algorithm: Algorithm) -> Option<&SigningKey> {
        self.0.iter().find(|key| key.algorithm == algorithm)
    }

    /// RFC 7517, public halves only.
    pub(super) fn jwks(&self) -> Value {
        json!({"keys": self.0.iter().map(|key| &key.public).collect::<Vec<_>>()})
    }
}

impl SigningKey {
    fn new(id: &str, algorithm: Algorithm, key: EncodingKey) -> Result<Self, KeyError> {
        let mut public = Jwk::from_encoding_key(&key, algorithm)?;
        public.common.key_id = Some(id.to_owned());
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        Ok(Self { algorithm, key, public })
    }

    pub(super) fn id(&self) -> &str {
        self.public.common.key_id.as_deref().unwrap_or_default()
    }

    pub(super) fn sign(&self, header: &Header, claims: &Value) -> Result<String, KeyError> {
        Ok(jsonwebtoken::encode(header, claims, &self.key)?)
    }
}

/// A value for `jti`, so that no two tokens are the same.
pub(super) fn random_id() -> Result<String, KeyError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| KeyError::Generate)?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

/// PKCS#8 as PEM (RFC 7468): the token library takes an RSA key's bare bytes as PKCS#1 only.
fn pem(pkcs8: &[u8]) -> String {
    let text = STANDARD.encode(pkcs8);
    let mut out = String::from("-----BEGIN PRIVATE KEY-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(rest.len().min(64));
        out.push_str(line);
        out.push('\n');
        rest = tail;
    }
    out.push_str("-----END PRIVATE KEY-----\n");
    out
}
