//! S3: what works, and what one tenant's session may not do.

use aws_lc_rs::hmac;

use super::*;

fn put(target: &str, body: &str) -> Call {
    Call::s3(Method::PUT, target).body(body)
}

fn get(target: &str) -> Call {
    Call::s3(Method::GET, target)
}

#[tokio::test]
async fn objects_are_written_read_listed_copied_and_deleted() {
    let sandbox = Sandbox::new();
    let keys = sandbox.tenant("acme").await;
    let write = put("/pool/acme/a%20b/%C3%BC%2B", "hello").header("content-type", "text/plain").header("x-amz-meta-k", "v");
    let etag = sandbox.send(&write, &keys).await.ok().headers["etag"].clone();
    assert_eq!(etag, "\"5d41402abc4b2a76b9719d911017c592\"");
    assert_eq!(sandbox.double.get_object("pool", "acme/a b/ü+").unwrap(), "hello");
    let read = sandbox.send(&get("/pool/acme/a%20b/%C3%BC%2B"), &keys).await.ok();
    assert_eq!(
        (read.text.as_str(), &read.headers["content-type"], &read.headers["x-amz-meta-k"]),
        ("hello", &"text/plain".parse().unwrap(), &"v".parse().unwrap())
    );
    let range = sandbox.send(&get("/pool/acme/a%20b/%C3%BC%2B").header("range", "bytes=1-3"), &keys).await;
    assert_eq!(
        (range.status, range.text.as_str(), &range.headers["content-range"]),
        (StatusCode::PARTIAL_CONTENT, "ell", &"bytes 1-3/5".parse().unwrap())
    );
    let head = sandbox.send(&Call::s3(Method::HEAD, "/pool/acme/a%20b/%C3%BC%2B"), &keys).await.ok();
    assert_eq!((&head.headers["content-length"], head.text.as_str()), (&"5".parse().unwrap(), ""));
    let copy = Call::s3(Method::PUT, "/pool/acme/copy").header("x-amz-copy-source", "/pool/acme/a%20b/%C3%BC%2B");
    sandbox.send(&copy, &keys).await.ok();
    for list in ["/pool?list-type=2&prefix=acme%2F", "/pool?prefix=acme%2F"] {
        let listing = sandbox.send(&get(list), &keys).await.ok().text;
        assert!(listing.contains("<Key>acme/copy</Key>") && listing.contains("<Key>acme/a b/ü+</Key>"), "{listing}");
    }
    let body = "<Delete><Object><Key>acme/copy</Key></Object></Delete>";
    sandbox.send(&Call::s3(Method::POST, "/pool?delete").body(body), &keys).await.ok();
    sandbox.send(&Call::s3(Method::DELETE, "/pool/acme/a%20b/%C3%BC%2B"), &keys).await.ok();
    let listing = sandbox.send(&get("/pool?list-type=2&prefix=acme%2F"), &keys).await.ok();
    assert_eq!(listing.element("KeyCount"), "0");
}

#[tokio::test]
async fn listings_are_paged_by_tokens() {
    let sandbox = Sandbox::new();
    let keys = sandbox.tenant("acme").await;
    for key in ["acme/1", "acme/2", "acme/d/3", "acme/d/4", "acme/e", "other/5"] {
        assert!(sandbox.double.put_object("pool", key, "x"));
    }
    let (mut found, mut token) = (Vec::new(), String::new());
    loop {
        let page = sandbox.send(&get(&format!("/pool?list-type=2&prefix=acme%2F&delimiter=%2F&max-keys=2{token}")), &keys).await.ok();
        let entries = page.text.split("<Key>").chain(page.text.split("<CommonPrefixes><Prefix>")).filter_map(|p| p.split_once('<'));
        found.extend(entries.map(|(key, _)| key.to_owned()).filter(|k| k.starts_with("acme/")));
        if page.element("IsTruncated") == "false" {
            break;
        }
        token = format!("&continuation-token={}", page.element("NextContinuationToken"));
    }
    assert_eq!(found, ["acme/1", "acme/2", "acme/e", "acme/d/"]);
    let encoded = sandbox.send(&get("/pool?list-type=2&prefix=acme%2F&encoding-type=url&start-after=acme%2Fd%2F4"), &keys).await.ok();
    assert!(encoded.text.contains("<Key>acme/e</Key>") && !encoded.text.contains("<Key>acme/1"), "{encoded:?}");
}

