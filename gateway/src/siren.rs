//! Keeps a siren or beacon in its wanted state and proves it by reading back.
//!
//! ```text
//!   start ─▶ Pausing ──until──▶ Writing ──written──▶ Reading ──as wanted──▶ Confirmed
//!               ▲                  │                    │                      │ check due,
//!               └── write failed ──┴── wrong or unread ─┘      Writing ◀───────┘ or wanted changed
//! ```
//!
//! Invariants: the coil is written again and read back at every check, so that a relay that fell
//! off or was switched by hand is put right; an unproved state is told once, [`SirenTiming`]'s
//! `confirm_ms` after it was wanted, and the attempts go on; nothing here needs headquarters.
//! Deliberately absent: when to sound (`site`), and the bus (`modbus`).

mod driver;

pub use driver::{SirenEvent, SirenEventKind, run_siren};

use minewatch_domain::At;

/// Pause after a failed write or read-back before the next attempt, milliseconds: relays settle
/// in less, and a dead module costs the bus little.
pub const RETRY_MS: i64 = 500;

/// Time between two checks of a confirmed siren, milliseconds.
pub const CHECK_MS: i64 = 10_000;

/// Times of one siren, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SirenTiming {
    /// The state must be proved this long after it was wanted.
    pub confirm_ms: i64,
    /// Pause between attempts.
    pub retry_ms: i64,
    /// Time between checks.
    pub check_ms: i64,
}

/// Whether an unproved state has been told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// Still within its time.
    Pending,
    /// Told as failed; its confirmation will be told too.
    Overdue,
}

/// A wanted state that is not proved yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Want {
    /// On or off.
    pub on: bool,
    /// Since when it is wanted, or in doubt.
    pub since: At,
    /// Whether the doubt has been told.
    pub proof: Proof,
}

/// Where one siren stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SirenState {
    /// Waits before the next attempt.
    Pausing {
        /// What is wanted.
        want: Want,
        /// When to try.
        until: At,
    },
    /// A write is under way.
    Writing {
        /// What is wanted.
        want: Want,
        /// What is being written; differs when the wish changed meanwhile.
        writing: bool,
    },
    /// A read-back is under way.
    Reading {
        /// What is wanted.
        want: Want,
        /// What was written; differs when the wish changed meanwhile.
        written: bool,
    },
    /// Written and read back.
    Confirmed {
        /// On or off.
        on: bool,
        /// When to check again.
        check_at: At,
    },
}

/// What happens to a siren.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SirenInput {
    /// This state is wanted from now on.
    Want(bool),
    /// The write ended, well or not.
    Written {
        /// Whether the module confirmed it.
        ok: bool,
    },
    /// The read-back ended; `None`: no answer.
    ReadBack(Option<bool>),
    /// Time passed.
    Tick,
}

/// What a step asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SirenEffect {
    /// Write the coil.
    Write {
        /// On or off.
        on: bool,
    },
    /// Read the state back.
    ReadBack,
    /// The wanted state could not be proved in time: raise the alarm.
    ReadbackFailed {
        /// The wanted state.
        on: bool,
    },
    /// The wanted state is proved for the first time since it was wanted or in doubt.
    Proved {
        /// The state.
        on: bool,
        /// A failure had been told: end the alarm.
        after_failure: bool,
    },
}

impl SirenState {
    /// At start nothing is known about the coil: it is written and read back at once.
    pub fn start(on: bool, at: At) -> SirenState {
        SirenState::Pausing { want: Want { on, since: at, proof: Proof::Pending }, until: at }
    }

    /// When [`SirenInput::Tick`] is due next.
    pub fn deadline(&self, timing: &SirenTiming) -> Option<At> {
        let overdue = |want: &Want| match want.proof {
            Proof::Pending => Some(want.since.plus_millis(timing.confirm_ms)),
            Proof::Overdue => None,
        };
        match self {
            SirenState::Pausing { want, until } => Some(overdue(want).map_or(*until, |at| at.min(*until))),
            SirenState::Writing { want, .. } | SirenState::Reading { want, .. } => overdue(want),
            SirenState::Confirmed { check_at, .. } => Some(*check_at),
        }
    }

