//! The double as its callers meet it: whole requests, signed with the `aws-sigv4` crate, answered without sockets.

mod dynamodb;
mod s3;
mod signatures;
mod sts;

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{
        self, PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings,
        UriPathNormalizationMode,
    },
    sign::v4,
};
use http::{Method, StatusCode};
use serde_json::json;

use super::*;

const ACCOUNT: &str = "111122223333";
const REGION: &str = "eu-west-1";
const BASE: (&str, &str) = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");

/// A set of keys to sign with.
#[derive(Clone)]
struct Keys {
    id: String,
    secret: String,
    token: Option<String>,
}

/// A request to be signed, and how it is to be signed wrongly.
#[derive(Clone)]
struct Call {
    service: &'static str,
    region: &'static str,
    method: Method,
    target: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    /// Replaces the body's hash where the signature is made.
    payload: Option<&'static str>,
    age: Duration,
}

impl Call {
    fn sts(form: &[(&str, &str)]) -> Self {
        let body = serde_urlencoded::to_string(form).unwrap();
        Self::new("sts", Method::POST, "/").header("content-type", "application/x-www-form-urlencoded").body(body)
    }

    fn assume(tenant: &str, extra: &[(&str, &str)]) -> Self {
        let mut form = vec![
            ("Action", "AssumeRole"),
            ("Version", "2011-06-15"),
            ("RoleArn", "arn:aws:iam::111122223333:role/tenant-data"),
            ("RoleSessionName", tenant),
            ("Tags.member.1.Key", "TenantID"),
            ("Tags.member.1.Value", tenant),
            ("ExternalId", "palisade"),
        ];
        form.retain(|(name, _)| !extra.iter().any(|(n, _)| n == name));
        form.extend(extra.iter().filter(|(_, value)| !value.is_empty()));
        Self::sts(&form)
    }

    fn dynamodb(operation: &str, input: Value) -> Self {
        Self::new("dynamodb", Method::POST, "/")
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", &format!("DynamoDB_20120810.{operation}"))
            .body(input.to_string())
    }

    fn s3(method: Method, target: &str) -> Self {
        Self::new("s3", method, target)
    }

    fn new(service: &'static str, method: Method, target: &str) -> Self {
        let headers = vec![("host", "127.0.0.1:4566".to_owned())];
        let target = target.to_owned();
        Self { service, region: REGION, method, target, headers, body: Vec::new(), payload: None, age: Duration::ZERO }
    }

    fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    fn settings(&self) -> SigningSettings {
        let mut settings = SigningSettings::default();
        if self.service == "s3" {
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        settings
    }

    fn instructions(&self, keys: &Keys, now: SystemTime, settings: SigningSettings) -> (http_request::SigningInstructions, String) {
        let identity = Credentials::new(&keys.id, &keys.secret, keys.token.clone(), None, "test").into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(self.region)
            .name(self.service)
            .time(now - self.age)
            .settings(settings)
            .build()
            .unwrap()
            .into();
        let body = match self.payload {
            None => SignableBody::Bytes(&self.body),
            Some(payload) => SignableBody::Precomputed(payload.to_owned()),
        };
        let headers = self.headers.iter().map(|(n, v)| (*n, v.as_str()));
        let request = SignableRequest::new(self.method.as_str(), &self.target, headers, body).unwrap();
        http_request::sign(request, &params).unwrap().into_parts()
    }

    fn sign(&self, keys: &Keys, now: SystemTime) -> Request<Body> {
        let mut request = self.unsigned();
        self.instructions(keys, now, self.settings()).0.apply_to_request_http1x(&mut request);
        request
    }

    fn presign(&self, keys: &Keys, now: SystemTime, expires: Duration) -> Request<Body> {
        let mut settings = self.settings();
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(expires);
        settings.payload_checksum_kind = PayloadChecksumKind::NoHeader;
        let call = Self { payload: Some("UNSIGNED-PAYLOAD"), ..self.clone() };
        let mut request = self.unsigned();
        call.instructions(keys, now, settings).0.apply_to_request_http1x(&mut request);
        request
    }

    fn unsigned(&self) -> Request<Body> {
        let mut request = Request::builder().method(self.method.clone()).uri(&self.target);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        if !self.body.is_empty() {
            request = request.header("content-length", self.body.len());
        }
        request.body(crate::body::full(self.body.clone())).unwrap()
    }
}

/// An answer, read whole.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: http::HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    /// The text of the first element of that name.
    fn element(&self, name: &str) -> String {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let from = self.text.split_once(&open).unwrap_or_else(|| panic!("no {name} in {}", self.text)).1;
        from.split_once(&close).unwrap().0.to_owned()
    }

