//! The valid form of a site configuration.
//!
//! Invariant: a [`SiteConfig`] can be run without further checks; indices between its lists
//! (`Device::bus`, `Point::device`, `Point::quantity`, `Poll::points`) are valid.
//! Deliberately absent: the file's syntax (`raw.rs`), and secrets (only the files that hold them).

use super::outline::outline;
use crate::instrument::{Function, Names, Plan, RegisterMap};
use minewatch_camera::VisionSettings;
use minewatch_dam::dam_file::{DamFile, Derived};
use minewatch_dam::levels;
use minewatch_domain::{
    Catalogue, CataloguePoint, DeviceId, GatewayId, Level, LevelLimits, Location, PointId, SitePath,
};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// A configuration that can be run.
#[derive(Debug, Clone, PartialEq)]
pub struct SiteConfig {
    /// This gateway.
    pub gateway: GatewayId,
    /// Name of the site.
    pub name: Names,
    /// Where the site stands in the group.
    pub path: SitePath,
    /// Where it stands on the ground, where the configuration says so.
    pub location: Option<Location>,
    /// The ledger on disk.
    pub spool: SpoolConfig,
    /// The way to headquarters.
    pub uplink: UplinkConfig,
    /// Where the local page listens.
    pub http_listen: SocketAddr,
    /// The file of people who may act at it; `None`: nobody may.
    pub http_users: Option<PathBuf>,
    /// Buses, each polled by its own task.
    pub buses: Vec<Bus>,
    /// Devices, disabled ones included.
    pub devices: Vec<Device>,
    /// Points of enabled devices.
    pub points: Vec<Point>,
    /// What is read together: one entry per enabled device and poll period.
    pub polls: Vec<Poll>,
    /// Sirens and beacons.
    pub sirens: Vec<Siren>,
    /// The dam file, where the site names one.
    pub dam: Option<Arc<DamFile>>,
    /// Cameras, where there are any.
    pub cameras: Option<Cameras>,
    /// SHA-256 over the bytes of every file read.
    pub hash: ConfigHash,
}

/// SHA-256 of a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConfigHash(pub [u8; 32]);

impl ConfigHash {
    /// The first eight bytes, as in [`Catalogue::config`].
    pub fn short(&self) -> u64 {
        self.0.iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte))
    }

    /// All bytes in hexadecimal.
    pub fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The ledger on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpoolConfig {
    /// Folder.
    pub dir: PathBuf,
    /// Largest size, megabytes; the oldest routine records go first, and a gap says so.
    pub size_max_mb: u64,
    /// Acknowledged records kept for a store that goes back in time, megabytes.
    pub keep_acked_mb: u64,
    /// Free space to leave on the disk, megabytes.
    pub min_free_mb: u64,
}

/// The way to headquarters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UplinkConfig {
    /// Broker host name or address.
    pub host: String,
    /// Broker port.
    pub port: u16,
    /// Whether the URL said `mqtts`.
    pub tls: bool,
    /// Certificate authority, PEM; required with TLS.
    pub ca_file: Option<PathBuf>,
    /// Client certificate and key, PEM; both or neither.
    pub identity: Option<ClientIdentity>,
    /// User name and the file with its password.
    pub login: Option<Login>,
}

impl UplinkConfig {
    /// File of the certificate shown to the broker.
    pub fn certificate(&self) -> Option<PathBuf> {
        self.identity.as_ref().map(|identity| identity.cert_file.clone())
    }
}

/// A client certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientIdentity {
    /// Certificate chain, PEM.
    pub cert_file: PathBuf,
    /// Private key, PEM.
    pub key_file: PathBuf,
}

/// A broker login; the password itself is never in a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// User name.
    pub username: String,
    /// File with the password.
    pub password_file: PathBuf,
}

/// A Modbus bus: one connection, one task, one request at a time.
#[derive(Debug, Clone, PartialEq)]
pub struct Bus {
    /// Slug, unique in the site.
    pub id: String,
    /// Transport.
    pub kind: BusKind,
    /// Least answer timeout of the devices on this bus (a slow radio raises it), milliseconds.
    pub timeout_ms: u64,
    /// Least silence between two requests, milliseconds.
    pub pause_ms: u64,
    /// Timeout to connect or open, milliseconds.
    pub connect_timeout_ms: u64,
}

/// Transport of a bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BusKind {
    /// Modbus TCP.
    Tcp {
        /// Host name or address.
        host: String,
        /// Port.
        port: u16,
    },
    /// Modbus RTU frames over a TCP connection (serial server in raw mode).
    RtuOverTcp {
        /// Host name or address.
        host: String,
        /// Port.
        port: u16,
    },
    /// Modbus RTU on a serial port.
    Rtu {
        /// Serial device.
        path: PathBuf,
        /// Line settings.
        line: SerialLine,
    },
}

