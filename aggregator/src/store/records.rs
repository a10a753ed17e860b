//! Single rows of a commit: points, gap notes, events. Repeating any of them changes nothing.

use super::{Columns, StoreError};
use minewatch_domain::{Event, Gap, GatewayId, PointId};
use sqlx::AnyConnection;

/// The surrogate number of a point, made when it is new.
pub(super) async fn point_num(
    connection: &mut AnyConnection,
    gateway: &GatewayId,
    point: &PointId,
) -> Result<i64, StoreError> {
    sqlx::query("INSERT INTO points (gateway, point) VALUES ($1, $2) ON CONFLICT DO NOTHING")
        .bind(gateway.as_str())
        .bind(point.as_str())
        .execute(&mut *connection)
        .await?;
    let row = sqlx::query("SELECT point_num FROM points WHERE gateway = $1 AND point = $2")
        .bind(gateway.as_str())
        .bind(point.as_str())
        .fetch_one(connection)
        .await?;
    Ok(row.int(0)?)
}

/// Stream number and gateway of a record.
type RecordOf<'a> = (i64, &'a GatewayId);

/// Keeps a gap note.
pub(super) async fn insert_gap(
    connection: &mut AnyConnection,
    (stream_num, gateway): RecordOf<'_>,
    seq: u64,
    gap: &Gap,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO gaps (stream_num, seq, gateway, reason, subject, from_us, to_us, gap_epoch, gap_lane, gap_from, \
         gap_to, missing) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING",
    )
    .bind(stream_num)
    .bind(seq as i64)
    .bind(gateway.as_str())
    .bind(gap.reason.name())
    .bind(gap.subject.as_str())
    .bind(gap.from.micros())
    .bind(gap.to.micros())
    .bind(gap.seqs.map(|s| s.0 as i64))
    .bind(gap.seqs.map(|s| i64::from(s.1.code())))
    .bind(gap.seqs.map(|s| s.2 as i64))
    .bind(gap.seqs.map(|s| s.3 as i64))
    .bind(i64::try_from(gap.count).unwrap_or(i64::MAX))
    .execute(connection)
    .await?;
    Ok(())
}

/// Keeps an event.
pub(super) async fn insert_event(
    connection: &mut AnyConnection,
    (stream_num, gateway): RecordOf<'_>,
    seq: u64,
    event: &Event,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO events (stream_num, seq, gateway, kind, subject, at_us, detail) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
    )
    .bind(stream_num)
    .bind(seq as i64)
    .bind(gateway.as_str())
    .bind(event.kind.name())
    .bind(event.subject.as_str())
    .bind(event.at.micros())
    .bind(event.detail.as_str())
    .execute(connection)
    .await?;
    Ok(())
}
