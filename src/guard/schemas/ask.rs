//! Asking for a table's keys.

use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header, uri::PathAndQuery};

use super::{
    ANSWER, AT_ONCE, Asker, Found, LONGEST, Schemas, Tables, Unknown,
    answer::{error_code, read},
    store::{Question, Seen},
};
use crate::{
    aws::{
        operation::{self, Catalogue},
        target::Target,
    },
    body::{self, Body, Buffers},
    config::{TableKeys, TimeoutsConfig},
    directory::ActiveTenant,
    guard::{GuardedParts, GuardedRequest},
    identity::ClientSignature,
    limits::Permit,
    reject::{Reason, Refusal},
    signing::{Payload, Room, Route},
    sigv4::{Canon, WireTarget},
};

/// Largest answer. That of a table with all indexes and replicas that it may have is some ten times smaller.
const MAX_ANSWER: usize = 512 * 1024;
/// The name of a table, in a document: what is more is none.
const MAX_QUESTION: usize = 4_096;

/// What a question takes from the request that it is asked for.
pub(in crate::guard) struct Behalf<'a> {
    pub(in crate::guard) operations: &'a Catalogue,
    pub(in crate::guard) buffers: &'a Buffers,
    pub(in crate::guard) timeouts: TimeoutsConfig,
    /// The request's own.
    pub(in crate::guard) permit: &'a Permit,
}

impl Schemas {
    /// Finds out, as far as it can be, what `tables` lacks, which are `wanted`.
    ///
    /// # Errors
    /// The tenant has no credentials: its request would be refused the same.
    pub(in crate::guard) async fn learn(&self, tables: &mut Tables<'_>, wanted: Vec<String>, behalf: Behalf<'_>) -> Result<(), Refusal> {
        let (Some(asker), Some(tenant)) = (&self.asker, tables.tenant) else {
            return Err(Refusal::noted(Reason::Internal, "a rule learns keys, and nobody asks for them"));
        };
        let place = tables.place().map_err(Refusal::clone)?.to_owned();
        let Tables { target, found, .. } = tables;
        let found = found.get_mut();
        let all = async {
            for table in wanted.iter().take(AT_ONCE) {
                let question = Question { tenant: tenant.id().clone(), place: place.clone(), table: table.clone() };
                found.insert(table.clone(), self.find(asker, (tenant, target), question, &behalf).await?);
            }
            Ok::<_, Refusal>(())
        };
        let why = match tokio::time::timeout(LONGEST, all).await {
            Ok(asked) => {
                asked?;
                "the request is about more tables than are learnt about at once"
            }
            Err(_) => "the keys of the tables were not told in time",
        };
        for found in found.values_mut().filter(|found| matches!(found, Found::Wanted)) {
            *found = Found::Unknown(Unknown::for_now(why));
        }
        Ok(())
    }

    async fn find(
        &self,
        asker: &Asker,
        (tenant, target): (&ActiveTenant, &Target),
        question: Question,
        behalf: &Behalf<'_>,
    ) -> Result<Found, Refusal> {
        let turn = self.store.turn(question.clone());
        let _turn = turn.come().await;
        let Question { tenant: id, place, table } = &question;
        let old = match self.store.look(id, place, table, asker.clock.instant()) {
            Seen::Fresh(keys) => return Ok(Found::Known(keys)),
            Seen::Failed(unknown) => return Ok(Found::Unknown(unknown)),
            Seen::Old(keys) => Some(keys),
            Seen::Nothing => None,
        };
        if self.store.is_at_its_end(id, asker.clock.instant()) {
            return Ok(Found::Unknown(Unknown::for_now("the tenant has named too many tables lately whose keys could not be learnt")));
        }
        let request = describe(tenant, target, table, behalf).await?;
        let answer = async {
            match asker.courier.carry(request).await {
                Ok(answer) => Ok(told(answer, table).await),
                Err(refusal) => unknown(refusal).map(Err),
            }
        };
        let answer = match tokio::time::timeout(ANSWER, answer).await {
            Ok(answer) => answer?,
            Err(_) => Err(Unknown::for_now("DescribeTable: no answer in time")),
        };
        let now = asker.clock.instant();
        match (answer, old) {
            (Ok(keys), _) => {
                let keys = Arc::new(keys);
                self.store.learnt(place, table, &keys, now);
                Ok(Found::Known(keys))
            }
            (Err(unknown), Some(old)) if unknown.for_now => {
                tracing::warn!(tenant = %id, table, why = %unknown.why, "keys of a table that were learnt before have to do");
                self.store.stands_in(place, table, now);
                Ok(Found::Known(old))
            }
            (Err(unknown), _) => {
                tracing::warn!(tenant = %id, table, why = %unknown.why, "the keys of a table are not known");
                self.store.failed(&question, unknown.clone(), now);
                Ok(Found::Unknown(unknown))
            }
        }
    }
}

