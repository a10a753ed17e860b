//! Notices: planned, claimed and finished in short transactions of their own.
//!
//! Invariant: every change of a row is conditional on the state it was decided from, so a sender
//! whose lease ran out changes nothing. Planners of several aggregators follow one another (they
//! take the same row first), so budgets are never spent twice.

use super::{Columns, Store, StoreError};
use crate::notify::budget::Budget;
use crate::notify::plan::Plan;
use crate::notify::sender::{self, Effect, Event, Notice, State};
use crate::notify::{Answer, public_key};
use minewatch_domain::{At, Level};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;
use std::collections::BTreeMap;

/// Notices looked at in one transaction; a digest stands for at most so many.
const DUE_MAX: i64 = 500;
/// Notices in one answer of the API.
const LIST_MAX: i64 = 1_000;

const COLUMNS: &str = "id, case_id, alarm, step, target, channel, level, domain, org, body, due_us, state, attempts, \
    COALESCE(next_try_us, 0), claimed_by, COALESCE(claimed_until_us, 0), COALESCE(created_us, due_us), \
    COALESCE(sent_us, 0), receipt";

const DUE: &str = "((state = 'pending' AND due_us <= $1 AND (next_try_us IS NULL OR next_try_us <= $1)) \
    OR (state = 'claimed' AND claimed_until_us <= $1))";

/// What a plan came to.
#[derive(Debug, Default)]
#[allow(missing_docs)]
pub struct Planned {
    pub send: Vec<Notice>,
    pub digested: u64,
    pub homeless: u64,
}

/// How a channel does.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub struct ChannelRow {
    pub channel: String,
    pub ok: Option<At>,
    pub failed: Option<At>,
    pub failures: i64,
    pub error: Option<String>,
}

fn notice_of(row: &AnyRow) -> Result<Notice, StoreError> {
    let attempts = u32::try_from(row.maybe_int(12)?.unwrap_or(0)).unwrap_or(u32::MAX);
    let (text, sent) = (row.maybe_text(18)?.unwrap_or_default(), At(row.int(17)?));
    let state = match row.text(11)?.as_str() {
        "claimed" => State::Claimed { attempts, by: row.maybe_text(14)?.unwrap_or_default(), until: At(row.int(15)?) },
        "sent" => State::Sent { attempts, at: sent, receipt: text },
        "failed" => State::Failed { attempts, at: sent, why: text },
        "dropped" => State::Dropped { at: sent, why: text },
        "digested" => State::Digested { into: text },
        _ => State::Pending { attempts, next_try: At(row.int(13)?) },
    };
    let level = u8::try_from(row.int(6)?).ok().and_then(Level::from_code).unwrap_or(Level::Red);
    Ok(Notice {
        id: row.text(0)?,
        case: row.maybe_text(1)?,
        alarm: row.maybe_text(2)?,
        step: row.maybe_text(3)?.unwrap_or_default(),
        target: row.maybe_text(4)?.unwrap_or_default(),
        channel: row.maybe_text(5)?.unwrap_or_default(),
        level,
        domain: row.maybe_text(7)?.unwrap_or_default(),
        org: row.maybe_text(8)?.unwrap_or_default(),
        // A body that cannot be read must not stop the notice: its level and case still go out.
        body: serde_json::from_str(&row.maybe_text(9)?.unwrap_or_default()).unwrap_or_default(),
        due: At(row.int(10)?),
        created: At(row.int(16)?),
        state,
    })
}

/// Who holds it, and until when.
fn lease(state: &State) -> (String, i64) {
    match state {
        State::Claimed { by, until, .. } => (by.clone(), until.micros()),
        State::Pending { .. }
        | State::Sent { .. }
        | State::Failed { .. }
        | State::Dropped { .. }
        | State::Digested { .. } => (String::new(), 0),
    }
}

/// Writes a state, if the row is still in the one it was decided from.
async fn save(connection: &mut AnyConnection, notice: &Notice, next: &State) -> Result<bool, StoreError> {
    let (holder, until) = lease(&notice.state);
    let (mut next_try, mut by, mut lease, mut sent, mut receipt) = (0, String::new(), 0, 0, String::new());
    match next {
        State::Pending { next_try: at, .. } => next_try = at.micros(),
        State::Claimed { by: who, until, .. } => (by, lease) = (who.clone(), until.micros()),
        State::Sent { at, receipt: text, .. }
        | State::Failed { at, why: text, .. }
        | State::Dropped { at, why: text } => {
            (sent, receipt) = (at.micros(), text.clone());
        }
        State::Digested { into } => receipt = into.clone(),
    }
    let changed = sqlx::query(
        "UPDATE notice SET state = $1, attempts = $2, next_try_us = $3, claimed_by = $4, claimed_until_us = $5, \
         sent_us = $6, receipt = $7, public_id = $12 WHERE id = $8 AND state = $9 AND \
         ($9 <> 'claimed' OR (claimed_by = $10 AND claimed_until_us = $11))",
    )
    .bind(next.name())
    .bind(i64::from(next.attempts()))
    .bind(next_try)
    .bind(by)
    .bind(lease)
    .bind(sent)
    .bind(receipt)
    .bind(notice.id.as_str())
    .bind(notice.state.name())
    .bind(holder)
    .bind(until)
    .bind(public_key(&notice.id))
    .execute(connection)
    .await?;
    Ok(changed.rows_affected() == 1)
}

