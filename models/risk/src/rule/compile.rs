//! From what is written to what runs: every name a slot, every join an index, every fault located.

use super::cell::{Cell, DAY_US, day_us};
use super::expression::{Compiler, Kind};
use super::file::{Fault, RuleFile};
use super::node::Node;
use super::table::World;
use minewatch_domain::Level;
use rust_decimal::prelude::ToPrimitive;
use std::str::FromStr;

/// Longest domain-specific list of checks.
const CHECKS_MAX: usize = 16;

/// A sentence with holes.
#[derive(Debug, Clone, PartialEq)]
pub enum Piece {
    /// As it stands.
    Text(String),
    /// A value.
    Value(Node),
}

/// A level of a compiled rule.
#[derive(Debug, Clone)]
pub struct Check {
    /// Level.
    pub level: Level,
    /// The condition.
    pub when: Node,
    /// The sentence in Chinese.
    pub zh: Vec<Piece>,
    /// The sentence in English.
    pub en: Vec<Piece>,
}

/// A population of a compiled rule.
#[derive(Debug, Clone)]
pub struct Population {
    /// The value compared.
    pub value: Node,
    /// Key of the population.
    pub by: Node,
    /// Least number of members.
    pub members_min: usize,
    /// Times the distance of the quartiles.
    pub k: f64,
}

/// A rule that runs.
#[derive(Debug, Clone)]
pub struct Rule {
    /// What was written.
    pub file: RuleFile,
    /// First moment of events it judges.
    pub from_us: i64,
    /// First moment the next version judges.
    pub until_us: i64,
    /// Table of the subjects.
    pub table: usize,
    /// Index of the groups, when one warning stands for several facts.
    pub by: Option<usize>,
    /// Only these.
    pub scope: Option<Node>,
    /// Levels, worst first.
    pub checks: Vec<Check>,
    /// Moments of waking.
    pub wake: Vec<Node>,
    /// Comparison with others.
    pub population: Option<Population>,
}

impl Rule {
    /// Every node of the rule.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        let population = self.population.iter().flat_map(|p| [&p.value, &p.by]);
        self.scope.iter().chain(self.checks.iter().map(|check| &check.when)).chain(population)
    }
}

/// Compiles a rule, adding to the world the indexes it needs.
///
/// # Errors
/// All faults found.
pub fn compile(name: &str, file: &RuleFile, world: &mut World) -> Result<Rule, Vec<Fault>> {
    let fault = |at: &str, why: String| vec![Fault { file: name.to_owned(), at: at.to_owned(), why }];
    let Some(table) = world.table(&file.subject) else {
        return Err(fault("subject", format!("the dictionary has no kind {:?}", file.subject)));
    };
    if file.checks.is_empty() || file.checks.len() > CHECKS_MAX {
        return Err(fault("check", format!("1 to {CHECKS_MAX} checks are needed")));
    }
    let day = jiff::civil::Date::from_str(&file.valid_from);
    let from_us = day.map(day_us).map_err(|error| fault("valid_from", error.to_string()))?;
    let mut compiler = Compiler::new(name, file, world, table);
    let by: Vec<Node> =
        file.by.iter().enumerate().filter_map(|(n, text)| compiler.text(&format!("by[{n}]"), text, None)).collect();
    let scope = file.scope.as_ref().and_then(|text| compiler.text("scope", text, Some(Kind::Flag)));
    let wake = file.wake.iter().enumerate();
    let wake = wake.filter_map(|(n, text)| compiler.text(&format!("wake[{n}]"), text, Some(Kind::Time))).collect();
    let population = file.population.as_ref().and_then(|p| {
        let value = compiler.text("population.value", &p.value, Some(Kind::Number))?;
        let by = compiler.text("population.by", &p.by, None)?;
        Some(Population { value, by, members_min: p.members_min, k: p.k })
    });
    let mut checks = Vec::new();
    for (n, check) in file.checks.iter().enumerate() {
        let Some(when) = compiler.text(&format!("check[{n}].when"), &check.when, Some(Kind::Flag)) else { continue };
        let zh = compiler.sentence(&format!("check[{n}].zh"), &check.zh);
        let en = compiler.sentence(&format!("check[{n}].en"), &check.en);
        checks.push(Check { level: check.level, when, zh, en });
    }
    checks.sort_by_key(|check| std::cmp::Reverse(check.level));
    let faults = std::mem::take(&mut compiler.faults);
    if !faults.is_empty() {
        return Err(faults);
    }
    let turned: Vec<Node> = by.iter().map(Node::turned).collect();
    let by = (!turned.is_empty()).then(|| world.index_of(table, turned));
    let until_us = i64::MAX;
    Ok(Rule { file: file.clone(), from_us, until_us, table, by, scope, checks, wake, population })
}

/// Compiles several rules; of one id each version judges until the next begins.
pub fn compile_all<'a>(
    files: impl IntoIterator<Item = (&'a str, &'a RuleFile)>,
    world: &mut World,
) -> (Vec<Rule>, Vec<Fault>) {
    let (mut rules, mut faults): (Vec<Rule>, Vec<Fault>) = (Vec::new(), Vec::new());
    for (name, file) in files {
        if rules.iter().any(|rule| rule.file.reference() == file.reference()) {
            let why = format!("{} is there already", file.reference());
            faults.push(Fault { file: name.to_owned(), at: "version".to_owned(), why });
            continue;
        }
        match compile(name, file, world) {
            Ok(rule) => rules.push(rule),
            Err(more) => faults.extend(more),
        }
    }
    let starts: Vec<(String, u32, i64)> =
        rules.iter().map(|rule| (rule.file.id.clone(), rule.file.version, rule.from_us)).collect();
    for rule in &mut rules {
        let later = starts.iter().filter(|(id, version, _)| *id == rule.file.id && *version > rule.file.version);
        rule.until_us = later.map(|(_, _, from)| *from).min().unwrap_or(i64::MAX);
    }
    (rules, faults)
}

/// A duration or another constant number.
pub(super) fn constant(node: &Node) -> Option<f64> {
    match &node.op {
        super::node::Op::Const(Cell::Num(number)) => number.to_f64(),
        super::node::Op::Const(_) | super::node::Op::Slot(..) | super::node::Op::Now => None,
        super::node::Op::Choose(..) | super::node::Op::Not(_) | super::node::Op::Minus(_) => None,
        super::node::Op::All(_) | super::node::Op::Any(_) | super::node::Op::Compare(..) => None,
        super::node::Op::Arith(..) | super::node::Op::In(..) | super::node::Op::Call(..) => None,
        super::node::Op::Aggregate(_) | super::node::Op::Fence(_) => None,
    }
}

/// Days as microseconds.
pub(super) fn microseconds(days: f64) -> i64 {
    (days * DAY_US as f64).round() as i64
}
