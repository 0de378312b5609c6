//! Sessions as operators see them.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::digest::{SHA256, digest};
use serde::Serialize;

use super::{Inner, ScopedCredentials, SessionSlot};
use crate::{audit, credentials::Owner, reject::Reason};

/// A session of a tenant or a workload, for operators.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SessionView {
    /// Whose it is: `tenant` or `workload`.
    #[serde(flatten)]
    pub owner: Owner,
    /// The role assumed.
    pub role_arn: String,
    /// `RoleSessionName`, as CloudTrail shows it.
    pub session_name: String,
    /// Seconds since STS issued it.
    pub age_seconds: u64,
    /// Seconds since it was last handed out.
    pub unused_seconds: u64,
    /// When it ends, in seconds since the Unix epoch.
    pub expires: u64,
    /// Whether it is being renewed at the moment.
    pub renewing: bool,
    /// How often it has been renewed.
    pub renewals: u32,
    /// How many renewals have failed since the last that did not.
    pub failures: u32,
    /// The reason with which a request would have been refused when the last one failed.
    pub last_failure: Option<&'static str>,
    /// How much of the room for session policies and tags it takes, in percent, where STS said.
    pub packed_policy_percent: Option<i32>,
}

impl Inner {
    /// Shows the oldest session, and the one that ends first.
    pub(super) fn report(&self, slots: &[Arc<SessionSlot>], now: SystemTime) {
        let held: Vec<_> = slots.iter().filter_map(|slot| slot.held()).collect();
        let oldest = held.iter().map(|held| held.since).min();
        let age = oldest.and_then(|since| now.duration_since(since).ok()).unwrap_or_default();
        let first = held.iter().map(|held| held.expires).min();
        let ends = first.and_then(|expires| expires.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        self.metrics.session_oldest_age.set(age.as_secs_f64());
        self.metrics.session_first_expiry.set(ends.as_secs_f64());
    }

    pub(super) fn view(&self, slot: &SessionSlot, now: SystemTime) -> Option<SessionView> {
        let (held, inputs) = (slot.held()?, slot.key().inputs());
        let (failures, why) = slot.failures();
        Some(SessionView {
            owner: inputs.owner.clone(),
            role_arn: inputs.role_arn.clone(),
            session_name: inputs.session_name.clone(),
            age_seconds: now.duration_since(held.since).map_or(0, |age| age.as_secs()),
            unused_seconds: self.cache.unused(slot).as_secs(),
            expires: held.expires.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            renewing: slot.in_flight(),
            renewals: slot.stored().saturating_sub(1),
            failures,
            last_failure: why.map(Reason::as_str),
            packed_policy_percent: held.value.packed_policy_percent,
        })
    }
}

impl ScopedCredentials {
    /// The record of their being issued. Of tags, which have values of a tenant's or a user's, it has the names.
    pub(super) fn issued(&self, time: String, renewal: bool) -> audit::Session<'_, Owner> {
        let inputs = self.plan.inputs();
        audit::Session {
            time,
            event: "session",
            owner: &inputs.owner,
            plan: self.recorded(),
            duration_seconds: inputs.duration_seconds,
            tags: inputs.tags.iter().map(|(name, _)| name.as_str()).collect(),
            policy_sha256: inputs.policy.as_ref().map(|policy| audit::hex(digest(&SHA256, policy.as_bytes()).as_ref())),
            policy_arns: &inputs.policy_arns,
            renewal,
        }
    }
}
