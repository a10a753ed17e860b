//! The audit trail: who did what to what, in a chain of hashes.
//!
//! Invariant: an entry is written in the transaction of what it records, or neither is there; each
//! entry holds the hash of the one before, and the head row serialises writers, also of several
//! aggregators. Deliberately absent: updates and deletes (the database refuses them too).

mod chain;
pub mod head;
mod read;
#[cfg(test)]
mod tests;
pub mod verify;

pub use chain::{Entry, GENESIS, hex};
pub use read::{PAGE_MAX, Wanted, after, head, page};

use crate::people::Actor;
use crate::store::{Columns, StoreError};
use minewatch_domain::At;
use sqlx::AnyConnection;

/// Longest target and detail kept; longer ones are cut, with an ellipsis.
const TEXT_BYTES_MAX: usize = 4_096;

fn bounded(text: &str) -> String {
    match text.len() > TEXT_BYTES_MAX {
        false => text.to_owned(),
        true => format!("{}…", &text[..text.floor_char_boundary(TEXT_BYTES_MAX)]),
    }
}

/// Appends an entry inside the caller's transaction. Call it last: on PostgreSQL the head stays
/// locked until the transaction ends, and whoever takes it first and other rows after could wait
/// for somebody who waits for the head.
///
/// `action` is a constant such as `alarm.acknowledge`; `detail` is JSON without secrets.
///
/// # Errors
/// When the database refuses; the transaction must then be given up.
pub async fn append(
    connection: &mut AnyConnection,
    actor: &Actor,
    action: &str,
    target: &str,
    detail: &serde_json::Value,
    at: At,
) -> Result<Entry, StoreError> {
    let head = sqlx::query("UPDATE audit_head SET seq = seq + 1 WHERE id = 1 RETURNING seq, hash")
        .fetch_one(&mut *connection)
        .await?;
    let mut entry = Entry {
        seq: head.int(0)?,
        at,
        person: actor.person.to_string(),
        via: actor.via.text(),
        action: bounded(action),
        target: bounded(target),
        detail: bounded(&detail.to_string()),
        previous: head.text(1)?,
        hash: String::new(),
    };
    entry.hash = entry.computed();
    sqlx::query(
        "INSERT INTO audit (seq, at_us, person, via, action, target, detail, previous, hash) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(entry.seq)
    .bind(entry.at.micros())
    .bind(&entry.person)
    .bind(&entry.via)
    .bind(&entry.action)
    .bind(&entry.target)
    .bind(&entry.detail)
    .bind(&entry.previous)
    .bind(&entry.hash)
    .execute(&mut *connection)
    .await?;
    sqlx::query("UPDATE audit_head SET hash = $1 WHERE id = 1").bind(&entry.hash).execute(connection).await?;
    Ok(entry)
}
