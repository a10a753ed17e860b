//! Brings the ledger to headquarters.
//!
//! One task owns the link. It connects, asks the store what it has (hello), sends what is
//! missing, and lets the spool forget only what the store has committed. A link is judged by
//! what is heard on it within [`SILENCE_MS_MAX`], not by TCP. Deliberately absent: any memory of
//! its own that would have to survive a crash (the spool and the store are enough).

mod connection;
mod plan;
mod task;

pub use plan::{Class, Planner, Want};
pub use task::{Uplink, run};

use minewatch_domain::At;

/// Silence after which a connection counts as dead (half-open links look alive to TCP).
pub const SILENCE_MS_MAX: u64 = 4_000;

/// How the link is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LinkState {
    /// No broker.
    #[default]
    Down,
    /// The broker answers, the store does not (yet).
    AwaitingStore,
    /// The store answers.
    Up,
}

/// What the rest of the gateway may know of the link.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UplinkView {
    /// How the link is.
    pub state: LinkState,
    /// Since when (wall clock).
    pub since: At,
    /// Connections lost since start.
    pub losses: u64,
    /// Batches sent since start.
    pub batches: u64,
    /// Records acknowledged by the store since start (repeats counted once).
    pub acked_records: u64,
    /// Batches the aggregator refused and keeps in quarantine.
    pub refused: u64,
    /// Catalogue the store has (configuration hash), told in answers to hello.
    pub store_catalogue: Option<u64>,
    /// Why the link was lost last.
    pub last_error: Option<String>,
}
