//! From the broker to the writer: admission, the bounded inbox, and the acknowledgements back.
//!
//! Invariant: nothing is acknowledged here that the writer did not commit (liveness answers carry
//! no marks). Deliberately absent: SQL.

pub mod acks;
pub mod admit;
pub mod subscribe;

use crate::live::LinkChange;
use admit::{Batch, Refusal};
use minewatch_domain::wire::SessionV1;
use minewatch_domain::{At, GatewayId};

/// Inputs waiting for the writer. At 1 MiB each this bounds memory to a few hundred MiB; when it
/// is full the subscriber waits a moment, then drops the input: the gateway sends it again.
pub const INPUTS_MAX: usize = 256;

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
            Input::Batch(batch) => batch.records.len() + batch.impossible.len(),
            Input::OutboxSent(ids) => ids.len(),
            Input::Hello(..) | Input::Refused(_) | Input::Link(_) => 1,
        }
    }
}
