//! Users in a DynamoDB table, one item each.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;

use crate::{
    clock::Clock,
    config::{KeyTemplate, UserAttributesConfig, UsersTableConfig},
    credentials::{Readers, SetupError},
    directory::{
        Changes,
        dynamodb::Table,
        item::{Item, ItemError, MAX_ENTRIES, MAX_TEXT, Value},
        points::{How, Point, Points, ReadError, ReadPoint},
    },
    identity::{Recalled, UserRecord, UserStatus, Users},
    reject::{Reason, Refusal},
    telemetry::Metrics,
    tenant::TenantId,
};

/// DynamoDB's limits on the values of keys, in bytes.
const MAX_KEY: (usize, usize) = (2048, 1024);
/// How often credentials are looked after.
const PREPARE: Duration = Duration::from_secs(60);
/// Asked for to see whether the table answers.
const PROBE: &str = "palisade-probe";
/// Pause after a probe without an answer.
const PROBE_PAUSE: Duration = Duration::from_secs(1);
/// Joins the keys of a user in the cache: no key holds it.
const SEPARATOR: char = '\0';

/// The table and its cache.
pub(super) struct UsersTable {
    points: Points<UserRecord>,
    reader: Arc<Reader>,
    partition: KeyTemplate,
    sort: Option<KeyTemplate>,
    changes: Changes,
    clock: Clock,
    metrics: Metrics,
}

impl fmt::Debug for UsersTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UsersTable").field("partition", &self.partition).field("sort", &self.sort).finish_non_exhaustive()
    }
}

/// Reads single users.
struct Reader {
    table: Table,
    partition_key: String,
    sort_key: Option<String>,
    attributes: UserAttributesConfig,
}

impl Reader {
    /// Whether `other` finds the same items in the same table.
    fn is(&self, other: &Self, same_base: bool) -> bool {
        let names = |of: &Self| (of.partition_key.clone(), of.sort_key.clone(), of.attributes.clone());
        self.table.is(&other.table, same_base) && names(self) == names(other)
    }
}

impl UsersTable {
    /// Reads as one of `readers`. Asks nothing yet.
    ///
    /// # Errors
    /// A file of extra roots cannot be used.
    pub(super) fn open(
        config: &UsersTableConfig,
        readers: Readers<'_>,
        changes: Changes,
        clock: Clock,
        metrics: Metrics,
    ) -> Result<Self, SetupError> {
        let (partition_key, partition) = config.partition_key.clone();
        let (sort_key, sort) = config.sort_key.clone().unzip();
        let reader = Reader { table: Table::new(&config.table, readers)?, partition_key, sort_key, attributes: config.attributes.clone() };
        let reader = Arc::new(reader);
        let points = Points::new(Box::new(reader.clone()), config.cache, config.table.timeout, clock.clone());
        Ok(Self { points, reader, partition, sort, changes, clock, metrics })
    }

    /// Looks after the reader's credentials, which are renewed minutes ahead of their end, until dropped.
    pub(super) async fn watch(&self) {
        loop {
            // What fails is logged by what keeps the credentials, and found by whoever reads.
            drop(self.reader.table.prepare().await);
            tokio::time::sleep(PREPARE).await;
        }
    }

    /// Takes over what `before` has at hand, where it reads the same table.
    pub(super) fn take_over(&self, before: &Self, same_base: bool) {
        let keys = |of: &Self| (of.partition.clone(), of.sort.clone());
        if self.reader.is(&before.reader, same_base) && keys(self) == keys(before) {
            self.points.take_over(&before.points);
        }
    }

    /// Waits until the table has answered once, whether there is such a user or not.
    pub(super) async fn answered(&self) {
        let key = self.sort.as_ref().map_or_else(|| PROBE.to_owned(), |_| format!("{PROBE}{SEPARATOR}{PROBE}"));
        while let Err(ReadError::Unavailable(why)) = self.reader.read(&key).await {
            tracing::warn!(why, "the table of users cannot be read yet");
            tokio::time::sleep(PROBE_PAUSE).await;
        }
    }

    /// The keys of a user, as one; `None` for a user who cannot be in the table.
    fn key(&self, issuer: &str, subject: &str) -> Option<String> {
        let partition = self.partition.render(issuer, subject);
        let sort = self.sort.as_ref().map(|sort| sort.render(issuer, subject));
        let long = partition.len() > MAX_KEY.0 || sort.as_ref().is_some_and(|sort| sort.is_empty() || sort.len() > MAX_KEY.1);
        let key = match sort {
            None => partition.clone(),
            Some(sort) if sort.contains(SEPARATOR) => return None,
            Some(sort) => format!("{partition}{SEPARATOR}{sort}"),
        };
        (!partition.is_empty() && !long && !partition.contains(SEPARATOR)).then_some(key)
    }