/// Settings of a serial line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SerialLine {
    /// Bits per second.
    pub baud: u32,
    /// 7 or 8.
    pub data_bits: u8,
    /// Parity.
    pub parity: Parity,
    /// 1 or 2.
    pub stop_bits: u8,
}

/// Parity of a serial line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Parity {
    /// None.
    None,
    /// Even.
    Even,
    /// Odd.
    Odd,
}

/// An instrument on a bus.
#[derive(Debug, Clone, PartialEq)]
pub struct Device {
    /// Unique in the gateway.
    pub id: DeviceId,
    /// Name for people.
    pub name: Names,
    /// Index into [`SiteConfig::buses`].
    pub bus: usize,
    /// Unit address, 1..=247 (0 and 255 on TCP too).
    pub unit: u8,
    /// Its register map, with the calibrations of its points applied.
    pub map: Arc<RegisterMap>,
    /// Disabled devices are not polled and have no points.
    pub enabled: bool,
    /// Answer timeout: the device's own, else the longer of the instrument's and the bus's, milliseconds.
    pub timeout_ms: u64,
}

/// One read plan: the points of one device that share a period.
#[derive(Debug, Clone, PartialEq)]
pub struct Poll {
    /// Index into [`SiteConfig::devices`].
    pub device: usize,
    /// Period, milliseconds.
    pub period_ms: u64,
    /// Indices into [`SiteConfig::points`], in the order of the readings that
    /// [`crate::instrument::decode`] returns for `plan`.
    pub points: Vec<usize>,
    /// Requests.
    pub plan: Plan,
}

/// A measured point.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Unique in the gateway.
    pub id: PointId,
    /// Name for people.
    pub name: Names,
    /// Index into [`SiteConfig::devices`].
    pub device: usize,
    /// Index into the quantities of the device's map.
    pub quantity: usize,
    /// Unit of the value.
    pub unit: String,
    /// Poll period, milliseconds.
    pub period_ms: u64,
    /// Changes up to this size need not be recorded.
    pub deadband: Deadband,
    /// Longest silence in the ledger while the value is quiet, milliseconds.
    pub keep_alive_ms: u64,
    /// Plausibility over time.
    pub qualify: QualifySettings,
    /// Warning thresholds.
    pub levels: LevelSettings,
}

/// How much a value must change to be recorded before its keep-alive.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Deadband {
    /// Every reading is recorded.
    None,
    /// In the point's unit.
    Absolute(f64),
    /// Percent of the valid range, which the point must then have.
    Percent(f64),
}

/// Plausibility over time.
#[derive(Debug, Clone, PartialEq)]
pub struct QualifySettings {
    /// Valid range: the point's own, else the instrument's (which a calibration takes away).
    pub range: Option<(f64, f64)>,
    /// Fastest credible change, unit per second.
    pub rate_max_per_s: Option<f64>,
    /// Outlier filter.
    pub hampel: Option<Hampel>,
    /// A value that has not moved for this long is stuck, milliseconds.
    pub stuck_after_ms: Option<u64>,
    /// No good value for this long is stale, milliseconds.
    pub stale_after_ms: u64,
}

/// Hampel identifier: a value further than `threshold` scaled median deviations from the median of
/// the last `window` values is a spike.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hampel {
    /// Values in the window, 3..=[`Hampel::WINDOW_MAX`].
    pub window: usize,
    /// Scaled median absolute deviations.
    pub threshold: f64,
}

impl Hampel {
    /// A longer window would hide a real step for too long.
    pub const WINDOW_MAX: usize = 101;
}

/// Warning thresholds of a point; absent ones are not used.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LevelSettings {
    /// At or above.
    pub high: LevelLimits,
    /// At or below.
    pub low: LevelLimits,
    /// Change per hour at or above.
    pub rate_per_h: LevelLimits,
    /// Which changes `rate_per_h` looks at.
    pub rate_direction: RateDirection,
    /// How far a value must come back before the level falls, in the point's unit.
    pub hysteresis: f64,
    /// How long a condition must hold before it counts, milliseconds.
    pub on_delay_ms: u64,
    /// How long it must be gone before it clears, milliseconds.
    pub off_delay_ms: u64,
}

impl LevelSettings {
    /// Whether any threshold is set.
    pub fn any(&self) -> bool {
        let set = |l: &LevelLimits| l.blue.or(l.yellow).or(l.orange).or(l.red).is_some();
        set(&self.high) || set(&self.low) || set(&self.rate_per_h)
    }
}

