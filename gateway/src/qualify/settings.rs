//! What is checked on one point. Invariant: a [`QualifyRule`] that exists can be run; everything wrong
//! with the settings is reported at once. Deliberately absent: configuration syntax and defaults by
//! kind of instrument (`config`).

use super::deadband::Deadband;
use super::hampel::Hampel;

/// What a rule is made of; every problem in it is reported by [`QualifyRule::new`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QualifySettings {
    /// Valid range of the instrument, both ends included; outside is bad.
    pub valid: Option<(f64, f64)>,
    /// Fastest change the process can make, units per second.
    pub rate_max_per_s: Option<f64>,
    /// Spike filter.
    pub hampel: Option<HampelSettings>,
    /// How many doubtful samples in a row, on one side, confirm that the process has really moved.
    pub confirm: u8,
    /// How long a live instrument can stay at one value, milliseconds; `None` where it has no noise.
    pub stuck_after_ms: Option<u64>,
    /// Changes up to this are no movement; 0 for an exact comparison.
    pub stuck_tolerance: f64,
    /// Data older than this, or silence longer than this, is stale.
    pub stale_after_ms: u64,
    /// How far a value must move to be published before its keep-alive.
    pub deadband: Deadband,
    /// Longest time between two published readings, so that quiet does not look like silence.
    pub keep_alive_ms: u64,
}

/// The Hampel identifier: a value farther than `sigmas * 1.4826 * MAD` from the median is an outlier.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HampelSettings {
    /// How many trusted samples are remembered.
    pub window: u8,
    /// How many (robust) standard deviations are still normal; 3 is usual.
    pub sigmas: f64,
    /// Smallest deviation that can be an outlier. It stands in for the noise where the window is flat
    /// (MAD 0), so it should be a few steps of the instrument's resolution.
    pub resolution: f64,
}

/// Everything that is wrong with a rule, in one error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", problems.join("; "))]
pub struct QualifyRuleError {
    /// One sentence fragment per problem: where, what, why.
    pub problems: Vec<String>,
}

/// Checked settings of one point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QualifyRule {
    pub(super) valid_min: f64,
    pub(super) valid_max: f64,
    pub(super) rate_max_per_s: f64,
    pub(super) hampel: Option<HampelSettings>,
    pub(super) confirm: u8,
    pub(super) stuck_after_ms: u64,
    pub(super) stuck_tolerance: f64,
    pub(super) stale_after_ms: u64,
    pub(super) deadband: f64,
    pub(super) keep_alive_ms: u64,
}

fn positive(name: &str, value: f64, why: &str, problems: &mut Vec<String>) {
    if !value.is_finite() || value <= 0.0 {
        problems.push(format!("{name}: {value} must be above 0; {why}"));
    }
}

impl QualifyRule {
    /// Fewest doubtful samples that may confirm a step; one alone would make every spike a step.
    pub const CONFIRM_MIN: u8 = 2;
    /// Most doubtful samples a step may need; more would hide a real one for too long.
    pub const CONFIRM_MAX: u8 = 20;

