//! Control models: rules as data, over a small typed expression language, judged one fact at a time.
//!
//! A rule is a TOML file ([`RuleFile`]): whom it judges, the conditions of each level, parameters,
//! actions, and test cases. Conditions are compiled to slots; what was not said is unknown, and neither
//! a warning nor all-clear. `docs/rules.md` describes the language.
//!
//! Invariant: a released version is never edited, and every warning names its version and its reasons.
//! Deliberately absent: clocks, storage, and how a warning is handled.

mod aggregate;
mod backtest;
mod cases;
mod cell;
mod compile;
mod depend;
mod derive;
mod engine;
mod eval;
mod expression;
mod file;
mod join;
mod kept;
mod node;
#[cfg(test)]
mod order_tests;
mod population;
mod shipped;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod trace;

pub use backtest::{Alarmed, Backtest, Labels, Score};
pub use cases::{CaseResult, facts_of, run_cases};
pub(crate) use cell::civil as civil_of;
pub use cell::{Cell, Sym};
pub use compile::{Rule, compile, compile_all};
pub use engine::{Change, Engine, Verdict};
pub use file::{Case, CaseKind, Expect, Fault, Param, RuleFile};
pub use shipped::SHIPPED;
pub use table::World;
pub use trace::{Evidence, Trace, Warning};
