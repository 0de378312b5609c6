//! What tests see of the double, and how they disturb it.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::wire::Wire;

/// How many calls are remembered; older ones are forgotten first.
const MAX_CALLS: usize = 10_000;

/// One AssumeRole, as received. Only requests with a valid signature are recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssumeRoleCall {
    /// ARN of the caller.
    pub caller: String,
    /// ARN of the role asked for.
    pub role_arn: String,
    /// `RoleSessionName`.
    pub session_name: String,
    /// Session tags, in the order received.
    pub tags: Vec<(String, String)>,
    /// `TransitiveTagKeys`, in the order received.
    pub transitive_tag_keys: Vec<String>,
    /// `SourceIdentity`.
    pub source_identity: Option<String>,
    /// `ExternalId`.
    pub external_id: Option<String>,
    /// The inline session policy, byte for byte.
    pub policy: Option<String>,
    /// `DurationSeconds`, or the default of an hour.
    pub duration_seconds: u64,
    /// The access key id issued, or the error code answered.
    pub outcome: Result<String, &'static str>,
}

/// A disturbance that a test asks for. It comes after the signature was checked and before anything is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The service's throttling error.
    Throttle,
    /// The service's "unavailable" error.
    Unavailable,
    /// The service's "expired token" error.
    ExpiredToken,
    /// No answer, ever: the request stays open until the caller goes.
    Hang,
}

/// Shared by all clones of a double.
#[derive(Debug, Default)]
pub(super) struct Observer {
    calls: Mutex<VecDeque<AssumeRoleCall>>,
    faults: Mutex<BTreeMap<Wire, Fault>>,
}

impl Observer {
    pub(super) fn record(&self, call: AssumeRoleCall) {
        let mut calls = lock(&self.calls);
        if calls.len() >= MAX_CALLS {
            calls.pop_front();
        }
        calls.push_back(call);
    }

    pub(super) fn calls(&self) -> Vec<AssumeRoleCall> {
        lock(&self.calls).iter().cloned().collect()
    }

    pub(super) fn set_fault(&self, wire: Wire, fault: Option<Fault>) {
        match fault {
            Some(fault) => lock(&self.faults).insert(wire, fault),
            None => lock(&self.faults).remove(&wire),
        };
    }

    pub(super) fn fault(&self, wire: Wire) -> Option<Fault> {
        lock(&self.faults).get(&wire).copied()
    }
}

/// Guards single map operations only, so a poisoned lock still guards a whole map.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
