//! A small reference evaluator for IAM policies. Pure: a policy and a request in, a verdict out.
//!
//! Written from AWS's documentation of the policy language, not from an implementation. Approximate, on purpose:
//! * what is not known here (an element, an operator) is an error when the policy is read, never a match;
//! * permissions boundaries, service and resource control policies, `NotPrincipal`, dates and IP addresses are absent;
//! * a variable without a value makes its element match nothing; where the element is negated (`NotResource`,
//!   `StringNotEquals`), the statement does not apply. AWS says that it "might" invalidate the statement.

mod condition;
mod pattern;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::Value;

use self::{
    condition::Condition,
    pattern::{Grammar, Pattern},
};

/// A policy document, parsed.
#[derive(Debug)]
pub struct Policy(Vec<Statement>);

#[derive(Debug)]
struct Statement {
    allow: bool,
    /// Who is meant; only in trust policies.
    principals: Option<Vec<String>>,
    actions: Element,
    /// Absent in trust policies: they are about the role that they belong to.
    resources: Option<Element>,
    conditions: Vec<Condition>,
}

/// `Action`/`NotAction` or `Resource`/`NotResource`.
#[derive(Debug)]
struct Element {
    negated: bool,
    patterns: Vec<Pattern>,
}

/// Where a policy is attached, which decides what it must and must not contain.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PolicyKind {
    /// Attached to a role, or passed as a session policy: has `Resource`, has no `Principal`.
    Identity,
    /// A role's trust policy: has `Principal`, has no `Resource`.
    Trust,
}

/// Why a policy document was refused.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct PolicyError(String);

impl PolicyError {
    fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// What one policy says about one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// A statement allows it and none denies it.
    Allow,
    /// A statement denies it; nothing can outweigh that.
    ExplicitDeny,
    /// No statement speaks of it.
    Silent,
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// `service:Operation`.
    pub action: &'a str,
    /// The ARN acted on. Not looked at by trust policies.
    pub resource: &'a str,
    /// Every name by which a trust policy may mean the caller: its ARNs, its account. Not looked at by identity policies.
    pub caller: &'a [String],
    /// The facts that conditions and variables refer to.
    pub context: &'a Context,
}

/// The request context: condition keys (compared without case) and their values. A key without values is absent.
#[derive(Debug, Clone, Default)]
pub struct Context(BTreeMap<String, Vec<String>>);

impl Context {
    /// Adds a single-valued key.
    pub fn with(self, key: &str, value: impl Into<String>) -> Self {
        self.with_all(key, [value.into()])
    }

    /// Adds a key with all its values; without values the key stays absent.
    pub fn with_all(mut self, key: &str, values: impl IntoIterator<Item = String>) -> Self {
        let values: Vec<String> = values.into_iter().collect();
        if !values.is_empty() {
            self.0.insert(key.to_ascii_lowercase(), values);
        }
        self
    }

    /// Both together; where both have a key, `self` wins.
    pub(super) fn merge(mut self, other: &Self) -> Self {
        for (key, values) in &other.0 {
            self.0.entry(key.clone()).or_insert_with(|| values.clone());
        }
        self
    }

    fn get(&self, lower_key: &str) -> Option<&[String]> {
        self.0.get(lower_key).map(Vec::as_slice)
    }

    /// The value of a key that has exactly one: others cannot be used as a variable.
    fn single(&self, lower_key: &str) -> Option<&str> {
        match self.get(lower_key) {
            Some([value]) => Some(value),
            _ => None,
        }
    }
}

impl Policy {
    /// Reads a policy document.
    pub fn parse(document: &Value, kind: PolicyKind) -> Result<Self, PolicyError> {
        let document = document.as_object().ok_or_else(|| PolicyError::new("the policy is not a JSON object"))?;
        known_elements(document.keys(), &["Version", "Id", "Statement"])?;
        // Variables exist since 2012-10-17; a policy without a version is of the older one, where `${...}` is plain text.
        let variables = match document.get("Version").map(Value::as_str) {
            Some(Some("2012-10-17")) => true,
            None | Some(Some("2008-10-17")) => false,
            Some(_) => return Err(PolicyError::new("Version must be \"2012-10-17\"")),
        };
        let statements = match document.get("Statement") {
            Some(Value::Array(list)) => list.iter().map(|s| Statement::parse(s, kind, variables)).collect::<Result<_, _>>()?,
            Some(single @ Value::Object(_)) => vec![Statement::parse(single, kind, variables)?],
            _ => return Err(PolicyError::new("Statement must be an object or a list of objects")),
        };
        Ok(Self(statements))
    }

