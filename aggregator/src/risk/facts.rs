//! The table of facts.

use crate::store::StoreError;
use minewatch_risk::fact::Fact;
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
