//! Business feeds: documents of other systems come in by folder, HTTP, MQTT or a query, and become
//! facts.
//!
//! Invariants: a document is taken once, whatever way and however often it comes; nothing is said to
//! be taken before it is committed; what cannot be taken is kept with place and reason, and can be
//! read again with a better mapping; a feed that is late is a warning. Deliberately absent: how a
//! format is read (`models/feed`), what a fact means (`models/risk`).

mod cli;
mod document;
mod folder;
mod overdue;
mod push;
mod query;
mod routes;
pub mod settings;
mod shelf;
mod topic;
mod watch;

pub use cli::Feed;
pub use cli::command;
pub use document::{Came, Intake, Refusal, Verdict};
pub use push::routes as push_routes;
pub(crate) use routes::{__path_list, __path_quarantine, __path_replay, routes};
pub use settings::{FeedConfig, FeedsConfig};
pub use watch::Feeds;

#[cfg(test)]
mod tests;
