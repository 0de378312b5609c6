//! Rates: how many calls there may be, and how much of that while STS throttles. Pure; time is an argument.

use std::time::{Duration, Instant};

use super::Kind;

/// What renewals have of the rate and of the burst, while they want it.
const RENEWALS: f64 = 0.25;
/// What is left of a rate at least, however often STS throttles: somebody has to find out that it is over.
const LEAST: f64 = 1.0 / 32.0;
/// What a second without a throttled call gives back of a rate: half of it in a quarter of a minute.
const RECOVERY: f64 = 1.0 / 30.0;
/// Answers to calls that were in progress together are one piece of news.
const NEWS: Duration = Duration::from_secs(1);
/// Longest pause that STS can ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// What sums of fractions may be off by.
const EPSILON: f64 = 1e-9;

/// What may be spent: one token a call, for each [`Kind`] of call in a bucket of its own.
#[derive(Debug)]
pub(super) struct Purse {
    rate: [f64; 2],
    burst: [f64; 2],
    tokens: [f64; 2],
    at: Instant,
}

impl Purse {
    /// A full one.
    pub(super) fn new(per_second: f64, burst: u32, now: Instant) -> Self {
        let split = |whole: f64| [whole * (1.0 - RENEWALS), whole * RENEWALS];
        let burst = split(f64::from(burst));
        Self { rate: split(per_second), burst, tokens: burst, at: now }
    }

    /// Takes a token from the bucket of `kind`, or from the other one if that `lends`; whether there was any. `fraction` of the
    /// rate has come in since the last time.
    pub(super) fn take(&mut self, kind: Kind, lends: bool, fraction: f64, now: Instant) -> bool {
        self.refill(fraction, now);
        let (own, other) = (kind as usize, 1 - kind as usize);
        let from = [Some(own), lends.then_some(other)].into_iter().flatten().find(|from| self.tokens[*from] >= 1.0 - EPSILON);
        if let Some(from) = from {
            self.tokens[from] -= 1.0;
        }
        from.is_some()
    }

    /// Takes the next token of the bucket of `kind` that comes in: whoever owes it has to wait for it first, and all others behind it.
    pub(super) fn owe(&mut self, kind: Kind) {
        self.tokens[kind as usize] -= 1.0;
    }

    /// Puts a token back that was not used.
    pub(super) fn give_back(&mut self, kind: Kind) {
        let own = kind as usize;
        self.tokens[own] = (self.tokens[own] + 1.0).min(self.burst[own]);
    }

    /// How long after a [`Self::take`] that failed another one may succeed.
    pub(super) fn wait(&self, kind: Kind, lends: bool, fraction: f64) -> Duration {
        let (own, other) = (kind as usize, 1 - kind as usize);
        let until = |from: usize| (1.0 - self.tokens[from]).max(0.0) / (self.rate[from] * fraction);
        let seconds = if lends { until(own).min(until(other)) } else { until(own) };
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::from_secs(1))
    }

    /// Spends everything: what was saved up is not for an STS that throttles. What is owed stays owed.
    pub(super) fn empty(&mut self, now: Instant) {
        (self.tokens, self.at) = (self.tokens.map(|tokens| tokens.min(0.0)), now);
    }

    fn refill(&mut self, fraction: f64, now: Instant) {
        let seconds = now.saturating_duration_since(self.at).as_secs_f64();
        for kind in [Kind::First, Kind::Renewal] {
            let kind = kind as usize;
            self.tokens[kind] = (self.tokens[kind] + seconds * self.rate[kind] * fraction).min(self.burst[kind]);
        }
        self.at = self.at.max(now);
    }
}

/// How much of a rate may be used: all of it, until STS throttles.
#[derive(Debug)]
pub(super) struct Pace {
    /// As of `since`; it has recovered from there on.
    fraction: f64,
    since: Instant,
    halved_at: Option<Instant>,
    /// STS asked for a pause until then.
    not_before: Option<Instant>,
    /// When the next call keeps the distance that the fraction means.
    next: Instant,
}

impl Pace {
    /// All of it.
    pub(super) fn new(now: Instant) -> Self {
        Self { fraction: 1.0, since: now, halved_at: None, not_before: None, next: now }
    }

    /// From [`LEAST`] to 1.
    pub(super) fn fraction(&self, now: Instant) -> f64 {
        (self.fraction + now.saturating_duration_since(self.since).as_secs_f64() * RECOVERY).min(1.0)
    }

    /// STS throttled: from now on half, and nothing at all for `retry_after`, up to a minute.
    pub(super) fn throttled(&mut self, now: Instant, retry_after: Option<Duration>) {
        if self.halved_at.is_none_or(|at| now.saturating_duration_since(at) >= NEWS) {
            (self.fraction, self.since) = ((self.fraction(now) / 2.0).max(LEAST), now);
            self.halved_at = Some(now);
        }
        if let Some(pause) = retry_after {
            self.not_before = self.not_before.max(Some(now + pause.min(LONGEST_PAUSE)));
        }
    }

