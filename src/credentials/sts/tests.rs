use std::{
    sync::{Arc, Mutex},
    time::UNIX_EPOCH,
};

use aws_smithy_runtime_api::client::{
    http::{HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector, http_client_fn},
    orchestrator::{HttpRequest, HttpResponse},
};

use super::*;
use crate::{
    clock::Clock,
    config::{CredentialsConfig, CredentialsSource},
    credentials::{
        owner::Owner,
        plan::CallersToken,
        testing::{START, clock, credentials_config, on_time},
    },
    telemetry::Metrics,
};

/// A connection that keeps what is sent and answers from a script: no sockets.
#[derive(Debug, Clone, Default)]
pub(in crate::credentials) struct Wire(Arc<Mutex<Script>>);

#[derive(Debug, Default)]
struct Script {
    requests: Vec<(String, Option<String>, String)>,
    answer: (u16, String),
    headers: Vec<(&'static str, String)>,
}

impl Wire {
    pub(in crate::credentials) fn answering(status: u16, body: &str) -> Self {
        let wire = Self::default();
        wire.answer(status, body);
        wire
    }

    pub(in crate::credentials) fn answer(&self, status: u16, body: &str) {
        self.0.lock().unwrap().answer = (status, body.to_owned());
    }

    pub(in crate::credentials) fn headers<const N: usize>(&self, headers: [(&'static str, String); N]) {
        self.0.lock().unwrap().headers = headers.into();
    }

    pub(in crate::credentials) fn client(&self) -> SharedHttpClient {
        let wire = self.clone();
        http_client_fn(move |_: &HttpConnectorSettings, _| SharedHttpConnector::new(wire.clone()))
    }

    /// URI, `Authorization` and form body of each request.
    pub(in crate::credentials) fn requests(&self) -> Vec<(String, Option<String>, String)> {
        self.0.lock().unwrap().requests.clone()
    }
}

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut script = self.0.lock().unwrap();
        let body = String::from_utf8(request.body().bytes().unwrap().to_vec()).unwrap();
        script.requests.push((request.uri().to_owned(), request.headers().get("authorization").map(str::to_owned), body));
        let (status, answer) = script.answer.clone();
        let answer = answer.replace(ASKED, &asked(&script.requests[script.requests.len() - 1].2));
        let mut response = HttpResponse::new(status.try_into().unwrap(), answer.into());
        for (name, value) in &script.headers {
            response.headers_mut().insert(*name, value.clone());
        }
        HttpConnectorFuture::ready(Ok(response))
    }
}

/// In an answer: the session that was asked for, by role and name.
pub(in crate::credentials) const ASKED: &str = "<asked/>";

fn asked(body: &str) -> String {
    let sent = |name: &str| {
        let value = body.split('&').find_map(|part| part.strip_prefix(name)).unwrap_or_default();
        percent_encoding::percent_decode_str(value).decode_utf8().unwrap().into_owned()
    };
    let (role, session) = (sent("RoleArn="), sent("RoleSessionName="));
    let (account, name) = (role.split(':').nth(4).unwrap_or_default(), role.rsplit('/').next().unwrap_or_default());
    format!(
        "<AssumedRoleUser><Arn>arn:aws:sts::{account}:assumed-role/{name}/{session}</Arn><AssumedRoleId>AROAX:x</AssumedRoleId></AssumedRoleUser>"
    )
}

pub(in crate::credentials) fn answer_xml(operation: &str, user: &str, expiration: &str) -> String {
    format!(
        "<{operation}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{operation}Result><Credentials>\
         <AccessKeyId>ASIAX</AccessKeyId><SecretAccessKey>SECRET</SecretAccessKey><SessionToken>TOKEN</SessionToken>\
         {expiration}</Credentials>{user}<PackedPolicySize>12</PackedPolicySize></{operation}Result>\
         <ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></{operation}Response>"
    )
}

const USER: &str = "<AssumedRoleUser><Arn>arn:aws:sts::111122223333:assumed-role/data/acme</Arn>\
                    <AssumedRoleId>AROAX:acme</AssumedRoleId></AssumedRoleUser>";
const EXPIRATION: &str = "<Expiration>2027-01-15T09:00:00Z</Expiration>";

pub(in crate::credentials) fn error_xml(code: &str, message: &str) -> String {
    format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>\
         <RequestId>r-1</RequestId></ErrorResponse>"
    )
}

