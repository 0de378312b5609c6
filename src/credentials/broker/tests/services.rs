//! Services with a plan of their own.

use std::collections::BTreeMap;

use super::{Rig, SECOND};
use crate::{
    config::PlansConfig,
    credentials::{
        StsError,
        testing::{Answer, assume_one_role, assume_role, callers_token, plan_of, record, tenant},
    },
    reject::Reason,
};

/// `aoss` and `sqs` have the same plan, and `s3` that of the rest.
fn rig(default: crate::config::PlanConfig) -> Rig {
    let own = crate::config::PlanConfig { key: "credentials.services.aoss.assume_role".into(), ..plan_of(assume_one_role()) };
    let services = ["aoss", "sqs"].map(|service| (service.to_owned(), own.clone()));
    Rig::new(|config| config.plans = PlansConfig { default: Some(default), services: BTreeMap::from(services) })
}

#[tokio::test]
async fn denials_of_one_service_s_role_do_not_keep_another_service_from_asking() {
    let rig = rig(plan_of(assume_role()));
    let acme = tenant("acme");
    rig.sts.answer(Answer::Fail(StsError::Denied("no".into())));
    for _ in 0..3 {
        assert_eq!(rig.broker.credentials_for("aoss", &acme).await.unwrap_err().reason, Reason::CredentialsDenied);
        rig.clock.advance(SECOND * 5);
    }
    rig.clock.advance(SECOND);
    rig.broker.credentials_for("aoss", &acme).await.unwrap_err();
    assert_eq!(rig.sts.calls(), 4);
    rig.sts.answer(Answer::Issue(SECOND * 3600));
    rig.broker.credentials_for("s3", &acme).await.unwrap();
    assert_eq!(rig.broker.credentials_for("aoss", &acme).await.unwrap_err().reason, Reason::CredentialsDenied);
    assert_eq!(rig.sts.calls(), 5, "the other plan's success says nothing of this one");
    rig.broker.evict(acme.id());
    rig.broker.credentials_for("aoss", &acme).await.unwrap();
}

#[tokio::test]
async fn a_warm_up_fetches_a_session_for_each_plan_that_needs_no_user() {
    let mut plain = assume_one_role();
    plain.role_arn = crate::credentials::testing::template("arn:aws:iam::{tenant.account}:role/pool", crate::config::template::Lands::Arn);
    let both = rig(plan_of(plain));
    both.broker.warm_up(&record("acme")).await.unwrap();
    assert_eq!(both.sts.calls(), 2, "two services with equal inputs share a session");
    for service in ["aoss", "sqs", "s3"] {
        both.broker.credentials_for(service, &tenant("acme")).await.unwrap();
    }
    assert_eq!(both.sts.calls(), 2);

    // A plan that needs the user, or the user's token, keeps nobody else's from being warm.
    for default in [plan_of(assume_role()), callers_token()] {
        let one = rig(default);
        assert_eq!(one.broker.warm_up(&record("acme")).await.unwrap_err().reason, Reason::PlanIncomplete);
        one.broker.credentials_for("sqs", &tenant("acme")).await.unwrap();
        assert_eq!((one.sts.calls(), one.sts.tokens()), (1, vec![None]));
    }

    // Of two failures the one after which it is of use to try again is told.
    let failing = rig(callers_token());
    failing.sts.answer(Answer::Fail(StsError::Unavailable("reset".into())));
    let refusal = failing.broker.warm_up(&record("acme")).await.unwrap_err();
    assert!(refusal.reason == Reason::CredentialsUnavailable && refusal.retry_after.is_some());
}
