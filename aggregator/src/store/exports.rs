//! The regulator's queue and packages.
//!
//! Invariant: queue rows are deleted in the transaction that writes their package, so each is in
//! exactly one; numbers have no holes. The queue is filled by triggers (migration 0004), in the
//! transaction of the step itself.

use super::read::damaged;
use super::{Columns, Store, StoreError};
use crate::notify::Answer;
use crate::regulator::mapping::Mapping;
use crate::regulator::record::{Field, Kind, Record, event};
use minewatch_domain::{At, Level};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;
use std::collections::BTreeMap;

/// How long a delivery is one aggregator's; twice the time of one request.
const LEASE_MS: i64 = 20_000;

/// A package to deliver.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub struct Package {
    pub number: i64,
    pub name: String,
    pub content: String,
    pub records: i64,
}

/// What one round of packing came to.
#[derive(Debug, Clone, Copy, Default)]
#[allow(missing_docs)]
pub struct Packed {
    pub taken: usize,
    pub unmapped: u64,
}

struct Queued {
    id: i64,
    kind: String,
    gateway: String,
    item: String,
    revision: i64,
}

fn text(value: Option<String>) -> Field {
    value.map_or(Field::Nothing, Field::Text)
}

fn level(code: i64) -> Level {
    u8::try_from(code).ok().and_then(Level::from_code).unwrap_or(Level::Red)
}

/// The four names of a path, missing ones empty.
fn org_fields(org: &str) -> [(&'static str, Field); 4] {
    let mut parts = org.split('/').map(|part| Field::Text(part.to_owned()));
    ["group", "company", "mine", "facility"].map(|name| (name, parts.next().unwrap_or(Field::Nothing)))
}

async fn alarm(connection: &mut AnyConnection, queued: &Queued) -> Result<Option<Record>, StoreError> {
    let row = sqlx::query(
        "SELECT j.kind, j.point, j.from_level, j.to_level, j.at_us, j.value, j.limit_value, j.rule, j.why, \
         g.path_group, g.path_company, g.path_mine, g.path_facility, g.site_zh, g.site_en \
         FROM alarm_journal j LEFT JOIN gateways g ON g.gateway = j.gateway \
         WHERE j.gateway = $1 AND j.alarm = $2 AND j.revision = $3",
    )
    .bind(queued.gateway.as_str())
    .bind(queued.item.as_str())
    .bind(queued.revision)
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let (from, to) = (level(row.int(2)?), level(row.int(3)?));
    let number = |value: Option<f64>| value.map_or(Field::Nothing, Field::Number);
    let word = |word: &str| Field::Text(word.to_owned());
    let fields = vec![
        ("id", Field::Text(format!("{}/{}/{}", queued.gateway, queued.item, queued.revision))),
        ("event", word(event(from, to))),
        ("gateway", word(&queued.gateway)),
        ("alarm", word(&queued.item)),
        ("revision", Field::Number(queued.revision as f64)),
        ("kind", Field::Text(row.text(0)?)),
        ("point", text(row.maybe_text(1)?)),
        ("level", word(to.name())),
        ("from_level", word(from.name())),
        ("at", Field::Time(At(row.int(4)?))),
        ("value", number(row.maybe_real(5)?)),
        ("limit", number(row.maybe_real(6)?)),
        ("rule", Field::Text(row.text(7)?)),
        ("why", Field::Text(row.text(8)?)),
        ("group", text(row.maybe_text(9)?)),
        ("company", text(row.maybe_text(10)?)),
        ("mine", text(row.maybe_text(11)?)),
        ("facility", text(row.maybe_text(12)?)),
        ("site_zh", text(row.maybe_text(13)?)),
        ("site_en", text(row.maybe_text(14)?)),
    ];
    Ok(Some(Record { kind: Kind::Alarm, fields }))
}

/// A step of a case is a disposal; its end is a closing too.
async fn case(connection: &mut AnyConnection, queued: &Queued) -> Result<Vec<Record>, StoreError> {
    let row = sqlx::query(
        "SELECT j.event, j.from_state, j.to_state, j.at_us, c.number, c.level, c.domain, c.org, c.title_zh, \
         c.title_en, c.raised_us, c.body FROM case_journal j JOIN cases c ON c.case_id = j.case_id \
         WHERE j.case_id = $1 AND j.revision = $2",
    )
    .bind(queued.item.as_str())
    .bind(queued.revision)
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(Vec::new()) };
    let to_state = row.text(2)?;
    let body: serde_json::Value = serde_json::from_str(&row.text(11)?).unwrap_or_default();
    let of_body = |name: &str| text(body.get(name).and_then(serde_json::Value::as_str).map(str::to_owned));
    let mut fields = vec![
        ("id", Field::Text(format!("{}/{}", queued.item, queued.revision))),
        ("case", Field::Text(queued.item.clone())),
        ("number", Field::Number(row.int(4)? as f64)),
        ("revision", Field::Number(queued.revision as f64)),
        ("event", Field::Text(row.text(0)?)),
        ("from_state", Field::Text(row.text(1)?)),
        ("to_state", Field::Text(to_state.clone())),
        ("at", Field::Time(At(row.int(3)?))),
        ("level", Field::Text(level(row.int(5)?).name().to_owned())),
        ("domain", Field::Text(row.text(6)?)),
        ("title_zh", Field::Text(row.text(8)?)),
        ("title_en", Field::Text(row.text(9)?)),
    ];
    fields.extend(org_fields(&row.text(7)?));
    let mut records = vec![Record { kind: Kind::Disposal, fields: fields.clone() }];
    if matches!(to_state.as_str(), "closed" | "false_positive") {
        fields.push(("raised_at", Field::Time(At(row.int(10)?))));
        fields.push(("cause", of_body("cause")));
        fields.push(("measure", of_body("measure")));
        records.push(Record { kind: Kind::Closing, fields });
    }
    Ok(records)
}

