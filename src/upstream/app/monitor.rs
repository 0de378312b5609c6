//! The checks, and the end of places that nobody asks for any more.

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt;
use tokio::time::MissedTickBehavior;

use super::{Shared, member::Member};
use crate::config::HealthConfig;

/// Checks at once: places that do not answer must not keep the others waiting for long.
const AT_ONCE: usize = 64;
/// How often unused places are looked for, where nothing is checked.
const SWEEP: Duration = Duration::from_secs(60);

/// Round after round, for ever.
pub(super) async fn maintain(shared: &Shared) {
    let pause = shared.health.as_ref().map_or(SWEEP, |health| health.interval);
    let mut rounds = tokio::time::interval(pause);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        rounds.tick().await;
        round(shared).await;
    }
}

/// Lets go of unused places, and checks the others once.
pub(super) async fn round(shared: &Shared) {
    shared.pool.sweep(shared.clock.instant());
    if let Some(health) = &shared.health {
        check(shared.everybody(), health).await;
    }
}

async fn check(members: Vec<Arc<Member>>, health: &HealthConfig) {
    let checks = members.into_iter().map(|member| async move { member.check(health).await });
    futures_util::stream::iter(checks).for_each_concurrent(AT_ONCE, |check| check).await;
}
