//! What runs beside the listeners for as long as a configuration is in force.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::{policies::ServedPolicies, ready::State, sweep::Sweep, warm::WarmUp};
use crate::{
    admin::AdminState,
    credentials::{BaseIdentity, Broker},
    directory::{Directory, users::UserDirectory},
    identity::{Jwks, Passports},
    upstream::AppClient,
    workloads::NamedWorkloads,
};

/// What it is for. All of it may be stopped anywhere and begun again.
#[derive(Debug, Clone)]
pub(super) struct Background {
    pub(super) keys: Vec<Arc<Jwks>>,
    pub(super) directory: Arc<Directory>,
    pub(super) users: Option<UserDirectory>,
    pub(super) sweep: Arc<Sweep>,
    pub(super) base: Option<BaseIdentity>,
    pub(super) named: Option<NamedWorkloads>,
    pub(super) broker: Option<Arc<Broker>>,
    pub(super) warm_up: WarmUp,
    pub(super) passports: Option<Passports>,
    pub(super) policies: ServedPolicies,
    pub(super) application: Option<AppClient>,
    pub(super) state: Arc<State>,
}

impl Background {
    /// Begins all of it. It ends when the set is dropped.
    pub(super) fn begin(self) -> JoinSet<()> {
        let state = self.state;
        let (clock, metrics) = (state.clock(), state.metrics().clone());
        let mut tasks = begin_reading(&self.keys, Some((&self.directory, &state)), self.application.as_ref());
        let (policies, watched) = (self.policies, metrics.clone());
        tasks.spawn(async move { policies.watch(&watched).await });
        if let Some(users) = self.users {
            tasks.spawn(async move { users.watch(clock, metrics).await });
        }
        let sweep = self.sweep;
        tasks.spawn(async move { sweep.run().await });
        if let Some(base) = self.base {
            tasks.spawn(async move { base.maintain().await });
        }
        if let Some(named) = self.named {
            tasks.spawn(async move { named.maintain().await });
        }
        if let Some(broker) = self.broker {
            let (warm_up, directory, warmed) = (self.warm_up, self.directory, broker.clone());
            tasks.spawn(async move { warm_up.run(&warmed, &directory).await });
            tasks.spawn(async move { broker.maintain().await });
        }
        if let Some(passports) = self.passports {
            tasks.spawn(async move { passports.maintain().await });
        }
        tasks.spawn(async move { state.watch_base_identity().await });
        tasks
    }

    /// Begins what this one has and `before` has not: keys, records and health that its readiness waits for, and files that may change until
    /// it is in force.
    pub(super) fn begin_what_is_new(&self, before: &Self) -> JoinSet<()> {
        let is_new = |keys: &&Arc<Jwks>| !before.keys.iter().any(|old| Arc::ptr_eq(old, keys));
        let keys: Vec<_> = self.keys.iter().filter(is_new).cloned().collect();
        let directory = Some((&self.directory, &self.state)).filter(|_| !Arc::ptr_eq(&self.directory, &before.directory));
        let is_same = |client: &&AppClient| before.application.as_ref().is_some_and(|old| old.is(client));
        let mut tasks = begin_reading(&keys, directory, self.application.as_ref().filter(|client| !is_same(client)));
        let (clock, metrics) = (self.state.clock(), self.state.metrics().clone());
        // They are made together.
        if let (Some(_), Some(users)) = (directory, self.users.clone()) {
            let metrics = metrics.clone();
            tasks.spawn(async move { users.watch(clock, metrics).await });
        }
        if !self.policies.is(&before.policies) {
            let policies = self.policies.clone();
            tasks.spawn(async move { policies.watch(&metrics).await });
        }
        if let Some(named) = self.named.clone().filter(|named| !before.named.as_ref().is_some_and(|old| old.is(named))) {
            tasks.spawn(async move { named.maintain().await });
        }
        tasks
    }

    /// Looks at files once more that this one follows and `before` does not: what `before` has taken over of them must not be undone by what
    /// was read before that.
    pub(super) async fn look_at_what_is_new(&self, before: &Self) {
        let (clock, metrics) = (self.state.clock(), self.state.metrics());
        if !self.policies.is(&before.policies) {
            self.policies.settle(metrics).await;
        }
        if Arc::ptr_eq(&self.directory, &before.directory) {
            return;
        }
        self.directory.look(&clock, metrics).await;
        if let Some(users) = &self.users {
            users.look(&clock, metrics).await;
        }
    }
}

fn begin_reading(keys: &[Arc<Jwks>], directory: Option<(&Arc<Directory>, &Arc<State>)>, application: Option<&AppClient>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for keys in keys {
        let keys = keys.clone();
        tasks.spawn(async move { keys.maintain().await });
    }
    if let Some((directory, state)) = directory {
        let (directory, clock, metrics) = (directory.clone(), state.clock(), state.metrics().clone());
        tasks.spawn(async move { directory.watch(clock, metrics).await });
    }
    if let Some(application) = application.cloned() {
        tasks.spawn(async move { application.maintain().await });
    }
    tasks
}
