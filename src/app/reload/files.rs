//! When the files of a configuration have changed.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use crate::config::companions::{Companions, Look};

/// How often they are looked at.
const POLL: Duration = Duration::from_secs(1);
/// After how long a configuration that cannot be used is tried again: what is wrong may be in a file that only it names, or at a server. Doubled
/// with each time that it still cannot, up to [`AGAIN_MOST`]: servers that many processes wait for are not to be kept down by them.
const AGAIN: Duration = Duration::from_secs(10);
/// See [`AGAIN`].
const AGAIN_MOST: Duration = Duration::from_secs(300);

/// Why the configuration is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trigger {
    /// What could not be used may be usable now. Nothing is being written.
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
    /// After how long it is tried again, where it cannot be used.
    again: Option<Duration>,
}

impl Files {
    /// Files that looked like this when they were read.
    pub(super) fn new(done: BTreeMap<PathBuf, Look>) -> Self {
        Self { last: done.clone(), done, again: None }
    }

    /// Waits until there is something to be read.
    pub(super) async fn next(&mut self) -> Trigger {
        let mut waited = Duration::ZERO;
        loop {
            tokio::time::sleep(POLL).await;
            waited += POLL;
            if !self.look().await {
                continue;
            }
            if self.last != self.done {
                return Trigger::Changed;
            }
            if self.again.is_some_and(|again| waited >= again) {
                return Trigger::Again;
            }
        }
    }

    /// Looks at them now, and says whether they are what they were at the last look.
    pub(super) async fn look(&mut self) -> bool {
        let paths: Vec<_> = self.last.keys().cloned().collect();
        let look = move || paths.into_iter().map(|path| (path.clone(), Look::at(&path))).collect();
        let Ok(looks) = tokio::task::spawn_blocking(look).await else { return false };
        let before = std::mem::replace(&mut self.last, looks);
        self.last == before
    }

    /// Whether what was read is what all files say, those that it came to name too: none changed since the last look before it was read. A
    /// file that was not looked at before is given the time between two looks.
    pub(super) async fn were_read_as(&mut self, read: &Companions) -> bool {
        if read.looks().keys().any(|path| !self.last.contains_key(path)) {
            tokio::time::sleep(POLL).await;
        }
        let named = read.clone();
        let are_still_so = tokio::task::spawn_blocking(move || named.are_still_so()).await.unwrap_or(false);
        // Also where it is not: what is found now is what the next look is held against.
        self.look().await && are_still_so
    }

    /// A configuration is in use that was read from these.
    pub(super) fn taken(&mut self, looks: BTreeMap<PathBuf, Look>) {
        *self = Self::new(looks);
    }

    /// What was read for `trigger` cannot be used; `more` files than before belonged to it.
    pub(super) fn rejected(&mut self, trigger: Trigger, more: &BTreeMap<PathBuf, Look>) {
        for (path, look) in more {
            self.last.entry(path.clone()).or_insert(*look);
        }
        self.done = self.last.clone();
        self.again = Some(match (trigger, self.again) {
            (Trigger::Again, Some(again)) => (again * 2).min(AGAIN_MOST),
            // Somebody has done something about it.
            _ => AGAIN,
        });
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
        files.rejected(Trigger::Changed, &BTreeMap::new());
        assert_eq!(news(&mut files, POLL * 3).await, None, "a change that was rejected is none the second time");
        fs::remove_file(&path).unwrap();
        assert_eq!(news(&mut files, POLL * 4).await, Some(Trigger::Changed));
        fs::write(&path, "two").unwrap();
        files.taken(BTreeMap::from([(path.clone(), Look::at(&path))]));
        assert_eq!(news(&mut files, POLL * 2).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_being_written_is_not_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        fs::write(&path, "one").unwrap();
        let mut files = Files::new(BTreeMap::from([(path.clone(), Look::at(&path))]));
        files.rejected(Trigger::Changed, &BTreeMap::new());
        let writing = tokio::spawn(async move {
            for number in 0..40 {
                fs::write(&path, number.to_string()).unwrap();
                tokio::time::sleep(POLL / 2 + POLL / 4).await;
            }
        });
        let began = tokio::time::Instant::now();
        assert_eq!(news(&mut files, POLL * 60).await, Some(Trigger::Changed));
        assert!(began.elapsed() > AGAIN * 2, "it was read while it was being written");
        writing.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_read_is_what_settled() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("f"), folder.path().join("g"));
        fs::write(&path, "whole").unwrap();
        fs::write(&other, "x").unwrap();
        let read = |text: &str, more: Option<&str>| {
            let mut read = Companions::default();
            read.note(String::new(), path.clone(), Look::of(text.as_bytes()));
            more.into_iter().for_each(|more| read.note("egress.ca".into(), other.clone(), Look::of(more.as_bytes())));
            read
        };
        let mut files = Files::new(read("whole", None).looks());
        assert!(files.were_read_as(&read("whole", None)).await);
        assert!(files.were_read_as(&read("whole", Some("x"))).await);
        // Another one came in between.
        assert!(!files.were_read_as(&read("whole", Some("y"))).await);
        assert!(!files.were_read_as(&read("who", None)).await, "a part was read");
        fs::write(&path, "who").unwrap();
        assert!(!files.were_read_as(&read("who", None)).await, "it is not what had settled");
        assert!(files.were_read_as(&read("who", None)).await, "it is by now");
        // A file that only the new configuration names, and that is still being written.
        let began = tokio::time::Instant::now();
        let writing = tokio::spawn({
            let other = other.clone();
            async move {
                tokio::time::sleep(POLL / 2).await;
                fs::write(&other, "xy").unwrap();
            }
        });
        assert!(!files.were_read_as(&read("who", Some("x"))).await);
        writing.await.unwrap();
        assert!(began.elapsed() >= POLL);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_rejected_is_tried_again() {
        let mut files = Files::new(BTreeMap::new());
        files.rejected(Trigger::Changed, &BTreeMap::new());
        assert_eq!(news(&mut files, AGAIN * 2).await, Some(Trigger::Again));
        files.taken(BTreeMap::new());
        assert_eq!(news(&mut files, AGAIN * 2).await, None);
    }

    /// How long it takes until it is tried again, to the second.
    async fn seconds_to(trigger: Trigger, files: &mut Files) -> u64 {
        let began = tokio::time::Instant::now();
        assert_eq!(news(files, AGAIN_MOST * 2).await, Some(trigger));
        began.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn what_fails_again_and_again_is_tried_less_and_less_often_until_somebody_does_something() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        fs::write(&path, "one").unwrap();
        let mut files = Files::new(BTreeMap::from([(path.clone(), Look::at(&path))]));
        let nothing = BTreeMap::new();
        files.rejected(Trigger::Hangup, &nothing);
        let mut pauses = Vec::new();
        for _ in 0..8 {
            pauses.push(seconds_to(Trigger::Again, &mut files).await);
            files.rejected(Trigger::Again, &nothing);
        }
        assert_eq!(pauses, [10, 20, 40, 80, 160, 300, 300, 300]);
        // A change is not waited with, and what was changed is news.
        fs::write(&path, "two").unwrap();
        assert_eq!(seconds_to(Trigger::Changed, &mut files).await, 2);
        files.rejected(Trigger::Changed, &nothing);
        assert_eq!(seconds_to(Trigger::Again, &mut files).await, 10);
        files.rejected(Trigger::Again, &nothing);
        files.rejected(Trigger::Hangup, &nothing);
        assert_eq!(seconds_to(Trigger::Again, &mut files).await, 10);
    }
}
