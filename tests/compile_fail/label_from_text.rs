//! A metric label cannot be made from what a caller says.
use palisade::{telemetry::TenantLabels, tenant::TenantId};

fn label(labels: &TenantLabels, id: &TenantId) {
    let _ = labels.of(id); //~ E0308 mismatched types: expected `&ActiveTenant`, found `&TenantId`
}

fn main() {}
