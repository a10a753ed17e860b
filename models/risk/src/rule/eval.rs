//! Evaluation with three values: true, false, and unknown where something was not said.

use super::aggregate;
use super::cell::{Cell, DAY_US, Sym, ZONE_US, civil};
use super::node::{Arith, Compare, Fence, Function, Node, Op, Whose};
use super::population::Fences;
use super::table::{Row, World};
use crate::graph::Reach;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use std::cmp::Ordering;

/// What an evaluation can see.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    /// All facts.
    pub world: &'a World,
    /// The moment of judging, microseconds.
    pub now: i64,
    /// The subject.
    pub me: &'a Row,
    /// The row an aggregate looks at.
    pub it: &'a Row,
    /// The population's fences.
    pub fences: Option<&'a Fences>,
    /// Counts rows of which it is not known whether they belong.
    pub doubt: Option<&'a std::cell::Cell<u32>>,
}

fn tri(value: Option<bool>) -> Cell {
    value.map_or(Cell::None, Cell::Flag)
}

fn real(number: f64) -> Cell {
    Decimal::from_f64_retain(number).map_or(Cell::None, |number| Cell::Num(number.round_dp(12)))
}

impl<'a> Scope<'a> {
    /// A row looked at by itself, as indexes do.
    pub(super) fn of_row(world: &'a World, row: &'a Row) -> Scope<'a> {
        Scope { world, now: 0, me: row, it: row, fences: None, doubt: None }
    }

    /// The value of a node.
    pub(super) fn eval(&self, node: &Node) -> Cell {
        match &node.op {
            Op::Const(cell) => *cell,
            Op::Slot(Whose::Mine, slot) => self.me.slot(*slot),
            Op::Slot(Whose::Its, slot) => self.it.slot(*slot),
            Op::Now => Cell::Time(self.now),
            Op::Choose(table, key) => self.choose(table, key),
            Op::Not(inner) => match self.eval(inner) {
                Cell::Flag(flag) => Cell::Flag(!flag),
                Cell::None | Cell::Num(_) | Cell::Text(_) | Cell::Time(_) => Cell::None,
            },
            Op::Minus(inner) => match self.eval(inner) {
                Cell::Num(number) => Cell::Num(-number),
                Cell::None | Cell::Flag(_) | Cell::Text(_) | Cell::Time(_) => Cell::None,
            },
            Op::All(all) => self.several(all, false),
            Op::Any(all) => self.several(all, true),
            Op::Compare(op, a, b) => tri(compare(*op, self.eval(a), self.eval(b))),
            Op::Arith(op, a, b) => arith(*op, self.eval(a), self.eval(b)).unwrap_or(Cell::None),
            Op::In(inner, set) => match self.eval(inner) {
                Cell::None => Cell::None,
                cell @ (Cell::Num(_) | Cell::Text(_) | Cell::Flag(_) | Cell::Time(_)) => {
                    Cell::Flag(set.contains(&cell))
                }
            },
            Op::Call(function, arguments) => self.call(*function, arguments),
            Op::Aggregate(aggregate) => aggregate::total(self, aggregate),
            Op::Fence(which) => self.fence(*which),
        }
    }

    fn choose(&self, table: &[(Cell, Cell)], key: &Node) -> Cell {
        let key = self.eval(key);
        table.iter().find(|(known, _)| *known == key).map_or(Cell::None, |(_, value)| *value)
    }

    /// `and` ends at the first false, `or` at the first true; else unknown wins.
    fn several(&self, all: &[Node], ends: bool) -> Cell {
        let mut unknown = false;
        for node in all {
            match self.eval(node) {
                Cell::Flag(flag) if flag == ends => return Cell::Flag(ends),
                Cell::Flag(_) => {}
                Cell::None | Cell::Num(_) | Cell::Text(_) | Cell::Time(_) => unknown = true,
            }
        }
        if unknown { Cell::None } else { Cell::Flag(!ends) }
    }

    fn fence(&self, which: Fence) -> Cell {
        let Some(fences) = self.fences else { return Cell::None };
        match which {
            Fence::Value => fences.value.map_or(Cell::None, real),
            Fence::Low => fences.low.map_or(Cell::None, real),
            Fence::High => fences.high.map_or(Cell::None, real),
        }
    }

    fn argument(&self, arguments: &[Node], n: usize) -> Cell {
        arguments.get(n).map_or(Cell::None, |node| self.eval(node))
    }

    fn number(&self, arguments: &[Node], n: usize) -> Option<f64> {
        match self.argument(arguments, n) {
            Cell::Num(number) => number.to_f64(),
            Cell::None | Cell::Flag(_) | Cell::Text(_) | Cell::Time(_) => None,
        }
    }

    fn call(&self, function: Function, arguments: &[Node]) -> Cell {
        let (first, second) = (self.argument(arguments, 0), || self.argument(arguments, 1));
        match (function, first) {
            (Function::Known, cell) => return Cell::Flag(cell != Cell::None),
            (Function::OrElse, Cell::None) => return second(),
            (Function::OrElse, cell) => return cell,
            (Function::Join, _) => return self.joined(arguments),
            (Function::Truths, _) => {
                let truths = arguments.iter().filter(|node| self.eval(node) == Cell::Flag(true)).count();
                return Cell::Num(Decimal::from(truths));
            }
            (_, Cell::None) => return Cell::None,
            (_, Cell::Time(at)) => return of_time(function, at, second()),
            (_, Cell::Num(_) | Cell::Text(_) | Cell::Flag(_)) => {}
        }
        match (function, first, second()) {
            (Function::Abs, Cell::Num(number), _) => Cell::Num(number.abs()),
            (Function::Larger, Cell::Num(a), Cell::Num(b)) => Cell::Num(a.max(b)),
            (Function::Norm, Cell::Text(text), _) => self.made(text, normalised),
            (Function::Prefix, Cell::Text(text), Cell::Num(n)) => {
                self.made(text, |text| text.chars().take(n.to_usize().unwrap_or(0)).collect())
            }
            (Function::ValidUscc, Cell::Text(text), _) => {
                Cell::Flag(crate::party::check(self.world.symbols.borrow().text(text)).is_sound())
            }
            (Function::Related, Cell::Text(a), Cell::Text(b)) => {
                let hops = self.number(arguments, 2).unwrap_or(3.0) as u32;
                let reach = Reach { hops, edge_min: self.number(arguments, 3).unwrap_or(0.25), product_min: 0.0 };
                Cell::Flag(self.world.graph.related(a, b, self.me.at, reach))
            }
            (Function::Head, Cell::Text(party), _) => {
                let least = self.number(arguments, 1).unwrap_or(0.5);
                Cell::Text(self.world.graph.head(party, self.me.at, least))
            }
            (_, _, _) => Cell::None,
        }
    }

    fn joined(&self, arguments: &[Node]) -> Cell {
        let cells: Vec<Cell> = arguments.iter().map(|node| self.eval(node)).collect();
        if cells.contains(&Cell::None) {
            return Cell::None;
        }
        let shown: Vec<String> = cells.iter().map(|cell| self.world.symbols.borrow().shown(*cell)).collect();
        Cell::Text(self.world.symbols.borrow_mut().of(&shown.join("|")))
    }

    fn made(&self, text: Sym, make: impl Fn(&str) -> String) -> Cell {
        let made = make(self.world.symbols.borrow().text(text));
        Cell::Text(self.world.symbols.borrow_mut().of(&made))
    }
}

