//! Rules as JSON: lists, versions, what a check of a text found. Pure.

use super::super::types::Name;
use super::common::{Counts, at, name};
use crate::risk::{Judges, StoredRule, dictionary, in_force};
use minewatch_risk::rule::{RuleFile, World, compile, run_cases};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// Test cases of one rule that are run.
const CASES_MAX: usize = 200;
/// Characters of a rule's id: it is the begin of an alarm's name.
const ID_MAX: usize = 16;

/// A rule in the list.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(in crate::api) struct RuleRow {
    pub(super) id: String,
    pub(super) domain: String,
    pub(super) name: Name,
    pub(super) owner: String,
    pub(super) negative: String,
    /// The version that judges events of today.
    pub(super) version: Option<i64>,
    pub(super) versions: usize,
    /// `in_force`, `scheduled`, `draft`, `submitted`, `withdrawn`, or `aside`: its file is gone.
    pub(super) state: String,
    /// The worst level it can say.
    pub(super) level: String,
    pub(super) valid_from: String,
    /// `shipped`, `folder` or `console`.
    pub(super) origin: String,
    pub(super) standing: Counts,
    pub(super) draft: Option<i64>,
    pub(super) submitted: Option<i64>,
    pub(super) changed_at: String,
}

/// Something wrong with a rule, with its place.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(in crate::api) struct FaultView {
    /// The file or version.
    pub(super) file: String,
    pub(super) at: String,
    pub(super) why: String,
}

/// A page of rules.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct RulePage {
    pub(super) next: Option<String>,
    pub(super) rows: Vec<RuleRow>,
    /// What of the rule files does not judge, and why.
    pub(super) faults: Vec<FaultView>,
}

/// A version of a rule.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(in crate::api) struct VersionRow {
    pub(super) version: i64,
    /// `draft`, `submitted`, `active` or `withdrawn`.
    pub(super) state: String,
    pub(super) in_force: bool,
    pub(super) valid_from: String,
    pub(super) origin: String,
    pub(super) sha256: String,
    /// To be shown with every change.
    pub(super) revision: i64,
    pub(super) author: String,
    pub(super) created_at: String,
    pub(super) changed_at: String,
    pub(super) submitted_by: Option<String>,
    pub(super) submitted_at: Option<String>,
    pub(super) approved_by: Option<String>,
    pub(super) activated_at: Option<String>,
    pub(super) ended_by: Option<String>,
    pub(super) ended_at: Option<String>,
    pub(super) reason: String,
    /// The request that waits for a second person.
    pub(super) request: Option<String>,
    /// What it waits for: `activate` or `withdraw`.
    pub(super) waits: Option<String>,
}

/// A rule with its versions.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct RuleView {
    pub(super) row: RuleRow,
    pub(super) versions: Vec<VersionRow>,
    /// The version in force, else the newest.
    pub(super) shown: Option<VersionView>,
}

/// One condition with its level.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct CheckView {
    pub(super) level: String,
    pub(super) when: String,
    pub(super) said: Name,
}

/// A test case beside a rule.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct CaseView {
    /// `hit`, `near_miss`, `missing` or `as_of`.
    pub(super) is: String,
    pub(super) why: String,
    pub(super) as_of: Option<String>,
    pub(super) change: String,
}

/// A version with its text and what it says.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct VersionView {
    pub(super) about: VersionRow,
    /// TOML.
    pub(super) text: String,
    pub(super) name: Name,
    pub(super) owner: String,
    pub(super) negative: String,
    pub(super) subject: String,
    pub(super) source: String,
    pub(super) actions: Vec<Name>,
    pub(super) due_days: u32,
    pub(super) indicators: Vec<String>,
    pub(super) checks: Vec<CheckView>,
    #[schema(value_type = Object)]
    pub(super) params: Value,
    pub(super) cases: Vec<CaseView>,
}

/// What came of one test case.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(in crate::api) struct CaseResultView {
    pub(super) case: usize,
    pub(super) is: String,
    pub(super) why: String,
    /// What came out instead; none: as expected.
    pub(super) failed: Option<String>,
}

