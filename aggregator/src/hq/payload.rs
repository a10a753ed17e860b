//! What headquarters messages carry, as types: the JSON Schemas and the AsyncAPI document are made
//! from these, and every message is checked against them in the tests.
//!
//! Version 1, additive only: a field may be added if it is optional; anything else is a new type
//! `...V2` and a new `v2` root beside this one. Words whose list may grow (kinds, reasons, states of a
//! case) are texts with their known values in the description, so that a receiver does not break.

use minewatch_domain::{Level, LevelLimits, Quality};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// A text that is borrowed when it is written.
pub type Text<'a> = Cow<'a, str>;

/// Warning level of GB 39496-2020, mildest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LevelV1 {
    /// No warning (正常).
    Normal,
    /// 蓝色预警.
    Blue,
    /// 黄色预警.
    Yellow,
    /// 橙色预警.
    Orange,
    /// 红色预警.
    Red,
}

impl From<Level> for LevelV1 {
    fn from(level: Level) -> LevelV1 {
        match level {
            Level::Normal => LevelV1::Normal,
            Level::Blue => LevelV1::Blue,
            Level::Yellow => LevelV1::Yellow,
            Level::Orange => LevelV1::Orange,
            Level::Red => LevelV1::Red,
        }
    }
}

/// Trust in a value. A bad value is no measurement and never means "safe".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum QualityV1 {
    /// Usable.
    Good,
    /// Usable with care.
    Uncertain,
    /// Not a measurement.
    Bad,
}

impl From<Quality> for QualityV1 {
    fn from(quality: Quality) -> QualityV1 {
        match quality {
            Quality::Good => QualityV1::Good,
            Quality::Uncertain => QualityV1::Uncertain,
            Quality::Bad => QualityV1::Bad,
        }
    }
}

/// Newest value of a point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PointValueV1<'a> {
    /// Gateway id.
    pub gateway: Text<'a>,
    /// Point id, unique within its gateway.
    pub point: Text<'a>,
    /// In `unit`; null when there is none to show (quality is then bad).
    pub value: Option<f64>,
    /// Unit symbol, for example m, kPa, L/s.
    pub unit: Option<Text<'a>>,
    /// Trust.
    pub quality: QualityV1,
    /// Why not simply good: none, out_of_range, rate_of_change, spike, stuck, stale, sentinel, status_bit,
    /// timeout, modbus_exception, link_down, decode_fault, clock_step, not_finite, desync; more may come.
    pub reason: Text<'a>,
    /// Source time: when the instrument answered. RFC 3339, UTC, milliseconds.
    pub at: Text<'a>,
    /// The same in microseconds since 1970.
    pub at_us: i64,
    /// When it reached headquarters.
    pub ingested_at: Text<'a>,
    /// Rises per point; a repeat has the same.
    pub sequence: i64,
}

/// New values of a gateway's points in one message, as one commit of the store brought them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PointValuesV1<'a> {
    /// Gateway id.
    pub gateway: Text<'a>,
    /// When the newest of them reached headquarters.
    pub ingested_at: Text<'a>,
    /// At most 64, each point once; more values of the same commit come in further messages.
    pub values: Vec<ValueV1<'a>>,
}

/// One of many values. Unit and names are in the point's descriptor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ValueV1<'a> {
    /// Point id, unique within its gateway.
    pub point: Text<'a>,
    /// In the point's unit; null when there is none to show (quality is then bad).
    pub value: Option<f64>,
    /// Trust.
    pub quality: QualityV1,
    /// Why not simply good, as in `point.value`.
    pub reason: Text<'a>,
    /// Source time in microseconds since 1970.
    pub at_us: i64,
}

/// One transition of an alarm (`event`), or its current state (`state`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AlarmV1<'a> {
    /// Gateway id.
    pub gateway: Text<'a>,
    /// Alarm id, stable, unique within its gateway.
    pub alarm: Text<'a>,
    /// Rises by one with every transition; the highest is the state.
    pub revision: u64,
    /// The revision.
    pub sequence: u64,
    /// threshold, rate, device_down, siren_readback, link_down, spool, clock, item, pond, fall,
    /// camera_health; more may come.
    pub kind: Text<'a>,
    /// The point, where there is one.
    pub point: Option<Text<'a>>,
    /// The level entered; normal means that the condition has gone.
    pub level: LevelV1,
    /// The level left.
    pub from_level: LevelV1,
    /// When it was decided, in site time. RFC 3339, UTC, milliseconds.
    pub at: Text<'a>,
    /// When it reached headquarters.
    pub ingested_at: Text<'a>,
    /// The value that tipped it, in the point's unit (per hour for rates).
    pub value: Option<f64>,
    /// The limit it was held against.
    pub limit: Option<f64>,
    /// The rule and its version.
    pub rule: Text<'a>,
    /// The step that tipped it, in English.
    pub why: Text<'a>,
    /// How the level came about, for computed alarms: JSON as text, at most 16 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Text<'a>>,
    /// What people and time did to it; only in `state`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handling: Option<HandlingV1<'a>>,
}

