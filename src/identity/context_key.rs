//! The keys that sign what Palisade says to an application that verifies.
//!
//! A key is parsed once and is never shown: what can be seen of it is its public half, as a JWK (RFC 7517) whose id is its
//! thumbprint (RFC 7638), so that the same key has the same id in every replica and after every restart.

use std::fmt;

use aws_lc_rs::{
    digest::{SHA256, digest},
    error::Unspecified,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, Signature},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use serde_json::{Value, json};

use crate::secret::Secret;

/// What a signed context says of itself in its header (`typ`). A type of its own, so that no verifier that looks at types takes
/// one for an access token of anybody (RFC 8725, section 3.11).
pub(crate) const CONTEXT_TYPE: &str = "palisade-context+jwt";

/// A SEC1 point begins with this when both coordinates follow.
const UNCOMPRESSED: u8 = 4;
/// Bytes of one coordinate on P-256.
const COORDINATE: usize = 32;

/// Whether `typ` is that of a signed context, as RFC 7515, section 4.1.9, compares media types.
pub(super) fn is_context_type(typ: &str) -> bool {
    let media = typ.rsplit_once('/').map_or(typ, |(_, subtype)| subtype);
    media.eq_ignore_ascii_case(CONTEXT_TYPE)
}

/// What a context is signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContextAlgorithm {
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl ContextAlgorithm {
    /// The name in a JWS header.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }
}

/// A private key and what may be known of it.
pub struct ContextKey {
    pair: Pair,
    algorithm: ContextAlgorithm,
    id: String,
    public: Value,
}

enum Pair {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// Why a text is no key. Nothing of the text is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyProblem {
    /// Encrypted, or of another encoding.
    #[error("is no PEM file with a -----BEGIN PRIVATE KEY----- block (PKCS#8, not encrypted)")]
    NotPkcs8,
    /// Of another type or curve.
    #[error("is no key for {}", .0.as_str())]
    OtherType(ContextAlgorithm),
    /// The library failed.
    #[error("no key can be made")]
    Library,
}

