//! The dam as it is judged: qualified readings in, computed points, levels with their proofs and instrument
//! faults out. Incremental: a sample touches only what depends on it.
//!
//! ```text
//! reading ─▶ validate ─▶ point ─▶ computed points (in order) ─▶ each again from the start
//!                          │
//!                          ├─▶ rule (limits, rate) ─▶ item (5.5.4) ─┐
//!                          └─▶ conditions ─▶ major hazard ──────────┴─▶ pond
//! ```
//!
//! Invariants: pure; a bad value neither raises nor clears anything; a worse value of any point never
//! gives a lower level; every change of level comes with its proof. Samples of a point come in order of
//! time here; [`Late`] puts late, repeated and mixed ones right. Deliberately absent: reading
//! instruments, alarm revisions.

mod compute;
mod explain;
mod late;
mod outlook;
mod plan;
mod rain_state;
mod signs;
#[cfg(test)]
mod signs_tests;
mod step;
#[cfg(test)]
mod tests;
mod validation;

pub use late::Late;
pub use outlook::ForecastFinding;
pub use plan::Plan;

use crate::levels::Counts;
use crate::proof::Proof;
use crate::threshold::{LevelState, RateState};
use compute::{Known, Memory};
use minewatch_domain::{At, Level, PointId, Reading};
use outlook::ForecastState;
use std::collections::BTreeSet;
use std::sync::Arc;
use validation::{CheckState, GroupState};

pub use crate::validate::Fault;

/// What a level is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A point by its value.
    PointValue,
    /// A point by its rate.
    PointRate,
    /// An item.
    Item,
    /// A major hazard: red or normal.
    Hazard,
    /// The pond.
    Pond,
}

/// A change of level.
#[derive(Debug, Clone, PartialEq)]
pub struct LevelFinding {
    /// What it is about.
    pub subject: Subject,
    /// Its id: a point, an item, a hazard or the dam.
    pub id: PointId,
    /// The level left.
    pub from: Level,
    /// The level entered.
    pub to: Level,
    /// When it was decided.
    pub at: At,
    /// The value that tipped it, for points (per hour for rates).
    pub value: Option<f64>,
    /// The limit it was held against, for points.
    pub limit: Option<f64>,
    /// The rule and the dam file's revision.
    pub rule: String,
    /// One English sentence fragment.
    pub why: String,
    /// The tree behind it.
    pub proof: Proof,
}

/// A change in what is wrong with an instrument's data.
#[derive(Debug, Clone, PartialEq)]
pub struct FaultFinding {
    /// The point.
    pub point: PointId,
    /// Everything that is wrong now; empty when it is over.
    pub faults: BTreeSet<Fault>,
    /// When it was decided.
    pub at: At,
    /// One English sentence fragment.
    pub why: String,
    /// What is taken off the values that are judged, for a common-mode group; to be given back to
    /// [`DamModel::restore_fault`] after a restart.
    pub offset: Option<f64>,
}

/// What an evaluation gives.
#[derive(Debug, Clone, PartialEq)]
pub enum Finding {
    /// A computed point has a value.
    Computed(Reading),
    /// A level changed.
    Level(Box<LevelFinding>),
    /// An instrument's data became doubtful, or are no longer.
    Fault(FaultFinding),
    /// A failure time was forecast, or why none is stated.
    Forecast(Box<ForecastFinding>),
}

/// A point's rule at work.
#[derive(Debug, Clone)]
struct RuleState {
    value: LevelState,
    rate: RateState,
    /// The worse of both.
    level: Level,
}

/// An item at work.
#[derive(Debug, Clone, Copy)]
struct ItemState {
    counts: Counts,
    level: Level,
}

/// A dam at work.
#[derive(Debug, Clone)]
pub struct DamModel {
    plan: Arc<Plan>,
    /// Calibrations recorded later are not known yet.
    known: At,
    latest: Vec<Option<Known>>,
    memories: Vec<Memory>,
    calibrations: Vec<Option<String>>,
    rules: Vec<RuleState>,
    items: Vec<ItemState>,
    conditions: Vec<LevelState>,
    hazards: Vec<bool>,
    pond: ItemState,
    checks: Vec<CheckState>,
    groups: Vec<GroupState>,
    pending: BTreeSet<usize>,
    dirty_items: BTreeSet<usize>,
    hazards_dirty: bool,
    forecasts: Vec<ForecastState>,
    /// Samples are taken again: tracks grow, nothing is forecast.
    quiet: bool,
}

