//! The history of a point: readings as they are, or buckets of them.

use super::HistorySample;
use super::read::trust;
use super::{Columns, SLOT_US, Store, StoreError};
use minewatch_domain::At;
use sqlx::any::AnyRow;

/// Ranges longer than this are answered from the hourly roll-up.
const FINE_US_MAX: i64 = 7 * 86_400_000_000;
const HOUR_US: i64 = 3_600_000_000;

/// What was found.
#[derive(Debug, Clone)]
pub struct History {
    /// Bucket width; 0 for raw samples.
    pub bucket_us: i64,
    /// In time order.
    pub samples: Vec<HistorySample>,
}

fn sample(row: &AnyRow, at: i64) -> Result<HistorySample, StoreError> {
    let quality = trust(row.int(6)?).0;
    Ok(HistorySample {
        at: At(at),
        min: row.maybe_real(1)?,
        max: row.maybe_real(2)?,
        mean: row.maybe_real(3)?,
        last: row.maybe_real(4)?,
        n: row.int(5)?,
        quality,
    })
}

impl Store {
    /// The history of a point in `from..to`, in at most about `points` samples.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn history(&self, point_num: i64, from: At, to: At, points: i64) -> Result<History, StoreError> {
        let span = (to.micros() - from.micros()).max(1);
        if span > FINE_US_MAX {
            return self.coarse(point_num, from, to, points).await;
        }
        let raw = self.readings(point_num, (from, to), None, points + 1).await?;
        if raw.len() as i64 <= points {
            let samples = raw.into_iter().map(|(row, _)| HistorySample {
                at: row.at,
                min: row.value,
                max: row.value,
                mean: row.value,
                last: row.value,
                n: 1,
                quality: row.quality,
            });
            return Ok(History { bucket_us: 0, samples: samples.collect() });
        }
        let bucket = (span + points - 1) / points;
        let rows = sqlx::query(
            "WITH RECURSIVE slots(slot) AS (SELECT CAST($1 AS BIGINT) UNION ALL \
             SELECT slot + 1 FROM slots WHERE slot < $2) \
             SELECT b.bucket, b.low, b.high, b.mean, (SELECT l.value FROM readings l WHERE \
             l.slot = b.last_us / 60000000 AND l.point_num = $3 AND l.at_us = b.last_us LIMIT 1), b.n, b.quality FROM \
             (SELECT (r.at_us - $4) / $6 AS bucket, MIN(CASE WHEN r.quality < 128 THEN r.value END) AS low, \
             MAX(CASE WHEN r.quality < 128 THEN r.value END) AS high, \
             AVG(CASE WHEN r.quality < 128 THEN r.value END) AS mean, COUNT(*) AS n, MAX(r.at_us) AS last_us, \
             MAX(r.quality) AS quality FROM slots CROSS JOIN readings r WHERE r.slot = slots.slot AND \
             r.point_num = $3 AND r.at_us >= $4 AND r.at_us < $5 GROUP BY 1) b ORDER BY b.bucket",
        )
        .bind(from.micros().div_euclid(SLOT_US))
        .bind((to.micros() - 1).div_euclid(SLOT_US))
        .bind(point_num)
        .bind(from.micros())
        .bind(to.micros())
        .bind(bucket)
        .fetch_all(&self.reader)
        .await?;
        let read = |row: &AnyRow| sample(row, from.micros() + row.int(0)? * bucket);
        Ok(History { bucket_us: bucket, samples: rows.iter().map(read).collect::<Result<_, _>>()? })
    }

    /// From the hourly roll-up; the last minutes may not be in it yet.
    async fn coarse(&self, point_num: i64, from: At, to: At, points: i64) -> Result<History, StoreError> {
        let (first, last) = (from.micros().div_euclid(HOUR_US), (to.micros() - 1).div_euclid(HOUR_US));
        let bucket = ((last - first) / points + 1).max(1);
        let rows = sqlx::query(
            "WITH RECURSIVE hours(hour) AS (SELECT CAST($1 AS BIGINT) UNION ALL \
             SELECT hour + 1 FROM hours WHERE hour < $2) \
             SELECT b.bucket, b.low, b.high, b.mean, (SELECT l.last FROM hourly l WHERE l.hour = b.last_hour AND \
             l.point_num = $3), b.n, b.quality FROM \
             (SELECT (h.hour - $1) / $4 AS bucket, MIN(h.min) AS low, MAX(h.max) AS high, \
             CAST(SUM(h.total) / NULLIF(SUM(CASE WHEN h.total IS NULL THEN 0 ELSE h.n_usable END), 0) \
             AS DOUBLE PRECISION) AS mean, CAST(SUM(h.n) AS BIGINT) AS n, MAX(h.hour) AS last_hour, \
             MAX(h.quality) AS quality FROM hours CROSS JOIN hourly h WHERE h.hour = hours.hour AND \
             h.point_num = $3 GROUP BY 1) b ORDER BY b.bucket",
        )
        .bind(first)
        .bind(last)
        .bind(point_num)
        .bind(bucket)
        .fetch_all(&self.reader)
        .await?;
        let read = |row: &AnyRow| sample(row, (first + row.int(0)? * bucket) * HOUR_US);
        Ok(History { bucket_us: bucket * HOUR_US, samples: rows.iter().map(read).collect::<Result<_, _>>()? })
    }
}
