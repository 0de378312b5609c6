//! S3 in memory, on top of `s3s`, which reads requests, verifies their signatures (header, presigned, chunk by chunk) and body
//! hashes, and writes answers.
//!
//! Approximate: one version of each object, no ACLs, bucket policies, tags or encryption; what asks for one of these in an operation
//! that is here is ignored. An operation or a condition that is not here is refused. Presigned expiry is
//! judged twice: by the double's clock, and by `s3s` on the machine's.

mod body;
mod conditions;
mod listing;
mod objects;
mod operations;
mod store;

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, request::Parts};
use s3s::{
    S3Error, S3ErrorCode, S3Request, S3Result,
    access::{S3Access, S3AccessContext},
    auth::{S3Auth, SecretKey},
    config::{S3Config, StaticConfigProvider},
    crypto::{Checksum, Md5},
    host::{S3Host, VirtualHost},
    service::{S3Service, S3ServiceBuilder},
};

use self::store::Store;
use super::{
    digest,
    envelope::text,
    failure::Failure,
    policy::Context,
    principal::{Layer, Principal},
    verify::{Claimed, Verifier},
    wire::Wire,
};
use crate::{body::Body, secret::Secret};

/// Caps the XML documents that a client sends: a thousand keys to delete, ten thousand parts to complete.
const MAX_DOCUMENT: usize = 4 * 1024 * 1024;

/// The operations that are here. Anything else is refused before `s3s` reads its input.
const OPERATIONS: [&str; 18] = [
    "AbortMultipartUpload",
    "CompleteMultipartUpload",
    "CopyObject",
    "CreateBucket",
    "CreateMultipartUpload",
    "DeleteBucket",
    "DeleteObject",
    "DeleteObjects",
    "GetBucketLocation",
    "GetObject",
    "HeadBucket",
    "HeadObject",
    "ListBuckets",
    "ListObjects",
    "ListObjectsV2",
    "PutObject",
    "UploadPart",
    "UploadPartCopy",
];

/// The S3 face of the double.
pub(super) struct S3 {
    service: S3Service,
    store: Arc<Store>,
    verifier: Arc<Verifier>,
}

/// What the operations share.
struct Backend {
    store: Arc<Store>,
    verifier: Arc<Verifier>,
}

impl S3 {
    pub(super) fn new(max_object: u64, max_total: u64, verifier: Arc<Verifier>) -> Self {
        let store = Arc::new(Store::new(max_object, max_total));
        let mut builder = S3ServiceBuilder::new(Backend { store: store.clone(), verifier: verifier.clone() });
        let mut config = S3Config::default();
        config.xml_max_body_size = MAX_DOCUMENT;
        // The double's own clock has judged the request's time already.
        config.presigned_url_max_skew_time_secs = u32::MAX;
        builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config))));
        builder.set_host(Hosts { region: verifier.region.clone() });
        builder.set_auth(Secrets(verifier.clone()));
        builder.set_access(Gate);
        Self { service: builder.build(), store, verifier }
    }

    pub(super) fn create_bucket(&self, name: &str, owner: &str) -> Result<(), Failure> {
        self.store.create_bucket(name, owner, self.verifier.clock.now())
    }

    /// Stores an object past all policies.
    pub(super) fn put_object(&self, bucket: &str, key: &str, bytes: Bytes) -> Result<(), Failure> {
        let (etag, modified) = (hex(Md5::checksum(&bytes).as_ref()), self.verifier.clock.now());
        self.store.put(bucket, key, store::Object { bytes, etag, modified, attributes: store::Attributes::default() })
    }

    /// Reads an object past all policies.
    pub(super) fn get_object(&self, bucket: &str, key: &str) -> Option<Bytes> {
        self.store.get(bucket, key).ok().flatten().map(|object| object.bytes)
    }

    /// Answers one request whose envelope is in order; its signature is verified on the way, by `s3s`.
    pub(super) async fn answer(&self, parts: Parts, body: Body, claimed: Claimed) -> Result<Response<Body>, Failure> {
        refuse_forms(&parts)?;
        conditions::refuse_others(&parts)?;
        let body = checked_body(&parts, body).await?;
        let mut request = Request::from_parts(parts, body);
        request.extensions_mut().insert(Caller { key: claimed.envelope.access_key_id, principal: claimed.principal });
        let response = self.service.call(request).await.map_err(|_| Failure::Unavailable)?;
        Ok(response.map(super::boxed))
    }
}

/// Who the front end found the request to be from.
#[derive(Clone)]
struct Caller {
    key: String,
    principal: Arc<Principal>,
}

