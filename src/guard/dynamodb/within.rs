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

pub(super) fn of(thing: &Thing<'_>) -> Within {
    let items = |index: Option<&str>, attributes, is_item| Within::Items { index: index.map(str::to_owned), attributes, is_item };
    match thing {
        Thing::All => Within::All,
        Thing::Item(item) => items(None, values(item), true),
        Thing::Key(key) => items(None, values(key), false),
        Thing::Query(query) => items(query.index, equations(query), false),
        Thing::Schema => Within::Itself,
        Thing::Update(update) => items(None, values(update.key), false),
    }
}

/// Attributes that are kept. One more than whoever looks at them takes, so that what is left out is not taken for what is not there.
const MOST_VALUES: usize = 513;

fn values(map: &Map<'_>) -> BTreeMap<String, Vec<u8>> {
    map.iter()
        .filter(|(_, node)| node.as_attribute().is_some())
        .take(MOST_VALUES)
        .filter_map(|(name, node)| Some((name.to_owned(), stored(node.as_attribute()?)?)))
        .collect()
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
fn equations(query: &Query<'_>) -> BTreeMap<String, Vec<u8>> {
    if let Some(conditions) = query.conditions {
        let equation = |name: &str| Some((name.to_owned(), stored(equal(conditions, name)?)?));
        return conditions.iter().filter_map(|(name, _)| equation(name)).collect();
    }
    let Some(expression) = query.expression else { return BTreeMap::new() };
    // Every word could be an attribute; the parser says which are.
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty());
    let aliased = query.names.into_iter().flat_map(Map::iter).filter_map(|(alias, _)| query.names?.text(alias));
    let candidates: BTreeSet<&str> = words.chain(aliased).take(MAX_CANDIDATES).collect();
    let equation = |name: &str| {
        let value = condition::value_of(expression, query.names, name).ok()?;
        Some((name.to_owned(), stored(query.values?.attribute(value)?)?))
    };
    candidates.into_iter().filter_map(equation).collect()
}
