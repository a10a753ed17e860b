//! Headquarters messages as CloudEvents 1.0 structured JSON, and their topic leaves. Pure.

use crate::clock;
use crate::handling::HandlingView;
use crate::live::{Latest, Link, LinkState};
use minewatch_alarm::{Case, Field};
use minewatch_domain::{
    AlarmTransition, At, CataloguePoint, GatewayId, Level, OrgPath, PointId, Quality, Reason, SitePath,
};
use serde::Serialize;
use serde_json::json;

/// Content type of every headquarters payload.
pub const CONTENT_TYPE: &str = "application/cloudevents+json";
/// The alarm headquarters itself keeps for each gateway.
pub const LINK_ALARM: &str = "gateway.link-hq";

/// A message waiting in the outbox.
#[derive(Debug, Clone, PartialEq)]
pub struct Outgoing {
    /// Unique; a repeated fact makes no second message.
    pub key: String,
    /// Topic below the site path.
    pub leaf: String,
    /// Kept by the broker as the current state.
    pub retain: bool,
    /// CloudEvent.
    pub payload: String,
}

/// Full topic of a leaf.
pub fn topic(path: &SitePath, leaf: &str) -> String {
    format!(
        "{}/hq/{}/{}/{}/{}/{leaf}",
        minewatch_domain::topics::ROOT,
        path.group,
        path.company,
        path.mine,
        path.facility
    )
}

/// The path used until a gateway's catalogue says where it stands.
pub fn unassigned() -> SitePath {
    let level = || "unassigned".to_owned();
    SitePath { group: level(), company: level(), mine: level(), facility: level() }
}

/// A path level must be a slug: anything else could escape the topic tree.
pub fn is_sound(path: &SitePath) -> bool {
    [&path.group, &path.company, &path.mine, &path.facility].into_iter().all(|level| PointId::parse(level).is_ok())
}

/// CloudEvents 1.0, structured mode.
#[derive(Serialize)]
struct Envelope<'a, T> {
    specversion: &'static str,
    r#type: String,
    source: String,
    id: &'a str,
    subject: &'a str,
    time: String,
    datacontenttype: &'static str,
    dataschema: String,
    data: T,
}

fn envelope(kind: &str, id: &str, gateway: &GatewayId, subject: &str, at: At, data: impl Serialize) -> String {
    let envelope = Envelope {
        specversion: "1.0",
        r#type: format!("minewatch.{kind}.v1"),
        source: format!("/minewatch/gw/{gateway}"),
        id,
        subject,
        time: clock::text(at),
        datacontenttype: "application/json",
        dataschema: format!("urn:minewatch:schema:{kind}:v1"),
        data,
    };
    serde_json::to_string(&envelope).unwrap_or_default()
}

/// The messages of one alarm: the event of a transition that is new, the state when this is the state.
pub fn alarm(
    gateway: &GatewayId,
    alarm: &AlarmTransition,
    (is_new, state): (bool, bool),
    handling: Option<&HandlingView>,
    now: At,
) -> Vec<Outgoing> {
    let data = json!({
        "gateway": gateway,
        "alarm": alarm.alarm,
        "revision": alarm.revision,
        "sequence": alarm.revision,
        "kind": alarm.kind,
        "point": alarm.point,
        "level": alarm.to,
        "from_level": alarm.from,
        "at": clock::text(alarm.at),
        "ingested_at": clock::text(now),
        "value": alarm.value,
        "limit": alarm.limit,
        "rule": alarm.rule,
        "why": alarm.why,
    });
    let id = format!("{gateway}/{}/{}", alarm.alarm, alarm.revision);
    let message = |kind: &str, id: &str, leaf: &str, retain, data| Outgoing {
        key: format!("{kind}:{id}"),
        leaf: format!("alarm/{gateway}.{}/{leaf}", alarm.alarm),
        retain,
        payload: envelope(kind, id, gateway, alarm.alarm.as_str(), alarm.at, data),
    };
    let mut messages = Vec::new();
    if is_new {
        messages.push(message("alarm.event", &id, "event", false, data.clone()));
    }
    if state {
        // What people do changes the state too: the version tells those states apart.
        let id = handling.map_or_else(|| id.clone(), |handling| format!("{id}/{}", handling.version));
        let mut data = data;
        if let (serde_json::Value::Object(fields), Some(handling)) = (&mut data, handling) {
            fields.insert("handling".to_owned(), serde_json::to_value(handling).unwrap_or_default());
        }
        messages.push(message("alarm.state", &id, "state", true, data));
    }
    messages
}

