//! One issuer's public keys, as usable for verification: each with the algorithms that it may be used for.
//!
//! Keys are made ready for their algorithms when a set is read: `jsonwebtoken` would read a key anew for every token, and for RSA work its constants out anew, too.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters,
    RsaPublicKeyComponents, VerificationAlgorithm,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    Algorithm,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse},
};
use serde_json::Value;

use super::{strict_json, token::algorithm};

/// Most keys taken from one set; a provider in rotation publishes a handful.
const MAX_KEYS: usize = 64;
/// Shortest RSA modulus, in bytes (2048 bits; RFC 7518, section 3.3).
const MIN_RSA_BYTES: usize = 256;
/// Longest one (4096 bits). The cryptography goes further, and a check of 8192 bits costs four times as much; nobody publishes such keys for
/// tokens.
const MAX_RSA_BYTES: usize = 512;
/// Most keys tried for one token: those of one key id and algorithm, or, for a token without an id, the first of the set. A token must not be
/// able to ask for the work of the whole set, and whoever has an issuer of their own chooses both.
const MAX_TRIED: usize = 4;
/// Members of private and symmetric keys (RFC 7518, sections 6.2.2, 6.3.2 and 6.4).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// The usable keys of a JWK Set (RFC 7517).
#[derive(Debug)]
pub(super) struct KeySet {
    keys: Vec<Key>,
}

#[derive(Debug)]
struct Key {
    id: Option<String>,
    uses: Vec<Use>,
}

/// A key, ready for one algorithm.
#[derive(Debug)]
struct Use {
    algorithm: Algorithm,
    key: ParsedPublicKey,
}

/// What RSA keys are for.
const RSA: [(Algorithm, &RsaParameters); 6] = [
    (Algorithm::RS256, &RSA_PKCS1_2048_8192_SHA256),
    (Algorithm::RS384, &RSA_PKCS1_2048_8192_SHA384),
    (Algorithm::RS512, &RSA_PKCS1_2048_8192_SHA512),
    (Algorithm::PS256, &RSA_PSS_2048_8192_SHA256),
    (Algorithm::PS384, &RSA_PSS_2048_8192_SHA384),
    (Algorithm::PS512, &RSA_PSS_2048_8192_SHA512),
];

impl KeySet {
    /// Parses a JWK Set. Keys that cannot verify signatures for us are passed over (RFC 7517, section 5): encryption keys,
    /// symmetric keys, unknown types, RSA moduli that are too short or too long, points off their curve, and keys whose private half is published with
    /// them, with which anybody could sign. A set without a usable key is an error, so that a broken answer never replaces
    /// good keys; and so is a document that parsers could read in two ways.
    ///
    /// Two keys may have the same id, as providers do it for two types of key (RFC 7517, section 4.5): both are tried.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, KeySetError> {
        let document = strict_json::object(bytes).ok_or(KeySetError::NotJson)?;
        let entries = document.get("keys").and_then(Value::as_array).ok_or(KeySetError::NoKeysMember)?;
        if entries.len() > MAX_KEYS {
            return Err(KeySetError::TooMany);
        }
        let keys: Vec<Key> = entries.iter().filter_map(Key::usable).collect();
        if keys.is_empty() { Err(KeySetError::NoUsableKey) } else { Ok(Self { keys }) }
    }

    /// Whether any key is for one of `accepted`; with none, no token of the issuer's will ever be let in.
    ///
    /// # Errors
    /// What the keys are for instead, as a message.
    pub(super) fn serves(&self, accepted: &[Algorithm]) -> Result<(), String> {
        let known = self.algorithms();
        if known.iter().any(|algorithm| accepted.contains(algorithm)) {
            return Ok(());
        }
        let [accepted, known] = [accepted, &known].map(|all| all.iter().map(|one| format!("{one:?}")).collect::<Vec<_>>().join(", "));
        Err(format!("no key is for algorithms ({accepted}), but for {known}; correct algorithms, or the keys"))
    }

    /// How many keys there are.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The algorithms that one or the other of them is for, in the order of the keys, each once.
    pub(super) fn algorithms(&self) -> Vec<Algorithm> {
        let all = self.keys.iter().flat_map(|key| &key.uses);
        all.fold(Vec::new(), |mut known, Use { algorithm, .. }| {
            if !known.contains(algorithm) {
                known.push(*algorithm);
            }
            known
        })
    }

    /// The keys that a token with this header may have been signed by: of that id (or, without one, any), and meant for that
    /// algorithm. A key without an id is for tokens without one.
    pub(super) fn candidates<'a>(&'a self, key_id: Option<&'a str>, algorithm: Algorithm) -> impl Iterator<Item = &'a ParsedPublicKey> {
        let ready = move |key: &'a Key| key.uses.iter().find(|its| its.algorithm == algorithm).map(|its| &its.key);
        self.named(key_id).filter_map(ready).take(MAX_TRIED)
    }

    /// Whether a key of that id is in the set at all.
    pub(super) fn knows(&self, key_id: Option<&str>) -> bool {
        self.named(key_id).next().is_some()
    }

    fn named<'a>(&'a self, key_id: Option<&'a str>) -> impl Iterator<Item = &'a Key> {
        self.keys.iter().filter(move |key| key_id.is_none() || key.id.as_deref() == key_id)
    }
}

