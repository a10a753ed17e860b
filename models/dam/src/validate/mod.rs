//! Is this number a measurement of the process? The tests of the WMO guide and of statistical process
//! control, each a small pure state machine.
//!
//! Invariant: raw values are never changed; a test gives an opinion with a reason. A genuine lasting
//! change is believed after a while, none is masked for ever. Deliberately absent: what follows for
//! quality and levels (`model`).

mod arrival;
mod charts;
mod hampel;
mod series_tests;

pub use arrival::{ArrivalFault, Arrivals};
pub use charts::{CusumChart, EwmaChart, ewma_limit_sigmas};
pub use hampel::{Hampel, HampelVerdict};
pub use series_tests::{Comparison, Persistence, StepTest, compare};

use serde::Serialize;

/// What is wrong with a point's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Outside the instrument's range.
    Range,
    /// Changes faster than the process can.
    Step,
    /// A lone outlier.
    Spike,
    /// Does not move.
    Still,
    /// A small lasting shift (CUSUM).
    Shift,
    /// A small lasting shift (EWMA).
    Trend,
    /// Wanders away from its neighbours or the barometer.
    Drift,
    /// Moves together with its whole group.
    CommonMode,
    /// Disagrees with the manual reading.
    Manual,
    /// Contradicts another quantity.
    Inconsistent,
}

impl Fault {
    /// Name used in text and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Fault::Range => "range",
            Fault::Step => "step",
            Fault::Spike => "spike",
            Fault::Still => "still",
            Fault::Shift => "shift",
            Fault::Trend => "trend",
            Fault::Drift => "drift",
            Fault::CommonMode => "common_mode",
            Fault::Manual => "manual_mismatch",
            Fault::Inconsistent => "inconsistent",
        }
    }

    /// Whether it is said only once it lasts: a lone spike is data, not a broken instrument.
    pub fn momentary(self) -> bool {
        match self {
            Fault::Step | Fault::Spike => true,
            Fault::Range
            | Fault::Still
            | Fault::Shift
            | Fault::Trend
            | Fault::Drift
            | Fault::CommonMode
            | Fault::Manual
            | Fault::Inconsistent => false,
        }
    }
}

/// Median of a list; `None` when empty. The list is reordered.
pub fn median(values: &mut [f64]) -> Option<f64> {
    let middle = values.len() / 2;
    if values.is_empty() {
        return None;
    }
    let even = values.len().is_multiple_of(2);
    let (below, upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    let upper = *upper;
    if !even {
        return Some(upper);
    }
    below.iter().copied().reduce(f64::max).map(|lower| lower / 2.0 + upper / 2.0)
}
