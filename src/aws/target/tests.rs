mod s3;
mod vectors;

use std::{collections::BTreeMap, time::Duration};

use proptest::prelude::*;

use super::*;
use crate::config::{Proofs, ServerConfig, ServiceConfig, TimeoutsConfig};

fn service() -> ServiceConfig {
    let second = Duration::from_secs(1);
    let timeouts = TimeoutsConfig { connect: second, response: second, idle: second };
    ServiceConfig {
        endpoint: None,
        host: None,
        signed_host: None,
        ca: None,
        region: None,
        signing_name: None,
        unguarded: false,
        body_limit: 1,
        connections: 1,
        connection_lifetime: second,
        timeouts,
    }
}

fn endpoint(authority: &str) -> Option<Endpoint> {
    Some(Endpoint { tls: false, authority: authority.parse().unwrap() })
}

/// Two regions, S3, DynamoDB and some others; `sqs` at an emulator, `ours` a key of the operator's own.
fn config() -> EgressConfig {
    let plain = [
        "s3",
        "s3-control",
        "s3express",
        "dynamodb",
        "dynamodbstreams",
        "sns",
        "email",
        "aoss",
        "es",
        "execute-api",
        "iam",
        "kms",
        "lambda",
    ];
    let mut services: BTreeMap<_, _> = plain.iter().map(|key| ((*key).to_owned(), service())).collect();
    services.insert("sqs".to_owned(), ServiceConfig { endpoint: endpoint("127.0.0.1:5000"), ..service() });
    let ours = ServiceConfig {
        endpoint: endpoint("minio:9000"),
        signing_name: Some("minio".to_owned()),
        region: Some("garage".to_owned()),
        ..service()
    };
    services.insert("ours".to_owned(), ours);
    let second = Duration::from_secs(1);
    EgressConfig {
        listen: vec!["127.0.0.1:8180".parse().unwrap()],
        socket: None,
        tls: None,
        presign: None,
        defer: None,
        redeem: None,
        hosts: vec!["palisade.internal".to_owned()],
        region: "eu-west-1".to_owned(),
        regions: vec!["eu-west-1".to_owned(), "us-east-1".to_owned(), "xx-none-1".to_owned()],
        proofs: Proofs { passport: true, jwt: false, deferred: false, certificate: false },
        services,
        ca: None,
        server: ServerConfig {
            handshake_timeout: second,
            header_timeout: second,
            idle_timeout: second,
            header_bytes: 1,
            headers: 1,
            uri_bytes: 1,
            connections: 1,
            drain: second,
        },
    }
}

fn resolve_with(
    config: &EgressConfig,
    scope: Option<(&str, &str)>,
    uri: &str,
    host: Option<&str>,
    list: &[(&str, &str)],
) -> Result<Target, Reason> {
    ask(config, scope, uri, host, list).map_err(|refusal| refusal.reason)
}

fn ask(
    config: &EgressConfig,
    scope: Option<(&str, &str)>,
    uri: &str,
    host: Option<&str>,
    list: &[(&str, &str)],
) -> Result<Target, Refusal> {
    let mut headers = HeaderMap::new();
    for (name, value) in list {
        headers.append(name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap());
    }
    let uri: Uri = uri.parse().unwrap();
    let host: Option<Authority> = host.map(|host| host.parse().unwrap());
    let scope = scope.map(|(service, region)| Scope { service, region });
    let hints = TargetHints { scope, uri: &uri, host: host.as_ref(), headers: &headers };
    let targets = Targets::new(config);
    let first = targets.resolve(&hints);
    let outcome = |resolved: &Result<Target, Refusal>| resolved.as_ref().cloned().map_err(|refusal| (refusal.reason, refusal.note.clone()));
    assert_eq!(outcome(&targets.resolve(&hints)), outcome(&first), "the second answer is the first");
    first
}

fn resolve(scope: Option<(&str, &str)>, uri: &str, host: Option<&str>, list: &[(&str, &str)]) -> Result<Target, Reason> {
    resolve_with(&config(), scope, uri, host, list)
}

