//! Every way to break a signature is refused, by each service in its own words.

use super::*;

/// One good request to each service.
fn calls() -> [Call; 3] {
    [
        Call::sts(&[("Action", "GetCallerIdentity"), ("Version", "2011-06-15")]),
        Call::dynamodb("ListTables", json!({})),
        Call::s3(Method::GET, "/pool?list-type=2&prefix=acme%2F"),
    ]
}

/// The codes of STS, DynamoDB and S3 when `change` is done to a request that is good but for `prepare`.
async fn refusals(prepare: impl Fn(&mut Call), change: impl Fn(&mut Request<Body>)) -> [String; 3] {
    let sandbox = Sandbox::new();
    let keys = sandbox.tenant("acme").await;
    let mut codes = Vec::new();
    for mut call in calls() {
        sandbox.send(&call, &keys).await.ok();
        prepare(&mut call);
        let mut request = call.sign(&keys, sandbox.clock.now());
        change(&mut request);
        let answer = sandbox.raw(request).await;
        assert!(answer.status.is_client_error(), "{} let it pass: {answer:?}", call.service);
        codes.push(answer.code());
    }
    codes.try_into().unwrap()
}

fn set(request: &mut Request<Body>, name: &'static str, change: impl Fn(&str) -> String) {
    let value = change(request.headers()[name].to_str().unwrap());
    request.headers_mut().insert(name, HeaderValue::from_str(&value).unwrap());
}

const MISMATCH: [&str; 3] = ["SignatureDoesNotMatch", "InvalidSignatureException", "SignatureDoesNotMatch"];

#[tokio::test]
async fn a_changed_signature_header_or_target_is_refused() {
    let flip = |s: &str| {
        let last = if s.ends_with('0') { '1' } else { '0' };
        format!("{}{last}", &s[..s.len() - 1])
    };
    assert_eq!(refusals(|_| {}, |r| set(r, "authorization", flip)).await, MISMATCH);
    assert_eq!(refusals(|_| {}, |r| set(r, "host", |h| format!("{h}0"))).await, MISMATCH);
    let target = |r: &mut Request<Body>| {
        let joint = if r.uri().query().is_some() { '&' } else { '?' };
        *r.uri_mut() = format!("{}{joint}x=y", r.uri()).parse().unwrap();
    };
    assert_eq!(refusals(|_| {}, target).await, MISMATCH);
    assert_eq!(refusals(|_| {}, |r| *r.method_mut() = Method::DELETE).await, MISMATCH);
}

#[tokio::test]
async fn a_changed_body_is_refused() {
    let codes = refusals(|_| {}, |r| *r.body_mut() = crate::body::full("tampered")).await;
    assert_eq!(codes, ["SignatureDoesNotMatch", "InvalidSignatureException", "XAmzContentSHA256Mismatch"]);
}

#[tokio::test]
async fn times_too_far_away_are_refused() {
    let old = |c: &mut Call| c.age = Duration::from_secs(15 * 60 + 1);
    let skewed = ["SignatureDoesNotMatch", "InvalidSignatureException", "RequestTimeTooSkewed"];
    assert_eq!(refusals(old, |_| {}).await, skewed);
    let sandbox = Sandbox::new();
    for call in calls() {
        let early = call.sign(&sandbox.base(), sandbox.clock.now() + Duration::from_secs(15 * 60 + 2));
        assert!(sandbox.raw(early).await.text.contains("Signature expired or not yet valid"));
        let edge = Call { age: Duration::from_secs(14 * 60), ..call.clone() };
        assert!(!sandbox.send(&edge, &sandbox.base()).await.text.contains("Signature"), "fourteen minutes are too many");
    }
}

#[tokio::test]
async fn another_region_or_service_is_refused() {
    let malformed = ["SignatureDoesNotMatch", "InvalidSignatureException", "AuthorizationHeaderMalformed"];
    assert_eq!(refusals(|c| c.region = "us-east-1", |_| {}).await, malformed);
    assert_eq!(refusals(|c| c.service = "sqs", |_| {}).await, malformed);
    let sandbox = Sandbox::new();
    let call = Call { region: "us-east-1", ..Call::s3(Method::GET, "/pool") };
    assert_eq!(sandbox.send(&call, &sandbox.base()).await.element("Region"), REGION);
}

#[tokio::test]
async fn headers_that_should_be_signed_and_are_not_are_refused() {
    let codes = refusals(|_| {}, |r| drop(r.headers_mut().insert("x-amz-extra", HeaderValue::from_static("1")))).await;
    assert_eq!(codes, ["SignatureDoesNotMatch", "InvalidSignatureException", "AccessDenied"]);
    assert_eq!(refusals(|c| c.headers.push(("x-extra", "1".to_owned())), |r| drop(r.headers_mut().remove("x-extra"))).await, MISMATCH);
    let twice = refusals(|_| {}, |r| assert!(r.headers_mut().append("x-amz-date", HeaderValue::from_static("20200101T000000Z")))).await;
    assert_eq!(twice, ["IncompleteSignature", "IncompleteSignatureException", "AuthorizationHeaderMalformed"]);
}

