//! Aggregates over the rows an index finds.

use super::cell::Cell;
use super::eval::Scope;
use super::kept::{benford, first_digit};
use super::node::{Aggregate, Join, Node, Total, Window};
use super::table::{Entry, Map, Place, Row};
use crate::graph::{HOPS_MAX, Reach};
use crate::procurement::ocds::{quantile, sorted};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

/// Most rows one aggregate looks at; beyond it the oldest are left out, and the answer is in doubt.
const ROWS_MAX: usize = 200_000;

/// The keys the rows are found under.
fn keys(scope: &Scope<'_>, join: &Join) -> Vec<Vec<Cell>> {
    let party = |node: &Node| match scope.eval(node) {
        Cell::Text(party) => Some(party),
        Cell::None | Cell::Num(_) | Cell::Flag(_) | Cell::Time(_) => None,
    };
    let (graph, at) = (&scope.world.graph, scope.me.at);
    match join {
        Join::Keys(nodes) => vec![nodes.iter().map(|node| scope.eval(node)).collect()],
        Join::Group(node, least) => party(node)
            .map_or(Vec::new(), |p| graph.group(p, at, *least).into_iter().map(|p| vec![Cell::Text(p)]).collect()),
        Join::Controllers(node, hops, edge_min) => party(node).map_or(Vec::new(), |p| {
            let reach = Reach { hops: (*hops).min(HOPS_MAX), edge_min: *edge_min, product_min: 0.0 };
            graph.controllers(p, at, reach).into_iter().map(|p| vec![Cell::Text(p)]).collect()
        }),
    }
}

/// The part of an entry inside a window around `at`.
pub(super) fn inside(rows: &[Place], at: i64, window: Window) -> &[Place] {
    let from = window.from.map_or(0, |from| rows.partition_point(|place| place.at < at.saturating_add(from)));
    let to = window.to.map_or(rows.len(), |to| rows.partition_point(|place| place.at <= at.saturating_add(to)));
    rows.get(from..to).unwrap_or_default()
}

fn doubt(scope: &Scope<'_>, more: u32) {
    if let Some(doubt) = scope.doubt {
        doubt.set(doubt.get().saturating_add(more));
    }
}

/// Whether a row belongs; an unknown row is a doubt.
fn belongs(scope: &Scope<'_>, filter: Option<&Node>) -> bool {
    match filter.map(|filter| scope.eval(filter)) {
        None | Some(Cell::Flag(true)) => true,
        Some(Cell::None) => {
            doubt(scope, 1);
            false
        }
        Some(Cell::Flag(false) | Cell::Num(_) | Cell::Text(_) | Cell::Time(_)) => false,
    }
}

/// Rows that belong, in order of time; also what a trace names as evidence.
pub(super) fn rows<'a>(scope: &Scope<'a>, aggregate: &Aggregate) -> Vec<&'a Row> {
    let mut found: Vec<Place> = Vec::new();
    for_rows(scope, aggregate, |number, row| {
        found.push(Place { at: row.at, order: row.order, row: number });
        true
    });
    found.sort_unstable();
    found.into_iter().map(|place| scope.world.get(aggregate.table, place.row)).collect()
}

/// Visits rows that belong, newest first within a key, until `visit` says to stop.
fn for_rows<'a>(scope: &Scope<'a>, aggregate: &Aggregate, mut visit: impl FnMut(u32, &'a Row) -> bool) {
    let table = &scope.world.tables[aggregate.table];
    let Some(index) = table.indexes.get(aggregate.index) else { return };
    let mut seen = 0;
    for key in keys(scope, &aggregate.join) {
        let Some(entry) = index.entries.get(key.as_slice()) else { continue };
        for place in inside(&entry.rows, scope.me.at, aggregate.window).iter().rev() {
            seen += 1;
            if seen > ROWS_MAX {
                doubt(scope, 1);
                return;
            }
            let it = scope.world.get(aggregate.table, place.row);
            if belongs(&Scope { it, ..*scope }, aggregate.filter.as_ref()) && !visit(place.row, it) {
                return;
            }
        }
    }
}

