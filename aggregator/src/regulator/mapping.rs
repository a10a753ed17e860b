//! The mapping file: our fields to theirs. Read and checked as a whole; every problem at once. Pure.

use super::record::{Field, Kind, Record};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use minewatch_domain::At;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Fields in one record of a platform.
const FIELDS_MAX: usize = 100;
/// Records in one package.
pub const RECORDS_MAX: usize = 1_000;

/// How a package is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Lines of separated values.
    Csv,
    /// One JSON document.
    Json,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    #[allow(dead_code)]
    about: String,
    package: RawPackage,
    #[serde(default)]
    alarm: Option<RawTable>,
    #[serde(default)]
    disposal: Option<RawTable>,
    #[serde(default)]
    closing: Option<RawTable>,
    #[serde(default)]
    codes: BTreeMap<String, BTreeMap<String, String>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPackage {
    format: Format,
    name: String,
    #[serde(default)]
    separator: Option<String>,
    #[serde(default)]
    header: bool,
    #[serde(default)]
    time_zone: Option<String>,
    #[serde(default)]
    records_max: Option<usize>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTable {
    code: String,
    #[serde(default)]
    domains: Vec<String>,
    field: Vec<RawField>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawField {
    name: String,
    #[serde(default)]
    from: Option<String>,
    #[serde(default)]
    value: Option<String>,
    #[serde(default)]
    format: Option<String>,
    #[serde(default)]
    codes: Option<String>,
    #[serde(default)]
    decimals: Option<usize>,
    #[serde(default)]
    chars_max: Option<usize>,
}

/// Where a field's text comes from.
#[derive(Debug, Clone, PartialEq)]
enum Source {
    Constant(String),
    Ours(String),
}

#[derive(Debug, Clone, PartialEq)]
struct Column {
    name: String,
    source: Source,
    time_format: String,
    codes: Option<String>,
    decimals: Option<usize>,
    chars_max: usize,
}

/// One table of a platform.
#[derive(Debug, Clone, PartialEq)]
struct Table {
    code: String,
    domains: Vec<String>,
    columns: Vec<Column>,
}

/// A mapping that can be applied.
#[derive(Debug, Clone)]
pub struct Mapping {
    format: Format,
    name: String,
    separator: String,
    header: bool,
    zone: TimeZone,
    records_max: usize,
    tables: BTreeMap<Kind, Table>,
    codes: BTreeMap<String, BTreeMap<String, String>>,
}

/// A rendered package.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendered {
    /// File name.
    pub name: String,
    /// Content.
    pub content: String,
    /// Values that no code table had; written as the table's default.
    pub unmapped: usize,
}

impl Mapping {
    /// Reads a mapping file.
    ///
    /// # Errors
    /// Every problem, each with its place.
    pub fn parse(text: &str) -> Result<Mapping, Vec<String>> {
        let raw: Raw = toml::from_str(text).map_err(|e| vec![e.to_string().trim().to_owned()])?;
        let mut problems = Vec::new();
        let zone = raw.package.time_zone.as_deref().unwrap_or("Asia/Shanghai");
        let zone = TimeZone::get(zone).unwrap_or_else(|_| {
            problems.push(format!("package.time_zone: {zone:?} is not a time zone"));
            TimeZone::UTC
        });
        for word in ["{kind}", "{number}"] {
            if !raw.package.name.contains(word) {
                problems.push(format!("package.name: must contain {word}, or packages overwrite one another"));
            }
        }
        if raw.package.name.contains(['/', '\\', '\0']) || raw.package.name.starts_with('.') {
            problems.push("package.name: must be a file name without a folder".to_owned());
        }
        let separator = raw.package.separator.clone().unwrap_or_else(|| ",".to_owned());
        if separator.is_empty() || separator.contains(['"', '\n', '\r']) {
            problems.push("package.separator: must not be empty, a quote or a line break".to_owned());
        }
        let records_max = raw.package.records_max.unwrap_or(RECORDS_MAX);
        if records_max == 0 || records_max > RECORDS_MAX {
            problems.push(format!("package.records_max: must be 1 to {RECORDS_MAX}"));
        }
        let mut tables = BTreeMap::new();
        for (kind, table) in [(Kind::Alarm, &raw.alarm), (Kind::Disposal, &raw.disposal), (Kind::Closing, &raw.closing)]
        {
            if let Some(raw_table) = table {
                tables.insert(kind, table_of(kind, raw_table, &raw.codes, &mut problems));
            }
        }
        if tables.is_empty() {
            problems.push("at least one of [alarm], [disposal], [closing] is needed".to_owned());
        }
        check_codes(&raw.codes, &mut problems);
        match problems.is_empty() {
            true => Ok(Mapping {
                format: raw.package.format,
                name: raw.package.name,
                separator,
                header: raw.package.header,
                zone,
                records_max,
                tables,
                codes: raw.codes,
            }),
            false => Err(problems),
        }
    }

    /// Records in one package.
    pub fn records_max(&self) -> usize {
        self.records_max
    }

    /// Whether a record belongs to this platform.
    pub fn wants(&self, record: &Record) -> bool {
        self.tables.get(&record.kind).is_some_and(|table| match record.field("domain") {
            Some(Field::Text(domain)) => table.domains.is_empty() || table.domains.contains(domain),
            _ => true,
        })
    }

    /// The package of records of one kind.
    pub fn render(&self, kind: Kind, number: i64, made: At, records: &[Record]) -> Option<Rendered> {
        let table = self.tables.get(&kind)?;
        let mut unmapped = 0;
        let rows: Vec<Vec<String>> = records
            .iter()
            .map(|record| table.columns.iter().map(|column| self.cell(column, record, &mut unmapped)).collect())
            .collect();
        let content = match self.format {
            Format::Csv => self.csv(table, &rows),
            Format::Json => json(table, number, &rows),
        };
        let time = self.time(made, "%Y%m%d%H%M%S");
        let name = self.name.replace("{kind}", &table.code).replace("{number}", &format!("{number:08}"));
        Some(Rendered { name: name.replace("{time}", &time), content, unmapped })
    }

    fn time(&self, at: At, format: &str) -> String {
        let time = Timestamp::from_microsecond(at.micros()).map(|t| t.to_zoned(self.zone.clone()));
        time.map(|t| t.strftime(format).to_string()).unwrap_or_default()
    }

    fn cell(&self, column: &Column, record: &Record, unmapped: &mut usize) -> String {
        let text = match &column.source {
            Source::Constant(text) => text.clone(),
            Source::Ours(name) => match record.field(name).unwrap_or(&Field::Nothing) {
                Field::Text(text) => text.clone(),
                Field::Number(number) => match column.decimals {
                    Some(decimals) => format!("{number:.decimals$}"),
                    None => number.to_string(),
                },
                Field::Time(at) => self.time(*at, &column.time_format),
                Field::Nothing => String::new(),
            },
        };
        let text = match column.codes.as_ref().and_then(|name| self.codes.get(name)) {
            None => text,
            Some(table) => table.get(&text).cloned().unwrap_or_else(|| {
                *unmapped += 1;
                table.get("default").cloned().unwrap_or_default()
            }),
        };
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(column.chars_max).collect()
    }

    fn csv(&self, table: &Table, rows: &[Vec<String>]) -> String {
        let header: Vec<String> = table.columns.iter().map(|column| column.name.clone()).collect();
        let lines = self.header.then_some(&header).into_iter().chain(rows);
        let quoted = |cell: &String| match cell.contains(&self.separator) || cell.contains('"') {
            true => format!("\"{}\"", cell.replace('"', "\"\"")),
            false => cell.clone(),
        };
        let line = |cells: &Vec<String>| cells.iter().map(quoted).collect::<Vec<_>>().join(&self.separator) + "\r\n";
        lines.map(line).collect()
    }
}

fn json(table: &Table, number: i64, rows: &[Vec<String>]) -> String {
    let record = |row: &Vec<String>| -> Value {
        let cells =
            table.columns.iter().zip(row).map(|(column, cell)| (column.name.clone(), Value::from(cell.clone())));
        Value::Object(cells.collect::<Map<_, _>>())
    };
    let records: Vec<Value> = rows.iter().map(record).collect();
    serde_json::json!({ "kind": table.code, "number": number, "records": records }).to_string()
}

fn check_codes(codes: &BTreeMap<String, BTreeMap<String, String>>, problems: &mut Vec<String>) {
    for (name, table) in codes {
        let levels = ["normal", "blue", "yellow", "orange", "red"].iter().all(|level| table.contains_key(*level));
        if !levels && !table.contains_key("default") {
            problems.push(format!("codes.{name}: needs a `default`, for values it does not name"));
        }
    }
}

fn table_of(
    kind: Kind,
    raw: &RawTable,
    codes: &BTreeMap<String, BTreeMap<String, String>>,
    problems: &mut Vec<String>,
) -> Table {
    if raw.field.is_empty() || raw.field.len() > FIELDS_MAX {
        problems.push(format!("{}: must have 1 to {FIELDS_MAX} fields", kind.name()));
    }
    let mut columns = Vec::new();
    for (index, field) in raw.field.iter().enumerate() {
        let mut say = |what: String| problems.push(format!("{}.field[{index}] {:?}: {what}", kind.name(), field.name));
        let source = match (&field.from, &field.value) {
            (Some(from), None) if kind.fields().contains(&from.as_str()) => Source::Ours(from.clone()),
            (Some(from), None) => {
                say(format!("from = {from:?} must be one of {}", kind.fields().join(", ")));
                continue;
            }
            (None, Some(value)) => Source::Constant(value.clone()),
            (Some(_), Some(_)) | (None, None) => {
                say("give exactly one of from and value".to_owned());
                continue;
            }
        };
        if field.codes.as_ref().is_some_and(|name| !codes.contains_key(name)) {
            say(format!("codes = {:?} is not a table below [codes]", field.codes.as_deref().unwrap_or("")));
        }
        let time_format = field.format.clone().unwrap_or_else(|| "%Y-%m-%d %H:%M:%S".to_owned());
        if jiff::fmt::strtime::format(&time_format, &Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC)).is_err() {
            say(format!("format = {time_format:?} is not a time format such as %Y-%m-%d %H:%M:%S"));
        }
        columns.push(Column {
            name: field.name.clone(),
            source,
            time_format,
            codes: field.codes.clone(),
            decimals: field.decimals.map(|decimals| decimals.min(9)),
            chars_max: field.chars_max.unwrap_or(1_000).min(10_000),
        });
    }
    Table { code: raw.code.clone(), domains: raw.domains.clone(), columns }
}

#[cfg(test)]
#[path = "mapping_tests.rs"]
mod tests;
