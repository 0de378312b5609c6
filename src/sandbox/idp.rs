//! The sandbox's identity provider. **It gives a token for any tenant to anybody who asks.**
//!
//! There is no login and no secret: `GET /token?tenant=acme` is all it takes. That is what makes `palisade dev` usable from a
//! shell, and what makes this unfit for anything else. It belongs on loopback, its keys live as long as the process, and no
//! configuration but the sandbox's own may trust it.
//!
//! | path | answer |
//! | --- | --- |
//! | `/token?tenant=T&...` | the token alone, as text; the parameters are those of [`TokenRequest`] |
//! | `/.well-known/jwks.json` | the public keys: ES256, RS256 and EdDSA |
//! | `/.well-known/openid-configuration` | where the keys are, for whoever discovers them |

mod keys;
mod request;

use std::{future, sync::Arc};

use http::{HeaderValue, Method, Response, StatusCode, Uri, header};
use jsonwebtoken::Header;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use self::keys::Keys;
pub use self::{
    keys::KeyError,
    request::{BadParameter, TokenRequest},
};
use super::loopback;
use crate::{
    body::{self, Body},
    clock::Clock,
};

/// Where the public keys are.
pub const JWKS_PATH: &str = "/.well-known/jwks.json";
/// Where tokens are.
pub const TOKEN_PATH: &str = "/token";
const DISCOVERY_PATH: &str = "/.well-known/openid-configuration";

/// The audience of tokens that ask for none.
pub const DEFAULT_AUDIENCE: &str = "palisade-dev";
/// How long before its end an expired token says that it was issued.
const PAST_LIFE: i64 = 3_600;

/// The identity provider. Clones are handles to the same one.
#[derive(Debug, Clone)]
pub struct IdentityProvider(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    issuer: String,
    keys: Keys,
    clock: Clock,
}

impl IdentityProvider {
    /// A provider with fresh keys that calls itself `issuer`, a URL without a final slash.
    ///
    /// # Errors
    /// When no keys can be made.
    pub fn new(issuer: impl Into<String>, clock: Clock) -> Result<Self, KeyError> {
        Ok(Self(Arc::new(Inner { issuer: issuer.into(), keys: Keys::generate()?, clock })))
    }

    /// Serves HTTP/1.1 until `shutdown` is ready.
    pub async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        loopback::serve(listener, shutdown, move |request| future::ready(self.answer(request.method(), request.uri()))).await;
    }

    /// Signs what is asked for, whatever it is: refusing it is Palisade's part.
    ///
    /// # Errors
    /// When signing fails.
    pub fn token(&self, request: &TokenRequest) -> Result<String, KeyError> {
        let inner = &self.0;
        let now = i64::try_from(inner.clock.unix_seconds()).unwrap_or(i64::MAX);
        let expires = now.saturating_add(request.expires);
        let issued = if request.expires > 0 { now } else { expires.saturating_sub(PAST_LIFE) };
        let key = inner.keys.find(request.algorithm).ok_or(KeyError::Unknown)?;
        let claims = json!({
            "iss": request.issuer.as_ref().unwrap_or(&inner.issuer),
            "sub": request.subject,
            "aud": request.audience,
            "tenant_id": one_or_many(&request.tenants),
            "roles": request.roles,
            "iat": issued,
            "nbf": issued,
            "exp": expires,
            "jti": keys::random_id()?,
        });
        key.sign(&Header { kid: Some(key.id().to_owned()), ..Header::new(request.algorithm) }, &claims)
    }

    /// The key set that verifies its tokens.
    pub fn jwks(&self) -> Value {
        self.0.keys.jwks()
    }

    fn answer(&self, method: &Method, uri: &Uri) -> Response<Body> {
        if !matches!(*method, Method::GET | Method::HEAD) {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET is answered here\n".to_owned());
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        match uri.path() {
            TOKEN_PATH => match TokenRequest::parse(uri.query().unwrap_or_default()) {
                Err(bad) => text(StatusCode::BAD_REQUEST, format!("{bad}\n")),
                Ok(request) => match self.token(&request) {
                    Ok(token) => text(StatusCode::OK, format!("{token}\n")),
                    Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
                },
            },
            JWKS_PATH => json_document(&self.jwks()),
            DISCOVERY_PATH => json_document(&self.discovery()),
            _ => text(StatusCode::NOT_FOUND, format!("try {TOKEN_PATH}?tenant=acme, {JWKS_PATH} or {DISCOVERY_PATH}\n")),
        }
    }

    /// OpenID Connect Discovery 1.0, section 3, as far as it applies.
    fn discovery(&self) -> Value {
        let issuer = &self.0.issuer;
        json!({
            "issuer": issuer,
            "jwks_uri": format!("{issuer}{JWKS_PATH}"),
            "token_endpoint": format!("{issuer}{TOKEN_PATH}"),
            "response_types_supported": ["token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": request::ALGORITHMS.map(|(name, _)| name),
            "claims_supported": ["iss", "sub", "aud", "tenant_id", "roles", "iat", "nbf", "exp", "jti"],
        })
    }
}

/// One tenant is a string claim, several are an array: both forms are common.
fn one_or_many(tenants: &[String]) -> Value {
    match tenants {
        [one] => json!(one),
        many => json!(many),
    }
}

fn text(status: StatusCode, text: String) -> Response<Body> {
    respond(status, "text/plain; charset=utf-8", text)
}

fn json_document(value: &Value) -> Response<Body> {
    respond(StatusCode::OK, "application/json", format!("{value:#}\n"))
}

fn respond(status: StatusCode, media_type: &'static str, text: String) -> Response<Body> {
    let mut response = Response::new(body::full(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests;
