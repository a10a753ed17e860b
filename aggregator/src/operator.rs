//! What people ask of alarms, cases and the organisation. The writer takes it through the same door as
//! every other fact and answers after the commit.
//!
//! Invariant: an order that is refused has changed nothing; its id makes a repeated commit harmless.
//! Deliberately absent: HTTP, SQL.

use crate::people::Actor;
use minewatch_alarm::{Field, Intent, What};
use minewatch_domain::{At, GatewayId, Level, OrgPath, PointId};
use std::sync::{Arc, Mutex};
use tokio::sync::oneshot;

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Order {
    /// Something is done to an alarm that was seen in `seen` (its version).
    Alarm {
        /// Whose.
        gateway: GatewayId,
        /// Which.
        alarm: PointId,
        /// The version its author saw.
        seen: i64,
        /// What.
        what: Intent,
    },
    /// A second person agrees to what another asked for.
    Grant {
        /// The request.
        request: String,
    },
    /// A step of a case that was seen in `seen` (its revision).
    Case {
        /// Which.
        case: String,
        /// The revision its author saw.
        seen: i64,
        /// What.
        what: What,
    },
    /// Evidence for a case.
    Evidence(Evidence),
    /// The organisation changes.
    Organisation(OrgChange),
    /// A receiver told what became of a notice.
    Receipt(Receipt),
    /// A version of a business rule is written, released or ended.
    Rule(RuleOrder),
}

/// What is done with a version of a business rule that was seen in `seen` (its revision; 0: there is none).
#[derive(Debug, Clone, PartialEq)]
pub struct RuleOrder {
    /// The rule.
    pub id: String,
    /// The version.
    pub version: i64,
    /// The revision its author saw.
    pub seen: i64,
    /// What.
    pub act: RuleAct,
}

/// What is done with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleAct {
    /// A draft is written, or written again.
    Write {
        /// The text, TOML, which names this rule and version.
        text: String,
        /// The domain it names.
        domain: crate::people::Domain,
    },
    /// A draft is thrown away.
    Discard,
    /// A draft is asked to be released.
    Submit,
    /// A release or an end that was asked for is approved.
    Approve,
    /// It is refused, or taken back.
    Reject(String),
    /// A version is asked to be ended.
    Withdraw(String),
}

/// What a receiver told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// It arrived.
    Delivered,
    /// It did not, and why.
    Failed(String),
    /// Somebody pressed a key or sent a text.
    Answered(String),
}

/// A later receipt of a notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Its own id; a repeat changes nothing.
    pub id: String,
    /// The notice, as its receiver knows it.
    pub notice: String,
    /// What.
    pub said: Said,
    /// The person of the contacts who answered, when it is known.
    pub by: Option<String>,
    /// When.
    pub at: At,
}

/// A piece of evidence.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    /// For which case.
    pub case: String,
    /// `photo`, `clip`, `readings`, `note` or `document`.
    pub kind: String,
    /// File name, shown only.
    pub name: String,
    /// Media type.
    pub media_type: String,
    /// SHA-256, 64 hex digits.
    pub sha256: String,
    /// What it shows.
    pub note: String,
    /// The bytes.
    pub body: Vec<u8>,
}

/// A change of the organisation's data; `seen` is the revision its author saw, 0 for what is new.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum OrgChange {
    /// A unit gets a name.
    Unit { org: OrgPath, zh: String, en: String, seen: i64 },
    /// A unit's name goes.
    DropUnit { org: OrgPath },
    /// Somebody answers for a part of the organisation.
    Party { org: OrgPath, field: Option<Field>, role: String, person: String, channel: String },
    /// Somebody no longer does.
    DropParty { org: OrgPath, field: Option<Field>, role: String, person: String },
    /// A roster with its shifts, which replace the old ones.
    Roster { roster: String, org: OrgPath, zh: String, en: String, shifts: Vec<Shift>, seen: i64 },
    /// A roster goes, its shifts too.
    DropRoster { roster: String },
    /// The rungs of one level, which replace the old ones; none takes the ladder away.
    Ladder { org: OrgPath, field: Option<Field>, level: Level, rungs: Vec<Rung>, seen: i64 },
}

/// A turn of duty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shift {
    /// From.
    pub from: At,
    /// To.
    pub to: At,
    /// Who.
    pub person: String,
    /// By which channel; empty: the person's own.
    pub channel: String,
}

/// One rung of a ladder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rung {
    /// 0 is the push.
    pub step: i64,
    /// After the begin of the round.
    pub after_ms: i64,
    /// `person:ID`, `roster:NAME`, `role:NAME` or `robot:NAME`.
    pub target: String,
    /// By which channel; empty: the target's own.
    pub channel: String,
}

/// Why an order was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such thing, or its author may not know of it.
    NotFound(&'static str),
    /// The author may not do that there.
    Denied,
    /// It has changed since it was seen; the number now.
    Stale(i64),
    /// The state, or a rule, forbids it.
    Conflict(String),
    /// It makes no sense.
    Bad(String),
}

/// What came of an order.
#[derive(Debug, Clone, PartialEq)]
pub enum Done {
    /// Done; the version or revision now.
    Now(i64),
    /// It waits for a second person under this request id.
    Asked(String),
}

/// Answer to an order.
pub type Answer = Result<Done, Refusal>;

/// Where the answer goes; taken once.
#[derive(Debug, Clone)]
pub struct Reply(Arc<Mutex<Option<oneshot::Sender<Answer>>>>);

impl Reply {
    /// A reply and the end it is waited for at.
    pub fn new() -> (Reply, oneshot::Receiver<Answer>) {
        let (sender, receiver) = oneshot::channel();
        (Reply(Arc::new(Mutex::new(Some(sender)))), receiver)
    }

    /// Answers; a second answer goes nowhere.
    pub fn send(&self, answer: Answer) {
        let taken = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(sender) = taken {
            // Whoever asked may have gone.
            let _ = sender.send(answer);
        }
    }
}

/// An order with its author.
#[derive(Debug, Clone)]
pub struct Command {
    /// Unique.
    pub id: String,
    /// Who asks.
    pub actor: Actor,
    /// What.
    pub order: Order,
    /// When.
    pub at: At,
    /// Where the answer goes.
    pub reply: Reply,
}
