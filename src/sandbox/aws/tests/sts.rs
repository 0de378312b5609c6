//! Who may assume which role, with what, and what is recorded of it.

use super::*;

async fn refusal(sandbox: &Sandbox, extra: &[(&str, &str)]) -> String {
    let answer = sandbox.send(&Call::assume("acme", extra), &sandbox.base()).await;
    assert!(answer.status.is_client_error(), "{extra:?}: {answer:?}");
    answer.code()
}

#[tokio::test]
async fn a_role_is_assumed_and_everything_about_it_recorded() {
    let sandbox = Sandbox::new();
    let policy = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}"#;
    let call = Call::assume(
        "acme",
        &[
            ("SourceIdentity", "jane"),
            ("Policy", policy),
            ("DurationSeconds", "900"),
            ("TransitiveTagKeys.member.1", "TenantID"),
            ("Tags.member.2.Key", "cell"),
            ("Tags.member.2.Value", "c 1"),
        ],
    );
    let answer = sandbox.send(&call, &sandbox.base()).await.ok();
    assert_eq!(answer.element("Arn"), "arn:aws:sts::111122223333:assumed-role/tenant-data/acme");
    assert!(answer.element("AccessKeyId").starts_with("ASIA"));
    assert!(answer.element("AssumedRoleId").starts_with("AROA") && answer.element("AssumedRoleId").ends_with(":acme"));
    assert_eq!(answer.element("SourceIdentity"), "jane");
    assert!(answer.element("Expiration").ends_with('Z'));
    let expected = AssumeRoleCall {
        caller: "arn:aws:iam::111122223333:user/palisade".to_owned(),
        role_arn: "arn:aws:iam::111122223333:role/tenant-data".to_owned(),
        session_name: "acme".to_owned(),
        tags: vec![("TenantID".to_owned(), "acme".to_owned()), ("cell".to_owned(), "c 1".to_owned())],
        transitive_tag_keys: vec!["TenantID".to_owned()],
        source_identity: Some("jane".to_owned()),
        external_id: Some("palisade".to_owned()),
        policy: Some(policy.to_owned()),
        duration_seconds: 900,
        outcome: Ok(answer.element("AccessKeyId")),
    };
    assert_eq!(sandbox.double.calls(), [expected]);
}

#[tokio::test]
async fn get_caller_identity_tells_base_and_session_apart() {
    let sandbox = Sandbox::new();
    let who = Call::sts(&[("Action", "GetCallerIdentity"), ("Version", "2011-06-15")]);
    assert_eq!(sandbox.send(&who, &sandbox.base()).await.ok().element("Arn"), "arn:aws:iam::111122223333:user/palisade");
    let tenant = sandbox.tenant("acme").await;
    assert_eq!(sandbox.send(&who, &tenant).await.ok().element("Arn"), "arn:aws:sts::111122223333:assumed-role/tenant-data/acme");
}

#[tokio::test]
async fn the_trust_policy_decides() {
    let sandbox = Sandbox::new();
    for extra in [
        &[("ExternalId", "")][..],
        &[("ExternalId", "palisade2")],
        &[("Tags.member.1.Value", "root")],
        &[("RoleArn", "arn:aws:iam::111122223333:role/none-such")],
    ] {
        assert_eq!(refusal(&sandbox, extra).await, "AccessDenied", "{extra:?}");
    }
    assert_eq!(sandbox.double.calls().len(), 4);
    assert!(sandbox.double.calls().iter().all(|c| c.outcome == Err("AccessDenied")));
    // A tenant's session is not among those that the role trusts.
    let tenant = sandbox.tenant("acme").await;
    let answer = sandbox.send(&Call::assume("other", &[]), &tenant).await;
    assert_eq!(answer.code(), "AccessDenied");
    assert!(answer.element("Message").contains("assumed-role/tenant-data/acme is not authorized to perform: sts:AssumeRole"));
}

