//! The directory: what a proof is held against on every request.
//!
//! [`Directory::resolve`] is the one way from a proof to an [`ActiveTenant`]: the deny-list, the user, the tenant's record and the
//! issuer's right to speak for it are asked there, when a request begins and once more before credentials are attached to it. So a
//! token that is remembered, a passport and vended keys are worth no more than what the directory says now.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use super::{
    ActiveTenant, Revoked, TenantRecord, TenantStatus,
    changes::{Changes, Heard},
    records,
    watched::{INTERVAL, Watched},
};
use crate::{
    clock::Clock,
    config::{ConfigErrors, DirectoryConfig, OnSuspend},
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

/// Answers which tenants there are, and who may act for them.
#[derive(Debug)]
pub struct Directory {
    source: Source,
    users: Option<Arc<dyn Users>>,
    on_suspend: OnSuspend,
    changes: Changes,
}

#[derive(Debug)]
enum Source {
    Any,
    File(Watched<Records>),
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
        let source = match config {
            DirectoryConfig::Any => Source::Any,
            DirectoryConfig::File(path) => Source::File(Watched::open("tenants", Path::new(path), records::parse, interval)?),
        };
        Ok(Self { source, users: None, on_suspend: OnSuspend::default(), changes: Changes::default() })
    }

    /// The same with a directory of users, whose changes are announced in `changes`, and what becomes of a suspended tenant's requests.
    #[must_use]
    pub fn with_users(self, users: Option<Arc<dyn Users>>, changes: Changes, on_suspend: OnSuspend) -> Self {
        Self { users, on_suspend, changes, ..self }
    }

    /// Joins a proof with the tenant's record, if the token, the user and the tenant may act now.
    ///
    /// # Errors
    /// [`Reason::TokenRevoked`], [`Reason::TenantUnknown`], [`Reason::TenantSuspended`], [`Reason::IssuerNotForTenant`]; with a
    /// directory of users also [`Reason::UserUnknown`], [`Reason::UserSuspended`], [`Reason::TenantNotActive`] and
    /// [`Reason::UsersUnavailable`].
    pub async fn resolve(&self, verified: Arc<VerifiedTenant>) -> Result<ActiveTenant, Refusal> {
        // Before the first look: whatever changes from here on is heard of.
        let heard = self.changes();
        let user = match self.users_of(&verified) {
            None => None,
            Some(users) => {
                let facts = verified.facts();
                Some(acting(&verified, users.find(facts.issuer, facts.subject).await?)?)
            }
        };
        // Last, and without a pause: what is found here holds at the moment in which the request goes on.
        let record = self.record(&verified)?;
        Ok(ActiveTenant::join(verified, record)?.seen(user, heard))
    }

    /// Whether a proof still stands, by what is at hand: for a look at many at once. A user of whom nothing is at hand stands.
    ///
    /// # Errors
    /// As [`Directory::resolve`].
    pub fn stands(&self, verified: &VerifiedTenant) -> Result<(), Refusal> {
        ActiveTenant::may_be(verified, &*self.record(verified)?)?;
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
        let Source::File(file) = &self.source else { return true };
        let records = file.current();
        let open = |id: &TenantId| {
            let record = records.tenants.get(id).filter(|record| record.status == TenantStatus::Active);
            record.is_some_and(|record| record.revoked.check(token).is_ok())
        };
        let named = match (&self.users, &user) {
            (None, _) => token.tenants.iter().any(|id| id.parse().is_ok_and(|id| open(&id))),
            (Some(_), Some(user)) => open(user.tenant()),
            (Some(_), None) => true,
        };
        named && records.revoked.check(token).is_ok()
    }

    /// Whether the tenant has a record that lets it act.
    pub fn serves(&self, tenant: &TenantId) -> bool {
        match &self.source {
            Source::Any => true,
            Source::File(file) => file.current().tenants.get(tenant).is_some_and(|record| record.status == TenantStatus::Active),
        }
    }

    /// The moment before which all tokens for the tenant are revoked.
    pub fn revoked_before(&self, tenant: &TenantId) -> Option<std::time::SystemTime> {
        let Source::File(file) = &self.source else { return None };
        let records = file.current();
        let own = records.tenants.get(tenant).and_then(|record| record.revoked.issued_before());
        own.max(records.revoked.issued_before())
    }

    /// Whether requests in progress go on in spite of `refusal`, by configuration.
    pub fn lets_finish(&self, refusal: &Refusal) -> bool {
        self.on_suspend == OnSuspend::Finish && matches!(refusal.reason, Reason::TenantSuspended | Reason::TenantUnknown)
    }

    /// Hears of every change of tenants or users from now on.
    pub fn changes(&self) -> Heard {
        self.changes.listen()
    }

    /// How often a request in progress has to ask again, where not every change is announced.
    pub(super) fn recheck(&self) -> Option<Duration> {
        self.users.as_ref().and_then(|users| users.recheck())
    }

    /// The records there are, in the order of their ids; none where every tenant exists.
    pub fn records(&self) -> Vec<Arc<TenantRecord>> {
        match &self.source {
            Source::Any => Vec::new(),
            Source::File(file) => file.current().tenants.values().cloned().collect(),
        }
    }

    /// Issuers that the deny-lists name, in order, each once.
    pub fn revoked_issuers(&self) -> Vec<String> {
        let Source::File(file) = &self.source else { return Vec::new() };
        let records = file.current();
        let lists = records.tenants.values().map(|record| &record.revoked).chain([&records.revoked]);
        let issuers: std::collections::BTreeSet<_> = lists.flat_map(Revoked::issuers).map(str::to_owned).collect();
        issuers.into_iter().collect()
    }

    /// Takes over every change of the file, until dropped.
    pub async fn watch(&self, clock: Clock, metrics: Metrics) {
        match &self.source {
            Source::Any => std::future::pending().await,
            Source::File(file) => {
                let taken = |records: &Records| {
                    let revocations: usize = records.tenants.values().map(|record| record.revoked.len()).sum();
                    let revocations = revocations + records.revoked.len();
                    tracing::info!(tenants = records.tenants.len(), revocations, "tenant records read");
                };
                file.watch(&clock, &metrics, &self.changes, taken).await;
            }
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

    /// The record of the proof's tenant, unless something is revoked.
    fn record(&self, verified: &VerifiedTenant) -> Result<Arc<TenantRecord>, Refusal> {
        match &self.source {
            Source::Any => Ok(Arc::new(TenantRecord::bare(verified.tenant().clone()))),
            Source::File(file) => {
                let records = file.current();
                let facts = verified.facts();
                records.revoked.check(&facts)?;
                let record = records.tenants.get(verified.tenant()).cloned().ok_or(Reason::TenantUnknown)?;
                record.revoked.check(&facts)?;
                Ok(record)
            }
        }
    }
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
