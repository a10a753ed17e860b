//! From the broker to the writer: admission, the bounded inbox, and the acknowledgements back.
//!
//! Invariant: nothing is acknowledged here that the writer did not commit (liveness answers carry
//! no marks). Deliberately absent: SQL.

pub mod acks;
pub mod admit;
pub mod subscribe;

use crate::live::LinkChange;
use crate::operator::Command;
use crate::store::CommandResult;
use admit::{Batch, Refusal};
use minewatch_domain::wire::SessionV1;
use minewatch_domain::{At, GatewayId, Record};

/// Inputs waiting for the writer. At 1 MiB each this bounds memory to a few hundred MiB; when it
/// is full the subscriber waits a moment, then drops the input: the gateway sends it again.
pub const INPUTS_MAX: usize = 256;

/// Orders of people waiting for the writer; further ones are told that it is busy.
pub const ORDERS_MAX: usize = 64;

/// What an alarm with its case and topics costs, in readings: a transaction stays short in a flood, so
/// that an operator waits for a part of a second.
const ALARM_ROWS: usize = 60;

/// Everything the writer commits.
#[derive(Debug, Clone)]
pub enum Input {
    /// Ledger records.
    Batch(Batch),
    /// A hello that wants the marks.
    Hello(GatewayId, SessionV1, At),
    /// Something refused, with its payload.
    Refused(Refused),
    /// A link between a gateway and headquarters changed.
    Link(LinkChange),
    /// Outbox rows the broker has taken.
    OutboxSent(Vec<i64>),
    /// What a person asks.
    Operator(Command),
    /// Commands given to the broker.
    CommandsSent(Vec<String>),
    /// What a gateway says to a command.
    CommandResult(CommandResult),
    /// Time has something to do.
    Tick,
    /// What the business rules say.
    Risk(Vec<crate::risk::Said>),
}

/// A refused payload.
#[derive(Debug, Clone)]
pub struct Refused {
    /// Where it came in.
    pub topic: String,
    /// The bytes.
    pub payload: bytes::Bytes,
    /// Why.
    pub refusal: Refusal,
    /// When.
    pub at: At,
}

impl Input {
    /// How much of a transaction this takes.
    pub fn rows(&self) -> usize {
        match self {
            Input::Batch(batch) => {
                let alarms = batch.records.iter().filter(|r| matches!(r.record, Record::Alarm(_))).count();
                batch.records.len() + batch.impossible.len() + alarms * ALARM_ROWS
            }
            Input::OutboxSent(ids) => ids.len(),
            Input::CommandsSent(ids) => ids.len(),
            Input::Risk(said) => said.len() * ALARM_ROWS,
            Input::Operator(_) | Input::Link(_) => ALARM_ROWS,
            Input::Hello(..) | Input::Refused(_) | Input::CommandResult(_) | Input::Tick => 1,
        }
    }
}
