//! Case rows: alarms join, time and people step, calls and topics follow.

use super::alarm::AlarmState;
use super::{Work, cut};
use crate::hq::event;
use crate::store::{Columns, StoreError};
use minewatch_alarm::{Case, CaseEvent, CaseRefused, Field, What, dedupe_key, field};
use minewatch_domain::{At, GatewayId, Level, OrgPath};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The author of what time and alarms do.
pub(super) const PROGRAM: &str = "minewatch";

/// What of a case is kept as one text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CaseBody {
    /// The machine.
    pub case: Case,
    /// Level and time it was first raised with, for replay.
    pub raised: (Level, At),
    /// First alarm of the group.
    pub first: (String, String),
    /// Site name.
    pub place_zh: String,
    /// Site name.
    pub place_en: String,
    /// What the first alarm says, in English.
    pub why: String,
}

/// A case as stored.
#[derive(Debug, Clone)]
pub(in crate::store) struct CaseRow {
    pub(super) id: String,
    pub(super) number: i64,
    pub(super) dedupe: String,
    pub(super) revision: i64,
    pub(super) field: Field,
    pub(super) org: OrgPath,
    pub(super) gateway: GatewayId,
    pub(super) titles: (String, String),
    pub(super) closed: Option<At>,
    pub(super) body: CaseBody,
    pub(super) dirty: bool,
}

const COLUMNS: &str = "SELECT case_id, number, dedupe, revision, domain, org, gateway, title_zh, title_en, closed_us, body \
    FROM cases";

fn damaged(what: &str) -> StoreError {
    StoreError::Database(sqlx::Error::Decode(format!("stored {what} cannot be read").into()))
}

fn row_of(row: &sqlx::any::AnyRow) -> Result<CaseRow, StoreError> {
    let body = serde_json::from_str(&row.text(10)?).map_err(|_| damaged("case"))?;
    Ok(CaseRow {
        id: row.text(0)?,
        number: row.int(1)?,
        dedupe: row.text(2)?,
        revision: row.int(3)?,
        field: Field::from_name(&row.text(4)?).ok_or_else(|| damaged("field of a case"))?,
        org: OrgPath::parse(&row.text(5)?).map_err(|_| damaged("place of a case"))?,
        gateway: GatewayId::parse(&row.maybe_text(6)?.unwrap_or_default()).map_err(|_| damaged("gateway of a case"))?,
        titles: (row.text(7)?, row.text(8)?),
        closed: row.maybe_int(9)?.map(At),
        body,
        dirty: false,
    })
}

