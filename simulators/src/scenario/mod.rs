//! A tailings dam over days to a year, in thirteen scenarios with known truth, for tests and scoring.
//!
//! ```text
//! Case (scenario, seed, faults) ─▶ physics (rain, pond, phreatic line, seepage, piping, movement)
//!                               ─▶ instruments (noise, common mode) ─▶ faults ─▶ Sample stream + Truth
//! ```
//!
//! Invariants: the stream is a function of scenario, seed and faults; what is true is never computed from
//! what is measured. SI units, steps of ten minutes. Not here: Modbus (the demonstration's `world` is a
//! smaller dam of its own), files (`export`), and the model that is judged.

pub mod export;
pub mod faults;
mod instruments;
mod physics;

pub use faults::InstrumentFault;
pub use instruments::{Channel, Instrument, channels};

use crate::rng::Rng;
use instruments::Instruments;
use physics::Physics;
use serde::{Deserialize, Serialize};

/// Seconds of one step.
pub const STEP_S: f64 = 600.0;
const STEPS_PER_HOUR: f64 = 6.0;
/// Crest at the beginning, m.
pub const CREST_M: f64 = 125.0;

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[value(rename_all = "UPPER")]
#[allow(missing_docs)]
pub enum Scenario {
    /// A normal year.
    N1,
    /// A year in which the dam is raised.
    N2,
    /// A storm of 100 years, decant open.
    S1,
    /// The same with the decant 70 % blocked: overtopping.
    S2,
    /// Piping at the left abutment.
    P1,
    /// Failure within 72 hours, loud.
    F1,
    /// The same, weak.
    F2,
    /// An acceleration that stops.
    F3,
    /// Static liquefaction: no precursor.
    L1,
    /// One piezometer drifts.
    I1,
    /// The GNSS reference station jumps.
    I2,
    /// No communication for 36 hours of a storm.
    I3,
    /// An earthquake of magnitude 5.5.
    E1,
}

impl Scenario {
    /// All of them.
    pub const ALL: [Scenario; 13] = [
        Scenario::N1,
        Scenario::N2,
        Scenario::S1,
        Scenario::S2,
        Scenario::P1,
        Scenario::F1,
        Scenario::F2,
        Scenario::F3,
        Scenario::L1,
        Scenario::I1,
        Scenario::I2,
        Scenario::I3,
        Scenario::E1,
    ];

    /// Length, hours.
    pub fn hours(self) -> f64 {
        match self {
            Scenario::N1 | Scenario::N2 => 365.0 * 24.0,
            Scenario::S1 | Scenario::S2 | Scenario::I3 => 8.0 * 24.0,
            Scenario::P1 | Scenario::F1 | Scenario::F2 => 10.0 * 24.0,
            Scenario::F3 | Scenario::L1 | Scenario::I1 | Scenario::I2 | Scenario::E1 => 10.0 * 24.0,
        }
    }

    /// When it begins, hours after the start: some quiet days first.
    pub fn onset_h(self) -> Option<f64> {
        match self {
            Scenario::N1 | Scenario::N2 => None,
            Scenario::F1 | Scenario::F2 => Some(self.hours() - FAILURE_H),
            Scenario::L1 => Some(self.hours()),
            Scenario::S1 | Scenario::S2 | Scenario::I3 => Some(3.0 * 24.0),
            Scenario::P1 | Scenario::F3 | Scenario::I1 | Scenario::I2 | Scenario::E1 => Some(5.0 * 24.0),
        }
    }

    /// When the dam fails by movement, hours after the start.
    pub fn failure_h(self) -> Option<f64> {
        match self {
            Scenario::F1 | Scenario::F2 | Scenario::L1 => Some(self.hours()),
            Scenario::N1 | Scenario::N2 | Scenario::S1 | Scenario::S2 | Scenario::P1 | Scenario::F3 => None,
            Scenario::I1 | Scenario::I2 | Scenario::I3 | Scenario::E1 => None,
        }
    }
}

/// Hours from the onset to the failure in F1 and F2.
pub const FAILURE_H: f64 = 72.0;

/// What is played.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// What happens.
    pub scenario: Scenario,
    /// Seed of everything random.
    pub seed: u64,
    /// An instrument that misbehaves, besides what the scenario itself does.
    pub fault: Option<InstrumentFault>,
}

