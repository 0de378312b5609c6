//! An item of a table, in words of our own, and how values are taken out of it: strictly typed, so that what is of another kind
//! than expected is an error and never read as something else.

use std::collections::BTreeMap;

/// One item.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Item(pub(super) BTreeMap<String, Value>);

/// An attribute's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Boolean(bool),
    /// A list.
    List(Vec<Value>),
    Map(BTreeMap<String, Value>),
    Null,
    /// As it was sent: numbers are not computed with.
    Number(String),
    /// Binary data, sets of it and of numbers, and what is not known.
    Other,
    /// A set of strings.
    Strings(Vec<String>),
    Text(String),
}

/// What is wrong with an item, naming the attribute and never a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{attribute} is {wrong}")]
pub(super) struct ItemError {
    attribute: String,
    wrong: &'static str,
}

impl ItemError {
    pub(super) fn new(attribute: &str, wrong: &'static str) -> Self {
        Self { attribute: attribute.to_owned(), wrong }
    }
}

impl Item {
    /// A value that is there and not null.
    pub(super) fn get(&self, attribute: &str) -> Option<&Value> {
        self.0.get(attribute).filter(|value| **value != Value::Null)
    }

    /// A string, where there is one.
    pub(super) fn text(&self, attribute: &str) -> Result<Option<&str>, ItemError> {
        match self.get(attribute) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(_) => Err(ItemError::new(attribute, "no string")),
        }
    }

    /// A map, where there is one.
    pub(super) fn map(&self, attribute: &str) -> Result<Option<&BTreeMap<String, Value>>, ItemError> {
        match self.get(attribute) {
            None => Ok(None),
            Some(Value::Map(map)) => Ok(Some(map)),
            Some(_) => Err(ItemError::new(attribute, "no map")),
        }
    }
}

impl Value {
    /// The strings of a list or set of nothing else.
    pub(super) fn texts(&self) -> Option<Vec<String>> {
        match self {
            Self::Strings(texts) => Some(texts.clone()),
            Self::List(items) => items.iter().map(|item| if let Self::Text(text) = item { Some(text.clone()) } else { None }).collect(),
            Self::Boolean(_) | Self::Map(_) | Self::Null | Self::Number(_) | Self::Other | Self::Text(_) => None,
        }
    }

    /// A string, a number or a boolean, as text.
    pub(super) fn scalar(&self) -> Option<String> {
        match self {
            Self::Boolean(value) => Some(value.to_string()),
            Self::Number(text) | Self::Text(text) => Some(text.clone()),
            Self::List(_) | Self::Map(_) | Self::Null | Self::Other | Self::Strings(_) => None,
        }
    }
}
