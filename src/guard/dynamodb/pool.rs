//! Which items of a table that tenants share are one tenant's.
//!
//! The hash key says it: of the table, and of each index, since an item that acme wrote under globex's key of an index is found by globex. So a write may put
//! none but the tenant's own keys into the attributes that indexes are by, and an index may be queried whose hash key the rule knows.

use std::{borrow::Cow, collections::BTreeSet};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    expression::{
        condition,
        update::{self, Change},
    },
    json::{Attribute, Map, Node},
    number,
    request::{Query, Update},
};
use crate::config::{LeadingKey, TableKeys, template::Values};

type Allowed = Result<(), Cow<'static, str>>;

/// A hash key, and a range key.
const KEYS: usize = 2;

/// One tenant's part of a table.
#[derive(Clone, Copy)]
pub(super) struct Part<'r> {
    pub(super) leading_key: &'r LeadingKey,
    pub(super) keys: &'r TableKeys,
    /// Indexes that nobody queries, so that it does not matter whose keys they have.
    pub(super) open: &'r BTreeSet<String>,
    pub(super) tenant: &'r dyn Values,
}

impl<'r> Part<'r> {
    /// Whether the item with this key is in it.
    pub(super) fn has_key(self, key: &Map<'_>) -> Allowed {
        if key.len() > KEYS {
            return Err("a key has more attributes than a table's keys can have".into());
        }
        self.fits(&self.keys.key, key.attribute(&self.keys.key))
    }

    /// Whether this item, written, is in it, and in no other tenant's part of an index.
    pub(super) fn has_item(self, item: &Map<'_>) -> Allowed {
        self.fits(&self.keys.key, item.attribute(&self.keys.key))?;
        self.carries(item)
    }

    /// Whether what becomes of an item leaves it so.
    pub(super) fn has_update(self, update: &Update<'_>) -> Allowed {
        self.has_key(update.key)?;
        // An item that is not there is made, with this key: an index may have the table's range key for its own hash key.
        self.carries(update.key)?;
        names_and_values(update.names, update.values)?;
        match (update.expression, update.attributes) {
            (Some(_), Some(_)) => Err("the update says twice what it changes".into()),
            (Some(expression), None) => update::read(expression, update.names, |attribute, change| {
                if !self.decides(attribute) {
                    return Ok(());
                }
                match change {
                    Change::Removed => Ok(()),
                    Change::Set(name) => self.fits(attribute, update.values.and_then(|values| values.attribute(name))),
                    Change::Other => Err(unsaid(attribute)),
                }
            }),
            (None, Some(attributes)) => {
                let decisive = attributes.iter().filter(|(name, _)| self.decides(name));
                decisive.into_iter().try_for_each(|(name, change)| self.has_change(name, change))
            }
            // An item that is nothing but its key.
            (None, None) => Ok(()),
        }
    }

    /// Whether all that a query can find is in it.
    pub(super) fn has_query(self, query: &Query<'_>) -> Allowed {
        let hash = match query.index {
            None => &self.keys.key,
            Some(index) if self.open.contains(index) => return Err("an index of open_indexes, whose keys are everybody's".into()),
            Some(index) => self
                .keys
                .indexes
                .get(index)
                .ok_or("an index that the rule does not list, or the table does not have, so that it is not known whose keys it has")?,
        };
        names_and_values(query.names, query.values)?;
        match (query.expression, query.conditions) {
            (Some(_), Some(_)) => return Err("the query says twice what it is for".into()),
            (None, None) => return Err("the query does not say which hash key it is for".into()),
            (Some(expression), None) => {
                let name = condition::value_of(expression, query.names, hash)?;
                self.fits(hash, query.values.and_then(|values| values.attribute(name)))?;
            }
            // It is documented to be about filters alone, and would be the end of all of them if it were not.
            (None, Some(_)) if query.operator.is_some_and(|operator| operator != "AND") => {
                return Err("the query joins its conditions with something else than AND".into());
            }
            (None, Some(conditions)) => self.fits(hash, equal(conditions, hash))?,
        }
        let Some(start) = query.start else { return Ok(()) };
        self.fits(&self.keys.key, start.attribute(&self.keys.key))?;
        self.fits(hash, start.attribute(hash))?;
        self.carries(start)
    }

    fn has_change(self, attribute: &str, change: &Node<'_>) -> Allowed {
        let value = change.member("Value");
        match change.text("Action").unwrap_or("PUT") {
            "PUT" => self.fits(attribute, value.and_then(Node::as_attribute)),
            "DELETE" if value.is_none() => Ok(()),
            _ => Err(unsaid(attribute)),
        }
    }

    /// Whether what `item` has of indexes' keys is the tenant's.
    fn carries(self, item: &Map<'_>) -> Allowed {
        self.held().filter(|name| item.get(name).is_some()).try_for_each(|name| self.fits(name, item.attribute(name)))
    }

    /// Whether `attribute` decides whose an item is.
    fn decides(self, attribute: &str) -> bool {
        attribute == self.keys.key || self.held().any(|name| name == attribute)
    }

    /// The hash keys of the indexes that can be queried.
    fn held(self) -> impl Iterator<Item = &'r String> {
        self.keys.indexes.iter().filter(move |(index, _)| !self.open.contains(*index)).map(|(_, name)| name)
    }

    /// Whether `value` of the key `name` is one of the tenant's: as the bytes that DynamoDB stores, or as the number.
    fn fits(self, name: &str, value: Option<&Attribute<'_>>) -> Allowed {
        let leading = self.leading_key;
        let has = |key: &[u8]| leading.has(key, self.tenant).map_err(|missing| Cow::from(missing.to_string()));
        let fits = match value {
            None => return Err(format!("no value of {name}, that could be a key, is there").into()),
            Some(Attribute::Text(text)) => has(text.as_bytes())?,
            // Other ways to write it, of which DynamoDB might take some, are taken here for nobody's.
            Some(Attribute::Binary(text)) => match STANDARD.decode(&**text) {
                Ok(bytes) => has(&bytes)?,
                Err(_) => false,
            },
            Some(Attribute::Number(text)) if leading.is_whole() => match number::whole(text) {
                Some(number) => has(number.as_bytes())?,
                None => false,
            },
            Some(Attribute::Number(_) | Attribute::Other) => false,
        };
        let wrong = if leading.is_whole() { "is not" } else { "does not begin with" };
        if fits { Ok(()) } else { Err(format!("{name} {wrong} {leading}").into()) }
    }
}

fn unsaid(attribute: &str) -> Cow<'static, str> {
    format!("the update makes of {attribute} what it does not say itself").into()
}

/// The one value that `KeyConditions` have the hash key equal.
pub(super) fn equal<'n>(conditions: &'n Map<'_>, hash: &str) -> Option<&'n Attribute<'n>> {
    let condition = conditions.get(hash).filter(|condition| condition.text("ComparisonOperator") == Some("EQ"))?;
    if let [value] = condition.list("AttributeValueList")? { value.as_attribute() } else { None }
}

/// A name without its mark could be taken for an attribute's.
fn names_and_values(names: Option<&Map<'_>>, values: Option<&Map<'_>>) -> Allowed {
    let marked = |map: Option<&Map<'_>>, mark| map.is_none_or(|map| map.iter().all(|(name, _)| name.starts_with(mark)));
    if marked(names, '#') && marked(values, ':') { Ok(()) } else { Err("a name or a value of an expression without # or :".into()) }
}
