//! The signer: a request with credentials in, final bytes out. Pure; time is an argument.

use std::{sync::Arc, time::SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, header, uri::Authority};
use zeroize::Zeroizing;

use super::{credentialed::CredentialedRequest, payload::Length};
use crate::{
    aws::target::Destination,
    body::Body,
    config::TimeoutsConfig,
    credentials::ScopedCredentials,
    hop,
    identity::unverified::SECURITY_TOKEN,
    limits::Permit,
    reject::{Reason, Refusal},
    secret::Secret,
    sigv4::{
        ALGORITHM, Chain, SignedHeaders, WireTarget, canonical, credential_scope, payload_mode::CONTENT_SHA256, signature, string_to_sign,
        time::AmzDate,
    },
};

const AMZ_DATE: HeaderName = HeaderName::from_static("x-amz-date");
/// Not for AWS: what is between the application and us (what an application's telemetry carries along, too), and what would replace the method that was looked at. What says where
/// a request came from went with the identity headers.
const REMOVED: [HeaderName; 6] = [
    HeaderName::from_static("baggage"),
    header::TRAILER,
    header::VIA,
    HeaderName::from_static("x-http-method"),
    HeaderName::from_static("x-http-method-override"),
    HeaderName::from_static("x-method-override"),
];

/// A request as it goes out. There is no mutable access to it: what was signed is what is sent.
#[derive(Debug)]
pub struct SignedRequest {
    parts: SignedParts,
}

/// What a signed request consists of, for the client that sends it.
#[derive(Debug)]
pub struct SignedParts {
    /// Where to connect. An endpoint that the configuration names may be on a private or local address.
    pub destination: Arc<Destination>,
    /// Deadlines.
    pub timeouts: TimeoutsConfig,
    /// Whether the client waits to be asked for the body. `Expect` is then sent on, unsigned.
    pub expects_continue: bool,
    /// The request, in origin form.
    pub request: Request<Body>,
}

/// What stays here while a signed request is on its way.
#[derive(Debug)]
pub struct Receipt {
    /// The tenant's place among its requests in progress; to be kept until the response has ended.
    pub permit: Permit,
    /// The credentials that signed, for the check of AWS's answer.
    pub credentials: Arc<ScopedCredentials>,
    /// Where it went.
    pub destination: Arc<Destination>,
    /// Deadlines.
    pub timeouts: TimeoutsConfig,
}

impl SignedRequest {
    /// Gives the parts to the client.
    pub(crate) fn into_parts(self) -> SignedParts {
        self.parts
    }
}

/// Signs `request` as of `now`.
pub fn sign(request: CredentialedRequest, now: SystemTime) -> Result<(SignedRequest, Receipt), Refusal> {
    let (owner, parts, credentials) = request.into_parts();
    if credentials.owner() != &owner {
        return Err(Refusal::noted(Reason::Internal, "a request was about to be signed with another owner's credentials"));
    }
    let mut headers = parts.headers;
    clean(&mut headers);
    // A body that was read has been asked for.
    let expects_continue = hop::take_expectation(&mut headers) && parts.payload.bytes().is_none();
    let host = |host: &Authority| HeaderValue::from_str(host.as_str()).map_err(|_| Reason::Internal);
    headers.insert(header::HOST, host(&parts.target.signed_host)?);
    headers.remove(CONTENT_SHA256);
    if let Some(value) = parts.payload.header()? {
        headers.insert(CONTENT_SHA256, value);
    }
    set_length(&mut headers, &parts.method, parts.payload.length());
    let (region, service) = (parts.target.region.as_str(), parts.target.signing_name.as_str());
    let key = credentials.signing_key(now, region, service);
    let session_token = Some(credentials.session_token());
    let with = With { region, service, key: key.as_ref(), access_key_id: credentials.access_key_id(), session_token };
    let signed = authorize(&parts.method, &parts.wire, &mut headers, parts.payload.hash(), &with, now)?;
    if parts.target.host != parts.target.signed_host {
        headers.insert(header::HOST, host(&parts.target.host)?);
    }
    let mut request = Request::new(parts.payload.into_body(|| signed.chain(key.as_ref())));
    *request.method_mut() = parts.method;
    *request.uri_mut() = Uri::from(parts.wire.path_and_query().clone());
    *request.headers_mut() = headers;
    let destination = parts.target.destination;
    let receipt = Receipt { permit: parts.permit, credentials, destination: destination.clone(), timeouts: parts.timeouts };
    let parts = SignedParts { destination, timeouts: parts.timeouts, expects_continue, request };
    Ok((SignedRequest { parts }, receipt))
}

