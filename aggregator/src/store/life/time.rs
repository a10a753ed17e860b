//! What time alone does: ends of shelves, re-alarms, rungs of ladders, deadlines, ends of commands.

use super::Work;
use crate::store::{Columns, Store, StoreError};
use minewatch_domain::{At, GatewayId, PointId};

/// Alarms and cases handled in one transaction; the rest comes with the next, half a second later.
const DUE_MAX: i64 = 500;

impl Store {
    /// Whether time has anything to do; asked by the writer before it opens a transaction.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn anything_due(&self, now: At) -> Result<bool, StoreError> {
        let row = sqlx::query(
            "SELECT (SELECT COUNT(*) FROM (SELECT 1 FROM cases WHERE due_us <= $1 LIMIT 1) c) + \
             (SELECT COUNT(*) FROM (SELECT 1 FROM alarms WHERE timer_us <= $1 LIMIT 1) a) + \
             (SELECT COUNT(*) FROM (SELECT 1 FROM commands WHERE state = 'pending' AND expires_us <= $1 LIMIT 1) o)",
        )
        .bind(now.micros())
        .fetch_one(&self.writer)
        .await?;
        Ok(row.int(0)? > 0)
    }
}

impl Work<'_> {
    /// Does what is due; another aggregator may have done it just before.
    pub(in crate::store) async fn tick(&mut self) -> Result<(), StoreError> {
        let rows = sqlx::query("SELECT gateway, alarm FROM alarms WHERE timer_us <= $1 ORDER BY timer_us LIMIT $2")
            .bind(self.now.micros())
            .bind(DUE_MAX)
            .fetch_all(&mut *self.connection)
            .await?;
        for row in &rows {
            let (Ok(gateway), Ok(alarm)) = (GatewayId::parse(&row.text(0)?), PointId::parse(&row.text(1)?)) else {
                continue;
            };
            if let Some(known) = self.load(&gateway, &alarm).await? {
                self.settle(known, None).await?;
            }
        }
        let rows = sqlx::query("SELECT case_id FROM cases WHERE due_us <= $1 ORDER BY due_us LIMIT $2")
            .bind(self.now.micros())
            .bind(DUE_MAX)
            .fetch_all(&mut *self.connection)
            .await?;
        for row in &rows {
            let id = row.text(0)?;
            if self.case(&id).await? {
                self.advance(&id).await?;
            }
        }
        sqlx::query("UPDATE commands SET state = 'expired' WHERE state = 'pending' AND expires_us <= $1")
            .bind(self.now.micros())
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }
}
