//! Reads tenants out of the table: one by its key, or the next of all.

use futures_util::future::BoxFuture;

use super::record;
use crate::{
    config::{KeyValue, TenantAttributesConfig, TenantKeyConfig, TenantsTableConfig},
    credentials::{BaseIdentityError, Readers, SetupError},
    directory::{
        TenantRecord,
        dynamodb::{Cursor, Table},
        item::{Item, ItemError},
        points::{ReadError, ReadPoint},
    },
    tenant::TenantId,
};

/// The table, and how tenants are in it.
#[derive(Debug)]
pub(super) struct Reader {
    table: Table,
    key: TenantKeyConfig,
    attributes: TenantAttributesConfig,
}

/// The tenants of a part of the table, and where the next part begins; `None` after the last.
pub(super) struct Part {
    pub(super) tenants: Vec<(TenantId, Result<TenantRecord, ReadError>)>,
    /// Items in the place of a tenant's whose id is none.
    pub(super) nameless: usize,
    pub(super) next: Option<Cursor>,
}

impl Reader {
    pub(super) fn open(config: &TenantsTableConfig, readers: Readers<'_>) -> Result<Self, SetupError> {
        Ok(Self::new(Table::new(&config.table, readers)?, config))
    }

    pub(super) fn new(table: Table, config: &TenantsTableConfig) -> Self {
        Self { table, key: config.key.clone(), attributes: config.attributes.clone() }
    }

    /// Whether `other` finds the same records in the same table.
    pub(super) fn is(&self, other: &Self, same_base: bool) -> bool {
        self.table.is(&other.table, same_base) && (&self.key, &self.attributes) == (&other.key, &other.attributes)
    }

    pub(super) async fn prepare(&self) -> Result<(), BaseIdentityError> {
        self.table.prepare().await
    }

    /// The next tenants, at most `limit`. Items of other kinds are passed over.
    pub(super) async fn part(&self, limit: i32, after: Option<Cursor>) -> Result<Part, ReadError> {
        let page = self.table.scan(limit, after).await?;
        let (mut tenants, mut nameless) = (Vec::new(), 0);
        for item in page.items {
            match self.whose(&item) {
                Ok(Some(id)) => tenants.push((id.clone(), self.record(id, &item))),
                Ok(None) => {}
                Err(_) => nameless += 1,
            }
        }
        Ok(Part { tenants, nameless, next: page.next })
    }

    fn record(&self, id: TenantId, item: &Item) -> Result<TenantRecord, ReadError> {
        record::record(id, item, &self.attributes).map_err(|error| ReadError::Unusable(error.to_string()))
    }

    /// The tenant whose item it is by its key; none where it is of something else.
    fn whose(&self, item: &Item) -> Result<Option<TenantId>, ItemError> {
        let mut tenant = None;
        for (name, template) in [Some(&self.key.partition), self.key.sort.as_ref()].into_iter().flatten() {
            let value = item.text(name)?.ok_or_else(|| ItemError::new(name, "missing"))?;
            match template.read(value) {
                KeyValue::Fits => {}
                KeyValue::Other => return Ok(None),
                KeyValue::NoTenant(_) => return Err(ItemError::new(name, "no tenant id")),
                KeyValue::Tenant(id) => {
                    if tenant.replace(id.clone()).is_some_and(|other| other != id) {
                        return Ok(None);
                    }
                }
            }
        }
        Ok(tenant)
    }
}

impl ReadPoint<TenantRecord> for std::sync::Arc<Reader> {
    /// `key` is a tenant's id.
    fn read<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<TenantRecord>, ReadError>> {
        Box::pin(async move {
            let unusable = |why: &str| ReadError::Unusable(why.to_owned());
            let id: TenantId = key.parse().map_err(|_| unusable("no tenant id was asked for"))?;
            let partition = (self.key.partition.0.as_str(), self.key.partition.1.render(key));
            let sort = self.key.sort.as_ref().map(|(name, template)| (name.as_str(), template.render(key)));
            let keys: Vec<_> =
                [Some(&partition), sort.as_ref()].into_iter().flatten().map(|(name, value)| (*name, value.as_str())).collect();
            let Some(item) = self.table.get(&keys).await? else { return Ok(None) };
            // Whatever lies between us and the table, another tenant's item is not taken.
            match self.whose(&item) {
                Ok(Some(whose)) if whose == id => self.record(id, &item).map(Some),
                Ok(_) => Err(unusable("its key is not the one that was asked for")),
                Err(error) => Err(ReadError::Unusable(error.to_string())),
            }
        })
    }
}