impl Key {
    fn usable(entry: &Value) -> Option<Self> {
        if PRIVATE.iter().any(|member| entry.get(member).is_some()) {
            return None;
        }
        let jwk: Jwk = serde_json::from_value(entry.clone()).ok()?;
        if jwk.common.public_key_use.as_ref().is_some_and(|u| *u != PublicKeyUse::Signature) {
            return None;
        }
        if jwk.common.key_operations.as_ref().is_some_and(|ops| !ops.contains(&KeyOperations::Verify)) {
            return None;
        }
        let mut uses = uses(&jwk.algorithm)?;
        if let Some(declared) = entry.get("alg") {
            // The key says itself what it is for; a declaration that does not fit its type makes it useless.
            let declared = algorithm(declared.as_str()?)?;
            uses.retain(|its| its.algorithm == declared);
        }
        if uses.is_empty() { None } else { Some(Self { id: jwk.common.key_id, uses }) }
    }
}

/// What a key's type allows (RFC 8725, section 3.1: the key, never the token, decides).
fn uses(parameters: &AlgorithmParameters) -> Option<Vec<Use>> {
    let one = |algorithm, how: &'static dyn VerificationAlgorithm, bytes: &[u8]| {
        Some(vec![Use { algorithm, key: ParsedPublicKey::new(how, bytes).ok()? }])
    };
    match parameters {
        AlgorithmParameters::EllipticCurve(p) => {
            let point = [&[4], &*decoded(&p.x)?, &*decoded(&p.y)?].concat();
            match p.curve {
                EllipticCurve::P256 => one(Algorithm::ES256, &ECDSA_P256_SHA256_FIXED, &point),
                EllipticCurve::P384 => one(Algorithm::ES384, &ECDSA_P384_SHA384_FIXED, &point),
                _ => None,
            }
        }
        AlgorithmParameters::OctetKeyPair(p) if p.curve == EllipticCurve::Ed25519 => one(Algorithm::EdDSA, &ED25519, &decoded(&p.x)?),
        AlgorithmParameters::RSA(p) => {
            let parts = RsaPublicKeyComponents { n: decoded(&p.n)?, e: decoded(&p.e)? };
            let ready = |(algorithm, how)| Some(Use { algorithm, key: RsaPublicKeyComponents::to_parsed_public_key(&parts, how).ok()? });
            if is_sound_rsa(&parts.n, &parts.e) { RSA.into_iter().map(ready).collect() } else { None }
        }
        _ => None,
    }
}

