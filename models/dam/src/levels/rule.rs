//! A point's rule from the dam file to one that runs: the designer's limits, the standard's where the
//! designer gives none, each with its source.

use crate::dam_file::{Dam, PointRule, Standard};
use crate::standard::{self, Tabled};
use crate::threshold::{LevelRule, LevelSettings, RateRule, RateSettings};
use minewatch_domain::{Level, LevelLimits};

/// Fewest samples of a rate.
const RATE_SAMPLES_MIN: usize = 6;

/// A rule that can be run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunnableRule {
    /// By value, where there are limits.
    pub levels: Option<LevelRule>,
    /// By rate, where there are limits.
    pub rates: Option<RateRule>,
}

/// A limit with where it is written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limit {
    /// The level it belongs to.
    pub level: Level,
    /// Whether values at or above it meet it, or those at or below.
    pub rising: bool,
    /// The number.
    pub value: f64,
    /// The standard it was taken from; `None`: the designer's.
    pub standard: Option<&'static str>,
}

fn any(limits: &LevelLimits) -> bool {
    limits.blue.or(limits.yellow).or(limits.orange).or(limits.red).is_some()
}

/// Limits on values (high, low) with the standard's filled in, and each filled one.
pub fn limits(rule: &PointRule, dam: &Dam) -> (LevelLimits, LevelLimits, Vec<Limit>) {
    let (mut high, mut low) = (LevelLimits::from(rule.high), LevelLimits::from(rule.low));
    let mut filled = Vec::new();
    let mut fill = |slot: &mut Option<f64>, level: Level, rising: bool, value: f64, source: &'static str| {
        if slot.is_none() {
            *slot = Some(value);
            filled.push(Limit { level, rising, value, standard: Some(source) });
        }
    };
    let mut red = |low: &mut LevelLimits, table: Option<Tabled>| {
        if let Some(table) = table {
            fill(&mut low.red, Level::Red, false, table.value, table.source);
        }
    };
    match rule.standard {
        None => {}
        Some(Standard::Freeboard) => red(&mut low, standard::freeboard_m(dam.class)),
        Some(Standard::Beach) => red(&mut low, standard::beach_m(dam.class, dam.construction)),
        Some(Standard::PhreaticDepth) => {
            red(&mut low, Some(standard::phreatic_depth_m(dam.height_m)));
            if let Some(control) = low.red {
                let (factor, source) = standard::PHREATIC_ORANGE;
                fill(&mut low.orange, Level::Orange, false, factor * control, source);
            }
        }
        Some(Standard::Rain24h) => {
            let (mm, source) = standard::RAIN_YELLOW_MM;
            fill(&mut high.yellow, Level::Yellow, true, mm, source);
        }
        Some(Standard::BankDisplacement) => {
            if let Some(red) = high.red {
                let (share, source) = standard::BANK_ORANGE;
                fill(&mut high.orange, Level::Orange, true, share * red, source);
            }
        }
    }
    (high, low, filled)
}

/// Builds a rule that runs.
///
/// # Errors
/// Every problem.
pub fn runnable(rule: &PointRule, dam: &Dam) -> Result<RunnableRule, Vec<String>> {
    let mut problems = Vec::new();
    let (high, low, _) = limits(rule, dam);
    let ms = |s: u64| s.saturating_mul(1_000);
    let mut levels = None;
    if any(&high) || any(&low) {
        let settings = LevelSettings {
            high,
            low,
            hysteresis: rule.hysteresis,
            on_delay_ms: ms(rule.on_delay_s),
            off_delay_ms: ms(rule.off_delay_s),
        };
        match LevelRule::new(&settings) {
            Ok(rule) => levels = Some(rule),
            Err(error) => problems.extend(error.problems),
        }
    }
    let (rising, falling) = (LevelLimits::from(rule.rising_per_h), LevelLimits::from(rule.falling_per_h));
    let mut rates = None;
    match (any(&rising) || any(&falling), rule.rate_window_min) {
        (true, Some(minutes)) => {
            let settings = RateSettings {
                rising,
                falling,
                hysteresis: rule.rate_hysteresis_per_h,
                on_delay_ms: ms(rule.on_delay_s),
                off_delay_ms: ms(rule.off_delay_s),
                window_ms: minutes.saturating_mul(60_000),
                samples_min: RATE_SAMPLES_MIN,
            };
            match RateRule::new(&settings) {
                Ok(rule) => rates = Some(rule),
                Err(error) => problems.extend(error.problems),
            }
        }
        (true, None) => problems.push("rate_window_min is missing; a rate needs a window".to_owned()),
        (false, Some(_)) => problems.push("rate_window_min has no effect without rising_per_h or falling_per_h".into()),
        (false, None) => {}
    }
    if problems.is_empty() { Ok(RunnableRule { levels, rates }) } else { Err(problems) }
}
