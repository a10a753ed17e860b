//! Durable readings a second through MQTT, admission, marks and the store, against the store's own
//! bulk insert of the same number of rows into the same table in the same run.

use crate::report::{Good, Metric};
use anyhow::{Context, Result};
use minewatch_tests::aggregator::{Aggregator, Setup};
use minewatch_tests::postgres::Postgres;
use minewatch_tests::process::{binary, run, scratch};
use sqlx::{Connection, Executor, PgConnection, SqliteConnection};
use std::process::Command;
use std::time::Instant;

/// Rows of the bulk insert, and rows of one of its transactions.
const BULK_ROWS: i64 = 500_000;
const BULK_TRANSACTION: i64 = 20_000;
/// Rows of one SQLite statement; 512 x 8 parameters stay below its limit.
const SQLITE_STATEMENT: i64 = 500;
/// Points that the load generator plays: 10 gateways of 1,000.
const POINTS: i64 = 10_000;

const TABLE: &str = "CREATE TABLE readings (
    slot BIGINT NOT NULL, point_num BIGINT NOT NULL, at_us BIGINT NOT NULL, stream_num BIGINT NOT NULL,
    seq BIGINT NOT NULL, value DOUBLE PRECISION, quality SMALLINT NOT NULL, ingested_us BIGINT NOT NULL,
    PRIMARY KEY (slot, point_num, at_us, stream_num, seq))";

fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(work)
}

/// Row `n`: every point once a second, as live data comes.
fn row(n: i64) -> (i64, i64, i64, i64, i64, f64) {
    let at_us = 1_790_000_000_000_000 + n / POINTS * 1_000_000;
    (at_us / 60_000_000, n % POINTS, at_us, n % 20, n, n as f64 * 0.5)
}

async fn through_mqtt(folder: &std::path::Path, setup: &Setup) -> Result<(f64, serde_json::Value)> {
    let aggregator = Aggregator::start(folder, setup).await?;
    let port = aggregator.mqtt_port().context("embedded broker")?;
    let mut load = Command::new(binary("simulator")?);
    load.args(["load", "--broker", &format!("127.0.0.1:{port}"), "--gateways", "10", "--connections", "4"]);
    // Batches of 1,000 readings, as a gateway's spool makes its frames.
    load.args(["--points", "1000", "--rate", "40", "--seconds", "20", "--drain-seconds", "10"]);
    let printed = tokio::task::spawn_blocking(move || run(&mut load)).await??;
    let line = printed.lines().rev().find(|l| l.starts_with('{')).context("load generator's line")?;
    let seen: serde_json::Value = serde_json::from_str(line)?;
    Ok((seen["readings_acked_per_s"].as_f64().context("readings_acked_per_s")?, seen))
}

async fn bulk_sqlite(folder: &std::path::Path) -> Result<f64> {
    let url = format!("sqlite://{}?mode=rwc", folder.join("bulk.db").display());
    let mut db = SqliteConnection::connect(&url).await?;
    db.execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;").await?;
    db.execute(sqlx::AssertSqlSafe(format!("{TABLE} WITHOUT ROWID"))).await?;
    let values = vec!["(?,?,?,?,?,?,0,0)"; SQLITE_STATEMENT as usize].join(",");
    let statement: &'static str =
        Box::leak(format!("INSERT INTO readings VALUES {values} ON CONFLICT DO NOTHING").into_boxed_str());
    let started = Instant::now();
    for first in (0..BULK_ROWS).step_by(BULK_TRANSACTION as usize) {
        let mut transaction = db.begin().await?;
        for chunk in (first..first + BULK_TRANSACTION).step_by(SQLITE_STATEMENT as usize) {
            let mut query = sqlx::query(statement);
            for n in chunk..chunk + SQLITE_STATEMENT {
                let (slot, point, at, stream, seq, value) = row(n);
                query = query.bind(slot).bind(point).bind(at).bind(stream).bind(seq).bind(value);
            }
            query.execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
    }
    Ok(BULK_ROWS as f64 / started.elapsed().as_secs_f64())
}

async fn bulk_postgres(url: &str) -> Result<f64> {
    let mut db = PgConnection::connect(url).await?;
    db.execute("CREATE SCHEMA bulk; SET search_path TO bulk").await?;
    db.execute(TABLE).await?;
    let started = Instant::now();
    for first in (0..BULK_ROWS).step_by(BULK_TRANSACTION as usize) {
        let rows: Vec<_> = (first..first + BULK_TRANSACTION).map(row).collect();
        sqlx::query("INSERT INTO readings SELECT *, 0, 0 FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::double precision[]) ON CONFLICT DO NOTHING")
            .bind(rows.iter().map(|r| r.0).collect::<Vec<_>>())
            .bind(rows.iter().map(|r| r.1).collect::<Vec<_>>())
            .bind(rows.iter().map(|r| r.2).collect::<Vec<_>>())
            .bind(rows.iter().map(|r| r.3).collect::<Vec<_>>())
            .bind(rows.iter().map(|r| r.4).collect::<Vec<_>>())
            .bind(rows.iter().map(|r| r.5).collect::<Vec<_>>())
            .execute(&mut db)
            .await?;
    }
    Ok(BULK_ROWS as f64 / started.elapsed().as_secs_f64())
}

fn metric(name: &str, ours: f64, bulk: f64, seen: &serde_json::Value) -> Metric {
    let against = format!(
        "bulk insert {bulk:.0} rows/s, through MQTT {ours:.0} readings/s (broker, load generator and store on these cores; latency p99 {} ms, unacked {})",
        seen["latency_p99_ms"], seen["readings_unacked"]
    );
    Metric::new(name, ours / bulk, "ratio", (Good::AtLeast, 0.5), &against)
}

/// SQLite.
pub(crate) fn sqlite() -> Result<Vec<Metric>> {
    block_on(async {
        let folder = scratch("bench-ingest-sqlite")?;
        let bulk = bulk_sqlite(&folder).await?;
        let (ours, seen) = through_mqtt(&folder, &Setup::default()).await?;
        Ok(vec![metric("ingest_vs_bulk_sqlite", ours, bulk, &seen)])
    })
}

/// PostgreSQL.
pub(crate) fn postgres() -> Result<Vec<Metric>> {
    block_on(async {
        let folder = scratch("bench-ingest-postgres")?;
        let postgres = Postgres::start()?;
        let bulk = bulk_postgres(&postgres.url()).await?;
        let setup = Setup { store_url: Some(postgres.url()), ..Setup::default() };
        let (ours, seen) = through_mqtt(&folder, &setup).await?;
        Ok(vec![metric("ingest_vs_bulk_postgres", ours, bulk, &seen)])
    })
}
