//! The file of users.

use std::{collections::HashMap, path::Path, sync::Arc};

use crate::{
    config::{
        ConfigErrors,
        document::Bounds,
        reader::{Reader, Section},
        settings::{USER_RECORDS, parse as form},
    },
    identity::{UserRecord, UserStatus},
    tenant::TenantId,
};

/// Users by issuer and subject.
pub(super) type ByIssuer = HashMap<String, HashMap<String, Arc<UserRecord>>>;

/// Parses and validates a whole file. `origin` names it in errors.
///
/// # Errors
/// Everything that is wrong, and an active tenant that the user does not belong to.
pub(super) fn parse(text: &str, origin: &str) -> Result<ByIssuer, ConfigErrors> {
    let reader = Reader::open(text, origin, Path::new(""), USER_RECORDS, Bounds::RECORDS)?;
    let issuers = reader.root().sections("issuers").into_iter();
    let users = issuers.map(|(issuer, section)| {
        let users = section.sections("users").into_iter().map(|(subject, section)| (subject, Arc::new(user(&section))));
        (issuer, users.collect())
    });
    let users = users.collect();
    reader.finish(Some(users)).map(|(users, _)| users)
}

fn user(section: &Section<'_>) -> UserRecord {
    let suspended = section.get("status", form::text).as_deref() != Some("active");
    let roles = |(id, section): (String, Section<'_>)| Some((id.parse().ok()?, section.all("roles", form::text)));
    let memberships: std::collections::BTreeMap<TenantId, Vec<String>> =
        section.sections("tenants").into_iter().filter_map(roles).collect();
    let active_tenant = section.get("active_tenant", form::tenant);
    if let Some(id) = active_tenant.as_ref().filter(|id| !memberships.contains_key(*id)) {
        section.wrong("active_tenant", format!("{id} is not among the user's tenants"), "give one of tenants, or add it there");
    }
    UserRecord {
        status: if suspended { UserStatus::Suspended } else { UserStatus::Active },
        active_tenant,
        memberships,
        attributes: section.pairs("attributes", form::text).into_iter().collect(),
    }
}
