//! What happened at the gateways: starts, stops, devices, sirens, links, configurations, clocks.

use super::read::gateway_of;
use super::{Columns, Store, StoreError};
use minewatch_domain::{At, GatewayId};
use sqlx::any::AnyRow;

/// An event as stored.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub struct EventRow {
    pub gateway: GatewayId,
    pub epoch: u64,
    pub seq: u64,
    pub kind: String,
    pub subject: String,
    pub at: At,
    pub detail: String,
}

impl Store {
    /// Events in `from..to`, newest first, of one gateway or all.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn events(
        &self,
        gateway: Option<&GatewayId>,
        (from, to): (At, At),
        limit: i64,
    ) -> Result<Vec<EventRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT e.gateway, s.epoch, e.seq, e.kind, e.subject, e.at_us, e.detail FROM events e \
             JOIN streams s ON s.stream_num = e.stream_num \
             WHERE ($1 = '' OR e.gateway = $1) AND e.at_us >= $2 AND e.at_us < $3 \
             ORDER BY e.at_us DESC, e.stream_num DESC, e.seq DESC LIMIT $4",
        )
        .bind(gateway.map_or("", GatewayId::as_str))
        .bind(from.micros())
        .bind(to.micros())
        .bind(limit)
        .fetch_all(&self.reader)
        .await?;
        let read = |row: &AnyRow| -> Result<EventRow, StoreError> {
            Ok(EventRow {
                gateway: gateway_of(row, 0)?,
                epoch: row.int(1)? as u64,
                seq: row.int(2)? as u64,
                kind: row.text(3)?,
                subject: row.text(4)?,
                at: At(row.int(5)?),
                detail: row.text(6)?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// When the store last committed a hello of the gateway, by whichever aggregator heard it.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn hello_stored(&self, gateway: &GatewayId) -> Result<Option<At>, StoreError> {
        let row = sqlx::query("SELECT heard_us FROM gateways WHERE gateway = $1 AND software IS NOT NULL")
            .bind(gateway.as_str())
            .fetch_optional(&self.reader)
            .await?;
        row.map(|row| Ok(At(row.int(0)?))).transpose()
    }
}
