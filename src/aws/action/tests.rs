use http::{HeaderName, Method};

use super::*;
use crate::aws::{
    operation::{self, Catalogue, s3_operation_names},
    target::Style,
};

/// Needs one action of S3.
pub(crate) fn s3(operation: &str) -> Needed<'_> {
    Needed { service: "s3", operations: Some(vec![operation]) }
}

fn target(key: &str, style: Style, path: &str) -> Target {
    let signing_name = Service::find(key).map_or(key, |service| service.signing_name);
    Target::for_tests((key, key, signing_name), style, path)
}

fn headers(list: &[(&str, &str)]) -> HeaderMap {
    list.iter().map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap())).collect()
}

/// The actions of an S3 request, joined; empty for a request without a name.
fn needs_with(method: &str, path: &str, list: &[(&str, &str)]) -> String {
    let target = target("s3", Style::Plain, path);
    let (method, headers) = (method.parse().unwrap(), headers(list));
    let named = named(&target, &method, &headers);
    let needed = needed(&target, &headers, &named);
    assert_eq!(needed.service, "s3");
    let needed = needed.operations.unwrap_or_default();
    // What policies can speak of has all of it.
    #[cfg(feature = "cedar")]
    for action in &needed {
        assert!(named.listed().any(|name| s3::could_need(name).contains(action)), "{action} for {path}");
    }
    needed.join(" ")
}

/// What a request without a body is, also where it is refused for that.
fn named(target: &Target, method: &Method, headers: &HeaderMap) -> Named {
    let catalogue = Catalogue::of(Service::find(&target.api), &target.signing_name);
    let candidates = operation::candidates(&catalogue, target, method, headers, None);
    candidates.and_then(|candidates| operation::check(&catalogue, candidates)).unwrap_or_default()
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
    let both = Needed { service: "s3", operations: Some(vec!["GetObject", "PutObject"]) };
    assert_eq!(actions(&["s3:GetObject"]).allow(&both).unwrap_err(), "the proof is not for s3:PutObject");
    assert!(actions(&["s3:PutObject", "s3:GetObject"]).allow(&both).is_ok());
    let unnamed = Needed { service: "lambda", operations: None };
    for (patterns, fine) in [(&["lambda:*"][..], true), (&["lambda:Invoke*"], false), (&["lambda:**"], false), (&["s3:*"], false)] {
        assert_eq!(actions(patterns).allow(&unnamed).is_ok(), fine, "{patterns:?}");
    }
}

#[test]
fn services_and_operations_are_called_as_iam_calls_them() {
    let of = |key: &str, operation: &'static str| {
        let (target, named) = (target(key, Style::Plain, "/"), Named::for_tests(key, operation));
        let needed = needed(&target, &HeaderMap::new(), &named);
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
    assert_eq!(of("bedrock-runtime", "Converse"), "bedrock:InvokeModel");
    assert_eq!(of("bedrock-runtime", "ConverseStream"), "bedrock:InvokeModelWithResponseStream");
    assert_eq!(of("bedrock-runtime", "InvokeModel"), "bedrock:InvokeModel");
    assert_eq!(of("lambda", "Invoke"), "lambda:InvokeFunction");
    assert_eq!(of("lambda", "InvokeAsync"), "lambda:InvokeAsync");
    assert_eq!(of("lambda", "InvokeWithResponseStream"), "lambda:InvokeFunction");
    assert_eq!(of("apigateway", "GetRestApis"), "apigateway:GET");
    assert_eq!(of("apigateway", "CreateRestApi"), "apigateway:POST");
    assert_eq!(of("execute-api", "PostToConnection"), "execute-api:ManageConnections");
    assert_eq!(of("execute-api", "Invoke"), "execute-api:Invoke");
    assert_eq!(of("es", "ESHttpPost"), "es:ESHttpPost");
    assert_eq!(of("sns", "PublishBatch"), "sns:Publish");
    assert_eq!(of("iotsecuretunneling", "ListTunnels"), "iot:ListTunnels");
}

/// The request of a service that is found by what it is, and not by a name that a test gives it.
pub(crate) fn asked(key: &str, method: Method, path: &str, list: &[(&str, &str)], body: Option<&[u8]>) -> Needed<'static> {
    let (target, headers) = (target(key, Style::Plain, path), headers(list));
    let catalogue = Catalogue::of(Service::find(key), &target.signing_name);
    let candidates = operation::candidates(&catalogue, &target, &method, &headers, body).unwrap();
    let named = operation::check(&catalogue, candidates).unwrap();
    let (target, named) = (Box::leak(Box::new(target)), Box::leak(Box::new(named)));
    needed(target, &headers, named)
}

