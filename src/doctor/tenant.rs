//! The directory of tenants, and the tenant in it.

use super::report::{Level, Report};
use crate::{
    config::{Config, DirectoryConfig, UsersConfig},
    directory::{Directory, TenantRecord, TenantStatus},
    tenant::TenantId,
};

/// The record to try the plan with, where there is one.
pub(super) fn examine(report: &mut Report, config: &Config, directory: &Directory, tenant: Option<&TenantId>) -> Option<TenantRecord> {
    const KEY: &str = "tenants.directory";
    if let Some(UsersConfig::DynamoDb(users)) = &config.users {
        report.add(
            Level::Warning,
            "users.directory.dynamodb",
            format!("the table {} is read by the base identity, which should be able to assume roles and nothing else", users.table.name),
            "give it dynamodb:GetItem on this table alone",
        );
    }
    let is_any = matches!(config.directory, DirectoryConfig::Any);
    if is_any {
        report.add(Level::Warning, KEY, "any tenant exists that a token names; none can be suspended", "keep the tenants in a file");
    } else {
        report.ok(KEY, format!("{} tenants", directory.records().len()));
    }
    let tenant = tenant?;
    if is_any {
        return Some(TenantRecord::bare(tenant.clone()));
    }
    let found = directory.records().into_iter().find(|record| record.id == *tenant);
    match &found {
        None => report.add(Level::Failure, KEY, format!("it has no tenant {tenant}: each of its requests is refused"), "add the record"),
        Some(record) if record.status == TenantStatus::Suspended => {
            report.add(Level::Warning, KEY, format!("the tenant {tenant} is suspended: each of its requests is refused"), "");
        }
        Some(_) => report.ok(KEY, format!("the tenant {tenant} is active")),
    }
    found.map(|record| (*record).clone())
}
