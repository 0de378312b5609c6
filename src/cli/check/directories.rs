//! What the records of tenants and users say and will not do.

use std::time::Duration;

use super::listeners::plain;
use crate::{
    config::{CacheConfig, Config, DirectoryConfig, TableConfig, UsersConfig},
    directory::{Directory, users::UserDirectory},
    identity::workload::WORKLOAD_ISSUER,
};

/// An outage that lasts longer is one that somebody works on.
const LONG_STALE: Duration = Duration::from_secs(3_600);

/// What the records of tenants and users say and will not do.
pub(super) fn warnings(warn: &mut dyn FnMut(String), config: &Config, directory: Option<&Directory>, users: Option<&UserDirectory>) {
    // Who redeems contexts may meet users of issuers that only the sealer knows.
    let redeems = config.egress.as_ref().is_some_and(|egress| egress.redeem.is_some());
    let is_known =
        |name: &String| redeems || name == WORKLOAD_ISSUER || config.identity.issuers.iter().any(|issuer| &issuer.issuer == name);
    let revoked_issuers = directory.map(Directory::revoked_issuers).unwrap_or_default();
    for issuer in revoked_issuers.iter().filter(|issuer| !is_known(issuer)) {
        warn(format!("the tenant records revoke something of {issuer:?}, which is no issuer of identity.issuers: that has no effect"));
    }
    for issuer in users.iter().flat_map(|users| users.issuers()).filter(|issuer| !is_known(issuer)) {
        warn(format!("the users of {issuer:?} are of no issuer of identity.issuers: none of them will ever be asked for"));
    }
    if let DirectoryConfig::DynamoDb(tenants) = &config.directory {
        table(warn, "tenants", &tenants.table, &tenants.cache);
    }
    if let Some(UsersConfig::DynamoDb(users)) = &config.users {
        table(warn, "users", &users.table, &users.cache);
    }
}

/// What makes a directory in a table weaker than it could be.
fn table(warn: &mut dyn FnMut(String), whose: &str, table: &TableConfig, cache: &CacheConfig) {
    let key = format!("{whose}.directory.dynamodb");
    plain(warn, &format!("{key}.endpoint"), table.endpoint.as_ref());
    if table.reader.is_none() {
        warn(format!(
            "{key}.role_arn is unset: the identity that can become every tenant reads the table itself; it should be able to do nothing but assume roles"
        ));
    }
    if cache.max_stale > LONG_STALE {
        warn(format!("{key}.max_stale is over an hour: so long one of the {whose} that is suspended is served while DynamoDB is down"));
    }
}