    /// A call was made, of calls that there may be `rate` of in a second.
    pub(super) fn called(&mut self, rate: f64, now: Instant) {
        let distance = Duration::try_from_secs_f64(1.0 / (rate * self.fraction(now))).unwrap_or(LONGEST_PAUSE);
        self.next = self.next.max(now) + distance.min(LONGEST_PAUSE);
    }

    /// What is left of a pause that STS asked for.
    pub(super) fn held_off(&self, now: Instant) -> Duration {
        self.not_before.map_or(Duration::ZERO, |at| at.saturating_duration_since(now))
    }

    /// How long the next call has to wait.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        self.held_off(now).max(self.next.saturating_duration_since(now))
    }

    /// Whether nothing of it is left to be remembered.
    pub(super) fn has_recovered(&self, now: Instant) -> bool {
        self.fraction(now) >= 1.0 && self.wait(now).is_zero()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[allow(clippy::disallowed_methods, reason = "an origin for moments that are reckoned from it")]
    fn start() -> Instant {
        Instant::now()
    }

    /// How many tokens can be taken at `now`.
    fn spend(purse: &mut Purse, kind: Kind, lends: bool, now: Instant) -> usize {
        (0..10_000).take_while(|_| purse.take(kind, lends, 1.0, now)).count()
    }

    #[test]
    fn there_are_never_more_calls_than_burst_and_rate_make() {
        for (rate, burst) in [(50.0, 100), (3.0, 4), (0.5, 4), (600.0, 1_000)] {
            let mut now = start();
            let mut purse = Purse::new(rate, burst, now);
            let begun = now;
            let mut calls = 0;
            for step in 0..500_u64 {
                let (kind, other) = if step % 3 == 0 { (Kind::Renewal, Kind::First) } else { (Kind::First, Kind::Renewal) };
                calls += spend(&mut purse, kind, step % 2 == 0, now) + spend(&mut purse, other, step % 5 == 0, now);
                now += Duration::from_millis(step % 7 * 10);
            }
            let most = f64::from(burst) + (now - begun).as_secs_f64() * rate;
            assert!(calls as f64 <= most + EPSILON && calls as f64 > most * 0.9 - 4.0, "{calls} of {most}");
        }
    }

    #[test]
    fn each_kind_has_its_share_and_what_the_other_lends() {
        let now = start();
        let mut purse = Purse::new(40.0, 40, now);
        assert_eq!(spend(&mut purse, Kind::First, false, now), 30);
        assert_eq!(spend(&mut purse, Kind::Renewal, false, now), 10);
        let millis = |fraction| purse.wait(Kind::First, false, fraction).as_millis();
        assert_eq!([millis(1.0), millis(0.5)], [33, 66]);
        let now = now + SECOND;
        assert_eq!(spend(&mut purse, Kind::First, true, now), 40);
        assert_eq!(spend(&mut purse, Kind::Renewal, false, now), 0);
        purse.give_back(Kind::Renewal);
        assert_eq!(spend(&mut purse, Kind::Renewal, false, now), 1);
        let now = now + 10 * SECOND;
        purse.empty(now);
        assert_eq!(spend(&mut purse, Kind::Renewal, true, now), 0);
    }

    #[test]
    fn a_pace_is_halved_once_a_second_and_recovers() {
        let now = start();
        let mut pace = Pace::new(now);
        for _ in 0..50 {
            pace.throttled(now, None);
        }
        assert_eq!(pace.fraction(now), 0.5);
        assert!(!pace.has_recovered(now));
        assert!((pace.fraction(now + 6 * SECOND) - 0.7).abs() < EPSILON);
        assert!(pace.has_recovered(now + 16 * SECOND));
        let mut later = now;
        for _ in 0..50 {
            later += SECOND;
            pace.throttled(later, None);
        }
        let left = pace.fraction(later);
        assert!((LEAST..2.0 * LEAST).contains(&left), "{left}");
    }

    #[test]
    fn calls_keep_the_distance_that_is_left_to_them() {
        let now = start();
        let mut pace = Pace::new(now);
        pace.throttled(now, None);
        pace.called(10.0, now);
        pace.called(10.0, now);
        assert_eq!(pace.wait(now), 400 * SECOND / 1_000, "two calls of five a second");
        assert_eq!(pace.wait(now + SECOND), Duration::ZERO);
    }

    #[test]
    fn a_pause_that_sts_asks_for_is_kept_within_a_minute() {
        let now = start();
        let mut pace = Pace::new(now);
        pace.throttled(now, Some(7 * SECOND));
        pace.throttled(now, Some(3 * SECOND));
        assert_eq!(pace.held_off(now + SECOND), 6 * SECOND);
        pace.throttled(now, Some(86_400 * SECOND));
        assert_eq!(pace.wait(now), LONGEST_PAUSE);
        assert!(!pace.has_recovered(now + 59 * SECOND) && pace.has_recovered(now + 60 * SECOND));
    }
}
