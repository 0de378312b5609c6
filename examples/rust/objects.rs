//! An application that serves many tenants behind Palisade, with the AWS SDK for Rust.
//!
//! usage: `BUCKET=... [PORT=8080] [PALISADE_EGRESS=http://127.0.0.1:8180] objects`
//!
//! PUT /NAME with a body stores an object, GET /NAME reads it, GET / lists. In a crate of your own this needs:
//!
//! ```toml
//! aws-sdk-s3 = { version = "1", default-features = false, features = ["rt-tokio"] }
//! aws-smithy-http-client = { version = "1", default-features = false, features = ["default-client"] }
//! http-body-util = "0.1"
//! hyper = { version = "1", features = ["http1", "server"] }
//! hyper-util = { version = "0.1", features = ["tokio"] }
//! tokio = { version = "1", features = ["macros", "net", "rt-multi-thread"] }
//! ```

use std::{convert::Infallible, env, error::Error};

use aws_sdk_s3::{
    Client, Config, Error as S3Error,
    config::{BehaviorVersion, Builder, Credentials, Region},
    error::ProvideErrorMetadata,
    primitives::ByteStream,
};
use aws_smithy_http_client::Builder as HttpClient;
use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

type AnyError = Box<dyn Error + Send + Sync>;

/// One client for the process. It has no credentials of its own: a call without [`for_request`] fails. The endpoint is plain
/// HTTP on loopback, so the client needs no TLS.
fn client() -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(env::var("PALISADE_EGRESS").unwrap_or_else(|_| "http://127.0.0.1:8180".to_owned()))
        .region(Region::new(env::var("AWS_REGION").unwrap_or_else(|_| "eu-west-1".to_owned())))
        .force_path_style(true)
        .http_client(HttpClient::new().build_http())
        .build();
    Client::from_conf(config)
}

/// Gives one call the tenant and the passport of the request that it is made for. The SDK caches what a provider answered, so
/// a provider on the client that looks up "the current tenant" would sign with the first one's: the override is not shared.
fn for_request(headers: &HeaderMap) -> Result<Builder, AnyError> {
    let (tenant, passport) = (header(headers, "x-tenant-id")?, header(headers, "x-palisade-passport")?);
    let credentials = Credentials::new(format!("tenant.{tenant}"), "unused", Some(passport.to_owned()), None, "palisade");
    Ok(Config::builder().credentials_provider(credentials))
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, AnyError> {
    Ok(headers.get(name).ok_or_else(|| format!("no {name}"))?.to_str()?)
}

#[derive(Clone)]
struct Objects {
    s3: Client,
    bucket: String,
}

impl Objects {
    async fn put(&self, request: Request<Incoming>) -> Result<Bytes, AnyError> {
        let (head, body) = request.into_parts();
        let key = format!("{}{}", header(&head.headers, "x-tenant-id")?, head.uri.path());
        let body = ByteStream::from(body.collect().await?.to_bytes());
        let call = self.s3.put_object().bucket(&self.bucket).key(key).body(body);
        call.customize().config_override(for_request(&head.headers)?).send().await.map_err(S3Error::from)?;
        Ok(Bytes::new())
    }

    async fn get(&self, request: Request<Incoming>) -> Result<Bytes, AnyError> {
        let key = format!("{}{}", header(request.headers(), "x-tenant-id")?, request.uri().path());
        let call = self.s3.get_object().bucket(&self.bucket).key(key);
        let object = call.customize().config_override(for_request(request.headers())?).send().await.map_err(S3Error::from)?;
        Ok(object.body.collect().await?.into_bytes())
    }

    async fn list(&self, request: Request<Incoming>) -> Result<Bytes, AnyError> {
        let prefix = format!("{}/", header(request.headers(), "x-tenant-id")?);
        let call = self.s3.list_objects_v2().bucket(&self.bucket).prefix(prefix);
        let page = call.customize().config_override(for_request(request.headers())?).send().await.map_err(S3Error::from)?;
        Ok(page.contents().iter().filter_map(|object| object.key()).map(|key| format!("{key}\n")).collect::<String>().into())
    }

    async fn answer(self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let done = match (request.method(), request.uri().path()) {
            (&Method::PUT, _) => self.put(request).await,
            (_, "/") => self.list(request).await,
            _ => self.get(request).await,
        };
        let (status, body) = done.map_or_else(refused, |body| (StatusCode::OK, body));
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = status;
        Ok(response)
    }
}

/// Refusals of Palisade's and of AWS's come as the same typed errors.
fn refused(error: AnyError) -> (StatusCode, Bytes) {
    match error.downcast_ref::<S3Error>().and_then(S3Error::code) {
        Some(code) => (StatusCode::FORBIDDEN, code.to_owned().into()),
        None => (StatusCode::BAD_GATEWAY, "unavailable".into()),
    }
}

#[tokio::main]
async fn main() -> Result<(), AnyError> {
    let objects = Objects { s3: client(), bucket: env::var("BUCKET")? };
    let port = env::var("PORT").unwrap_or_else(|_| "8080".to_owned()).parse()?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let objects = objects.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| objects.clone().answer(request));
            // A caller that hangs up ends its connection and nothing else.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}
