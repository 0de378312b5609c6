//! The stages, in the order in which a request goes through them, and what is said of each.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::supposed::Supposed;
use crate::{
    aws::target::{Style, Target},
    config::{Config, template::Values},
    credentials::{Authority, StsInputs, foresee},
    guard::Settled,
    limits,
    reject::Refusal,
};

/// How a stage ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The request goes on.
    Passes,
    /// It goes on, and the log says that it would have been denied.
    Watched,
    /// It ends here.
    Refused,
    /// It depends on what was not given.
    Unknown,
}

/// One stage.
#[derive(Debug)]
pub(super) struct Stage {
    name: &'static str,
    outcome: Outcome,
    /// For people.
    lines: Vec<String>,
    /// For machines.
    facts: Value,
    reason: Option<&'static str>,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Explained(Vec<Stage>);

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Passes => "passes",
            Self::Watched => "would_deny",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        }
    }
}

impl Stage {
    pub(super) fn new(name: &'static str, outcome: Outcome, lines: Vec<String>, facts: Value) -> Self {
        Self { name, outcome, lines, facts, reason: None }
    }

    /// One that a request meets a refusal in.
    pub(super) fn refused(name: &'static str, refusal: &Refusal) -> Self {
        let reason = refusal.reason.as_str();
        let line = refusal.note.as_ref().map_or_else(|| reason.to_owned(), |note| format!("{reason}: {note}"));
        let facts = json!({"reason": reason, "note": refusal.note});
        Self { reason: Some(reason), ..Self::new(name, Outcome::Refused, vec![line], facts) }
    }
}

impl Explained {
    /// Adds a stage, where there is one. Whether there is.
    pub(super) fn add(&mut self, stage: impl Into<Option<Stage>>) -> bool {
        let stage = stage.into();
        let goes_on = stage.as_ref().is_some_and(|stage| stage.reason != Some("tenant-unknown"));
        self.0.extend(stage);
        goes_on
    }

    /// The reason of the first refusal that the request would meet.
    pub(super) fn refusal(&self) -> Option<&'static str> {
        self.0.iter().find(|stage| stage.outcome == Outcome::Refused).map(|stage| stage.reason.unwrap_or("guard-denied"))
    }

    fn result(&self) -> String {
        if let Some(reason) = self.refusal() {
            return format!("refused, {reason}");
        }
        let has = |outcome| self.0.iter().any(|stage| stage.outcome == outcome);
        match (has(Outcome::Watched), has(Outcome::Unknown)) {
            (true, _) => "allowed, and logged as one that would be denied".to_owned(),
            (false, true) => "allowed, as far as it is known".to_owned(),
            (false, false) => "allowed".to_owned(),
        }
    }

    /// A block for each stage, and a last one with the result.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for stage in &self.0 {
            // Writing to a String does not fail.
            let _ = writeln!(text, "{}: {}", stage.name, stage.outcome.as_str());
            for line in stage.lines.iter().flat_map(|line| line.lines()) {
                let _ = writeln!(text, "  {line}");
            }
            text.push('\n');
        }
        let _ = writeln!(text, "result: {}", self.result());
        text
    }

    /// `{"allowed", "reason", "result", "stages": [{"stage", "outcome", ...}]}`
    pub(super) fn json(&self) -> Value {
        let stage = |stage: &Stage| {
            let mut all = Map::from_iter([("stage".to_owned(), json!(stage.name)), ("outcome".to_owned(), json!(stage.outcome.as_str()))]);
            all.extend(stage.facts.as_object().cloned().unwrap_or_default());
            Value::Object(all)
        };
        let (refusal, stages) = (self.refusal(), self.0.iter().map(stage).collect::<Vec<_>>());
        json!({"allowed": refusal.is_none(), "reason": refusal, "result": self.result(), "stages": stages})
    }
}

pub(super) fn tenant(supposed: &Supposed, roles: &[String], has_policies: bool) -> Stage {
    if let Err(refusal) = supposed.may_act() {
        return Stage::refused("tenant", &refusal);
    }
    let outcome = if supposed.is_given { Outcome::Unknown } else { Outcome::Passes };
    let mut lines = vec![format!("{}: {}", supposed.tenant, supposed.source)];
    if supposed.is_given {
        lines.push("whether there is such a tenant, and what its record says besides --value tenant...., is not known".to_owned());
    }
    lines.push("no token is looked at, nor what is revoked or what a passport or context restricts".to_owned());
    if !roles.is_empty() && !has_policies {
        lines.push("roles: nothing on the egress asks for them".to_owned());
    }
    let facts = json!({"tenant": supposed.tenant.as_str(), "directory": supposed.source, "record_known": !supposed.is_given});
    Stage::new("tenant", outcome, lines, facts)
}

pub(super) fn limits(config: &Config, supposed: &Supposed) -> Option<Stage> {
    let limits = limits::of_record(&config.limits, supposed.record.as_ref()?);
    let per_second = limits.requests_per_second.map(|rate| format!("{rate} requests per second"));
    let burst = limits.burst.map(|burst| format!("burst of {burst}"));
    let concurrent = limits.concurrent.map(|most| format!("{most} at once"));
    let said: Vec<String> = [per_second, burst, concurrent].into_iter().flatten().collect();
    let line = if said.is_empty() { "none".to_owned() } else { said.join(", ") };
    let facts = json!({"requests_per_second": limits.requests_per_second, "burst": limits.burst, "concurrent": limits.concurrent});
    Some(Stage::new("limits", Outcome::Passes, vec![line], facts))
}

