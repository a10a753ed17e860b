//! The group's risk brain at headquarters: business facts in, warnings on the spine of alarms and
//! cases out.
//!
//! Invariants: a fact is stored in the transaction of whoever brings it, and the same fact brought
//! again changes nothing; what the rules say reaches the store through the one writer, and is said
//! again in full at every start, so nothing is lost between the two. Deliberately absent: reading of
//! files and connectors (`feeds`), and every decision (`models/risk`).

use minewatch_risk::dictionary::Dictionary;
use std::sync::LazyLock;

mod brain;
pub mod command;
mod facts;
mod library;
mod reading;
mod rules;
mod said;

pub use brain::Brain;
pub use brain::Judges;
pub use facts::{Stored, Taken, take};
pub use library::StoredRule;
pub(crate) use library::in_force;
pub use rules::{Loaded, load};
pub use said::Said;

/// The element dictionary, read once.
pub(crate) fn dictionary() -> &'static Dictionary {
    static SHIPPED: LazyLock<Dictionary> = LazyLock::new(Dictionary::shipped);
    &SHIPPED
}
