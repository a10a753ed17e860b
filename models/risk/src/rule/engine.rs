//! Facts in, warnings out, one at a time or all at once, with the same result.
//!
//! Invariants: what stands is a function of the set of facts known and of the moment of judging, not of
//! the order in which they came; a fact judges again exactly the subjects whose answer it can change.
//! Deliberately absent: storage, and what is done about a warning.

use super::cell::{Cell, Sym};
use super::compile::Rule;
use super::depend::{Dependency, dependencies};
use super::derive;
use super::eval::Scope;
use super::node::Whose;
use super::population::{Fences, Populations};
use super::table::{Map, Row, World};
use crate::fact::Fact;
use crate::graph::Edge;
use minewatch_domain::Level;
use rust_decimal::prelude::ToPrimitive;
use std::collections::{BTreeMap, BTreeSet};

/// What a rule says of a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// A check holds: its level and place among the rule's checks.
    Hit(Level, usize),
    /// None holds, and something was not said.
    Unknown,
    /// None holds.
    Clear,
}

/// A change of what stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Place of the rule among the engine's.
    pub rule: usize,
    /// The subject: a row, or the entry of the rule's grouping.
    pub subject: u32,
    /// Before.
    pub before: Verdict,
    /// After.
    pub after: Verdict,
}

/// A rule at work.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) rule: Rule,
    /// Verdicts other than clear.
    pub(super) verdicts: Map<u32, Verdict>,
    pub(super) populations: Populations,
    member_of: Map<u32, Cell>,
}

/// All rules at work over all facts.
#[derive(Debug)]
pub struct Engine {
    pub(super) world: World,
    pub(super) running: Vec<Running>,
    depends: Vec<Vec<Dependency>>,
    timers: BTreeSet<(i64, usize, u32)>,
    now: i64,
    derived: derive::Tables,
}

/// Subjects to be judged again.
type Touched = BTreeSet<(usize, u32)>;

impl Engine {
    /// An engine over compiled rules and the world they were compiled for.
    pub fn new(rules: Vec<Rule>, mut world: World) -> Engine {
        let derived = derive::Tables::find(&mut world);
        let depends = dependencies(&rules, &mut world);
        let running = rules.into_iter().map(|rule| Running {
            rule,
            verdicts: Map::default(),
            populations: Populations::default(),
            member_of: Map::default(),
        });
        Engine { running: running.collect(), world, depends, timers: BTreeSet::new(), now: i64::MIN, derived }
    }

