//! Whether a request is really from the one it claims to be from.
//!
//! For STS and DynamoDB the signature is made anew with the `aws-sigv4` crate, over exactly the headers that the request says it
//! signed and over the body that really arrived. For S3 that part is done by `s3s`, an implementation of its own, which also
//! checks presigned requests, chunk signatures and body hashes; what `s3s` leaves out (region, session token, unsigned
//! `x-amz-*` headers, signed headers that are not there) is checked here for all three.

use std::{sync::Arc, time::Duration};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{self, SignableBody, SignableRequest, SigningSettings},
    sign::v4,
};
use http::request::Parts;

use super::{envelope::Envelope, failure::Failure, keys::KeyRing, principal::Principal};
use crate::{clock::Clock, secret::Secret};

/// How far a request's time may be from ours: AWS's five minutes for most services, fifteen for S3; fifteen for all here.
const MAX_SKEW: Duration = Duration::from_secs(15 * 60);

/// The rules that a request is measured by.
pub(super) struct Verifier {
    pub(super) clock: Clock,
    pub(super) region: String,
    pub(super) keys: KeyRing,
}

/// A request whose key, token, time and scope are in order, and whose signature has yet to be checked.
pub(super) struct Claimed {
    pub(super) envelope: Envelope,
    pub(super) principal: Arc<Principal>,
    secret: Secret,
}

impl Verifier {
    /// Everything about the envelope but the signature itself.
    pub(super) fn claim(&self, parts: &Parts, envelope: Envelope) -> Result<Claimed, Failure> {
        let now = self.clock.now();
        let valid_for = envelope.presigned.unwrap_or(MAX_SKEW);
        if envelope.time > now + MAX_SKEW || now > envelope.time + valid_for {
            return Err(match envelope.presigned {
                None => Failure::Skewed,
                Some(_) => Failure::operation(403, "AccessDenied", "Request has expired"),
            });
        }
        if envelope.date != envelope.day {
            return Err(Failure::WrongScope("the date of the credential scope is not that of X-Amz-Date".to_owned()));
        }
        if envelope.region != self.region {
            return Err(Failure::WrongRegion { expected: self.region.clone() });
        }
        headers_are_signed(parts, &envelope)?;
        let known = self.keys.identify(&envelope.access_key_id, envelope.token.as_deref(), now)?;
        Ok(Claimed { envelope, principal: known.principal, secret: known.secret })
    }
}

/// Every `x-amz-*` header and the host must be signed, and every signed header must be there.
fn headers_are_signed(parts: &Parts, envelope: &Envelope) -> Result<(), Failure> {
    let signed = |name: &str| envelope.signed_headers.iter().any(|s| s == name);
    let unsigned: Vec<&str> = parts.headers.keys().map(|n| n.as_str()).filter(|n| n.starts_with("x-amz-") && !signed(n)).collect();
    if !unsigned.is_empty() {
        return Err(Failure::Unsigned(unsigned.join(", ")));
    }
    if !signed("host") {
        return Err(Failure::Unsigned("host".to_owned()));
    }
    match envelope.signed_headers.iter().all(|name| parts.headers.contains_key(name)) {
        true => Ok(()),
        false => Err(Failure::SignatureMismatch),
    }
}

impl Claimed {
    /// Makes the signature anew for a request signed in its headers, and compares in constant time.
    pub(super) fn check_signature(&self, parts: &Parts, body: &[u8]) -> Result<(), Failure> {
        if self.envelope.presigned.is_some() {
            return Err(Failure::Incomplete("presigned requests are supported for S3 only".to_owned()));
        }
        let expected = self.signature(parts, body)?;
        match Secret::new(expected).matches(self.envelope.signature.as_bytes()) {
            true => Ok(()),
            false => Err(Failure::SignatureMismatch),
        }
    }

    fn signature(&self, parts: &Parts, body: &[u8]) -> Result<String, Failure> {
        let unreadable = |_| Failure::SignatureMismatch;
        let mut headers = Vec::new();
        for name in &self.envelope.signed_headers {
            for value in parts.headers.get_all(name) {
                headers.push((name.as_str(), value.to_str().map_err(unreadable)?));
            }
        }
        // No session token here: the crate would sign its own copy, and it is the header that must be covered.
        let identity = Credentials::new(&self.envelope.access_key_id, self.secret.expose(), None, None, "sandbox").into();
        let mut settings = SigningSettings::default();
        settings.excluded_headers = None;
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.envelope.region)
            .name(&self.envelope.service)
            .time(self.envelope.time)
            .settings(settings)
            .build()
            .map_err(|_| Failure::SignatureMismatch)?
            .into();
        let target = parts.uri.path_and_query().map_or("/", |p| p.as_str());
        let request = SignableRequest::new(parts.method.as_str(), target, headers.into_iter(), SignableBody::Bytes(body));
        let request = request.map_err(|_| Failure::SignatureMismatch)?;
        let signed = http_request::sign(request, &params).map_err(|_| Failure::SignatureMismatch)?;
        Ok(signed.signature().to_owned())
    }
}
