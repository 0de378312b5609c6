//! How far this machine's clock is from AWS's, and the time to sign by.
//!
//! AWS refuses a signature whose time is more than some minutes from its own (five, fifteen for S3), and it alone says when
//! credentials end. A clock that is off therefore stops everything, and the SDKs correct for it: every answer of AWS has a `Date`,
//! and the difference to the middle of the exchange is the skew (RFC 5905, section 8; `service_clock_skew` of `aws-runtime`).
//!
//! **Who is believed.** Whoever can move the clock that signs can have signatures made for later, end the sessions of all
//! tenants, or keep dead ones in use. So the time is taken from STS alone, over TLS: it decides about the credentials anyway, no
//! application can reach it or have a say in its answers, and it is asked every minute. What any other endpoint says about the
//! time (an emulator, a gateway, a service whose answers its users write) moves nothing; a complaint from there, such as
//! `RequestTimeTooSkewed`, makes STS be asked again, at most every half minute. An STS in plain HTTP is not believed.
//!
//! An STS that another configuration names is believed when that configuration is in force, and not while it is tried.
//!
//! **What is believed.** The median of the last answers, three at least, so that no single one counts; none that was slow or came
//! out of a cache; less than [`WORTH`] is left alone, and more than [`LIMIT`] is a broken clock, which is said and not mended.
//!
//! Tokens, certificates and limits go by this machine's clock as it is: AWS is not to make a token live longer.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use tokio::sync::Notify;

use crate::{clock::Clock, telemetry::Metrics};

/// Answers that are remembered.
const KEPT: usize = 5;
/// Answers that a correction needs.
const NEEDED: usize = 3;
/// An answer that took longer says too little.
const SLOW: Duration = Duration::from_secs(2);
/// Answers are forgotten after this: a clock drifts.
const OLD: Duration = Duration::from_secs(15 * 60);
/// A difference below this is none: `Date` has whole seconds, and an answer takes some time.
const WORTH: i64 = 10_000;
/// A difference above this is not corrected; in milliseconds, a day. No time zone taken for another is further off.
const LIMIT: i64 = 24 * 3_600 * 1_000;
/// Wall time that moves by so much more or less than monotonic time was set by somebody.
const STEP: i64 = 5_000;
/// How soon after one complaint about the time another is heard.
const DEAF: Duration = Duration::from_secs(30);
/// How often it is looked whether the clock was set.
const LOOK: Duration = Duration::from_secs(1);

/// The skew. Cheap to clone; clones share it.
#[derive(Clone, Debug)]
pub struct Skew {
    inner: Arc<Inner>,
    /// Whether answers that come by this one and its clones count.
    is_believed: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Inner {
    clock: Clock,
    metrics: Metrics,
    /// Milliseconds that AWS is ahead, as far as it is corrected.
    offset: Arc<AtomicI64>,
    /// For short sections without an `await`.
    state: Mutex<State>,
    complaint: Notify,
}

#[derive(Debug)]
struct State {
    samples: VecDeque<Sample>,
    /// Wall and monotonic time, as they stood to each other when the samples were taken.
    anchor: Moment,
    heard_at: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Instant,
    /// Milliseconds that AWS is ahead.
    ahead: i64,
}

/// A moment by both of the machine's clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    wall: SystemTime,
    instant: Instant,
}

impl Skew {
    /// No skew, until answers say otherwise.
    pub fn new(clock: Clock, metrics: Metrics) -> Self {
        let anchor = Moment { wall: clock.now(), instant: clock.instant() };
        let state = Mutex::new(State { samples: VecDeque::new(), anchor, heard_at: None });
        let inner = Inner { clock, metrics, offset: Arc::default(), state, complaint: Notify::new() };
        Self { inner: Arc::new(inner), is_believed: Arc::new(AtomicBool::new(true)) }
    }

    /// The same skew for an STS that is only tried: what it says of the time counts once [`Skew::believe`] says so.
    pub(crate) fn on_trial(&self) -> Self {
        Self { inner: self.inner.clone(), is_believed: Arc::new(AtomicBool::new(false)) }
    }

    /// Lets answers that come by this one and its clones count, or no longer.
    pub(crate) fn believe(&self, is_believed: bool) {
        self.is_believed.store(is_believed, Ordering::Relaxed);
    }

    /// AWS's time, as well as it is known.
    pub fn clock(&self) -> Clock {
        self.inner.clock.with_offset(Arc::clone(&self.inner.offset))
    }

    /// What time it is there now, to sign by.
    pub fn time(&self) -> SystemTime {
        self.clock().now()
    }

    /// This moment, to be kept until an answer is there.
    pub(crate) fn now(&self) -> Moment {
        Moment { wall: self.inner.clock.now(), instant: self.inner.clock.instant() }
    }

