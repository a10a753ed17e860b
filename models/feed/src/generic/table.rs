//! CSV and TSV: names in the first row.

use super::rows::{FIELDS_MAX, RECORD_BYTES_MAX, Row};
use crate::bytes::{Metered, is_spent};
use crate::problem::{Fault, Place, Problem, shown};
use std::collections::BTreeMap;
use std::io::BufRead;

/// Reads a table.
pub struct TableRows<R> {
    reader: csv::Reader<Metered<R>>,
    names: Option<Vec<String>>,
    record: csv::ByteRecord,
    skip: u64,
    number: u64,
    done: bool,
}

impl<R: BufRead> TableRows<R> {
    pub(super) fn new(input: R, delimiter: u8, skip: u64) -> TableRows<R> {
        let reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .has_headers(false)
            // A carriage return before it is trimmed with the value; so lines are counted right.
            .terminator(csv::Terminator::Any(b'\n'))
            .flexible(true)
            .buffer_capacity(32 << 10)
            .from_reader(Metered::new(input, RECORD_BYTES_MAX));
        TableRows { reader, names: None, record: csv::ByteRecord::new(), skip, number: 0, done: false }
    }

    /// The next record; `false` at the end.
    fn read(&mut self) -> Result<bool, Problem> {
        self.reader.get_mut().renew();
        let line = self.reader.position().line();
        match self.reader.read_byte_record(&mut self.record) {
            Ok(more) => Ok(more),
            Err(error) => {
                let spent = matches!(error.kind(), csv::ErrorKind::Io(io) if is_spent(io));
                let (fault, why) = match spent {
                    true => (Fault::Limit, format!("a record longer than {RECORD_BYTES_MAX} bytes")),
                    false => (Fault::Syntax, format!("cannot be read: {error}")),
                };
                Err(Problem::document(Place::line(line), fault, why))
            }
        }
    }

    /// The row of names. Names that stand twice would hide a value.
    fn names(&mut self) -> Result<Option<Vec<String>>, Problem> {
        for _ in 0..=self.skip {
            if !self.read()? {
                return Ok(None);
            }
        }
        let line = self.record.position().map_or(1, csv::Position::line);
        let names: Vec<String> =
            self.record.iter().map(|name| String::from_utf8_lossy(name).trim().to_owned()).collect();
        if names.iter().any(|name| name.contains('\u{fffd}')) {
            let why = "the row of names holds bytes that are no text of the encoding; set encoding in the mapping";
            return Err(Problem::document(Place::line(line), Fault::Encoding, why));
        }
        if names.len() > FIELDS_MAX {
            return Err(Problem::document(Place::line(line), Fault::Limit, format!("more than {FIELDS_MAX} columns")));
        }
        let twice = names.iter().enumerate().find(|(at, name)| !name.is_empty() && names[..*at].contains(name));
        match twice {
            Some((_, name)) => {
                let why = format!("the column {} stands twice", shown(name));
                Err(Problem::document(Place::line(line), Fault::Contradiction, why))
            }
            None => Ok(Some(names)),
        }
    }

    fn row(&mut self, names: &[String]) -> Result<Row, Problem> {
        let line = self.record.position().map_or(0, csv::Position::line);
        let mut fields = BTreeMap::new();
        for (name, value) in names.iter().zip(self.record.iter()) {
            let text = String::from_utf8_lossy(value);
            if text.contains('\u{fffd}') {
                let raw: String = self.record.iter().map(String::from_utf8_lossy).collect::<Vec<_>>().join(",");
                let why = "bytes that are no text of the encoding";
                return Err(Problem::record(Place::at(line, name.as_str()), Fault::Encoding, why).with_raw(raw));
            }
            fields.insert(name.clone(), text.trim().to_owned());
        }
        if self.record.len() != names.len() {
            let raw = Row { line, number: self.number, fields }.raw();
            let why = format!("{} values under {} names", self.record.len(), names.len());
            return Err(Problem::record(Place::line(line), Fault::Syntax, why).with_raw(raw));
        }
        Ok(Row { line, number: self.number, fields })
    }

    fn step(&mut self) -> Result<Option<Result<Row, Problem>>, Problem> {
        let names = match self.names.take() {
            Some(names) => names,
            None => match self.names()? {
                Some(names) => names,
                None => return Err(Problem::document(Place::line(1), Fault::Missing, "no row of names")),
            },
        };
        loop {
            if !self.read()? {
                return Ok(None);
            }
            if self.record.iter().all(|value| value.iter().all(u8::is_ascii_whitespace)) {
                continue;
            }
            self.number += 1;
            let row = self.row(&names);
            self.names = Some(names);
            return Ok(Some(row));
        }
    }
}

impl<R: BufRead> Iterator for TableRows<R> {
    type Item = Result<Row, Problem>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        match self.step() {
            Ok(Some(row)) => Some(row),
            Ok(None) => {
                self.done = true;
                None
            }
            Err(problem) => {
                self.done = true;
                Some(Err(problem))
            }
        }
    }
}
