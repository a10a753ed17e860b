//! What the API reads of single alarms and cases, and of the organisation. Lists are `list`'s.

use super::case::CaseBody;
use crate::people::Domain;
use crate::store::{Columns, Store, StoreError};
use minewatch_alarm::Alarm;
use minewatch_domain::OrgPath;
use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;

/// What its reader may see: nodes with domains; none means everything.
pub type Sight = Vec<(OrgPath, Vec<Domain>)>;

/// Where a page begins: the sort key of the row before it.
pub type PageKey = (i64, i64, i64, String, String);

/// Which alarms or cases are asked for.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs)]
pub struct Filter {
    pub sight: Sight,
    pub org: Option<OrgPath>,
    pub domain: Option<String>,
    pub gateway: Option<String>,
    /// Alarms: begin of the name; slugs hold no wildcard but `_`, which stands for itself too.
    pub prefix: Option<String>,
    pub level_min: i64,
    pub isa: Option<String>,
    /// Alarms: not NORM. Cases: open.
    pub standing: bool,
    pub state: Option<String>,
    pub handler: Option<String>,
    /// Key of the last row of the page before.
    pub after: Option<PageKey>,
    pub limit: i64,
}

/// The operator's side of an alarm, for lists.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct HandledRow {
    pub gateway: String,
    pub alarm: String,
    pub level: i64,
    pub at_us: i64,
    pub org: String,
    pub domain: String,
    pub isa: String,
    pub version: i64,
    pub state: Option<Alarm>,
    pub inhibited_by: Option<String>,
    pub case_id: Option<String>,
}

/// A case, for lists and pages.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct CaseLine {
    pub id: String,
    pub state: String,
    pub open: bool,
    pub revision: i64,
    pub level: i64,
    pub domain: String,
    pub org: OrgPath,
    pub gateway: Option<String>,
    pub title_zh: String,
    pub title_en: String,
    pub raised_us: i64,
    pub changed_us: i64,
    pub closed_us: Option<i64>,
    pub due_us: Option<i64>,
    pub overdue: bool,
    pub body: CaseBody,
}

/// One row of any small table, as text.
pub type Line = Vec<Option<String>>;

impl Store {
    /// The operator's side of one alarm.
    pub async fn handled(&self, gateway: &str, alarm: &str) -> Result<Option<HandledRow>, StoreError> {
        let row = sqlx::query(
            "SELECT gateway, alarm, to_level, at_us, org, domain, isa, version, lifecycle, inhibited_by, case_id \
             FROM alarms WHERE gateway = $1 AND alarm = $2",
        )
        .bind(gateway)
        .bind(alarm)
        .fetch_optional(&self.reader)
        .await?;
        row.as_ref().map(handled_of).transpose()
    }

    /// One case.
    pub async fn case(&self, id: &str) -> Result<Option<CaseLine>, StoreError> {
        let text = format!("{CASES} WHERE case_id = $1");
        let row = sqlx::query(AssertSqlSafe(text)).bind(id).fetch_optional(&self.reader).await?;
        row.as_ref().map(line_of).transpose()
    }

    /// Rows of a fixed statement with one parameter, as text; every statement casts its columns. Sorting
    /// names the table: PostgreSQL would else sort by the text, where 10 comes before 2.
    async fn lines(&self, statement: &'static str, key: &str, columns: usize) -> Result<Vec<Line>, StoreError> {
        let rows = sqlx::query(statement).bind(key).fetch_all(&self.reader).await?;
        let read = |row: &AnyRow| (0..columns).map(|column| Ok(row.maybe_text(column)?)).collect();
        rows.iter().map(read).collect()
    }

    /// Steps of a case: revision, event, from, to, actor, at, detail.
    pub async fn case_steps(&self, id: &str) -> Result<Vec<Line>, StoreError> {
        let text = "SELECT CAST(revision AS TEXT), event, from_state, to_state, actor, CAST(at_us AS TEXT), detail \
            FROM case_journal j WHERE j.case_id = $1 ORDER BY j.revision LIMIT 1000";
        self.lines(text, id, 7).await
    }

    /// Alarms of a case: gateway, alarm, level, joined.
    pub async fn case_alarms(&self, id: &str) -> Result<Vec<Line>, StoreError> {
        let text = "SELECT gateway, alarm, CAST(level AS TEXT), CAST(joined_us AS TEXT) FROM case_alarms \
            WHERE case_id = $1 ORDER BY case_alarms.joined_us, gateway, alarm LIMIT 1000";
        self.lines(text, id, 4).await
    }

    /// Calls of a case: round, step, target, channel, called, answered by, answered.
    pub async fn case_calls(&self, id: &str) -> Result<Vec<Line>, StoreError> {
        let text = "SELECT CAST(round AS TEXT), CAST(step AS TEXT), target, channel, CAST(called_us AS TEXT), \
            answered_by, CAST(answered_us AS TEXT) FROM calls WHERE case_id = $1 ORDER BY calls.called_us, target LIMIT 1000";
        self.lines(text, id, 7).await
    }

