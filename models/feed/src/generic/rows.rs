//! Rows out of every layout.

use super::json::JsonRows;
use super::mapping::{Layout, Mapping};
use super::table::TableRows;
use crate::bytes::{Decoded, Encoding};
use crate::problem::{Fault, Problem, shown};
use crate::xml::Xml;
use std::collections::BTreeMap;
use std::io::BufRead;

/// Fields of one record.
pub(super) const FIELDS_MAX: usize = 2_000;
/// Longest record, bytes.
pub(super) const RECORD_BYTES_MAX: usize = 4 << 20;
/// Largest JSON document that is not lines, bytes: it is held as a whole.
pub(super) const DOCUMENT_BYTES_MAX: usize = 64 << 20;

/// A record of the source: texts by name. Nested names are joined by dots.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Row {
    /// Line it begins in.
    pub line: u64,
    /// Which record of the document, from 1.
    pub number: u64,
    /// Texts by name.
    pub fields: BTreeMap<String, String>,
}

impl Row {
    /// The row as JSON, cut, for the quarantine.
    pub fn raw(&self) -> String {
        serde_json::to_string(&self.fields).unwrap_or_default().chars().take(16_384).collect()
    }
}

/// Reads rows.
pub enum Rows<R> {
    /// CSV, TSV.
    Table(Box<TableRows<Decoded<R>>>),
    /// JSON, JSON Lines.
    Json(Box<JsonRows<Decoded<R>>>),
    /// XML.
    Xml(Box<XmlRows<R>>),
}

impl<R: BufRead> Rows<R> {
    pub(super) fn new(input: R, mapping: &Mapping) -> Rows<R> {
        let decoded = |input| Decoded::new(input, mapping.encoding);
        match mapping.layout {
            Layout::Csv | Layout::Tsv => {
                Rows::Table(Box::new(TableRows::new(decoded(input), mapping.delimiter, mapping.skip_lines)))
            }
            Layout::Json => Rows::Json(Box::new(JsonRows::document(decoded(input), &mapping.records))),
            Layout::Jsonl => Rows::Json(Box::new(JsonRows::lines(decoded(input)))),
            Layout::Xml => Rows::Xml(Box::new(XmlRows::new(input, mapping.encoding, &mapping.records))),
        }
    }
}

impl<R: BufRead> Iterator for Rows<R> {
    type Item = Result<Row, Problem>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Rows::Table(rows) => rows.next(),
            Rows::Json(rows) => rows.next(),
            Rows::Xml(rows) => rows.next(),
        }
    }
}

/// Records of an XML document: the elements a path names.
pub struct XmlRows<R> {
    xml: Xml<R>,
    path: Vec<String>,
    /// How many elements of the path are open.
    level: usize,
    number: u64,
    done: bool,
}

impl<R: BufRead> XmlRows<R> {
    fn new(input: R, encoding: Encoding, records: &str) -> XmlRows<R> {
        let path = records.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        XmlRows { xml: Xml::new(input, encoding), path, level: 0, number: 0, done: false }
    }

    fn step(&mut self) -> Result<Option<Row>, Problem> {
        loop {
            if !self.xml.open()? {
                if self.level == 0 {
                    return self.end();
                }
                self.level -= 1;
                continue;
            }
            let fits = self.path.get(self.level).is_none_or(|name| name == self.xml.name() || name == "*");
            if !fits {
                self.xml.skip()?;
            } else if self.level + 1 < self.path.len().max(1) {
                self.level += 1;
            } else {
                return self.record().map(Some);
            }
        }
    }

    fn end(&mut self) -> Result<Option<Row>, Problem> {
        if self.number == 0 {
            let why = format!("no element {} in the document", shown(&self.path.join("/")));
            return Err(Problem::document(self.xml.place(), Fault::Missing, why));
        }
        Ok(None)
    }

    fn record(&mut self) -> Result<Row, Problem> {
        self.number += 1;
        let mut row = Row { line: self.xml.line(), number: self.number, fields: BTreeMap::new() };
        let mut bytes = 0;
        let attributes = self.xml.attributes().to_owned();
        self.children(&mut row, "", &attributes, &mut bytes)?;
        Ok(row)
    }

    /// The children of the open element, as names joined by dots; attributes as `name@attribute`.
    fn children(&mut self, row: &mut Row, prefix: &str, attributes: &str, bytes: &mut usize) -> Result<(), Problem> {
        for (name, value) in attribute_pairs(attributes) {
            self.put(row, format!("{prefix}@{name}"), value, bytes)?;
        }
        let mut text = String::new();
        let mut any = false;
        while self.xml.open_or_text(&mut text)? {
            any = true;
            let name = if prefix.is_empty() { self.xml.name().to_owned() } else { [prefix, self.xml.name()].join(".") };
            let attributes = self.xml.attributes().to_owned();
            self.children(row, &name, &attributes, bytes)?;
        }
        let text = text.trim();
        if !prefix.is_empty() && (!any || !text.is_empty()) {
            self.put(row, prefix.to_owned(), text, bytes)?;
        }
        Ok(())
    }

    fn put(&self, row: &mut Row, name: String, value: &str, bytes: &mut usize) -> Result<(), Problem> {
        *bytes += name.len() + value.len();
        if *bytes > RECORD_BYTES_MAX || row.fields.len() >= FIELDS_MAX {
            let why = format!("a record of more than {RECORD_BYTES_MAX} bytes or {FIELDS_MAX} fields");
            return Err(Problem::document(self.xml.place(), Fault::Limit, why));
        }
        // Of an element that stands more than once the texts are a list.
        match row.fields.get_mut(&name) {
            Some(known) => {
                known.push('|');
                known.push_str(value);
            }
            None => {
                row.fields.insert(name, value.to_owned());
            }
        }
        Ok(())
    }
}

fn attribute_pairs(attributes: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = attributes;
    std::iter::from_fn(move || {
        let (key, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let (value, next) = after.get(1..)?.split_once(quote)?;
        rest = next;
        Some((key.trim(), value))
    })
}

impl<R: BufRead> Iterator for XmlRows<R> {
    type Item = Result<Row, Problem>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let step = self.step();
        self.done = !matches!(step, Ok(Some(_)));
        step.transpose()
    }
}
