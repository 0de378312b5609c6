//! The file of tenant records.

use std::{collections::HashMap, path::Path, sync::Arc};

use super::{TenantRecord, TenantStatus, resolve::Records};
use crate::{
    config::{
        ConfigErrors,
        build::{limits, revoked},
        document::Bounds,
        reader::{Reader, Section},
        settings::{RECORDS, parse as form},
    },
    tenant::TenantId,
};

/// Parses and validates a whole file. `origin` names it in errors.
///
/// # Errors
/// Everything that is wrong, and ids that differ in case alone: somewhere such a pair is one (a bucket name, an e-mail address, a
/// tag key), and then one tenant is the other.
pub(super) fn parse(text: &str, origin: &str) -> Result<Records, ConfigErrors> {
    let reader = Reader::open(text, origin, Path::new(""), RECORDS, Bounds::RECORDS)?;
    let records = all(&reader.root());
    reader.finish(Some(records)).map(|(records, _)| records)
}

/// As [`parse`], and no id may be the beginning of another one. The configuration relies on it where it has `{tenant.id}` followed by
/// a character that can stand in ids: what begins with `acme-` would be `acme-eu`'s too.
///
/// # Errors
/// As [`parse`].
pub(super) fn parse_prefix_free(text: &str, origin: &str) -> Result<Records, ConfigErrors> {
    let reader = Reader::open(text, origin, Path::new(""), RECORDS, Bounds::RECORDS)?;
    let root = reader.root();
    let records = all(&root);
    // In order, whatever begins with an id follows it at once.
    let mut first: Option<&TenantId> = None;
    for id in records.tenants.keys() {
        match first.filter(|first| id.as_str().starts_with(first.as_str())) {
            Some(first) => root.wrong_entry(
                "tenants",
                id.as_str(),
                format!("begins with {first}, which is a tenant too, and a template of credentials or a name of guard has {{tenant.id}} followed by a character of ids"),
                "give one of them another id, or separate what follows {tenant.id} there with / or #",
            ),
            None => first = Some(id),
        }
    }
    drop(root);
    reader.finish(Some(records)).map(|(records, _)| records)
}

fn all(root: &Section<'_>) -> Records {
    let mut records = Records::default();
    let mut folded: HashMap<String, String> = HashMap::new();
    for (name, section) in root.sections("tenants") {
        if let Some(other) = folded.insert(name.to_ascii_lowercase(), name.clone()) {
            root.wrong_entry("tenants", &name, format!("differs from {other} in case alone"), "give one of them another id");
        }
        // An id that is none has been reported.
        if let Ok(id) = name.parse() {
            let record = record(id, &section);
            records.tenants.insert(record.id.clone(), Arc::new(record));
        }
    }
    records.revoked = revoked(&root.section("revoked"));
    records
}

fn record(id: TenantId, section: &Section<'_>) -> TenantRecord {
    let suspended = section.get("status", form::text).as_deref() != Some("active");
    TenantRecord {
        id,
        status: if suspended { TenantStatus::Suspended } else { TenantStatus::Active },
        tier: section.get("tier", form::text),
        cell: section.get("cell", form::text),
        account: section.get("account", form::account),
        external_id: section.get("external_id", form::external_id),
        kms_key: section.get("kms_key", form::text),
        region: section.get("region", form::region),
        limits: section.given("limits").map(|section| limits(&section)),
        revoked: revoked(&section.section("revoked")),
        attributes: section.pairs("attributes", form::text).into_iter().collect(),
    }
}