    async fn look_up(&self, issuer: &str, subject: &str) -> Result<Arc<UserRecord>, Refusal> {
        let Some(key) = self.key(issuer, subject) else {
            self.metrics.user_lookup("unknown");
            return Err(Reason::UserUnknown.into());
        };
        let found = self.points.find(&key).await;
        self.metrics.user_lookup(match (&found.point, found.how) {
            (Ok(Point::Absent), _) => "unknown",
            (Err(ReadError::Unusable(_)), _) => "malformed",
            (_, How::Cached) => "cached",
            (_, How::Read) => "read",
            (_, How::Stale) => "stale",
            (_, How::Failed) => "unavailable",
            (_, How::Shed) => "shed",
        });
        if found.how == How::Read {
            self.metrics.directory_entries("users", self.points.len());
            if found.point.is_ok() {
                self.metrics.directory_read("users", self.clock.now());
            }
        }
        if found.changed {
            self.changes.announce();
        }
        match found.point {
            Ok(Point::Record(record)) => Ok(record),
            Ok(Point::Absent) => Err(Reason::UserUnknown.into()),
            Err(error) => {
                if found.how == How::Read {
                    tracing::warn!(issuer, %error, "a user's item cannot be used");
                }
                Err(Refusal::noted(Reason::UsersUnavailable, error.to_string()).retry_after(Duration::from_secs(1)))
            }
        }
    }
}

impl Users for UsersTable {
    fn find<'a>(&'a self, issuer: &'a str, subject: &'a str) -> BoxFuture<'a, Result<Arc<UserRecord>, Refusal>> {
        Box::pin(self.look_up(issuer, subject))
    }

    fn recall(&self, issuer: &str, subject: &str) -> Recalled {
        match self.key(issuer, subject).map(|key| self.points.recall(&key)) {
            None | Some(Some(Point::Absent)) => Recalled::Unknown,
            Some(Some(Point::Record(record))) => Recalled::Record(record),
            Some(None) => Recalled::Nothing,
        }
    }

    fn recheck(&self) -> Option<Duration> {
        Some(self.points.fresh())
    }
}

impl ReadPoint<UserRecord> for Arc<Reader> {
    fn read<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<UserRecord>, ReadError>> {
        Box::pin(async move {
            let (partition, sort) = key.split_once(SEPARATOR).map_or((key, None), |(partition, sort)| (partition, Some(sort)));
            let partition = (self.partition_key.as_str(), partition);
            let item = match self.sort_key.as_deref().zip(sort) {
                None => self.table.get(&[partition]).await?,
                Some(sort) => self.table.get(&[partition, sort]).await?,
            };
            item.map(|item| user(&item, &self.attributes).map_err(|error| ReadError::Unusable(error.to_string()))).transpose()
        })
    }
}

/// Takes a user out of an item. Nothing is guessed: what is there has to be of its kind, and the status has to be there.
fn user(item: &Item, names: &UserAttributesConfig) -> Result<UserRecord, ItemError> {
    let status = match item.text(&names.status)? {
        Some("active") => UserStatus::Active,
        Some("suspended") => UserStatus::Suspended,
        Some(_) => return Err(ItemError::new(&names.status, "neither active nor suspended")),
        None => return Err(ItemError::new(&names.status, "missing")),
    };
    let id = |text: &str, of: &str| text.parse::<TenantId>().map_err(|_| ItemError::new(of, "no tenant id, or holds what is none"));
    let active_tenant = item.text(&names.active_tenant)?.map(|text| id(text, &names.active_tenant)).transpose()?;
    let memberships: BTreeMap<TenantId, Vec<String>> = match item.get(&names.memberships) {
        None => BTreeMap::new(),
        Some(Value::Map(map)) => {
            let roles = |(tenant, roles): (&String, &Value)| {
                let roles = roles
                    .texts()
                    .filter(|roles| fits(roles))
                    .ok_or_else(|| ItemError::new(&names.memberships, "no map to lists or sets of roles"))?;
                Ok((id(tenant, &names.memberships)?, roles))
            };
            map.iter().map(roles).collect::<Result<_, _>>()?
        }
        Some(other) => {
            let tenants =
                other.texts().ok_or_else(|| ItemError::new(&names.memberships, "neither a map nor a list or set of tenant ids"))?;
            tenants.iter().map(|tenant| Ok((id(tenant, &names.memberships)?, Vec::new()))).collect::<Result<_, _>>()?
        }
    };
    let attributes = item.scalars(&names.attributes)?;
    if memberships.len() > MAX_ENTRIES {
        return Err(ItemError::new(&names.memberships, "too long"));
    }
    Ok(UserRecord { status, active_tenant, memberships, attributes })
}

fn fits(roles: &[String]) -> bool {
    roles.len() <= MAX_ENTRIES && roles.iter().all(|role| (1..=MAX_TEXT).contains(&role.len()))
}

#[cfg(test)]
mod tests;
