//! What is dangerous, or will never work, in the plans of `credentials`.

use std::{collections::BTreeMap, time::Duration};

use super::{Found, SHOWN};
use crate::{
    config::{
        AskConfig, Config, CredentialsSource, DirectoryConfig, PlanConfig,
        settings::parse::is_role_arn,
        template::{Name, Template, Values},
    },
    directory::{Directory, TenantRecord, TenantStatus},
};

/// What STS gives at most to a role that another role assumes.
const MAX_CHAINED: Duration = Duration::from_secs(3_600);

pub(super) fn warnings(found: &mut Found, config: &Config, directory: Option<&Directory>) {
    let (Some(credentials), Some(egress)) = (&config.credentials, &config.egress) else { return };
    let plans = &credentials.plans;
    if let Some(default) = plans.default.as_ref().filter(|_| egress.services.keys().all(|service| plans.services.contains_key(service))) {
        found.warn(format!("{} holds for no service: each of egress.services has a plan of its own", default.key));
    }
    for plan in plans.all() {
        if let AskConfig::AssumeRole(ask) = &plan.ask
            && matches!(credentials.source, CredentialsSource::WebIdentity { .. })
            && ask.duration > MAX_CHAINED
        {
            found.refuse(format!(
                "{}.duration: is over 1h, which STS refuses to a role (web_identity) that assumes another: every request would be refused; lower it",
                plan.key
            ));
        }
        if plan.uses_callers_token() {
            if egress.proofs.passport {
                found.warn(format!("{}: a passport keeps its caller's token in memory for as long as it lives", plan.key));
            }
            for (taken, proof) in [(egress.proofs.deferred, "deferred"), (egress.proofs.certificate, "certificate")] {
                if taken {
                    found.warn(format!(
                        "{}: with a proof of the kind {proof} every request is refused, since no token is behind it",
                        plan.key
                    ));
                }
            }
        }
        multiplied(&mut |text| found.warn(text), plan);
        match &config.directory {
            DirectoryConfig::Any => any(found, plan),
            DirectoryConfig::DynamoDb(_) => folded(&mut |text| found.warn(text), plan, "a table's"),
            DirectoryConfig::File(_) | DirectoryConfig::PrefixFreeFile(_) => {
                directory.into_iter().for_each(|all| records(found, plan, all))
            }
        }
    }
}

/// Every tenant exists, and its record is empty.
fn any(found: &mut Found, plan: &PlanConfig) {
    let bare = "any".parse().ok().map(TenantRecord::bare);
    let lost = |name: &&Name| !name.is_from_token() && bare.as_ref().is_some_and(|bare| bare.value(name).is_none());
    if let Some(name) = plan.names().find(lost) {
        found.refuse(format!(
            "{}: has {{{name}}}, and tenants.directory is any, whose records are empty: every request would be refused; give the tenants in a file \
             or a table, or use {{tenant.id}} alone",
            plan.key
        ));
    }
    folded(&mut |text| found.warn(text), plan, "those of tokens (tenants.directory is any)");
}

/// Ids of tenants that nobody has compared.
fn folded(warn: &mut dyn FnMut(String), plan: &PlanConfig, which: &str) {
    if plan.lower_case_ids {
        warn(format!(
            "{} has {{tenant.id}} in the name of a role or policy, which differs in more than case, and nobody compares ids, {which}: every request of a \
             tenant whose id has a capital letter is refused",
            plan.key
        ));
    }
}

/// Why sessions of `plan` are a user's and not a tenant's, where they are.
pub(super) fn of_users(plan: &PlanConfig) -> Option<String> {
    settings_of_users(plan).into_iter().next()
}

fn settings_of_users(plan: &PlanConfig) -> Vec<String> {
    if plan.uses_callers_token() {
        return vec![format!("{}.token is the caller's", plan.key)];
    }
    plan.of_users().into_iter().map(|(setting, name)| format!("{}.{setting} has {{{name}}}", plan.key)).collect()
}

/// What makes more calls to STS than there are tenants.
fn multiplied(warn: &mut dyn FnMut(String), plan: &PlanConfig) {
    for why in settings_of_users(plan) {
        warn(format!(
            "{why}: each user of a tenant has a session of their own, which multiplies calls to STS (credentials.budget) and sessions \
             (credentials.max_sessions)"
        ));
    }
}

/// What the records of a file lack, and what two of them share.
fn records(found: &mut Found, plan: &PlanConfig, directory: &Directory) {
    let mut lacking = Vec::new();
    let mut same: BTreeMap<String, String> = BTreeMap::new();
    let mut shared = Vec::new();
    let mut active = 0;
    for record in directory.records().iter().filter(|record| record.status == TenantStatus::Active) {
        active += 1;
        lacking.extend(lacks(plan, record));
        let Some(rights) = rendered(plan, record) else { continue };
        match same.get(&rights) {
            Some(other) => shared.push(format!("{other} and {}", record.id)),
            None => drop(same.insert(rights, record.id.to_string())),
        }
    }
    if !lacking.is_empty() && lacking.len() == active {
        found.refuse(format!("{}: can be carried out for none of the tenants: every request would be refused", plan.key));
    }
    let mut shown = |lines: &[String], what: &str| {
        lines.iter().take(SHOWN).for_each(|line| found.warn(format!("{}: {line}: {what}", plan.key)));
        if lines.len() > SHOWN {
            found.warn(format!("{}: and {} more: {what}", plan.key, lines.len() - SHOWN));
        }
    };
    shown(&lacking, "every request of this tenant is refused");
    shown(&shared, "the same role, tags and policies for two tenants");
}

/// The first thing for which the plan cannot be carried out for `record`, whatever a token says.
fn lacks(plan: &PlanConfig, record: &TenantRecord) -> Option<String> {
    let fails = |(setting, template): (String, &Template)| {
        if template.names().any(Name::is_from_token) {
            return None;
        }
        match template.render(record) {
            Err(error) => Some(format!("{}: {setting}: {error}", record.id)),
            Ok(arn) if setting.ends_with("role_arn") && !is_role_arn(&arn) => Some(format!("{}: {setting} is no role's ARN", record.id)),
            Ok(_) => None,
        }
    };
    let policy = || plan.session_policy().filter(|policy| !policy.names().any(Name::is_from_token))?.render(record).err();
    plan.templates().into_iter().find_map(fails).or_else(|| policy().map(|error| format!("{}: session_policy: {error}", record.id)))
}

/// What decides on the rights of a session for `record`, where that does not depend on a token.
fn rendered(plan: &PlanConfig, record: &TenantRecord) -> Option<String> {
    if plan.deciding_names().into_iter().any(Name::is_from_token) {
        return None;
    }
    let decides = |setting: &str| ["role_arn", "session_tags", "token_tags", "policy_arns"].iter().any(|part| setting.contains(part));
    let mut rights = String::new();
    for (setting, template) in plan.templates().into_iter().filter(|(setting, _)| decides(setting)) {
        rights.push_str(&format!("{setting} {}\n", template.render(record).ok()?));
    }
    if let Some(policy) = plan.session_policy() {
        rights.push_str(&policy.render(record).ok()?);
    }
    Some(rights)
}
