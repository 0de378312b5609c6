//! Cedar policies: opened before anything is served, given to the guard, and followed.

use crate::{
    clock::Clock,
    config::{ConfigErrors, GuardConfig},
    guard::Guard,
    telemetry::Metrics,
};

/// The policies of a configuration, where it has some.
#[cfg(feature = "cedar")]
#[derive(Debug, Clone, Default)]
pub(crate) struct ServedPolicies(Option<std::sync::Arc<crate::guard::Policies>>);

#[cfg(feature = "cedar")]
impl ServedPolicies {
    /// Reads them. Those that are off are read as well, since they are to be tried some day.
    ///
    /// # Errors
    /// Everything that is wrong with them, with file, line and column.
    pub(crate) fn open(config: &GuardConfig) -> Result<Self, ConfigErrors> {
        let open = |cedar: &crate::config::CedarConfig| crate::guard::Policies::open(&cedar.policies).map(std::sync::Arc::new);
        config.cedar.as_ref().map(open).transpose().map(Self)
    }

    /// The guard under them.
    pub(crate) fn over(&self, guard: Guard, clock: Clock) -> Guard {
        match &self.0 {
            Some(policies) => guard.under(policies.clone(), clock),
            None => guard,
        }
    }

    /// Takes over every change, until dropped.
    pub(crate) async fn watch(&self, metrics: &Metrics) {
        match &self.0 {
            Some(policies) => policies.watch(metrics).await,
            None => {
                // Those of an earlier configuration may not have been.
                metrics.policies_current(true);
                std::future::pending().await
            }
        }
    }

    /// Takes over a change now, if there is one, as soon as it stands still.
    pub(crate) async fn settle(&self, metrics: &Metrics) {
        if let Some(policies) = &self.0 {
            policies.settle(metrics).await;
        }
    }

    /// Whether these are the same ones, and not only of the same files.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.0.as_ref().map(std::sync::Arc::as_ptr) == other.0.as_ref().map(std::sync::Arc::as_ptr)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> Option<usize> {
        self.0.as_ref().map(|policies| policies.count())
    }
}

/// There are none in this build: a configuration that has some does not load.
#[cfg(not(feature = "cedar"))]
#[derive(Debug, Clone, Default)]
pub(crate) struct ServedPolicies;

#[cfg(not(feature = "cedar"))]
impl ServedPolicies {
    pub(crate) fn open(_: &GuardConfig) -> Result<Self, ConfigErrors> {
        Ok(Self)
    }

    pub(crate) fn over(&self, guard: Guard, _: Clock) -> Guard {
        guard
    }

    pub(crate) async fn watch(&self, metrics: &Metrics) {
        metrics.policies_current(true);
        std::future::pending().await
    }

    pub(crate) async fn settle(&self, _: &Metrics) {}

    pub(crate) fn is(&self, _: &Self) -> bool {
        true
    }

    pub(crate) fn count(&self) -> Option<usize> {
        None
    }
}
