//! The dam model at work in the site: which readings it is given, which of its computed points become
//! records, and its findings in the words of the alarm book. Pure.
//!
//! Invariant: every reading of a point that the dam file names reaches the model, recorded or not; a
//! change of level of the model is an alarm with its proof. Deliberately absent: how levels are made
//! (`minewatch_dam::model`) and alarm revisions (`alarms`).

use super::alarms::{AlarmBook, Statement, alarm_id};
use crate::config::SiteConfig;
use crate::qualify::Moment;
use minewatch_dam::dam_file::DamFile;
use minewatch_dam::model::{DamModel, FaultFinding, Finding, LevelFinding, Plan, Subject};
use minewatch_dam::proof::ForecastNote;
use minewatch_domain::{AlarmKind, At, Level, PointId, Reading};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// A dam at work.
pub(super) struct SiteDam {
    model: DamModel,
    /// Per point of the site: its number in the model.
    numbers: Vec<Option<usize>>,
    computed: BTreeMap<PointId, Published>,
    /// Per poll of the site: its measured points.
    polls: Vec<BTreeSet<PointId>>,
    findings: Vec<Finding>,
    /// Polls of points in an abnormal state.
    fast: BTreeSet<usize>,
}

/// A computed point and when it was last recorded.
struct Published {
    deadband: f64,
    keep_alive_ms: u64,
    recorded: Option<(Reading, u64)>,
    latest: Option<Reading>,
}

/// What the model says about one reading.
#[derive(Default)]
pub(super) struct DamWords {
    /// Computed points to be recorded.
    pub(super) readings: Vec<Reading>,
    /// What is to be said in the alarm book, in order.
    pub(super) statements: Vec<Statement>,
    /// A level of the point itself changed: its reading is evidence.
    pub(super) evidence: bool,
}

impl SiteDam {
    /// Compiles the site's dam file and goes on from what the alarm book remembers.
    ///
    /// # Errors
    /// Rules that cannot be run.
    pub(super) fn new(config: &SiteConfig, file: &DamFile, alarms: &AlarmBook) -> Result<SiteDam, Vec<String>> {
        let plan = Arc::new(Plan::new(file.clone())?);
        let numbers = config.points.iter().map(|point| plan.number(&point.id)).collect();
        let published = |derived: &minewatch_dam::dam_file::Derived| Published {
            deadband: derived.deadband,
            keep_alive_ms: derived.keep_alive_s.saturating_mul(1_000),
            recorded: None,
            latest: None,
        };
        let computed = file.derived.iter().map(|derived| (derived.point.clone(), published(derived))).collect();
        let of_poll = |poll: &crate::config::Poll| {
            poll.points.iter().filter_map(|point| config.points.get(*point)).map(|point| point.id.clone()).collect()
        };
        let mut model = DamModel::new(plan);
        restore(&mut model, file, alarms);
        let polls: Vec<BTreeSet<PointId>> = config.polls.iter().map(of_poll).collect();
        let fast = fast_polls(&model, &polls);
        Ok(SiteDam { model, numbers, computed, polls, findings: Vec::new(), fast })
    }

    /// Latest values of computed points.
    pub(super) fn latest(&self) -> impl Iterator<Item = &Reading> {
        self.computed.values().filter_map(|published| published.latest.as_ref())
    }

    /// What was last said about each forecast of the dam file.
    pub(super) fn forecasts(&self) -> impl Iterator<Item = &ForecastNote> {
        self.model.forecasts()
    }

    /// Takes the newest reading of the site's point `index`.
    pub(super) fn take(&mut self, index: usize, reading: &Reading, now: Moment) -> DamWords {
        let mut words = DamWords::default();
        let Some(number) = self.numbers.get(index).copied().flatten() else { return words };
        let mut findings = std::mem::take(&mut self.findings);
        self.model.step_numbered(number, reading, now, &mut findings);
        for finding in findings.drain(..) {
            match finding {
                Finding::Computed(reading) => words.readings.extend(self.publish(reading, now)),
                Finding::Level(level) => {
                    words.evidence |= level.id == reading.point;
                    self.publish_evidence(&level, now, &mut words);
                    words.statements.push(level_statement(*level));
                }
                // Kept by the model: it stands in the proofs and on the local page.
                Finding::Forecast(_) => {}
                Finding::Fault(fault) => words.statements.push(fault_statement(fault, &self.model)),
            }
        }
        if !words.statements.is_empty() {
            self.fast = fast_polls(&self.model, &self.polls);
        }
        self.findings = findings;
        words
    }

    /// Polls to be made more often, and how often; GB 51108-2015 4.5.4.
    pub(super) fn pace(&self) -> (&BTreeSet<usize>, Duration) {
        (&self.fast, Duration::from_secs(self.model.plan().file().sampling.abnormal_period_s))
    }

    /// What the alarm book must still be told after a restart: levels that follow from the restored points
    /// but are not what was remembered (a changed rule).
    pub(super) fn reconcile(&self, alarms: &AlarmBook, at: At) -> Vec<Statement> {
        let dam = &self.model.plan().file().dam.id;
        let red = |on: bool| if on { Level::Red } else { Level::Normal };
        let items = self.model.items().map(|(id, level)| (Subject::Item, AlarmKind::Item, id, level));
        let hazards = self.model.hazards().map(|(id, on)| (Subject::Hazard, AlarmKind::Item, id, red(on)));
        let pond = std::iter::once((Subject::Pond, AlarmKind::Pond, dam, self.model.pond()));
        let mut said = Vec::new();
        for (subject, kind, id, level) in items.chain(hazards).chain(pond) {
            if alarms.level(kind, id.as_str()).0 == level {
                continue;
            }
            said.push(Statement {
                kind,
                subject: id.to_string(),
                point: None,
                to: level,
                at,
                value: None,
                limit: None,
                rule: format!("restart#dam:{}", self.model.plan().file().version),
                why: "the rules changed while the levels of the points went on".to_owned(),
                proof: self.model.explain(subject, id, at).map(|proof| proof.to_json()),
            });
        }
        said
    }

