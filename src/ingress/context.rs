//! Who is asking, signed, for applications that verify rather than trust a header.
//!
//! A JWT (RFC 7519) in one header. It says of the verified tenant, as the directory joined it, what the other headers say, and
//! nothing that a caller sent. It is for the application alone: it has a type of its own and an audience, and Palisade takes
//! none as a proof.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use serde::Serialize;
use serde_json::json;

use crate::{
    config::ContextConfig,
    directory::ActiveTenant,
    identity::{CONTEXT_TYPE, ContextKey, KeyProblem},
    reject::{Reason, Refusal},
    telemetry::RequestId,
};

/// Carries the signed context.
pub const CONTEXT: HeaderName = HeaderName::from_static("x-palisade-context");

/// Longest value, in bytes. Application servers commonly take 8 KiB for a header line, or for all of them together.
const MAX_BYTES: usize = 6 * 1024;
/// Most that a signature takes: 64 bytes in base64url, and a dot.
const SIGNATURE_BYTES: usize = 87;
/// Room for the claims of most requests, in bytes.
const USUAL_BYTES: usize = 512;

/// Signs contexts. One a process.
#[derive(Debug)]
pub struct ContextSigner {
    /// The header's part with its dot: the same each time.
    header: String,
    issuer: String,
    audience: String,
    lifetime: Duration,
    key: Arc<ContextKey>,
    key_set: Bytes,
}

/// What is said. Names that RFC 7519 and RFC 9068 register mean what they mean there.
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    /// Unique within `idp`.
    sub: &'a str,
    /// Who vouched for the caller.
    idp: &'a str,
    tenant: &'a str,
    roles: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    scopes: &'a [String],
    /// The request's id. There is one context a request, so it is the context's as well.
    jti: &'a str,
    iat: u64,
    exp: u64,
}

impl ContextSigner {
    /// A signer with the configured keys, or with one that is drawn now.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn new(config: &ContextConfig) -> Result<Self, KeyProblem> {
        let mut keys = config.keys.clone();
        if keys.is_empty() {
            keys.push(Arc::new(ContextKey::generate(config.algorithm)?));
        }
        let published: Vec<_> = keys.iter().map(|key| key.public()).collect();
        let key_set = format!("{}\n", json!({ "keys": published })).into();
        let key = keys.swap_remove(0);
        let header = json!({ "alg": key.algorithm().as_str(), "kid": key.id(), "typ": CONTEXT_TYPE }).to_string();
        let header = format!("{}.", URL_SAFE_NO_PAD.encode(header));
        let (issuer, audience) = (config.issuer.clone(), config.audience.clone());
        Ok(Self { header, issuer, audience, lifetime: config.lifetime, key, key_set })
    }

    /// The public keys, a JWK Set (RFC 7517).
    pub fn key_set(&self) -> Bytes {
        self.key_set.clone()
    }

    /// The context of a request of `tenant`, good for a while from `now` and never longer than the caller's token.
    ///
    /// # Errors
    /// `ContextTooLarge` for a caller with more roles than fit. None is left out: a role may also take rights away.
    pub fn sign(&self, tenant: &ActiveTenant, request: &RequestId, now: SystemTime) -> Result<HeaderValue, Refusal> {
        let verified = tenant.verified();
        let claims = Claims {
            iss: &self.issuer,
            aud: &self.audience,
            sub: verified.subject(),
            idp: verified.issuer(),
            tenant: tenant.id().as_str(),
            roles: verified.roles(),
            scopes: verified.scopes(),
            jti: request.as_str(),
            iat: seconds(now),
            exp: seconds((now + self.lifetime).min(verified.expires())),
        };
        let mut payload = Vec::with_capacity(USUAL_BYTES);
        serde_json::to_writer(&mut payload, &claims).map_err(|_| Reason::Internal)?;
        let bytes = self.header.len() + payload.len().div_ceil(3) * 4 + SIGNATURE_BYTES;
        if bytes > MAX_BYTES {
            return Err(Refusal::noted(Reason::ContextTooLarge, format!("a signed context of about {bytes} bytes")));
        }
        let mut text = String::with_capacity(bytes);
        text.push_str(&self.header);
        URL_SAFE_NO_PAD.encode_string(&payload, &mut text);
        let signature = self.key.sign(text.as_bytes()).map_err(|_| Refusal::noted(Reason::Internal, "a context cannot be signed"))?;
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut text);
        let mut value = HeaderValue::try_from(text).map_err(|_| Reason::Internal)?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// Whole seconds, rounded down: a context ends early rather than late.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests;
