//! What people read of facts and warnings: straight from the store, bounded.

use super::facts::{Stored, stored_of};
use crate::store::{Columns, Store, StoreError};
use minewatch_domain::At;
use sqlx::AssertSqlSafe;
use std::collections::BTreeMap;

/// Warnings of one rule, level, unit and domain together.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub(crate) struct Heap {
    /// `P01#1`.
    pub(crate) rule: String,
    pub(crate) level: i64,
    pub(crate) org: String,
    pub(crate) domain: String,
    pub(crate) count: i64,
}

/// The document a fact was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub(crate) struct Document {
    pub(crate) via: String,
    pub(crate) came: At,
    pub(crate) state: String,
}

/// Heaps of warnings read at once: rules times units.
const HEAPS_MAX: i64 = 200_000;
/// Units with names or warnings.
const UNITS_MAX: i64 = 100_000;
const FACT: &str = "SELECT fact_num, kind, fact_key, org, event_us, known_us, body, source, document, locator, sha256 \
    FROM fact";

impl Store {
    /// Standing warnings of the business side, heaped; what only waits to be acknowledged does not count.
    ///
    /// # Errors
    /// When the store does not answer; so for every function here.
    pub(crate) async fn warning_heaps(&self) -> Result<Vec<Heap>, StoreError> {
        let rows = sqlx::query(
            "SELECT j.rule, a.to_level, a.org, a.domain, COUNT(*) FROM alarms a JOIN alarm_journal j \
             ON j.gateway = a.gateway AND j.alarm = a.alarm AND j.revision = a.revision \
             WHERE a.to_level > 0 AND a.isa NOT IN ('NORM', 'RTNUN') AND a.domain IN ('credit', 'procurement', 'treasury', 'legal') \
             GROUP BY j.rule, a.to_level, a.org, a.domain LIMIT $1",
        )
        .bind(HEAPS_MAX)
        .fetch_all(self.reader())
        .await?;
        let read = |row: &sqlx::any::AnyRow| {
            let (rule, level, org) = (row.text(0)?, row.int(1)?, row.text(2)?);
            Ok(Heap { rule, level, org, domain: row.text(3)?, count: row.int(4)? })
        };
        rows.iter().map(read).collect()
    }

    /// Names of units: path to Chinese and English.
    pub(crate) async fn unit_names(&self) -> Result<BTreeMap<String, (String, String)>, StoreError> {
        let rows = sqlx::query("SELECT path, name_zh, name_en FROM org_units LIMIT $1").bind(UNITS_MAX);
        let rows = rows.fetch_all(self.reader()).await?;
        let read = |row: &sqlx::any::AnyRow| Ok((row.text(0)?, (row.text(1)?, row.text(2)?)));
        rows.iter().map(read).collect()
    }

    /// The unit of every source of business warnings.
    pub(crate) async fn risk_units(&self) -> Result<BTreeMap<String, String>, StoreError> {
        let rows = sqlx::query("SELECT gateway, org FROM risk_source LIMIT $1").bind(UNITS_MAX);
        let rows = rows.fetch_all(self.reader()).await?;
        rows.iter().map(|row| Ok((row.text(0)?, row.text(1)?))).collect()
    }

    /// Every statement about one thing, the newest first; at most `limit`.
    pub(crate) async fn statements(&self, kind: &str, key: &str, limit: i64) -> Result<Vec<Stored>, StoreError> {
        let text = format!(
            "{FACT} WHERE kind = $1 AND fact_key = $2 ORDER BY known_us DESC, event_us DESC, fact_num DESC LIMIT $3"
        );
        let rows = sqlx::query(AssertSqlSafe(text)).bind(kind).bind(key).bind(limit).fetch_all(self.reader()).await?;
        rows.iter().map(stored_of).collect()
    }

    /// The document with these bytes that came over a feed.
    pub(crate) async fn feed_document(&self, feed: &str, sha256: &str) -> Result<Option<Document>, StoreError> {
        let row = sqlx::query("SELECT via, came_us, state FROM feed_documents WHERE feed = $1 AND sha256 = $2")
            .bind(feed)
            .bind(sha256)
            .fetch_optional(self.reader())
            .await?;
        row.map(|row| Ok(Document { via: row.text(0)?, came: At(row.int(1)?), state: row.text(2)? })).transpose()
    }
}
