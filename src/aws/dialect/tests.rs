use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use http_body_util::BodyExt;

use super::*;
use crate::reject::Reason;

fn headers(list: &[(&str, &str)]) -> HeaderMap {
    list.iter().map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap())).collect()
}

async fn bytes(response: Response<Body>) -> Vec<u8> {
    response.into_body().collect().await.unwrap().to_bytes().to_vec()
}

#[test]
fn a_service_is_answered_in_the_protocol_it_was_asked_in() {
    let json = [("content-type", "application/x-amz-json-1.0"), ("x-amz-target", "T.O")];
    let form = [("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
    let cbor = [("smithy-protocol", "rpc-v2-cbor"), ("content-type", "application/cbor")];
    let none: [(&str, &str); 0] = [];
    for (service, list, expected) in [
        (Some("s3"), &none[..], Dialect::S3Xml),
        (Some("s3express"), &none, Dialect::S3Xml),
        (Some("s3-control"), &none, Dialect::RestXml),
        (Some("dynamodb"), &none, Dialect::AwsJson10),
        (Some("dynamodb"), &json, Dialect::AwsJson10),
        (Some("kms"), &json, Dialect::AwsJson11),
        (Some("sqs"), &json, Dialect::AwsJson10Compatible),
        (Some("monitoring"), &json, Dialect::AwsJson10Compatible),
        (Some("monitoring"), &form, Dialect::Query),
        (Some("monitoring"), &cbor, Dialect::Cbor),
        (Some("sns"), &form, Dialect::Query),
        (Some("ec2"), &form, Dialect::Ec2Query),
        (Some("ses"), &form, Dialect::Query),
        (Some("ses"), &none, Dialect::RestJson),
        (Some("lambda"), &none, Dialect::RestJson),
        // A header that the service does not know does not change its language.
        (Some("s3"), &cbor, Dialect::S3Xml),
        (Some("lambda"), &form, Dialect::RestJson),
        (None, &json, Dialect::AwsJson10),
        (None, &form, Dialect::Query),
        (None, &cbor, Dialect::Cbor),
        (None, &[("x-amz-content-sha256", "UNSIGNED-PAYLOAD")], Dialect::S3Xml),
        (None, &none, Dialect::RestJson),
        (Some("no-such-service"), &none, Dialect::RestJson),
    ] {
        assert_eq!(Dialect::of(service, &headers(list), &Method::POST), expected, "{service:?} {list:?}");
    }
}

#[tokio::test]
async fn statuses_and_codes_are_the_contracts() {
    for (dialect, reason, status, code) in [
        (Dialect::S3Xml, Reason::TenantMismatch, 403, "AccessDenied"),
        (Dialect::S3Xml, Reason::PassportExpired, 400, "ExpiredToken"),
        (Dialect::S3Xml, Reason::TokenMissing, 403, "AccessDenied"),
        (Dialect::S3Xml, Reason::RateLimited, 503, "SlowDown"),
        (Dialect::S3Xml, Reason::PayloadHashMismatch, 400, "XAmzContentSHA256Mismatch"),
        (Dialect::S3Xml, Reason::CredentialsUnavailable, 503, "ServiceUnavailable"),
        (Dialect::AwsJson10, Reason::TenantMismatch, 403, "AccessDeniedException"),
        (Dialect::AwsJson11, Reason::TokenExpired, 400, "ExpiredTokenException"),
        (Dialect::AwsJson10, Reason::TokenMissing, 403, "MissingAuthenticationTokenException"),
        (Dialect::AwsJson10, Reason::RateLimited, 400, "ThrottlingException"),
        (Dialect::RestJson, Reason::TenantMismatch, 403, "AccessDeniedException"),
        (Dialect::Cbor, Reason::RateLimited, 400, "ThrottlingException"),
        (Dialect::Query, Reason::RateLimited, 400, "Throttling"),
        (Dialect::Query, Reason::TenantMismatch, 403, "AccessDenied"),
        (Dialect::Ec2Query, Reason::TenantMismatch, 403, "UnauthorizedOperation"),
        (Dialect::AwsJson10, Reason::RequestTimeout, 408, "ValidationException"),
        (Dialect::S3Xml, Reason::UriTooLong, 414, "InvalidRequest"),
        (Dialect::AwsJson10, Reason::HeadersTooLarge, 431, "ValidationException"),
        (Dialect::S3Xml, Reason::BodyTooLarge, 413, "EntityTooLarge"),
        (Dialect::S3Xml, Reason::MethodNotAllowed, 405, "MethodNotAllowed"),
    ] {
        let response = dialect.refusal(&reason.into(), "req-1", &Method::POST, "/");
        assert_eq!(response.status(), status, "{dialect:?} {reason:?}");
        assert_eq!(response.headers()["x-palisade-reason"], reason.as_str());
        assert_eq!(response.headers()["x-request-id"], "req-1");
        let text = String::from_utf8_lossy(&bytes(response).await).into_owned();
        assert!(text.contains(code), "{dialect:?} {reason:?}: {text}");
    }
}

#[tokio::test]
async fn a_head_request_gets_no_body() {
    let response = Dialect::S3Xml.refusal(&Reason::TenantMismatch.into(), "r", &Method::HEAD, "/b/k");
    assert_eq!(response.status(), 403);
    assert!(bytes(response).await.is_empty());
}

#[tokio::test]
async fn neither_notes_nor_markup_nor_queries_come_out() {
    for dialect in Dialect::ALL {
        let refusal = Refusal::noted(Reason::TenantMismatch, "inner detail");
        let response = dialect.refusal(&refusal, "r", &Method::GET, "/b/<script>&?X-Amz-Security-Token=secret");
        let text = String::from_utf8_lossy(&bytes(response).await).into_owned();
        for leak in ["inner detail", "<script>", "secret"] {
            assert!(!text.contains(leak), "{dialect:?}: {text}");
        }
    }
}

/// What the README says of each class.
#[test]
fn the_table_of_classes_is_true() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    for (class, reason) in [
        ("denied", Reason::TenantMismatch),
        ("no token", Reason::TokenMissing),
        ("expired", Reason::PassportUnknown),
        ("throttled", Reason::RateLimited),
        ("unavailable", Reason::Overloaded),
        ("invalid", Reason::MalformedRequest),
    ] {
        let cell = |dialect| {
            let code = codes::of(dialect, reason);
            format!("{} `{}`", code.status.as_u16(), code.name)
        };
        let cells = [Dialect::S3Xml, Dialect::AwsJson10, Dialect::RestJson, Dialect::Query].map(cell);
        let row = format!("| {class} | {} |\n", cells.join(" | "));
        assert!(readme.contains(&row), "README.md has not {row}");
        assert_eq!((cell(Dialect::Cbor), cell(Dialect::RestXml)), (cells[1].clone(), cells[3].clone()), "one column for both");
    }
}

/// Every error in every dialect, for `tests/clients/test_dialects_parse.py`, which reads it with botocore's parsers.
/// `PALISADE_BLESS=1 cargo test` writes the file anew.
#[tokio::test]
async fn refusals_are_as_recorded() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/dialects.json");
    let mut recorded = Vec::new();
    for dialect in Dialect::ALL {
        let mut alike: BTreeMap<_, Vec<Reason>> = BTreeMap::new();
        for reason in Reason::ALL {
            let code = codes::of(*dialect, *reason);
            alike.entry((code.name, code.status.as_u16())).or_default().push(*reason);
        }
        for ((code, status), reasons) in alike {
            recorded.push(record(*dialect, code, status, &reasons).await);
        }
    }
    let text = recorded.iter().map(ToString::to_string).collect::<Vec<_>>().join(",\n");
    let text = format!("[\n{text}\n]\n");
    if std::env::var_os("PALISADE_BLESS").is_some() {
        fs::write(&path, &text).unwrap();
    }
    assert!(fs::read_to_string(&path).unwrap_or_default() == text, "{} is out of date: see the comment here", path.display());
}

/// One refusal, for the first of the reasons that look alike but for their texts.
async fn record(dialect: Dialect, code: &str, status: u16, reasons: &[Reason]) -> serde_json::Value {
    let response = dialect.refusal(&reasons[0].into(), "11111111-2222", &Method::POST, "/bucket/key");
    assert_eq!(response.status(), status);
    let head = response.headers().clone();
    let head: BTreeMap<_, _> = head.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    let hex = bytes(response).await.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    serde_json::json!({
        "dialect": format!("{dialect:?}"), "code": code, "status": status, "headers": head, "body": hex, "message": reasons[0].text(),
        "reasons": reasons.iter().map(|reason| reason.as_str()).collect::<Vec<_>>(),
    })
}
