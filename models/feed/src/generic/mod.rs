//! Tables of any source: rows of named texts, made facts by a mapping file.
//!
//! Invariant: one record that cannot be read costs itself and is named with its line; a value the
//! mapping cannot read is never guessed. Deliberately absent: joins between sources.

mod fact;
mod json;
mod mapping;
mod rows;
mod table;
#[cfg(test)]
mod tests;

pub use mapping::{BYTES_MAX, Field, Layout, Mapping};
pub use rows::{Row, Rows};

use crate::facts::{Context, Out};
use std::collections::BTreeSet;
use std::io::BufRead;

/// Fields of the source that no mapping names, at most so many are told.
const UNMAPPED_MAX: usize = 50;

/// Facts of a mapped document.
pub struct Mapped<R> {
    rows: Rows<R>,
    mapping: Mapping,
    context: Context,
    unmapped: BTreeSet<String>,
}

impl<R: BufRead> Mapped<R> {
    /// Reads `input` as the mapping says.
    pub fn new(input: R, mapping: Mapping, context: Context) -> Mapped<R> {
        Mapped { rows: Rows::new(input, &mapping), mapping, context, unmapped: BTreeSet::new() }
    }

    /// Fields the source has and the mapping does not name, so far.
    pub fn unmapped(&self) -> impl Iterator<Item = &str> {
        self.unmapped.iter().map(String::as_str)
    }

    fn note_unmapped(&mut self, row: &Row) {
        if self.unmapped.len() >= UNMAPPED_MAX {
            return;
        }
        for name in row.fields.keys() {
            let named = self
                .mapping
                .fields
                .iter()
                .any(|field| field.from.contains(name) || field.currency_from.as_ref() == Some(name));
            if !named && self.mapping.org_from.as_ref() != Some(name) && !self.unmapped.contains(name) {
                self.unmapped.insert(name.clone());
            }
        }
    }
}

impl<R: BufRead> Iterator for Mapped<R> {
    type Item = Out;

    fn next(&mut self) -> Option<Out> {
        match self.rows.next()? {
            Ok(row) => {
                self.note_unmapped(&row);
                Some(fact::of(&row, &self.mapping, &self.context))
            }
            Err(problem) => Some(Out::Problem(problem)),
        }
    }
}
