use http::{Uri, uri::PathAndQuery};
use proptest::prelude::*;

use super::*;
use crate::{aws::target::Style, config::Endpoint};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded; charset=utf-8");

fn target(key: &str, style: Style, path: &str) -> Target {
    let service = Service::named(key);
    Target {
        service: key.to_owned(),
        api: service.map_or(key, |s| s.key).to_owned(),
        signing_name: service.map_or(key, |s| s.signing_name).to_owned(),
        region: "eu-west-1".to_owned(),
        style,
        dial: Endpoint { tls: true, authority: "h".parse().unwrap() },
        dial_is_configured: false,
        host: "h".parse().unwrap(),
        signed_host: "h".parse().unwrap(),
        path_and_query: path.parse::<Uri>().unwrap().path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/")),
    }
}

fn headers(list: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in list {
        headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    }
    headers
}

fn named(key: &str, method: &str, path: &str, list: &[(&str, &str)], body: Option<&str>) -> Result<Option<String>, Reason> {
    let target = target(key, Style::Plain, path);
    candidates(&target, &method.parse().unwrap(), &headers(list), body.map(str::as_bytes))
        .and_then(|operations| check(&target, &operations))
        .map_err(|refusal| refusal.reason)
}

#[test]
fn operations_have_names() {
    let some = |name: &str| Ok(Some(name.to_owned()));
    assert_eq!(named("dynamodb", "POST", "/", &[("x-amz-target", "DynamoDB_20120810.GetItem")], Some("{}")), some("GetItem"));
    assert_eq!(named("sns", "POST", "/", &[FORM], Some("Action=Publish&Version=2010-03-31")), some("Publish"));
    assert_eq!(named("sns", "GET", "/?Action=ListTopics", &[], None), some("ListTopics"));
    assert_eq!(
        named(
            "monitoring",
            "POST",
            "/service/GraniteServiceVersion20100801/operation/PutMetricData",
            &[("smithy-protocol", "rpc-v2-cbor")],
            Some("")
        ),
        some("PutMetricData")
    );
    assert_eq!(named("lambda", "POST", "/2015-03-31/functions/f/invocations", &[], None), Ok(None));
    assert_eq!(named("aoss", "POST", "/index/_search", &[("content-type", "application/json")], Some("{}")), Ok(None));
    assert_eq!(named("execute-api", "POST", "/prod/x?action=buy", &[FORM], None), Ok(None));
}

#[test]
fn s3_operations_are_told_apart() {
    let bucket = || Style::Bucket("b".to_owned());
    let copy = [("x-amz-copy-source", "/b/k")];
    for (style, method, path, list, expected) in [
        (Style::Plain, "GET", "/", &[][..], "ListBuckets"),
        (Style::Plain, "GET", "/b", &[], "ListObjects"),
        (Style::Plain, "GET", "/b/?list-type=2&prefix=x", &[], "ListObjectsV2"),
        (Style::Plain, "GET", "/b/k", &[], "GetObject"),
        (Style::Plain, "GET", "/b/k?versionId=1&x-id=GetObject", &[], "GetObject"),
        (Style::Plain, "HEAD", "/b", &[], "HeadBucket"),
        (Style::Plain, "HEAD", "/b/k", &[], "HeadObject"),
        (Style::Plain, "PUT", "/b/k", &[], "PutObject"),
        (Style::Plain, "PUT", "/b/k", &copy, "CopyObject"),
        (Style::Plain, "PUT", "/b/k?partNumber=1&uploadId=u", &[], "UploadPart"),
        (Style::Plain, "PUT", "/b/k?partNumber=1&uploadId=u", &copy, "UploadPartCopy"),
        (Style::Plain, "POST", "/b/k?uploads", &[], "CreateMultipartUpload"),
        (Style::Plain, "POST", "/b/k?uploadId=u", &[], "CompleteMultipartUpload"),
        (Style::Plain, "DELETE", "/b/k?uploadId=u", &[], "AbortMultipartUpload"),
        (Style::Plain, "POST", "/b?delete", &[], "DeleteObjects"),
        (Style::Plain, "GET", "/b?versions", &[], "ListObjectVersions"),
        (Style::Plain, "GET", "/b/k?tagging", &[], "GetObjectTagging"),
        (Style::Plain, "DELETE", "/b/k", &[], "DeleteObject"),
        (bucket(), "GET", "/", &[], "ListObjects"),
        (bucket(), "GET", "/?list-type=2", &[], "ListObjectsV2"),
        (bucket(), "GET", "/k", &[], "GetObject"),
        (bucket(), "PUT", "/a/../b", &[], "PutObject"),
    ] {
        let target = target("s3", style, path);
        let operations = candidates(&target, &method.parse().unwrap(), &headers(list), None).unwrap();
        assert_eq!(check(&target, &operations).unwrap().as_deref(), Some(expected), "{method} {path}");
    }
    assert_eq!(named("s3", "POST", "/", &[], None), Err(Reason::OperationAmbiguous));
    assert_eq!(named("s3", "POST", "/b/k", &[], None), Err(Reason::OperationAmbiguous));
}

