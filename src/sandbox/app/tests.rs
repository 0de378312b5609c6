//! Against an egress that writes down what it is asked and answers what it is told.

use std::sync::mpsc;

use bytes::Bytes;
use http::{HeaderMap, request::Parts};
use serde_json::Value;

use super::*;
use crate::body;

const PASSPORT: &str = "psp1_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

struct Bench {
    app: DemoApp,
    asked: mpsc::Receiver<(Parts, Bytes)>,
}

/// The application, and an egress that gives every request the same answer.
async fn bench(status: u16, headers: &'static [(&'static str, &'static str)], text: &'static str) -> Bench {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, asked) = mpsc::channel();
    let egress = loopback::serve(listener, std::future::pending(), move |request: Request<hyper::body::Incoming>| {
        let tell = tell.clone();
        async move {
            let (head, body) = request.into_parts();
            tell.send((head, body.collect().await.unwrap().to_bytes())).unwrap();
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(*name, *value);
            }
            response.body(body::full(text)).unwrap()
        }
    });
    tokio::spawn(egress);
    Bench { app: DemoApp::new(address, Clock::system()), asked }
}

impl Bench {
    async fn ask(&self, method: &str, target: &str, content: &'static str) -> (StatusCode, HeaderMap, String) {
        let request = Request::builder()
            .method(method)
            .uri(target)
            .header("x-tenant-id", "acme")
            .header("x-palisade-passport", PASSPORT)
            .header("x-palisade-subject", "ann")
            .header("x-palisade-roles", "\"reader\"")
            .header("x-request-id", "r-1")
            .header("content-length", content.len())
            .body(body::full(content));
        let (head, body) = self.app.handle(request.unwrap()).await.into_parts();
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        assert!(!text.contains("psp1_") && !format!("{:?}", head.headers).contains("psp1_"), "the passport got out");
        (head.status, head.headers, text)
    }

    /// The one request that the egress got, which must carry the placeholder of `acme` for `service`.
    fn asked(&self, service: &str) -> (Parts, Bytes) {
        let (head, body) = self.asked.try_recv().expect("nothing was asked of the egress");
        let authorization = head.headers["authorization"].to_str().unwrap();
        assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=tenant.acme/"), "{authorization}");
        assert!(authorization.contains(&format!("/eu-west-1/{service}/aws4_request")), "{authorization}");
        assert_eq!(head.headers["x-amz-security-token"], PASSPORT);
        let signed = authorization.split("SignedHeaders=").nth(1).unwrap().split(',').next().unwrap();
        for name in head.headers.keys().filter(|name| name.as_str().starts_with("x-amz-")) {
            assert!(signed.split(';').any(|s| s == name.as_str()), "{name} is not signed: {signed}");
        }
        (head, body)
    }
}

#[tokio::test]
async fn whoami_says_who_is_asking_and_asks_nobody() {
    let bench = bench(200, &[], "").await;
    let (status, _, text) = bench.ask("GET", "/whoami", "").await;
    let about: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(status, StatusCode::OK);
    assert_eq!((&about["tenant"], &about["subject"], &about["request_id"]), (&json!("acme"), &json!("ann"), &json!("r-1")));
    assert_eq!(about["roles"], json!(["reader"]));
    assert!(bench.asked.try_recv().is_err());
}

#[tokio::test]
async fn without_a_passport_nothing_is_done() {
    let bench = bench(200, &[], "").await;
    let request = Request::get("/objects").header("x-tenant-id", "acme").body(body::empty()).unwrap();
    assert_eq!(bench.app.handle(request).await.status(), StatusCode::UNAUTHORIZED);
    assert!(bench.asked.try_recv().is_err());
}

const LIST: &str = "<?xml version=\"1.0\"?><ListBucketResult><IsTruncated>false</IsTruncated>\
    <Contents><Key>acme/a%20b+c%2B</Key><Size>3</Size></Contents><Contents><Key>acme/d</Key><Size>4</Size></Contents></ListBucketResult>";

#[tokio::test]
async fn objects_are_listed_under_the_tenants_prefix() {
    let bench = bench(200, &[], LIST).await;
    let (status, _, text) = bench.ask("GET", "/objects", "").await;
    assert_eq!(status, StatusCode::OK);
    let objects = serde_json::from_str::<Value>(&text).unwrap()["objects"].clone();
    assert_eq!(objects, json!([{"key": "acme/a b c+", "size": 3}, {"key": "acme/d", "size": 4}]));
    let (head, _) = bench.asked("s3");
    assert_eq!(head.uri, "/palisade-demo?encoding-type=url&list-type=2&max-keys=200&prefix=acme%2F");
}

