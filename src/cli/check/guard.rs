//! Requests that nobody holds against rules: IAM alone then keeps tenants apart. And rules that do not keep them apart.

use std::{collections::BTreeMap, sync::Arc};

use super::SHOWN;
use crate::{
    aws::{
        action::{Actions, iam_service},
        service::Service,
    },
    config::{
        Config, GuardConfig, GuardMode, RuleTerms, ServiceRules, Start, Way, is_guarded, judged_as, kind_of,
        template::{Name, RenderError, Values},
    },
    directory::{Directory, TenantRecord},
};

pub(super) fn warnings(warn: &mut dyn FnMut(String), config: &Config, directory: Option<&Directory>) {
    let Some(egress) = &config.egress else { return };
    let guard = &config.guard;
    if guard.rules.is_empty() && guard.mode == GuardMode::Off {
        let kinds = egress.services.iter().map(|(key, service)| judged_as(kind_of(key, service)));
        let mut guarded: Vec<_> = kinds.filter(|kind| is_guarded(kind)).collect();
        guarded.sort_unstable();
        guarded.dedup();
        let rules = guarded.iter().map(|kind| format!("guard.{kind}")).collect::<Vec<_>>().join(" and ");
        let cure = if rules.is_empty() { String::new() } else { format!("; add rules, {rules}: see config/guide/guard.md") };
        return warn(format!("guard has no rules: tenants are kept apart by IAM alone, whatever they ask for{cure}"));
    }
    let passes = match guard.mode {
        GuardMode::Enforce => None,
        GuardMode::Audit => Some("what no rule allows passes, and the log says so"),
        GuardMode::Off => Some("what no rule allows passes, and nobody looks"),
    };
    if let Some(passes) = passes {
        warn(format!("guard.mode is {}: {passes}; say enforce once the log has nothing against it", guard.mode.as_str()));
    }
    if let Some(mode) = guard.mode_of_policies() {
        if mode != GuardMode::Enforce {
            warn(format!("guard.cedar.mode is {}: what the policies do not permit passes", mode.as_str()));
        }
        for (key, service) in
            egress.services.iter().filter(|(key, service)| service.unguarded && is_guarded(judged_as(kind_of(key, service))))
        {
            let kind = kind_of(key, service);
            warn(format!(
                "egress.services.{key} is unguarded, so policies are asked about it as Palisade::Service::\"{key}\": those about what is in {kind} hold for none of its requests"
            ));
        }
    }
    let rules = guard.rules.values().flat_map(|rules| rules.terms());
    // Those that have no mode of their own have been spoken of.
    for RuleTerms { name, mode, .. } in rules.filter(|terms| terms.mode != GuardMode::Enforce && terms.mode != guard.mode) {
        warn(format!("{name}.mode is {}: what the rule does not allow passes", mode.as_str()));
    }
    for (kind, rules) in &guard.rules {
        for terms in rules.terms() {
            foreign(warn, kind, terms);
            #[cfg(feature = "cedar")]
            meaningless(warn, terms);
        }
        let ways = rules.ways();
        undone(warn, &ways);
        dollars(warn, &ways);
    }
    if let Some(directory) = directory {
        let records = directory.records();
        for rules in guard.rules.values() {
            about_nothing(warn, rules, &records);
        }
        alike(warn, guard, directory);
    }
}

