//! Levels by rate of change per hour, computed robustly (Theil–Sen) over a bounded window.
//!
//! Invariants: at most [`RateState::SAMPLES_MAX`] samples are kept whatever the poll period (one per
//! slot of `window / SAMPLES_MAX`; the others between are passed over, which loses resolution and no
//! level); bad samples never enter; a rate with an uncertain sample in its window is uncertain; too
//! little data is an abstention, never a rate of zero. Elapsed time is monotonic.

use super::rule::{LevelRule, LevelRuleError, LevelSettings, side_problems};
use super::sample::{Finite, Sample, Trust};
use super::state::{LevelChange, LevelState};
use crate::Moment;
use minewatch_domain::LevelLimits;
use std::collections::VecDeque;

const HOUR_MS: f64 = 3_600_000.0;

/// What a rate rule is made of.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct RateSettings {
    /// Limits for rising, in the point's unit per hour; positive.
    pub rising: LevelLimits,
    /// Limits for falling, in the point's unit per hour; positive: 2 means "falls by 2 per hour".
    pub falling: LevelLimits,
    /// How far a rate must be past a limit to clear it, per hour.
    pub hysteresis: f64,
    /// How long a limit must be met, milliseconds.
    pub on_delay_ms: u64,
    /// How long a rate must be proven clear, milliseconds.
    pub off_delay_ms: u64,
    /// Length of the window, milliseconds.
    pub window_ms: u64,
    /// Fewest samples a rate is computed from.
    pub samples_min: usize,
}

/// Checked rate limits of one point.
#[derive(Debug, Clone, PartialEq)]
pub struct RateRule {
    levels: LevelRule,
    window_ms: u64,
    samples_min: usize,
}

impl RateRule {
    /// Shortest window, 10 s: below it the jitter of the poll is the rate.
    pub const WINDOW_MS_MIN: u64 = 10_000;
    /// Longest window, 31 days: longer trends are the trend model's.
    pub const WINDOW_MS_MAX: u64 = 31 * 86_400_000;
    /// Fewest samples that allow a median of slopes.
    pub const SAMPLES_MIN: usize = 3;

    /// Checks settings.
    ///
    /// # Errors
    /// [`LevelRuleError`] lists every problem.
    pub fn new(settings: &RateSettings) -> Result<RateRule, LevelRuleError> {
        let mut problems = Vec::new();
        for (name, limits) in [("rising", &settings.rising), ("falling", &settings.falling)] {
            let limits = [limits.blue, limits.yellow, limits.orange, limits.red];
            side_problems(name, &limits, true, &mut problems);
            if let Some(low) = limits.iter().flatten().find(|limit| **limit <= settings.hysteresis.max(0.0)) {
                problems.push(format!(
                    "{name}: {low} per hour must be above 0 and above the hysteresis ({}); else standing still never clears it",
                    settings.hysteresis
                ));
            }
        }
        if !(Self::WINDOW_MS_MIN..=Self::WINDOW_MS_MAX).contains(&settings.window_ms) {
            problems.push(format!(
                "window_ms: {} must be {} to {}",
                settings.window_ms,
                Self::WINDOW_MS_MIN,
                Self::WINDOW_MS_MAX
            ));
        }
        if !(Self::SAMPLES_MIN..=RateState::SAMPLES_MAX).contains(&settings.samples_min) {
            problems.push(format!(
                "samples_min: {} must be {} to {}",
                settings.samples_min,
                Self::SAMPLES_MIN,
                RateState::SAMPLES_MAX
            ));
        }
        let negated = |limits: LevelLimits| LevelLimits {
            blue: limits.blue.map(|limit| -limit),
            yellow: limits.yellow.map(|limit| -limit),
            orange: limits.orange.map(|limit| -limit),
            red: limits.red.map(|limit| -limit),
        };
        let side_faults = problems.len();
        let levels = LevelRule::new(&LevelSettings {
            // Where the sides are already named above, only the delays and the hysteresis are left to check.
            high: settings.rising,
            low: negated(settings.falling),
            hysteresis: settings.hysteresis,
            on_delay_ms: settings.on_delay_ms,
            off_delay_ms: settings.off_delay_ms,
        });
        match levels {
            Ok(levels) if problems.is_empty() => {
                Ok(RateRule { levels, window_ms: settings.window_ms, samples_min: settings.samples_min })
            }
            Ok(_) => Err(LevelRuleError { problems }),
            Err(error) => {
                let side = |problem: &String| problem.starts_with("high") || problem.starts_with("low");
                problems.extend(error.problems.into_iter().filter(|problem| side_faults == 0 || !side(problem)));
                Err(LevelRuleError { problems })
            }
        }
    }

