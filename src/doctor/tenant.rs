//! The directory of tenants, and the tenant in it.

use super::report::{Level, Report};
use crate::{
    clock::Clock,
    config::{Config, DirectoryConfig, TableConfig, UsersConfig},
    credentials::Readers,
    directory::{Changes, Directory, Tables, TenantRecord, TenantStatus},
    telemetry::Metrics,
    tenant::TenantId,
};

const KEY: &str = "tenants.directory";

/// The record to try the plan with, where there is one.
///
/// `readers` can read tables; there are none where the base identity does not work.
pub(super) async fn examine(
    report: &mut Report,
    config: &Config,
    readers: Option<Readers<'_>>,
    tenant: Option<&TenantId>,
    (clock, metrics): (&Clock, &Metrics),
) -> Option<TenantRecord> {
    if let Some(UsersConfig::DynamoDb(users)) = &config.users {
        read_by(report, "users.directory.dynamodb", &users.table);
    }
    let is_table = if let DirectoryConfig::DynamoDb(tenants) = &config.directory {
        read_by(report, "tenants.directory.dynamodb", &tenants.table);
        true
    } else {
        false
    };
    if is_table && readers.is_none() {
        report.add(Level::Failure, KEY, "the table cannot be read: there are no credentials", "see credentials.source");
        return None;
    }
    let changes = Changes::default();
    let tables = readers.map(|readers| Tables { readers, changes: &changes, clock, metrics });
    match Directory::open(&config.directory, tables) {
        Ok(directory) => find(report, config, &directory, is_table, tenant).await,
        Err(errors) => {
            report.add(Level::Failure, KEY, errors.to_string(), "");
            None
        }
    }
}

fn read_by(report: &mut Report, key: &'static str, table: &TableConfig) {
    match &table.reader {
        Some(reader) => report.ok(key, format!("the table {} is read by {}", table.name, reader.role_arn)),
        None => report.add(
            Level::Warning,
            key,
            format!("the table {} is read by the base identity, which should be able to assume roles and nothing else", table.name),
            "give role_arn, a role that may read this table alone",
        ),
    }
}

async fn find(
    report: &mut Report,
    config: &Config,
    directory: &Directory,
    is_table: bool,
    tenant: Option<&TenantId>,
) -> Option<TenantRecord> {
    let is_any = matches!(config.directory, DirectoryConfig::Any);
    if is_any {
        report.add(Level::Warning, KEY, "any tenant exists that a token names; none can be suspended", "keep the tenants in a file");
    } else if !is_table {
        report.ok(KEY, format!("{} tenants", directory.records().len()));
    }
    let tenant = tenant?;
    if is_any {
        return Some(TenantRecord::bare(tenant.clone()));
    }
    directory.renew(tenant).await;
    let found = directory.records().into_iter().find(|record| record.id == *tenant);
    match &found {
        None if directory.serves(tenant) => {
            report.add(
                Level::Failure,
                KEY,
                format!("the record of {tenant} cannot be read or used; the log says why"),
                "see config/guide/tenants.md",
            );
        }
        None => report.add(Level::Failure, KEY, format!("it has no tenant {tenant}: each of its requests is refused"), "add the record"),
        Some(record) if record.status == TenantStatus::Suspended => {
            report.add(Level::Warning, KEY, format!("the tenant {tenant} is suspended: each of its requests is refused"), "");
        }
        Some(_) => report.ok(KEY, format!("the tenant {tenant} is active")),
    }
    found.map(|record| (*record).clone())
}