/// Cleared alarms keep their retained state this long: 30 days.
const CLEARED_KEPT_MS: i64 = 30 * 86_400_000;

/// How long the removal of an old state is told again: a broker or we may have been away meanwhile.
const SWEPT_MS: i64 = 7 * 86_400_000;

/// Cases closed in this time lose their retained state now.
pub fn swept(now: At) -> (At, At) {
    (now.plus_millis(-CLEARED_KEPT_MS - SWEPT_MS), now.plus_millis(-CLEARED_KEPT_MS))
}

/// Whether the broker keeps the state of an alarm that is at `level` since `since`.
pub fn is_kept(level: Level, since: At, now: At) -> bool {
    level != Level::Normal || now.millis_since(since) < CLEARED_KEPT_MS
}

/// A case as subscribers and browsers see it.
#[derive(Debug)]
pub struct CaseSeen<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its revision.
    pub revision: i64,
    /// The machine.
    pub case: &'a Case,
    /// Its field.
    pub field: Field,
    /// Where.
    pub org: &'a OrgPath,
    /// Chinese and English title.
    pub titles: (&'a str, &'a str),
    /// When it was first raised.
    pub raised: At,
    /// Next moment at which time acts.
    pub due: Option<At>,
}

/// The data of a case's state. No personal names: handler and verifier are ids.
pub fn case_data(seen: &CaseSeen<'_>, now: At) -> serde_json::Value {
    let case = seen.case;
    json!({
        "case": seen.id,
        "revision": seen.revision,
        "sequence": seen.revision,
        "state": case.state,
        "level": case.level,
        "domain": seen.field,
        "org": seen.org,
        "title": { "zh": seen.titles.0, "en": seen.titles.1 },
        "round": case.round,
        "escalated": case.step.saturating_sub(1),
        "overdue": case.overdue(),
        "handler": case.handler,
        "raised_at": clock::text(seen.raised),
        "changed_at": clock::text(now),
        "due_at": seen.due.map(clock::text),
    })
}

/// The message of a case's state.
pub fn case(gateway: &GatewayId, seen: &CaseSeen<'_>, now: At) -> Outgoing {
    let id = format!("case/{}/{}", seen.id, seen.revision);
    Outgoing {
        key: format!("case.state:{id}"),
        leaf: format!("case/{}/state", seen.id),
        retain: true,
        payload: envelope("case.state", &id, gateway, seen.id, now, case_data(seen, now)),
    }
}

/// The leaf of a point's value.
pub fn value_leaf(gateway: &GatewayId, point: &PointId) -> String {
    format!("point/{gateway}.{point}/value")
}

/// Data of a value event. A struct, not `json!`: there are a thousand of them a second.
#[derive(Serialize)]
struct Value<'a> {
    gateway: &'a GatewayId,
    point: &'a PointId,
    value: Option<f64>,
    unit: Option<&'a str>,
    quality: Quality,
    reason: Reason,
    at: String,
    at_us: i64,
    ingested_at: String,
    sequence: i64,
}

/// A point's newest value.
pub fn value(gateway: &GatewayId, point: &PointId, latest: &Latest, unit: Option<&str>) -> String {
    let data = Value {
        gateway,
        point,
        value: latest.value,
        unit,
        quality: latest.quality,
        reason: latest.reason,
        at: clock::text(latest.at),
        at_us: latest.at.micros(),
        ingested_at: clock::text(latest.ingested),
        sequence: latest.at.micros(),
    };
    let id = format!("{gateway}/{point}/{}", latest.at.micros());
    envelope("point.value", &id, gateway, point.as_str(), latest.at, data)
}

/// One value of many in [`values`].
#[derive(Serialize)]
struct ValueTogether<'a> {
    point: &'a PointId,
    value: Option<f64>,
    quality: Quality,
    reason: Reason,
    at_us: i64,
}

