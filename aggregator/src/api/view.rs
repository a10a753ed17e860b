//! Makes the JSON of the HTTP interface from what is stored or live. Pure.

use super::complete::Sight;
use super::types::{
    AlarmView, EventView, ExplainedView, GapView, GatewayView, LatestView, LedgerView, LimitsView, LinkView, Name,
    Path, PointView, QuarantineEntry, ReadingView, SampleView, SiteView, StreamView,
};
use crate::clock;
use crate::live::{Latest, Link, LinkState};
use crate::store::{
    AlarmRow, EventRow, GatewayLedger, GatewayRow, HistorySample, LedgerGap, QuarantineRow, ReadingRow,
};
use crate::system::Health;
use minewatch_domain::{AlarmTransition, At, CataloguePoint, Gap, GatewayId, LevelLimits, PointId, Quality};

fn state_name(state: LinkState) -> &'static str {
    match state {
        LinkState::Online => "online",
        LinkState::Offline => "offline",
        LinkState::Silent => "silent",
    }
}

/// A link.
pub fn link(link: &Link) -> LinkView {
    LinkView {
        state: state_name(link.state).to_owned(),
        since: clock::text(link.since),
        last_heard_at: link.heard.map(clock::text),
    }
}

/// A gateway: what is stored, overlaid by what is live.
pub fn gateway(row: &GatewayRow, live: Option<&Link>, latest: Option<At>) -> GatewayView {
    let session = live.and_then(|l| l.session.as_ref());
    let unheard = LinkView {
        state: "silent".to_owned(),
        since: clock::text(row.heard),
        last_heard_at: Some(clock::text(row.heard)),
    };
    GatewayView {
        gateway: row.gateway.to_string(),
        site: SiteView {
            zh: row.site_zh.clone(),
            en: row.site_en.clone(),
            path: row.path.clone().map(|p| Path {
                group: p.group,
                company: p.company,
                mine: p.mine,
                facility: p.facility,
            }),
        },
        link: live.map_or(unheard, link),
        software: session.map(|s| s.software.clone()).or_else(|| row.software.clone()),
        config: session.map(|s| s.config).or(row.config).map(|c| format!("{c:016x}")),
        started_at: session.map(|s| At(s.started_us)).or(row.started).map(clock::text),
        backlog: session.map(|s| s.backlog).or(row.backlog),
        link_losses: session.map(|s| s.link_losses).or(row.link_losses),
        latest_at: latest.map(clock::text),
    }
}

fn limits(limits: &LevelLimits) -> LimitsView {
    LimitsView { blue: limits.blue, yellow: limits.yellow, orange: limits.orange, red: limits.red }
}

fn name(described: Option<&CataloguePoint>) -> Name {
    described.map(|d| Name { zh: d.name_zh.clone(), en: d.name_en.clone() }).unwrap_or_default()
}

/// A value is stale when the gateway would have sent a newer one by now: silence is not safety.
pub fn latest(latest: &Latest, described: Option<&CataloguePoint>, now: At) -> LatestView {
    let longest = described.map_or(60_000, |d| d.period_ms.max(d.keep_alive_ms));
    let allowed = i64::try_from(longest.saturating_mul(3).saturating_add(5_000)).unwrap_or(i64::MAX);
    LatestView {
        at: clock::text(latest.at),
        ingested_at: clock::text(latest.ingested),
        value: latest.value,
        quality: latest.quality.name().to_owned(),
        reason: latest.reason.name().to_owned(),
        stale: now.millis_since(latest.at) > allowed,
    }
}

/// A point.
pub fn point(
    gateway: &GatewayId,
    point: &PointId,
    described: Option<&CataloguePoint>,
    newest: Option<&Latest>,
    now: At,
) -> PointView {
    PointView {
        gateway: gateway.to_string(),
        point: point.to_string(),
        device: described.map(|d| d.device.clone()),
        name: name(described),
        unit: described.map(|d| d.unit.clone()),
        period_ms: described.map(|d| d.period_ms),
        keep_alive_ms: described.map(|d| d.keep_alive_ms),
        high: described.map(|d| limits(&d.high)).unwrap_or_default(),
        low: described.map(|d| limits(&d.low)).unwrap_or_default(),
        latest: newest.map(|l| latest(l, described, now)),
    }
}

/// An alarm.
pub fn alarm(row: &AlarmRow) -> AlarmView {
    AlarmView {
        gateway: row.gateway.to_string(),
        alarm: row.alarm.clone(),
        kind: row.kind.clone(),
        point: row.point.clone(),
        level: row.to.name().to_owned(),
        from_level: row.from.name().to_owned(),
        revision: row.revision,
        since: clock::text(row.since),
        at: clock::text(row.at),
        value: row.value,
        limit: row.limit,
        unit: row.described.as_ref().map(|d| d.unit.clone()),
        rule: row.rule.clone(),
        why: row.why.clone(),
        name: alarm_name(&row.alarm, row.described.as_ref()),
        input: None,
    }
}

fn alarm_name(alarm: &str, described: Option<&CataloguePoint>) -> Name {
    match (alarm, described) {
        (crate::hq::event::LINK_ALARM, _) => {
            Name { zh: "网关与总部失联".to_owned(), en: "Gateway cut off from headquarters".to_owned() }
        }
        (_, described) => name(described),
    }
}

