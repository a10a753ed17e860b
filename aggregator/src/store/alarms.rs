//! The outbox: what headquarters is to hear, written in the transaction of what it tells.

use super::StoreError;
use crate::hq::event;
use minewatch_domain::{At, GatewayId};
use sqlx::AnyConnection;

/// Puts a message into the outbox; its key makes a repeat harmless.
pub(super) async fn enqueue(
    connection: &mut AnyConnection,
    gateway: &GatewayId,
    message: &event::Outgoing,
    now: At,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO outbox (message_key, gateway, leaf, retain, payload, created_us) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
    )
    .bind(message.key.as_str())
    .bind(gateway.as_str())
    .bind(message.leaf.as_str())
    .bind(i64::from(message.retain))
    .bind(message.payload.as_str())
    .bind(now.micros())
    .execute(connection)
    .await?;
    Ok(())
}
