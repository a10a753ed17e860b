//! Keys and values of the spool's sled trees. Pure.
//!
//! A frame's key sorts by epoch, lane, sequence number, so that one stream is one key range.
//! A frame's value carries its own checksum and count: sled checks pages, we check frames.

use minewatch_domain::Lane;

/// One `(epoch, lane)` of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    /// Spool epoch.
    pub epoch: u64,
    /// Lane.
    pub lane: Lane,
}

impl StreamId {
    /// Prefix of every frame key of the stream; also the stream's key in the streams tree.
    pub(super) fn prefix(self) -> [u8; 9] {
        let mut key = [0; 9];
        key[..8].copy_from_slice(&self.epoch.to_be_bytes());
        key[8] = self.lane.code();
        key
    }

    pub(super) fn from_prefix(key: &[u8]) -> Option<StreamId> {
        let epoch = u64::from_be_bytes(key.get(..8)?.try_into().ok()?);
        let lane = Lane::from_code(*key.get(8)?)?;
        Some(StreamId { epoch, lane })
    }
}

/// Key of the frame that starts at `first_seq`.
pub(super) fn frame_key(stream: StreamId, first_seq: u64) -> [u8; 17] {
    let mut key = [0; 17];
    key[..9].copy_from_slice(&stream.prefix());
    key[9..].copy_from_slice(&first_seq.to_be_bytes());
    key
}

/// First sequence number of a frame key.
pub(super) fn first_seq(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.get(9..17)?.try_into().ok()?))
}

/// Checksum (4 bytes), record count (4), time of writing (8), frame bytes.
pub(super) fn seal(count: u32, at_us: i64, frame: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(SEAL_LEN + frame.len());
    value.extend_from_slice(&[0; 4]);
    value.extend_from_slice(&count.to_be_bytes());
    value.extend_from_slice(&at_us.to_be_bytes());
    value.extend_from_slice(frame);
    let checksum = crc32fast::hash(&value[4..]);
    value[..4].copy_from_slice(&checksum.to_be_bytes());
    value
}

/// Bytes before the frame in a sealed value.
pub(super) const SEAL_LEN: usize = 16;

/// What a sealed value says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sealed<'a> {
    pub(super) count: u32,
    pub(super) at_us: i64,
    pub(super) frame: &'a [u8],
}

/// Opens a sealed value; `None` when the checksum or the length is wrong.
pub(super) fn unseal(value: &[u8]) -> Option<Sealed<'_>> {
    let checksum = u32::from_be_bytes(value.get(..4)?.try_into().ok()?);
    let count = u32::from_be_bytes(value.get(4..8)?.try_into().ok()?);
    let at_us = i64::from_be_bytes(value.get(8..16)?.try_into().ok()?);
    (crc32fast::hash(&value[4..]) == checksum).then(|| Sealed { count, at_us, frame: &value[SEAL_LEN..] })
}

/// State of one stream, kept beside its frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct StreamState {
    /// Lowest sequence number still held.
    pub(super) oldest: u64,
    /// Next sequence number to give.
    pub(super) next: u64,
    /// Every number below was acknowledged by the store.
    pub(super) acked: u64,
    /// Bytes of sealed frames held.
    pub(super) bytes: u64,
}

impl StreamState {
    pub(super) fn to_bytes(self) -> [u8; 32] {
        let mut out = [0; 32];
        for (slot, number) in out.chunks_exact_mut(8).zip([self.oldest, self.next, self.acked, self.bytes]) {
            slot.copy_from_slice(&number.to_be_bytes());
        }
        out
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<StreamState> {
        let mut numbers = bytes.chunks_exact(8).map(|c| u64::from_be_bytes(c.try_into().unwrap_or_default()));
        (bytes.len() == 32).then_some(())?;
        Some(StreamState {
            oldest: numbers.next()?,
            next: numbers.next()?,
            acked: numbers.next()?,
            bytes: numbers.next()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_sealed_frame_opens_to_itself_and_any_flipped_bit_is_noticed(
            frame in prop::collection::vec(any::<u8>(), 0..200), count: u32, at: i64, flip: prop::sample::Index,
        ) {
            let value = seal(count, at, &frame);
            prop_assert_eq!(unseal(&value), Some(Sealed { count, at_us: at, frame: &frame }));
            let mut torn = value.clone();
            let bit = flip.index(torn.len() * 8);
            torn[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(unseal(&torn), None);
        }

        #[test]
        fn keys_sort_by_epoch_then_lane_then_sequence(a: (u64, bool, u64), b: (u64, bool, u64)) {
            let key = |(epoch, routine, seq): (u64, bool, u64)| {
                let lane = if routine { Lane::Routine } else { Lane::Alarm };
                frame_key(StreamId { epoch, lane }, seq)
            };
            prop_assert_eq!(key(a).cmp(&key(b)), a.cmp(&b));
        }

        #[test]
        fn stream_state_survives_its_bytes(oldest: u64, next: u64, acked: u64, bytes: u64) {
            let state = StreamState { oldest, next, acked, bytes };
            prop_assert_eq!(StreamState::from_bytes(&state.to_bytes()), Some(state));
        }
    }
}