/// A request of the same tenant to the same place, for the description of `table`.
async fn describe(tenant: &ActiveTenant, target: &Target, table: &str, behalf: &Behalf<'_>) -> Result<GuardedRequest, Refusal> {
    let path_and_query = PathAndQuery::from_static("/");
    let target = Target { path_and_query, ..target.clone() };
    let wire = WireTarget::new(&target.path_and_query, Canon::of(&target.signing_name))?;
    let headers: HeaderMap = [
        (operation::TARGET_HEADER, HeaderValue::from_static("DynamoDB_20120810.DescribeTable")),
        (header::CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.0")),
    ]
    .into_iter()
    .collect();
    let text = serde_json::json!({"TableName": table}).to_string();
    let route = Route { signing_name: &target.signing_name, tls: target.dial.tls, hold: true };
    let room = Room { limit: MAX_QUESTION, buffers: behalf.buffers };
    let payload = Payload::prepare(route, &headers, body::full(text), room, None).await?;
    let signature = ClientSignature::uncheckable().settle(payload.hash())?;
    let method = Method::POST;
    let candidates = operation::candidates(behalf.operations, &target, &method, &headers, payload.bytes().map(|bytes| &bytes[..]))?;
    let named = operation::check(behalf.operations, candidates)?;
    let (permit, timeouts) = (behalf.permit.beside(), behalf.timeouts);
    let parts = Box::new(GuardedParts { permit, method, headers, target, wire, payload, timeouts, named });
    Ok(GuardedRequest::new(tenant.clone(), parts, signature))
}

/// What an answer says.
async fn told(answer: Response<Body>, table: &str) -> Result<TableKeys, Unknown> {
    let (head, body) = answer.into_parts();
    let document: Bytes =
        body::collect(body, MAX_ANSWER).await.map_err(|_| Unknown::for_now("DescribeTable: the answer broke off, or is too large"))?;
    let name = table.rsplit('/').next().unwrap_or(table);
    if head.status == StatusCode::OK {
        return read(&document, name).ok_or(Unknown::settled("DescribeTable: the answer is not understood"));
    }
    let code = error_code(&document).unwrap_or_default();
    Err(match code.as_str() {
        "ResourceNotFoundException" | "TableNotFoundException" => Unknown::settled("DescribeTable: there is no such table"),
        "AccessDeniedException" => Unknown::settled(DENIED),
        "ValidationException" => Unknown::settled("DescribeTable: it was not understood"),
        // Throttling among it, whatever its status.
        _ => Unknown::for_now("DescribeTable: it was answered with an error"),
    })
}

/// Why there is no answer.
///
/// # Errors
/// As the request itself would be refused.
fn unknown(refusal: Refusal) -> Result<Unknown, Refusal> {
    const OF_AWS: [Reason; 6] = [
        Reason::AwsCredentialsRejected,
        Reason::AwsRedirect,
        Reason::AwsResponseWithheld,
        Reason::Overloaded,
        Reason::UpstreamTimeout,
        Reason::UpstreamUnavailable,
    ];
    match refusal.reason {
        Reason::AwsDenied => Ok(Unknown::settled(DENIED)),
        reason if OF_AWS.contains(&reason) => Ok(Unknown::for_now(format!("DescribeTable: {}", reason.as_str()))),
        _ => Err(refusal),
    }
}

const DENIED: &str = "DescribeTable is denied: give dynamodb:DescribeTable to the tenant's role, or say key and indexes in the rule";

impl Unknown {
    pub(super) fn settled(why: impl Into<Cow<'static, str>>) -> Self {
        Self { why: why.into(), for_now: false }
    }

    fn for_now(why: impl Into<Cow<'static, str>>) -> Self {
        Self { why: why.into(), for_now: true }
    }
}
