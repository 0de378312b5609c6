//! What asks for sessions that cannot be had.

use super::plans;
use crate::{
    config::{Config, DirectoryConfig},
    directory::{Directory, TenantStatus},
};

pub(super) fn warnings(warn: &mut dyn FnMut(String), config: &Config, directory: Option<&Directory>) {
    let Some((credentials, warm_up)) = config.credentials.as_ref().and_then(|all| Some((all, all.warm_up.as_ref()?))) else { return };
    let reasons: Vec<_> = credentials.plans.all().map(plans::of_users).collect();
    let effect = if reasons.iter().all(Option::is_some) { "has no effect" } else { "does not fetch all" };
    for reason in reasons.into_iter().flatten() {
        warn(format!("credentials.warm_up {effect}: {reason}, which is known with a request alone"));
    }
    match config.directory {
        DirectoryConfig::Any if !warm_up.tiers.is_empty() => {
            warn("credentials.warm_up.tiers has no effect: tenants.directory is any, and no record has a tier".to_owned());
        }
        DirectoryConfig::DynamoDb(_) if !warm_up.tiers.is_empty() => {
            warn(
                "credentials.warm_up.tiers has no effect: tenants.directory is a table, of which nobody knows yet who is in a tier; name \
                 credentials.warm_up.tenants"
                    .to_owned(),
            );
        }
        _ => {}
    }
    let (DirectoryConfig::File(_) | DirectoryConfig::PrefixFreeFile(_), Some(directory)) = (&config.directory, directory) else { return };
    let records = directory.records();
    for tenant in warm_up.tenants.iter().filter(|tenant| !records.iter().any(|record| &record.id == *tenant)) {
        warn(format!("credentials.warm_up.tenants names {tenant}, which the tenant records do not have"));
    }
    for record in records.iter().filter(|record| record.status != TenantStatus::Active && warm_up.tenants.contains(&record.id)) {
        warn(format!("credentials.warm_up.tenants names {}, which is suspended: no session is fetched for it", record.id));
    }
    for tier in warm_up.tiers.iter().filter(|tier| !records.iter().any(|record| record.tier.as_ref() == Some(tier))) {
        warn(format!("credentials.warm_up.tiers names {tier:?}, which no tenant record has"));
    }
}
