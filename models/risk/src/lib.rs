//! Business risk: what can be found in procurement, credit, treasury and legal facts.
//!
//! Invariant: the same facts in the same order give the same answer; a missing fact is never taken
//! for a harmless one. Deliberately absent: files, sockets, clocks, the store, and how a warning
//! is handled (`models/alarm`).

pub mod dictionary;
pub mod fact;
pub mod graph;
pub mod indicator;
pub mod party;
pub mod procurement;
pub mod rule;
