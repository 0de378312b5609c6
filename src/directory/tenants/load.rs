//! The reading of the whole table, in the background.
//!
//! It takes records in as if each had been asked for, so they are as fresh, and as bounded, as others. What it does not meet is not
//! taken for removed, since an item can move while the table is read: it is asked for by itself.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use super::TenantsTable;
use crate::{
    config::LoadConfig,
    directory::points::{How, Point, ReadError, Taken, fraction},
    tenant::TenantId,
};

/// Most items that are asked for at once.
const PART: usize = 1_000;
/// First pause after a load that failed; doubled up to the pause after one that did not.
const RETRY: Duration = Duration::from_secs(5);
/// Tenants that are named in the log, of a kind and a load.
const SHOWN: usize = 10;

/// What a load has met.
#[derive(Debug, Default)]
struct Tally {
    tenants: usize,
    changed: usize,
    unusable: usize,
    nameless: usize,
    removed: usize,
    no_room: usize,
    alike: usize,
    /// The ids met, by their form in lower case.
    folded: HashMap<String, TenantId>,
}

impl TenantsTable {
    /// Loads now and from time to time, for ever.
    pub(super) async fn loads(&self, config: LoadConfig) {
        let mut retry = RETRY.min(config.every);
        loop {
            let outcome = match tokio::time::timeout(config.every, self.load_once(config)).await {
                Ok(outcome) => outcome,
                Err(_elapsed) => Err(ReadError::Unavailable("it took longer than load.every".to_owned())),
            };
            let pause = match outcome {
                Ok(tally) => {
                    retry = RETRY.min(config.every);
                    self.report(&tally);
                    // Up to a tenth less, so that processes that started together do not stay together.
                    config.every.mul_f64(1.0 - 0.1 * fraction())
                }
                Err(error) => {
                    self.metrics.tenant_load("error");
                    tracing::warn!(%error, "the table of tenants was not loaded to its end; tenants are looked up one by one");
                    let pause = retry;
                    retry = (retry * 2).min(config.every);
                    pause
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    async fn load_once(&self, config: LoadConfig) -> Result<Tally, ReadError> {
        let began = self.clock.instant();
        let at_once = config.items_per_second.clamp(1, PART);
        let pause = Duration::from_secs_f64(at_once as f64 / config.items_per_second.max(1) as f64);
        let (mut tally, mut cursor) = (Tally::default(), None);
        loop {
            let read_at = self.clock.instant();
            let part = self.reader.part(i32::try_from(at_once).unwrap_or(i32::MAX), cursor).await?;
            tally.nameless += part.nameless;
            let changed = tally.changed;
            for (id, outcome) in part.tenants {
                self.take_in(&id, read_at, outcome, &mut tally);
            }
            self.has_read();
            if tally.changed > changed {
                self.changes.announce();
            }
            cursor = part.next;
            if cursor.is_none() {
                break;
            }
            tokio::time::sleep(pause).await;
        }
        self.look_for_the_unmet(began, &mut tally).await?;
        Ok(tally)
    }

    fn take_in(&self, id: &TenantId, read_at: Instant, outcome: Result<super::TenantRecord, ReadError>, tally: &mut Tally) {
        tally.tenants += 1;
        if let Err(error) = &outcome {
            tally.unusable += 1;
            if tally.unusable <= SHOWN {
                tracing::warn!(tenant = %id, %error, "a tenant's item cannot be used: the tenant is refused");
            }
        }
        if let Some(other) = tally.folded.insert(id.as_str().to_ascii_lowercase(), id.clone()).filter(|other| other != id) {
            tally.alike += 1;
            if tally.alike <= SHOWN {
                tracing::warn!(tenant = %id, %other, "two tenants differ in case alone: somewhere else they may be one");
            }
        }
        match self.points.take_in(id.as_str(), read_at, outcome) {
            Taken::Changed => tally.changed += 1,
            Taken::Same => {}
            Taken::NoRoom => tally.no_room += 1,
        }
    }

    /// Asks for every tenant that is at hand and was not met.
    async fn look_for_the_unmet(&self, began: Instant, tally: &mut Tally) -> Result<(), ReadError> {
        for key in self.points.read_before(began) {
            let found = self.points.renew(&key, began).await;
            if found.changed {
                tally.changed += 1;
                self.changes.announce();
            }
            match found.point {
                Ok(Point::Absent) => tally.removed += 1,
                Ok(Point::Record(_)) if found.how == How::Stale => return Err(ReadError::Unavailable("in the middle of it".to_owned())),
                Err(error @ ReadError::Unavailable(_)) => return Err(error),
                Ok(Point::Record(_)) | Err(ReadError::Unusable(_)) => {}
            }
        }
        self.has_read();
        Ok(())
    }

    fn report(&self, tally: &Tally) {
        let Tally { tenants, changed, unusable, nameless, removed, no_room, alike, .. } = *tally;
        self.metrics.tenant_load(if no_room == 0 { "ok" } else { "partial" });
        if no_room > 0 {
            tracing::warn!(tenants, no_room, "the table has more tenants than max_tenants: the others are looked up one by one");
        }
        if nameless > 0 {
            tracing::warn!(nameless, "items of the table have keys like tenants', with ids that are none: nobody can use them");
        }
        tracing::info!(tenants, changed, removed, unusable, alike, "the table of tenants was loaded");
    }
}