#[test]
fn what_hands_out_credentials_is_refused_however_it_is_named() {
    let target = |value: &'static str| [("x-amz-target", value)];
    let cbor = [("smithy-protocol", "rpc-v2-cbor")];
    for (key, method, path, list, body) in [
        // X-Amz-Target, in any case and with anything before the last dot
        ("ecr", "POST", "/", &target("AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken")[..], Some("{}")),
        ("ecr", "POST", "/", &target("AmazonEC2ContainerRegistry_V20150921.getauthorizationtoken"), Some("{}")),
        ("ecr", "POST", "/", &target("GetAuthorizationToken"), Some("{}")),
        ("ssm", "POST", "/", &target("AmazonSSM.StartSession"), Some("{}")),
        ("codebuild", "POST", "/", &target("CodeBuild_20161006.StartSandboxConnection"), Some("{}")),
        ("ecs", "POST", "/", &target("AmazonEC2ContainerServiceV20141113.ExecuteCommand"), Some("{}")),
        ("cognito-idp", "POST", "/", &target("AWSCognitoIdentityProviderService.InitiateAuth"), Some("{}")),
        // Action, in query and body
        ("iam", "POST", "/", &[FORM], Some("Action=CreateAccessKey&UserName=x")),
        ("iam", "POST", "/", &[], Some("Action=createaccesskey")),
        ("iam", "POST", "/", &[("content-type", "text/plain")], Some("Action=CreateAccessKey")),
        ("iam", "GET", "/?Action=CreateAccessKey", &[], None),
        ("iam", "GET", "/?%41ction=Create%41ccessKey", &[], None),
        ("redshift", "POST", "/", &[FORM], Some("Version=1&Action=GetClusterCredentials")),
        ("redshift", "GET", "/?Action=GetClusterCredentialsWithIAM", &[], None),
        ("ec2", "POST", "/", &[FORM], Some("Action=GetPasswordData")),
        ("elasticache", "GET", "/?Action=connect&User=u", &[], None),
        // STS's operations at any service: an emulator may serve several
        ("dynamodb", "POST", "/?Action=AssumeRole", &[], Some("")),
        ("sqs", "POST", "/", &[FORM], Some("Action=GetSessionToken")),
        // RPC v2
        ("redshift-serverless", "POST", "/service/RedshiftServerless/operation/GetCredentials", &cbor, Some("")),
        ("ecr", "POST", "/service/AmazonEC2ContainerRegistry_V20150921/operation/GetAuthorizationToken", &cbor, Some("")),
        ("ecr", "POST", "//x/service/AmazonEC2ContainerRegistry_V20150921/operation/GetAuthorizatio%6eToken/", &[], Some("")),
        // REST paths
        ("s3", "GET", "/b?session", &[], None),
        ("s3", "GET", "/b/?session=", &[], None),
        ("s3", "GET", "/b/?%73ession", &[], None),
        ("s3express", "GET", "/?session", &[], None),
        ("s3-control", "GET", "/v20180820/accessgrantsinstance/dataaccess?target=s3://b", &[], None),
        ("s3", "GET", "/v20180820//accessgrantsinstance/dataaccess", &[], None),
        ("codeartifact", "POST", "/v1/authorization-token?domain=d", &[], None),
        ("codeartifact", "POST", "/v1//authorization%2Dtoken/?domain=d", &[], None),
        ("lakeformation", "POST", "/GetTemporaryGlueTableCredentials", &[], None),
        ("lakeformation", "POST", "/AssumeDecoratedRoleWithSAML", &[], None),
        ("emr-containers", "POST", "/virtualclusters/v/endpoints/e/credentials", &[], None),
        ("airflow", "POST", "/clitoken/env", &[], None),
        ("grafana", "POST", "/workspaces/w/apikeys", &[], None),
        ("datazone", "GET", "/v2/domains/d/environments/e/credentials", &[], None),
        ("deadline", "GET", "/2023-10-12/farms/f/queues/q/user-roles", &[], None),
        ("ivschat", "POST", "/CreateChatToken", &[], None),
        ("ivs", "POST", "/GetStreamKey", &[], None),
        ("gameliftstreams", "POST", "/streamgroups/g/streamsessions/s/access", &[], None),
        ("gameliftstreams", "GET", "/streamgroups/g/streamurls/u", &[], None),
        ("apigateway", "POST", "/apikeys", &[], None),
        ("amazing-new-service", "POST", "/CreateChatToken", &[], None),
        ("amazing-new-service", "POST", "/", &target("New.AssumeRole"), Some("{}")),
    ] {
        assert_eq!(named(key, method, path, list, body), Err(Reason::OperationRefused), "{key} {method} {path} {list:?} {body:?}");
    }
}

