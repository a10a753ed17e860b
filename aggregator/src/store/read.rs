//! What the API and a start-up read. All reads use their own read-only connections.

use super::{Columns, SLOT_US, Store, StoreError};
use crate::hq::Site;
use crate::live::Latest;
use minewatch_alarm::Alarm;
use minewatch_domain::{
    AlarmKind, AlarmTransition, At, CataloguePoint, GatewayId, Lane, Level, OrgPath, PointId, Quality, Reason, SitePath,
};
use sqlx::any::AnyRow;
use std::collections::BTreeMap;

/// Widest time range of one raw query: 31 days of minute slots.
pub const RANGE_US_MAX: i64 = 31 * 86_400_000_000;

/// A gateway as stored.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct GatewayRow {
    pub gateway: GatewayId,
    pub site_zh: Option<String>,
    pub site_en: Option<String>,
    pub path: Option<SitePath>,
    pub software: Option<String>,
    pub config: Option<u64>,
    pub started: Option<At>,
    pub backlog: Option<u64>,
    pub link_losses: Option<u64>,
    pub heard: At,
    pub catalogue: u64,
}

/// A point as stored.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct PointRow {
    pub num: i64,
    pub gateway: GatewayId,
    pub point: PointId,
    pub described: Option<CataloguePoint>,
    pub latest: Option<Latest>,
}

/// An alarm transition as stored, with what its list shows.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct AlarmRow {
    pub gateway: GatewayId,
    pub alarm: String,
    pub revision: u64,
    pub kind: String,
    pub point: Option<String>,
    pub from: Level,
    pub to: Level,
    pub at: At,
    pub since: At,
    pub value: Option<f64>,
    pub limit: Option<f64>,
    pub rule: String,
    pub why: String,
    pub ingested: At,
    pub described: Option<CataloguePoint>,
    pub proof: Option<String>,
    /// The operator's side, in lists of states.
    pub handled: Option<Handled>,
}

/// The operator's side of an alarm as stored.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct Handled {
    pub state: Alarm,
    pub version: i64,
    pub inhibited_by: Option<String>,
    pub case_id: Option<String>,
}

/// A reading as stored.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct ReadingRow {
    pub epoch: u64,
    pub lane: Lane,
    pub seq: u64,
    pub at: At,
    pub ingested: At,
    pub value: Option<f64>,
    pub quality: Quality,
    pub reason: Reason,
}

/// One sample of a history: a reading, or a bucket of them.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub struct HistorySample {
    pub at: At,
    pub min: Option<f64>,
    pub max: Option<f64>,
    pub mean: Option<f64>,
    pub last: Option<f64>,
    pub n: i64,
    pub quality: Quality,
}

/// Something in quarantine.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct QuarantineRow {
    pub id: i64,
    pub at: At,
    pub topic: String,
    pub gateway: Option<String>,
    pub reason: String,
    pub detail: String,
    pub bytes: i64,
    pub sha256: String,
}

/// A message waiting for the broker.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct OutboxRow {
    pub id: i64,
    pub gateway: GatewayId,
    pub leaf: String,
    pub retain: bool,
    pub payload: String,
    pub created: At,
}

pub(super) fn damaged(what: impl std::fmt::Display) -> StoreError {
    StoreError::Database(sqlx::Error::Decode(format!("stored {what} cannot be read").into()))
}

pub(super) fn gateway_of(row: &AnyRow, column: usize) -> Result<GatewayId, StoreError> {
    GatewayId::parse(&row.text(column)?).map_err(damaged)
}

pub(super) fn trust(packed: i64) -> (Quality, Reason) {
    u8::try_from(packed).ok().and_then(Quality::unpack).unwrap_or((Quality::Bad, Reason::None))
}

fn described(json: Option<String>) -> Option<CataloguePoint> {
    serde_json::from_str(&json?).ok()
}

fn latest_of(row: &AnyRow, first: usize) -> Result<Option<Latest>, StoreError> {
    let Some(at) = row.maybe_int(first)? else { return Ok(None) };
    let (quality, reason) = trust(row.int(first + 3)?);
    Ok(Some(Latest {
        at: At(at),
        ingested: At(row.int(first + 1)?),
        value: row.maybe_real(first + 2)?,
        quality,
        reason,
    }))
}

