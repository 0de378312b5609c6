use http::{HeaderName, Uri};

use super::*;
use crate::{
    aws::{operation::s3_operation_names, target::Style},
    config::Endpoint,
};

/// Needs one action of S3.
pub(crate) fn s3(operation: &str) -> Needed {
    Needed { service: "s3".to_owned(), operations: Some(vec![operation.to_owned()]) }
}

fn target(key: &str, style: Style, path: &str) -> Target {
    let service = Service::find(key);
    Target {
        service: key.to_owned(),
        api: key.to_owned(),
        signing_name: service.map_or(key, |service| service.signing_name).to_owned(),
        region: "eu-west-1".to_owned(),
        style,
        dial: Endpoint { tls: true, authority: "h".parse().unwrap() },
        dial_is_configured: false,
        host: "h".parse().unwrap(),
        signed_host: "h".parse().unwrap(),
        path_and_query: path.parse::<Uri>().unwrap().path_and_query().unwrap().clone(),
    }
}

fn headers(list: &[(&str, &str)]) -> HeaderMap {
    list.iter().map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap())).collect()
}

/// The actions of an S3 request, joined; empty for a request without a name.
fn needs_with(method: &str, path: &str, list: &[(&str, &str)]) -> String {
    let needed = needed(&target("s3", Style::Plain, path), &method.parse().unwrap(), &headers(list), Some("Whatever"));
    assert_eq!(needed.service, "s3");
    needed.operations.unwrap_or_default().join(" ")
}

fn needs(method: &str, path: &str) -> String {
    needs_with(method, path, &[])
}

fn actions(list: &[&str]) -> Actions {
    Actions::new(list.iter().map(|text| Pattern::parse(text).unwrap()).collect()).unwrap()
}

#[test]
fn patterns_are_iam_s_and_everything_else_is_none() {
    for good in ["s3:GetObject", "dynamodb:*", "s3:Get*", "s3:*Object*", "execute-api:Invoke", "ec2:Describe*"] {
        assert!(Pattern::parse(good).is_some(), "{good}");
    }
    for bad in [
        "",
        "*",
        "s3",
        "s3:",
        ":GetObject",
        "*:*",
        "s*:GetObject",
        "S3:GetObject",
        "s3:Get?bject",
        "s3:GetObject ",
        " s3:GetObject",
        "s3:Get:Object",
        "s3:Get-Object",
        "s3:${x}",
    ] {
        assert!(Pattern::parse(bad).is_none(), "{bad}");
    }
    assert!(Pattern::parse(&format!("s3:{}", "a".repeat(PATTERN_BYTES))).is_none());
    assert!(Actions::new(Vec::new()).is_none(), "no actions at all is no list of actions");
}

#[test]
fn a_pattern_matches_what_iam_would_match() {
    let allows = |pattern: &str, operation: &str| actions(&[pattern]).allow(&s3(operation)).is_ok();
    for (pattern, operation) in [
        ("s3:GetObject", "GetObject"),
        ("s3:getobject", "GetObject"),
        ("s3:*", "GetObject"),
        ("s3:Get*", "GetObject"),
        ("s3:*Object", "GetObject"),
        ("s3:G*t*O*ct", "GetObject"),
        ("s3:Get*Object", "GetObject"),
        ("s3:**", "x"),
    ] {
        assert!(allows(pattern, operation), "{pattern} {operation}");
    }
    for (pattern, operation) in [
        ("s3:GetObject", "GetObjectAcl"),
        ("s3:GetObject", "GetObjec"),
        ("s3:Get*", "PutObject"),
        ("s3:*Acl", "GetObject"),
        ("s3express:*", "GetObject"),
        ("s3:Get*Get*", "GetObject"),
    ] {
        assert!(!allows(pattern, operation), "{pattern} {operation}");
    }
    // Time that grows with a power of the stars would be felt here.
    assert!(!fits(&"a*".repeat(60), &"a".repeat(128).replace(' ', "").replacen('a', "b", 1)));
}