#[test]
fn requests_of_rest_services_need_the_action_of_their_operation() {
    let invoke = |path| asked("lambda", Method::POST, path, &[], Some(b"{}"));
    let by_name = actions(&["lambda:InvokeFunction"]);
    for path in [
        "/2015-03-31/functions/f/invocations",
        "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-west-1%3A111122223333%3Afunction%3Af/invocations/",
    ] {
        assert_eq!(by_name.allow(&invoke(path)), Ok(()), "{path}");
        assert!(actions(&["lambda:GetFunction", "lambda:InvokeAsync"]).allow(&invoke(path)).is_err(), "{path}");
    }
    // Another operation, another reader's operation, and none.
    for path in [
        "/2014-11-13/functions/f/invoke-async",
        "/2015-03-31/functions/f/Invocations",
        "/2015-03-31/functions//invocations",
        "/2015-03-31/functions/f;x/invocations",
        "/2015-03-31/functions/f/%69nvocations",
        "/2015-03-31/functions/f%2Finvocations",
        "/anything",
    ] {
        assert!(by_name.allow(&invoke(path)).is_err(), "{path}");
    }
    assert_eq!(actions(&["lambda:*"]).allow(&invoke("/anything")), Ok(()));
    let overridden = [("x-http-method-override", "DELETE")];
    let needed = asked("lambda", Method::POST, "/2015-03-31/functions/f/invocations", &overridden, Some(b"{}"));
    assert_eq!(needed, Needed { service: "lambda", operations: None });
}

#[test]
fn a_stated_name_that_no_table_has_needs_the_action_of_that_name() {
    let stated = |name: &str| asked("dynamodb", Method::POST, "/", &[("x-amz-target", &format!("DynamoDB_20120810.{name}"))], Some(b"{}"));
    assert_eq!(actions(&["dynamodb:GetItem"]).allow(&stated("GetItem")), Ok(()));
    assert_eq!(actions(&["dynamodb:BrandNew"]).allow(&stated("BrandNew")), Ok(()));
    assert!(actions(&["dynamodb:GetItem"]).allow(&stated("BrandNew")).is_err());
}

#[test]
fn exceptions_are_of_operations_that_there_are() {
    assert!(table::OPERATIONS.is_sorted_by(|one, next| (one.0, one.1.to_ascii_lowercase()) < (next.0, next.1.to_ascii_lowercase())));
    for (service, name, actions) in names::by_hand().chain(table::OPERATIONS) {
        let keys = Service::all().filter(|candidate| iam_service(candidate.signing_name) == *service);
        let known = keys.flat_map(|candidate| operation::names_of(candidate.key)).any(|known| known == *name);
        assert!(known && !actions.is_empty(), "{service}:{name}");
    }
    for (service, name, actions) in names::by_hand() {
        assert!(
            !table::OPERATIONS.iter().any(|row| (row.0, row.1, row.2) == (*service, *name, *actions)),
            "{service}:{name} is in the data too"
        );
    }
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
        ("GET", "/b/k?attributes&versionId=1", "GetObjectVersion GetObjectVersionAttributes"),
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
    assert_eq!(needs_with("PUT", "/b", &[("x-amz-grant-read", "id=1")]), "CreateBucket PutBucketAcl");
    assert_eq!(needs_with("GET", "/b/k", &[("x-amz-grant-read", "id=1")]), "GetObject");
    for lock in ["x-amz-object-lock-mode", "x-amz-object-lock-event-hold", "x-amz-object-lock-retain-until-date"] {
        assert_eq!(needs_with("PUT", "/b/k", &[(lock, "x")]), "PutObject PutObjectRetention", "{lock}");
        assert_eq!(needs_with("POST", "/b/k?uploads", &[(lock, "x")]), "PutObject PutObjectRetention", "{lock}");
        assert_eq!(needs_with("GET", "/b/k", &[(lock, "x")]), "GetObject", "{lock}");
    }
    assert_eq!(needs_with("PUT", "/b/k", &[("x-amz-object-lock-legal-hold", "ON")]), "PutObject PutObjectLegalHold");
    assert_eq!(needs_with("DELETE", "/b/k", &[("x-amz-bypass-governance-retention", "true")]), "BypassGovernanceRetention DeleteObject");
    let in_host = target("s3", Style::Bucket("b".into()), "/a/k");
    assert_eq!(needed(&in_host, &HeaderMap::new(), &named(&in_host, &Method::GET, &HeaderMap::new())), s3("GetObject"));
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
    let in_host = target("s3", Style::Bucket("b".into()), "//");
    assert_eq!(needed(&in_host, &HeaderMap::new(), &named(&in_host, &Method::DELETE, &HeaderMap::new())), s3("DeleteObject"));
}

#[test]
fn the_table_has_operations_of_s3_and_each_once() {
    let known: Vec<_> = s3_operation_names().collect();
    assert!(s3::operations().all(|name| known.contains(&name)), "{:?}", s3::operations().find(|name| !known.contains(name)));
    assert!(s3::rows().zip(s3::rows().skip(1)).all(|(one, next)| one < next), "sorted, and no operation twice");
}
