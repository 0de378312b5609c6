//! The signer: a request with credentials in, final bytes out. Pure; time is an argument.

use std::{sync::Arc, time::SystemTime};

use aws_lc_rs::digest::{SHA256, digest};
use aws_sigv4::sign::v4::calculate_signature;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, header};

use super::{
    canonical::{self, WireTarget},
    credentialed::CredentialedRequest,
    payload::{CONTENT_SHA256, hex},
};
use crate::{
    body::Body,
    config::{Endpoint, TimeoutsConfig},
    credentials::ScopedCredentials,
    identity::unverified::SECURITY_TOKEN,
    limits::Permit,
    reject::{Reason, Refusal},
    secret::Secret,
};

const AMZ_DATE: HeaderName = HeaderName::from_static("x-amz-date");
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// Not for AWS: what is between the application and us, and what would replace the method that was looked at. What says where
/// a request came from went with the identity headers.
const REMOVED: &[&str] = &["expect", "trailer", "via", "x-http-method", "x-http-method-override", "x-method-override"];

/// A request as it goes out. There is no mutable access to it: what was signed is what is sent.
#[derive(Debug)]
pub struct SignedRequest {
    parts: SignedParts,
}

/// What a signed request consists of, for the client that sends it.
#[derive(Debug)]
pub struct SignedParts {
    /// Name of the service in the configuration.
    pub service: String,
    /// Where to connect.
    pub dial: Endpoint,
    /// Whether the configuration names that endpoint, so that it may be on a private or local address.
    pub dial_is_configured: bool,
    /// Deadlines.
    pub timeouts: TimeoutsConfig,
    /// The request, absolute-form.
    pub request: Request<Body>,
}

/// What stays here while a signed request is on its way.
#[derive(Debug)]
pub struct Receipt {
    /// The tenant's place among its requests in progress; to be kept until the response has ended.
    pub permit: Permit,
    /// The credentials that signed, for the check of AWS's answer.
    pub credentials: Arc<ScopedCredentials>,
    /// Name of the service in the configuration.
    pub service: String,
    /// Deadlines.
    pub timeouts: TimeoutsConfig,
}

impl SignedRequest {
    /// Gives the parts to the client.
    pub fn into_parts(self) -> SignedParts {
        self.parts
    }
}

/// Signs `request` as of `now`.
pub fn sign(request: CredentialedRequest, now: SystemTime) -> Result<(SignedRequest, Receipt), Refusal> {
    let (request, credentials) = request.into_parts();
    if request.tenant().id() != credentials.tenant() {
        return Err(Refusal::noted(Reason::Internal, "a request was about to be signed with another tenant's credentials"));
    }
    let parts = request.into_parts();
    let mut headers = parts.headers;
    clean(&mut headers);
    let host = HeaderValue::from_str(parts.target.host.as_str()).map_err(|_| Reason::Internal)?;
    headers.insert(header::HOST, host);
    headers.remove(CONTENT_SHA256);
    if let Some(value) = parts.payload.header()? {
        headers.insert(CONTENT_SHA256, value);
    }
    set_length(&mut headers, &parts.method, parts.payload.bytes().map(|bytes| bytes.len()));
    let (region, service) = (parts.target.region.as_str(), parts.target.signing_name.as_str());
    let key = credentials.signing_key(now, region, service);
    let with =
        With { region, service, key: key.as_ref(), access_key_id: credentials.access_key_id(), session_token: credentials.session_token() };
    authorize(&parts.method, &parts.wire, &mut headers, parts.payload.hash(), &with, now)?;
    let scheme = if parts.target.dial.tls { "https" } else { "http" };
    let uri = Uri::builder()
        .scheme(scheme)
        .authority(parts.target.dial.authority.clone())
        .path_and_query(parts.wire.path_and_query().clone())
        .build()
        .map_err(|_| Reason::Internal)?;
    let mut request = Request::new(parts.payload.into_body());
    *request.method_mut() = parts.method;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    let receipt = Receipt { permit: parts.permit, credentials, service: parts.target.service.clone(), timeouts: parts.timeouts };
    let parts = SignedParts {
        service: parts.target.service,
        dial: parts.target.dial,
        dial_is_configured: parts.target.dial_is_configured,
        timeouts: parts.timeouts,
        request,
    };
    Ok((SignedRequest { parts }, receipt))
}

fn clean(headers: &mut HeaderMap) {
    for name in REMOVED {
        headers.remove(*name);
    }
}

/// A body that was read has a known length; one that streams keeps what the client declared.
fn set_length(headers: &mut HeaderMap, method: &Method, read: Option<usize>) {
    let Some(length) = read else { return };
    headers.remove(header::CONTENT_LENGTH);
    if length > 0 || matches!(*method, Method::PUT | Method::POST | Method::PATCH) {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
}

/// What a signature is made with. `key` is derived for the region, the service and the day.
struct With<'a> {
    region: &'a str,
    service: &'a str,
    key: &'a [u8],
    access_key_id: &'a str,
    session_token: &'a Secret,
}

/// Adds `x-amz-date`, the session token and `Authorization`.
fn authorize(
    method: &Method,
    wire: &WireTarget,
    headers: &mut HeaderMap,
    payload_hash: &str,
    with: &With<'_>,
    now: SystemTime,
) -> Result<(), Refusal> {
    let (date, time) = amz_date(now).ok_or(Reason::Internal)?;
    headers.insert(AMZ_DATE, HeaderValue::from_str(&time).map_err(|_| Reason::Internal)?);
    headers.insert(SECURITY_TOKEN, sensitive(with.session_token.expose())?);
    let (canonical, signed) = canonical::request(method.as_str(), wire, headers, payload_hash)?;
    let credential_scope = format!("{date}/{}/{}/aws4_request", with.region, with.service);
    let canonical_hash = hex(digest(&SHA256, canonical.as_bytes()).as_ref());
    let string_to_sign = format!("{ALGORITHM}\n{time}\n{credential_scope}\n{canonical_hash}");
    let signature = calculate_signature(with.key, string_to_sign.as_bytes());
    let authorization =
        format!("{ALGORITHM} Credential={}/{credential_scope}, SignedHeaders={signed}, Signature={signature}", with.access_key_id);
    headers.insert(header::AUTHORIZATION, sensitive(&authorization)?);
    Ok(())
}

fn sensitive(text: &str) -> Result<HeaderValue, Refusal> {
    let mut value = HeaderValue::from_str(text).map_err(|_| Refusal::noted(Reason::Internal, "a credential is no header value"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// `YYYYMMDD` and `YYYYMMDDTHHMMSSZ`.
fn amz_date(now: SystemTime) -> Option<(String, String)> {
    let seconds = i64::try_from(now.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs()).ok()?;
    let text = aws_smithy_types::DateTime::from_secs(seconds).fmt(aws_smithy_types::date_time::Format::DateTime).ok()?;
    let time = text.replace(['-', ':'], "");
    Some((time.get(..8)?.to_owned(), time))
}

#[cfg(test)]
mod tests;
