//! What lets a tenant's session, or somebody else, reach another tenant's data.

use std::collections::BTreeMap;

use super::SHOWN;
use crate::{
    aws::service::Service,
    config::{
        AskConfig, Config, EgressConfig, GuardConfig, GuardMode, PlanConfig, PlansConfig,
        template::{Name, Template},
    },
    directory::{Directory, TenantStatus},
    iam::AOSS_IS_SHARED,
};

/// What the confused deputy is, for whoever has not met it.
const DEPUTY: &str = "where accounts are the tenants' own, whoever has another's account registered as his own reaches it by way of Palisade (the \
                      confused deputy problem, in AWS's IAM user guide)";

pub(super) fn warnings(warn: &mut dyn FnMut(String), config: &Config, directory: Option<&Directory>) {
    let (Some(credentials), Some(egress)) = (&config.credentials, &config.egress) else { return };
    for plan in credentials.plans.all() {
        rights(warn, plan);
        if let Some(policy) = plan.session_policy() {
            policy.loose().iter().for_each(|loose| warn(format!("{}.session_policy: {loose}", plan.key)));
            if !policy.allows() {
                warn(format!("{}.session_policy: no statement allows anything, and so no session may do anything", plan.key));
            }
        }
        deputy(warn, plan, directory);
    }
    search(warn, &credentials.plans, egress, &config.guard);
}

/// Who decides what a session may do.
fn rights(warn: &mut dyn FnMut(String), plan: &PlanConfig) {
    if let Some(name) = plan.role_arn().names().find(|name| name.is_from_token()) {
        warn(format!("{}.role_arn has {{{name}}}: whoever issues tokens, or writes users' profiles, chooses the role", plan.key));
    }
    // A session has what any one of its policies allows: where nothing else tells tenants apart, each of them has to, in each statement.
    if plan.role_or_tags_tell_tenants_apart() {
        return;
    }
    let alike = "every tenant the same, and neither role nor tags differ";
    for same in plan.session_policy().iter().flat_map(|policy| policy.alike()) {
        let number = same.statement;
        let what = match (&same.resource, &same.misplaced) {
            (Some(resource), _) => format!("Statement[{number}] allows {alike} with the resource {resource}"),
            (None, Some(place)) => format!("Statement[{number}] allows {alike}: the tenant stands in {place}, where it bounds nothing"),
            (None, None) => format!("Statement[{number}] allows {alike}"),
        };
        warn(format!("{}.session_policy: {what}; right only for what is nobody's, such as s3:ListAllMyBuckets", plan.key));
    }
    let tells = |template: &&Template| template.names().any(Name::tells_tenants_apart);
    for template in plan.policy_arns().iter().filter(|template| !tells(template)) {
        warn(format!("{}.policy_arns: {} allows {alike}; beside other policies it widens them", plan.key, template.as_text()));
    }
}

/// Roles in tenants' accounts that others can have Palisade assume.
fn deputy(warn: &mut dyn FnMut(String), plan: &PlanConfig, directory: Option<&Directory>) {
    let AskConfig::AssumeRole(ask) = &plan.ask else { return };
    if let Some(wrong) = plan.deputy_can_be_confused() {
        warn(format!(
            "{}.external_id {wrong}, and the role is in the tenant's account: {DEPUTY}; give each tenant one of its own",
            plan.key
        ));
        return;
    }
    let Some(directory) = directory else { return };
    let mut accounts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut holders: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for record in directory.records().iter().filter(|record| record.status == TenantStatus::Active) {
        let Ok(arn) = ask.role_arn.render(&**record) else { continue };
        accounts.entry(arn.split(':').nth(4).unwrap_or_default().to_owned()).or_default().push(record.id.to_string());
        if let Some(Ok(id)) = ask.external_id.as_ref().map(|id| id.render(&**record)) {
            holders.entry(id).or_default().push(record.id.to_string());
        }
    }
    if accounts.len() < 2 {
        return;
    }
    if ask.external_id.is_none() {
        return warn(format!("{}.external_id is unset, and tenants' roles are in several accounts: {DEPUTY}", plan.key));
    }
    // The id itself is no secret, and nobody's business either.
    let shared: Vec<_> = holders.into_values().filter(|holders| holders.len() > 1).collect();
    for holders in shared.iter().take(SHOWN) {
        warn(format!("{}.external_id is the same for {}: {DEPUTY}", plan.key, holders.join(" and ")));
    }
    if shared.len() > SHOWN {
        warn(format!("{}.external_id is shared by {} more groups of tenants", plan.key, shared.len() - SHOWN));
    }
}

/// Roles that tenants share where nothing but the role is looked at.
fn search(warn: &mut dyn FnMut(String), plans: &PlansConfig, egress: &EgressConfig, guard: &GuardConfig) {
    let signs_as = |name: &str, signing: Option<&str>| {
        let known = Service::find(name).map_or(name, |known| known.signing_name);
        signing.unwrap_or(known) == "aoss"
    };
    let enforces = guard.rules.get("aoss").is_some_and(|rules| rules.terms().iter().all(|terms| terms.mode == GuardMode::Enforce));
    for (name, service) in egress.services.iter().filter(|(name, service)| signs_as(name, service.signing_name.as_deref())) {
        let plan = plans.services.get(name).or(plans.default.as_ref());
        if let Some(plan) = plan.filter(|plan| !plan.role_arn().names().any(Name::tells_tenants_apart)) {
            let guarded = enforces && guard.mode == GuardMode::Enforce && !service.unguarded;
            let alone = if guarded { "; as it is, guard.aoss alone keeps tenants apart there" } else { "" };
            warn(format!("{}.role_arn: holds for egress.services.{name}: {AOSS_IS_SHARED}{alone}", plan.key));
        }
    }
}
