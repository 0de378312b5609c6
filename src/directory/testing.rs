//! A directory in a table by hand, for tests of what goes by it.

use std::sync::Arc;

use serde_json::Value as Json;

use super::{Changes, Directory, dynamodb::store::Store, tenants};
use crate::{clock::Clock, config::OnSuspend, identity::Users};

/// The directory and its table.
pub(crate) struct TableRig {
    pub(crate) directory: Arc<Directory>,
    pub(crate) clock: Clock,
    store: Store,
}

impl TableRig {
    pub(crate) async fn new(on_suspend: OnSuspend, users: Option<Arc<dyn Users>>) -> Self {
        let changes = Changes::default();
        let rig = tenants::tests::Rig::new(changes.clone()).await;
        let directory = Directory::of_table(rig.table).with_users(users, changes, on_suspend);
        Self { directory: Arc::new(directory), clock: rig.clock, store: rig.store }
    }

    /// The directory of another configuration with this `region`.
    pub(crate) async fn beside(&self, region: &str) -> Directory {
        Directory::of_table(tenants::tests::Rig::beside(&self.store, &self.clock, region).await.table)
    }

    pub(crate) fn put(&self, tenant: &str, item: &Json) {
        self.store.put(&format!("T#{tenant}"), item);
    }

    pub(crate) fn delete(&self, tenant: &str) {
        self.store.delete(&format!("T#{tenant}"));
    }

    pub(crate) fn goes(&self, down: bool) {
        self.store.goes(down);
    }

    /// Until every record has to be read again.
    pub(crate) fn later(&self) {
        self.clock.advance(tenants::tests::FRESH);
    }
}
