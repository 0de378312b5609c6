use std::time::UNIX_EPOCH;

use futures_util::FutureExt;

use super::*;

const START: u64 = 1_800_000_000;
const SECOND: Duration = Duration::from_secs(1);

struct Rig {
    clock: Clock,
    skew: Skew,
    metrics: Metrics,
}

impl Rig {
    fn new() -> Self {
        let clock = Clock::manual(UNIX_EPOCH + Duration::from_secs(START));
        let metrics = Metrics::new().unwrap();
        Self { skew: Skew::new(clock.clone(), metrics.clone()), clock, metrics }
    }

    /// An answer after `took`, from a server that is `ahead` seconds ahead.
    fn answer(&self, ahead: i64, took: Duration) {
        let sent = self.skew.now();
        self.clock.advance(took / 2);
        let at = i64::try_from(self.clock.unix_seconds()).unwrap() + ahead;
        self.clock.advance(took / 2);
        self.skew.observe(sent, UNIX_EPOCH + Duration::from_secs(u64::try_from(at).unwrap()));
    }

    fn answers(&self, ahead: &[i64]) {
        ahead.iter().for_each(|ahead| self.answer(*ahead, Duration::ZERO));
    }

    /// Seconds that the corrected clock is ahead of the machine's.
    fn corrected(&self) -> i64 {
        difference(self.skew.clock().now(), self.clock.now()) / 1_000
    }
}

#[test]
fn a_clock_that_is_off_is_corrected_from_the_third_answer_on() {
    for ahead in [1_200, -1_200, 20_000, -20_000] {
        let rig = Rig::new();
        rig.answers(&[ahead, ahead]);
        assert_eq!(rig.corrected(), 0);
        assert!(rig.skew.is_in_doubt(), "and STS is asked again soon");
        rig.answers(&[ahead]);
        assert!((rig.corrected() - ahead).abs() <= 1, "{ahead}: {}", rig.corrected());
        assert!(!rig.skew.is_in_doubt());
        assert!((rig.metrics.clock_skew.get() - ahead as f64).abs() <= 1.0);
        assert_eq!(rig.skew.clock().instant(), rig.clock.instant(), "monotonic time is nobody's to correct");
    }
}

#[test]
fn an_sts_on_trial_moves_nothing_until_it_is_believed() {
    let rig = Rig::new();
    let own = Rig { skew: rig.skew.on_trial(), clock: rig.clock.clone(), metrics: rig.metrics.clone() };
    own.answers(&[1_200; 5]);
    assert_eq!((rig.corrected(), own.corrected(), rig.skew.is_in_doubt()), (0, 0, false));
    own.skew.believe(true);
    rig.skew.believe(false);
    own.answers(&[1_200; 3]);
    rig.answers(&[-1_200; 5]);
    for rig in [rig, own] {
        assert!((rig.corrected() - 1_200).abs() <= 1, "{}", rig.corrected());
    }
}

#[test]
fn a_few_seconds_are_no_difference_and_are_still_shown() {
    let rig = Rig::new();
    rig.answers(&[8, 8, 8, 8]);
    assert_eq!(rig.corrected(), 0);
    assert!((rig.metrics.clock_skew.get() - 8.5).abs() < 0.01);
    assert!(!rig.skew.is_in_doubt());
}

#[test]
fn two_answers_of_five_move_nothing_whatever_they_say() {
    let rig = Rig::new();
    rig.answers(&[0, 0, 0]);
    for wild in [86_000, -86_000, 1_000_000_000, -1_000_000_000] {
        rig.answers(&[wild, wild]);
        assert_eq!(rig.corrected(), 0, "{wild}");
        rig.answers(&[0, 0, 0]);
    }
    rig.answers(&[700, 700, 700, -86_000, 86_000]);
    assert_eq!(rig.corrected(), 700);
}

#[test]
fn more_than_a_day_is_not_corrected() {
    let rig = Rig::new();
    rig.answers(&[600; 5]);
    rig.answers(&[90_000; 5]);
    assert_eq!(rig.corrected(), 0, "neither by that nor still by what was before");
    assert!(!rig.skew.is_in_doubt(), "asking again would not help");
    rig.answers(&[i64::from(u32::MAX); 5]);
    assert_eq!(rig.corrected(), 0);
}

#[test]
fn slow_answers_do_not_count() {
    let rig = Rig::new();
    for _ in 0..5 {
        rig.answer(1_200, SLOW + SECOND);
    }
    assert_eq!((rig.corrected(), rig.skew.is_in_doubt()), (0, false));
    for _ in 0..3 {
        rig.answer(1_200, SLOW);
    }
    assert!((rig.corrected() - 1_200).abs() <= 1, "the middle of the exchange is compared, not its end");
}

#[test]
fn answers_are_forgotten() {
    let rig = Rig::new();
    rig.answers(&[600, 600]);
    rig.clock.advance(OLD);
    rig.answers(&[600]);
    assert_eq!(rig.corrected(), 0);
}

#[test]
fn a_correction_does_not_follow_the_noise_and_ends_with_the_skew() {
    let rig = Rig::new();
    rig.answers(&[600; 5]);
    let first = rig.skew.offset();
    rig.answers(&[604, 597, 603, 598, 605]);
    assert_eq!(rig.skew.offset(), first);
    rig.answers(&[640; 5]);
    assert!((rig.corrected() - 640).abs() <= 1);
    rig.answers(&[0; 5]);
    assert_eq!(rig.corrected(), 0);
}

#[tokio::test]
async fn when_the_clock_is_set_what_was_measured_is_worthless() {
    let rig = Rig::new();
    rig.answers(&[600; 5]);
    rig.clock.advance(Duration::from_secs(3_000));
    rig.skew.look();
    assert_eq!(rig.corrected(), 600, "time passes by both clocks alike");
    rig.clock.set_wall(600_000);
    rig.skew.look();
    assert_eq!(rig.corrected(), 0);
    assert!(rig.skew.complaint().now_or_never().is_some(), "and STS is asked at once");
}

#[tokio::test]
async fn complaints_are_heard_every_half_minute() {
    let rig = Rig::new();
    assert!(rig.skew.complaint().now_or_never().is_none());
    let mut heard = 0;
    for _ in 0..120 {
        for _ in 0..50 {
            rig.skew.complain();
        }
        heard += usize::from(rig.skew.complaint().now_or_never().is_some());
        rig.clock.advance(SECOND);
    }
    assert_eq!(heard, 4);
}