    /// Ids of every alarm the dam file can raise besides those of its points.
    pub(super) fn alarm_ids(&self) -> BTreeSet<PointId> {
        let file = self.model.plan().file();
        let items = file.items.iter().map(|item| alarm_id(item.id.as_str(), AlarmKind::Item));
        let hazards = file.hazards.iter().map(|hazard| alarm_id(hazard.id.as_str(), AlarmKind::Item));
        let checks = file.checks.iter().map(|check| alarm_id(check.point.as_str(), AlarmKind::Instrument));
        let groups = file.common_mode.iter().map(|group| alarm_id(group.id.as_str(), AlarmKind::Instrument));
        let pond = std::iter::once(alarm_id(file.dam.id.as_str(), AlarmKind::Pond));
        items.chain(hazards).chain(checks).chain(groups).chain(pond).collect()
    }

    /// A computed value, if it is to be recorded.
    fn publish(&mut self, reading: Reading, now: Moment) -> Option<Reading> {
        let published = self.computed.get_mut(&reading.point)?;
        let due = published.recorded.as_ref().is_none_or(|(last, at_ms)| {
            let moved = match (last.value, reading.value) {
                (Some(before), Some(value)) => (value - before).abs() > published.deadband,
                (None, None) => false,
                (Some(_), None) | (None, Some(_)) => true,
            };
            let said = (last.quality, last.reason) != (reading.quality, reading.reason);
            moved || said || now.mono_ms.saturating_sub(*at_ms) >= published.keep_alive_ms
        });
        published.latest = Some(reading.clone());
        if due {
            published.recorded = Some((reading.clone(), now.mono_ms));
        }
        due.then_some(reading)
    }

    /// A computed value that tips a level is evidence and is recorded even inside its deadband.
    fn publish_evidence(&mut self, level: &LevelFinding, now: Moment, words: &mut DamWords) {
        let Some(published) = self.computed.get_mut(&level.id) else { return };
        let Some(latest) = published.latest.clone() else { return };
        if !words.readings.contains(&latest) {
            published.recorded = Some((latest.clone(), now.mono_ms));
            words.readings.push(latest);
        }
    }
}

fn fast_polls(model: &DamModel, polls: &[BTreeSet<PointId>]) -> BTreeSet<usize> {
    let abnormal = model.abnormal();
    let alarmed = |points: &BTreeSet<PointId>| points.iter().any(|point| abnormal.contains(point));
    polls.iter().enumerate().filter(|(_, points)| alarmed(points)).map(|(poll, _)| poll).collect()
}

fn restore(model: &mut DamModel, file: &DamFile, alarms: &AlarmBook) {
    let rules = file.items.iter().flat_map(|item| &item.rules);
    for point in rules.map(|rule| &rule.point) {
        for (subject, kind) in [(Subject::PointValue, AlarmKind::Threshold), (Subject::PointRate, AlarmKind::Rate)] {
            if let (level, Some(since)) = alarms.level(kind, point.as_str()) {
                model.restore(subject, point, level, since);
            }
        }
    }
    for hazard in &file.hazards {
        if let (level, Some(since)) = alarms.level(AlarmKind::Item, hazard.id.as_str()) {
            model.restore(Subject::Hazard, &hazard.id, level, since);
        }
    }
    let version = format!("#dam:{}", file.version);
    for subject in file.checks.iter().map(|check| &check.point).chain(file.common_mode.iter().map(|group| &group.id)) {
        if let Some(last) = alarms.last(AlarmKind::Instrument, subject.as_str())
            && last.to != Level::Normal
        {
            // A new revision of the dam file has new zeros: what its predecessor took off is not taken off again.
            model.restore_fault(subject, last.value.filter(|_| last.rule.ends_with(&version)));
        }
    }
}

fn level_statement(found: LevelFinding) -> Statement {
    let (kind, point) = match found.subject {
        Subject::PointValue => (AlarmKind::Threshold, Some(found.id.clone())),
        Subject::PointRate => (AlarmKind::Rate, Some(found.id.clone())),
        Subject::Item | Subject::Hazard => (AlarmKind::Item, None),
        Subject::Pond => (AlarmKind::Pond, None),
    };
    Statement {
        kind,
        subject: found.id.to_string(),
        point,
        to: found.to,
        at: found.at,
        value: found.value,
        limit: found.limit,
        rule: found.rule,
        why: found.why,
        proof: Some(found.proof.to_json()),
    }
}

/// A doubtful instrument is yellow: it is to be repaired within seven days (GB 51108-2015 10.0), and it
/// sounds no siren.
fn fault_statement(found: FaultFinding, model: &DamModel) -> Statement {
    Statement {
        kind: AlarmKind::Instrument,
        subject: found.point.to_string(),
        point: Some(found.point),
        to: if found.faults.is_empty() { Level::Normal } else { Level::Yellow },
        at: found.at,
        value: found.offset,
        limit: None,
        rule: format!("validation#dam:{}", model.plan().file().version),
        why: found.why,
        proof: None,
    }
}
