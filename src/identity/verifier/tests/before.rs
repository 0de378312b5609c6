//! What proofs are worth that were checked under another configuration.

use super::*;

/// A passport is a proof that was checked once, and may have been so under another configuration.
#[tokio::test]
async fn a_proof_of_before_is_worth_something_while_its_issuer_may_speak_for_its_tenant() {
    let keys = Keys::ours();
    let checked = |config: IssuerConfig| async move {
        let (verifier, _) = verifier(keys, config);
        verifier.verify_token(presented(Some("acme"), &keys.sign(Algorithm::ES256, "e", &claims())), CALLER).await.unwrap()
    };
    let bound = |attribute: &str| IssuerConfig { tenants: IssuerTenants::Attribute(attribute.to_owned()), ..issuer(&[]) };
    let refused =
        |config: IssuerConfig, proof: &VerifiedTenant| verifier(keys, config).0.vouches_for(proof).err().map(|refusal| refusal.reason);
    let (listed, by_record) = (checked(issuer(&["*"])).await, checked(bound("idp")).await);
    for (config, proof, expected) in [
        (issuer(&["acme"]), &listed, None),
        (issuer(&["globex"]), &listed, Some(Reason::IssuerNotForTenant)),
        // Whether the record names the issuer was never looked at.
        (bound("idp"), &listed, Some(Reason::IssuerNotForTenant)),
        (bound("idp"), &by_record, None),
        (bound("other"), &by_record, Some(Reason::IssuerNotForTenant)),
        (issuer(&["acme"]), &by_record, None),
        (IssuerConfig { issuer: "https://other.test/".into(), ..issuer(&["*"]) }, &listed, Some(Reason::TokenIssuer)),
    ] {
        assert_eq!(refused(config, proof), expected);
    }
}
