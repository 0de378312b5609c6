//! What policies read, so that nothing else has to be made of a request.
//!
//! An attribute is read by its name alone (`.` and `has`), so that one whose name is in no policy decides nothing; a tag may be read by a name that is computed, so that either all are made
//! or none. What a thing is in (a role, a bucket, a group of actions) decides where a policy names it, and there is no other way to it than `principal.tenant`. Tests ask every question twice, with everything and with this, and want the same answer.

use std::collections::{BTreeSet, HashSet};

use cedar_policy::{EntityUid, Policy};
use serde_json::Value;

use super::published::Names;

/// What a set of policies reads.
#[derive(Debug, Default)]
pub(super) struct Reach {
    /// Names of attributes, of whatever type; `None`: all.
    attributes: Option<BTreeSet<String>>,
    tags: bool,
    /// What is named; `None`: everything.
    named: Option<HashSet<EntityUid>>,
    /// Actions that are in a group which is named; `None`: all.
    grouped: Option<HashSet<EntityUid>>,
}

impl Reach {
    /// Everything.
    pub(super) const EVERYTHING: Self = Self { attributes: None, tags: true, named: None, grouped: None };

    pub(super) fn of<'p>(policies: impl Iterator<Item = &'p Policy>, names: &Names) -> Self {
        let mut named = HashSet::new();
        let mut reach = Self { attributes: Some(BTreeSet::new()), ..Self::default() };
        for policy in policies {
            named.extend(policy.entity_literals());
            match policy.to_json() {
                Ok(policy) => reach.add(&policy),
                Err(_) => return Self::EVERYTHING,
            }
        }
        let is_grouped = |action: &EntityUid| named.iter().any(|group| group != action && names.is_in(action, group));
        reach.grouped = Some(names.actions().map(|(_, uid)| uid).filter(is_grouped).collect());
        reach.named = Some(named);
        reach
    }

    /// Whether an attribute that is called so is read.
    pub(super) fn reads(&self, attribute: &str) -> bool {
        self.attributes.as_ref().is_none_or(|attributes| attributes.contains(attribute))
    }

    pub(super) fn reads_tags(&self) -> bool {
        self.tags
    }

    /// Whether anything depends on what is in this.
    pub(super) fn names(&self, uid: &EntityUid) -> bool {
        self.named.as_ref().is_none_or(|named| named.contains(uid))
    }

    /// Whether anything depends on the groups that an action is in.
    pub(super) fn groups(&self, action: &EntityUid) -> bool {
        self.grouped.as_ref().is_none_or(|grouped| grouped.contains(action))
    }

    /// Of the pairs, those that are read.
    pub(super) fn only<'n, V>(&self, pairs: impl IntoIterator<Item = (&'n str, V)>) -> impl Iterator<Item = (&'n str, V)> {
        pairs.into_iter().filter(|(name, _)| self.reads(name))
    }

    /// Looks through a policy in Cedar's JSON.
    fn add(&mut self, node: &Value) {
        match node {
            Value::Array(items) => items.iter().for_each(|item| self.add(item)),
            Value::Object(members) => members.iter().for_each(|(name, value)| self.add_member(name, value)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn add_member(&mut self, name: &str, value: &Value) {
        match (name, value) {
            // A record's own names are no nodes, whatever they are.
            ("Record", Value::Object(members)) => members.values().for_each(|value| self.add(value)),
            // Literals are nobody's attributes.
            ("Value", _) => {}
            // As a whole, and not for an attribute of it.
            ("Var", Value::String(variable)) if variable == "context" => self.attributes = None,
            ("." | "has", Value::Object(parts)) => {
                self.attributes = match (self.attributes.take(), parts.get("attr").and_then(named)) {
                    (Some(attributes), Some(named)) => Some(&attributes | &named),
                    _ => None,
                };
                if let Some(left) = parts.get("left").filter(|left| left.get("Var").is_none()) {
                    self.add(left);
                }
            }
            ("getTag" | "hasTag", parts) => {
                self.tags = true;
                self.add(parts);
            }
            (_, value) => self.add(value),
        }
    }
}

/// One name, or the steps of a way.
fn named(attribute: &Value) -> Option<BTreeSet<String>> {
    match attribute {
        Value::String(name) => Some(BTreeSet::from([name.clone()])),
        Value::Array(steps) => steps.iter().map(|step| step.as_str().map(str::to_owned)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::cedar::published::Published;

    fn of(condition: &str) -> (Option<Vec<String>>, bool) {
        let policy = Policy::parse(None, format!("permit(principal, action, resource) when {{ {condition} }};")).unwrap();
        let reach = Reach::of([&policy].into_iter(), &Published::get().unwrap().names);
        (reach.attributes.map(|attributes| attributes.into_iter().collect()), reach.tags)
    }

    #[test]
    fn attributes_that_are_read_are_found_wherever_they_are() {
        let some = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        for (condition, attributes, tags) in [
            ("true", some(&[]), false),
            ("context.hour > 3 && principal.tenant.tier == \"gold\"", some(&["hour", "tenant", "tier"]), false),
            ("context[\"h\\u{6f}ur\"] > 3", some(&["hour"]), false),
            ("context has passport.request && !(resource has key)", some(&["key", "passport", "request"]), false),
            (
                "if [context.now].contains(datetime(\"2026-01-01\")) then resource.key like \"a*\" else {a: context.source}.a.isIpv4()",
                some(&["a", "key", "now", "source"]),
                false,
            ),
            ("context.token.hasTag(principal.subject)", some(&["subject", "token"]), true),
            ("[context] == []", None, false),
            ("{\"Value\": resource.hasTag(\"frozen\")}.Value", some(&["Value"]), true),
            ("{\"getTag\": context.hour}.getTag > 3", some(&["getTag", "hour"]), false),
            ("\"context.region\" == \"resource\"", some(&[]), false),
        ] {
            assert_eq!(of(condition), (attributes, tags), "{condition}");
        }
    }

    #[test]
    fn what_no_policy_reads_or_names_is_left_out() {
        let policy = "forbid(principal in Palisade::Role::\"a\", action in [Palisade::Action::\"read\", Palisade::Action::\"s3:PutObject\"], resource)
            when { context.hour > 3 && resource in Palisade::Bucket::\"b\" };";
        let policy = Policy::parse(None, policy).unwrap();
        let reach = Reach::of([&policy].into_iter(), &Published::get().unwrap().names);
        let uid = |text: &str| text.parse::<EntityUid>().unwrap();
        assert!(reach.reads("hour") && !reach.reads("minute") && !reach.reads_tags());
        assert_eq!(reach.only([("hour", 1), ("minute", 2), ("token", 3)]).collect::<Vec<_>>(), [("hour", 1)]);
        for (named, is) in [("Role::\"a\"", true), ("Role::\"b\"", false), ("Bucket::\"b\"", true), ("Bucket::\"a\"", false)] {
            assert_eq!(reach.names(&uid(&format!("Palisade::{named}"))), is, "{named}");
        }
        // Of an action that is named itself, its groups decide nothing.
        for (action, is) in [("s3:GetObject", true), ("sqs:SendMessage", false), ("s3:PutObject", false), ("s3:DeleteObject", false)] {
            assert_eq!(reach.groups(&uid(&format!("Palisade::Action::\"{action}\""))), is, "{action}");
        }
    }
}
