//! Tenants in a DynamoDB table, one item each.
//!
//! What it promises:
//! * **A change is noticed within the cache's time**, a suspension and a removal as well: a record is used for so long, then read
//!   again. While the table cannot be read an older one is used, up to a bound; then its tenant is refused.
//! * **A tenant that is not in the table is refused**, and so is one whose item is not what it should be: nothing in it is guessed.
//! * **Made-up tenants displace nobody**, and what is read for them is bounded ([`Points`]).
//! * With a [load](load), the table is also read as a whole from time to time. It brings records before they are asked for and
//!   finds what was removed, and is needed for nothing: point reads go on before, during and without it.
//!
//! The attack: whoever writes the table decides who is served, by which role and within which limits. So it is read by a role of its
//! own where one is configured, the key of what comes back has to be the key that was asked for, and values have the forms that
//! the file's have before they land in a role's ARN or a policy.

mod load;
mod reader;
mod record;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use self::reader::Reader;
use super::{
    Changes, TenantRecord,
    points::{Found, How, Point, Points, ReadError, ReadPoint},
};
use crate::{
    clock::Clock,
    config::{LoadConfig, TenantsTableConfig},
    credentials::{Readers, SetupError},
    reject::{Reason, Refusal},
    telemetry::Metrics,
    tenant::TenantId,
};

/// Asked for until the table has answered once, whether there is such a tenant or not.
const PROBE: &str = "palisade-probe";
/// First pause after a probe without an answer; doubled up to [`PROBE_PAUSE_MOST`].
const PROBE_PAUSE: Duration = Duration::from_secs(1);
/// See [`PROBE_PAUSE`].
const PROBE_PAUSE_MOST: Duration = Duration::from_secs(30);
/// How often credentials are looked after, which are renewed minutes ahead of their end.
const PREPARE: Duration = Duration::from_secs(60);
/// How long a refusal asks to wait.
const RETRY: Duration = Duration::from_secs(1);

/// The table and its cache.
pub(super) struct TenantsTable {
    points: Points<TenantRecord>,
    reader: Arc<Reader>,
    load: Option<LoadConfig>,
    /// Whether the table has answered since the start.
    answered: AtomicBool,
    changes: Changes,
    clock: Clock,
    metrics: Metrics,
}

/// What is at hand of a tenant.
#[derive(Debug, PartialEq)]
pub(super) enum AtHand {
    /// This.
    Record(Arc<TenantRecord>),
    /// There is no such tenant.
    Unknown,
    /// Nothing.
    Nothing,
}

impl fmt::Debug for TenantsTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantsTable").field("reader", &self.reader).field("load", &self.load).finish_non_exhaustive()
    }
}

impl TenantsTable {
    /// Reads as one of `readers`. Asks nothing yet.
    ///
    /// # Errors
    /// A file of extra roots cannot be used.
    pub(super) fn open(
        config: &TenantsTableConfig,
        readers: Readers<'_>,
        changes: Changes,
        clock: Clock,
        metrics: Metrics,
    ) -> Result<Self, SetupError> {
        Ok(Self::new(Reader::open(config, readers)?, config, changes, clock, metrics))
    }

    fn new(reader: Reader, config: &TenantsTableConfig, changes: Changes, clock: Clock, metrics: Metrics) -> Self {
        let reader = Arc::new(reader);
        let points = Points::new(Box::new(reader.clone()), config.cache, config.table.timeout, clock.clone());
        Self { points, reader, load: config.load, answered: AtomicBool::new(false), changes, clock, metrics }
    }

    /// The tenant's record, not older than the bounds allow.
    ///
    /// # Errors
    /// [`Reason::TenantUnknown`], [`Reason::TenantsUnavailable`]
    pub(super) async fn find(&self, tenant: &TenantId) -> Result<Arc<TenantRecord>, Refusal> {
        let found = self.points.find(tenant.as_str()).await;
        self.answer(tenant, found)
    }