impl DamModel {
    /// A dam about which nothing is known yet.
    pub fn new(plan: Arc<Plan>) -> DamModel {
        let rules = plan.rules.iter().map(|_| RuleState {
            value: LevelState::new(),
            rate: RateState::new(),
            level: Level::Normal,
        });
        let items = (0..plan.file.items.len()).map(|item| {
            let points = plan.rules.iter().filter(|rule| rule.item == item).map(|_| Level::Normal);
            ItemState { counts: Counts::of(points), level: Level::Normal }
        });
        let all_items = Counts::of(plan.file.items.iter().map(|_| Level::Normal));
        DamModel {
            known: At(i64::MAX),
            latest: vec![None; plan.points.len()],
            memories: plan.derived.iter().map(|derived| derived.computing.memory()).collect(),
            calibrations: vec![None; plan.derived.len()],
            rules: rules.collect(),
            items: items.collect(),
            conditions: vec![LevelState::new(); plan.conditions.len()],
            hazards: vec![false; plan.file.hazards.len()],
            pond: ItemState { counts: all_items, level: Level::Normal },
            checks: plan.file.checks.iter().map(CheckState::new).collect(),
            groups: plan.group_members.iter().map(|members| GroupState::new(members.len())).collect(),
            pending: BTreeSet::new(),
            dirty_items: BTreeSet::new(),
            hazards_dirty: false,
            forecasts: vec![ForecastState::default(); plan.file.forecasts.len()],
            quiet: false,
            plan,
        }
    }

    /// The same dam with only the calibrations that were recorded up to `known`: what would have been
    /// computed then.
    #[must_use]
    pub fn known_at(mut self, known: At) -> DamModel {
        self.known = known;
        self
    }

    /// The compiled dam file.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// The level of the pond.
    pub fn pond(&self) -> Level {
        self.pond.level
    }

    /// Levels of the items, in the file's order.
    pub fn items(&self) -> impl Iterator<Item = (&PointId, Level)> {
        self.plan.file.items.iter().map(|item| &item.id).zip(self.items.iter().map(|state| state.level))
    }

    /// Hazards and whether they stand, in the file's order.
    pub fn hazards(&self) -> impl Iterator<Item = (&PointId, bool)> {
        self.plan.file.hazards.iter().map(|hazard| &hazard.id).zip(self.hazards.iter().copied())
    }

    /// The level of a point; `None` for one without a rule.
    pub fn point(&self, point: &PointId) -> Option<Level> {
        let rule = self.plan.rule_of[self.plan.number(point)?]?;
        Some(self.rules[rule].level)
    }

    /// Measured points of items in an abnormal state: to be sampled faster.
    pub fn abnormal(&self) -> BTreeSet<PointId> {
        let from = self.plan.file.sampling.abnormal_from;
        let alarmed = self.items.iter().zip(&self.plan.measured_of_item).filter(|(item, _)| item.level >= from);
        alarmed.flat_map(|(_, points)| points).map(|point| self.plan.points[*point].clone()).collect()
    }

    /// Goes on from levels remembered across a restart: of a point by value or by rate, or of a hazard.
    /// Items and the pond follow from them. Before the first sample.
    pub fn restore(&mut self, subject: Subject, id: &PointId, level: Level, since: At) {
        let number = self.plan.number(id);
        let rule = number.and_then(|number| self.plan.rule_of[number]);
        match (subject, rule) {
            (Subject::PointValue, Some(rule)) => self.rules[rule].value = LevelState::restore(level, since),
            (Subject::PointRate, Some(rule)) => {
                self.rules[rule].rate = RateState::restore(LevelState::restore(level, since));
            }
            (Subject::Hazard, _) => {
                let hazard = self.plan.file.hazards.iter().position(|hazard| hazard.id == *id);
                for (state, condition) in self.conditions.iter_mut().zip(&self.plan.conditions) {
                    if Some(condition.hazard) == hazard && level != Level::Normal {
                        *state = LevelState::restore(Level::Red, since);
                    }
                }
            }
            (Subject::PointValue | Subject::PointRate, None) | (Subject::Item | Subject::Pond, _) => {}
        }
        self.settle_quietly();
    }

    /// Goes on from an instrument fault remembered across a restart, so that its end is said too. `offset`
    /// is that of its finding.
    pub fn restore_fault(&mut self, id: &PointId, offset: Option<f64>) {
        let plan = Arc::clone(&self.plan);
        if let Some(check) = plan.file.checks.iter().position(|check| check.point == *id) {
            self.checks[check].remember();
        }
        if let Some(group) = plan.file.common_mode.iter().position(|group| group.id == *id) {
            self.groups[group].remember(offset);
        }
    }

    /// A digest of everything that is in force: equal digests are equal states to the outside.
    pub fn digest(&self) -> Vec<(String, Level)> {
        let points = self.plan.rules.iter().zip(&self.rules);
        let points = points.map(|(planned, state)| (self.plan.points[planned.point].to_string(), state.level));
        let items = self.items().map(|(id, level)| (id.to_string(), level));
        let hazards = self.hazards().map(|(id, on)| (id.to_string(), if on { Level::Red } else { Level::Normal }));
        points.chain(items).chain(hazards).chain(std::iter::once(("pond".to_owned(), self.pond.level))).collect()
    }
}