/// RFC 8725, section 3.4: with the exponent 1 every message would be its own signature, and no even one exists. The largest is
/// what the cryptography takes, 33 bits.
fn is_sound_rsa(modulus: &[u8], exponent: &[u8]) -> bool {
    let digits = |number: &[u8]| number.iter().skip_while(|byte| **byte == 0).count();
    let is_odd = exponent.last().is_some_and(|byte| byte & 1 == 1);
    let exponent =
        exponent.iter().skip_while(|byte| **byte == 0).try_fold(0_u64, |sum, byte| Some(sum.checked_mul(256)? + u64::from(*byte)));
    (MIN_RSA_BYTES..=MAX_RSA_BYTES).contains(&digits(modulus)) && is_odd && exponent.is_some_and(|e| (3..1 << 33).contains(&e))
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Why an answer is no key set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum KeySetError {
    /// Not JSON at all, or JSON with a member twice.
    #[error("the document is not JSON, or has a member twice")]
    NotJson,
    /// JSON of another kind.
    #[error("the document has no array 'keys'")]
    NoKeysMember,
    /// More than [`MAX_KEYS`].
    #[error("the document has more than 64 keys")]
    TooMany,
    /// Nothing that could verify a token.
    #[error("the document has no usable public key (RSA of 2048 to 4096 bits, P-256, P-384 or Ed25519, for signatures)")]
    NoUsableKey,
}

#[cfg(test)]
mod tests {
    use super::*;

    const EC: &str = r#"{"kty":"EC","crv":"P-256","kid":"e","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
    const ED: &str = r#"{"kty":"OKP","crv":"Ed25519","kid":"d","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

    fn set(keys: &[&str]) -> Result<KeySet, KeySetError> {
        KeySet::parse(format!("{{\"keys\":[{}]}}", keys.join(",")).as_bytes())
    }

    fn rsa(bytes: usize, extra: &str) -> String {
        format!("{{\"kty\":\"RSA\",\"kid\":\"r\",\"e\":\"AQAB\",\"n\":\"{}\"{extra}}}", URL_SAFE_NO_PAD.encode(vec![0xc3; bytes]))
    }

    #[test]
    fn the_keys_type_decides_the_algorithm() {
        let keys = set(&[EC, ED, &rsa(256, "")]).unwrap();
        let fits = |id, alg| keys.candidates(Some(id), alg).count();
        assert_eq!((fits("e", Algorithm::ES256), fits("e", Algorithm::ES384), fits("e", Algorithm::RS256)), (1, 0, 0));
        assert_eq!((fits("d", Algorithm::EdDSA), fits("d", Algorithm::ES256)), (1, 0));
        assert_eq!((fits("r", Algorithm::RS256), fits("r", Algorithm::PS512), fits("r", Algorithm::HS256)), (1, 1, 0));
        assert_eq!(keys.candidates(None, Algorithm::ES256).count(), 1);
        assert!(keys.knows(Some("e")) && !keys.knows(Some("x")));
        assert_eq!(keys.len(), 3);
    }

    #[test]
    fn keys_of_other_algorithms_than_accepted_are_told() {
        let keys = set(&[EC, ED, EC]).unwrap();
        assert_eq!(keys.algorithms(), [Algorithm::ES256, Algorithm::EdDSA]);
        assert_eq!(keys.serves(&[Algorithm::RS256, Algorithm::ES256]), Ok(()));
        let told = keys.serves(&[Algorithm::RS256, Algorithm::ES384]).unwrap_err();
        assert_eq!(told, "no key is for algorithms (RS256, ES384), but for ES256, EdDSA; correct algorithms, or the keys");
    }

    #[test]
    fn both_curves_are_taken() {
        use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
        let pair = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
        let [x, y] = [&pair.public_key().as_ref()[1..49], &pair.public_key().as_ref()[49..]].map(|half| URL_SAFE_NO_PAD.encode(half));
        let keys = set(&[&format!(r#"{{"kty":"EC","crv":"P-384","kid":"e","x":"{x}","y":"{y}"}}"#)]).unwrap();
        let fits = |alg| keys.candidates(Some("e"), alg).count();
        assert_eq!((fits(Algorithm::ES384), fits(Algorithm::ES256)), (1, 0));
    }

    #[test]
    fn a_declared_algorithm_narrows_the_key() {
        let keys = set(&[&rsa(256, r#","alg":"PS256""#)]).unwrap();
        assert_eq!(keys.candidates(Some("r"), Algorithm::PS256).count(), 1);
        assert_eq!(keys.candidates(Some("r"), Algorithm::RS256).count(), 0);
        assert_eq!(set(&[&rsa(256, r#","alg":"HS256""#)]).err(), Some(KeySetError::NoUsableKey));
        assert_eq!(set(&[&rsa(256, r#","alg":"ES256""#)]).err(), Some(KeySetError::NoUsableKey));
    }

    #[test]
    fn what_cannot_verify_is_passed_over() {
        for key in [
            r#"{"kty":"oct","kid":"s","k":"c2VjcmV0"}"#,
            r#"{"kty":"EC","crv":"P-521","kid":"x","x":"AA","y":"AA"}"#,
            r#"{"kty":"NEW","kid":"x"}"#,
            r#"{"kid":"x"}"#,
            "7",
            &rsa(255, ""),
            &rsa(256, r#","use":"enc""#),
            &rsa(256, r#","key_ops":["encrypt"]"#),
            &rsa(513, ""),
            // The private half is there as well.
            &rsa(256, r#","d":"AA""#),
            &ED.replace('}', r#","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}"#),
            // Exponents 1, 2, 65536 and 2^64.
            &rsa(256, "").replace("AQAB", "AQ"),
            &rsa(256, "").replace("AQAB", "Ag"),
            &rsa(256, "").replace("AQAB", "AQAA"),
            &rsa(256, "").replace("AQAB", "AQAAAAAAAAAA"),
            &rsa(256, "").replace("AQAB", ""),
            // Off the curve, of half the length, of another curve.
            &EC.replace("x_FEzRu9", "x_FEzRu8"),
            &EC.replace("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "f83OJ3D2xF1Bg8vub9tLew"),
            &EC.replace("P-256", "P-384"),
            &ED.replace("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "11qYAYKxCrfVS_7TyWQHOg"),
            &ED.replace("Ed25519", "X25519"),
            &ED.replace("Ed25519", "P-256"),
            // Padded, and with bits that nobody reads.
            &rsa(256, "").replace("AQAB", "AQAB=="),
            &ED.replace("PcHURo", "PcHURp"),
        ] {
            assert_eq!(set(&[key]).err(), Some(KeySetError::NoUsableKey), "{key}");
            assert!(set(&[key, EC]).is_ok(), "{key} took a good key with it");
        }
    }

    #[test]
    fn keys_of_one_id_and_of_none() {
        let anonymous = ED.replace(r#""kid":"d","#, "");
        let keys = set(&[EC, &ED.replace(r#""kid":"d""#, r#""kid":"e""#), &anonymous]).unwrap();
        let fits = |id, alg| keys.candidates(id, alg).count();
        assert_eq!((fits(Some("e"), Algorithm::ES256), fits(Some("e"), Algorithm::EdDSA)), (1, 1), "one id, two types");
        assert_eq!(fits(None, Algorithm::EdDSA), 2, "a token without an id is tried with every key");
        assert!(!keys.knows(Some("")) && !keys.knows(Some("E")) && keys.knows(None));
        assert_eq!(set(&[&anonymous]).unwrap().candidates(Some("d"), Algorithm::EdDSA).count(), 0, "an id needs a key of that id");
        assert_eq!(set(&[ED; 20]).unwrap().candidates(None, Algorithm::EdDSA).count(), MAX_TRIED);
    }

    #[test]
    fn an_answer_that_is_no_set_is_an_error() {
        assert_eq!(KeySet::parse(b"<html>").err(), Some(KeySetError::NotJson));
        assert_eq!(KeySet::parse(b"{}").err(), Some(KeySetError::NoKeysMember));
        assert_eq!(KeySet::parse(b"{\"keys\":{}}").err(), Some(KeySetError::NoKeysMember));
        assert_eq!(set(&[]).err(), Some(KeySetError::NoUsableKey));
        let twice = format!(r#"{{"keys":[{EC}],"keys":[{ED}]}}"#);
        assert_eq!(KeySet::parse(twice.as_bytes()).err(), Some(KeySetError::NotJson));
        assert_eq!(set(&[EC, &ED.replace(r#""kid":"d""#, r#""kid":"d","kid":"e""#)]).err(), Some(KeySetError::NotJson));
        assert_eq!(KeySet::parse(&format!(r#"{{"keys":[{EC}]}}"#).as_bytes()[..60]).err(), Some(KeySetError::NotJson), "cut short");
        assert!(set(&[EC; 64]).is_ok());
        assert_eq!(set(&[EC; 65]).err(), Some(KeySetError::TooMany));
    }
}
