//! One tenant's state: a rate gate and a count of what is in progress.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwapOption;

use super::rate::Rate;

/// Why a request was not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// Too many in progress.
    Concurrency,
    /// Too many in a short time.
    Rate {
        /// Nanoseconds until one would be admitted.
        wait: u64,
    },
}

/// One tenant's state. Times are nanoseconds on the limiter's clock.
#[derive(Debug)]
pub(super) struct Bucket {
    /// `None` until a rate applied for the first time.
    gate: ArcSwapOption<Gate>,
    in_flight: AtomicU32,
}

/// GCRA (ITU-T I.371) at one rate. A new rate gets a new gate, which takes over what is left in the old one.
#[derive(Debug)]
struct Gate {
    rate: Rate,
    /// The theoretical arrival time: when the bucket will be full again. [`CLOSED`] once the gate has been replaced.
    full_at: AtomicU64,
}

/// No clock comes this far.
const CLOSED: u64 = u64::MAX;

impl Bucket {
    pub(super) fn new() -> Self {
        Self { gate: ArcSwapOption::empty(), in_flight: AtomicU32::new(0) }
    }

    pub(super) fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Whether forgetting this bucket changes nothing.
    pub(super) fn is_idle(&self, now: u64) -> bool {
        self.in_flight() == 0 && self.gate.load().as_ref().is_none_or(|gate| gate.full_at.load(Ordering::SeqCst) <= now)
    }

    /// Takes a place and a token, or neither.
    pub(super) fn admit(self: &Arc<Self>, rate: Option<Rate>, concurrent: Option<u32>, now: u64) -> Result<Permit, Refused> {
        let room = |in_flight: u32| in_flight.checked_add(1).filter(|new| concurrent.is_none_or(|max| *new <= max));
        self.in_flight.fetch_update(Ordering::SeqCst, Ordering::Relaxed, room).map_err(|_| Refused::Concurrency)?;
        // From here on dropping the permit gives the place back.
        let permit = Permit(Arc::clone(self));
        match rate {
            Some(rate) => self.take(rate, now).map(|()| permit),
            None => Ok(permit),
        }
    }

    fn take(&self, rate: Rate, now: u64) -> Result<(), Refused> {
        loop {
            let current = self.gate.load_full();
            match &current {
                Some(gate) if gate.rate == rate => match gate.take(now) {
                    Some(taken) => return taken,
                    // Closed a moment ago; whoever did it is putting up the new one.
                    None => std::thread::yield_now(),
                },
                _ => self.replace(current, rate, now),
            }
        }
    }

    /// Puts up a gate for `rate`, unless another thread did something to `current` first.
    ///
    /// Closing the old gate yields its last word: nobody takes from it afterwards, so no request is lost between the two.
    fn replace(&self, current: Option<Arc<Gate>>, rate: Rate, now: u64) {
        let Some(old) = current else {
            let first = Arc::new(Gate { rate, full_at: AtomicU64::new(now) });
            self.gate.compare_and_swap(&None::<Arc<Gate>>, Some(first));
            return;
        };
        let full_at = old.full_at.swap(CLOSED, Ordering::SeqCst);
        if full_at == CLOSED {
            std::thread::yield_now();
            return;
        }
        let lacking = old.rate.carry_over(full_at.saturating_sub(now), rate);
        self.gate.store(Some(Arc::new(Gate { rate, full_at: AtomicU64::new(now + lacking) })));
    }
}

impl Gate {
    /// Takes one token; `None` when the gate is closed.
    fn take(&self, now: u64) -> Option<Result<(), Refused>> {
        let mut full_at = self.full_at.load(Ordering::SeqCst);
        loop {
            if full_at == CLOSED {
                return None;
            }
            let new = full_at.max(now) + self.rate.interval();
            let allowed = now + self.rate.tolerance();
            if new > allowed {
                return Some(Err(Refused::Rate { wait: new - allowed }));
            }
            match self.full_at.compare_exchange_weak(full_at, new, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => return Some(Ok(())),
                Err(changed) => full_at = changed,
            }
        }
    }

    /// Takes one token, there or not. A gate that was closed in this moment has given its last word, and takes nothing.
    fn charge(&self) {
        let later = |full_at: u64| (full_at != CLOSED).then(|| full_at.saturating_add(self.rate.interval()).min(full_at.max(CLOSED / 2)));
        let _ = self.full_at.fetch_update(Ordering::SeqCst, Ordering::SeqCst, later);
    }
}

/// A place among the tenant's requests in progress, given back on drop.
#[must_use = "dropping the permit ends the request"]
pub struct Permit(Arc<Bucket>);

impl Permit {
    /// A place for something that is done for the sake of what has this one. It counts as a request in progress and against the rate, and is never
    /// refused: what it is for has been admitted. The requests that come next wait for it.
    pub(crate) fn beside(&self) -> Self {
        self.0.in_flight.fetch_add(1, Ordering::SeqCst);
        if let Some(gate) = &*self.0.gate.load() {
            gate.charge();
        }
        Self(Arc::clone(&self.0))
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Permit")
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}
