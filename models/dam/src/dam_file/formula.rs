//! How computed points are computed, as written in the dam file. The functions are in `derived`.

use super::DamFile;
use super::signs::{PipingSigns, Regression, RegressionOutput};
use crate::threshold::RateState;
use minewatch_domain::PointId;
use serde::Deserialize;

/// A formula and its inputs. The first input named is the one whose samples trigger it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Formula {
    /// ℃ from a thermistor's resistance, Ω.
    Thermistor(Thermistor),
    /// Pore pressure, kPa, from a vibrating wire.
    VwPressure(VwPressure),
    /// Piezometric level, m, from a pore pressure in kPa.
    PiezometricLevel(Pressure),
    /// Level of an open well, m, freed of the barometer.
    OpenWell(OpenWell),
    /// Seepage, L/s, from the head over a 90° V-notch.
    VNotch(Weir),
    /// Length of dry beach, m, from the pond level.
    DryBeach(PondLevel),
    /// Crest above the pond level of now, m.
    FreeboardNow(PondLevel),
    /// Crest above the level the design flood would reach, m.
    FreeboardFlood(PondLevel),
    /// Least depth of the phreatic line below ground in a section, m.
    BurialDepth(Burial),
    /// Displacement from north, east and up, mm.
    Displacement(Displacement),
    /// Movement relative to a stable reference.
    Relative(Relative),
    /// Robust rate (Theil–Sen), unit per day.
    Rate(Rate),
    /// Change of the robust rate between two halves of a window, unit per day².
    Acceleration(Rate),
    /// Improved tangent angle, degrees, from a cumulative displacement.
    TangentAngle(TangentAngle),
    /// Antecedent precipitation index, mm, from a rain counter.
    AntecedentRain(AntecedentRain),
    /// Rain of the last hours, mm, from a rain counter.
    RainWindow(RainWindow),
    /// Mean intensity of the running rain event over its threshold (1 = at the threshold).
    IntensityDuration(RainCurve),
    /// Factor of safety from the designer's table of phreatic level and pond level.
    StabilityTable(StabilityTable),
    /// Infinite-slope surrogate from the depth of water; never a design factor of safety.
    InfiniteSlope(InfiniteSlope),
    /// Against a regression on lagged level and lagged rain (HST): expected value, residual, or how many in
    /// a row were outside its band.
    Regression(Regression),
    /// Signs of piping: 1 when seepage rises and is turbid under a pond that does not rise, 2 when a
    /// piezometer near it falls too, else 0.
    PipingSigns(PipingSigns),
}

impl Formula {
    /// Every point it reads, the one that triggers it first.
    pub fn inputs(&self, file: &DamFile) -> Vec<PointId> {
        match self {
            Formula::Thermistor(f) => vec![f.input.clone()],
            Formula::VwPressure(f) => {
                [Some(&f.input), f.temperature.as_ref(), f.barometer.as_ref()].into_iter().flatten().cloned().collect()
            }
            Formula::PiezometricLevel(f) => vec![f.input.clone()],
            Formula::OpenWell(f) => vec![f.input.clone(), f.barometer.clone()],
            Formula::VNotch(f) => vec![f.input.clone()],
            Formula::DryBeach(f) | Formula::FreeboardNow(f) | Formula::FreeboardFlood(f) => vec![f.input.clone()],
            Formula::BurialDepth(f) => {
                let section = file.sections.iter().find(|section| section.id == f.section);
                let points = section.into_iter().flat_map(|section| &section.piezometers).map(|p| p.point.clone());
                points.filter(|point| f.at.as_ref().is_none_or(|at| at == point)).collect()
            }
            Formula::Displacement(f) => vec![f.north.clone(), f.east.clone(), f.up.clone()],
            Formula::Relative(f) => vec![f.input.clone(), f.reference.clone()],
            Formula::Rate(f) | Formula::Acceleration(f) => vec![f.input.clone()],
            Formula::TangentAngle(f) => vec![f.input.clone()],
            Formula::AntecedentRain(f) => vec![f.input.clone()],
            Formula::RainWindow(f) => vec![f.input.clone()],
            Formula::IntensityDuration(f) => vec![f.input.clone()],
            Formula::StabilityTable(f) => vec![f.input.clone(), f.level.clone()],
            Formula::InfiniteSlope(f) => vec![f.input.clone()],
            Formula::Regression(f) => f.inputs(),
            Formula::PipingSigns(f) => f.inputs(),
        }
    }

