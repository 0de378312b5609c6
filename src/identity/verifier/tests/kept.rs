//! Callers' tokens are kept where STS is asked with them, for as long as what they prove, and nowhere else.

use super::*;
use crate::identity::passport::Passports;

#[tokio::test]
async fn a_token_is_kept_beside_what_it_proves_only_where_it_is_needed() {
    let keys = Keys::ours();
    let config = IssuerConfig { leeway: Duration::from_secs(30), ..issuer(&["*"]) };
    let token = keys.sign(Algorithm::ES256, "e", &claims());
    let (plain, _) = verifier(keys, config.clone());
    for _ in 0..2 {
        let verified = plain.verify_token(presented(Some("acme"), &token), CALLER).await.unwrap();
        assert!(verified.caller_token().is_none());
    }

    let (keeping, clock) = verifier(keys, config);
    let keeping = keeping.keeping_tokens(true);
    for _ in 0..2 {
        // Remembered or not: what is remembered is what the token says.
        let verified = keeping.verify_token(presented(Some("acme"), &token), CALLER).await.unwrap();
        let kept = verified.caller_token().unwrap();
        assert_eq!((kept.text().expose(), kept.ends()), (&*token, UNIX_EPOCH + Duration::from_secs(NOW + 60)), "without the leeway");
        assert!(!format!("{verified:?}").contains(&token));
    }

    let verified = keeping.verify_token(presented(Some("acme"), &token), CALLER).await.unwrap();
    let held = Arc::downgrade(&verified);
    let passports = Passports::for_tests(Duration::from_secs(60), clock);
    let passport = passports.mint_for_tests(&verified, &RequestId::random()).unwrap();
    let text = passport.header_value().unwrap();
    drop(verified);
    let (redeemed, lease) = keeping
        .verify_proof(
            presented(None, text.to_str().unwrap()),
            crate::config::Proofs { passport: true, jwt: false, deferred: false, certificate: false },
            Some(&passports),
        )
        .await
        .unwrap();
    assert_eq!(redeemed.caller_token().unwrap().text().expose(), token);
    drop((redeemed, lease));
    assert!(held.upgrade().is_some());
    drop(passport);
    assert!(held.upgrade().is_none(), "a token outlived its passport");
}
