//! What a person (or a rule) does to an alarm, as a record that merges without order.
//!
//! An action names the revision its author saw and a counter one above every counter the author
//! knew. So whoever has seen an action always outranks it, whatever the clocks say; of two that did not
//! know each other the one that keeps less back wins. Deliberately absent: who may do what.

use minewatch_domain::{At, Level};
use serde::{Deserialize, Serialize};

/// Longest reason, work order or name kept, in characters.
pub const TEXT_MAX: usize = 500;

/// Where an action was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// At the mine, by the gateway's own page or rule.
    Site,
    /// At headquarters.
    Hq,
}

impl Origin {
    /// Name in the store and on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Origin::Site => "site",
            Origin::Hq => "hq",
        }
    }
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Intent {
    /// A person has seen it.
    Acknowledge,
    /// Sound off for everybody; the state stays. The next rise sounds again.
    Silence,
    /// Kept back for a time.
    Shelve {
        /// It comes back by itself then.
        until: At,
        /// It comes back also when the condition goes.
        one_shot: bool,
        /// Why.
        reason: String,
    },
    /// Back from the shelf.
    Unshelve,
    /// Taken out for maintenance.
    OutOfService {
        /// It comes back by itself then.
        until: At,
        /// The work order.
        work_order: String,
        /// Why.
        reason: String,
    },
    /// Back in service.
    ReturnToService,
    /// Kept back by a rule.
    SuppressByDesign {
        /// The rule, or the alarm that inhibits this one.
        rule: String,
    },
    /// The rule no longer keeps it back.
    EndDesign,
    /// After an inspection: a latched alarm whose condition has gone may go.
    Reset,
}

impl Intent {
    /// Name in the store, on the wire and in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Intent::Acknowledge => "acknowledge",
            Intent::Silence => "silence",
            Intent::Shelve { .. } => "shelve",
            Intent::Unshelve => "unshelve",
            Intent::OutOfService { .. } => "out_of_service",
            Intent::ReturnToService => "return_to_service",
            Intent::SuppressByDesign { .. } => "suppress_by_design",
            Intent::EndDesign => "end_design",
            Intent::Reset => "reset",
        }
    }
}

/// Something done to one alarm, with everything a merge needs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Action {
    /// Unique; a repeat changes nothing.
    pub id: String,
    /// One above every counter its author knew.
    pub counter: u64,
    /// Revision of the alarm its author saw.
    pub revision: u64,
    /// Level its author saw (the worst of the occurrence).
    pub level: Level,
    /// First revision of the occurrence its author saw.
    pub occurrence: u64,
    /// Where.
    pub origin: Origin,
    /// Who.
    pub by: String,
    /// The second person, where two are needed.
    pub second: Option<String>,
    /// When, by the author's clock. Shown, and used only to tell equals apart.
    pub at: At,
    /// What.
    pub what: Intent,
}

/// Something kept back, and by whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Who.
    pub by: String,
    /// The second person.
    pub second: Option<String>,
    /// Why: reason, work order or rule.
    pub why: String,
    /// Since.
    pub since: At,
    /// Until; `None` only for a rule.
    pub until: Option<At>,
    /// It holds up to this level; a worse one is not kept back.
    pub level_max: Level,
    /// It holds only for this occurrence (one-shot).
    pub occurrence: Option<u64>,
}

/// A value of which the last write wins; equal counters are settled towards keeping less back.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Register {
    counter: u64,
    id: String,
    held: Option<Held>,
}

impl Register {
    /// What is held, if anything.
    pub fn held(&self) -> Option<&Held> {
        self.held.as_ref()
    }

    /// Order of writes: the higher counter; then nothing held; then the shorter time; then the id.
    fn rank(&self) -> (u64, bool, std::cmp::Reverse<Option<At>>, &str) {
        let until = self.held.as_ref().and_then(|held| held.until);
        (self.counter, self.held.is_none(), std::cmp::Reverse(until), &self.id)
    }

    /// Keeps the higher of two writes. Associative, commutative and idempotent.
    pub fn join(&mut self, other: Register) {
        if other.rank() > self.rank() {
            *self = other;
        }
    }

    /// One write.
    pub fn write(action: &Action, held: Option<Held>) -> Register {
        Register { counter: action.counter, id: action.id.clone(), held }
    }
}
