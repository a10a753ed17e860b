//! Conformal intervals from past errors, adapted to the coverage reached.

use crate::forecast::stats::quantile;

/// Errors remembered; a year and a half, so that every season is in them.
const ERRORS_MAX: usize = 540;
/// Fewest errors an interval is made from.
const ERRORS_MIN: usize = 60;
/// How fast the level follows the coverage.
const RATE: f64 = 0.02;

/// Past errors in units of the spread at the time, and the level in force.
#[derive(Debug, Clone)]
pub(super) struct Conformal {
    target: f64,
    level: f64,
    /// Spreads of forecasts whose target is not known yet.
    waiting: std::collections::VecDeque<f64>,
    horizon: usize,
    errors: std::collections::VecDeque<f64>,
}

impl Conformal {
    pub(super) fn new(coverage: f64, horizon: usize) -> Conformal {
        Conformal {
            target: coverage,
            level: coverage,
            waiting: std::collections::VecDeque::with_capacity(horizon + 1),
            horizon,
            errors: std::collections::VecDeque::with_capacity(ERRORS_MAX),
        }
    }

    /// Takes the error of the oldest waiting forecast, and whether its interval held the value.
    pub(super) fn learn(&mut self, error: f64, held: Option<bool>) {
        let Some(spread) = self.waiting.pop_front() else { return };
        if self.errors.len() == ERRORS_MAX {
            self.errors.pop_front();
        }
        self.errors.push_back(error / spread);
        if let Some(held) = held {
            let missed = f64::from(u8::from(!held));
            self.level = (self.level + RATE * (missed - (1.0 - self.target))).clamp(0.5, 0.995);
        }
    }

    /// Ends of the interval as increments; remembers the spread for when the error is known.
    pub(super) fn interval(&mut self, increment: f64, spread: f64) -> Option<(f64, f64)> {
        debug_assert!(self.waiting.len() <= self.horizon, "one error is learnt for every forecast");
        self.waiting.push_back(spread);
        if self.errors.len() < ERRORS_MIN {
            return None;
        }
        let errors: Vec<f64> = self.errors.iter().copied().collect();
        // The conformal correction for a finite sample; errors closer together than the horizon are not
        // independent, so only one in so many counts.
        let level = self.level * (1.0 + self.horizon as f64 / errors.len() as f64);
        let tail = ((1.0 - level) / 2.0).max(0.0);
        let (low, high) = (quantile(&errors, tail)?, quantile(&errors, 1.0 - tail)?);
        Some((increment + low.min(0.0) * spread, increment + high.max(0.0) * spread))
    }
}
