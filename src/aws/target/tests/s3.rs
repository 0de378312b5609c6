//! S3's names, which its users choose in part: written by hand, from the documentation that each group names.

use super::*;

/// Host, (service, region, dialled host or "" for the same, bucket) or a refusal.
type Row = (&'static str, Result<(&'static str, &'static str, &'static str, Option<&'static str>), Reason>);

const ROWS: &[Row] = &[
    // S3 User Guide, "Virtual hosting of general purpose buckets"
    ("s3.eu-west-1.amazonaws.com", Ok(("s3", "eu-west-1", "", None))),
    ("bucket.s3.eu-west-1.amazonaws.com", Ok(("s3", "eu-west-1", "s3.eu-west-1.amazonaws.com", Some("bucket")))),
    ("old_bucket.s3.eu-west-1.amazonaws.com", Ok(("s3", "eu-west-1", "s3.eu-west-1.amazonaws.com", Some("old_bucket")))),
    // ... "Legacy endpoints": without a region, with a dash, and us-east-1's old name in the General Reference
    ("s3.amazonaws.com", Ok(("s3", "eu-west-1", "s3.eu-west-1.amazonaws.com", None))),
    ("s3-eu-west-1.amazonaws.com", Ok(("s3", "eu-west-1", "", None))),
    ("bucket.s3-eu-west-1.amazonaws.com", Ok(("s3", "eu-west-1", "s3-eu-west-1.amazonaws.com", Some("bucket")))),
    ("s3-external-1.amazonaws.com", Ok(("s3", "us-east-1", "", None))),
    ("bucket.s3-external-1.amazonaws.com", Ok(("s3", "us-east-1", "s3-external-1.amazonaws.com", Some("bucket")))),
    ("s3-external-2.amazonaws.com", Err(Reason::HostNotAllowed)),
    // ... "Using Amazon S3 dual-stack endpoints", and the General Reference for FIPS
    ("s3.dualstack.eu-west-1.amazonaws.com", Ok(("s3", "eu-west-1", "", None))),
    ("bucket.s3.dualstack.eu-west-1.amazonaws.com", Ok(("s3", "eu-west-1", "s3.dualstack.eu-west-1.amazonaws.com", Some("bucket")))),
    ("bucket.s3-fips.us-east-1.amazonaws.com", Ok(("s3", "us-east-1", "s3-fips.us-east-1.amazonaws.com", Some("bucket")))),
    ("b.s3-fips.dualstack.us-east-1.amazonaws.com", Ok(("s3", "us-east-1", "s3-fips.dualstack.us-east-1.amazonaws.com", Some("b")))),
    // ... "Configuring fast, secure file transfers using Amazon S3 Transfer Acceleration"
    ("bucket.s3-accelerate.amazonaws.com", Err(Reason::HostNotAllowed)),
    ("bucket.s3-accelerate.dualstack.amazonaws.com", Err(Reason::HostNotAllowed)),
    ("s3-accelerate.amazonaws.com", Err(Reason::HostNotAllowed)),
    // ... "Referencing access points": a name and an account
    ("ap-111122223333.s3-accesspoint.eu-west-1.amazonaws.com", Ok(("s3", "eu-west-1", "", Some("ap-111122223333")))),
    ("ap-111122223333.s3-accesspoint.dualstack.eu-west-1.amazonaws.com", Ok(("s3", "eu-west-1", "", Some("ap-111122223333")))),
    ("ap-111122223333.s3-accesspoint-fips.us-east-1.amazonaws.com", Ok(("s3", "us-east-1", "", Some("ap-111122223333")))),
    ("ap-111122223333.s3-accesspoint-fips.dualstack.us-east-1.amazonaws.com", Ok(("s3", "us-east-1", "", Some("ap-111122223333")))),
    ("a.ap-111122223333.s3-accesspoint.eu-west-1.amazonaws.com", Err(Reason::HostNotAllowed)),
    // ... "Making requests through a Multi-Region Access Point"
    ("mfzwi23gnjvgw.mrap.accesspoint.s3-global.amazonaws.com", Err(Reason::SignatureUnsupported)),
    ("alias.accesspoint.s3-global.amazonaws.com", Err(Reason::SignatureUnsupported)),
    // ... "Using Amazon S3 Object Lambda Access Points"
    ("ol-111122223333.s3-object-lambda.eu-west-1.amazonaws.com", Ok(("s3-object-lambda", "eu-west-1", "", Some("ol-111122223333")))),
    ("s3-object-lambda.eu-west-1.amazonaws.com", Ok(("s3-object-lambda", "eu-west-1", "", None))),
    // S3 on Outposts User Guide, "Accessing your Outposts bucket": its own API is reached, its access points are not
    ("s3-outposts.eu-west-1.amazonaws.com", Ok(("s3-outposts", "eu-west-1", "", None))),
    ("ap-111122223333.op-01ac5d28a6a232904.s3-outposts.eu-west-1.amazonaws.com", Err(Reason::HostNotAllowed)),
    // General Reference, "Amazon S3 endpoints and quotas": S3 Control puts the account before its name
    ("s3-control.eu-west-1.amazonaws.com", Ok(("s3-control", "eu-west-1", "", None))),
    ("111122223333.s3-control.eu-west-1.amazonaws.com", Ok(("s3-control", "eu-west-1", "", None))),
    ("111122223333.s3-control.dualstack.eu-west-1.amazonaws.com", Ok(("s3-control", "eu-west-1", "", None))),
    ("1111.s3-control.eu-west-1.amazonaws.com", Err(Reason::HostNotAllowed)),
    // S3 User Guide, "Regional and zonal endpoints for directory buckets"
    ("s3express-control.eu-west-1.amazonaws.com", Ok(("s3express", "eu-west-1", "", None))),
    ("s3express-euw1-az1.eu-west-1.amazonaws.com", Err(Reason::HostNotAllowed)),
    ("b--euw1-az1--x-s3.s3express-euw1-az1.eu-west-1.amazonaws.com", Err(Reason::HostNotAllowed)),
    ("b--euw1-az1--x-s3.s3express-euw1-az1.dualstack.eu-west-1.amazonaws.com", Err(Reason::HostNotAllowed)),
    // ... "Website endpoints"
    ("bucket.s3-website-eu-west-1.amazonaws.com", Err(Reason::HostNotAllowed)),
    ("bucket.s3-website.eu-west-1.amazonaws.com", Err(Reason::HostNotAllowed)),
    // ... "AWS PrivateLink for Amazon S3"
    ("vpce-1a2b-x.s3.eu-west-1.vpce.amazonaws.com", Ok(("s3", "eu-west-1", "", None))),
    ("bucket.vpce-1a2b-x.s3.eu-west-1.vpce.amazonaws.com", Ok(("s3", "eu-west-1", "", None))),
    ("data.bucket.vpce-1a2b-x.s3.eu-west-1.vpce.amazonaws.com", Ok(("s3", "eu-west-1", "", Some("data")))),
    ("my.data.bucket.vpce-1a2b-x.s3.eu-west-1.vpce.amazonaws.com", Ok(("s3", "eu-west-1", "", Some("my.data")))),
    ("ap-111122223333.accesspoint.vpce-1a2b-x.s3.eu-west-1.vpce.amazonaws.com", Ok(("s3", "eu-west-1", "", Some("ap-111122223333")))),
    ("control.vpce-1a2b-x.s3.eu-west-1.vpce.amazonaws.com", Ok(("s3-control", "eu-west-1", "", None))),
    ("111122223333.control.vpce-1a2b-x.s3.eu-west-1.vpce.amazonaws.com", Ok(("s3-control", "eu-west-1", "", None))),
    ("evil.control.vpce-1a2b-x.s3.eu-west-1.vpce.amazonaws.com", Err(Reason::HostNotAllowed)),
    ("accesspoint.vpce-1a2b-x.s3.eu-west-1.vpce.amazonaws.com", Err(Reason::HostNotAllowed)),
    // AWS PrivateLink Guide, "Access an AWS service using an interface VPC endpoint": with or without the zone
    ("vpce-1a2b-xyz.dynamodb.eu-west-1.vpce.amazonaws.com", Ok(("dynamodb", "eu-west-1", "", None))),
    ("vpce-1a2b-xyz-eu-west-1a.dynamodb.eu-west-1.vpce.amazonaws.com", Ok(("dynamodb", "eu-west-1", "", None))),
    ("bucket.vpce-1a2b-xyz.dynamodb.eu-west-1.vpce.amazonaws.com", Err(Reason::HostNotAllowed)),
    ("vpce-svc-1a2b.dynamodb.eu-west-1.vpce.amazonaws.com", Err(Reason::HostNotAllowed)),
];

#[test]
fn documented_names_are_understood() {
    let mut config = config();
    config.services.extend(["s3-object-lambda", "s3-outposts"].map(|key| (key.to_owned(), service())));
    for (host, expected) in ROWS {
        let found = resolve_with(&config, None, "/k", Some(host), &[]);
        let expected = (*expected).map(|(key, region, dial, bucket)| {
            let style = bucket.map_or(Style::Plain, |bucket| Style::Bucket(bucket.to_owned()));
            (key.to_owned(), region.to_owned(), if dial.is_empty() { (*host).to_owned() } else { dial.to_owned() }, style)
        });
        assert_eq!(found.map(|t| (t.service.clone(), t.region.clone(), t.dial.authority.to_string(), t.style.clone())), expected, "{host}");
    }
}

#[test]
fn refused_names_of_s3_say_why() {
    for (host, note) in [
        ("x.mrap.accesspoint.s3-global.amazonaws.com", "SigV4A"),
        ("bucket.s3-accelerate.amazonaws.com", "Transfer Acceleration"),
        ("bucket.s3-website.eu-west-1.amazonaws.com", "website"),
        ("b.s3express-euw1-az1.eu-west-1.amazonaws.com", "CreateSession"),
        ("ap.op-1.s3-outposts.eu-west-1.amazonaws.com", "Outposts"),
        ("bu..cket.localhost", "no bucket's name"),
    ] {
        let (uri, host): (Uri, Authority) = ("/".parse().unwrap(), host.parse().unwrap());
        let hints = TargetHints {
            scope: Some(Scope { service: "s3", region: "eu-west-1" }),
            uri: &uri,
            host: Some(&host),
            headers: &HeaderMap::new(),
        };
        let refusal = Targets::new(&config()).resolve(&hints).unwrap_err();
        assert!(refusal.note.as_deref().is_some_and(|found| found.contains(note)), "{host}: {refusal:?}");
    }
}

const S3: Option<(&str, &str)> = Some(("s3", "eu-west-1"));

#[test]
fn a_bucket_may_stand_before_our_own_name() {
    for (host, bucket) in [
        ("bucket.localhost:8180", "bucket"),
        ("bucket.localhost", "bucket"),
        ("my.dotted.bucket.localhost:8180", "my.dotted.bucket"),
        ("BUCKET.LocalHost:8180", "bucket"),
        ("bucket.palisade.internal:8180", "bucket"),
        ("dynamodb.palisade.internal", "dynamodb"),
        ("s3.eu-west-1.amazonaws.com.localhost", "s3.eu-west-1.amazonaws.com"),
        ("111122223333.localhost", "111122223333"),
    ] {
        for uri in ["/a%2Fb//c?x".to_owned(), format!("http://{host}/a%2Fb//c?x")] {
            let target = resolve(S3, &uri, Some(host), &[]).unwrap_or_else(|reason| panic!("{host}: {reason:?}"));
            assert_eq!((target.service.as_str(), target.region.as_str()), ("s3", "eu-west-1"));
            assert_eq!(target.style, Style::Bucket(bucket.to_owned()), "{host}");
            assert_eq!(target.dial, Endpoint { tls: true, authority: "s3.eu-west-1.amazonaws.com".parse().unwrap() });
            assert_eq!(target.host.as_str(), format!("{bucket}.s3.eu-west-1.amazonaws.com"));
            assert_eq!(target.path_and_query.as_str(), "/a%2Fb//c?x");
        }
    }
    let mut config = config();
    config.services.insert("s3".to_owned(), ServiceConfig { endpoint: endpoint("minio:9000"), ..service() });
    let target = resolve_with(&config, S3, "/a%2Fb//c?x", Some("my.bucket.palisade.internal"), &[]).unwrap();
    assert_eq!((target.host.as_str(), target.path_and_query.as_str()), ("minio:9000", "/my.bucket/a%2Fb//c?x"));
    assert_eq!(target.style, Style::Plain);
    let target = resolve_with(&config, S3, "/b/k", Some("palisade.internal"), &[]).unwrap();
    assert_eq!((target.host.as_str(), target.path_and_query.as_str()), ("minio:9000", "/b/k"));
}

#[test]
fn what_is_no_bucket_may_not_stand_before_our_own_name() {
    for host in [
        "..localhost",
        ".localhost",
        "a..b.localhost",
        "a..localhost",
        "bu%2ecket.localhost",
        "%2e%2e.localhost",
        "bu$cket.localhost",
        "169.254.169.254.localhost",
        "bucket.localhost.",
        "bucket.localhost.evil.example",
        "bucketlocalhost",
        "bucket.127.0.0.1",
        "bucket.127.0.0.1:8180",
        "bucket.internal",
        "metadata.google.internal",
        "metadata.google.internal:8180",
        "bucket.169.254.169.254",
        "bucket.palisade:8180",
    ] {
        let Ok(_) = host.parse::<Authority>() else { continue };
        assert_eq!(resolve(S3, "/", Some(host), &[]), Err(Reason::HostNotAllowed), "{host}");
    }
    // Longer than any label.
    assert_eq!(resolve(S3, "/", Some(&format!("{}.localhost", "a".repeat(64))), &[]), Err(Reason::HostNotAllowed));
}

#[test]
fn only_s3_has_something_before_our_own_name() {
    for (scope, list) in [
        (("dynamodb", "eu-west-1"), &[GET_ITEM][..]),
        (("sqs", "us-east-1"), &[("x-amz-target", "AmazonSQS.SendMessage")]),
        (("kms", "eu-west-1"), &[]),
        (("minio", "x"), &[]),
        (("es", "eu-west-1"), &[]),
    ] {
        assert_eq!(resolve(Some(scope), "/", Some("bucket.localhost"), list), Err(Reason::HostNotAllowed), "{scope:?}");
    }
    // A bucket's place does not make a request S3's.
    assert_eq!(resolve(None, "/", Some("bucket.localhost"), &[]), Err(Reason::ServiceUnknown));
    assert_eq!(resolve(None, "/", Some("bucket.localhost"), &[GET_ITEM]), Err(Reason::HostNotAllowed));
    let control = |host| resolve(S3, "/v20180820/x", Some(host), &[("x-amz-account-id", "111122223333")]);
    let target = control("111122223333.localhost:8180").unwrap();
    assert_eq!((target.service.as_str(), target.host.as_str()), ("s3-control", "s3-control.eu-west-1.amazonaws.com"));
    assert_eq!(control("bucket.localhost:8180"), Err(Reason::HostNotAllowed));
}

#[test]
fn a_configured_endpoint_may_have_another_host_and_sign_a_third() {
    let at = |host: Option<&str>, signed_host: Option<&str>| {
        let authority = |name: &str| name.parse::<Authority>().unwrap();
        let endpoint = Some(Endpoint { tls: true, authority: authority("127.0.0.1:9443") });
        let rule = ServiceConfig { endpoint, host: host.map(authority), signed_host: signed_host.map(authority), ..service() };
        let mut config = config();
        config.services.insert("s3".to_owned(), rule);
        let target = resolve_with(&config, S3, "/k", Some("b.s3.eu-west-1.amazonaws.com"), &[]).unwrap();
        assert_eq!((target.dial.authority.as_str(), target.path_and_query.as_str()), ("127.0.0.1:9443", "/b/k"));
        (target.host.to_string(), target.signed_host.to_string())
    };
    let pair = |host: &str, signed: &str| (host.to_owned(), signed.to_owned());
    assert_eq!(at(None, None), pair("127.0.0.1:9443", "127.0.0.1:9443"));
    assert_eq!(at(Some("gateway.example"), None), pair("gateway.example", "gateway.example"));
    assert_eq!(at(None, Some("s3.eu-west-1.amazonaws.com")), pair("127.0.0.1:9443", "s3.eu-west-1.amazonaws.com"));
    assert_eq!(at(Some("gateway.example"), Some("s3.eu-west-1.amazonaws.com")), pair("gateway.example", "s3.eu-west-1.amazonaws.com"));
}
