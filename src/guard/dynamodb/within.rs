//! Which values of a request could be keys, for whoever explains what it was about.
//!
//! It allows nothing: what is an item's hash key the rule says, and here there may be none. A query's equations are found by the parser that judges them.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    expression::condition,
    json::{Attribute, Map},
    pool::equal,
    request::{Query, Thing},
};
use crate::guard::seen::Within;

/// Attributes, and whether there are more.
type Kept = (BTreeMap<String, Vec<u8>>, bool);

pub(super) fn of(thing: &Thing<'_>) -> Within {
    let items = |index: Option<&str>, (attributes, is_cut): Kept, is_item| {
        let index = index.map(str::to_owned);
        Within::Items { index, attributes, is_item, is_cut }
    };
    match thing {
        Thing::All => Within::All,
        Thing::Item(item) => items(None, values(item), true),
        Thing::Key(key) => items(None, values(key), false),
        Thing::Query(query) => items(query.index, equations(query), false),
        Thing::Schema => Within::Itself,
        Thing::Update(update) => items(None, values(update.key), false),
    }
}

/// Most attributes that are kept of a thing. Items have a few dozens.
const MOST_VALUES: usize = 512;

fn values(map: &Map<'_>) -> Kept {
    kept(map.iter().filter_map(|(name, node)| Some((name.to_owned(), stored(node.as_attribute()?)?))))
}

fn kept(mut all: impl Iterator<Item = (String, Vec<u8>)>) -> Kept {
    (all.by_ref().take(MOST_VALUES).collect(), all.next().is_some())
}

/// The bytes that a key would be compared as.
fn stored(attribute: &Attribute<'_>) -> Option<Vec<u8>> {
    match attribute {
        Attribute::Text(text) | Attribute::Number(text) => Some(text.as_bytes().to_owned()),
        Attribute::Binary(text) => STANDARD.decode(&**text).ok(),
        Attribute::Other => None,
    }
}

/// Names of a query that are tried: a query of one's own has a handful, and each costs a reading of its expression.
const MAX_CANDIDATES: usize = 64;

/// The attributes that a query wants to be equal to something.
fn equations(query: &Query<'_>) -> Kept {
    if let Some(conditions) = query.conditions {
        let equation = |name: &str| Some((name.to_owned(), stored(equal(conditions, name)?)?));
        return kept(conditions.iter().filter_map(|(name, _)| equation(name)));
    }
    let Some(expression) = query.expression else { return (BTreeMap::new(), false) };
    // Every word could be an attribute; the parser says which are.
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty());
    let aliased = query.names.into_iter().flat_map(Map::iter).filter_map(|(alias, _)| query.names?.text(alias));
    let mut all = words.chain(aliased);
    let candidates: BTreeSet<&str> = all.by_ref().take(MAX_CANDIDATES).collect();
    let is_cut = all.next().is_some();
    let equation = |name: &str| {
        let value = condition::value_of(expression, query.names, name).ok()?;
        Some((name.to_owned(), stored(query.values?.attribute(value)?)?))
    };
    (candidates.into_iter().filter_map(equation).collect(), is_cut)
}
