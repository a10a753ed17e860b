//! The table of facts.

use crate::store::{Columns, Store, StoreError};
use minewatch_domain::OrgPath;
use minewatch_risk::fact::{Fact, FactKind, Lineage};
use sha2::{Digest, Sha256};
use sqlx::AnyConnection;

/// What became of facts that were brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Taken {
    /// New to the store.
    pub stored: u64,
    /// Already there, word for word.
    pub known: u64,
}

/// Identity of a statement: what it says, not where it was read, so that the same statement from
/// a batch sent twice is one.
fn digest(fact: &Fact, body: &str) -> String {
    let mut hash = Sha256::new();
    for part in [fact.org.as_str(), &fact.event_at_us.to_string(), body] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Stores facts in the caller's transaction. A fact says by itself when it was known; one that says a
/// later moment than now is known now, for nothing can be learned in the future.
///
/// # Errors
/// When the store fails; the transaction must be given up then.
pub async fn take(connection: &mut AnyConnection, facts: &[Fact], now_us: i64) -> Result<Taken, StoreError> {
    let mut taken = Taken::default();
    if facts.is_empty() {
        return Ok(taken);
    }
    // One after the other, so that numbers become visible in their order and none is passed over.
    sqlx::query(
        "INSERT INTO meta (name, number) VALUES ('facts', 1) \
         ON CONFLICT (name) DO UPDATE SET number = meta.number + 1",
    )
    .execute(&mut *connection)
    .await?;
    for fact in facts {
        let body =
            serde_json::to_string(&fact.fields).map_err(|e| StoreError::Database(sqlx::Error::Encode(e.into())))?;
        let inserted = sqlx::query(
            "INSERT INTO fact (kind, fact_key, known_us, digest, org, event_us, body, source, document, locator, \
             sha256, taken_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING",
        )
        .bind(fact.kind.as_str())
        .bind(fact.key.as_str())
        .bind(fact.known_at_us.min(now_us))
        .bind(digest(fact, &body))
        .bind(fact.org.as_str())
        .bind(fact.event_at_us)
        .bind(body)
        .bind(fact.lineage.source.as_str())
        .bind(fact.lineage.document.as_str())
        .bind(fact.lineage.locator.as_str())
        .bind(fact.lineage.sha256.as_str())
        .bind(now_us)
        .execute(&mut *connection)
        .await?;
        match inserted.rows_affected() {
            0 => taken.known += 1,
            _ => taken.stored += 1,
        }
    }
    Ok(taken)
}

/// A fact with its number.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// Order in which it was taken.
    pub number: i64,
    /// The fact.
    pub fact: Fact,
}

/// An alarm of a unit that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Standing {
    pub gateway: String,
    pub alarm: String,
    pub kind: String,
    pub org: String,
}

fn damaged(what: &str) -> StoreError {
    StoreError::Database(sqlx::Error::Decode(format!("stored {what} of a fact cannot be read").into()))
}

/// A row of the columns `fact_num, kind, fact_key, org, event_us, known_us, body, source, document, locator, sha256`.
pub(super) fn stored_of(row: &sqlx::any::AnyRow) -> Result<Stored, StoreError> {
    let fact = Fact {
        kind: FactKind::parse(&row.text(1)?).map_err(|_| damaged("kind"))?,
        key: row.text(2)?,
        org: OrgPath::parse(&row.text(3)?).map_err(|_| damaged("unit"))?,
        event_at_us: row.int(4)?,
        known_at_us: row.int(5)?,
        fields: serde_json::from_str(&row.text(6)?).map_err(|_| damaged("content"))?,
        lineage: Lineage { source: row.text(7)?, document: row.text(8)?, locator: row.text(9)?, sha256: row.text(10)? },
    };
    Ok(Stored { number: row.int(0)?, fact })
}

impl Store {
    /// The next facts after a number.
    ///
    /// # Errors
    /// When the store does not answer, or holds what is no fact.
    pub async fn facts_after(&self, number: i64, limit: i64) -> Result<Vec<Stored>, StoreError> {
        let rows = sqlx::query(
            "SELECT fact_num, kind, fact_key, org, event_us, known_us, body, source, document, locator, sha256 \
             FROM fact WHERE fact_num > $1 ORDER BY fact_num LIMIT $2",
        )
        .bind(number)
        .bind(limit)
        .fetch_all(self.reader())
        .await?;
        rows.iter().map(stored_of).collect()
    }

    /// Alarms of business rules that stand.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn risks_standing(&self) -> Result<Vec<Standing>, StoreError> {
        let rows = sqlx::query(
            "SELECT a.gateway, a.alarm, a.kind, r.org FROM alarms a JOIN risk_source r ON r.gateway = a.gateway \
             WHERE a.to_level > 0",
        )
        .fetch_all(self.reader())
        .await?;
        let read = |row: &sqlx::any::AnyRow| {
            Ok(Standing { gateway: row.text(0)?, alarm: row.text(1)?, kind: row.text(2)?, org: row.text(3)? })
        };
        rows.iter().map(read).collect()
    }
}