#[test]
fn a_request_that_can_be_read_in_two_ways_is_refused() {
    let get_item = ("x-amz-target", "DynamoDB_20120810.GetItem");
    for (key, method, path, list, body) in [
        ("dynamodb", "POST", "/", &[get_item, get_item][..], Some("{}")),
        ("dynamodb", "POST", "/?Action=PutItem", &[get_item], Some("{}")),
        ("dynamodb", "POST", "/", &[], Some("{}")),
        ("dynamodb", "POST", "/", &[("x-amz-target", "DynamoDB_20120810.")], Some("{}")),
        ("dynamodb", "POST", "/", &[("x-amz-target", "DynamoDB_20120810.Get Item")], Some("{}")),
        ("sns", "POST", "/?Action=Publish", &[FORM], Some("Action=Subscribe")),
        ("sns", "POST", "/", &[FORM], Some("Action=Publish&Action=Publish")),
        ("sns", "POST", "/", &[FORM], Some("Version=1")),
        ("sns", "POST", "/", &[FORM], None),
        ("sns", "GET", "/", &[], None),
        ("lambda", "GET", "/2015-03-31/../functions", &[], None),
        ("codeartifact", "POST", "/v1/x/%2e%2e/authorization-token", &[], None),
    ] {
        assert_eq!(named(key, method, path, list, body), Err(Reason::OperationAmbiguous), "{key} {method} {path} {list:?} {body:?}");
    }
    let path = "/service/DynamoDB_20120810/operation/GetItem";
    assert_eq!(named("monitoring", "POST", path, &[("smithy-protocol", "rpc-v2-cbor")], Some("")), Err(Reason::TargetConflict));
}

