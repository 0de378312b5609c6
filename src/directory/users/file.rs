//! Users in a file.

use std::{collections::HashMap, path::Path, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;

use super::records::{self, ByIssuer};
use crate::{
    clock::Clock,
    config::ConfigErrors,
    directory::{
        Changes,
        watched::{INTERVAL, Watched},
    },
    identity::{Recalled, UserRecord, Users},
    reject::{Reason, Refusal},
    telemetry::Metrics,
};

/// The file.
#[derive(Debug)]
pub(super) struct UsersFile {
    file: Watched<ByIssuer>,
    changes: Changes,
    metrics: Metrics,
}

impl UsersFile {
    /// Reads and validates it now.
    ///
    /// # Errors
    /// Everything that is wrong with it, with line and key.
    pub(super) fn open(path: &Path, changes: Changes, metrics: Metrics) -> Result<Self, ConfigErrors> {
        Self::open_polling(path, changes, metrics, INTERVAL)
    }

    pub(super) fn open_polling(path: &Path, changes: Changes, metrics: Metrics, interval: Duration) -> Result<Self, ConfigErrors> {
        Ok(Self { file: Watched::open("users", path, records::parse, interval)?, changes, metrics })
    }

    pub(super) fn len(&self) -> usize {
        self.file.current().values().map(HashMap::len).sum()
    }

    pub(super) fn issuers(&self) -> Vec<String> {
        self.file.current().keys().cloned().collect()
    }

    pub(super) async fn watch(&self, clock: &Clock, metrics: &Metrics) {
        self.file.watch(clock, metrics, &self.changes, tell).await;
    }

    pub(super) async fn look(&self, clock: &Clock, metrics: &Metrics) {
        self.file.look(clock, metrics, &self.changes, tell).await;
    }

    fn get(&self, issuer: &str, subject: &str) -> Option<Arc<UserRecord>> {
        self.file.current().get(issuer)?.get(subject).cloned()
    }
}

/// Says that they were read.
fn tell(users: &ByIssuer) {
    tracing::info!(users = users.values().map(HashMap::len).sum::<usize>(), "users read");
}

impl Users for UsersFile {
    fn find<'a>(&'a self, issuer: &'a str, subject: &'a str) -> BoxFuture<'a, Result<Arc<UserRecord>, Refusal>> {
        let found = self.get(issuer, subject);
        self.metrics.user_lookup(if found.is_some() { "cached" } else { "unknown" });
        Box::pin(std::future::ready(found.ok_or_else(|| Reason::UserUnknown.into())))
    }

    fn recall(&self, issuer: &str, subject: &str) -> Recalled {
        self.get(issuer, subject).map_or(Recalled::Unknown, Recalled::Record)
    }

    fn recheck(&self) -> Option<Duration> {
        None
    }
}

#[cfg(test)]
mod tests;
