//! The element dictionary: which fields a kind of fact has, what they mean, who answers for them.
//!
//! Invariant: a fact that does not fit is described, field by field, and never silently dropped or
//! repaired. Deliberately absent: the mapping from a source's own fields (`models/feed`).

mod check;
mod kinds;
#[cfg(test)]
mod tests;

pub use check::{Fault, Problem};
pub use kinds::{KindAbout, kind_about};

use crate::fact::{ElementId, FactKind, ValueType};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The dictionary that is shipped, one file per field of business.
pub const SHIPPED: [(&str, &str); 5] = [
    ("common.csv", include_str!("../../dictionary/common.csv")),
    ("procurement.csv", include_str!("../../dictionary/procurement.csv")),
    ("credit.csv", include_str!("../../dictionary/credit.csv")),
    ("treasury.csv", include_str!("../../dictionary/treasury.csv")),
    ("legal.csv", include_str!("../../dictionary/legal.csv")),
];

/// One element.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Element {
    /// The kind of fact it belongs to.
    pub kind: FactKind,
    /// Its name within the kind.
    pub id: ElementId,
    /// Type of its values.
    #[serde(rename = "type")]
    pub value_type: ValueType,
    /// A fact without it is incomplete.
    pub required: bool,
    /// Chinese name.
    pub name_zh: String,
    /// English name.
    pub name_en: String,
    /// What it means.
    pub definition: String,
    /// The department that answers for it.
    pub owner: String,
    /// Unit, empty where there is none.
    pub unit: String,
    /// Basis of calculation (口径).
    pub caliber: String,
}

/// All elements by kind.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dictionary {
    kinds: BTreeMap<FactKind, BTreeMap<ElementId, Element>>,
}

impl Dictionary {
    /// The shipped dictionary.
    ///
    /// # Panics
    /// Never: a test reads the shipped files.
    pub fn shipped() -> Dictionary {
        let (dictionary, faults) = Dictionary::read(SHIPPED);
        debug_assert!(faults.is_empty(), "shipped dictionary: {faults:?}");
        dictionary
    }

    /// Reads CSV files `(name, text)` with the columns of [`Element`]; what is wrong is listed with file
    /// and line, the rest is taken. A later file may define an element again.
    pub fn read<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> (Dictionary, Vec<Fault>) {
        let (mut dictionary, mut faults) = (Dictionary::default(), Vec::new());
        for (name, text) in files {
            let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
            let columns = reader.headers().cloned().unwrap_or_default();
            let mut row = csv::StringRecord::new();
            loop {
                let line = reader.position().line();
                match reader.read_record(&mut row) {
                    Ok(false) => break,
                    Ok(true) => match row.deserialize::<Element>(Some(&columns)) {
                        Ok(element) => dictionary.insert(element),
                        Err(error) => faults.push(Fault { file: name.to_owned(), line, why: error.to_string() }),
                    },
                    Err(error) => faults.push(Fault { file: name.to_owned(), line, why: error.to_string() }),
                }
            }
        }
        (dictionary, faults)
    }

    fn insert(&mut self, element: Element) {
        self.kinds.entry(element.kind.clone()).or_default().insert(element.id.clone(), element);
    }

    /// An element.
    pub fn element(&self, kind: &str, id: &str) -> Option<&Element> {
        self.kinds.get(kind)?.get(id)
    }

    /// Elements of a kind; none for a kind that is not known.
    pub fn elements(&self, kind: &str) -> impl Iterator<Item = &Element> {
        self.kinds.get(kind).into_iter().flat_map(BTreeMap::values)
    }

    /// Every kind.
    pub fn kinds(&self) -> impl Iterator<Item = &FactKind> {
        self.kinds.keys()
    }

    /// The elements as CSV, the form [`Dictionary::read`] takes.
    pub fn to_csv(&self) -> String {
        let mut out = csv::Writer::from_writer(Vec::new());
        for element in self.kinds.values().flat_map(BTreeMap::values) {
            // Writing to memory does not fail.
            let _ = out.serialize(element);
        }
        out.into_inner().ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
    }
}
