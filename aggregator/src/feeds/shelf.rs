//! The tables of feeds.

use crate::store::{Columns, Store, StoreError};
use minewatch_domain::At;
use minewatch_feed::Problem;
use serde::Serialize;
use sqlx::{AnyConnection, Row};

/// Rows of the quarantine kept; beyond it the oldest go, and are counted in their document.
pub(super) const ROWS_MAX: i64 = 100_000;
/// Rows kept of one document.
pub(super) const ROWS_OF_DOCUMENT_MAX: usize = 1_000;
/// Bytes of documents kept for a replay; beyond it the oldest lose theirs.
pub(super) const BODIES_BYTES_MAX: i64 = 1 << 30;
/// Longest text of a row, characters.
const TEXT_MAX: usize = 16_384;

/// What is known of a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Known {
    /// SHA-256 of its bytes.
    pub sha256: String,
    /// Name it came under.
    pub name: String,
    /// How it came: folder, http, mqtt, query.
    pub via: String,
    /// When, microseconds since 1970.
    pub came_us: i64,
    /// taking, taken, partial, refused.
    pub state: String,
    /// Facts in it.
    pub facts: i64,
    /// Records refused.
    pub refused: i64,
    /// Records taken with a doubt.
    pub marks: i64,
    /// Why it was refused.
    pub detail: String,
    /// How often the same bytes came again.
    pub again: i64,
}

/// A row of the quarantine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Held {
    /// Document.
    pub sha256: String,
    /// Line, 0 where there is none.
    pub line: i64,
    /// Place in words.
    pub place: String,
    /// Kind of fault.
    pub fault: String,
    /// mark, record, document.
    pub gravity: String,
    /// Why.
    pub why: String,
    /// The record as it stood.
    pub raw: Option<String>,
}

const DOCUMENT: &str = "sha256, name, via, came_us, state, facts, refused, marks, detail, again";

fn known(row: &sqlx::any::AnyRow) -> Result<Known, sqlx::Error> {
    Ok(Known {
        sha256: row.text(0)?,
        name: row.text(1)?,
        via: row.text(2)?,
        came_us: row.int(3)?,
        state: row.text(4)?,
        facts: row.int(5)?,
        refused: row.int(6)?,
        marks: row.int(7)?,
        detail: row.text(8)?,
        again: row.int(9)?,
    })
}

/// PostgreSQL text takes no NUL.
fn clean(text: &str) -> String {
    text.chars().take(TEXT_MAX).map(|c| if c == '\0' { '\u{fffd}' } else { c }).collect()
}

/// Notes that a document has come; says what is known of it, which may be from an earlier time.
pub(super) async fn begin(
    connection: &mut AnyConnection,
    feed: &str,
    (sha256, name, via, bytes): (&str, &str, &str, i64),
    label: Option<&str>,
    now: At,
) -> Result<Known, StoreError> {
    sqlx::query(
        "INSERT INTO feed_documents (feed, sha256, name, via, bytes, came_us, state, facts, refused, marks, detail, again, label) \
         VALUES ($1, $2, $3, $4, $5, $6, 'taking', 0, 0, 0, '', 0, $7) ON CONFLICT DO NOTHING",
    )
    .bind(feed)
    .bind(sha256)
    .bind(clean(name))
    .bind(via)
    .bind(bytes)
    .bind(now.micros())
    .bind(label.map(clean))
    .execute(&mut *connection)
    .await?;
    let row = sqlx::query(sqlx::AssertSqlSafe(format!(
        "SELECT {DOCUMENT} FROM feed_documents WHERE feed = $1 AND sha256 = $2"
    )))
    .bind(feed)
    .bind(sha256)
    .fetch_optional(&mut *connection)
    .await?;
    match row {
        Some(row) => Ok(known(&row)?),
        // The label's unique index kept it out: the sender uses one key for two contents.
        None => Ok(Known {
            sha256: String::new(),
            name: String::new(),
            via: String::new(),
            came_us: 0,
            state: "label".to_owned(),
            facts: 0,
            refused: 0,
            marks: 0,
            detail: String::new(),
            again: 0,
        }),
    }
}

