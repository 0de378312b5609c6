//! A double of AWS for `palisade dev` and for tests: STS, S3 and DynamoDB on one plain-HTTP address.
//!
//! It is there to be a judge, so it really verifies signatures, and really evaluates role, session and trust policies with
//! session tags. It knows nothing of Palisade. Which service a request is for is said by its credential scope, whose signature
//! binds it; the host name and the path are not asked.
//!
//! What is approximate is said in the module that does it: [`policy`] (elements and operators not known are refused when a policy
//! is read), `sts` (no managed session policies), `s3` (no versions, ACLs or bucket policies) and `dynamodb` (no indexes,
//! filters or transactions). All three serve one region. The judge of STS and DynamoDB signatures is the crate that AWS's own SDK
//! signs with: a flaw in that crate's canonical form would not be seen here.

mod config;
mod dynamodb;
mod envelope;
mod failure;
mod keys;
mod observe;
pub mod policy;
mod principal;
mod s3;
mod sts;
#[cfg(test)]
mod tests;
mod verify;
mod wire;

use std::{sync::Arc, time::Duration};

use aws_lc_rs::digest as sha;
use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Request, Response, header, request::Parts};
use http_body_util::BodyExt;
use hyper::body::Body as HttpBody;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use serde_json::Value;
use tokio::{net::TcpListener, sync::Semaphore, task::JoinSet};

pub use self::{
    config::{DoubleConfig, RoleConfig},
    dynamodb::{KeyType, TableConfig},
    observe::{AssumeRoleCall, Fault},
    wire::Wire,
};
use self::{
    dynamodb::DynamoDb,
    envelope::Envelope,
    failure::Failure,
    keys::{KeyRing, id_text, random},
    observe::Observer,
    policy::PolicyError,
    s3::S3,
    sts::Sts,
    verify::{Claimed, Verifier},
};
use crate::{
    body::{Body, BoxError},
    clock::Clock,
};

/// STS documents are a few kilobytes; DynamoDB takes 16 MiB in a batch.
const MAX_STS_BODY: usize = 256 * 1024;
const MAX_DYNAMODB_BODY: usize = 16 * 1024 * 1024;
const MAX_CONNECTIONS: usize = 1_024;
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long open requests may take to end once the double is told to stop.
const DRAIN: Duration = Duration::from_secs(2);

/// The double. Clones are handles to the same one.
#[derive(Clone)]
pub struct AwsDouble(Arc<Inner>);

struct Inner {
    account: String,
    verifier: Arc<Verifier>,
    observer: Observer,
    sts: Sts,
    s3: S3,
    dynamodb: DynamoDb,
}

impl AwsDouble {
    /// Builds the double; fails when a policy document is not understood.
    pub fn new(config: DoubleConfig, clock: Clock) -> Result<Self, PolicyError> {
        let sts = Sts::new(&config.account, &config.roles)?;
        let base = Arc::new(config.base()?);
        let (id, secret) = config.base_key;
        let keys = KeyRing::new(id, secret, base, config.max_sessions);
        let verifier = Arc::new(Verifier { clock, region: config.region.clone(), keys });
        let s3 = S3::new(config.max_object, config.max_total, verifier.clone());
        let dynamodb = DynamoDb::new(config.region, config.max_items);
        Ok(Self(Arc::new(Inner { account: config.account, verifier, observer: Observer::default(), sts, s3, dynamodb })))
    }

