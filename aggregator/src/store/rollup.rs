//! Upkeep of the store: newest values flushed, hours rolled up, old readings deleted.

use super::read::{damaged, trust};
use super::{BindReal, Columns, SLOT_US, Store, StoreError};
use crate::live::Latest;
use minewatch_domain::{At, GatewayId, PointId};
use sqlx::any::AnyRow;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Slots deleted in one transaction, so that retention never holds up ingest for long.
const RETENTION_SLOTS: i64 = 2;
/// Roll-up rows written in one transaction.
const ROWS_AT_ONCE: usize = 500;
/// How often upkeep is looked at, and the pause that leaves the writer room while there is more to do.
const UPKEEP: Duration = Duration::from_secs(30);
const BETWEEN: Duration = Duration::from_millis(50);
/// Hours rolled up in one round.
const HOURS_MAX: i64 = 4;

/// Newest values by gateway and point.
pub type LatestMap = BTreeMap<GatewayId, BTreeMap<PointId, Latest>>;

/// What upkeep did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Upkeep {
    /// Readings deleted.
    pub deleted: u64,
    /// Hours rolled up.
    pub hours: u64,
    /// There is more to do.
    pub more: bool,
}

impl Store {
    /// Newest values at start: the flushed ones, and what was committed since.
    ///
    /// # Errors
    /// When the store does not answer; so for every function here.
    pub async fn load_latest(&self) -> Result<LatestMap, StoreError> {
        let mut map = LatestMap::new();
        let mut names = BTreeMap::new();
        for row in self.points(None).await? {
            if let Some(latest) = row.latest {
                map.entry(row.gateway.clone()).or_default().insert(row.point.clone(), latest);
            }
            names.insert(row.num, (row.gateway, row.point));
        }
        let flushed = sqlx::query("SELECT number FROM meta WHERE name = 'latest_flushed_us'")
            .fetch_optional(&self.reader)
            .await?;
        let since = flushed.map_or(Ok(0), |row| row.int(0))? - 10 * SLOT_US;
        let rows = sqlx::query(
            "SELECT r.point_num, r.at_us, r.ingested_us, r.value, r.quality FROM readings r JOIN \
             (SELECT point_num, MAX(at_us) AS at_us FROM readings WHERE slot >= $1 GROUP BY point_num) m \
             ON m.point_num = r.point_num AND m.at_us = r.at_us AND r.slot = m.at_us / 60000000",
        )
        .bind(since.div_euclid(SLOT_US))
        .fetch_all(&self.reader)
        .await?;
        for row in rows {
            let (gateway, point) = names.get(&row.int(0)?).ok_or_else(|| damaged("point number"))?;
            let (quality, reason) = trust(row.int(4)?);
            let latest =
                Latest { at: At(row.int(1)?), ingested: At(row.int(2)?), value: row.maybe_real(3)?, quality, reason };
            let points = map.entry(gateway.clone()).or_default();
            if points.get(point).is_none_or(|known| known.at < latest.at) {
                points.insert(point.clone(), latest);
            }
        }
        Ok(map)
    }

    /// Roll-up, retention and a short write-ahead log until told to stop, beside the writer.
    pub async fn keep_up(self, keep_days: Option<u32>, stop: CancellationToken) {
        tokio::join!(self.clone().keep_log_short(stop.clone()), self.tend(keep_days, stop));
    }

    async fn tend(&self, keep_days: Option<u32>, stop: CancellationToken) {
        loop {
            let pause = match self.upkeep(crate::clock::now(), keep_days).await {
                Ok(done) if done.more => BETWEEN,
                Ok(_) => UPKEEP,
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "upkeep of the store failed");
                    UPKEEP
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// One round of roll-up and retention.
    pub async fn upkeep(&self, now: At, keep_days: Option<u32>) -> Result<Upkeep, StoreError> {
        let mut done = Upkeep { hours: self.roll_up(now).await?, ..Upkeep::default() };
        done.more = done.hours == HOURS_MAX as u64;
        if let Some(days) = keep_days {
            let before = now.micros().saturating_sub(i64::from(days) * 86_400_000_000).div_euclid(SLOT_US);
            let row = sqlx::query("SELECT MIN(slot) FROM readings").fetch_one(&self.reader).await?;
            if let Some(oldest) = row.maybe_int(0)?.filter(|oldest| *oldest < before) {
                let mut transaction = self.begin().await?;
                let deleted = sqlx::query("DELETE FROM readings WHERE slot < $1")
                    .bind((oldest + RETENTION_SLOTS).min(before))
                    .execute(&mut *transaction)
                    .await?;
                transaction.commit().await?;
                done.deleted = deleted.rows_affected();
                done.more = true;
            }
        }
        Ok(done)
    }

    async fn roll_up(&self, now: At) -> Result<u64, StoreError> {
        let due = sqlx::query("SELECT hour FROM hourly_due WHERE due_us <= $1 ORDER BY hour LIMIT $2")
            .bind(now.micros())
            .bind(HOURS_MAX)
            .fetch_all(&self.reader)
            .await?;
        for row in &due {
            let hour = row.int(0)?;
            // Read beside the writer, written in short transactions: ingest is never held up for long.
            let rows = sqlx::query(HOUR).bind(hour * 60).bind(hour * 60 + 60).fetch_all(&self.reader).await?;
            for rows in rows.chunks(ROWS_AT_ONCE) {
                let mut transaction = self.begin().await?;
                for row in rows {
                    insert_hour(&mut transaction, hour, row).await?;
                }
                transaction.commit().await?;
            }
            let mut transaction = self.begin().await?;
            sqlx::query("DELETE FROM hourly_due WHERE hour = $1 AND due_us <= $2")
                .bind(hour)
                .bind(now.micros())
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
        }
        Ok(due.len() as u64)
    }
}

/// One hour of every point. Bad values (packed quality from 128) count but take no part in the numbers.
const HOUR: &str = "SELECT b.point_num, b.n, b.n_usable, b.low, b.high, b.total, \
    (SELECT r.value FROM readings r WHERE r.slot = b.last_us / 60000000 AND r.point_num = b.point_num \
    AND r.at_us = b.last_us LIMIT 1), b.last_us, b.quality FROM \
    (SELECT point_num, COUNT(*) AS n, SUM(CASE WHEN quality < 128 THEN 1 ELSE 0 END) AS n_usable, \
    MIN(CASE WHEN quality < 128 THEN value END) AS low, MAX(CASE WHEN quality < 128 THEN value END) AS high, \
    SUM(CASE WHEN quality < 128 THEN value END) AS total, MAX(at_us) AS last_us, MAX(quality) AS quality \
    FROM readings WHERE slot >= $1 AND slot < $2 GROUP BY point_num) b";

async fn insert_hour(connection: &mut sqlx::AnyConnection, hour: i64, row: &AnyRow) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO hourly (hour, point_num, n, n_usable, min, max, total, last, last_us, quality) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (hour, point_num) DO UPDATE SET \
         n = excluded.n, n_usable = excluded.n_usable, min = excluded.min, max = excluded.max, \
         total = excluded.total, last = excluded.last, last_us = excluded.last_us, quality = excluded.quality",
    )
    .bind(hour)
    .bind(row.int(0)?)
    .bind(row.int(1)?)
    .bind(row.int(2)?)
    .bind_real(row.maybe_real(3)?)
    .bind_real(row.maybe_real(4)?)
    .bind_real(row.maybe_real(5)?)
    .bind_real(row.maybe_real(6)?)
    .bind(row.int(7)?)
    .bind(row.int(8)?)
    .execute(connection)
    .await?;
    Ok(())
}
