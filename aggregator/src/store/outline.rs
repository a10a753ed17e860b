//! Outlines of sites, and proofs of alarms: what the dam page and the map are drawn from.

use super::{Columns, Store, StoreError};
use minewatch_domain::{At, Catalogue, GatewayId, Level, PointId, SiteOutline};

/// The newest proof of an alarm.
#[derive(Debug, Clone)]
pub struct ProofRow {
    /// Kind of the alarm.
    pub kind: String,
    /// Revision of the transition it belongs to.
    pub revision: i64,
    /// The level it explains.
    pub level: Level,
    /// When it was decided.
    pub at: At,
    /// JSON text, `docs/proof.md`.
    pub proof: String,
}

impl Store {
    /// The outline of every gateway whose catalogue in force has one.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn outlines(&self) -> Result<Vec<(GatewayId, SiteOutline)>, StoreError> {
        let rows = sqlx::query(
            "SELECT g.gateway, c.description FROM gateways g JOIN catalogues c ON c.gateway = g.gateway AND \
             c.config = g.catalogue_config AND c.part = 0 ORDER BY g.gateway",
        )
        .fetch_all(&self.reader)
        .await?;
        let mut found = Vec::new();
        for row in &rows {
            let Ok(gateway) = GatewayId::parse(&row.text(0)?) else { continue };
            let read = serde_json::from_str::<Catalogue>(&row.text(1)?).ok().and_then(|part| part.outline);
            found.extend(read.map(|outline| (gateway, *outline)));
        }
        Ok(found)
    }

    /// The newest proof of an alarm, where any of its transitions has one; of a transition to `level`
    /// before others.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn proof(
        &self,
        gateway: &GatewayId,
        alarm: &PointId,
        level: Option<Level>,
    ) -> Result<Option<ProofRow>, StoreError> {
        let row = sqlx::query(
            "SELECT kind, revision, to_level, at_us, proof FROM alarm_journal WHERE gateway = $1 AND alarm = $2 AND \
             proof IS NOT NULL ORDER BY CASE WHEN to_level = $3 THEN 0 ELSE 1 END, revision DESC LIMIT 1",
        )
        .bind(gateway.as_str())
        .bind(alarm.as_str())
        .bind(level.map_or(-1, |level| i64::from(level.code())))
        .fetch_optional(&self.reader)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let level = u8::try_from(row.int(2)?).ok().and_then(Level::from_code).unwrap_or(Level::Red);
        let (kind, revision, at, proof) = (row.text(0)?, row.int(1)?, At(row.int(3)?), row.text(4)?);
        Ok(Some(ProofRow { kind, revision, level, at, proof }))
    }
}