const OWN: Option<&str> = Some("127.0.0.1:8180");
const GET_ITEM: (&str, &str) = ("x-amz-target", "DynamoDB_20120810.GetItem");
const GET_RECORDS: (&str, &str) = ("x-amz-target", "DynamoDBStreams_20120810.GetRecords");

#[test]
fn an_endpoint_override_goes_where_the_scope_says() {
    for (scope, list, key, dial) in [
        (("s3", "eu-west-1"), &[][..], "s3", "s3.eu-west-1.amazonaws.com"),
        (("s3", "us-east-1"), &[], "s3", "s3.us-east-1.amazonaws.com"),
        (("dynamodb", "eu-west-1"), &[GET_ITEM], "dynamodb", "dynamodb.eu-west-1.amazonaws.com"),
        (("dynamodb", "eu-west-1"), &[GET_RECORDS], "dynamodbstreams", "streams.dynamodb.eu-west-1.amazonaws.com"),
        (("ses", "eu-west-1"), &[], "email", "email.eu-west-1.amazonaws.com"),
        (("sqs", "eu-west-1"), &[("x-amz-target", "AmazonSQS.SendMessage")], "sqs", "127.0.0.1:5000"),
        // SDKs sign a global service for their own region; it has one place and one region all the same.
        (("iam", "eu-west-1"), &[], "iam", "iam.amazonaws.com"),
        (("minio", "anything"), &[], "ours", "minio:9000"),
    ] {
        let target = resolve(Some(scope), "/a%20b//c?x=%2F", OWN, list).unwrap();
        assert_eq!((target.service.as_str(), target.dial.authority.as_str()), (key, dial), "{scope:?}");
        assert_eq!(target.host.as_str(), dial);
        assert_eq!(target.path_and_query.as_str(), "/a%20b//c?x=%2F");
        assert_eq!(target.dial_is_configured, matches!(key, "sqs" | "ours"));
        assert_eq!(target.dial.tls, !target.dial_is_configured);
    }
    let target = resolve(Some(("s3", "eu-west-1")), "/v20180820/x", OWN, &[("x-amz-account-id", "111122223333")]).unwrap();
    assert_eq!((target.service.as_str(), target.signing_name.as_str()), ("s3-control", "s3"));
    assert_eq!(resolve(Some(("iam", "eu-west-1")), "/", OWN, &[]).unwrap().region, "us-east-1");
    assert_eq!(resolve(Some(("minio", "x")), "/", OWN, &[]).unwrap().region, "garage");
}

#[test]
fn without_a_signature_host_or_target_header_decide() {
    let target = resolve(None, "/", Some("dynamodb.eu-west-1.amazonaws.com"), &[]).unwrap();
    assert_eq!((target.service.as_str(), target.region.as_str()), ("dynamodb", "eu-west-1"));
    let target = resolve(None, "/", OWN, &[GET_ITEM]).unwrap();
    assert_eq!((target.service.as_str(), target.region.as_str()), ("dynamodb", "eu-west-1"));
    assert_eq!(resolve(None, "/", OWN, &[]), Err(Reason::ServiceUnknown));
    assert_eq!(resolve(None, "/", None, &[]), Err(Reason::ServiceUnknown));
    assert_eq!(resolve(None, "/", OWN, &[("x-amz-target", "AWSEvents.PutEvents")]), Err(Reason::ServiceNotAllowed));
    assert_eq!(resolve(None, "/", OWN, &[("x-amz-target", "NoSuch.Thing")]), Err(Reason::ServiceUnknown));
}

