//! Numbers of Sparkplug births, kept across restarts.

use super::{Columns, Store, StoreError};
use minewatch_domain::GatewayId;

impl Store {
    /// The number of the next connection of a gateway's edge node: one more than the last, 255 is
    /// followed by 0.
    ///
    /// # Errors
    /// When the store does not answer; the number must not be used then.
    pub async fn next_bd_seq(&self, gateway: &GatewayId) -> Result<u8, StoreError> {
        let mut transaction = self.begin().await?;
        sqlx::query(
            "INSERT INTO sparkplug_births (gateway, bd_seq) VALUES ($1, 0) \
             ON CONFLICT (gateway) DO UPDATE SET bd_seq = (sparkplug_births.bd_seq + 1) % 256",
        )
        .bind(gateway.as_str())
        .execute(&mut *transaction)
        .await?;
        let row = sqlx::query("SELECT bd_seq FROM sparkplug_births WHERE gateway = $1")
            .bind(gateway.as_str())
            .fetch_one(&mut *transaction)
            .await?;
        let number = u8::try_from(row.int(0)?).unwrap_or(0);
        transaction.commit().await?;
        Ok(number)
    }
}
