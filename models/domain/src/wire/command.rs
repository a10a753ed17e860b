//! Commands of operators to a gateway and its answers, version 1, frozen.

use minicbor::{Decode, Encode};

/// What was done to an alarm: see `minewatch_alarm::Action`. Also the detail of an `operator` event.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
#[allow(missing_docs)]
pub struct ActionV1 {
    #[n(0)]
    pub counter: u64,
    #[n(1)]
    pub revision: u64,
    #[n(2)]
    pub level: u8,
    #[n(3)]
    pub occurrence: u64,
    /// `hq` or `site`.
    #[n(4)]
    pub origin: String,
    #[n(5)]
    pub by: String,
    #[n(6)]
    pub second: Option<String>,
    #[n(7)]
    pub at_us: i64,
    /// Name of the intent, for example `silence`.
    #[n(8)]
    pub what: String,
    #[n(9)]
    pub until_us: Option<i64>,
    #[n(10)]
    pub one_shot: Option<bool>,
    #[n(11)]
    pub reason: Option<String>,
    #[n(12)]
    pub work_order: Option<String>,
}

/// A command; topic `…/down/cmd`. Sent again until a result or its end; done once by its id.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct CommandV1 {
    /// Always 1.
    #[n(0)]
    pub version: u8,
    /// The addressee.
    #[n(1)]
    pub gateway: String,
    /// Unique.
    #[n(2)]
    pub id: String,
    /// Not to be done after this, microseconds since 1970.
    #[n(3)]
    pub expires_us: i64,
    /// The alarm.
    #[n(4)]
    pub alarm: String,
    /// What was done to it.
    #[n(5)]
    pub action: ActionV1,
}

/// What the gateway says to a command; topic `…/up/cmd-result`.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct CommandResultV1 {
    /// Always 1.
    #[n(0)]
    pub version: u8,
    /// The sender; must equal the topic's gateway.
    #[n(1)]
    pub gateway: String,
    /// The command.
    #[n(2)]
    pub id: String,
    /// Whether it was done (now or before).
    #[n(3)]
    pub done: bool,
    /// Why not, in English.
    #[n(4)]
    pub detail: String,
    /// Gateway wall clock, microseconds since 1970.
    #[n(5)]
    pub at_us: i64,
}
