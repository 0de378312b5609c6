//! A guard without policies: of a build without Cedar, which refuses a configuration that has some.

use super::{Guard, GuardedParts, rules::Verdict, seen::Seen};
use crate::{
    directory::ActiveTenant,
    telemetry::{Record, RequestId},
};

impl Guard {
    /// Who has to know what a request is about, whatever the rules make of it: nobody.
    pub(super) fn watcher(&self) -> Option<Seen> {
        None
    }

    /// What is left of a verdict under the policies: all of it.
    pub(super) fn under_policies(
        &self,
        verdict: Option<Verdict>,
        _: Option<Seen>,
        _: &GuardedParts,
        _: (&ActiveTenant, Option<&RequestId>),
        _: &Record,
    ) -> Option<Verdict> {
        verdict
    }
}
