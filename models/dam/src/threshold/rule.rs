//! The limits of one point, checked. Invariant: a [`LevelRule`] that exists can be run: its limits
//! are finite and in order, and there is a value at which everything clears.

use super::sample::Finite;
use minewatch_domain::{Level, LevelLimits};

/// What a rule is made of; every problem in it is reported by [`LevelRule::new`].
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LevelSettings {
    /// Limits for rising values: blue < yellow < orange < red.
    pub high: LevelLimits,
    /// Limits for falling values: blue > yellow > orange > red.
    pub low: LevelLimits,
    /// How far past a limit, on the safe side, a value must be to clear it; in the point's unit.
    pub hysteresis: f64,
    /// How long a limit must be met before its level is entered, milliseconds.
    pub on_delay_ms: u64,
    /// How long a value must be proven clear before a level is left, milliseconds.
    pub off_delay_ms: u64,
}

/// Everything that is wrong with a rule, in one error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", problems.join("; "))]
pub struct LevelRuleError {
    /// One sentence fragment per problem: where, what, why.
    pub problems: Vec<String>,
}

/// Checked limits, hysteresis and delays of one point.
#[derive(Debug, Clone, PartialEq)]
pub struct LevelRule {
    high: [Option<f64>; 4],
    low: [Option<f64>; 4],
    hysteresis: f64,
    on_delay_ms: u64,
    off_delay_ms: u64,
}

/// How a value stands to the limits of one level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// At or past a limit.
    Met,
    /// Not past a limit, but within the hysteresis of one.
    Band,
    /// Past every limit of the level by more than the hysteresis, on the safe side.
    Clear,
}

fn by_level(limits: &LevelLimits) -> [Option<f64>; 4] {
    [limits.blue, limits.yellow, limits.orange, limits.red]
}

/// Problems of one side's limits: not finite, or not in order.
pub(super) fn side_problems(name: &str, limits: &[Option<f64>; 4], rising: bool, problems: &mut Vec<String>) {
    let mut milder: Option<(Level, f64)> = None;
    for (level, limit) in Level::WARNINGS.into_iter().zip(limits) {
        let Some(limit) = *limit else { continue };
        if !limit.is_finite() {
            problems.push(format!("{name}.{}: {limit} is not a number that can be compared with", level.name()));
            continue;
        }
        if let Some((mild, mild_limit)) = milder {
            let ordered = if rising { mild_limit < limit } else { mild_limit > limit };
            if !ordered {
                let word = if rising { "above" } else { "below" };
                problems.push(format!(
                    "{name}.{}: {limit} must be {word} {name}.{} ({mild_limit}); a worse level has the farther limit",
                    level.name(),
                    mild.name()
                ));
            }
        }
        milder = Some((level, limit));
    }
}

impl LevelRule {
    /// Longest delay accepted, 24 h: a longer one would hide danger rather than noise.
    pub const DELAY_MS_MAX: u64 = 86_400_000;

    /// Checks settings.
    ///
    /// # Errors
    /// [`LevelRuleError`] lists every problem, not only the first.
    pub fn new(settings: &LevelSettings) -> Result<LevelRule, LevelRuleError> {
        let (high, low) = (by_level(&settings.high), by_level(&settings.low));
        let mut problems = Vec::new();
        side_problems("high", &high, true, &mut problems);
        side_problems("low", &low, false, &mut problems);
        if high.iter().chain(&low).all(Option::is_none) {
            problems.push("no limit is set; leave the rule out instead".to_owned());
        }
        let hysteresis = settings.hysteresis;
        if !hysteresis.is_finite() || hysteresis < 0.0 {
            problems.push(format!("hysteresis: {hysteresis} must be 0 or more"));
        }
        for (name, delay) in [("on_delay_ms", settings.on_delay_ms), ("off_delay_ms", settings.off_delay_ms)] {
            if delay > Self::DELAY_MS_MAX {
                problems.push(format!("{name}: {delay} is over {}, 24 h", Self::DELAY_MS_MAX));
            }
        }
        if problems.is_empty() {
            let lowest_high = high.iter().flatten().copied().reduce(f64::min);
            let highest_low = low.iter().flatten().copied().reduce(f64::max);
            if let (Some(top), Some(bottom)) = (lowest_high, highest_low)
                && top - hysteresis <= bottom + hysteresis
            {
                problems.push(format!(
                    "high and low: no value clears both {top} and {bottom} with a hysteresis of {hysteresis}; \
                     a level could never return to normal"
                ));
            }
        }
        if !problems.is_empty() {
            return Err(LevelRuleError { problems });
        }
        let LevelSettings { on_delay_ms, off_delay_ms, .. } = *settings;
        Ok(LevelRule { high, low, hysteresis, on_delay_ms, off_delay_ms })
    }