fn kept(scope: &Scope<'_>, aggregate: &Aggregate, place: usize) -> Option<Cell> {
    let Join::Keys(nodes) = &aggregate.join else { return None };
    let index = scope.world.tables[aggregate.table].indexes.get(aggregate.index)?;
    let key: Vec<Cell> = nodes.iter().map(|node| scope.eval(node)).collect();
    if key.contains(&Cell::None) {
        return Some(Cell::None);
    }
    let entry: Option<&Entry> = index.entries.get(key.as_slice());
    let none = super::kept::Kept::default();
    let kept = entry.and_then(|entry| entry.kept.get(place)).unwrap_or(&none);
    doubt(scope, u32::try_from(kept.doubtful()).unwrap_or(0));
    Some(kept.total(aggregate.total))
}

/// The value of an aggregate.
pub(super) fn total(scope: &Scope<'_>, aggregate: &Aggregate) -> Cell {
    if let Some(found) = aggregate.kept.and_then(|place| kept(scope, aggregate, place)) {
        return found;
    }
    if let Join::Keys(nodes) = &aggregate.join
        && nodes.iter().any(|node| scope.eval(node) == Cell::None)
    {
        return Cell::None;
    }
    let value = |it| aggregate.value.as_ref().map_or(Cell::None, |value| Scope { it, ..*scope }.eval(value));
    match aggregate.total {
        Total::Exists => {
            let mut found = false;
            for_rows(scope, aggregate, |_, _| {
                found = true;
                false
            });
            Cell::Flag(found)
        }
        Total::Count => {
            let mut count = 0u64;
            for_rows(scope, aggregate, |_, _| {
                count += 1;
                true
            });
            Cell::Num(Decimal::from(count))
        }
        Total::Last => rows(scope, aggregate).last().map_or(Cell::None, |row| value(row)),
        Total::First => rows(scope, aggregate).first().map_or(Cell::None, |row| value(row)),
        Total::MeanPer | Total::SdPer => per_bucket(scope, aggregate),
        Total::SumLast => sum_last(scope, aggregate),
        Total::Sum | Total::Min | Total::Max | Total::Mean | Total::Sd | Total::Median | Total::Q1 | Total::Q3 => {
            numbers(scope, aggregate)
        }
        Total::Cv | Total::Distinct | Total::Changes | Total::Same | Total::Steps | Total::Ratios => {
            numbers(scope, aggregate)
        }
        Total::Benford | Total::Second => numbers(scope, aggregate),
    }
}

fn values(scope: &Scope<'_>, aggregate: &Aggregate) -> Vec<Cell> {
    let mut found = Vec::new();
    for it in rows(scope, aggregate) {
        match aggregate.value.as_ref().map_or(Cell::None, |value| Scope { it, ..*scope }.eval(value)) {
            Cell::None => doubt(scope, 1),
            cell @ (Cell::Num(_) | Cell::Text(_) | Cell::Flag(_) | Cell::Time(_)) => found.push(cell),
        }
    }
    found
}

fn numbers(scope: &Scope<'_>, aggregate: &Aggregate) -> Cell {
    let cells = values(scope, aggregate);
    let number = |n: usize| Cell::Num(Decimal::from(n));
    match aggregate.total {
        Total::Distinct => return number(cells.iter().collect::<indexmap::IndexSet<_>>().len()),
        Total::Changes => return number(cells.windows(2).filter(|pair| pair[0] != pair[1]).count()),
        Total::Same => {
            let mut counts: Map<Cell, usize> = Map::default();
            cells.iter().for_each(|cell| *counts.entry(*cell).or_default() += 1);
            return number(counts.values().copied().max().unwrap_or(0));
        }
        Total::Min => return cells.into_iter().reduce(|a, b| if less(a, b) { a } else { b }).unwrap_or(Cell::None),
        Total::Max => return cells.into_iter().reduce(|a, b| if less(a, b) { b } else { a }).unwrap_or(Cell::None),
        Total::Count | Total::Exists | Total::Sum | Total::Mean | Total::Sd | Total::Median | Total::Q1 => {}
        Total::Q3 | Total::Cv | Total::Last | Total::First | Total::Benford | Total::Steps | Total::Ratios => {}
        Total::MeanPer | Total::SdPer | Total::SumLast | Total::Second => {}
    }
    let exact: Vec<Decimal> =
        cells.iter().filter_map(|cell| if let Cell::Num(n) = cell { Some(*n) } else { None }).collect();
    if aggregate.total == Total::Sum {
        return exact.iter().try_fold(Decimal::ZERO, |sum, n| sum.checked_add(*n)).map_or(Cell::None, Cell::Num);
    }
    if aggregate.total == Total::Benford {
        let mut digits = [0i64; 9];
        exact.iter().filter_map(|n| first_digit(*n)).for_each(|digit| digits[digit - 1] += 1);
        return benford(&digits).map_or(Cell::None, real);
    }
    if aggregate.total == Total::Second {
        let mut all = exact;
        all.sort_unstable();
        return all.get(1).map_or(Cell::None, |second| Cell::Num(*second));
    }
    let all = sorted(exact.iter().filter_map(ToPrimitive::to_f64));
    statistic(aggregate.total, &all).map_or(Cell::None, real)
}