#[tokio::test]
async fn a_session_reaches_its_own_prefix_and_nothing_else() {
    let sandbox = Sandbox::new();
    let keys = sandbox.tenant("acme").await;
    for key in ["other/k", "acme-eu/k", "acme/k", "k"] {
        assert!(sandbox.double.put_object("pool", key, "x"));
    }
    sandbox.double.create_bucket("hidden");
    for call in [
        get("/pool/other/k"),
        get("/pool/acme-eu/k"),
        get("/pool/k"),
        get("/pool/acme/../other/k"),
        get("/pool/none"),
        get("/pool"),
        get("/pool?list-type=2"),
        get("/pool?list-type=2&prefix="),
        get("/pool?list-type=2&prefix=acme"),
        get("/pool?list-type=2&prefix=other%2F"),
        get("/pool?prefix=other%2F"),
        get("/hidden?list-type=2&prefix=acme%2F"),
        get("/"),
        put("/pool/other/k", "y"),
        put("/new-bucket", ""),
        Call::s3(Method::DELETE, "/pool/other/k"),
        Call::s3(Method::DELETE, "/pool"),
        Call::s3(Method::POST, "/pool/other/k?uploads"),
        Call::s3(Method::PUT, "/pool/acme/copy").header("x-amz-copy-source", "/pool/other/k"),
        Call::s3(Method::PUT, "/pool/acme/copy").header("x-amz-copy-source", "pool%2Fother%2Fk"),
        Call::s3(Method::PUT, "/pool/other/copy").header("x-amz-copy-source", "/pool/acme/k"),
    ] {
        let answer = sandbox.send(&call, &keys).await;
        assert_eq!((answer.status, answer.code().as_str()), (StatusCode::FORBIDDEN, "AccessDenied"), "{} {}", call.method, call.target);
        assert!(answer.element("Message").contains("arn:aws:sts::111122223333:assumed-role/tenant-data/acme"));
    }
    let twice = get("/pool?list-type=2&prefix=acme%2F&prefix=other%2F");
    assert!(sandbox.send(&twice, &keys).await.status.is_client_error(), "two prefixes were let through");
    let body = "<Delete><Object><Key>acme/k</Key></Object><Object><Key>other/k</Key></Object></Delete>";
    let answer = sandbox.send(&Call::s3(Method::POST, "/pool?delete").body(body), &keys).await.ok();
    assert!(answer.text.contains("<Deleted><Key>acme/k</Key>") && answer.element("Code") == "AccessDenied", "{answer:?}");
    assert_eq!(sandbox.double.get_object("pool", "other/k").unwrap(), "x");
    assert_eq!(sandbox.double.get_object("pool", "acme/k"), None);
}

#[tokio::test]
async fn a_session_policy_can_only_take_away() {
    let sandbox = Sandbox::new();
    sandbox.double.put_object("pool", "acme/k", "x");
    let policy = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::pool/acme/k*"}}"#;
    let keys = sandbox.session(&Call::assume("acme", &[("Policy", policy)])).await;
    sandbox.send(&get("/pool/acme/k"), &keys).await.ok();
    let narrowed = sandbox.send(&put("/pool/acme/x", "x"), &keys).await;
    assert!(narrowed.element("Message").contains("no session policy allows"), "{narrowed:?}");
    assert_eq!(sandbox.send(&Call::s3(Method::GET, "/pool/acme/k?acl"), &keys).await.code(), "NotImplemented");
}

#[tokio::test]
async fn a_bucket_of_another_account_is_out_of_reach() {
    let everything = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]});
    let sandbox = Sandbox::with(|config| {
        let role = RoleConfig { account: Some("999999999999".to_owned()), policy: everything, ..config.roles[0].clone() };
        config.roles.push(role);
    });
    sandbox.double.put_object("pool", "acme/k", "x");
    let keys = sandbox.session(&Call::assume("acme", &[("RoleArn", "arn:aws:iam::999999999999:role/tenant-data")])).await;
    assert_eq!(sandbox.send(&get("/pool/acme/k"), &keys).await.code(), "AccessDenied");
    sandbox.send(&put("/their-own", ""), &keys).await.ok();
    sandbox.send(&put("/their-own/k", "y"), &keys).await.ok();
    let buckets = sandbox.send(&get("/"), &keys).await.ok().text;
    assert!(buckets.contains("their-own") && !buckets.contains("pool"), "{buckets}");
    assert_eq!(sandbox.send(&put("/pool", ""), &keys).await.code(), "BucketAlreadyExists");
}

