//! A rule on history: facts, lists and shares as they were known then, one moment after the other.
//!
//! Invariant: at every moment only what was known by then is used, so a back-test alarms exactly
//! when and whom the rule would have alarmed.

use super::cell::DAY_US;
use super::engine::{Change, Engine, Verdict};
use crate::fact::Fact;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Warnings told one by one for each rule; all are counted.
const TOLD_MAX: usize = 200;

/// Someone who would have been alarmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Alarmed {
    /// What identifies the warning.
    pub dedupe: String,
    /// Unit.
    pub org: String,
    /// Level.
    pub level: &'static str,
    /// When, microseconds.
    pub raised_at_us: i64,
    /// The sentence.
    pub zh: String,
    /// The same in English.
    pub en: String,
}

/// What a rule did, against labels where there are some.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Score {
    /// Raised, different warnings.
    pub raised: usize,
    /// Labelled and raised.
    pub hits: usize,
    /// Labelled and not raised.
    pub misses: usize,
    /// Raised and not labelled.
    pub false_alarms: usize,
    /// Judged, neither labelled nor raised.
    pub quiet: usize,
    /// hits / (hits + misses); none without labels.
    pub recall: Option<f64>,
    /// hits / raised; none without labels or warnings.
    pub precision: Option<f64>,
    /// Could not be judged at the end.
    pub unknown: usize,
    /// What was missed.
    pub missed: Vec<String>,
    /// What was raised without a label.
    pub unexpected: Vec<String>,
    /// Who would have been alarmed, in order of time.
    pub alarmed: Vec<Alarmed>,
}

/// Labels: rule and what identifies the warning.
pub type Labels = BTreeSet<(String, String)>;

/// A run over history.
#[derive(Debug)]
pub struct Backtest {
    engine: Engine,
    from_us: i64,
    to_us: i64,
    day: Option<i64>,
    alarmed: BTreeMap<String, BTreeMap<String, Alarmed>>,
}

impl Backtest {
    /// Alarms from `from_us` to `to_us` count; earlier history only prepares.
    pub fn new(engine: Engine, from_us: i64, to_us: i64) -> Backtest {
        Backtest { engine, from_us, to_us, day: None, alarmed: BTreeMap::new() }
    }

    /// The next fact, in order of when it was known; those known after the end are not used.
    pub fn take(&mut self, fact: &Fact) {
        if fact.known_at_us > self.to_us {
            return;
        }
        self.days_until(fact.known_at_us);
        let passed = self.engine.advance(fact.known_at_us);
        self.note(&passed);
        let changes = self.engine.take(fact);
        self.note(&changes);
    }

    /// Lets the days pass, so that what time raises is raised on its day.
    fn days_until(&mut self, until_us: i64) {
        let first = self.day.unwrap_or_else(|| until_us.div_euclid(DAY_US));
        let last = until_us.div_euclid(DAY_US);
        for day in first..last {
            let changes = self.engine.advance((day + 1) * DAY_US);
            self.note(&changes);
        }
        self.day = Some(last);
    }

    fn note(&mut self, changes: &[Change]) {
        let at = self.engine.now();
        if at < self.from_us {
            return;
        }
        for change in changes {
            let Verdict::Hit(level, _) = change.after else { continue };
            let id = self.engine.rule_id(change.rule);
            let dedupe = self.engine.dedupe(change.rule, change.subject);
            let known = self.alarmed.entry(id).or_default();
            if known.contains_key(&dedupe) {
                continue;
            }
            let (mut org, mut zh, mut en) = (String::new(), String::new(), String::new());
            if known.len() < TOLD_MAX
                && let Some(warning) = self.engine.warning(change.rule, change.subject, change.after)
            {
                (org, zh, en) = (warning.org, warning.zh, warning.en);
            }
            let one = Alarmed { dedupe: dedupe.clone(), org, level: level.name(), raised_at_us: at, zh, en };
            known.insert(dedupe, one);
        }
    }

    /// The end: scores by rule.
    pub fn finish(mut self, labels: Option<&Labels>) -> BTreeMap<String, Score> {
        self.days_until(self.to_us);
        let changes = self.engine.advance(self.to_us);
        self.note(&changes);
        let mut unknown: BTreeMap<String, usize> = BTreeMap::new();
        for (rule, _, verdict) in self.engine.standing() {
            *unknown.entry(self.engine.rule_id(rule)).or_default() += usize::from(verdict == Verdict::Unknown);
        }
        let ids: BTreeSet<String> = self.engine.rules().map(|rule| rule.file.id.clone()).collect();
        let score = |id: String| {
            let alarmed = self.alarmed.get(&id).cloned().unwrap_or_default();
            let mut score = of_rule(&id, alarmed, labels);
            score.unknown = unknown.get(&id).copied().unwrap_or(0);
            score.quiet = self.engine.judged(&id).saturating_sub(score.hits + score.misses + score.false_alarms);
            (id, score)
        };
        ids.into_iter().map(score).collect()
    }
}

fn of_rule(id: &str, alarmed: BTreeMap<String, Alarmed>, labels: Option<&Labels>) -> Score {
    let raised = alarmed.len();
    let mut score = Score { raised, ..Score::default() };
    if let Some(labels) = labels {
        let labelled: BTreeSet<&String> =
            labels.iter().filter(|(rule, _)| rule == id).map(|(_, dedupe)| dedupe).collect();
        score.missed = labelled.iter().filter(|d| !alarmed.contains_key(**d)).map(|d| (*d).clone()).collect();
        score.unexpected = alarmed.keys().filter(|d| !labelled.contains(d)).cloned().collect();
        (score.misses, score.false_alarms) = (score.missed.len(), score.unexpected.len());
        score.hits = labelled.len() - score.misses;
        score.recall = (!labelled.is_empty()).then(|| score.hits as f64 / labelled.len() as f64);
        score.precision = (raised > 0).then(|| score.hits as f64 / raised as f64);
    }
    let mut told: Vec<Alarmed> = alarmed.into_values().collect();
    told.sort_by_key(|one| one.raised_at_us);
    told.truncate(TOLD_MAX);
    score.missed.truncate(TOLD_MAX);
    score.unexpected.truncate(TOLD_MAX);
    score.alarmed = told;
    score
}
