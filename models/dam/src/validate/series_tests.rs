//! Tests of a value against its own past and against manual readings.

/// Step test: a change faster than the process is doubted until it is confirmed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepTest {
    per_h: f64,
    last: Option<(u64, f64)>,
    doubted: Option<(u64, f64, u8)>,
}

/// Values that must agree before a jump is believed.
const CONFIRM: u8 = 3;

impl StepTest {
    /// A test of the fastest credible change per hour.
    pub fn new(per_h: f64) -> StepTest {
        StepTest { per_h, last: None, doubted: None }
    }

    /// Takes a value; true: too fast. The third value in a row that agrees with the new level is believed.
    pub fn step(&mut self, mono_ms: u64, value: f64) -> bool {
        let fits = |(at, before): (u64, f64)| (value - before).abs() <= self.allowed(mono_ms.saturating_sub(at));
        if self.last.is_none_or(fits) {
            (self.last, self.doubted) = (Some((mono_ms, value)), None);
            return false;
        }
        let seen = match self.doubted {
            Some((at, before, seen)) if fits((at, before)) => seen + 1,
            Some(_) | None => 1,
        };
        if seen >= CONFIRM {
            (self.last, self.doubted) = (Some((mono_ms, value)), None);
            return false;
        }
        self.doubted = Some((mono_ms, value, seen));
        true
    }

    /// At least a minute's worth, so that two samples in one second are not a jump.
    fn allowed(&self, elapsed_ms: u64) -> f64 {
        self.per_h * (elapsed_ms.max(60_000) as f64 / 3_600_000.0)
    }
}

/// Persistence test: a live instrument moves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Persistence {
    longest_ms: u64,
    tolerance: f64,
    since: Option<(u64, f64)>,
}

impl Persistence {
    /// A test of the longest stillness.
    pub fn new(longest_ms: u64, tolerance: f64) -> Persistence {
        Persistence { longest_ms, tolerance, since: None }
    }

    /// Takes a value; true: it has not moved for too long.
    pub fn step(&mut self, mono_ms: u64, value: f64) -> bool {
        match self.since {
            Some((since, still)) if (value - still).abs() <= self.tolerance => {
                mono_ms.saturating_sub(since) >= self.longest_ms
            }
            Some(_) | None => {
                self.since = Some((mono_ms, value));
                false
            }
        }
    }
}

/// A manual reading beside the automatic one of the same place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Comparison {
    /// They agree.
    Agree {
        /// Automatic less manual.
        difference: f64,
    },
    /// They do not.
    Differ {
        /// Automatic less manual.
        difference: f64,
    },
    /// The automatic reading nearest in time is too far away to compare.
    Apart,
}

/// Compares a manual reading with the automatic one nearest in time (GB 39496-2020 5.5: the on-line
/// system takes manual readings for comparison).
pub fn compare(
    (manual_ms, manual): (u64, f64),
    automatic: Option<(u64, f64)>,
    within_ms: u64,
    tolerance: f64,
) -> Comparison {
    let Some((at, value)) = automatic.filter(|(at, _)| at.abs_diff(manual_ms) <= within_ms) else {
        return Comparison::Apart;
    };
    debug_assert!(at.abs_diff(manual_ms) <= within_ms);
    let difference = value - manual;
    if difference.abs() <= tolerance { Comparison::Agree { difference } } else { Comparison::Differ { difference } }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;

    #[test]
    fn row_25_step_a_lone_jump_is_doubted_and_a_lasting_one_believed_at_its_third_value() {
        let mut test = StepTest::new(1.0);
        let values = [10.0, 10.2, 30.0, 10.3, 30.0, 30.1, 30.0, 30.2];
        let doubted: Vec<bool> = (0..).zip(values).map(|(hour, value)| test.step(hour * HOUR, value)).collect();
        assert_eq!(doubted, [false, false, true, false, true, true, false, false]);
    }

    #[test]
    fn row_25_persistence_counts_time_not_samples() {
        let mut test = Persistence::new(6 * HOUR, 0.001);
        let still: Vec<bool> = (0..9).map(|hour| test.step(hour * HOUR, 10.0)).collect();
        assert_eq!(still.iter().position(|still| *still), Some(6));
        assert!(!test.step(9 * HOUR, 10.1));
    }

    #[test]
    fn row_25_a_manual_reading_is_compared_only_with_a_near_automatic_one() {
        let of = |at, value| compare((10 * HOUR, 5.0), Some((at, value)), HOUR, 0.02);
        assert!(matches!(of(10 * HOUR + 60_000, 5.01), Comparison::Agree { .. }));
        assert!(matches!(of(10 * HOUR, 5.03), Comparison::Differ { difference } if (difference - 0.03).abs() < 1e-9));
        assert_eq!(of(12 * HOUR, 5.0), Comparison::Apart);
        assert_eq!(compare((0, 5.0), None, HOUR, 0.02), Comparison::Apart);
    }
}
