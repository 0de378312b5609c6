//! What the guard itself asks AWS for a tenant's request, with the tenant's own session.
//!
//! The question goes the way of the request that it is asked for, from the credentials on. The tenant has been proved, admitted and looked up for that
//! request, which waits for the answer, is dropped with it when its proof ends, and is looked up again before its own turn comes. No answer leaves
//! Palisade.

use std::sync::Arc;

use futures_util::{FutureExt as _, future::BoxFuture};
use http::Response;

use super::answer::inspect;
use crate::{
    aws::response::{Verdict, triage},
    body::{self, Body},
    credentials::Broker,
    directory::ActiveTenant,
    guard::{Courier, GuardedRequest},
    reject::{Reason, Refusal},
    server::idle,
    signing::{self, CredentialedRequest},
    skew::Skew,
    telemetry::traces::{self, Step},
    upstream::AwsClient,
};

/// Goes between the guard and AWS.
pub(crate) struct Errands {
    pub(crate) broker: Arc<Broker>,
    pub(crate) upstream: AwsClient,
    /// AWS's time, to sign by.
    pub(crate) skew: Skew,
}

impl Courier for Errands {
    fn role(&self, service: &str, tenant: &ActiveTenant) -> Result<String, Refusal> {
        self.broker.role_for(service, tenant)
    }

    fn carry(&self, request: GuardedRequest) -> BoxFuture<'_, Result<Response<Body>, Refusal>> {
        self.go(request).boxed()
    }
}

impl Errands {
    async fn go(&self, request: GuardedRequest) -> Result<Response<Body>, Refusal> {
        let asked = traces::current().map(|_| (request.service().to_owned(), request.named().logged()));
        let request = traces::step("credentials", CredentialedRequest::attach(request, &self.broker)).await?;
        let (request, receipt) = signing::sign(request, self.skew.time())?;
        let call = asked.and_then(|(service, operation)| Step::to_aws(&service, operation.as_deref(), None));
        let (head, incoming) = traces::call_aws(call, self.upstream.send(request)).await?.into_parts();
        let body = match triage(head.status) {
            Verdict::Pass => idle::within(incoming, receipt.timeouts.idle),
            Verdict::Redirect => return Err(Reason::AwsRedirect.into()),
            Verdict::Inspect => inspect(&head, incoming, &receipt, (&self.broker, &self.skew)).await?,
        };
        Ok(Response::from_parts(head, body::holding(body, receipt.permit)))
    }
}