impl AlarmRow {
    /// The transition itself; `None` if a later version wrote a kind this one does not know.
    pub fn transition(&self) -> Option<AlarmTransition> {
        Some(AlarmTransition {
            alarm: PointId::parse(&self.alarm).ok()?,
            revision: self.revision,
            kind: AlarmKind::from_name(&self.kind)?,
            point: self.point.as_deref().and_then(|point| PointId::parse(point).ok()),
            from: self.from,
            to: self.to,
            at: self.at,
            value: self.value,
            limit: self.limit,
            rule: self.rule.clone(),
            why: self.why.clone(),
            proof: self.proof.clone(),
        })
    }
}

pub(super) const ALARM_COLUMNS: &str = "SELECT j.gateway, j.alarm, j.revision, j.kind, j.point, j.from_level, j.to_level, j.at_us, \
    COALESCE((SELECT s.at_us FROM alarm_journal s WHERE s.gateway = j.gateway AND s.alarm = j.alarm AND \
    s.from_level = 0 AND s.revision <= j.revision ORDER BY s.revision DESC LIMIT 1), j.at_us), \
    j.value, j.limit_value, j.rule, j.why, j.ingested_us, p.description, j.proof";

pub(super) fn alarm_of(row: &AnyRow) -> Result<AlarmRow, StoreError> {
    let level = |code: i64| u8::try_from(code).ok().and_then(Level::from_code).unwrap_or_default();
    Ok(AlarmRow {
        gateway: gateway_of(row, 0)?,
        alarm: row.text(1)?,
        revision: row.int(2)? as u64,
        kind: row.text(3)?,
        point: row.maybe_text(4)?,
        from: level(row.int(5)?),
        to: level(row.int(6)?),
        at: At(row.int(7)?),
        since: At(row.int(8)?),
        value: row.maybe_real(9)?,
        limit: row.maybe_real(10)?,
        rule: row.text(11)?,
        why: row.text(12)?,
        ingested: At(row.int(13)?),
        described: described(row.maybe_text(14)?),
        proof: row.maybe_text(15)?,
        handled: None,
    })
}

