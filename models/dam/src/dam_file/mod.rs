//! The dam file: what the designer signed about one dam, as data. TOML text in, a checked [`DamFile`]
//! out; the format is described in `firmware-configs/README.md`.
//!
//! Invariant: every problem of a file is reported at once, each with where, what and why, and unknown
//! keys are refused; a [`DamFile`] that exists has passed [`check`]. Every number has an owner.
//! Deliberately absent: reading files, and how a dam is judged (`model`).

mod check;
mod checks;
mod formula;
mod parse;
mod rules;
mod signs;
#[cfg(test)]
mod tests;
mod types;

pub use checks::{Check, CommonMode, Cusum, Drift, Ewma, HampelCheck, Manual, Still};
pub use formula::{
    AntecedentRain, Burial, Displacement, DisplacementOutput, Formula, InfiniteSlope, OpenWell, PondLevel, Pressure,
    RainCurve, RainWindow, Rate, Relative, StabilityTable, TangentAngle, Thermistor, VwPressure, Weir,
};
pub use rules::{
    Carry, Condition, Escalation, Forecast, Hazard, HazardKind, Item, ItemKind, Limits, PointRule, Sampling, Standard,
    Tarp,
};
pub use signs::{PipingSigns, Regression, RegressionOutput};
pub use types::{
    BeachSegment, Calibration, CalibrationValues, Consequence, Construction, Dam, DamKind, Derived, Geometry, Instant,
    NamedText, Section, SectionPiezometer,
};

use std::fmt;

/// One thing that is wrong with a dam file: where, what and why, in one line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DamProblem {
    /// The place, for example `demo-dam.toml: item[2] "phreatic"`.
    pub place: String,
    /// What is wrong and why.
    pub what: String,
}

impl fmt::Display for DamProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// A checked dam file.
#[derive(Debug, Clone, PartialEq)]
pub struct DamFile {
    /// The designer's revision label, for example `2026-11`.
    pub version: String,
    /// The OMS or monitoring-design document the numbers come from (GISTM, GB 51108).
    pub document: String,
    /// The dam.
    pub dam: Dam,
    /// Its heights and slopes.
    pub geometry: Geometry,
    /// Cross-sections with piezometers.
    pub sections: Vec<Section>,
    /// Calibration records, superseded ones included.
    pub calibrations: Vec<Calibration>,
    /// Computed points.
    pub derived: Vec<Derived>,
    /// Data validation per point.
    pub checks: Vec<Check>,
    /// Stations that share a reference or an atmosphere.
    pub common_mode: Vec<CommonMode>,
    /// Monitored items with the rules of their points.
    pub items: Vec<Item>,
    /// How levels add up.
    pub escalation: Escalation,
    /// Conditions of 重大事故隐患.
    pub hazards: Vec<Hazard>,
    /// What is to be done at each level.
    pub tarps: Vec<Tarp>,
    /// When the gateway samples faster.
    pub sampling: Sampling,
    /// Movements whose failure time is forecast.
    pub forecasts: Vec<Forecast>,
}

impl DamFile {
    /// Largest file accepted, 4 MiB: a dam of 10,000 points stays below it.
    pub const BYTES_MAX: usize = 4 << 20;
    /// Most computed points; each costs memory and time at every sample of its inputs.
    pub const DERIVED_MAX: usize = 10_000;
    /// Most point rules.
    pub const RULES_MAX: usize = 20_000;
    /// Most forecasts: each costs some ten milliseconds whenever it is made.
    pub const FORECASTS_MAX: usize = 32;
    /// Most entries of any other list; a longer one is a mistake.
    pub const LIST_MAX: usize = 2_000;

    /// Parses and checks a file; `name` stands in the problems.
    ///
    /// # Errors
    /// Every problem at once.
    pub fn parse(name: &str, text: &str) -> Result<DamFile, Vec<DamProblem>> {
        let (file, mut problems) = parse::read(name, text);
        if let Some(file) = &file {
            check::check(name, file, &mut problems);
        }
        match file {
            Some(file) if problems.is_empty() => Ok(file),
            Some(_) | None => Err(problems),
        }
    }
}
