//! A cap on memory: past it nothing new is begun.
//!
//! A process that takes more than its cgroup may have is killed, with everything that is in progress in it. Before that happens requests
//! are refused, at the price of a header each, until those that are in progress have given memory back.
//!
//! An allocator need not give back to the system what requests have given back to it. So a request that is alone on its listener is never
//! refused (one on each, so that the application has its way out for the one that it is at), and a process that refuses for long says that it is not ready: others can serve, and a new one starts with all of its memory.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use super::ready::Process;
use crate::{cgroup, clock::Clock, telemetry::Metrics};

/// How often it is looked at: what arrives in between, over all connections, is small beside what is left between cap and limit.
const POLL: Duration = Duration::from_millis(100);

/// How long requests may be refused before others should get them.
const STUCK: Duration = Duration::from_secs(30);

/// The cap by the cgroup's limit: the rest is for what is being let go, and for the kernel's own of ours.
pub(super) fn limit() -> Option<u64> {
    cgroup::memory_limit(Path::new("/")).map(|limit| limit / 10 * 9)
}

/// Follows resident memory for ever.
pub(super) async fn watch(cap: u64, process: &Process, clock: &Clock, metrics: &Metrics) {
    metrics.memory_limit(cap);
    tracing::info!(bytes = cap, "requests are refused from this much resident memory on");
    let mut since = None;
    loop {
        if let Some(resident) = fs::read_to_string("/proc/self/status").ok().as_deref().and_then(resident) {
            let (was, is) = (process.is_short_of_memory(), is_short(resident, cap, process.is_short_of_memory()));
            let now = clock.instant();
            since = if is { since.or(Some(now)) } else { None };
            process.short_of_memory(is, since.is_some_and(|since| now.saturating_duration_since(since) >= STUCK));
            if was != is {
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

/// What a listener has in progress, and whether there may be more.
#[derive(Debug)]
pub(super) struct Room {
    process: Arc<Process>,
    in_progress: AtomicUsize,
}

impl Room {
    /// For a listener that has nothing in progress yet.
    pub(super) fn new(process: &Arc<Process>) -> Arc<Self> {
        Arc::new(Self { process: process.clone(), in_progress: AtomicUsize::new(0) })
    }

    pub(super) fn process(&self) -> &Process {
        &self.process
    }

    /// Begins a request, which is in progress until the end of what is returned. Nothing where there is no memory for it.
    pub(super) fn begin(self: &Arc<Self>) -> Option<InProgress> {
        let most = if self.process.is_short_of_memory() { 1 } else { usize::MAX };
        let one_more = |number: usize| (number < most).then_some(number + 1);
        self.in_progress.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        Some(InProgress(self.clone()))
    }
}

/// A request in progress.
#[derive(Debug)]
pub(super) struct InProgress(Arc<Room>);

impl Drop for InProgress {
    fn drop(&mut self) {
        self.0.in_progress.fetch_sub(1, Ordering::Relaxed);
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
    fn without_memory_one_request_at_a_time_is_begun_on_each_listener() {
        let process = crate::app::ready::tests::process();
        let room = Room::new(&process);
        let [one, other] = [room.begin().unwrap(), room.begin().unwrap()];
        process.short_of_memory(true, false);
        assert!(room.begin().is_none());
        drop(one);
        assert!(room.begin().is_none());
        drop(other);
        // Nothing is left that could give memory back.
        let alone = room.begin().unwrap();
        assert!(room.begin().is_none() && room.begin().is_none());
        assert!(Room::new(&process).begin().is_some());
        drop(alone);
        assert!(room.begin().is_some(), "those that were refused count for nothing");
        process.short_of_memory(false, false);
        let _both = [room.begin().unwrap(), room.begin().unwrap()];
    }

    #[test]
    fn resident_memory_is_read_from_the_kernel() {
        assert_eq!(resident("Name:\tx\nVmRSS:\t   12 kB\nThreads:\t1\n"), Some(12 * 1024));
        assert_eq!(resident("Name:\tx\n"), None);
        assert!(resident(&fs::read_to_string("/proc/self/status").unwrap()).unwrap() > 1 << 20);
    }
}
