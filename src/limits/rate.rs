//! A rate with a burst, as GCRA counts it.

/// Longest interval between two requests: a rate that is not a positive number is as good as none. Leaves room for sums.
const MAX_INTERVAL: u64 = 30 * 86_400 * NANOS;
const NANOS: u64 = 1_000_000_000;

/// One request every `interval`, and up to `burst` of them at once after a pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rate {
    /// Nanoseconds, rounded up: never more than the rate asked for.
    interval: u64,
    burst: u32,
}

impl Rate {
    /// Without a burst of its own, a second's worth; at least one request in any case.
    pub(super) fn new(per_second: f64, burst: Option<u32>) -> Self {
        // NaN and what is not positive end at the longest interval: `as` saturates, and the comparison is false for NaN.
        let interval = if per_second > 0.0 { (NANOS as f64 / per_second).ceil() as u64 } else { MAX_INTERVAL };
        let second = if per_second > 0.0 { per_second.ceil() as u32 } else { 1 };
        Self { interval: interval.clamp(1, MAX_INTERVAL), burst: burst.unwrap_or(second).max(1) }
    }

    pub(super) fn interval(self) -> u64 {
        self.interval
    }

    pub(super) fn burst(self) -> u64 {
        self.burst.into()
    }

    /// Nanoseconds that an empty bucket takes to fill.
    pub(super) fn tolerance(self) -> u64 {
        self.interval.saturating_mul(self.burst()).min(u64::MAX / 4)
    }

    /// Seconds that an empty bucket takes to fill, rounded up.
    pub(super) fn window(self) -> u64 {
        self.tolerance().div_ceil(NANOS)
    }

    /// What a bucket that lacks `lacking` nanoseconds at this rate lacks at the rate `new`.
    ///
    /// The requests that are left stay the same, or become what the new bucket holds where that is less. A change, and a
    /// change back, never adds any.
    ///
    /// `lacking` can be more than the bucket holds, when the caller's idea of now is a moment behind another thread's; what is
    /// left is below zero then, and stays there.
    pub(super) fn carry_over(self, lacking: u64, new: Self) -> u64 {
        let left = i128::from(self.tolerance()) - i128::from(lacking);
        let left = (left * i128::from(new.interval)).div_euclid(i128::from(self.interval));
        let lacking = i128::from(new.tolerance()) - left;
        u64::try_from(lacking.max(0)).unwrap_or(u64::MAX / 4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_rounded_up_and_never_zero_or_endless() {
        assert_eq!(Rate::new(3.0, None).interval(), 333_333_334);
        assert_eq!(Rate::new(0.5, None).interval(), 2 * NANOS);
        assert_eq!(Rate::new(1e12, None).interval(), 1);
        for nonsense in [0.0, -1.0, f64::NAN, f64::NEG_INFINITY, 1e-300] {
            assert_eq!(Rate::new(nonsense, None).interval(), MAX_INTERVAL, "{nonsense}");
        }
    }

    #[test]
    fn the_burst_defaults_to_a_seconds_worth() {
        assert_eq!(Rate::new(2.5, None).burst(), 3);
        assert_eq!(Rate::new(0.1, None).burst(), 1);
        assert_eq!(Rate::new(10.0, Some(25)).burst(), 25);
        assert_eq!(Rate::new(10.0, Some(25)).window(), 3);
    }

    #[test]
    fn what_is_left_is_carried_over_request_by_request() {
        let (slow, fast) = (Rate::new(1.0, Some(10)), Rate::new(100.0, Some(10)));
        assert_eq!(slow.carry_over(4 * NANOS, fast), 40_000_000, "six are left");
        assert_eq!(fast.carry_over(40_000_000, slow), 4 * NANOS);
        let (small, large) = (Rate::new(1.0, Some(3)), Rate::new(1.0, Some(30)));
        assert_eq!(slow.carry_over(4 * NANOS, small), 0, "six are left, and three is all that it holds");
        assert_eq!(slow.carry_over(4 * NANOS, large), 24 * NANOS);
        assert_eq!(slow.carry_over(10 * NANOS, large), 30 * NANOS, "empty stays empty");
        assert_eq!(slow.carry_over(11 * NANOS, fast), 110_000_000, "and emptier than that, too");
    }
}
