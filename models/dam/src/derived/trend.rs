//! Robust rate and acceleration over a window of bounded memory.
//!
//! Invariant: at most [`theil_sen`]'s number of samples is kept whatever the sampling period (one per
//! slot); too few samples, or samples that span less than half the window, give no rate, which is not a
//! rate of zero.

use crate::threshold::{RateState, Trust, theil_sen};
use std::collections::VecDeque;

const DAY_MS: f64 = 86_400_000.0;

/// Samples of a window, oldest first: monotonic ms, value, trust.
#[derive(Debug, Clone, PartialEq)]
pub struct Trend {
    window_ms: u64,
    kept: VecDeque<(u64, f64, Trust)>,
}

impl Trend {
    /// Fewest samples that allow a rate.
    pub const SAMPLES_MIN: usize = 4;

    /// A window without samples.
    pub fn new(window_ms: u64) -> Trend {
        Trend { window_ms, kept: VecDeque::new() }
    }

    /// Takes a sample; those within a slot of the last are passed over. Whether it was kept.
    pub fn push(&mut self, mono_ms: u64, value: f64, trust: Trust) -> bool {
        let slot_ms = self.window_ms / RateState::SAMPLES_MAX as u64;
        if self.kept.back().is_some_and(|(last, _, _)| mono_ms < last.saturating_add(slot_ms)) {
            return false;
        }
        let oldest = mono_ms.saturating_sub(self.window_ms);
        while self.kept.len() >= RateState::SAMPLES_MAX || self.kept.front().is_some_and(|(at, _, _)| *at < oldest) {
            self.kept.pop_front();
        }
        self.kept.push_back((mono_ms, value, trust));
        true
    }

    /// Theil–Sen rate, unit per day, and the trust of its worst sample.
    pub fn rate_per_d(&self) -> Option<(f64, Trust)> {
        self.rate_of(0, self.kept.len(), self.window_ms / 2)
    }

    /// Rate of the newer half less rate of the older, per half window: unit per day².
    pub fn acceleration_per_d2(&self) -> Option<(f64, Trust)> {
        let (first, last) = (self.kept.front()?.0, self.kept.back()?.0);
        let middle = first + last.saturating_sub(first) / 2;
        let split = self.kept.iter().position(|(at, _, _)| *at > middle)?;
        let (older, a) = self.rate_of(0, split, self.window_ms / 5)?;
        let (newer, b) = self.rate_of(split, self.kept.len(), self.window_ms / 5)?;
        let days = days(last.saturating_sub(first)) / 2.0;
        let trust = if (a, b) == (Trust::Good, Trust::Good) { Trust::Good } else { Trust::Uncertain };
        (days > 0.0).then(|| ((newer - older) / days, trust))
    }

    fn rate_of(&self, from: usize, to: usize, span_ms_min: u64) -> Option<(f64, Trust)> {
        let (first, last) = (self.kept.get(from)?.0, self.kept.get(to.checked_sub(1)?)?.0);
        if to - from < Self::SAMPLES_MIN || last.saturating_sub(first) < span_ms_min {
            return None;
        }
        let used = || self.kept.range(from..to);
        let rate = theil_sen(used().map(|(at, value, _)| (days(at.saturating_sub(first)), *value)))?;
        let trust = if used().all(|(_, _, trust)| *trust == Trust::Good) { Trust::Good } else { Trust::Uncertain };
        Some((rate.get(), trust))
    }
}

#[expect(clippy::cast_precision_loss, reason = "windows of at most a year are exact in f64")]
fn days(ms: u64) -> f64 {
    ms as f64 / DAY_MS
}

#[cfg(test)]
mod tests {
    use super::super::assert_digits;
    use super::*;

    const DAY: u64 = 86_400_000;

    fn daily(values: impl IntoIterator<Item = f64>) -> Trend {
        let mut trend = Trend::new(8 * DAY);
        for (day, value) in (0..).zip(values) {
            trend.push(day * DAY, value, Trust::Good);
        }
        trend
    }

    #[test]
    fn row_9_theil_sen_of_the_printed_series_is_one_a_day() {
        assert_digits(daily([0.0, 1.1, 1.9, 9.0, 4.1, 5.0]).rate_per_d().expect("enough").0, 1.0, 9);
    }

    #[test]
    fn acceleration_is_the_change_of_the_rate_and_zero_for_a_line() {
        let line = daily((0..8).map(|day| 2.0 * f64::from(day)));
        assert_digits(line.acceleration_per_d2().expect("two halves").0, 0.0, 9);
        let parabola = daily((0..8).map(|day| f64::from(day * day)));
        assert!(parabola.acceleration_per_d2().expect("two halves").0 > 1.5);
    }

    #[test]
    fn too_little_is_no_rate_and_not_a_rate_of_zero() {
        assert_eq!(daily([1.0, 1.0, 1.0]).rate_per_d(), None);
        let mut short = Trend::new(8 * DAY);
        for hour in 0..9 {
            short.push(hour * DAY / 24, 1.0, Trust::Good);
        }
        assert_eq!(short.rate_per_d(), None, "nine hours are no eight days");
    }
}
