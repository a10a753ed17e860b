//! One point: from samples to a warning level, by fixed limits and by rate of change.
//!
//! Each warning level has its own latch; the point's level is the worst latch that is on:
//!
//! ```text
//!            met (on_delay > 0)          met, on_delay over
//!   Below ─────────────────────▶ Arming ───────────────────▶ On ◀────────────┐
//!     ▲ ◀───────── clear ──────────┘                         │ clear         │ met or in the
//!     │                                                      ▼               │ hysteresis band
//!     └──────────── clear, proven for off_delay ──────── Clearing ───────────┘
//! ```
//!
//! *Met*: the value is at or past the limit. *Clear*: it is past the limit by more than the
//! hysteresis, on the safe side. Between the two it is *in the band*, which neither starts nor
//! completes anything: an arming latch goes on arming, a clearing latch is on again.
//!
//! Invariants (each is a property test in `state.rs`):
//! - worse input never gives a lower level; one sample may rise several levels at once;
//! - bad data (and so stale data, which is bad) never changes the level. It does not stop the on-delay
//!   clock, so a flickering sensor cannot hide danger, and its time does not count as proof of safety;
//! - an uncertain value may raise a level but is no proof of safety: it clears nothing, cancels no
//!   arming latch, and its time does not count towards `off_delay_ms`;
//! - an oscillation smaller than the hysteresis gives at most one change.
//!
//! Delays are judged when a sample comes, so they round up to the next sample; for a slowly polled
//! point use an on-delay of 0. Elapsed time is monotonic ([`crate::Moment`]).
//!
//! Deliberately absent: alarm bookkeeping (revisions, acknowledgement, shelving), several points
//! together, and judging whether a value can be trusted.

mod rate;
mod rule;
mod sample;
mod state;

pub use rate::{RateEstimate, RateRule, RateSettings, RateState, theil_sen};
pub use rule::{LevelRule, LevelRuleError, LevelSettings};
pub use sample::{Finite, Sample, Trust};
pub use state::{LevelChange, LevelState};
