//! Any text as a topic: one of ours exactly, or nothing.

use minewatch_domain::topics;

/// The target.
pub(crate) fn body(data: &[u8]) {
    let topic = String::from_utf8_lossy(data);
    if let Some((gateway, _)) = topics::parse_up(&topic) {
        let below = format!("{}/gw/{gateway}/", topics::ROOT);
        assert!(topic.starts_with(&below), "{topic} is not below {below}");
        assert!(!topic.contains(['+', '#', '\0']), "{topic} holds a wildcard");
    }
}
