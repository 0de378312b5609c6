//! Tables from the examples and rules that AWS documents for IAM, S3 and DynamoDB.

use serde_json::json;

use super::*;

fn identity(statements: Value) -> Policy {
    Policy::parse(&json!({"Version": "2012-10-17", "Statement": statements}), PolicyKind::Identity).unwrap()
}

fn ask(policy: &Policy, action: &str, resource: &str, context: Context) -> Verdict {
    policy.evaluate(&Request { action, resource, caller: &[], context: &context })
}

fn condition(block: Value, context: Context) -> bool {
    let policy = identity(json!([{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": block}]));
    ask(&policy, "s3:GetObject", "arn:aws:s3:::b/k", context) == Verdict::Allow
}

#[test]
fn an_explicit_deny_wins_and_silence_is_no_permission() {
    let policy = identity(json!([
        {"Effect": "Allow", "Action": ["s3:Get*", "S3:putobject"], "Resource": "arn:aws:s3:::pool/*"},
        {"Effect": "Deny", "Action": "s3:*", "Resource": "arn:aws:s3:::pool/secret/*"}
    ]));
    for (action, resource, expected) in [
        ("s3:GetObject", "arn:aws:s3:::pool/a", Verdict::Allow),
        ("s3:PutObject", "arn:aws:s3:::pool/a/b", Verdict::Allow),
        ("s3:DeleteObject", "arn:aws:s3:::pool/a", Verdict::Silent),
        ("s3:GetObject", "arn:aws:s3:::Pool/a", Verdict::Silent),
        ("s3:GetObject", "arn:aws:s3:::pool", Verdict::Silent),
        ("s3:GetObject", "arn:aws:s3:::pool/secret/a", Verdict::ExplicitDeny),
    ] {
        assert_eq!(ask(&policy, action, resource, Context::default()), expected, "{action} {resource}");
    }
}

#[test]
fn not_action_and_not_resource_are_complements() {
    let policy = identity(json!({"Effect": "Allow", "NotAction": "iam:*", "NotResource": "arn:aws:s3:::hr/*"}));
    let none = Context::default;
    assert_eq!(ask(&policy, "s3:GetObject", "arn:aws:s3:::pool/a", none()), Verdict::Allow);
    assert_eq!(ask(&policy, "iam:GetUser", "arn:aws:s3:::pool/a", none()), Verdict::Silent);
    assert_eq!(ask(&policy, "s3:GetObject", "arn:aws:s3:::hr/a", none()), Verdict::Silent);
}

#[test]
fn tag_variables_confine_a_session_to_its_own_prefix() {
    let policy = identity(json!({"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::pool/${aws:PrincipalTag/TenantID}/*"}));
    let tagged = |tenant: &str| Context::default().with("aws:PrincipalTag/TenantID", tenant);
    let own = "arn:aws:s3:::pool/acme/k";
    assert_eq!(ask(&policy, "s3:GetObject", own, tagged("acme")), Verdict::Allow);
    assert_eq!(ask(&policy, "s3:GetObject", own, tagged("other")), Verdict::Silent);
    assert_eq!(ask(&policy, "s3:GetObject", "arn:aws:s3:::pool/acme-eu/k", tagged("acme")), Verdict::Silent);
    assert_eq!(ask(&policy, "s3:GetObject", own, tagged("*")), Verdict::Silent, "a tag's value acted as a wildcard");
    assert_eq!(ask(&policy, "s3:GetObject", own, Context::default()), Verdict::Silent, "a variable without value matched");
}

#[test]
fn variables_without_a_value_never_help_a_negated_element() {
    let not_resource = json!({"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:s3:::pool/${aws:PrincipalTag/T}/*"});
    assert_eq!(ask(&identity(not_resource), "s3:GetObject", "arn:aws:s3:::x/y", Context::default()), Verdict::Silent);
    let block = json!({"StringNotEquals": {"aws:userid": "${aws:PrincipalTag/T}"}});
    assert!(!condition(block, Context::default().with("aws:userid", "AROA:x")));
}

#[test]
fn variables_are_plain_text_before_2012() {
    let document = json!({"Statement": {"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::b/${aws:userid}"}});
    let policy = Policy::parse(&document, PolicyKind::Identity).unwrap();
    let context = Context::default().with("aws:userid", "me");
    assert_eq!(ask(&policy, "s3:GetObject", "arn:aws:s3:::b/me", context.clone()), Verdict::Silent);
    assert_eq!(ask(&policy, "s3:GetObject", "arn:aws:s3:::b/${aws:userid}", context), Verdict::Allow);
}

#[test]
fn a_listing_is_confined_by_prefix() {
    let block = json!({"StringLike": {"s3:prefix": ["", "home/", "home/${aws:userid}/*"]}});
    let prefix = |p: &str| Context::default().with("aws:userid", "u1").with("s3:prefix", p);
    assert!(condition(block.clone(), prefix("")));
    assert!(condition(block.clone(), prefix("home/u1/x")));
    assert!(!condition(block.clone(), prefix("home/u2/x")));
    assert!(!condition(block.clone(), prefix("home")));
    assert!(!condition(block, Context::default().with("aws:userid", "u1")), "an absent prefix met a positive operator");
}

#[test]
fn operators_follow_the_documented_truth_table() {
    let has = |value: &str| Context::default().with("aws:PrincipalTag/k", value);
    let key = "aws:principaltag/K";
    let none = Context::default;
    for (operator, wanted, context, expected) in [
        ("StringEquals", json!(["a", "b"]), has("b"), true),
        ("StringEquals", json!("a*"), has("ab"), false),
        ("StringEquals", json!("a"), has("A"), false),
        ("StringEquals", json!("a"), none(), false),
        ("StringEqualsIfExists", json!("a"), none(), true),
        ("StringEqualsIfExists", json!("a"), has("b"), false),
        ("StringNotEquals", json!(["a", "b"]), has("b"), false),
        ("StringNotEquals", json!(["a", "b"]), has("c"), true),
        ("StringNotEquals", json!("a"), none(), true),
        ("StringEqualsIgnoreCase", json!("a"), has("A"), true),
        ("StringNotEqualsIgnoreCase", json!("a"), has("A"), false),
        ("StringLike", json!("a*"), has("ab"), true),
        ("StringNotLike", json!("a*"), has("ab"), false),
        ("StringNotLikeIfExists", json!("a*"), none(), true),
        ("Bool", json!(true), has("true"), true),
        ("Bool", json!("false"), has("true"), false),
        ("Null", json!("true"), none(), true),
        ("Null", json!(true), has("x"), false),
        ("Null", json!("false"), has("x"), true),
        ("Null", json!("false"), none(), false),
        ("NumericLessThan", json!(10), has("9"), true),
        ("NumericLessThan", json!(10), has("10"), false),
        ("NumericLessThanEquals", json!("10"), has("10"), true),
        ("NumericGreaterThan", json!("2"), has("10"), true),
        ("NumericGreaterThanEquals", json!("2"), has("x"), false),
        ("NumericEquals", json!("2"), has("2.0"), true),
        ("NumericNotEquals", json!("2"), has("3"), true),
        ("ArnLike", json!("arn:aws:iam::*:role/x"), has("arn:aws:iam::1:role/x"), true),
        ("ArnNotEquals", json!("arn:aws:iam::*:role/x"), has("arn:aws:iam::1:role/x"), false),
    ] {
        assert_eq!(condition(json!({operator: {key: wanted}}), context.clone()), expected, "{operator} {wanted} {context:?}");
    }
}

#[test]
fn set_operators_follow_the_documented_truth_table() {
    let keys = |values: &[&str]| Context::default().with_all("dynamodb:LeadingKeys", values.iter().map(|v| (*v).to_owned()));
    for (operator, wanted, values, expected) in [
        ("ForAllValues:StringEquals", json!(["a", "b"]), &["a", "b"][..], true),
        ("ForAllValues:StringEquals", json!(["a", "b"]), &["a", "c"], false),
        ("ForAllValues:StringEquals", json!(["a"]), &[], true),
        ("ForAllValues:StringNotEquals", json!(["a"]), &["b", "c"], true),
        ("ForAllValues:StringNotEquals", json!(["a"]), &["a", "c"], false),
        ("ForAllValues:StringLike", json!("acme#*"), &["acme#1", "acme#2"], true),
        ("ForAllValues:StringLike", json!("acme#*"), &["acme#1", "other#2"], false),
        ("ForAnyValue:StringEquals", json!(["a"]), &["a", "c"], true),
        ("ForAnyValue:StringEquals", json!(["a"]), &["b", "c"], false),
        ("ForAnyValue:StringEquals", json!(["a"]), &[], false),
        ("ForAnyValue:StringNotEquals", json!(["a"]), &["a", "c"], true),
        ("ForAnyValue:StringNotEquals", json!(["a"]), &[], false),
        ("ForAllValues:StringEqualsIfExists", json!(["a"]), &[], true),
        ("ForAnyValue:StringEqualsIfExists", json!(["a"]), &[], true),
    ] {
        let met = condition(json!({operator: {"dynamodb:LeadingKeys": wanted}}), keys(values));
        assert_eq!(met, expected, "{operator} {wanted} {values:?}");
    }
}

#[test]
fn for_all_values_needs_a_null_check_to_refuse_a_scan() {
    let own = json!({"dynamodb:LeadingKeys": ["${aws:PrincipalTag/TenantID}"]});
    let scan = Context::default().with("aws:PrincipalTag/TenantID", "acme");
    assert!(condition(json!({"ForAllValues:StringEquals": own}), scan.clone()), "documented: absent is true");
    let strict = json!({"ForAllValues:StringEquals": own, "Null": {"dynamodb:LeadingKeys": "false"}});
    assert!(!condition(strict.clone(), scan.clone()));
    assert!(condition(strict, scan.with("dynamodb:LeadingKeys", "acme")));
    assert!(!condition(json!({"ForAllValues:StringEquals": own}), Context::default()), "an unresolved variable let a scan pass");
}

#[test]
fn operators_and_keys_are_joined_by_and() {
    let block = json!({"StringEquals": {"a:x": "1", "a:y": "2"}, "StringLike": {"a:z": "3*"}});
    let all = Context::default().with("a:x", "1").with("a:y", "2").with("a:z", "33");
    assert!(condition(block.clone(), all.clone()));
    for key in ["a:x", "a:y", "a:z"] {
        assert!(!condition(block.clone(), all.clone().with(key, "0")), "{key} did not count");
    }
}

#[test]
fn a_trust_policy_names_its_callers() {
    let trust = |principal: Value| {
        let statement = json!([{"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}]);
        Policy::parse(&json!({"Version": "2012-10-17", "Statement": statement}), PolicyKind::Trust).unwrap()
    };
    let caller = ["111122223333".to_owned(), "arn:aws:iam::111122223333:root".to_owned(), "arn:aws:iam::111122223333:user/p".to_owned()];
    let ask = |policy: &Policy, action| {
        policy.evaluate(&Request { action, resource: "", caller: &caller, context: &Context::default() }) == Verdict::Allow
    };
    assert!(ask(&trust(json!("*")), "sts:AssumeRole"));
    assert!(ask(&trust(json!({"AWS": "111122223333"})), "sts:AssumeRole"));
    assert!(ask(&trust(json!({"AWS": ["arn:aws:iam::1:root", "arn:aws:iam::111122223333:user/p"]})), "sts:AssumeRole"));
    assert!(!ask(&trust(json!({"AWS": "arn:aws:iam::999999999999:root"})), "sts:AssumeRole"));
    assert!(!ask(&trust(json!({"Service": "ec2.amazonaws.com"})), "sts:AssumeRole"));
    assert!(!ask(&trust(json!("*")), "sts:TagSession"));
}

#[test]
fn what_is_not_understood_is_refused_when_read() {
    let allow = |extra: Value| {
        let mut statement = json!({"Effect": "Allow", "Action": "*", "Resource": "*"});
        statement.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        Policy::parse(&json!({"Version": "2012-10-17", "Statement": [statement]}), PolicyKind::Identity)
    };
    assert!(allow(json!({})).is_ok());
    for bad in [
        json!({"Effect": "allow"}),
        json!({"Principal": "*"}),
        json!({"NotResource": "x"}),
        json!({"Colour": "red"}),
        json!({"Resource": "${aws:x"}),
        json!({"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}),
        json!({"Condition": {"ForSomeValues:StringEquals": {"a": "b"}}}),
        json!({"Condition": {"NullIfExists": {"a": "true"}}}),
        json!({"Condition": {"StringEquals": "a"}}),
        json!({"Action": {"a": 1}}),
    ] {
        assert!(allow(bad.clone()).is_err(), "{bad} was accepted");
    }
    for bad in [json!([]), json!({"Version": "2020-01-01", "Statement": []}), json!({"Version": "2012-10-17"})] {
        assert!(Policy::parse(&bad, PolicyKind::Identity).is_err(), "{bad} was accepted");
    }
}
