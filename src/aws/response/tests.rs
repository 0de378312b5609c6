use proptest::prelude::*;

use super::*;

const SECRETS: &[&str] = &["ASIAEXAMPLEEXAMPLE12", "arn:aws:iam::111122223333:role/tenant-data"];

fn headers(list: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in list {
        headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    }
    headers
}

fn verdict(status: u16, list: &[(&str, &str)], body: &[u8]) -> Option<Reason> {
    examine(StatusCode::from_u16(status).unwrap(), &headers(list), body, SECRETS)
}

#[test]
fn redirects_never_pass_and_errors_are_looked_at() {
    for (status, expected) in [
        (200, Verdict::Pass),
        (206, Verdict::Pass),
        (304, Verdict::Pass),
        (300, Verdict::Redirect),
        (301, Verdict::Redirect),
        (307, Verdict::Redirect),
        (308, Verdict::Redirect),
        (400, Verdict::Inspect),
        (404, Verdict::Inspect),
        (503, Verdict::Inspect),
    ] {
        assert_eq!(triage(StatusCode::from_u16(status).unwrap()), expected, "{status}");
    }
}

#[test]
fn errors_are_sorted_by_their_code() {
    let xml = |code: &str| format!("<Error><Code>{code}</Code><Message>m</Message></Error>");
    let json = |code: &str| format!("{{\"__type\":\"x#{code}\",\"message\":\"m\"}}");
    for (status, body, expected) in [
        (404, xml("NoSuchKey"), None),
        (403, xml("InvalidObjectState"), None),
        (412, xml("PreconditionFailed"), None),
        (400, json("ConditionalCheckFailedException"), None),
        (400, json("ValidationException"), None),
        (403, xml("AccessDenied"), Some(Reason::AwsDenied)),
        (400, json("AccessDeniedException"), Some(Reason::AwsDenied)),
        (403, xml("SignatureDoesNotMatch"), Some(Reason::AwsCredentialsRejected)),
        (400, xml("ExpiredToken"), Some(Reason::AwsCredentialsRejected)),
        (400, json("UnrecognizedClientException"), Some(Reason::AwsCredentialsRejected)),
        (400, xml("PermanentRedirect"), Some(Reason::AwsRedirect)),
        (400, xml("AuthorizationHeaderMalformed"), Some(Reason::AwsCredentialsRejected)),
        (400, xml("AuthorizationHeaderMalformed</Code><Region>us-east-1</Region><Code>x"), Some(Reason::AwsRedirect)),
        // The worse of two codes counts.
        (403, xml("AccessDenied</Code><Code>ExpiredToken"), Some(Reason::AwsCredentialsRejected)),
    ] {
        assert_eq!(verdict(status, &[], body.as_bytes()), expected, "{body}");
    }
    assert_eq!(verdict(403, &[("x-amzn-errortype", "AccessDeniedException:")], b""), Some(Reason::AwsDenied));
    assert_eq!(verdict(404, &[], b""), None);
}

#[test]
fn what_names_credentials_or_role_does_not_pass() {
    let text = b"<Error><Code>NoSuchKey</Code><Message>ASIAEXAMPLEEXAMPLE12</Message></Error>";
    assert_eq!(verdict(404, &[], text), Some(Reason::AwsResponseWithheld));
    let text = br#"{"Message":"User: arn:aws:sts::111122223333:assumed-role/tenant-data/acme is not authorized"}"#;
    assert_eq!(verdict(403, &[], text), Some(Reason::AwsDenied));
    assert_eq!(verdict(500, &[], text), Some(Reason::AwsResponseWithheld));
    assert_eq!(verdict(404, &[("x-note", "arn:aws:iam::111122223333:role/tenant-data")], b""), Some(Reason::AwsResponseWithheld));
}