/// What a check of a text found.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(in crate::api) struct Checked {
    /// `P01#2`.
    pub(super) reference: Option<String>,
    /// It may be submitted.
    pub(super) ok: bool,
    pub(super) faults: Vec<FaultView>,
    pub(super) cases: Vec<CaseResultView>,
}

/// A text to be checked.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct TextBody {
    pub(super) text: String,
}

/// A draft; `revision` is the one its author saw, 0 for a new one.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct DraftBody {
    pub(super) text: String,
    pub(super) revision: i64,
}

/// A kept draft.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct Saved {
    pub(super) id: String,
    pub(super) version: i64,
    pub(super) revision: i64,
    pub(super) checked: Checked,
}

/// An act on a version; `reason` for `reject` and `withdraw`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct RuleActBody {
    pub(super) revision: i64,
    pub(super) reason: Option<String>,
}

fn word<T: Serialize>(value: T) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// Names in both languages, pair by pair.
fn names(zh: &[String], en: &[String]) -> Vec<Name> {
    zh.iter().zip(en).map(|(zh, en)| name(zh, en)).collect()
}

impl From<&minewatch_risk::rule::Fault> for FaultView {
    fn from(fault: &minewatch_risk::rule::Fault) -> FaultView {
        FaultView { file: fault.file.clone(), at: fault.at.clone(), why: fault.why.clone() }
    }
}

/// A row of one rule's versions, which are sorted by version; none where there are none.
pub(super) fn row(versions: &[StoredRule], judges: &Judges, standing: Counts, now_us: i64) -> Option<RuleRow> {
    let newest = versions.last()?;
    let judged = |one: &StoredRule| judges.judges(&one.reference());
    let version = in_force(versions, judged, now_us);
    let shown = versions.iter().find(|one| Some(one.version) == version).unwrap_or(newest);
    let of = |state: &str| versions.iter().rev().find(|one| one.state == state).map(|one| one.version);
    let state = match (version, newest.state.as_str()) {
        (Some(_), _) => "in_force",
        (None, _) if versions.iter().any(|one| one.state == "active" && judged(one)) => "scheduled",
        (None, "active") => "aside",
        (None, state) => state,
    };
    let file = shown.file();
    let file = file.as_ref();
    Some(RuleRow {
        id: newest.id.clone(),
        domain: newest.domain.clone(),
        name: file.map_or_else(|| name(&newest.id, &newest.id), |file| name(&file.name_zh, &file.name_en)),
        owner: file.map(|file| file.owner.clone()).unwrap_or_default(),
        negative: file.map(|file| file.negative.clone()).unwrap_or_default(),
        version,
        versions: versions.len(),
        state: state.to_owned(),
        level: file.and_then(|file| file.checks.iter().map(|check| check.level).max()).map(word).unwrap_or_default(),
        valid_from: file.map(|file| file.valid_from.clone()).unwrap_or_default(),
        origin: shown.origin.clone(),
        standing,
        draft: of("draft"),
        submitted: of("submitted"),
        changed_at: at(versions.iter().map(|one| one.changed_us).max().unwrap_or_default()),
    })
}

/// A version for lists.
pub(super) fn version_row(one: &StoredRule, in_force: Option<i64>) -> VersionRow {
    VersionRow {
        version: one.version,
        state: one.state.clone(),
        in_force: Some(one.version) == in_force,
        valid_from: one.file().map(|file| file.valid_from).unwrap_or_default(),
        origin: one.origin.clone(),
        sha256: one.sha256.clone(),
        revision: one.revision,
        author: one.author.clone(),
        created_at: at(one.created_us),
        changed_at: at(one.changed_us),
        submitted_by: one.submitted_by.clone(),
        submitted_at: one.submitted_us.map(at),
        approved_by: one.approved_by.clone(),
        activated_at: one.activated_us.map(at),
        ended_by: one.ended_by.clone(),
        ended_at: one.ended_us.map(at),
        reason: one.reason.clone(),
        request: one.request.clone(),
        waits: one.waits.clone(),
    }
}