/// One measured value on its way. `sent_h` is when it arrives: late data arrive after newer ones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Place of the channel in [`channels`].
    pub channel: usize,
    /// Time stamp, hours after the start.
    pub at_h: f64,
    /// Arrival, hours after the start.
    pub sent_h: f64,
    /// The value; `None` when the instrument did not answer.
    pub value: Option<f64>,
}

/// What is true about a case.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Truth {
    /// What happens.
    pub scenario: Scenario,
    /// Seed.
    pub seed: u64,
    /// When it begins, hours after the start.
    pub onset_h: Option<f64>,
    /// When the dam fails by movement, hours after the start.
    pub failure_h: Option<f64>,
    /// When the water first reaches the crest, hours after the start.
    pub overtopping_h: Option<f64>,
    /// The faulty instrument's channels and the time the fault begins.
    pub fault: Option<FaultTruth>,
    /// Expected level of the pond over time.
    pub expected: Vec<Expected>,
}

/// An instrument's fault, as it is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FaultTruth {
    /// Which.
    pub kind: String,
    /// Ids of the channels.
    pub channels: Vec<String>,
    /// When it begins, hours after the start.
    pub from_h: f64,
}

/// A stretch with a level that must be reached in it and one that must not be passed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Expected {
    /// From, hours.
    pub from_h: f64,
    /// Until, hours.
    pub until_h: f64,
    /// Must be reached.
    pub at_least: &'static str,
    /// Must not be passed.
    pub at_most: &'static str,
}

/// Plays a case: hands every sample to `take` in the order of arrival within each step, and returns the truth.
pub fn play(case: &Case, mut take: impl FnMut(&[Sample])) -> Truth {
    let mut physics = Physics::new(case.scenario, Rng::new(case.seed, 11));
    let mut instruments = Instruments::new(Rng::new(case.seed, 12));
    let mut faults = faults::Faults::new(case, Rng::new(case.seed, 13));
    let steps = (case.scenario.hours() * STEPS_PER_HOUR) as u64;
    let mut overtopping_h = None;
    let mut line = Vec::new();
    for step in 1..=steps {
        let hour = step as f64 / STEPS_PER_HOUR;
        let state = physics.step(hour);
        if overtopping_h.is_none() && state.level_m >= state.crest_m {
            overtopping_h = Some(hour);
        }
        line.clear();
        instruments.read(state, hour, &mut line);
        faults.apply(hour, &mut line);
        take(&line);
    }
    line.clear();
    faults.rest(&mut line);
    if !line.is_empty() {
        take(&line);
    }
    Truth {
        scenario: case.scenario,
        seed: case.seed,
        onset_h: case.scenario.onset_h(),
        failure_h: case.scenario.failure_h(),
        overtopping_h,
        fault: faults.truth(),
        expected: expected(case.scenario, overtopping_h),
    }
}

fn expected(scenario: Scenario, overtopping_h: Option<f64>) -> Vec<Expected> {
    let (end, onset) = (scenario.hours(), scenario.onset_h().unwrap_or(scenario.hours()));
    let quiet = Expected { from_h: 0.0, until_h: onset, at_least: "normal", at_most: "blue" };
    let after = |at_least, at_most| Expected { from_h: onset, until_h: end, at_least, at_most };
    match scenario {
        Scenario::N1 | Scenario::N2 | Scenario::L1 => vec![quiet],
        Scenario::S1 | Scenario::I3 => vec![quiet, after("yellow", "red")],
        Scenario::S2 => {
            let until = overtopping_h.map_or(end, |overtopped| overtopped - 2.0);
            let red = Expected { from_h: onset, until_h: until, at_least: "red", at_most: "red" };
            vec![quiet, red]
        }
        Scenario::P1 => vec![quiet, after("orange", "red")],
        Scenario::F1 => {
            let orange = Expected { from_h: onset, until_h: end - 24.0, at_least: "orange", at_most: "red" };
            vec![quiet, orange]
        }
        Scenario::F2 => vec![quiet, after("yellow", "red")],
        Scenario::F3 => vec![quiet, after("normal", "orange")],
        Scenario::I1 | Scenario::I2 | Scenario::E1 => vec![quiet, after("normal", "orange")],
    }
}

#[cfg(test)]
mod tests;
