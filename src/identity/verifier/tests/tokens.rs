//! Properties of tokens as texts: nothing but the very text that was signed is good, and nothing makes the parser fall over.

use http::HeaderMap;
use proptest::prelude::*;
use serde_json::Map;

use super::*;
use crate::identity::unverified::Presented;

/// What becomes of a token that may not even be text.
async fn verdict(verifier: &Verifier, token: &[u8]) -> Result<(), Option<Reason>> {
    let mut headers = HeaderMap::new();
    // A byte that no header can have does not get this far.
    headers.insert("x-tenant-token", HeaderValue::from_bytes(token).map_err(|_| None)?);
    headers.insert("x-tenant-id", HeaderValue::from_static("acme"));
    let presented = Presented::for_tests(headers).map_err(|refusal| Some(refusal.reason))?;
    verifier.verify_token(presented, CALLER).await.map(drop).map_err(|refusal| Some(refusal.reason))
}

#[tokio::test]
async fn a_token_that_differs_in_one_bit_never_verifies() {
    let keys = Keys::ours();
    let (verifier, _) = verifier(keys, issuer(&["*"]));
    for (algorithm, key) in [(Algorithm::ES256, "e"), (Algorithm::EdDSA, "d"), (Algorithm::PS256, "r"), (Algorithm::RS256, "r")] {
        let good = keys.sign(algorithm, key, &claims()).into_bytes();
        assert_eq!(verdict(&verifier, &good).await, Ok(()));
        let mut texts = 0;
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[at] ^= 1 << bit;
                let refused = verdict(&verifier, &bad).await.expect_err("a changed token was accepted");
                texts += u32::from(refused.is_some());
            }
        }
        assert!(texts as usize > good.len() * 5, "most changes make another text");
        assert_eq!(verifier.remembered_count(), 1);
        verifier.forget_where(|_| true);
    }
}

#[tokio::test]
async fn a_token_that_is_longer_or_shorter_never_verifies() {
    let keys = Keys::ours();
    let (verifier, _) = verifier(keys, issuer(&["*"]));
    let good = keys.sign(Algorithm::ES256, "e", &claims());
    assert_eq!(verdict(&verifier, good.as_bytes()).await, Ok(()));
    for end in 0..good.len() {
        assert!(verdict(&verifier, &good.as_bytes()[..end]).await.is_err(), "cut at {end}");
        assert!(verdict(&verifier, &good.as_bytes()[end + 1..]).await.is_err(), "begun at {end}");
        for extra in ["A", "=", ".", "%", "\u{e9}"] {
            let longer = format!("{}{extra}{}", &good[..end], &good[end..]);
            assert!(verdict(&verifier, longer.as_bytes()).await.is_err(), "{extra:?} at {end}");
        }
    }
    for extra in ["A", "==", ".", ".AAAA", "A.A", "\t"] {
        assert!(verdict(&verifier, format!("{good}{extra}").as_bytes()).await.is_err(), "{extra:?} behind it");
    }
}

/// The same claims, spelled in another way.
fn respell(claims: &Value, how: usize) -> String {
    let mut members: Vec<(String, Value)> = claims.as_object().unwrap().clone().into_iter().collect();
    let many = members.len();
    members.rotate_left(how % many);
    let space = [" ", "\n", "\t", ""][how / many % 4];
    let text = |value: &Value| match (value, how / many / 4 % 2) {
        // Every character may be written as its number.
        (Value::String(text), 1) => format!("\"{}\"", text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect::<String>()),
        _ => value.to_string(),
    };
    let members: Vec<_> = members.iter().map(|(name, value)| format!("\"{name}\":{space}{}", text(value))).collect();
    format!("{{{}}}", members.join(","))
}

#[tokio::test]
async fn the_same_claims_in_other_bytes_are_another_token() {
    let keys = Keys::ours();
    let (verifier, _) = verifier(keys, issuer(&["*"]));
    let original = keys.sign(Algorithm::EdDSA, "d", &claims());
    assert_eq!(verdict(&verifier, original.as_bytes()).await, Ok(()));
    let (head, signature) = (original.split_once('.').unwrap().0, original.rsplit_once('.').unwrap().1);
    let spellings: std::collections::BTreeSet<_> = (0..5 * 4 * 2).map(|how| respell(&claims(), how)).collect();
    assert!(spellings.len() > 30);
    for (number, spelling) in spellings.iter().enumerate() {
        assert_eq!(serde_json::from_str::<Value>(spelling).unwrap(), claims());
        let signed = format!("{head}.{}", B64.encode(spelling));
        if signed == original.rsplit_once('.').unwrap().0 {
            continue;
        }
        // The memory of the original does not speak for it.
        assert_eq!(verdict(&verifier, format!("{signed}.{signature}").as_bytes()).await, Err(Some(Reason::TokenSignature)), "{spelling}");
        let before = verifier.remembered_count();
        let own = jsonwebtoken::crypto::sign(signed.as_bytes(), &keys.ed, Algorithm::EdDSA).unwrap();
        assert_eq!(verdict(&verifier, format!("{signed}.{own}").as_bytes()).await, Ok(()), "{number}: {spelling}");
        assert_eq!(verifier.remembered_count(), before + 1, "{spelling} has no entry of its own");
    }
}

/// Any JSON, of claims' own names more often than not.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i32>().prop_map(|number| json!(f64::from(number) / 4.0)),
        (NOW - 100..NOW + 100).prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        prop_oneof!["acme", "globex", "api", "https://idp\\.test/", "u"].prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        let name = prop_oneof![
            Just("iss"),
            Just("aud"),
            Just("exp"),
            Just("nbf"),
            Just("iat"),
            Just("sub"),
            Just("tenant_id"),
            Just("roles"),
            Just("scope"),
            Just("jti"),
            Just("x")
        ];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec((name, inner), 0..8).prop_map(|members| Value::Object(
                members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>()
            )),
        ]
    })
}

proptest! {
    /// Claims of any shape are checked without a panic, and only those with all that is mandatory pass.
    #[test]
    fn claims_of_any_shape_are_refused_or_complete(changes in proptest::collection::vec((0..10_usize, any_json()), 0..4)) {
        let mut all = claims();
        for (which, value) in changes {
            let name = ["iss", "aud", "exp", "nbf", "iat", "sub", "tenant_id", "roles", "scope", "jti"][which];
            all[name] = value;
        }
        let all = all.as_object().unwrap();
        if let Ok(checked) = claims::check(all, &issuer(&["*"]), UNIX_EPOCH + Duration::from_secs(NOW)) {
            prop_assert!(!checked.subject.is_empty() && !checked.tenants.is_empty());
            prop_assert!(checked.expires > UNIX_EPOCH + Duration::from_secs(NOW));
            prop_assert!(all["aud"] == "api" || all["aud"].as_array().is_some_and(|list| list.contains(&json!("api"))));
            prop_assert!(all["sub"].is_string() && (all["tenant_id"].is_string() || all["tenant_id"].is_array()));
        }
    }

    /// Nothing that is no token comes apart as one, and nothing panics.
    #[test]
    fn any_text_is_taken_apart_or_refused(text in "[ -~]{0,200}", header in any_json(), payload in any_json(), tail in "[A-Za-z0-9_-]{0,20}") {
        let _ = UntrustedToken::parse(&text);
        let made = format!("{}.{}.{tail}", B64.encode(header.to_string()), B64.encode(payload.to_string()));
        if let Ok(token) = UntrustedToken::parse(&made) {
            prop_assert!(header["alg"].is_string() && !tail.is_empty());
            prop_assert_eq!(Value::Object(token.claims), payload);
        }
    }
}