pub(super) fn target(target: &Target) -> Stage {
    let place = match &target.style {
        Style::Bucket(bucket) => format!(", bucket {bucket} in the host"),
        Style::Plain => String::new(),
    };
    let line = format!("egress.services.{} in {}, signed for {}{place}", target.service, target.region, target.signing_name);
    let facts = json!({"service": target.service, "region": target.region, "signing_name": target.signing_name});
    Stage::new("target", Outcome::Passes, vec![line], facts)
}

pub(super) fn operation(settled: &Settled, note: Option<&str>) -> Stage {
    let name = settled.operation.clone().unwrap_or_else(|| "without a name".to_owned());
    let mut lines = vec![format!("{name}, which hands out no credentials"), format!("needs {}", settled.actions.join(", "))];
    lines.extend(note.map(str::to_owned));
    let facts = json!({"operation": settled.operation, "readings": settled.readings, "needed_actions": settled.actions});
    Stage::new("operation", Outcome::Passes, lines, facts)
}

/// The session that would be asked for. STS is not.
pub(super) fn session(config: &Config, service: &str, supposed: &Supposed) -> Stage {
    let plan = config.credentials.as_ref().and_then(|credentials| Some((credentials.plans.of(service)?, &credentials.sts)));
    let Some((plan, sts)) = plan else {
        return Stage::new("session", Outcome::Unknown, vec!["the configuration has no plan for the service".to_owned()], json!({}));
    };
    match foresee(plan, &sts.region, &supposed.tenant, supposed) {
        Ok(inputs) => {
            let (lines, facts) = planned(&plan.key, &inputs);
            Stage::new("session", Outcome::Passes, lines, facts)
        }
        Err(why) => {
            let missing: Vec<String> = plan.names().filter(|name| supposed.value(name).is_none()).map(ToString::to_string).collect();
            let of_user = plan.uses_callers_token() || plan.names().any(|name| name.is_of_a_user() && supposed.value(name).is_none());
            if !of_user && !supposed.is_given {
                let refusal = Refusal::noted(crate::reject::Reason::PlanIncomplete, why);
                return Stage::refused("session", &refusal);
            }
            let cure = format!("give --subject or --value for what is missing: {}", missing.join(", "));
            let lines = if missing.is_empty() { vec![why.clone()] } else { vec![why.clone(), cure] };
            Stage::new("session", Outcome::Unknown, lines, json!({"plan": plan.key, "why": why, "missing": missing}))
        }
    }
}

fn planned(key: &str, inputs: &StsInputs) -> (Vec<String>, Value) {
    let (call, by_way_of): (_, Vec<&str>) = match &inputs.authority {
        Authority::Identity(hops) => ("AssumeRole", hops.iter().map(|hop| hop.role_arn.as_str()).collect()),
        Authority::TokenFile(_) | Authority::Caller(_) => ("AssumeRoleWithWebIdentity", Vec::new()),
    };
    let mut lines = vec![format!("{key}: {call} of {}", inputs.role_arn)];
    lines.extend(by_way_of.iter().map(|role| format!("by way of {role}")));
    lines.push(format!("session name {}, for {} s, from STS in {}", inputs.session_name, inputs.duration_seconds, inputs.region));
    lines.extend(inputs.source_identity.iter().map(|identity| format!("source identity {identity}")));
    lines.extend(inputs.tags.iter().map(|(name, value)| format!("tag {name} = {value}")));
    if inputs.external_id.is_some() {
        lines.push("with an external id, which is not shown".to_owned());
    }
    lines.extend(inputs.policy_arns.iter().map(|arn| format!("bounded by {arn}")));
    let policy: Option<Value> = inputs.policy.as_deref().and_then(|text| serde_json::from_str(text).ok());
    lines.extend(policy.as_ref().map(|policy| format!("session policy {policy:#}")));
    let tags: Map<String, Value> = inputs.tags.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    let facts = json!({
        "plan": key, "call": call, "role_arn": inputs.role_arn, "by_way_of": by_way_of, "session_name": inputs.session_name, "session_tags": tags,
        "source_identity": inputs.source_identity, "has_external_id": inputs.external_id.is_some(), "policy_arns": inputs.policy_arns,
        "session_policy": policy, "duration_seconds": inputs.duration_seconds,
    });
    (lines, facts)
}

pub(super) fn upstream(target: &Target) -> Stage {
    let url = format!("{}://{}", if target.dial.tls { "https" } else { "http" }, target.dial.authority);
    let mut lines = vec![format!("{url}{}", target.path_and_query), format!("Host: {}", target.host)];
    if target.signed_host != target.host {
        lines.push(format!("signed for {}", target.signed_host));
    }
    let facts = json!({"endpoint": url, "path": target.path_and_query.as_str(), "host": target.host.as_str(), "configured": target.dial_is_configured});
    Stage::new("upstream", Outcome::Passes, lines, facts)
}
