//! A tenant id that nobody proved is no key of the limiter.
use palisade::{limits::Limiter, tenant::TenantId};

fn admit(limiter: &Limiter, id: &TenantId) {
    let _ = limiter.admit(id); //~ E0308 mismatched types: expected `&ActiveTenant`, found `&TenantId`
}

fn main() {}
