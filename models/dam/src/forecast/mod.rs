//! From movement to a failure time with an interval, or to a typed reason why there is none.
//!
//! ```text
//! track ─▶ common ─▶ onset ─▶ fit (α = 2, and α free) ─▶ Outlook::Failure { tf, interval, both models }
//!   │        │         │        └─▶ inverse (the textbook line, Fieller, block bootstrap)
//!   │        │         ├─▶ BELOW_NOISE, NO_TREND, NON_MONOTONE
//!   │        └─▶ COMMON_MODE                                  UNBOUNDED_CI ◀── fit
//!   └─▶ TOO_FEW
//! ```
//!
//! Invariants: signed velocities are turned in the movement direction before they are inverted; every
//! velocity is held against the track's own noise; no failure time is stated without a bounded
//! interval. An abstention is **not** a statement of safety: liquefaction may give no kinematic sign
//! (Feijão 2019), so there is no variant that means "safe" and every explanation says so.
//!
//! Source: Fukuzono 1985, Voight 1988, Carlà et al. 2017, Fieller 1954. Not here: levels, and
//! what the data are worth (validation).

mod assess;
pub mod common;
mod explain;
pub mod fit;
pub mod inverse;
pub mod onset;
pub mod stats;
mod track;

pub use assess::{ForecastSettings, assess};
pub use common::{Likeness, Reference};
pub use explain::Language;
pub use inverse::Interval;
pub use track::{Kind, Mark, Track, project};

use serde::Serialize;

/// What can be said about a failure.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "outlook", rename_all = "snake_case")]
pub enum Outlook {
    /// The movement accelerates towards a failure.
    Failure(Box<Failure>),
    /// No failure time can be stated. Says nothing about safety.
    Abstain(Abstention),
}

/// A failure time with its interval and both models.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Failure {
    /// Failure time of the law with α = 2, days on the track's clock.
    pub tf: f64,
    /// Interval at the settings' confidence. When the models disagree it holds both of theirs.
    pub interval: Interval,
    /// Whether the failure time for α = 2 lies in the interval of the free exponent.
    pub models_agree: bool,
    /// Law with α = 2.
    pub fukuzono: fit::LawFit,
    /// Law with free exponent, the second opinion; `None` when it cannot be fitted.
    pub voight: Option<fit::LawFit>,
    /// The straight line through the inverse velocities, for comparison with other tools.
    pub line: Option<inverse::InverseFit>,
    /// Moving-block bootstrap of that line, where its residuals depend on each other.
    pub line_bootstrap: Option<Interval>,
    /// When the acceleration began, days.
    pub onset: f64,
    /// Length of the blocks in which it was seen, days; 0 = as measured.
    pub block_d: f64,
}

/// Why no failure time is stated, with the numbers that led to it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(tag = "reason", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Abstention {
    /// Too few values, or too few since the onset.
    TooFew {
        /// Values there are.
        have: usize,
        /// Values needed.
        need: usize,
    },
    /// The velocity does not rise above its own noise.
    BelowNoise {
        /// Smoothed newest velocity in the movement direction, per day.
        velocity: f64,
        /// Noise floor of that velocity, per day.
        floor: f64,
        /// Whether a reference was taken off first.
        reference_used: bool,
    },
    /// What looks like movement is shared with the reference.
    CommonMode {
        /// Smoothed newest velocity before the reference was taken off, per day.
        raw: f64,
        /// The same after.
        own: f64,
        /// Noise floor of the velocity after, per day.
        floor: f64,
        /// Newest steps and their likeness.
        likeness: Likeness,
    },
    /// Moves, but does not accelerate.
    NoTrend {
        /// Short moving average of the velocity, per day.
        short: f64,
        /// Long moving average, per day.
        long: f64,
        /// Samples in a row with short above long.
        lasting: usize,
        /// Samples in a row needed.
        need: usize,
    },
    /// Accelerated, and then slowed.
    NonMonotone {
        /// Highest smoothed velocity, per day.
        peak: f64,
        /// Smoothed velocity now, per day.
        now: f64,
    },
    /// Accelerates, but the data do not bound the failure time.
    UnboundedCi {
        /// Best failure time, days; not to be acted on.
        best: Option<f64>,
        /// Residual sum over what a straight line leaves.
        unexplained: Option<f64>,
    },
}

impl Abstention {
    /// The reason's code, as in JSON.
    pub fn code(&self) -> &'static str {
        match self {
            Abstention::TooFew { .. } => "TOO_FEW",
            Abstention::BelowNoise { .. } => "BELOW_NOISE",
            Abstention::CommonMode { .. } => "COMMON_MODE",
            Abstention::NoTrend { .. } => "NO_TREND",
            Abstention::NonMonotone { .. } => "NON_MONOTONE",
            Abstention::UnboundedCi { .. } => "UNBOUNDED_CI",
        }
    }

    /// How far along the chain of questions the data came; of several scales the furthest is told.
    fn reached(&self) -> u8 {
        match self {
            Abstention::TooFew { .. } => 0,
            Abstention::BelowNoise { .. } => 1,
            Abstention::CommonMode { .. } => 2,
            Abstention::NoTrend { .. } => 3,
            Abstention::NonMonotone { .. } => 4,
            Abstention::UnboundedCi { .. } => 5,
        }
    }
}

#[cfg(test)]
mod oracles;
#[cfg(test)]
mod properties;
