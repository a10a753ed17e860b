//! What the key figures are made of: the journal of a window and what stood before it.

use super::{Columns, Store, StoreError};
use crate::hq::event::Outgoing;
use minewatch_alarm::kpi::{CaseTimes, Change, Record, Window};
use minewatch_domain::{At, GatewayId, Level, OrgPath};
use std::collections::BTreeMap;

/// Rows of one kind that are read for one question; beyond it the question is refused.
const ROWS_MAX: i64 = 200_000;

/// The facts of one question.
#[derive(Debug, Default)]
pub struct KpiFacts {
    /// Alarms.
    pub records: Vec<Record>,
    /// Cases.
    pub cases: Vec<CaseTimes>,
    /// There are more than can be read.
    pub cut: bool,
}

/// Everything, one node, or what is below it.
const BELOW: &str = "($1 = '' OR a.org = $1 OR a.org LIKE $2 ESCAPE '\\')";

fn level(code: i64) -> Level {
    u8::try_from(code).ok().and_then(Level::from_code).unwrap_or(Level::Red)
}

impl Store {
    /// Facts about a part of the organisation (all of it without `org`) in a window. Suppression and
    /// deadlines are as they stand now: they have no history by time.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn kpi_facts(&self, org: Option<&OrgPath>, window: Window) -> Result<KpiFacts, StoreError> {
        let mut records: BTreeMap<(String, String), Record> = BTreeMap::new();
        let mut cut = self.kpi_standing(org, window, &mut records).await?;
        cut |= self.kpi_changes(org, window, &mut records).await?;
        cut |= self.kpi_acks(org, window, &mut records).await?;
        let (cases, more) = self.kpi_cases(org, window).await?;
        Ok(KpiFacts { records: records.into_values().collect(), cases, cut: cut || more })
    }

    /// Alarms that were active when the window began, or are suppressed now.
    async fn kpi_standing(
        &self,
        org: Option<&OrgPath>,
        window: Window,
        records: &mut BTreeMap<(String, String), Record>,
    ) -> Result<bool, StoreError> {
        let (org, below) = scope(org);
        let query = format!(
            "SELECT a.gateway, a.alarm, a.isa, \
             COALESCE((SELECT j.to_level FROM alarm_journal j WHERE j.gateway = a.gateway AND j.alarm = a.alarm \
              AND j.at_us < $3 ORDER BY j.revision DESC LIMIT 1), 0), \
             (SELECT j.at_us FROM alarm_journal j WHERE j.gateway = a.gateway AND j.alarm = a.alarm \
              AND j.from_level = 0 AND j.at_us < $3 ORDER BY j.revision DESC LIMIT 1) \
             FROM alarms a WHERE {BELOW} AND (a.to_level > 0 OR a.at_us >= $3 OR a.isa IN ('SHLVD', 'DSUPR', 'OOSRV')) \
             LIMIT {ROWS_MAX}"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(query))
            .bind(org)
            .bind(below)
            .bind(window.from.micros())
            .fetch_all(&self.reader)
            .await?;
        for row in &rows {
            let (gateway, alarm, isa) = (row.text(0)?, row.text(1)?, row.text(2)?);
            let active_since = if row.int(3)? > 0 { row.maybe_int(4)?.map(At) } else { None };
            let record = Record {
                alarm: format!("{gateway}.{alarm}"),
                active_since,
                shelved: isa == "SHLVD",
                suppressed: isa == "DSUPR",
                out_of_service: isa == "OOSRV",
                ..Record::default()
            };
            records.insert((gateway, alarm), record);
        }
        Ok(rows.len() as i64 >= ROWS_MAX)
    }

    async fn kpi_changes(
        &self,
        org: Option<&OrgPath>,
        window: Window,
        records: &mut BTreeMap<(String, String), Record>,
    ) -> Result<bool, StoreError> {
        let (org, below) = scope(org);
        let query = format!(
            "SELECT j.gateway, j.alarm, j.at_us, j.from_level, j.to_level FROM alarm_journal j \
             JOIN alarms a ON a.gateway = j.gateway AND a.alarm = j.alarm \
             WHERE j.at_us >= $3 AND j.at_us < $4 AND {BELOW} ORDER BY j.at_us, j.revision LIMIT {ROWS_MAX}"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(query))
            .bind(org)
            .bind(below)
            .bind(window.from.micros())
            .bind(window.to.micros())
            .fetch_all(&self.reader)
            .await?;
        for row in &rows {
            let (gateway, alarm) = (row.text(0)?, row.text(1)?);
            let name = format!("{gateway}.{alarm}");
            let record = records.entry((gateway, alarm)).or_insert_with(|| Record { alarm: name, ..Record::default() });
            record.changes.push(Change { at: At(row.int(2)?), from: level(row.int(3)?), to: level(row.int(4)?) });
        }
        Ok(rows.len() as i64 >= ROWS_MAX)
    }

    async fn kpi_acks(
        &self,
        org: Option<&OrgPath>,
        window: Window,
        records: &mut BTreeMap<(String, String), Record>,
    ) -> Result<bool, StoreError> {
        let (org, below) = scope(org);
        let query = format!(
            "SELECT o.gateway, o.alarm, o.at_us FROM alarm_actions o \
             JOIN alarms a ON a.gateway = o.gateway AND a.alarm = o.alarm \
             WHERE o.kind = 'acknowledge' AND o.at_us >= $3 AND o.at_us < $4 AND {BELOW} ORDER BY o.at_us LIMIT {ROWS_MAX}"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(query))
            .bind(org)
            .bind(below)
            .bind(window.from.micros())
            .bind(window.to.micros())
            .fetch_all(&self.reader)
            .await?;
        for row in &rows {
            if let Some(record) = records.get_mut(&(row.text(0)?, row.text(1)?)) {
                record.acks.push(At(row.int(2)?));
            }
        }
        Ok(rows.len() as i64 >= ROWS_MAX)
    }

    async fn kpi_cases(&self, org: Option<&OrgPath>, window: Window) -> Result<(Vec<CaseTimes>, bool), StoreError> {
        let (org, below) = scope(org);
        let query = format!(
            "SELECT a.raised_us, (SELECT MIN(j.at_us) FROM case_journal j WHERE j.case_id = a.case_id \
             AND j.event = 'acknowledge'), a.closed_us, a.overdue FROM cases a \
             WHERE {BELOW} AND a.raised_us < $4 AND (a.open = 1 OR a.changed_us >= $3) LIMIT {ROWS_MAX}"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(query))
            .bind(org)
            .bind(below)
            .bind(window.from.micros())
            .bind(window.to.micros())
            .fetch_all(&self.reader)
            .await?;
        let mut cases = Vec::with_capacity(rows.len());
        for row in &rows {
            cases.push(CaseTimes {
                raised: At(row.int(0)?),
                acknowledged: row.maybe_int(1)?.map(At),
                closed: row.maybe_int(2)?.map(At),
                late: row.int(3)? != 0,
            });
        }
        Ok((cases, rows.len() as i64 >= ROWS_MAX))
    }
}