fn clean(headers: &mut HeaderMap) {
    for name in &REMOVED {
        headers.remove(name);
    }
}

/// A body that is written anew has a length of its own; one that streams keeps what the client declared.
fn set_length(headers: &mut HeaderMap, method: &Method, length: Length) {
    match length {
        Length::AsDeclared => {}
        Length::Open => drop(headers.remove(header::CONTENT_LENGTH)),
        Length::Exact(0) if !matches!(*method, Method::PUT | Method::POST | Method::PATCH) => drop(headers.remove(header::CONTENT_LENGTH)),
        Length::Exact(length) => drop(headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length))),
    }
}

/// What a signature is made with. `key` is derived for the region, the service and the day.
pub(super) struct With<'a> {
    pub(super) region: &'a str,
    pub(super) service: &'a str,
    pub(super) key: &'a [u8],
    pub(super) access_key_id: &'a str,
    /// Of temporary keys; a tenant's always are.
    pub(super) session_token: Option<&'a Secret>,
}

/// The signature of a request, for what follows from it.
pub(super) struct Signed {
    date: AmzDate,
    scope: String,
    signature: String,
}

impl Signed {
    /// The chain that the chunks of its body go on with.
    fn chain(self, key: &[u8]) -> Chain {
        let mut bytes = Zeroizing::new([0; 32]);
        // A derived key is a SHA-256: it has this length.
        bytes.copy_from_slice(key);
        Chain::new(bytes, self.date.time(), &self.scope, self.signature)
    }
}

/// Adds `x-amz-date`, the session token and `Authorization`.
pub(super) fn authorize(
    method: &Method,
    wire: &WireTarget,
    headers: &mut HeaderMap,
    payload_hash: &str,
    with: &With<'_>,
    now: SystemTime,
) -> Result<Signed, Refusal> {
    let date = AmzDate::new(now).ok_or(Reason::Internal)?;
    headers.insert(AMZ_DATE, HeaderValue::from_str(date.time()).map_err(|_| Reason::Internal)?);
    if let Some(token) = with.session_token {
        headers.insert(SECURITY_TOKEN, sensitive(token.expose().to_owned())?);
    }
    let covered = SignedHeaders::of(headers);
    let canonical = canonical::request(method.as_str(), wire, &covered)? + payload_hash;
    let scope = credential_scope(date.date(), with.region, with.service);
    let signature = signature(with.key, &string_to_sign(date.time(), &scope, &canonical));
    let mut authorization = String::with_capacity(384);
    for part in [ALGORITHM, " Credential=", with.access_key_id, "/", &scope, ", SignedHeaders="] {
        authorization.push_str(part);
    }
    covered.write_names(&mut authorization);
    authorization.push_str(", Signature=");
    authorization.push_str(&signature);
    headers.insert(header::AUTHORIZATION, sensitive(authorization)?);
    Ok(Signed { date, scope, signature })
}

fn sensitive(text: impl Into<Bytes>) -> Result<HeaderValue, Refusal> {
    let mut value =
        HeaderValue::from_maybe_shared(text.into()).map_err(|_| Refusal::noted(Reason::Internal, "a credential is no header value"))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests;