#[test]
fn all_that_is_needed_has_to_be_allowed_and_what_has_no_name_needs_everything() {
    let both = Needed { service: "s3".to_owned(), operations: Some(vec!["GetObject".to_owned(), "PutObject".to_owned()]) };
    assert_eq!(actions(&["s3:GetObject"]).allow(&both).unwrap_err(), "the proof is not for s3:PutObject");
    assert!(actions(&["s3:PutObject", "s3:GetObject"]).allow(&both).is_ok());
    let unnamed = Needed { service: "lambda".to_owned(), operations: None };
    for (patterns, fine) in [(&["lambda:*"][..], true), (&["lambda:Invoke*"], false), (&["lambda:**"], false), (&["s3:*"], false)] {
        assert_eq!(actions(patterns).allow(&unnamed).is_ok(), fine, "{patterns:?}");
    }
}

#[test]
fn services_and_operations_are_called_as_iam_calls_them() {
    let of = |key: &str, operation: &str| {
        let needed = needed(&target(key, Style::Plain, "/"), &Method::POST, &HeaderMap::new(), Some(operation));
        needed.operations.unwrap().into_iter().map(|action| format!("{}:{action}", needed.service)).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(of("dynamodb", "GetItem"), "dynamodb:GetItem");
    assert_eq!(of("dynamodbstreams", "GetRecords"), "dynamodb:GetRecords");
    assert_eq!(of("monitoring", "PutMetricData"), "cloudwatch:PutMetricData");
    assert_eq!(of("email", "SendEmail"), "ses:SendEmail");
    assert_eq!(of("tagging", "GetResources"), "tag:GetResources");
    assert_eq!(of("sqs", "SendMessageBatch"), "sqs:SendMessage");
    assert_eq!(of("sqs", "sendmessagebatch"), "sqs:SendMessage");
    assert_eq!(of("kms", "ReEncrypt"), "kms:ReEncryptFrom kms:ReEncryptTo");
    assert_eq!(of("dynamodb", "TransactWriteItems").split(' ').count(), 4);
    assert_eq!(of("dynamodb", "ExecuteStatement").matches("PartiQL").count(), 4);
    let unnamed = needed(&target("lambda", Style::Plain, "/2015-03-31/functions/f/invocations"), &Method::POST, &HeaderMap::new(), None);
    assert_eq!(unnamed, Needed { service: "lambda".to_owned(), operations: None });
}

#[test]
fn operations_of_s3_need_what_its_guide_says() {
    for (method, path, actions) in [
        ("GET", "/", "ListAllMyBuckets"),
        ("GET", "/b", "ListBucket"),
        ("GET", "/b/?list-type=2&prefix=acme%2F&delimiter=%2F&encoding-type=url&max-keys=5&x-id=ListObjectsV2", "ListBucket"),
        ("HEAD", "/b", "ListBucket"),
        ("GET", "/b?location", "GetBucketLocation"),
        ("GET", "/b?versions", "ListBucketVersions"),
        ("GET", "/b?uploads", "ListBucketMultipartUploads"),
        ("PUT", "/b?cors", "PutBucketCORS"),
        ("DELETE", "/b?lifecycle", "PutLifecycleConfiguration"),
        ("GET", "/b/k", "GetObject"),
        ("GET", "/b/a/b//c?x-id=GetObject&partNumber=3&response-content-type=x", "GetObject"),
        ("GET", "/b/k?versionId=1", "GetObjectVersion"),
        ("GET", "/b/k?%76ersionId=1", "GetObjectVersion"),
        ("HEAD", "/b/k", "GetObject"),
        ("GET", "/b/k?attributes", "GetObject GetObjectAttributes"),
        ("GET", "/b/k?tagging&versionId=1", "GetObjectVersionTagging"),
        ("POST", "/b/k?select&select-type=2", "GetObject"),
        ("PUT", "/b/k", "PutObject"),
        ("PUT", "/b/k?partNumber=1&uploadId=2", "PutObject"),
        ("POST", "/b/k?uploads", "PutObject"),
        ("POST", "/b/k?uploadId=2", "PutObject"),
        ("DELETE", "/b/k?uploadId=2", "AbortMultipartUpload"),
        ("GET", "/b/k?uploadId=2", "ListMultipartUploadParts"),
        ("DELETE", "/b/k", "DeleteObject"),
        ("DELETE", "/b/k?versionId=1", "DeleteObjectVersion"),
        ("POST", "/b?delete", "DeleteObject DeleteObjectVersion"),
        ("PUT", "/b/k?acl", "PutObjectAcl"),
    ] {
        assert_eq!(needs(method, path), actions, "{method} {path}");
    }
    assert_eq!(needs_with("PUT", "/b/k", &[("x-amz-copy-source", "/b/other")]), "GetObject PutObject");
    assert_eq!(needs_with("PUT", "/b/k", &[("x-amz-copy-source", "/b/other?versionId=1")]), "GetObject GetObjectVersion PutObject");
    assert_eq!(needs_with("PUT", "/b/k?partNumber=1&uploadId=2", &[("x-amz-copy-source", "/b/other")]), "GetObject PutObject");
    assert_eq!(needs_with("PUT", "/b/k", &[("x-amz-acl", "private"), ("x-amz-tagging", "a=b")]), "PutObject PutObjectAcl PutObjectTagging");
    assert_eq!(needs_with("PUT", "/b/k", &[("x-amz-grant-read", "id=1")]), "PutObject PutObjectAcl");
    assert_eq!(needs_with("PUT", "/b/k", &[("x-amz-object-lock-mode", "GOVERNANCE")]), "PutObject PutObjectRetention");
    assert_eq!(needs_with("DELETE", "/b/k", &[("x-amz-bypass-governance-retention", "true")]), "BypassGovernanceRetention DeleteObject");
    let in_host = needed(&target("s3", Style::Bucket("b".into()), "/a/k"), &Method::GET, &HeaderMap::new(), None);
    assert_eq!(in_host, s3("GetObject"));
}

/// Each of these is one operation to a tolerant reader, and another to S3.
#[test]
fn no_spelling_makes_one_operation_of_s3_pass_for_another() {
    for (method, path) in [
        ("GET", "/b/k?ACL"),
        ("GET", "/b/k?acl%20"),
        ("GET", "/b/k?acl;versionId=1"),
        ("GET", "/b/k?;acl"),
        ("GET", "/b/k?versionid=1"),
        ("GET", "/b/k?something-new"),
        ("GET", "/b/k?policy"),
        ("HEAD", "/b/k?acl"),
        ("GET", "/b/k?%ff"),
        ("GET", "//k"),
        ("POST", "/b"),
        ("POST", "/b/k?select"),
        ("PATCH", "/b/k"),
    ] {
        assert_eq!(needs(method, path), "", "{method} {path}");
    }
    // Two readings need both.
    assert_eq!(needs("GET", "/b/k?acl&tagging"), "GetObjectAcl GetObjectTagging");
    assert_eq!(needs_with("PUT", "/b/k?acl", &[("x-amz-copy-source", "/b/o")]), "GetObject PutObject PutObjectAcl");
    // What looks like a bucket is a key of slashes.
    assert_eq!(needs("GET", "/b//"), "GetObject");
    assert_eq!(needs("DELETE", "/b//"), "DeleteObject");
    let in_host = needed(&target("s3", Style::Bucket("b".into()), "//"), &Method::DELETE, &HeaderMap::new(), None);
    assert_eq!(in_host, s3("DeleteObject"));
}

#[test]
fn the_table_has_operations_of_s3_and_each_once() {
    let known: Vec<_> = s3_operation_names().collect();
    assert!(s3::operations().all(|name| known.contains(&name)), "{:?}", s3::operations().find(|name| !known.contains(name)));
    assert!(s3::rows().zip(s3::rows().skip(1)).all(|(one, next)| one < next), "sorted, and no operation twice");
}
