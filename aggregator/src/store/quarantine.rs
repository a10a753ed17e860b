//! Refused payloads and records, kept for a person to look at; bounded, oldest dropped and counted.

use super::{Columns, StoreError};
use crate::ingest::Refused;
use crate::ingest::admit::{Batch, RefusalReason};
use sha2::{Digest, Sha256};
use sqlx::AnyConnection;

/// Rows kept. With [`BYTES_MAX`] it bounds what a broken or hostile sender can fill.
const ROWS_MAX: i64 = 10_000;
/// Payload bytes kept.
const BYTES_MAX: i64 = 256 << 20;
/// Longest explanation kept, in characters.
const DETAIL_MAX: usize = 500;
/// Longest topic kept, in characters.
const TOPIC_MAX: usize = 512;

struct Entry<'a> {
    at_us: i64,
    topic: &'a str,
    gateway: Option<String>,
    reason: RefusalReason,
    detail: &'a str,
    payload: &'a [u8],
}

/// Keeps a refused payload.
pub(super) async fn keep(connection: &mut AnyConnection, refused: &Refused) -> Result<(), StoreError> {
    let refusal = &refused.refusal;
    let entry = Entry {
        at_us: refused.at.micros(),
        topic: &refused.topic,
        gateway: refusal.gateway.as_ref().map(ToString::to_string),
        reason: refusal.reason,
        detail: &refusal.detail,
        payload: &refused.payload,
    };
    insert(connection, entry).await
}

/// Keeps the trace of one impossible record of an otherwise good batch.
pub(super) async fn keep_record(
    connection: &mut AnyConnection,
    batch: &Batch,
    seq: u64,
    why: &str,
) -> Result<(), StoreError> {
    let topic = minewatch_domain::topics::batch(&batch.gateway, batch.lane);
    let detail = format!("epoch {} lane {} seq {seq}: {why}", batch.epoch, batch.lane.name());
    let entry = Entry {
        at_us: batch.at.micros(),
        topic: &topic,
        gateway: Some(batch.gateway.to_string()),
        reason: RefusalReason::Impossible,
        detail: &detail,
        payload: &[],
    };
    insert(connection, entry).await
}

fn printable(text: &str, max: usize) -> String {
    // PostgreSQL text takes no NUL.
    text.chars().take(max).map(|c| if c == '\0' { '\u{fffd}' } else { c }).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn insert(connection: &mut AnyConnection, entry: Entry<'_>) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO quarantine (at_us, topic, gateway, reason, detail, bytes, sha256, payload) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(entry.at_us)
    .bind(printable(entry.topic, TOPIC_MAX))
    .bind(entry.gateway)
    .bind(entry.reason.name())
    .bind(printable(entry.detail, DETAIL_MAX))
    .bind(entry.payload.len() as i64)
    .bind(hex(&Sha256::digest(entry.payload)))
    .bind(entry.payload.to_vec())
    .execute(&mut *connection)
    .await?;
    count(connection, entry.reason.name(), 1).await
}

async fn count(connection: &mut AnyConnection, reason: &str, by: i64) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO quarantine_counts (reason, seen) VALUES ($1, $2) \
         ON CONFLICT (reason) DO UPDATE SET seen = quarantine_counts.seen + excluded.seen",
    )
    .bind(reason)
    .bind(by)
    .execute(connection)
    .await?;
    Ok(())
}

/// Drops the oldest entries beyond the bounds; once per transaction.
pub(super) async fn trim(connection: &mut AnyConnection) -> Result<(), StoreError> {
    let row = sqlx::query("SELECT COUNT(*), CAST(COALESCE(SUM(bytes), 0) AS BIGINT) FROM quarantine")
        .fetch_one(&mut *connection)
        .await?;
    if row.int(0)? <= ROWS_MAX && row.int(1)? <= BYTES_MAX {
        return Ok(());
    }
    let dropped = sqlx::query("DELETE FROM quarantine WHERE id IN (SELECT id FROM quarantine ORDER BY id LIMIT $1)")
        .bind(ROWS_MAX / 10)
        .execute(&mut *connection)
        .await?;
    count(connection, "dropped_oldest", dropped.rows_affected() as i64).await
}
