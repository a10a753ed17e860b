//! A rule as it is written: one TOML file, the same for people, the store and the shipped default.

use minewatch_domain::Level;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Longest file, bytes.
pub(super) const BYTES_MAX: usize = 256 * 1024;

/// Something wrong in a rule, with its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{file}: {at}: {why}")]
pub struct Fault {
    /// File.
    pub file: String,
    /// Place in it, for example `check[0].when:17` (column) or `line 3`.
    pub at: String,
    /// What is wrong.
    pub why: String,
}

/// A value of a parameter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Param {
    /// Yes or no.
    Flag(bool),
    /// A whole number.
    Whole(i64),
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
    /// A set.
    Set(Vec<Param>),
    /// A value for each key.
    Table(BTreeMap<String, Param>),
}

/// One level of a rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// Level when it holds.
    pub level: Level,
    /// The condition.
    pub when: String,
    /// What is said, with `{expression}` filled in.
    pub zh: String,
    /// The same in English.
    pub en: String,
}

/// Subjects compared with each other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Population {
    /// The value compared.
    pub value: String,
    /// Whose members are compared, for example `year(at)`.
    pub by: String,
    /// Fewer members have no fences.
    pub members_min: usize,
    /// Times the distance of the quartiles.
    pub k: f64,
}

/// What a test case is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaseKind {
    /// The rule must speak.
    Hit,
    /// Just short of it.
    NearMiss,
    /// Something was not said: neither a hit nor clear.
    Missing,
    /// It would be a hit, were it not for the time.
    AsOf,
}

/// What must come out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expect {
    /// A warning stands.
    Hit,
    /// None, and nothing is unknown.
    Clear,
    /// None, and something is unknown.
    Unknown,
}

/// A test case: the rule's facts with some changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What it is about.
    pub is: CaseKind,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// Lines: `kind key time field=value …` adds a fact; `key field=value -field` changes one;
    /// `-key` takes one away.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub change: String,
    /// The moment of judging, if not the rule's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<String>,
    /// What must come out, if not what its kind says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expect>,
    /// The level a hit must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleFile {
    /// Name, for example `P01`.
    pub id: String,
    /// Rises with every change; a released version is never edited.
    pub version: u32,
    /// First day of the events it judges.
    pub valid_from: String,
    /// `procurement`, `credit`, `treasury` or `legal`.
    pub domain: String,
    /// Chinese name.
    pub name_zh: String,
    /// English name.
    pub name_en: String,
    /// Who answers for it.
    pub owner: String,
    /// Item of the negative list it watches.
    pub negative: String,
    /// Indicators that count what it finds.
    #[serde(default)]
    pub indicators: Vec<String>,
    /// What is to be done.
    pub actions_zh: Vec<String>,
    /// The same in English.
    pub actions_en: Vec<String>,
    /// Days to do it in.
    pub due_days: u32,
    /// Where the default comes from.
    #[serde(default)]
    pub source: String,
    /// Kind of fact that is judged.
    pub subject: String,
    /// With it one warning per value of these expressions instead of one per fact; judged by the newest.
    #[serde(default)]
    pub by: Vec<String>,
    /// Only these are judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Moments at which the answer may change by itself.
    #[serde(default)]
    pub wake: Vec<String>,
    /// Calibratable values.
    #[serde(default)]
    pub params: BTreeMap<String, Param>,
    /// Names for parts of conditions.
    #[serde(default, rename = "let")]
    pub lets: BTreeMap<String, String>,
    /// Comparison with others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub population: Option<Population>,
    /// Levels, mildest first or not: the worst that holds counts.
    #[serde(rename = "check")]
    pub checks: Vec<Check>,
    /// Facts of the test cases.
    #[serde(default)]
    pub facts: String,
    /// The moment of judging in the test cases.
    #[serde(default = "moment")]
    pub as_of: String,
    /// Test cases.
    #[serde(default, rename = "case")]
    pub cases: Vec<Case>,
}

fn moment() -> String {
    "2026-06-30".to_owned()
}

impl RuleFile {
    /// Reads a file.
    ///
    /// # Errors
    /// [`Fault`] with the line.
    pub fn read(name: &str, text: &str) -> Result<RuleFile, Fault> {
        let fault = |at: String, why: String| Fault { file: name.to_owned(), at, why };
        if text.len() > BYTES_MAX {
            return Err(fault("end".to_owned(), format!("longer than {BYTES_MAX} bytes")));
        }
        toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            fault(format!("line {}", before.matches('\n').count() + 1), error.message().to_owned())
        })
    }

    /// `P01#1`.
    pub fn reference(&self) -> String {
        format!("{}#{}", self.id, self.version)
    }
}
