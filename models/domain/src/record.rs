//! What the ledger holds. Every record gets `(gateway, epoch, lane, seq)` at the source.

use crate::{At, Level, PointId, Quality, Reason};
use serde::{Deserialize, Serialize};

/// The two lanes of the ledger. `Alarm` always overtakes `Routine` (design promise 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    /// Alarm transitions, events and gap notes: few, urgent, never dropped before routine data.
    Alarm,
    /// Readings and catalogues.
    Routine,
}

impl Lane {
    /// Both lanes, most urgent first.
    pub const ALL: [Lane; 2] = [Lane::Alarm, Lane::Routine];

    /// Wire and store code.
    pub fn code(self) -> u8 {
        match self {
            Lane::Alarm => 0,
            Lane::Routine => 1,
        }
    }

    /// The lane of a wire code.
    pub fn from_code(code: u8) -> Option<Lane> {
        match code {
            0 => Some(Lane::Alarm),
            1 => Some(Lane::Routine),
            _ => None,
        }
    }

    /// Name used in topics, JSON and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Lane::Alarm => "alarm",
            Lane::Routine => "routine",
        }
    }

    /// The lane of a name.
    pub fn from_name(name: &str) -> Option<Lane> {
        Lane::ALL.into_iter().find(|lane| lane.name() == name)
    }
}

/// One measured (or failed) value of one point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// The point, unique within the gateway.
    pub point: PointId,
    /// Source time: when the instrument answered.
    pub at: At,
    /// The value in the point's unit; `None` when there is none to show (quality is then bad).
    pub value: Option<f64>,
    /// Trust.
    pub quality: Quality,
    /// Why not simply good.
    pub reason: Reason,
}

/// What an alarm is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlarmKind {
    /// A point crossed a level threshold.
    Threshold,
    /// A point changes faster than its rate threshold.
    Rate,
    /// A device does not answer.
    DeviceDown,
    /// The siren or beacon did not confirm its state by read-back.
    SirenReadback,
    /// The gateway is cut off from headquarters (raised on site and by the aggregator).
    LinkDown,
    /// The spool is full or damaged, or its disk is.
    Spool,
    /// The clock was stepped.
    Clock,
    /// A person fell, or lies motionless or hangs, in the view of a camera.
    Fall,
    /// A camera, or the program that watches the cameras, cannot see: no falls would be noticed there.
    CameraHealth,
    /// A monitored item of the dam (several points together) changed its warning level.
    Item,
    /// The pond as a whole changed its warning level.
    Pond,
    /// An instrument's data fail validation (drift, common mode, a jump); its values are doubtful.
    Instrument,
    /// A warning of a credit rule; only headquarters raises it, as the three below.
    CreditRisk,
    /// A warning of a procurement rule.
    ProcurementRisk,
    /// A warning of a treasury rule.
    TreasuryRisk,
    /// A warning of a legal rule.
    LegalRisk,
}

impl AlarmKind {
    /// Every kind.
    pub const ALL: [AlarmKind; 16] = [
        AlarmKind::Threshold,
        AlarmKind::Rate,
        AlarmKind::DeviceDown,
        AlarmKind::SirenReadback,
        AlarmKind::LinkDown,
        AlarmKind::Spool,
        AlarmKind::Clock,
        AlarmKind::Fall,
        AlarmKind::CameraHealth,
        AlarmKind::Item,
        AlarmKind::Pond,
        AlarmKind::Instrument,
        AlarmKind::CreditRisk,
        AlarmKind::ProcurementRisk,
        AlarmKind::TreasuryRisk,
        AlarmKind::LegalRisk,
    ];