    /// How often a formula over a window gives a value, s; `None` for those that answer every sample.
    pub fn slot_s(&self) -> Option<u64> {
        let slot = |window_h: f64| Some((window_h * 3_600.0 / RateState::SAMPLES_MAX as f64).ceil() as u64);
        match self {
            Formula::Rate(f) | Formula::Acceleration(f) => slot(f.window_h),
            Formula::TangentAngle(f) => slot(f.window_h),
            Formula::PipingSigns(f) => slot(f.window_h),
            Formula::Regression(f) => Some((f.every_h * 3_600.0).ceil() as u64),
            Formula::Thermistor(_)
            | Formula::VwPressure(_)
            | Formula::PiezometricLevel(_)
            | Formula::OpenWell(_)
            | Formula::VNotch(_)
            | Formula::DryBeach(_)
            | Formula::FreeboardNow(_)
            | Formula::FreeboardFlood(_)
            | Formula::BurialDepth(_)
            | Formula::Displacement(_)
            | Formula::Relative(_)
            | Formula::AntecedentRain(_)
            | Formula::RainWindow(_)
            | Formula::IntensityDuration(_)
            | Formula::StabilityTable(_)
            | Formula::InfiniteSlope(_) => None,
        }
    }

    /// Inputs whose unit the formula fixes, with that unit.
    pub fn input_units(&self) -> Vec<(PointId, &'static str)> {
        match self {
            Formula::Thermistor(f) => vec![(f.input.clone(), "Ω")],
            Formula::VwPressure(f) => {
                let temperature = f.temperature.clone().map(|point| (point, "℃"));
                temperature.into_iter().chain(f.barometer.clone().map(|point| (point, "hPa"))).collect()
            }
            Formula::PiezometricLevel(f) => vec![(f.input.clone(), "kPa")],
            Formula::OpenWell(f) => vec![(f.input.clone(), "m"), (f.barometer.clone(), "hPa")],
            Formula::VNotch(f) => vec![(f.input.clone(), "m")],
            Formula::DryBeach(f) | Formula::FreeboardNow(f) | Formula::FreeboardFlood(f) => {
                vec![(f.input.clone(), "m")]
            }
            Formula::Displacement(f) => [&f.north, &f.east, &f.up].map(|point| (point.clone(), "mm")).to_vec(),
            Formula::TangentAngle(f) => vec![(f.input.clone(), "mm")],
            Formula::AntecedentRain(f) => vec![(f.input.clone(), "mm")],
            Formula::RainWindow(f) => vec![(f.input.clone(), "mm")],
            Formula::IntensityDuration(f) => vec![(f.input.clone(), "mm")],
            Formula::StabilityTable(f) => vec![(f.input.clone(), "m"), (f.level.clone(), "m")],
            Formula::InfiniteSlope(f) => vec![(f.input.clone(), "m")],
            Formula::Regression(f) => vec![(f.level.clone(), "m"), (f.rain.clone(), "mm")],
            Formula::PipingSigns(f) => {
                let piezometer = f.piezometer.clone().map(|point| (point, "m"));
                let first = [(f.input.clone(), "L/s"), (f.turbidity.clone(), "NTU"), (f.level.clone(), "m")];
                first.into_iter().chain(piezometer).collect()
            }
            Formula::BurialDepth(_) | Formula::Relative(_) | Formula::Rate(_) | Formula::Acceleration(_) => Vec::new(),
        }
    }

    /// The unit it gives, where that does not depend on its input.
    pub fn unit(&self) -> Option<&'static str> {
        match self {
            Formula::Thermistor(_) => Some("℃"),
            Formula::VwPressure(_) => Some("kPa"),
            Formula::PiezometricLevel(_) | Formula::OpenWell(_) | Formula::DryBeach(_) => Some("m"),
            Formula::FreeboardNow(_) | Formula::FreeboardFlood(_) | Formula::BurialDepth(_) => Some("m"),
            Formula::VNotch(_) => Some("L/s"),
            Formula::Displacement(f) => Some(match f.output {
                DisplacementOutput::Azimuth | DisplacementOutput::Plunge => "°",
                DisplacementOutput::Horizontal | DisplacementOutput::Total | DisplacementOutput::Along { .. } => "mm",
            }),
            Formula::TangentAngle(_) => Some("°"),
            Formula::AntecedentRain(_) | Formula::RainWindow(_) => Some("mm"),
            Formula::IntensityDuration(_) | Formula::StabilityTable(_) | Formula::InfiniteSlope(_) => Some("1"),
            Formula::PipingSigns(_) => Some("1"),
            Formula::Regression(f) => (f.output == RegressionOutput::Outside).then_some("1"),
            Formula::Relative(_) | Formula::Rate(_) | Formula::Acceleration(_) => None,
        }
    }
}

/// See [`Formula::Thermistor`].
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thermistor {
    /// Resistance, Ω.
    pub input: PointId,
    /// Instrument of its calibration records.
    pub calibration: String,
}

