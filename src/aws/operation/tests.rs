use std::sync::Arc;

use http::Uri;
use proptest::prelude::*;

use super::*;
use crate::aws::target::Style;

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded; charset=utf-8");

fn target(key: &str, style: Style, path: &str) -> Target {
    let service = Service::named(key);
    let (api, signing_name) = (service.map_or(key, |s| s.key), service.map_or(key, |s| s.signing_name));
    Target::for_tests((key, api, signing_name), style, path)
}

fn headers(list: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in list {
        headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    }
    headers
}

fn named(key: &str, method: &str, path: &str, list: &[(&str, &str)], body: Option<&str>) -> Result<Option<String>, Reason> {
    asked(&target(key, Style::Plain, path), method, list, body).map(|named| named.logged().map(|name| name.into_owned()))
}

fn asked(target: &Target, method: &str, list: &[(&str, &str)], body: Option<&str>) -> Result<Named, Reason> {
    let catalogue = catalogue(target);
    candidates(&catalogue, target, &method.parse().unwrap(), &headers(list), body.map(str::as_bytes))
        .and_then(|operations| check(&catalogue, operations))
        .map_err(|refusal| refusal.reason)
}

fn catalogue(target: &Target) -> Catalogue {
    Catalogue::of(Service::find(&target.api), &target.signing_name)
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
    assert_eq!(named("lambda", "POST", "/2015-03-31/functions/f/invocations", &[], None), some("Invoke"));
    assert_eq!(named("aoss", "POST", "/index/_search", &[("content-type", "application/json")], Some("{}")), Ok(None));
    assert_eq!(named("execute-api", "POST", "/prod/x?action=buy", &[FORM], None), some("Invoke"));
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
        let named = asked(&target, method, list, None).unwrap();
        assert_eq!(named.logged().as_deref(), Some(expected), "{method} {path}");
    }
    assert_eq!(named("s3", "POST", "/", &[], None), Err(Reason::OperationAmbiguous));
    assert_eq!(named("s3", "POST", "/b/k", &[], None), Err(Reason::OperationAmbiguous));
}

