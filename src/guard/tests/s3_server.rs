//! The guard's verdict, and what a server of S3 makes of the same request: `s3s`, which finds host, path, query, headers and body for itself and says to
//! its backend which bucket and key it was asked for.
//!
//! It is asked twice, for what came and for what is sent on, and has to understand the same. A request that passes has to be about the tenant's things
//! alone. One that is refused has to be about somebody else's, or to have one of the [`exceptions`].

use std::sync::{Arc, LazyLock, Mutex};

use proptest::{prelude::*, strategy::ValueTree as _};
use s3s::{
    S3Request, S3Response, S3Result, dto,
    host::SingleDomain,
    service::{S3Service, S3ServiceBuilder},
};

use super::*;

const DOMAIN: &str = "s3.eu-west-1.amazonaws.com";
const RULES: &str = "{s3: [{buckets: [pool-data], prefix: '{tenant.id}/'}, {buckets: ['own-{tenant.id}']}]}";

/// What a server is asked for: an object, or what begins so.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Touch {
    bucket: String,
    name: String,
}

impl Touch {
    fn is_of_acme(&self) -> bool {
        self.bucket == "own-acme" || (self.bucket == "pool-data" && self.name.starts_with("acme/"))
    }
}

/// A backend that writes down what it is asked for, and has nothing.
#[derive(Clone, Default)]
struct Backend(Arc<Mutex<Vec<Touch>>>);

impl Backend {
    fn note<T>(&self, touches: impl IntoIterator<Item = (String, String)>) -> S3Result<T> {
        self.0.lock().unwrap().extend(touches.into_iter().map(|(bucket, name)| Touch { bucket, name }));
        Err(s3s::s3_error!(NoSuchKey))
    }
}

/// Operations on one object.
macro_rules! backend {
    ($($name:ident: $input:ident -> $output:ident),*) => {
        #[async_trait::async_trait]
        impl s3s::S3 for Backend {
            $(async fn $name(&self, req: S3Request<dto::$input>) -> S3Result<S3Response<dto::$output>> {
                self.note([(req.input.bucket, req.input.key)])
            })*

            async fn copy_object(&self, req: S3Request<dto::CopyObjectInput>) -> S3Result<S3Response<dto::CopyObjectOutput>> {
                let from = source(req.input.copy_source);
                self.note([(req.input.bucket, req.input.key), from])
            }

            async fn delete_objects(&self, req: S3Request<dto::DeleteObjectsInput>) -> S3Result<S3Response<dto::DeleteObjectsOutput>> {
                let bucket = req.input.bucket;
                self.note(req.input.delete.objects.into_iter().map(|object| (bucket.clone(), object.key)))
            }

            async fn list_objects(&self, req: S3Request<dto::ListObjectsInput>) -> S3Result<S3Response<dto::ListObjectsOutput>> {
                self.note([(req.input.bucket, req.input.prefix.unwrap_or_default())])
            }

            async fn list_objects_v2(&self, req: S3Request<dto::ListObjectsV2Input>) -> S3Result<S3Response<dto::ListObjectsV2Output>> {
                self.note([(req.input.bucket, req.input.prefix.unwrap_or_default())])
            }

            async fn upload_part_copy(&self, req: S3Request<dto::UploadPartCopyInput>) -> S3Result<S3Response<dto::UploadPartCopyOutput>> {
                let from = source(req.input.copy_source);
                self.note([(req.input.bucket, req.input.key), from])
            }
        }
    };
}

backend! {
    abort_multipart_upload: AbortMultipartUploadInput -> AbortMultipartUploadOutput,
    create_multipart_upload: CreateMultipartUploadInput -> CreateMultipartUploadOutput,
    delete_object: DeleteObjectInput -> DeleteObjectOutput,
    get_object: GetObjectInput -> GetObjectOutput,
    get_object_tagging: GetObjectTaggingInput -> GetObjectTaggingOutput,
    head_object: HeadObjectInput -> HeadObjectOutput,
    list_parts: ListPartsInput -> ListPartsOutput,
    put_object: PutObjectInput -> PutObjectOutput,
    upload_part: UploadPartInput -> UploadPartOutput
}

fn source(source: dto::CopySource) -> (String, String) {
    match source {
        dto::CopySource::Bucket { bucket, key, .. } => (bucket.into(), key.into()),
        _ => ("an access point".to_owned(), String::new()),
    }
}

struct Server {
    service: S3Service,
    noted: Arc<Mutex<Vec<Touch>>>,
}

impl Server {
    fn new() -> Self {
        let backend = Backend::default();
        let noted = backend.0.clone();
        let mut builder = S3ServiceBuilder::new(backend);
        builder.set_host(SingleDomain::new(DOMAIN).unwrap());
        Self { service: builder.build(), noted }
    }

