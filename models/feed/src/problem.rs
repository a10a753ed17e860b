//! What is wrong with a document, and where.

use std::fmt;

/// Longest reason or piece of a source shown, in characters.
const SHOWN_MAX: usize = 200;

/// A place in a document.
#[derive(Debug, Clone, PartialEq, Eq, Default, PartialOrd, Ord)]
pub struct Place {
    /// Line, from 1; 0 when there is none.
    pub line: u64,
    /// Path of an element, name of a column, or a tag; empty for the line as a whole.
    pub path: String,
}

impl Place {
    /// A whole line.
    pub fn line(line: u64) -> Place {
        Place { line, path: String::new() }
    }

    /// A part of a line.
    pub fn at(line: u64, path: impl Into<String>) -> Place {
        Place { line, path: path.into() }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.path.is_empty()) {
            (0, true) => f.write_str("document"),
            (0, false) => f.write_str(&self.path),
            (line, true) => write!(f, "line {line}"),
            (line, false) => write!(f, "line {line}, {}", self.path),
        }
    }
}

/// What kind of fault it is; the name stands in the store and in metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// The form of the document is broken there (or it ends too early).
    Syntax,
    /// Bytes that are no text of the encoding.
    Encoding,
    /// Larger, longer or deeper than is read.
    Limit,
    /// A construct that is refused on principle (document type, entity).
    Refused,
    /// A document of a kind that is not read.
    Unsupported,
    /// Something required is not there.
    Missing,
    /// A value that cannot be read, or that cannot be.
    Value,
    /// Something the mapping or the dictionary does not know.
    Unknown,
    /// Two statements that contradict each other.
    Contradiction,
}

impl Fault {
    /// Name in the store, JSON and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Fault::Syntax => "syntax",
            Fault::Encoding => "encoding",
            Fault::Limit => "limit",
            Fault::Refused => "refused",
            Fault::Unsupported => "unsupported",
            Fault::Missing => "missing",
            Fault::Value => "value",
            Fault::Unknown => "unknown",
            Fault::Contradiction => "contradiction",
        }
    }
}

/// How much a problem costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Gravity {
    /// The record is kept, with this mark on its quality.
    Mark,
    /// The record is refused; the rest of the document is read.
    Record,
    /// The document is refused as a whole.
    Document,
}

impl Gravity {
    /// Name in the store and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Gravity::Mark => "mark",
            Gravity::Record => "record",
            Gravity::Document => "document",
        }
    }
}

/// Something that could not be read as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What.
    pub fault: Fault,
    /// Why, in English, with the offending text cut to a few words.
    pub why: String,
    /// What it costs.
    pub gravity: Gravity,
    /// The record as it stood in the source, cut; only for a refused record.
    pub raw: Option<String>,
}

impl Problem {
    /// A mark on a record that is kept.
    pub fn mark(place: Place, fault: Fault, why: impl Into<String>) -> Problem {
        Problem { place, fault, why: why.into(), gravity: Gravity::Mark, raw: None }
    }

    /// A refused record.
    pub fn record(place: Place, fault: Fault, why: impl Into<String>) -> Problem {
        Problem { place, fault, why: why.into(), gravity: Gravity::Record, raw: None }
    }

    /// A refused document.
    pub fn document(place: Place, fault: Fault, why: impl Into<String>) -> Problem {
        Problem { place, fault, why: why.into(), gravity: Gravity::Document, raw: None }
    }

    /// With the source's text.
    pub fn with_raw(self, raw: impl Into<String>) -> Problem {
        Problem { raw: Some(raw.into()), ..self }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({}, {})", self.place, self.why, self.fault.name(), self.gravity.name())
    }
}

/// A text for people: cut, quoted, without control characters.
pub fn shown(text: &str) -> String {
    let cut: String = text.chars().take(SHOWN_MAX).collect();
    let more = if text.chars().nth(SHOWN_MAX).is_some() { "..." } else { "" };
    format!("{cut:?}{more}")
}
