//! Headquarters topics, for subscribers who wrote none of our code (`minewatch/v1/hq/...`).
//!
//! Values are state: conflated, newest wins, republished after a start. Alarm messages leave from
//! the transactional outbox and are deleted only after the broker took them. Invariant: the writer
//! never waits for this part; it leaves its news on the [`Board`].

mod board;
pub mod event;
mod publish;

pub use board::{Board, News, Site};
pub use publish::Publisher;