#[test]
fn a_form_that_another_reader_decodes_differently_is_refused() {
    let json = ("content-type", "application/json");
    let encoded = |value: &'static str| ("content-encoding", value);
    let typed = |value: &'static str| ("content-type", value);
    let create_key = Some("Action=CreateAccessKey");
    for list in [
        &[json, FORM][..],
        &[FORM, json],
        &[FORM, FORM],
        &[typed("application/json, application/x-www-form-urlencoded")],
        &[FORM, encoded("gzip")],
        &[FORM, encoded("identity, gzip")],
        &[FORM, encoded("identity"), encoded("deflate")],
        &[encoded("gzip")],
        &[typed("application/x-www-form-urlencoded; charset=utf-16")],
        &[typed("application/x-www-form-urlencoded; Charset = \"IBM037\"")],
        &[typed("application/x-www-form-urlencoded; charset=utf-8; charset=utf-7")],
        &[typed("application/x-www-form-urlencoded; charset*=utf-16''x")],
        &[typed("text/plain; charset=utf-16")],
    ] {
        // What we read from it is harmless or nothing; what somebody else reads need not be.
        for body in [create_key, Some("Action=ListUsers"), Some("\0A\0c\0t\0i\0o\0n")] {
            assert_eq!(named("iam", "POST", "/", list, body), Err(Reason::OperationAmbiguous), "{list:?} {body:?}");
        }
    }
    // A service that speaks other protocols beside Query, whose operation is named elsewhere too.
    let put = ("x-amz-target", "GraniteServiceVersion20100801.PutMetricData");
    for list in [&[put, json, FORM][..], &[put, FORM, encoded("gzip")], &[put, encoded("gzip")]] {
        assert_eq!(named("monitoring", "POST", "/", list, Some("x")), Err(Reason::OperationAmbiguous), "{list:?}");
    }
    // SDKs compress large metrics; what is no form names its operation outside the body.
    let some = |name: &str| Ok(Some(name.to_owned()));
    let json10 = typed("application/x-amz-json-1.0");
    assert_eq!(named("monitoring", "POST", "/", &[put, json10, encoded("gzip")], Some("\u{1f}")), some("PutMetricData"));
    for content_type in ["application/x-www-form-urlencoded; charset=\"UTF-8\"", "application/x-www-form-urlencoded;charset=utf8;"] {
        let list = [typed(content_type), encoded("Identity")];
        assert_eq!(named("sns", "POST", "/", &list, Some("Action=Publish")), some("Publish"), "{content_type}");
    }
    // Neither REST services nor S3 read an operation from a body.
    for key in ["lambda", "execute-api"] {
        assert_eq!(named(key, "POST", "/x", &[FORM, json, encoded("gzip")], Some("x")), Ok(None), "{key}");
    }
    assert_eq!(named("s3", "PUT", "/b/k", &[FORM, json, encoded("gzip")], None), some("PutObject"));
}

#[test]
fn services_that_only_hand_out_credentials_cannot_be_configured() {
    for name in
        ["sts", "STS", "sso", "sso-oidc", "signin", "cognito-identity", "rds-db", "dsql", "eks-auth", "rolesanywhere", "kafka-cluster"]
    {
        assert!(service_is_refused(name).is_some(), "{name}");
    }
    for name in ["s3", "dynamodb", "cognito-idp", "ecr", "iam", "ssm", "aoss"] {
        assert_eq!(service_is_refused(name), None, "{name}");
    }
}

#[test]
fn every_row_of_the_table_can_be_hit() {
    for row in refused_table::REFUSED {
        let (service, name, method, path) = row.parts();
        let outcome = if method.is_empty() {
            named(service, "POST", &format!("/?Action={name}"), &[], Some(""))
        } else {
            named(service, method, &path.replace(['{', '}', '+'], "x"), &[], None)
        };
        // Services without an RPC protocol do not read `Action`; nothing of theirs is named.
        assert_eq!(outcome, Err(Reason::OperationRefused), "{service} {name}");
    }
}

proptest! {
    #[test]
    fn no_request_panics(
        key in "s3|dynamodb|sns|ecr|lambda|unknown", method in "GET|POST|PUT|DELETE|HEAD", path in "/[a-zA-Z0-9%./?=&;+-]{0,40}",
        value in "[ -~]{0,30}", body in prop::option::of(prop::collection::vec(any::<u8>(), 0..64)),
    ) {
        if path.parse::<Uri>().is_ok() {
            let target = target(&key, Style::Plain, &path);
            let headers = headers(&[("x-amz-target", &value), ("content-type", &value)]);
            if let Ok(operations) = candidates(&target, &method.parse().unwrap(), &headers, body.as_deref()) {
                let _ = check(&target, &operations);
            }
        }
    }
}