async fn add_package(
    connection: &mut AnyConnection,
    platform: &str,
    mapping: &Mapping,
    kind: Kind,
    records: &[Record],
    now: At,
) -> Result<usize, StoreError> {
    let row = sqlx::query(
        "UPDATE regulator_state SET next_number = next_number + 1 WHERE platform = $1 RETURNING next_number - 1",
    )
    .bind(platform)
    .fetch_one(&mut *connection)
    .await?;
    let number = row.int(0)?;
    let Some(rendered) = mapping.render(kind, number, now, records) else { return Ok(0) };
    sqlx::query(
        "INSERT INTO regulator_packages (platform, number, kind, name, content, records, unmapped, made_us, attempts, \
         next_try_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $8)",
    )
    .bind(platform)
    .bind(number)
    .bind(kind.name())
    .bind(rendered.name)
    .bind(rendered.content)
    .bind(records.len() as i64)
    .bind(rendered.unmapped as i64)
    .bind(now.micros())
    .execute(connection)
    .await?;
    Ok(rendered.unmapped)
}

fn package_of(row: &AnyRow) -> Result<Package, StoreError> {
    Ok(Package { number: row.int(0)?, name: row.text(1)?, content: row.text(2)?, records: row.int(3)? })
}

impl Store {
    /// Begins the export to a platform; what happened before is not exported.
    ///
    /// # Errors
    /// When the store does not answer; so for every function here.
    pub async fn register_platform(&self, platform: &str, now: At) -> Result<(), StoreError> {
        let known = sqlx::query("SELECT COUNT(*) FROM regulator_state WHERE platform = $1")
            .bind(platform)
            .fetch_one(&self.reader)
            .await?;
        if known.int(0)? > 0 {
            return Ok(());
        }
        let mut transaction = self.begin().await?;
        sqlx::query(
            "INSERT INTO regulator_state (platform, next_number, since_us) VALUES ($1, 1, $2) ON CONFLICT DO NOTHING",
        )
        .bind(platform)
        .bind(now.micros())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await
    }