/// A node and the pattern of what is below it. Slugs hold no `%`; `_` matches itself among others,
/// and the slash after the node keeps neighbours out.
fn scope(org: Option<&OrgPath>) -> (String, String) {
    match org {
        Some(org) => (org.to_string(), format!("{}/%", org.to_string().replace('_', "\\_"))),
        None => (String::new(), String::new()),
    }
}

impl Store {
    /// End of the last window whose figures were published.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn figures_mark(&self) -> Result<At, StoreError> {
        let row = sqlx::query("SELECT COALESCE(MAX(number), 0) FROM meta WHERE name = 'figures_us'")
            .fetch_one(&self.reader)
            .await?;
        Ok(At(row.int(0)?))
    }

    /// Puts the figures of a window into the outbox, unless another aggregator has.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn publish_figures(&self, to: At, messages: &[(GatewayId, Outgoing)], now: At) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let moved = sqlx::query(
            "INSERT INTO meta (name, number) VALUES ('figures_us', $1) \
             ON CONFLICT (name) DO UPDATE SET number = excluded.number WHERE meta.number < excluded.number",
        )
        .bind(to.micros())
        .execute(&mut *transaction)
        .await?;
        if moved.rows_affected() > 0 {
            for (gateway, message) in messages {
                super::alarms::enqueue(&mut transaction, gateway, message, now).await?;
            }
        }
        transaction.commit().await
    }
}