/// Counts that the same bytes came again.
pub(super) async fn again(connection: &mut AnyConnection, feed: &str, sha256: &str) -> Result<(), StoreError> {
    sqlx::query("UPDATE feed_documents SET again = again + 1 WHERE feed = $1 AND sha256 = $2")
        .bind(feed)
        .bind(sha256)
        .execute(connection)
        .await?;
    Ok(())
}

/// What became of a document.
pub(super) struct Done<'a> {
    pub(super) state: &'a str,
    pub(super) facts: u64,
    pub(super) refused: u64,
    pub(super) marks: u64,
    pub(super) detail: &'a str,
    pub(super) problems: &'a [Problem],
    pub(super) body: Option<&'a [u8]>,
}

/// Notes the end of a document, with what of it is in quarantine.
pub(super) async fn done(
    connection: &mut AnyConnection,
    feed: &str,
    sha256: &str,
    done: &Done<'_>,
    now: At,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM feed_quarantine WHERE feed = $1 AND sha256 = $2")
        .bind(feed)
        .bind(sha256)
        .execute(&mut *connection)
        .await?;
    for problem in done.problems.iter().take(ROWS_OF_DOCUMENT_MAX) {
        sqlx::query(
            "INSERT INTO feed_quarantine (feed, sha256, at_us, line, place, fault, gravity, why, raw) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(feed)
        .bind(sha256)
        .bind(now.micros())
        .bind(i64::try_from(problem.place.line).unwrap_or(0))
        .bind(clean(&problem.place.to_string()))
        .bind(problem.fault.name())
        .bind(problem.gravity.name())
        .bind(clean(&problem.why))
        .bind(problem.raw.as_deref().map(clean))
        .execute(&mut *connection)
        .await?;
    }
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    sqlx::query(
        "UPDATE feed_documents SET state = $1, facts = $2, refused = $3, marks = $4, detail = $5, done_us = $6, body = $7 \
         WHERE feed = $8 AND sha256 = $9",
    )
    .bind(done.state)
    .bind(number(done.facts))
    .bind(number(done.refused))
    .bind(number(done.marks))
    .bind(clean(done.detail))
    .bind(now.micros())
    .bind(done.body.map(<[u8]>::to_vec))
    .bind(feed)
    .bind(sha256)
    .execute(&mut *connection)
    .await?;
    if done.state != "refused" {
        sqlx::query(
            "INSERT INTO feed_state (feed, since_us, taken_us) VALUES ($1, $2, $2) \
             ON CONFLICT (feed) DO UPDATE SET taken_us = excluded.taken_us",
        )
        .bind(feed)
        .bind(now.micros())
        .execute(&mut *connection)
        .await?;
    }
    trim(connection).await
}

/// Drops the oldest rows and bodies beyond the limits.
async fn trim(connection: &mut AnyConnection) -> Result<(), StoreError> {
    let rows = sqlx::query("SELECT COUNT(*) FROM feed_quarantine").fetch_one(&mut *connection).await?.int(0)?;
    if rows > ROWS_MAX {
        sqlx::query("DELETE FROM feed_quarantine WHERE id IN (SELECT id FROM feed_quarantine ORDER BY id LIMIT $1)")
            .bind(rows - ROWS_MAX + ROWS_MAX / 10)
            .execute(&mut *connection)
            .await?;
    }
    loop {
        let bytes =
            sqlx::query("SELECT CAST(COALESCE(SUM(bytes), 0) AS BIGINT) FROM feed_documents WHERE body IS NOT NULL");
        if bytes.fetch_one(&mut *connection).await?.int(0)? <= BODIES_BYTES_MAX {
            return Ok(());
        }
        let oldest =
            sqlx::query("SELECT feed, sha256 FROM feed_documents WHERE body IS NOT NULL ORDER BY came_us LIMIT 1");
        let Some(row) = oldest.fetch_optional(&mut *connection).await? else { return Ok(()) };
        sqlx::query("UPDATE feed_documents SET body = NULL, detail = detail || ' (bytes dropped: no room)' WHERE feed = $1 AND sha256 = $2")
            .bind(row.text(0)?)
            .bind(row.text(1)?)
            .execute(&mut *connection)
            .await?;
    }
}

impl Store {
    /// When something of a feed was last taken, and since when it is known. Makes it known.
    pub(super) async fn feed_state(&self, feed: &str, now: At) -> Result<(At, Option<At>, Option<String>), StoreError> {
        let asked = "SELECT since_us, taken_us, watermark FROM feed_state WHERE feed = $1";
        if let Some(row) = sqlx::query(asked).bind(feed).fetch_optional(self.reader()).await? {
            return Ok((At(row.int(0)?), row.maybe_int(1)?.map(At), row.maybe_text(2)?));
        }
        let mut writing = self.begin().await?;
        sqlx::query("INSERT INTO feed_state (feed, since_us) VALUES ($1, $2) ON CONFLICT DO NOTHING")
            .bind(feed)
            .bind(now.micros())
            .execute(&mut *writing)
            .await?;
        writing.commit().await?;
        Ok((now, None, None))
    }

    /// How far a database was read.
    pub(super) async fn set_watermark(&self, feed: &str, watermark: &str) -> Result<(), StoreError> {
        let mut writing = self.begin().await?;
        sqlx::query("UPDATE feed_state SET watermark = $1 WHERE feed = $2")
            .bind(watermark)
            .bind(feed)
            .execute(&mut *writing)
            .await?;
        writing.commit().await
    }

    /// The newest documents of a feed.
    pub(super) async fn feed_documents(&self, feed: &str, limit: i64) -> Result<Vec<Known>, StoreError> {
        let text = format!("SELECT {DOCUMENT} FROM feed_documents WHERE feed = $1 ORDER BY came_us DESC LIMIT $2");
        let rows = sqlx::query(sqlx::AssertSqlSafe(text)).bind(feed).bind(limit).fetch_all(self.reader()).await?;
        Ok(rows.iter().map(known).collect::<Result<_, _>>()?)
    }

    /// The quarantine of a feed, newest first.
    pub(super) async fn feed_quarantine(&self, feed: &str, limit: i64) -> Result<Vec<Held>, StoreError> {
        let rows = sqlx::query(
            "SELECT sha256, line, place, fault, gravity, why, raw FROM feed_quarantine WHERE feed = $1 ORDER BY id DESC LIMIT $2",
        )
        .bind(feed)
        .bind(limit)
        .fetch_all(self.reader())
        .await?;
        let held = |row: &sqlx::any::AnyRow| -> Result<Held, sqlx::Error> {
            Ok(Held {
                sha256: row.text(0)?,
                line: row.int(1)?,
                place: row.text(2)?,
                fault: row.text(3)?,
                gravity: row.text(4)?,
                why: row.text(5)?,
                raw: row.maybe_text(6)?,
            })
        };
        Ok(rows.iter().map(held).collect::<Result<_, _>>()?)
    }

    /// The bytes of a document in quarantine: name, way, label and bytes.
    pub(super) async fn feed_body(
        &self,
        feed: &str,
        sha256: &str,
    ) -> Result<Option<(String, String, Vec<u8>)>, StoreError> {
        let row = sqlx::query(
            "SELECT name, via, body FROM feed_documents WHERE feed = $1 AND sha256 = $2 AND body IS NOT NULL",
        )
        .bind(feed)
        .bind(sha256)
        .fetch_optional(self.reader())
        .await?;
        row.map(|row| Ok((row.text(0)?, row.text(1)?, row.try_get::<Vec<u8>, _>(2)?))).transpose()
    }

    /// Revision and level of an alarm of ours; 0 and 0 where there is none.
    pub(super) async fn feed_alarm(&self, gateway: &str, alarm: &str) -> Result<(i64, i64), StoreError> {
        let row =
            sqlx::query("SELECT revision, CAST(to_level AS BIGINT) FROM alarms WHERE gateway = $1 AND alarm = $2")
                .bind(gateway)
                .bind(alarm)
                .fetch_optional(self.reader())
                .await?;
        row.map_or(Ok((0, 0)), |row| Ok((row.int(0)?, row.int(1)?)))
    }
}
