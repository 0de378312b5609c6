//! A presigned URL with a tenant's credentials: a signature in the query, good for whoever has it until it expires.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderValue, Method, header};

use super::credentialed::CredentialedRequest;
use crate::{
    identity::unverified::SECURITY_TOKEN,
    reject::{Reason, Refusal},
    secret::Secret,
    sigv4::{
        ALGORITHM, SignedHeaders, canonical, credential_scope,
        payload_mode::{CONTENT_SHA256, PayloadMode},
        signature, string_to_sign,
        time::AmzDate,
    },
};

/// A URL to be given away, and what goes with it.
#[derive(Debug)]
pub struct PresignedUrl {
    /// The method that it was signed for.
    pub method: Method,
    /// With the tenant's session token and the signature in it.
    pub url: Secret,
    /// Headers that have to be sent as they are.
    pub headers: HeaderMap,
    /// When it ends: `expires` from now, or with the credentials.
    pub expires: SystemTime,
}

/// Presigns `request` as of `now`. The tenant's permit is given back: nothing is in progress.
pub fn presign(request: CredentialedRequest, now: SystemTime, expires: Duration) -> Result<PresignedUrl, Refusal> {
    let (owner, parts, credentials) = request.into_parts();
    if credentials.owner() != &owner {
        return Err(Refusal::noted(Reason::Internal, "a URL was about to be signed with another owner's credentials"));
    }
    let life = credentials.expires().duration_since(now).unwrap_or_default().min(expires);
    let life = Duration::from_secs(life.as_secs());
    if life.is_zero() {
        return Err(Reason::CredentialsUnavailable.into());
    }
    let date = AmzDate::new(now).ok_or(Reason::Internal)?;
    let (region, service) = (parts.target.region.as_str(), parts.target.signing_name.as_str());
    let scope = credential_scope(date.date(), region, service);

    let mut headers = parts.headers;
    headers.remove(CONTENT_SHA256);
    let unsigned: Vec<_> = headers.keys().filter(|name| !canonical::is_signed(name)).cloned().collect();
    for name in unsigned {
        headers.remove(name);
    }
    headers.insert(header::HOST, HeaderValue::from_str(parts.target.signed_host.as_str()).map_err(|_| Reason::Internal)?);
    let covered = SignedHeaders::of(&headers);
    let mut names = String::new();
    covered.write_names(&mut names);
    debug_assert!(!headers.contains_key(SECURITY_TOKEN));
    let wire = parts.wire.with(&[
        ("X-Amz-Algorithm", ALGORITHM),
        ("X-Amz-Credential", &format!("{}/{scope}", credentials.access_key_id())),
        ("X-Amz-Date", date.time()),
        ("X-Amz-Expires", &life.as_secs().to_string()),
        ("X-Amz-Security-Token", credentials.session_token().expose()),
        ("X-Amz-SignedHeaders", &names),
    ])?;
    let unsigned = PayloadMode::Unsigned.in_signature().unwrap_or_default();
    let canonical = canonical::request(parts.method.as_str(), &wire, &covered)? + unsigned;
    let key = credentials.signing_key(now, region, service);
    let signature = signature(key.as_ref(), &string_to_sign(date.time(), &scope, &canonical));
    let scheme = if parts.target.dial.tls { "https" } else { "http" };
    let url = format!("{scheme}://{}{}&{}={signature}", parts.target.host, wire.path_and_query(), canonical::SIGNATURE_PARAMETER);
    headers.remove(header::HOST);
    Ok(PresignedUrl { method: parts.method, url: Secret::new(url), headers, expires: now + life })
}