    /// The limits the rate is held against; falling rates are negative.
    pub fn levels(&self) -> &LevelRule {
        &self.levels
    }
}

/// A rate, or why there is none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RateEstimate {
    /// Fewer samples than the rule asks for.
    TooFew,
    /// The samples span less than half the window, so the slope would be noise.
    TooShort,
    /// Units per hour, negative when falling.
    PerHour(Finite, Trust),
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Entry {
    mono_ms: u64,
    value: f64,
    trust: Trust,
}

/// The rate level of one point: the window and the latches.
#[derive(Debug, Clone, Default)]
pub struct RateState {
    window: VecDeque<Entry>,
    levels: LevelState,
}

impl RateState {
    /// Samples kept per point: 496 slopes, about 10 µs per estimate and 0.8 KB, for points with a rate
    /// rule only. When full, slots are already as far apart as the window allows; the oldest leaves.
    pub const SAMPLES_MAX: usize = 32;

    /// No history.
    pub fn new() -> RateState {
        RateState::default()
    }

    /// The state a restarted gateway goes on from; the window fills anew and the level holds until then.
    pub fn restore(levels: LevelState) -> RateState {
        RateState { window: VecDeque::new(), levels }
    }

    /// The level state.
    pub fn levels(&self) -> &LevelState {
        &self.levels
    }

    /// Takes one sample; a change of level is reported once. `value` and `limit` of the change are per hour.
    pub fn step(&mut self, rule: &RateRule, sample: Sample, now: Moment) -> Option<LevelChange> {
        let Sample::Value(value, trust) = sample else {
            return self.levels.step(&rule.levels, Sample::Bad, now);
        };
        let slot_ms = rule.window_ms / Self::SAMPLES_MAX as u64;
        let due = self.window.back().is_none_or(|last| now.mono_ms.saturating_sub(last.mono_ms) >= slot_ms);
        if !due {
            return None;
        }
        let oldest_ms = now.mono_ms.saturating_sub(rule.window_ms);
        while self.window.len() >= Self::SAMPLES_MAX || self.window.front().is_some_and(|e| e.mono_ms < oldest_ms) {
            self.window.pop_front();
        }
        self.window.push_back(Entry { mono_ms: now.mono_ms, value: value.get(), trust });
        let rate = match self.estimate(rule) {
            RateEstimate::TooFew | RateEstimate::TooShort => Sample::Bad,
            RateEstimate::PerHour(rate, trust) => Sample::Value(rate, trust),
        };
        let mut change = self.levels.step(&rule.levels, rate, now)?;
        change.why = format!("rate per hour over {} min: {}", rule.window_ms / 60_000, change.why);
        Some(change)
    }