/// A raw reading.
pub fn reading(point: &PointId, row: &ReadingRow) -> ReadingView {
    ReadingView {
        epoch: row.epoch,
        lane: row.lane.name().to_owned(),
        seq: row.seq,
        point: point.to_string(),
        at: clock::text(row.at),
        at_us: row.at.micros(),
        ingested_at: clock::text(row.ingested),
        value: row.value,
        quality: row.quality.name().to_owned(),
        reason: row.reason.name().to_owned(),
    }
}

/// One sample of a history.
pub fn sample(sample: &HistorySample) -> SampleView {
    SampleView {
        at: clock::text(sample.at),
        min: sample.min,
        max: sample.max,
        mean: sample.mean,
        last: sample.last,
        n: sample.n,
        quality: Quality::name(sample.quality).to_owned(),
    }
}

fn ledger_gap(gateway: &GatewayId, gap: &LedgerGap) -> GapView {
    GapView {
        gateway: gateway.to_string(),
        reason: gap.reason.clone(),
        subject: gap.subject.clone(),
        from: clock::text(gap.from),
        to: clock::text(gap.to),
        count: u64::try_from(gap.count).unwrap_or(0),
        epoch: gap.epoch,
        seq: gap.seq,
    }
}

/// The ledger of one gateway, as far as `sight` reaches.
pub fn ledger(ledger: &GatewayLedger, sight: &Sight) -> LedgerView {
    let streams = ledger.streams.iter().map(|s| StreamView {
        epoch: s.epoch,
        lane: s.lane.name().to_owned(),
        expected: s.expected,
        received: s.received,
        missing: s.missing.iter().take(1_000).map(|r| [r.start, r.end]).collect(),
        explained: s
            .explained
            .iter()
            .map(|(r, reason)| ExplainedView { from: r.start, to: r.end, reason: reason.clone() })
            .collect(),
        unexplained: s.unexplained,
        closed: s.closed,
    });
    let why_not = sight.why_not(ledger.accounted());
    LedgerView {
        gateway: ledger.gateway.to_string(),
        streams: streams.collect(),
        gaps: ledger.gaps.iter().map(|gap| ledger_gap(&ledger.gateway, gap)).collect(),
        as_of: sight.as_of().map(clock::text),
        complete: why_not.is_empty(),
        why_not,
    }
}

/// A quarantine entry.
pub fn quarantine(row: &QuarantineRow) -> QuarantineEntry {
    QuarantineEntry {
        id: row.id,
        at: clock::text(row.at),
        topic: row.topic.clone(),
        gateway: row.gateway.clone(),
        reason: row.reason.clone(),
        detail: row.detail.clone(),
        bytes: row.bytes,
        sha256: row.sha256.clone(),
    }
}

/// An element of `/events`.
pub fn event(row: &EventRow) -> EventView {
    EventView {
        gateway: row.gateway.to_string(),
        kind: row.kind.clone(),
        subject: row.subject.clone(),
        at: clock::text(row.at),
        detail: row.detail.clone(),
        epoch: row.epoch,
        seq: row.seq,
    }
}

/// Live event `link`.
pub fn link_event(gateway: &GatewayId, state: &Link) -> serde_json::Value {
    let backlog = state.session.as_ref().map(|s| s.backlog);
    serde_json::json!({ "gateway": gateway, "link": link(state), "backlog": backlog })
}

/// Live event `values`.
pub fn values_event(gateway: &GatewayId, values: &[(PointId, Latest)]) -> serde_json::Value {
    let value = |(point, l): &(PointId, Latest)| {
        serde_json::json!({ "point": point, "at": clock::text(l.at), "value": l.value,
            "quality": l.quality, "reason": l.reason })
    };
    serde_json::json!({ "gateway": gateway, "values": values.iter().map(value).collect::<Vec<_>>() })
}

/// Live event `alarm`.
pub fn alarm_event(
    gateway: &GatewayId,
    alarm: &AlarmTransition,
    since: At,
    described: Option<&CataloguePoint>,
) -> AlarmView {
    AlarmView {
        gateway: gateway.to_string(),
        alarm: alarm.alarm.to_string(),
        kind: alarm.kind.name().to_owned(),
        point: alarm.point.as_ref().map(ToString::to_string),
        level: alarm.to.name().to_owned(),
        from_level: alarm.from.name().to_owned(),
        revision: alarm.revision,
        since: clock::text(since),
        at: clock::text(alarm.at),
        value: alarm.value,
        limit: alarm.limit,
        unit: described.map(|d| d.unit.clone()),
        rule: alarm.rule.clone(),
        why: alarm.why.clone(),
        name: alarm_name(alarm.alarm.as_str(), described),
        input: None,
    }
}

/// Live event `gap`.
pub fn gap_event(gateway: &GatewayId, epoch: u64, seq: u64, gap: &Gap) -> GapView {
    GapView {
        gateway: gateway.to_string(),
        reason: gap.reason.name().to_owned(),
        subject: gap.subject.clone(),
        from: clock::text(gap.from),
        to: clock::text(gap.to),
        count: gap.count,
        epoch,
        seq,
    }
}

/// Live event `system`.
pub fn store_event(health: &Health) -> serde_json::Value {
    let failure = health.failure();
    serde_json::json!({ "store": { "ok": failure.is_none(), "error": failure.as_ref().map(|f| f.0.as_str()),
        "since": failure.as_ref().map(|f| clock::text(f.1)) } })
}
