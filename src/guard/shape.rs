//! What a request was about, as a log may say it: names, and the shapes of keys.
//!
//! The access log's `touched`, out of which `palisade guard report` proposes rules. It is there only where something would have been denied. What it has is
//! * names of buckets, tables, queues and their like, with the tenant's own id, account, cell or key of KMS replaced by the placeholder. Of a name with
//!   slashes what follows the tenant's id is left out;
//! * of keys, whether they begin with the tenant's id and a character that no id has (`{tenant.id}/`), or are the id. Everything else is `*`;
//! * names of attributes that are keys, and of an item's attributes those alone whose values have such a shape.
//!
//! The attack is a tenant's data on the way into a log: no part of a key, and no value of an item, is ever in it. Its length is bounded, however many things a
//! request names.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{
    rules::{Question, ServiceJudge},
    seen::{Heard, Said, Seen, Thing, Within},
};
use crate::{
    aws::resource::{Kind, Resource, table::Table},
    config::template::{Name, Values},
    tenant::TenantId,
};

/// Most things of one request.
const MOST: usize = 16;
/// Longest name. Longer ones are Systems Manager's and Secrets Manager's, and paths.
const NAME_BYTES: usize = 256;
/// Most attributes of one thing. A key has two.
const MOST_ATTRIBUTES: usize = 4;
/// Longest name of an attribute, or in an encryption context. Names of keys are short, and a line is not to grow with what a client makes up.
const ATTRIBUTE_BYTES: usize = 64;
/// Most actions of one thing.
const MOST_ACTIONS: usize = 8;

/// What is not said.
pub(crate) const UNSAID: &str = "*";
/// The tenant's id.
pub(crate) const ID: &str = "{tenant.id}";
/// Characters that are in no id, and that separate one from what follows where they can stand in a rule.
const SEPARATORS: &str = "/#:|!$%&'()+,;<=>?@[]^~";

/// A thing that a request was about, without anything of a tenant's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Touched {
    /// Where its rules stand below `guard`: `s3`.
    pub section: Cow<'static, str>,
    /// What it is, where that is not what the section is about: `guardrail`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Cow<'static, str>>,
    /// Its name, with placeholders; `*` where it cannot be said, absent where the request has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `all` of what is in it, or its `settings`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole: Option<Cow<'static, str>>,
    /// How the key, or the prefix of a listing, begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begins: Option<String>,
    /// How the values of attributes begin that could be keys.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
    /// The index by which items were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<String>,
    /// Names of the encryption context whose values are the tenant's id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub context: Vec<String>,
    /// What is done with it, in IAM's words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<String>,
}

/// Everything that a request was about and that would have been denied.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Touches {
    /// Each once.
    pub things: Vec<Touched>,
    /// How many more there were.
    pub left_out: usize,
}

impl Touches {
    /// Of a request that `rules` would have denied: they are asked once more.
    pub(super) fn of(rules: &ServiceJudge, question: Question<'_>) -> Self {
        let seen = Seen::default();
        // What it comes to is known.
        let _ = rules.judge(&Question { seen: Some(&seen), ..question });
        let mut touches = Self::default();
        for judged in seen.into_judged().into_iter().filter(|judged| !judged.is_allowed) {
            if let Some(thing) = judged.thing {
                touches.add(Touched::of(&thing, question.tenant));
            }
        }
        touches
    }

    fn add(&mut self, touched: Touched) {
        let is_same = |other: &&mut Touched| Touched { actions: touched.actions.clone(), ..(**other).clone() } == touched;
        if let Some(same) = self.things.iter_mut().find(is_same) {
            same.actions.extend(touched.actions);
            same.actions.sort_unstable();
            same.actions.dedup();
            same.actions.truncate(MOST_ACTIONS);
        } else if self.things.len() < MOST {
            self.things.push(touched);
        } else {
            self.left_out += 1;
        }
    }
}

/// Why a request may be sent, for the audit log: what it is about, and the rules that allow that.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Grounds {
    /// Each once.
    pub(crate) rules: Vec<Arc<str>>,
    pub(crate) touches: Touches,
}

impl Grounds {
    /// Of a request that was judged.
    pub(super) fn of(seen: &Seen, tenant: &dyn Values) -> Self {
        seen.look(|judged| {
            let mut grounds = Self::default();
            for judged in judged.iter().filter(|judged| judged.is_allowed) {
                let allowing = judged.heard.iter().rfind(|heard| heard.said == Said::Allowed);
                if let Some(Heard { rule, .. }) = allowing.filter(|heard| !grounds.rules.contains(&heard.rule)) {
                    grounds.rules.push(rule.clone());
                }
                if let Some(thing) = &judged.thing {
                    grounds.touches.add(Touched::of(thing, tenant));
                }
            }
            grounds
        })
    }
}

