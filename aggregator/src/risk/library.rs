//! The library of rules: every version of every rule as the store keeps it, and which of them judge.
//!
//! Invariants: a version that was released is what it was, also when its file changes; what judges is the
//! set of active versions, of files only those that are there now. Deliberately absent: who may change what
//! (the writer's orders).

use super::rules::{Loaded, Source, load};
use crate::clock;
use crate::store::{Columns, RULES_CHANGED, Store, StoreError, rule_digest};
use minewatch_risk::rule::{Fault, RuleFile};
use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A version of a rule as stored.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct StoredRule {
    pub id: String,
    pub version: i64,
    /// `draft`, `submitted`, `active`, `withdrawn`.
    pub state: String,
    pub domain: String,
    /// `shipped`, `folder`, `console`.
    pub origin: String,
    pub text: String,
    pub sha256: String,
    pub revision: i64,
    pub author: String,
    pub created_us: i64,
    pub changed_us: i64,
    pub submitted_by: Option<String>,
    pub submitted_us: Option<i64>,
    pub approved_by: Option<String>,
    pub activated_us: Option<i64>,
    pub ended_by: Option<String>,
    pub ended_us: Option<i64>,
    pub reason: String,
    pub request: Option<String>,
    /// `activate` or `withdraw`, while a second person is waited for.
    pub waits: Option<String>,
}

const COLUMNS: &str = "SELECT rule_id, version, state, domain, origin, body, sha256, revision, author, created_us, \
    changed_us, submitted_by, submitted_us, approved_by, activated_us, ended_by, ended_us, reason, request_id, waits \
    FROM rule_version";

fn stored(row: &AnyRow) -> Result<StoredRule, StoreError> {
    Ok(StoredRule {
        id: row.text(0)?,
        version: row.int(1)?,
        state: row.text(2)?,
        domain: row.text(3)?,
        origin: row.text(4)?,
        text: row.text(5)?,
        sha256: row.text(6)?,
        revision: row.int(7)?,
        author: row.text(8)?,
        created_us: row.int(9)?,
        changed_us: row.int(10)?,
        submitted_by: row.maybe_text(11)?,
        submitted_us: row.maybe_int(12)?,
        approved_by: row.maybe_text(13)?,
        activated_us: row.maybe_int(14)?,
        ended_by: row.maybe_text(15)?,
        ended_us: row.maybe_int(16)?,
        reason: row.text(17)?,
        request: row.maybe_text(18)?,
        waits: row.maybe_text(19)?,
    })
}

impl StoredRule {
    /// What it says; a released text was read before it was kept.
    pub fn file(&self) -> Option<RuleFile> {
        RuleFile::read(&self.reference(), &self.text).ok()
    }

    /// `P01#1`.
    pub fn reference(&self) -> String {
        format!("{}#{}", self.id, self.version)
    }
}

impl Store {
    /// All versions, or those of one rule, by rule and version.
    ///
    /// # Errors
    /// When the store does not answer; so for every function here.
    pub async fn rule_versions(&self, id: Option<&str>) -> Result<Vec<StoredRule>, StoreError> {
        let (condition, id) = match id {
            None => ("$1 = ''", ""),
            Some(id) => ("rule_id = $1", id),
        };
        let text = format!("{COLUMNS} WHERE {condition} ORDER BY rule_id, version");
        let rows = sqlx::query(AssertSqlSafe(text)).bind(id).fetch_all(self.reader()).await?;
        rows.iter().map(stored).collect()
    }

    /// One version.
    pub async fn rule_version(&self, id: &str, version: i64) -> Result<Option<StoredRule>, StoreError> {
        let text = format!("{COLUMNS} WHERE rule_id = $1 AND version = $2");
        let row = sqlx::query(AssertSqlSafe(text)).bind(id).bind(version).fetch_optional(self.reader()).await?;
        row.as_ref().map(stored).transpose()
    }

