//! Sessions that rest on a caller's own token.

use super::{Rig, SECOND};
use crate::{
    credentials::testing::{bearer, callers_token, plans_config, tenant},
    reject::Reason,
};
use std::sync::Arc;

/// A user's session by the user's own token ends with it, is not renewed behind the user's back, and is nobody else's.
#[tokio::test]
async fn a_session_by_a_callers_token_ends_with_it_and_is_not_renewed() {
    let rig = Rig::new(|config| config.plans = plans_config(callers_token()));
    let ends = rig.clock.now() + SECOND * 600;
    let user = bearer("acme", "user-1", "claims-1", ends);
    let first = rig.broker.credentials(&user).await.unwrap();
    assert_eq!(first.expires(), ends, "STS would have let it live for an hour");
    assert_eq!(rig.sts.tokens(), [Some("header.claims-1.TOKEN".to_owned())]);
    assert!(Arc::ptr_eq(&first, &rig.broker.credentials(&user).await.unwrap()));

    for (subject, payload) in [("user-2", "claims-1"), ("user-1", "claims-2")] {
        let other = rig.broker.credentials(&bearer("acme", subject, payload, ends)).await.unwrap();
        assert!(!Arc::ptr_eq(&first, &other), "{subject} {payload}");
    }
    assert_eq!(rig.sts.calls(), 3);

    rig.clock.advance(SECOND * 590);
    rig.broker.credentials(&user).await.unwrap();
    rig.round().await;
    assert_eq!(rig.sts.calls(), 3, "nobody is there to renew it for");
    rig.clock.advance(SECOND * 5);
    assert_eq!(rig.broker.credentials(&user).await.unwrap_err().reason, Reason::TokenExpired);
    assert_eq!(rig.sts.calls(), 3);

    let unborne = rig.broker.credentials(&tenant("acme")).await.unwrap_err();
    assert_eq!(unborne.reason, Reason::PlanIncomplete);
}

/// The wait for STS can take what is left of a token's life.
#[tokio::test]
async fn a_token_that_ends_while_sts_is_asked_gives_nothing() {
    let rig = Rig::new(|config| config.plans = plans_config(callers_token()));
    rig.sts.gate.forget_permits(1);
    let user = bearer("acme", "user-1", "claims-1", rig.clock.now() + SECOND * 600);
    let asking = tokio::spawn({
        let broker = rig.broker.clone();
        async move { broker.credentials(&user).await.map(drop).map_err(|refusal| refusal.reason) }
    });
    crate::credentials::testing::settle().await;
    assert_eq!(rig.sts.calls(), 1);
    rig.clock.advance(SECOND * 597);
    rig.sts.gate.add_permits(1);
    assert_eq!(asking.await.unwrap(), Err(Reason::CredentialsDenied));
}
