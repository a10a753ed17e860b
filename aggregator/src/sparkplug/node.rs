//! One gateway as a Sparkplug edge node: births, data, death. Pure.
//!
//! ```text
//!  Idle ──connect──▶ Waiting ──host online, gateway heard──▶ Born ──data──▶ Born
//!   ▲                   ▲                                       │ rebirth: birth again, same bdSeq
//!   └── connection lost ┴──────── host or gateway gone: death ──┘
//! ```
//!
//! Invariants (Sparkplug 3.0): NBIRTH has seq 0, every later message one more, 255 is followed by 0;
//! NBIRTH and NDEATH of one connection carry the same bdSeq; nothing but a birth comes before a
//! birth; a metric that was not in the birth makes a new birth; devices follow the catalogue.
//! Deliberately absent: sockets, and commands that write to instruments (only Rebirth is taken).

use super::payload::{Metric, Payload, PropertyKind, Value, datatype};
use crate::hq::Site;
use crate::live::Latest;
use minewatch_domain::{At, CataloguePoint, GatewayId, Level, LevelLimits, PointId, Quality, Reason};
use prost::Message;
use std::collections::BTreeMap;

/// Namespace of Sparkplug B.
pub const NAMESPACE: &str = "spBv1.0";
/// The one command that is taken.
pub const REBIRTH: &str = "Node Control/Rebirth";
/// The metric that ties a death to its birth.
pub const BD_SEQ: &str = "bdSeq";

/// Quality codes of the specification (6.4.8, as Ignition uses them).
const GOOD: u32 = 192;
const BAD: u32 = 0;
const STALE: u32 = 500;

/// A message to publish.
#[derive(Debug, Clone, PartialEq)]
pub struct Out {
    /// Topic.
    pub topic: String,
    /// Encoded payload.
    pub payload: Vec<u8>,
}

/// An alarm as a metric pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlarmMetric {
    /// Level.
    pub level: Level,
    /// Word for people: normal or active.
    pub active: bool,
    /// When it changed.
    pub at: At,
}

/// The edge node of a gateway.
#[derive(Debug)]
pub struct Node {
    gateway: GatewayId,
    group: String,
    bd_seq: u8,
    seq: u8,
    born: bool,
    /// Values sent last, by point.
    sent: BTreeMap<PointId, Latest>,
    alarms: BTreeMap<String, AlarmMetric>,
}

fn millis(at: At) -> u64 {
    u64::try_from(at.millis()).unwrap_or(0)
}

fn quality_code(latest: &Latest) -> u32 {
    match (latest.quality, latest.reason) {
        (Quality::Good | Quality::Uncertain, _) => GOOD,
        (Quality::Bad, Reason::Stale | Reason::Timeout | Reason::LinkDown) => STALE,
        (Quality::Bad, _) => BAD,
    }
}

fn limits(mut metric: Metric, prefix: &str, limits: &LevelLimits) -> Metric {
    let named = [("Blue", limits.blue), ("Yellow", limits.yellow), ("Orange", limits.orange), ("Red", limits.red)];
    for (level, limit) in named {
        if let Some(limit) = limit {
            metric = metric.with(&format!("{prefix}{level}"), datatype::DOUBLE, PropertyKind::Double(limit));
        }
    }
    metric
}

fn value_metric(point: &PointId, latest: Option<&Latest>, now: At) -> Metric {
    let at = millis(latest.map_or(now, |latest| latest.at));
    let value = latest.and_then(|latest| latest.value).filter(|value| value.is_finite());
    let mut metric = Metric::new(point.as_str(), datatype::DOUBLE, Value::Double(value.unwrap_or(0.0)), at);
    if value.is_none() {
        metric.is_null = Some(true);
        metric.value = None;
    }
    let code = latest.map_or(STALE, quality_code);
    metric.with("Quality", datatype::INT32, PropertyKind::Int(code))
}

fn born_metric(described: &CataloguePoint, latest: Option<&Latest>, now: At) -> Metric {
    let text = |text: &str| PropertyKind::Text(text.to_owned());
    let metric = value_metric(&described.point, latest, now)
        .with("engUnit", datatype::STRING, text(&described.unit))
        .with("nameZh", datatype::STRING, text(&described.name_zh))
        .with("nameEn", datatype::STRING, text(&described.name_en));
    limits(limits(metric, "high", &described.high), "low", &described.low)
}

fn alarm_metrics(name: &str, alarm: &AlarmMetric) -> [Metric; 2] {
    let at = millis(alarm.at);
    let state = if alarm.active { "active" } else { "normal" };
    [
        Metric::new(format!("Alarm/{name}/level"), datatype::INT32, Value::Int(u32::from(alarm.level.code())), at),
        Metric::new(format!("Alarm/{name}/state"), datatype::STRING, Value::Text(state.to_owned()), at),
    ]
}

impl Node {
    /// A node that has not been born. `bd_seq` is this connection's number, already persisted.
    pub fn new(gateway: GatewayId, group: &str, bd_seq: u8) -> Node {
        let (sent, alarms) = (BTreeMap::new(), BTreeMap::new());
        Node { gateway, group: group.to_owned(), bd_seq, seq: 0, born: false, sent, alarms }
    }

