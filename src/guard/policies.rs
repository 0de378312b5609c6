//! How the guard asks its Cedar policies.

use std::{sync::Arc, time::SystemTime};

use super::{
    Guard, GuardedParts,
    cedar::{Asked, Asking, Cedar, Policies, Who},
    rules::{Denial, Verdict},
    seen::{Judged, Seen},
};
use crate::{
    aws::action::Needed,
    clock::Clock,
    directory::ActiveTenant,
    telemetry::{Record, RequestId},
};

impl Guard {
    /// The same under `policies`. Where the configuration has some, nothing is permitted without them; where it has none, or they are off, they are not asked.
    pub(crate) fn under(self, policies: Arc<Policies>, clock: Clock) -> Self {
        Self { cedar: self.cedar.map(|cedar| cedar.serving(policies, clock)), ..self }
    }

    /// Who has to know what a request is about, whatever the rules make of it: the policies, where there are any.
    pub(super) fn watcher(&self) -> Option<Seen> {
        self.cedar.as_ref().map(|_| Seen::default())
    }

    /// What is left of a verdict under the policies. `seen` is what the rules said that the request is about.
    pub(super) fn under_policies(
        &self,
        verdict: Option<Verdict>,
        seen: Option<Seen>,
        parts: &GuardedParts,
        (tenant, passport): (&ActiveTenant, Option<&RequestId>),
        record: &Record,
    ) -> Option<Verdict> {
        let Some(cedar) = &self.cedar else { return verdict };
        let verdict = verdict.unwrap_or(Verdict::allowed());
        let who = Who::of(tenant, passport);
        Some(verdict.and(|| {
            let seen = seen.unwrap_or_default();
            let untold = seen.why_untold();
            let (judged, needed) = (seen.into_judged(), parts.needed());
            let asking = parts.asking(&judged, untold.as_deref(), &needed, &who);
            let denial = cedar.judge(&Asking { source: record.source(), ..asking });
            denial.map_or(Verdict::allowed(), Denial::verdict)
        }))
    }

    /// Everything that the policies would be asked about a request, and what comes of it; `None` where there are none that anybody asks. With it what the rules
    /// said that the request is about.
    pub(super) fn explain_policies(
        &self,
        parts: &GuardedParts,
        seen: Seen,
        (who, at): (Option<&Who<'_>>, Option<SystemTime>),
    ) -> (Option<Permitted>, Vec<Judged>) {
        let untold = seen.why_untold();
        let judged = seen.into_judged();
        let permitted = self.cedar.as_ref().zip(who).map(|(cedar, who)| {
            let needed = parts.needed();
            Permitted::new(cedar, &parts.asking(&judged, untold.as_deref(), &needed, who), at)
        });
        (permitted, judged)
    }
}

/// What the policies made of a request that nobody sends.
#[derive(Debug)]
pub(crate) struct Permitted {
    pub(crate) asked: Vec<Asked>,
    /// What they have against it.
    pub(crate) denial: Option<Denial>,
}

impl Permitted {
    fn new(cedar: &Cedar, asking: &Asking<'_>, at: Option<SystemTime>) -> Self {
        match cedar.explain(asking, at) {
            Err(why) => Self { asked: Vec::new(), denial: Some(cedar.denial(why)) },
            Ok(asked) => Self { asked, denial: cedar.judge_at(asking, at) },
        }
    }
}

impl GuardedParts {
    /// What is to be asked.
    pub(super) fn asking<'a>(
        &'a self,
        judged: &'a [Judged],
        untold: Option<&'a str>,
        needed: &'a Needed<'a>,
        who: &'a Who<'a>,
    ) -> Asking<'a> {
        Asking { judged, untold, needed, named: &self.named, target: &self.target, who, source: None }
    }
}