/// Browser uploads carry their signature in a form, which nothing here has looked at.
fn refuse_forms(parts: &Parts) -> Result<(), Failure> {
    let form = text(&parts.headers, "content-type")?.is_some_and(|t| t.trim_start().to_ascii_lowercase().starts_with("multipart/"));
    match form && parts.method == Method::POST {
        true => Err(Failure::operation(501, "NotImplemented", "this double takes no form uploads")),
        false => Ok(()),
    }
}

/// Uploads are streamed into `s3s`, which compares their hash. Everything else is read here, because `s3s` compares the hash of a
/// body only as far as an operation reads it.
async fn checked_body(parts: &Parts, body: Body) -> Result<s3s::Body, Failure> {
    if parts.method == Method::PUT {
        return Ok(s3s::Body::http_body_unsync(body));
    }
    let bytes = super::read(body, MAX_DOCUMENT).await?;
    let announced = text(&parts.headers, "x-amz-content-sha256")?.filter(|hash| hash.len() == 64);
    if announced.is_some_and(|hash| !Secret::new(hex(&digest(&bytes))).matches(hash.as_bytes())) {
        return Err(Failure::BodyMismatch);
    }
    Ok(s3s::Body::from(bytes))
}

/// Lower-case hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Secrets by access key id, for `s3s`. Session token and expiry were checked before it is asked.
struct Secrets(Arc<Verifier>);

#[async_trait::async_trait]
impl S3Auth for Secrets {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        let secret = self.0.keys.secret(access_key).ok_or_else(|| refused(Failure::UnknownKey))?;
        Ok(SecretKey::from(secret.expose()))
    }
}

/// Lets a request to its operation only if `s3s` verified the very key that the front end identified. What the caller may do is
/// decided in the operation, from the input that it acts on.
struct Gate;

#[async_trait::async_trait]
impl S3Access for Gate {
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> S3Result<()> {
        let verified = cx.credentials().map(|c| c.access_key.clone());
        let identified = cx.extensions_mut().get::<Caller>().map(|c| c.key.clone());
        if verified.is_none() || verified != identified {
            return Err(refused(Failure::MissingAuthentication));
        }
        match OPERATIONS.contains(&cx.s3_op().name()) {
            true => Ok(()),
            false => Err(S3Error::with_message(S3ErrorCode::NotImplemented, "this double does not know the operation")),
        }
    }
}

/// Path style for any host but S3's own names, where the bucket may be a label in front.
struct Hosts {
    region: String,
}

impl S3Host for Hosts {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        let regional = format!("s3.{}.amazonaws.com", self.region);
        for domain in [regional.as_str(), "s3.amazonaws.com", "s3.localhost"] {
            if let Some(bucket) = name.strip_suffix(domain).and_then(|front| front.strip_suffix('.')) {
                return Ok(VirtualHost::new(host).with_bucket(bucket));
            }
        }
        Ok(VirtualHost::new(host))
    }
}

impl Backend {
    /// Asks the caller's policies, and that the bucket, if it exists, is of the caller's account: there are no bucket policies.
    fn authorise<T>(&self, request: &S3Request<T>, action: &str, place: Place<'_>, context: &Context) -> S3Result<()> {
        let Some(caller) = request.extensions.get::<Caller>() else { return Err(refused(Failure::MissingAuthentication)) };
        let resource = place.arn();
        caller.principal.authorise(action, &resource, context).map_err(|d| refused(d.into()))?;
        let owner = place.bucket().and_then(|bucket| self.store.owner(bucket));
        match owner.is_none_or(|owner| owner == caller.principal.account) {
            true => Ok(()),
            false => Err(refused(caller.principal.denial(action, &resource, Layer::Resource, false).into())),
        }
    }
}

/// What an action is on.
#[derive(Clone, Copy)]
enum Place<'a> {
    All,
    Bucket(&'a str),
    Object(&'a str, &'a str),
}

impl Place<'_> {
    fn arn(self) -> String {
        match self {
            Self::All => "arn:aws:s3:::*".to_owned(),
            Self::Bucket(bucket) => format!("arn:aws:s3:::{bucket}"),
            Self::Object(bucket, key) => format!("arn:aws:s3:::{bucket}/{key}"),
        }
    }

    fn bucket(&self) -> Option<&str> {
        match self {
            Self::All => None,
            Self::Bucket(bucket) | Self::Object(bucket, _) => Some(bucket),
        }
    }
}

/// A refusal in the form that `s3s` sends on.
fn refused(failure: Failure) -> S3Error {
    let (status, code, message) = failure.describe(Wire::S3);
    let code = S3ErrorCode::from_bytes(code.as_bytes()).unwrap_or(S3ErrorCode::InternalError);
    let mut error = S3Error::with_message(code, message);
    if let Ok(status) = http::StatusCode::from_u16(status) {
        error.set_status_code(status);
    }
    error
}
