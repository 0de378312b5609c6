//! Requests that nobody holds against rules: IAM alone then keeps tenants apart. And rules that do not keep them apart.

use std::collections::BTreeMap;

use super::SHOWN;
use crate::{
    config::{
        Config, GuardConfig, GuardMode, RuleTerms, is_guarded, judged_as, kind_of,
        template::{Name, RenderError},
    },
    directory::Directory,
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
    #[cfg(feature = "cedar")]
    for terms in guard.rules.values().flat_map(|rules| rules.terms()) {
        meaningless(warn, terms);
    }
    if let Some(directory) = directory {
        alike(warn, guard, directory);
    }
}

/// Tenants between whom a rule does not tell, since their records do not, and tenants for whom it is about nothing. Ids are nobody else's.
fn alike(warn: &mut dyn FnMut(String), guard: &GuardConfig, directory: &Directory) {
    let mut told = Vec::new();
    for (terms, starts) in guard.rules.values().flat_map(|rules| rules.ways()) {
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