/// Which changes a rate threshold looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RateDirection {
    /// Only rising values.
    #[default]
    Rising,
    /// Only falling values; the thresholds are still positive.
    Falling,
    /// Both.
    Either,
}

/// A siren or beacon driven by a coil.
#[derive(Debug, Clone, PartialEq)]
pub struct Siren {
    /// Slug, unique in the gateway (also among devices).
    pub id: DeviceId,
    /// Name for people.
    pub name: Names,
    /// Index into [`SiteConfig::buses`].
    pub bus: usize,
    /// Unit address.
    pub unit: u8,
    /// Coil to write, 0-based.
    pub coil: u16,
    /// Where the real state is read back.
    pub readback: Readback,
    /// Sounds at this level and above.
    pub level_from: Level,
    /// Answer timeout, milliseconds.
    pub timeout_ms: u64,
    /// Read-back must confirm within this time, milliseconds.
    pub confirm_ms: u64,
}

/// The cameras of a site.
#[derive(Debug, Clone, PartialEq)]
pub struct Cameras {
    /// Id and name of each.
    pub names: Vec<(DeviceId, Names)>,
    /// What the vision process is told.
    pub settings: VisionSettings,
    /// Where evidence is sent; without it, it stays on site.
    pub send: Option<EvidenceSend>,
}

/// The way of evidence to headquarters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvidenceSend {
    /// `https://host[:port]`.
    pub url: String,
    /// File with this gateway's token.
    pub token_file: PathBuf,
    /// Certificate authority of headquarters; without it, the public ones.
    pub ca_file: Option<PathBuf>,
}

/// Where a siren's real state is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Readback {
    /// [`Function::Coil`] or [`Function::Discrete`].
    pub function: Function,
    /// Address, 0-based.
    pub address: u16,
}

/// Describes the points of a site to headquarters, in parts of [`Catalogue::POINTS_MAX`].
/// A site without points still has one (empty) part, so that its name and path arrive.
#[allow(clippy::cast_possible_truncation)] // points are bounded by POINTS_MAX of `build`
pub fn catalogue(site: &SiteConfig) -> Vec<Catalogue> {
    let points: Vec<CataloguePoint> = site
        .points
        .iter()
        .map(|point| catalogue_point(site, point))
        .chain(site.dam.iter().flat_map(|dam| dam.derived.iter().map(|derived| catalogue_derived(dam, derived))))
        .map(|point| with_dam_limits(site, point))
        .collect();
    let mut parts: Vec<Vec<CataloguePoint>> = points.chunks(Catalogue::POINTS_MAX).map(<[_]>::to_vec).collect();
    if parts.is_empty() {
        parts.push(Vec::new());
    }
    let count = parts.len() as u32;
    (0u32..)
        .zip(parts)
        .map(|(part, points)| Catalogue {
            config: site.hash.short(),
            site_zh: site.name.zh.clone(),
            site_en: site.name.en.clone(),
            path: site.path.clone(),
            part,
            parts: count,
            points,
            outline: (part == 0).then(|| Box::new(outline(site))),
        })
        .collect()
}

fn catalogue_point(site: &SiteConfig, point: &Point) -> CataloguePoint {
    CataloguePoint {
        point: point.id.clone(),
        device: site.devices.get(point.device).map(|device| device.id.to_string()).unwrap_or_default(),
        name_zh: point.name.zh.clone(),
        name_en: point.name.en.clone(),
        unit: point.unit.clone(),
        period_ms: point.period_ms,
        keep_alive_ms: point.keep_alive_ms,
        high: point.levels.high,
        low: point.levels.low,
        range: point.qualify.range,
    }
}

/// A computed point, as the dam file describes it.
fn catalogue_derived(dam: &DamFile, derived: &Derived) -> CataloguePoint {
    let keep_alive_ms = derived.keep_alive_s.saturating_mul(1_000);
    CataloguePoint {
        point: derived.point.clone(),
        device: dam.dam.id.to_string(),
        name_zh: derived.name.zh.clone(),
        name_en: derived.name.en.clone(),
        unit: derived.unit.clone(),
        period_ms: keep_alive_ms,
        keep_alive_ms,
        high: LevelLimits::default(),
        low: LevelLimits::default(),
        range: None,
    }
}

/// Limits that stand in the dam file instead of the site file.
fn with_dam_limits(site: &SiteConfig, mut point: CataloguePoint) -> CataloguePoint {
    let Some(dam) = &site.dam else { return point };
    let rule = dam.items.iter().flat_map(|item| &item.rules).find(|rule| rule.point == point.point);
    if let Some(rule) = rule {
        (point.high, point.low, _) = levels::limits(rule, &dam.dam);
    }
    point
}
