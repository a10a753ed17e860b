//! The words of the case machine: states, events, deadlines.

use minewatch_domain::{At, Level};
use serde::{Deserialize, Serialize};

/// Where a case is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaseState {
    /// An alarm asked for it.
    Raised,
    /// Somebody was called.
    Pushed,
    /// Somebody answered.
    Acknowledged,
    /// Somebody is to handle it.
    Assigned,
    /// The handler works on it.
    Rectifying,
    /// The handler says it is done.
    Submitted,
    /// Somebody else agrees.
    Verified,
    /// Done.
    Closed,
    /// There was nothing; said with a reason.
    FalsePositive,
    /// Put aside until a time.
    Suppressed,
    /// Come back.
    Reopened,
}

impl CaseState {
    /// Every state.
    pub const ALL: [CaseState; 11] = [
        CaseState::Raised,
        CaseState::Pushed,
        CaseState::Acknowledged,
        CaseState::Assigned,
        CaseState::Rectifying,
        CaseState::Submitted,
        CaseState::Verified,
        CaseState::Closed,
        CaseState::FalsePositive,
        CaseState::Suppressed,
        CaseState::Reopened,
    ];

    /// Name in the store and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            CaseState::Raised => "raised",
            CaseState::Pushed => "pushed",
            CaseState::Acknowledged => "acknowledged",
            CaseState::Assigned => "assigned",
            CaseState::Rectifying => "rectifying",
            CaseState::Submitted => "submitted",
            CaseState::Verified => "verified",
            CaseState::Closed => "closed",
            CaseState::FalsePositive => "false_positive",
            CaseState::Suppressed => "suppressed",
            CaseState::Reopened => "reopened",
        }
    }

    /// The state of a name.
    pub fn from_name(name: &str) -> Option<CaseState> {
        CaseState::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Something is still to be done.
    pub fn is_open(self) -> bool {
        match self {
            CaseState::Closed | CaseState::FalsePositive => false,
            CaseState::Raised
            | CaseState::Pushed
            | CaseState::Acknowledged
            | CaseState::Assigned
            | CaseState::Rectifying
            | CaseState::Submitted
            | CaseState::Verified
            | CaseState::Suppressed
            | CaseState::Reopened => true,
        }
    }
}

/// What happens to a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum What {
    /// An alarm of this level belongs to it, for the first time or again.
    AlarmJoined {
        /// Its level.
        level: Level,
    },
    /// Time: a rung of the ladder is taken, or a deadline was missed.
    Called,
    /// Somebody answers.
    Acknowledge,
    /// Somebody is to handle it.
    Assign {
        /// Who.
        to: String,
    },
    /// The handler begins.
    Start,
    /// The handler has finished.
    Submit {
        /// What it was.
        cause: String,
        /// What was done about it.
        measure: String,
    },
    /// Somebody else agrees.
    Verify,
    /// Somebody else does not agree.
    Reject {
        /// Why not.
        reason: String,
    },
    /// The end.
    Close,
    /// There was nothing.
    FalsePositive {
        /// How that is known.
        reason: String,
    },
    /// Put aside.
    Suppress {
        /// Until then.
        until: At,
        /// Why.
        reason: String,
    },
    /// Time: the end of being put aside.
    Resume,
    /// A person opens it again.
    Reopen {
        /// Why.
        reason: String,
    },
}

impl What {
    /// Name in the store and in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            What::AlarmJoined { .. } => "alarm_joined",
            What::Called => "called",
            What::Acknowledge => "acknowledge",
            What::Assign { .. } => "assign",
            What::Start => "start",
            What::Submit { .. } => "submit",
            What::Verify => "verify",
            What::Reject { .. } => "reject",
            What::Close => "close",
            What::FalsePositive { .. } => "false_positive",
            What::Suppress { .. } => "suppress",
            What::Resume => "resume",
            What::Reopen { .. } => "reopen",
        }
    }
}

/// An event with its author.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseEvent {
    /// What.
    #[serde(flatten)]
    pub what: What,
    /// Who; the program itself for time and alarms.
    pub by: String,
    /// The second person, where two are needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second: Option<String>,
    /// When.
    pub at: At,
}

/// Deadlines of one level and field, milliseconds; from the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Rungs: times after the begin of a round at which somebody is called; the first is the push.
    pub ladder_ms: Vec<i64>,
    /// From acknowledged to assigned.
    pub assign_ms: i64,
    /// From assigned to begun.
    pub start_ms: i64,
    /// From begun to submitted.
    pub submit_ms: i64,
    /// From submitted to verified.
    pub verify_ms: i64,
    /// From verified to closed.
    pub close_ms: i64,
    /// Longest time a case may be put aside.
    pub suppress_ms_max: i64,
    /// A closed case whose alarm comes back within this time is opened again.
    pub reopen_ms: i64,
}

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

impl Policy {
    /// The deadlines used where the configuration names none.
    pub fn of_level(level: Level) -> Policy {
        let policy = |ladder: &[i64], assign, submit| Policy {
            ladder_ms: ladder.to_vec(),
            assign_ms: assign,
            start_ms: assign,
            submit_ms: submit,
            verify_ms: DAY,
            close_ms: 2 * DAY,
            suppress_ms_max: 7 * DAY,
            reopen_ms: 7 * DAY,
        };
        match level {
            Level::Red => policy(&[0, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE], 30 * MINUTE, DAY),
            Level::Orange => policy(&[0, 15 * MINUTE, HOUR], HOUR, 3 * DAY),
            Level::Yellow => policy(&[0, HOUR, 4 * HOUR], 4 * HOUR, 7 * DAY),
            Level::Blue | Level::Normal => policy(&[0, 8 * HOUR], DAY, 14 * DAY),
        }
    }
}
