//! A dam file compiled for evaluation: points numbered, computed points in an order in which each comes
//! after its inputs, rules ready to run.

use super::compute::Computing;
use super::outlook;
use crate::calibration::CalibrationBook;
use crate::dam_file::{CommonMode, DamFile, Hazard, PointRule};
use crate::levels::{self, RunnableRule};
use crate::threshold::{LevelRule, LevelSettings};
use minewatch_domain::{LevelLimits, PointId};
use std::collections::{BTreeMap, BTreeSet};

/// A computed point at work.
#[derive(Debug, Clone)]
pub(super) struct PlannedDerived {
    /// Number of the point it makes.
    pub(super) point: usize,
    /// Numbers of its inputs, the triggering one first.
    pub(super) inputs: Vec<usize>,
    /// The formula with what it needs at hand.
    pub(super) computing: Computing,
    /// An auxiliary input older than this is missing, ms.
    pub(super) input_age_max_ms: u64,
}

/// A rule at work.
#[derive(Debug, Clone)]
pub(super) struct PlannedRule {
    pub(super) point: usize,
    pub(super) item: usize,
    pub(super) run: RunnableRule,
    pub(super) rule: PointRule,
}

/// A condition of a hazard at work.
#[derive(Debug, Clone)]
pub(super) struct PlannedCondition {
    pub(super) point: usize,
    pub(super) hazard: usize,
    pub(super) limit: LevelRule,
}

/// A compiled dam file.
#[derive(Debug)]
pub struct Plan {
    pub(super) file: DamFile,
    pub(super) book: CalibrationBook,
    pub(super) points: Vec<PointId>,
    pub(super) index: BTreeMap<PointId, usize>,
    /// In order of evaluation.
    pub(super) derived: Vec<PlannedDerived>,
    /// Per point: the computed points it triggers, as places in `derived`.
    pub(super) triggers: Vec<Vec<usize>>,
    /// Per point: which of `derived` makes it.
    pub(super) made_by: Vec<Option<usize>>,
    pub(super) rules: Vec<PlannedRule>,
    /// Per point: its rule.
    pub(super) rule_of: Vec<Option<usize>>,
    pub(super) conditions: Vec<PlannedCondition>,
    /// Per point: its conditions.
    pub(super) conditions_of: Vec<Vec<usize>>,
    /// Per point: which check judges its data.
    pub(super) check_of: Vec<Option<usize>>,
    /// Per point: the checks it is the manual reading of.
    pub(super) manual_for: Vec<Vec<usize>>,
    /// Per point: the common-mode group it belongs to.
    pub(super) group_of: Vec<Option<usize>>,
    pub(super) group_members: Vec<Vec<usize>>,
    /// Per point: the forecasts it is a track or reference of.
    pub(super) forecasts_of: Vec<Vec<usize>>,
    /// Per item: the measured points behind it.
    pub(super) measured_of_item: Vec<BTreeSet<usize>>,
}

impl Plan {
    /// Compiles a file.
    ///
    /// # Errors
    /// Every rule that cannot be run; none for a file that [`DamFile::parse`] gave.
    pub fn new(file: DamFile) -> Result<Plan, Vec<String>> {
        let mut problems = Vec::new();
        let mut names = Names::default();
        let order = order(&file);
        for derived in &order {
            names.number(&file.derived[*derived].point);
        }
        let mut derived = Vec::new();
        for at in order {
            let entry = &file.derived[at];
            let inputs: Vec<usize> = entry.formula.inputs(&file).iter().map(|input| names.number(input)).collect();
            let point = names.number(&entry.point);
            match Computing::new(&entry.formula, &file) {
                Some(computing) => derived.push(PlannedDerived {
                    point,
                    inputs,
                    computing,
                    input_age_max_ms: entry.input_age_max_s.saturating_mul(1_000),
                }),
                None => problems.push(format!("derived {}: its section does not exist", entry.point)),
            }
        }
        let rules = rules(&file, &mut names, &mut problems);
        let conditions = conditions(&file.hazards, &mut names, &mut problems);
        for check in &file.checks {
            names.number(&check.point);
            check.drift.iter().flat_map(|drift| &drift.against).for_each(|point| _ = names.number(point));
            check.manual.iter().for_each(|manual| _ = names.number(&manual.point));
            check.not_above.iter().for_each(|point| _ = names.number(point));
        }
        for forecast in &file.forecasts {
            outlook::points(forecast).for_each(|point| _ = names.number(point));
        }
        let group_members = members(&file.common_mode, &mut names);
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Plan::linked(file, names, derived, rules, conditions, group_members))
    }

    fn linked(
        file: DamFile,
        names: Names,
        derived: Vec<PlannedDerived>,
        rules: Vec<PlannedRule>,
        conditions: Vec<PlannedCondition>,
        group_members: Vec<Vec<usize>>,
    ) -> Plan {
        let n = names.points.len();
        let (mut triggers, mut made_by) = (vec![Vec::new(); n], vec![None; n]);
        for (place, entry) in derived.iter().enumerate() {
            made_by[entry.point] = Some(place);
            let triggering = if entry.computing.any_input_triggers() { entry.inputs.len() } else { 1 };
            for input in entry.inputs.iter().take(triggering) {
                triggers[*input].push(place);
            }
        }
        let (mut rule_of, mut conditions_of) = (vec![None; n], vec![Vec::new(); n]);
        rules.iter().enumerate().for_each(|(at, rule)| rule_of[rule.point] = Some(at));
        conditions.iter().enumerate().for_each(|(at, condition)| conditions_of[condition.point].push(at));
        let (mut check_of, mut manual_for) = (vec![None; n], vec![Vec::new(); n]);
        for (at, check) in file.checks.iter().enumerate() {
            if let Some(point) = names.index.get(&check.point) {
                check_of[*point] = Some(at);
            }
            if let Some(point) = check.manual.as_ref().and_then(|manual| names.index.get(&manual.point)) {
                manual_for[*point].push(at);
            }
        }
        let mut group_of = vec![None; n];
        for (group, members) in group_members.iter().enumerate() {
            members.iter().for_each(|point| group_of[*point] = Some(group));
        }
        let mut forecasts_of = vec![Vec::new(); n];
        for (place, forecast) in file.forecasts.iter().enumerate() {
            let numbers = outlook::points(forecast).filter_map(|point| names.index.get(point));
            numbers.for_each(|number| forecasts_of[*number].push(place));
        }
        let measured_of_item = (0..file.items.len())
            .map(|item| {
                let of = rules.iter().filter(|rule| rule.item == item).map(|rule| rule.point);
                of.flat_map(|point| measured(point, &derived, &made_by)).collect()
            })
            .collect();
        let book = CalibrationBook::new(&file.calibrations);
        let Names { points, index } = names;
        Plan {
            file,
            book,
            points,
            index,
            derived,
            triggers,
            made_by,
            rules,
            rule_of,
            conditions,
            conditions_of,
            check_of,
            manual_for,
            group_of,
            group_members,
            forecasts_of,
            measured_of_item,
        }
    }

    /// The file it was compiled from.
    pub fn file(&self) -> &DamFile {
        &self.file
    }

    /// The number of a point; `None` for one the dam file does not name.
    pub fn number(&self, point: &PointId) -> Option<usize> {
        self.index.get(point).copied()
    }

    /// Points that are measured, not computed: what a gateway must deliver.
    pub fn measured(&self) -> impl Iterator<Item = &PointId> {
        self.points.iter().zip(&self.made_by).filter(|(_, made)| made.is_none()).map(|(point, _)| point)
    }

    /// Whether the dam file judges a point by limits.
    pub fn has_rule(&self, point: &PointId) -> bool {
        self.number(point).is_some_and(|number| self.rule_of[number].is_some())
    }
}