    /// Name used on the wire, in JSON and in the store.
    pub fn name(self) -> &'static str {
        match self {
            AlarmKind::Threshold => "threshold",
            AlarmKind::Rate => "rate",
            AlarmKind::DeviceDown => "device_down",
            AlarmKind::SirenReadback => "siren_readback",
            AlarmKind::LinkDown => "link_down",
            AlarmKind::Spool => "spool",
            AlarmKind::Clock => "clock",
            AlarmKind::Fall => "fall",
            AlarmKind::CameraHealth => "camera_health",
            AlarmKind::Item => "item",
            AlarmKind::Pond => "pond",
            AlarmKind::Instrument => "instrument",
            AlarmKind::CreditRisk => "credit_risk",
            AlarmKind::ProcurementRisk => "procurement_risk",
            AlarmKind::TreasuryRisk => "treasury_risk",
            AlarmKind::LegalRisk => "legal_risk",
        }
    }

    /// The kind of a name.
    pub fn from_name(name: &str) -> Option<AlarmKind> {
        AlarmKind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// One step of one alarm. The journal keeps all; the highest revision is the state, so applying
/// transitions is idempotent and free of order (design promise 2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlarmTransition {
    /// Stable id within the gateway: `{subject}.{kind}`, for example `pz-03.level.threshold`.
    pub alarm: PointId,
    /// Rises by one with every transition of this alarm, across restarts.
    pub revision: u64,
    /// What the alarm is about.
    pub kind: AlarmKind,
    /// The point, where there is one.
    pub point: Option<PointId>,
    /// The level left.
    pub from: Level,
    /// The level entered; `Normal` means the condition has gone.
    pub to: Level,
    /// When the transition was decided, in site time.
    pub at: At,
    /// The value that tipped it, in the point's unit (per hour for rates).
    pub value: Option<f64>,
    /// The limit it was held against.
    pub limit: Option<f64>,
    /// The rule and its version, for example `pool-level#sha:1a2b3c4d`.
    pub rule: String,
    /// One English sentence fragment for the engineer: the step that tipped it.
    pub why: String,
    /// The proof tree behind the level (`docs/proof.md`): JSON text of at most
    /// [`AlarmTransition::PROOF_BYTES_MAX`] bytes, where the rule makes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<String>,
}

impl AlarmTransition {
    /// Longest proof, 16 KiB: a transition with its proof stays far below every payload limit, and
    /// headquarters keeps proofs for years. A longer one is left out, never the alarm.
    pub const PROOF_BYTES_MAX: usize = 16 * 1024;
}

/// Why the gateway could not take, or no longer has, some records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GapReason {
    /// The gateway was not running (power, crash, update).
    PowerOff,
    /// A device gave no answer.
    DeviceDown,
    /// The spool reached its size bound and dropped its oldest routine records.
    SpoolFull,
    /// The disk had no room for new records.
    DiskFull,
    /// The spool was damaged (torn tail, bad checksum).
    SpoolDamaged,
    /// The store went back in time (restored from a backup) and the gateway had already deleted the records.
    StoreRestored,
    /// Polls were skipped because the site task could not keep up.
    Overload,
}

impl GapReason {
    /// Every reason.
    pub const ALL: [GapReason; 7] = [
        GapReason::PowerOff,
        GapReason::DeviceDown,
        GapReason::SpoolFull,
        GapReason::DiskFull,
        GapReason::SpoolDamaged,
        GapReason::StoreRestored,
        GapReason::Overload,
    ];

    /// Name used on the wire, in JSON and in the store.
    pub fn name(self) -> &'static str {
        match self {
            GapReason::PowerOff => "power_off",
            GapReason::DeviceDown => "device_down",
            GapReason::SpoolFull => "spool_full",
            GapReason::DiskFull => "disk_full",
            GapReason::SpoolDamaged => "spool_damaged",
            GapReason::StoreRestored => "store_restored",
            GapReason::Overload => "overload",
        }
    }

    /// The reason of a name.
    pub fn from_name(name: &str) -> Option<GapReason> {
        GapReason::ALL.into_iter().find(|reason| reason.name() == name)
    }
}

/// An explained hole: either sequence numbers that will never arrive, or a time in which
/// something was not sampled (then `seqs` is empty).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gap {
    /// Why.
    pub reason: GapReason,
    /// What is affected: a device id, or `gateway`.
    pub subject: String,
    /// Start of the hole, in source time.
    pub from: At,
    /// End of the hole, in source time.
    pub to: At,
    /// Epoch, lane and half-open range of the sequence numbers that will never arrive.
    pub seqs: Option<(u64, Lane, u64, u64)>,
    /// How many records are missing, where known.
    pub count: u64,
}

