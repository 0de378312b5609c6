//! Rules for services whose requests name what they are about: `guard.sqs` and its like.

use super::{Around, KNOWN_IDS, names, terms};
use crate::{
    aws::resource::{Kind, TENANT_ID, table::Table},
    config::{NamePattern, NamedRuleConfig, ServiceRules, reader::Section, settings::parse},
};

/// The rules of every such service that has any, by kind of service.
pub(super) fn rules(section: &Section<'_>, around: Around) -> Option<Vec<(String, ServiceRules)>> {
    let given: Vec<_> = Table::all().filter(|table| section.has(table.key)).collect();
    let of = |table: &Table| section.sections(table.key).iter().map(|(_, section)| rule(section, table, around)).collect();
    let read: Vec<Option<Vec<_>>> = given.iter().map(|table| of(table)).collect();
    read.into_iter().zip(given).map(|(rules, table)| Some((table.key.to_owned(), ServiceRules::Named(rules?)))).collect()
}

const GUARDRAILS: &str = Kind::Guardrail.plural();

fn rule(section: &Section<'_>, table: &Table, around: Around) -> Option<NamedRuleConfig> {
    let key = table.kind.plural();
    let names = names(section, key, around).filter(|names| are_possible(section, key, names, table.kind))?;
    let context = match table.kind {
        Kind::Key => context(section, "context", around)?,
        Kind::Namespace => context(section, "dimensions", around)?,
        Kind::Function => tenant_id(section, around)?,
        _ => Vec::new(),
    };
    let guardrails = if table.kind == Kind::Model && section.has(GUARDRAILS) {
        super::names(section, GUARDRAILS, around).filter(|names| are_possible(section, GUARDRAILS, names, Kind::Guardrail))?
    } else {
        Vec::new()
    };
    let tells_apart = names.iter().all(NamePattern::tells_tenants_apart) || context.iter().any(|(_, value)| value.tells_tenants_apart());
    let terms = terms(section, around, tells_apart)?;
    Some(NamedRuleConfig { terms, names, guardrails, context })
}

/// Whether there could be such names: a rule that fits nothing would refuse everything, and nobody would see why.
fn are_possible(section: &Section<'_>, key: &str, names: &[NamePattern], kind: Kind) -> bool {
    let mut right = true;
    for (number, pattern) in names.iter().enumerate() {
        let text = pattern.to_string();
        let service = text.strip_prefix("arn:").map(|rest| rest.split(':').nth(1).unwrap_or_default().to_owned());
        let wrong = match service {
            Some(service) if service == kind.service() => continue,
            Some(_) => format!("is no ARN of {}", kind.service()),
            None => match literals(&text).find(|c| !kind.has_in_names(*c) && *c != '*') {
                None => continue,
                Some(c) => format!("has {c:?}, which stands in the name of no {}", kind.noun()),
            },
        };
        let right_one =
            format!("letters, digits, _-{} and placeholders make a name; an ARN is one of {}", kind.punctuation(), kind.service());
        section.wrong_item(key, number, wrong, right_one);
        right = false;
    }
    right
}

/// What stands outside of placeholders.
pub(super) fn literals(text: &str) -> impl Iterator<Item = char> {
    let mut inside = false;
    text.chars().filter(move |c| {
        let was = inside;
        inside = (inside || *c == '{') && *c != '}';
        !was && !inside
    })
}

/// The tenant for whom a function runs, as [`context`] has it.
fn tenant_id(section: &Section<'_>, around: Around) -> Option<Vec<(String, NamePattern)>> {
    if !section.has(TENANT_ID) {
        return Some(Vec::new());
    }
    let pattern = section.get(TENANT_ID, parse::name_pattern)?;
    let open = pattern.open_end().filter(|_| !around.ids_are_known).map(|open| open.to_string());
    let wrong = match open {
        _ if pattern.has_wildcard() => ("has a '*'".to_owned(), WHOLE),
        _ if !pattern.tells_tenants_apart() => ("is the same for every tenant".to_owned(), "put {tenant.id} into it"),
        Some(open) => (open, KNOWN_IDS),
        None => return Some(vec![(TENANT_ID.to_owned(), pattern)]),
    };
    section.wrong(TENANT_ID, wrong.0, wrong.1);
    None
}

const WHOLE: &str = "give the whole value: it is compared as it is";

fn context(section: &Section<'_>, key: &str, around: Around) -> Option<Vec<(String, NamePattern)>> {
    let pairs = section.pairs(key, parse::name_pattern);
    if let Some((name, _)) = pairs.iter().find(|(_, value)| value.has_wildcard()) {
        section.wrong_entry(key, name, "has a '*'", WHOLE);
        return None;
    }
    for (name, value) in &pairs {
        if let Some(open) = value.open_end().filter(|_| !around.ids_are_known) {
            section.wrong_entry(key, name, open.to_string(), KNOWN_IDS);
            return None;
        }
    }
    if section.has(key) && pairs.is_empty() {
        section.wrong(key, "is empty", "give what has to be there, such as {tenant: \"{tenant.id}\"}, or remove it");
        return None;
    }
    Some(pairs)
}
