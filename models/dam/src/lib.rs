//! Tailings-dam warning model: what a reading means for a dam, as pure functions of readings and time.
//!
//! Invariants: no clock, no I/O, no randomness, no map whose order changes between runs, so replaying
//! a journal gives the same decisions. Bad data neither raises nor clears a level, and silence is never
//! shown as safe. Every change of level names the value, the limit and the step that tipped it.
//! Deliberately absent: how a value is measured and trusted (`gateway/src/qualify`), what people do
//! about a level (alarms and cases), and any storage.
//!
//! # Architecture
//!
//! Each arrow is a pure function; a module knows only those to its left.
//!
//! ```text
//! moment ─▶ threshold    one point: sample ─▶ level, by limits and by rate of change
//!           derived      several points ─▶ one quantity, with `calibration` records and `standard` defaults
//!           validate     is this number a measurement?
//!           forecast     one quantity over days ─▶ onset, failure time with interval or typed abstention
//!           hst, heads   level and rain ─▶ what a head should be; `ahead`: the days to come
//!           levels       levels of points ─▶ item ─▶ pond (GB 39496-2020 5.5.4)
//! dam_file ─▶ model      all of these for one dam, sample by sample; `Late` for samples out of order
//!             proof      the tree behind a level
//! ```

pub mod ahead;
pub mod calibration;
pub mod dam_file;
pub mod derived;
pub mod forecast;
pub mod heads;
pub mod hst;
pub mod levels;
pub mod model;
mod moment;
pub mod proof;
pub mod series;
pub mod standard;
pub mod threshold;
pub mod validate;

pub use moment::Moment;