#[test]
fn aws_host_names_are_understood() {
    for (host, key, region, dial, style) in [
        ("s3.eu-west-1.amazonaws.com", "s3", "eu-west-1", "", None),
        ("S3.EU-WEST-1.amazonaws.com", "s3", "eu-west-1", "s3.eu-west-1.amazonaws.com", None),
        ("s3.amazonaws.com", "s3", "eu-west-1", "s3.eu-west-1.amazonaws.com", None),
        ("s3-eu-west-1.amazonaws.com", "s3", "eu-west-1", "", None),
        ("s3.dualstack.eu-west-1.amazonaws.com", "s3", "eu-west-1", "", None),
        ("s3-fips.us-east-1.amazonaws.com", "s3", "us-east-1", "", None),
        ("bucket.s3.eu-west-1.amazonaws.com", "s3", "eu-west-1", "s3.eu-west-1.amazonaws.com", Some("bucket")),
        ("my.dotted.bucket.s3.eu-west-1.amazonaws.com", "s3", "eu-west-1", "s3.eu-west-1.amazonaws.com", Some("my.dotted.bucket")),
        ("bucket.s3.dualstack.eu-west-1.amazonaws.com", "s3", "eu-west-1", "s3.dualstack.eu-west-1.amazonaws.com", Some("bucket")),
        ("bucket.s3-eu-west-1.amazonaws.com", "s3", "eu-west-1", "s3-eu-west-1.amazonaws.com", Some("bucket")),
        ("dynamodb.s3.eu-west-1.amazonaws.com", "s3", "eu-west-1", "s3.eu-west-1.amazonaws.com", Some("dynamodb")),
        ("dynamodb.eu-west-1.amazonaws.com:443", "dynamodb", "eu-west-1", "dynamodb.eu-west-1.amazonaws.com", None),
        ("dynamodb-fips.us-east-1.amazonaws.com", "dynamodb", "us-east-1", "", None),
        ("dynamodb.eu-west-1.api.aws", "dynamodb", "eu-west-1", "", None),
        ("111122223333.ddb.eu-west-1.amazonaws.com", "dynamodb", "eu-west-1", "", None),
        ("streams.dynamodb.eu-west-1.amazonaws.com", "dynamodbstreams", "eu-west-1", "", None),
        ("111122223333.s3-control.eu-west-1.amazonaws.com", "s3-control", "eu-west-1", "", None),
        ("ap-111122223333.s3-accesspoint.eu-west-1.amazonaws.com", "s3", "eu-west-1", "", Some("ap-111122223333")),
        ("abc123.eu-west-1.aoss.amazonaws.com", "aoss", "eu-west-1", "", None),
        ("search-logs-x1.eu-west-1.es.amazonaws.com", "es", "eu-west-1", "", None),
        ("abc123.execute-api.eu-west-1.amazonaws.com", "execute-api", "eu-west-1", "", None),
        ("vpce-0a1b-x.dynamodb.eu-west-1.vpce.amazonaws.com", "dynamodb", "eu-west-1", "", None),
        ("bucket.vpce-0a1b-x.s3.eu-west-1.vpce.amazonaws.com", "s3", "eu-west-1", "", None),
        ("data.bucket.vpce-0a1b-x.s3.eu-west-1.vpce.amazonaws.com", "s3", "eu-west-1", "", Some("data")),
        ("email.eu-west-1.amazonaws.com", "email", "eu-west-1", "", None),
        ("iam.amazonaws.com", "iam", "us-east-1", "", None),
    ] {
        for uri in ["/k".to_owned(), format!("http://{host}/k")] {
            let target = resolve(None, &uri, Some(host), &[]).unwrap_or_else(|reason| panic!("{host}: {reason:?}"));
            assert_eq!((target.service.as_str(), target.region.as_str()), (key, region), "{host}");
            assert_eq!(target.dial.authority.as_str(), if dial.is_empty() { host } else { dial });
            assert_eq!(target.style, style.map_or(Style::Plain, |bucket| Style::Bucket(bucket.to_owned())), "{host}");
            assert_eq!(target.path_and_query.as_str(), "/k");
            assert!(target.dial.tls);
        }
    }
    let target = resolve(None, "/k", Some("bucket.s3.amazonaws.com"), &[]).unwrap();
    assert_eq!(target.host.as_str(), "bucket.s3.eu-west-1.amazonaws.com");
}

