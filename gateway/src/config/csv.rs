//! Points from a table: one line per point, the header names the keys.
//!
//! `points_csv = "points.csv"` in the site file. The first column is `device`; the others are keys
//! of `[[device.point]]`, nested ones with a dot: `device,quantity,name.zh,name.en,high.red`.
//! An empty cell leaves its key out. Cells may be quoted (`"a, b"`, `""` for a quote).
//! Invariant: every problem names its line, and a bad line costs only itself.

use super::table::Table;
use std::collections::BTreeMap;
use toml::Value;

/// Lines per list: as many as points per site.
const LINES_MAX: usize = 20_000;

/// The points of the imported list by device.
pub(super) fn imported<'p>(
    site: &mut Table<'p>,
    imports: &BTreeMap<String, String>,
) -> BTreeMap<String, Vec<Table<'p>>> {
    let mut found: BTreeMap<String, Vec<Table<'p>>> = BTreeMap::new();
    for name in site.texts("points_csv") {
        let Some(text) = imports.get(&name) else { continue }; // reported by `load`
        let mut lines = text.trim_start_matches('\u{feff}').lines().zip(1usize..).filter(|(l, _)| !l.trim().is_empty());
        let Some((header, _)) = lines.next() else {
            site.problem(format!("{name}: is empty; the first line must name the columns"));
            continue;
        };
        let header: Vec<String> = cells(header).unwrap_or_default();
        if header.first().map(String::as_str) != Some("device") {
            site.problem(format!("{name}: line 1: the first column must be device"));
            continue;
        }
        for (line, number) in lines.take(LINES_MAX) {
            let place = format!("{name}: line {number}");
            match entry(&header, line) {
                Ok((device, table)) => {
                    found.entry(device).or_default().push(site.sibling(place, table));
                }
                Err(what) => site.sibling(place, toml::Table::new()).problem(what),
            }
        }
    }
    found
}

fn entry(header: &[String], line: &str) -> Result<(String, toml::Table), String> {
    let cells = cells(line)?;
    if cells.len() != header.len() {
        return Err(format!("has {} cells but the header names {}", cells.len(), header.len()));
    }
    let mut table = toml::Table::new();
    for (key, cell) in header.iter().zip(&cells).skip(1).filter(|(_, cell)| !cell.is_empty()) {
        match key.split_once('.') {
            None => {
                table.insert(key.clone(), value(key, cell));
            }
            Some((outer, inner)) => {
                let inside = table.entry(outer).or_insert_with(|| Value::Table(toml::Table::new()));
                if let Some(inside) = inside.as_table_mut() {
                    inside.insert(inner.to_owned(), value(inner, cell));
                }
            }
        }
    }
    match cells.first() {
        Some(device) if !device.is_empty() => Ok((device.clone(), table)),
        Some(_) | None => Err("names no device".into()),
    }
}

/// Texts stay texts where a text is meant; anything else is a number where it reads as one.
fn value(key: &str, cell: &str) -> Value {
    if matches!(key, "id" | "quantity" | "zh" | "en" | "unit" | "rate_direction") {
        return Value::String(cell.to_owned());
    }
    if let Ok(whole) = cell.parse::<i64>() {
        return Value::Integer(whole);
    }
    cell.parse::<f64>().map_or_else(|_| Value::String(cell.to_owned()), Value::Float)
}

fn cells(line: &str) -> Result<Vec<String>, String> {
    let mut cells = vec![String::new()];
    let mut quoted = false;
    let mut chars = line.trim_end_matches('\r').chars().peekable();
    while let Some(c) = chars.next() {
        let Some(cell) = cells.last_mut() else { continue };
        match (c, quoted) {
            ('"', true) if chars.peek() == Some(&'"') => {
                chars.next();
                cell.push('"');
            }
            ('"', _) => quoted = !quoted,
            (',', false) => cells.push(String::new()),
            (c, _) => cell.push(c),
        }
    }
    if quoted {
        return Err("a quoted cell is not closed".into());
    }
    Ok(cells.into_iter().map(|cell| cell.trim().to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_becomes_the_table_that_its_header_describes() {
        let header = cells("device,quantity,name.zh,name.en,period_ms,high.red").expect("header");
        let (device, table) = entry(&header, "pz-01,pressure,\"渗压, 1\",\"pz \"\"1\"\"\",1000,12.5\r").expect("line");
        assert_eq!(device, "pz-01");
        let expected: toml::Table =
            "quantity='pressure'\nperiod_ms=1000\nname={zh='渗压, 1',en='pz \"1\"'}\nhigh={red=12.5}"
                .parse()
                .expect("toml");
        assert_eq!(table, expected);
        assert!(entry(&header, "pz-01,pressure").is_err(), "a short line is refused");
        assert!(cells("a,\"b").is_err(), "an open quote is refused");
    }
}
