//! What Cedar policies say: each thing that the request does, the policies that decided about it, and the verdict.

use serde_json::{Value, json};

use super::{
    stages::{Outcome, Stage},
    supposed::Supposed,
};
use crate::{
    config::GuardMode,
    guard::{Permitted, cedar::Asked},
};

pub(super) fn cedar(permitted: &Permitted, supposed: &Supposed) -> Stage {
    let mut lines: Vec<String> = permitted.asked.iter().flat_map(said).collect();
    let denial = permitted.denial.as_ref();
    let outcome = match denial.map(crate::guard::Denial::mode) {
        None | Some(GuardMode::Off) => Outcome::Passes,
        Some(GuardMode::Audit) => Outcome::Watched,
        Some(GuardMode::Enforce) => Outcome::Refused,
    };
    lines.extend(denial.map(|denial| format!("{denial} (mode {})", denial.mode().as_str())));
    lines.push("asked as of a token, and from no address; a passport, a deferred context or a certificate is another proof".to_owned());
    if !supposed.has_subject() {
        lines.push("without --subject it is a user whom no policy names".to_owned());
    }
    let denial = denial.map(|denial| json!({"rule": &*denial.rule, "why": denial.why, "mode": denial.mode().as_str()}));
    let asked: Vec<Value> = permitted.asked.iter().map(facts).collect();
    Stage::new("cedar", outcome, lines, json!({"asked": asked, "denial": denial}))
}

fn said(asked: &Asked) -> Vec<String> {
    let Asked { action, resource, is_permitted, policies, errors } = asked;
    let verdict = match (is_permitted, policies.is_empty()) {
        (true, _) => format!("permitted by {}", policies.join(", ")),
        (false, true) => "no policy permits it".to_owned(),
        (false, false) if errors.is_empty() => format!("forbidden by {}", policies.join(", ")),
        (false, false) => format!("{} decided, and others could not be evaluated", policies.join(", ")),
    };
    let mut lines = vec![format!("{action} of {resource}: {verdict}")];
    lines.extend(errors.iter().map(|error| format!("  {error}")));
    lines
}

fn facts(asked: &Asked) -> Value {
    let Asked { action, resource, is_permitted, policies, errors } = asked;
    json!({"action": action, "resource": resource, "permitted": is_permitted, "policies": policies, "errors": errors})
}