impl ContextKey {
    /// The first PKCS#8 key of a PEM text, which has to fit `algorithm`.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn from_pem(pem: &Secret, algorithm: ContextAlgorithm) -> Result<Self, KeyProblem> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.expose().as_bytes()).map_err(|_| KeyProblem::NotPkcs8)?;
        let other = |_| KeyProblem::OtherType(algorithm);
        let pair = match algorithm {
            ContextAlgorithm::Es256 => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.secret_pkcs8_der());
                Pair::Ecdsa(pair.map_err(other)?)
            }
            ContextAlgorithm::EdDsa => Pair::Ed25519(Ed25519KeyPair::from_pkcs8(der.secret_pkcs8_der()).map_err(other)?),
        };
        Self::of(pair, algorithm)
    }

    /// A key drawn now.
    ///
    /// # Errors
    /// `Library` when the system has no randomness.
    pub fn generate(algorithm: ContextAlgorithm) -> Result<Self, KeyProblem> {
        let failed = |_| KeyProblem::Library;
        let pair = match algorithm {
            ContextAlgorithm::Es256 => Pair::Ecdsa(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(failed)?),
            ContextAlgorithm::EdDsa => Pair::Ed25519(Ed25519KeyPair::generate().map_err(failed)?),
        };
        Self::of(pair, algorithm)
    }

    /// The id under which the public half is published.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What it signs with.
    pub const fn algorithm(&self) -> ContextAlgorithm {
        self.algorithm
    }

    /// The public half, as a JWK.
    pub const fn public(&self) -> &Value {
        &self.public
    }

    /// Signs, in the form that JWS has for the algorithm (RFC 7518, section 3.4; RFC 8037, section 3.1).
    ///
    /// # Errors
    /// A fault of the library.
    pub fn sign(&self, message: &[u8]) -> Result<Signature, Unspecified> {
        match &self.pair {
            Pair::Ecdsa(pair) => pair.sign(&SystemRandom::new(), message),
            Pair::Ed25519(pair) => pair.try_sign(message),
        }
    }

    fn of(pair: Pair, algorithm: ContextAlgorithm) -> Result<Self, KeyProblem> {
        // The members that RFC 7638 hashes, in its order; their values need no escapes.
        let (hashed, mut public) = match &pair {
            Pair::Ecdsa(pair) => {
                let point = pair.public_key().as_ref();
                let (Some(&UNCOMPRESSED), Some(x), Some(y)) =
                    (point.first(), point.get(1..=COORDINATE), point.get(COORDINATE + 1..=2 * COORDINATE))
                else {
                    return Err(KeyProblem::Library);
                };
                let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
                (format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#), json!({"kty": "EC", "crv": "P-256", "x": x, "y": y}))
            }
            Pair::Ed25519(pair) => {
                let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
                (format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#), json!({"kty": "OKP", "crv": "Ed25519", "x": x}))
            }
        };
        let id = URL_SAFE_NO_PAD.encode(digest(&SHA256, hashed.as_bytes()));
        public["kid"] = json!(id);
        public["alg"] = json!(algorithm.as_str());
        public["use"] = json!("sig");
        Ok(Self { pair, algorithm, id, public })
    }
}

impl fmt::Debug for ContextKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContextKey").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    /// A key in a PEM text, as `openssl genpkey` writes it.
    fn pem(der: &[u8]) -> Secret {
        Secret::new(format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der)))
    }

    fn es256() -> Secret {
        pem(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap().to_pkcs8v1().unwrap().as_ref())
    }

    fn ed25519() -> Secret {
        pem(Ed25519KeyPair::generate().unwrap().to_pkcs8v1().unwrap().as_ref())
    }

    #[test]
    fn a_key_of_a_file_is_the_same_each_time_and_fits_its_algorithm_alone() {
        for (text, algorithm, other) in
            [(es256(), ContextAlgorithm::Es256, ContextAlgorithm::EdDsa), (ed25519(), ContextAlgorithm::EdDsa, ContextAlgorithm::Es256)]
        {
            let (one, two) = (ContextKey::from_pem(&text, algorithm).unwrap(), ContextKey::from_pem(&text, algorithm).unwrap());
            assert_eq!((one.id(), one.public()), (two.id(), two.public()));
            assert_eq!(ContextKey::from_pem(&text, other).unwrap_err(), KeyProblem::OtherType(other));
        }
        let p384 = &aws_lc_rs::signature::ECDSA_P384_SHA384_FIXED_SIGNING;
        let larger = pem(EcdsaKeyPair::generate(p384).unwrap().to_pkcs8v1().unwrap().as_ref());
        assert!(ContextKey::from_pem(&larger, ContextAlgorithm::Es256).is_err(), "a key of another curve was taken");
        for text in ["", "x", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"] {
            let outcome = ContextKey::from_pem(&Secret::new(text.to_owned()), ContextAlgorithm::Es256);
            assert_eq!(outcome.unwrap_err(), KeyProblem::NotPkcs8, "{text}");
        }
    }

    #[test]
    fn ids_are_thumbprints() {
        // RFC 8037, appendix A.3, has this key and its thumbprint.
        let mut der = vec![0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
        der.extend(URL_SAFE_NO_PAD.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap());
        let key = ContextKey::from_pem(&pem(&der), ContextAlgorithm::EdDsa).unwrap();
        assert_eq!(key.public()["x"], "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        assert_eq!(key.id(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        for algorithm in [ContextAlgorithm::Es256, ContextAlgorithm::EdDsa] {
            let key = ContextKey::generate(algorithm).unwrap();
            let jwk: jsonwebtoken::jwk::Jwk = serde_json::from_value(key.public().clone()).unwrap();
            if algorithm == ContextAlgorithm::Es256 {
                assert_eq!(jwk.thumbprint(jsonwebtoken::jwk::ThumbprintHash::SHA256).unwrap(), key.id());
            }
            assert_eq!(jwk.common.key_id.as_deref(), Some(key.id()));
        }
    }

    #[test]
    fn what_a_key_signs_verifies_with_what_it_publishes() {
        let algorithms =
            [(ContextAlgorithm::Es256, jsonwebtoken::Algorithm::ES256), (ContextAlgorithm::EdDsa, jsonwebtoken::Algorithm::EdDSA)];
        for (algorithm, its) in algorithms {
            let key = ContextKey::generate(algorithm).unwrap();
            let jwk: jsonwebtoken::jwk::Jwk = serde_json::from_value(key.public().clone()).unwrap();
            let public = jsonwebtoken::DecodingKey::from_jwk(&jwk).unwrap();
            let signature = URL_SAFE_NO_PAD.encode(key.sign(b"a message").unwrap());
            assert_eq!(key.public()["alg"], format!("{its:?}").as_str());
            let verifies = |message: &[u8]| jsonwebtoken::crypto::verify(&signature, message, &public, its).unwrap();
            assert!(verifies(b"a message") && !verifies(b"another"), "{algorithm:?}");
        }
    }

    #[test]
    fn nothing_private_is_shown_or_published() {
        for (text, algorithm) in [(es256(), ContextAlgorithm::Es256), (ed25519(), ContextAlgorithm::EdDsa)] {
            let key = ContextKey::from_pem(&text, algorithm).unwrap();
            let members: Vec<_> = key.public().as_object().unwrap().keys().map(String::as_str).collect();
            assert!(members.iter().all(|name| ["alg", "crv", "kid", "kty", "use", "x", "y"].contains(name)), "{members:?}");
            assert_eq!(format!("{key:?}"), format!("ContextKey {{ id: {:?}, .. }}", key.id()));
        }
    }

    #[test]
    fn types_compare_as_media_types_do() {
        for same in ["palisade-context+jwt", "Palisade-Context+JWT", "application/palisade-context+jwt", "APPLICATION/palisade-context+jwt"]
        {
            assert!(is_context_type(same), "{same}");
        }
        for other in ["", "JWT", "at+jwt", "palisade-context", "palisade-context+jwt2", "application/at+jwt"] {
            assert!(!is_context_type(other), "{other}");
        }
    }
}