#[tokio::test]
async fn uploads_in_parts_come_together() {
    let sandbox = Sandbox::new();
    let keys = sandbox.tenant("acme").await;
    let id = sandbox.send(&Call::s3(Method::POST, "/pool/acme/big?uploads"), &keys).await.ok().element("UploadId");
    let part = |n: u8, key: &str| format!("/pool/{key}?partNumber={n}&uploadId={id}");
    let mut listed = String::new();
    for (n, text) in [(1, "hello "), (2, "world")] {
        let etag = sandbox.send(&put(&part(n, "acme/big"), text), &keys).await.ok().headers["etag"].to_str().unwrap().to_owned();
        listed.push_str(&format!("<Part><PartNumber>{n}</PartNumber><ETag>{etag}</ETag></Part>"));
    }
    assert_eq!(sandbox.send(&put(&part(3, "acme/else"), "x"), &keys).await.code(), "NoSuchUpload");
    assert_eq!(sandbox.send(&put(&part(3, "other/big"), "x"), &keys).await.code(), "AccessDenied");
    let complete = |body: String| Call::s3(Method::POST, &format!("/pool/acme/big?uploadId={id}")).body(body);
    let wrong = format!("<CompleteMultipartUpload>{}</CompleteMultipartUpload>", listed.replace("<ETag>\"", "<ETag>\"0"));
    assert_eq!(sandbox.send(&complete(wrong), &keys).await.code(), "InvalidPart");
    let body = format!("<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>");
    sandbox.send(&complete(body.clone()), &keys).await.ok();
    assert_eq!(sandbox.double.get_object("pool", "acme/big").unwrap(), "hello world");
    assert_eq!(sandbox.send(&complete(body), &keys).await.code(), "NoSuchUpload");
}

#[tokio::test]
async fn bodies_must_be_what_was_signed_and_announced() {
    let sandbox = Sandbox::new();
    let keys = sandbox.tenant("acme").await;
    let mut tampered = put("/pool/acme/k", "hello").sign(&keys, sandbox.clock.now());
    *tampered.body_mut() = crate::body::full("hellO");
    assert_eq!(sandbox.raw(tampered).await.code(), "XAmzContentSHA256Mismatch");
    let mut short = put("/pool/acme/k", "hello").sign(&keys, sandbox.clock.now());
    *short.body_mut() = crate::body::full("hell");
    assert!(sandbox.raw(short).await.status.is_client_error());
    let unsigned = Call { payload: Some("UNSIGNED-PAYLOAD"), ..put("/pool/acme/k", "hello") };
    sandbox.send(&unsigned.clone().header("content-md5", "XUFAKrxLKna5cZ2REBfFkg=="), &keys).await.ok();
    let wrong_md5 = unsigned.clone().header("content-md5", "XUFAKrxLKna5cZ2REBfFkQ==");
    assert_eq!(sandbox.send(&wrong_md5, &keys).await.code(), "BadDigest");
    sandbox.send(&unsigned.clone().header("x-amz-checksum-crc32", "NhCmhg=="), &keys).await.ok();
    assert_eq!(sandbox.send(&unsigned.header("x-amz-checksum-crc32", "NhCmhh=="), &keys).await.code(), "BadDigest");
}