    /// Packs the oldest queued steps of a platform, one package per kind.
    pub async fn make_packages(&self, platform: &str, mapping: &Mapping, now: At) -> Result<Packed, StoreError> {
        let waiting = sqlx::query("SELECT COUNT(*) FROM regulator_queue WHERE platform = $1")
            .bind(platform)
            .fetch_one(&self.reader)
            .await?;
        if waiting.int(0)? == 0 {
            return Ok(Packed::default());
        }
        let mut transaction = self.begin().await?;
        // Whoever takes this row first packs; another aggregator waits and then finds the rest.
        sqlx::query("UPDATE regulator_state SET since_us = since_us WHERE platform = $1")
            .bind(platform)
            .execute(&mut *transaction)
            .await?;
        let rows = sqlx::query(
            "SELECT id, kind, gateway, item, revision FROM regulator_queue WHERE platform = $1 ORDER BY id LIMIT $2",
        )
        .bind(platform)
        .bind(mapping.records_max() as i64)
        .fetch_all(&mut *transaction)
        .await?;
        let mut by_kind: BTreeMap<Kind, Vec<Record>> = BTreeMap::new();
        for row in &rows {
            let queued = Queued {
                id: row.int(0)?,
                kind: row.text(1)?,
                gateway: row.text(2)?,
                item: row.text(3)?,
                revision: row.int(4)?,
            };
            let records = match queued.kind.as_str() {
                "alarm" => alarm(&mut transaction, &queued).await?.into_iter().collect(),
                "case" => case(&mut transaction, &queued).await?,
                other => return Err(damaged(format_args!("regulator queue kind {other:?}"))),
            };
            for record in records.into_iter().filter(|record| mapping.wants(record)) {
                by_kind.entry(record.kind).or_default().push(record);
            }
            sqlx::query("DELETE FROM regulator_queue WHERE id = $1").bind(queued.id).execute(&mut *transaction).await?;
        }
        let mut packed = Packed { taken: rows.len(), unmapped: 0 };
        for (kind, records) in by_kind {
            packed.unmapped += add_package(&mut transaction, platform, mapping, kind, &records, now).await? as u64;
        }
        transaction.commit().await?;
        Ok(packed)
    }

    /// Takes the oldest package that has not been delivered, for as long as a delivery may take; nothing
    /// while another aggregator has it.
    pub async fn next_package(&self, platform: &str, now: At) -> Result<Option<Package>, StoreError> {
        let row = sqlx::query(
            "SELECT number, name, content, records FROM regulator_packages \
             WHERE platform = $1 AND delivered_us IS NULL ORDER BY number LIMIT 1",
        )
        .bind(platform)
        .fetch_optional(&self.reader)
        .await?;
        let Some(package) = row.as_ref().map(package_of).transpose()? else { return Ok(None) };
        let mut transaction = self.begin().await?;
        let taken = sqlx::query(
            "UPDATE regulator_packages SET next_try_us = $1 \
             WHERE platform = $2 AND number = $3 AND delivered_us IS NULL AND next_try_us <= $4",
        )
        .bind(now.plus_millis(LEASE_MS).micros())
        .bind(platform)
        .bind(package.number)
        .bind(now.micros())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok((taken.rows_affected() == 1).then_some(package))
    }

    /// Writes down how a delivery went; a delivered package keeps its name and loses its content.
    pub async fn package_tried(&self, platform: &str, number: i64, answer: &Answer, now: At) -> Result<(), StoreError> {
        let (query, text) = match answer {
            Answer::Accepted { receipt } => (
                "UPDATE regulator_packages SET delivered_us = $1, content = '', attempts = attempts + 1, answer = $2 \
                 WHERE platform = $3 AND number = $4",
                receipt,
            ),
            Answer::Retry { why, .. } | Answer::Rejected { why } => (
                "UPDATE regulator_packages SET next_try_us = $1, attempts = attempts + 1, answer = $2 \
                 WHERE platform = $3 AND number = $4 AND delivered_us IS NULL",
                why,
            ),
        };
        let mut transaction = self.begin().await?;
        sqlx::query(query)
            .bind(now.micros())
            .bind(text.as_str())
            .bind(platform)
            .bind(number)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await
    }
}
