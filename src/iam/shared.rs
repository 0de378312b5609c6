//! Roles that look like one tenant's and are several's.
//!
//! Policies of a role for each tenant name one tenant's data, and a role has all policies that are attached to it: two tenants whose records name one
//! role would each reach what is the other's. So the records of *all* tenants are asked, and not only of those whose policies are printed.

use std::collections::BTreeMap;

use super::{IamError, Wanted, estate::Estate};
use crate::{
    config::{
        Config, PlanConfig,
        template::{Name, Template},
    },
    directory::TenantRecord,
};

/// What has to be said of roles of which nobody can tell whether tenants share them.
///
/// # Errors
/// Two tenants share one, and something is to be printed of it.
pub(super) fn check(estate: &Estate<'_>, config: &Config, wanted: &Wanted) -> Result<Vec<String>, IamError> {
    let mut notes = Vec::new();
    for role in estate.roles.iter().filter(|role| role.is_of_one_tenant) {
        let plans = config.credentials.iter().flat_map(|credentials| credentials.plans.all());
        // The id is in one ARN alone; every other value may be in two records.
        let Some(arn) = plans.filter(|plan| plan.key == role.key).map(PlanConfig::role_arn).find(|arn| !has_id(arn)) else { continue };
        let rests_on = arn.names().map(|name| format!("{{{name}}}")).collect::<Vec<_>>().join(", ");
        if let Some((one, other)) = shared(arn, wanted) {
            return Err(IamError(format!(
                "{}.role_arn: {one} and {other} have one role, by {rests_on} of their records, and no policy of it can be one tenant's; give each a role \
                 of its own, or put {{tenant.id}} into role_arn",
                role.key
            )));
        }
        if wanted.known.is_empty() && role.tenant_tag.is_none() {
            let note = format!(
                "{}: what is printed is right only where no two tenants have one role; it is named by {rests_on}, and their records are not at hand here. \
                 With session_tags: {{TenantID: \"{{tenant.id}}\"}} the policies compare the tag instead",
                role.key
            );
            if !notes.contains(&note) {
                notes.push(note);
            }
        }
    }
    Ok(notes)
}

fn has_id(arn: &Template) -> bool {
    arn.names().any(|name| *name == Name::TenantId)
}

/// Two tenants with one role, of which one is wanted where some are. IAM does not tell names by case.
fn shared(arn: &Template, wanted: &Wanted) -> Option<(String, String)> {
    let mut seen: BTreeMap<String, &TenantRecord> = BTreeMap::new();
    let is_wanted = |record: &TenantRecord| wanted.tenants.is_empty() || wanted.tenants.iter().any(|tenant| tenant.id == record.id);
    for record in &wanted.known {
        let Ok(role) = arn.render(record) else { continue };
        let first = *seen.entry(role.to_ascii_lowercase()).or_insert(record);
        if first.id != record.id && (is_wanted(first) || is_wanted(record)) {
            return Some((first.id.to_string(), record.id.to_string()));
        }
    }
    None
}
