//! Operator commands on their way to a gateway, and what it says to them.
//!
//! Invariant: a command is written with the action it carries and sent again until a result or its end;
//! the gateway takes it once whatever the number of deliveries (its id). Deliberately absent: MQTT.

use super::Work;
use crate::hq::event;
use crate::store::{Columns, Store, StoreError};
use minewatch_alarm::{Action, Intent};
use minewatch_domain::{At, GatewayId, PointId};

/// A site cut off longer than this decides alone; what was decided here stays in the journal.
const EXPIRES_MS: i64 = 7 * 86_400_000;
/// Waits between deliveries: 2 s, doubling up to 60 s.
const TRY_MS_MIN: i64 = 2_000;
const TRY_MS_MAX: i64 = 60_000;
/// Commands sent in one look.
const SEND_MAX: i64 = 200;

/// A command to be sent now.
#[derive(Debug, Clone, PartialEq)]
pub struct DueCommand {
    /// Its id.
    pub id: String,
    /// To whom.
    pub gateway: GatewayId,
    /// About which alarm.
    pub alarm: PointId,
    /// What.
    pub action: Action,
    /// Not to be done after this.
    pub expires: At,
}

/// What a gateway says to a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandResult {
    /// Whose.
    pub gateway: GatewayId,
    /// The command.
    pub id: String,
    /// Whether it was done.
    pub done: bool,
    /// More, in English.
    pub detail: String,
}

impl Store {
    /// Commands to be sent now.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn commands_due(&self, now: At) -> Result<Vec<DueCommand>, StoreError> {
        let rows = sqlx::query(
            "SELECT command_id, gateway, alarm, body, expires_us FROM commands \
             WHERE state = 'pending' AND next_try_us <= $1 AND expires_us > $1 ORDER BY next_try_us LIMIT $2",
        )
        .bind(now.micros())
        .bind(SEND_MAX)
        .fetch_all(&self.writer)
        .await?;
        let mut due = Vec::with_capacity(rows.len());
        for row in &rows {
            let gateway = GatewayId::parse(&row.text(1)?);
            let alarm = PointId::parse(&row.text(2)?);
            let action = serde_json::from_str::<Action>(&row.text(3)?);
            if let (Ok(gateway), Ok(alarm), Ok(action)) = (gateway, alarm, action) {
                due.push(DueCommand { id: row.text(0)?, gateway, alarm, action, expires: At(row.int(4)?) });
            }
        }
        Ok(due)
    }
}

impl Work<'_> {
    /// Writes the command that carries an action to its gateway.
    pub(super) async fn send_down(
        &mut self,
        gateway: &GatewayId,
        alarm: &PointId,
        action: &Action,
    ) -> Result<(), StoreError> {
        // The link alarm is headquarters' own; rules are each side's own.
        let own = alarm.as_str() == event::LINK_ALARM;
        let rule = matches!(action.what, Intent::SuppressByDesign { .. } | Intent::EndDesign);
        if own || rule {
            return Ok(());
        }
        let longest = self.now.plus_millis(EXPIRES_MS);
        let expires = match &action.what {
            Intent::Shelve { until, .. } | Intent::OutOfService { until, .. } => (*until).min(longest),
            Intent::Acknowledge | Intent::Silence | Intent::Unshelve | Intent::ReturnToService => longest,
            Intent::SuppressByDesign { .. } | Intent::EndDesign | Intent::Reset => longest,
        };
        sqlx::query(
            "INSERT INTO commands (command_id, gateway, alarm, body, created_us, expires_us, next_try_us, attempts, \
             state) VALUES ($1, $2, $3, $4, $5, $6, $5, 0, 'pending') ON CONFLICT DO NOTHING",
        )
        .bind(action.id.as_str())
        .bind(gateway.as_str())
        .bind(alarm.as_str())
        .bind(serde_json::to_string(action).unwrap_or_default())
        .bind(self.now.micros())
        .bind(expires.micros())
        .execute(&mut *self.connection)
        .await?;
        self.outcome.commands = true;
        Ok(())
    }

    /// Notes that commands were sent; the next delivery waits longer.
    pub(in crate::store) async fn commands_sent(&mut self, ids: &[String]) -> Result<(), StoreError> {
        for id in ids {
            let row = sqlx::query("SELECT attempts FROM commands WHERE command_id = $1")
                .bind(id.as_str())
                .fetch_optional(&mut *self.connection)
                .await?;
            let Some(row) = row else { continue };
            let attempts = row.int(0)?;
            let wait = (TRY_MS_MIN << attempts.clamp(0, 10)).min(TRY_MS_MAX);
            sqlx::query("UPDATE commands SET attempts = $1, next_try_us = $2 WHERE command_id = $3")
                .bind(attempts + 1)
                .bind(self.now.plus_millis(wait).micros())
                .bind(id.as_str())
                .execute(&mut *self.connection)
                .await?;
        }
        Ok(())
    }

    /// Takes a result; a second one changes nothing, nor does one of a foreign gateway.
    pub(in crate::store) async fn command_result(&mut self, result: &CommandResult) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE commands SET state = $1, result_us = $2, detail = $3 \
             WHERE command_id = $4 AND gateway = $5 AND state = 'pending'",
        )
        .bind(if result.done { "done" } else { "refused" })
        .bind(self.now.micros())
        .bind(result.detail.as_str())
        .bind(result.id.as_str())
        .bind(result.gateway.as_str())
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }
}