    /// The rate over the window as it is now.
    pub fn estimate(&self, rule: &RateRule) -> RateEstimate {
        if self.window.len() < rule.samples_min {
            return RateEstimate::TooFew;
        }
        let (Some(first), Some(last)) = (self.window.front(), self.window.back()) else {
            return RateEstimate::TooFew;
        };
        if last.mono_ms.saturating_sub(first.mono_ms) < rule.window_ms / 2 {
            return RateEstimate::TooShort;
        }
        let hours = |mono_ms: u64| hours_of(mono_ms.saturating_sub(first.mono_ms));
        let points = self.window.iter().map(|entry| (hours(entry.mono_ms), entry.value));
        let uncertain = self.window.iter().any(|entry| entry.trust == Trust::Uncertain);
        match theil_sen(points) {
            Some(rate) => RateEstimate::PerHour(rate, if uncertain { Trust::Uncertain } else { Trust::Good }),
            None => RateEstimate::TooFew,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a window of at most 31 days is exact in f64")]
fn hours_of(ms: u64) -> f64 {
    ms as f64 / HOUR_MS
}

/// Theil–Sen slope: the median of the slopes of all pairs with different abscissae. Up to 29 % of the
/// points may be arbitrarily wrong. At most the first [`RateState::SAMPLES_MAX`] points are used; `None`
/// when there is no pair or the values are so large that no slope is finite.
pub fn theil_sen(points: impl Iterator<Item = (f64, f64)>) -> Option<Finite> {
    const POINTS: usize = RateState::SAMPLES_MAX;
    let mut kept = [(0.0, 0.0); POINTS];
    let mut count = 0;
    for (slot, point) in kept.iter_mut().zip(points) {
        *slot = point;
        count += 1;
    }
    let mut slopes = [0.0f64; POINTS * (POINTS - 1) / 2];
    let mut found = 0;
    for (index, (x, y)) in kept[..count].iter().enumerate() {
        for (earlier_x, earlier_y) in &kept[..index] {
            let slope = (y - earlier_y) / (x - earlier_x);
            if slope.is_finite() {
                slopes[found] = slope;
                found += 1;
            }
        }
    }
    let slopes = &mut slopes[..found];
    if slopes.is_empty() {
        return None;
    }
    let (below, middle, _) = slopes.select_nth_unstable_by(found / 2, f64::total_cmp);
    let upper = *middle;
    let median = if found % 2 == 1 {
        upper
    } else {
        let lower = below.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        lower / 2.0 + upper / 2.0
    };
    Finite::new(median)
}

#[cfg(test)]
mod tests {
    use super::*;
    use minewatch_domain::{At, Level};
    use proptest::prelude::*;

    const MINUTE_MS: u64 = 60_000;

    fn settings() -> RateSettings {
        RateSettings {
            rising: LevelLimits { blue: Some(0.1), yellow: Some(0.2), orange: Some(0.5), red: Some(1.0) },
            falling: LevelLimits { red: Some(2.0), ..LevelLimits::default() },
            hysteresis: 0.05,
            on_delay_ms: 0,
            off_delay_ms: 0,
            window_ms: 60 * MINUTE_MS,
            samples_min: 5,
        }
    }

    /// One sample a minute; `expect` is every change as `minute from>to`.
    fn check(samples: impl Iterator<Item = Option<f64>>, expect: &[&str]) -> RateState {
        let rule = RateRule::new(&settings()).unwrap();
        let mut state = RateState::new();
        let mut seen = Vec::new();
        for (minute, value) in (0u64..).zip(samples) {
            let now = Moment::new(At::default(), 5_000).plus_millis(minute * MINUTE_MS);
            let sample = value.and_then(Finite::new).map_or(Sample::Bad, |v| Sample::Value(v, Trust::Good));
            if let Some(change) = state.step(&rule, sample, now) {
                seen.push(format!("{minute} {}>{}", change.from.name(), change.to.name()));
            }
        }
        assert_eq!(seen, expect);
        assert!(state.window.len() <= RateState::SAMPLES_MAX);
        state
    }

    #[test]
    fn the_slope_of_the_reference_series_is_one_per_day_despite_its_outlier() {
        let series = [0.0, 1.1, 1.9, 9.0, 4.1, 5.0];
        let slope = theil_sen((0..).map(f64::from).zip(series)).unwrap();
        assert!((slope.get() - 1.0).abs() < 1e-9, "{slope:?}");
        let even = theil_sen((0..).map(f64::from).zip([0.0, 1.0, 4.0, 10.0])).unwrap();
        assert!((even.get() - (3.0 + 10.0 / 3.0) / 2.0).abs() < 1e-9, "{even:?}");
        assert_eq!(theil_sen([(0.0, 1.0), (0.0, 2.0)].into_iter()), None);
        assert_eq!(theil_sen(std::iter::empty()), None);
    }

    #[test]
    fn a_pool_rising_by_30_cm_an_hour_is_yellow_once_half_a_window_is_known() {
        check((0..120).map(|m| Some(100.0 + 0.3 * f64::from(m) / 60.0)), &["30 normal>yellow"]);
    }

    #[test]
    fn a_falling_pool_is_held_against_the_falling_limits() {
        check((0..60).map(|m| Some(100.0 - 3.0 * f64::from(m) / 60.0)), &["30 normal>red"]);
        check((0..60).map(|m| Some(100.0 - 0.3 * f64::from(m) / 60.0)), &[]);
    }

    #[test]
    fn spikes_and_silence_raise_nothing() {
        check((0..300).map(|m| Some(if m % 7 == 3 { 900.0 } else { 100.0 })), &[]);
        check((0..300).map(|m| (m % 50 == 0).then_some(100.0 + f64::from(m))), &[]);
    }

    #[test]
    fn bad_data_holds_the_level_and_a_calm_window_clears_it() {
        let rise = |m: i32| Some(100.0 + 0.3 * f64::from(m.min(60)) / 60.0);
        let state = check((0..400).map(|m| if m < 60 { rise(m) } else { None }), &["30 normal>yellow"]);
        assert_eq!(state.levels().level(), Level::Yellow);
        let state = check((0..200).map(rise), &["30 normal>yellow", "90 yellow>blue", "100 blue>normal"]);
        assert_eq!(state.levels().level(), Level::Normal);
    }

    #[test]
    fn a_rate_with_an_uncertain_sample_in_its_window_raises_but_does_not_clear() {
        let rule = RateRule::new(&settings()).unwrap();
        let mut state = RateState::new();
        let mut levels = Vec::new();
        for minute in 0..200u32 {
            let rising = f64::from(minute.min(60)) * 0.005;
            let trust = if minute % 20 == 0 { Trust::Uncertain } else { Trust::Good };
            let now = Moment::default().plus_millis(u64::from(minute) * MINUTE_MS);
            state.step(&rule, Sample::Value(Finite::new(rising).unwrap(), trust), now);
            levels.push(state.levels().level());
        }
        assert_eq!((levels[40], levels[199]), (Level::Yellow, Level::Yellow));
        assert!(matches!(state.estimate(&rule), RateEstimate::PerHour(_, Trust::Uncertain)));
    }

    #[test]
    fn every_problem_of_a_rate_rule_is_named() {
        let mut wrong = settings();
        wrong.rising.red = Some(0.3);
        wrong.falling.red = Some(-2.0);
        wrong.window_ms = 1;
        wrong.samples_min = 2;
        wrong.on_delay_ms = u64::MAX;
        let problems = RateRule::new(&wrong).unwrap_err().problems;
        for (problem, words) in
            problems.iter().zip(["rising.red", "falling: -2", "window_ms", "samples_min", "on_delay_ms"])
        {
            assert!(problem.starts_with(words), "{problem:?} should start with {words:?}");
        }
        assert_eq!(problems.len(), 5, "{problems:?}");
    }

    proptest! {
        #[test]
        fn the_slope_of_a_line_is_found_with_a_quarter_of_the_points_wrong(
            slope in -50.0..50.0f64, offset in -1e3..1e3f64,
            wrong in prop::collection::btree_map(0usize..20, -1e6..1e6f64, 0..5),
        ) {
            let point = |i: usize| {
                let x = f64::from(u32::try_from(i).unwrap());
                (x, wrong.get(&i).copied().unwrap_or(offset + slope * x))
            };
            let found = theil_sen((0..20).map(point)).unwrap().get();
            prop_assert!((found - slope).abs() < 1e-6, "{found} for {slope}");
        }
    }
}
