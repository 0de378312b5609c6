//! What AWS answers, cleaned.
//!
//! An answer is streamed on unless it could carry something that must not leave: errors about authentication and
//! authorisation can quote the session token, the canonical request, the role and the account, and a redirect would make an
//! SDK take its proof to AWS itself. Such answers are read, up to a limit, and replaced by ours.

use std::pin::pin;

use http::{Response, response};

use super::Egress;
use crate::{
    audit::Event,
    aws::response::{INSPECT_BYTES, Rejected, Verdict, clean_headers, examine, rejected, triage},
    body::{self, Body, Unreadable},
    credentials::Broker,
    reject::{Reason, Refusal},
    server::idle,
    signing::{Receipt, SignedRequest},
    skew::Skew,
    telemetry::{Record, traces},
    upstream::Answer,
};

impl Egress {
    /// Sends a signed request and cleans the answer. The tenant's permit is kept until the answer has ended.
    pub(super) async fn send(&self, request: SignedRequest, receipt: Receipt, record: &mut Record) -> Result<Response<Body>, Refusal> {
        let this = &*self.0;
        record.about_to(Event::Allowed, Some(&receipt.credentials)).await?;
        let begun = this.clock.instant();
        let answer = traces::call_aws(record.call_to_aws(), pin!(this.upstream.send(request))).await?;
        record.upstream(this.clock.instant().saturating_duration_since(begun));
        let (mut head, incoming) = answer.into_parts();
        let verdict = triage(head.status);
        let body = match verdict {
            Verdict::Pass => idle::within(incoming, receipt.timeouts.idle),
            Verdict::Redirect => return Err(Refusal::noted(Reason::AwsRedirect, format!("AWS answered {}", head.status))),
            Verdict::Inspect => inspect(&head, incoming, &receipt, (&this.broker, &this.skew)).await?,
        };
        // Last: what the inspection looks at is the answer as it came.
        clean_headers(head.status, &mut head.headers, &this.regions);
        Ok(Response::from_parts(head, body::holding(body, receipt.permit)))
    }
}

/// Reads an error document and passes it on only if it is none about credentials and quotes none.
pub(super) async fn inspect(
    head: &response::Parts,
    incoming: Answer,
    receipt: &Receipt,
    (broker, skew): (&Broker, &Skew),
) -> Result<Body, Refusal> {
    let body = idle::within(incoming, receipt.timeouts.idle);
    let reading = tokio::time::timeout(receipt.timeouts.response, body::collect(body, INSPECT_BYTES)).await;
    let document =
        reading.map_err(|_| Refusal::noted(Reason::UpstreamTimeout, "the error document takes too long"))?.map_err(|unreadable| {
            match unreadable {
                Unreadable::TooLarge => Refusal::noted(Reason::AwsResponseWithheld, "an error document of more than 64 KiB"),
                Unreadable::NoRoom | Unreadable::Broken(_) => Refusal::noted(Reason::UpstreamUnavailable, "the error document broke off"),
            }
        })?;
    let credentials = &receipt.credentials;
    let secrets = [credentials.session_token().expose(), credentials.access_key_id(), credentials.role_arn()];
    if let Some(reason) = examine(head.status, &head.headers, &document, &secrets) {
        if reason == Reason::AwsCredentialsRejected {
            match rejected(&head.headers, &document) {
                Rejected::Session => broker.reject(credentials),
                Rejected::Signature => {
                    tracing::warn!(service = receipt.destination.service, status = %head.status, "AWS rejected a signature, or its time");
                    skew.complain();
                }
                Rejected::Other => {}
            }
        }
        return Err(Refusal::noted(reason, format!("AWS answered {}", head.status)));
    }
    Ok(if document.is_empty() { body::empty() } else { body::full(document) })
}