fn less(a: Cell, b: Cell) -> bool {
    super::eval::compare(super::node::Compare::Less, a, b).unwrap_or(false)
}

fn real(number: f64) -> Cell {
    Decimal::from_f64_retain(number).map_or(Cell::None, |number| Cell::Num(number.round_dp(12)))
}

fn mean(all: &[f64]) -> Option<f64> {
    (!all.is_empty()).then(|| all.iter().sum::<f64>() / all.len() as f64)
}

fn sd(all: &[f64]) -> Option<f64> {
    let mean = mean(all)?;
    let square = all.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>();
    (all.len() > 1).then(|| (square / (all.len() as f64 - 1.0)).sqrt())
}

/// Relative spread: 0 when all are equal; none for fewer than two.
fn spread(all: &[f64]) -> Option<f64> {
    let mean = mean(all)?;
    if all.len() < 2 || mean == 0.0 { None } else { sd(all).map(|sd| sd / mean.abs()) }
}

fn statistic(total: Total, all: &[f64]) -> Option<f64> {
    match total {
        Total::Mean => mean(all),
        Total::Sd => sd(all),
        Total::Median => quantile(all, 0.5),
        Total::Q1 => quantile(all, 0.25),
        Total::Q3 => quantile(all, 0.75),
        Total::Cv => spread(all),
        Total::Steps => spread(&all.windows(2).map(|pair| pair[1] - pair[0]).collect::<Vec<_>>()),
        Total::Ratios if all.first().is_some_and(|first| *first > 0.0) => {
            spread(&all.windows(2).map(|pair| pair[1] / pair[0]).collect::<Vec<_>>())
        }
        Total::Count | Total::Exists | Total::Sum | Total::Min | Total::Max | Total::Distinct | Total::Last => None,
        Total::First | Total::Changes | Total::Benford | Total::Same | Total::MeanPer | Total::SdPer => None,
        Total::SumLast | Total::Second | Total::Ratios => None,
    }
}

/// Rows per bucket of the window, empty buckets included.
fn per_bucket(scope: &Scope<'_>, aggregate: &Aggregate) -> Cell {
    let (Some(from), Some(to)) = (aggregate.window.from, aggregate.window.to) else { return Cell::None };
    let every = aggregate.every.max(1);
    let buckets = usize::try_from((to - from).div_euclid(every)).unwrap_or(0).clamp(1, 100_000);
    let mut counts = vec![0.0; buckets];
    for_rows(scope, aggregate, |_, row| {
        let back = (scope.me.at.saturating_add(to) - row.at).div_euclid(every);
        if let Some(count) = usize::try_from(back).ok().and_then(|n| counts.get_mut(n)) {
            *count += 1.0;
        }
        true
    });
    let found = if aggregate.total == Total::MeanPer { mean(&counts) } else { sd(&counts) };
    found.map_or(Cell::None, real)
}

fn sum_last(scope: &Scope<'_>, aggregate: &Aggregate) -> Cell {
    let mut newest: Map<Cell, Cell> = Map::default();
    for it in rows(scope, aggregate) {
        let scope = Scope { it, ..*scope };
        let of = |node: &Option<Node>| node.as_ref().map_or(Cell::None, |node| scope.eval(node));
        newest.insert(of(&aggregate.per), of(&aggregate.value));
    }
    let mut sum = Decimal::ZERO;
    for value in newest.into_values() {
        match value {
            Cell::Num(number) => sum = sum.checked_add(number).unwrap_or(sum),
            Cell::None | Cell::Text(_) | Cell::Flag(_) | Cell::Time(_) => doubt(scope, 1),
        }
    }
    Cell::Num(sum)
}