#[tokio::test]
async fn trailers_are_read_and_checked() {
    let sandbox = Sandbox::new();
    let keys = sandbox.tenant("acme").await;
    let upload = |crc: &str| Call {
        payload: Some("STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
        ..put("/pool/acme/k", &format!("5\r\nhello\r\n0\r\nx-amz-checksum-crc32:{crc}\r\n\r\n"))
            .header("content-encoding", "aws-chunked")
            .header("x-amz-decoded-content-length", "5")
            .header("x-amz-trailer", "x-amz-checksum-crc32")
    };
    sandbox.send(&upload("NhCmhg=="), &keys).await.ok();
    assert_eq!(sandbox.double.get_object("pool", "acme/k").unwrap(), "hello");
    assert_eq!(sandbox.send(&upload("AAAAAA=="), &keys).await.code(), "BadDigest");
}

#[tokio::test]
async fn chunks_are_verified_one_by_one() {
    let sandbox = Sandbox::new();
    let keys = sandbox.tenant("acme").await;
    let now = sandbox.clock.now();
    let call = Call { payload: Some("STREAMING-AWS4-HMAC-SHA256-PAYLOAD"), ..put("/pool/acme/k", "") }
        .header("content-encoding", "aws-chunked")
        .header("x-amz-decoded-content-length", "10");
    let (_, seed) = call.instructions(&keys, now, call.settings());
    let date = call.sign(&keys, now).headers()["x-amz-date"].to_str().unwrap().to_owned();
    let chunk = |previous: &str, data: &str| chunk_signature(&keys.secret, &date, previous, data.as_bytes());
    let first = chunk(&seed, "hello");
    let second = chunk(&first, "world");
    let last = chunk(&second, "");
    let body = format!("5;chunk-signature={first}\r\nhello\r\n5;chunk-signature={second}\r\nworld\r\n0;chunk-signature={last}\r\n\r\n");
    let send = |body: String| {
        let mut request = call.sign(&keys, now);
        request.headers_mut().insert("content-length", body.len().into());
        *request.body_mut() = crate::body::full(body);
        sandbox.raw(request)
    };
    send(body.clone()).await.ok();
    assert_eq!(sandbox.double.get_object("pool", "acme/k").unwrap(), "helloworld");
    assert_eq!(send(body.replace("world", "World")).await.code(), "SignatureDoesNotMatch");
    assert_eq!(send(body.replace(&second, &first)).await.code(), "SignatureDoesNotMatch");
    assert_eq!(sandbox.double.get_object("pool", "acme/k").unwrap(), "helloworld");
}

/// The signature of one chunk, as the S3 documentation of signed uploads in chunks defines it.
fn chunk_signature(secret: &str, date: &str, previous: &str, data: &[u8]) -> String {
    let mac = |key: &[u8], text: &str| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec();
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let key = mac(format!("AWS4{secret}").as_bytes(), &date[..8]);
    let key = ["eu-west-1", "s3", "aws4_request"].iter().fold(key, |key, part| mac(&key, part));
    let scope = format!("{}/eu-west-1/s3/aws4_request", &date[..8]);
    let text = format!("AWS4-HMAC-SHA256-PAYLOAD\n{date}\n{scope}\n{previous}\n{}\n{}", hex(&digest(b"")), hex(&digest(data)));
    hex(&mac(&key, &text))
}

#[tokio::test]
async fn what_is_too_large_is_refused() {
    let sandbox = Sandbox::with(|config| (config.max_object, config.max_total) = (10, 4_000));
    let keys = sandbox.tenant("acme").await;
    assert_eq!(sandbox.send(&put("/pool/acme/k", "12345678901"), &keys).await.code(), "EntityTooLarge");
    for n in 0..3 {
        sandbox.send(&put(&format!("/pool/acme/{n}"), "1234567890"), &keys).await.ok();
    }
    assert_eq!(sandbox.send(&put("/pool/acme/4", "1234567890"), &keys).await.code(), "EntityTooLarge");
}

#[tokio::test]
async fn a_bucket_may_be_named_by_the_host() {
    let sandbox = Sandbox::new();
    let keys = sandbox.tenant("acme").await;
    sandbox.double.put_object("pool", "acme/k", "x");
    let mut call = get("/acme/k");
    call.headers[0].1 = "pool.s3.eu-west-1.amazonaws.com".to_owned();
    assert_eq!(sandbox.send(&call, &keys).await.ok().text, "x");
    call.target = "/other/k".to_owned();
    assert_eq!(sandbox.send(&call, &keys).await.code(), "AccessDenied");
}

#[tokio::test]
async fn faults_and_forms_are_refused_in_s3s_words() {
    let sandbox = Sandbox::new();
    let keys = sandbox.tenant("acme").await;
    let form = Call::s3(Method::POST, "/pool").header("content-type", "multipart/form-data; boundary=x").body("--x--");
    assert_eq!(sandbox.send(&form, &keys).await.code(), "NotImplemented");
    sandbox.double.set_fault(Wire::S3, Some(Fault::Throttle));
    let answer = sandbox.send(&get("/pool/acme/k"), &keys).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (503, "SlowDown"));
}

#[tokio::test]
async fn conditions_are_met_or_refused() {
    let sandbox = Sandbox::new();
    let keys = sandbox.tenant("acme").await;
    let once = put("/pool/acme/k", "hello").header("if-none-match", "*");
    let etag = sandbox.send(&once, &keys).await.ok().headers["etag"].to_str().unwrap().to_owned();
    let copy = Call::s3(Method::PUT, "/pool/acme/copy").header("x-amz-copy-source", "/pool/acme/k");
    for (call, status) in [
        (once, 412),
        (put("/pool/acme/k", "x").header("if-match", "\"other\""), 412),
        (put("/pool/acme/none", "x").header("if-match", "*"), 412),
        (get("/pool/acme/k").header("if-match", &etag), 200),
        (get("/pool/acme/k").header("if-match", "\"other\""), 412),
        (get("/pool/acme/k").header("if-none-match", &etag), 304),
        (copy.clone().header("x-amz-copy-source-if-match", &etag), 200),
        (copy.clone().header("x-amz-copy-source-if-match", "\"other\""), 412),
        (copy.header("if-none-match", "*"), 501),
        (get("/pool/acme/k").header("if-modified-since", "Thu, 01 Jan 2026 00:00:00 GMT"), 501),
        (Call::s3(Method::DELETE, "/pool/acme/k").header("if-match", "\"other\""), 501),
        (put("/pool/acme/k", "hello").header("if-match", &etag), 200),
    ] {
        assert_eq!(sandbox.send(&call, &keys).await.status.as_u16(), status, "{:?}", call.headers);
    }
}