/// Two rules are two ways in: what one gives to every tenant, another does not take away.
fn undone(warn: &mut dyn FnMut(String), ways: &[Way<'_>]) {
    for open in ways {
        let mut others: Vec<&str> = ways.iter().filter(|other| open.undoes(other)).map(|other| &*other.terms.name).collect();
        others.dedup();
        if !others.is_empty() {
            let (name, others) = (&open.terms.name, others.join(" and "));
            let what = &open.name;
            warn(format!(
                "{name} is shared and has no actions, so that every tenant may read, write and delete all of {what}, also what {others} gives to each apart: \
                 say what may be done with it (actions), or make it about less"
            ));
        }
    }
}

fn dollars(warn: &mut dyn FnMut(String), ways: &[Way<'_>]) {
    let mut told: Vec<String> = Vec::new();
    for way in ways {
        let after = way.starts().filter_map(Start::after_a_dollar);
        told.extend(after.map(|name| {
            format!("{} has a $ before {{{name}}}, which is a character like any other: placeholders begin with {{", way.terms.name)
        }));
    }
    told.dedup();
    told.into_iter().for_each(warn);
}

/// Placeholders that no record has, and tenants for whom there is no rule with all of its placeholders.
fn about_nothing(warn: &mut dyn FnMut(String), rules: &ServiceRules, records: &[Arc<TenantRecord>]) {
    let ways = rules.ways();
    let Some(first) = ways.first().filter(|_| !records.is_empty()) else { return };
    let has = |record: &TenantRecord, name: &Name| record.value(name).is_some_and(|value| !value.is_empty());
    let ids_of = |lacks: &dyn Fn(&TenantRecord) -> bool| {
        let mut ids: Vec<String> = records.iter().filter(|record| lacks(record)).map(|record| record.id.to_string()).collect();
        ids.sort_unstable();
        ids
    };
    let names = ways.iter().map(|way| (way.terms, way.starts().flat_map(Start::names).collect::<Vec<_>>()));
    let mut nobodys = Vec::new();
    for (terms, names) in names.chain(rules.keys()) {
        let missing = names.into_iter().filter(|name| !records.iter().any(|record| has(record, name)));
        nobodys.extend(missing.map(|name| format!("{} has {{{name}}}, which no tenant's record has: it allows nothing", terms.name)));
    }
    nobodys.dedup();
    if !nobodys.is_empty() {
        return nobodys.into_iter().for_each(warn);
    }
    let nothing = ids_of(&|record| ways.iter().all(|way| way.starts().flat_map(Start::names).any(|name| !has(record, name))));
    if !nothing.is_empty() {
        let section = first.terms.name.split('[').next().unwrap_or_default().to_owned();
        warn(format!("{section} has no rule for {}: their records do not have the placeholders of any", listed(&nothing)));
    }
    for (terms, names) in rules.keys() {
        let nothing = ids_of(&|record| names.iter().any(|name| !has(record, name)));
        if !nothing.is_empty() {
            warn(format!("{}.kms lets {} write nothing: their records do not have its placeholders", terms.name, listed(&nothing)));
        }
    }
}

/// Some, and how many more there are.
fn listed(ids: &[String]) -> String {
    let shown = ids.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    if ids.len() > SHOWN { format!("{shown} and {} more", ids.len() - SHOWN) } else { shown }
}

/// Actions of another service than the one whose requests the rule is about.
fn foreign(warn: &mut dyn FnMut(String), kind: &str, RuleTerms { name, actions, .. }: &RuleTerms) {
    let own = iam_service(Service::find(kind).map_or(kind, |service| service.signing_name));
    let mut others: Vec<&str> = actions.iter().flat_map(Actions::services).filter(|service| *service != own).collect();
    others.sort_unstable();
    others.dedup();
    for other in others {
        warn(format!("{name}.actions has actions of {other}, which no request needs that the rule is about: those of {own} are"));
    }
}

/// Tenants between whom a rule does not tell, since their records do not, and tenants for whom it is about nothing. Ids are nobody else's.
fn alike(warn: &mut dyn FnMut(String), guard: &GuardConfig, directory: &Directory) {
    let mut told = Vec::new();
    for way in guard.rules.values().flat_map(|rules| rules.ways()) {
        let (terms, starts) = (way.terms, way.starts().collect::<Vec<_>>());
        let mut names: Vec<&Name> = starts.iter().flat_map(|start| start.names()).filter(|name| name.tells_tenants_apart()).collect();
        names.dedup();
        if names.is_empty() || names.contains(&&Name::TenantId) {
            continue;
        }
        let names = names.iter().map(|name| format!("{{{name}}}")).collect::<Vec<_>>().join(" and ");
        let mut holders: BTreeMap<Vec<String>, Vec<String>> = BTreeMap::new();
        for record in directory.records() {
            match starts.iter().map(|start| start.rendered(&*record)).collect() {
                Ok(whole) => holders.entry(whole).or_default().push(record.id.to_string()),
                Err(wrong @ RenderError::Unsafe(_)) => {
                    told.push(format!("{}: {}: {wrong}, since what follows it begins with one of its characters", terms.name, record.id));
                }
                Err(RenderError::Missing(_)) => {}
            }
        }
        let shared = holders.into_values().filter(|holders| holders.len() > 1);
        told.extend(shared.map(|holders| {
            let who = holders.join(" and ");
            format!("{} tells tenants apart by {names}, which is the same for {who}: what is the one's is the other's", terms.name)
        }));
    }
    told.sort_unstable();
    told.dedup();
    told.iter().take(SHOWN).for_each(|told| warn(told.clone()));
    if told.len() > SHOWN {
        warn(format!("guard: and {} more records of the kind", told.len() - SHOWN));
    }
}

/// Actions that AWS may have since, and that more likely are misspelt. The words for policies are those for rules, too.
#[cfg(feature = "cedar")]
fn meaningless(warn: &mut dyn FnMut(String), RuleTerms { name, actions, .. }: &RuleTerms) {
    for action in actions.iter().flat_map(|actions| actions.meaningless()) {
        warn(format!("{name}.actions has {action}, which no request needs that is known here: is it spelt as IAM has it?"));
    }
}
