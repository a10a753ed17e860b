//! The latches of one point and their one pure `step`; the diagram is in the module doc of `threshold`.

use super::rule::{LevelRule, Side, Standing};
use super::sample::{Finite, Sample, Trust};
use crate::Moment;
use minewatch_domain::{At, Level};

/// One warning level's latch. Times are monotonic milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Latch {
    /// The level is not in force.
    Below,
    /// The limit is met; the on-delay runs.
    Arming { since_ms: u64 },
    /// The level is in force.
    On,
    /// The level is in force; a proof of safety is being collected.
    Clearing {
        /// Time already proven safe.
        proven_ms: u64,
        /// The last sample that proved safety; `None` after one that proved nothing, so that the
        /// unknown time between does not count.
        proof_ms: Option<u64>,
    },
}

/// What a sample says about one level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Evidence {
    /// The limit is met.
    Met,
    /// Inside the hysteresis band.
    Band,
    /// Proven clear: past the hysteresis, and good.
    Clear,
    /// Says nothing: bad, or looks clear but is uncertain.
    Unproven,
}

impl Evidence {
    fn of(rule: &LevelRule, index: usize, sample: Sample) -> Evidence {
        let Sample::Value(value, trust) = sample else { return Evidence::Unproven };
        match (rule.standing(index, value), trust) {
            (Standing::Met, Trust::Good | Trust::Uncertain) => Evidence::Met,
            (Standing::Band, Trust::Good | Trust::Uncertain) => Evidence::Band,
            (Standing::Clear, Trust::Good) => Evidence::Clear,
            (Standing::Clear, Trust::Uncertain) => Evidence::Unproven,
        }
    }
}

impl Latch {
    fn is_on(self) -> bool {
        match self {
            Latch::Below | Latch::Arming { .. } => false,
            Latch::On | Latch::Clearing { .. } => true,
        }
    }

    /// Every pair of state and evidence is named; nothing is swallowed.
    fn step(self, evidence: Evidence, now_ms: u64, rule: &LevelRule) -> Latch {
        match (self, evidence) {
            (Latch::Below, Evidence::Met) => Latch::arming(now_ms, now_ms, rule),
            (Latch::Below, Evidence::Band | Evidence::Clear | Evidence::Unproven) => Latch::Below,
            (Latch::Arming { since_ms }, Evidence::Met) => Latch::arming(since_ms, now_ms, rule),
            (Latch::Arming { .. }, Evidence::Band | Evidence::Unproven) => self,
            (Latch::Arming { .. }, Evidence::Clear) => Latch::Below,
            (Latch::On, Evidence::Met | Evidence::Band | Evidence::Unproven) => Latch::On,
            (Latch::On, Evidence::Clear) => Latch::clearing(0, now_ms, rule),
            (Latch::Clearing { .. }, Evidence::Met | Evidence::Band) => Latch::On,
            (Latch::Clearing { proven_ms, .. }, Evidence::Unproven) => Latch::Clearing { proven_ms, proof_ms: None },
            (Latch::Clearing { proven_ms, proof_ms }, Evidence::Clear) => {
                let newly_ms = proof_ms.map_or(0, |proof_ms| now_ms.saturating_sub(proof_ms));
                Latch::clearing(proven_ms.saturating_add(newly_ms), now_ms, rule)
            }
        }
    }

    fn arming(since_ms: u64, now_ms: u64, rule: &LevelRule) -> Latch {
        if now_ms.saturating_sub(since_ms) >= rule.on_delay_ms() { Latch::On } else { Latch::Arming { since_ms } }
    }

    fn clearing(proven_ms: u64, now_ms: u64, rule: &LevelRule) -> Latch {
        if proven_ms >= rule.off_delay_ms() {
            Latch::Below
        } else {
            Latch::Clearing { proven_ms, proof_ms: Some(now_ms) }
        }
    }
}

