use std::{collections::BTreeSet, time::UNIX_EPOCH};

use serde_json::{Value as Json, json};

use super::*;
use crate::{
    config::{CacheConfig, TableConfig, TenantAttributesConfig, TenantKeyConfig, TenantKeyTemplate},
    directory::dynamodb::{store::Store, tests::base},
};

mod items;
mod loads;

pub(in crate::directory) const FRESH: Duration = Duration::from_secs(30);
const STALE: Duration = Duration::from_secs(300);
const NEGATIVE: Duration = Duration::from_secs(5);

/// A table whose keys are `T#` and the id, and its changes.
pub(in crate::directory) struct Rig {
    pub(in crate::directory) store: Store,
    pub(in crate::directory) clock: Clock,
    pub(in crate::directory) metrics: Metrics,
    pub(in crate::directory) table: TenantsTable,
}

fn config(max_entries: usize, load: Option<LoadConfig>) -> TenantsTableConfig {
    let name = |text: &str| text.to_owned();
    TenantsTableConfig {
        table: TableConfig {
            name: name("tenants"),
            region: name("eu-west-1"),
            endpoint: None,
            ca: None,
            timeout: Duration::from_secs(1),
            consistent: true,
            reader: None,
        },
        key: TenantKeyConfig { partition: (name("pk"), TenantKeyTemplate::parse("T#{tenant.id}").unwrap()), sort: None },
        attributes: TenantAttributesConfig {
            status: name("status"),
            tier: name("tier"),
            cell: name("cell"),
            account: name("account"),
            external_id: name("external_id"),
            kms_key: name("kms_key"),
            region: name("region"),
            limits: name("limits"),
            revoked: name("revoked"),
            attributes: name("about"),
        },
        cache: CacheConfig { fresh: FRESH, max_stale: STALE, negative: NEGATIVE, max_entries },
        load,
    }
}

impl Rig {
    pub(in crate::directory) async fn new(changes: Changes) -> Self {
        Self::of(changes, &config(100, None)).await
    }

    async fn of(changes: Changes, config: &TenantsTableConfig) -> Self {
        Self::over(Store::default(), Clock::manual(UNIX_EPOCH + Duration::from_secs(1_000)), changes, config).await
    }

    /// Another one of the same table, as another configuration with this `region` has it.
    pub(in crate::directory) async fn beside(store: &Store, clock: &Clock, region: &str) -> Self {
        let mut config = config(100, None);
        config.table.region = region.to_owned();
        Self::over(store.clone(), clock.clone(), Changes::default(), &config).await
    }

    async fn over(store: Store, clock: Clock, changes: Changes, config: &TenantsTableConfig) -> Self {
        let metrics = Metrics::new().unwrap();
        let reader = Reader::new(store.table(&config.table, base().await), config);
        let table = TenantsTable::new(reader, config, changes, clock.clone(), metrics.clone());
        Self { store, clock, metrics, table }
    }

    async fn find(&self, tenant: &str) -> Result<Arc<TenantRecord>, Reason> {
        self.table.find(&tenant.parse().unwrap()).await.map_err(|refusal| refusal.reason)
    }

    async fn status(&self, tenant: &str) -> Result<crate::directory::TenantStatus, Reason> {
        self.find(tenant).await.map(|record| record.status)
    }

    fn counted(&self, line: &str) -> bool {
        String::from_utf8(self.metrics.render().unwrap()).unwrap().lines().any(|other| other == line)
    }
}

pub(in crate::directory) fn active() -> Json {
    json!({"status": {"S": "active"}})
}

pub(in crate::directory) fn suspended() -> Json {
    json!({"status": {"S": "suspended"}})
}

use crate::directory::TenantStatus::{Active, Suspended};