#[tokio::test]
async fn tags_and_source_identity_need_their_own_permission() {
    let only_assume = |config: &mut DoubleConfig| {
        let statement = json!({"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"});
        config.roles[0].trust = json!({"Version": "2012-10-17", "Statement": [statement]});
    };
    let sandbox = Sandbox::with(only_assume);
    let untagged = [("Tags.member.1.Key", ""), ("Tags.member.1.Value", "")];
    sandbox.send(&Call::assume("acme", &untagged), &sandbox.base()).await.ok();
    let answer = sandbox.send(&Call::assume("acme", &[]), &sandbox.base()).await;
    assert!(answer.element("Message").contains("sts:TagSession"), "{answer:?}");
    let answer = sandbox.send(&Call::assume("acme", &[&untagged[..], &[("SourceIdentity", "jane")]].concat()), &sandbox.base()).await;
    assert!(answer.element("Message").contains("sts:SetSourceIdentity"), "{answer:?}");
}

#[tokio::test]
async fn limits_are_those_of_aws() {
    let sandbox = Sandbox::new();
    assert_eq!(refusal(&sandbox, &[("DurationSeconds", "3601")]).await, "ValidationError");
    assert_eq!(refusal(&sandbox, &[("Policy", "{")]).await, "MalformedPolicyDocument");
    assert_eq!(refusal(&sandbox, &[("Policy", &"x".repeat(2_049))]).await, "ValidationError");
    let mut tags = Vec::new();
    for i in 2..=20 {
        tags.push((format!("Tags.member.{i}.Key"), format!("k{i}")));
        tags.push((format!("Tags.member.{i}.Value"), "v".repeat(250)));
    }
    let tags: Vec<(&str, &str)> = tags.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(refusal(&sandbox, &tags).await, "PackedPolicyTooLarge");
    let unknown = Call::sts(&[("Action", "GetSessionToken"), ("Version", "2011-06-15")]);
    assert_eq!(sandbox.send(&unknown, &sandbox.base()).await.code(), "InvalidAction");
}

#[tokio::test]
async fn a_chain_hands_on_transitive_tags_and_lasts_an_hour() {
    let sandbox = Sandbox::with(|config| {
        let anyone = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sts:*"}]});
        let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["sts:*", "s3:*"], "Resource": "*"}]});
        config.roles[0].trust = anyone.clone();
        config.roles[0].policy["Statement"].as_array_mut().unwrap().push(policy["Statement"][0].clone());
        let max_session = Duration::from_secs(43_200);
        config.roles.push(RoleConfig { name: "second".to_owned(), account: None, trust: anyone, policy, max_session });
    });
    let transitive = Call::assume("acme", &[("TransitiveTagKeys.member.1", "tenantid"), ("SourceIdentity", "jane")]);
    let first = sandbox.session(&transitive).await;
    let second = |extra: &[(&str, &str)]| {
        let fixed = [("RoleArn", "arn:aws:iam::111122223333:role/second"), ("Tags.member.1.Key", ""), ("Tags.member.1.Value", "")];
        Call::assume("next", &[&fixed[..], extra].concat())
    };
    let answer = sandbox.send(&second(&[]), &first).await.ok();
    assert_eq!(answer.element("SourceIdentity"), "jane", "the source identity was lost");
    let inherited = sandbox.send(&second(&[("Tags.member.2.Key", "TENANTID"), ("Tags.member.2.Value", "other")]), &first).await;
    assert_eq!(inherited.code(), "ValidationError", "an inherited tag was replaced");
    assert_eq!(sandbox.send(&second(&[("SourceIdentity", "joe")]), &first).await.code(), "AccessDenied");
    assert_eq!(sandbox.send(&second(&[("DurationSeconds", "3601")]), &first).await.code(), "ValidationError");
    sandbox.send(&second(&[("DurationSeconds", "43200")]), &sandbox.base()).await.ok();
}

#[tokio::test]
async fn faults_come_when_asked_for_and_go() {
    let sandbox = Sandbox::new();
    let call = Call::assume("acme", &[]);
    for (fault, code) in
        [(Fault::Throttle, "Throttling"), (Fault::Unavailable, "ServiceUnavailable"), (Fault::ExpiredToken, "ExpiredToken")]
    {
        sandbox.double.set_fault(Wire::Query, Some(fault));
        assert_eq!(sandbox.send(&call, &sandbox.base()).await.code(), code);
    }
    sandbox.double.set_fault(Wire::Query, Some(Fault::Hang));
    assert!(tokio::time::timeout(Duration::from_millis(20), sandbox.send(&call, &sandbox.base())).await.is_err());
    sandbox.double.set_fault(Wire::Query, None);
    sandbox.send(&call, &sandbox.base()).await.ok();
    assert_eq!(sandbox.double.calls().len(), 1, "a disturbed request was recorded as received");
}
