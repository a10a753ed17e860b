//! Reads a TOML table key by key.
//!
//! Invariant: reading never stops at the first problem; a wrong or missing key becomes a problem
//! and a default takes its place, and [`Table::finish`] refuses every key nobody asked for.
//! Deliberately absent: what the keys mean.

use super::problem::{Problems, did_you_mean};
use crate::instrument::Names;
use std::ops::RangeInclusive;
use toml::Value;

/// Longest text value accepted; longer ones are a mistake (a pasted file), not a name.
const TEXT_LEN_MAX: usize = 1_000;

/// A table being read.
pub(crate) struct Table<'p> {
    place: String,
    left: toml::Table,
    asked: Vec<&'static str>,
    problems: &'p Problems,
}

/// Whether a text is a slug: a-z, 0-9, '-', '_', '.', starting with a letter or digit, at most 64 long.
pub(crate) fn is_slug(text: &str) -> bool {
    let rest = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && text.chars().all(rest)
}

fn kind(value: &Value) -> String {
    match value {
        Value::String(text) => format!("the text {:?}", text.chars().take(40).collect::<String>()),
        Value::Integer(number) => format!("the number {number}"),
        Value::Float(number) => format!("the number {number}"),
        Value::Boolean(flag) => format!("{flag}"),
        Value::Datetime(_) => "a date".into(),
        Value::Array(_) => "a list".into(),
        Value::Table(_) => "a table".into(),
    }
}

#[allow(clippy::cast_precision_loss)] // configuration numbers are far below 2^53
fn as_number(value: &Value) -> Option<f64> {
    value.as_float().or_else(|| value.as_integer().map(|n| n as f64)).filter(|n| n.is_finite())
}

impl<'p> Table<'p> {
    pub(crate) fn new(place: impl Into<String>, table: toml::Table, problems: &'p Problems) -> Table<'p> {
        Table { place: place.into(), left: table, asked: Vec::new(), problems }
    }

    /// Another table of the same reading.
    pub(crate) fn sibling(&self, place: String, table: toml::Table) -> Table<'p> {
        Table::new(place, table, self.problems)
    }

