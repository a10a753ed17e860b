//! The group's risk brain at headquarters: business facts in, warnings on the spine of alarms and
//! cases out.
//!
//! Invariants: a fact is stored in the transaction of whoever brings it, and the same fact brought
//! again changes nothing; what the rules say reaches the store through the one writer, and is said
//! again in full at every start, so nothing is lost between the two. Deliberately absent: reading of
//! files and connectors (`feeds`), and every decision (`models/risk`).

mod brain;
pub mod command;
mod facts;
mod rules;
mod said;

pub use brain::Brain;
pub use facts::{Stored, Taken, take};
pub use rules::{Loaded, load};
pub use said::Said;
