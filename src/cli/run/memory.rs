//! Nothing of this process's memory gets out of it by way of the kernel: tenants' credentials are in there.
//!
//! A crash writes no core, and no process of the same user can attach to this one or read `/proc/PID/mem`, `environ` and the like
//! (`PR_SET_DUMPABLE`, prctl(2), proc(5)); root still can. A pod whose containers share one process namespace needs that.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Seals the memory of this process, and warns where the system does not let it.
pub(super) fn seal() {
    if let Err(error) = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }) {
        tracing::warn!(%error, "cannot rule out core dumps: credentials would be in one");
    }
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "cannot keep processes of the same user from reading this one's memory");
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::{dumpable_behavior, getrlimit};

    use super::*;

    #[test]
    fn there_is_no_core_and_no_way_in() {
        seal();
        let limit = getrlimit(Resource::Core);
        assert_eq!((limit.current, limit.maximum), (Some(0), Some(0)));
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    }
}