    /// Serves HTTP/1.1 and HTTP/2 (prior knowledge) until `shutdown` is ready, then gives open requests two
    /// seconds to end and drops the rest.
    pub async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let (graceful, mut tasks) = (GracefulShutdown::new(), JoinSet::new());
        let mut server = auto::Builder::new(TokioExecutor::new());
        server.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
        server.http2().timer(TokioTimer::new());
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            let accepted = tokio::select! {
                () = &mut shutdown => break,
                accepted = accept(&listener, &permits) => accepted,
            };
            while tasks.try_join_next().is_some() {}
            let Some((stream, permit)) = accepted else { continue };
            let double = self.clone();
            let service = hyper::service::service_fn(move |request| {
                let double = double.clone();
                async move { Ok::<_, std::convert::Infallible>(double.handle(request).await) }
            });
            let connection = graceful.watch(server.serve_connection(TokioIo::new(stream), service).into_owned());
            tasks.spawn(async move {
                // A connection that breaks is its caller's business.
                let _ = connection.await;
                drop(permit);
            });
        }
        let _ = tokio::time::timeout(DRAIN, graceful.shutdown()).await;
        tasks.shutdown().await;
    }

    /// Answers one request, without a socket.
    pub async fn handle<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let (mut parts, body) = request.map(boxed).into_parts();
        // HTTP/2 names the host in its target; signatures cover it as a header.
        if let (None, Some(authority)) = (parts.headers.get(header::HOST), parts.uri.authority())
            && let Ok(host) = HeaderValue::from_str(authority.as_str())
        {
            parts.headers.insert(header::HOST, host);
        }
        let request_id = random::<10>().map_or_else(|_| String::new(), |bytes| id_text(&bytes));
        let guess = Wire::guess(&parts.headers);
        let wire = Envelope::of(&parts).map(|envelope| (Wire::of_scope(&envelope.service), envelope));
        let mut response = match wire {
            Err(failure) => failure.render(guess, &request_id),
            Ok((None, _)) => {
                Failure::WrongScope("the credential scope names a service that is not here".to_owned()).render(guess, &request_id)
            }
            Ok((Some(wire), envelope)) => {
                let answer = self.answer(wire, envelope, parts, body, &request_id).await;
                answer.unwrap_or_else(|failure| failure.render(wire, &request_id))
            }
        };
        if let Ok(id) = HeaderValue::from_str(&request_id) {
            response.headers_mut().insert("x-amzn-requestid", id.clone());
            response.headers_mut().insert("x-amz-request-id", id);
        }
        response
    }

    async fn answer(&self, wire: Wire, envelope: Envelope, parts: Parts, body: Body, request_id: &str) -> Result<Response<Body>, Failure> {
        let inner = &self.0;
        let claimed = inner.verifier.claim(&parts, envelope)?;
        match wire {
            Wire::S3 => {
                self.disturb(wire).await?;
                inner.s3.answer(parts, body, claimed).await
            }
            Wire::Query => {
                let body = self.verified(wire, &claimed, &parts, body, MAX_STS_BODY).await?;
                inner.sts.answer(&parts, &body, &claimed.principal, &inner.verifier, &inner.observer, request_id)
            }
            Wire::Json => {
                let body = self.verified(wire, &claimed, &parts, body, MAX_DYNAMODB_BODY).await?;
                inner.dynamodb.answer(&parts, &body, &claimed.principal, inner.verifier.clock.unix_seconds())
            }
        }
    }

    async fn verified(&self, wire: Wire, claimed: &Claimed, parts: &Parts, body: Body, limit: usize) -> Result<Bytes, Failure> {
        let body = read(body, limit).await?;
        claimed.check_signature(parts, &body)?;
        self.disturb(wire).await?;
        Ok(body)
    }

    async fn disturb(&self, wire: Wire) -> Result<(), Failure> {
        match self.0.observer.fault(wire) {
            None => Ok(()),
            Some(Fault::Throttle) => Err(Failure::Throttled),
            Some(Fault::Unavailable) => Err(Failure::Unavailable),
            Some(Fault::ExpiredToken) => Err(Failure::Expired),
            Some(Fault::Hang) => std::future::pending().await,
        }
    }
}

/// What tests and `palisade dev` do to the double from inside.
impl AwsDouble {
    /// Every AssumeRole received so far, oldest first; the last 10,000 are kept.
    pub fn calls(&self) -> Vec<AssumeRoleCall> {
        self.0.observer.calls()
    }

    /// From now on every request to `wire` meets `fault`; `None` ends that.
    pub fn set_fault(&self, wire: Wire, fault: Option<Fault>) {
        self.0.observer.set_fault(wire, fault);
    }

    /// Ends all role sessions at once: their keys answer as expired.
    pub fn expire_sessions(&self) {
        self.0.verifier.keys.expire_all(self.0.verifier.clock.now());
    }

    /// Makes an empty bucket of the double's account. Says whether it is new.
    pub fn create_bucket(&self, name: &str) -> bool {
        self.0.s3.create_bucket(name, &self.0.account).is_ok()
    }

    /// Stores an object past all policies. Says whether there was a bucket and room for it.
    pub fn put_object(&self, bucket: &str, key: &str, bytes: impl Into<Bytes>) -> bool {
        self.0.s3.put_object(bucket, key, bytes.into()).is_ok()
    }

    /// An object's bytes, past all policies.
    pub fn get_object(&self, bucket: &str, key: &str) -> Option<Bytes> {
        self.0.s3.get_object(bucket, key)
    }

    /// Makes an empty table of the double's account. Says whether it is new.
    pub fn create_table(&self, table: TableConfig) -> bool {
        self.0.dynamodb.create_table(&self.0.account, table, self.0.verifier.clock.unix_seconds()).is_ok()
    }

    /// Every item of a table of the double's account, in DynamoDB's JSON, past all policies.
    pub fn items(&self, table: &str) -> Vec<Value> {
        self.0.dynamodb.items(&self.0.account, table)
    }
}

/// Takes a permit first, so that more connections than there are permits wait in the listener's own queue.
async fn accept(listener: &TcpListener, permits: &Arc<Semaphore>) -> Option<(tokio::net::TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let permit = permits.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => {
            let _ = stream.set_nodelay(true);
            Some((stream, permit))
        }
        Err(_) => {
            // Out of file descriptors, most likely: trying again at once would only burn the processor.
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}

fn boxed<B>(body: B) -> Body
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    body.map_err(Into::into).boxed_unsync()
}

/// A whole body, within `limit` bytes.
async fn read(mut body: Body, limit: usize) -> Result<Bytes, Failure> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Failure::operation(400, "IncompleteBody", "The body ended early."))?;
        let data = frame.into_data().unwrap_or_default();
        if bytes.len() + data.len() > limit {
            return Err(Failure::TooLarge);
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.freeze())
}

/// SHA-256.
fn digest(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(sha::digest(&sha::SHA256, bytes).as_ref());
    out
}
