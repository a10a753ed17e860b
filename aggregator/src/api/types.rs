//! The JSON types of the HTTP interface. Pure data; `view` makes them.

use super::complete::WhyNot;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A name in both languages.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[allow(missing_docs)]
pub struct Name {
    pub zh: String,
    pub en: String,
}

/// Where a site stands.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[allow(missing_docs)]
pub struct Path {
    pub group: String,
    pub company: String,
    pub mine: String,
    pub facility: String,
}

/// A site.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[allow(missing_docs)]
pub struct SiteView {
    pub zh: Option<String>,
    pub en: Option<String>,
    pub path: Option<Path>,
}

/// State of a link: `online`, `offline` or `silent`.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[allow(missing_docs)]
pub struct LinkView {
    pub state: String,
    pub since: String,
    pub last_heard_at: Option<String>,
}

/// A gateway.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[allow(missing_docs)]
pub struct GatewayView {
    pub gateway: String,
    pub site: SiteView,
    pub link: LinkView,
    pub software: Option<String>,
    /// Configuration hash, 16 hex digits.
    pub config: Option<String>,
    pub started_at: Option<String>,
    pub backlog: Option<u64>,
    pub link_losses: Option<u64>,
    pub latest_at: Option<String>,
}

/// Thresholds.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[allow(missing_docs)]
pub struct LimitsView {
    pub blue: Option<f64>,
    pub yellow: Option<f64>,
    pub orange: Option<f64>,
    pub red: Option<f64>,
}

/// A newest value.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[allow(missing_docs)]
pub struct LatestView {
    pub at: String,
    pub ingested_at: String,
    pub value: Option<f64>,
    pub quality: String,
    pub reason: String,
    /// Older than the point's keep-alive allows.
    pub stale: bool,
}

/// A point.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[allow(missing_docs)]
pub struct PointView {
    pub gateway: String,
    pub point: String,
    pub device: Option<String>,
    pub name: Name,
    pub unit: Option<String>,
    pub period_ms: Option<u64>,
    pub keep_alive_ms: Option<u64>,
    pub high: LimitsView,
    pub low: LimitsView,
    pub latest: Option<LatestView>,
}

/// An alarm transition; in lists the alarm's state.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[allow(missing_docs)]
pub struct AlarmView {
    pub gateway: String,
    pub alarm: String,
    pub kind: String,
    pub point: Option<String>,
    pub level: String,
    pub from_level: String,
    pub revision: u64,
    /// When the alarm last left normal.
    pub since: String,
    pub at: String,
    pub value: Option<f64>,
    pub limit: Option<f64>,
    pub unit: Option<String>,
    pub rule: String,
    pub why: String,
    pub name: Name,
    /// The newest value of its point, in lists: how far what stands here can be trusted now. A bad or stale
    /// one neither raises nor clears the alarm.
    pub input: Option<LatestView>,
}

/// A raw reading.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[allow(missing_docs)]
pub struct ReadingView {
    pub epoch: u64,
    pub lane: String,
    pub seq: u64,
    pub point: String,
    pub at: String,
    pub at_us: i64,
    pub ingested_at: String,
    pub value: Option<f64>,
    pub quality: String,
    pub reason: String,
}

/// Raw readings, and where to go on.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[allow(missing_docs)]
pub struct ReadingsView {
    pub next: Option<String>,
    pub rows: Vec<ReadingView>,
}

/// One sample or bucket.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[allow(missing_docs)]
pub struct SampleView {
    pub at: String,
    pub min: Option<f64>,
    pub max: Option<f64>,
    pub mean: Option<f64>,
    pub last: Option<f64>,
    pub n: i64,
    pub quality: String,
}

/// A history.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[allow(missing_docs)]
pub struct HistoryView {
    pub gateway: String,
    pub point: String,
    pub unit: Option<String>,
    pub bucket_ms: i64,
    pub raw: bool,
    pub samples: Vec<SampleView>,
}

/// A gap note.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[allow(missing_docs)]
pub struct GapView {
    pub gateway: String,
    pub reason: String,
    pub subject: String,
    pub from: String,
    pub to: String,
    pub count: u64,
    pub epoch: u64,
    pub seq: u64,
}

/// An explained range of sequence numbers.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[allow(missing_docs)]
pub struct ExplainedView {
    pub from: u64,
    pub to: u64,
    pub reason: String,
}

/// One stream of the ledger; ranges are half-open.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[allow(missing_docs)]
pub struct StreamView {
    pub epoch: u64,
    pub lane: String,
    pub expected: u64,
    pub received: u64,
    pub missing: Vec<[u64; 2]>,
    pub explained: Vec<ExplainedView>,
    pub unexplained: u64,
    pub closed: bool,
}

/// The ledger of one gateway.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[allow(missing_docs)]
pub struct LedgerView {
    pub gateway: String,
    pub streams: Vec<StreamView>,
    pub gaps: Vec<GapView>,
    /// When the gateway was last heard; the statement holds up to then.
    pub as_of: Option<String>,
    pub complete: bool,
    /// Why `complete` is false; empty when it is true.
    pub why_not: Vec<WhyNot>,
}

/// Something that happened at a gateway.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[allow(missing_docs)]
pub struct EventView {
    pub gateway: String,
    pub kind: String,
    pub subject: String,
    pub at: String,
    pub detail: String,
    pub epoch: u64,
    pub seq: u64,
}

/// Something refused.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[allow(missing_docs)]
pub struct QuarantineEntry {
    pub id: i64,
    pub at: String,
    pub topic: String,
    pub gateway: Option<String>,
    pub reason: String,
    pub detail: String,
    pub bytes: i64,
    pub sha256: String,
}

/// The quarantine.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[allow(missing_docs)]
pub struct QuarantineView {
    pub entries: Vec<QuarantineEntry>,
    pub counts: BTreeMap<String, i64>,
}

/// The store's health.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[allow(missing_docs)]
pub struct StoreView {
    pub kind: String,
    pub ok: bool,
    pub error: Option<String>,
}

/// The broker's health.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[allow(missing_docs)]
pub struct BrokerView {
    pub url: String,
    pub embedded: bool,
    pub connected: bool,
    /// What a late wildcard subscriber of the headquarters topics gets.
    pub late_subscribers: String,
}

/// Headquarters itself.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[allow(missing_docs)]
pub struct SystemView {
    pub instance: String,
    pub software: String,
    pub store: StoreView,
    pub broker: BrokerView,
    pub disk_free_mb: Option<u64>,
    pub started_at: String,
    pub now: String,
}

/// A notification channel.
#[derive(Debug, Serialize, ToSchema)]
#[allow(missing_docs)]
pub struct ChannelView {
    pub name: String,
    /// wecom, dingtalk, feishu, email, webhook, sms or voice.
    pub kind: String,
    pub fallback: Option<String>,
    pub last_ok_at: Option<String>,
    pub last_failed_at: Option<String>,
    /// Failures since the last delivery.
    pub failures: i64,
    pub error: Option<String>,
}

/// A notice.
#[derive(Debug, Serialize, ToSchema)]
#[allow(missing_docs)]
pub struct NoticeView {
    pub id: String,
    /// Idempotency key as receivers see it.
    pub key: String,
    pub case: Option<String>,
    pub channel: String,
    pub target: String,
    pub level: String,
    pub domain: String,
    pub org: String,
    pub state: String,
    /// Attempts that ended without a delivery.
    pub attempts: u32,
    pub due_at: String,
    pub ended_at: Option<String>,
    /// Receipt, reason, or the digest it went into.
    pub outcome: Option<String>,
}
