//! When the files of a configuration have changed.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use crate::config::companions::Look;

/// How often they are looked at.
const POLL: Duration = Duration::from_secs(1);
/// How often a configuration that cannot be used is tried again: what is wrong may be in a file that only it names, or at a server.
const AGAIN: Duration = Duration::from_secs(10);

/// Why the configuration is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trigger {
    /// What could not be used may be usable now.
    Again,
    /// A file has changed, and has been so for two looks: what is written in place is not taken half-way.
    Changed,
    /// Somebody asked.
    Hangup,
}

/// Files, and what they were when they were last read.
#[derive(Debug)]
pub(super) struct Files {
    done: BTreeMap<PathBuf, Look>,
    last: BTreeMap<PathBuf, Look>,
    is_rejected: bool,
}

impl Files {
    /// Files that looked like this when they were read.
    pub(super) fn new(done: BTreeMap<PathBuf, Look>) -> Self {
        Self { last: done.clone(), done, is_rejected: false }
    }

    /// Waits until there is something to be read.
    pub(super) async fn next(&mut self) -> Trigger {
        let mut waited = Duration::ZERO;
        loop {
            tokio::time::sleep(POLL).await;
            waited += POLL;
            let before = self.last.clone();
            self.begin().await;
            if self.last != self.done && self.last == before {
                return Trigger::Changed;
            }
            if self.is_rejected && waited >= AGAIN {
                return Trigger::Again;
            }
        }
    }

    /// Looks at them, before they are read: what changes from here on is a change.
    pub(super) async fn begin(&mut self) {
        let paths: Vec<_> = self.done.keys().cloned().collect();
        let look = move || paths.into_iter().map(|path| (path.clone(), Look::at(&path))).collect();
        if let Ok(looks) = tokio::task::spawn_blocking(look).await {
            self.last = looks;
        }
    }

    /// A configuration is in use that was read from these.
    pub(super) fn taken(&mut self, looks: BTreeMap<PathBuf, Look>) {
        *self = Self::new(looks);
    }

    /// What was read cannot be used; `more` files than before belonged to it.
    pub(super) fn rejected(&mut self, more: &BTreeMap<PathBuf, Look>) {
        for (path, look) in more {
            self.last.entry(path.clone()).or_insert(*look);
        }
        self.done = self.last.clone();
        self.is_rejected = true;
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Whether there is news within the time that a change needs to be believed.
    async fn news(files: &mut Files, within: Duration) -> Option<Trigger> {
        tokio::time::timeout(within, files.next()).await.ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_is_told_once_it_has_settled_and_once_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        fs::write(&path, "one").unwrap();
        let mut files = Files::new(BTreeMap::from([(path.clone(), Look::at(&path))]));
        assert_eq!(news(&mut files, POLL * 2).await, None);
        fs::write(&path, "two").unwrap();
        let began = tokio::time::Instant::now();
        assert_eq!(news(&mut files, POLL * 4).await, Some(Trigger::Changed));
        assert!(began.elapsed() >= POLL * 2, "one look is not enough");
        files.rejected(&BTreeMap::new());
        assert_eq!(news(&mut files, POLL * 3).await, None, "a change that was rejected is none the second time");
        fs::remove_file(&path).unwrap();
        assert_eq!(news(&mut files, POLL * 4).await, Some(Trigger::Changed));
        fs::write(&path, "two").unwrap();
        files.taken(BTreeMap::from([(path.clone(), Look::at(&path))]));
        assert_eq!(news(&mut files, POLL * 2).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_rejected_is_tried_again() {
        let mut files = Files::new(BTreeMap::new());
        files.rejected(&BTreeMap::new());
        assert_eq!(news(&mut files, AGAIN * 2).await, Some(Trigger::Again));
        files.taken(BTreeMap::new());
        assert_eq!(news(&mut files, AGAIN * 2).await, None);
    }
}