#[test]
fn other_partitions_have_their_own_suffix() {
    let mut config = config();
    config.region = "cn-north-1".to_owned();
    config.regions = vec!["cn-north-1".to_owned(), "us-gov-west-1".to_owned()];
    let dial = |scope, host| resolve_with(&config, scope, "/", host, &[]).map(|target| target.dial.authority.to_string());
    assert_eq!(dial(Some(("s3", "cn-north-1")), OWN), Ok("s3.cn-north-1.amazonaws.com.cn".to_owned()));
    assert_eq!(dial(Some(("s3", "us-gov-west-1")), OWN), Ok("s3.us-gov-west-1.amazonaws.com".to_owned()));
    assert_eq!(dial(None, Some("b.s3.cn-north-1.amazonaws.com.cn")), Ok("s3.cn-north-1.amazonaws.com.cn".to_owned()));
    assert_eq!(dial(None, Some("s3.cn-north-1.amazonaws.com")), Err(Reason::HostNotAllowed));
    assert_eq!(dial(Some(("s3", "eu-west-1")), OWN), Err(Reason::RegionNotAllowed));
}

#[test]
fn hosts_that_are_neither_awss_nor_ours_are_refused() {
    for host in [
        "evil.example",
        "169.254.169.254",
        "169.254.170.2:80",
        "[fd00:ec2::254]",
        "[::ffff:169.254.169.254]",
        "2852039166",
        "10.0.0.1",
        "metadata.google.internal",
        "amazonaws.com",
        "evilamazonaws.com",
        "s3.eu-west-1.amazonaws.com.evil.example",
        "s3.eu-west-1.amazonaws.com.",
        "s3.eu-west-1.amazonaws.com:8443",
        "s3..eu-west-1.amazonaws.com",
        "elb-name.eu-west-1.elb.amazonaws.com",
        "ec2-1-2-3-4.eu-west-1.compute.amazonaws.com",
        "bucket.s3-website-eu-west-1.amazonaws.com",
        "s3express-evil.elb.eu-west-1.amazonaws.com",
        "x.s3express-evil.elb.eu-west-1.amazonaws.com",
        "s3express-evil.compute.amazonaws.com",
        "x.dynamodb.eu-west-1.amazonaws.com",
        "x.kinesis.eu-west-1.amazonaws.com",
        "1234.ddb.eu-west-1.amazonaws.com",
        "s3-accesspoint.eu-west-1.amazonaws.com",
        "vpce-0a1b.vpce-svc-0c2d.eu-west-1.vpce.amazonaws.com",
        "dynamodb.eu-west-1.vpce.amazonaws.com",
        "abc.lambda-url.eu-west-1.on.aws",
    ] {
        for uri in ["/", &format!("http://{host}/")] {
            let Ok(uri) = uri.parse::<Uri>() else { continue };
            let outcome = resolve(Some(("s3", "eu-west-1")), &uri.to_string(), Some(host), &[]);
            assert_eq!(outcome, Err(Reason::HostNotAllowed), "{host}");
        }
    }
    assert_eq!(resolve(None, "/", Some("user@127.0.0.1:8180"), &[]), Err(Reason::MalformedRequest));
}