/// A version with its text; what cannot be read of a draft is empty.
pub(super) fn version_view(one: &StoredRule, in_force: Option<i64>) -> VersionView {
    let file = one.file();
    let (about, text) = (version_row(one, in_force), one.text.clone());
    let Some(file) = file else {
        return VersionView {
            about,
            text,
            name: name(&one.id, &one.id),
            owner: String::new(),
            negative: String::new(),
            subject: String::new(),
            source: String::new(),
            actions: Vec::new(),
            due_days: 0,
            indicators: Vec::new(),
            checks: Vec::new(),
            params: Value::Null,
            cases: Vec::new(),
        };
    };
    VersionView {
        about,
        text,
        name: name(&file.name_zh, &file.name_en),
        actions: names(&file.actions_zh, &file.actions_en),
        due_days: file.due_days,
        checks: file
            .checks
            .iter()
            .map(|check| CheckView {
                level: word(check.level),
                when: check.when.clone(),
                said: name(&check.zh, &check.en),
            })
            .collect(),
        params: serde_json::to_value(&file.params).unwrap_or_default(),
        cases: file
            .cases
            .iter()
            .map(|case| CaseView {
                is: word(case.is),
                why: case.why.clone(),
                as_of: case.as_of.clone(),
                change: case.change.clone(),
            })
            .collect(),
        owner: file.owner,
        negative: file.negative,
        subject: file.subject,
        source: file.source,
        indicators: file.indicators,
    }
}

/// What a rule of the console must be besides compiling.
fn house_rules(file: &RuleFile) -> Vec<FaultView> {
    let fault = |at: &str, why: String| FaultView { file: file.reference(), at: at.to_owned(), why };
    let mut found = Vec::new();
    let sound = file.id.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-');
    if !sound || !(1..=ID_MAX).contains(&file.id.len()) || file.id.starts_with('-') {
        found.push(fault("id", format!("1 to {ID_MAX} of A-Z, 0-9 and '-'")));
    }
    if !["procurement", "credit", "treasury", "legal"].contains(&file.domain.as_str()) {
        found.push(fault("domain", "procurement, credit, treasury or legal".to_owned()));
    }
    if file.version == 0 {
        found.push(fault("version", "versions begin with 1".to_owned()));
    }
    if file.cases.len() > CASES_MAX {
        found.push(fault("case", format!("at most {CASES_MAX} test cases")));
    }
    if !file.cases.iter().any(|case| word(case.is) == "hit") {
        found.push(fault("case", "at least one test case that is a hit is needed".to_owned()));
    }
    found
}

/// Reads, compiles and tries a text: every fault with its place, every test case with what came out. Takes
/// a while: not for the threads that serve.
pub(super) fn checked(text: &str) -> (Option<RuleFile>, Checked) {
    let file = match RuleFile::read("draft", text) {
        Ok(file) => file,
        Err(fault) => {
            let faults = vec![FaultView::from(&fault)];
            return (None, Checked { reference: None, ok: false, faults, cases: Vec::new() });
        }
    };
    let reference = file.reference();
    let mut faults = house_rules(&file);
    if let Err(more) = compile(&reference, &file, &mut World::of(dictionary())) {
        faults.extend(more.iter().map(FaultView::from));
    }
    let cases: Vec<CaseResultView> = match faults.is_empty() {
        false => Vec::new(),
        true => run_cases(&reference, &file, dictionary())
            .into_iter()
            .map(|result| CaseResultView {
                case: result.case,
                is: word(result.is),
                why: file.cases.get(result.case).map(|case| case.why.clone()).unwrap_or_default(),
                failed: result.failed,
            })
            .collect(),
    };
    let ok = faults.is_empty() && cases.iter().all(|case| case.failed.is_none());
    (Some(file), Checked { reference: Some(reference), ok, faults, cases })
}
