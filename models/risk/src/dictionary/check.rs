//! Whether a fact fits the dictionary.

use super::Dictionary;
use crate::fact::Fact;
use serde::Serialize;
use std::fmt;

/// A line of a dictionary file that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// File.
    pub file: String,
    /// Line, from 1.
    pub line: u64,
    /// Why.
    pub why: String,
}

/// What of a fact does not fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "problem")]
pub enum Problem {
    /// The dictionary does not know the kind.
    UnknownKind {
        /// The kind.
        kind: String,
    },
    /// The kind has no such element.
    UnknownElement {
        /// The element.
        element: String,
    },
    /// A required element is missing.
    Missing {
        /// The element.
        element: String,
    },
    /// A value of another type.
    WrongType {
        /// The element.
        element: String,
        /// What the dictionary wants.
        wanted: &'static str,
        /// What was said.
        found: &'static str,
    },
    /// The key is empty or longer than [`Fact::KEY_BYTES_MAX`].
    Key {
        /// Its length in bytes.
        bytes: usize,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::UnknownKind { kind } => write!(f, "the dictionary has no kind {kind}"),
            Problem::UnknownElement { element } => write!(f, "{element}: no such element of this kind"),
            Problem::Missing { element } => write!(f, "{element}: required and missing"),
            Problem::WrongType { element, wanted, found } => write!(f, "{element}: {wanted} wanted, {found} found"),
            Problem::Key { bytes } => write!(f, "the key has {bytes} bytes; 1 to {} are allowed", Fact::KEY_BYTES_MAX),
        }
    }
}

impl Dictionary {
    /// Everything of a fact that does not fit; an empty list means that it does.
    pub fn validate(&self, fact: &Fact) -> Vec<Problem> {
        let mut problems = Vec::new();
        if fact.key.is_empty() || fact.key.len() > Fact::KEY_BYTES_MAX {
            problems.push(Problem::Key { bytes: fact.key.len() });
        }
        if !self.kinds.contains_key(&fact.kind) {
            problems.push(Problem::UnknownKind { kind: fact.kind.to_string() });
            return problems;
        }
        for (id, value) in &fact.fields {
            match self.element(fact.kind.as_str(), id.as_str()) {
                None => problems.push(Problem::UnknownElement { element: id.to_string() }),
                Some(element) if element.value_type != value.value_type() => problems.push(Problem::WrongType {
                    element: id.to_string(),
                    wanted: element.value_type.name(),
                    found: value.value_type().name(),
                }),
                Some(_) => {}
            }
        }
        let missing = self.elements(fact.kind.as_str()).filter(|e| e.required && !fact.fields.contains_key(&e.id));
        problems.extend(missing.map(|element| Problem::Missing { element: element.id.to_string() }));
        problems
    }
}
