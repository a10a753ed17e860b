//! One entry and its hash. Pure.

use minewatch_domain::At;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The hash before the first entry.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// One line of the audit trail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Position, from 1, without holes.
    pub seq: i64,
    /// When, UTC.
    #[serde(rename = "at_us")]
    pub at: At,
    /// Who.
    pub person: String,
    /// Proof of identity; never a secret.
    pub via: String,
    /// What, for example `session.begin`.
    pub action: String,
    /// On what.
    pub target: String,
    /// JSON text.
    pub detail: String,
    /// Hash of the entry before.
    pub previous: String,
    /// Hash of this one.
    pub hash: String,
}

impl Entry {
    /// The bytes that are hashed: canonical JSON (RFC 8785) of everything but the hash. Keys are
    /// sorted; values are texts and one integer below 2^53, so that JCS needs no number rules.
    pub fn canonical(&self) -> String {
        serde_json::json!({
            "action": self.action,
            "at_us": self.at.micros().to_string(),
            "detail": self.detail,
            "person": self.person,
            "previous": self.previous,
            "seq": self.seq,
            "target": self.target,
            "via": self.via,
        })
        .to_string()
    }

    /// SHA-256 of [`Entry::canonical`], in hex.
    pub fn computed(&self) -> String {
        hex(&Sha256::digest(self.canonical()))
    }
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        Entry {
            seq: 1,
            at: At(1_795_000_000_000_000),
            person: "li.wei".to_owned(),
            via: "session:1".to_owned(),
            action: "alarm.acknowledge".to_owned(),
            target: "gw-1/pz-03".to_owned(),
            detail: "{\"note\":\"巡视\"}".to_owned(),
            previous: GENESIS.to_owned(),
            hash: String::new(),
        }
    }

    #[test]
    fn the_hash_is_over_canonical_json_that_others_can_make() {
        let canonical = "{\"action\":\"alarm.acknowledge\",\"at_us\":\"1795000000000000\",\
            \"detail\":\"{\\\"note\\\":\\\"巡视\\\"}\",\"person\":\"li.wei\",\"previous\":\"GENESIS\",\
            \"seq\":1,\"target\":\"gw-1/pz-03\",\"via\":\"session:1\"}"
            .replace("GENESIS", GENESIS);
        assert_eq!(entry().canonical(), canonical);
        assert_eq!(entry().computed().len(), 64);
    }

    #[test]
    fn every_field_is_under_the_hash() {
        let base = entry().computed();
        let changed: [fn(&mut Entry); 8] = [
            |e| e.seq = 2,
            |e| e.at = At(1),
            |e| e.person.push('x'),
            |e| e.via.push('x'),
            |e| e.action.push('x'),
            |e| e.target.push('x'),
            |e| e.detail.push('x'),
            |e| e.previous.push('x'),
        ];
        for change in changed {
            let mut other = entry();
            change(&mut other);
            assert_ne!(other.computed(), base, "{other:?}");
        }
    }
}
