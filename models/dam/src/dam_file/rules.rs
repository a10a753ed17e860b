//! Items, limits, hazards and what is done about them, as written in the dam file.

use super::NamedText;
use minewatch_domain::{Level, LevelLimits, PointId};
use serde::{Deserialize, Serialize};

/// Limits of one side; absent levels are not used.
#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Blue.
    pub blue: Option<f64>,
    /// Yellow.
    pub yellow: Option<f64>,
    /// Orange.
    pub orange: Option<f64>,
    /// Red.
    pub red: Option<f64>,
}

impl From<Limits> for LevelLimits {
    fn from(limits: Limits) -> LevelLimits {
        LevelLimits { blue: limits.blue, yellow: limits.yellow, orange: limits.orange, red: limits.red }
    }
}

/// What an item is about; names as in GB 39496-2020 5.5 and GB 51108-2015.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemKind {
    /// 表面位移.
    SurfaceDisplacement,
    /// 内部位移.
    InternalDisplacement,
    /// 浸润线.
    Phreatic,
    /// 孔隙水压力.
    PorePressure,
    /// 渗流量.
    Seepage,
    /// 浑浊度.
    Turbidity,
    /// 干滩.
    Beach,
    /// 安全超高.
    Freeboard,
    /// 库水位.
    PondLevel,
    /// 降雨量.
    Rain,
    /// 库区岸坡.
    BankSlide,
    /// 稳定性 (surrogate or the designer's table).
    Stability,
    /// Whatever else the designer watches.
    Other,
}

/// A monitored item: points that are counted together (GB 39496-2020 5.5.4).
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// Slug, the subject of its alarm.
    pub id: PointId,
    /// What it is about.
    pub kind: ItemKind,
    /// Name for people.
    pub name: NamedText,
    /// Rules of its points.
    #[serde(rename = "rule")]
    pub rules: Vec<PointRule>,
}

/// A limit that a standard gives for the dam's class, where the designer gives none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standard {
    /// Least freeboard of the class: red (GB 50863-2013 table 4.2.1, from memory).
    Freeboard,
    /// Least dry beach of the class: red (GB 50863-2013 tables 4.2.1 and 4.2.2, from memory).
    Beach,
    /// Least burial depth of the phreatic line: red, and orange at 1.1 times it (GB 51108-2015 8.3.4).
    PhreaticDepth,
    /// 24 h rain of 50 mm: yellow (GB 51108-2015; CMA classes).
    Rain24h,
    /// Orange at 80 % of the red displacement (GB 51108-2015 8.3.8).
    BankDisplacement,
}

/// How one point is judged.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PointRule {
    /// The point, measured or computed.
    pub point: PointId,
    /// At or above.
    #[serde(default)]
    pub high: Limits,
    /// At or below.
    #[serde(default)]
    pub low: Limits,
    /// Rising by this much per hour.
    #[serde(default)]
    pub rising_per_h: Limits,
    /// Falling by this much per hour; positive.
    #[serde(default)]
    pub falling_per_h: Limits,
    /// Window of the rate, minutes; at least twice the sampling period times the least samples.
    pub rate_window_min: Option<u64>,
    /// Fill limits that are absent from a standard.
    pub standard: Option<Standard>,
    /// How far past a limit clears it, in the point's unit.
    #[serde(default)]
    pub hysteresis: f64,
    /// The same for rates, per hour.
    #[serde(default)]
    pub rate_hysteresis_per_h: f64,
    /// How long a limit must be met, s.
    #[serde(default)]
    pub on_delay_s: u64,
    /// How long a value must be proven clear, s.
    #[serde(default)]
    pub off_delay_s: u64,
    /// Who signs these limits, where it is not the dam's owner.
    pub owner: Option<String>,
    /// Where they are written; required where limits are given.
    pub source: Option<String>,
}

/// What a level of many is worth one step up; GB 39496-2020 5.5.4 by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Escalation {
    /// This many blue make one yellow.
    #[serde(default = "four")]
    pub blue_to_yellow: u32,
    /// This many yellow make one orange.
    #[serde(default = "three")]
    pub yellow_to_orange: u32,
    /// This many orange make one red.
    #[serde(default = "two")]
    pub orange_to_red: u32,
    /// Whether a level won by counting counts itself (decision 0013).
    #[serde(default)]
    pub carry: Carry,
}

fn four() -> u32 {
    4
}

fn three() -> u32 {
    3
}

fn two() -> u32 {
    2
}

impl Default for Escalation {
    fn default() -> Escalation {
        Escalation { blue_to_yellow: 4, yellow_to_orange: 3, orange_to_red: 2, carry: Carry::Literal }
    }
}

/// The reading of the second clause of 5.5.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Carry {
    /// A level won by counting counts as one of its kind in the next count: YY + BBBB is orange.
    #[default]
    Literal,
    /// Only levels that points themselves have are counted: YY + BBBB is yellow.
    OwnLevels,
}

/// 重大事故隐患: four signs that are flags of their own, not only alarms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HazardKind {
    /// 浸润线埋深小于控制浸润线埋深.
    PhreaticDepth,
    /// 安全超高和干滩长度均小于设计值.
    FreeboardAndBeach,
    /// 坝体抬升速率大于设计值.
    RiseRate,
    /// 管涌、流土等渗透变形.
    Piping,
    /// 深层滑动迹象.
    DeepSlide,
}

/// A major hazard: all its conditions hold together. Several entries of one kind are alternatives.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hazard {
    /// Slug, the subject of its alarm.
    pub id: PointId,
    /// Which sign.
    pub kind: HazardKind,
    /// Conditions, all of which must hold.
    pub all: Vec<Condition>,
    /// Where the limits are written.
    pub source: String,
}

/// One condition of a hazard.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// The point.
    pub point: PointId,
    /// Holds at or above this.
    pub at_least: Option<f64>,
    /// Holds at or below this.
    pub at_most: Option<f64>,
    /// How far past the limit ends it.
    #[serde(default)]
    pub hysteresis: f64,
}

/// Trigger action response plan of one level.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tarp {
    /// The level it answers.
    pub level: Level,
    /// Only for this item; else for the pond and every item without its own.
    pub item: Option<PointId>,
    /// What triggers it.
    pub trigger: NamedText,
    /// What is to be collected.
    #[serde(default)]
    pub evidence: Vec<NamedText>,
    /// Who acts.
    pub owner: NamedText,
    /// What is done.
    pub checklist: Vec<NamedText>,
    /// Acknowledge within, minutes.
    pub acknowledge_min: u32,
    /// Be on the spot within, minutes.
    pub check_min: u32,
    /// When it may end.
    pub stand_down: NamedText,
}

/// A track of movement whose failure time is forecast (inverse velocity); it changes no level.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Forecast {
    /// Displacement along the movement, mm; measured or computed.
    pub point: PointId,
    /// A stable point whose movement is taken off as common.
    pub reference: Option<PointId>,
    /// How far back it looks, days.
    #[serde(default = "month_d")]
    pub window_d: f64,
    /// How often it is made, minutes.
    #[serde(default = "hour_min")]
    pub every_min: u64,
}

fn month_d() -> f64 {
    30.0
}

fn hour_min() -> u64 {
    60
}

/// When the gateway samples faster (GB 51108-2015 4.5.4).
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sampling {
    /// From this level of an item on, its points are sampled faster.
    pub abnormal_from: Level,
    /// At least this often then, s.
    pub abnormal_period_s: u64,
}

impl Default for Sampling {
    fn default() -> Sampling {
        Sampling { abnormal_from: Level::Yellow, abnormal_period_s: 600 }
    }
}
