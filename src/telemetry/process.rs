//! What the process takes of its machine, under the names that Prometheus's client libraries have for it
//! ([process metrics](https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics)).
//!
//! Read from Linux's `/proc` whenever metrics are asked for. What cannot be read there is left out: a zero would look like an answer.

use std::{
    fs,
    sync::{Mutex, PoisonError},
};

use prometheus::{
    Counter, Gauge, IntGauge,
    core::{Collector, Desc},
    proto::MetricFamily,
};
use rustix::{
    param::{clock_ticks_per_second, page_size},
    process::{Resource, getrlimit},
};

/// The process that asks.
#[derive(Debug)]
pub(super) struct Process {
    cpu: Counter,
    resident: IntGauge,
    open_files: IntGauge,
    max_files: IntGauge,
    started: Gauge,
    /// CPU time grows by what came since the last look, so looks come one after the other.
    looking: Mutex<()>,
}

impl Process {
    /// Reads nothing yet.
    pub(super) fn new() -> Result<Self, prometheus::Error> {
        Ok(Self {
            cpu: Counter::new("process_cpu_seconds_total", "User and system CPU time.")?,
            resident: IntGauge::new("process_resident_memory_bytes", "Resident memory.")?,
            open_files: IntGauge::new("process_open_fds", "Open file descriptors.")?,
            max_files: IntGauge::new("process_max_fds", "File descriptors that may be open.")?,
            started: Gauge::new("process_start_time_seconds", "When the process started, in seconds since the Unix epoch.")?,
            looking: Mutex::new(()),
        })
    }
}

impl Collector for Process {
    fn desc(&self) -> Vec<&Desc> {
        let gauges = [&self.resident, &self.open_files, &self.max_files].into_iter().flat_map(Collector::desc);
        self.cpu.desc().into_iter().chain(self.started.desc()).chain(gauges).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let _looking = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
        let mut families = Vec::new();
        if let Some(stat) = fs::read_to_string("/proc/self/stat").ok().as_deref().and_then(Stat::parse) {
            self.cpu.inc_by((stat.cpu_seconds() - self.cpu.get()).max(0.0));
            self.resident.set(stat.resident_bytes());
            families.extend(self.cpu.collect());
            families.extend(self.resident.collect());
            if let Some(boot) = fs::read_to_string("/proc/stat").ok().as_deref().and_then(boot_time) {
                self.started.set(boot + stat.start_seconds());
                families.extend(self.started.collect());
            }
        }
        if let Some(open) = open_files() {
            self.open_files.set(open);
            families.extend(self.open_files.collect());
        }
        // None means that there is no limit.
        if let Some(most) = getrlimit(Resource::Nofile).current {
            self.max_files.set(i64::try_from(most).unwrap_or(i64::MAX));
            families.extend(self.max_files.collect());
        }
        families
    }
}

/// What is needed of `/proc/self/stat` ([proc_pid_stat(5)](https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html)).
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    /// In user and kernel mode, in ticks.
    cpu: u64,
    /// After the machine, in ticks.
    start: u64,
    /// In pages.
    resident: u64,
}

impl Stat {
    fn parse(line: &str) -> Option<Self> {
        // The second field is the file's name in parentheses, which may hold spaces and parentheses; the third comes first here.
        let fields: Vec<_> = line.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self { cpu: field(14)? + field(15)?, start: field(22)?, resident: field(24)? })
    }

    fn cpu_seconds(&self) -> f64 {
        self.cpu as f64 / clock_ticks_per_second() as f64
    }

    fn start_seconds(&self) -> f64 {
        self.start as f64 / clock_ticks_per_second() as f64
    }

    fn resident_bytes(&self) -> i64 {
        i64::try_from(self.resident.saturating_mul(page_size() as u64)).unwrap_or(i64::MAX)
    }
}

/// When the machine started, of `/proc/stat`.
fn boot_time(text: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

/// Linux 6.2 and later say their number as the folder's size. Before, the folder has an entry for each, and one for itself being read.
fn open_files() -> Option<i64> {
    const FOLDER: &str = "/proc/self/fd";
    let count = match fs::metadata(FOLDER).ok()?.len() {
        0 => fs::read_dir(FOLDER).ok()?.count().saturating_sub(1) as u64,
        count => count,
    };
    i64::try_from(count).ok()
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use prometheus::{Encoder, Registry, TextEncoder};

    use super::*;

    const LINE: &str =
        "4242 (a) S (b) S 1 4242 4242 0 -1 4194560 9000 0 12 0 1500 250 0 0 20 0 9 0 987654 812345344 20480 18446744073709551615 1 1 0";

    #[test]
    fn a_name_with_parentheses_does_not_move_the_fields() {
        assert_eq!(Stat::parse(LINE), Some(Stat { cpu: 1_750, start: 987_654, resident: 20_480 }));
    }

    #[test]
    fn what_is_not_whole_is_nothing() {
        for line in ["", "4242", "4242 (palisade)", "4242 (palisade) S 1 2 3", &LINE.replace(" 987654 ", " x ")] {
            assert_eq!(Stat::parse(line), None, "{line}");
        }
        assert_eq!(boot_time("cpu 1 2 3\nbtime 1790000000\nprocesses 5\n"), Some(1_790_000_000.0));
        assert_eq!(boot_time("cpu 1 2 3\n"), None);
    }

    #[test]
    fn this_process_is_told_true() {
        let registry = Registry::new();
        registry.register(Box::new(Process::new().unwrap())).unwrap();
        let value = |name: &str| -> f64 {
            let mut text = Vec::new();
            TextEncoder::new().encode(&registry.gather(), &mut text).unwrap();
            let text = String::from_utf8(text).unwrap();
            text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).unwrap().parse().unwrap()
        };
        assert!(value("process_resident_memory_bytes") > 1_048_576.0);
        assert!(value("process_cpu_seconds_total") <= value("process_cpu_seconds_total"), "a counter never goes back");
        assert_eq!(value("process_max_fds"), getrlimit(Resource::Nofile).current.unwrap() as f64);
        let looked = fs::metadata("/proc/self/stat").unwrap().modified().unwrap();
        let age = looked.duration_since(UNIX_EPOCH).unwrap().as_secs_f64() - value("process_start_time_seconds");
        assert!((-5.0..86_400.0).contains(&age), "started {age} s ago");
        // Other tests open and close files meanwhile; a hundred more are seen all the same.
        let before = value("process_open_fds");
        let held: Vec<_> = (0..100).map(|_| fs::File::open("/dev/null").unwrap()).collect();
        assert!(value("process_open_fds") >= before + 50.0);
        drop(held);
    }

    #[test]
    fn all_that_is_described_is_collected() {
        let process = Process::new().unwrap();
        let mut described: Vec<_> = process.desc().iter().map(|desc| desc.fq_name.clone()).collect();
        let mut collected: Vec<_> = process.collect().iter().map(|family| family.name().to_owned()).collect();
        described.sort();
        collected.sort();
        assert_eq!(described, collected);
    }
}
