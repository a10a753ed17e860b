//! Keeps records until the final store has them.
//!
//! Everything is spooled before it is sent, so live data, a slow link and catching up are one
//! and the same loop. Invariant: a record leaves the disk only after the store's ack, or by a
//! stated, counted loss (size bound, disk full, damage) that is itself a gap record.
//! Deliberately absent: what a record means (domain), when to send it (`uplink`).

mod actor;
mod frames;
mod journal;
mod key;
mod ledger;
mod store;
#[cfg(test)]
mod tests;

pub use actor::{Running, SpoolHandle, SpoolHealth, SpoolView, open};
pub use key::StreamId;
pub use store::Outgoing;

use minewatch_alarm::Handling;
use minewatch_domain::{AlarmTransition, At, PointId};
use std::path::PathBuf;

/// Bounds of the spool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpoolSettings {
    /// Folder of the spool; made when absent.
    pub dir: PathBuf,
    /// Most bytes of frames held. When reached, acknowledged frames go first, then the oldest
    /// routine records, each loss stated by a gap record.
    pub size_max_bytes: u64,
    /// Acknowledged frames kept for a store that is restored from an older copy.
    pub keep_acked_bytes: u64,
    /// Below this much free disk, routine records are refused and counted; alarms still go in
    /// until a tenth of it is left.
    pub min_free_bytes: u64,
}

/// What opening the spool found.
#[derive(Debug, Clone, PartialEq)]
pub struct Opened {
    /// The new epoch.
    pub epoch: u64,
    /// When the spool was last written before; `None` for a new spool.
    pub last_alive: Option<At>,
    /// The last transition of every alarm, so that alarms continue across a restart.
    pub alarms: Vec<AlarmTransition>,
    /// What people did to each alarm, so that a silence or a shelf outlives a restart.
    pub handling: Vec<(PointId, Handling)>,
    /// Set when the old spool was unreadable and has been put aside.
    pub damaged: Option<String>,
    /// Configuration hash of the last catalogue written; 0 when none.
    pub catalogue: u64,
}

/// Why the spool could not do something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpoolError {
    /// The log on disk is not readable.
    #[error("spool damaged: {0}")]
    Damaged(String),
    /// The disk or the file system refused.
    #[error("spool i/o: {0}")]
    Io(String),
    /// The spool thread has ended.
    #[error("spool closed")]
    Closed,
}

impl From<sled::Error> for SpoolError {
    fn from(error: sled::Error) -> SpoolError {
        match error {
            sled::Error::Corruption { .. } => SpoolError::Damaged(error.to_string()),
            sled::Error::Io(_)
            | sled::Error::CollectionNotFound(_)
            | sled::Error::Unsupported(_)
            | sled::Error::ReportableBug(_) => SpoolError::Io(error.to_string()),
        }
    }
}
