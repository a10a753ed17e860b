//! What the store holds of each stream: the received ranges, cached and verified by version.
//!
//! Invariant: a cached set is used only if nobody else wrote the stream since; the version column
//! is raised (and the row locked) by the same statement that says so.

use super::{Columns, StoreError};
use minewatch_domain::{GatewayId, Lane, RangeSet};
use sqlx::AnyConnection;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

/// `(gateway, epoch, lane)`.
pub(super) type StreamKey = (GatewayId, u64, Lane);

/// One stream's number, version and received ranges.
#[derive(Debug, Clone, Default)]
pub(super) struct Stream {
    pub(super) num: i64,
    version: i64,
    pub(super) marks: RangeSet,
}

/// Streams seen by this process.
#[derive(Debug, Default)]
pub(super) struct Streams {
    cached: HashMap<StreamKey, Stream>,
}

/// Streams cached; when full the cache is emptied and refilled from the store.
const STREAMS_MAX: usize = 100_000;

impl Streams {
    /// Locks the stream for this transaction and returns what the store has of it.
    pub(super) async fn lock(
        &mut self,
        connection: &mut AnyConnection,
        key: &StreamKey,
    ) -> Result<&mut Stream, StoreError> {
        if self.cached.len() >= STREAMS_MAX {
            self.cached.clear();
        }
        let (gateway, epoch, lane) = key;
        if !self.cached.contains_key(key) {
            sqlx::query(
                "INSERT INTO streams (gateway, epoch, lane, version, next_seq, closed) VALUES ($1, $2, $3, 0, 0, 0) \
                 ON CONFLICT DO NOTHING",
            )
            .bind(gateway.as_str())
            .bind(*epoch as i64)
            .bind(i64::from(lane.code()))
            .execute(&mut *connection)
            .await?;
        }
        let row = sqlx::query(
            "UPDATE streams SET version = version + 1 WHERE gateway = $1 AND epoch = $2 AND lane = $3 \
             RETURNING stream_num, version",
        )
        .bind(gateway.as_str())
        .bind(*epoch as i64)
        .bind(i64::from(lane.code()))
        .fetch_one(&mut *connection)
        .await?;
        let (num, version) = (row.int(0)?, row.int(1)?);
        let stream = self.cached.entry(key.clone()).or_default();
        if stream.num != num || stream.version + 1 != version {
            stream.marks = load(connection, num).await?;
        }
        stream.num = num;
        stream.version = version;
        Ok(stream)
    }
}

/// Reads a stream's ranges.
pub(super) async fn load(connection: &mut AnyConnection, stream_num: i64) -> Result<RangeSet, StoreError> {
    let rows = sqlx::query("SELECT from_seq, to_seq FROM marks WHERE stream_num = $1")
        .bind(stream_num)
        .fetch_all(connection)
        .await?;
    rows.iter().map(|row| Ok(row.int(0)? as u64..row.int(1)? as u64)).collect()
}

/// What must be deleted (by first number) and written to turn `before` into `after`.
fn difference(before: &RangeSet, after: &RangeSet) -> (Vec<u64>, Vec<Range<u64>>) {
    let old: BTreeMap<u64, u64> = before.iter().map(|r| (r.start, r.end)).collect();
    let new: BTreeMap<u64, u64> = after.iter().map(|r| (r.start, r.end)).collect();
    let gone = old.keys().filter(|from| !new.contains_key(from)).copied().collect();
    let changed = new.iter().filter(|(from, to)| old.get(from) != Some(to)).map(|(from, to)| *from..*to).collect();
    (gone, changed)
}

/// Writes the difference between what was and what is.
pub(super) async fn save(
    connection: &mut AnyConnection,
    stream_num: i64,
    before: &RangeSet,
    after: &RangeSet,
) -> Result<(), StoreError> {
    let (gone, changed) = difference(before, after);
    for from in gone {
        sqlx::query("DELETE FROM marks WHERE stream_num = $1 AND from_seq = $2")
            .bind(stream_num)
            .bind(from as i64)
            .execute(&mut *connection)
            .await?;
    }
    for range in changed {
        sqlx::query(
            "INSERT INTO marks (stream_num, from_seq, to_seq) VALUES ($1, $2, $3) \
             ON CONFLICT (stream_num, from_seq) DO UPDATE SET to_seq = excluded.to_seq",
        )
        .bind(stream_num)
        .bind(range.start as i64)
        .bind(range.end as i64)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_ranges_that_changed_are_written() {
        let before: RangeSet = [0..10, 20..30, 40..50].into_iter().collect();
        let after: RangeSet = [0..30, 40..50, 60..61].into_iter().collect();
        assert_eq!(difference(&before, &after), (vec![20], vec![0..30, 60..61]));
        assert_eq!(difference(&after, &after), (vec![], vec![]));
    }
}
