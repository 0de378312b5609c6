//! When keys are fetched: pure, chance is an argument.

use std::time::Duration;

use crate::config::KeyPolicy;

/// Freshness of a set whose provider says nothing of it. Short against the hours that providers announce a new key ahead of its
/// use.
const UNSAID: Duration = Duration::from_secs(300);
/// After the first failure; doubled with each.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
/// Longest pause after a failure. Short, since keys run out meanwhile, and long enough for a provider that is coming up again.
pub(super) const MAX_BACKOFF: Duration = Duration::from_secs(60);

/// How long a set is fresh.
pub(super) fn lifetime(said: Option<Duration>, policy: &KeyPolicy) -> Duration {
    said.unwrap_or(UNSAID).clamp(policy.least, policy.most)
}

/// When to fetch again: when between 75% and 90% of the lifetime are over, so that there is time to fail and try again, and so
/// that processes that began together do not fetch together. `fraction` is from 0 to 1.
pub(super) fn ahead(lifetime: Duration, fraction: f64) -> Duration {
    lifetime.mul_f64(0.75 + 0.15 * fraction)
}

/// When to try again after so many failures in a row: between half of the pause and all of it.
pub(super) fn backoff(failures: u32, fraction: f64) -> Duration {
    let pause = FIRST_BACKOFF.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1))).min(MAX_BACKOFF);
    pause.mul_f64(0.5 + 0.5 * fraction)
}

/// From 0 to 1. Without randomness, 0: everybody fetches at once, but fetches.
pub(super) fn random() -> f64 {
    getrandom::u64().map_or(0.0, |bits| bits as f64 / u64::MAX as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn what_the_provider_says_holds_within_bounds() {
        let policy = KeyPolicy { least: seconds(60), most: seconds(900), ..KeyPolicy::default() };
        for (said, taken) in [(None, 300), (Some(0), 60), (Some(15), 60), (Some(600), 600), (Some(86_400), 900), (Some(u64::MAX), 900)] {
            assert_eq!(lifetime(said.map(Duration::from_secs), &policy), seconds(taken), "{said:?}");
        }
    }

    #[test]
    fn a_fetch_comes_before_the_end_and_never_at_once() {
        for fraction in [0.0, 0.5, 1.0] {
            let at = ahead(seconds(100), fraction);
            assert!((seconds(75)..=seconds(90)).contains(&at), "{at:?}");
        }
        assert!(random() != random() && (0.0..=1.0).contains(&random()));
    }

    #[test]
    fn failures_are_further_and_further_apart() {
        let pauses: Vec<_> = [1, 2, 3, 6, 7, 8, 40, u32::MAX].map(|failures| backoff(failures, 1.0)).to_vec();
        assert_eq!(pauses, [1, 2, 4, 32, 60, 60, 60, 60].map(Duration::from_secs));
        assert_eq!(backoff(1, 0.0), Duration::from_millis(500));
    }
}