    /// The rules, in their places.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.running.iter().map(|running| &running.rule)
    }

    /// Id of the rule at a place.
    pub fn rule_id(&self, rule: usize) -> String {
        self.running.get(rule).map(|running| running.rule.file.id.clone()).unwrap_or_default()
    }

    /// How many subjects the rules of an id have: rows, or groups.
    pub fn judged(&self, id: &str) -> usize {
        let of = |running: &Running| match running.rule.by {
            Some(by) => self.world.tables[running.rule.table].indexes[by].entries.len(),
            None => self.world.len(running.rule.table) as usize,
        };
        self.running.iter().filter(|running| running.rule.file.id == id).map(of).sum()
    }

    /// The moment of judging.
    pub fn now(&self) -> i64 {
        self.now
    }

    /// Takes a fact and judges what it touches. A statement older than the one in force changes nothing.
    pub fn take(&mut self, fact: &Fact) -> Vec<Change> {
        let mut touched = Touched::new();
        self.put(fact, Some(&mut touched));
        self.judge(touched)
    }

    /// Takes a fact without judging; [`Engine::judge_all`] must follow.
    pub fn load(&mut self, fact: &Fact) {
        self.put(fact, None);
    }

    /// Lets time pass: judges what was to be judged again by then.
    pub fn advance(&mut self, now_us: i64) -> Vec<Change> {
        self.now = self.now.max(now_us);
        let mut touched = Touched::new();
        while let Some((at, rule, row)) = self.timers.first().copied()
            && at <= self.now
        {
            self.timers.pop_first();
            touched.extend(self.subject_of(rule, row).map(|subject| (rule, subject)));
        }
        self.judge(touched)
    }

    /// Judges everything from nothing: the batch.
    pub fn judge_all(&mut self, now_us: i64) -> Vec<Change> {
        self.now = self.now.max(now_us);
        let mut touched = Touched::new();
        for rule in 0..self.running.len() {
            let table = self.running[rule].rule.table;
            for row in 0..self.world.len(table) {
                touched.extend(self.subject_of(rule, row).map(|subject| (rule, subject)));
            }
        }
        self.judge(touched)
    }

    fn put(&mut self, fact: &Fact, touched: Option<&mut Touched>) {
        if let Some(table) = self.world.table(fact.kind.as_str()) {
            let row = self.world.row(table, fact);
            if self.world.newer(table, &row) {
                self.put_row(table, row, touched);
            }
        }
    }

    fn put_row(&mut self, table: usize, row: Row, mut touched: Option<&mut Touched>) {
        let before = self.world.find(table, row.key).map(|number| self.world.get(table, number).clone());
        if let (Some(touched), Some(before)) = (touched.as_deref_mut(), &before) {
            self.touch(table, before, touched);
        }
        if table == self.derived.ownership {
            self.put_edge(before.as_ref(), &row, touched.as_deref_mut());
        }
        let tender_of = |row: &Row| self.derived.tender_of(&self.world, table, row);
        let tenders: BTreeSet<Cell> = before.iter().chain([&row]).filter_map(tender_of).collect();
        // A correction may move the row to another group: the one it leaves is judged again too.
        if let (Some(touched), Some(number)) = (touched.as_deref_mut(), self.world.find(table, row.key)) {
            self.touch_own(table, number, touched);
        }
        let number = self.world.put(table, row);
        if let Some(touched) = touched.as_deref_mut() {
            let row = self.world.get(table, number).clone();
            self.touch(table, &row, touched);
            self.touch_own(table, number, touched);
        }
        for tender in tenders {
            for row in self.derived.pairs(&self.world, tender) {
                let cobid = self.derived.cobid;
                if self.world.find(cobid, row.key).is_none_or(|known| *self.world.get(cobid, known) != row) {
                    self.put_row(cobid, row, touched.as_deref_mut());
                }
            }
        }
    }

    /// Notes the subjects a row itself is judged under.
    fn touch_own(&self, table: usize, row: u32, touched: &mut Touched) {
        let own = (0..self.running.len()).filter(|rule| self.running[*rule].rule.table == table);
        touched.extend(own.filter_map(|rule| Some((rule, self.subject_of(rule, row)?))));
    }

    /// Puts a share into the graph; whoever the old or the new share relates is judged again.
    fn put_edge(&mut self, before: Option<&Row>, row: &Row, touched: Option<&mut Touched>) {
        let (old, new) = (before.and_then(|before| self.edge(before)), self.edge(row));
        let parties: Vec<Sym> = old.iter().chain(&new).flat_map(|edge| [edge.owner, edge.owned]).collect();
        let mut more = Touched::new();
        self.touch_graph(&parties, &mut more);
        self.world.graph.remove(row.key);
        if let Some(edge) = new {
            self.world.graph.put(row.key, edge);
        }
        self.touch_graph(&parties, &mut more);
        touched.into_iter().for_each(|touched| touched.append(&mut more));
    }

    fn edge(&self, row: &Row) -> Option<Edge> {
        let cell = |name: &str| self.derived.ownership_cell(&self.world, row, name);
        let text = |name| if let Cell::Text(sym) = cell(name) { Some(sym) } else { None };
        let time = |name| if let Cell::Time(at) = cell(name) { Some(at) } else { None };
        let share = if let Cell::Num(share) = cell("share") { share.to_f64() } else { None };
        Some(Edge {
            owner: text("owner")?,
            owned: text("owned")?,
            share: share.unwrap_or(0.0),
            control: cell("control") == Cell::Flag(true),
            from_us: time("valid_from").unwrap_or(row.at),
            to_us: time("valid_to"),
        })
    }

    /// The subject a row of a rule's table is judged under.
    fn subject_of(&self, rule: usize, row: u32) -> Option<u32> {
        let rule = &self.running[rule].rule;
        let Some(by) = rule.by else { return Some(row) };
        let index = &self.world.tables[rule.table].indexes[by];
        let key = self.world.index_key(&index.of, self.world.get(rule.table, row))?;
        index.entries.get_index_of(key.as_slice()).map(|entry| entry as u32)
    }

    /// The row that is looked at for a subject: itself, or the newest of its group.
    pub(super) fn row_of(&self, rule: usize, subject: u32) -> Option<u32> {
        let rule = &self.running[rule].rule;
        let Some(by) = rule.by else { return Some(subject) };
        let (_, entry) = self.world.tables[rule.table].indexes[by].entries.get_index(subject as usize)?;
        entry.rows.last().map(|place| place.row)
    }

    fn timers_of(&mut self, rule: usize, row: u32) {
        let running = &self.running[rule];
        let scope = self.scope(self.world.get(running.rule.table, row));
        let due: Vec<Cell> = running.rule.wake.iter().map(|node| scope.eval(node)).collect();
        let due = due.into_iter().filter_map(|cell| if let Cell::Time(at) = cell { Some(at) } else { None });
        self.timers.extend(due.filter(|at| *at > self.now).map(|at| (at, rule, row)));
    }

    fn scope<'a>(&'a self, me: &'a Row) -> Scope<'a> {
        Scope { now: self.now, ..Scope::of_row(&self.world, me) }
    }

    /// Notes the subjects whose aggregates look at this row.
    fn touch(&self, table: usize, row: &Row, touched: &mut Touched) {
        for dependency in &self.depends[table] {
            dependency.subjects(&self.world, row, |rule, subject_row| {
                let grouped = self.running[rule].rule.by.is_some();
                let subject = if grouped { self.subject_of(rule, subject_row) } else { Some(subject_row) };
                touched.extend(subject.map(|subject| (rule, subject)));
            });
        }
    }

    fn touch_graph(&self, parties: &[Sym], touched: &mut Touched) {
        let around: BTreeSet<Sym> = parties.iter().flat_map(|party| self.world.graph.around(*party)).collect();
        for dependency in &self.depends[self.derived.ownership] {
            dependency.parties(&self.world, &around, |rule, row| {
                touched.extend(self.subject_of(rule, row).map(|subject| (rule, subject)));
            });
        }
    }

    /// Judges subjects, and those whom a moved fence passes.
    fn judge(&mut self, touched: Touched) -> Vec<Change> {
        let mut before: BTreeMap<(usize, u32), Verdict> = BTreeMap::new();
        let mut more = Touched::new();
        for (rule, subject) in &touched {
            if self.running[*rule].rule.population.is_some() {
                self.measure(*rule, *subject, &mut more);
            }
        }
        more.extend(touched);
        for (rule, subject) in more {
            if !self.running[rule].rule.wake.is_empty() {
                self.row_of(rule, subject).into_iter().for_each(|row| self.timers_of(rule, row));
            }
            let after = self.verdict(rule, subject);
            let verdicts = &mut self.running[rule].verdicts;
            let old = match after {
                Verdict::Clear => verdicts.swap_remove(&subject),
                Verdict::Hit(..) | Verdict::Unknown => verdicts.insert(subject, after),
            };
            before.insert((rule, subject), old.unwrap_or(Verdict::Clear));
        }
        let after = |rule: usize, subject| self.running[rule].verdicts.get(&subject).copied().unwrap_or(Verdict::Clear);
        let changes = before.into_iter().map(|((rule, subject), before)| {
            let after = after(rule, subject);
            Change { rule, subject, before, after }
        });
        changes.filter(|change| change.before != change.after).collect()
    }

    /// Brings a subject's value in its population up to date; names the members its fences pass.
    fn measure(&mut self, rule: usize, subject: u32, more: &mut Touched) {
        let Some(settings) = self.running[rule].rule.population.clone() else { return };
        let row = self.row_of(rule, subject).map(|row| self.world.get(self.running[rule].rule.table, row));
        let (mut member, mut value) = (None, None);
        if let Some(row) = row.filter(|row| self.applies(&self.running[rule].rule, &self.scope(row)) == Some(true)) {
            let scope = self.scope(row);
            value = if let Cell::Num(number) = scope.eval(&settings.value) { number.to_f64() } else { None };
            member = Some(scope.eval(&settings.by)).filter(|by| *by != Cell::None);
        }
        let running = &mut self.running[rule];
        let previous = running.member_of.get(&subject).copied();
        for key in previous.into_iter().chain(member).collect::<BTreeSet<_>>() {
            let population = running.populations.entry(key).or_default();
            let wanted = if Some(key) == member { value } else { None };
            if population.value(subject) == wanted {
                continue;
            }
            let before = population.fences(settings.k, settings.members_min);
            population.set(subject, wanted);
            let after = population.fences(settings.k, settings.members_min);
            let passed = [(before.low, after.low), (before.high, after.high)];
            more.extend(passed.into_iter().flat_map(|(a, b)| population.between(a, b)).map(|member| (rule, member)));
        }
        match member {
            Some(member) => running.member_of.insert(subject, member),
            None => running.member_of.swap_remove(&subject),
        };
    }

    /// Whether a rule judges a subject at all; none when that is not known.
    fn applies(&self, rule: &Rule, scope: &Scope<'_>) -> Option<bool> {
        if !(rule.from_us..rule.until_us).contains(&scope.me.at) {
            return Some(false);
        }
        match rule.scope.as_ref().map_or(Cell::Flag(true), |node| scope.eval(node)) {
            Cell::Flag(flag) => Some(flag),
            Cell::None | Cell::Num(_) | Cell::Text(_) | Cell::Time(_) => None,
        }
    }

    /// The fences a subject sees.
    pub(super) fn fences(&self, rule: usize, subject: u32) -> Option<Fences> {
        let running = &self.running[rule];
        let settings = running.rule.population.as_ref()?;
        let population = running.populations.get(running.member_of.get(&subject)?)?;
        Some(Fences { value: population.value(subject), ..population.fences(settings.k, settings.members_min) })
    }

    fn verdict(&self, rule: usize, subject: u32) -> Verdict {
        let Some(row) = self.row_of(rule, subject) else { return Verdict::Clear };
        let running = &self.running[rule];
        let row = self.world.get(running.rule.table, row);
        let fences = self.fences(rule, subject);
        let doubt = std::cell::Cell::new(0);
        let scope = Scope { fences: fences.as_ref(), doubt: Some(&doubt), ..self.scope(row) };
        match self.applies(&running.rule, &scope) {
            Some(true) => {}
            Some(false) => return Verdict::Clear,
            None => return Verdict::Unknown,
        }
        let mut unknown = false;
        for (n, check) in running.rule.checks.iter().enumerate() {
            match scope.eval(&check.when) {
                Cell::Flag(true) => return Verdict::Hit(check.level, n),
                Cell::Flag(false) => {}
                Cell::None | Cell::Num(_) | Cell::Text(_) | Cell::Time(_) => unknown = true,
            }
        }
        // What the population's value could not count is in doubt here too.
        running.rule.population.iter().for_each(|population| {
            let _counted = scope.eval(&population.value);
        });
        if unknown || doubt.get() > 0 { Verdict::Unknown } else { Verdict::Clear }
    }
}

/// Nodes that read the subject only.
pub(super) fn of_subject(node: &super::node::Node) -> bool {
    node.only(Whose::Mine)
}
