//! Signatures of requests that Palisade makes for itself: `palisade doctor` asks AWS what its own identity may do. Pure; time
//! is an argument.

use std::time::SystemTime;

use aws_sigv4::sign::v4::generate_signing_key;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, header};

use super::signer::{With, authorize};
use crate::{
    config::Endpoint,
    reject::{Reason, Refusal},
    secret::Secret,
    sigv4::{Canon, WireTarget, payload_mode::CONTENT_SHA256, sha256_hex},
};

/// Keys of an identity that is no tenant's. Debug hides the secrets.
#[derive(Debug, Clone)]
pub(crate) struct OwnKey {
    /// Not secret by itself.
    pub(crate) access_key_id: String,
    /// Never printed.
    pub(crate) secret_access_key: Secret,
    /// Of temporary keys.
    pub(crate) session_token: Option<Secret>,
}

/// A request that is to be signed.
#[derive(Debug, Clone)]
pub(crate) struct OwnRequest<'a> {
    /// Where to.
    pub(crate) endpoint: &'a Endpoint,
    /// Region to sign for.
    pub(crate) region: &'a str,
    /// Name in the credential scope.
    pub(crate) signing_name: &'a str,
    /// `GET` or `POST`; the path is `/`.
    pub(crate) method: Method,
    /// What the service's protocol wants besides, such as `x-amz-target`.
    pub(crate) headers: &'a [(HeaderName, &'static str)],
    /// Whole.
    pub(crate) body: Bytes,
}

/// Signs `request` with `key`, as of `now`.
///
/// # Errors
/// The keys cannot stand in a header, or the clock stands before 1970.
pub(crate) fn sign_own(request: OwnRequest<'_>, key: &OwnKey, now: SystemTime) -> Result<Request<Bytes>, Refusal> {
    let hash = sha256_hex(&request.body);
    let value = |text: &str| HeaderValue::from_str(text).map_err(|_| Refusal::noted(Reason::Internal, "a header cannot be written"));
    let mut headers = HeaderMap::new();
    headers.insert(header::HOST, value(request.endpoint.authority.as_str())?);
    headers.insert(CONTENT_SHA256, value(&hash)?);
    for (name, text) in request.headers {
        headers.insert(name.clone(), HeaderValue::from_static(text));
    }
    let (region, service) = (request.region, request.signing_name);
    let target = WireTarget::new(&http::uri::PathAndQuery::from_static("/"), Canon::of(service))?;
    let signing_key = generate_signing_key(key.secret_access_key.expose(), now, region, service);
    let session_token = key.session_token.as_ref();
    let with = With { region, service, key: signing_key.as_ref(), access_key_id: &key.access_key_id, session_token };
    authorize(&request.method, &target, &mut headers, &hash, &with, now)?;
    let scheme = if request.endpoint.tls { "https" } else { "http" };
    let uri = Uri::builder().scheme(scheme).authority(request.endpoint.authority.clone()).path_and_query("/");
    let mut made = Request::new(request.body);
    *made.method_mut() = request.method;
    *made.uri_mut() = uri.build().map_err(|_| Reason::Internal)?;
    *made.headers_mut() = headers;
    Ok(made)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
    use aws_sigv4::sign::v4::SigningParams;

    use super::*;

    /// The SDK's signer, which is another implementation of everything but the last HMAC.
    fn signature_of_the_sdk(request: &Request<Bytes>, key: &OwnKey, region: &str, name: &str, now: SystemTime) -> String {
        let token = key.session_token.as_ref().map(|token| token.expose().to_owned());
        let keys = aws_credential_types::Credentials::new(&key.access_key_id, key.secret_access_key.expose(), token, None, "test");
        let identity = keys.into();
        let params = SigningParams::builder().identity(&identity).region(region).name(name).time(now).settings(SigningSettings::default());
        let own = ["authorization", "x-amz-date", "x-amz-security-token"];
        let headers: Vec<_> = request.headers().iter().filter(|(name, _)| !own.contains(&name.as_str())).collect();
        let headers = headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
        let signable =
            SignableRequest::new(request.method().as_str(), request.uri().to_string(), headers, SignableBody::Bytes(request.body()))
                .unwrap();
        sign(signable, &params.build().unwrap().into()).unwrap().signature().to_owned()
    }

    #[test]
    fn it_is_the_signature_that_the_sdk_makes() {
        let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let endpoint = Endpoint { tls: true, authority: "iam.amazonaws.com".parse().unwrap() };
        for session_token in [None, Some(Secret::new("token".to_owned()))] {
            let key =
                OwnKey { access_key_id: "AKIAEXAMPLE".to_owned(), secret_access_key: Secret::new("hunter2".to_owned()), session_token };
            let headers = [(header::CONTENT_TYPE, "application/x-www-form-urlencoded")];
            let body = Bytes::from_static(b"Action=ListRoles&Version=2010-05-08");
            let request =
                OwnRequest { endpoint: &endpoint, region: "us-east-1", signing_name: "iam", method: Method::POST, headers: &headers, body };
            let signed = sign_own(request, &key, now).unwrap();
            let authorization = signed.headers()[header::AUTHORIZATION].to_str().unwrap();
            let theirs = signature_of_the_sdk(&signed, &key, "us-east-1", "iam", now);
            assert!(authorization.ends_with(&format!("Signature={theirs}")), "{authorization} {theirs}");
            assert!(!format!("{signed:?} {key:?}").contains("hunter2") && !format!("{:?}", signed.headers()).contains(&theirs));
        }
    }
}
