//! The directory of users: who a user acts for, and with which roles.

mod file;
mod records;
mod table;

use std::sync::Arc;

use self::{file::UsersFile, table::UsersTable};
use super::Changes;
use crate::{
    clock::Clock,
    config::{ConfigErrors, UsersConfig},
    credentials::{BaseIdentity, SetupError},
    identity::Users,
    telemetry::Metrics,
};

/// A directory of users, as configured.
#[derive(Debug, Clone)]
pub struct UserDirectory(Source);

#[derive(Debug, Clone)]
enum Source {
    File(Arc<UsersFile>),
    Table(Arc<UsersTable>),
}

/// Why a directory of users cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum UsersError {
    /// The table needs an identity to be read with, and there is none; a configuration that loads has one.
    #[error("users.directory.dynamodb: there are no credentials to read it with; give credentials.source")]
    NoIdentity,
    /// The file of extra roots.
    #[error("users.directory.dynamodb.ca: {0}")]
    Roots(#[from] SetupError),
    /// The file of users.
    #[error("{0}")]
    File(#[from] ConfigErrors),
}

impl UserDirectory {
    /// Reads a file of users now; a table is not asked yet. Changes are announced in `changes`.
    ///
    /// # Errors
    /// Everything that is wrong with the file, or the table's file of roots.
    pub fn open(
        config: &UsersConfig,
        base: Option<&BaseIdentity>,
        changes: &Changes,
        clock: &Clock,
        metrics: &Metrics,
    ) -> Result<Self, UsersError> {
        Ok(Self(match config {
            UsersConfig::File(path) => Source::File(Arc::new(UsersFile::open(path, changes.clone(), metrics.clone())?)),
            UsersConfig::DynamoDb(table) => {
                let base = base.ok_or(UsersError::NoIdentity)?.clone();
                Source::Table(Arc::new(UsersTable::open(table, base, changes.clone(), clock.clone(), metrics.clone())?))
            }
        }))
    }

    /// For those who ask about users.
    pub fn users(&self) -> Arc<dyn Users> {
        match &self.0 {
            Source::File(file) => file.clone(),
            Source::Table(table) => table.clone(),
        }
    }

    /// How many users there are, where that is known.
    pub fn count(&self) -> Option<usize> {
        match &self.0 {
            Source::File(file) => Some(file.len()),
            Source::Table(_) => None,
        }
    }

    /// Issuers that users are listed for, where that is known.
    pub fn issuers(&self) -> Vec<String> {
        match &self.0 {
            Source::File(file) => file.issuers(),
            Source::Table(_) => Vec::new(),
        }
    }

    /// Takes over every change of a file, until dropped.
    pub async fn watch(&self, clock: Clock, metrics: Metrics) {
        match &self.0 {
            Source::File(file) => file.watch(&clock, &metrics).await,
            // Each user is looked at again when it is asked for.
            Source::Table(_) => std::future::pending().await,
        }
    }
}