/// By the letter: what the log calls it does not allow anything.
#[test]
fn what_a_compatible_store_makes_of_a_parameter_nobody_knows() {
    let by_letter = |path: &str, dial_is_configured: bool| {
        let mut target = target("s3", Style::Plain, path);
        Arc::make_mut(&mut target.destination).dial_is_configured = dial_is_configured;
        asked(&target, "GET", &[], None).unwrap().only().map(Known::name)
    };
    for (query, on_aws, elsewhere) in [
        ("x-id=GetObject", Some("GetObject"), Some("GetObject")),
        ("response-content-type=a", Some("GetObject"), Some("GetObject")),
        ("x-log-of=me", Some("GetObject"), None),
        ("x-ids=GetObject", Some("GetObject"), None),
        ("x-oss-process=image/watermark,image_b3RoZXI", Some("GetObject"), None),
        ("x-image-process=image/resize", Some("GetObject"), None),
        ("x-id=GetObject&x-oss-process=style/a", Some("GetObject"), None),
        ("ci-process=a", None, None),
    ] {
        let path = format!("/b/k?{query}");
        assert_eq!((by_letter(&path, false), by_letter(&path, true)), (on_aws, elsewhere), "{query}");
    }
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
    for (key, expected) in [("lambda", Ok(None)), ("execute-api", some("Invoke"))] {
        assert_eq!(named(key, "POST", "/x", &[FORM, json, encoded("gzip")], Some("x")), expected, "{key}");
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

/// A request of each operation of each service, in each of the service's protocols.
#[test]
fn every_operation_is_known_or_refused() {
    let mut refused = 0;
    let mut expect = |key: &str, name: &str, method: &str, path: &str, list: &[(&str, &str)], body: Option<&str>| match asked(
        &target(key, Style::Plain, path),
        method,
        list,
        body,
    ) {
        Ok(named) if key == "execute-api" => assert_eq!(named.names().collect::<Vec<_>>(), [name, "Invoke"]),
        Ok(named) => assert_eq!(named.only().map(Known::name), Some(name), "{key} {method} {path} {list:?} {body:?}"),
        Err(reason) => {
            let row = refused_table::REFUSED.iter().any(|row| row.parts().1 == name);
            assert!(row && reason == Reason::OperationRefused, "{key} {name} {method} {path}: {reason:?}");
            refused += 1;
        }
    };
    for service in Service::all().filter(|service| !service.is_s3() && service_is_refused(service.key).is_none()) {
        for line in models::lines_of(service.key) {
            if let [name, method, template] = line[..] {
                expect(service.key, name, method, &template.replace(['{', '}', '+'], "-"), &[], Some(""));
                continue;
            }
            let name = line[0];
            for protocol in service.protocols.iter().filter(|protocol| protocol.is_rpc()) {
                let prefix = service.targets.first().copied().unwrap_or("Any");
                match protocol {
                    Dialect::Query | Dialect::Ec2Query => {
                        expect(service.key, name, "POST", "/", &[FORM], Some(&format!("Action={name}&Version=1")));
                    }
                    Dialect::Cbor => {
                        let path = format!("/service/{prefix}/operation/{name}");
                        expect(service.key, name, "POST", &path, &[("smithy-protocol", "rpc-v2-cbor")], Some("x"));
                    }
                    _ => expect(service.key, name, "POST", "/", &[("x-amz-target", &format!("{prefix}.{name}"))], Some("{}")),
                }
            }
        }
    }
    assert!(refused > 200, "{refused}");
}

#[test]
fn a_stated_name_is_known_in_its_own_case_alone() {
    let named =
        |value: &'static str| asked(&target("dynamodb", Style::Plain, "/"), "POST", &[("x-amz-target", value)], Some("{}")).unwrap();
    assert_eq!(named("DynamoDB_20120810.GetItem").only().map(|known| (known.service(), known.name())), Some(("dynamodb", "GetItem")));
    for value in ["DynamoDB_20120810.getitem", "DynamoDB_20120810.BrandNew"] {
        assert_eq!((named(value).only(), named(value).logged()), (None, None), "{value}");
        assert_eq!(named(value).names().collect::<Vec<_>>(), [value.split_once('.').unwrap().1]);
    }
    // Both ways of saying it have to agree to the letter.
    let path = "/service/GraniteServiceVersion20100801/operation/PutMetricData";
    let twice = |value| asked(&target("monitoring", Style::Plain, path), "POST", &[("x-amz-target", value)], Some("")).unwrap();
    assert!(twice("GraniteServiceVersion20100801.PutMetricData").only().is_some());
    assert!(twice("GraniteServiceVersion20100801.putmetricdata").only().is_none());
}

#[test]
fn labels_of_a_rest_request_can_be_asked_for() {
    let named = asked(&target("lambda", Style::Plain, "/2015-03-31/functions/acme-f%3Aprod/invocations"), "POST", &[], Some("{}")).unwrap();
    let known = named.only().unwrap();
    assert_eq!((known.service(), known.name(), known.label("FunctionName")), ("lambda", "Invoke", Some("acme-f:prod")));
    assert_eq!(known.label("Qualifier"), None);
}

#[test]
fn a_service_with_named_and_located_operations_has_one_of_them_in_a_request() {
    assert_eq!(named("email", "POST", "/", &[FORM], Some("Action=SendEmail")), Ok(Some("SendEmail".to_owned())));
    assert_eq!(named("email", "POST", "/v2/email/outbound-emails", &[], Some("{}")), Ok(Some("SendEmail".to_owned())));
    let both = named("email", "POST", "/v2/email/outbound-emails?Action=GetSendQuota", &[], Some("{}"));
    assert_eq!(both, Err(Reason::OperationAmbiguous));
}

#[test]
fn what_is_asked_of_a_customers_host_is_named_as_iam_does() {
    let on_own_endpoint = |key: &str, method: &str, path: &str, list: &[(&str, &str)]| {
        let mut target = target(key, Style::Plain, path);
        Arc::make_mut(&mut target.destination).dial_is_configured = true;
        let named = asked(&target, method, list, Some("{}")).unwrap();
        named.names().collect::<Vec<_>>().join(" ")
    };
    let control = [("x-amz-target", "OpenSearchServerless.ListCollections")];
    for (key, method, path, list, expected) in [
        ("es", "GET", "/index/_search", &[][..], "ESHttpGet"),
        ("es", "POST", "/index/_doc/1", &[], "ESHttpPost"),
        ("es", "HEAD", "/", &[], "ESHttpHead"),
        ("es", "OPTIONS", "/", &[], ""),
        ("es", "POST", "/2021-01-01/opensearch/domain", &[], "CreateDomain ESHttpPost"),
        ("aoss", "POST", "/index/_search", &[], "APIAccessAll"),
        ("aoss", "GET", "/_Dashboards/app", &[], "APIAccessAll DashboardsAccessAll"),
        ("aoss", "POST", "/", &control, "ListCollections APIAccessAll"),
        ("execute-api", "GET", "/prod/items/1", &[], "Invoke"),
        ("execute-api", "POST", "/prod/@connections/abc%3D", &[], "PostToConnection Invoke"),
        ("execute-api", "DELETE", "/@connections/abc", &[], "DeleteConnection Invoke"),
        ("execute-api", "POST", "/prod/%40connections/abc", &[], ""),
        ("execute-api", "POST", "/a/b/@connections/abc", &[], ""),
    ] {
        assert_eq!(on_own_endpoint(key, method, path, list), expected, "{key} {method} {path}");
    }
    assert_eq!(named("es", "POST", "/index/_search", &[], Some("{}")), Ok(None), "AWS's own host has no domain's documents");
    assert_eq!(named("es", "POST", "/2021-01-01/opensearch/domain", &[], Some("{}")), Ok(Some("CreateDomain".to_owned())));
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
            let catalogue = catalogue(&target);
            if let Ok(operations) = candidates(&catalogue, &target, &method.parse().unwrap(), &headers, body.as_deref()) {
                let _ = check(&catalogue, operations);
            }
        }
    }
}
