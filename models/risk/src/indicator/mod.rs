//! The data-asset catalogue: 1,400 indicators made of measures and ratios of facts, each in the forms
//! people ask for (month, year to date, growth, against plan …), and their values.
//!
//! Invariants: a value is a function of the facts in force, whatever the order they came in; no data
//! is no value, never zero; every value can be followed down to the records it is made of.
//! Deliberately absent: storage, and the screens.

mod catalogue;
mod exchange;
#[cfg(test)]
mod tests;
mod values;

pub use catalogue::{Catalogue, Form, Indicator, Measure, Of, Ratio};
pub use exchange::sheet_safe;
pub use values::{Month, Status, Touched, Values};
