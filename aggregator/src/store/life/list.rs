//! Lists of alarms and cases: found by an index and a key, never by an offset or a count.
//!
//! Invariant: what a reader may not see is left out by the query itself, so that a page is full and
//! nothing of others' uses up its limit. A reader of several places gets one sought page of each,
//! merged by the database: one condition with OR would make it walk over everybody's rows.

use super::cut;
use super::read::{CASES, CaseLine, Filter, HandledRow, handled_of, line_of};
use crate::people::Domain;
use crate::store::read::{ALARM_COLUMNS, AlarmRow, Handled, alarm_of};
use crate::store::{Columns, Store, StoreError};
use minewatch_domain::{At, OrgPath};
use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;

const HANDLED: &str = "gateway, alarm, to_level, at_us, org, domain, isa, version, lifecycle, inhibited_by, case_id";
const ALARM_ORDER: &str = "ORDER BY to_level DESC, at_us DESC, gateway, alarm";
const CASE_ORDER: &str = "ORDER BY open DESC, level DESC, raised_us DESC, case_id";

/// Binds of a statement built from parts.
#[derive(Default)]
struct Parts {
    text: String,
    binds: Vec<Bind>,
}

enum Bind {
    Int(i64),
    Text(String),
}

impl Parts {
    fn int(&mut self, n: i64) -> String {
        self.binds.push(Bind::Int(n));
        format!("${}", self.binds.len())
    }

    fn word(&mut self, text: &str) -> String {
        self.binds.push(Bind::Text(text.to_owned()));
        format!("${}", self.binds.len())
    }

    fn and(&mut self, condition: &str) {
        self.text.push_str(" AND ");
        self.text.push_str(condition);
    }

    /// Below a node, by the column the index has where there is one.
    fn below(&mut self, org: &OrgPath) -> String {
        let path = org.as_str().to_owned();
        match org.depth() {
            0 => "1 = 1".to_owned(),
            2 => format!("org_company = {}", self.word(&path)),
            3 => format!("org_mine = {}", self.word(&path)),
            depth => {
                let (own, from, to) =
                    (self.word(&path), self.word(&format!("{path}/")), self.word(&format!("{path}0")));
                let below = format!("(org = {own} OR (org >= {from} AND org < {to}))");
                // A mine has an index, its facilities have not.
                match depth > 3 {
                    true => format!("org_mine = {} AND {below}", self.word(&cut(org, 3))),
                    false => below,
                }
            }
        }
    }

    fn filter(&mut self, filter: &Filter, level: &str) {
        if let Some(org) = &filter.org {
            let below = self.below(org);
            self.and(&below);
        }
        for (column, value) in [("domain", &filter.domain), ("gateway", &filter.gateway)] {
            if let Some(value) = value {
                let value = self.word(value);
                self.and(&format!("{column} = {value}"));
            }
        }
        if filter.level_min > 0 {
            let least = self.int(filter.level_min);
            self.and(&format!("{level} >= {least}"));
        }
    }

    /// One of the places a reader sees, with its domains.
    fn sees(&mut self, (org, domains): &(OrgPath, Vec<Domain>)) {
        let below = self.below(org);
        self.and(&below);
        if !Domain::ALL.iter().all(|domain| domains.contains(domain)) {
            let names: Vec<String> = domains.iter().map(|domain| self.word(domain.name())).collect();
            self.and(&format!("domain IN ({})", names.join(", ")));
        }
    }

    async fn fetch(self, store: &Store) -> Result<Vec<AnyRow>, StoreError> {
        let mut query = sqlx::query(AssertSqlSafe(self.text));
        for bind in self.binds {
            query = match bind {
                Bind::Int(n) => query.bind(n),
                Bind::Text(text) => query.bind(text),
            };
        }
        Ok(query.fetch_all(&store.reader).await?)
    }
}

/// A page: what is selected, its conditions and its order, once for each place of the reader.
fn page(select: &str, filter: &Filter, order: &str, conditions: impl Fn(&mut Parts)) -> Parts {
    let mut parts = Parts::default();
    let limit = parts.int(filter.limit);
    let one = |parts: &mut Parts, place: Option<&(OrgPath, Vec<Domain>)>| {
        parts.text.push_str(&format!("{select} WHERE 1 = 1"));
        conditions(parts);
        if let Some(place) = place {
            parts.sees(place);
        }
        parts.text.push_str(&format!(" {order} LIMIT {limit}"));
    };
    match &filter.sight[..] {
        [] => one(&mut parts, None),
        [place] => one(&mut parts, Some(place)),
        places => {
            parts.text.push_str("SELECT * FROM (");
            for (n, place) in places.iter().enumerate() {
                parts.text.push_str(if n == 0 { "SELECT * FROM (" } else { " UNION SELECT * FROM (" });
                one(&mut parts, Some(place));
                parts.text.push_str(&format!(") seen{n}"));
            }
            parts.text.push_str(&format!(") seen {order} LIMIT {limit}"));
        }
    }
    parts
}