/// The measured points behind a point.
fn measured(point: usize, derived: &[PlannedDerived], made_by: &[Option<usize>]) -> Vec<usize> {
    let mut found = Vec::new();
    let mut open = vec![point];
    while let Some(next) = open.pop() {
        match made_by[next] {
            Some(place) => open.extend(derived[place].inputs.iter().copied()),
            None => found.push(next),
        }
    }
    found
}

/// Points by number.
#[derive(Default)]
struct Names {
    points: Vec<PointId>,
    index: BTreeMap<PointId, usize>,
}

impl Names {
    fn number(&mut self, point: &PointId) -> usize {
        if let Some(known) = self.index.get(point) {
            return *known;
        }
        let number = self.points.len();
        self.points.push(point.clone());
        self.index.insert(point.clone(), number);
        number
    }
}

/// Places of computed points, each after those it depends on. A cycle, which the check refuses, ends it.
fn order(file: &DamFile) -> Vec<usize> {
    let made: BTreeSet<&PointId> = file.derived.iter().map(|derived| &derived.point).collect();
    let mut settled: BTreeSet<&PointId> = BTreeSet::new();
    let inputs: Vec<Vec<PointId>> = file.derived.iter().map(|derived| derived.formula.inputs(file)).collect();
    let mut left: Vec<usize> = (0..file.derived.len()).collect();
    let mut order = Vec::new();
    loop {
        let (ready, waiting): (Vec<usize>, Vec<usize>) = left
            .iter()
            .partition(|at| inputs[**at].iter().all(|input| !made.contains(input) || settled.contains(input)));
        if ready.is_empty() {
            return order;
        }
        settled.extend(ready.iter().map(|at| &file.derived[*at].point));
        order.extend(ready);
        left = waiting;
    }
}

fn rules(file: &DamFile, names: &mut Names, problems: &mut Vec<String>) -> Vec<PlannedRule> {
    let mut planned = Vec::new();
    for (item, entry) in file.items.iter().enumerate() {
        for rule in &entry.rules {
            match levels::runnable(rule, &file.dam) {
                Ok(run) => {
                    planned.push(PlannedRule { point: names.number(&rule.point), item, run, rule: rule.clone() })
                }
                Err(found) => problems.extend(found.iter().map(|problem| format!("rule {}: {problem}", rule.point))),
            }
        }
    }
    planned
}

fn conditions(hazards: &[Hazard], names: &mut Names, problems: &mut Vec<String>) -> Vec<PlannedCondition> {
    let mut planned = Vec::new();
    for (hazard, entry) in hazards.iter().enumerate() {
        for condition in &entry.all {
            let red = |limit: Option<f64>| LevelLimits { red: limit, ..LevelLimits::default() };
            let settings = LevelSettings {
                high: red(condition.at_least),
                low: red(condition.at_most),
                hysteresis: condition.hysteresis,
                on_delay_ms: 0,
                off_delay_ms: 0,
            };
            match LevelRule::new(&settings) {
                Ok(limit) => planned.push(PlannedCondition { point: names.number(&condition.point), hazard, limit }),
                Err(error) => problems.push(format!("hazard {}: {error}", entry.id)),
            }
        }
    }
    planned
}

fn members(groups: &[CommonMode], names: &mut Names) -> Vec<Vec<usize>> {
    groups.iter().map(|group| group.points.iter().map(|point| names.number(point)).collect()).collect()
}