#[test]
fn what_contradicts_itself_is_refused() {
    let s3 = Some(("s3", "eu-west-1"));
    for (scope, uri, host, list) in [
        // target and Host
        (s3, "http://s3.eu-west-1.amazonaws.com/", Some("dynamodb.eu-west-1.amazonaws.com"), &[][..]),
        (s3, "http://s3.eu-west-1.amazonaws.com/", OWN, &[]),
        (s3, "http://127.0.0.1:8180/", Some("127.0.0.1:8181"), &[]),
        // scope and host
        (s3, "/", Some("dynamodb.eu-west-1.amazonaws.com"), &[]),
        (Some(("dynamodb", "eu-west-1")), "/", Some("b.s3.eu-west-1.amazonaws.com"), &[]),
        (Some(("s3", "us-east-1")), "/", Some("s3.eu-west-1.amazonaws.com"), &[]),
        (Some(("iam", "us-east-1")), "/", Some("iam.eu-west-1.amazonaws.com"), &[]),
        // X-Amz-Target
        (s3, "/", OWN, &[GET_ITEM]),
        (Some(("kms", "eu-west-1")), "/", OWN, &[GET_ITEM]),
        (Some(("dynamodb", "eu-west-1")), "/", Some("dynamodb.eu-west-1.amazonaws.com"), &[GET_RECORDS]),
        (Some(("dynamodb", "eu-west-1")), "/", OWN, &[("x-amz-target", "DynamoDB_20111205.GetItem")]),
        (Some(("lambda", "eu-west-1")), "/", OWN, &[("x-amz-target", "Some.Thing")]),
        (Some(("minio", "x")), "/", OWN, &[GET_ITEM]),
        // a resource in the host that the configured endpoint cannot have
        (Some(("sqs", "us-east-1")), "/", Some("sqs.eu-west-1.amazonaws.com"), &[]),
    ] {
        assert_eq!(resolve(scope, uri, host, list), Err(Reason::TargetConflict), "{scope:?} {uri} {host:?} {list:?}");
    }
    let twice = [GET_ITEM, GET_ITEM];
    assert_eq!(resolve(Some(("dynamodb", "eu-west-1")), "/", OWN, &twice), Err(Reason::OperationAmbiguous));
}

#[test]
fn only_configured_services_and_regions_are_reached() {
    for (scope, host, reason) in [
        (Some(("sts", "eu-west-1")), OWN, Reason::ServiceNotAllowed),
        (Some(("secretsmanager", "eu-west-1")), OWN, Reason::ServiceNotAllowed),
        (None, Some("secretsmanager.eu-west-1.amazonaws.com"), Reason::ServiceNotAllowed),
        (Some(("../evil", "eu-west-1")), OWN, Reason::ServiceNotAllowed),
        (Some(("s3", "eu-central-1")), OWN, Reason::RegionNotAllowed),
        (None, Some("s3.eu-central-1.amazonaws.com"), Reason::RegionNotAllowed),
        (Some(("s3", "eu-west-1.evil.example/")), OWN, Reason::RegionNotAllowed),
        // Allowed by the configuration, unknown to AWS: must not become a host name.
        (Some(("s3", "xx-none-1")), OWN, Reason::RegionNotAllowed),
        (Some(("iam", "eu-central-1")), OWN, Reason::RegionNotAllowed),
    ] {
        assert_eq!(resolve(scope, "/", host, &[]), Err(reason), "{scope:?} {host:?}");
    }
    // An emulator may have any region that the configuration allows.
    assert_eq!(resolve(Some(("sqs", "xx-none-1")), "/", OWN, &[]).unwrap().region, "xx-none-1");
}

/// Whoever reads the log learns what was asked for, however odd it is, and on one short line.
#[test]
fn refused_destinations_are_named_in_the_log() {
    let (long, none): (_, &[(&str, &str)]) = ("x".repeat(5_000), &[]);
    for (scope, host, list, note) in [
        (Some(("sts", "eu-west-1")), OWN, none, "\"sts\" is not in egress.services"),
        (None, Some("secretsmanager.eu-west-1.amazonaws.com"), &[], "\"secretsmanager\" is not in egress.services"),
        (None, OWN, &[("x-amz-target", "AWSEvents.PutEvents")], "\"events\" is not in egress.services"),
        (Some(("a\n\u{1b}b", "eu-west-1")), OWN, &[], "\"a\\n\\u{1b}b\" is not in egress.services"),
        (Some(("s3", "eu-central-1")), OWN, &[], "\"eu-central-1\" is not in egress.regions"),
        (Some(("iam", "eu-central-1")), OWN, &[], "\"eu-central-1\" is not in egress.regions"),
        (Some(("s3", "xx-none-1")), OWN, &[], "\"xx-none-1\" is not a region of AWS's"),
        (
            Some(("s3", long.as_str())),
            OWN,
            &[],
            "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…\" is not in egress.regions",
        ),
        (None, OWN, &[("x-amz-target", "NoSuch.Thing")], "X-Amz-Target is of no service that is known"),
        (
            None,
            OWN,
            &[],
            "neither a credential scope nor X-Amz-Target nor a host of AWS's; name one, such as Host: s3.eu-west-1.amazonaws.com",
        ),
    ] {
        let refusal = ask(&config(), scope, "/", host, list).unwrap_err();
        assert_eq!(refusal.note.as_deref(), Some(note));
    }
}

