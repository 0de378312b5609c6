//! What a tenant's requests may be about, as the configuration says it.
//!
//! A service has rules or is `unguarded`; one that has neither is refused. What a request is about is read out of it once, as a list of *touches*: an
//! object, a listing, an item. Each has to be allowed by a rule of the service. A rule that is not about a thing (another bucket, another table)
//! says nothing of it; a thing that no rule is about is refused in the guard's own mode; a thing that rules are about, none of which allows it, is
//! refused in the strictest mode of theirs. So adding a rule never takes away what another allows, and two rules for one bucket are two ways in.
//!
//! Denials name the rule and what is wrong with the request, for the log alone. They never have a key, an item or any other value out of the request in
//! them: those are the tenant's data.

use std::{borrow::Cow, collections::BTreeMap, fmt, sync::Arc};

use http::{HeaderName, HeaderValue, Method};

use super::{
    dynamodb::DynamoDbRule,
    named::NamedRules,
    s3::S3Rule,
    schemas::Tables,
    search::SearchRules,
    seen::{Seen, Thing},
};
use crate::{
    aws::{
        action::{Actions, Needed},
        operation::Named,
        resource::Asked,
    },
    config::{
        EgressConfig, GuardConfig, GuardMode, NamePattern, RuleTerms, ServiceRules, judged_as,
        template::{RenderError, Values},
    },
};

/// The rules of every service. Without a `guard` there are none, and everything passes.
#[derive(Debug)]
pub(super) struct Rules {
    /// By key of `egress.services`. One that is not here is unguarded.
    services: BTreeMap<String, ServiceJudge>,
}

/// The rules of one service.
#[derive(Debug, Clone)]
pub(super) struct ServiceJudge {
    mode: GuardMode,
    strictest: GuardMode,
    judge: Arc<Judge>,
}

#[derive(Debug)]
enum Judge {
    DynamoDb(Vec<DynamoDbRule>),
    Named(NamedRules),
    S3(Vec<S3Rule>),
    Search(SearchRules),
    /// Nobody has written any.
    None,
}

/// What a tenant's request is, for its rules.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    pub(super) asked: Asked<'a>,
    pub(super) method: &'a Method,
    pub(super) named: &'a Named,
    pub(super) needed: &'a Needed<'a>,
    pub(super) tenant: &'a dyn Values,
    /// What is known of the tables that it names.
    pub(super) tables: &'a Tables<'a>,
    /// Who wants to know what it was about, and what each rule said. Nobody, as long as it is allowed.
    pub(super) seen: Option<&'a Seen>,
}

/// Why a request is not allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Denial {
    /// The rule, or `guard.<service>` where none is about it.
    pub(crate) rule: Arc<str>,
    /// What is wrong with the request.
    pub(crate) why: Cow<'static, str>,
    /// Whether the same request may be allowed in a moment.
    pub(crate) for_now: bool,
    mode: GuardMode,
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.why)
    }
}

/// Headers that a rule puts into a request that it allows.
pub(super) type Additions = Vec<(HeaderName, HeaderValue)>;

/// What rules make of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// With these headers added to it.
    Allowed(Additions),
    /// It would be denied, were the rule enforced. What the rules add that allow the rest of it is added.
    Watched(Denial, Additions),
    Denied(Denial),
}

