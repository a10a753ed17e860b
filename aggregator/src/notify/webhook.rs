//! The generic webhook: a JSON document under a Standard Webhooks signature. Pure.
//!
//! Headers `webhook-id` (the idempotency key), `webhook-timestamp` (seconds; receivers allow five
//! minutes), `webhook-signature` (one `v1,` per active secret). A retry has the same id and body,
//! and a fresh timestamp and signature.

use super::message::Message;
use super::{public_key, sign};
use crate::clock;
use minewatch_domain::At;
use serde_json::{Value, json};

/// The document.
pub(super) fn document(message: &Message) -> Value {
    let body = &message.body;
    json!({
        "type": "minewatch.notice.v1",
        "timestamp": clock::text(At(body.since_us)),
        "data": {
            "id": public_key(&message.id),
            "case": message.case,
            "level": message.level.name(),
            "domain": message.domain,
            "org": message.org,
            "title": { "zh": body.title_zh, "en": body.title_en },
            "place": { "zh": body.place_zh, "en": body.place_en },
            "what": { "zh": body.what_zh, "en": body.what_en },
            "since": clock::text(At(body.since_us)),
            "link": message.link,
            "lines": body.lines.iter().map(|(zh, en)| json!({ "zh": zh, "en": en })).collect::<Vec<_>>(),
            "more": body.more,
        },
    })
}

/// The headers of one attempt.
pub(super) fn headers(id: &str, keys: &[Vec<u8>], body: &str, now: At) -> Vec<(&'static str, String)> {
    let (id, seconds) = (public_key(id), now.millis().div_euclid(1_000));
    let signature = sign::webhook(keys, &id, seconds, body);
    vec![("webhook-id", id), ("webhook-timestamp", seconds.to_string()), ("webhook-signature", signature)]
}

#[cfg(test)]
mod tests {
    use super::super::message::tests::message;
    use super::*;

    #[test]
    fn the_document_is_as_published_and_the_id_is_the_key() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/notify/webhook.json");
        let text = format!("{}\n", serde_json::to_string_pretty(&document(&message())).expect("JSON"));
        if std::env::var_os("MINEWATCH_GOLDEN").is_some() {
            std::fs::write(path, &text).expect("written");
        }
        assert_eq!(std::fs::read_to_string(path).expect("golden file"), text);
        let key = vec![b"0123456789abcdef0123456789abcdef".to_vec()];
        let of = |now| headers(&message().id, &key, "{}", now);
        let (first, second) = (of(At(1_795_600_800_000_000)), of(At(1_795_600_860_000_000)));
        assert_eq!(first[0], second[0], "a retry has the same id");
        assert_ne!(first[2], second[2], "and a fresh signature");
        assert!(!first[0].1.contains('.'), "a full stop would make the signed text ambiguous");
    }
}