#[tokio::test]
async fn objects_are_streamed_both_ways_and_their_keys_left_as_they_are() {
    let bench = bench(200, &[("etag", "\"e\""), ("content-type", "text/x"), ("x-amz-id-2", "i")], "content").await;
    let (status, _, text) = bench.ask("PUT", "/objects/a/b%2Fc%20d", "new").await;
    assert_eq!((status, text.contains("acme/a/b/c d")), (StatusCode::OK, true), "{text}");
    let (head, body) = bench.asked("s3");
    assert_eq!((head.method, head.uri.path(), &body[..]), (Method::PUT, "/palisade-demo/acme/a/b%2Fc%20d", &b"new"[..]));
    assert_eq!(head.headers["x-amz-content-sha256"], "UNSIGNED-PAYLOAD");
    assert_eq!(head.headers["content-length"], "3");

    let (status, headers, text) = bench.ask("GET", "/objects/a", "").await;
    assert_eq!((status, text.as_str(), &headers["content-type"]), (StatusCode::OK, "content", &http::HeaderValue::from_static("text/x")));
    assert!(!headers.contains_key("x-amz-id-2"));
    assert_eq!(bench.asked("s3").0.uri, "/palisade-demo/acme/a");

    assert_eq!(bench.ask("DELETE", "/objects/a", "").await.0, StatusCode::OK);
    assert_eq!(bench.asked("s3").0.method, Method::DELETE);
}

#[tokio::test]
async fn items_are_under_the_tenants_partition_key() {
    let item = r#"{"Item":{"pk":{"S":"acme#items"},"sk":{"S":"a b"},"content":{"S":"{\"n\":1}"}}}"#;
    let bench = bench(200, &[], item).await;
    let (status, _, text) = bench.ask("GET", "/items/a%20b", "").await;
    assert_eq!((status, serde_json::from_str::<Value>(&text).unwrap()), (StatusCode::OK, json!({"id": "a b", "content": {"n": 1}})));
    let (head, body) = bench.asked("dynamodb");
    assert_eq!(head.headers["x-amz-target"], "DynamoDB_20120810.GetItem");
    let input: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(input["Key"], json!({"pk": {"S": "acme#items"}, "sk": {"S": "a b"}}));

    assert_eq!(bench.ask("PUT", "/items/x", "[1, 2]").await.0, StatusCode::OK);
    let (head, body) = bench.asked("dynamodb");
    assert_eq!(head.headers["x-amz-target"], "DynamoDB_20120810.PutItem");
    let input: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(input["Item"], json!({"pk": {"S": "acme#items"}, "sk": {"S": "x"}, "content": {"S": "[1,2]"}}));

    assert_eq!(bench.ask("PUT", "/items/x", "{").await.0, StatusCode::BAD_REQUEST);
    assert!(bench.asked.try_recv().is_err());
}

#[tokio::test]
async fn a_list_of_items_is_a_query_of_one_partition() {
    let bench = bench(200, &[], r#"{"Items":[{"sk":{"S":"a"},"content":{"S":"1"}}],"Count":1}"#).await;
    let (_, _, text) = bench.ask("GET", "/items", "").await;
    let shown: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&shown["items"], &shown["truncated"]), (&json!([{"id": "a", "content": 1}]), &json!(false)));
    let (head, body) = bench.asked("dynamodb");
    assert_eq!(head.headers["x-amz-target"], "DynamoDB_20120810.Query");
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap()["ExpressionAttributeValues"], json!({":pk": {"S": "acme#items"}}));
}

#[tokio::test]
async fn misbehaving_asks_for_anothers_data_with_the_passport_at_hand_and_passes_on_the_refusal() {
    let denied = "<Error><Code>AccessDenied</Code><Message>no</Message></Error>";
    let bench = bench(403, &[("x-palisade-reason", "aws-denied")], denied).await;
    for (target, asked) in [
        ("/as/globex/objects", "/palisade-demo?encoding-type=url&list-type=2&max-keys=200&prefix=globex%2F"),
        ("/as/globex/objects/a", "/palisade-demo/globex/a"),
        ("/as/globex/items", "/"),
    ] {
        let (status, headers, text) = bench.ask("GET", target, "").await;
        assert_eq!((status, &headers["x-palisade-reason"]), (StatusCode::FORBIDDEN, &http::HeaderValue::from_static("aws-denied")));
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["code"], "AccessDenied");
        let (head, body) = bench.asked(if target.ends_with("items") { "dynamodb" } else { "s3" });
        assert_eq!(head.uri, asked);
        assert_eq!(body.is_empty(), !target.ends_with("items"));
    }
}

#[tokio::test]
async fn a_replay_uses_the_passport_of_the_request_before() {
    let bench = bench(403, &[], "").await;
    assert_eq!(bench.ask("GET", "/replay", "").await.0, StatusCode::OK);
    assert!(bench.asked.try_recv().is_err(), "the passport was used while its request was in progress");
    let second = Request::get("/replay").header("x-tenant-id", "globex").header("x-palisade-passport", "psp1_other");
    assert_eq!(bench.app.handle(second.body(body::empty()).unwrap()).await.status(), StatusCode::FORBIDDEN);
    assert!(bench.asked("s3").0.uri.to_string().contains("prefix=acme%2F"));
    assert_eq!(bench.ask("GET", "/replay", "").await.0, StatusCode::OK, "one passport is kept at a time");
}

#[tokio::test]
async fn an_egress_that_is_away_is_a_bad_gateway() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let (_, asked) = mpsc::channel();
    let bench = Bench { app: DemoApp::new(address, Clock::system()), asked };
    let (status, _, text) = bench.ask("GET", "/objects", "").await;
    assert_eq!((status, text.contains("the egress gave no answer")), (StatusCode::BAD_GATEWAY, true), "{text}");
}