pub(in crate::credentials) fn inputs() -> StsInputs {
    StsInputs {
        owner: Owner::for_tests("acme"),
        region: "eu-west-1".into(),
        role_arn: "arn:aws:iam::111122223333:role/path/data".into(),
        session_name: "acme".into(),
        external_id: Some("external/1".into()),
        source_identity: Some("user-1".into()),
        tags: vec![("TenantID".into(), "acme".into()), ("Team".into(), "blue sky".into())],
        transitive_tag_keys: vec!["TenantID".into()],
        policy: Some(r#"{"Statement":[]}"#.into()),
        policy_arns: vec!["arn:aws:iam::111122223333:policy/a".into(), "arn:aws:iam::aws:policy/b".into()],
        authority: Authority::Identity(vec![]),
        duration_seconds: 1800,
    }
}

/// An STS that is asked over `wire`, as `config` says.
pub(in crate::credentials) fn over(wire: &Wire, config: &CredentialsConfig, clock: &Clock) -> SdkSts {
    let base = BaseIdentity::open(&config.source, &config.sts, &on_time(clock)).unwrap();
    let metrics = Metrics::new().unwrap();
    let budget = Budget::new(config, clock.clone(), metrics.clone());
    SdkSts::over(wire.client(), &config.sts, base, &Skew::new(clock.clone(), metrics), budget)
}

async fn sts(wire: &Wire) -> (SdkSts, Clock) {
    let config = credentials_config(crate::credentials::testing::assume_one_role());
    assert!(matches!(config.source, CredentialsSource::Static { .. }));
    let clock = clock();
    (over(wire, &config, &clock), clock)
}

#[tokio::test]
async fn every_input_is_sent_and_the_answer_is_read() {
    let wire = Wire::answering(200, &answer_xml("AssumeRole", USER, EXPIRATION));
    let issued = sts(&wire).await.0.assume_role(&inputs(), None).await.unwrap();
    assert_eq!(
        (issued.access_key_id.as_str(), issued.secret_access_key.expose(), issued.session_token.expose()),
        ("ASIAX", "SECRET", "TOKEN")
    );
    assert_eq!(issued.expires, UNIX_EPOCH + Duration::from_secs(START + 3600));
    assert_eq!(issued.packed_policy_percent, Some(12));

    let [(uri, authorization, body)] = &wire.requests()[..] else { panic!() };
    assert_eq!(uri, "https://sts.eu-west-1.amazonaws.com/");
    assert!(
        authorization.as_ref().unwrap().contains("Credential=AKIABASE/") && authorization.as_ref().unwrap().contains("/eu-west-1/sts/")
    );
    let sent: Vec<&str> = body.split('&').collect();
    for part in [
        "Action=AssumeRole",
        "RoleArn=arn%3Aaws%3Aiam%3A%3A111122223333%3Arole%2Fpath%2Fdata",
        "RoleSessionName=acme",
        "ExternalId=external%2F1",
        "SourceIdentity=user-1",
        "Tags.member.1.Key=TenantID",
        "Tags.member.1.Value=acme",
        "Tags.member.2.Key=Team",
        "Tags.member.2.Value=blue%20sky",
        "TransitiveTagKeys.member.1=TenantID",
        "Policy=%7B%22Statement%22%3A%5B%5D%7D",
        "DurationSeconds=1800",
        "PolicyArns.member.1.arn=arn%3Aaws%3Aiam%3A%3A111122223333%3Apolicy%2Fa",
        "PolicyArns.member.2.arn=arn%3Aaws%3Aiam%3A%3Aaws%3Apolicy%2Fb",
    ] {
        assert!(sent.contains(&part), "{part} is not in {sent:#?}");
    }
    assert_eq!(sent.len(), 15, "and nothing else but the version: {sent:#?}");
}

#[tokio::test]
async fn what_is_not_configured_is_not_sent() {
    let wire = Wire::answering(200, &answer_xml("AssumeRole", USER, EXPIRATION));
    let bare = StsInputs {
        external_id: None,
        source_identity: None,
        tags: vec![],
        transitive_tag_keys: vec![],
        policy: None,
        policy_arns: vec![],
        ..inputs()
    };
    sts(&wire).await.0.assume_role(&bare, None).await.unwrap();
    assert_eq!(wire.requests()[0].2.split('&').count(), 5, "action, version, role, name, duration");
}

#[tokio::test]
async fn an_error_answer_is_sorted_and_not_tried_again() {
    for (status, code, expected) in [
        (403, "AccessDenied", "denied"),
        (400, "Throttling", "throttled"),
        (500, "InternalFailure", "error"),
        (503, "ServiceUnavailable", "error"),
    ] {
        let wire = Wire::answering(status, &error_xml(code, "said so"));
        let error = sts(&wire).await.0.assume_role(&inputs(), None).await.unwrap_err();
        assert_eq!(error.label(), expected, "{code}: {error}");
        assert_eq!(wire.requests().len(), 1, "{code}");
    }
}

#[tokio::test]
async fn the_time_for_which_sts_wants_to_be_left_alone_is_heard() {
    let wire = Wire::answering(400, &error_xml("Throttling", "Rate exceeded"));
    let date = |seconds: u64| httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(START + seconds));
    for (value, seconds) in [("7".to_owned(), Some(7)), (date(12), Some(12)), ("soon".to_owned(), None)] {
        wire.headers([("retry-after", value), ("date", date(0))]);
        let StsError::Throttled { retry_after, .. } = sts(&wire).await.0.assume_role(&inputs(), None).await.unwrap_err() else { panic!() };
        assert_eq!(retry_after, seconds.map(Duration::from_secs));
    }
}