#[tokio::test]
async fn a_suspension_and_a_removal_are_noticed_within_the_cache_s_time() {
    let changes = Changes::default();
    let mut heard = changes.listen();
    let rig = Rig::new(changes).await;
    rig.store.put("T#acme", &active());
    assert_eq!(rig.status("acme").await, Ok(Active));
    rig.store.put("T#acme", &suspended());
    assert_eq!(rig.status("acme").await, Ok(Active));
    assert_eq!(rig.store.reads().0, 1);
    rig.clock.advance(FRESH);
    assert_eq!(rig.status("acme").await, Ok(Suspended));
    tokio::time::timeout(Duration::from_secs(1), heard.next()).await.expect("nothing was announced");
    rig.store.delete("T#acme");
    rig.clock.advance(FRESH);
    assert_eq!(rig.status("acme").await, Err(Reason::TenantUnknown));
    tokio::time::timeout(Duration::from_secs(1), heard.next()).await.expect("nothing was announced");
    assert_eq!(rig.table.recall("acme"), AtHand::Unknown);
    assert_eq!(rig.table.recall("globex"), AtHand::Nothing);
    rig.store.put("T#acme", &active());
    assert_eq!(rig.status("acme").await, Err(Reason::TenantUnknown), "for as long as that is remembered");
    rig.clock.advance(NEGATIVE);
    assert_eq!(rig.status("acme").await, Ok(Active));
    for line in [
        "palisade_tenant_lookups_total{result=\"read\"} 3",
        "palisade_tenant_lookups_total{result=\"cached\"} 1",
        "palisade_tenant_lookups_total{result=\"unknown\"} 2",
        "palisade_directory_entries{directory=\"tenants\"} 1",
        "palisade_directory_last_success_timestamp_seconds{directory=\"tenants\"} 1065",
    ] {
        assert!(rig.counted(line), "{line}");
    }
}

#[tokio::test]
async fn an_outage_is_ridden_out_up_to_the_bound_and_no_longer() {
    let rig = Rig::new(Changes::default()).await;
    rig.store.put("T#acme", &active());
    assert_eq!(rig.status("acme").await, Ok(Active));
    rig.store.put("T#acme", &suspended());
    rig.store.goes(true);
    rig.clock.advance(STALE - Duration::from_millis(1));
    assert_eq!(rig.status("acme").await, Ok(Active), "a suspension during an outage is not seen");
    let refusal = rig.table.find(&"globex".parse().unwrap()).await.unwrap_err();
    assert_eq!((refusal.reason, refusal.retry_after), (Reason::TenantsUnavailable, Some(Duration::from_secs(1))));
    assert_eq!(refusal.reason.status(), http::StatusCode::SERVICE_UNAVAILABLE);
    rig.clock.advance(Duration::from_millis(1));
    assert_eq!(rig.status("acme").await, Err(Reason::TenantsUnavailable));
    assert_eq!((rig.table.recall("acme"), rig.table.records().len()), (AtHand::Nothing, 0));
    rig.store.goes(false);
    rig.clock.advance(Duration::from_secs(1));
    assert_eq!(rig.status("acme").await, Ok(Suspended));
}

#[tokio::test]
async fn made_up_tenants_are_bounded_and_displace_nobody() {
    let rig = Rig::new(Changes::default()).await;
    for number in 0..100 {
        rig.store.put(&format!("T#tenant-{number}"), &active());
        assert_eq!(rig.status(&format!("tenant-{number}")).await, Ok(Active));
    }
    let (before, mut reasons) = (rig.store.reads().0, BTreeSet::new());
    for number in 0..2_000 {
        reasons.insert(rig.status(&format!("made-up-{number}")).await.unwrap_err().as_str());
    }
    assert_eq!(reasons.into_iter().collect::<Vec<_>>(), ["tenant-unknown", "tenants-unavailable"]);
    assert_eq!(rig.store.reads().0 - before, 500, "what is read for them is bounded");
    for number in 0..100 {
        assert_eq!(rig.status(&format!("tenant-{number}")).await, Ok(Active));
    }
    assert_eq!(rig.store.reads().0 - before, 500, "and nobody who is known was displaced");
    assert!(rig.counted("palisade_tenant_lookups_total{result=\"shed\"} 1500"));
}

#[tokio::test(start_paused = true)]
async fn it_asks_by_itself_until_the_table_has_answered_once() {
    let rig = Rig::new(Changes::default()).await;
    rig.store.goes(true);
    {
        let watching = rig.table.watch();
        tokio::pin!(watching);
        let minute = async |watching: &mut std::pin::Pin<&mut _>| drop(tokio::time::timeout(Duration::from_secs(60), watching).await);
        minute(&mut watching).await;
        assert!(!rig.table.has_answered());
        assert!((3..10).contains(&rig.store.reads().0), "{:?}: not all the time", rig.store.reads());
        rig.store.goes(false);
        minute(&mut watching).await;
        assert!(rig.table.has_answered());
        let reads = rig.store.reads();
        minute(&mut watching).await;
        assert_eq!((rig.store.reads(), reads.1), (reads, 0), "and then no more");
    }
    rig.store.goes(true);
    assert_eq!(rig.status("acme").await, Err(Reason::TenantsUnavailable));
    assert!(rig.table.has_answered(), "an outage later is another thing");
}
