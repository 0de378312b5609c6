//! An item of a table, in words of our own, and how values are taken out of it: strictly typed, so that what is of another kind
//! than expected is an error and never read as something else.

use std::collections::BTreeMap;

/// Most members of a map of free values.
pub(super) const MAX_ENTRIES: usize = 256;
/// Longest name and longest free value, in bytes.
pub(super) const MAX_TEXT: usize = 1024;

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

    /// Free values by name, for templates: a map to strings, numbers and booleans, each short and on one line. None where there is no map.
    pub(super) fn scalars(&self, attribute: &str) -> Result<BTreeMap<String, String>, ItemError> {
        let fits = |text: &str| text.len() <= MAX_TEXT && !text.chars().any(char::is_control);
        let members = self.map(attribute)?.into_iter().flatten().map(|(name, value)| {
            let value = value.scalar().filter(|value| fits(value) && fits(name));
            value
                .map(|value| (name.clone(), value))
                .ok_or_else(|| ItemError::new(attribute, "no map to short strings on one line, numbers and booleans"))
        });
        let scalars: BTreeMap<_, _> = members.collect::<Result<_, _>>()?;
        if scalars.len() > MAX_ENTRIES { Err(ItemError::new(attribute, "too long")) } else { Ok(scalars) }
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
