//! A file that is read again when it changes.
//!
//! What it says is read on every request without a lock, from a snapshot that is swapped. A new version that cannot be used leaves
//! the old one in place, with a warning: a slip in an editor must not take everybody down, nor un-revoke anybody.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use arc_swap::{ArcSwap, Guard};

use super::changes::Changes;
use crate::{
    clock::Clock,
    config::{ConfigErrors, build::read_text, document::Bounds},
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
    /// The file as it was when it was opened.
    opened: Look,
    interval: Duration,
}

/// What the file was at the last look, to tell whether it has changed: a digest of its text, or of why it cannot be read.
type Look = [u8; 32];

impl<T: Send + Sync + 'static> Watched<T> {
    /// Reads the file now, and later every `interval`.
    ///
    /// # Errors
    /// Everything that is wrong with it, with line and key.
    pub(super) fn open(name: &'static str, path: &Path, parse: Parse<T>, interval: Duration) -> Result<Self, ConfigErrors> {
        let text = read_text(path, Bounds::RECORDS.bytes);
        let opened = digest(&text);
        let current = ArcSwap::from_pointee(parsed(name, path, text, parse)?);
        Ok(Self { name, path: path.to_owned(), parse, current, opened, interval })
    }

    /// What it said last, when it could be used.
    pub(super) fn current(&self) -> Guard<Arc<T>> {
        self.current.load()
    }

    /// Takes over every change, until dropped. `taken` is told of what was read.
    pub(super) async fn watch(&self, clock: &Clock, metrics: &Metrics, changes: &Changes, taken: impl Fn(&T)) {
        let mut seen = self.opened;
        let (mut good, mut since) = (true, clock.instant());
        metrics.directory_read(self.name, clock.now());
        loop {
            tokio::time::sleep(self.interval).await;
            let (path, name, parse) = (self.path.clone(), self.name, self.parse);
            // The content is compared, and not only the time of change: a mount can replace a file without moving that.
            let Ok(read) = tokio::task::spawn_blocking(move || look(name, &path, seen, parse)).await else { continue };
            if let Some((look, outcome)) = read {
                seen = look;
                good = outcome.is_ok();
                metrics.config_reload(self.name, good);
                match outcome {
                    Ok(new) => {
                        taken(&new);
                        self.current.store(Arc::new(new));
                        changes.announce();
                    }
                    Err(errors) => {
                        let age = clock.instant().saturating_duration_since(since).as_secs();
                        tracing::warn!(path = %self.path.display(), age_seconds = age, %errors, "the {name} cannot be used; the old ones stay");
                    }
                }
            }
            if good {
                metrics.directory_read(self.name, clock.now());
                since = clock.instant();
            }
        }
    }
}

/// Reads the file, and parses it if it is not what was `seen` last.
fn look<T>(name: &str, path: &Path, seen: Look, parse: Parse<T>) -> Option<(Look, Result<T, ConfigErrors>)> {
    let text = read_text(path, Bounds::RECORDS.bytes);
    let look = digest(&text);
    (look != seen).then(|| (look, parsed(name, path, text, parse)))
}

fn parsed<T>(name: &str, path: &Path, text: Result<String, String>, parse: Parse<T>) -> Result<T, ConfigErrors> {
    let origin = path.display().to_string();
    let text = text.map_err(|wrong| ConfigErrors::of_file(&origin, wrong, format!("give a file of {name}")))?;
    parse(&text, &origin)
}

fn digest(text: &Result<String, String>) -> Look {
    let text = match text {
        Ok(text) | Err(text) => text,
    };
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    let mut look = Look::default();
    look.copy_from_slice(digest.as_ref());
    look
}
