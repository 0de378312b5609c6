//! What the guard says: each thing that the request is about, each rule's opinion of it, and the verdict.

use serde_json::{Map, Value, json};

use super::stages::{Outcome, Stage};
use crate::aws::resource::Kind;
use crate::guard::{Heard, Judged, Judgement, Said, Settled, Thing, Within};

pub(super) fn guard(settled: &Settled) -> Stage {
    let mut lines: Vec<String> = settled.judged.iter().flat_map(said).collect();
    let added = |added: &[(http::HeaderName, http::HeaderValue)]| -> Vec<(String, String)> {
        added.iter().map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())).collect()
    };
    let (outcome, denial, additions) = match &settled.judgement {
        Judgement::Unguarded => {
            lines.push(
                "nobody looks: there is no guard, it is off, or the service is unguarded; the tenant's role alone decides".to_owned(),
            );
            (Outcome::Passes, None, Vec::new())
        }
        Judgement::Allowed(headers) => (Outcome::Passes, None, added(headers)),
        Judgement::Watched(denial, headers) => (Outcome::Watched, Some(denial), added(headers)),
        Judgement::Denied(denial) => (Outcome::Refused, Some(denial), Vec::new()),
        Judgement::Unlearnt(tables) => {
            lines.push(format!("it depends on the keys of {}, which DynamoDB would be asked for", tables.join(", ")));
            (Outcome::Unknown, None, Vec::new())
        }
    };
    if let Some(denial) = denial {
        let mode = denial.mode().as_str();
        lines.push(format!("{denial} (mode {mode})"));
    }
    lines.extend(additions.iter().map(|(name, value)| format!("adds {name}: {value}")));
    let things: Vec<Value> = settled.judged.iter().map(facts).collect();
    let denial = denial.map(|denial| json!({"rule": &*denial.rule, "why": denial.why, "mode": denial.mode().as_str()}));
    let added: Map<String, Value> = additions.into_iter().map(|(name, value)| (name, value.into())).collect();
    let is_guarded = !matches!(settled.judgement, Judgement::Unguarded);
    Stage::new("guard", outcome, lines, json!({"guarded": is_guarded, "touches": things, "denial": denial, "added": added}))
}

/// A line for the thing, and one for each rule.
fn said(judged: &Judged) -> Vec<String> {
    let verdict = if judged.is_allowed { "allowed" } else { "not allowed" };
    let thing = judged.thing.as_ref().map_or_else(|| "nothing in particular".to_owned(), shown);
    let rules = judged.heard.iter().map(|heard| {
        let said = match &heard.said {
            Said::Allowed => "allows it".to_owned(),
            Said::Denied(why) => format!("denies it: {why}"),
            Said::Silent => "is about other things".to_owned(),
            Said::Untold(why) => format!("cannot tell whether it is about it: {why}"),
        };
        format!("  {} ({}) {said}", heard.rule, heard.mode.as_str())
    });
    let mut lines = vec![format!("{thing}: {verdict}")];
    lines.extend(rules);
    if judged.heard.iter().all(|heard| heard.said == Said::Silent) {
        lines.push("  no rule is about it".to_owned());
    }
    lines
}

fn shown(thing: &Thing) -> String {
    let name = if thing.names.is_empty() { "without a name".to_owned() } else { thing.names.join(" or ") };
    let within = match &thing.within {
        Within::Itself => String::new(),
        Within::Below => ", all whose names begin so".to_owned(),
        Within::All => ", all that is in it".to_owned(),
        Within::Settings => ", its settings".to_owned(),
        Within::Key(key) => format!(", key {key:?}"),
        Within::Listing(None) => ", a listing of everything".to_owned(),
        Within::Listing(Some(prefix)) => format!(", a listing of what begins with {prefix:?}"),
        Within::Items { index, attributes, .. } => {
            let pairs = attributes.iter().map(|(name, value)| format!("{} = {:?}", name.escape_debug(), String::from_utf8_lossy(value)));
            let by = index.as_ref().map(|index| format!(", by index {}", index.escape_debug())).unwrap_or_default();
            let pairs = pairs.collect::<Vec<_>>().join(", ");
            if pairs.is_empty() { format!("{by}, items of no key that it fixes") } else { format!("{by}, items with {pairs}") }
        }
        Within::Context(pairs) if thing.noun == Kind::Function.noun() => {
            pairs.values().next().map(|tenant| format!(", invoked for {tenant:?}")).unwrap_or_default()
        }
        Within::Context(pairs) if thing.noun == Kind::Namespace.noun() => format!(", dimensions {pairs:?}"),
        Within::Context(pairs) => format!(", encryption context {pairs:?}"),
    };
    format!("{} {name}{within}, for {}", thing.noun, thing.actions.join(", "))
}

fn facts(judged: &Judged) -> Value {
    let rule = |heard: &Heard| {
        let (says, why) = match &heard.said {
            Said::Allowed => ("allowed", None),
            Said::Denied(why) => ("denied", Some(why)),
            Said::Silent => ("silent", None),
            Said::Untold(why) => ("untold", Some(why)),
        };
        json!({"rule": &*heard.rule, "mode": heard.mode.as_str(), "says": says, "why": why})
    };
    let thing = judged.thing.as_ref();
    json!({
        "kind": thing.map(|thing| thing.noun),
        "names": thing.map(|thing| &thing.names),
        "what": thing.map(shown),
        "actions": thing.map(|thing| &thing.actions),
        "allowed": judged.is_allowed,
        "rules": judged.heard.iter().map(rule).collect::<Vec<_>>(),
    })
}
