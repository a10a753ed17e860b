//! JSON Lines, and JSON documents with a list of records.

use super::rows::{DOCUMENT_BYTES_MAX, FIELDS_MAX, RECORD_BYTES_MAX, Row};
use crate::bytes::{Line, Lines};
use crate::problem::{Fault, Place, Problem, shown};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::BufRead;

/// Reads objects.
pub enum JsonRows<R> {
    /// One object a line.
    Lines(Lines<R>, u64),
    /// A document not yet read, and where its records stand.
    Document(Option<R>, String),
    /// Records of a document, in turn.
    List(std::vec::IntoIter<Value>, u64),
    /// Over.
    Done,
}

impl<R: BufRead> JsonRows<R> {
    pub(super) fn lines(input: R) -> JsonRows<R> {
        JsonRows::Lines(Lines::new(input, RECORD_BYTES_MAX), 0)
    }

    pub(super) fn document(input: R, records: &str) -> JsonRows<R> {
        JsonRows::Document(Some(input), records.to_owned())
    }

    fn line(lines: &mut Lines<R>, number: &mut u64) -> Option<Result<Row, Problem>> {
        loop {
            let line = lines.number() + 1;
            match lines.read() {
                Ok(None) => return None,
                Ok(Some(Line::TooLong)) => {
                    let why = format!("longer than {RECORD_BYTES_MAX} bytes");
                    return Some(Err(Problem::record(Place::line(line), Fault::Limit, why)));
                }
                Ok(Some(Line::Whole(bytes))) if bytes.iter().all(u8::is_ascii_whitespace) => {}
                Ok(Some(Line::Whole(bytes))) => {
                    *number += 1;
                    return Some(parsed(bytes, line).and_then(|value| row(&value, line, *number)));
                }
                Err(error) => {
                    let why = format!("cannot be read: {error}");
                    return Some(Err(Problem::document(Place::line(line), Fault::Syntax, why)));
                }
            }
        }
    }
}

/// A JSON value; bytes that are no UTF-8 and a document that ends early are told apart.
fn parsed(bytes: &[u8], line: u64) -> Result<Value, Problem> {
    let raw = || String::from_utf8_lossy(bytes).chars().take(16_384).collect::<String>();
    if std::str::from_utf8(bytes).is_err() {
        return Err(Problem::record(Place::line(line), Fault::Encoding, "bytes that are no UTF-8").with_raw(raw()));
    }
    serde_json::from_slice(bytes).map_err(|error| {
        Problem::record(Place::line(line), Fault::Syntax, format!("not JSON: {error}")).with_raw(raw())
    })
}

/// Reads a whole document and finds its records.
fn records(mut input: impl BufRead, pointer: &str) -> Result<Vec<Value>, Problem> {
    let mut bytes = Vec::new();
    let limit = DOCUMENT_BYTES_MAX as u64 + 1;
    let read = std::io::Read::read_to_end(&mut std::io::Read::take(&mut input, limit), &mut bytes);
    read.map_err(|error| Problem::document(Place::default(), Fault::Syntax, format!("cannot be read: {error}")))?;
    if bytes.len() > DOCUMENT_BYTES_MAX {
        let why = format!("a JSON document longer than {DOCUMENT_BYTES_MAX} bytes; send JSON Lines");
        return Err(Problem::document(Place::default(), Fault::Limit, why));
    }
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| Problem::document(Place::default(), Fault::Encoding, "bytes that are no UTF-8"))?;
    let mut value: Value = serde_json::from_str(text).map_err(|error| {
        Problem::document(Place::line(error.line() as u64), Fault::Syntax, format!("not JSON: {error}"))
    })?;
    let missing = || Problem::document(Place::at(0, pointer), Fault::Missing, "no list of records there");
    match value.pointer_mut(pointer).map(Value::take) {
        Some(Value::Array(list)) => Ok(list),
        Some(object @ Value::Object(_)) => Ok(vec![object]),
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) | None => Err(missing()),
    }
}

fn row(value: &Value, line: u64, number: u64) -> Result<Row, Problem> {
    let mut row = Row { line, number, fields: BTreeMap::new() };
    if !value.is_object() {
        let why = format!("not an object: {}", shown(&value.to_string()));
        return Err(Problem::record(Place::line(line), Fault::Syntax, why).with_raw(value.to_string()));
    }
    flatten(value, String::new(), &mut row.fields);
    if row.fields.len() >= FIELDS_MAX {
        let why = format!("more than {FIELDS_MAX} fields");
        return Err(Problem::record(Place::line(line), Fault::Limit, why));
    }
    Ok(row)
}

/// Names joined by dots; lists of plain values are one text, others are numbered.
fn flatten(value: &Value, name: String, fields: &mut BTreeMap<String, String>) {
    if fields.len() >= FIELDS_MAX {
        return;
    }
    let below = |key: &str| if name.is_empty() { key.to_owned() } else { [name.as_str(), key].join(".") };
    match value {
        Value::Null => {}
        Value::Bool(flag) => drop(fields.insert(name, flag.to_string())),
        Value::Number(number) => drop(fields.insert(name, number.to_string())),
        Value::String(text) => drop(fields.insert(name, text.trim().to_owned())),
        Value::Object(members) => members.iter().for_each(|(key, value)| flatten(value, below(key), fields)),
        Value::Array(list) if list.iter().all(|v| v.is_string() || v.is_number()) => {
            let texts: Vec<String> =
                list.iter().map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).collect();
            fields.insert(name, texts.join("|"));
        }
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(at, value)| flatten(value, below(&at.to_string()), fields));
        }
    }
}

impl<R: BufRead> Iterator for JsonRows<R> {
    type Item = Result<Row, Problem>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self {
                JsonRows::Lines(lines, number) => {
                    let item = JsonRows::line(lines, number);
                    let over =
                        item.as_ref().is_none_or(|i| i.as_ref().is_err_and(|p| p.gravity == crate::Gravity::Document));
                    if over {
                        *self = JsonRows::Done;
                    }
                    return item;
                }
                JsonRows::Document(input, pointer) => match input.take().map(|input| records(input, pointer)) {
                    Some(Ok(list)) => *self = JsonRows::List(list.into_iter(), 0),
                    Some(Err(problem)) => {
                        *self = JsonRows::Done;
                        return Some(Err(problem));
                    }
                    None => *self = JsonRows::Done,
                },
                JsonRows::List(list, number) => {
                    let value = list.next()?;
                    *number += 1;
                    let number = *number;
                    return Some(
                        row(&value, 0, number)
                            .map_err(|problem| Problem { place: Place::at(0, format!("record {number}")), ..problem }),
                    );
                }
                JsonRows::Done => return None,
            }
        }
    }
}
