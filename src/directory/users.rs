//! The directory of users: who a user acts for, and with which roles.

mod file;
mod records;
mod table;

use std::sync::Arc;

use self::{file::UsersFile, table::UsersTable};
use super::{Changes, OpenError};
use crate::{clock::Clock, config::UsersConfig, credentials::Readers, identity::Users, telemetry::Metrics};

/// A directory of users, as configured.
#[derive(Debug, Clone)]
pub struct UserDirectory(Source);

#[derive(Debug, Clone)]
enum Source {
    File(Arc<UsersFile>),
    Table(Arc<UsersTable>),
}

impl UserDirectory {
    /// Reads a file of users now; a table is not asked yet. Changes are announced in `changes`.
    ///
    /// # Errors
    /// Everything that is wrong with the file, or the table's file of roots.
    pub fn open(
        config: &UsersConfig,
        readers: Option<Readers<'_>>,
        changes: &Changes,
        clock: &Clock,
        metrics: &Metrics,
    ) -> Result<Self, OpenError> {
        Ok(Self(match config {
            UsersConfig::File(path) => Source::File(Arc::new(UsersFile::open(path, changes.clone(), metrics.clone())?)),
            UsersConfig::DynamoDb(table) => {
                let key = "users.directory.dynamodb";
                let readers = readers.ok_or(OpenError::NoIdentity { key })?;
                let opened = UsersTable::open(table, readers, changes.clone(), clock.clone(), metrics.clone());
                Source::Table(Arc::new(opened.map_err(|source| OpenError::Roots { key, source })?))
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

    /// Takes over every change of a file, or looks after what a table is read with, until dropped.
    pub async fn watch(&self, clock: Clock, metrics: Metrics) {
        match &self.0 {
            Source::File(file) => file.watch(&clock, &metrics).await,
            Source::Table(table) => table.watch().await,
        }
    }

    /// Takes over what `before` has at hand of the same table; nothing of a file, or of another table. `same_base` says whether both are read
    /// with the same base identity.
    pub fn take_over(&self, before: &Self, same_base: bool) {
        if let (Source::Table(table), Source::Table(before)) = (&self.0, &before.0) {
            table.take_over(before, same_base);
        }
    }

    /// Waits until a table has answered once.
    pub async fn answered(&self) {
        if let Source::Table(table) = &self.0 {
            table.answered().await;
        }
    }

    /// Takes over a change of a file now, if there is one.
    pub async fn look(&self, clock: &Clock, metrics: &Metrics) {
        if let Source::File(file) = &self.0 {
            file.look(clock, metrics).await;
        }
    }
}
