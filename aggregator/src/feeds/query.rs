//! A database that is asked: one SELECT with a watermark, read only; the rows become a document of
//! JSON lines, which goes the way of every other.

use super::document::{Came, Intake};
use super::settings::{FeedConfig, QueryConfig};
use crate::clock;
use bytes::Bytes;
use futures_util::TryStreamExt;
use serde_json::{Map, Value};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Column, Connection, Executor, Row};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Rows of one answer; more come with the next question.
const ROWS_MAX: usize = 10_000;
/// Longest time for one answer.
const WITHIN: Duration = Duration::from_secs(60);

/// Asks until told to stop.
pub(super) async fn ask(feed: &FeedConfig, config: &QueryConfig, intake: &Intake, stop: CancellationToken) {
    loop {
        // As long as a full answer comes there is more.
        let more = match tokio::time::timeout(WITHIN, once(feed, config, intake)).await {
            Ok(Ok(rows)) => rows == ROWS_MAX,
            Ok(Err(error)) => {
                tracing::warn!(feed = %feed.name, error, "the database was not read");
                false
            }
            Err(_) => {
                tracing::warn!(feed = %feed.name, "the database did not answer in time");
                false
            }
        };
        let pause = if more { Duration::ZERO } else { Duration::from_secs(config.every_s) };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Asks once; how many rows came.
pub(super) async fn once(feed: &FeedConfig, config: &QueryConfig, intake: &Intake) -> Result<usize, String> {
    let say = |error: sqlx::Error| error.to_string();
    let (_, _, known) = intake.store().feed_state(feed.name.as_str(), clock::now()).await.map_err(|e| e.to_string())?;
    let from = known.unwrap_or_else(|| config.begin.clone());
    let mut connection = AnyConnection::connect(&config.url).await.map_err(say)?;
    let read_only =
        if config.url.starts_with("sqlite") { "PRAGMA query_only=1" } else { "SET default_transaction_read_only = on" };
    connection.execute(read_only).await.map_err(say)?;
    let (mut lines, mut rows, mut last) = (Vec::new(), 0, from.clone());
    {
        let mut answer = sqlx::query(AssertSqlSafe(config.query.clone())).bind(from.clone()).fetch(&mut connection);
        while rows < ROWS_MAX
            && let Some(row) = answer.try_next().await.map_err(say)?
        {
            let object = object(&row);
            let Some(mark) = object.get(&config.watermark).map(plain).filter(|mark| !mark.is_empty()) else {
                return Err(format!("a row without the watermark column {:?}", config.watermark));
            };
            last = mark;
            serde_json::to_writer(&mut lines, &object).map_err(|error| error.to_string())?;
            lines.push(b'\n');
            rows += 1;
            if lines.len() as u64 > feed.size_max {
                return Err(format!("an answer of more than {} bytes (size_max_mb)", feed.size_max));
            }
        }
    }
    let _ = connection.close().await;
    if rows > 0 {
        let name = format!("query after {from:?}");
        let came = Came { name, via: "query", label: None, bytes: Bytes::from(lines) };
        intake.take(feed, &came).await.map_err(|error| error.to_string())?;
        // Only after the rows are committed; a crash before it asks for them again.
        intake.store().set_watermark(feed.name.as_str(), &last).await.map_err(|error| error.to_string())?;
    }
    Ok(rows)
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| if value.is_null() { String::new() } else { value.to_string() }, str::to_owned)
}

/// A row by the names of its columns.
fn object(row: &AnyRow) -> Map<String, Value> {
    let value = |at: usize| -> Value {
        if let Ok(text) = row.try_get::<Option<String>, _>(at) {
            return text.map_or(Value::Null, Value::String);
        }
        if let Ok(number) = row.try_get::<Option<i64>, _>(at) {
            return number.map_or(Value::Null, Value::from);
        }
        row.try_get::<Option<f64>, _>(at).ok().flatten().map_or(Value::Null, Value::from)
    };
    row.columns().iter().enumerate().map(|(at, column)| (column.name().to_owned(), value(at))).collect()
}