    /// Parses a whole file; `None` when it is not TOML.
    pub(crate) fn parse(file: &str, text: &str, problems: &'p Problems) -> Option<Table<'p>> {
        match text.parse::<toml::Table>() {
            Ok(table) => Some(Table::new(file, table, problems)),
            Err(error) => {
                let line = error.span().map_or(0, |span| text[..span.start.min(text.len())].lines().count().max(1));
                problems.add(format!("{file}: line {line}"), format!("not valid TOML: {}", error.message()));
                None
            }
        }
    }

    /// The same table, its problems going elsewhere; for entries that stand for many.
    pub(crate) fn copy_with<'q>(&self, problems: &'q Problems) -> Table<'q> {
        Table::new(self.place.clone(), self.left.clone(), problems)
    }

    /// Adds a problem with this table.
    pub(crate) fn problem(&self, what: impl Into<String>) {
        self.problems.add(self.place.clone(), what);
    }

    fn take(&mut self, key: &'static str) -> Option<Value> {
        self.asked.push(key);
        self.left.remove(key)
    }

    fn wrong(&self, key: &str, value: &Value, expected: &str) {
        self.problem(format!("{key} is {} but must be {expected}", kind(value)));
    }

    fn required<T>(&self, key: &str, value: Option<T>, was_there: bool) -> Option<T> {
        if value.is_none() && !was_there {
            self.problem(format!("{key} is missing"));
        }
        value
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.left.contains_key(key)
    }

    /// Notes that a key is known, for the suggestion that [`Table::finish`] makes; gives nothing.
    pub(crate) fn asks<T>(&mut self, key: &'static str) -> Option<T> {
        self.asked.push(key);
        None
    }

    pub(crate) fn text_opt(&mut self, key: &'static str) -> Option<String> {
        let value = self.take(key)?;
        let Value::String(text) = value else {
            self.wrong(key, &value, "a text");
            return None;
        };
        if text.len() > TEXT_LEN_MAX {
            self.problem(format!("{key} is {} bytes long; at most {TEXT_LEN_MAX} are allowed", text.len()));
            return None;
        }
        if text.trim().is_empty() {
            self.problem(format!("{key} is empty"));
            return None;
        }
        Some(text)
    }

    pub(crate) fn text(&mut self, key: &'static str) -> Option<String> {
        let there = self.has(key);
        let value = self.text_opt(key);
        self.required(key, value, there)
    }

    pub(crate) fn slug(&mut self, key: &'static str) -> Option<String> {
        let text = self.text(key)?;
        if !is_slug(&text) {
            self.problem(format!("{key} {text:?} may only hold a-z, 0-9, '-', '_' and '.', start with a letter or digit, and be at most 64 long"));
            return None;
        }
        Some(text)
    }

    /// Reads a text through a parser whose error says what is wrong.
    pub(crate) fn parsed<T, E: std::fmt::Display>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.text(key)?;
        match parse(&text) {
            Ok(value) => Some(value),
            Err(error) => {
                self.problem(format!("{key}: {error}"));
                None
            }
        }
    }

    pub(crate) fn number_opt(&mut self, key: &'static str) -> Option<f64> {
        let value = self.take(key)?;
        let number = as_number(&value);
        if number.is_none() {
            self.wrong(key, &value, "a finite number");
        }
        number
    }

    pub(crate) fn number(&mut self, key: &'static str) -> Option<f64> {
        let there = self.has(key);
        let value = self.number_opt(key);
        self.required(key, value, there)
    }

    /// A number that must not be negative.
    pub(crate) fn size_opt(&mut self, key: &'static str) -> Option<f64> {
        let number = self.number_opt(key)?;
        if number < 0.0 {
            self.problem(format!("{key} is {number} but must not be negative"));
            return None;
        }
        Some(number)
    }

    pub(crate) fn int_opt<T: TryFrom<i64>>(&mut self, key: &'static str, allowed: RangeInclusive<i64>) -> Option<T> {
        let value = self.take(key)?;
        let number = value.as_integer().filter(|number| allowed.contains(number));
        if number.is_none() {
            self.wrong(key, &value, &format!("a whole number from {} to {}", allowed.start(), allowed.end()));
        }
        T::try_from(number?).ok()
    }

    pub(crate) fn int<T: TryFrom<i64>>(&mut self, key: &'static str, allowed: RangeInclusive<i64>) -> Option<T> {
        let there = self.has(key);
        let value = self.int_opt(key, allowed);
        self.required(key, value, there)
    }

    pub(crate) fn flag_or(&mut self, key: &'static str, default: bool) -> bool {
        match self.take(key) {
            None => default,
            Some(Value::Boolean(flag)) => flag,
            Some(other) => {
                self.wrong(key, &other, "true or false");
                default
            }
        }
    }

    pub(crate) fn choice_opt<T: Copy>(&mut self, key: &'static str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text_opt(key)?;
        let found = choices.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
        if found.is_none() {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            self.problem(format!(
                "{key} {text:?} is not one of {}{}",
                names.join(", "),
                did_you_mean(&text, names.iter().copied())
            ));
        }
        found
    }

    pub(crate) fn choice<T: Copy>(&mut self, key: &'static str, choices: &[(&str, T)]) -> Option<T> {
        let there = self.has(key);
        let value = self.choice_opt(key, choices);
        self.required(key, value, there)
    }

    fn list(&mut self, key: &'static str) -> Vec<Value> {
        match self.take(key) {
            None => Vec::new(),
            Some(Value::Array(values)) => values,
            Some(single @ (Value::String(_) | Value::Integer(_) | Value::Float(_))) => vec![single],
            Some(other) => {
                self.wrong(key, &other, "a list");
                Vec::new()
            }
        }
    }

    /// A list of numbers; a single number is a list of one.
    pub(crate) fn numbers(&mut self, key: &'static str) -> Vec<f64> {
        let values = self.list(key);
        let numbers: Vec<f64> = values.iter().filter_map(as_number).collect();
        if numbers.len() != values.len() {
            self.problem(format!("{key} must be a list of finite numbers"));
        }
        numbers
    }

    /// A list of whole numbers in a range; a single one is a list of one.
    pub(crate) fn ints<T: TryFrom<i64>>(&mut self, key: &'static str, allowed: RangeInclusive<i64>) -> Vec<T> {
        let values = self.list(key);
        let ints: Vec<T> = values
            .iter()
            .filter_map(|value| value.as_integer().filter(|n| allowed.contains(n)).and_then(|n| T::try_from(n).ok()))
            .collect();
        if ints.len() != values.len() {
            self.problem(format!(
                "{key} must be a list of whole numbers from {} to {}",
                allowed.start(),
                allowed.end()
            ));
        }
        ints
    }

    /// A list of texts; a single text is a list of one.
    pub(crate) fn texts(&mut self, key: &'static str) -> Vec<String> {
        let values = self.list(key);
        let texts: Vec<String> = values.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect();
        if texts.len() != values.len() {
            self.problem(format!("{key} must be a list of texts"));
        }
        texts
    }

    /// A pair `[low, high]` with low below high.
    pub(crate) fn range_opt(&mut self, key: &'static str) -> Option<(f64, f64)> {
        if !self.has(key) {
            return self.asks(key);
        }
        match self.numbers(key)[..] {
            [low, high] if low < high => Some((low, high)),
            _ => {
                self.problem(format!("{key} must be [low, high] with low below high"));
                None
            }
        }
    }

    pub(crate) fn table_opt(&mut self, key: &'static str) -> Option<Table<'p>> {
        let value = self.take(key)?;
        let Value::Table(table) = value else {
            self.wrong(key, &value, "a table");
            return None;
        };
        Some(Table::new(format!("{}: {key}", self.place), table, self.problems))
    }

    pub(crate) fn table(&mut self, key: &'static str) -> Option<Table<'p>> {
        let there = self.has(key);
        let value = self.table_opt(key);
        self.required(key, value, there)
    }

    /// An array of tables, each named by its index and, where it has one, its id. A single table
    /// is a list of one.
    pub(crate) fn tables(&mut self, key: &'static str) -> Vec<Table<'p>> {
        let values = match self.take(key) {
            None => return Vec::new(),
            Some(Value::Array(values)) => values,
            Some(single @ Value::Table(_)) => vec![single],
            Some(other) => {
                self.wrong(key, &other, "a list of tables");
                return Vec::new();
            }
        };
        let mut tables = Vec::with_capacity(values.len());
        for (index, value) in values.into_iter().enumerate() {
            let Value::Table(table) = value else {
                self.wrong(&format!("{key}[{index}]"), &value, "a table");
                continue;
            };
            let id = table.get("id").or_else(|| table.get("quantity")).and_then(Value::as_str);
            let id = id.map(|id| format!(" {id:?}")).unwrap_or_default();
            tables.push(Table::new(format!("{}: {key}[{index}]{id}", self.place), table, self.problems));
        }
        tables
    }

    /// A name in both languages, required.
    pub(crate) fn names(&mut self, key: &'static str) -> Names {
        let Some(mut table) = self.table(key) else { return Names::default() };
        let names = Names { zh: table.text("zh").unwrap_or_default(), en: table.text("en").unwrap_or_default() };
        table.finish();
        names
    }

    /// A name in both languages, where given.
    pub(crate) fn names_opt(&mut self, key: &'static str) -> Option<Names> {
        if self.has(key) {
            return Some(self.names(key));
        }
        self.asks(key)
    }

    /// Refuses the keys nobody asked for.
    pub(crate) fn finish(self) {
        for key in self.left.keys() {
            self.problem(format!("unknown key {key:?}{}", did_you_mean(key, self.asked.iter().copied())));
        }
    }
}
