//! The tenant's objects: all tenants share a bucket, and each has a prefix.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use http_body_util::BodyExt;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::{Value, json};

use super::{
    super::tenants::BUCKET,
    answer,
    caller::Caller,
    egress::{Call, Egress, Failed, Payload, Service},
    xml,
};
use crate::body::{Body, BoxError};

/// What SigV4 leaves as it is.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const MAX_LISTED: usize = 200;
/// What is kept of an object besides its bytes, both ways.
const KEPT_HEADERS: [HeaderName; 2] = [header::CONTENT_TYPE, header::CONTENT_LENGTH];

/// Lists the objects under the prefix of `owner`, with the passport of `caller`.
pub(super) async fn list(egress: &Egress, caller: &Caller, owner: &str) -> Result<Response<Body>, Failed> {
    let prefix = utf8_percent_encode(owner, ENCODED);
    let target = format!("/{BUCKET}?encoding-type=url&list-type=2&max-keys={MAX_LISTED}&prefix={prefix}%2F");
    let document = egress.document(caller, bodiless(Method::GET, target)).await?;
    Ok(answer::json(StatusCode::OK, &listing(owner, &document)?))
}

/// Reads an object under the prefix of `owner`, with the passport of `caller`. `key` is percent-encoded already.
pub(super) async fn get(egress: &Egress, caller: &Caller, owner: &str, key: &str) -> Result<Response<Body>, Failed> {
    let response = egress.call(caller, bodiless(Method::GET, target(owner, key))).await?;
    let (head, body) = response.into_parts();
    let mut response = Response::new(body.map_err(Into::into).boxed_unsync());
    for name in KEPT_HEADERS {
        if let Some(value) = head.headers.get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    Ok(response)
}

/// Writes an object as it comes in.
pub(super) async fn put(egress: &Egress, caller: &Caller, key: &str, headers: &HeaderMap, body: Body) -> Result<Response<Body>, Failed> {
    if !headers.contains_key(header::CONTENT_LENGTH) {
        return Ok(answer::error(StatusCode::LENGTH_REQUIRED, "S3 has to be told the length of an object beforehand"));
    }
    let kept: Vec<(HeaderName, HeaderValue)> =
        KEPT_HEADERS.into_iter().filter_map(|name| headers.get(&name).cloned().map(|value| (name, value))).collect();
    let target = target(&caller.tenant, key);
    let call = Call { service: Service::S3, method: Method::PUT, target, headers: &kept, payload: Payload::Stream(body) };
    let response = egress.call(caller, call).await?;
    let etag = response.headers().get(header::ETAG).and_then(|value| value.to_str().ok());
    Ok(answer::json(StatusCode::OK, &json!({"stored": stored_key(&caller.tenant, key), "bucket": BUCKET, "etag": etag})))
}

/// Deletes an object; as with S3, one that is not there is deleted too.
pub(super) async fn delete(egress: &Egress, caller: &Caller, key: &str) -> Result<Response<Body>, Failed> {
    egress.call(caller, bodiless(Method::DELETE, target(&caller.tenant, key))).await?;
    Ok(answer::json(StatusCode::OK, &json!({"deleted": stored_key(&caller.tenant, key), "bucket": BUCKET})))
}

fn bodiless(method: Method, target: String) -> Call<'static> {
    Call { service: Service::S3, method, target, headers: &[], payload: Payload::Whole(bytes::Bytes::new()) }
}

fn target(owner: &str, key: &str) -> String {
    format!("/{BUCKET}/{}/{key}", utf8_percent_encode(owner, ENCODED))
}

fn stored_key(owner: &str, key: &str) -> String {
    format!("{owner}/{}", percent_decode_str(key).decode_utf8_lossy())
}

/// S3's ListObjectsV2 answer as JSON. Keys come encoded, since XML cannot carry every key.
fn listing(owner: &str, document: &[u8]) -> Result<Value, BoxError> {
    let mut objects: Vec<(String, u64)> = Vec::new();
    let mut truncated = false;
    for (path, text) in xml::leaves(document)? {
        match path.as_str() {
            "ListBucketResult/Contents/Key" => {
                objects.push((percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned(), 0));
            }
            "ListBucketResult/Contents/Size" => {
                if let Some((_, size)) = objects.last_mut() {
                    *size = text.parse()?;
                }
            }
            "ListBucketResult/IsTruncated" => truncated = text == "true",
            _ => {}
        }
    }
    let objects: Vec<Value> = objects.into_iter().map(|(key, size)| json!({"key": key, "size": size})).collect();
    Ok(json!({"tenant": owner, "bucket": BUCKET, "objects": objects, "truncated": truncated}))
}