    /// What this policy says about `request`. An explicit denial wins over any permission.
    pub fn evaluate(&self, request: &Request<'_>) -> Verdict {
        let mut verdict = Verdict::Silent;
        for statement in self.0.iter().filter(|s| s.applies(request)) {
            if !statement.allow {
                return Verdict::ExplicitDeny;
            }
            verdict = Verdict::Allow;
        }
        verdict
    }
}

impl Statement {
    fn parse(statement: &Value, kind: PolicyKind, variables: bool) -> Result<Self, PolicyError> {
        let statement = statement.as_object().ok_or_else(|| PolicyError::new("a statement is not an object"))?;
        let subject: &[&str] = match kind {
            PolicyKind::Identity => &["Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"],
            PolicyKind::Trust => &["Sid", "Effect", "Action", "NotAction", "Principal", "Condition"],
        };
        known_elements(statement.keys(), subject)?;
        let allow = match statement.get("Effect").and_then(Value::as_str) {
            Some("Allow") => true,
            Some("Deny") => false,
            _ => return Err(PolicyError::new("Effect must be \"Allow\" or \"Deny\"")),
        };
        // Variables have no meaning in Action.
        let actions = Element::parse(statement, "Action", "NotAction", false)?;
        let (principals, resources) = match kind {
            PolicyKind::Identity => (None, Some(Element::parse(statement, "Resource", "NotResource", variables)?)),
            PolicyKind::Trust => (Some(principals(statement.get("Principal"))?), None),
        };
        let conditions = statement.get("Condition").map_or(Ok(Vec::new()), |c| Condition::parse_block(c, variables))?;
        Ok(Self { allow, principals, actions, resources, conditions })
    }

    fn applies(&self, request: &Request<'_>) -> bool {
        let meant = |names: &Vec<String>| names.iter().any(|name| name == "*" || request.caller.contains(name));
        self.principals.as_ref().is_none_or(meant)
            && self.actions.matches(request.action, request.context, true)
            && self.resources.as_ref().is_none_or(|r| r.matches(request.resource, request.context, false))
            && self.conditions.iter().all(|c| c.is_met(request.context))
    }
}

impl Element {
    fn parse(statement: &serde_json::Map<String, Value>, name: &str, not_name: &str, variables: bool) -> Result<Self, PolicyError> {
        let (negated, value) = match (statement.get(name), statement.get(not_name)) {
            (Some(value), None) => (false, value),
            (None, Some(value)) => (true, value),
            _ => return Err(PolicyError::new(format!("a statement needs exactly one of {name} and {not_name}"))),
        };
        let grammar = Grammar { wildcards: true, variables };
        let patterns = texts(value)?.iter().map(|text| Pattern::parse(text, grammar)).collect::<Result<_, _>>()?;
        Ok(Self { negated, patterns })
    }

    fn matches(&self, text: &str, context: &Context, fold: bool) -> bool {
        let globs: Vec<_> = self.patterns.iter().filter_map(|p| p.resolve(context)).collect();
        if self.negated && globs.len() < self.patterns.len() {
            return false;
        }
        globs.iter().any(|g| g.matches(text, fold)) != self.negated
    }
}

/// The `Principal` of a trust policy: `"*"`, or `{"AWS": name-or-names}`. An account id is the same as its root ARN.
fn principals(value: Option<&Value>) -> Result<Vec<String>, PolicyError> {
    match value {
        Some(Value::String(all)) if all == "*" => Ok(vec![all.clone()]),
        Some(Value::Object(kinds)) => {
            known_elements(kinds.keys(), &["AWS", "Service", "Federated"])?;
            // Services and identity providers never call this double, but roles that trust them may be loaded.
            kinds.get("AWS").map_or(Ok(Vec::new()), texts)
        }
        _ => Err(PolicyError::new("a trust policy's statement needs a Principal: \"*\" or {\"AWS\": ...}")),
    }
}

/// A value that may be one text or a list of texts. Numbers and booleans are taken as they are written.
fn texts(value: &Value) -> Result<Vec<String>, PolicyError> {
    let one = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
        _ => Err(PolicyError::new("a text or a list of texts was expected")),
    };
    match value {
        Value::Array(list) => list.iter().map(one).collect(),
        single => Ok(vec![one(single)?]),
    }
}

fn known_elements<'a>(mut names: impl Iterator<Item = &'a String>, known: &[&str]) -> Result<(), PolicyError> {
    match names.find(|n| !known.contains(&n.as_str())) {
        Some(name) => Err(PolicyError::new(format!("unknown or unsupported policy element {name:?}"))),
        None => Ok(()),
    }
}