/// The current state of a case: the documented closed loop over alarms. People are ids, never names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CaseStateV1<'a> {
    /// Case id.
    pub case: Text<'a>,
    /// Rises with every step.
    pub revision: u64,
    /// The revision.
    pub sequence: u64,
    /// raised, pushed, acknowledged, assigned, rectifying, submitted, verified, closed, reopened,
    /// false_positive, suppressed; more may come.
    pub state: Text<'a>,
    /// Worst level of its alarms in this round.
    pub level: LevelV1,
    /// dam, fall, link, credit, procurement, treasury, legal, system; more may come.
    pub domain: Text<'a>,
    /// Place in the organisation: group/company/mine/facility.
    pub org: Text<'a>,
    /// What it is about.
    pub title: NameV1<'a>,
    /// Rises when it is opened again and when a worse alarm joins.
    pub round: u64,
    /// Rungs of the escalation taken after the first call.
    pub escalated: u64,
    /// A deadline of the present state was missed.
    pub overdue: bool,
    /// Id of the person who handles it.
    pub handler: Option<Text<'a>>,
    /// When it was first raised.
    pub raised_at: Text<'a>,
    /// When it last changed.
    pub changed_at: Text<'a>,
    /// When the next step is due.
    pub due_at: Option<Text<'a>>,
}

/// What people and time did to an alarm, beside its process (ISA-18.2, IEC 62682). People are ids.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HandlingV1<'a> {
    /// NORM, UNACK, ACKED, RTNUN, SHLVD, DSUPR or OOSRV.
    pub isa: Text<'a>,
    /// normal, active, latched or returned.
    pub process: Text<'a>,
    /// Level shown: of a latched or returned alarm the worst it had.
    pub level: Text<'a>,
    /// Somebody acknowledged it.
    pub acked: bool,
    /// Who.
    pub acked_by: Option<Text<'a>>,
    /// When.
    pub acked_at: Option<Text<'a>>,
    /// Sound is off until the next rise.
    pub silenced: bool,
    /// Shelved, suppressed by design, or out of service.
    pub kept_back: Option<HeldV1<'a>>,
    /// Rises with every change of any axis.
    pub version: i64,
    /// The alarm that explains this one, for example a lost link.
    pub inhibited_by: Option<Text<'a>>,
    /// Its case.
    pub case: Option<Text<'a>>,
}

/// Why an alarm is kept back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HeldV1<'a> {
    /// shelved, by_design or out_of_service.
    pub how: Text<'a>,
    /// Who did it.
    pub by: Text<'a>,
    /// Who agreed, where two are needed.
    pub second: Option<Text<'a>>,
    /// Reason, rule or work order.
    pub why: Text<'a>,
    /// Since when.
    pub since: Text<'a>,
    /// Until when; then it returns by itself.
    pub until: Option<Text<'a>>,
    /// Worst level it is kept back for.
    pub level_max: Text<'a>,
}

/// Presence of a gateway as headquarters sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GatewayStatusV1<'a> {
    /// Gateway id.
    pub gateway: Text<'a>,
    /// online, offline (said goodbye), silent (not heard for 10 s).
    pub state: Text<'a>,
    /// Whether it is heard.
    pub online: bool,
    /// Since when. RFC 3339, UTC, milliseconds.
    pub since: Text<'a>,
    /// Its last word.
    pub last_heard_at: Option<Text<'a>>,
    /// Version of its program.
    pub software: Option<Text<'a>>,
    /// When its program started.
    pub started_at: Option<Text<'a>>,
    /// Rises.
    pub sequence: i64,
}

/// A name in both languages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NameV1<'a> {
    /// Chinese.
    pub zh: Text<'a>,
    /// English.
    pub en: Text<'a>,
}

