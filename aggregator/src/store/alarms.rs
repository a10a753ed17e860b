//! The alarm journal and its state table. Order-free: the journal keeps every revision, the
//! highest is the state. A transition that is new also goes to the outbox, in the same transaction.

use super::commit::{AlarmSeen, Outcome};
use super::{BindReal, Columns, StoreError};
use crate::hq::event;
use crate::live::LinkChange;
use minewatch_domain::{AlarmKind, AlarmTransition, At, GatewayId, Level, PointId};
use sqlx::AnyConnection;

/// Applies one transition; a known revision changes nothing.
pub(super) async fn transition(
    connection: &mut AnyConnection,
    gateway: &GatewayId,
    alarm: &AlarmTransition,
    now: At,
    outcome: &mut Outcome,
) -> Result<(), StoreError> {
    let inserted = sqlx::query(
        "INSERT INTO alarm_journal (gateway, alarm, revision, kind, point, from_level, to_level, at_us, value, \
         limit_value, rule, why, ingested_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) \
         ON CONFLICT DO NOTHING",
    )
    .bind(gateway.as_str())
    .bind(alarm.alarm.as_str())
    .bind(alarm.revision as i64)
    .bind(alarm.kind.name())
    .bind(alarm.point.as_ref().map(|p| p.as_str().to_owned()))
    .bind(i64::from(alarm.from.code()))
    .bind(i64::from(alarm.to.code()))
    .bind(alarm.at.micros())
    .bind_real(alarm.value)
    .bind_real(alarm.limit)
    .bind(alarm.rule.as_str())
    .bind(alarm.why.as_str())
    .bind(now.micros())
    .execute(&mut *connection)
    .await?;
    if inserted.rows_affected() == 0 {
        outcome.duplicates += 1;
        return Ok(());
    }
    let raised = sqlx::query(
        "INSERT INTO alarms (gateway, alarm, revision, to_level) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (gateway, alarm) DO UPDATE SET revision = excluded.revision, to_level = excluded.to_level \
         WHERE excluded.revision > alarms.revision",
    )
    .bind(gateway.as_str())
    .bind(alarm.alarm.as_str())
    .bind(alarm.revision as i64)
    .bind(i64::from(alarm.to.code()))
    .execute(&mut *connection)
    .await?;
    let state = raised.rows_affected() > 0;
    for message in event::alarm(gateway, alarm, state, now) {
        enqueue(connection, gateway, &message, now).await?;
    }
    outcome.outbox = true;
    let row = sqlx::query(
        "SELECT at_us FROM alarm_journal WHERE gateway = $1 AND alarm = $2 AND from_level = 0 AND revision <= $3 \
         ORDER BY revision DESC LIMIT 1",
    )
    .bind(gateway.as_str())
    .bind(alarm.alarm.as_str())
    .bind(alarm.revision as i64)
    .fetch_optional(&mut *connection)
    .await?;
    let since = row.map_or(Ok(alarm.at.micros()), |row| row.int(0)).map(At)?;
    outcome.alarms.push(AlarmSeen { gateway: gateway.clone(), transition: alarm.clone(), since, state });
    Ok(())
}

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

/// Raises or clears the link alarm headquarters itself keeps for each gateway.
pub(super) async fn link(
    connection: &mut AnyConnection,
    change: &LinkChange,
    now: At,
    outcome: &mut Outcome,
) -> Result<(), StoreError> {
    let Ok(alarm) = PointId::parse(event::LINK_ALARM) else { return Ok(()) };
    let known = sqlx::query("SELECT revision, to_level FROM alarms WHERE gateway = $1 AND alarm = $2")
        .bind(change.gateway.as_str())
        .bind(alarm.as_str())
        .fetch_optional(&mut *connection)
        .await?;
    let (revision, level) = match known {
        Some(row) => (row.int(0)? as u64, Level::from_code(row.int(1)? as u8).unwrap_or_default()),
        None => (0, Level::Normal),
    };
    let to = if change.down { Level::Orange } else { Level::Normal };
    if level == to {
        return Ok(());
    }
    let step = AlarmTransition {
        alarm,
        revision: revision + 1,
        kind: AlarmKind::LinkDown,
        point: None,
        from: level,
        to,
        at: change.at,
        value: None,
        limit: None,
        rule: "link-hq#1".to_owned(),
        why: change.why.clone(),
        proof: None,
    };
    transition(connection, &change.gateway, &step, now, outcome).await
}
