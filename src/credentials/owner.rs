//! Whose a session is.

use std::fmt;

use serde::{Serialize, Serializer, ser::SerializeMap as _};

use crate::{tenant::TenantId, workload_name::WorkloadName};

/// A tenant, or a workload that is no tenant's. The two never meet, whatever they are called: equality looks at the kind first.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Owner {
    /// Of this tenant.
    Tenant(TenantId),
    /// Of this workload, for work that belongs to no tenant.
    Workload(WorkloadName),
}

impl Owner {
    /// Whether this is `tenant`.
    pub fn is_tenant(&self, tenant: &TenantId) -> bool {
        self.tenant() == Some(tenant)
    }

    /// The tenant; `None` for a workload.
    pub fn tenant(&self) -> Option<&TenantId> {
        match self {
            Self::Tenant(tenant) => Some(tenant),
            Self::Workload(_) => None,
        }
    }
}

/// `{"tenant": ID}` or `{"workload": NAME}`: for operators.
impl Serialize for Owner {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        match self {
            Self::Tenant(tenant) => map.serialize_entry("tenant", tenant.as_str())?,
            Self::Workload(name) => map.serialize_entry("workload", name.as_str())?,
        }
        map.end()
    }
}

#[cfg(test)]
impl Owner {
    /// The tenant of this id.
    pub(super) fn for_tests(tenant: &str) -> Self {
        Self::Tenant(tenant.parse().unwrap())
    }
}

/// A tenant's id as it is, and `_workload:NAME`, which is no tenant's id: for logs.
impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tenant(tenant) => tenant.fmt(f),
            Self::Workload(name) => write!(f, "_workload:{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workload_is_never_the_tenant_of_its_name() {
        let (tenant, name): (TenantId, WorkloadName) = ("poller".parse().unwrap(), "poller".parse().unwrap());
        let (one, other) = (Owner::Tenant(tenant.clone()), Owner::Workload(name));
        assert_ne!(one, other);
        assert!(one.is_tenant(&tenant) && !other.is_tenant(&tenant) && other.tenant().is_none());
        assert!(other.to_string().parse::<TenantId>().is_err(), "no tenant can be shown like it");
    }
}