    /// What the server takes the request to be about; `None` where it is nothing to it.
    async fn ask(&self, request: http::Request<String>) -> Option<Vec<Touch>> {
        self.noted.lock().unwrap().clear();
        let length = request.body().len();
        let mut request = request.map(s3s::Body::from);
        request.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        let _ = self.service.call(request).await;
        let noted = std::mem::take(&mut *self.noted.lock().unwrap());
        (!noted.is_empty()).then_some(noted)
    }
}

/// A request that is made up.
#[derive(Debug, Clone)]
struct Drawn {
    line: String,
    host: String,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Drawn {
    fn headers(&self) -> Vec<(&str, &str)> {
        self.headers.iter().map(|(name, value)| (*name, value.as_str())).collect()
    }

    fn plain(&self) -> http::Request<String> {
        request(&self.line, &self.host, &self.headers(), "").map(|_| self.body.clone())
    }
}

/// Why a request is refused that would be the tenant's: what is in it that another store could read otherwise.
fn exceptions(drawn: &Drawn, touches: &[Touch]) -> Option<&'static str> {
    let of_source = drawn.headers.iter().find(|(name, _)| *name == "x-amz-copy-source").map(|(_, value)| value.as_str());
    let any = |has: &dyn Fn(&str) -> bool| touches.iter().any(|touch| has(&touch.name));
    if any(&|name| name.split(['/', '\\']).any(|step| step == "..")) {
        return Some("stores that keep keys as files follow ..");
    }
    if any(&|name| name.contains('\0')) {
        return Some("a NUL ends a name for some");
    }
    let hides = |source: &str| {
        let path = source.split('?').next().unwrap_or_default();
        let decoded = percent_encoding::percent_decode_str(path).decode_utf8_lossy().to_ascii_lowercase();
        source.matches('?').count() > 1 || decoded.contains("?versionid")
    };
    of_source.is_some_and(hides).then_some("a version may be looked for behind the decoding")
}

fn bench() -> (Bench, Server, tokio::runtime::Runtime) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    (Bench::new("{s3: {}}", RULES), Server::new(), runtime)
}

/// For one test: the server writes down in one place what it is asked for.
static BENCH: LazyLock<(Bench, Server, tokio::runtime::Runtime)> = LazyLock::new(bench);

/// The verdict, and the request as it would be sent on, where it got so far.
async fn judged(bench: &Bench, drawn: &Drawn) -> (Outcome, Option<http::Request<String>>) {
    let whole = || request(&drawn.line, &drawn.host, &drawn.headers(), &drawn.body);
    let (head, body) = whole().into_parts();
    let mut record = bench.recorder.begin(Listener::Egress, &head.method, &Peer::at("127.0.0.1:5".parse().unwrap()));
    let permit =
        Quota::new(Limits { requests_per_second: None, burst: None, concurrent: None }, bench.recorder.clock.clone()).admit().unwrap();
    let sent = Sent { head, body, placeholder: None, signature: ClientSignature::uncheckable(), permit };
    let sent = bench.guard.settle(sent, &mut record).await.ok().map(|(parts, _)| {
        let mut request = http::Request::new(drawn.body.clone());
        *request.method_mut() = parts.method.clone();
        *request.uri_mut() = parts.wire.path_and_query().clone().into();
        *request.headers_mut() = parts.headers.clone();
        request.headers_mut().insert(header::HOST, HeaderValue::from_str(parts.target.host.as_str()).unwrap());
        request
    });
    (bench.ask(&tenant("acme"), whole()).await, sent)
}

fn bucket() -> impl Strategy<Value = &'static str> {
    prop_oneof![6 => Just("pool-data"), 1 => Just("own-acme"), 1 => Just("own-globex")]
}

/// A key, and one of the ways to write it into a path or a header.
fn key() -> impl Strategy<Value = (String, String)> {
    let start =
        prop::sample::select(vec!["acme/", "acme/", "acme/", "", "acme", "/acme/", "acme-eu/", "globex/", "ACME/", "./acme/", "acme%2F"]);
    let piece = prop::sample::select(vec![
        "a",
        "/",
        "//",
        ".",
        "..",
        "%",
        "%2F",
        "%61",
        "+",
        " ",
        "\u{e9}",
        "\u{2028}",
        "#",
        "?",
        "&",
        ";",
        "\\",
        "\t",
        "globex/",
        "?versionId=1",
        "'",
        "\"",
        "\0",
    ]);
    (start, prop::collection::vec(piece, 0..4), any::<u64>(), any::<bool>()).prop_map(|(start, pieces, escaped, upper)| {
        let key = format!("{start}{}", pieces.concat());
        let key = if key.is_empty() { "k".to_owned() } else { key };
        (key.clone(), spelt(&key, escaped, upper))
    })
}

fn spelt(text: &str, escaped: u64, upper: bool) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~/!$&'()*,;=:@+".contains(&byte);
    let write = |(at, byte): (usize, u8)| match plain(byte) && escaped >> (at % 64) & 1 == 0 {
        true => char::from(byte).to_string(),
        false if upper => format!("%{byte:02X}"),
        false => format!("%{byte:02x}"),
    };
    text.bytes().enumerate().map(write).collect()
}

