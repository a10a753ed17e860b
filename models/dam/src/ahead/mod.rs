//! Forecasts of a slow, step-like movement some days ahead, with intervals that have their coverage from
//! the forecast's own past errors.
//!
//! ```text
//! daily values ─▶ members (stands still, lines of several lengths, parts of one of them)
//!              ─▶ weights by known past errors ─▶ forecast ─▶ interval
//! ```
//!
//! Invariant: a forecast made on day t uses nothing after t: neither values nor the errors of forecasts
//! whose target lies after t. The interval is conformal: quantiles of past errors in units of their scale
//! at the time, with the level adapted to the coverage reached so far (Gibbs & Candès 2021). Not here: failure times (`forecast`), and levels.

mod interval;
mod members;

use interval::Conformal;
use members::Members;

/// A forecast.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ahead {
    /// Index of the day it was made on.
    pub origin: usize,
    /// Value at `origin + horizon`.
    pub value: f64,
    /// Lower end of the interval; `None` while too few errors are known.
    pub interval: Option<(f64, f64)>,
    /// What standing still says.
    pub persistence: f64,
    /// What the line through the last 30 days says.
    pub linear: f64,
}

/// Days of history a first forecast needs: a season, so that one has been seen.
pub const HISTORY_MIN: usize = 180;
/// Most days of a series (100 years).
pub const DAYS_MAX: usize = 36_525;

/// Forecasts made on every day on which it is possible, oldest first. Empty for a series that is too
/// short or too long. `values` are one a day, without holes.
pub fn roll(values: &[f64], horizon: usize, coverage: f64) -> Vec<Ahead> {
    let days = values.len();
    if days > DAYS_MAX || horizon == 0 || days < HISTORY_MIN + horizon {
        return Vec::new();
    }
    let mut members = Members::new(values, horizon);
    let mut conformal = Conformal::new(coverage, horizon);
    let mut made: Vec<Ahead> = Vec::new();
    for (origin, now) in values.iter().copied().enumerate().skip(HISTORY_MIN) {
        // The target of the forecast made `horizon` days ago is known today, and not before.
        if let Some(known) = made.iter().rev().nth(horizon - 1) {
            conformal.learn(now - known.value, known.interval.map(|(low, high)| (low..=high).contains(&now)));
        }
        let said = members.forecast(origin);
        let interval = conformal.interval(said.increment, said.spread).map(|(low, high)| (now + low, now + high));
        made.push(Ahead { origin, value: now + said.increment, interval, persistence: now, linear: now + said.linear });
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steady(days: usize, per_day: f64) -> Vec<f64> {
        (0..days).map(|day| per_day * day as f64).collect()
    }

    #[test]
    fn steady_creep_is_forecast_as_its_line() {
        let values = steady(500, 0.3);
        let made = roll(&values, 30, 0.8);
        let last = made.last().expect("a forecast");
        assert!((last.value - (values[499] + 9.0)).abs() < 1e-6, "{last:?}");
        assert!((last.linear - 9.0 - values[499]).abs() < 1e-9 && last.persistence == values[499]);
    }

    #[test]
    fn nothing_after_the_origin_changes_a_forecast() {
        let mut values: Vec<f64> = steady(600, 0.2);
        for (day, value) in values.iter_mut().enumerate() {
            *value += 3.0 * (day as f64 / 58.0).sin();
        }
        let (all, part) = (roll(&values, 30, 0.8), roll(&values[..450], 30, 0.8));
        assert!(!part.is_empty());
        assert_eq!(part[..], all[..part.len()]);
    }

    #[test]
    fn a_short_series_gives_no_forecast() {
        assert!(roll(&steady(100, 1.0), 30, 0.8).is_empty());
        assert!(roll(&steady(400, 1.0), 0, 0.8).is_empty());
    }
}
