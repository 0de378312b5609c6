//! Word of changes: what is known of tenants or users is not what it was.
//!
//! It carries nothing, and may come more often than needed: whoever hears it looks again.

use std::sync::Arc;

use tokio::sync::watch;

/// Where changes are announced. Cheap to clone; clones are one.
#[derive(Debug, Clone)]
pub struct Changes(Arc<watch::Sender<()>>);

impl Default for Changes {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(())))
    }
}

impl Changes {
    /// Tells everybody who listens.
    pub fn announce(&self) {
        self.0.send_replace(());
    }

    /// Hears of every change from now on.
    pub fn listen(&self) -> Heard {
        Heard(self.0.subscribe())
    }
}

/// A place to wait for changes.
#[derive(Debug, Clone)]
pub struct Heard(watch::Receiver<()>);

impl Heard {
    /// Waits for a change since the last one that this returned for. Never returns once nobody can announce any more.
    pub async fn next(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
