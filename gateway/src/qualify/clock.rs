//! Is the wall clock to be believed? Compares it with the monotonic clock.
//!
//! Policy for source times: a reading carries the wall clock as it was when the instrument answered, and
//! no written time is ever changed afterwards, so a ledger can hold times that go back after a step. Order
//! is the sequence number's, never the time's; durations, delays, deadbands and staleness are monotonic
//! throughout and do not notice a step. A step is itself a record (`EventKind::ClockStep`, with its size),
//! from which a reader can correct the readings before it. While the clock is not trusted (a box without
//! a battery starts in 1970), [`ClockWatch::note`] marks good readings uncertain with `Reason::ClockStep`:
//! they can raise a level, and none clears before the clock is right.
//!
//! Slewing is no step: up to 500 ppm (what NTP does) is forgiven, so an hour of it adds up to nothing,
//! while several steps in a row, each below the limit, do add up. A suspended machine looks like a step,
//! which is right for a gateway. Not here: reading either clock.

use super::Moment;
use minewatch_domain::{At, Quality, Reason};

/// The wall clock was stepped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockStep {
    /// How far, milliseconds; negative when it was set back.
    pub step_ms: i64,
    /// What the wall clock would have shown without the step.
    pub expected: At,
    /// What it shows.
    pub shown: At,
}

/// Watches the wall clock, one look at a time.
#[derive(Debug, Clone, Copy)]
pub struct ClockWatch {
    last: Option<Moment>,
    /// Deviation not yet reported nor forgiven, microseconds.
    residue_us: i64,
    earliest: At,
}

impl ClockWatch {
    /// A deviation of more than this is a step.
    pub const STEP_MS_MAX: i64 = 500;
    /// Microseconds of deviation forgiven per millisecond elapsed: 500 ppm, the fastest NTP slews.
    const SLEW_US_PER_2_MS: u64 = 1;

    /// `earliest`: a time that has surely passed (the build date); a clock before it is not trusted.
    pub fn new(earliest: At) -> ClockWatch {
        ClockWatch { last: None, residue_us: 0, earliest }
    }

    /// Looks at both clocks; a step is reported once. Look at least once a minute.
    pub fn observe(&mut self, now: Moment) -> Option<ClockStep> {
        let last = self.last.replace(now)?;
        let elapsed_ms = now.elapsed_ms(last);
        let elapsed_us = i64::try_from(elapsed_ms).unwrap_or(i64::MAX).saturating_mul(1_000);
        let wall_us = now.wall.micros().saturating_sub(last.wall.micros());
        let forgiven_us = i64::try_from(elapsed_ms / 2 * Self::SLEW_US_PER_2_MS).unwrap_or(i64::MAX);
        let deviation_us = self.residue_us.saturating_add(wall_us.saturating_sub(elapsed_us));
        // The residue moves towards zero by what is forgiven, and not past it.
        self.residue_us = deviation_us.saturating_sub(deviation_us.clamp(-forgiven_us, forgiven_us));
        if self.residue_us.saturating_abs() <= Self::STEP_MS_MAX * 1_000 {
            return None;
        }
        self.residue_us = 0;
        let expected = At(now.wall.micros().saturating_sub(deviation_us));
        Some(ClockStep { step_ms: deviation_us / 1_000, expected, shown: now.wall })
    }

    /// Whether the clock shows a possible time; false before the first look.
    pub fn is_trusted(&self) -> bool {
        self.last.is_some_and(|last| last.wall >= self.earliest)
    }

    /// Marks a good reading uncertain while the clock is not trusted; leaves all others as they are.
    pub fn note(&self, quality: Quality, reason: Reason) -> (Quality, Reason) {
        match quality {
            Quality::Good if !self.is_trusted() => (Quality::Uncertain, Reason::ClockStep),
            Quality::Good | Quality::Uncertain | Quality::Bad => (quality, reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `mono_ms wall_ms` pairs; `expect`: `mono_ms step_ms` of every step.
    fn check(script: &[(u64, i64)], expect: &[(u64, i64)]) {
        let mut watch = ClockWatch::new(At::from_millis(0));
        let look = |(mono, wall): &(u64, i64)| {
            watch.observe(Moment::new(At::from_millis(*wall), *mono)).map(|step| {
                assert_eq!(step.shown.millis_since(step.expected), step.step_ms);
                (*mono, step.step_ms)
            })
        };
        assert_eq!(script.iter().filter_map(look).collect::<Vec<_>>(), expect);
    }

    #[test]
    fn a_step_is_reported_once_with_its_size_and_sign() {
        check(&[(0, 0), (1_000, 1_000), (2_000, 62_000), (3_000, 63_000)], &[(2_000, 60_000)]);
        check(&[(0, 0), (1_000, -28_799_000), (2_000, -28_798_000)], &[(1_000, -28_800_000)]);
    }

    #[test]
    fn jitter_and_slewing_are_no_steps() {
        check(&[(0, 0), (1_000, 1_400), (2_000, 1_900), (3_000, 3_000)], &[]);
        let slewed: Vec<(u64, i64)> = (0..4_000).map(|s| (s * 1_000, i64::try_from(s * 2_001 / 2).unwrap())).collect();
        check(&slewed, &[]);
    }

    #[test]
    fn small_steps_in_a_row_add_up() {
        check(&[(0, 0), (1_000, 1_300), (2_000, 2_600), (3_000, 3_600)], &[(2_000, 599)]);
    }

    #[test]
    fn a_clock_before_the_build_date_makes_good_readings_uncertain() {
        let mut watch = ClockWatch::new(At::from_millis(1_000_000));
        let good = (Quality::Good, Reason::None);
        assert_eq!(watch.note(good.0, good.1), (Quality::Uncertain, Reason::ClockStep));
        watch.observe(Moment::new(At::from_millis(5), 0));
        assert_eq!(watch.note(good.0, good.1), (Quality::Uncertain, Reason::ClockStep));
        assert_eq!(watch.note(Quality::Bad, Reason::Timeout), (Quality::Bad, Reason::Timeout));
        assert!(watch.observe(Moment::new(At::from_millis(2_000_000), 1_000)).is_some());
        assert_eq!(watch.note(good.0, good.1), good);
    }
}