/// What a clock that is twenty minutes behind makes of three answers with these headers.
async fn corrected(change: impl FnOnce(&mut StsConfig), headers: [(&'static str, String); 2]) -> u64 {
    let mut config = credentials_config(crate::credentials::testing::assume_one_role());
    change(&mut config.sts);
    let clock = clock();
    let skew = Skew::new(clock.clone(), Metrics::new().unwrap());
    let base = BaseIdentity::open(&config.source, &config.sts, &skew).unwrap();
    let wire = Wire::answering(403, &error_xml("SignatureDoesNotMatch", "Signature expired"));
    wire.headers(headers);
    let budget = Budget::new(&config, clock.clone(), Metrics::new().unwrap());
    let sts = SdkSts::over(wire.client(), &config.sts, base, &skew, budget);
    for _ in 0..3 {
        sts.assume_role(&inputs(), None).await.unwrap_err();
    }
    skew.time().duration_since(clock.now()).unwrap().as_secs()
}

#[tokio::test]
async fn every_answer_says_what_time_it_is_and_only_some_are_believed() {
    let date = || ("date", httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(START + 1_200)));
    let other = || ("x-other", "0".to_owned());
    assert_eq!(corrected(|_| (), [date(), other()]).await, 1_200, "a refusal is an answer");
    assert_eq!(corrected(|_| (), [date(), ("age", "1200".to_owned())]).await, 0, "a cache's is of then");
    assert_eq!(corrected(|_| (), [("date", "now".to_owned()), other()]).await, 0);
    let endpoint = |tls| {
        move |config: &mut StsConfig| {
            config.endpoint = Some(crate::config::Endpoint { tls, authority: "sts.internal".parse().unwrap() });
        }
    };
    assert_eq!(corrected(endpoint(true), [date(), other()]).await, 1_200);
    assert_eq!(corrected(endpoint(false), [date(), other()]).await, 0, "in the clear it may be anybody's");
}

#[tokio::test]
async fn answers_that_make_no_sense_are_none() {
    for body in ["", "<html>", "{}", &answer_xml("AssumeRole", USER, "<Expiration>soon</Expiration>")] {
        let wire = Wire::answering(200, body);
        assert!(matches!(sts(&wire).await.0.assume_role(&inputs(), None).await, Err(StsError::Unavailable(_))), "{body}");
    }
    // Without an end the SDK says the epoch, which the broker takes for expired.
    let wire = Wire::answering(200, &answer_xml("AssumeRole", USER, ""));
    assert_eq!(sts(&wire).await.0.assume_role(&inputs(), None).await.unwrap().expires, UNIX_EPOCH);
}

#[tokio::test]
async fn an_answer_to_another_question_is_not_taken() {
    for arn in [
        "arn:aws:sts::111122223333:assumed-role/data/globex",
        "arn:aws:sts::111122223333:assumed-role/data/acme/x",
        "arn:aws:sts::111122223333:assumed-role/other/acme",
        "arn:aws:sts::111122223333:assumed-role/Data/acme",
        "arn:aws:sts::999999999999:assumed-role/data/acme",
        "arn:aws:iam::111122223333:user/acme",
        "",
    ] {
        let user = USER.replace("arn:aws:sts::111122223333:assumed-role/data/acme", arn);
        let wire = Wire::answering(200, &answer_xml("AssumeRole", &user, EXPIRATION));
        assert!(matches!(sts(&wire).await.0.assume_role(&inputs(), None).await, Err(StsError::Unavailable(_))), "{arn}");
    }
    let silent = Wire::answering(200, &answer_xml("AssumeRole", "", EXPIRATION));
    assert!(
        matches!(sts(&silent).await.0.assume_role(&inputs(), None).await, Err(StsError::Unavailable(_))),
        "it does not say whose it is"
    );
}

#[tokio::test]
async fn a_base_identity_that_is_not_accepted_is_asked_for_again() {
    for (code, asked) in [("InvalidClientTokenId", 2), ("ExpiredToken", 2), ("AccessDenied", 1), ("Throttling", 1)] {
        let wire = Wire::answering(403, &error_xml(code, ""));
        let (base, source, clock) = crate::credentials::source::tests::rig(3600);
        let config = credentials_config(crate::credentials::testing::assume_one_role());
        let (skew, metrics) = (Skew::new(clock.clone(), Metrics::new().unwrap()), Metrics::new().unwrap());
        let sts = SdkSts::over(wire.client(), &config.sts, base, &skew, Budget::new(&config, clock, metrics));
        for _ in 0..2 {
            assert!(sts.assume_role(&inputs(), None).await.is_err());
        }
        assert_eq!(source.asked(), asked, "{code}");
    }
}

#[tokio::test]
async fn nothing_that_can_be_printed_holds_a_secret() {
    let wire = Wire::answering(403, &error_xml("SignatureDoesNotMatch", "x-amz-security-token:hunter2 SECRET"));
    let (sts, _) = sts(&wire).await;
    let error = sts.assume_role(&inputs(), None).await.unwrap_err();
    let shown = format!("{sts:?} {error:?} {error}");
    assert!(!shown.contains("hunter2") && !shown.contains("base-secret") && !shown.contains("SECRET"), "{shown}");
}

#[tokio::test]
async fn a_token_is_sent_as_it_is_and_nothing_is_signed() {
    let wire = Wire::answering(200, &answer_xml("AssumeRoleWithWebIdentity", USER, EXPIRATION));
    let (sts, _) = sts(&wire).await;
    let token = Secret::new("a.b.c".into());
    let caller = CallersToken { issuer: "i".into(), subject: "s".into(), claims: [7; 32], ends: UNIX_EPOCH };
    let by_caller = StsInputs { authority: Authority::Caller(caller), ..inputs() };
    let issued = sts.assume_role(&by_caller, Some(&token)).await.unwrap();
    assert_eq!((issued.access_key_id.as_str(), issued.packed_policy_percent), ("ASIAX", Some(12)));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "d.e.f\n").unwrap();
    let by_file = StsInputs { authority: Authority::TokenFile(file.path().to_owned()), ..inputs() };
    sts.assume_role(&by_file, None).await.unwrap();
    for ((_, authorization, body), token) in wire.requests().iter().zip(["a.b.c", "d.e.f"]) {
        assert_eq!(*authorization, None);
        let sent: Vec<&str> = body.split('&').collect();
        for part in [
            "Action=AssumeRoleWithWebIdentity",
            &format!("WebIdentityToken={token}"),
            "RoleSessionName=acme",
            "Policy=%7B%22Statement%22%3A%5B%5D%7D",
            "PolicyArns.member.2.arn=arn%3Aaws%3Aiam%3A%3Aaws%3Apolicy%2Fb",
            "DurationSeconds=1800",
        ] {
            assert!(sent.contains(&part), "{part} is not in {sent:#?}");
        }
        assert_eq!(sent.len(), 9, "{sent:#?}");
    }

    assert!(matches!(sts.assume_role(&by_caller, None).await, Err(StsError::Token(_))));
    std::fs::remove_file(file.path()).unwrap();
    assert!(matches!(sts.assume_role(&by_file, None).await, Err(StsError::Identity(_))));
    assert_eq!(wire.requests().len(), 2, "without a token nobody is asked");
}

#[tokio::test]
async fn whose_token_it_is_decides_what_a_refused_one_means() {
    let token = Secret::new("a.b.hunter2".into());
    let caller = CallersToken { issuer: "i".into(), subject: "s".into(), claims: [7; 32], ends: UNIX_EPOCH };
    let by_caller = StsInputs { authority: Authority::Caller(caller), ..inputs() };
    let file = tempfile::NamedTempFile::new().unwrap();
    let by_file = StsInputs { authority: Authority::TokenFile(file.path().to_owned()), ..inputs() };
    for code in ["ExpiredTokenException", "InvalidIdentityToken", "IDPRejectedClaim"] {
        let wire = Wire::answering(400, &error_xml(code, "hunter2"));
        let (sts, _) = sts(&wire).await;
        let error = sts.assume_role(&by_caller, Some(&token)).await.unwrap_err();
        assert!(error == StsError::Token(code.into()) && !format!("{error:?}").contains("hunter2"), "{error}");
        assert_eq!(sts.assume_role(&by_file, None).await.unwrap_err(), StsError::Identity(code.into()));
    }
}