impl Store {
    /// Every gateway.
    ///
    /// # Errors
    /// When the store does not answer; so for every function here.
    pub async fn gateways(&self) -> Result<Vec<GatewayRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT gateway, site_zh, site_en, path_group, path_company, path_mine, path_facility, software, config, \
             started_us, backlog, link_losses, heard_us, COALESCE(catalogue_config, 0) FROM gateways ORDER BY gateway",
        )
        .fetch_all(&self.reader)
        .await?;
        let read = |row: &AnyRow| -> Result<GatewayRow, StoreError> {
            let path = match (row.maybe_text(3)?, row.maybe_text(4)?, row.maybe_text(5)?, row.maybe_text(6)?) {
                (Some(group), Some(company), Some(mine), Some(facility)) => {
                    Some(SitePath { group, company, mine, facility })
                }
                _ => None,
            };
            Ok(GatewayRow {
                gateway: gateway_of(row, 0)?,
                site_zh: row.maybe_text(1)?,
                site_en: row.maybe_text(2)?,
                path,
                software: row.maybe_text(7)?,
                config: row.maybe_int(8)?.map(|c| c as u64),
                started: row.maybe_int(9)?.map(At),
                backlog: row.maybe_int(10)?.map(|n| n as u64),
                link_losses: row.maybe_int(11)?.map(|n| n as u64),
                heard: At(row.int(12)?),
                catalogue: row.int(13)? as u64,
            })
        };
        rows.iter().map(read).collect()
    }

    /// Where every gateway stands; those without a catalogue are left out.
    pub async fn places(&self) -> Result<BTreeMap<GatewayId, OrgPath>, StoreError> {
        let rows = sqlx::query(
            "SELECT gateway, path_group, path_company, path_mine, path_facility FROM gateways \
             WHERE path_facility IS NOT NULL",
        )
        .fetch_all(&self.reader)
        .await?;
        let read = |row: &AnyRow| -> Result<(GatewayId, OrgPath), StoreError> {
            let path =
                SitePath { group: row.text(1)?, company: row.text(2)?, mine: row.text(3)?, facility: row.text(4)? };
            Ok((gateway_of(row, 0)?, OrgPath::of_site(&path)))
        };
        let mut places: BTreeMap<GatewayId, OrgPath> = rows.iter().map(read).collect::<Result<_, _>>()?;
        let units = sqlx::query("SELECT gateway, org FROM risk_source").fetch_all(&self.reader).await?;
        for row in &units {
            let org = OrgPath::parse(&row.text(1)?).unwrap_or_else(|_| OrgPath::unassigned());
            places.insert(gateway_of(row, 0)?, org);
        }
        Ok(places)
    }

    /// Points with their newest flushed value, of one gateway or all.
    pub async fn points(&self, gateway: Option<&GatewayId>) -> Result<Vec<PointRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT p.point_num, p.gateway, p.point, p.description, l.at_us, l.ingested_us, l.value, l.quality \
             FROM points p LEFT JOIN latest l ON l.point_num = p.point_num \
             WHERE $1 = '' OR p.gateway = $1 ORDER BY p.gateway, p.point",
        )
        .bind(gateway.map_or("", GatewayId::as_str))
        .fetch_all(&self.reader)
        .await?;
        let read = |row: &AnyRow| -> Result<PointRow, StoreError> {
            Ok(PointRow {
                num: row.int(0)?,
                gateway: gateway_of(row, 1)?,
                point: PointId::parse(&row.text(2)?).map_err(damaged)?,
                described: described(row.maybe_text(3)?),
                latest: latest_of(row, 4)?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// One point.
    pub async fn point(&self, gateway: &GatewayId, point: &PointId) -> Result<Option<PointRow>, StoreError> {
        let row = sqlx::query("SELECT point_num, description FROM points WHERE gateway = $1 AND point = $2")
            .bind(gateway.as_str())
            .bind(point.as_str())
            .fetch_optional(&self.reader)
            .await?;
        let read = |row: AnyRow| -> Result<PointRow, StoreError> {
            let described = described(row.maybe_text(1)?);
            Ok(PointRow { num: row.int(0)?, gateway: gateway.clone(), point: point.clone(), described, latest: None })
        };
        row.map(read).transpose()
    }

    /// What topics need to know of every gateway.
    pub async fn sites(&self) -> Result<BTreeMap<GatewayId, Site>, StoreError> {
        let mut sites: BTreeMap<GatewayId, Site> = BTreeMap::new();
        for row in self.gateways().await? {
            let site = Site { path: row.path, config: row.catalogue, points: BTreeMap::new() };
            sites.insert(row.gateway, site);
        }
        for row in self.points(None).await? {
            if let (Some(site), Some(described)) = (sites.get_mut(&row.gateway), row.described) {
                site.points.insert(row.point, described);
            }
        }
        Ok(sites)
    }

    /// Every transition of one alarm, by revision.
    pub async fn journal(&self, gateway: &GatewayId, alarm: &PointId, limit: i64) -> Result<Vec<AlarmRow>, StoreError> {
        let text = format!(
            "{ALARM_COLUMNS} FROM alarm_journal j LEFT JOIN points p ON p.gateway = j.gateway AND p.point = j.point \
             WHERE j.gateway = $1 AND j.alarm = $2 ORDER BY j.revision LIMIT $3"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(text))
            .bind(gateway.as_str())
            .bind(alarm.as_str())
            .bind(limit)
            .fetch_all(&self.reader)
            .await?;
        rows.iter().map(alarm_of).collect()
    }

    /// Raw readings of a point in `from..to`, after a position, in order.
    pub async fn readings(
        &self,
        point_num: i64,
        (from, to): (At, At),
        after: Option<(i64, i64, i64)>,
        limit: i64,
    ) -> Result<Vec<(ReadingRow, i64)>, StoreError> {
        let from = after.map_or(from.micros(), |(at, _, _)| at.max(from.micros()));
        let to = to.micros().min(from.saturating_add(RANGE_US_MAX));
        let (_, after_stream, after_seq) = after.unwrap_or((i64::MIN, i64::MIN, i64::MIN));
        let after_at = after.map_or(i64::MIN, |(at, _, _)| at);
        let rows = sqlx::query(
            "WITH RECURSIVE slots(slot) AS (SELECT CAST($1 AS BIGINT) UNION ALL \
             SELECT slot + 1 FROM slots WHERE slot < $2) \
             SELECT s.epoch, s.lane, r.seq, r.at_us, r.ingested_us, r.value, r.quality, r.stream_num \
             FROM slots CROSS JOIN readings r JOIN streams s ON s.stream_num = r.stream_num \
             WHERE r.slot = slots.slot AND r.point_num = $3 AND r.at_us >= $4 AND r.at_us < $5 AND \
             (r.at_us > $6 OR (r.at_us = $6 AND (r.stream_num > $7 OR (r.stream_num = $7 AND r.seq > $8)))) \
             ORDER BY r.at_us, r.stream_num, r.seq LIMIT $9",
        )
        .bind(from.div_euclid(SLOT_US))
        .bind(to.saturating_sub(1).div_euclid(SLOT_US))
        .bind(point_num)
        .bind(from)
        .bind(to)
        .bind(after_at)
        .bind(after_stream)
        .bind(after_seq)
        .bind(limit)
        .fetch_all(&self.reader)
        .await?;
        let read = |row: &AnyRow| -> Result<(ReadingRow, i64), StoreError> {
            let (quality, reason) = trust(row.int(6)?);
            let lane = u8::try_from(row.int(1)?).ok().and_then(Lane::from_code).ok_or_else(|| damaged("lane"))?;
            let reading = ReadingRow {
                epoch: row.int(0)? as u64,
                lane,
                seq: row.int(2)? as u64,
                at: At(row.int(3)?),
                ingested: At(row.int(4)?),
                value: row.maybe_real(5)?,
                quality,
                reason,
            };
            Ok((reading, row.int(7)?))
        };
        rows.iter().map(read).collect()
    }

    /// Messages waiting for the broker behind row `after`, oldest first.
    pub async fn outbox(&self, after: i64, limit: i64) -> Result<Vec<OutboxRow>, StoreError> {
        let text =
            "SELECT id, gateway, leaf, retain, payload, created_us FROM outbox WHERE id > $1 ORDER BY id LIMIT $2";
        let rows = sqlx::query(text).bind(after).bind(limit).fetch_all(&self.reader).await?;
        let read = |row: &AnyRow| -> Result<OutboxRow, StoreError> {
            Ok(OutboxRow {
                id: row.int(0)?,
                gateway: gateway_of(row, 1)?,
                leaf: row.text(2)?,
                retain: row.int(3)? != 0,
                payload: row.text(4)?,
                created: At(row.int(5)?),
            })
        };
        rows.iter().map(read).collect()
    }

    /// The newest quarantine entries and the counts by reason.
    pub async fn quarantine(&self, limit: i64) -> Result<(Vec<QuarantineRow>, BTreeMap<String, i64>), StoreError> {
        let rows = sqlx::query(
            "SELECT id, at_us, topic, gateway, reason, detail, bytes, sha256 FROM quarantine ORDER BY id DESC LIMIT $1",
        )
        .bind(limit)
        .fetch_all(&self.reader)
        .await?;
        let read = |row: &AnyRow| -> Result<QuarantineRow, StoreError> {
            Ok(QuarantineRow {
                id: row.int(0)?,
                at: At(row.int(1)?),
                topic: row.text(2)?,
                gateway: row.maybe_text(3)?,
                reason: row.text(4)?,
                detail: row.text(5)?,
                bytes: row.int(6)?,
                sha256: row.text(7)?,
            })
        };
        let entries = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let counted = sqlx::query("SELECT reason, seen FROM quarantine_counts").fetch_all(&self.reader).await?;
        let counts = counted.iter().map(|row| Ok((row.text(0)?, row.int(1)?))).collect::<Result<_, StoreError>>()?;
        Ok((entries, counts))
    }
}
