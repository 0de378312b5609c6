//! `resources`

use super::{Form, Kind, Setting, default, derived};

/// The section.
pub(super) const RESOURCES: Setting = default(
    "resources",
    Kind::Section(&[derived(
        "memory",
        Kind::Scalar(Form::Size { least: 16 << 20, most: 1 << 40 }),
        "90 % of the memory limit of the cgroup (v1 or v2); none without one",
        "Resident memory from which new requests on ingress and egress are refused (503, `overloaded`), until it is below 95 % of that again: requests in progress are finished instead of all being killed together.",
    )]),
    "{}",
    "What the process may use. The number of worker threads follows the cgroup's CPU quota; `TOKIO_WORKER_THREADS` overrides it.",
);
