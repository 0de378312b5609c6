//! `users`

use super::{Section, parse, tables};
use crate::config::{IdentityConfig, IssuerTenants, KeyTemplate, UserAttributesConfig, UsersConfig, UsersTableConfig, template::Name};

/// `region` is that of the egress, where there is one.
pub(super) fn users(section: &Section<'_>, region: Option<&str>, identity: Option<&IdentityConfig>) -> Option<UsersConfig> {
    let directory = section.given("directory")?;
    if let Some(dynamodb) = directory.given("dynamodb") {
        return table(&dynamodb, region, identity).map(|table| UsersConfig::DynamoDb(Box::new(table)));
    }
    directory.records("file").map(UsersConfig::File)
}

fn table(section: &Section<'_>, region: Option<&str>, identity: Option<&IdentityConfig>) -> Option<UsersTableConfig> {
    let table = tables::table(section, region);
    let partition_key = section.get("partition_key", parse::text).zip(section.get("key_template", parse::key_template));
    let sort_key = tables::sort_key(section, section.get("sort_key_template", parse::key_template));
    if let Some((_, template)) = &partition_key {
        apart(section, template, identity);
    }
    let attributes = attributes(&section.section("attributes"));
    let cache = tables::cache(section, "max_entries");
    Some(UsersTableConfig { table: table?, partition_key: partition_key?, sort_key: sort_key?, attributes: attributes?, cache: cache? })
}

/// No two users may share a key, whatever their subjects are.
fn apart(section: &Section<'_>, template: &KeyTemplate, identity: Option<&IdentityConfig>) {
    if !template.tells_subjects_apart() {
        section.wrong("key_template", "is the same for every user", "put {subject} into it");
    }
    let sole = identity.is_some_and(|identity| identity.issuers.len() == 1);
    if !sole && !template.tells_issuers_apart() {
        section.wrong("key_template", "is the same for users of all issuers", "put {issuer} into it, as in \"{issuer}#{subject}\"");
        return;
    }
    let issuers: Vec<_> = identity.iter().flat_map(|identity| &identity.issuers).map(|issuer| issuer.issuer.as_str()).collect();
    if let Some((one, other)) = template.confuses(&issuers) {
        section.wrong(
            "key_template",
            format!("does not keep users of {one} and {other} apart: one of them could have the key of the other"),
            "put {issuer} into it, with a separator that no issuer has, as in \"{issuer}#{subject}\"",
        );
    }
}

fn attributes(section: &Section<'_>) -> Option<UserAttributesConfig> {
    let name = |key| section.get(key, parse::text);
    let (status, active_tenant, memberships, attributes) = (name("status"), name("active_tenant"), name("memberships"), name("attributes"));
    Some(UserAttributesConfig { status: status?, active_tenant: active_tenant?, memberships: memberships?, attributes: attributes? })
}

/// What reads of users where there are none, or of records where they are empty, could never work.
pub(super) fn needed<'t>(root: &Section<'_>, mut names: impl Iterator<Item = &'t Name>) {
    if root.has("users") {
        return;
    }
    if let Some(name) = names.find(|name| matches!(name, Name::UserAttribute(_))) {
        root.wrong("users", format!("is missing, and a template has {{{name}}}"), "give users.directory, or take the placeholder out");
    }
}

/// An issuer cannot be bound by records that are empty.
pub(super) fn bound(root: &Section<'_>, identity: Option<&IdentityConfig>, any_tenant: bool) {
    let issuers = identity.iter().flat_map(|identity| &identity.issuers);
    let mut bound = issuers.filter(|issuer| matches!(issuer.tenants, IssuerTenants::Attribute(_)));
    if let Some(issuer) = bound.next().filter(|_| any_tenant) {
        root.section("tenants").wrong(
            "directory",
            format!("is any, whose records are empty, and issuer {} is bound by an attribute of them", issuer.issuer),
            "use a directory with records, or list the issuer's tenants",
        );
    }
}
