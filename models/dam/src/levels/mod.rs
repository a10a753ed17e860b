//! From points to items to the pond: limits by the designer with the standard's defaults, and the
//! upgrade rule of GB 39496-2020 5.5.4.
//!
//! Invariant: a worse level of any point never gives a lower level of its item or the pond.
//! Deliberately absent: time and samples (`model`), and the tree that explains a level (`proof`).

mod escalate;
mod rule;

pub use escalate::{Counts, Outcome, Upgrade, escalate};
pub use rule::{Limit, RunnableRule, limits, runnable};