    /// Rises whenever other rules judge than before.
    pub async fn rules_changed(&self) -> Result<i64, StoreError> {
        let row = sqlx::query("SELECT number FROM meta WHERE name = $1").bind(RULES_CHANGED);
        row.fetch_optional(self.reader()).await?.map_or(Ok(0), |row| Ok(row.int(0)?))
    }

    /// Keeps versions of files that are not known yet, as released.
    async fn keep_rules(&self, files: &[Source], origin: &str) -> Result<(), StoreError> {
        let known: BTreeMap<String, ()> =
            self.rule_versions(None).await?.into_iter().map(|one| (one.reference(), ())).collect();
        let fresh: Vec<&Source> = files.iter().filter(|one| !known.contains_key(&one.file.reference())).collect();
        if fresh.is_empty() {
            return Ok(());
        }
        let now = clock::now().micros();
        let mut writing = self.begin().await?;
        for one in fresh {
            sqlx::query(
                "INSERT INTO rule_version (rule_id, version, state, domain, origin, body, sha256, revision, author, \
                 editors, created_us, changed_us, activated_us, reason) \
                 VALUES ($1, $2, 'active', $3, $4, $5, $6, 1, 'minewatch', '', $7, $7, $7, '') ON CONFLICT DO NOTHING",
            )
            .bind(one.file.id.as_str())
            .bind(i64::from(one.file.version))
            .bind(one.file.domain.as_str())
            .bind(origin)
            .bind(one.text.as_str())
            .bind(rule_digest(&one.text))
            .bind(now)
            .execute(&mut *writing)
            .await?;
        }
        writing.commit().await
    }

    /// The rules that judge: active versions written in the console, and active ones of the files that are
    /// there now (of a folder, or the shipped ones), with what is wrong with the files; and the ids of rules
    /// that two people ended.
    pub(super) async fn rules_that_judge(
        &self,
        folder: Option<&Path>,
    ) -> Result<(Loaded, BTreeSet<String>), StoreError> {
        let Loaded { files, mut faults } = load(folder);
        let origin = if folder.is_some() { "folder" } else { "shipped" };
        self.keep_rules(&files, origin).await?;
        let here: BTreeMap<String, String> =
            files.iter().map(|one| (one.file.reference(), rule_digest(&one.text))).collect();
        let versions = self.rule_versions(None).await?;
        let active: BTreeSet<&str> =
            versions.iter().filter(|one| one.state == "active").map(|one| one.id.as_str()).collect();
        let ended = versions.iter().filter(|one| one.state == "withdrawn" && !active.contains(one.id.as_str()));
        let ended = ended.map(|one| one.id.clone()).collect();
        let mut judging = Vec::new();
        for kept in versions {
            let (name, file) = (kept.reference(), here.get(&kept.reference()));
            if file.is_some_and(|sha256| *sha256 != kept.sha256) {
                let why =
                    "its file says something else under the same version: the released text judges; raise the version";
                faults.push(Fault { file: name.clone(), at: "version".to_owned(), why: why.to_owned() });
            }
            if kept.state == "active" && (kept.origin == "console" || file.is_some()) {
                match RuleFile::read(&name, &kept.text) {
                    Ok(file) => judging.push(Source { name, file, text: kept.text }),
                    Err(fault) => faults.push(fault),
                }
            }
        }
        Ok((Loaded { files: judging, faults }, ended))
    }
}

/// Today in China, as rules count days.
fn today(now_us: i64) -> String {
    let day = jiff::Timestamp::from_microsecond(now_us).unwrap_or_default();
    day.to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(8))).date().to_string()
}

/// The version of one rule that judges events of now: of those that judge, the newest whose day has come.
pub(crate) fn in_force(versions: &[StoredRule], judges: impl Fn(&StoredRule) -> bool, now_us: i64) -> Option<i64> {
    let today = today(now_us);
    let begun = |one: &&StoredRule| one.file().is_some_and(|file| file.valid_from <= today);
    versions.iter().filter(|one| one.state == "active" && judges(one)).filter(begun).map(|one| one.version).max()
}
