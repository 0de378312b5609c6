//! A file that is read again when it changes.
//!
//! What it says is read on every request without a lock, from a snapshot that is swapped. A new version that cannot be used leaves
//! the old one in place, with a warning: a slip in an editor must not take everybody down, nor un-revoke anybody.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use arc_swap::{ArcSwap, Guard};

use super::changes::Changes;
use crate::{
    clock::Clock,
    config::{ConfigErrors, build::read_text, companions::Look, document::Bounds},
    telemetry::Metrics,
};

/// How often a file is looked at: what is suspended or revoked is refused within seconds.
pub(super) const INTERVAL: Duration = Duration::from_secs(2);

/// Reads a file's text; the second argument names it in errors.
type Parse<T> = fn(&str, &str) -> Result<T, ConfigErrors>;

/// A file of `T`.
#[derive(Debug)]
pub(super) struct Watched<T> {
    /// `tenants` or `users`.
    name: &'static str,
    path: PathBuf,
    parse: Parse<T>,
    current: ArcSwap<T>,
    /// Kept beside the content: watching may be stopped anywhere and begun again, and goes on from what is current.
    last: Mutex<Last>,
    interval: Duration,
}

/// What was found at the last look.
#[derive(Debug)]
struct Last {
    seen: Look,
    /// Whether that could be used, and so is current.
    good: bool,
    /// When it last was; nothing before the first look after it was opened.
    good_at: Option<Instant>,
}

impl<T: Send + Sync + 'static> Watched<T> {
    /// Reads the file now, and later every `interval`.
    ///
    /// # Errors
    /// Everything that is wrong with it, with line and key.
    pub(super) fn open(name: &'static str, path: &Path, parse: Parse<T>, interval: Duration) -> Result<Self, ConfigErrors> {
        let text = read_text(path, Bounds::RECORDS.bytes);
        let last = Mutex::new(Last { seen: look_of(&text), good: true, good_at: None });
        let current = ArcSwap::from_pointee(parsed(name, path, text, parse)?);
        Ok(Self { name, path: path.to_owned(), parse, current, last, interval })
    }

    /// What it said last, when it could be used.
    pub(super) fn current(&self) -> Guard<Arc<T>> {
        self.current.load()
    }

    /// Takes over every change, until dropped, beginning with a look now. `taken` is told of what was read.
    pub(super) async fn watch(&self, clock: &Clock, metrics: &Metrics, changes: &Changes, taken: impl Fn(&T)) {
        loop {
            self.look(clock, metrics, changes, &taken).await;
            tokio::time::sleep(self.interval).await;
        }
    }

    /// One look, now.
    pub(super) async fn look(&self, clock: &Clock, metrics: &Metrics, changes: &Changes, taken: impl Fn(&T)) {
        let seen = self.last().seen;
        let (path, name, parse) = (self.path.clone(), self.name, self.parse);
        // The content is compared, and not only the time of change: a mount can replace a file without moving that.
        let Ok(read) = tokio::task::spawn_blocking(move || look(name, &path, seen, parse)).await else { return };
        // No pause from here on: what is current and what was seen of the file do not part.
        let mut last = self.last();
        if let Some((look, outcome)) = read {
            (last.seen, last.good) = (look, outcome.is_ok());
            metrics.config_reload(self.name, last.good);
            match outcome {
                Ok(new) => {
                    taken(&new);
                    self.current.store(Arc::new(new));
                    changes.announce();
                }
                Err(errors) => {
                    let age = last.good_at.map_or(0, |at| clock.instant().saturating_duration_since(at).as_secs());
                    tracing::warn!(path = %self.path.display(), age_seconds = age, %errors, "the {name} cannot be used; the old ones stay");
                }
            }
        }
        if last.good {
            metrics.directory_read(self.name, clock.now());
            last.good_at = Some(clock.instant());
        }
    }

    /// For short sections without an `await`.
    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the file, and parses it if it is not what was `seen` last.
fn look<T>(name: &str, path: &Path, seen: Look, parse: Parse<T>) -> Option<(Look, Result<T, ConfigErrors>)> {
    let text = read_text(path, Bounds::RECORDS.bytes);
    let look = look_of(&text);
    (look != seen).then(|| (look, parsed(name, path, text, parse)))
}

fn parsed<T>(name: &str, path: &Path, text: Result<String, String>, parse: Parse<T>) -> Result<T, ConfigErrors> {
    let origin = path.display().to_string();
    let text = text.map_err(|wrong| ConfigErrors::of_file(&origin, wrong, format!("give a file of {name}")))?;
    parse(&text, &origin)
}

/// What a file with this text looks like, or one that cannot be read for this reason.
fn look_of(text: &Result<String, String>) -> Look {
    let (Ok(text) | Err(text)) = text;
    Look::of(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::{fs, time::UNIX_EPOCH};

    use super::*;

    fn parse(text: &str, origin: &str) -> Result<String, ConfigErrors> {
        if text.is_empty() { Err(ConfigErrors::of_file(origin, "is empty", "write something")) } else { Ok(text.to_owned()) }
    }

    /// Watches until `is_there`.
    async fn watch_until(file: &Watched<String>, metrics: &Metrics, is_there: impl Fn(&str) -> bool) {
        let clock = Clock::manual(UNIX_EPOCH + Duration::from_secs(9));
        let changes = Changes::default();
        let there = async {
            while !is_there(&file.current()) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            () = file.watch(&clock, metrics, &changes, |_| {}) => {}
            ended = tokio::time::timeout(Duration::from_secs(5), there) => ended.expect("the change never came"),
        }
    }

    #[tokio::test]
    async fn watching_goes_on_from_what_is_current_when_it_is_begun_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        fs::write(&path, "suspended").unwrap();
        let file = Watched::open("tenants", &path, parse, Duration::from_millis(5)).unwrap();
        let metrics = Metrics::new().unwrap();
        fs::write(&path, "active").unwrap();
        watch_until(&file, &metrics, |text| text == "active").await;
        // Back to what it was when it was opened, as a deployment that is undone.
        fs::write(&path, "suspended").unwrap();
        watch_until(&file, &metrics, |text| text == "suspended").await;
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_used_is_not_read_for_watching_it_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        fs::write(&path, "{").unwrap();
        let file = Watched::open("tenants", &path, parse, Duration::from_millis(5)).unwrap();
        fs::write(&path, "").unwrap();
        let clock = Clock::manual(UNIX_EPOCH + Duration::from_secs(9));
        let (before, after, changes) = (Metrics::new().unwrap(), Metrics::new().unwrap(), Changes::default());
        file.look(&clock, &before, &changes, |_| {}).await;
        assert!(!file.last().good);
        let begun_again = file.watch(&clock, &after, &changes, |_| {});
        let _ = tokio::time::timeout(Duration::from_millis(60), begun_again).await;
        let text = String::from_utf8(after.render().unwrap()).unwrap();
        assert!(!text.contains("palisade_directory_last_success_timestamp_seconds{"), "{text}");
        let text = String::from_utf8(before.render().unwrap()).unwrap();
        assert!(!text.contains("palisade_directory_last_success_timestamp_seconds{"), "{text}");
    }
}
