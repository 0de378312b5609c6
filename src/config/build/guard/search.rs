//! `guard.aoss` and `guard.es`

use super::{Around, Section, named::literals, names, terms};
use crate::{
    config::{NamePattern, SearchRuleConfig, ServiceRules},
    guard::{are_search_actions, is_in_index_names, search_actions},
};

/// The rules of collections and of domains, where there are any.
pub(super) fn rules(section: &Section<'_>, around: Around) -> Option<Vec<(String, ServiceRules)>> {
    let given: Vec<_> = ["aoss", "es"].into_iter().filter(|key| section.has(key)).collect();
    let of = |key: &str| section.sections(key).iter().map(|(_, section)| rule(section, key, around)).collect();
    let read: Vec<Option<Vec<_>>> = given.iter().map(|key| of(key)).collect();
    read.into_iter().zip(given).map(|(rules, key)| Some((key.to_owned(), ServiceRules::Search(rules?)))).collect()
}

fn rule(section: &Section<'_>, key: &str, around: Around) -> Option<SearchRuleConfig> {
    let indexes = names(section, "indexes", around).filter(|names| are_possible(section, names))?;
    let terms = terms(section, around, indexes.iter().all(NamePattern::tells_tenants_apart))?;
    if terms.actions.as_ref().is_some_and(|actions| !are_search_actions(key, actions)) {
        section.wrong(
            "actions",
            "has an action that is none of what is done with an index",
            format!("give some of {}", search_actions(key)),
        );
        return None;
    }
    Some(SearchRuleConfig { terms, indexes })
}

/// Whether a request could name such an index: a rule that fits nothing would refuse everything, and nobody would see why.
fn are_possible(section: &Section<'_>, names: &[NamePattern]) -> bool {
    let mut right = true;
    for (number, pattern) in names.iter().enumerate() {
        let text = pattern.to_string();
        let wrong = match literals(&text).find(|c| !is_in_index_names(*c) && *c != '*') {
            Some(c) => format!("has {c:?}, which the guard takes in no name of an index"),
            None if text.starts_with(['.', '_', '-']) => {
                "begins with what no name of an index begins with that a request may name".to_owned()
            }
            None => continue,
        };
        section.wrong_item("indexes", number, wrong, "lower-case letters, digits, ._- and placeholders make a name");
        right = false;
    }
    right
}