    /// Milliseconds a limit must be met before its level is entered.
    pub fn on_delay_ms(&self) -> u64 {
        self.on_delay_ms
    }

    /// Milliseconds a value must be proven clear before a level is left.
    pub fn off_delay_ms(&self) -> u64 {
        self.off_delay_ms
    }

    /// How far past a limit a value must be to clear it.
    pub fn hysteresis(&self) -> f64 {
        self.hysteresis
    }

    /// The level a value stands at by the limits alone, without delay or hysteresis.
    pub fn level_at(&self, value: Finite) -> Level {
        (0..4)
            .rev()
            .find(|index| self.standing(*index, value) == Standing::Met)
            .map_or(Level::Normal, |index| Level::WARNINGS[index])
    }

    /// How a value stands to the limits of warning level `index` (0 blue to 3 red).
    pub(super) fn standing(&self, index: usize, value: Finite) -> Standing {
        let value = value.get();
        let (high, low) = (self.high[index], self.low[index]);
        if high.is_some_and(|limit| value >= limit) || low.is_some_and(|limit| value <= limit) {
            return Standing::Met;
        }
        let clear_of_high = high.is_none_or(|limit| value < limit - self.hysteresis);
        let clear_of_low = low.is_none_or(|limit| value > limit + self.hysteresis);
        if clear_of_high && clear_of_low { Standing::Clear } else { Standing::Band }
    }

    /// The limit that `value` is held against at a level; `None` for normal or a level without limits.
    pub(crate) fn limit_of(&self, level: Level, value: f64) -> Option<f64> {
        let index = usize::from(level.code()).checked_sub(1)?;
        self.limit_near(index, Finite::new(value)?).map(|(_, limit)| limit)
    }

    /// The limit of a level that `value` is to be held against: the nearer of its two sides. For a fall
    /// from a level with limits on both sides this is the nearer one, not the one that once raised it.
    pub(super) fn limit_near(&self, index: usize, value: Finite) -> Option<(Side, f64)> {
        let value = value.get();
        match (self.high[index], self.low[index]) {
            (Some(high), Some(low)) if (value - low).abs() < (high - value).abs() => Some((Side::Low, low)),
            (Some(high), _) => Some((Side::High, high)),
            (None, Some(low)) => Some((Side::Low, low)),
            (None, None) => None,
        }
    }
}

/// Which side a limit guards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Rising values.
    High,
    /// Falling values.
    Low,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(text: &str) -> LevelLimits {
        let number = |word: &str| (word != "-").then(|| word.parse().unwrap());
        let parts: Vec<Option<f64>> = text.split_whitespace().map(number).collect();
        LevelLimits { blue: parts[0], yellow: parts[1], orange: parts[2], red: parts[3] }
    }

    /// `high | low | hysteresis` and the words every problem must contain, in order.
    fn check(high: &str, low: &str, hysteresis: f64, expect: &[&str]) {
        let settings = LevelSettings { high: limits(high), low: limits(low), hysteresis, ..LevelSettings::default() };
        let problems = LevelRule::new(&settings).map_or_else(|error| error.problems, |_| Vec::new());
        assert_eq!(problems.len(), expect.len(), "{problems:?}");
        for (problem, words) in problems.iter().zip(expect) {
            assert!(problem.contains(words), "{problem:?} should say {words:?}");
        }
    }

    #[test]
    fn limits_in_order_are_accepted_with_levels_left_out() {
        check("1 2 3 4", "- - - -", 0.1, &[]);
        check("- 2 - 4", "- - - 1", 0.1, &[]);
        check("- - - -", "4 3 2 1", 0.0, &[]);
    }

    #[test]
    fn every_problem_is_named_at_once() {
        check("2 1 3 3", "1 - 2 -", -1.0, &["high.yellow", "high.red", "low.orange", "hysteresis"]);
        check("NaN inf - 5", "- - - -", f64::NAN, &["high.blue", "high.yellow", "hysteresis"]);
        check("- - - -", "- - - -", 0.0, &["no limit"]);
        let long = LevelSettings { high: limits("1 - - -"), on_delay_ms: u64::MAX, ..LevelSettings::default() };
        let error = LevelRule::new(&long).unwrap_err();
        assert!(error.to_string().contains("on_delay_ms"), "{error}");
    }

    #[test]
    fn a_rule_that_could_never_return_to_normal_is_refused() {
        check("5 - - 9", "4 - - 1", 0.6, &["never return"]);
        check("5 - - 9", "4 - - 1", 0.4, &[]);
    }
}