#[test]
fn an_endpoint_of_ones_own_takes_the_bucket_into_the_path() {
    let mut config = config();
    config.services.insert("s3".to_owned(), ServiceConfig { endpoint: endpoint("minio:9000"), ..service() });
    config.services.insert("es".to_owned(), ServiceConfig { endpoint: endpoint("search-a.eu-west-1.es.amazonaws.com"), ..service() });
    let path = |uri: &str, host: &str| resolve_with(&config, None, uri, Some(host), &[]).map(|t| format!("{}{}", t.host, t.path_and_query));
    assert_eq!(path("/k%2F//x?acl", "b.s3.eu-west-1.amazonaws.com"), Ok("minio:9000/b/k%2F//x?acl".to_owned()));
    assert_eq!(path("/b/k", "s3.eu-west-1.amazonaws.com"), Ok("minio:9000/b/k".to_owned()));
    assert_eq!(path("/k", "ap-111122223333.s3-accesspoint.eu-west-1.amazonaws.com"), Err(Reason::TargetConflict));
    assert_eq!(path("/i", "search-a.eu-west-1.es.amazonaws.com"), Ok("search-a.eu-west-1.es.amazonaws.com/i".to_owned()));
    assert_eq!(path("/i", "search-b.eu-west-1.es.amazonaws.com"), Err(Reason::TargetConflict));
}

