//! A tenant id and a record do not make a tenant that may act: a verified proof has to be there.
use std::sync::Arc;

use palisade::{
    directory::{ActiveTenant, TenantRecord},
    tenant::TenantId,
};

fn act(id: TenantId) -> ActiveTenant {
    ActiveTenant::join(id.clone(), Arc::new(TenantRecord::bare(id))).unwrap() //~ E0308 mismatched types: expected `Arc<VerifiedTenant>`, found `TenantId`
}

fn main() {}
