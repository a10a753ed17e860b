//! Which subjects a row can change: every aggregate's join, read backwards.

use super::cell::{Cell, Sym};
use super::compile::Rule;
use super::engine::of_subject;
use super::node::{Function, Join, Node, Op, Window};
use super::table::{Row, World};
use std::collections::BTreeSet;

/// A rule that looks at rows of a table.
#[derive(Debug, Clone)]
pub(super) struct Dependency {
    rule: usize,
    /// Table and index of the subjects, by what they join with.
    table: usize,
    reverse: usize,
    /// What of the row they join with.
    its: Vec<Node>,
    how: How,
    window: Window,
    /// The join is the rule's own grouping: one subject is all there is.
    grouped: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum How {
    /// By equal values.
    Keys,
    /// By parties related through the graph.
    Parties,
}

/// Everything that depends on each table.
pub(super) fn dependencies(rules: &[Rule], world: &mut World) -> Vec<Vec<Dependency>> {
    let mut found: Vec<Vec<Dependency>> = vec![Vec::new(); world.tables.len()];
    let ownership = world.table("ownership");
    for (number, rule) in rules.iter().enumerate() {
        let mut nodes: Vec<&Node> = Vec::new();
        rule.nodes().for_each(|node| node.visit(&mut |node| nodes.push(node)));
        for node in nodes {
            let mut add = |on: usize, mine: &[Node], its: Vec<Node>, how, window, world: &mut World| {
                let turned: Vec<Node> = mine.iter().map(Node::turned).collect();
                let reverse = world.index_of(rule.table, turned);
                let grouped = rule.by == Some(reverse);
                let one = Dependency { rule: number, table: rule.table, reverse, its, how, window, grouped };
                found[on].push(one);
            };
            match &node.op {
                Op::Aggregate(aggregate) => {
                    let its = world.tables[aggregate.table].indexes[aggregate.index].of.clone();
                    match &aggregate.join {
                        Join::Keys(mine) => add(aggregate.table, mine, its, How::Keys, aggregate.window, world),
                        Join::Group(party, _) | Join::Controllers(party, ..) => {
                            let mine = [(**party).clone()];
                            add(aggregate.table, &mine, its, How::Parties, aggregate.window, world);
                            ownership.iter().for_each(|on| add(*on, &mine, Vec::new(), How::Parties, ALWAYS, world));
                        }
                    }
                }
                Op::Call(Function::Related | Function::Head, arguments) => {
                    for party in arguments.iter().take(2).filter(|node| of_subject(node) && !is_constant(node)) {
                        let mine = [party.clone()];
                        ownership.iter().for_each(|on| add(*on, &mine, Vec::new(), How::Parties, ALWAYS, world));
                    }
                }
                Op::Const(_) | Op::Slot(..) | Op::Now | Op::Choose(..) | Op::Not(_) | Op::Minus(_) => {}
                Op::All(_) | Op::Any(_) | Op::Compare(..) | Op::Arith(..) | Op::In(..) | Op::Call(..) => {}
                Op::Fence(_) => {}
            }
        }
    }
    found
}

const ALWAYS: Window = Window { from: None, to: None };

fn is_constant(node: &Node) -> bool {
    matches!(node.op, Op::Const(_))
}

impl Dependency {
    /// Rows of subjects whose aggregate sees `row`.
    pub(super) fn subjects(&self, world: &World, row: &Row, mut visit: impl FnMut(usize, u32)) {
        if self.its.is_empty() {
            return;
        }
        let Some(key) = world.index_key(&self.its, row) else { return };
        match (self.how, key.first()) {
            (How::Keys, _) => self.under(world, &key, Some(row.at), &mut visit),
            (How::Parties, Some(Cell::Text(party))) => {
                for party in world.graph.around(*party) {
                    self.under(world, &[Cell::Text(party)], Some(row.at), &mut visit);
                }
            }
            (How::Parties, _) => {}
        }
    }

    /// Rows of subjects that look at the graph around these parties.
    pub(super) fn parties(&self, world: &World, around: &BTreeSet<Sym>, mut visit: impl FnMut(usize, u32)) {
        if self.how == How::Parties && self.its.is_empty() {
            around.iter().for_each(|party| self.under(world, &[Cell::Text(*party)], None, &mut visit));
        }
    }

    fn under(&self, world: &World, key: &[Cell], at: Option<i64>, visit: &mut impl FnMut(usize, u32)) {
        let Some(entry) = world.tables[self.table].indexes[self.reverse].entries.get(key) else { return };
        if self.grouped {
            entry.rows.last().iter().for_each(|place| visit(self.rule, place.row));
            return;
        }
        // A row at t is seen by subjects at s with t in [s + from, s + to].
        let seen = Window { from: self.window.to.map(|to| -to), to: self.window.from.map(|from| -from) };
        let rows = at.map_or(entry.rows.as_slice(), |at| super::aggregate::inside(&entry.rows, at, seen));
        rows.iter().for_each(|place| visit(self.rule, place.row));
    }
}
