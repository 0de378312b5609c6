//! `tenants.directory.dynamodb`

use std::time::Duration;

use super::{CacheConfig, TableConfig};
use crate::tenant::TenantId;

/// The placeholder of a key template.
const TENANT: &str = "{tenant.id}";

/// `tenants.directory.dynamodb`
#[derive(Debug)]
pub struct TenantsTableConfig {
    /// The table.
    pub table: TableConfig,
    /// How a tenant is found in it.
    pub key: TenantKeyConfig,
    /// Which attributes mean what.
    pub attributes: TenantAttributesConfig,
    /// How long answers are kept.
    pub cache: CacheConfig,
    /// The reading of the whole table, where it is wanted.
    pub load: Option<LoadConfig>,
}

/// The key of a tenant's item: no two tenants have the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantKeyConfig {
    /// The attribute that is the table's partition key, and its value for a tenant.
    pub partition: (String, TenantKeyTemplate),
    /// The same for the sort key, where the table has one.
    pub sort: Option<(String, TenantKeyTemplate)>,
}

/// `tenants.directory.dynamodb.attributes`: what the attributes are called that have what a record of the file has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantAttributesConfig {
    /// `active` or `suspended`; an item without it is not accepted.
    pub status: String,
    /// Names a set of limits.
    pub tier: String,
    /// Group of tenants.
    pub cell: String,
    /// AWS account.
    pub account: String,
    /// For the tenant role's trust policy.
    pub external_id: String,
    /// KMS key.
    pub kms_key: String,
    /// Home region.
    pub region: String,
    /// A map with the tenant's own limits.
    pub limits: String,
    /// A map with the deny-list.
    pub revoked: String,
    /// A map of free values.
    pub attributes: String,
}

/// `tenants.directory.dynamodb.load`
#[derive(Debug, Clone, Copy)]
pub struct LoadConfig {
    /// From the end of one to the begin of the next, up to a tenth less; also the longest that one may take.
    pub every: Duration,
    /// Items a second.
    pub items_per_second: usize,
}

/// The value of a key attribute for a tenant: text that may have `{tenant.id}` once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantKeyTemplate {
    before: String,
    /// What follows the id; `None` without one.
    after: Option<String>,
}

impl TenantKeyTemplate {
    /// Parses `text`; `None` where it is empty, has other placeholders, this one twice, or control characters.
    pub fn parse(text: &str) -> Option<Self> {
        let (before, after) = text.split_once(TENANT).map_or((text, None), |(before, after)| (before, Some(after)));
        let plain = |text: &str| !text.contains(['{', '}']) && !text.chars().any(char::is_control);
        let fits = !text.is_empty() && plain(before) && after.is_none_or(plain);
        fits.then(|| Self { before: before.to_owned(), after: after.map(str::to_owned) })
    }

    /// Whether it is another for every tenant.
    pub fn tells_tenants_apart(&self) -> bool {
        self.after.is_some()
    }

    /// The value for `tenant`.
    pub fn render(&self, tenant: &str) -> String {
        match &self.after {
            None => self.before.clone(),
            Some(after) => format!("{}{tenant}{after}", self.before),
        }
    }

    /// What the value says.
    pub fn read<'v>(&self, value: &'v str) -> KeyValue<'v> {
        let inner = match &self.after {
            None => return if value == self.before { KeyValue::Fits } else { KeyValue::Other },
            Some(after) => value.strip_prefix(&*self.before).and_then(|rest| rest.strip_suffix(&**after)),
        };
        inner.map_or(KeyValue::Other, |text| text.parse().map_or(KeyValue::NoTenant(text), KeyValue::Tenant))
    }
}

/// What the value of a key attribute says by a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyValue<'v> {
    /// It is the one of this tenant.
    Tenant(TenantId),
    /// It is in the place of a tenant's, and what is there is no tenant id.
    NoTenant(&'v str),
    /// It is the one of every tenant.
    Fits,
    /// It is of something else that is in the table.
    Other,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_rendered_and_read_back() {
        let acme = || "acme".parse::<TenantId>().unwrap();
        for (text, value) in [("{tenant.id}", "acme"), ("TENANT#{tenant.id}", "TENANT#acme"), ("t/{tenant.id}/v1", "t/acme/v1")] {
            let template = TenantKeyTemplate::parse(text).unwrap();
            assert!(template.tells_tenants_apart());
            assert_eq!((template.render("acme"), template.read(value)), (value.to_owned(), KeyValue::Tenant(acme())));
        }
        let template = TenantKeyTemplate::parse("TENANT#{tenant.id}#").unwrap();
        assert_eq!(template.read("TENANT#a/b#"), KeyValue::NoTenant("a/b"));
        assert_eq!(template.read("TENANT##"), KeyValue::NoTenant(""));
        for other in ["TENANT#", "USER#acme#", "acme", "", "TENANT#acme"] {
            assert_eq!(template.read(other), KeyValue::Other, "{other}");
        }
        let fixed = TenantKeyTemplate::parse("PROFILE").unwrap();
        assert!(!fixed.tells_tenants_apart());
        assert_eq!(fixed.render("acme"), "PROFILE");
        assert_eq!((fixed.read("PROFILE"), fixed.read("ORDER#1")), (KeyValue::Fits, KeyValue::Other));
    }

    #[test]
    fn what_is_no_template_is_none() {
        for wrong in ["", "{tenant.id}{tenant.id}", "{tenant.cell}", "{tenant.id", "a}", "a\n{tenant.id}", "{tenant.id}\0", "{subject}"] {
            assert_eq!(TenantKeyTemplate::parse(wrong), None, "{wrong:?}");
        }
    }
}