/// See [`Formula::VwPressure`].
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VwPressure {
    /// Reading, digits (f²/1000), or Hz with `hertz`.
    pub input: PointId,
    /// The input is a frequency in Hz.
    #[serde(default)]
    pub hertz: bool,
    /// Temperature at the tip, ℃; required unless K is 0.
    pub temperature: Option<PointId>,
    /// Barometer, hPa; required for a sealed instrument.
    pub barometer: Option<PointId>,
    /// Instrument of its calibration records.
    pub calibration: String,
}

/// See [`Formula::PiezometricLevel`].
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pressure {
    /// Pore pressure, kPa.
    pub input: PointId,
    /// Instrument whose records give the tip's height.
    pub calibration: String,
}

/// See [`Formula::OpenWell`].
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenWell {
    /// Level, m.
    pub input: PointId,
    /// Barometer, hPa.
    pub barometer: PointId,
    /// Barometric efficiency, 0 to 1 (Clark 1967).
    pub efficiency: f64,
    /// Barometric pressure the level is referred to, hPa.
    pub reference_hpa: f64,
}

/// See [`Formula::VNotch`].
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weir {
    /// Gauge reading, m.
    pub input: PointId,
    /// Instrument whose records give the reading at zero head; absent: the reading is the head.
    pub calibration: Option<String>,
}

/// A formula of the pond level alone.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PondLevel {
    /// Pond level, m.
    pub input: PointId,
}

/// See [`Formula::BurialDepth`].
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Burial {
    /// The section.
    pub section: PointId,
    /// Only at this piezometer of the section; absent: the least between the first and the last.
    pub at: Option<PointId>,
}

/// See [`Formula::Displacement`].
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Displacement {
    /// North, mm.
    pub north: PointId,
    /// East, mm.
    pub east: PointId,
    /// Up, mm.
    pub up: PointId,
    /// Which number of the vector.
    pub output: DisplacementOutput,
}

/// Which number of a displacement vector.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisplacementOutput {
    /// Horizontal length, mm.
    Horizontal,
    /// Length in space, mm.
    Total,
    /// Azimuth from north over east, degrees 0 to 360.
    Azimuth,
    /// Angle below the horizon is negative, degrees.
    Plunge,
    /// Along an azimuth, mm.
    Along {
        /// Azimuth, degrees.
        azimuth_deg: f64,
    },
}

/// See [`Formula::Relative`].
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Relative {
    /// The moving point.
    pub input: PointId,
    /// The stable one.
    pub reference: PointId,
}

/// See [`Formula::Rate`] and [`Formula::Acceleration`].
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// The quantity.
    pub input: PointId,
    /// Window, hours.
    pub window_h: f64,
}

/// See [`Formula::TangentAngle`].
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TangentAngle {
    /// Cumulative displacement, mm.
    pub input: PointId,
    /// Rate of steady creep, mm per day.
    pub v0_mm_per_d: f64,
    /// Window, hours.
    pub window_h: f64,
}

/// See [`Formula::AntecedentRain`].
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AntecedentRain {
    /// Rain since the start, mm, rising.
    pub input: PointId,
    /// What is left of the index after a day, 0 to 1.
    pub daily_factor: f64,
}

/// See [`Formula::RainWindow`].
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RainWindow {
    /// Rain since the start, mm, rising.
    pub input: PointId,
    /// Hours looked back.
    pub hours: f64,
}

/// See [`Formula::IntensityDuration`].
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RainCurve {
    /// Rain since the start, mm, rising.
    pub input: PointId,
    /// Threshold I = factor · D^-exponent, mm/h and h. Caine 1980: 14.82 and 0.39.
    pub factor: f64,
    /// Exponent, positive.
    pub exponent: f64,
    /// Dry hours that end an event.
    pub dry_h: f64,
}

/// See [`Formula::StabilityTable`].
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StabilityTable {
    /// Phreatic level of the governing piezometer, m.
    pub input: PointId,
    /// Pond level, m.
    pub level: PointId,
    /// Phreatic levels of the rows, m, increasing.
    pub phreatic_m: Vec<f64>,
    /// Pond levels of the columns, m, increasing.
    pub level_m: Vec<f64>,
    /// Factors of safety, one row per phreatic level.
    pub factor: Vec<Vec<f64>>,
}

/// See [`Formula::InfiniteSlope`].
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InfiniteSlope {
    /// Depth of water below ground, m.
    pub input: PointId,
    /// Cohesion, kPa.
    pub cohesion_kpa: f64,
    /// Unit weight, kN/m³.
    pub weight_kn_m3: f64,
    /// Depth of the slip surface, m.
    pub depth_m: f64,
    /// Friction angle, degrees.
    pub friction_deg: f64,
    /// Slope, rise over run.
    pub slope: f64,
}