    /// Checks settings.
    ///
    /// # Errors
    /// [`QualifyRuleError`] lists every problem, not only the first.
    pub fn new(settings: &QualifySettings) -> Result<QualifyRule, QualifyRuleError> {
        let mut problems = Vec::new();
        if let Some((min, max)) = settings.valid
            && !(min.is_finite() && max.is_finite() && min < max)
        {
            problems.push(format!("valid: {min} to {max} is not a range"));
        }
        if let Some(rate) = settings.rate_max_per_s {
            positive("rate_max_per_s", rate, "leave it out to allow any rate", &mut problems);
        }
        if let Some(hampel) = settings.hampel {
            hampel_problems(&hampel, &mut problems);
        }
        if !(Self::CONFIRM_MIN..=Self::CONFIRM_MAX).contains(&settings.confirm) {
            let (min, max) = (Self::CONFIRM_MIN, Self::CONFIRM_MAX);
            problems.push(format!("confirm: {} must be {min} to {max} samples", settings.confirm));
        }
        if !settings.stuck_tolerance.is_finite() || settings.stuck_tolerance < 0.0 {
            problems.push(format!("stuck_tolerance: {} must be 0 or more", settings.stuck_tolerance));
        }
        let durations = [
            ("stuck_after_ms", settings.stuck_after_ms.unwrap_or(u64::MAX)),
            ("stale_after_ms", settings.stale_after_ms),
            ("keep_alive_ms", settings.keep_alive_ms),
        ];
        for (name, _) in durations.iter().filter(|(_, ms)| *ms == 0) {
            problems.push(format!("{name}: 0 would hold for every sample"));
        }
        let deadband = settings.deadband.resolve(settings.valid).unwrap_or_else(|problem| {
            problems.push(problem);
            0.0
        });
        if !problems.is_empty() {
            return Err(QualifyRuleError { problems });
        }
        let (valid_min, valid_max) = settings.valid.unwrap_or((f64::NEG_INFINITY, f64::INFINITY));
        Ok(QualifyRule {
            valid_min,
            valid_max,
            rate_max_per_s: settings.rate_max_per_s.unwrap_or(f64::INFINITY),
            hampel: settings.hampel,
            confirm: settings.confirm,
            stuck_after_ms: settings.stuck_after_ms.unwrap_or(u64::MAX),
            stuck_tolerance: settings.stuck_tolerance,
            stale_after_ms: settings.stale_after_ms,
            deadband,
            keep_alive_ms: settings.keep_alive_ms,
        })
    }
}

fn hampel_problems(hampel: &HampelSettings, problems: &mut Vec<String>) {
    if !(Hampel::WINDOW_MIN..=Hampel::WINDOW_MAX).contains(&hampel.window) {
        let (min, max) = (Hampel::WINDOW_MIN, Hampel::WINDOW_MAX);
        problems.push(format!("hampel.window: {} must be {min} to {max} samples", hampel.window));
    }
    positive("hampel.sigmas", hampel.sigmas, "3 is usual", problems);
    positive("hampel.resolution", hampel.resolution, "a flat signal would make every change a spike", problems);
}

#[cfg(test)]
mod tests {
    use super::super::tests::plain;
    use super::*;

    #[test]
    fn every_problem_is_named_at_once() {
        let wrong = QualifySettings {
            valid: Some((5.0, 5.0)),
            rate_max_per_s: Some(f64::NAN),
            hampel: Some(HampelSettings { window: 102, sigmas: 0.0, resolution: -1.0 }),
            confirm: 1,
            stuck_after_ms: Some(0),
            stuck_tolerance: f64::INFINITY,
            stale_after_ms: 0,
            deadband: Deadband::Absolute(-1.0),
            keep_alive_ms: 0,
        };
        let problems = QualifyRule::new(&wrong).unwrap_err().problems;
        let names = [
            "valid",
            "rate_max_per_s",
            "hampel.window",
            "hampel.sigmas",
            "hampel.resolution",
            "confirm",
            "stuck_tolerance",
            "stuck_after_ms",
            "stale_after_ms",
            "keep_alive_ms",
            "deadband",
        ];
        assert_eq!(problems.len(), names.len(), "{problems:#?}");
        for (problem, name) in problems.iter().zip(names) {
            assert!(problem.starts_with(name), "{problem:?} should start with {name}");
        }
    }

    #[test]
    fn a_percent_deadband_needs_a_range_to_be_a_percentage_of() {
        let percent = QualifySettings { deadband: Deadband::PercentOfRange(1.0), ..plain() };
        assert!(QualifyRule::new(&percent).unwrap_err().to_string().contains("valid range"));
        let ranged = QualifySettings { valid: Some((-50.0, 150.0)), ..percent };
        assert!((QualifyRule::new(&ranged).unwrap().deadband - 2.0).abs() < 1e-12);
    }
}
