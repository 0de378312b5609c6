//! The directory: what a proof is held against on every request.
//!
//! [`Directory::resolve`] is the one way from a proof to an [`ActiveTenant`]: the deny-list, the user, the tenant's record and the
//! issuer's right to speak for it are asked there, when a request begins and once more before credentials are attached to it. So a
//! token that is remembered, a passport and vended keys are worth no more than what the directory says now.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{Arc, OnceLock},
    time::Duration,
};

use super::{
    ActiveTenant, OpenError, Revoked, TenantRecord, TenantStatus,
    changes::{Changes, Heard},
    records,
    tenants::{AtHand, TenantsTable},
    watched::{INTERVAL, Watched},
};
use crate::{
    clock::Clock,
    config::{DirectoryConfig, OnSuspend},
    credentials::Readers,
    identity::{ActiveUser, Recalled, TokenFacts, UserRecord, Users, VerifiedTenant, workload::WORKLOAD_ISSUER},
    reject::{Reason, Refusal},
    telemetry::Metrics,
    tenant::TenantId,
};

/// What a directory says of tenants, at one moment.
#[derive(Debug, Default)]
pub(super) struct Records {
    pub(super) tenants: BTreeMap<TenantId, Arc<TenantRecord>>,
    /// Whatever the tenant.
    pub(super) revoked: Revoked,
}

impl Records {
    /// Says that they were read.
    fn tell(&self) {
        let revocations: usize = self.tenants.values().map(|record| record.revoked.len()).sum();
        let revocations = revocations + self.revoked.len();
        tracing::info!(tenants = self.tenants.len(), revocations, "tenant records read");
    }
}

/// Answers which tenants there are, and who may act for them.
#[derive(Debug)]
pub struct Directory {
    source: Source,
    users: Option<Arc<dyn Users>>,
    on_suspend: OnSuspend,
    changes: Changes,
    /// The directory that has taken its place.
    successor: OnceLock<Arc<Self>>,
}

#[derive(Debug)]
enum Source {
    Any,
    File(Watched<Records>),
    Table(Box<TenantsTable>),
}

/// What a directory in a table needs.
#[derive(Debug)]
pub struct Tables<'a> {
    /// Who may read it.
    pub readers: Readers<'a>,
    /// Where its changes are announced.
    pub changes: &'a Changes,
    /// Time.
    pub clock: &'a Clock,
    /// Metrics.
    pub metrics: &'a Metrics,
}

impl Directory {
    /// Reads and validates the records of a file now; a table is not asked yet, and needs `tables`.
    ///
    /// # Errors
    /// Everything that is wrong with the file, with line and key; for a table also that there is nobody to read it as.
    pub fn open(config: &DirectoryConfig, tables: Option<Tables<'_>>) -> Result<Self, OpenError> {
        Self::open_polling(config, tables, INTERVAL)
    }

    /// As [`Directory::open`], with another interval between looks at the file.
    ///
    /// # Errors
    /// As [`Directory::open`].
    pub fn open_polling(config: &DirectoryConfig, tables: Option<Tables<'_>>, interval: Duration) -> Result<Self, OpenError> {
        let source = match config {
            DirectoryConfig::Any => Source::Any,
            DirectoryConfig::PrefixFreeFile(path) => {
                Source::File(Watched::open("tenants", Path::new(path), records::parse_prefix_free, interval)?)
            }
            DirectoryConfig::File(path) => Source::File(Watched::open("tenants", Path::new(path), records::parse, interval)?),
            DirectoryConfig::DynamoDb(config) => {
                let key = "tenants.directory.dynamodb";
                let Tables { readers, changes, clock, metrics } = tables.ok_or(OpenError::NoIdentity { key })?;
                let opened = TenantsTable::open(config, readers, changes.clone(), clock.clone(), metrics.clone());
                Source::Table(Box::new(opened.map_err(|source| OpenError::Roots { key, source })?))
            }
        };
        let (on_suspend, changes, successor) = (OnSuspend::default(), Changes::default(), OnceLock::new());
        Ok(Self { source, users: None, on_suspend, changes, successor })
    }

