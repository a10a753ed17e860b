//! Warnings of the business rules as alarms: every unit is a source of alarms beside the gateways.

use super::Work;
use crate::risk::Said;
use crate::store::{Columns, StoreError};
use minewatch_domain::{AlarmTransition, GatewayId, Level, OrgPath};

impl Work<'_> {
    /// Raises, changes or clears the alarm of a warning; one that is already at its level stays as it is.
    pub(in crate::store) async fn risk(&mut self, said: &Said) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO risk_source (gateway, org) VALUES ($1, $2) ON CONFLICT DO NOTHING")
            .bind(said.gateway.as_str())
            .bind(said.org.as_str())
            .execute(&mut *self.connection)
            .await?;
        let known = self.load(&said.gateway, &said.alarm).await?;
        let (revision, level) =
            known.map_or((0, Level::Normal), |known| (known.state.condition.revision, known.state.condition.level));
        if level == said.level {
            return Ok(());
        }
        let step = AlarmTransition {
            alarm: said.alarm.clone(),
            revision: revision + 1,
            kind: said.kind,
            point: None,
            from: level,
            to: said.level,
            at: said.at,
            value: None,
            limit: None,
            rule: said.rule.clone(),
            why: said.why.clone(),
            proof: Some(said.proof.clone()).filter(|proof| !proof.is_empty()),
        };
        self.transition(&said.gateway, &step, self.now).await
    }

    /// The unit a source of warnings stands for; none for a gateway.
    pub(super) async fn unit_of(&mut self, gateway: &GatewayId) -> Result<Option<OrgPath>, StoreError> {
        let row = sqlx::query("SELECT org FROM risk_source WHERE gateway = $1")
            .bind(gateway.as_str())
            .fetch_optional(&mut *self.connection)
            .await?;
        let org = row.map(|row| row.text(0)).transpose()?;
        Ok(org.and_then(|org| OrgPath::parse(&org).ok()))
    }
}