    /// Evidence of a case: hash, kind, name, media type, bytes, actor, at, note.
    pub async fn case_evidence(&self, id: &str) -> Result<Vec<Line>, StoreError> {
        let text = "SELECT sha256, kind, name, media_type, CAST(bytes AS TEXT), actor, CAST(at_us AS TEXT), note \
            FROM evidence WHERE case_id = $1 ORDER BY evidence.at_us, sha256 LIMIT 1000";
        self.lines(text, id, 8).await
    }

    /// Requests that wait for a second person: id, gateway, alarm or case, action, asked by, asked, expires.
    pub async fn requests(&self, now_us: i64) -> Result<Vec<Line>, StoreError> {
        let text = "SELECT request_id, gateway, alarm, action, asked_by, CAST(asked_us AS TEXT), \
            CAST(expires_us AS TEXT) FROM alarm_requests WHERE granted_us IS NULL AND expires_us > CAST($1 AS BIGINT) \
            ORDER BY alarm_requests.asked_us LIMIT 1000";
        self.lines(text, &now_us.to_string(), 7).await
    }

    /// Actions on one alarm, `gateway/alarm`: the JSON of each.
    pub async fn actions(&self, gateway: &str, alarm: &str) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query(
            "SELECT action FROM alarm_actions WHERE gateway = $1 AND alarm = $2 ORDER BY counter, action_id LIMIT 10000",
        )
        .bind(gateway)
        .bind(alarm)
        .fetch_all(&self.reader)
        .await?;
        rows.iter().map(|row| Ok(row.text(0)?)).collect()
    }

    /// Bytes of one piece of evidence, with its media type and name.
    pub async fn evidence_body(&self, id: &str, sha256: &str) -> Result<Option<(String, String, Vec<u8>)>, StoreError> {
        let row = sqlx::query("SELECT media_type, name, body FROM evidence WHERE case_id = $1 AND sha256 = $2")
            .bind(id)
            .bind(sha256)
            .fetch_optional(&self.reader)
            .await?;
        let read = |row: AnyRow| -> Result<_, StoreError> {
            let body: Vec<u8> = sqlx::Row::try_get(&row, 2)?;
            Ok((row.text(0)?, row.text(1)?, body))
        };
        row.map(read).transpose()
    }

    /// The organisation's tables: units, parties, rosters, shifts, ladders.
    pub async fn organisation(&self) -> Result<[Vec<Line>; 5], StoreError> {
        let units =
            "SELECT path, name_zh, name_en, CAST(revision AS TEXT) FROM org_units WHERE path <> $1 ORDER BY path";
        let parties = "SELECT org, domain, role, person, channel FROM responsible_parties WHERE org <> $1 \
            ORDER BY org, domain, role, person";
        let rosters = "SELECT roster, org, name_zh, name_en, CAST(revision AS TEXT) FROM rosters WHERE roster <> $1 \
            ORDER BY roster";
        let shifts = "SELECT roster, CAST(from_us AS TEXT), CAST(to_us AS TEXT), person, channel FROM shifts \
            WHERE roster <> $1 ORDER BY roster, shifts.from_us, person LIMIT 20000";
        let ladders = "SELECT org, domain, CAST(level AS TEXT), CAST(step AS TEXT), CAST(after_ms AS TEXT), target, \
            channel, CAST(revision AS TEXT) FROM ladders WHERE org <> $1 ORDER BY org, domain, ladders.level, ladders.step, target";
        Ok([
            self.lines(units, "", 4).await?,
            self.lines(parties, "", 5).await?,
            self.lines(rosters, "", 5).await?,
            self.lines(shifts, "", 5).await?,
            self.lines(ladders, "", 8).await?,
        ])
    }
}

pub(super) const CASES: &str = "SELECT case_id, state, open, revision, level, domain, org, gateway, title_zh, title_en, raised_us, \
    changed_us, closed_us, due_us, overdue, body FROM cases";

pub(super) fn handled_of(row: &AnyRow) -> Result<HandledRow, StoreError> {
    Ok(HandledRow {
        gateway: row.text(0)?,
        alarm: row.text(1)?,
        level: row.int(2)?,
        at_us: row.int(3)?,
        org: row.text(4)?,
        domain: row.text(5)?,
        isa: row.text(6)?,
        version: row.int(7)?,
        state: row.maybe_text(8)?.and_then(|text| serde_json::from_str(&text).ok()),
        inhibited_by: row.maybe_text(9)?,
        case_id: row.maybe_text(10)?,
    })
}

pub(super) fn line_of(row: &AnyRow) -> Result<CaseLine, StoreError> {
    let damaged =
        |what: &str| StoreError::Database(sqlx::Error::Decode(format!("stored {what} cannot be read").into()));
    Ok(CaseLine {
        id: row.text(0)?,
        state: row.text(1)?,
        open: row.int(2)? != 0,
        revision: row.int(3)?,
        level: row.int(4)?,
        domain: row.text(5)?,
        org: OrgPath::parse(&row.text(6)?).map_err(|_| damaged("place of a case"))?,
        gateway: row.maybe_text(7)?,
        title_zh: row.text(8)?,
        title_en: row.text(9)?,
        raised_us: row.int(10)?,
        changed_us: row.int(11)?,
        closed_us: row.maybe_int(12)?,
        due_us: row.maybe_int(13)?,
        overdue: row.int(14)? != 0,
        body: serde_json::from_str(&row.text(15)?).map_err(|_| damaged("case"))?,
    })
}
