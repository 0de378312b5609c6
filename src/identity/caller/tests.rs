//! Requests as SDKs sign them: with keys of their own invention, and with vended ones, signed by the reference implementation.

use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{
        PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings,
        UriPathNormalizationMode, sign,
    },
    sign::v4,
};
use http::Request;

use super::*;
use crate::{
    identity::VendedKeys,
    sigv4::{EMPTY_SHA256, sha256_hex},
};

const NOW: SystemTime = UNIX_EPOCH;

fn now() -> SystemTime {
    NOW + Duration::from_secs(1_795_305_600)
}

fn names() -> IdentityHeaders {
    IdentityHeaders { tenant: HeaderName::from_static("x-tenant-id"), token: HeaderName::from_static("x-tenant-token") }
}

fn head(method: &str, uri: &str, lines: &[(&str, &str)]) -> request::Parts {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in lines {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn take(mut head: request::Parts, vending: &Vending) -> Result<(Caller, request::Parts), Reason> {
    Caller::take(&mut head, &names(), vending, now(), false).map(|caller| (caller, head)).map_err(|r| r.reason)
}

// --- Keys of the SDK's own invention.

const SIGNED: &str = "AWS4-HMAC-SHA256 Credential=tenant.acme/20261122/eu-west-1/s3/aws4_request, SignedHeaders=host;x-amz-date;x-amz-security-token, Signature=0000000000000000000000000000000000000000000000000000000000000000";

fn egress(lines: &[(&str, &str)], uri: &str) -> Result<(Option<String>, Option<Placeholder>, HeaderMap), Reason> {
    let (caller, head) = take(head("GET", uri, lines), &Vending::new().unwrap())?;
    Ok((caller.presented.tenant.map(|t| t.id().to_string()), caller.placeholder, head.headers))
}

#[test]
fn an_sdk_request_is_read_and_its_signature_consumed() {
    let lines = [("authorization", SIGNED), ("x-amz-date", "20261122T000000Z"), ("x-amz-security-token", "T"), ("host", "h")];
    let (tenant, placeholder, rest) = egress(&lines, "/b/k").unwrap();
    let placeholder = placeholder.unwrap();
    assert_eq!(tenant.as_deref(), Some("acme"));
    assert_eq!((placeholder.service.as_str(), placeholder.region.as_str()), ("s3", "eu-west-1"));
    assert_eq!(rest.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["host"]);
}

#[test]
fn the_two_places_of_a_tenant_must_agree() {
    let base = [("authorization", SIGNED), ("x-amz-security-token", "T")];
    assert!(egress(&[base[0], base[1], ("x-tenant-id", "acme")], "/").is_ok());
    assert_eq!(egress(&[base[0], base[1], ("x-tenant-id", "globex")], "/").unwrap_err(), Reason::TenantAmbiguous);
}

#[test]
fn unsigned_amz_headers_are_not_laundered() {
    let lines = [("authorization", SIGNED), ("x-amz-security-token", "T"), ("x-amz-acl", "public-read")];
    assert_eq!(egress(&lines, "/").unwrap_err(), Reason::HeaderNotSigned);
}

/// What a client says of its body's hash is compared with the body, where the service's bodies are read whole, whoever signed it.
#[test]
fn a_hash_that_is_checked_need_not_be_signed() {
    let hash = [("x-amz-security-token", "T"), ("x-amz-content-sha256", "UNSIGNED-PAYLOAD")];
    for (service, outcome) in
        [("aoss", Ok(())), ("es", Ok(())), ("s3", Err(Reason::HeaderNotSigned)), ("sqs", Err(Reason::HeaderNotSigned))]
    {
        let signed = SIGNED.replace("/s3/", &format!("/{service}/"));
        let lines = [("authorization", signed.as_str()), hash[0], hash[1]];
        assert_eq!(egress(&lines, "/").map(drop), outcome, "{service}");
        let acl = [&lines[..], &[("x-amz-acl", "private")]].concat();
        assert_eq!(egress(&acl, "/").unwrap_err(), Reason::HeaderNotSigned, "{service}");
    }
}

#[test]
fn signatures_in_the_query_are_refused_in_any_spelling() {
    let base = [("x-tenant-token", "T")];
    for query in [
        "X-Amz-Signature=0",
        "x-amz-security-token=T",
        "a=b&X-Amz-Credential=x",
        "X%2DAmz%2DSignature=0",
        "AWSAccessKeyId=x",
        "Signature=x",
        "X-Amz-Expires=9",
        "x-amz-date=1",
        "X-Amz-SignedHeaders=host",
    ] {
        assert_eq!(egress(&base, &format!("/b/k?{query}")).unwrap_err(), Reason::SignatureUnsupported, "{query}");
    }
    assert!(egress(&base, "/b/k?X-Amz-Meta=1&list-type=2").is_ok());
}

// --- Vended keys.

/// What a client does with its keys.
struct Client<'a> {
    keys: &'a VendedKeys,
    service: &'a str,
    /// Seconds by which its clock is off.
    skew: i64,
    /// Presigns for so long.
    presigns: Option<u64>,
}

impl<'a> Client<'a> {
    fn of(keys: &'a VendedKeys, service: &'a str) -> Self {
        Self { keys, service, skew: 0, presigns: None }
    }

    /// The request as it would be sent.
    fn request(&self, method: &str, uri: &str, lines: &[(&str, &str)], body: SignableBody<'_>) -> request::Parts {
        let VendedKeys { access_key_id, secret_access_key, session_token } = self.keys;
        let token = Some(session_token.expose().to_owned());
        let identity = Credentials::new(access_key_id, secret_access_key.expose(), token, None, "test").into();
        let mut settings = SigningSettings::default();
        if Canon::of(self.service) == Canon::S3 {
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        }
        if let Some(life) = self.presigns {
            settings.signature_location = SignatureLocation::QueryParams;
            settings.expires_in = Some(Duration::from_secs(life));
        }
        let time =
            now().checked_add(Duration::from_secs(86_400)).unwrap() - Duration::from_secs(u64::try_from(86_400 - self.skew).unwrap());
        let params =
            v4::SigningParams::builder().identity(&identity).region("eu-west-1").name(self.service).time(time).settings(settings).build();
        let signable = SignableRequest::new(method, uri, lines.iter().copied(), body).unwrap();
        let (instructions, _) = sign(signable, &params.unwrap().into()).unwrap().into_parts();
        let mut request = Request::builder().method(method).uri(uri).body(()).unwrap();
        for (name, value) in lines {
            request.headers_mut().append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        instructions.apply_to_request_http1x(&mut request);
        let (mut head, ()) = request.into_parts();
        // As it arrives: in origin form, with Host.
        let authority = head.uri.authority().unwrap().as_str().to_owned();
        head.headers.insert(header::HOST, authority.parse().unwrap());
        head.uri = head.uri.path_and_query().unwrap().as_str().parse().unwrap();
        head
    }

    fn get(&self, path: &str) -> request::Parts {
        let body = if self.presigns.is_some() { SignableBody::UnsignedPayload } else { SignableBody::Bytes(b"") };
        self.request("GET", &format!("http://127.0.0.1:8180{path}"), &[], body)
    }
}

fn vended() -> (Vending, VendedKeys) {
    let vending = Vending::new().unwrap();
    let keys = vending.vend(&"acme".parse().unwrap(), &Secret::new("psp1_proof".into())).unwrap();
    (vending, keys)
}

/// What the verifier would get, after the signature was settled for a body of this hash.
fn admit(head: request::Parts, vending: &Vending, hash: &str) -> Result<(String, request::Parts), Reason> {
    let (caller, head) = take(head, vending)?;
    caller.signature.settle(hash).map_err(|r| r.reason)?;
    assert_eq!(caller.presented.tenant.unwrap().id().as_str(), "acme");
    Ok((caller.presented.proof.unwrap().expose().to_owned(), head))
}

#[test]
fn vended_keys_stand_for_their_proof_under_a_signature_that_is_right() {
    let (vending, keys) = vended();
    for path in ["/b/k", "/b/a%20b%2Bc/%E2%82%AC//x", "/b?list-type=2&prefix=a%2Fb&acl", "/b/k?x=a+b"] {
        let (proof, head) = admit(Client::of(&keys, "s3").get(path), &vending, "never looked at: it is declared").unwrap();
        assert_eq!(proof, "psp1_proof");
        let left: Vec<_> = head.headers.keys().map(HeaderName::as_str).collect();
        assert!(!left.iter().any(|name| matches!(*name, "authorization" | "x-amz-date" | "x-amz-security-token")), "{left:?}");
    }
    let client = Client::of(&keys, "dynamodb");
    let signed = || {
        let lines = [("x-amz-target", "DynamoDB_20120810.GetItem"), ("content-type", "application/x-amz-json-1.0")];
        client.request("POST", "http://127.0.0.1:8180/", &lines, SignableBody::Bytes(b"{}"))
    };
    assert!(admit(signed(), &vending, &sha256_hex(b"{}")).is_ok());
    assert_eq!(admit(signed(), &vending, &sha256_hex(b"{ }")).unwrap_err(), Reason::SignatureMismatch);
    assert_eq!(admit(signed(), &vending, EMPTY_SHA256).unwrap_err(), Reason::SignatureMismatch);
}

#[test]
fn whatever_is_changed_the_signature_is_wrong() {
    let (vending, keys) = vended();
    let signed = || {
        let lines = [("x-amz-acl", "private"), ("content-type", "text/plain")];
        Client::of(&keys, "s3").request("PUT", "http://127.0.0.1:8180/b/k?tagging", &lines, SignableBody::Bytes(b"abc"))
    };
    type Change = fn(&mut request::Parts);
    let changes: [(&str, Change); 8] = [
        ("method", |head| head.method = http::Method::POST),
        ("path", |head| head.uri = "/b/other?tagging".parse().unwrap()),
        ("query", |head| head.uri = "/b/k?tagging&acl".parse().unwrap()),
        ("header", |head| drop(head.headers.insert("x-amz-acl", HeaderValue::from_static("public-read")))),
        ("second value", |head| assert!(head.headers.append("x-amz-acl", HeaderValue::from_static("public-read")))),
        ("type", |head| drop(head.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html")))),
        ("host", |head| drop(head.headers.insert(header::HOST, HeaderValue::from_static("b.s3.eu-west-1.amazonaws.com")))),
        ("payload", |head| drop(head.headers.insert(CONTENT_SHA256, HeaderValue::from_static("UNSIGNED-PAYLOAD")))),
    ];
    assert!(admit(signed(), &vending, "").is_ok());
    for (what, change) in changes {
        let mut head = signed();
        change(&mut head);
        assert_eq!(admit(head, &vending, "").unwrap_err(), Reason::SignatureMismatch, "{what}");
    }
    let mut head = signed();
    head.headers.insert("x-amz-tagging", HeaderValue::from_static("a=b"));
    assert_eq!(admit(head, &vending, "").unwrap_err(), Reason::HeaderNotSigned);
    for (from, to) in [("/s3/", "/sqs/"), ("eu-west-1", "us-east-1"), ("Signature=", "Signature=0"), ("tenant.acme", "AKIDEXAMPLE")] {
        let mut head = signed();
        let text = head.headers[header::AUTHORIZATION].to_str().unwrap().replace(from, to);
        head.headers.insert(header::AUTHORIZATION, text.parse().unwrap());
        let outcome = admit(head, &vending, "");
        // The key id is no part of what is signed; the token says the tenant.
        assert_eq!(outcome.err(), (from != "tenant.acme").then_some(Reason::SignatureMismatch), "{from}");
    }
}

#[test]
fn a_token_without_its_secret_is_worth_nothing() {
    let (vending, keys) = vended();
    let guessed = VendedKeys {
        secret_access_key: Secret::new("guessed".into()),
        access_key_id: keys.access_key_id.clone(),
        session_token: keys.session_token.clone(),
    };
    assert_eq!(admit(Client::of(&guessed, "s3").get("/b/k"), &vending, "").unwrap_err(), Reason::SignatureMismatch);
    let other = VendedKeys {
        access_key_id: "tenant.globex".into(),
        secret_access_key: keys.secret_access_key.clone(),
        session_token: keys.session_token.clone(),
    };
    assert_eq!(take(Client::of(&other, "s3").get("/b/k"), &vending).unwrap_err(), Reason::TenantAmbiguous);
    assert_eq!(take(Client::of(&keys, "s3").get("/b/k"), &Vending::new().unwrap()).unwrap_err(), Reason::KeysUnknown);
    // Bare, in each place where a proof may stand: the verifier gets the token itself, which it does not take.
    let token = keys.session_token.expose();
    for lines in
        [("authorization", format!("Bearer {token}")), ("x-tenant-token", token.to_owned()), ("x-amz-security-token", token.to_owned())]
    {
        let (caller, _) = take(head("GET", "/b/k", &[(lines.0, &lines.1)]), &vending).unwrap();
        assert_eq!(caller.presented.proof().unwrap().expose(), token);
    }
}

#[test]
fn old_and_early_signatures_are_refused() {
    let (vending, keys) = vended();
    for (skew, reason) in [(-900, None), (900, None), (-901, Some(Reason::SignatureExpired)), (901, Some(Reason::SignatureExpired))] {
        let client = Client { skew, ..Client::of(&keys, "s3") };
        assert_eq!(admit(client.get("/b/k"), &vending, "").err(), reason, "{skew}");
    }
    for (skew, reason) in [(-299, None), (900, None), (-300, Some(Reason::SignatureExpired)), (901, Some(Reason::SignatureExpired))] {
        let client = Client { skew, presigns: Some(300), ..Client::of(&keys, "s3") };
        assert_eq!(admit(client.get("/b/k"), &vending, "").err(), reason, "{skew}");
    }
}

#[test]
fn a_presigned_url_is_taken_and_nothing_of_it_goes_on() {
    let (vending, keys) = vended();
    let client = Client { presigns: Some(600), ..Client::of(&keys, "s3") };
    let (proof, head) = admit(client.get("/b/a%20b?versionId=1&x-id=GetObject"), &vending, "").unwrap();
    assert_eq!((proof.as_str(), head.uri.to_string().as_str()), ("psp1_proof", "/b/a%20b?versionId=1&x-id=GetObject"));
    assert_eq!(head.headers[CONTENT_SHA256], "UNSIGNED-PAYLOAD");
    assert_eq!(head.headers.len(), 2, "{:?}", head.headers);
}

#[test]
fn a_presigned_url_that_was_changed_is_refused() {
    let (vending, keys) = vended();
    let url = || Client { presigns: Some(600), ..Client::of(&keys, "s3") }.get("/b/k?x-amz-acl=private");
    let (_, taken) = admit(url(), &vending, "").unwrap();
    assert_eq!(taken.headers["x-amz-acl"], "private");
    for (from, to) in [
        ("/b/k", "/b/other"),
        ("Expires=600", "Expires=700"),
        ("private", "public-read"),
        ("SignedHeaders=host", "SignedHeaders=host%3Brange"),
    ] {
        let mut head = url();
        let changed = head.uri.to_string().replace(from, to);
        head.uri = changed.parse().unwrap();
        assert_eq!(admit(head, &vending, "").unwrap_err(), Reason::SignatureMismatch, "{from}");
    }
    let mut put = url();
    put.method = http::Method::PUT;
    assert_eq!(admit(put, &vending, "").unwrap_err(), Reason::SignatureMismatch);
    let mut unsigned = url();
    unsigned.headers.insert("x-amz-tagging", HeaderValue::from_static("a=b"));
    assert_eq!(take(unsigned, &vending).unwrap_err(), Reason::HeaderNotSigned);
    for (name, value) in [("authorization", SIGNED), ("authorization", "Bearer x"), ("x-tenant-token", "x")] {
        let mut doubled = url();
        doubled.headers.insert(name, HeaderValue::from_static(value));
        assert_eq!(take(doubled, &vending).unwrap_err(), Reason::TokenAmbiguous, "{name}");
    }
    let mut foreign = url();
    foreign.headers.insert("x-tenant-id", HeaderValue::from_static("globex"));
    assert_eq!(take(foreign, &vending).unwrap_err(), Reason::TenantAmbiguous);
}

#[test]
fn what_a_presigned_url_and_a_header_both_say_has_to_agree() {
    let (vending, keys) = vended();
    let client = Client { presigns: Some(600), ..Client::of(&keys, "s3") };
    let signed = |value| {
        let uri = "http://127.0.0.1:8180/b/k?x-amz-acl=private";
        client.request("GET", uri, &[("x-amz-acl", value)], SignableBody::UnsignedPayload)
    };
    let (_, head) = admit(signed("private"), &vending, "").unwrap();
    assert_eq!(head.headers["x-amz-acl"], "private");
    assert_eq!(take(signed("public-read"), &vending).unwrap_err(), Reason::SignatureMalformed);
}

#[test]
fn only_s3_is_told_of_a_payload_that_nobody_signed() {
    let (vending, keys) = vended();
    let client = Client { presigns: Some(600), ..Client::of(&keys, "sqs") };
    let get = client.request("GET", "http://127.0.0.1:8180/?Action=ListQueues", &[], SignableBody::Bytes(b""));
    let (_, head) = admit(get, &vending, EMPTY_SHA256).unwrap();
    assert!(!head.headers.contains_key(CONTENT_SHA256), "{:?}", head.headers);
    // A hash that is declared stays.
    let client = Client { presigns: Some(600), ..Client::of(&keys, "s3") };
    let uri = format!("http://127.0.0.1:8180/b/k?x-amz-content-sha256={EMPTY_SHA256}");
    let declared = client.request("GET", &uri, &[], SignableBody::Precomputed(EMPTY_SHA256.to_owned()));
    let (_, head) = take(declared, &vending).unwrap();
    assert_eq!(head.headers[CONTENT_SHA256], EMPTY_SHA256);
}
