//! Alarm rows: transitions and actions in, the row, the topics and the case out.

use super::{Work, cut};
use crate::handling::{self, HandlingView};
use crate::hq::event;
use crate::store::commit::AlarmSeen;
use crate::store::{BindReal, Columns, StoreError};
use minewatch_alarm::{Action, Alarm, Condition, Effect, Event, Intent, Isa, Origin, field, inhibited_by_link};
use minewatch_domain::{AlarmKind, AlarmTransition, At, GatewayId, Level, PointId};
use std::collections::BTreeMap;

fn level_of(code: i64) -> Level {
    u8::try_from(code).ok().and_then(Level::from_code).unwrap_or_default()
}

/// An alarm as stored.
#[derive(Debug, Clone)]
pub(super) struct AlarmState {
    pub(super) gateway: GatewayId,
    pub(super) alarm: PointId,
    pub(super) kind: AlarmKind,
    pub(super) version: i64,
    pub(super) state: Alarm,
    pub(super) isa: Isa,
    pub(super) inhibited_by: Option<String>,
    pub(super) case_id: Option<String>,
}

impl Work<'_> {
    /// Reads an alarm.
    pub(super) async fn load(
        &mut self,
        gateway: &GatewayId,
        alarm: &PointId,
    ) -> Result<Option<AlarmState>, StoreError> {
        let row = sqlx::query(
            "SELECT kind, version, lifecycle, isa, inhibited_by, case_id FROM alarms WHERE gateway = $1 AND alarm = $2",
        )
        .bind(gateway.as_str())
        .bind(alarm.as_str())
        .fetch_optional(&mut *self.connection)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let Some(kind) = AlarmKind::from_name(&row.text(0)?) else { return Ok(None) };
        let stored = row.maybe_text(2)?.and_then(|text| serde_json::from_str::<Alarm>(&text).ok());
        let state = match stored {
            Some(state) => state,
            // Written before alarms had a lifecycle.
            None => Alarm { condition: self.refold(gateway, alarm).await?, ..Alarm::default() },
        };
        Ok(Some(AlarmState {
            gateway: gateway.clone(),
            alarm: alarm.clone(),
            kind,
            version: row.int(1)?,
            state,
            isa: Isa::from_name(&row.text(3)?).unwrap_or(Isa::Norm),
            inhibited_by: row.maybe_text(4)?,
            case_id: row.maybe_text(5)?,
        }))
    }

    /// The condition as the whole journal says.
    async fn refold(&mut self, gateway: &GatewayId, alarm: &PointId) -> Result<Condition, StoreError> {
        let rows = sqlx::query(
            "SELECT revision, from_level, to_level, at_us, kind FROM alarm_journal WHERE gateway = $1 AND alarm = $2 \
             ORDER BY revision",
        )
        .bind(gateway.as_str())
        .bind(alarm.as_str())
        .fetch_all(&mut *self.connection)
        .await?;
        let mut condition = Condition::default();
        for row in &rows {
            let transition = AlarmTransition {
                alarm: alarm.clone(),
                revision: row.int(0)? as u64,
                kind: AlarmKind::from_name(&row.text(4)?).unwrap_or(AlarmKind::Threshold),
                point: None,
                from: level_of(row.int(1)?),
                to: level_of(row.int(2)?),
                at: At(row.int(3)?),
                value: None,
                limit: None,
                rule: String::new(),
                why: String::new(),
                proof: None,
            };
            let _newest = condition.take(&transition);
        }
        Ok(condition)
    }

    /// Applies one transition; a known revision changes nothing.
    pub(in crate::store) async fn transition(
        &mut self,
        gateway: &GatewayId,
        seen: &AlarmTransition,
        ingested: At,
    ) -> Result<(), StoreError> {
        if !self.journal(gateway, seen, ingested).await? {
            self.outcome.duplicates += 1;
            return Ok(());
        }
        let before = match self.load(gateway, &seen.alarm).await? {
            Some(before) => before,
            None => self.first_seen(gateway, seen).await?,
        };
        let newest = seen.revision > before.state.condition.revision;
        let settings = self.rules.alarm;
        let stepped = before.state.clone().step(&Event::Transition(seen.clone()), &settings, self.now);
        // Transitions are never refused.
        let Ok((mut state, effects)) = stepped else { return Ok(()) };
        if effects.contains(&Effect::Refold) {
            state.condition = self.refold(gateway, &seen.alarm).await?;
        }
        let mut after = AlarmState { state, ..before };
        if newest && seen.to > seen.from && self.link_down_for(&after).await? {
            let rule = event::LINK_ALARM.to_owned();
            self.by_rule(&mut after, format!("{}", seen.revision), Intent::SuppressByDesign { rule }).await?;
        }
        if newest && event::LINK_ALARM == seen.alarm.as_str() {
            self.link_changed(gateway, seen.to != Level::Normal, seen.revision).await?;
        }
        let since = after.state.condition.since;
        self.settle(after, Some(seen)).await?;
        self.outcome.alarms.push(AlarmSeen {
            gateway: gateway.clone(),
            transition: seen.clone(),
            since,
            state: newest,
        });
        Ok(())
    }

    /// An alarm never seen before; actions of the site may have come first.
    async fn first_seen(&mut self, gateway: &GatewayId, seen: &AlarmTransition) -> Result<AlarmState, StoreError> {
        let rows = sqlx::query("SELECT action FROM alarm_actions WHERE gateway = $1 AND alarm = $2")
            .bind(gateway.as_str())
            .bind(seen.alarm.as_str())
            .fetch_all(&mut *self.connection)
            .await?;
        let mut state = Alarm::default();
        for row in &rows {
            if let Ok(action) = serde_json::from_str::<Action>(&row.text(0)?) {
                state.handling.join(&action);
            }
        }
        Ok(AlarmState {
            gateway: gateway.clone(),
            alarm: seen.alarm.clone(),
            kind: seen.kind,
            version: 0,
            state,
            isa: Isa::Norm,
            inhibited_by: None,
            case_id: None,
        })
    }

    async fn journal(
        &mut self,
        gateway: &GatewayId,
        alarm: &AlarmTransition,
        ingested: At,
    ) -> Result<bool, StoreError> {
        let inserted = sqlx::query(
            "INSERT INTO alarm_journal (gateway, alarm, revision, kind, point, from_level, to_level, at_us, value, \
             limit_value, rule, why, ingested_us, proof) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) \
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
        .bind(ingested.micros())
        .bind(alarm.proof.clone())
        .execute(&mut *self.connection)
        .await?;
        Ok(inserted.rows_affected() > 0)
    }

    /// Writes the row, the topics, and what the case has to know. `seen` is the transition behind it, if any.
    pub(super) async fn settle(&mut self, after: AlarmState, seen: Option<&AlarmTransition>) -> Result<(), StoreError> {
        let view = after.state.view(&self.rules.alarm, self.now);
        let rise = seen.is_some_and(|seen| seen.to > seen.from && seen.revision == after.state.condition.revision);
        let asks = view.isa() == Isa::Unack && (rise || after.isa != Isa::Unack);
        let mut after = AlarmState { isa: view.isa(), version: after.version + 1, ..after };
        if asks && view.level() >= self.rules.case_level_min {
            after.case_id = Some(self.attach(&after, view.level()).await?);
        }
        self.write(&after, view.level()).await?;
        let beside = (after.version, after.inhibited_by.as_deref(), after.case_id.as_deref());
        let shown = handling::view(&after.state, beside, &self.rules.alarm, self.now);
        let newest = seen.filter(|seen| seen.revision == after.state.condition.revision).cloned();
        let state = match newest {
            Some(newest) => Some(newest),
            None => self.last(&after).await?,
        };
        if let Some(late) = seen.filter(|seen| seen.revision < after.state.condition.revision) {
            self.tell(&after.gateway, late, (true, false), &shown).await?;
        }
        if let Some(state) = &state {
            let is_new = seen.is_some_and(|seen| seen.revision == state.revision);
            self.tell(&after.gateway, state, (is_new, true), &shown).await?;
        }
        self.outcome.handled.insert((after.gateway, after.alarm), (after.kind, shown));
        Ok(())
    }

    async fn tell(
        &mut self,
        gateway: &GatewayId,
        transition: &AlarmTransition,
        what: (bool, bool),
        shown: &HandlingView,
    ) -> Result<(), StoreError> {
        for message in event::alarm(gateway, transition, what, Some(shown), self.now) {
            self.enqueue(gateway, &message).await?;
        }
        Ok(())
    }

    /// The transition that is the state, from the journal.
    async fn last(&mut self, alarm: &AlarmState) -> Result<Option<AlarmTransition>, StoreError> {
        let row = sqlx::query(
            "SELECT from_level, to_level, at_us, value, limit_value, rule, why, point, proof FROM alarm_journal \
             WHERE gateway = $1 AND alarm = $2 AND revision = $3",
        )
        .bind(alarm.gateway.as_str())
        .bind(alarm.alarm.as_str())
        .bind(alarm.state.condition.revision as i64)
        .fetch_optional(&mut *self.connection)
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(AlarmTransition {
            alarm: alarm.alarm.clone(),
            revision: alarm.state.condition.revision,
            kind: alarm.kind,
            point: row.maybe_text(7)?.and_then(|point| PointId::parse(&point).ok()),
            from: level_of(row.int(0)?),
            to: level_of(row.int(1)?),
            at: At(row.int(2)?),
            value: row.maybe_real(3)?,
            limit: row.maybe_real(4)?,
            rule: row.text(5)?,
            why: row.text(6)?,
            proof: row.maybe_text(8)?,
        }))
    }

    async fn write(&mut self, alarm: &AlarmState, level: Level) -> Result<(), StoreError> {
        let place = self.place(&alarm.gateway).await?;
        let condition = &alarm.state.condition;
        let timer = alarm.state.timer(&self.rules.alarm, self.now);
        sqlx::query(
            "INSERT INTO alarms (gateway, alarm, revision, to_level, kind, domain, at_us, since_us, org, org_company, \
             org_mine, lifecycle, isa, standing, version, timer_us, inhibited_by, case_id) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) \
             ON CONFLICT (gateway, alarm) DO UPDATE SET revision = excluded.revision, to_level = excluded.to_level, \
             kind = excluded.kind, domain = excluded.domain, at_us = excluded.at_us, since_us = excluded.since_us, \
             org = excluded.org, org_company = excluded.org_company, org_mine = excluded.org_mine, \
             lifecycle = excluded.lifecycle, isa = excluded.isa, standing = excluded.standing, \
             version = excluded.version, timer_us = excluded.timer_us, inhibited_by = excluded.inhibited_by, \
             case_id = excluded.case_id",
        )
        .bind(alarm.gateway.as_str())
        .bind(alarm.alarm.as_str())
        .bind(condition.revision as i64)
        .bind(i64::from(level.code()))
        .bind(alarm.kind.name())
        .bind(field(alarm.kind).name())
        .bind(condition.at.micros())
        .bind(condition.since.micros())
        .bind(place.org.as_str())
        .bind(cut(&place.org, 2))
        .bind(cut(&place.org, 3))
        .bind(serde_json::to_string(&alarm.state).unwrap_or_default())
        .bind(alarm.isa.name())
        .bind(i64::from(alarm.isa != Isa::Norm))
        .bind(alarm.version)
        .bind(timer.map(At::micros))
        .bind(alarm.inhibited_by.clone())
        .bind(alarm.case_id.clone())
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// Keeps an action; false when it is already known.
    pub(super) async fn keep_action(
        &mut self,
        gateway: &GatewayId,
        alarm: &PointId,
        action: &Action,
    ) -> Result<bool, StoreError> {
        let (until, reason, order) = match &action.what {
            Intent::Shelve { until, reason, .. } => (Some(*until), Some(reason.clone()), None),
            Intent::OutOfService { until, work_order, reason } => {
                (Some(*until), Some(reason.clone()), Some(work_order.clone()))
            }
            Intent::SuppressByDesign { rule } => (None, Some(rule.clone()), None),
            Intent::Acknowledge | Intent::Silence | Intent::Unshelve | Intent::Reset => (None, None, None),
            Intent::ReturnToService | Intent::EndDesign => (None, None, None),
        };
        let inserted = sqlx::query(
            "INSERT INTO alarm_actions (action_id, gateway, alarm, revision, counter, kind, origin, actor, \
             second_actor, at_us, until_us, reason, work_order, action, ingested_us) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) ON CONFLICT DO NOTHING",
        )
        .bind(action.id.as_str())
        .bind(gateway.as_str())
        .bind(alarm.as_str())
        .bind(action.revision as i64)
        .bind(action.counter as i64)
        .bind(action.what.name())
        .bind(action.origin.name())
        .bind(action.by.as_str())
        .bind(action.second.clone())
        .bind(action.at.micros())
        .bind(until.map(At::micros))
        .bind(reason)
        .bind(order)
        .bind(serde_json::to_string(action).unwrap_or_default())
        .bind(self.now.micros())
        .execute(&mut *self.connection)
        .await?;
        Ok(inserted.rows_affected() > 0)
    }

    /// Something done elsewhere, by the site or by a rule: taken, never refused.
    pub(in crate::store) async fn merge(
        &mut self,
        gateway: &GatewayId,
        alarm: &PointId,
        action: &Action,
    ) -> Result<(), StoreError> {
        // An action on an alarm that never came here is kept; the transition that explains it is on its way.
        if !self.keep_action(gateway, alarm, action).await? {
            self.outcome.duplicates += 1;
            return Ok(());
        }
        let Some(mut known) = self.load(gateway, alarm).await? else { return Ok(()) };
        known.state.handling.join(action);
        self.settle(known, None).await
    }

    async fn by_rule(&mut self, alarm: &mut AlarmState, why: String, what: Intent) -> Result<(), StoreError> {
        let id = format!("rule:{}:{}:{}:{why}", alarm.gateway, alarm.alarm, what.name());
        let action = alarm.state.action(&id, Origin::Hq, "minewatch", self.now, what.clone());
        if self.keep_action(&alarm.gateway.clone(), &alarm.alarm.clone(), &action).await? {
            alarm.state.handling.join(&action);
            alarm.inhibited_by = if let Intent::SuppressByDesign { rule } = what { Some(rule) } else { None };
        }
        Ok(())
    }

    async fn link_down_for(&mut self, alarm: &AlarmState) -> Result<bool, StoreError> {
        if !inhibited_by_link(alarm.kind) || alarm.inhibited_by.is_some() {
            return Ok(false);
        }
        if let Some(down) = self.links_down.get(&alarm.gateway) {
            return Ok(*down);
        }
        let Ok(link) = PointId::parse(event::LINK_ALARM) else { return Ok(false) };
        let known = self.load(&alarm.gateway, &link).await?;
        let down = known.is_some_and(|link| link.state.condition.level != Level::Normal);
        self.links_down.insert(alarm.gateway.clone(), down);
        Ok(down)
    }

    /// A dead link keeps back what is only its consequence; a living one gives it back.
    async fn link_changed(&mut self, gateway: &GatewayId, down: bool, revision: u64) -> Result<(), StoreError> {
        self.links_down.insert(gateway.clone(), down);
        let rows = sqlx::query(
            "SELECT alarm, kind FROM alarms WHERE gateway = $1 AND (standing = 1 OR inhibited_by IS NOT NULL)",
        )
        .bind(gateway.as_str())
        .fetch_all(&mut *self.connection)
        .await?;
        let mut concerned: BTreeMap<PointId, ()> = BTreeMap::new();
        for row in &rows {
            let kind = AlarmKind::from_name(&row.text(1)?);
            if let (Ok(alarm), true) = (PointId::parse(&row.text(0)?), kind.is_some_and(inhibited_by_link)) {
                concerned.insert(alarm, ());
            }
        }
        for alarm in concerned.into_keys() {
            let Some(mut known) = self.load(gateway, &alarm).await? else { continue };
            let what = match (down, known.inhibited_by.is_some()) {
                (true, false) => Intent::SuppressByDesign { rule: event::LINK_ALARM.to_owned() },
                (false, true) => Intent::EndDesign,
                (true, true) | (false, false) => continue,
            };
            self.by_rule(&mut known, format!("link-{revision}"), what).await?;
            self.settle(known, None).await?;
        }
        Ok(())
    }
}
