//! The parts of a dam file. Plain data with units in the names; what must hold between them is in `check`.

use super::formula::Formula;
use minewatch_domain::{At, PointId};
use serde::{Deserialize, Serialize};

/// A text in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedText {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

/// An instant written as RFC 3339 text, for example `2026-03-01T08:00:00+08:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Instant(pub At);

impl TryFrom<String> for Instant {
    type Error = String;
    fn try_from(text: String) -> Result<Instant, String> {
        let parsed: Result<jiff::Timestamp, _> = text.parse();
        let seen = parsed.map_err(|_| format!("{text:?} is not a time such as 2026-03-01T08:00:00+08:00"))?;
        Ok(Instant(At(seen.as_microsecond())))
    }
}

/// Wet pond or dry stack; decides which items GB 39496-2020 5.5 asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DamKind {
    /// Slurry with a pond (湿排).
    Wet,
    /// Filtered tailings (干堆).
    Dry,
}

/// How the dam is raised; decides the least dry beach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Construction {
    /// Upstream (上游式).
    Upstream,
    /// Centre-line (中线式).
    Centreline,
    /// Downstream (下游式).
    Downstream,
}

/// GISTM consequence classification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are the standard's")]
pub enum Consequence {
    Low,
    Significant,
    High,
    VeryHigh,
    Extreme,
}

/// The dam.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dam {
    /// Slug, the subject of the pond's alarm.
    pub id: PointId,
    /// Name for people.
    pub name: NamedText,
    /// Wet pond or dry stack.
    pub kind: DamKind,
    /// How it is raised.
    pub construction: Construction,
    /// Class by GB 39496-2020, 1 (一等) to 5 (五等).
    pub class: u8,
    /// Full height, m.
    pub height_m: f64,
    /// Full storage, 10⁴ m³, where known; then the class is checked against both.
    pub storage_1e4_m3: Option<f64>,
    /// GISTM consequence classification.
    pub consequence: Consequence,
    /// Local time, hours east of UTC; days of rain begin by it.
    #[serde(default = "china_h")]
    pub utc_offset_h: f64,
    /// Who signs the numbers of this file.
    pub owner: String,
}

fn china_h() -> f64 {
    8.0
}

/// Heights and slopes, m above the site datum.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Geometry {
    /// Lowest crest.
    pub crest_m: f64,
    /// Design flood level.
    pub design_flood_level_m: Option<f64>,
    /// Rise of the pond in the design flood above the level it begins at, by the designer's flood routing.
    pub flood_rise_m: Option<f64>,
    /// The beach from the crest down; the last segment has no end.
    #[serde(default)]
    pub beach: Vec<BeachSegment>,
    /// Who signs these numbers, where it is not the dam's owner.
    pub owner: Option<String>,
    /// Where they are written.
    pub source: String,
}

/// A stretch of beach of one slope.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BeachSegment {
    /// Slope, percent.
    pub slope_percent: f64,
    /// The height at which the next segment begins, m; absent for the last.
    pub down_to_m: Option<f64>,
}

/// A cross-section with its piezometers.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Section {
    /// Slug.
    pub id: PointId,
    /// Name for people.
    pub name: NamedText,
    /// The impervious base heads are measured from, m.
    pub base_m: f64,
    /// Ground profile, `[x downstream of the crest, height]` in m, x increasing.
    pub surface: Vec<[f64; 2]>,
    /// Piezometers, x increasing.
    pub piezometers: Vec<SectionPiezometer>,
}

/// A piezometer in a section.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SectionPiezometer {
    /// The point of its piezometric level, m.
    pub point: PointId,
    /// Distance downstream of the crest, m.
    pub x_m: f64,
}

/// One calibration record. Records are never edited: a correction is a further record, so that what was
/// known at any time stays provable.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// The instrument, as formulas name it.
    pub instrument: String,
    /// 1, 2, 3 … per instrument.
    pub version: u32,
    /// When the record became known.
    pub recorded: Instant,
    /// From when its values hold; may lie before `recorded`.
    pub effective_from: Instant,
    /// Who calibrated.
    pub by: String,
    /// Certificate or survey report.
    pub source: String,
    /// The values.
    pub values: CalibrationValues,
}

/// Values of a calibration, by kind of instrument.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum CalibrationValues {
    /// Thermistor by Steinhart–Hart.
    Thermistor {
        /// A.
        a: f64,
        /// B.
        b: f64,
        /// C.
        c: f64,
    },
    /// Vibrating-wire piezometer, linear.
    Vw {
        /// Gauge factor G, kPa per digit.
        g_kpa_per_digit: f64,
        /// Zero reading R0, digits.
        r0_digits: f64,
        /// Thermal factor K, kPa per ℃.
        k_kpa_per_c: f64,
        /// Temperature at R0, ℃.
        t0_c: f64,
        /// Barometric pressure at R0, kPa.
        s0_kpa: f64,
        /// Vented to the atmosphere: then no barometric correction applies.
        vented: bool,
    },
    /// Height of a piezometer's tip, m above the site datum.
    Tip {
        /// Height, m.
        tip_m: f64,
    },
    /// Weir: the gauge reading at zero head.
    Weir {
        /// Gauge reading at zero head, m.
        zero_m: f64,
    },
    /// Regression of a head or seepage on lagged level and rain; terms as in `hst::regression`.
    Regression {
        /// Day that time is counted from.
        origin: Instant,
        /// Memory of the level, days.
        level_lag_d: f64,
        /// Memory of rain, days.
        rain_lag_d: f64,
        /// a0, a1 (level), a2 (rain), b1 to b4 (season), c1, c2 (time).
        coefficients: [f64; 9],
        /// Half width of the band of a new value.
        band: f64,
        /// Lowest and highest lagged level of the record, m.
        levels_m: [f64; 2],
    },
}

/// A computed point.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Derived {
    /// The point it makes; unique in the gateway.
    pub point: PointId,
    /// Name for people.
    pub name: NamedText,
    /// Unit of the value.
    pub unit: String,
    /// How it is computed, and from what.
    pub formula: Formula,
    /// An auxiliary input older than this is missing, s.
    #[serde(default = "hour_s")]
    pub input_age_max_s: u64,
    /// A change up to this size need not be recorded before the keep-alive.
    #[serde(default)]
    pub deadband: f64,
    /// Longest silence in the ledger while the value is quiet, s.
    #[serde(default = "minute_s")]
    pub keep_alive_s: u64,
}

fn hour_s() -> u64 {
    3_600
}

fn minute_s() -> u64 {
    60
}
