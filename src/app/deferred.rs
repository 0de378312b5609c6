//! The two sides of deferred work.

use super::StartError;
use crate::{
    config::EgressConfig,
    identity::{Maker, Redeemer, Sealer},
    telemetry::Recorder,
};

/// Whatever of the two an egress has, under one name: a process knows its own contexts again.
pub(super) fn sides(settings: &EgressConfig, maker: &Maker, recorder: &Recorder) -> Result<(Option<Sealer>, Option<Redeemer>), StartError> {
    let (clock, metrics) = (&recorder.clock, &recorder.metrics);
    let sealer = settings.defer.as_ref().map(|defer| Sealer::new(defer, maker.clone(), clock.clone(), metrics.clone()));
    let redeemer = settings.redeem.as_ref().map(|redeem| Redeemer::new(redeem, maker.clone(), clock.clone(), metrics.clone()));
    let made = || Ok::<_, crate::reject::Refusal>((sealer.transpose()?, redeemer.transpose()?));
    made().map_err(|_| StartError::Randomness)
}
