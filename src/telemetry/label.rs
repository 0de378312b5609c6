//! The `tenant` label: bounded, and made from verified tenants only.
//!
//! An attacker who can invent label values can grow a metrics store without end, so a [`TenantLabel`] can only be had for an
//! [`ActiveTenant`] or a workload of the configuration; everything else shares one fixed label. Beyond `telemetry.metrics.max_tenants` distinct tenants, further
//! ones share another. Their names, and those of workloads, start with `_`, which no tenant id can.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use dashmap::DashMap;

use crate::{directory::ActiveTenant, tenant::TenantId, workloads::ProvedWorkload};

/// A value for the `tenant` label.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TenantLabel(Label);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Label {
    None,
    Other,
    Tenant(TenantId),
    Workload(Arc<str>),
}

impl TenantLabel {
    /// For requests without a verified tenant.
    pub const NONE: Self = Self(Label::None);

    /// The label's text.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Label::None => "_none",
            Label::Other => "_other",
            Label::Tenant(id) => id.as_str(),
            Label::Workload(label) => label,
        }
    }

    /// The label of a workload, `_workload:NAME`. There are as many as the configuration has.
    pub fn of_workload(workload: &ProvedWorkload) -> Self {
        Self(Label::Workload(format!("_workload:{}", workload.name()).into()))
    }
}

/// Hands out labels until the bound is reached.
#[derive(Debug, Clone)]
pub struct TenantLabels(Arc<Known>);

#[derive(Debug)]
struct Known {
    tenants: DashMap<TenantId, ()>,
    count: AtomicUsize,
    max: usize,
}

impl TenantLabels {
    /// At most `max` tenants get a label of their own: the first that come.
    pub fn new(max: usize) -> Self {
        Self(Arc::new(Known { tenants: DashMap::new(), count: AtomicUsize::new(0), max }))
    }

    /// The label of `tenant`.
    pub fn of(&self, tenant: &ActiveTenant) -> TenantLabel {
        self.of_id(tenant.id())
    }

    fn of_id(&self, id: &TenantId) -> TenantLabel {
        let known = &*self.0;
        if known.tenants.contains_key(id) {
            return TenantLabel(Label::Tenant(id.clone()));
        }
        // The full table is the common case under a flood of tenants: it takes no lock for writing.
        if known.count.load(Ordering::Relaxed) >= known.max {
            return TenantLabel(Label::Other);
        }
        match known.tenants.entry(id.clone()) {
            dashmap::Entry::Occupied(_) => TenantLabel(Label::Tenant(id.clone())),
            dashmap::Entry::Vacant(slot) => {
                if known.count.fetch_add(1, Ordering::Relaxed) >= known.max {
                    known.count.fetch_sub(1, Ordering::Relaxed);
                    return TenantLabel(Label::Other);
                }
                slot.insert(());
                TenantLabel(Label::Tenant(id.clone()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_holds_and_known_tenants_keep_their_label() {
        let labels = TenantLabels::new(2);
        let of = |id: &str| labels.of_id(&id.parse().unwrap()).as_str().to_owned();
        assert_eq!(of("acme"), "acme");
        assert_eq!(of("globex"), "globex");
        assert_eq!(of("initech"), "_other");
        assert_eq!(of("acme"), "acme");
        for i in 0..1_000 {
            assert_eq!(of(&format!("tenant-{i}")), "_other");
        }
    }

    #[test]
    fn no_tenant_can_take_a_shared_label() {
        for label in [TenantLabel::NONE, TenantLabel(Label::Other), TenantLabel(Label::Workload("_workload:poller".into()))] {
            assert!(label.as_str().parse::<TenantId>().is_err());
        }
    }
}