#[test]
fn what_cannot_be_looked_at_does_not_pass() {
    assert_eq!(verdict(404, &[], &vec![b' '; INSPECT_BYTES]), None);
    assert_eq!(verdict(404, &[], &vec![b' '; INSPECT_BYTES + 1]), Some(Reason::AwsResponseWithheld));
    assert_eq!(verdict(404, &[("content-encoding", "gzip")], b"x"), Some(Reason::AwsResponseWithheld));
    assert_eq!(verdict(404, &[("content-encoding", "identity")], b"x"), None);
}

#[test]
fn headers_of_this_hop_and_of_ours_are_taken_out() {
    let mut map = headers(&[
        ("connection", "close, X-Private"),
        ("connection", "keep-alive"),
        ("x-private", "1"),
        ("keep-alive", "timeout=5"),
        ("transfer-encoding", "chunked"),
        ("alt-svc", "h3=\":443\""),
        ("x-palisade-reason", "forged"),
        ("etag", "\"e\""),
        ("x-amz-request-id", "r"),
        ("x-amz-bucket-region", "eu-west-1"),
        ("location", "/bucket"),
    ]);
    clean_headers(StatusCode::OK, &mut map, &["eu-west-1".to_owned()]);
    let mut left: Vec<_> = map.keys().map(HeaderName::as_str).collect();
    left.sort_unstable();
    assert_eq!(left, ["etag", "location", "x-amz-bucket-region", "x-amz-request-id"]);
}

#[test]
fn a_buckets_region_is_shown_only_where_nobody_follows_it() {
    let left = |status: StatusCode, regions: &[(&str, &str)]| {
        let mut map = headers(regions);
        clean_headers(status, &mut map, &["eu-west-1".to_owned()]);
        map.contains_key(BUCKET_REGION)
    };
    let own = [(BUCKET_REGION, "eu-west-1")];
    assert!(left(StatusCode::OK, &own));
    assert!(!left(StatusCode::BAD_REQUEST, &own));
    assert!(!left(StatusCode::OK, &[(BUCKET_REGION, "us-east-1")]));
    assert!(!left(StatusCode::OK, &[own[0], (BUCKET_REGION, "us-east-1")]));
}

proptest! {
    #[test]
    fn no_answer_panics(status in 100u16..600, body in prop::collection::vec(any::<u8>(), 0..128), value in "[ -~]{0,32}") {
        let status = StatusCode::from_u16(status).unwrap();
        let mut map = headers(&[("connection", &value), ("x-amzn-errortype", &value), ("content-encoding", &value)]);
        examine(status, &map, &body, &[&value]);
        clean_headers(status, &mut map, &[value]);
    }
}

#[test]
fn a_session_is_only_given_up_for_what_another_one_would_mend() {
    let about = |body: &str| rejected(&HeaderMap::new(), body.as_bytes());
    for (code, expected) in [
        ("ExpiredToken", Rejected::Session),
        ("InvalidAccessKeyId", Rejected::Session),
        ("InvalidToken", Rejected::Session),
        ("RequestTimeTooSkewed", Rejected::Signature),
        ("SignatureDoesNotMatch", Rejected::Signature),
        ("OptInRequired", Rejected::Other),
        ("AuthorizationHeaderMalformed", Rejected::Other),
        // The one that more follows from counts.
        ("SignatureDoesNotMatch</Code><Code>ExpiredToken", Rejected::Session),
    ] {
        assert_eq!(about(&format!("<Error><Code>{code}</Code></Error>")), expected, "{code}");
    }
    assert_eq!(about("{\"__type\":\"com.amazon.coral.service#ExpiredTokenException\"}"), Rejected::Session);
    assert_eq!(about("{\"__type\":\"com.amazon.coral.service#InvalidSignatureException\"}"), Rejected::Signature);
    assert_eq!(rejected(&headers(&[("x-amzn-errortype", "UnrecognizedClientException:")]), b""), Rejected::Session);
    assert_eq!(about(""), Rejected::Other);
}
