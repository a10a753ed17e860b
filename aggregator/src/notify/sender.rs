//! The state of one notice. Pure; written to the store by whoever holds the lease.
//!
//! ```text
//!            Claim                 Accepted
//!  Pending ────────▶ Claimed ────────────────▶ Sent ──Receipt──▶ Sent
//!    │  ▲              │ │ │ lease over: Claim by anybody
//!    │  └── Retry ─────┘ │ └──▶ Claimed
//!    │                   │ Rejected, or the last attempt
//!    │ Digest            └──────────────────────▶ Failed (fallback)
//!    ├────────▶ Digested
//!    └ Cancel ▶ Dropped
//! ```
//!
//! Invariant: at most one lease is valid at any time; whoever's lease ran out may have sent, so the
//! next holder sends again under the same key (at least once). A notice leaves only through Sent,
//! Failed, Digested or Dropped, and Failed always asks for the fallback channel.

use super::answer::Answer;
use super::message::Body;
use minewatch_domain::{At, Level};

/// How long a claim is valid; twice the time of one attempt.
pub const LEASE_MS: i64 = 30_000;
/// Attempts before a channel is given up: with the back-off, about an hour and a half.
pub const ATTEMPTS_MAX: u32 = 12;
/// First wait after a failure; doubles.
const BACKOFF_MS: i64 = 5_000;
/// Longest wait between two attempts.
const BACKOFF_MS_MAX: i64 = 900_000;

/// A notice: one message to one target over one channel.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub struct Notice {
    pub id: String,
    pub case: Option<String>,
    pub alarm: Option<String>,
    pub step: String,
    pub target: String,
    pub channel: String,
    pub level: Level,
    pub domain: String,
    pub org: String,
    pub body: Body,
    pub due: At,
    pub created: At,
    pub state: State,
}

impl Notice {
    /// An empty notice, pending since the beginning of time.
    pub fn blank(id: &str, level: Level) -> Notice {
        Notice {
            id: id.to_owned(),
            case: None,
            alarm: None,
            step: String::new(),
            target: String::new(),
            channel: String::new(),
            level,
            domain: String::new(),
            org: String::new(),
            body: Body::default(),
            due: At(0),
            created: At(0),
            state: State::Pending { attempts: 0, next_try: At(0) },
        }
    }

    /// The same notice for another channel, after this one failed.
    pub fn fallen_back(&self, channel: &str, now: At) -> Notice {
        Notice {
            id: format!("{}/fallback/{channel}", self.id),
            channel: channel.to_owned(),
            due: now,
            created: now,
            state: State::Pending { attempts: 0, next_try: now },
            ..self.clone()
        }
    }
}

/// Where a notice stands.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum State {
    /// Waits for its time.
    Pending { attempts: u32, next_try: At },
    /// Somebody sends it, until the lease is over.
    Claimed { attempts: u32, by: String, until: At },
    /// Taken by the receiver.
    Sent { attempts: u32, at: At, receipt: String },
    /// Given up on this channel; the fallback has been asked for.
    Failed { attempts: u32, at: At, why: String },
    /// Taken back before it was sent.
    Dropped { at: At, why: String },
    /// Sent as part of that digest.
    Digested { into: String },
}

impl State {
    /// Name in the store.
    pub fn name(&self) -> &'static str {
        match self {
            State::Pending { .. } => "pending",
            State::Claimed { .. } => "claimed",
            State::Sent { .. } => "sent",
            State::Failed { .. } => "failed",
            State::Dropped { .. } => "dropped",
            State::Digested { .. } => "digested",
        }
    }

    /// Attempts that ended without a delivery.
    pub fn attempts(&self) -> u32 {
        match self {
            State::Pending { attempts, .. }
            | State::Claimed { attempts, .. }
            | State::Sent { attempts, .. }
            | State::Failed { attempts, .. } => *attempts,
            State::Dropped { .. } | State::Digested { .. } => 0,
        }
    }
}

/// What can happen to a notice.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Somebody takes it to send it.
    Claim {
        /// Who.
        by: String,
    },
    /// It has to wait: quiet hours, or no room in the robot's budget.
    Defer {
        /// Until when.
        until: At,
    },
    /// It goes out as part of a digest.
    Digest {
        /// Id of the digest.
        into: String,
    },
    /// The attempt of this holder ended.
    Answered {
        /// Who sent it.
        by: String,
        /// How it ended.
        answer: Answer,
    },
    /// It is not wanted any more.
    Cancel {
        /// Why.
        why: String,
    },
    /// The receiver said more about a delivery.
    Receipt {
        /// What.
        text: String,
    },
}

/// What else has to be done, in the same transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Send it over the fallback channel too; asking twice does nothing more.
    Fallback,
}

/// Why an event does not apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Its time has not come.
    #[error("not due yet")]
    NotDue,
    /// Somebody else holds a valid lease.
    #[error("held by another sender")]
    Held,
    /// Only the holder of the lease may say this.
    #[error("not claimed by this sender")]
    NotClaimed,
    /// It has not been sent.
    #[error("not sent yet")]
    NotSent,
    /// It has left.
    #[error("already over")]
    Over,
}