/// Text in XML.
fn escaped(text: &str, numbered: u64) -> String {
    let write = |(at, c): (usize, char)| match c {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '\r' => "&#13;".to_owned(),
        c if numbered >> (at % 64) & 1 == 1 && c != '\0' => format!("&#x{:x};", u32::from(c)),
        c => c.to_string(),
    };
    text.chars().enumerate().map(write).collect()
}

/// What a request is, of an object with this spelling.
fn drawn() -> impl Strategy<Value = Drawn> {
    let operation = prop::sample::select(vec![
        ("GET", ""),
        ("HEAD", ""),
        ("PUT", ""),
        ("PUT", ""),
        ("DELETE", ""),
        ("DELETE", "versionId=v"),
        ("POST", "uploads"),
        ("GET", "tagging"),
        ("PUT", "partNumber=1&uploadId=u"),
        ("GET", "uploadId=u"),
        ("DELETE", "uploadId=u"),
        ("PUT", "copy"),
        ("POST", "delete"),
        ("GET", "list"),
        ("GET", "list2"),
    ]);
    (operation, bucket(), key(), (bucket(), prop::collection::vec(key(), 1..3), any::<u64>()), any::<bool>()).prop_map(
        |((method, what), bucket, (_, path), (from, keys, more), is_virtual)| {
            let (host, start) =
                if is_virtual { (format!("{bucket}.{DOMAIN}"), String::new()) } else { (DOMAIN.to_owned(), format!("/{bucket}")) };
            let mut drawn = Drawn { line: format!("{method} {start}/{path}"), host, headers: Vec::new(), body: String::new() };
            let (other, spelling) = &keys[0];
            match what {
                "copy" => {
                    let slash = if more & 1 == 0 { "" } else { "/" };
                    let version = ["", "", "?versionId=v", "%3FversionId=v"][usize::try_from(more >> 1 & 3).unwrap()];
                    drawn.headers.push(("x-amz-copy-source", format!("{slash}{from}/{spelling}{version}")));
                }
                "delete" => {
                    let object = |(key, _): &(String, String)| format!("<Object><Key>{}</Key></Object>", escaped(key, more));
                    drawn.line = format!("POST {start}/?delete");
                    drawn.body = format!("<Delete>{}</Delete>", keys.iter().map(object).collect::<String>());
                }
                "list" | "list2" => {
                    let version = if what == "list2" { "list-type=2&" } else { "" };
                    let plain = spelling.replace('&', "%26").replace(';', "%3B");
                    let other = if more & 3 == 0 { String::new() } else { format!("prefix={plain}&") };
                    drawn.line = format!("GET {start}/?{version}{other}max-keys=5");
                }
                "" => {}
                query => drawn.line = format!("{}?{query}", drawn.line),
            }
            if method == "PUT" && drawn.headers.is_empty() {
                drawn.body = other.clone();
            }
            drawn
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn the_verdict_is_about_what_a_server_is_asked_for(drawn in drawn()) {
        let (bench, server, runtime) = &*BENCH;
        let (outcome, sent) = runtime.block_on(judged(bench, &drawn));
        let came = runtime.block_on(server.ask(drawn.plain()));
        let is_allowed = outcome.verdict == "allowed";
        if let Some(sent) = sent {
            let sent = runtime.block_on(server.ask(sent));
            prop_assert_eq!(&came, &sent, "{:?} is sent as something else", drawn);
        }
        let Some(touches) = came else { return Ok(()) };
        let is_mine = touches.iter().all(Touch::is_of_acme);
        prop_assert!(is_mine || !is_allowed, "{:?} is about {:?} and passes", drawn, touches);
        prop_assert!(is_allowed || !is_mine || exceptions(&drawn, &touches).is_some(), "{:?} is about {:?} and is refused: {:?}", drawn, touches, outcome);
    }
}

/// The comparison above is of something: most requests that are made up are understood, and of each kind many pass.
#[test]
fn a_server_understands_what_is_made_up() {
    let (bench, server, runtime) = bench();
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut understood, mut passed) = (0, std::collections::BTreeMap::<String, u32>::new());
    for _ in 0..600 {
        let drawn = drawn().new_tree(&mut runner).unwrap().current();
        understood += u32::from(runtime.block_on(server.ask(drawn.plain())).is_some());
        let (outcome, _) = runtime.block_on(judged(&bench, &drawn));
        if let (Some(operation), "allowed") = (outcome.operation, outcome.verdict) {
            *passed.entry(operation).or_default() += 1;
        }
    }
    assert!(understood > 400, "{understood} of 600 are understood");
    for operation in ["CopyObject", "DeleteObjects", "GetObject", "ListObjectsV2", "PutObject", "CreateMultipartUpload"] {
        assert!(passed.get(operation).is_some_and(|count| *count > 1), "{operation}: {passed:?}");
    }
}