    #[cfg(test)]
    pub(super) fn of_table(table: TenantsTable) -> Self {
        let (on_suspend, changes, successor) = (OnSuspend::default(), Changes::default(), OnceLock::new());
        Self { source: Source::Table(Box::new(table)), users: None, on_suspend, changes, successor }
    }

    /// The same with a directory of users, whose changes are announced in `changes`, and what becomes of a suspended tenant's requests.
    #[must_use]
    pub fn with_users(self, users: Option<Arc<dyn Users>>, changes: Changes, on_suspend: OnSuspend) -> Self {
        Self { users, on_suspend, changes, ..self }
    }

    /// Joins a proof with the tenant's record, if the token, the user and the tenant may act now.
    ///
    /// # Errors
    /// [`Reason::TokenRevoked`], [`Reason::TenantUnknown`], [`Reason::TenantSuspended`], [`Reason::IssuerNotForTenant`]; with a table
    /// [`Reason::TenantsUnavailable`]; with a directory of users also [`Reason::UserUnknown`], [`Reason::UserSuspended`], [`Reason::TenantNotActive`] and
    /// [`Reason::UsersUnavailable`].
    ///
    /// A directory whose place was taken lets the one that holds now answer: what it knows itself is followed by nobody any more.
    pub async fn resolve(&self, verified: Arc<VerifiedTenant>) -> Result<ActiveTenant, Refusal> {
        // Before the first look: whatever changes from here on is heard of, a successor too.
        let heard = self.changes();
        self.newest().resolve_here(verified, heard).await
    }

    async fn resolve_here(&self, verified: Arc<VerifiedTenant>, heard: Heard) -> Result<ActiveTenant, Refusal> {
        let user = match self.users_of(&verified) {
            None => None,
            Some(users) => {
                let facts = verified.facts();
                Some(acting(&verified, users.find(facts.issuer, facts.subject).await?)?)
            }
        };
        // Last, and of a file without a pause: what is found here holds at the moment in which the request goes on.
        let record = match &self.source {
            Source::Table(table) => unrevoked(table.find(verified.tenant()).await?, &verified)?,
            Source::Any | Source::File(_) => self.at_hand(&verified)?.ok_or(Reason::TenantUnknown)?,
        };
        Ok(ActiveTenant::join(verified, record)?.seen(user, heard))
    }

    /// Whether a proof still stands, by what is at hand: for a look at many at once. A tenant or user of whom nothing is at hand stands.
    ///
    /// # Errors
    /// As [`Directory::resolve`].
    pub fn stands(&self, verified: &VerifiedTenant) -> Result<(), Refusal> {
        if let Some(record) = self.at_hand(verified)? {
            ActiveTenant::may_be(verified, &record)?;
        }
        let facts = verified.facts();
        match self.users_of(verified).map(|users| users.recall(facts.issuer, facts.subject)) {
            None | Some(Recalled::Nothing) => Ok(()),
            Some(Recalled::Unknown) => Err(Reason::UserUnknown.into()),
            Some(Recalled::Record(record)) => acting(verified, record).map(drop),
        }
    }

    /// Whether a token could still be let in for any tenant, by what is at hand.
    pub fn may_use(&self, token: &TokenFacts<'_>) -> bool {
        let Ok(user) = self.user_at_hand(token) else { return false };
        let lets = |record: &TenantRecord| record.status == TenantStatus::Active && record.revoked.check(token).is_ok();
        let open = |id: &TenantId| match self.recall(id) {
            AtHand::Record(record) => lets(&record),
            AtHand::Unknown => false,
            AtHand::Nothing => true,
        };
        let named = match (&self.users, &user) {
            (None, _) => token.tenants.iter().any(|id| id.parse().is_ok_and(|id| open(&id))),
            (Some(_), Some(user)) => open(user.tenant()),
            (Some(_), None) => true,
        };
        let everywhere = if let Source::File(file) = &self.source { file.current().revoked.check(token).is_ok() } else { true };
        // Where every tenant exists, a token that names none is as good as it was.
        (named || matches!(self.source, Source::Any)) && everywhere
    }

