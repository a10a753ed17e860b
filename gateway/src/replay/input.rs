//! A history file: long (`time,point,value`) or wide (`time` and one column per point).
//!
//! Times are RFC 3339 or `2026-01-31 08:00:00` (UTC); an empty cell is a sample that did not come. Strict:
//! every bad line is named with its reason, and then nothing is replayed.

use crate::evaluate::table::{Clock, Table};
use anyhow::{Context, bail};
use minewatch_domain::{At, PointId};
use std::path::Path;

/// One sample.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) at: At,
    pub(super) point: PointId,
    pub(super) value: Option<f64>,
}

/// Most samples of a history: a year of 500 instruments at 10 minutes; about 1.5 GB of memory.
const SAMPLES_MAX: usize = 30_000_000;

/// Reads a history.
pub(super) fn rows(path: &Path) -> anyhow::Result<Vec<Row>> {
    let table = Table::read(path)?;
    let long = table.header().get(1).is_some_and(|name| name == "point");
    let rows = if long { long_rows(&table)? } else { wide_rows(&table)? };
    if rows.len() > SAMPLES_MAX {
        bail!("{}: {} samples; at most {SAMPLES_MAX} are replayed", path.display(), rows.len());
    }
    if rows.is_empty() {
        bail!("{}: no sample", path.display());
    }
    Ok(rows)
}

fn at(day: f64) -> At {
    At((day * 86_400e6).round() as i64)
}

fn long_rows(table: &Table) -> anyhow::Result<Vec<Row>> {
    let value = table.index("value")?;
    let column = table.columns(0, &[value])?.pop().context("a value column")?;
    if column.clock == Clock::Days {
        bail!("the first column must hold times, not days");
    }
    let mut names = std::collections::BTreeMap::new();
    let mut rows = Vec::with_capacity(column.values.len());
    for ((line, row), (day, value)) in table.rows().iter().zip(column.values) {
        let name = row.get(1).unwrap_or_default();
        let point = match names.get(name) {
            Some(point) => PointId::clone(point),
            None => {
                let point = PointId::parse(name).with_context(|| format!("line {line}"))?;
                names.insert(name.to_owned(), point.clone());
                point
            }
        };
        rows.push(Row { at: at(day), point, value });
    }
    Ok(rows)
}

fn wide_rows(table: &Table) -> anyhow::Result<Vec<Row>> {
    let indices: Vec<usize> = (1..table.header().len()).collect();
    let points =
        table.header().iter().skip(1).map(|name| PointId::parse(name).with_context(|| format!("column {name:?}")));
    let points = points.collect::<anyhow::Result<Vec<_>>>()?;
    let columns = table.columns(0, &indices)?;
    if columns.first().is_some_and(|column| column.clock == Clock::Days) {
        bail!("the first column must hold times, not days");
    }
    let mut rows = Vec::with_capacity(table.rows().len() * points.len());
    for line in 0..table.rows().len() {
        for (point, column) in points.iter().zip(&columns) {
            let Some((day, value)) = column.values.get(line) else { continue };
            rows.push(Row { at: at(*day), point: point.clone(), value: *value });
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_and_wide_files_give_the_same_samples_and_bad_lines_are_named() {
        let long = b"time,point,value\n2026-01-01T00:00:00Z,a,1\n2026-01-01T00:00:00Z,b,\n";
        let wide = b"time,a,b\n2026-01-01 00:00:00,1,\n";
        let long = long_rows(&Table::parse("l.csv", long).expect("table")).expect("rows");
        let wide = wide_rows(&Table::parse("w.csv", wide).expect("table")).expect("rows");
        assert_eq!(long, wide);
        assert_eq!(long[1].value, None);
        let bad = long_rows(&Table::parse("l.csv", b"time,point,value\n2026-01-01,A B,1\n").expect("table"));
        assert!(bad.expect_err("no slug").to_string().contains("line 2"));
    }
}