/// What identifies an invoice or a name, whatever the way it is typed.
fn normalised(text: &str) -> String {
    let half = |c: char| match c as u32 {
        0xFF01..=0xFF5E => char::from_u32(c as u32 - 0xFEE0).unwrap_or(c),
        _ => c,
    };
    let plain: String = text.chars().map(half).filter(|c| c.is_alphanumeric()).flat_map(char::to_uppercase).collect();
    let trimmed = plain.trim_start_matches('0');
    if trimmed.is_empty() { plain } else { trimmed.to_owned() }
}

fn of_time(function: Function, at: i64, second: Cell) -> Cell {
    let day = |us: i64| us.saturating_add(ZONE_US).div_euclid(DAY_US);
    let number = |n: i64| Cell::Num(Decimal::from(n));
    let local = civil(at);
    let (year, month) = (i64::from(local.year()), i64::from(local.month()));
    match (function, second) {
        (Function::Days, Cell::Time(to)) => number(day(to) - day(at)),
        (Function::Hour, _) => number(i64::from(local.hour())),
        (Function::Weekday, _) => number(i64::from(local.date().weekday().to_monday_one_offset())),
        (Function::Month, _) => number(year * 100 + month),
        (Function::Quarter, _) => number(year * 10 + (month + 2) / 3),
        (Function::Year, _) => number(year),
        (Function::Date, _) => Cell::Time(day(at) * DAY_US - ZONE_US),
        (Function::Larger, Cell::Time(other)) => Cell::Time(at.max(other)),
        (_, _) => Cell::None,
    }
}

/// A comparison; unlike things cannot be compared.
pub(super) fn compare(op: Compare, a: Cell, b: Cell) -> Option<bool> {
    let order = match (a, b) {
        (Cell::Num(a), Cell::Num(b)) => a.cmp(&b),
        (Cell::Time(a), Cell::Time(b)) => a.cmp(&b),
        (Cell::Text(a), Cell::Text(b)) => a.cmp(&b),
        (Cell::Flag(a), Cell::Flag(b)) => a.cmp(&b),
        (Cell::None | Cell::Num(_) | Cell::Time(_) | Cell::Text(_) | Cell::Flag(_), _) => return None,
    };
    Some(match op {
        Compare::Equal => order == Ordering::Equal,
        Compare::Unequal => order != Ordering::Equal,
        Compare::Less => order == Ordering::Less,
        Compare::LessOrEqual => order != Ordering::Greater,
        Compare::More => order == Ordering::Greater,
        Compare::MoreOrEqual => order != Ordering::Less,
    })
}

/// Days as microseconds.
pub(super) fn days_us(days: Decimal) -> Option<i64> {
    days.checked_mul(Decimal::from(DAY_US))?.round().to_i64()
}

fn arith(op: Arith, a: Cell, b: Cell) -> Option<Cell> {
    Some(match (op, a, b) {
        (Arith::Add, Cell::Num(a), Cell::Num(b)) => Cell::Num(a.checked_add(b)?),
        (Arith::Subtract, Cell::Num(a), Cell::Num(b)) => Cell::Num(a.checked_sub(b)?),
        (Arith::Multiply, Cell::Num(a), Cell::Num(b)) => Cell::Num(a.checked_mul(b)?),
        (Arith::Divide, Cell::Num(a), Cell::Num(b)) => Cell::Num(a.checked_div(b)?),
        (Arith::Modulo, Cell::Num(a), Cell::Num(b)) => Cell::Num(a.checked_rem(b)?),
        (Arith::Add, Cell::Time(at), Cell::Num(days)) => Cell::Time(at.checked_add(days_us(days)?)?),
        (Arith::Subtract, Cell::Time(at), Cell::Num(days)) => Cell::Time(at.checked_sub(days_us(days)?)?),
        (Arith::Subtract, Cell::Time(a), Cell::Time(b)) => {
            Cell::Num(Decimal::from(a.checked_sub(b)?).checked_div(Decimal::from(DAY_US))?)
        }
        (_, _, _) => return None,
    })
}
