//! Readers of what business systems export: bank statements and payments (ISO 20022, SWIFT MT),
//! procurement releases (OCDS), and tables of any source through a mapping file.
//!
//! Each reader is an iterator over [`Item`]s or rows that holds one element of the document at a
//! time. Invariant: whatever the bytes, a reader ends, never panics, holds a bounded piece of the
//! document, and says of everything it could not read where, what and why ([`Problem`]). A value
//! that is doubtful is kept with a mark; a record that cannot be read is refused and the next one
//! is read; only a document whose structure is broken is refused as a whole.
//!
//! Deliberately absent: files, sockets, clocks and the store (`aggregator/src/feeds`), and what a
//! fact means (`models/risk`).

pub mod bytes;
pub mod camt;
pub mod facts;
pub mod generic;
pub mod mt940;
pub mod number;
pub mod ocds;
pub mod problem;
pub mod reader;
pub mod sniff;
pub mod statement;
pub mod when;
mod xml;

pub use problem::{Fault, Gravity, Place, Problem};
pub use statement::Item;