/// Threshold of each level, in the point's unit; null: not used.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LimitsV1 {
    /// Blue.
    pub blue: Option<f64>,
    /// Yellow.
    pub yellow: Option<f64>,
    /// Orange.
    pub orange: Option<f64>,
    /// Red.
    pub red: Option<f64>,
}

impl From<LevelLimits> for LimitsV1 {
    fn from(limits: LevelLimits) -> LimitsV1 {
        LimitsV1 { blue: limits.blue, yellow: limits.yellow, orange: limits.orange, red: limits.red }
    }
}

/// Describes a point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PointMetaV1<'a> {
    /// Gateway id.
    pub gateway: Text<'a>,
    /// Point id.
    pub point: Text<'a>,
    /// The device it is read from.
    pub device: Text<'a>,
    /// Name for people.
    pub name: NameV1<'a>,
    /// Unit symbol.
    pub unit: Text<'a>,
    /// Poll period, milliseconds.
    pub period_ms: u64,
    /// Longest silence that is normal, milliseconds.
    pub keep_alive_ms: u64,
    /// Thresholds for rising values.
    pub high: LimitsV1,
    /// Thresholds for falling values.
    pub low: LimitsV1,
    /// Valid range, both ends included; values outside are bad. Null: not known.
    #[serde(default)]
    pub range: Option<RangeV1>,
    /// Coordinate reference system of positions; absent while none are published. Elevations are in the
    /// site's own datum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crs: Option<Text<'a>>,
}

/// A span of values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RangeV1 {
    /// Lowest.
    pub min: f64,
    /// Highest.
    pub max: f64,
}

/// Presence of headquarters itself; also the will of its connection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SystemStatusV1<'a> {
    /// This process.
    pub instance: Text<'a>,
    /// False in the will.
    pub online: bool,
    /// The store takes transactions; missing in the will.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_ok: Option<bool>,
    /// What is wrong with the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Text<'a>>,
}

/// Signed head of the audit trail: contradicts whoever cuts or rewrites it afterwards.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AuditHeadV1<'a> {
    /// Position of the last entry.
    pub seq: i64,
    /// Its hash, hexadecimal SHA-256.
    pub hash: Text<'a>,
    /// When it was signed. RFC 3339, UTC.
    pub at: Text<'a>,
    /// Public key, base64 of 32 bytes.
    pub key: Text<'a>,
    /// Ed25519, base64, over `minewatch-audit-head-v1`, seq, hash and at, each followed by a line feed.
    pub signature: Text<'a>,
}

/// Key figures of the last ten whole minutes of one part of the organisation (EEMUA 191, ISA-18.2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct KpiV1<'a> {
    /// Place in the organisation.
    pub org: Text<'a>,
    /// Start of the window. RFC 3339, UTC, milliseconds.
    pub from: Text<'a>,
    /// End of the window.
    pub to: Text<'a>,
    /// Rises of a level: what sounds.
    pub annunciated: u64,
    /// By level entered.
    pub by_level: SplitV1,
    /// Ten or more in these ten minutes.
    pub flood: bool,
    /// Active at the end.
    pub standing: u64,
    /// Active at the end for more than a day.
    pub stale: u64,
    /// Shelved at the end.
    pub shelved: u64,
    /// Out of service at the end.
    pub out_of_service: u64,
    /// End of the window in microseconds; rises.
    pub sequence: i64,
}

/// Counts by level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)]
pub struct SplitV1 {
    pub blue: u64,
    pub yellow: u64,
    pub orange: u64,
    pub red: u64,
}

/// CloudEvents 1.0, structured mode.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Envelope<'a, T> {
    /// Always 1.0.
    pub specversion: Text<'a>,
    /// minewatch.{kind}.v1.
    #[serde(rename = "type")]
    pub kind: Text<'a>,
    /// Who says it: /minewatch/gw/{gateway} or /minewatch/hq.
    pub source: Text<'a>,
    /// Idempotency key: a repeat has the same.
    pub id: Text<'a>,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Text<'a>>,
    /// RFC 3339, UTC, milliseconds; missing in a will, which is written before its time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Text<'a>>,
    /// application/json.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub datacontenttype: Option<Text<'a>>,
    /// urn:minewatch:schema:{kind}:v1; the schema itself is at /schemas/{kind}.v1.json of the aggregator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataschema: Option<Text<'a>>,
    /// The message.
    pub data: T,
}
