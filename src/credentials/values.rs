//! What a tenant has to put into a template.

use std::{borrow::Cow, cell::RefCell};

use crate::{
    config::template::{Name, Values},
    directory::{ActiveTenant, TenantRecord},
    tenant::TenantId,
};

/// The values of one tenant, and a note of which of them were asked for.
///
/// An empty value counts as absent: it would let `{tenant.cell}/` quietly mean `/`.
pub(super) struct TenantValues<'a> {
    tenant: &'a TenantId,
    request: Option<&'a ActiveTenant>,
    values: &'a dyn Values,
    asked: RefCell<Vec<Name>>,
}

impl<'a> TenantValues<'a> {
    pub(super) fn new(tenant: &'a ActiveTenant) -> Self {
        Self { tenant: tenant.id(), request: Some(tenant), values: tenant, asked: RefCell::default() }
    }

    /// What the directory alone knows: no user, no token, no connection.
    pub(super) fn of_record(record: &'a TenantRecord) -> Self {
        Self { tenant: &record.id, request: None, values: record, asked: RefCell::default() }
    }

    /// What somebody supposes: no request is behind it.
    pub(super) fn supposed(tenant: &'a TenantId, values: &'a dyn Values) -> Self {
        Self { tenant, request: None, values, asked: RefCell::default() }
    }

    /// The tenant as a request has proved it, where one is at hand.
    pub(super) fn request(&self) -> Option<&'a ActiveTenant> {
        self.request
    }

    /// Whose values these are.
    pub(super) fn tenant(&self) -> &'a TenantId {
        self.tenant
    }

    /// Every name that was asked for, in the order of first asking.
    pub(super) fn into_asked(self) -> Vec<Name> {
        self.asked.into_inner()
    }
}

impl Values for TenantValues<'_> {
    fn value(&self, name: &Name) -> Option<Cow<'_, str>> {
        let mut asked = self.asked.borrow_mut();
        if !asked.contains(name) {
            asked.push(name.clone());
        }
        self.values.value(name)
    }
}
