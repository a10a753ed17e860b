//! Series files: CSV with a header, one time column and any number of value columns.
//!
//! Strict: a line that cannot be read is an error with its number and reason, never skipped; an empty
//! cell, `NaN` and `NA` are missing values. Times are RFC 3339, `2026-01-31`, `2026-01-31 08:00[:00]`
//! (taken as UTC) or a number of days. Semicolons are taken as separators where the header has no comma.

use anyhow::{Context, bail};
use jiff::civil::{Date, DateTime};
use jiff::{Timestamp, tz::TimeZone};
use std::fmt::Write as _;
use std::path::Path;

/// Largest series file: a year of 50 instruments at one minute is about 200 MB.
pub const FILE_BYTES_MAX: u64 = 1 << 30;
/// Most problems listed; the rest is counted.
const PROBLEMS_MAX: usize = 20;
const DAY_S: f64 = 86_400.0;

/// What a time column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// Dates; days count from 1970-01-01.
    Calendar,
    /// Days since a zero of the file's own.
    Days,
}

impl Clock {
    /// A day as people write it.
    pub fn show(self, day: f64) -> String {
        match self {
            Clock::Days => format!("{day:.2}"),
            Clock::Calendar => Timestamp::from_second((day * DAY_S).round() as i64).map_or_else(
                |_| format!("{day:.2}"),
                |at| at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M").to_string(),
            ),
        }
    }
}

/// A file, its lines as texts.
#[derive(Debug)]
pub struct Table {
    name: String,
    header: Vec<String>,
    rows: Vec<(u64, csv::StringRecord)>,
}

/// One value column with its times, in the file's order.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// What the times are.
    pub clock: Clock,
    /// Name of the column.
    pub name: String,
    /// Day and value; `None` where the cell is empty.
    pub values: Vec<(f64, Option<f64>)>,
}

impl Table {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, is too large, has no header, or a line has another number of cells.
    pub fn read(path: &Path) -> anyhow::Result<Table> {
        let name = path.display().to_string();
        let size = std::fs::metadata(path).with_context(|| format!("cannot open {name}"))?.len();
        if size > FILE_BYTES_MAX {
            bail!("{name}: {size} bytes; at most {FILE_BYTES_MAX} are read");
        }
        Table::parse(&name, &std::fs::read(path).with_context(|| format!("cannot read {name}"))?)
    }

    /// Parses the bytes of a file.
    ///
    /// # Errors
    /// As [`Table::read`].
    pub fn parse(name: &str, bytes: &[u8]) -> anyhow::Result<Table> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let separator = if first.contains(&b',') || !first.contains(&b';') { b',' } else { b';' };
        let mut reader = csv::ReaderBuilder::new().delimiter(separator).trim(csv::Trim::All).from_reader(bytes);
        let header: Vec<String> =
            reader.headers().with_context(|| format!("{name}: header"))?.iter().map(str::to_owned).collect();
        if header.len() < 2 {
            bail!("{name}: line 1: the header must name a time column and at least one value column");
        }
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.with_context(|| name.to_owned())?;
            let line = record.position().map_or(0, csv::Position::line);
            rows.push((line, record));
        }
        Ok(Table { name: name.to_owned(), header, rows })
    }

    /// Column names.
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// Lines with their numbers.
    pub fn rows(&self) -> &[(u64, csv::StringRecord)] {
        &self.rows
    }

    /// Place of a column by its name, or by the part before its unit (`MJ9` finds `MJ9/mm`).
    ///
    /// # Errors
    /// When there is none; names those there are.
    pub fn index(&self, name: &str) -> anyhow::Result<usize> {
        let bare = |header: &String| header.split(['/', '(', ' ']).next().is_some_and(|bare| bare == name);
        let found = self.header.iter().position(|header| header == name).or_else(|| self.header.iter().position(bare));
        found.with_context(|| format!("{}: no column {name:?}; there are {}", self.name, self.header.join(", ")))
    }

    /// Several value columns with their times.
    ///
    /// # Errors
    /// Lists every cell that is neither a number nor missing, and every time that cannot be read.
    pub fn columns(&self, time: usize, values: &[usize]) -> anyhow::Result<Vec<Column>> {
        let clock = match self.rows.first().and_then(|(_, row)| row.get(time)) {
            Some(text) if text.parse::<f64>().is_ok() => Clock::Days,
            Some(_) | None => Clock::Calendar,
        };
        let mut columns: Vec<Column> = values
            .iter()
            .map(|index| Column {
                clock,
                name: self.header.get(*index).cloned().unwrap_or_default(),
                values: Vec::with_capacity(self.rows.len()),
            })
            .collect();
        let mut problems = Problems::default();
        for (line, row) in &self.rows {
            let text = row.get(time).unwrap_or_default();
            let Some(day) = day(text, clock) else {
                problems.add(*line, &format!("{text:?} is not a time"));
                continue;
            };
            for (column, index) in columns.iter_mut().zip(values) {
                let text = row.get(*index).unwrap_or_default();
                match number(text) {
                    Ok(value) => column.values.push((day, value)),
                    Err(()) => problems.add(*line, &format!("{}: {text:?} is not a number", column.name)),
                }
            }
        }
        problems.end(&self.name)?;
        Ok(columns)
    }
}

