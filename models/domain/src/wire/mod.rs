//! The frozen wire format between gateways and the aggregator: CBOR (RFC 8949), integer-keyed
//! maps, additive within a version (unknown keys are skipped, new keys are optional).
//!
//! Wire types stay apart from the domain records; [`Frame::unpack`] and [`Frame::pack`] are
//! the only ways across. A golden file per version (`models/domain/golden/`) keeps them frozen.
//! Deliberately absent: topics (`topics`), delivery, storage.

mod command;
mod frame;
mod v1;

pub use command::{ActionV1, CommandResultV1, CommandV1};
pub use frame::{Frame, PointDictionary, Unpacked, WireRecord};
pub use v1::{
    AckKind, AckV1, AlarmV1, BatchV1, CatalogueV1, EventV1, FrameV1, GapV1, MarkV1, ReadingsV1, SessionV1, StatusV1,
    StreamV1,
};

/// The version this build writes.
pub const VERSION: u8 = 1;

/// Largest payload either side accepts, in bytes. A batch is cut well below it; anything longer
/// is refused and quarantined without being decoded.
pub const PAYLOAD_BYTES_MAX: usize = 1 << 20;

/// Most records one frame may hold, so that a forged count cannot reserve memory.
pub const FRAME_RECORDS_MAX: usize = 20_000;

/// Why bytes from outside are not a message of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Longer than [`PAYLOAD_BYTES_MAX`].
    #[error("payload of {0} bytes is longer than {PAYLOAD_BYTES_MAX}")]
    TooLong(usize),
    /// Not CBOR of the expected shape.
    #[error("malformed: {0}")]
    Malformed(String),
    /// A version this build does not read.
    #[error("unknown wire version {0}; this build reads version {VERSION}")]
    Version(u8),
    /// Well-formed, but a value is not possible.
    #[error("impossible value: {0}")]
    Impossible(String),
}

impl From<minicbor::decode::Error> for WireError {
    fn from(error: minicbor::decode::Error) -> WireError {
        WireError::Malformed(error.to_string())
    }
}

/// Encodes a message.
pub fn encode<T: minicbor::Encode<()>>(message: &T) -> Vec<u8> {
    minicbor::to_vec(message).expect("writing our own types to memory cannot fail")
}

#[derive(minicbor::Decode)]
#[cbor(map)]
struct VersionOnly {
    #[n(0)]
    version: u8,
}

/// Decodes a message after checking length and version, so that a newer version is named as such.
///
/// # Errors
/// [`WireError`] for anything that is not a whole message of this version.
pub fn decode<'b, T: minicbor::Decode<'b, ()>>(bytes: &'b [u8]) -> Result<T, WireError> {
    if bytes.len() > PAYLOAD_BYTES_MAX {
        return Err(WireError::TooLong(bytes.len()));
    }
    let head: VersionOnly = minicbor::decode(bytes)?;
    if head.version != VERSION {
        return Err(WireError::Version(head.version));
    }
    let mut decoder = minicbor::Decoder::new(bytes);
    let message = decoder.decode()?;
    if decoder.position() != bytes.len() {
        return Err(WireError::Malformed(format!("{} bytes after the message", bytes.len() - decoder.position())));
    }
    Ok(message)
}