/// The leaf of the values that a gateway's points took together.
pub fn values_leaf(gateway: &GatewayId) -> String {
    format!("gateway/{gateway}/values")
}

/// New values of one gateway in one message.
pub fn values(gateway: &GatewayId, values: &[(&GatewayId, &PointId, &Latest)]) -> String {
    #[derive(Serialize)]
    struct Together<'a> {
        gateway: &'a GatewayId,
        ingested_at: String,
        values: Vec<ValueTogether<'a>>,
    }
    let ingested = values.iter().map(|(.., latest)| latest.ingested).max().unwrap_or(At(0));
    let first = values.first().map_or("", |(_, point, _)| point.as_str());
    let id = format!("{gateway}/values/{}/{first}", ingested.micros());
    let together = values.iter().map(|&(_, point, latest)| ValueTogether {
        point,
        value: latest.value,
        quality: latest.quality,
        reason: latest.reason,
        at_us: latest.at.micros(),
    });
    let data = Together { gateway, ingested_at: clock::text(ingested), values: together.collect() };
    envelope("point.values", &id, gateway, gateway.as_str(), ingested, data)
}

/// A gateway's presence.
pub fn status(gateway: &GatewayId, link: &Link, now: At) -> String {
    let data = json!({
        "gateway": gateway,
        "state": link.state,
        "online": link.state == LinkState::Online,
        "since": clock::text(link.since),
        "last_heard_at": link.heard.map(clock::text),
        "software": link.session.as_ref().map(|s| s.software.as_str()),
        "started_at": link.session.as_ref().map(|s| clock::text(At(s.started_us))),
        "sequence": now.micros(),
    });
    let id = format!("{gateway}/status/{}/{:?}", link.since.micros(), link.state);
    envelope("gateway.status", &id, gateway, gateway.as_str(), now, data)
}

/// Describes a point to subscribers: names, unit, thresholds.
pub fn descriptor(gateway: &GatewayId, point: &CataloguePoint, config: u64, now: At) -> String {
    let data = json!({
        "gateway": gateway,
        "point": point.point,
        "device": point.device,
        "name": { "zh": point.name_zh, "en": point.name_en },
        "unit": point.unit,
        "period_ms": point.period_ms,
        "keep_alive_ms": point.keep_alive_ms,
        "high": point.high,
        "low": point.low,
        "range": point.range.map(|(min, max)| json!({ "min": min, "max": max })),
    });
    let id = format!("{gateway}/{}/{config:016x}", point.point);
    envelope("point.meta", &id, gateway, point.point.as_str(), now, data)
}

/// The state of headquarters itself.
pub fn system(instance: u64, store_ok: bool, error: Option<&str>, now: At) -> String {
    json!({
        "specversion": "1.0",
        "type": "minewatch.system.status.v1",
        "source": "/minewatch/hq",
        "id": format!("{instance:016x}/{}", now.micros()),
        "time": clock::text(now),
        "datacontenttype": "application/json",
        "data": { "instance": format!("{instance:016x}"), "online": true, "store_ok": store_ok, "error": error },
    })
    .to_string()
}

/// The signed head of the audit trail.
pub fn audit_head(instance: u64, head: &serde_json::Value, now: At) -> String {
    json!({
        "specversion": "1.0",
        "type": "minewatch.audit.head.v1",
        "source": "/minewatch/hq",
        "id": format!("{instance:016x}/audit/{}", now.micros()),
        "time": clock::text(now),
        "datacontenttype": "application/json",
        "data": head,
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_of_a_cleared_alarm_goes_after_thirty_days_and_a_standing_one_stays() {
        let days = |days: i64| At::from_millis(days * 86_400_000);
        assert!(is_kept(Level::Normal, days(100), days(129)));
        assert!(!is_kept(Level::Normal, days(100), days(130)));
        assert!(is_kept(Level::Blue, days(100), days(1_000)));
    }

    #[test]
    fn a_path_that_could_escape_the_tree_is_not_sound() {
        assert!(is_sound(&unassigned()));
        for bad in ["a/b", "#", "+", "", "矿"] {
            let path = SitePath { mine: bad.to_owned(), ..unassigned() };
            assert!(!is_sound(&path), "{bad:?}");
        }
    }
}