    /// The next state and what it asks for.
    pub fn step(self, input: SirenInput, at: At, timing: &SirenTiming) -> (SirenState, Vec<SirenEffect>) {
        let mut effects = Vec::new();
        let state = self.told_if_overdue(at, timing, &mut effects);
        let next = match input {
            SirenInput::Want(on) => state.wanted(on, at, &mut effects),
            SirenInput::Written { ok } => state.written(ok, at, timing, &mut effects),
            SirenInput::ReadBack(seen) => state.read_back(seen, at, timing, &mut effects),
            SirenInput::Tick => state.tick(at, &mut effects),
        };
        (next, effects)
    }

    fn told_if_overdue(self, at: At, timing: &SirenTiming, effects: &mut Vec<SirenEffect>) -> SirenState {
        let mut tell = |want: Want| match want.proof {
            Proof::Pending if at.millis_since(want.since) >= timing.confirm_ms => {
                effects.push(SirenEffect::ReadbackFailed { on: want.on });
                Want { proof: Proof::Overdue, ..want }
            }
            Proof::Pending | Proof::Overdue => want,
        };
        match self {
            SirenState::Pausing { want, until } => SirenState::Pausing { want: tell(want), until },
            SirenState::Writing { want, writing } => SirenState::Writing { want: tell(want), writing },
            SirenState::Reading { want, written } => SirenState::Reading { want: tell(want), written },
            SirenState::Confirmed { .. } => self,
        }
    }

    fn wanted(self, on: bool, at: At, effects: &mut Vec<SirenEffect>) -> SirenState {
        // A new wish gets its own time to be proved, but a failure already told stays told.
        let renew = |want: Want| if want.on == on { want } else { Want { on, since: at, proof: want.proof } };
        match self {
            SirenState::Pausing { want, .. } if want.on != on => write(renew(want), effects),
            SirenState::Pausing { want, until } => SirenState::Pausing { want, until },
            SirenState::Writing { want, writing } => SirenState::Writing { want: renew(want), writing },
            SirenState::Reading { want, written } => SirenState::Reading { want: renew(want), written },
            SirenState::Confirmed { on: was, .. } if was != on => {
                write(Want { on, since: at, proof: Proof::Pending }, effects)
            }
            SirenState::Confirmed { .. } => self,
        }
    }

    fn written(self, ok: bool, at: At, timing: &SirenTiming, effects: &mut Vec<SirenEffect>) -> SirenState {
        match self {
            SirenState::Writing { want, writing } if writing != want.on => write(want, effects),
            SirenState::Writing { want, .. } if ok => {
                effects.push(SirenEffect::ReadBack);
                SirenState::Reading { want, written: want.on }
            }
            SirenState::Writing { want, .. } => SirenState::Pausing { want, until: at.plus_millis(timing.retry_ms) },
            // Not asked for: an answer that came after its state was left.
            SirenState::Pausing { .. } | SirenState::Reading { .. } | SirenState::Confirmed { .. } => self,
        }
    }

    fn read_back(self, seen: Option<bool>, at: At, timing: &SirenTiming, effects: &mut Vec<SirenEffect>) -> SirenState {
        match self {
            SirenState::Reading { want, written } if written != want.on => write(want, effects),
            SirenState::Reading { want, .. } if seen == Some(want.on) => {
                let after_failure = want.proof == Proof::Overdue;
                effects.push(SirenEffect::Proved { on: want.on, after_failure });
                SirenState::Confirmed { on: want.on, check_at: at.plus_millis(timing.check_ms) }
            }
            SirenState::Reading { want, .. } => SirenState::Pausing { want, until: at.plus_millis(timing.retry_ms) },
            SirenState::Pausing { .. } | SirenState::Writing { .. } | SirenState::Confirmed { .. } => self,
        }
    }

    fn tick(self, at: At, effects: &mut Vec<SirenEffect>) -> SirenState {
        match self {
            SirenState::Pausing { want, until } if at >= until => write(want, effects),
            SirenState::Confirmed { on, check_at } if at >= check_at => {
                write(Want { on, since: at, proof: Proof::Pending }, effects)
            }
            SirenState::Pausing { .. }
            | SirenState::Writing { .. }
            | SirenState::Reading { .. }
            | SirenState::Confirmed { .. } => self,
        }
    }
}

fn write(want: Want, effects: &mut Vec<SirenEffect>) -> SirenState {
    effects.push(SirenEffect::Write { on: want.on });
    SirenState::Writing { want, writing: want.on }
}

#[cfg(test)]
mod tests;
