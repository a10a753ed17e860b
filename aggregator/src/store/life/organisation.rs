//! The organisation's data: names of units, responsible parties, rosters, ladders.

use super::Work;
use crate::operator::{Answer, Command, Done, OrgChange, Refusal, Rung, Shift};
use crate::people::Domain;
use crate::people::{Action, authorize};
use crate::store::{Columns, StoreError};
use minewatch_alarm::Field;
use minewatch_domain::{Level, OrgPath};
use serde_json::json;

/// Shifts of one roster: a year of three shifts a day with four people each.
pub(crate) const SHIFTS_MAX: usize = 5_000;
/// Rungs of one ladder.
pub(crate) const RUNGS_MAX: usize = 100;

fn field_name(field: Option<Field>) -> &'static str {
    field.map_or("*", Field::name)
}

fn place(change: &OrgChange) -> Option<&OrgPath> {
    match change {
        OrgChange::Unit { org, .. }
        | OrgChange::DropUnit { org }
        | OrgChange::Party { org, .. }
        | OrgChange::DropParty { org, .. }
        | OrgChange::Roster { org, .. }
        | OrgChange::Ladder { org, .. } => Some(org),
        OrgChange::DropRoster { .. } => None,
    }
}

impl Work<'_> {
    /// Changes the organisation's data.
    pub(super) async fn organisation(&mut self, command: &Command, change: &OrgChange) -> Result<Answer, StoreError> {
        let mut org = place(change).cloned();
        if let OrgChange::DropRoster { roster } | OrgChange::Roster { roster, .. } = change {
            let kept = self.roster_place(roster).await?;
            match (&org, kept) {
                (None, None) => return Ok(Err(Refusal::NotFound("roster"))),
                (_, Some(kept))
                    if authorize(&command.actor, Action::ManageOrganisation, Domain::System, &kept).is_err() =>
                {
                    return Ok(Err(Refusal::Denied));
                }
                (None, kept) => org = kept,
                (Some(_), _) => {}
            }
        }
        let org = org.unwrap_or_else(OrgPath::root);
        if !command.actor.may_any(Action::ManageOrganisation, &org) {
            return Ok(Err(Refusal::Denied));
        }
        let answer = self.change(change).await?;
        if answer.is_ok() {
            let detail = json!({ "change": format!("{change:?}").chars().take(2_000).collect::<String>() });
            self.audit(&command.actor, "organisation.change", org.to_string(), detail);
        }
        Ok(answer)
    }

    async fn roster_place(&mut self, roster: &str) -> Result<Option<OrgPath>, StoreError> {
        let row = sqlx::query("SELECT org FROM rosters WHERE roster = $1")
            .bind(roster)
            .fetch_optional(&mut *self.connection)
            .await?;
        Ok(row.map(|row| row.text(0)).transpose()?.and_then(|org| OrgPath::parse(&org).ok()))
    }

    async fn change(&mut self, change: &OrgChange) -> Result<Answer, StoreError> {
        match change {
            OrgChange::Unit { org, zh, en, seen } => self.unit(org, (zh, en), *seen).await,
            OrgChange::DropUnit { org } => self.gone("DELETE FROM org_units WHERE path = $1", org.as_str()).await,
            OrgChange::Party { org, field, role, person, channel } => {
                self.party((org, *field, role, person), channel).await
            }
            OrgChange::DropParty { org, field, role, person } => {
                let gone = sqlx::query(
                    "DELETE FROM responsible_parties WHERE org = $1 AND domain = $2 AND role = $3 AND person = $4",
                )
                .bind(org.as_str())
                .bind(field_name(*field))
                .bind(role.as_str())
                .bind(person.as_str())
                .execute(&mut *self.connection)
                .await?;
                Ok(found(gone.rows_affected(), "responsible party"))
            }
            OrgChange::Roster { roster, org, zh, en, shifts, seen } => {
                self.roster((roster, org, zh, en), shifts, *seen).await
            }
            OrgChange::DropRoster { roster } => {
                self.gone("DELETE FROM shifts WHERE roster = $1", roster).await?.ok();
                self.gone("DELETE FROM rosters WHERE roster = $1", roster).await
            }
            OrgChange::Ladder { org, field, level, rungs, seen } => {
                self.keep_ladder((org, *field, *level), rungs, *seen).await
            }
        }
    }

    async fn gone(&mut self, statement: &'static str, key: &str) -> Result<Answer, StoreError> {
        let gone = sqlx::query(statement).bind(key).execute(&mut *self.connection).await?;
        Ok(found(gone.rows_affected(), "entry"))
    }

    async fn unit(&mut self, org: &OrgPath, (zh, en): (&str, &str), seen: i64) -> Result<Answer, StoreError> {
        let kept = self.revision("SELECT revision FROM org_units WHERE path = $1", org.as_str()).await?;
        if kept != seen {
            return Ok(Err(Refusal::Stale(kept)));
        }
        sqlx::query(
            "INSERT INTO org_units (path, name_zh, name_en, revision, changed_us) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (path) DO UPDATE SET name_zh = excluded.name_zh, name_en = excluded.name_en, \
             revision = excluded.revision, changed_us = excluded.changed_us",
        )
        .bind(org.as_str())
        .bind(zh)
        .bind(en)
        .bind(seen + 1)
        .bind(self.now.micros())
        .execute(&mut *self.connection)
        .await?;
        Ok(Ok(Done::Now(seen + 1)))
    }

    async fn party(
        &mut self,
        (org, field, role, person): (&OrgPath, Option<Field>, &str, &str),
        channel: &str,
    ) -> Result<Answer, StoreError> {
        sqlx::query(
            "INSERT INTO responsible_parties (org, domain, role, person, channel, revision, changed_us) \
             VALUES ($1, $2, $3, $4, $5, 1, $6) ON CONFLICT (org, domain, role, person) DO UPDATE SET \
             channel = excluded.channel, revision = responsible_parties.revision + 1, changed_us = excluded.changed_us",
        )
        .bind(org.as_str())
        .bind(field_name(field))
        .bind(role)
        .bind(person)
        .bind(channel)
        .bind(self.now.micros())
        .execute(&mut *self.connection)
        .await?;
        Ok(Ok(Done::Now(1)))
    }

    async fn roster(
        &mut self,
        (roster, org, zh, en): (&str, &OrgPath, &str, &str),
        shifts: &[Shift],
        seen: i64,
    ) -> Result<Answer, StoreError> {
        let kept = self.revision("SELECT revision FROM rosters WHERE roster = $1", roster).await?;
        if kept != seen {
            return Ok(Err(Refusal::Stale(kept)));
        }
        sqlx::query(
            "INSERT INTO rosters (roster, org, name_zh, name_en, revision, changed_us) VALUES ($1, $2, $3, $4, $5, $6) \
             ON CONFLICT (roster) DO UPDATE SET org = excluded.org, name_zh = excluded.name_zh, \
             name_en = excluded.name_en, revision = excluded.revision, changed_us = excluded.changed_us",
        )
        .bind(roster)
        .bind(org.as_str())
        .bind(zh)
        .bind(en)
        .bind(seen + 1)
        .bind(self.now.micros())
        .execute(&mut *self.connection)
        .await?;
        self.gone("DELETE FROM shifts WHERE roster = $1", roster).await?.ok();
        for shift in shifts {
            sqlx::query(
                "INSERT INTO shifts (roster, from_us, person, to_us, channel) VALUES ($1, $2, $3, $4, $5) \
                 ON CONFLICT DO NOTHING",
            )
            .bind(roster)
            .bind(shift.from.micros())
            .bind(shift.person.as_str())
            .bind(shift.to.micros())
            .bind(shift.channel.as_str())
            .execute(&mut *self.connection)
            .await?;
        }
        Ok(Ok(Done::Now(seen + 1)))
    }

    async fn keep_ladder(
        &mut self,
        (org, field, level): (&OrgPath, Option<Field>, Level),
        rungs: &[Rung],
        seen: i64,
    ) -> Result<Answer, StoreError> {
        let kept = sqlx::query(
            "SELECT CAST(COALESCE(MAX(revision), 0) AS BIGINT) FROM ladders WHERE org = $1 AND domain = $2 AND level = $3",
        )
        .bind(org.as_str())
        .bind(field_name(field))
        .bind(i64::from(level.code()))
        .fetch_one(&mut *self.connection)
        .await?
        .int(0)?;
        if kept != seen {
            return Ok(Err(Refusal::Stale(kept)));
        }
        sqlx::query("DELETE FROM ladders WHERE org = $1 AND domain = $2 AND level = $3")
            .bind(org.as_str())
            .bind(field_name(field))
            .bind(i64::from(level.code()))
            .execute(&mut *self.connection)
            .await?;
        for rung in rungs {
            sqlx::query(
                "INSERT INTO ladders (org, domain, level, step, target, channel, after_ms, revision, changed_us) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
            )
            .bind(org.as_str())
            .bind(field_name(field))
            .bind(i64::from(level.code()))
            .bind(rung.step)
            .bind(rung.target.as_str())
            .bind(rung.channel.as_str())
            .bind(rung.after_ms)
            .bind(seen + 1)
            .bind(self.now.micros())
            .execute(&mut *self.connection)
            .await?;
        }
        self.ladders.clear();
        Ok(Ok(Done::Now(seen + 1)))
    }

    async fn revision(&mut self, statement: &'static str, key: &str) -> Result<i64, StoreError> {
        let row = sqlx::query(statement).bind(key).fetch_optional(&mut *self.connection).await?;
        row.map_or(Ok(0), |row| Ok(row.int(0)?))
    }
}

fn found(rows: u64, what: &'static str) -> Answer {
    if rows > 0 { Ok(Done::Now(0)) } else { Err(Refusal::NotFound(what)) }
}