fn alarms(select: &str, filter: &Filter) -> Parts {
    page(select, filter, ALARM_ORDER, |parts| {
        if filter.standing {
            parts.and("standing = 1");
        }
        parts.filter(filter, "to_level");
        if let Some(prefix) = &filter.prefix {
            let pattern = parts.word(&format!("{prefix}%"));
            parts.and(&format!("alarm LIKE {pattern}"));
        }
        if let Some(isa) = &filter.isa {
            let isa = parts.word(isa);
            parts.and(&format!("isa = {isa}"));
        }
        if let Some((level, at, _, gateway, alarm)) = &filter.after {
            let (l, a) = (parts.int(*level), parts.int(*at));
            let (g, n) = (parts.word(gateway), parts.word(alarm));
            parts.and(&format!(
                "(to_level, at_us) <= ({l}, {a}) AND (to_level < {l} OR at_us < {a} OR gateway > {g} OR \
                 (gateway = {g} AND alarm > {n}))"
            ));
        }
    })
}

impl Store {
    /// A page of alarms with the operator's side, worst and newest first.
    ///
    /// # Errors
    /// When the store does not answer; so for every function here.
    pub async fn alarm_page(&self, filter: &Filter) -> Result<Vec<HandledRow>, StoreError> {
        let rows = alarms(&format!("SELECT {HANDLED} FROM alarms"), filter).fetch(self).await?;
        rows.iter().map(handled_of).collect()
    }

    /// A page of alarms with the transition that is their state, worst and newest first.
    pub async fn alarms(&self, filter: &Filter) -> Result<Vec<AlarmRow>, StoreError> {
        // The page is found first, by its index; only its rows are looked up in the journal.
        let mut parts = alarms(&format!("SELECT {HANDLED}, revision FROM alarms"), filter);
        parts.text = format!(
            "{ALARM_COLUMNS}, a.lifecycle, a.version, a.inhibited_by, a.case_id FROM ({}) a \
             JOIN alarm_journal j ON j.gateway = a.gateway AND j.alarm = a.alarm AND j.revision = a.revision \
             LEFT JOIN points p ON p.gateway = j.gateway AND p.point = j.point \
             ORDER BY a.to_level DESC, a.at_us DESC, a.gateway, a.alarm",
            parts.text
        );
        let rows = parts.fetch(self).await?;
        let read = |row: &AnyRow| -> Result<AlarmRow, StoreError> {
            let state = row.maybe_text(16)?.and_then(|text| serde_json::from_str(&text).ok());
            let (version, inhibited_by, case_id) = (row.int(17)?, row.maybe_text(18)?, row.maybe_text(19)?);
            let handled = state.map(|state| Handled { state, version, inhibited_by, case_id });
            Ok(AlarmRow { handled, ..alarm_of(row)? })
        };
        rows.iter().map(read).collect()
    }

    /// Cases closed in `from..to`, oldest first.
    pub async fn cases_closed(&self, (from, to): (At, At), limit: i64) -> Result<Vec<CaseLine>, StoreError> {
        let text = format!("{CASES} WHERE closed_us >= $1 AND closed_us < $2 ORDER BY closed_us, case_id LIMIT $3");
        let query = sqlx::query(AssertSqlSafe(text)).bind(from.micros()).bind(to.micros()).bind(limit);
        query.fetch_all(&self.reader).await?.iter().map(line_of).collect()
    }

    /// A page of cases: open ones, worst and newest first.
    pub async fn case_page(&self, filter: &Filter) -> Result<Vec<CaseLine>, StoreError> {
        let parts = page(CASES, filter, CASE_ORDER, |parts| {
            if filter.standing {
                parts.and("open = 1");
            }
            parts.filter(filter, "level");
            for (column, value) in [("state", &filter.state), ("handler", &filter.handler)] {
                if let Some(value) = value {
                    let value = parts.word(value);
                    parts.and(&format!("{column} = {value}"));
                }
            }
            if let Some((open, level, raised, id, _)) = &filter.after {
                let (o, l, r) = (parts.int(*open), parts.int(*level), parts.int(*raised));
                let id = parts.word(id);
                parts.and(&format!(
                    "(open, level, raised_us) <= ({o}, {l}, {r}) AND (open < {o} OR level < {l} OR raised_us < {r} OR \
                     case_id > {id})"
                ));
            }
        });
        let rows = parts.fetch(self).await?;
        rows.iter().map(line_of).collect()
    }
}
