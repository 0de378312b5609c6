//! Work that belongs to no tenant: polling a shared queue, reading parameters at start, putting metrics.
//!
//! Not to be confused with [`identity::workload`](crate::identity::workload), a client whose certificate stands for one tenant.

mod name;

pub use self::name::{InvalidWorkloadName, WorkloadName};