    /// An answer of STS, to a request that was sent at `sent`, has just come and says that it is `date`.
    pub(crate) fn observe(&self, sent: Moment, date: SystemTime) {
        if !self.is_believed.load(Ordering::Relaxed) {
            return;
        }
        let now = self.now();
        let took = now.instant.saturating_duration_since(sent.instant);
        if took > SLOW {
            return;
        }
        // `Date` is cut to the second: on average it is half of one behind.
        let ahead = difference(date + Duration::from_millis(500), sent.wall + took / 2);
        let mut state = self.state();
        self.notice_step(&mut state, now);
        state.samples.retain(|sample| now.instant.saturating_duration_since(sample.at) < OLD);
        if state.samples.len() == KEPT {
            state.samples.pop_front();
        }
        state.samples.push_back(Sample { at: now.instant, ahead });
        self.conclude(&state);
    }

    /// Whether the last answer differs from what is corrected by more than an answer's uncertainty: STS should be asked again soon.
    pub(crate) fn is_in_doubt(&self) -> bool {
        let last = self.state().samples.back().copied();
        last.is_some_and(|last| last.ahead.saturating_sub(self.offset()).abs() >= WORTH && last.ahead.abs() <= LIMIT)
    }

    /// A service says that the time of a signature is wrong, or that the signature is, which some say instead.
    pub(crate) fn complain(&self) {
        let now = self.inner.clock.instant();
        let mut state = self.state();
        if state.heard_at.is_none_or(|at| now.saturating_duration_since(at) >= DEAF) {
            state.heard_at = Some(now);
            self.inner.complaint.notify_one();
        }
    }

    /// Ends when a service has complained.
    pub(crate) async fn complaint(&self) {
        self.inner.complaint.notified().await;
    }

    /// Looks for ever whether the machine's clock was set, which makes what was measured before worthless.
    pub(crate) async fn watch(&self) {
        loop {
            tokio::time::sleep(LOOK).await;
            self.look();
        }
    }

    fn look(&self) {
        let now = self.now();
        let mut state = self.state();
        if self.notice_step(&mut state, now) {
            self.conclude(&state);
            drop(state);
            self.complain();
        }
    }

    /// Whether the wall clock was set since the last look; then there are no samples any more.
    fn notice_step(&self, state: &mut State, now: Moment) -> bool {
        let monotonic = now.instant.saturating_duration_since(state.anchor.instant);
        let stepped = difference(now.wall, state.anchor.wall + monotonic).abs() >= STEP;
        // The anchor moves along, so that slow drift is none.
        state.anchor = now;
        if stepped {
            state.samples.clear();
        }
        stepped
    }

    /// Corrects by what the samples say.
    fn conclude(&self, state: &State) {
        let median = median(&state.samples);
        self.inner.metrics.clock_skew.set(median.unwrap_or_default() as f64 / 1_000.0);
        let (ahead, before) = (median.unwrap_or_default(), self.offset());
        if ahead.abs() > LIMIT {
            tracing::error!(
                seconds = ahead / 1_000,
                "this machine's clock is off by more than a day, which is not corrected: set the clock"
            );
        }
        let offset = if (WORTH..=LIMIT).contains(&ahead.abs()) { ahead } else { 0 };
        // A correction that changes by less than is worth correcting stays: it would only follow the noise.
        if (offset == 0) == (before == 0) && (offset - before).abs() < WORTH {
            return;
        }
        self.inner.offset.store(offset, Ordering::Relaxed);
        if offset == 0 {
            tracing::info!("this machine's clock agrees with AWS's: signatures go by it again");
        } else {
            tracing::warn!(
                seconds = offset / 1_000,
                "this machine's clock is behind AWS's by that (ahead where negative): signatures and credentials' ends are corrected, \
                 tokens and certificates are still judged by this clock; set the clock"
            );
        }
    }

    fn offset(&self) -> i64 {
        self.inner.offset.load(Ordering::Relaxed)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The middle one, where there are enough.
fn median(samples: &VecDeque<Sample>) -> Option<i64> {
    if samples.len() < NEEDED {
        return None;
    }
    let mut all: Vec<_> = samples.iter().map(|sample| sample.ahead).collect();
    all.sort_unstable();
    // Of an even number the one that corrects less.
    let upper = all[all.len() / 2];
    let lower = all[(all.len() - 1) / 2];
    Some(if lower.unsigned_abs() < upper.unsigned_abs() { lower } else { upper })
}

/// Milliseconds from `earlier` to `later`; negative where it is the other way round.
fn difference(later: SystemTime, earlier: SystemTime) -> i64 {
    let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    match later.duration_since(earlier) {
        Ok(ahead) => millis(ahead),
        Err(behind) => -millis(behind.duration()),
    }
}

#[cfg(test)]
mod tests;
