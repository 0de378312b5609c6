//! A span: what took how long, and what became of it.
//!
//! What may stand in one is what may stand in the access log, and less: names of the configuration and of AWS's models, verified tenants, ids,
//! numbers. There is no header, query, path, key, body or token in it, no subject, and no note of a refusal.

use std::borrow::Cow;

use super::context::{SpanContext, SpanId};
use crate::reject::{Reason, Refusal};

/// Longest value of an attribute, in bytes: tenants, names and ids are shorter.
const MAX_TEXT: usize = 256;
/// Most attributes, events or links of one span.
const MAX_ITEMS: usize = 32;

/// Who is at the ends of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Something that Palisade does by itself.
    Internal,
    /// A request to Palisade.
    Server,
    /// A request of Palisade's.
    Client,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// True or false.
    Flag(bool),
    /// A whole number.
    Number(i64),
    /// Text, cut at 256 bytes.
    Text(Cow<'static, str>),
}

/// A name and a value.
pub(super) type Attribute = (&'static str, Value);

/// Something that happened at one moment.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Event {
    /// Nanoseconds since the Unix epoch.
    pub(super) at: u64,
    pub(super) name: &'static str,
    pub(super) attributes: Vec<Attribute>,
}

/// Another span that this one has to do with, and how.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Link {
    pub(super) to: SpanContext,
    pub(super) relation: &'static str,
}

/// One span, in a trace that may not be known yet.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Span {
    pub(super) id: SpanId,
    /// `None`: the trace knows.
    pub(super) parent: Option<SpanId>,
    pub(super) name: Cow<'static, str>,
    pub(super) kind: Kind,
    /// Nanoseconds since the Unix epoch.
    pub(super) began: u64,
    pub(super) ended: u64,
    pub(super) attributes: Vec<Attribute>,
    pub(super) events: Vec<Event>,
    pub(super) links: Vec<Link>,
    pub(super) is_error: bool,
}

impl Span {
    pub(super) fn new(id: SpanId, parent: Option<SpanId>, name: Cow<'static, str>, kind: Kind, began: u64) -> Self {
        Self { id, parent, name, kind, began, ended: began, attributes: Vec::new(), events: Vec::new(), links: Vec::new(), is_error: false }
    }

    /// Sets an attribute; keys are there once.
    pub(super) fn set(&mut self, key: &'static str, value: impl Into<Value>) {
        let value = value.into();
        if let Some((_, old)) = self.attributes.iter_mut().find(|(known, _)| *known == key) {
            *old = value;
        } else if self.attributes.len() < MAX_ITEMS {
            self.attributes.push((key, value));
        }
    }

    /// An attribute that is text.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.attributes.iter().find_map(|(known, value)| match value {
            Value::Text(text) if *known == key => Some(&**text),
            _ => None,
        })
    }

    pub(super) fn link(&mut self, to: SpanContext, relation: &'static str) {
        if self.links.len() < MAX_ITEMS {
            self.links.push(Link { to, relation });
        }
    }

    pub(super) fn event(&mut self, at: u64, name: &'static str, attributes: Vec<Attribute>) {
        if self.events.len() < MAX_ITEMS {
            self.events.push(Event { at, name, attributes });
        }
    }

    /// What is done was refused. It is an error where it is one of Palisade's or of what is behind it, not of whoever asked.
    pub(super) fn refused(&mut self, refusal: &Refusal) {
        self.set("palisade.reason", refusal.reason.as_str());
        if is_fault(refusal.reason) {
            self.fail(refusal.reason.as_str());
        }
    }

    /// What is done failed, for `why`: a word of a closed list.
    pub(super) fn fail(&mut self, why: impl Into<Value>) {
        self.is_error = true;
        self.set("error.type", why);
    }
}

fn is_fault(reason: Reason) -> bool {
    reason.status().is_server_error()
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<u16> for Value {
    fn from(number: u16) -> Self {
        Self::Number(number.into())
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Value {
    fn from(mut text: String) -> Self {
        text.truncate(text.floor_char_boundary(MAX_TEXT));
        Self::Text(Cow::Owned(text))
    }
}

impl From<Cow<'static, str>> for Value {
    fn from(text: Cow<'static, str>) -> Self {
        match text {
            Cow::Borrowed(text) => text.into(),
            Cow::Owned(text) => text.into(),
        }
    }
}