impl Work<'_> {
    /// Brings a case into this transaction.
    pub(super) async fn case(&mut self, id: &str) -> Result<bool, StoreError> {
        if self.cases.contains_key(id) {
            return Ok(true);
        }
        let text = format!("{COLUMNS} WHERE case_id = $1");
        let found = sqlx::query(sqlx::AssertSqlSafe(text)).bind(id).fetch_optional(&mut *self.connection).await?;
        match found {
            Some(row) => {
                self.cases.insert(id.to_owned(), row_of(&row)?);
                Ok(true)
            }
            None => Ok(false),
        }
    }

    /// The case an alarm belongs to: the open one of its key, one closed lately, or a new one.
    pub(super) async fn attach(&mut self, alarm: &AlarmState, level: Level) -> Result<String, StoreError> {
        let dedupe = dedupe_key(&alarm.gateway, &alarm.alarm, alarm.kind);
        let id = match self.case_of(&dedupe).await? {
            Some(id) => {
                let what = What::AlarmJoined { level };
                // An alarm is never refused by a case.
                let _ = self.case_step(&id, event_of(what, PROGRAM, None, self.now)).await?;
                id
            }
            None => self.new_case(alarm, dedupe, level).await?,
        };
        sqlx::query(
            "INSERT INTO case_alarms (case_id, gateway, alarm, level, joined_us) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (case_id, gateway, alarm) DO UPDATE SET \
             level = CASE WHEN excluded.level > case_alarms.level THEN excluded.level ELSE case_alarms.level END",
        )
        .bind(id.as_str())
        .bind(alarm.gateway.as_str())
        .bind(alarm.alarm.as_str())
        .bind(i64::from(level.code()))
        .bind(self.now.micros())
        .execute(&mut *self.connection)
        .await?;
        self.advance(&id).await?;
        Ok(id)
    }

    async fn case_of(&mut self, dedupe: &str) -> Result<Option<String>, StoreError> {
        if let Some(row) = self.cases.values().find(|row| row.dedupe == dedupe && row.body.case.state.is_open()) {
            return Ok(Some(row.id.clone()));
        }
        let text = format!("{COLUMNS} WHERE dedupe = $1 ORDER BY raised_us DESC, number DESC LIMIT 1");
        let found = sqlx::query(sqlx::AssertSqlSafe(text)).bind(dedupe).fetch_optional(&mut *self.connection).await?;
        let Some(found) = found else { return Ok(None) };
        let row = row_of(&found)?;
        let row = self.cases.get(&row.id).cloned().unwrap_or(row);
        let lately = row.closed.is_none_or(|closed| self.now.millis_since(closed) <= self.rules.reopen_ms);
        if !row.body.case.state.is_open() && !lately {
            return Ok(None);
        }
        let id = row.id.clone();
        self.cases.entry(id.clone()).or_insert(row);
        Ok(Some(id))
    }

    async fn new_case(&mut self, alarm: &AlarmState, dedupe: String, level: Level) -> Result<String, StoreError> {
        let row = sqlx::query(
            "INSERT INTO meta (name, number) VALUES ('case_number', 1) \
             ON CONFLICT (name) DO UPDATE SET number = meta.number + 1 RETURNING number",
        )
        .fetch_one(&mut *self.connection)
        .await?;
        let number = row.int(0)?;
        let id = format!("c-{number:06}");
        let place = self.place(&alarm.gateway).await?;
        let field = field(alarm.kind);
        let (zh, en) = field.title();
        let body = CaseBody {
            case: Case::raised(level, self.now),
            raised: (level, self.now),
            first: (alarm.gateway.to_string(), alarm.alarm.to_string()),
            place_zh: place.zh.clone(),
            place_en: place.en.clone(),
            why: alarm.alarm.to_string(),
        };
        let row = CaseRow {
            id: id.clone(),
            number,
            dedupe,
            revision: 1,
            field,
            org: place.org,
            gateway: alarm.gateway.clone(),
            titles: (format!("{} {zh}", place.zh), format!("{}: {en}", place.en)),
            closed: None,
            body,
            dirty: true,
        };
        let detail = json!({ "level": level, "first": row.body.first });
        self.case_journal(&row, ("raised", "", PROGRAM), detail.to_string()).await?;
        self.cases.insert(id.clone(), row);
        Ok(id)
    }

    /// Takes a step; what follows is written, the row itself at the end of the transaction.
    pub(super) async fn case_step(
        &mut self,
        id: &str,
        event: CaseEvent,
    ) -> Result<Result<i64, CaseRefused>, StoreError> {
        let Some(mut row) = self.cases.get(id).cloned() else { return Ok(Err(CaseRefused::TooOld)) };
        let policy = self.policy_of(&row).await?;
        let before = row.body.case.clone();
        let after = match before.clone().step(&event, &policy) {
            Ok(after) => after,
            Err(refused) => return Ok(Err(refused)),
        };
        if after == before {
            return Ok(Ok(row.revision));
        }
        row.revision += 1;
        row.dirty = true;
        row.closed = (!after.state.is_open()).then_some(event.at);
        row.body.case = after;
        let called = if event.what == What::Called { self.call(&row, &before).await? } else { Vec::new() };
        if event.what == What::Acknowledge {
            self.answered(&row, &event.by).await?;
        }
        if let What::Assign { to } = &event.what {
            self.tell_handler(&row, to).await?;
        }
        let mut detail = serde_json::to_value(&event).unwrap_or_default();
        if let (Value::Object(fields), false) = (&mut detail, called.is_empty()) {
            fields.insert("called".to_owned(), json!(called));
        }
        self.case_journal(&row, (event.what.name(), before.state.name(), &event.by), detail.to_string()).await?;
        let revision = row.revision;
        self.cases.insert(id.to_owned(), row);
        Ok(Ok(revision))
    }

    /// Lets time do what is due.
    pub(super) async fn advance(&mut self, id: &str) -> Result<(), StoreError> {
        loop {
            let Some(row) = self.cases.get(id).cloned() else { return Ok(()) };
            let policy = self.policy_of(&row).await?;
            let Some(what) = row.body.case.tick(&policy, self.now) else { return Ok(()) };
            if self.case_step(id, event_of(what, PROGRAM, None, self.now)).await?.is_err() {
                return Ok(());
            }
        }
    }

    async fn case_journal(
        &mut self,
        row: &CaseRow,
        (event, from, actor): (&str, &str, &str),
        detail: String,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO case_journal (case_id, revision, event, from_state, to_state, actor, at_us, detail) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(row.id.as_str())
        .bind(row.revision)
        .bind(event)
        .bind(from)
        .bind(row.body.case.state.name())
        .bind(actor)
        .bind(self.now.micros())
        .bind(detail)
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// Writes a case and its topic.
    pub(super) async fn save_case(&mut self, row: &CaseRow) -> Result<(), StoreError> {
        let policy = self.policy_of(row).await?;
        let case = &row.body.case;
        sqlx::query(
            "INSERT INTO cases (case_id, number, dedupe, state, open, revision, level, domain, org, org_company, \
             org_mine, gateway, title_zh, title_en, raised_us, changed_us, closed_us, handler, round, step, due_us, \
             overdue, body) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, \
             $19, $20, $21, $22, $23) ON CONFLICT (case_id) DO UPDATE SET state = excluded.state, \
             open = excluded.open, revision = excluded.revision, level = excluded.level, \
             changed_us = excluded.changed_us, closed_us = excluded.closed_us, handler = excluded.handler, \
             round = excluded.round, step = excluded.step, due_us = excluded.due_us, overdue = excluded.overdue, \
             body = excluded.body",
        )
        .bind(row.id.as_str())
        .bind(row.number)
        .bind(row.dedupe.as_str())
        .bind(case.state.name())
        .bind(i64::from(case.state.is_open()))
        .bind(row.revision)
        .bind(i64::from(case.level.code()))
        .bind(row.field.name())
        .bind(row.org.as_str())
        .bind(cut(&row.org, 2))
        .bind(cut(&row.org, 3))
        .bind(row.gateway.as_str())
        .bind(row.titles.0.as_str())
        .bind(row.titles.1.as_str())
        .bind(row.body.raised.1.micros())
        .bind(self.now.micros())
        .bind(row.closed.map(At::micros))
        .bind(case.handler.clone())
        .bind(case.round as i64)
        .bind(case.step as i64)
        .bind(case.due(&policy).map(At::micros))
        .bind(i64::from(case.overdue()))
        .bind(serde_json::to_string(&row.body).unwrap_or_default())
        .execute(&mut *self.connection)
        .await?;
        let seen = event::CaseSeen {
            id: &row.id,
            revision: row.revision,
            case,
            field: row.field,
            org: &row.org,
            titles: (&row.titles.0, &row.titles.1),
            raised: row.body.raised.1,
            due: case.due(&policy),
        };
        let message = event::case(&row.gateway, &seen, self.now);
        self.enqueue(&row.gateway, &message).await?;
        self.outcome.cases.push((row.org.clone(), row.field, event::case_data(&seen, self.now)));
        Ok(())
    }
}

/// An event of somebody.
pub(super) fn event_of(what: What, by: &str, second: Option<String>, at: At) -> CaseEvent {
    CaseEvent { what, by: by.to_owned(), second, at }
}
