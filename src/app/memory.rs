//! A cap on memory: past it nothing new is begun.
//!
//! A process that takes more than its cgroup may have is killed, with everything that is in progress in it. Before that happens requests
//! are refused, at the price of a header each, until those that are in progress have given memory back.

use std::{fs, path::Path, time::Duration};

use super::ready::Process;
use crate::{cgroup, telemetry::Metrics};

/// How often it is looked at: what arrives in between, over all connections, is small beside what is left between cap and limit.
const POLL: Duration = Duration::from_millis(100);

/// The cap by the cgroup's limit: the rest is for what is being let go, and for the kernel's own of ours.
pub(super) fn limit() -> Option<u64> {
    cgroup::memory_limit(Path::new("/")).map(|limit| limit / 10 * 9)
}

/// Follows resident memory for ever.
pub(super) async fn watch(cap: u64, process: &Process, metrics: &Metrics) {
    metrics.memory_limit(cap);
    tracing::info!(bytes = cap, "requests are refused from this much resident memory on");
    loop {
        if let Some(resident) = fs::read_to_string("/proc/self/status").ok().as_deref().and_then(resident) {
            let (was, is) = (process.is_short_of_memory(), is_short(resident, cap, process.is_short_of_memory()));
            if was != is {
                process.short_of_memory(is);
                metrics.shedding(is);
                if is {
                    tracing::warn!(resident, cap, "resident memory is at resources.memory: new requests are refused");
                } else {
                    tracing::info!(resident, cap, "there is memory again: requests are taken");
                }
            }
        }
        tokio::time::sleep(POLL).await;
    }
}

/// From the cap on, and then until there is some room again.
const fn is_short(resident: u64, cap: u64, was_short: bool) -> bool {
    resident >= if was_short { cap / 100 * 95 } else { cap }
}

/// `VmRSS` of `/proc/PID/status` (proc(5)), in bytes.
fn resident(status: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    value.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_short_is_so_until_there_is_room() {
        assert!(!is_short(999, 1000, false) && is_short(1000, 1000, false));
        assert!(is_short(960, 1000, true) && !is_short(949, 1000, true));
    }

    #[test]
    fn resident_memory_is_read_from_the_kernel() {
        assert_eq!(resident("Name:\tx\nVmRSS:\t   12 kB\nThreads:\t1\n"), Some(12 * 1024));
        assert_eq!(resident("Name:\tx\n"), None);
        assert!(resident(&fs::read_to_string("/proc/self/status").unwrap()).unwrap() > 1 << 20);
    }
}
