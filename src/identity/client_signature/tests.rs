use std::time::UNIX_EPOCH;

use http::HeaderValue;

use super::*;
use crate::sigv4::{EMPTY_SHA256, payload_mode::CONTENT_SHA256};

const NOW: u64 = 1_369_353_600;

fn placeholder(signed_headers: &str, date: &str) -> Placeholder {
    let text = format!(
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/{date}/us-east-1/s3/aws4_request, SignedHeaders={signed_headers}, Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    );
    Placeholder::parse(&HeaderValue::from_str(&text).unwrap()).unwrap()
}

/// The first example of "Signature Calculations for the Authorization Header" in the S3 API reference.
fn example() -> HeaderMap {
    let lines = [
        ("host", "examplebucket.s3.amazonaws.com"),
        ("range", "bytes=0-9"),
        ("x-amz-content-sha256", EMPTY_SHA256),
        ("x-amz-date", "20130524T000000Z"),
    ];
    lines.into_iter().map(|(name, value)| (name.parse::<http::HeaderName>().unwrap(), HeaderValue::from_static(value))).collect()
}

/// The same for another service.
fn placeholder_for(service: &str) -> Placeholder {
    Placeholder { service: service.to_owned(), ..placeholder(SIGNED, "20130524") }
}

fn pending(headers: &HeaderMap, placeholder: &Placeholder, date: &str) -> Result<ClientSignature, Reason> {
    pending_to("/test.txt", headers, placeholder, date)
}

fn pending_to(target: &'static str, headers: &HeaderMap, placeholder: &Placeholder, date: &str) -> Result<ClientSignature, Reason> {
    let request = AsSigned { method: &Method::GET, target: &PathAndQuery::from_static(target), headers };
    let claim = Claim { placeholder, date, expires: None };
    let secret = Secret::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into());
    ClientSignature::pending(request, claim, &secret, UNIX_EPOCH + Duration::from_secs(NOW)).map_err(|r| r.reason)
}

const SIGNED: &str = "host;range;x-amz-content-sha256;x-amz-date";

#[test]
fn agrees_with_the_example_of_the_s3_reference() {
    let signature = pending(&example(), &placeholder(SIGNED, "20130524"), "20130524T000000Z").unwrap();
    let mut settled = signature.settle_early(&example()).unwrap();
    assert!(settled.chunks().is_some(), "the chain goes on from the signature");
    assert!(settled.settle("whatever: it is settled").is_ok());
}

#[test]
fn an_undeclared_payload_is_settled_when_it_is_known() {
    let mut headers = example();
    headers.remove(CONTENT_SHA256);
    let signature = |headers: &HeaderMap| pending(headers, &placeholder("host;range;x-amz-date", "20130524"), "20130524T000000Z").unwrap();
    let mut open = signature(&headers).settle_early(&headers).unwrap();
    assert!(open.chunks().is_none());
    assert_eq!(open.settle(EMPTY_SHA256).unwrap_err().reason, Reason::SignatureMismatch, "other headers were signed");
}

#[test]
fn what_cannot_be_checked_is_not_taken() {
    let good = placeholder(SIGNED, "20130524");
    for (placeholder, date) in [
        (placeholder("range;x-amz-date", "20130524"), "20130524T000000Z"),
        (placeholder("range;host", "20130524"), "20130524T000000Z"),
        (placeholder("host;host", "20130524"), "20130524T000000Z"),
        (placeholder(SIGNED, "20130525"), "20130524T000000Z"),
        (good.clone(), ""),
        (good.clone(), "Fri, 24 May 2013 00:00:00 GMT"),
    ] {
        assert_eq!(pending(&example(), &placeholder, date).unwrap_err(), Reason::SignatureMalformed);
    }
    let shown = format!("{:?}", pending(&example(), &good, "20130524T000000Z").unwrap());
    assert!(!shown.contains("wJalr") && !shown.contains("examplebucket") && !shown.contains("f0e8bdb"), "{shown}");
}

#[test]
fn keys_of_others_leave_nothing_to_check() {
    let mut signature = ClientSignature::uncheckable();
    assert!(signature.chunks().is_none());
    assert!(signature.settle("anything").is_ok());
}

#[test]
fn a_repeated_parameter_is_refused_where_its_order_means_nothing() {
    let to = |target, service| pending_to(target, &example(), &placeholder_for(service), "20130524T000000Z").map(drop);
    assert_eq!(to("/test.txt?versionId=1&versionId=2", "s3"), Err(Reason::SignatureMalformed));
    assert_eq!(to("/test.txt?versionId=1&partNumber=1", "s3"), Ok(()));
    assert_eq!(to("/?Attribute=1&Attribute=2", "sqs"), Ok(()), "a list, elsewhere");
}

#[test]
fn what_was_checked_for_one_service_s_paths_is_not_signed_for_those_of_another() {
    let (s3, sqs) = (placeholder_for("s3"), placeholder_for("sqs"));
    let check = |signature: &ClientSignature, placeholder, canon| signature.check_canon(placeholder, canon).map_err(|r| r.reason);
    let pending = pending(&example(), &s3, "20130524T000000Z").unwrap();
    assert_eq!(check(&pending, &s3, Canon::S3), Ok(()));
    assert_eq!(check(&pending, &s3, Canon::of("sqs")), Err(Reason::TargetConflict));
    assert_eq!(check(&pending, &sqs, Canon::S3), Err(Reason::TargetConflict));
    let settled = pending.settle_early(&example()).unwrap();
    assert_eq!(check(&settled, &s3, Canon::S3), Ok(()));
    assert_eq!(check(&settled, &s3, Canon::of("sqs")), Err(Reason::TargetConflict), "settled or not");
    // Nothing was checked of what others' keys signed.
    assert_eq!(check(&ClientSignature::uncheckable(), &s3, Canon::of("sqs")), Ok(()));
}
