//! The bulk insert of readings, the only statement that differs between the two databases.
//!
//! SQLite: prepared multi-row VALUES of a few fixed sizes (three times faster than `json_each`
//! when measured); a short rest is padded by repeating its last row, which the key absorbs.
//! PostgreSQL: `unnest` over array texts, one round trip.

use super::{BindReal, Dialect, StoreError};
use sqlx::{AnyConnection, AssertSqlSafe};
use std::fmt::Write;
use std::sync::LazyLock;

/// A row of `readings`, in key order.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) slot: i64,
    pub(super) point_num: i64,
    pub(super) at_us: i64,
    pub(super) stream_num: i64,
    pub(super) seq: i64,
    pub(super) value: Option<f64>,
    pub(super) quality: i64,
    pub(super) ingested_us: i64,
}

impl Row {
    fn key(&self) -> (i64, i64, i64, i64, i64) {
        (self.slot, self.point_num, self.at_us, self.stream_num, self.seq)
    }
}

/// Rows per statement; 512 x 8 stays below SQLite's 32,766 parameters.
const SIZES: [usize; 4] = [512, 64, 8, 1];

type Statements = LazyLock<Vec<(usize, &'static str)>>;

fn statements(head: &str, row: &str, tail: &str) -> Vec<(usize, &'static str)> {
    let make = |size: &usize| {
        let text = format!("{head} VALUES {} {tail}", vec![row; *size].join(","));
        // A few texts for the life of the process, so that prepared statements are found again.
        (*size, &*Box::leak(text.into_boxed_str()))
    };
    SIZES.iter().map(make).collect()
}

static STATEMENTS: Statements = LazyLock::new(|| statements(INSERT, "(?,?,?,?,?,?,?,?)", "ON CONFLICT DO NOTHING"));
static LATEST_STATEMENTS: Statements = LazyLock::new(|| statements(LATEST, "(?,?,?,?,?)", LATEST_NEWER));

const INSERT: &str = "INSERT INTO readings (slot, point_num, at_us, stream_num, seq, value, quality, ingested_us)";
const LATEST: &str = "INSERT INTO latest (point_num, at_us, ingested_us, value, quality)";
const LATEST_NEWER: &str = "ON CONFLICT (point_num) DO UPDATE SET at_us = excluded.at_us, \
    ingested_us = excluded.ingested_us, value = excluded.value, quality = excluded.quality \
    WHERE excluded.at_us > latest.at_us";

/// Inserts rows, sorted by key so that appends stay local; existing keys are left alone.
pub(super) async fn insert(
    connection: &mut AnyConnection,
    dialect: Dialect,
    rows: &mut [Row],
) -> Result<(), StoreError> {
    rows.sort_unstable_by_key(Row::key);
    match dialect {
        Dialect::Sqlite => insert_values(connection, rows).await,
        Dialect::Postgres => insert_unnest(connection, rows).await,
    }
}

/// The smallest statement that takes all of `left`, or the largest one.
fn pick(from: &[(usize, &'static str)], left: usize) -> (usize, &'static str) {
    let fitting = from.iter().rev().find(|(size, _)| *size >= left);
    *fitting.or(from.first()).unwrap_or(&(1, ""))
}

async fn insert_values(connection: &mut AnyConnection, mut rows: &[Row]) -> Result<(), StoreError> {
    while let Some(last) = rows.last() {
        let (size, text) = pick(&STATEMENTS, rows.len());
        let take = size.min(rows.len());
        let mut query = sqlx::query(text);
        for row in rows[..take].iter().chain(std::iter::repeat_n(last, size - take)) {
            query = query
                .bind(row.slot)
                .bind(row.point_num)
                .bind(row.at_us)
                .bind(row.stream_num)
                .bind(row.seq)
                .bind_real(row.value)
                .bind(row.quality)
                .bind(row.ingested_us);
        }
        query.execute(&mut *connection).await?;
        rows = &rows[take..];
    }
    Ok(())
}

/// Writes newest values, one row per point, never over newer ones.
pub(super) async fn latest(connection: &mut AnyConnection, dialect: Dialect, rows: &[Row]) -> Result<(), StoreError> {
    if dialect == Dialect::Postgres {
        let text = format!(
            "{LATEST} SELECT * FROM unnest($1::text::bigint[], $2::text::bigint[], $3::text::bigint[], \
             $4::text::double precision[], $5::text::smallint[]) {LATEST_NEWER}"
        );
        sqlx::query(AssertSqlSafe(text))
            .bind(array(rows, |r| Some(r.point_num)))
            .bind(array(rows, |r| Some(r.at_us)))
            .bind(array(rows, |r| Some(r.ingested_us)))
            .bind(array(rows, |r| r.value))
            .bind(array(rows, |r| Some(r.quality)))
            .execute(&mut *connection)
            .await?;
        return Ok(());
    }
    let mut rows = rows;
    while let Some(last) = rows.last() {
        let (size, text) = pick(&LATEST_STATEMENTS, rows.len());
        let take = size.min(rows.len());
        let mut query = sqlx::query(text);
        for row in rows[..take].iter().chain(std::iter::repeat_n(last, size - take)) {
            query =
                query.bind(row.point_num).bind(row.at_us).bind(row.ingested_us).bind_real(row.value).bind(row.quality);
        }
        query.execute(&mut *connection).await?;
        rows = &rows[take..];
    }
    Ok(())
}

fn array<T: std::fmt::Display>(rows: &[Row], column: impl Fn(&Row) -> Option<T>) -> String {
    let mut text = String::with_capacity(rows.len() * 18 + 2);
    text.push('{');
    for (index, row) in rows.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        let _ = match column(row) {
            Some(value) => write!(text, "{value}"),
            None => write!(text, "NULL"),
        };
    }
    text.push('}');
    text
}

async fn insert_unnest(connection: &mut AnyConnection, rows: &[Row]) -> Result<(), StoreError> {
    for rows in rows.chunks(10_000) {
        let text = format!(
            "{INSERT} SELECT * FROM unnest($1::text::bigint[], $2::text::bigint[], $3::text::bigint[], \
             $4::text::bigint[], $5::text::bigint[], $6::text::double precision[], $7::text::smallint[], \
             $8::text::bigint[]) ON CONFLICT DO NOTHING"
        );
        sqlx::query(AssertSqlSafe(text))
            .bind(array(rows, |r| Some(r.slot)))
            .bind(array(rows, |r| Some(r.point_num)))
            .bind(array(rows, |r| Some(r.at_us)))
            .bind(array(rows, |r| Some(r.stream_num)))
            .bind(array(rows, |r| Some(r.seq)))
            .bind(array(rows, |r| r.value))
            .bind(array(rows, |r| Some(r.quality)))
            .bind(array(rows, |r| Some(r.ingested_us)))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statement_is_the_smallest_that_takes_all_rows() {
        for (left, size) in [(1, 1), (2, 8), (8, 8), (9, 64), (64, 64), (65, 512), (512, 512), (5_000, 512)] {
            assert_eq!(pick(&STATEMENTS, left).0, size, "{left} rows");
        }
    }
}
