//! What the cgroup of this process may use, by cgroups(7): version 2 where there is one, else version 1.
//!
//! CPU is not here: the standard library's `available_parallelism` reads `cpu.max` and `cpu.cfs_quota_us`, and the runtime's number of
//! worker threads comes from that.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// What version 1 says where there is no limit: the largest multiple of the page size, near 2⁶³.
const UNLIMITED: u64 = 1 << 60;

/// The memory limit in bytes: the least of those of the group and of the groups around it. `root` is `/`.
pub(crate) fn memory_limit(root: &Path) -> Option<u64> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    let limits = groups.lines().filter_map(|line| {
        // `0::/path`, or `4:memory:/path`.
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        if controllers.is_empty() {
            return least(&root.join("sys/fs/cgroup"), path, "memory.max");
        }
        let is_memory = controllers.split(',').any(|controller| controller == "memory");
        is_memory.then(|| least(&root.join("sys/fs/cgroup/memory"), path, "memory.limit_in_bytes")).flatten()
    });
    limits.min()
}

/// The least limit in `file` from the group at `path` up to the `mount`. In a container whose own group is mounted, the path is another
/// one's, and only what is at the mount is there.
fn least(mount: &Path, path: &str, file: &str) -> Option<u64> {
    let group = mount.join(path.trim_start_matches('/'));
    let groups: Vec<PathBuf> = group.ancestors().take_while(|group| group.starts_with(mount)).map(Path::to_owned).collect();
    let limit = |group: &PathBuf| fs::read_to_string(group.join(file)).ok()?.trim().parse::<u64>().ok();
    groups.iter().filter_map(limit).filter(|limit| *limit < UNLIMITED).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn limits_are_those_of_both_versions() {
        for (files, expected) in [
            (&[("proc/self/cgroup", "0::/\n"), ("sys/fs/cgroup/memory.max", "268435456\n")][..], Some(268_435_456)),
            (&[("proc/self/cgroup", "0::/\n"), ("sys/fs/cgroup/memory.max", "max\n")], None),
            // The least holds, wherever it is.
            (
                &[
                    ("proc/self/cgroup", "0::/pod/container\n"),
                    ("sys/fs/cgroup/pod/container/memory.max", "max\n"),
                    ("sys/fs/cgroup/pod/memory.max", "1000000\n"),
                ],
                Some(1_000_000),
            ),
            (
                &[
                    ("proc/self/cgroup", "5:cpu,cpuacct:/docker/x\n4:memory:/docker/x\n"),
                    ("sys/fs/cgroup/memory/memory.limit_in_bytes", "5000000\n"),
                    ("sys/fs/cgroup/cpu/memory.max", "1\n"),
                ],
                Some(5_000_000),
            ),
            (&[("proc/self/cgroup", "4:memory:/\n"), ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")], None),
            (&[("proc/self/cgroup", "0::/../../other\n"), ("sys/fs/cgroup/memory.max", "70000000\n")], Some(70_000_000)),
            (&[("proc/self/cgroup", "nonsense\n")], None),
            (&[], None),
        ] {
            assert_eq!(memory_limit(root(files).path()), expected, "{files:?}");
        }
    }
}
