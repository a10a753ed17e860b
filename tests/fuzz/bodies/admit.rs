//! Any topic and payload at the door of headquarters: the first line is the topic, the rest the payload.

use minewatch_aggregator::ingest::admit::{Admitted, admit};
use minewatch_domain::At;

/// The target.
pub(crate) fn body(data: &[u8]) {
    let split = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let topic = String::from_utf8_lossy(&data[..split]);
    let payload = data.get(split + 1..).unwrap_or_default();
    match admit(&topic, payload, At(1)) {
        Ok(Admitted::Batch(batch)) => {
            assert!(topic.contains(&format!("/gw/{}/", batch.gateway)), "a fact's gateway is its topic's");
            let numbers: u64 = batch.ranges.iter().map(|range| range.end - range.start).sum();
            assert_eq!(numbers, (batch.records.len() + batch.impossible.len()) as u64);
        }
        Ok(Admitted::Session(gateway, _) | Admitted::Status(gateway, _)) => {
            assert!(topic.contains(&format!("/gw/{gateway}/")), "a fact's gateway is its topic's");
        }
        Ok(_) => {}
        Err(refusal) => assert!(!refusal.detail.is_empty(), "a refusal says why"),
    }
}
