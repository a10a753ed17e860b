//! One instant on both clocks: the wall clock for people, the monotonic clock for durations.
//!
//! Invariant: elapsed time is only ever taken from `mono_ms`, so a stepped wall clock neither
//! shortens nor lengthens a delay. Not here: reading either clock.

use minewatch_domain::At;

/// An instant on the wall clock and on a monotonic clock, taken together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moment {
    /// Wall-clock time; what a record carries.
    pub wall: At,
    /// Milliseconds of a clock that never goes back or jumps; its zero is arbitrary.
    pub mono_ms: u64,
}

impl Moment {
    /// Both clocks, taken together.
    pub fn new(wall: At, mono_ms: u64) -> Moment {
        Moment { wall, mono_ms }
    }

    /// Monotonic milliseconds since `earlier`; zero when `earlier` is in fact later.
    pub fn elapsed_ms(self, earlier: Moment) -> u64 {
        self.mono_ms.saturating_sub(earlier.mono_ms)
    }

    /// This moment moved later by `ms` on both clocks.
    pub fn plus_millis(self, ms: u64) -> Moment {
        let signed = i64::try_from(ms).unwrap_or(i64::MAX);
        Moment { wall: self.wall.plus_millis(signed), mono_ms: self.mono_ms.saturating_add(ms) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_clock_set_back_does_not_change_the_elapsed_time() {
        let before = Moment::new(At::from_millis(3_600_000), 1_000);
        let after = Moment::new(At::from_millis(0), 6_000);
        assert_eq!(after.elapsed_ms(before), 5_000);
        assert_eq!(before.elapsed_ms(after), 0);
        assert_eq!(before.plus_millis(5).mono_ms, 1_005);
    }
}