/// Something that happened at the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// The gateway started.
    Started,
    /// The gateway stopped in an orderly way.
    Stopped,
    /// A device answers again.
    DeviceUp,
    /// A device stopped answering.
    DeviceDown,
    /// A new configuration is in force.
    ConfigApplied,
    /// A new configuration was refused; the old one stays in force.
    ConfigRejected,
    /// The system clock was stepped.
    ClockStep,
    /// The siren was switched.
    Siren,
    /// The connection to headquarters was lost.
    LinkLost,
    /// The connection to headquarters is back.
    LinkRestored,
    /// Somebody did something to an alarm; the detail is the action, JSON.
    Operator,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [EventKind; 11] = [
        EventKind::Started,
        EventKind::Stopped,
        EventKind::DeviceUp,
        EventKind::DeviceDown,
        EventKind::ConfigApplied,
        EventKind::ConfigRejected,
        EventKind::ClockStep,
        EventKind::Siren,
        EventKind::LinkLost,
        EventKind::LinkRestored,
        EventKind::Operator,
    ];

    /// Name used on the wire, in JSON and in the store.
    pub fn name(self) -> &'static str {
        match self {
            EventKind::Started => "started",
            EventKind::Stopped => "stopped",
            EventKind::DeviceUp => "device_up",
            EventKind::DeviceDown => "device_down",
            EventKind::ConfigApplied => "config_applied",
            EventKind::ConfigRejected => "config_rejected",
            EventKind::ClockStep => "clock_step",
            EventKind::Siren => "siren",
            EventKind::LinkLost => "link_lost",
            EventKind::LinkRestored => "link_restored",
            EventKind::Operator => "operator",
        }
    }

    /// The kind of a name.
    pub fn from_name(name: &str) -> Option<EventKind> {
        EventKind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// Something that happened, with the thing it happened to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// To what: a device id, a bus, or `gateway`.
    pub subject: String,
    /// When, in site time.
    pub at: At,
    /// Details for the engineer, in English; never a secret.
    pub detail: String,
}

/// Where a site stands in the group: four ASCII slugs, as in the headquarters topics.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SitePath {
    /// Group, for example `tongling`.
    pub group: String,
    /// Company within the group.
    pub company: String,
    /// Mine within the company.
    pub mine: String,
    /// Facility within the mine, for example the tailings pond.
    pub facility: String,
}

/// Threshold of each warning level in the point's unit; absent levels are not used.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct LevelLimits {
    /// Blue.
    pub blue: Option<f64>,
    /// Yellow.
    pub yellow: Option<f64>,
    /// Orange.
    pub orange: Option<f64>,
    /// Red.
    pub red: Option<f64>,
}

/// Describes a point to people: names, unit, limits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CataloguePoint {
    /// The point.
    pub point: PointId,
    /// The device it is read from.
    pub device: String,
    /// Name in Chinese.
    pub name_zh: String,
    /// Name in English.
    pub name_en: String,
    /// Unit symbol, for example `m`, `kPa`, `L/s`.
    pub unit: String,
    /// Poll period, milliseconds.
    pub period_ms: u64,
    /// Longest silence that is still normal (keep-alive), milliseconds.
    pub keep_alive_ms: u64,
    /// Thresholds, rising (`high`) and falling (`low`).
    pub high: LevelLimits,
    /// Thresholds for falling values.
    pub low: LevelLimits,
    /// Valid range of the measurement, both ends included, in the point's unit; values outside are bad.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<(f64, f64)>,
}

/// The points of a gateway under one configuration; long catalogues come in several parts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Catalogue {
    /// First 8 bytes of the configuration's SHA-256.
    pub config: u64,
    /// Site name in Chinese.
    pub site_zh: String,
    /// Site name in English.
    pub site_en: String,
    /// Where the site stands in the group.
    pub path: SitePath,
    /// This part, from 0.
    pub part: u32,
    /// How many parts the catalogue has.
    pub parts: u32,
    /// At most [`Catalogue::POINTS_MAX`] points.
    pub points: Vec<CataloguePoint>,
    /// What the site looks like; only in the first part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outline: Option<Box<crate::SiteOutline>>,
}

impl Catalogue {
    /// Points per part, so that one record stays well below every broker's payload limit.
    pub const POINTS_MAX: usize = 200;
}

/// A ledger record. Its JSON form is for people (`gateway decode`), not for the wire.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// A measured value.
    Reading(Reading),
    /// An alarm transition.
    Alarm(AlarmTransition),
    /// An explained hole.
    Gap(Gap),
    /// Something that happened.
    Event(Event),
    /// The point catalogue.
    Catalogue(Catalogue),
}

impl Record {
    /// The lane a record travels in.
    pub fn lane(&self) -> Lane {
        match self {
            Record::Alarm(_) | Record::Gap(_) | Record::Event(_) => Lane::Alarm,
            Record::Reading(_) | Record::Catalogue(_) => Lane::Routine,
        }
    }
}
