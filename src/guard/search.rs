//! Requests to OpenSearch: which indexes they are about, and which of these are a tenant's.
//!
//! For collections of OpenSearch Serverless (`guard.aoss`) and for domains (`guard.es`), which IAM and data access policies tell apart by role alone: where tenants
//! share one, this is the only line between them. So a request is allowed where it is understood wholly: method and path are of an API in the [`table`], every
//! parameter of the query is one that the API is known to have, every member and clause of the body is in a [`shape`], and each index that any of them
//! names is a rule's. Whatever is new is refused until somebody has thought about it.
//!
//! The attack, and what is done about it:
//! * **another index**, in the path, in a line of `_bulk` or `_msearch`, in a document of `_mget`: each is judged, and one that can be read in two ways is refused
//!   ([`names`]): `_all`, date math, exclusions, other clusters, what has an escape in it that stands for more than a character;
//! * **everybody's indexes**: a wildcard has to begin with what is the tenant's up to its end; no index at all, an empty list, and what lists, maps or counts
//!   indexes without naming one are refused;
//! * **another index from within a query**: `terms` that look up, shapes and documents that are indexed elsewhere, percolators, and whatever
//!   a stored template or pipeline could do; a `percolator` field, which looks up when documents are indexed;
//! * **code**: a script is refused wherever it could stand, in queries, sorts, aggregations, updates, settings and mappings;
//! * **what stands for a search**: scrolls, points in time and asynchronous searches are named by a token that does not say whose they are;
//! * **another name for an index**: aliases, templates, and targets of a reindex, a clone or a rollover are refused. What is behind an alias that is there
//!   already, its name does not say: a rule is about names;
//! * **another language**: SQL and PPL say what they are about in statements; plugins and Dashboards have languages of their own;
//! * **another reader**: a body is read once, strictly, from the bytes that are signed and sent: JSON in UTF-8 without members twice, lines that end where
//!   OpenSearch ends them, no content coding, no CBOR, SMILE or YAML, and no parameter that is a body or a path (`source`, `index`).

mod actions;
mod aggregation;
mod api;
mod document;
mod headers;
mod hits;
mod lines;
mod mapping;
mod names;
#[cfg(any(test, fuzzing))]
pub(crate) mod oracle;
mod query;
mod request;
mod settings;
mod shape;
mod table;

use std::{borrow::Cow, collections::BTreeSet};

pub(crate) use self::actions::{all_of, are_meant, usual};
#[cfg(test)]
pub(super) use self::table::APIS;
use self::{
    api::{Api, Found},
    names::{Indexes, Name},
};
use super::{
    rules::{Opinion, Question, Terms, Unruled, Verdict, any_fits},
    seen::{Thing, Within},
};
use crate::{
    aws::{
        action::{Actions, Needed},
        resource::{Asked, Untold},
        service::search_key,
    },
    config::{NamePattern, SearchRuleConfig, template::Values},
};

/// What one is called.
const NOUN: &str = "index";

/// The rules of collections, or of domains.
#[derive(Debug)]
pub(super) struct SearchRules {
    section: &'static str,
    place: String,
    rules: Vec<SearchRule>,
}

/// One of `guard.aoss` or `guard.es`.
#[derive(Debug)]
struct SearchRule {
    terms: Terms,
    indexes: Vec<NamePattern>,
}

impl SearchRules {
    /// Those of the service `kind`; `None` where that is no OpenSearch.
    pub(super) fn new(kind: &str, rules: &[SearchRuleConfig]) -> Option<Self> {
        let section = search_key(kind)?;
        let usual = usual(section);
        let usual = usual.as_ref().unwrap_or(Actions::nothing());
        let rule = |config: &SearchRuleConfig| SearchRule { terms: Terms::new(&config.terms, usual), indexes: config.indexes.clone() };
        Some(Self { section, place: format!("guard.{section}"), rules: rules.iter().map(rule).collect() })
    }

    /// Where they stand.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    pub(super) fn judge(&self, question: &Question<'_>, unruled: Unruled<'_>) -> Verdict {
        let Question { asked, method, needed, tenant, .. } = *question;
        let (api, touched) = match read(&asked, method.as_str()) {
            Ok(read) => read,
            Err(why) => return unruled.verdict(why),
        };
        if api.is_harmless() {
            return Verdict::allowed();
        }
        if touched.is_empty() {
            return unruled.verdict(said(api, "it names no index, and without one it is about everybody's"));
        }
        touched.iter().fold(Verdict::allowed(), |verdict, name| {
            api.actions.iter().fold(verdict, |verdict, action| {
                verdict.and(|| {
                    let needed = needed.one(action);
                    let within = || if matches!(name, Name::One(_)) { Within::Itself } else { Within::Below };
                    let thing = || Thing::new(self.section, NOUN, name.text(), within(), &needed);
                    let nobody = || said(api, "no rule is about an index that it names");
                    unruled.about(thing).ask(&self.rules, |rule| &rule.terms, |rule| rule.opinion(name, &needed, tenant), nobody)
                })
            })
        })
    }
}

impl SearchRule {
    fn opinion(&self, name: &Name, needed: &Needed<'_>, tenant: &dyn Values) -> Opinion {
        let fits = |pattern: &NamePattern| match name {
            Name::One(name) => pattern.matches(name, tenant),
            Name::Below { start, .. } => pattern.matches_below(start, tenant),
        };
        match any_fits(&self.indexes, fits) {
            Ok(()) => self.terms.allow(needed),
            Err(opinion) => opinion,
        }
    }
}

/// The API that is asked for, and every index that it is asked about.
///
/// # Errors
/// What is not understood, or refused whatever it is about.
fn read(asked: &Asked<'_>, method: &str) -> Result<(&'static Api, BTreeSet<Name>), Cow<'static, str>> {
    if search_key(&asked.target.api).is_none() || !asked.target.dial_is_configured {
        return Err("only the endpoint of a domain or collection is taken for OpenSearch".into());
    }
    headers::plain(asked.headers)?;
    let Found { api, index } = api::find(method, asked.target.path_and_query.path())?;
    let of_api = |why: Untold| said(api, why);
    api.check_query(asked.target.path_and_query.query().unwrap_or_default()).map_err(of_api)?;
    let body = asked.body.ok_or("the body is not in memory").map_err(of_api)?;
    if !body.is_empty() {
        headers::content_type(asked.headers, api.body.is_lines()).map_err(of_api)?;
    }
    let mut indexes = Indexes::new(index, api.may_be_many).map_err(of_api)?;
    api.body.read(body, &mut indexes).map_err(of_api)?;
    Ok((api, indexes.into_touched()))
}

/// What is wrong, and with which API: its name is ours, and nothing of the request's.
fn said(api: &Api, why: Untold) -> Cow<'static, str> {
    format!("{}: {why}", api.name).into()
}

/// Whether `name` could stand in a rule's pattern, whatever its placeholders are.
pub(crate) fn is_possible(c: char) -> bool {
    names::is_in_names(c)
}

#[cfg(test)]
mod tests;