/// Adds a notice; one that is there already stays as it is.
async fn add(connection: &mut AnyConnection, notice: &Notice) -> Result<bool, StoreError> {
    let (by, until) = lease(&notice.state);
    let added = sqlx::query(
        "INSERT INTO notice (id, case_id, alarm, step, target, channel, level, domain, org, body, due_us, state, \
         attempts, next_try_us, claimed_by, claimed_until_us, created_us) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) ON CONFLICT DO NOTHING",
    )
    .bind(notice.id.as_str())
    .bind(notice.case.clone())
    .bind(notice.alarm.clone())
    .bind(notice.step.as_str())
    .bind(notice.target.as_str())
    .bind(notice.channel.as_str())
    .bind(i64::from(notice.level.code()))
    .bind(notice.domain.as_str())
    .bind(notice.org.as_str())
    .bind(serde_json::to_string(&notice.body).unwrap_or_default())
    .bind(notice.due.micros())
    .bind(notice.state.name())
    .bind(i64::from(notice.state.attempts()))
    .bind(notice.due.micros())
    .bind(by)
    .bind(until)
    .bind(notice.created.micros())
    .execute(connection)
    .await?;
    Ok(added.rows_affected() == 1)
}

async fn budgets(connection: &mut AnyConnection) -> Result<BTreeMap<String, Budget>, StoreError> {
    let rows = sqlx::query("SELECT channel, budget FROM channel_state").fetch_all(connection).await?;
    rows.iter().map(|row| Ok((row.text(0)?, serde_json::from_str(&row.text(1)?).unwrap_or_default()))).collect()
}

async fn save_budget(connection: &mut AnyConnection, channel: &str, budget: &Budget) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO channel_state (channel, budget) VALUES ($1, $2) \
         ON CONFLICT (channel) DO UPDATE SET budget = excluded.budget",
    )
    .bind(channel)
    .bind(serde_json::to_string(budget).unwrap_or_default())
    .execute(connection)
    .await?;
    Ok(())
}

/// Takes the row all planners take first; whoever comes second waits for the end of the first.
async fn in_turn(connection: &mut AnyConnection) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO meta (name, number) VALUES ('notice_plans', 1) \
         ON CONFLICT (name) DO UPDATE SET number = meta.number + 1",
    )
    .execute(connection)
    .await?;
    Ok(())
}

impl Store {
    /// How many notices are due.
    ///
    /// # Errors
    /// When the store does not answer; so for every function here.
    pub async fn notices_waiting(&self, now: At) -> Result<i64, StoreError> {
        let query = format!("SELECT COUNT(*) FROM (SELECT id FROM notice WHERE {DUE} LIMIT {DUE_MAX}) due");
        let row = sqlx::query(sqlx::AssertSqlSafe(query)).bind(now.micros()).fetch_one(&self.reader).await?;
        Ok(row.int(0)?)
    }

    /// Plans what is due and claims what is to be sent for `me`, in one transaction.
    pub async fn plan_notices(
        &self,
        now: At,
        me: &str,
        decide: impl FnOnce(Vec<Notice>, &mut BTreeMap<String, Budget>) -> Plan,
    ) -> Result<Planned, StoreError> {
        let mut transaction = self.begin().await?;
        in_turn(&mut transaction).await?;
        let before = budgets(&mut transaction).await?;
        let query = format!("SELECT {COLUMNS} FROM notice WHERE {DUE} ORDER BY level DESC, due_us, id LIMIT {DUE_MAX}");
        let rows = sqlx::query(sqlx::AssertSqlSafe(query)).bind(now.micros()).fetch_all(&mut *transaction).await?;
        let due = rows.iter().map(notice_of).collect::<Result<Vec<_>, _>>()?;
        let mut after = before.clone();
        let plan = decide(due, &mut after);
        let mut planned = Planned::default();
        self.claim(&mut transaction, plan, now, me, &mut planned).await?;
        for (channel, budget) in after.iter().filter(|(channel, budget)| before.get(*channel) != Some(budget)) {
            save_budget(&mut transaction, channel, budget).await?;
        }
        transaction.commit().await?;
        Ok(planned)
    }