impl Touched {
    fn of(thing: &Thing, values: &dyn Values) -> Self {
        let id = values.value(&Name::TenantId).unwrap_or_default();
        let mut actions = thing.actions.clone();
        actions.truncate(MOST_ACTIONS);
        let bare = Self {
            section: thing.section.into(),
            kind: Table::of(thing.section).filter(|table| table.kind.noun() != thing.noun).map(|_| thing.noun.into()),
            name: name(thing, values, &id),
            whole: None,
            begins: None,
            attributes: BTreeMap::new(),
            index: None,
            context: Vec::new(),
            actions,
        };
        match &thing.within {
            Within::Itself | Within::Below => bare,
            Within::All => Self { whole: Some("all".into()), ..bare },
            Within::Settings => Self { whole: Some("settings".into()), ..bare },
            Within::Listing(None) => Self { begins: Some(UNSAID.to_owned()), ..bare },
            Within::Key(key) | Within::Listing(Some(key)) => Self { begins: Some(begins(key.as_bytes(), &id)), ..bare },
            Within::Items { index, attributes, is_item, .. } => {
                let shapes = attributes.iter().map(|(name, value)| (name, begins(value, &id)));
                // What an item's attributes are called may be somebody's data, and what has more of them than a key has is none; what keys are called is not.
                let is_key = !is_item && attributes.len() <= MOST_ATTRIBUTES;
                let told = shapes.filter(|(name, shape)| is_attribute(name) && (is_key || shape != UNSAID));
                let attributes = told.take(MOST_ATTRIBUTES).map(|(name, shape)| (name.clone(), shape)).collect();
                let index = index.as_deref().map(|index| if is_index(index) { index } else { UNSAID }.to_owned());
                Self { attributes, index, ..bare }
            }
            Within::Context(pairs) => {
                let own = pairs.iter().filter(|(name, value)| **value == *id && is_attribute(name));
                Self { context: own.take(MOST_ATTRIBUTES).map(|(name, _)| name.clone()).collect(), ..bare }
            }
        }
    }
}

/// Whether an attribute may be named. DynamoDB takes any text for a name; who names keys does not write sentences.
fn is_attribute(name: &str) -> bool {
    name.len() <= ATTRIBUTE_BYTES && is_index(name)
}

/// Whether an index can be called so ("Naming rules", Amazon DynamoDB developer guide).
fn is_index(name: &str) -> bool {
    name.len() <= NAME_BYTES && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
}

/// How a key begins: with the tenant's id and a separator, as the id alone, or in a way that is nobody's business.
fn begins(key: &[u8], id: &str) -> String {
    match key.strip_prefix(id.as_bytes()) {
        Some([]) if !id.is_empty() => ID.to_owned(),
        Some([next, ..]) if !id.is_empty() && SEPARATORS.as_bytes().contains(next) => format!("{ID}{}", char::from(*next)),
        _ => UNSAID.to_owned(),
    }
}

fn name(thing: &Thing, values: &dyn Values, id: &str) -> Option<String> {
    // Read in two ways, it has to fit in both: the shortest is how it was meant.
    let own = thing.names.last()?;
    if own.len() > NAME_BYTES {
        return Some(UNSAID.to_owned());
    }
    if is_key_of(thing, values) {
        return Some("{tenant.kms_key}".to_owned());
    }
    let mut shape = replaced(own, id, ID);
    for (name, placeholder) in [(Name::TenantAccount, "{tenant.account}"), (Name::TenantCell, "{tenant.cell}")] {
        if let Some(value) = values.value(&name).filter(|_| !shape.contains('{')) {
            shape = replaced(&shape, &value, placeholder);
        }
    }
    if let Some(at) = shape.find("{tenant.id}/") {
        shape.truncate(at + ID.len());
        shape.push_str("/*");
    } else if thing.names.len() > 1 {
        return Some(UNSAID.to_owned());
    }
    Some(shape)
}

/// Whether it is the tenant's key of KMS, by name or by ARN.
fn is_key_of(thing: &Thing, values: &dyn Values) -> bool {
    let Some(own) = values.value(&Name::TenantKmsKey).filter(|_| thing.section == Kind::Key.service()) else { return false };
    thing.names == [own.as_ref()] || Resource::stated(Kind::Key, &own).is_some_and(|own| own.names == thing.names)
}

/// `text` with `placeholder` for each `value` that stands between other characters than letters and digits.
fn replaced(text: &str, value: &str, placeholder: &str) -> String {
    let Some(found) = (!value.is_empty()).then(|| text.match_indices(value)) else { return text.to_owned() };
    let (mut shape, mut done) = (String::new(), 0);
    for (at, _) in found {
        let (before, behind) = (text[..at].chars().next_back(), text[at + value.len()..].chars().next());
        if [before, behind].into_iter().flatten().any(|c| c.is_ascii_alphanumeric()) {
            continue;
        }
        shape.push_str(&text[done..at]);
        shape.push_str(placeholder);
        done = at + value.len();
    }
    shape.push_str(&text[done..]);
    shape
}

/// Whether `c` ends an id wherever it stands behind one.
pub(crate) fn is_separator(c: char) -> bool {
    SEPARATORS.contains(c) && !u8::try_from(c).is_ok_and(TenantId::is_id_byte)
}

#[cfg(test)]
mod tests;
