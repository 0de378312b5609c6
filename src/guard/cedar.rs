//! Cedar policies, on top of the rules.
//!
//! They are asked after the rules have let a request through, and can only take away. A request is asked about as often as it does something with something: each
//! thing that it touches, in each way in which the service could read its name, for each action that it needs there. All of it has to be permitted. What
//! is not permitted is denied, `forbid` wins, and so does a policy that cannot be evaluated.
//!
//! What a request touches is what the rules' own readers said of it while they judged ([`seen`](super::seen)): nothing is read a second time. The attack, and what is done about it:
//! * **a thing that no policy sees**: a request of which a part cannot be told is denied, whatever the policies say; so is one that needs an action which no policy could name;
//! * **somebody else's name**: who asks is the proof's tenant and user and the directory's record, and nothing that a request says ([`who`]);
//! * **a half-written policy**: policies are held against the [published schema](schema) when they are read, and what cannot be used leaves the old in use ([`policies`]);
//! * **data in the log**: a denial names policies, actions and kinds of things, never a key or a value.
//!
//! Until policies are served, nothing is permitted.

mod ask;
mod entities;
mod explain;
mod first;
mod merged;
mod policies;
mod published;
mod reach;
mod schema;
mod slices;
mod surroundings;
#[cfg(test)]
mod tests;
mod who;

use std::{net::IpAddr, sync::Arc, time::SystemTime};

pub use self::policies::Policies;
pub(crate) use self::{
    explain::Asked,
    schema::text as schema,
    who::{Proof, Who},
};
use super::{Denial, seen::Judged};
use crate::{
    aws::{action::Needed, operation::Named, target::Target},
    clock::Clock,
    config::{CedarConfig, GuardMode},
};

/// Where the policies stand in the configuration, for logs.
const PLACE: &str = "guard.cedar";

/// The policies of a guard.
#[derive(Debug)]
pub(super) struct Cedar {
    mode: GuardMode,
    place: Arc<str>,
    /// `None`: not served yet, so that nothing is permitted.
    policies: Option<Arc<Policies>>,
    clock: Clock,
}

/// A request that the rules have let through.
#[derive(Clone, Copy)]
pub(super) struct Asking<'a> {
    /// What it is about.
    pub(super) judged: &'a [Judged],
    /// Why that cannot be told.
    pub(super) untold: Option<&'a str>,
    pub(super) needed: &'a Needed<'a>,
    pub(super) named: &'a Named,
    pub(super) target: &'a Target,
    pub(super) who: &'a Who<'a>,
    /// The address that its connection comes from.
    pub(super) source: Option<IpAddr>,
}

/// The types of things that policies can be asked about.
#[cfg(test)]
pub(super) fn kinds() -> impl Iterator<Item = &'static str> {
    entities::KINDS.iter().map(|kind| kind.entity)
}

impl Cedar {
    /// Nobody asks policies that are off.
    pub(super) fn new(config: &CedarConfig) -> Option<Self> {
        let asked = config.mode != GuardMode::Off;
        asked.then(|| Self { mode: config.mode, place: PLACE.into(), policies: None, clock: Clock::system() })
    }

    /// The same with policies.
    pub(super) fn serving(self, policies: Arc<Policies>, clock: Clock) -> Self {
        Self { policies: Some(policies), clock, ..self }
    }

    /// What the policies have against a request.
    pub(super) fn judge(&self, asking: &Asking<'_>) -> Option<Denial> {
        self.judge_at(asking, None)
    }

    /// The same at another moment than now.
    pub(super) fn judge_at(&self, asking: &Asking<'_>, at: Option<SystemTime>) -> Option<Denial> {
        let why = self.find_against(asking, at.unwrap_or_else(|| self.clock.now()))?;
        Some(self.denial(why))
    }

    fn find_against(&self, asking: &Asking<'_>, at: SystemTime) -> Option<String> {
        let Some(policies) = &self.policies else { return Some("there are no policies".to_owned()) };
        ask::against(&policies.current(), asking, at).unwrap_or_else(Some)
    }

    /// Everything that the policies are asked about a request at a moment, or why they are not asked.
    pub(super) fn explain(&self, asking: &Asking<'_>, at: Option<SystemTime>) -> Result<Vec<Asked>, String> {
        let policies = self.policies.as_ref().ok_or("there are no policies")?;
        let mut all = Vec::new();
        ask::each(&policies.current(), asking, at.unwrap_or_else(|| self.clock.now()), |asked| all.push(asked.shown()))?;
        Ok(all)
    }

    pub(super) fn denial(&self, why: String) -> Denial {
        Denial::of_policies(&self.place, why, self.mode)
    }
}
