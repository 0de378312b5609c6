//! `tenants`

use super::{Section, parse, tables};
use crate::config::{
    DirectoryConfig, LoadConfig, OnSuspend, TenantAttributesConfig, TenantKeyConfig, TenantKeyTemplate, TenantsTableConfig,
};

/// `region` is that of the egress, where there is one.
pub(super) fn directory(section: &Section<'_>, region: Option<&str>) -> Option<DirectoryConfig> {
    let directory = section.given("directory")?;
    if directory.has("any") {
        directory.set("any", serde_json::json!({}));
        return Some(DirectoryConfig::Any);
    }
    if let Some(dynamodb) = directory.given("dynamodb") {
        return table(&dynamodb, region).map(|table| DirectoryConfig::DynamoDb(Box::new(table)));
    }
    directory.records("file").map(DirectoryConfig::File)
}

/// The same, held to ids of which none is the beginning of another where they can be looked at.
pub(super) fn prefix_free(directory: DirectoryConfig) -> DirectoryConfig {
    match directory {
        DirectoryConfig::File(path) => DirectoryConfig::PrefixFreeFile(path),
        other @ (DirectoryConfig::Any | DirectoryConfig::DynamoDb(_) | DirectoryConfig::PrefixFreeFile(_)) => other,
    }
}

pub(super) fn on_suspend(section: &Section<'_>) -> Option<OnSuspend> {
    section.get("on_suspend", |scalar| Some(if scalar.text == "finish" { OnSuspend::Finish } else { OnSuspend::Cut }))
}

fn table(section: &Section<'_>, region: Option<&str>) -> Option<TenantsTableConfig> {
    let table = tables::table(section, region);
    let key = key(section);
    let attributes = attributes(&section.section("attributes"));
    let cache = tables::cache(section, "max_tenants");
    let load = section.given("load").map(|load| {
        let (every, items_per_second) = (load.get("every", parse::duration), load.get("items_per_second", parse::size));
        Some(LoadConfig { every: every?, items_per_second: items_per_second? })
    });
    let load = load.map_or(Some(None), |load| load.map(Some));
    Some(TenantsTableConfig { table: table?, key: key?, attributes: attributes?, cache: cache?, load: load? })
}

fn key(section: &Section<'_>) -> Option<TenantKeyConfig> {
    let partition = section.get("partition_key", parse::text).zip(section.get("key_template", parse::tenant_key_template));
    let sort = tables::sort_key(section, section.get("sort_key_template", parse::tenant_key_template));
    let key = TenantKeyConfig { partition: partition?, sort: sort? };
    let apart = |(_, template): &(String, TenantKeyTemplate)| template.tells_tenants_apart();
    if !apart(&key.partition) && !key.sort.as_ref().is_some_and(apart) {
        section.wrong("key_template", "is the same for every tenant", "put {tenant.id} into it");
        return None;
    }
    if key.sort.as_ref().is_some_and(|(name, _)| *name == key.partition.0) {
        section.wrong("sort_key", "is the partition key", "give the attribute that is the table's sort key");
        return None;
    }
    Some(key)
}

fn attributes(section: &Section<'_>) -> Option<TenantAttributesConfig> {
    let name = |key| section.get(key, parse::text);
    // All are read before any is missed: one run reports every error.
    let (status, tier, cell, account) = (name("status"), name("tier"), name("cell"), name("account"));
    let (external_id, kms_key, region) = (name("external_id"), name("kms_key"), name("region"));
    let (limits, revoked, attributes) = (name("limits"), name("revoked"), name("attributes"));
    Some(TenantAttributesConfig {
        status: status?,
        tier: tier?,
        cell: cell?,
        account: account?,
        external_id: external_id?,
        kms_key: kms_key?,
        region: region?,
        limits: limits?,
        revoked: revoked?,
        attributes: attributes?,
    })
}