/// Problems of a file, the first of them word for word.
#[derive(Default)]
struct Problems {
    text: String,
    count: usize,
}

impl Problems {
    fn add(&mut self, line: u64, what: &str) {
        self.count += 1;
        if self.count <= PROBLEMS_MAX {
            let _ = write!(self.text, "\n  line {line}: {what}");
        }
    }

    fn end(self, name: &str) -> anyhow::Result<()> {
        match self.count {
            0 => Ok(()),
            count => bail!("{name}: {count} problem(s), nothing was evaluated:{}", self.text),
        }
    }
}

fn number(text: &str) -> Result<Option<f64>, ()> {
    if text.is_empty() || text.eq_ignore_ascii_case("nan") || text == "NA" {
        return Ok(None);
    }
    text.parse::<f64>().ok().filter(|value| value.is_finite()).map(Some).ok_or(())
}

fn day(text: &str, clock: Clock) -> Option<f64> {
    match clock {
        Clock::Days => text.parse::<f64>().ok().filter(|day| day.is_finite()),
        Clock::Calendar => calendar_day(text),
    }
}

/// Days since 1970-01-01 UTC of a date or a time; `None` when it is neither.
pub fn calendar_day(text: &str) -> Option<f64> {
    let utc = |time: DateTime| time.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
    let at = if let Ok(at) = text.parse::<Timestamp>() {
        at
    } else if let Ok(time) = text.parse::<DateTime>() {
        utc(time)?
    } else {
        utc(text.parse::<Date>().ok()?.at(0, 0, 0, 0))?
    };
    Some(at.as_microsecond() as f64 / 1e6 / DAY_S)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_line_is_named_by_number_and_reason_and_nothing_is_read() {
        let table = Table::parse("x.csv", b"date,mm\n2020-01-01,1\n2020-13-01,2\n2020-01-03,abc\n").expect("a table");
        let error = table.columns(0, &[1]).expect_err("two bad lines").to_string();
        assert!(error.contains("line 3: \"2020-13-01\" is not a time"), "{error}");
        assert!(error.contains("line 4: mm: \"abc\" is not a number"), "{error}");
        let short = Table::parse("x.csv", b"date,mm\n2020-01-01\n").expect_err("a short line");
        assert!(format!("{short:#}").contains("line: 2"), "{short:#}");
    }

    #[test]
    fn times_are_read_as_they_are_commonly_written() {
        for (text, day) in [
            ("1970-01-02", 1.0),
            ("1970-01-02 12:00:00", 1.5),
            ("1970-01-02 06:00", 1.25),
            ("1970-01-02T08:00:00+08:00", 1.0),
        ] {
            assert_eq!(calendar_day(text), Some(day), "{text}");
        }
        assert_eq!(calendar_day("yesterday"), None);
    }

    #[test]
    fn a_byte_order_mark_semicolons_and_units_in_the_header_are_read() {
        let table = Table::parse("x.csv", b"\xef\xbb\xbfday;MJ9/mm\n1.5;2\n2.5;\n").expect("a table");
        let index = table.index("MJ9").expect("by the part before the unit");
        let columns = table.columns(0, &[index]).expect("columns");
        assert_eq!(columns[0].clock, Clock::Days);
        assert_eq!(columns[0].values, [(1.5, Some(2.0)), (2.5, None)]);
    }
}