    /// The error code, in whatever format.
    fn code(&self) -> String {
        match self.text.starts_with('{') {
            true => self.json()["__type"].as_str().unwrap().rsplit('#').next().unwrap().to_owned(),
            false => self.element("Code"),
        }
    }

    fn ok(self) -> Self {
        assert!(self.status.is_success(), "{self:?}");
        self
    }
}

/// A double with one pooled role, whose sessions are confined to the prefix and the partition of their tenant tag.
struct Sandbox {
    double: AwsDouble,
    clock: Clock,
}

impl Sandbox {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut DoubleConfig)) -> Self {
        // `s3s` judges presigned expiry by the machine's clock, so the manual one starts there.
        let clock = Clock::manual(Clock::system().now());
        let mut config = DoubleConfig::new(ACCOUNT, REGION, (BASE.0, crate::secret::Secret::new(BASE.1.to_owned())));
        config.roles.push(pooled_role(&config.base_arn()));
        change(&mut config);
        let double = AwsDouble::new(config, clock.clone()).unwrap();
        double.create_bucket("pool");
        double.create_table(TableConfig {
            name: "orders".to_owned(),
            partition: ("pk".to_owned(), KeyType::Text),
            sort: Some(("sk".to_owned(), KeyType::Number)),
        });
        Self { double, clock }
    }

    fn base(&self) -> Keys {
        Keys { id: BASE.0.to_owned(), secret: BASE.1.to_owned(), token: None }
    }

    async fn send(&self, call: &Call, keys: &Keys) -> Answer {
        self.raw(call.sign(keys, self.clock.now())).await
    }

    async fn raw(&self, request: Request<Body>) -> Answer {
        let (parts, body) = self.double.handle(request).await.into_parts();
        let text = String::from_utf8_lossy(&body.collect().await.unwrap().to_bytes()).into_owned();
        Answer { status: parts.status, headers: parts.headers, text }
    }

    /// Keys of a session of the pooled role.
    async fn tenant(&self, tenant: &str) -> Keys {
        self.session(&Call::assume(tenant, &[])).await
    }

    async fn session(&self, assume: &Call) -> Keys {
        let answer = self.send(assume, &self.base()).await.ok();
        Keys { id: answer.element("AccessKeyId"), secret: answer.element("SecretAccessKey"), token: Some(answer.element("SessionToken")) }
    }
}

fn pooled_role(base_arn: &str) -> RoleConfig {
    let tenant = "${aws:PrincipalTag/TenantID}";
    RoleConfig {
        name: "tenant-data".to_owned(),
        account: None,
        max_session: Duration::from_secs(3_600),
        trust: json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": base_arn}, "Action": "sts:AssumeRole",
             "Condition": {"StringEquals": {"sts:ExternalId": "palisade"}}},
            {"Effect": "Allow", "Principal": {"AWS": base_arn}, "Action": ["sts:TagSession", "sts:SetSourceIdentity"],
             "Condition": {"StringNotEquals": {"aws:RequestTag/TenantID": "root"}}},
        ]}),
        policy: json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"],
             "Resource": format!("arn:aws:s3:::pool/{tenant}/*")},
            {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::pool",
             "Condition": {"StringLike": {"s3:prefix": format!("{tenant}/*")}}},
            {"Effect": "Allow", "Action": "dynamodb:*", "Resource": format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/orders"),
             "Condition": {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": format!("{tenant}#*")},
                           "Null": {"dynamodb:LeadingKeys": "false"}}},
            {"Effect": "Allow", "Action": ["dynamodb:DescribeTable", "dynamodb:ListTables"], "Resource": "*"},
        ]}),
    }
}

#[tokio::test]
async fn it_serves_sockets_until_it_is_told_to_stop() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let sandbox = Sandbox::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(sandbox.double.clone().serve(listener, async { drop(stopped.await) }));
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("<Code>AccessDenied</Code>"), "{answer}");
    stop.send(()).unwrap();
    serving.await.unwrap();
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
