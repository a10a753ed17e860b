//! Call and answer (叫应): who is called at which rung, and the notices that leave from it.
//!
//! Invariant: a rung of a round is taken once (primary key), a notice has one id per case, step, target
//! and channel, and all of it is in the transaction of the step. Deliberately absent: sending.

use super::Work;
use super::case::CaseRow;
use crate::clock;
use crate::store::{Columns, StoreError};
use minewatch_alarm::{Case, Policy};
use minewatch_domain::{Level, OrgPath};
use serde_json::json;

/// Called at one rung; a roster of a whole company is not called.
const TARGETS_MAX: usize = 50;
/// The channel a target has chosen for itself.
const OWN_CHANNEL: &str = "default";

/// One rung of a ladder as stored.
#[derive(Debug, Clone)]
pub(super) struct LadderRow {
    org: OrgPath,
    own_field: bool,
    step: i64,
    target: String,
    channel: String,
    after_ms: i64,
}

/// Somebody to call, and how.
type Target = (String, String);

impl Work<'_> {
    /// Deadlines of a case: the ladder kept for its place, else the rules.
    pub(super) async fn policy_of(&mut self, row: &CaseRow) -> Result<Policy, StoreError> {
        let mut policy = self.rules.policy(row.field, row.body.case.level);
        let ladder = self.ladder(row).await?;
        if !ladder.is_empty() {
            let steps = ladder.iter().map(|rung| rung.step).max().unwrap_or(0);
            let after = |step: i64| ladder.iter().filter(|r| r.step == step).map(|r| r.after_ms).min();
            let mut latest = 0;
            policy.ladder_ms = (0..=steps)
                .map(|step| {
                    latest = after(step).unwrap_or(latest).max(latest);
                    latest
                })
                .collect();
        }
        Ok(policy)
    }

    /// The ladder in force: of the nearest node above the place, one for the field before one for all.
    async fn ladder(&mut self, row: &CaseRow) -> Result<Vec<LadderRow>, StoreError> {
        let level = i64::from(row.body.case.level.code());
        let key = (row.org.clone(), row.field.name(), level);
        if let Some(known) = self.ladders.get(&key) {
            return Ok(known.clone());
        }
        let rows = sqlx::query(
            "SELECT org, domain, step, target, channel, after_ms FROM ladders \
             WHERE level = $1 AND (domain = $2 OR domain = '*') ORDER BY step, target, channel",
        )
        .bind(level)
        .bind(row.field.name())
        .fetch_all(&mut *self.connection)
        .await?;
        let mut fitting = Vec::new();
        for stored in &rows {
            let Ok(org) = OrgPath::parse(&stored.text(0)?) else { continue };
            if org.contains(&row.org) {
                fitting.push(LadderRow {
                    org,
                    own_field: stored.text(1)? != "*",
                    step: stored.int(2)?,
                    target: stored.text(3)?,
                    channel: stored.text(4)?,
                    after_ms: stored.int(5)?,
                });
            }
        }
        let rank = |rung: &LadderRow| (rung.org.depth(), rung.own_field);
        let best = fitting.iter().map(rank).max();
        fitting.retain(|rung| Some(rank(rung)) == best);
        self.ladders.insert(key, fitting.clone());
        Ok(fitting)
    }

    /// Takes the rung of `before.step`: the step, the calls, the notices. Returns who is called.
    pub(super) async fn call(&mut self, row: &CaseRow, before: &Case) -> Result<Vec<String>, StoreError> {
        let (round, step) = (before.round as i64, before.step as i64);
        let taken = sqlx::query(
            "INSERT INTO escalation_steps (case_id, round, step, level, taken_us) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT DO NOTHING",
        )
        .bind(row.id.as_str())
        .bind(round)
        .bind(step)
        .bind(i64::from(before.level.code()))
        .bind(self.now.micros())
        .execute(&mut *self.connection)
        .await?;
        if taken.rows_affected() == 0 {
            return Ok(Vec::new());
        }
        let targets = self.targets(row, step).await?;
        for (target, channel) in &targets {
            sqlx::query(
                "INSERT INTO calls (case_id, round, step, target, channel, called_us) VALUES ($1, $2, $3, $4, $5, $6) \
                 ON CONFLICT DO NOTHING",
            )
            .bind(row.id.as_str())
            .bind(round)
            .bind(step)
            .bind(target.as_str())
            .bind(channel.as_str())
            .bind(self.now.micros())
            .execute(&mut *self.connection)
            .await?;
            self.notice(row, &format!("{round}.{step}"), (target, channel)).await?;
        }
        Ok(targets.into_iter().map(|(target, _)| target).collect())
    }

    /// Who answered: the calls of the round to that person.
    pub(super) async fn answered(&mut self, row: &CaseRow, person: &str) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE calls SET answered_by = $1, answered_us = $2 WHERE case_id = $3 AND round = $4 AND \
             answered_us IS NULL AND target = $1",
        )
        .bind(person)
        .bind(self.now.micros())
        .bind(row.id.as_str())
        .bind(row.body.case.round as i64)
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// The handler learns of the assignment.
    pub(super) async fn tell_handler(&mut self, row: &CaseRow, person: &str) -> Result<(), StoreError> {
        self.notice(row, &format!("assign.{}", row.revision), (person, OWN_CHANNEL)).await
    }

    async fn targets(&mut self, row: &CaseRow, step: i64) -> Result<Vec<Target>, StoreError> {
        let ladder = self.ladder(row).await?;
        let last = ladder.iter().map(|rung| rung.step).max().unwrap_or(0);
        let mut out: Vec<Target> = Vec::new();
        let rungs: Vec<&LadderRow> = ladder.iter().filter(|rung| rung.step == step.min(last)).collect();
        for rung in &rungs {
            let (kind, name) = rung.target.split_once(':').unwrap_or(("person", rung.target.as_str()));
            match kind {
                "roster" => out.extend(self.on_duty(name).await?),
                "role" => out.extend(self.responsible(row, Some(name), 0).await?),
                _ => out.push((name.to_owned(), rung.channel.clone())),
            }
        }
        if ladder.is_empty() {
            // Without a ladder the responsible parties are called, one node higher at each rung.
            out = self.responsible(row, None, usize::try_from(step).unwrap_or(0)).await?;
        }
        for (_, channel) in &mut out {
            if channel.is_empty() {
                OWN_CHANNEL.clone_into(channel);
            }
        }
        out.sort();
        out.dedup();
        out.truncate(TARGETS_MAX);
        Ok(out)
    }

    async fn on_duty(&mut self, roster: &str) -> Result<Vec<Target>, StoreError> {
        let rows = sqlx::query(
            "SELECT person, channel FROM shifts WHERE roster = $1 AND from_us <= $2 AND to_us > $2 ORDER BY person",
        )
        .bind(roster)
        .bind(self.now.micros())
        .fetch_all(&mut *self.connection)
        .await?;
        rows.iter().map(|row| Ok((row.text(0)?, row.text(1)?))).collect()
    }

    /// Responsible parties of the nearest node that has some, `above` nodes further up.
    async fn responsible(
        &mut self,
        row: &CaseRow,
        role: Option<&str>,
        above: usize,
    ) -> Result<Vec<Target>, StoreError> {
        let rows = sqlx::query(
            "SELECT org, person, channel FROM responsible_parties WHERE (domain = $1 OR domain = '*') AND \
             ($2 = '' OR role = $2) ORDER BY org, person",
        )
        .bind(row.field.name())
        .bind(role.unwrap_or(""))
        .fetch_all(&mut *self.connection)
        .await?;
        let mut found: Vec<(usize, Target)> = Vec::new();
        for stored in &rows {
            if let Ok(org) = OrgPath::parse(&stored.text(0)?)
                && org.contains(&row.org)
            {
                found.push((org.depth(), (stored.text(1)?, stored.text(2)?)));
            }
        }
        let mut depths: Vec<usize> = found.iter().map(|(depth, _)| *depth).collect();
        depths.sort_unstable_by(|a, b| b.cmp(a));
        depths.dedup();
        let chosen = depths.get(above.min(depths.len().saturating_sub(1))).copied();
        Ok(found.into_iter().filter(|(depth, _)| Some(*depth) == chosen).map(|(_, target)| target).collect())
    }

    async fn notice(&mut self, row: &CaseRow, step: &str, (target, channel): (&str, &str)) -> Result<(), StoreError> {
        let case = &row.body.case;
        let (zh, en) = level_words(case.level);
        let body = json!({
            "title_zh": format!("【{zh}】{}", row.titles.0), "title_en": format!("[{en}] {}", row.titles.1),
            "place_zh": row.body.place_zh, "place_en": row.body.place_en,
            "what_zh": row.titles.0, "what_en": row.body.why,
            "since_us": row.body.raised.1.micros(), "since": clock::text(row.body.raised.1),
            "link": format!("/#/cases/{}", row.id),
        });
        sqlx::query(
            "INSERT INTO notice (id, case_id, alarm, step, target, channel, level, domain, org, body, due_us, state, \
             attempts, next_try_us, created_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'pending', 0, \
             $11, $11) ON CONFLICT DO NOTHING",
        )
        .bind(format!("{}/{step}/{target}/{channel}", row.id))
        .bind(row.id.as_str())
        .bind(format!("{}/{}", row.body.first.0, row.body.first.1))
        .bind(step)
        .bind(target)
        .bind(channel)
        .bind(i64::from(case.level.code()))
        .bind(row.field.name())
        .bind(row.org.as_str())
        .bind(body.to_string())
        .bind(self.now.micros())
        .execute(&mut *self.connection)
        .await?;
        self.outcome.notices += 1;
        Ok(())
    }
}

fn level_words(level: Level) -> (&'static str, &'static str) {
    match level {
        Level::Normal => ("正常", "normal"),
        Level::Blue => ("蓝色", "blue"),
        Level::Yellow => ("黄色", "yellow"),
        Level::Orange => ("橙色", "orange"),
        Level::Red => ("红色", "red"),
    }
}
