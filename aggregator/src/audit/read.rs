//! Reading the trail: a page, or everything for the check and the export.

use super::{Entry, chain};
use crate::store::{Columns, Store, StoreError};
use minewatch_domain::At;
use sqlx::any::AnyRow;

/// Entries read at once.
pub const PAGE_MAX: i64 = 1_000;

const COLUMNS: &str = "SELECT seq, at_us, person, via, action, target, detail, previous, hash FROM audit";

fn entry_of(row: &AnyRow) -> Result<Entry, StoreError> {
    Ok(Entry {
        seq: row.int(0)?,
        at: At(row.int(1)?),
        person: row.text(2)?,
        via: row.text(3)?,
        action: row.text(4)?,
        target: row.text(5)?,
        detail: row.text(6)?,
        previous: row.text(7)?,
        hash: row.text(8)?,
    })
}

/// What to look for.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Only entries before this one, newest first; 0: from the newest.
    pub before: i64,
    /// Only of this person.
    pub person: Option<String>,
    /// Only actions that begin so.
    pub action: Option<String>,
}

/// Newest entries first.
///
/// # Errors
/// When the store does not answer; so for every function here.
pub async fn page(store: &Store, wanted: &Wanted, limit: i64) -> Result<Vec<Entry>, StoreError> {
    let text = format!(
        "{COLUMNS} WHERE ($1 = 0 OR seq < $1) AND ($2 = '' OR person = $2) \
         AND ($3 = '' OR SUBSTR(action, 1, LENGTH($3)) = $3) ORDER BY seq DESC LIMIT $4"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(text))
        .bind(wanted.before)
        .bind(wanted.person.as_deref().unwrap_or(""))
        .bind(wanted.action.as_deref().unwrap_or(""))
        .bind(limit)
        .fetch_all(store.reader())
        .await?;
    rows.iter().map(entry_of).collect()
}

/// Entries after `after`, oldest first, at most [`PAGE_MAX`].
pub async fn after(store: &Store, after: i64) -> Result<Vec<Entry>, StoreError> {
    let text = format!("{COLUMNS} WHERE seq > $1 ORDER BY seq LIMIT $2");
    let rows = sqlx::query(sqlx::AssertSqlSafe(text)).bind(after).bind(PAGE_MAX).fetch_all(store.reader()).await?;
    rows.iter().map(entry_of).collect()
}

/// Position and hash of the head row.
pub async fn head(store: &Store) -> Result<(i64, String), StoreError> {
    let row = sqlx::query("SELECT seq, hash FROM audit_head WHERE id = 1").fetch_optional(store.reader()).await?;
    match row {
        Some(row) => Ok((row.int(0)?, row.text(1)?)),
        None => Ok((0, chain::GENESIS.to_owned())),
    }
}
