//! Any bytes as a wire message: refused, or understood; what is understood says the same again.

use minewatch_domain::wire::{AckV1, BatchV1, SessionV1, StatusV1, decode, encode};

/// The target.
pub(crate) fn body(data: &[u8]) {
    if let Ok(session) = decode::<SessionV1>(data) {
        assert_eq!(decode::<SessionV1>(&encode(&session)).as_ref(), Ok(&session));
    }
    if let Ok(ack) = decode::<AckV1>(data) {
        assert_eq!(decode::<AckV1>(&encode(&ack)).as_ref(), Ok(&ack));
    }
    let _ = serde_json::from_slice::<StatusV1>(data);
    let Ok(batch) = decode::<BatchV1>(data) else { return };
    let Ok(points) = batch.dictionary() else { return };
    for frame in &batch.frames {
        let (Ok(count), Ok(unpacked)) = (frame.count(), frame.unpack(&points)) else { continue };
        let numbers = unpacked.records.len() + unpacked.impossible.len();
        assert_eq!(numbers as u64, count, "every number of a frame is a record or a stated reason");
    }
}
