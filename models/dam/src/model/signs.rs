//! State of the formulas that hold values against what they should be: the regression with its loads and
//! its count of values outside, and the windows behind the signs of piping.

use crate::dam_file::{CalibrationValues, PipingSigns, Regression, RegressionOutput};
use crate::derived::trend::Trend;
use crate::hst::regression::{self, Loads, Memories, Streak};
use crate::threshold::Trust;
use minewatch_domain::At;

const DAY_MS: f64 = 86_400_000.0;

/// A regression at work.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct RegressionState {
    loads: Loads,
    counter_mm: Option<f64>,
    judged_ms: Option<u64>,
    streak: Streak,
}

/// What a regression says about a value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Judged {
    /// The next value to be judged is not due.
    NotDue,
    /// Its memories are not filled yet: it knows nothing, which is not "as expected".
    Filling,
    /// The number asked for, and whether the lagged level lies where the record had one.
    Number(f64, bool),
}

impl RegressionState {
    /// Takes value, level and rain counter at an instant.
    pub(super) fn step(
        &mut self,
        f: &Regression,
        fitted: &regression::Regression,
        (value, level_m, counter_mm): (f64, f64, f64),
        (now, now_ms): (At, u64),
    ) -> Judged {
        let day = now.millis() as f64 / DAY_MS;
        // A counter that goes back (restart, overflow) adds nothing.
        let fell = self.counter_mm.map_or(0.0, |before| (counter_mm - before).max(0.0));
        self.counter_mm = Some(counter_mm);
        self.loads.step(day, level_m, fell, &fitted.memories);
        if !self.loads.warm(&fitted.memories) {
            return Judged::Filling;
        }
        // A little early counts: polls are never exactly a day apart.
        let every_ms = (f.every_h * 3_600_000.0 * 0.98) as u64;
        if self.judged_ms.is_some_and(|last| now_ms.saturating_sub(last) < every_ms) {
            return Judged::NotDue;
        }
        self.judged_ms = Some(now_ms);
        let expected = fitted.expected(&self.loads, day);
        let outside = self.streak.step(value - expected, fitted.band);
        let number = match f.output {
            RegressionOutput::Expected => expected,
            RegressionOutput::Residual => value - expected,
            RegressionOutput::Outside => f64::from(outside),
        };
        Judged::Number(number, fitted.within(&self.loads))
    }
}

/// The regression of a calibration record; `None` for a record of another kind.
pub(super) fn fitted(values: CalibrationValues) -> Option<regression::Regression> {
    match values {
        CalibrationValues::Regression { origin, level_lag_d, rain_lag_d, coefficients, band, levels_m } => {
            let memories = Memories { level_d: level_lag_d, rain_d: rain_lag_d };
            let origin_d = origin.0.millis() as f64 / DAY_MS;
            Some(regression::Regression { memories, origin_d, coefficients, band, levels_m })
        }
        CalibrationValues::Thermistor { .. }
        | CalibrationValues::Vw { .. }
        | CalibrationValues::Tip { .. }
        | CalibrationValues::Weir { .. } => None,
    }
}

/// Windows of seepage, pond level and a piezometer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PipingState {
    seepage: Trend,
    level: Trend,
    piezometer: Trend,
}

impl PipingState {
    pub(super) fn new(window_ms: u64) -> PipingState {
        let window = Trend::new(window_ms);
        PipingState { seepage: window.clone(), level: window.clone(), piezometer: window }
    }

    /// Takes values (seepage, turbidity, level, piezometer) and says how many steps of the signature stand;
    /// `None` while the windows fill or between their slots.
    pub(super) fn step(&mut self, f: &PipingSigns, values: &[Option<f64>], now_ms: u64, trust: Trust) -> Option<f64> {
        let (seepage, turbidity, level) = ((*values.first()?)?, (*values.get(1)?)?, (*values.get(2)?)?);
        if !self.seepage.push(now_ms, seepage, trust) {
            return None;
        }
        self.level.push(now_ms, level, trust);
        let piezometer = f.piezometer.as_ref().and_then(|_| values.get(3).copied().flatten());
        if let Some(value) = piezometer {
            self.piezometer.push(now_ms, value, trust);
        }
        let rises = self.seepage.rate_per_d()?.0 >= f.seepage_per_d;
        let unexplained = self.level.rate_per_d()?.0 <= f.level_per_d;
        let signs = rises && unexplained && turbidity >= f.turbidity_ntu;
        let drained =
            piezometer.is_some() && self.piezometer.rate_per_d().is_some_and(|(rate, _)| rate <= -f.piezometer_per_d);
        Some(match (signs, drained) {
            (false, _) => 0.0,
            (true, false) => 1.0,
            (true, true) => 2.0,
        })
    }
}
