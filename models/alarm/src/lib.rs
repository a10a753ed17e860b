//! What operators and time do to an alarm, and the closed loop (隐患闭环) over alarms.
//!
//! Invariants: no clock, no I/O; every state machine is one pure `step` over enums in which every
//! pair of state and event is named; what the site and headquarters did while cut off from each other
//! merges without order (`docs/decisions/0017`). Clearing an alarm does not close its case, closing a
//! case does not clear an alarm (design promise 8). Deliberately absent: when a level rises
//! (`models/dam`), storage, people's rights, and how anybody is called.

mod action;
mod alarm;
#[cfg(test)]
mod alarm_tests;
mod axes;
mod case;
mod case_state;
#[cfg(test)]
mod case_tests;
mod group;
pub mod kpi;
mod wire;

pub use action::{Action, Held, Intent, Origin, Register, TEXT_MAX};
pub use alarm::{Acked, Alarm, Condition, Effect, Event, Handling, Refused, Settings, View};
pub use axes::{Isa, Operator, Process, Suppression, isa};
pub use case::{CALLS_MAX, Case, CaseRefused};
pub use case_state::{CaseEvent, CaseState, Policy, What};
pub use group::{Field, dedupe_key, field, inhibited_by_link};
