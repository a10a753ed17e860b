//! What the gateway and its vision process say to each other over a local socket: CBOR messages,
//! each preceded by its length (u32, big-endian).
//!
//! Invariant: an event keeps its number until the gateway said that it is in the ledger; whoever
//! of the two dies in between, it is said again, and the number tells that it is the same. Both
//! programs are installed together, so the messages carry no version.

use minicbor::{Decode, Encode};

/// Longest message: a fall with its key-point trace is below 32 KiB, settings of 64 cameras below 256 KiB.
pub const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// From the gateway.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum ToVision {
    /// First message: what to watch.
    #[n(0)]
    Configure {
        /// [`crate::VisionSettings`] as JSON.
        #[n(0)]
        settings: String,
        /// The highest event number the ledger has.
        #[n(1)]
        taken: u64,
    },
    /// An event is in the ledger.
    #[n(1)]
    Taken {
        /// Its number.
        #[n(0)]
        seq: u64,
        /// The alarm it became.
        #[n(1)]
        alarm: String,
        /// The alarm's revision.
        #[n(2)]
        revision: u64,
    },
    /// End in good order.
    #[n(2)]
    Stop,
}

/// From the vision process.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum FromVision {
    /// It has read its settings and the model runs, or why it does not.
    #[n(0)]
    Started {
        /// Empty when the model runs.
        #[n(0)]
        degraded: String,
    },
    /// It is alive.
    #[n(1)]
    Beat {
        /// Per camera.
        #[n(0)]
        cameras: Vec<CameraBeat>,
    },
    /// Somebody fell.
    #[n(2)]
    Fall(#[n(0)] FallSeen),
    /// A camera's sight changed.
    #[n(3)]
    Sight(#[n(0)] SightSeen),
}

/// Counters of one camera since the process started.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
#[cbor(map)]
pub struct CameraBeat {
    /// The camera.
    #[n(0)]
    pub camera: String,
    /// Pictures that arrived.
    #[n(1)]
    pub frames: u64,
    /// Pictures replaced by a newer one before anybody looked.
    #[n(2)]
    pub dropped: u64,
    /// Pictures the model looked at.
    #[n(3)]
    pub looked: u64,
    /// Times the stream was opened again.
    #[n(4)]
    pub reconnects: u64,
}

/// A decided fall.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct FallSeen {
    /// Number of the event, rising.
    #[n(0)]
    pub seq: u64,
    /// The camera.
    #[n(1)]
    pub camera: String,
    /// When it was decided, microseconds since 1970.
    #[n(2)]
    pub at_us: i64,
    /// `same_level`, `from_height`, `motionless` or `arrest`.
    #[n(3)]
    pub kind: String,
    /// How sure, 0 to 1.
    #[n(4)]
    pub score: f64,
    /// The person's track.
    #[n(5)]
    pub track: u64,
    /// Which path decided and why, English.
    #[n(6)]
    pub why: String,
    /// Key-point trace and scores, JSON.
    #[n(7)]
    pub proof: String,
}

/// How a camera sees from now on.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct SightSeen {
    /// The camera.
    #[n(0)]
    pub camera: String,
    /// When, microseconds since 1970.
    #[n(1)]
    pub at_us: i64,
    /// A name of [`crate::Blindness`]; empty when it sees well.
    #[n(2)]
    pub blind: String,
    /// What was measured, English.
    #[n(3)]
    pub why: String,
}

/// A stream of bytes that is no message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Longer than allowed.
    #[error("message of {0} bytes; at most {MESSAGE_BYTES_MAX} are allowed")]
    TooLong(usize),
    /// Not what was expected.
    #[error("not a message: {0}")]
    Malformed(String),
}

/// Length and bytes of a message.
pub fn encode<T: Encode<()>>(message: &T) -> Vec<u8> {
    let mut bytes = vec![0; 4];
    // Writing to memory does not fail.
    let _ = minicbor::encode(message, &mut bytes);
    let length = u32::try_from(bytes.len() - 4).unwrap_or(u32::MAX).to_be_bytes();
    bytes[..4].copy_from_slice(&length);
    bytes
}

/// Takes the first whole message off the front of `bytes`; `None` while it is incomplete.
///
/// # Errors
/// [`MessageError`] when no message can come of these bytes.
pub fn take<T: for<'b> Decode<'b, ()>>(bytes: &mut Vec<u8>) -> Result<Option<T>, MessageError> {
    let Some(head) = bytes.first_chunk::<4>() else { return Ok(None) };
    let length = u32::from_be_bytes(*head) as usize;
    if length > MESSAGE_BYTES_MAX {
        return Err(MessageError::TooLong(length));
    }
    let Some(body) = bytes.get(4..4 + length) else { return Ok(None) };
    let message = minicbor::decode(body).map_err(|error| MessageError::Malformed(error.to_string()))?;
    bytes.drain(..4 + length);
    Ok(Some(message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fall(seq: u64) -> FromVision {
        FromVision::Fall(FallSeen {
            seq,
            camera: "cam-01".into(),
            at_us: 5,
            kind: "from_height".into(),
            score: 0.9,
            track: 3,
            why: "w".into(),
            proof: "{}".into(),
        })
    }

    proptest! {
        #[test]
        fn messages_cut_anywhere_come_out_whole_and_in_order(cut in 0usize..400, count in 1u64..6) {
            let stream: Vec<u8> = (0..count).flat_map(|n| encode(&fall(n))).collect();
            let cut = cut.min(stream.len());
            let (mut inbox, mut seen) = (Vec::new(), Vec::new());
            for part in [&stream[..cut], &stream[cut..]] {
                inbox.extend_from_slice(part);
                while let Some(message) = take::<FromVision>(&mut inbox).expect("well formed") {
                    seen.push(message);
                }
            }
            prop_assert!(inbox.is_empty());
            prop_assert_eq!(seen, (0..count).map(fall).collect::<Vec<_>>());
        }

        #[test]
        fn garbage_is_refused_or_waited_for_and_never_a_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = take::<FromVision>(&mut bytes);
        }
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused_at_once() {
        assert_eq!(take::<ToVision>(&mut vec![0xff; 4]), Err(MessageError::TooLong(u32::MAX as usize)));
    }
}
