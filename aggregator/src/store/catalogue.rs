//! The point catalogue: kept by configuration and part; a complete one describes the points.
//!
//! Invariant: among complete catalogues the one with the highest position in the ledger is in force,
//! whatever the order of arrival.

use super::records::point_num;
use super::{Columns, StoreError};
use minewatch_domain::{Catalogue, GatewayId};
use sqlx::AnyConnection;

/// Parts a catalogue may have; beyond it the catalogue is kept but never complete.
const PARTS_MAX: u32 = 100;

/// Keeps one part; returns the configuration when this completes the catalogue now in force.
pub(super) async fn part(
    connection: &mut AnyConnection,
    gateway: &GatewayId,
    (epoch, seq): (u64, u64),
    part: &Catalogue,
) -> Result<Option<u64>, StoreError> {
    let Ok(json) = serde_json::to_string(part) else { return Ok(None) };
    sqlx::query(
        "INSERT INTO catalogues (gateway, config, part, parts, epoch, seq, description) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (gateway, config, part) DO UPDATE SET \
         parts = excluded.parts, epoch = excluded.epoch, seq = excluded.seq, description = excluded.description \
         WHERE excluded.epoch > catalogues.epoch OR (excluded.epoch = catalogues.epoch AND excluded.seq > catalogues.seq)",
    )
    .bind(gateway.as_str())
    .bind(part.config as i64)
    .bind(i64::from(part.part))
    .bind(i64::from(part.parts))
    .bind(epoch as i64)
    .bind(seq as i64)
    .bind(json)
    .execute(&mut *connection)
    .await?;
    let rows = sqlx::query(
        "SELECT epoch, seq, description FROM catalogues WHERE gateway = $1 AND config = $2 AND part < $3 ORDER BY part",
    )
    .bind(gateway.as_str())
    .bind(part.config as i64)
    .bind(i64::from(part.parts))
    .fetch_all(&mut *connection)
    .await?;
    if part.parts == 0 || part.parts > PARTS_MAX || rows.len() != part.parts as usize {
        return Ok(None);
    }
    let mut position = (0, 0);
    let mut parts: Vec<Catalogue> = Vec::new();
    for row in &rows {
        position = position.max((row.int(0)?, row.int(1)?));
        match serde_json::from_str(&row.text(2)?) {
            Ok(read) => parts.push(read),
            Err(_) => return Ok(None),
        }
    }
    let taken = take(connection, gateway, part, position).await?;
    if !taken {
        return Ok(None);
    }
    for described in parts.iter().flat_map(|p| &p.points) {
        let num = point_num(connection, gateway, &described.point).await?;
        let json = serde_json::to_string(described).unwrap_or_default();
        sqlx::query("UPDATE points SET description = $1 WHERE point_num = $2")
            .bind(json)
            .bind(num)
            .execute(&mut *connection)
            .await?;
    }
    Ok(Some(part.config))
}

/// Puts the catalogue in force unless a later one already is.
async fn take(
    connection: &mut AnyConnection,
    gateway: &GatewayId,
    catalogue: &Catalogue,
    (epoch, seq): (i64, i64),
) -> Result<bool, StoreError> {
    let path = &catalogue.path;
    let taken = sqlx::query(
        "UPDATE gateways SET site_zh = $1, site_en = $2, path_group = $3, path_company = $4, path_mine = $5, \
         path_facility = $6, catalogue_config = $7, catalogue_epoch = $8, catalogue_seq = $9 WHERE gateway = $10 AND \
         (catalogue_epoch IS NULL OR catalogue_epoch < $8 OR (catalogue_epoch = $8 AND catalogue_seq <= $9))",
    )
    .bind(catalogue.site_zh.as_str())
    .bind(catalogue.site_en.as_str())
    .bind(path.group.as_str())
    .bind(path.company.as_str())
    .bind(path.mine.as_str())
    .bind(path.facility.as_str())
    .bind(catalogue.config as i64)
    .bind(epoch)
    .bind(seq)
    .bind(gateway.as_str())
    .execute(connection)
    .await?;
    Ok(taken.rows_affected() > 0)
}
