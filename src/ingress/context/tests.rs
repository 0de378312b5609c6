use jsonwebtoken::{Algorithm, DecodingKey, Validation, jwk::JwkSet};
use serde_json::{Map, Value};

use super::*;
use crate::{
    directory::TenantRecord,
    identity::{ContextAlgorithm, VerifiedTenant},
};

const NOW: u64 = 1_800_000_000;

fn config(algorithm: ContextAlgorithm, keys: usize) -> ContextConfig {
    ContextConfig {
        audience: "app".into(),
        issuer: "https://palisade.test".into(),
        lifetime: Duration::from_secs(60),
        algorithm,
        keys: (0..keys).map(|_| Arc::new(ContextKey::generate(algorithm).unwrap())).collect(),
    }
}

fn signer(algorithm: ContextAlgorithm) -> ContextSigner {
    ContextSigner::new(&config(algorithm, 2)).unwrap()
}

fn tenant(id: &str, subject: &str) -> ActiveTenant {
    let verified = VerifiedTenant::for_tests_with(id, subject, Map::new());
    ActiveTenant::join(verified, Arc::new(TenantRecord::bare(id.parse().unwrap()))).unwrap()
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// What an application does with it, by an implementation that is not ours; dates are looked at by the test.
fn verified(signer: &ContextSigner, text: &str, algorithm: Algorithm) -> Option<Value> {
    let keys: JwkSet = serde_json::from_slice(&signer.key_set()).unwrap();
    let header = jsonwebtoken::decode_header(text).ok()?;
    assert_eq!(header.typ.as_deref(), Some("palisade-context+jwt"));
    let key = DecodingKey::from_jwk(keys.find(header.kid.as_deref()?)?).unwrap();
    let mut rules = Validation::new(algorithm);
    rules.validate_exp = false;
    rules.set_audience(&["app"]);
    rules.set_issuer(&["https://palisade.test"]);
    jsonwebtoken::decode::<Value>(text, &key, &rules).ok().map(|data| data.claims)
}

#[test]
fn an_application_can_verify_who_is_asking() {
    for (algorithm, jose) in [(ContextAlgorithm::Es256, Algorithm::ES256), (ContextAlgorithm::EdDsa, Algorithm::EdDSA)] {
        let (signer, request) = (signer(algorithm), RequestId::random());
        let value = signer.sign(&tenant("acme", "us er\u{e9}\"}"), &request, at(NOW)).unwrap();
        assert!(value.is_sensitive());
        let claims = verified(&signer, value.to_str().unwrap(), jose).unwrap();
        let expected = json!({
            "iss": "https://palisade.test", "aud": "app", "sub": "us er\u{e9}\"}", "idp": "https://idp.test/", "tenant": "acme",
            "roles": ["reader"], "jti": request.as_str(), "iat": NOW, "exp": NOW + 60,
        });
        assert_eq!(claims, expected);
    }
}

#[test]
fn no_byte_of_it_can_be_changed() {
    let signer = signer(ContextAlgorithm::EdDsa);
    let value = signer.sign(&tenant("acme", "u"), &RequestId::random(), at(NOW)).unwrap();
    let text = value.to_str().unwrap();
    assert!(verified(&signer, text, Algorithm::EdDSA).is_some());
    let payload = text.find('.').unwrap() + 1;
    for at in payload..text.len() {
        let mut changed = text.as_bytes().to_vec();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        assert_eq!(verified(&signer, std::str::from_utf8(&changed).unwrap(), Algorithm::EdDSA), None, "byte {at}");
    }
    let other = self::signer(ContextAlgorithm::EdDsa);
    assert_eq!(verified(&other, text, Algorithm::EdDSA), None, "the key of another process");
}

#[test]
fn it_ends_with_the_token_at_the_latest() {
    let signer = signer(ContextAlgorithm::EdDsa);
    let tenant = tenant("acme", "u");
    let end = seconds(tenant.verified().expires());
    for (now, expires) in [(end - 1_000, end - 940), (end - 60, end), (end - 1, end)] {
        let value = signer.sign(&tenant, &RequestId::random(), at(now)).unwrap();
        assert_eq!(verified(&signer, value.to_str().unwrap(), Algorithm::EdDSA).unwrap()["exp"], expires);
    }
    let fraction = at(NOW) + Duration::from_millis(999);
    let value = signer.sign(&tenant, &RequestId::random(), fraction).unwrap();
    assert_eq!(verified(&signer, value.to_str().unwrap(), Algorithm::EdDSA).unwrap()["exp"], NOW + 60);
}

#[test]
fn the_first_key_signs_and_all_are_published() {
    let config = config(ContextAlgorithm::Es256, 3);
    let signer = ContextSigner::new(&config).unwrap();
    let value = signer.sign(&tenant("acme", "u"), &RequestId::random(), at(NOW)).unwrap();
    assert_eq!(jsonwebtoken::decode_header(value.to_str().unwrap()).unwrap().kid.as_deref(), Some(config.keys[0].id()));
    let document: Value = serde_json::from_slice(&signer.key_set()).unwrap();
    let published: Vec<_> = document["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect();
    assert_eq!(published, config.keys.iter().map(|key| key.id().to_owned()).collect::<Vec<_>>());
    let drawn: Vec<_> = (0..2).map(|_| ContextSigner::new(&self::config(ContextAlgorithm::Es256, 0)).unwrap().key_set()).collect();
    assert_ne!(drawn[0], drawn[1], "without keys, each process draws its own");
}

#[test]
fn what_does_not_fit_into_a_header_is_refused_and_not_cut() {
    let signer = signer(ContextAlgorithm::EdDsa);
    let length = |subject: &str| signer.sign(&tenant("acme", subject), &RequestId::random(), at(NOW)).map(|value| value.len());
    let usual = length("user-1").unwrap();
    assert!(usual < 700, "{usual} bytes");
    // Four bytes for each three: about 4,200 more make it too long.
    assert!(length(&"u".repeat(4_000)).unwrap() <= MAX_BYTES);
    assert_eq!(length(&"u".repeat(4_300)).unwrap_err().reason, Reason::ContextTooLarge);
}
