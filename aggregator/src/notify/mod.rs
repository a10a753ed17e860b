//! Notification channels: robots (WeCom, DingTalk, Feishu), e-mail, webhook, SMS and voice.
//!
//! Notices are rows of the store, written in the transaction of the case step they belong to. This
//! part claims due rows with a lease, sends them and writes down what came of it, so every notice
//! is sent at least once, and always under one idempotency key, whatever is killed meanwhile.
//! Formatting, signing, planning and the state of a notice are pure; only `driver` and `http` do I/O.
//!
//! Invariant: a red notice never waits for quiet hours, never loses its reserve of the robot's
//! budget, and has a fallback started at its first failure. Deliberately absent: who is to be told
//! (organisation and escalation decide that), personal data and clips in messages, and redirects.

mod answer;
pub mod budget;
pub mod config;
mod digest;
mod driver;
pub mod guard;
pub mod http;
mod mail;
mod message;
pub mod plan;
mod quiet;
pub mod receipt;
mod robot;
pub mod sender;
pub mod settings;
mod sign;
mod sms;
mod webhook;

pub use answer::Answer;
pub use config::{Channel, Kind, NotifyConfig};
pub use driver::{Notifier, test_once};
pub use message::{Body, Message};
pub use sender::Notice;

/// The idempotency key of a notice as shown to receivers: fixed length, no separators of ours.
pub fn public_key(id: &str) -> String {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(id.as_bytes());
    let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("msg_{hex}")
}
