//! The directory: a file of records, or none.
//!
//! Records are read on every request without a lock, from a snapshot that is swapped when the file changes. A new file that
//! cannot be used leaves the old records in place, with a warning: a slip in an editor must not take every tenant down.

mod records;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;

use super::{ActiveTenant, TenantRecord};
use crate::{
    clock::Clock,
    config::{ConfigErrors, DirectoryConfig, build::read_text, document::Bounds},
    identity::VerifiedTenant,
    reject::{Reason, Refusal},
    telemetry::Metrics,
    tenant::TenantId,
};

/// How often the file is read again: a suspension takes effect within seconds.
const INTERVAL: Duration = Duration::from_secs(2);

type Records = BTreeMap<TenantId, Arc<TenantRecord>>;

/// Answers which tenants there are.
#[derive(Debug)]
pub struct Directory(Source);

#[derive(Debug)]
enum Source {
    Any,
    File(FileSource),
}

#[derive(Debug)]
struct FileSource {
    path: PathBuf,
    records: ArcSwap<Records>,
    /// The file as it was when the directory was opened.
    opened: Look,
    interval: Duration,
}

impl Directory {
    /// Reads and validates the records now.
    ///
    /// # Errors
    /// Everything that is wrong with the file, with line and key.
    pub fn open(config: &DirectoryConfig) -> Result<Self, ConfigErrors> {
        Self::open_polling(config, INTERVAL)
    }

    /// As [`Directory::open`], with another interval between looks at the file.
    ///
    /// # Errors
    /// As [`Directory::open`].
    pub fn open_polling(config: &DirectoryConfig, interval: Duration) -> Result<Self, ConfigErrors> {
        match config {
            DirectoryConfig::Any => Ok(Self(Source::Any)),
            DirectoryConfig::File(path) => {
                let text = read_text(path, Bounds::RECORDS.bytes);
                let opened = digest(&text);
                let records = ArcSwap::from_pointee(parse(path, text)?);
                Ok(Self(Source::File(FileSource { path: path.clone(), records, opened, interval })))
            }
        }
    }

    /// Joins a proof with the tenant's record.
    ///
    /// # Errors
    /// [`Reason::TenantUnknown`], [`Reason::TenantSuspended`].
    pub fn resolve(&self, verified: Arc<VerifiedTenant>) -> Result<ActiveTenant, Refusal> {
        let record = match &self.0 {
            Source::Any => Arc::new(TenantRecord::bare(verified.tenant().clone())),
            Source::File(source) => {
                let records = source.records.load();
                records.get(verified.tenant()).cloned().ok_or(Reason::TenantUnknown)?
            }
        };
        ActiveTenant::join(verified, record)
    }

    /// The records there are, in the order of their ids; none where every tenant exists.
    pub fn records(&self) -> Vec<Arc<TenantRecord>> {
        match &self.0 {
            Source::Any => Vec::new(),
            Source::File(source) => source.records.load().values().cloned().collect(),
        }
    }

    /// Takes over every change of the file, until dropped.
    pub async fn watch(&self, clock: Clock, metrics: Metrics) {
        match &self.0 {
            Source::Any => std::future::pending().await,
            Source::File(source) => source.watch(clock, &metrics).await,
        }
    }
}

impl FileSource {
    async fn watch(&self, clock: Clock, metrics: &Metrics) {
        let mut seen = self.opened;
        let mut taken = clock.instant();
        loop {
            tokio::time::sleep(self.interval).await;
            let path = self.path.clone();
            // The content is compared, and not only the time of change: a mount can replace a file without moving that.
            let Ok(read) = tokio::task::spawn_blocking(move || look(&path, seen)).await else { continue };
            let Some((look, outcome)) = read else { continue };
            seen = look;
            metrics.config_reload(outcome.is_ok());
            match outcome {
                Ok(records) => {
                    tracing::info!(path = %self.path.display(), tenants = records.len(), "tenant records read");
                    self.records.store(Arc::new(records));
                    taken = clock.instant();
                }
                Err(errors) => {
                    let age = clock.instant().saturating_duration_since(taken).as_secs();
                    tracing::warn!(path = %self.path.display(), age_seconds = age, %errors, "tenant records cannot be used; the old ones stay");
                }
            }
        }
    }
}

/// What the file was at the last look, to tell whether it has changed: a digest of its text, or of why it cannot be read.
type Look = [u8; 32];

/// Reads the file, and parses it if it is not what was `seen` last.
fn look(path: &Path, seen: Look) -> Option<(Look, Result<Records, ConfigErrors>)> {
    let text = read_text(path, Bounds::RECORDS.bytes);
    let look = digest(&text);
    (look != seen).then(|| (look, parse(path, text)))
}

fn parse(path: &Path, text: Result<String, String>) -> Result<Records, ConfigErrors> {
    let origin = path.display().to_string();
    let text = text.map_err(|wrong| ConfigErrors::of_file(&origin, wrong, "give a file of tenant records"))?;
    records::parse(&text, &origin)
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

#[cfg(test)]
mod tests;