    /// Whether the tenant may act, by what is at hand. One of whom nothing is at hand may: whoever asks for it will know.
    pub fn serves(&self, tenant: &TenantId) -> bool {
        match self.recall(tenant) {
            AtHand::Record(record) => record.status == TenantStatus::Active,
            AtHand::Unknown => false,
            AtHand::Nothing => true,
        }
    }

    /// Whether it is known that there is no such tenant.
    pub fn lacks(&self, tenant: &TenantId) -> bool {
        matches!(self.recall(tenant), AtHand::Unknown)
    }

    /// Looks at the tenant's record again, unless it was read just now. Where that is done every [`Directory::renewal`], what is at hand
    /// is never older than the cache allows, though nobody sends a request.
    pub async fn renew(&self, tenant: &TenantId) {
        if let Source::Table(table) = &self.source {
            table.renew(tenant).await;
        }
    }

    /// The moment before which all tokens for the tenant are revoked, by what is at hand.
    pub fn revoked_before(&self, tenant: &TenantId) -> Option<std::time::SystemTime> {
        let own = if let AtHand::Record(record) = self.recall(tenant) { record.revoked.issued_before() } else { None };
        let everywhere = if let Source::File(file) = &self.source { file.current().revoked.issued_before() } else { None };
        own.max(everywhere)
    }

    /// Whether requests in progress go on in spite of `refusal`, by configuration.
    pub fn lets_finish(&self, refusal: &Refusal) -> bool {
        self.on_suspend == OnSuspend::Finish && matches!(refusal.reason, Reason::TenantSuspended | Reason::TenantUnknown)
    }

    /// Takes over what `before` has at hand of the same table of tenants; nothing of a file, or of another table. `same_base` says whether
    /// both are read with the same base identity.
    pub fn take_over(&self, before: &Self, same_base: bool) {
        if let (Source::Table(table), Source::Table(before)) = (&self.source, &before.source) {
            table.take_over(before, same_base);
        }
    }

    /// Where its changes are announced, for a directory that is to take its place.
    pub fn announced_in(&self) -> Changes {
        self.changes.clone()
    }

    /// Lets `successor` answer from now on whatever requests of before ask, beginning with whether those in progress still stand.
    pub fn succeeded_by(&self, successor: Arc<Self>) {
        // The first word holds: a directory is replaced once.
        let _ = self.successor.set(successor);
        self.changes.announce();
    }

    /// The directory that holds now.
    fn newest(&self) -> &Self {
        self.successor().map_or(self, |successor| successor)
    }

    /// The directory that holds now, where it is another one.
    pub(super) fn successor(&self) -> Option<&Arc<Self>> {
        std::iter::successors(self.successor.get(), |next| next.successor.get()).last()
    }

    /// Hears of every change of tenants or users from now on.
    pub fn changes(&self) -> Heard {
        self.changes.listen()
    }

    /// How often a request in progress has to ask again, where not every change is announced.
    pub(super) fn recheck(&self) -> Option<Duration> {
        let of_users = self.users.as_ref().and_then(|users| users.recheck());
        [self.renewal(), of_users].into_iter().flatten().min()
    }

    /// How often what is held for tenants has to be renewed, where changes of tenants are found by asking for them.
    pub fn renewal(&self) -> Option<Duration> {
        if let Source::Table(table) = &self.source { Some(table.renewal()) } else { None }
    }

    /// The records at hand: of a file all, in the order of their ids; none where every tenant exists.
    pub fn records(&self) -> Vec<Arc<TenantRecord>> {
        match &self.source {
            Source::Any => Vec::new(),
            Source::File(file) => file.current().tenants.values().cloned().collect(),
            Source::Table(table) => table.records(),
        }
    }

