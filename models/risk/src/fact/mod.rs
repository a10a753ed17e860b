//! The fact: one thing a business source says happened or holds, with the time it was true, the time
//! it became known, and where it came from.
//!
//! Invariants: money and numbers are exact decimals; a field that was not said is absent, never a
//! zero; of the statements with one `(kind, key)` the one known last is in force. Deliberately
//! absent: how a fact is read from a file (`models/feed`), and what a kind's fields mean
//! (`dictionary`).

mod ids;
mod plain;
mod value;

pub use ids::{ElementId, FactKind, NameError};
pub use plain::{PlainError, from_plain, to_plain};
pub use value::{Money, Value, ValueError, ValueType};

use minewatch_domain::OrgPath;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// Where a fact was read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Lineage {
    /// The connector or feed, for example `sap-contracts`.
    pub source: String,
    /// The document within the source: a file name, a message id, a table.
    pub document: String,
    /// The place within the document: a line, an element path, a row key.
    pub locator: String,
    /// SHA-256 of the document's bytes, hexadecimal; empty when there is no document.
    pub sha256: String,
}

/// One statement of a source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// What it is about.
    pub kind: FactKind,
    /// Identity within the kind: the same key said again is a correction.
    pub key: String,
    /// The unit of the organisation that answers for it.
    pub org: OrgPath,
    /// When it happened or began to hold, microseconds since 1970 UTC.
    pub event_at_us: i64,
    /// When we learned it, microseconds since 1970 UTC.
    pub known_at_us: i64,
    /// What it says, by element.
    pub fields: BTreeMap<ElementId, Value>,
    /// Where it was read.
    pub lineage: Lineage,
}

impl Fact {
    /// Longest key, bytes: it stands in an index of the store.
    pub const KEY_BYTES_MAX: usize = 200;

    /// A field, if it was said.
    pub fn field(&self, element: &str) -> Option<&Value> {
        self.fields.get(element)
    }

    /// Which of two statements with the same kind and key is in force: the one known last; of two
    /// learned in the same instant the later event, then the larger content, so that the order of
    /// arrival decides nothing.
    pub fn precedence(&self, other: &Fact) -> Ordering {
        let times = |fact: &Fact| (fact.known_at_us, fact.event_at_us);
        times(self).cmp(&times(other)).then_with(|| {
            let text = |fact: &Fact| format!("{:?}{:?}{}", fact.fields, fact.lineage, fact.org);
            text(self).cmp(&text(other))
        })
    }
}