    /// Reads the tenant's record again, unless it was read within the last [`TenantsTable::renewal`]. What it says is at hand then; what
    /// cannot be read stays as it was within its bounds.
    pub(super) async fn renew(&self, tenant: &TenantId) {
        if let Some(since) = self.clock.instant().checked_sub(self.renewal()) {
            let found = self.points.renew(tenant.as_str(), since).await;
            drop(self.answer(tenant, found));
        }
    }

    fn answer(&self, tenant: &TenantId, found: Found<TenantRecord>) -> Result<Arc<TenantRecord>, Refusal> {
        self.metrics.tenant_lookup(match (&found.point, found.how) {
            (Ok(Point::Absent), _) => "unknown",
            (Err(ReadError::Unusable(_)), _) => "malformed",
            (_, How::Cached) => "cached",
            (_, How::Read) => "read",
            (_, How::Stale) => "stale",
            (_, How::Failed) => "unavailable",
            (_, How::Shed) => "shed",
        });
        if found.how == How::Read {
            self.has_read();
        }
        if found.changed {
            self.changes.announce();
        }
        match found.point {
            Ok(Point::Record(record)) => Ok(record),
            Ok(Point::Absent) => Err(Reason::TenantUnknown.into()),
            Err(error) => {
                if found.how == How::Read {
                    tracing::warn!(%tenant, %error, "a tenant's item cannot be used: the tenant is refused");
                }
                Err(Refusal::noted(Reason::TenantsUnavailable, error.to_string()).retry_after(RETRY))
            }
        }
    }

    /// What is at hand of the tenant, without a read.
    pub(super) fn recall(&self, tenant: &str) -> AtHand {
        match self.points.recall(tenant) {
            Some(Point::Record(record)) => AtHand::Record(record),
            Some(Point::Absent) => AtHand::Unknown,
            None => AtHand::Nothing,
        }
    }

    /// The records at hand.
    pub(super) fn records(&self) -> Vec<Arc<TenantRecord>> {
        self.points.records()
    }

    /// How often what is held for a tenant that sends no requests has to be renewed, so that its record never is older than it may be.
    pub(super) fn renewal(&self) -> Duration {
        self.points.fresh() / 2
    }

    /// Takes over what `before` has at hand, where it reads the same table: its tenants need not wait for this one's first reads.
    pub(super) fn take_over(&self, before: &Self, same_base: bool) {
        if self.reader.is(&before.reader, same_base) {
            self.points.take_over(&before.points);
            self.metrics.directory_entries("tenants", self.points.len());
        }
    }

    /// Whether the table has answered since the start.
    pub(super) fn has_answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed)
    }

    /// Looks after the reader's credentials and loads the table, until dropped.
    pub(super) async fn watch(&self) {
        let prepare = async {
            loop {
                // What fails is logged by what keeps the credentials, and found by whoever reads.
                drop(self.reader.prepare().await);
                tokio::time::sleep(PREPARE).await;
            }
        };
        let load = async {
            self.probe().await;
            match self.load {
                None => std::future::pending().await,
                Some(config) => self.loads(config).await,
            }
        };
        tokio::join!(prepare, load);
    }

    /// Asks until there is an answer: nobody sends requests to a process that is not ready, so none of them would ask.
    async fn probe(&self) {
        let mut pause = PROBE_PAUSE;
        while let Err(ReadError::Unavailable(why)) = self.reader.read(PROBE).await {
            if self.has_answered() {
                return;
            }
            tracing::warn!(why, "the table of tenants cannot be read yet");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PROBE_PAUSE_MOST);
        }
        self.has_read();
    }

    /// The table has answered.
    fn has_read(&self) {
        self.answered.store(true, Ordering::Relaxed);
        self.metrics.directory_read("tenants", self.clock.now());
        self.metrics.directory_entries("tenants", self.points.len());
    }
}

#[cfg(test)]
pub(super) mod tests;
