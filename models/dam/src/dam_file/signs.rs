//! Formulas that hold a value against what it should be, or several values against each other.

use minewatch_domain::PointId;
use serde::Deserialize;

/// See [`super::Formula::Regression`].
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Regression {
    /// Head, pore pressure or seepage.
    pub input: PointId,
    /// Pond level, m.
    pub level: PointId,
    /// Rain since the start, mm, rising.
    pub rain: PointId,
    /// Instrument whose records give the coefficients (`gateway evaluate regression` prints them).
    pub calibration: String,
    /// One value is judged in so many hours: the step of the record that was fitted.
    #[serde(default = "day_h")]
    pub every_h: f64,
    /// Which number.
    pub output: RegressionOutput,
}

fn day_h() -> f64 {
    24.0
}

/// Which number of a regression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RegressionOutput {
    /// What the value should be, in its unit.
    Expected,
    /// Value less what it should be, in its unit.
    Residual,
    /// How many values in a row were outside the band on one side; an alarm is due at three.
    Outside,
}

/// See [`super::Formula::PipingSigns`].
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PipingSigns {
    /// Seepage, L/s.
    pub input: PointId,
    /// Turbidity of the same seepage, NTU.
    pub turbidity: PointId,
    /// Pond level, m.
    pub level: PointId,
    /// A piezometer near the suspected pipe, m.
    pub piezometer: Option<PointId>,
    /// Window of the rates, hours.
    pub window_h: f64,
    /// Seepage that rises by this much a day is a sign, L/s per day.
    pub seepage_per_d: f64,
    /// Turbidity from here on is a sign, NTU.
    pub turbidity_ntu: f64,
    /// A pond that rises by no more than this explains nothing, m per day.
    pub level_per_d: f64,
    /// A piezometer that falls by this much confirms it, m per day.
    #[serde(default)]
    pub piezometer_per_d: f64,
}

impl Regression {
    pub(super) fn inputs(&self) -> Vec<PointId> {
        vec![self.input.clone(), self.level.clone(), self.rain.clone()]
    }

    pub(super) fn problem(&self) -> Option<&'static str> {
        (!(0.01..=744.0).contains(&self.every_h)).then_some("every_h must be 0.01 to 744")
    }
}

impl PipingSigns {
    pub(super) fn inputs(&self) -> Vec<PointId> {
        let first = [&self.input, &self.turbidity, &self.level];
        first.into_iter().chain(&self.piezometer).cloned().collect()
    }

    pub(super) fn problem(&self) -> Option<&'static str> {
        if !(0.01..=8_784.0).contains(&self.window_h) {
            return Some("window_h must be 0.01 to 8784 (a year)");
        }
        let positive = [self.seepage_per_d, self.turbidity_ntu].iter().all(|limit| *limit > 0.0);
        let confirmed = self.piezometer.is_none() || self.piezometer_per_d > 0.0;
        (!(positive && confirmed && self.level_per_d >= 0.0))
            .then_some("seepage_per_d, turbidity_ntu and, with a piezometer, piezometer_per_d must be above 0")
    }
}
