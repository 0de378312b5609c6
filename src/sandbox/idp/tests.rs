use std::time::{Duration, UNIX_EPOCH};

use http_body_util::BodyExt;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, jwk::JwkSet};

use super::*;

const NOW: u64 = 1_790_000_000;

fn provider() -> IdentityProvider {
    IdentityProvider::new("http://127.0.0.1:18446", Clock::manual(UNIX_EPOCH + Duration::from_secs(NOW))).unwrap()
}

async fn get(provider: &IdentityProvider, target: &str) -> (StatusCode, String) {
    let response = provider.answer(&Method::GET, &target.parse().unwrap());
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

/// Verifies with the published keys alone; time is ours to check, since the library reads the machine's clock.
fn verify(keys: &JwkSet, token: &str) -> Result<Value, jsonwebtoken::errors::Error> {
    let header = decode_header(token)?;
    let key = keys.find(header.kid.as_deref().unwrap()).unwrap();
    let mut rules = Validation::new(header.alg);
    rules.validate_exp = false;
    rules.set_audience(&[DEFAULT_AUDIENCE]);
    Ok(decode::<Value>(token, &DecodingKey::from_jwk(key)?, &rules)?.claims)
}

#[tokio::test]
async fn tokens_verify_with_the_published_keys_in_every_algorithm() {
    let provider = provider();
    let (status, text) = get(&provider, JWKS_PATH).await;
    assert_eq!(status, StatusCode::OK);
    let keys: JwkSet = serde_json::from_str(&text).unwrap();
    for (name, algorithm) in request::ALGORITHMS {
        let (status, token) = get(&provider, &format!("/token?tenant=acme&subject=ann&roles=reader,admin&alg={name}")).await;
        assert_eq!(status, StatusCode::OK);
        assert!(token.ends_with('\n'));
        assert_eq!(decode_header(token.trim_end()).unwrap().alg, algorithm);
        let claims = verify(&keys, token.trim_end()).unwrap();
        assert_eq!(claims["tenant_id"], "acme");
        assert_eq!((&claims["sub"], &claims["iss"]), (&json!("ann"), &json!("http://127.0.0.1:18446")));
        assert_eq!(claims["roles"], json!(["reader", "admin"]));
        assert_eq!((&claims["iat"], &claims["nbf"], &claims["exp"]), (&json!(NOW), &json!(NOW), &json!(NOW + 3_600)));

        let (head, signature) = token.trim_end().rsplit_once('.').unwrap();
        let (_, other) = get(&provider, &format!("/token?tenant=globex&alg={name}")).await;
        let (other_head, _) = other.trim_end().rsplit_once('.').unwrap();
        assert!(verify(&keys, &format!("{other_head}.{signature}")).is_err(), "{name}: a signature fits another token than {head}");
    }
}

#[tokio::test]
async fn the_key_set_has_public_halves_only() {
    let (_, text) = get(&provider(), JWKS_PATH).await;
    let document: Value = serde_json::from_str(&text).unwrap();
    let keys = document["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 3);
    for key in keys {
        for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
            assert!(key.get(private).is_none(), "{private} is published");
        }
        assert_eq!(key["use"], "sig");
        assert!(key["kid"].is_string() && key["alg"].is_string());
    }
}

#[test]
fn several_tenants_are_a_list_and_an_expired_token_was_issued_before_it_expired() {
    let provider = provider();
    let keys: JwkSet = serde_json::from_value(provider.jwks()).unwrap();
    let claims = |query: &str| verify(&keys, &provider.token(&TokenRequest::parse(query).unwrap()).unwrap()).unwrap();
    assert_eq!(claims("tenant=acme,globex")["tenant_id"], json!(["acme", "globex"]));
    let expired = claims("tenant=acme&expires=-10m");
    assert_eq!(expired["exp"], NOW - 600);
    assert_eq!(expired["iat"], NOW - 600 - 3_600);
    assert_ne!(claims("tenant=acme")["jti"], claims("tenant=acme")["jti"]);
    assert_eq!(claims("tenant=acme&issuer=https://other.example")["iss"], "https://other.example");
}

#[tokio::test]
async fn the_rest_is_refused_with_a_hint() {
    let provider = provider();
    let (status, text) = get(&provider, "/token?tenant=acme&expire=1h").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(text.contains("\"expire\" is unknown"), "{text}");
    assert_eq!(get(&provider, "/").await.0, StatusCode::NOT_FOUND);
    let refused = provider.answer(&Method::POST, &"/token?tenant=acme".parse().unwrap());
    assert_eq!(
        (refused.status(), &refused.headers()[header::ALLOW]),
        (StatusCode::METHOD_NOT_ALLOWED, &HeaderValue::from_static("GET, HEAD"))
    );
    let (_, discovery) = get(&provider, DISCOVERY_PATH).await;
    let discovery: Value = serde_json::from_str(&discovery).unwrap();
    assert_eq!(discovery["jwks_uri"], format!("http://127.0.0.1:18446{JWKS_PATH}"));
    assert_eq!(request::ALGORITHMS[0].1, Algorithm::ES256);
}
