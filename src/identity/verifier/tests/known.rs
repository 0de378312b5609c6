//! What is known of a token that was let in, and where a token may be all that is said.

use super::*;

#[tokio::test]
async fn what_a_token_says_is_what_is_known() {
    let keys = Keys::ours();
    let (verifier, _) = verifier(keys, issuer(&["*"]));
    let mut says = claims();
    (says["roles"], says["scope"], says["jti"], says["iat"]) = (json!(["reader"]), json!("read write"), json!("t-1"), json!(NOW - 7));
    let verified = verifier.verify_token(presented(Some("acme"), &keys.sign(Algorithm::ES256, "e", &says)), CALLER).await.unwrap();
    assert_eq!((verified.roles(), verified.scopes()), (&["reader".to_owned()][..], &["read".to_owned(), "write".to_owned()][..]));
    assert_eq!((verified.token_id(), verified.token_ids().collect::<Vec<_>>()), (Some("t-1"), vec!["t-1"]));
    assert_eq!(verified.issued_at(), Some(UNIX_EPOCH + Duration::from_secs(NOW - 7)));
    assert_eq!(verified.expires(), UNIX_EPOCH + Duration::from_secs(NOW + 60));
    assert_eq!(Value::Object(verified.claims().clone()), says);
    assert!(verified.user().is_none() && verified.deferred().is_none());
}

#[tokio::test]
async fn an_issuer_whose_keys_were_never_had_is_named() {
    let keys = Keys::ours();
    let (verifier, _) = verifier(keys, issuer(&["*"]));
    assert_eq!(verifier.issuers_without_keys(), [ISSUER]);
    assert_eq!(reason(&verifier, "acme", &keys.sign(Algorithm::ES256, "e", &claims())).await, None);
    assert!(verifier.issuers_without_keys().is_empty());
}

#[tokio::test]
async fn a_token_of_16_kib_is_read_and_a_longer_one_is_not_even_junk() {
    let keys = Keys::ours();
    let (verifier, _) = verifier(keys, issuer(&["*"]));
    // A third of all lengths has no base64; what the header says of the content makes up for it.
    let padded = |bytes: usize| {
        let signed = |header: usize, padding: usize| {
            let mut padded = claims();
            padded["padding"] = json!("x".repeat(padding));
            let header = Header { kid: Some("d".into()), cty: Some("x".repeat(header)), ..Header::new(Algorithm::EdDSA) };
            jsonwebtoken::encode(&header, &padded, &keys.ed).unwrap()
        };
        let rest = signed(0, 0).len();
        let near = (bytes - rest) * 3 / 4;
        let lengths = (0..4).flat_map(|header| (near - 8..near + 2).map(move |padding| (header, padding)));
        lengths.map(|(header, padding)| signed(header, padding)).find(|token| token.len() == bytes).unwrap()
    };
    assert_eq!(reason(&verifier, "acme", &padded(16_384)).await, None);
    assert_eq!(reason(&verifier, "acme", &padded(16_385)).await, Some(Reason::TokenMalformed));
    assert_eq!(reason(&verifier, "acme", &"x".repeat(20_000)).await, Some(Reason::TokenMalformed));
    assert_eq!(verifier.metrics.bad_tokens.get(), 0, "what costs nothing uses nothing up");
}

/// For Palisade's own paths, where SDKs send a token and nothing else.
#[tokio::test]
async fn a_token_of_one_tenant_may_say_it_alone_where_nothing_else_can() {
    let keys = Keys::ours();
    let (plain, _) = verifier(keys, issuer(&["*"]));
    let with_users = verifier(keys, issuer(&["*"])).0.with_users(Some(Arc::new(One(Ok(users::record(Some("acme"), &[("acme", &[])]))))));
    let ask = async |verifier: &Verifier, tenants: Value, query: &str| {
        let names = IdentityHeaders { tenant: HeaderName::from_static("x-tenant-id"), token: HeaderName::from_static("x-tenant-token") };
        let mut of = claims();
        of["tenant_id"] = tenants;
        let token = HeaderValue::from_str(&keys.sign(Algorithm::ES256, "e", &of)).unwrap();
        let mut headers = http::HeaderMap::from_iter([(http::header::AUTHORIZATION, token)]);
        let presented = Presented::take_own(&mut headers, &format!("/_palisade/credentials{query}").parse().unwrap(), &names).unwrap();
        let proofs = Proofs { passport: false, jwt: true, deferred: false, certificate: false };
        let verified = verifier.verify_proof(presented, proofs, None).await;
        verified.map(|(verified, _)| verified.tenant().to_string()).map_err(|refusal| refusal.reason)
    };
    assert_eq!(ask(&plain, json!("acme"), "").await, Ok("acme".to_owned()));
    assert_eq!(ask(&plain, json!(["acme"]), "").await, Ok("acme".to_owned()));
    assert_eq!(ask(&plain, json!(["acme", "globex"]), "").await, Err(Reason::TenantMissing), "none is chosen for anybody");
    assert_eq!(ask(&plain, json!(["acme", "globex"]), "?tenant=globex").await, Ok("globex".to_owned()));
    assert_eq!(ask(&plain, json!("acme"), "?tenant=globex").await, Err(Reason::TenantMismatch));
    assert_eq!(ask(&plain, json!("*"), "").await, Err(Reason::TenantMalformed));
    assert_eq!(ask(&with_users, json!("globex"), "").await, Ok("acme".to_owned()), "the user's active tenant");
}

/// A token with these tenants and scopes, as it is when it has been checked.
fn checked(tenants: &[&str], scopes: &[&str]) -> VerifiedToken {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let claims = CheckedClaims {
        subject: "u".into(),
        tenants: owned(tenants),
        roles: Vec::new(),
        scopes: owned(scopes),
        token_id: None,
        issued_at: None,
        expires: UNIX_EPOCH + Duration::from_secs(NOW),
    };
    VerifiedToken { issuer: ISSUER.into(), generation: 1, claims, all: Map::new() }
}

#[test]
fn a_token_takes_the_room_of_the_tenant_that_it_is_used_for() {
    let owner = |tenants: &[&str], claimed: Option<&str>| {
        let claimed = claimed.map(|id| id.parse().unwrap());
        checked(tenants, &[]).account(claimed.as_ref()).owner.to_string()
    };
    assert_eq!(owner(&["acme", "globex"], Some("globex")), "globex");
    assert_eq!(owner(&["acme", "globex"], Some("acme")), "acme");
    for claimed in [None, Some("initech")] {
        assert_eq!(owner(&["acme", "globex"], claimed), "acme", "{claimed:?}");
        assert_eq!(owner(&[], claimed), "u", "{claimed:?}");
    }
}

#[test]
fn every_text_of_a_token_weighs_twice_what_it_takes() {
    let weight = |scopes: &[&str]| checked(&["acme"], scopes).account(None).weight;
    assert!(weight(&[]) > size_of::<VerifiedToken>() + "acme".len() + "u".len());
    for text in ["", "x", &"x".repeat(100)] {
        assert_eq!(weight(&[text, text]) - weight(&[text]), 2 * weight::of_text(text.len()), "{text}");
    }
}
