//! Encryption of what is written: by the tenant's key of KMS, or not at all.
//!
//! S3 encrypts with whatever key an upload names, of any account that lets the session use it. An application could so write a tenant's objects under a key that the
//! tenant cannot take away, or another tenant's; and with a key that it brings along itself (SSE-C) what it writes is nobody's to read but its own.
//! Headers and their meaning: "Specifying server-side encryption with AWS KMS (SSE-KMS)", Amazon S3 user guide.

use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};

use crate::{
    config::{S3EncryptionConfig, template::Values},
    strict_json,
};

const ALGORITHM: HeaderName = HeaderName::from_static("x-amz-server-side-encryption");
const KEY: HeaderName = HeaderName::from_static("x-amz-server-side-encryption-aws-kms-key-id");
const CONTEXT: HeaderName = HeaderName::from_static("x-amz-server-side-encryption-context");
/// By whether a key of the bucket's stands between, which S3 asks KMS for under a context of the bucket's alone ("Reducing the cost of SSE-KMS with Amazon S3 Bucket
/// Keys").
const BUCKET_KEY: HeaderName = HeaderName::from_static("x-amz-server-side-encryption-bucket-key-enabled");
/// How headers begin that bring a key along.
const OF_CUSTOMERS: [&str; 2] = ["x-amz-server-side-encryption-customer-", "x-amz-copy-source-server-side-encryption-customer-"];
/// With one layer of encryption, or two.
const BY_KMS: [&[u8]; 2] = [b"aws:kms", b"aws:kms:dsse"];

type Why = Cow<'static, str>;

/// Whether a request brings a key of its own along.
pub(super) fn brings_a_key(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| OF_CUSTOMERS.iter().any(|beginning| name.as_str().starts_with(beginning)))
}

/// What a write leaves out of what `config` demands, to be added to it. Empty where it says everything itself.
///
/// # Errors
/// It demands something else, or leaves something out that is not to be added.
pub(super) fn missing(
    config: &S3EncryptionConfig,
    headers: &HeaderMap,
    tenant: &dyn Values,
) -> Result<Vec<(HeaderName, HeaderValue)>, Why> {
    let key = config.key.render(tenant).map_err(|error| error.to_string())?;
    let mut context = Map::new();
    for (name, template) in &config.context {
        context.insert(name.clone(), Value::String(template.render(tenant).map_err(|error| error.to_string())?));
    }
    let mut missing = Vec::new();
    match one(headers, &ALGORITHM)? {
        Some(algorithm) if BY_KMS.contains(&algorithm.as_bytes()) => {}
        Some(_) => return Err("an upload that is to be encrypted otherwise than by KMS".into()),
        // Without the algorithm S3 refuses them, or forgets them.
        None if headers.contains_key(KEY) || headers.contains_key(CONTEXT) => {
            return Err("an upload names a key, and not that it is one of KMS".into());
        }
        None => missing.push((ALGORITHM, HeaderValue::from_static("aws:kms"))),
    }
    match one(headers, &KEY)? {
        Some(named) if named.as_bytes() == key.as_bytes() => {}
        Some(_) => return Err("an upload names another key than the tenant's".into()),
        None => missing.push((KEY, value(&key)?)),
    }
    if !context.is_empty() && one(headers, &BUCKET_KEY)?.is_some_and(|enabled| enabled != "false") {
        return Err("an upload is to be under a key of the bucket's, of which KMS sees another encryption context".into());
    }
    match one(headers, &CONTEXT)? {
        _ if context.is_empty() => {}
        Some(named) => {
            let named = STANDARD.decode(named.as_bytes()).ok().and_then(|bytes| strict_json::object(&bytes));
            let named = named.ok_or("an upload's encryption context is no object of JSON in base64")?;
            if context.iter().any(|(name, value)| named.get(name) != Some(value)) {
                return Err("an upload's encryption context does not say what it has to".into());
            }
        }
        None => missing.push((CONTEXT, value(&STANDARD.encode(Value::Object(context).to_string()))?)),
    }
    if missing.is_empty() || config.inject { Ok(missing) } else { Err("an upload does not say that the tenant's key is to be used".into()) }
}

fn one<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h HeaderValue>, Why> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        (_, Some(_)) => Err("a header about encryption that is there twice".into()),
    }
}

fn value(text: &str) -> Result<HeaderValue, Why> {
    HeaderValue::from_str(text).map_err(|_| "the tenant's key cannot stand in a header".into())
}