    async fn claim(
        &self,
        connection: &mut AnyConnection,
        plan: Plan,
        now: At,
        me: &str,
        planned: &mut Planned,
    ) -> Result<(), StoreError> {
        let claim = || Event::Claim { by: me.to_owned() };
        for (mut digest, members) in plan.digests {
            let Ok((state, _)) = sender::step(&digest, claim(), now) else { continue };
            digest.state = state;
            add(connection, &digest).await?;
            for member in members {
                if let Ok((state, _)) = sender::step(&member, Event::Digest { into: digest.id.clone() }, now) {
                    planned.digested += u64::from(save(connection, &member, &state).await?);
                }
            }
            planned.send.push(digest);
        }
        for mut notice in plan.send {
            let Ok((state, _)) = sender::step(&notice, claim(), now) else { continue };
            if save(connection, &notice, &state).await? {
                notice.state = state;
                planned.send.push(notice);
            }
        }
        for (notice, until) in plan.defer {
            if let Ok((state, _)) = sender::step(&notice, Event::Defer { until }, now) {
                save(connection, &notice, &state).await?;
            }
        }
        for notice in plan.homeless {
            let why = format!("channel {:?} is not configured", notice.channel);
            let state = State::Failed { attempts: notice.state.attempts(), at: now, why };
            planned.homeless += u64::from(save(connection, &notice, &state).await?);
        }
        Ok(())
    }

    /// Writes down how attempts of `me` ended, and starts fallbacks.
    pub async fn finish_notices(
        &self,
        done: &[(Notice, Answer)],
        me: &str,
        now: At,
        channel: impl Fn(&Notice) -> Option<String>,
        fallback: impl Fn(&Notice) -> Option<Notice>,
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        for (notice, answer) in done {
            let event = Event::Answered { by: me.to_owned(), answer: answer.clone() };
            if let Ok((state, effects)) = sender::step(notice, event, now)
                && save(&mut transaction, notice, &state).await?
                && effects.contains(&Effect::Fallback)
                && let Some(next) = fallback(notice)
            {
                add(&mut transaction, &next).await?;
            }
            if let Some(channel) = channel(notice) {
                note(&mut transaction, &channel, answer, now).await?;
            }
        }
        transaction.commit().await
    }

    /// Adds the day's self-tests, unless they are there.
    pub async fn add_self_tests(&self, date: &str, tests: &[Notice]) -> Result<(), StoreError> {
        let made = sqlx::query("SELECT COUNT(*) FROM notice WHERE id LIKE $1")
            .bind(format!("self-test/{date}/%"))
            .fetch_one(&self.reader)
            .await?;
        if tests.is_empty() || made.int(0)? >= tests.len() as i64 {
            return Ok(());
        }
        let mut transaction = self.begin().await?;
        for test in tests {
            add(&mut transaction, test).await?;
        }
        transaction.commit().await
    }

    /// Notices, newest first: of one state or all.
    pub async fn notices(&self, state: Option<&str>, limit: i64) -> Result<Vec<Notice>, StoreError> {
        let query =
            format!("SELECT {COLUMNS} FROM notice WHERE ($1 = '' OR state = $1) ORDER BY created_us DESC, id LIMIT $2");
        let rows = sqlx::query(sqlx::AssertSqlSafe(query))
            .bind(state.unwrap_or(""))
            .bind(limit.min(LIST_MAX))
            .fetch_all(&self.reader)
            .await?;
        rows.iter().map(notice_of).collect()
    }

    /// How every channel that was used last did.
    pub async fn channels(&self) -> Result<Vec<ChannelRow>, StoreError> {
        let rows = sqlx::query("SELECT channel, ok_us, failed_us, failures, error FROM channel_state ORDER BY channel")
            .fetch_all(&self.reader)
            .await?;
        let read = |row: &AnyRow| -> Result<ChannelRow, StoreError> {
            Ok(ChannelRow {
                channel: row.text(0)?,
                ok: row.maybe_int(1)?.map(At),
                failed: row.maybe_int(2)?.map(At),
                failures: row.int(3)?,
                error: row.maybe_text(4)?,
            })
        };
        rows.iter().map(read).collect()
    }
}

/// Remembers how a channel did; a robot that asked for silence is left alone by all aggregators.
async fn note(connection: &mut AnyConnection, channel: &str, answer: &Answer, now: At) -> Result<(), StoreError> {
    let (ok, why, silence) = match answer {
        Answer::Accepted { .. } => (true, None, None),
        Answer::Retry { after_ms, why } => (false, Some(why.clone()), *after_ms),
        Answer::Rejected { why } => (false, Some(why.clone()), None),
    };
    if let Some(ms) = silence {
        let mut budget = budgets(connection).await?.remove(channel).unwrap_or_default();
        budget.silence(now.plus_millis(ms));
        save_budget(connection, channel, &budget).await?;
    }
    let query = match ok {
        true => {
            "INSERT INTO channel_state (channel, budget, ok_us, failures) VALUES ($1, '', $2, 0) \
             ON CONFLICT (channel) DO UPDATE SET ok_us = excluded.ok_us, failures = 0, error = $3"
        }
        false => {
            "INSERT INTO channel_state (channel, budget, failed_us, failures, error) VALUES ($1, '', $2, 1, $3) \
             ON CONFLICT (channel) DO UPDATE SET failed_us = excluded.failed_us, \
             failures = channel_state.failures + 1, error = excluded.error"
        }
    };
    sqlx::query(query).bind(channel).bind(now.micros()).bind(why).execute(connection).await?;
    Ok(())
}
