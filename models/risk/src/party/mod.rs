//! Who a party is: the unified social credit code, and names where the code is missing.
//!
//! Invariant: a wrong code is told and never a reason to drop a record; a match by name is a
//! candidate with its reasons, which a person confirms. Deliberately absent: a register of parties.

mod name;
mod uscc;

pub use name::{Candidate, NAMES_MAX, Reason, candidates, compare, normal};
pub use uscc::{Check, Uscc, check};