#[tokio::test]
async fn the_session_token_must_be_there_and_be_the_keys_own() {
    let sandbox = Sandbox::new();
    let (acme, other) = (sandbox.tenant("acme").await, sandbox.tenant("other").await);
    let without = Keys { token: None, ..acme.clone() };
    let swapped = Keys { token: other.token.clone(), ..acme.clone() };
    let base = Keys { token: other.token.clone(), ..sandbox.base() };
    let crossed = Keys { secret: other.secret.clone(), ..acme.clone() };
    let stranger = Keys { id: "AKIASTRANGER".to_owned(), ..sandbox.base() };
    let unknown = ["InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId"];
    let bad_token = ["InvalidClientTokenId", "UnrecognizedClientException", "InvalidToken"];
    for (keys, expected) in [(without, unknown), (swapped, bad_token), (base, bad_token), (crossed, MISMATCH), (stranger, unknown)] {
        for (call, expected) in calls().iter().zip(expected) {
            assert_eq!(sandbox.send(call, &keys).await.code(), expected, "{}", call.service);
        }
    }
}

#[tokio::test]
async fn sessions_expire() {
    let sandbox = Sandbox::new();
    let keys = sandbox.session(&Call::assume("acme", &[("DurationSeconds", "900")])).await;
    sandbox.clock.advance(Duration::from_secs(899));
    for call in calls() {
        sandbox.send(&call, &keys).await.ok();
    }
    sandbox.clock.advance(Duration::from_secs(1));
    let expired = ["ExpiredToken", "ExpiredTokenException", "ExpiredToken"];
    for (call, expected) in calls().iter().zip(expired) {
        assert_eq!(sandbox.send(call, &keys).await.code(), expected);
    }
    let keys = sandbox.tenant("acme").await;
    sandbox.double.expire_sessions();
    assert_eq!(sandbox.send(&calls()[1], &keys).await.code(), "ExpiredTokenException");
}

#[tokio::test]
async fn nothing_goes_without_a_signature_of_version_4() {
    let sandbox = Sandbox::new();
    let missing = ["MissingAuthenticationToken", "MissingAuthenticationTokenException", "AccessDenied"];
    for (call, expected) in calls().iter().zip(missing) {
        assert_eq!(sandbox.raw(call.unsigned()).await.code(), expected);
        let version_2 = call.clone().header("authorization", "AWS AKIAIOSFODNN7EXAMPLE:c2lnbmF0dXJl").unsigned();
        assert!(sandbox.raw(version_2).await.status.is_client_error());
    }
    let mut both = Call::s3(Method::GET, "/pool?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=x&Expires=9999999999");
    assert_eq!(sandbox.raw(both.unsigned()).await.code(), "AuthorizationHeaderMalformed");
    both.method = Method::PUT;
    assert_eq!(sandbox.send(&both, &sandbox.base()).await.code(), "AuthorizationHeaderMalformed");
}

#[tokio::test]
async fn presigned_requests_are_for_s3_and_expire() {
    let sandbox = Sandbox::new();
    let keys = sandbox.tenant("acme").await;
    assert!(sandbox.double.put_object("pool", "acme/a b+c", "hello"));
    let call = Call::s3(Method::GET, "/pool/acme/a%20b%2Bc");
    let presign = || call.presign(&keys, sandbox.clock.now(), Duration::from_secs(60));
    assert_eq!(sandbox.raw(presign()).await.ok().text, "hello");
    let mut longer = presign();
    *longer.uri_mut() = longer.uri().to_string().replace("Expires=60", "Expires=600").parse().unwrap();
    assert_eq!(sandbox.raw(longer).await.code(), "SignatureDoesNotMatch");
    let mut elsewhere = presign();
    *elsewhere.uri_mut() = elsewhere.uri().to_string().replace("/acme/", "/other/").parse().unwrap();
    assert_eq!(sandbox.raw(elsewhere).await.code(), "SignatureDoesNotMatch");
    let late = presign();
    sandbox.clock.advance(Duration::from_secs(61));
    assert_eq!(sandbox.raw(late).await.code(), "AccessDenied");
    let sts = Call::new("sts", Method::GET, "/?Action=GetCallerIdentity&Version=2011-06-15");
    let sts = sts.presign(&sandbox.base(), sandbox.clock.now(), Duration::from_secs(60));
    assert_eq!(sandbox.raw(sts).await.code(), "IncompleteSignature");
}

#[tokio::test]
async fn the_scopes_date_must_be_the_requests() {
    let another_day = |r: &mut Request<Body>| {
        set(r, "authorization", |a| {
            let (front, rest) = a.split_once("Credential=").unwrap();
            let parts: Vec<&str> = rest.splitn(3, '/').collect();
            format!("{front}Credential={}/20200101/{}", parts[0], parts[2])
        });
    };
    let malformed = ["SignatureDoesNotMatch", "InvalidSignatureException", "AuthorizationHeaderMalformed"];
    assert_eq!(refusals(|_| {}, another_day).await, malformed);
}

#[tokio::test]
async fn the_list_of_signed_headers_must_hold_the_host_and_only_what_is_there() {
    let list = |r: &mut Request<Body>, from: &str, to: &str| set(r, "authorization", |a| a.replace(from, to));
    let unsigned = ["SignatureDoesNotMatch", "InvalidSignatureException", "AccessDenied"];
    assert_eq!(refusals(|_| {}, |r| list(r, "host;", "")).await, unsigned);
    // A sorted list, whatever its first name is: with `content-type` in it, `a` still comes first.
    assert_eq!(refusals(|_| {}, |r| list(r, "SignedHeaders=", "SignedHeaders=a;")).await, MISMATCH);
    let sandbox = Sandbox::new();
    for call in calls() {
        let mut request = call.sign(&sandbox.base(), sandbox.clock.now());
        list(&mut request, "SignedHeaders=", "SignedHeaders=a;");
        let parts = request.into_parts().0;
        let claim = sandbox.double.0.verifier.claim(&parts, Envelope::of(&parts).unwrap());
        assert_eq!(claim.err(), Some(Failure::SignatureMismatch), "{}: left to the verifier of the signature", call.service);
    }
}
