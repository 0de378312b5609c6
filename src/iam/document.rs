//! IAM documents: JSON whose texts may have something open.

use serde_json::Value;

use super::{
    IamError,
    text::{Open, Text},
};

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    Text(Text),
    List(Vec<Node>),
    /// In the order in which people read it.
    Object(Vec<(String, Node)>),
}

impl Node {
    /// A policy of these statements.
    pub(super) fn policy(statements: Vec<Self>) -> Self {
        Self::object([("Version", "2012-10-17".into()), ("Statement", Self::List(statements))])
    }

    pub(super) fn object<'a>(members: impl IntoIterator<Item = (&'a str, Self)>) -> Self {
        Self::Object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }

    pub(super) fn texts<T: Into<Text>>(texts: impl IntoIterator<Item = T>) -> Self {
        Self::List(texts.into_iter().map(|text| Self::Text(text.into())).collect())
    }

    /// What is open in it, each once, in the order of appearance.
    pub(super) fn opens(&self) -> Vec<&Open> {
        let mut found = Vec::new();
        self.visit(&mut |text| {
            for open in text.opens() {
                if !found.contains(&open) {
                    found.push(open);
                }
            }
        });
        found
    }

    pub(super) fn as_text(&self) -> Option<&Text> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// Puts in what is known of what is open.
    pub(super) fn fill(&mut self, known: &dyn Fn(&Open) -> Option<Text>) {
        match self {
            Self::Text(text) => *text = text.map(|open| known(open).unwrap_or_else(|| Text::open(open.clone()))),
            Self::List(items) => items.iter_mut().for_each(|item| item.fill(known)),
            Self::Object(members) => members.iter_mut().for_each(|(_, value)| value.fill(known)),
        }
    }

    /// A policy that is JSON already. Its variables are left as texts: it goes nowhere where they would mean something else.
    pub(super) fn parse(json: &str) -> Result<Self, IamError> {
        fn node(value: Value) -> Node {
            match value {
                Value::String(text) => Node::Text(Text::literal(text)),
                Value::Array(items) => Node::List(items.into_iter().map(node).collect()),
                Value::Object(members) => Node::Object(members.into_iter().map(|(key, value)| (key, node(value))).collect()),
                // A policy's numbers and booleans may as well be texts.
                scalar => Node::Text(Text::literal(scalar.to_string())),
            }
        }
        serde_json::from_str(json).map(node).map_err(|error| IamError(format!("session_policy is not JSON: {error}")))
    }

    fn visit<'a>(&'a self, see: &mut impl FnMut(&'a Text)) {
        match self {
            Self::Text(text) => see(text),
            Self::List(items) => items.iter().for_each(|item| item.visit(see)),
            Self::Object(members) => members.iter().for_each(|(_, value)| value.visit(see)),
        }
    }
}

impl From<&str> for Node {
    fn from(text: &str) -> Self {
        Self::Text(Text::literal(text))
    }
}

impl From<Text> for Node {
    fn from(text: Text) -> Self {
        Self::Text(text)
    }
}

/// A statement of a policy, in the order in which people read it.
#[derive(Debug, Clone, Default)]
pub(super) struct Statement {
    pub(super) sid: &'static str,
    pub(super) is_denial: bool,
    pub(super) principal: Option<Node>,
    pub(super) actions: Vec<&'static str>,
    /// `NotAction`: everything but these.
    pub(super) all_but: bool,
    pub(super) resources: Vec<Text>,
    pub(super) conditions: Conditions,
}

impl Statement {
    pub(super) fn node(self) -> Node {
        let mut members = vec![("Sid", self.sid.into()), ("Effect", if self.is_denial { "Deny" } else { "Allow" }.into())];
        members.extend(self.principal.map(|principal| ("Principal", principal)));
        members.push((if self.all_but { "NotAction" } else { "Action" }, Node::texts(self.actions)));
        if !self.resources.is_empty() {
            members.push(("Resource", Node::texts(self.resources)));
        }
        members.extend(self.conditions.node().map(|conditions| ("Condition", conditions)));
        Node::object(members)
    }
}

/// `Condition`: all of them have to be met.
#[derive(Debug, Clone, Default)]
pub(super) struct Conditions(Vec<(&'static str, Keys)>);

/// Condition keys, and the values that they may have.
type Keys = Vec<(String, Vec<Text>)>;

impl Conditions {
    /// Adds one: `key` has one of `values`, as `operator` compares.
    pub(super) fn and(mut self, operator: &'static str, key: impl Into<String>, values: Vec<Text>) -> Self {
        let entry = (key.into(), values);
        match self.0.iter_mut().find(|(known, _)| *known == operator) {
            Some((_, keys)) => keys.push(entry),
            None => self.0.push((operator, vec![entry])),
        }
        self
    }

    /// Adds that `key` is there at all: an operator with `ForAllValues` is met by a request without the key.
    pub(super) fn and_present(self, key: impl Into<String>) -> Self {
        self.and("Null", key, vec!["false".into()])
    }

    fn node(self) -> Option<Node> {
        let one_or_more = |values: Vec<Text>| match <[Text; 1]>::try_from(values) {
            Ok([one]) => Node::Text(one),
            Err(several) => Node::texts(several),
        };
        let keys = |keys: Keys| Node::Object(keys.into_iter().map(|(key, values)| (key, one_or_more(values))).collect());
        let operators = self.0.into_iter().map(|(operator, of)| (operator.to_owned(), keys(of))).collect::<Vec<_>>();
        (!operators.is_empty()).then_some(Node::Object(operators))
    }
}