/// What a rule says of one thing that a request touches.
pub(super) enum Opinion {
    /// With these headers added to the request.
    Allowed(Additions),
    /// It is about this thing, and does not allow it.
    Denied(Cow<'static, str>),
    /// The same, for as long as something cannot be had that it takes to see whether it may.
    DeniedForNow(Cow<'static, str>),
    /// Whether it is about this thing cannot be told: its names have a placeholder without a value for this tenant.
    Untold(Cow<'static, str>),
    /// It is about other things.
    Silent,
}

/// What a rule has besides what it is about.
#[derive(Debug)]
pub(super) struct Terms {
    name: Arc<str>,
    mode: GuardMode,
    actions: Actions,
}

impl Rules {
    /// The rules of `config` for the services of `egress`. `kind` says by which rules a service is judged.
    pub(super) fn new(config: &GuardConfig, egress: &EgressConfig, kind: impl Fn(&str) -> String) -> Self {
        let judge = |kind: &str, rules: &ServiceRules| match rules {
            ServiceRules::DynamoDb(rules) => Judge::DynamoDb(rules.iter().map(DynamoDbRule::new).collect()),
            ServiceRules::Named(rules) => NamedRules::new(kind, rules).map_or(Judge::None, Judge::Named),
            ServiceRules::S3(rules) => Judge::S3(rules.iter().map(S3Rule::new).collect()),
            ServiceRules::Search(rules) => SearchRules::new(kind, rules).map_or(Judge::None, Judge::Search),
        };
        let judges: BTreeMap<&str, Arc<Judge>> =
            config.rules.iter().map(|(kind, rules)| (kind.as_str(), Arc::new(judge(kind, rules)))).collect();
        let nobody = Arc::new(Judge::None);
        let judged = |key: &str| {
            let kind = kind(key);
            let kind = judged_as(&kind);
            let strictest = config.rules.get(kind).map_or(config.mode, |rules| rules.strictest().max(config.mode));
            let judge = ServiceJudge { mode: config.mode, strictest, judge: judges.get(kind).unwrap_or(&nobody).clone() };
            // Where everything is off, nobody looks, unless policies are to know what requests are about.
            (strictest != GuardMode::Off || config.has_policies()).then_some(judge)
        };
        let guarded = egress.services.iter().filter(|(_, service)| !service.unguarded);
        Self { services: guarded.filter_map(|(key, _)| Some((key.clone(), judged(key)?))).collect() }
    }

    /// The rules of the service that is configured as `key`; `None` where nothing is to be looked at.
    pub(super) fn of(&self, key: &str) -> Option<&ServiceJudge> {
        self.services.get(key)
    }
}

impl ServiceJudge {
    /// Whether the body has to be in memory for what the request asks for to be known.
    pub(super) fn reads_body(&self, asked: &Asked<'_>, method: &Method) -> bool {
        match &*self.judge {
            Judge::S3(_) => super::s3::reads_body(asked, method),
            // Bodies of other services are in memory anyway.
            Judge::DynamoDb(_) | Judge::Named(_) | Judge::Search(_) | Judge::None => false,
        }
    }

    /// Whether the tenant may ask for this.
    ///
    /// # Errors
    /// The tables whose keys have to be known for that, and are not.
    pub(super) fn judge(&self, question: &Question<'_>) -> Result<Verdict, Vec<String>> {
        let unruled = |name| Unruled { name, mode: self.mode, strictest: self.strictest, seen: question.seen };
        let verdict = match &*self.judge {
            Judge::DynamoDb(rules) => super::dynamodb::judge(rules, question, unruled("guard.dynamodb")),
            Judge::Named(rules) => rules.judge(question, unruled(rules.place())),
            Judge::S3(rules) => super::s3::judge(rules, question, unruled("guard.s3")),
            Judge::Search(rules) => rules.judge(question, unruled(rules.place())),
            // That nobody has written any makes nothing of what it is about unclear.
            Judge::None => unruled("guard").denial("the service has no rules".into()).verdict(),
        };
        let wanted = question.tables.wanted();
        // What is not known passed for the tenant's: a request that is denied all the same is denied whatever it turns out to be.
        if wanted.is_empty() || matches!(verdict, Verdict::Denied(_)) { Ok(verdict) } else { Err(wanted) }
    }
}

/// What holds where no rule is about what a request touches.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unruled<'n> {
    name: &'n str,
    mode: GuardMode,
    /// The strictest of that and of all the service's rules: what is not understood could be about what any of them is about.
    strictest: GuardMode,
    seen: Option<&'n Seen>,
}

impl Unruled<'_> {
    /// What holds for a request that is not understood.
    pub(super) fn verdict(self, why: Cow<'static, str>) -> Verdict {
        if let Some(seen) = self.seen {
            seen.untold(&why);
        }
        self.denial(why).verdict()
    }

    /// In the strictest mode.
    fn denial(self, why: Cow<'static, str>) -> Denial {
        Denial { rule: self.name.into(), why, for_now: false, mode: self.strictest }
    }

    /// Says what the next [`Unruled::ask`] is about, to whoever wants to know.
    pub(super) fn about(self, thing: impl FnOnce() -> Thing) -> Self {
        if let Some(seen) = self.seen {
            seen.next(thing());
        }
        self
    }

    /// What all rules together make of one thing. `opinion` is that of a rule; `nobody` says what is wrong where none has one.
    pub(super) fn ask<'r, R: 'r>(
        self,
        rules: impl IntoIterator<Item = &'r R>,
        terms: impl Fn(&R) -> &Terms,
        opinion: impl Fn(&R) -> Opinion,
        nobody: impl FnOnce() -> Cow<'static, str>,
    ) -> Verdict {
        let Some(seen) = self.seen else { return self.decide(rules, terms, opinion, nobody) };
        seen.begin();
        let heard = |rule: &R| {
            let said = opinion(rule);
            let Terms { name, mode, .. } = terms(rule);
            seen.hear(name, *mode, &said);
            said
        };
        let verdict = self.decide(rules, &terms, heard, nobody);
        seen.end(&verdict);
        verdict
    }

    fn decide<'r, R: 'r>(
        self,
        rules: impl IntoIterator<Item = &'r R>,
        terms: impl Fn(&R) -> &Terms,
        opinion: impl Fn(&R) -> Opinion,
        nobody: impl FnOnce() -> Cow<'static, str>,
    ) -> Verdict {
        let mut worst: Option<Denial> = None;
        for rule in rules {
            let Terms { name, mode, .. } = terms(rule);
            let (why, for_now, mode) = match opinion(rule) {
                Opinion::Allowed(_) if *mode == GuardMode::Off => return Verdict::allowed(),
                Opinion::Allowed(added) => return Verdict::Allowed(added),
                Opinion::Silent => continue,
                Opinion::Denied(why) => (why, false, *mode),
                Opinion::DeniedForNow(why) => (why, true, *mode),
                // A rule that is only tried out takes nothing away from what holds where none is about the thing.
                Opinion::Untold(why) => (why, false, (*mode).max(self.mode)),
            };
            if worst.as_ref().is_none_or(|worst| worst.mode < mode) {
                worst = Some(Denial { rule: name.clone(), why, for_now, mode });
            }
        }
        worst.unwrap_or_else(|| Denial { rule: self.name.into(), why: nobody(), for_now: false, mode: self.mode }).verdict()
    }
}

impl Denial {
    /// What becomes of the request.
    pub(crate) fn mode(&self) -> GuardMode {
        self.mode
    }