    /// Whether it has been born and not died.
    pub fn is_born(&self) -> bool {
        self.born
    }

    /// Topic of a message type, with a device for the D ones.
    fn topic(&self, kind: &str, device: Option<&str>) -> String {
        let device = device.map_or_else(String::new, |device| format!("/{device}"));
        format!("{NAMESPACE}/{}/{kind}/{}{device}", self.group, self.gateway)
    }

    /// Topic of commands to this node.
    pub fn command_topic(&self) -> String {
        self.topic("NCMD", None)
    }

    fn bd_metric(&self, now: At) -> Metric {
        Metric::new(BD_SEQ, datatype::UINT64, Value::Long(u64::from(self.bd_seq)), millis(now))
    }

    /// The death certificate: the will of the connection, and sent when the gateway is gone.
    pub fn death(&self, now: At) -> Out {
        let payload = Payload { timestamp: Some(millis(now)), metrics: vec![self.bd_metric(now)], seq: None };
        Out { topic: self.topic("NDEATH", None), payload: payload.encode_to_vec() }
    }

    /// The gateway is gone: says so once.
    pub fn die(&mut self, now: At) -> Option<Out> {
        std::mem::take(&mut self.born).then(|| self.death(now))
    }

    fn next(&mut self, kind: &str, device: Option<&str>, metrics: Vec<Metric>, now: At) -> Out {
        let payload = Payload { timestamp: Some(millis(now)), metrics, seq: Some(u64::from(self.seq)) };
        self.seq = self.seq.wrapping_add(1);
        Out { topic: self.topic(kind, device), payload: payload.encode_to_vec() }
    }

    /// The births of node and devices.
    pub fn birth(
        &mut self,
        site: &Site,
        values: &BTreeMap<PointId, Latest>,
        alarms: &BTreeMap<String, AlarmMetric>,
        now: At,
    ) -> Vec<Out> {
        self.seq = 0;
        self.born = true;
        self.sent = values.clone();
        self.alarms = alarms.clone();
        let mut metrics =
            vec![self.bd_metric(now), Metric::new(REBIRTH, datatype::BOOLEAN, Value::Boolean(false), millis(now))];
        metrics.extend(alarms.iter().flat_map(|(name, alarm)| alarm_metrics(name, alarm)));
        let mut out = vec![self.next("NBIRTH", None, metrics, now)];
        let mut devices: BTreeMap<&str, Vec<Metric>> = BTreeMap::new();
        for (point, described) in &site.points {
            let metric = born_metric(described, values.get(point), now);
            devices.entry(described.device.as_str()).or_default().push(metric);
        }
        for (device, metrics) in devices {
            out.push(self.next("DBIRTH", Some(device), metrics, now));
        }
        out
    }

    /// What is new since the last message; a birth when there is a metric the birth did not name.
    pub fn data(
        &mut self,
        site: &Site,
        values: &BTreeMap<PointId, Latest>,
        alarms: &BTreeMap<String, AlarmMetric>,
        now: At,
    ) -> Vec<Out> {
        if !self.born || alarms.keys().any(|name| !self.alarms.contains_key(name)) {
            return self.birth(site, values, alarms, now);
        }
        let mut out = Vec::new();
        let changed: Vec<(&String, &AlarmMetric)> =
            alarms.iter().filter(|(name, alarm)| self.alarms.get(*name) != Some(*alarm)).collect();
        if !changed.is_empty() {
            let metrics = changed.iter().flat_map(|(name, alarm)| alarm_metrics(name, alarm)).collect();
            out.push(self.next("NDATA", None, metrics, now));
        }
        let mut devices: BTreeMap<&str, Vec<Metric>> = BTreeMap::new();
        for (point, latest) in values {
            let Some(described) = site.points.get(point) else { continue };
            if self.sent.get(point).is_none_or(|sent| sent.at < latest.at) {
                devices.entry(described.device.as_str()).or_default().push(value_metric(point, Some(latest), now));
            }
        }
        for (device, metrics) in devices {
            out.push(self.next("DDATA", Some(device), metrics, now));
        }
        self.sent = values.clone();
        self.alarms = alarms.clone();
        out
    }
}

/// Whether a command asks for a new birth.
pub fn asks_rebirth(payload: &[u8]) -> bool {
    let Ok(payload) = Payload::decode(payload) else { return false };
    payload
        .metrics
        .iter()
        .any(|metric| metric.name.as_deref() == Some(REBIRTH) && metric.value == Some(Value::Boolean(true)))
}

/// What a STATE message of the primary host says: online, and since when (milliseconds).
pub fn host_state(payload: &[u8]) -> Option<(bool, i64)> {
    let state: serde_json::Value = serde_json::from_slice(payload).ok()?;
    Some((state.get("online")?.as_bool()?, state.get("timestamp")?.as_i64()?))
}

#[cfg(test)]
#[path = "node_tests.rs"]
mod tests;
