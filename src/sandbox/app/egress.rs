//! The way out: requests signed as an AWS SDK signs them, with nothing to sign with.

use std::{net::SocketAddr, time::Duration};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{
        PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode, sign,
    },
    sign::v4,
};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

use super::{super::tenants::REGION, answer, caller::Caller};
use crate::{
    body::{self, Body, BoxError},
    clock::Clock,
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Until the head of the answer: above Palisade's own deadlines, so that its answer is the one that is seen.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(75);
/// Lists and errors; objects are not held in memory.
const MAX_DOCUMENT: usize = 2 * 1024 * 1024;

/// A client of the egress.
#[derive(Debug)]
pub(super) struct Egress {
    address: SocketAddr,
    client: Client<HttpConnector, Body>,
    clock: Clock,
}

/// A request to AWS.
pub(super) struct Call<'a> {
    pub(super) service: Service,
    pub(super) method: Method,
    /// Path and query, encoded.
    pub(super) target: String,
    pub(super) headers: &'a [(HeaderName, HeaderValue)],
    pub(super) payload: Payload,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    DynamoDb,
    S3,
}

pub(super) enum Payload {
    /// Signed together with its hash.
    Whole(Bytes),
    /// Passed on as it comes; not part of the signature.
    Stream(Body),
}

/// Why a call did not become an answer.
#[derive(Debug)]
pub(super) enum Failed {
    /// The egress or AWS said no.
    Refused(Response<Body>),
    /// The egress was not reached, or what came back was not what it should be.
    Broken(BoxError),
}

impl Failed {
    pub(super) fn answer(self) -> Response<Body> {
        match self {
            Self::Refused(response) => response,
            Self::Broken(error) => answer::error(StatusCode::BAD_GATEWAY, &format!("the egress gave no answer: {error}")),
        }
    }
}

impl From<BoxError> for Failed {
    fn from(error: BoxError) -> Self {
        Self::Broken(error)
    }
}

impl Egress {
    pub(super) fn new(address: SocketAddr, clock: Clock) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        connector.set_nodelay(true);
        Self { address, client: Client::builder(TokioExecutor::new()).build(connector), clock }
    }

    /// Sends `call` with the passport of `caller`. An answer that is no success comes back as [`Failed::Refused`].
    pub(super) async fn call(&self, caller: &Caller, call: Call<'_>) -> Result<Response<Incoming>, Failed> {
        let request = self.signed(caller, call)?;
        let answered = tokio::time::timeout(ANSWER_TIMEOUT, self.client.request(request)).await;
        let response = answered.map_err(|_| BoxError::from("it was silent for too long"))?.map_err(BoxError::from)?;
        if response.status().is_success() {
            return Ok(response);
        }
        let (head, body) = response.into_parts();
        let body = Limited::new(body, MAX_DOCUMENT).collect().await?.to_bytes();
        Err(Failed::Refused(answer::refusal(head.status, &head.headers, &body)))
    }

    /// The same, with the whole answer's body, which has to be of a moderate size.
    pub(super) async fn document(&self, caller: &Caller, call: Call<'_>) -> Result<Bytes, Failed> {
        let response = self.call(caller, call).await?;
        Ok(Limited::new(response.into_body(), MAX_DOCUMENT).collect().await?.to_bytes())
    }

    fn signed(&self, caller: &Caller, call: Call<'_>) -> Result<Request<Body>, BoxError> {
        let uri: Uri = format!("http://{}{}", self.address, call.target).parse()?;
        let host = self.address.to_string();
        let mut headers = vec![("host", host.as_str())];
        for (name, value) in call.headers {
            headers.push((name.as_str(), value.to_str()?));
        }
        let signed_body = match &call.payload {
            Payload::Whole(bytes) => SignableBody::Bytes(bytes),
            Payload::Stream(_) => SignableBody::UnsignedPayload,
        };
        let signable = SignableRequest::new(call.method.as_str(), uri.to_string(), headers.into_iter(), signed_body)?;
        let identity = placeholder(caller).into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(REGION)
            .name(call.service.name())
            .time(self.clock.now())
            .settings(call.service.settings())
            .build()?;
        let (added, _) = sign(signable, &params.into())?.into_parts().0.into_parts();

        let mut request = Request::new(match call.payload {
            Payload::Whole(bytes) => body::full(bytes),
            Payload::Stream(body) => body,
        });
        *request.method_mut() = call.method;
        *request.uri_mut() = uri;
        for (name, value) in call.headers {
            request.headers_mut().insert(name.clone(), value.clone());
        }
        request.headers_mut().insert(header::HOST, HeaderValue::try_from(host)?);
        for header in added {
            let mut value = HeaderValue::from_str(header.value())?;
            value.set_sensitive(header.sensitive());
            request.headers_mut().insert(HeaderName::from_static(header.name()), value);
        }
        Ok(request)
    }
}

/// What an application puts into an SDK's credentials: the tenant, any secret, and the passport.
fn placeholder(caller: &Caller) -> Credentials {
    let session_token = Some(caller.passport.expose().to_owned());
    Credentials::new(format!("tenant.{}", caller.tenant), "placeholder", session_token, None, "passport")
}

impl Service {
    fn name(self) -> &'static str {
        match self {
            Self::DynamoDb => "dynamodb",
            Self::S3 => "s3",
        }
    }

    /// S3 signs paths as they are sent and names the body's hash in a header.
    fn settings(self) -> SigningSettings {
        let mut settings = SigningSettings::default();
        if self == Self::S3 {
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        settings
    }
}