    /// Issuers that the deny-lists at hand name, in order, each once.
    pub fn revoked_issuers(&self) -> Vec<String> {
        let mut issuers = BTreeSet::new();
        let mut note = |list: &Revoked| issuers.extend(list.issuers().map(str::to_owned));
        self.records().iter().for_each(|record| note(&record.revoked));
        if let Source::File(file) = &self.source {
            note(&file.current().revoked);
        }
        issuers.into_iter().collect()
    }

    /// Whether requests can be answered: a table has to have answered once since the start. Later it may be down, which is ridden
    /// out with what is at hand. `None` where there is nothing to wait for.
    pub fn is_ready(&self) -> Option<bool> {
        if let Source::Table(table) = &self.source { Some(table.has_answered()) } else { None }
    }

    /// Takes over every change of the file, or reads the table in the background as configured, until dropped.
    pub async fn watch(&self, clock: Clock, metrics: Metrics) {
        match &self.source {
            Source::Any => std::future::pending().await,
            Source::Table(table) => table.watch().await,
            Source::File(file) => file.watch(&clock, &metrics, &self.changes, Records::tell).await,
        }
    }

    /// Takes over a change of the file now, if there is one.
    pub async fn look(&self, clock: &Clock, metrics: &Metrics) {
        if let Source::File(file) = &self.source {
            file.look(clock, metrics, &self.changes, Records::tell).await;
        }
    }

    fn user_at_hand(&self, token: &TokenFacts<'_>) -> Result<Option<ActiveUser>, Refusal> {
        match self.users.as_ref().map(|users| users.recall(token.issuer, token.subject)) {
            None | Some(Recalled::Nothing) => Ok(None),
            Some(Recalled::Unknown) => Err(Reason::UserUnknown.into()),
            Some(Recalled::Record(record)) => ActiveUser::admit(record).map(Some),
        }
    }

    /// The directory of users, where a user is behind the proof: a workload is none, and the configuration says its tenant.
    fn users_of(&self, verified: &VerifiedTenant) -> Option<&Arc<dyn Users>> {
        self.users.as_ref().filter(|_| verified.issuer() != WORKLOAD_ISSUER)
    }

    /// What is at hand of a tenant; where every tenant exists, there is nothing but the id.
    fn recall(&self, tenant: &TenantId) -> AtHand {
        match &self.source {
            Source::Any => AtHand::Record(Arc::new(TenantRecord::bare(tenant.clone()))),
            Source::File(file) => file.current().tenants.get(tenant).cloned().map_or(AtHand::Unknown, AtHand::Record),
            Source::Table(table) => table.recall(tenant.as_str()),
        }
    }

    /// The record at hand of the proof's tenant, unless something is revoked; `None` where nothing is at hand.
    fn at_hand(&self, verified: &VerifiedTenant) -> Result<Option<Arc<TenantRecord>>, Refusal> {
        if let Source::File(file) = &self.source {
            // One snapshot for both, so that no edit comes between them.
            let records = file.current();
            records.revoked.check(&verified.facts())?;
            let record = records.tenants.get(verified.tenant()).cloned().ok_or(Reason::TenantUnknown)?;
            return unrevoked(record, verified).map(Some);
        }
        match self.recall(verified.tenant()) {
            AtHand::Record(record) => unrevoked(record, verified).map(Some),
            AtHand::Unknown => Err(Reason::TenantUnknown.into()),
            AtHand::Nothing => Ok(None),
        }
    }
}

/// The record, unless it revokes the proof.
fn unrevoked(record: Arc<TenantRecord>, verified: &VerifiedTenant) -> Result<Arc<TenantRecord>, Refusal> {
    record.revoked.check(&verified.facts())?;
    Ok(record)
}

/// The user behind a proof, acting for the proof's tenant.
fn acting(verified: &VerifiedTenant, record: Arc<UserRecord>) -> Result<ActiveUser, Refusal> {
    // Work that was deferred goes on for its tenant when the user has turned to another one since, and not when the user has left.
    if verified.deferred().is_some() {
        return ActiveUser::admit_member(record, verified.tenant());
    }
    let user = ActiveUser::admit(record)?;
    user.acts_for(verified.tenant()).map(|()| user)
}

#[cfg(test)]
mod tests;
