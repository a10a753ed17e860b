//! The group's risk brain at headquarters: business facts in, warnings on the spine of alarms and
//! cases out.
//!
//! Invariant: a fact is stored in the transaction of whoever brings it; the same fact brought again
//! changes nothing. Deliberately absent: reading of files and connectors (`feeds`), and every decision
//! (`models/risk`).

mod facts;

pub use facts::{Taken, take};