    /// What policies have against it.
    #[cfg(feature = "cedar")]
    pub(super) fn of_policies(rule: &Arc<str>, why: String, mode: GuardMode) -> Self {
        Self { rule: rule.clone(), why: why.into(), for_now: false, mode }
    }

    /// What that makes of a request.
    pub(super) fn verdict(self) -> Verdict {
        match self.mode() {
            GuardMode::Enforce => Verdict::Denied(self),
            GuardMode::Audit => Verdict::Watched(self, Vec::new()),
            GuardMode::Off => Verdict::allowed(),
        }
    }
}

impl Verdict {
    /// As it is.
    pub(super) const fn allowed() -> Self {
        Self::Allowed(Vec::new())
    }

    /// Whether nothing is said against it.
    #[cfg(feature = "bench")]
    pub(super) const fn is_allowed(&self) -> bool {
        matches!(self, Self::Allowed(_))
    }

    /// Of two things that a request touches, the worse holds; what is added for either is added.
    pub(super) fn and(self, other: impl FnOnce() -> Self) -> Self {
        let (watched, mut added) = match self {
            Self::Denied(_) => return self,
            Self::Allowed(added) => (None, added),
            Self::Watched(denial, added) => (Some(denial), added),
        };
        let (more_watched, more) = match other() {
            Self::Denied(worse) => return Self::Denied(worse),
            Self::Allowed(more) => (None, more),
            Self::Watched(denial, more) => (Some(denial), more),
        };
        added.extend(more);
        match watched.or(more_watched) {
            Some(denial) => Self::Watched(denial, added),
            None => Self::Allowed(added),
        }
    }
}

/// Whether a rule with these patterns is about a thing, where `fits` says so of each.
///
/// # Errors
/// None fits: then this is the rule's opinion. Of one it may be that it cannot be told, since a placeholder has no value for this tenant.
pub(super) fn any_fits<'p>(
    patterns: &'p [NamePattern],
    fits: impl Fn(&'p NamePattern) -> Result<bool, RenderError>,
) -> Result<(), Opinion> {
    let mut missing = None;
    for pattern in patterns {
        match fits(pattern) {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(error) => missing = Some(error),
        }
    }
    Err(missing.map_or(Opinion::Silent, |missing| Opinion::Untold(missing.to_string().into())))
}

impl Terms {
    /// `usual` is what may be done where the configuration does not say.
    pub(super) fn new(config: &RuleTerms, usual: &Actions) -> Self {
        Self { name: config.name.clone(), mode: config.mode, actions: config.actions.clone().unwrap_or_else(|| usual.clone()) }
    }

    /// Whether what is needed may be done with what the rule is about.
    pub(super) fn allow(&self, needed: &Needed<'_>) -> Opinion {
        match self.actions.missing(needed) {
            None => Opinion::Allowed(Vec::new()),
            Some(missing) => Opinion::Denied(format!("its actions do not have {missing}").into()),
        }
    }
}
