use aws_credential_types::provider::ProvideCredentials as _;

use super::*;
use crate::credentials::{
    sts::tests::{ASKED, Wire, answer_xml},
    testing::{assume_one_role, clock, credentials_config, on_time},
};

const ARN: &str = "arn:aws:iam::111122223333:role/directory";

async fn base() -> (BaseIdentity, StsConfig) {
    let config = credentials_config(assume_one_role());
    (BaseIdentity::open(&config.source, &config.sts, &on_time(&clock())).unwrap(), config.sts)
}

async fn role(wire: &Wire, external_id: Option<&str>) -> BaseIdentity {
    role_at(wire, external_id, &on_time(&clock())).await
}

async fn role_at(wire: &Wire, external_id: Option<&str>, skew: &Skew) -> BaseIdentity {
    let (base, sts) = base().await;
    let client = sts::client(&sts, wire.client(), Some(&base), skew);
    let config = ReaderConfig { role_arn: ARN.into(), external_id: external_id.map(str::to_owned) };
    reader(&config, &base, client)
}

#[tokio::test]
async fn the_role_is_assumed_by_the_base_identity_once_in_its_life() {
    let wire = Wire::answering(200, &answer_xml("AssumeRole", ASKED, "<Expiration>2027-01-15T09:00:00Z</Expiration>"));
    let role = role(&wire, Some("x-1")).await;
    for _ in 0..3 {
        let credentials = role.provide_credentials().await.unwrap();
        assert_eq!((credentials.access_key_id(), credentials.session_token()), ("ASIAX", Some("TOKEN")));
    }
    let [(_, authorization, body)] = &wire.requests()[..] else { panic!("{:?}", wire.requests()) };
    assert!(authorization.as_ref().unwrap().contains("Credential=AKIABASE/"));
    let sent: Vec<_> = body.split('&').collect();
    for part in [
        "Action=AssumeRole",
        "RoleArn=arn%3Aaws%3Aiam%3A%3A111122223333%3Arole%2Fdirectory",
        "RoleSessionName=palisade-directory",
        "ExternalId=x-1",
    ] {
        assert!(sent.contains(&part), "{part}: {body}");
    }
    assert!(!body.contains("Policy=") && !body.contains("Tags."), "{body}");
}

#[tokio::test]
async fn a_role_that_cannot_be_assumed_is_said_and_nobody_else_reads_in_its_place() {
    let denied = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>not you</Message></Error></ErrorResponse>";
    let role = role(&Wire::answering(403, denied), None).await;
    let error = role.check().await.unwrap_err().to_string();
    assert!(
        error.starts_with("the role that reads the table is not available: ") && error.contains("STS denied the call: not you"),
        "{error}"
    );
}

#[tokio::test]
async fn what_sts_answers_says_what_time_it_is() {
    let (clock, wire) = (clock(), Wire::answering(403, "<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code></Error></ErrorResponse>"));
    wire.headers([("date", httpdate::fmt_http_date(clock.now() + std::time::Duration::from_secs(1_200)))]);
    let skew = on_time(&clock);
    for _ in 0..3 {
        assert_eq!(skew.clock().unix_seconds(), clock.unix_seconds());
        role_at(&wire, None, &skew).await.check().await.unwrap_err();
    }
    assert_eq!(skew.clock().unix_seconds(), clock.unix_seconds() + 1_200);
}

#[tokio::test]
async fn without_a_role_the_base_identity_reads() {
    let (base, sts) = base().await;
    let skew = on_time(&clock());
    let readers = Readers::new(&base, &sts, &skew);
    let identity = readers.identity(None).unwrap();
    assert_eq!(identity.provide_credentials().await.unwrap().access_key_id(), "AKIABASE");
    let absent = StsConfig { ca: Some("/nowhere/ca.pem".into()), ..sts };
    let config = ReaderConfig { role_arn: ARN.into(), external_id: None };
    assert!(Readers::new(&base, &absent, &skew).identity(Some(&config)).is_err());
}
