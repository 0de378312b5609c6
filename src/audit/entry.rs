//! What is recorded: one type an event.
//!
//! There is no field for a header, a path, a query, a body, a token, a passport, a secret key or a session token, and none is to be added.

use std::{net::IpAddr, sync::Arc};

use serde::Serialize;

use super::line::After;
use crate::guard::Touched;

/// `allowed`, `refused` and their like: what was decided about one request.
#[derive(Debug, Serialize)]
pub(crate) struct Decision<'a> {
    pub(crate) time: String,
    pub(crate) event: Event,
    pub(crate) listener: &'static str,
    pub(crate) request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) for_request: Option<&'a str>,
    pub(crate) peer: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_address: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client: Option<String>,
    pub(crate) method: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tenant: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) workload: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) subject: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) issuer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) context_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) purpose: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) service: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) region: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) operation: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) upstream: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) plan: Option<Plan<'a>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(crate) rules: &'a [Arc<str>],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(crate) resources: &'a [Touched],
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) resources_left_out: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) would_deny: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<&'a str>,
}

/// What a [`Decision`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Event {
    /// A tenant's or a workload's request is about to be sent on.
    Allowed,
    /// A request of nobody's is.
    Public,
    /// It is not carried out, or its answer is not passed on.
    Refused,
    /// Placeholder keys are about to be handed out.
    KeysVended,
    /// A URL that works without Palisade is.
    Presigned,
    /// A context of deferred work is.
    ContextSealed,
}

/// With whose authority a request is sent.
#[derive(Debug, Serialize)]
pub(crate) struct Plan<'a> {
    pub(crate) role_arn: &'a str,
    pub(crate) session_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) source_identity: Option<&'a str>,
    /// As in CloudTrail. It is no secret.
    pub(crate) access_key_id: &'a str,
    pub(crate) expires: String,
    /// Where it stands in the configuration.
    pub(crate) setting: &'a str,
}

/// STS issued a session.
#[derive(Debug, Serialize)]
pub(crate) struct Session<'a, O> {
    pub(crate) time: String,
    pub(crate) event: &'static str,
    /// `tenant` or `workload`
    #[serde(flatten)]
    pub(crate) owner: &'a O,
    pub(crate) plan: Plan<'a>,
    pub(crate) duration_seconds: i32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tags: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) policy_sha256: Option<String>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(crate) policy_arns: &'a [String],
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) renewal: bool,
}

/// A file of the configuration was read again.
#[derive(Debug, Serialize)]
pub(crate) struct Reloaded<'a> {
    pub(crate) time: String,
    pub(crate) event: &'static str,
    pub(crate) what: &'a str,
    /// `ok` or `error`: then what was there before stays in use.
    pub(crate) result: &'static str,
    /// Of the configuration itself, where it is another one: what of it has changed, by name.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(crate) settings: &'a [String],
    /// Of the configuration that is in force from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) config_sha256: Option<&'a str>,
}

/// Somebody with the admin token did something, or was not let.
#[derive(Debug, Serialize)]
pub(crate) struct Operator<'a> {
    pub(crate) time: String,
    pub(crate) event: &'static str,
    pub(crate) listener: &'static str,
    pub(crate) peer: String,
    pub(crate) action: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tenant: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<&'static str>,
}

/// A chain begins.
#[derive(Debug, Serialize)]
pub(super) struct Started<'a> {
    pub(super) time: String,
    pub(super) event: &'static str,
    pub(super) version: &'static str,
    pub(super) key: &'a str,
    pub(super) public_key: String,
    pub(super) config_sha256: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) after: Option<After>,
}

/// Something that needs no more words: `draining`, `stopped`.
#[derive(Debug, Serialize)]
pub(super) struct Bare {
    pub(super) time: String,
    pub(super) event: &'static str,
}

/// Records that could not be taken.
#[derive(Debug, Serialize)]
pub(super) struct Lost {
    pub(super) time: String,
    pub(super) event: &'static str,
    pub(super) count: u64,
}

// serde hands it a reference.
fn is_zero(number: &usize) -> bool {
    *number == 0
}
