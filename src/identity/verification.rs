//! How much checking there may be, and for whom.
//!
//! A token that is not remembered costs a parse, a signature check and perhaps a wait for keys, whether it is good or not, and
//! anybody can send one. What is in here keeps that from becoming a weapon; none of it decides whether a token is good.
//!
//! * [`memory`]: a token that was good is not checked again. Issuers share the room, and in each issuer its tenants.
//! * [`failures`]: a source that sends junk has a budget for it.
//! * [`turns`]: few checks run at once, and sources take turns.
//! * [`places`]: few requests wait for keys at once.

mod failures;
pub(super) mod memory;
mod places;
mod source;
mod turns;
pub(super) mod weight;

use std::time::Duration;

use self::{failures::Failures, places::Places, turns::Turns};
pub(super) use self::{places::Place, source::Source, turns::Turn};
use crate::{
    clock::Clock,
    config::VerificationConfig,
    reject::{Reason, Refusal},
    telemetry::Metrics,
};

/// When to come back to a verifier that is busy. Its queue is empty a second after the flood has ended.
const BUSY_RETRY: Duration = Duration::from_secs(1);

/// What a check has to ask before it begins.
#[derive(Debug)]
pub(super) struct Effort {
    failures: Failures,
    turns: Turns,
    places: Places,
    metrics: Metrics,
}

impl Effort {
    pub(super) fn new(config: &VerificationConfig, clock: &Clock, metrics: Metrics) -> Self {
        Self {
            failures: Failures::new(&config.failures, clock.clone()),
            turns: Turns::new(config.concurrency, config.queue, config.wait, metrics.token_checks_waiting.clone()),
            places: Places::new(config.queue),
            metrics,
        }
    }

    /// A turn to parse a token, or to check a signature: to be held for that alone, never across an `await`.
    ///
    /// # Errors
    /// [`Reason::TooManyBadTokens`], [`Reason::VerifierOverloaded`]
    pub(super) async fn turn(&self, source: &Source) -> Result<Turn, Refusal> {
        self.afford(source)?;
        if let Some(turn) = self.turns.now() {
            return Ok(turn);
        }
        let turn = self.turns.queue(source).await.ok_or_else(|| overloaded("no turn to check a token came in time"))?;
        // Those who waited at the same time may have used the budget up meanwhile.
        self.afford(source)?;
        Ok(turn)
    }

    /// A place to wait for an issuer's keys.
    ///
    /// # Errors
    /// [`Reason::VerifierOverloaded`]
    pub(super) fn place(&self, source: &Source) -> Result<Place, Refusal> {
        self.places.take(source).ok_or_else(|| overloaded("too many requests wait for keys"))
    }

    /// Takes notice of what became of a token that no issuer's signature stands behind.
    pub(super) fn failed(&self, source: &Source, reason: Reason) {
        // Ours, or a refusal that has cost nothing.
        if !source.has_budget() || matches!(reason, Reason::KeysUnavailable | Reason::TooManyBadTokens | Reason::VerifierOverloaded) {
            return;
        }
        self.failures.charge(source);
        self.metrics.bad_tokens.inc();
    }

    fn afford(&self, source: &Source) -> Result<(), Refusal> {
        if !source.has_budget() {
            return Ok(());
        }
        self.failures
            .check(source)
            .map_err(|wait| Refusal::noted(Reason::TooManyBadTokens, "the source's budget of bad tokens is used up").retry_after(wait))
    }
}

fn overloaded(note: &'static str) -> Refusal {
    Refusal::noted(Reason::VerifierOverloaded, note).retry_after(BUSY_RETRY)
}