/// Words that differ in one thing alone, asked of one memory in every order of two: each has the answer that it has by itself.
#[test]
fn what_was_asked_before_answers_nothing_else() {
    type Words = (Option<(&'static str, &'static str)>, &'static str, Option<&'static str>, &'static [(&'static str, &'static str)]);
    let control: &[_] = &[("x-amz-account-id", "111122223333")];
    let emulated: &[_] = &[("x-amz-target", "AmazonSQS.SendMessage")];
    let all: [Words; 20] = [
        (None, "/", OWN, &[]),
        (None, "/", None, &[]),
        (None, "/", OWN, &[GET_ITEM]),
        (None, "/", OWN, &[GET_ITEM, GET_ITEM]),
        (None, "/", Some("s3.eu-west-1.amazonaws.com"), &[]),
        (None, "/", Some("s3.us-east-1.amazonaws.com"), &[]),
        (None, "/", Some("s3.us-east-1.amazonaws.com:443"), &[]),
        (None, "/", Some("a.s3.us-east-1.amazonaws.com"), &[]),
        (None, "/", Some("user@s3.us-east-1.amazonaws.com"), &[]),
        (Some(("s3", "eu-west-1")), "/", OWN, &[]),
        (Some(("s3", "us-east-1")), "/", OWN, &[]),
        (Some(("s3", "us-east-1")), "http://127.0.0.1:8180/", OWN, &[]),
        (Some(("s3", "us-east-1")), "http://127.0.0.1:8180/", Some("s3.us-east-1.amazonaws.com"), &[]),
        (Some(("s3", "us-east-1")), "/v20180820/x", OWN, control),
        (Some(("s3", "us-east-1")), "/v20180820/x", OWN, &[]),
        (Some(("s3", "us-east-1")), "/", Some("b.localhost:8180"), &[]),
        (Some(("s3us", "east-1")), "/", OWN, &[]),
        (Some(("dynamodb", "eu-west-1")), "/", OWN, &[GET_ITEM]),
        (Some(("dynamodb", "eu-west-1")), "/", OWN, &[GET_RECORDS]),
        (Some(("dynamodb", "eu-west-1")), "/", OWN, emulated),
    ];
    let config = config();
    let hinted = |targets: &Targets, (scope, uri, host, list): Words| {
        let headers = list.iter().map(|(name, value)| (name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap()));
        let mut map = HeaderMap::new();
        headers.for_each(|(name, value): (_, http::HeaderValue)| {
            map.append(name, value);
        });
        let (uri, host) = (uri.parse().unwrap(), host.map(|host| host.parse().unwrap()));
        let scope = scope.map(|(service, region)| Scope { service, region });
        let answer = targets.resolve(&TargetHints { scope, uri: &uri, host: host.as_ref(), headers: &map });
        answer.map_err(|refusal| (refusal.reason, refusal.note))
    };
    let fresh = all.map(|words| hinted(&Targets::new(&config), words));
    assert!(fresh.iter().filter(|answer| answer.is_ok()).count() >= 12, "{fresh:?}");
    for first in all {
        let targets = Targets::new(&config);
        let _ = hinted(&targets, first);
        for (words, fresh) in all.iter().zip(&fresh) {
            assert_eq!(hinted(&targets, *words), *fresh, "{words:?} after {first:?}");
        }
    }
}

/// Who keeps an answer in mind shares it, and who makes words up takes no more room than there is.
#[test]
fn answers_are_shared_and_bounded() {
    let targets = Targets::new(&config());
    let resolve = |bucket: &str| {
        let (uri, host) = ("/k".parse().unwrap(), format!("{bucket}.localhost:8180").parse().unwrap());
        let scope = Some(Scope { service: "s3", region: "eu-west-1" });
        targets.resolve(&TargetHints { scope, uri: &uri, host: Some(&host), headers: &HeaderMap::new() }).unwrap()
    };
    let (first, again) = (resolve("a"), resolve("a"));
    assert!(Arc::ptr_eq(&first.destination, &again.destination));
    for number in 0..5_000 {
        assert_eq!(resolve(&format!("b-{number}")).style, Style::Bucket(format!("b-{number}")));
    }
    // Of its slot's many users somebody else was the last.
    assert!(!Arc::ptr_eq(&first.destination, &resolve("a").destination));
    assert_eq!(resolve("a"), first);
}

proptest! {
    /// Whatever a request says, what is connected to is configured or an AWS endpoint in an allowed region.
    #[test]
    fn nothing_but_allowed_hosts_is_connected_to(
        service in "s3|dynamodb|iam|es|[a-z.@/-]{0,8}", region in "eu-west-1|us-east-1|[a-z0-9.@/-]{0,10}",
        host in "([a-z0-9-]{1,6}\\.){0,3}(s3|dynamodb|ddb|es|vpce-1|queue)\\.(eu-west-1|us-east-1|vpce|es)\\.(amazonaws\\.com|api\\.aws|evil\\.example)|127\\.0\\.0\\.1|[a-z0-9.:@%-]{1,20}",
        path in "/[a-z%2f./?=&]{0,12}",
    ) {
        if let (Ok(_), Ok(uri)) = (host.parse::<Authority>(), path.parse::<Uri>())
            && let Ok(target) = resolve(Some((&service, &region)), &path, Some(&host), &[])
        {
            let dial = target.dial.authority.as_str();
            let is_aws = ["eu-west-1.amazonaws.com", "eu-west-1.api.aws", "us-east-1.amazonaws.com", "us-east-1.api.aws", "es.amazonaws.com",
                "vpce.amazonaws.com", "vpce.api.aws", "iam.amazonaws.com", "queue.amazonaws.com", "es.api.aws"];
            prop_assert!(target.dial_is_configured || is_aws.iter().any(|end| dial.ends_with(end)), "{}", dial);
            prop_assert!(target.dial_is_configured || !dial.contains(['@', ':', '/', '%']), "{}", dial);
            prop_assert!(target.path_and_query.as_str().ends_with(uri.path_and_query().unwrap().as_str()));
        }
    }
}