/// A change of level, with what tipped it.
#[derive(Debug, Clone, PartialEq)]
pub struct LevelChange {
    /// The level left.
    pub from: Level,
    /// The level entered.
    pub to: Level,
    /// When, on the wall clock.
    pub at: At,
    /// The value that tipped it.
    pub value: f64,
    /// The limit it was held against; `None` when the rule has no limit for the level left (it was
    /// restored from an older rule).
    pub limit: Option<f64>,
    /// One sentence fragment for the engineer.
    pub why: String,
}

/// The warning level of one point, with its running delays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LevelState {
    /// Blue, yellow, orange, red.
    latches: [Latch; 4],
    since: Option<At>,
}

impl Default for LevelState {
    fn default() -> Self {
        LevelState::new()
    }
}

impl LevelState {
    /// A point without history: normal, since nothing is known.
    pub fn new() -> LevelState {
        LevelState { latches: [Latch::Below; 4], since: None }
    }

    /// The state a restarted gateway goes on from. Running delays are not kept: arming begins anew, so
    /// a restart delays a rise by at most the on-delay, and a proof of safety begins anew.
    ///
    /// A restored level that the present rule has no limit for is left like any other: by a good
    /// value, after the off-delay, with a [`LevelChange`] that says so.
    pub fn restore(level: Level, since: At) -> LevelState {
        let on = usize::from(level.code());
        let latches = std::array::from_fn(|index| if index < on { Latch::On } else { Latch::Below });
        LevelState { latches, since: Some(since) }
    }

    /// The level in force.
    pub fn level(&self) -> Level {
        let worst = Level::WARNINGS.into_iter().zip(self.latches).rev().find(|(_, latch)| latch.is_on());
        worst.map_or(Level::Normal, |(level, _)| level)
    }

    /// When the level in force was entered; `None` before the first change.
    pub fn since(&self) -> Option<At> {
        self.since
    }

    /// Takes one sample; a change of level is reported once, with its reason.
    pub fn step(&mut self, rule: &LevelRule, sample: Sample, now: Moment) -> Option<LevelChange> {
        let from = self.level();
        for (index, latch) in self.latches.iter_mut().enumerate() {
            *latch = latch.step(Evidence::of(rule, index, sample), now.mono_ms, rule);
        }
        let to = self.level();
        if from == to {
            return None;
        }
        let Sample::Value(value, trust) = sample else {
            debug_assert!(false, "bad data changed a level");
            return None;
        };
        self.since = Some(now.wall);
        Some(change(rule, from, to, value, trust, now.wall))
    }
}

/// Index of a warning level in the latches; `None` for normal.
fn index_of(level: Level) -> Option<usize> {
    usize::from(level.code()).checked_sub(1)
}

/// Names the limit and the step that tipped a change.
fn change(rule: &LevelRule, from: Level, to: Level, value: Finite, trust: Trust, at: At) -> LevelChange {
    let rises = to > from;
    let decisive = if rises { to } else { from };
    let held_against = index_of(decisive).and_then(|index| rule.limit_near(index, value));
    let (name, shown) = (decisive.name(), readable(value.get()));
    let why = match (held_against, rises) {
        (None, _) => format!("{shown} is good and the rule has no {name} limit any more"),
        (Some((side, limit)), true) => {
            let word = match side {
                Side::High => "at or above the high",
                Side::Low => "at or below the low",
            };
            let doubt = match trust {
                Trust::Good => "",
                Trust::Uncertain => ", value uncertain",
            };
            format!("{shown} is {word} {name} limit {limit} for {} s{doubt}", seconds(rule.on_delay_ms()))
        }
        (Some((side, limit)), false) => {
            let word = match side {
                Side::High => "below the high",
                Side::Low => "above the low",
            };
            format!(
                "{shown} is {word} {name} limit {limit} by more than {} for {} s",
                rule.hysteresis(),
                seconds(rule.off_delay_ms())
            )
        }
    };
    LevelChange { from, to, at, value: value.get(), limit: held_against.map(|(_, limit)| limit), why }
}

/// Seven significant digits: what a 32-bit register can carry, without the noise of its conversion.
fn readable(value: f64) -> f64 {
    format!("{value:.6e}").parse().unwrap_or(value)
}

#[expect(clippy::cast_precision_loss, reason = "a delay of at most a day is exact in f64")]
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1_000.0
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