/// Failures after which the fallback starts beside further attempts.
pub fn fallback_after(level: Level) -> u32 {
    match level {
        Level::Red => 1,
        Level::Orange => 2,
        Level::Yellow | Level::Blue | Level::Normal => ATTEMPTS_MAX,
    }
}

/// Wait before attempt `failures + 1`, spread by a number of the notice's own so that a storm does
/// not come back as one.
pub fn backoff_ms(failures: u32, spread: u64) -> i64 {
    let doubled = BACKOFF_MS.saturating_mul(1 << failures.saturating_sub(1).min(20));
    let wait = doubled.min(BACKOFF_MS_MAX);
    wait + wait / 4 * i64::try_from(spread % 1_000).unwrap_or(0) / 1_000
}

fn spread(id: &str) -> u64 {
    id.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn failed_attempt(notice: &Notice, failures: u32, after_ms: Option<i64>, why: String, now: At) -> (State, Vec<Effect>) {
    if failures >= ATTEMPTS_MAX {
        let why = format!("given up after {failures} attempts: {why}");
        return (State::Failed { attempts: failures, at: now, why }, vec![Effect::Fallback]);
    }
    let wait = backoff_ms(failures, spread(&notice.id)).max(after_ms.unwrap_or(0));
    let effects = if failures == fallback_after(notice.level) { vec![Effect::Fallback] } else { Vec::new() };
    (State::Pending { attempts: failures, next_try: now.plus_millis(wait) }, effects)
}

/// One step of a notice.
///
/// # Errors
/// [`Refused`] when the event does not apply; nothing has changed then.
pub fn step(notice: &Notice, event: Event, now: At) -> Result<(State, Vec<Effect>), Refused> {
    use State::{Claimed, Digested, Dropped, Failed, Pending, Sent};
    let quiet = |state| Ok((state, Vec::new()));
    match (&notice.state, event) {
        (Pending { next_try, .. }, Event::Claim { .. }) if *next_try > now || notice.due > now => Err(Refused::NotDue),
        (Pending { attempts, .. }, Event::Claim { by }) => {
            quiet(Claimed { attempts: *attempts, by, until: now.plus_millis(LEASE_MS) })
        }
        (Pending { attempts, .. }, Event::Defer { until }) => quiet(Pending { attempts: *attempts, next_try: until }),
        (Pending { .. }, Event::Digest { into }) => quiet(Digested { into }),
        (Pending { .. }, Event::Cancel { why }) => quiet(Dropped { at: now, why }),
        (Pending { .. }, Event::Answered { .. }) => Err(Refused::NotClaimed),
        (Pending { .. } | Claimed { .. }, Event::Receipt { .. }) => Err(Refused::NotSent),

        (Claimed { until, .. }, Event::Claim { .. } | Event::Defer { .. }) if *until > now => Err(Refused::Held),
        // Whoever held it is gone, and may have sent it: that counts as an attempt.
        (Claimed { attempts, .. }, Event::Claim { by }) => {
            quiet(Claimed { attempts: attempts + 1, by, until: now.plus_millis(LEASE_MS) })
        }
        (Claimed { attempts, .. }, Event::Defer { until }) => {
            quiet(Pending { attempts: attempts + 1, next_try: until })
        }
        // It may have gone out under its own key, so it is neither folded into a digest nor taken back.
        (Claimed { .. }, Event::Digest { .. } | Event::Cancel { .. }) => Err(Refused::Held),
        (Claimed { by: holder, .. }, Event::Answered { by, .. }) if *holder != by => Err(Refused::NotClaimed),
        (Claimed { attempts, .. }, Event::Answered { answer, .. }) => Ok(match answer {
            Answer::Accepted { receipt } => (Sent { attempts: *attempts, at: now, receipt }, Vec::new()),
            Answer::Retry { after_ms, why } => failed_attempt(notice, attempts + 1, after_ms, why, now),
            Answer::Rejected { why } => (Failed { attempts: attempts + 1, at: now, why }, vec![Effect::Fallback]),
        }),

        (Sent { attempts, at, .. }, Event::Receipt { text }) => {
            quiet(Sent { attempts: *attempts, at: *at, receipt: text })
        }
        (
            Sent { .. },
            Event::Claim { .. }
            | Event::Defer { .. }
            | Event::Digest { .. }
            | Event::Cancel { .. }
            | Event::Answered { .. },
        ) => Err(Refused::Over),
        (
            Failed { .. } | Dropped { .. } | Digested { .. },
            Event::Claim { .. }
            | Event::Defer { .. }
            | Event::Digest { .. }
            | Event::Cancel { .. }
            | Event::Answered { .. }
            | Event::Receipt { .. },
        ) => Err(Refused::Over),
    }
}

#[cfg(test)]
#[path = "sender_tests.rs"]
mod tests;
