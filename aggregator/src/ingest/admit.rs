//! The only way in for what a gateway says: topic and bytes to a fact, or a refusal with its reason.
//!
//! Pure. Invariant: never panics, whatever the bytes; a fact's gateway is the topic's gateway.
//! Deliberately absent: storage, clocks, acknowledgement.

use crate::store::CommandResult;
use minewatch_domain::wire::{
    self, BatchV1, CommandResultV1, PAYLOAD_BYTES_MAX, SessionV1, StatusV1, WireError, WireRecord,
};
use minewatch_domain::{At, GatewayId, Lane, topics};
use std::ops::Range;

/// Longest topic read; ours are far shorter.
pub const TOPIC_BYTES_MAX: usize = 256;
/// Streams a hello may name: a spool keeps few old epochs.
pub const HELLO_STREAMS_MAX: usize = 256;

/// Longest id of a command; ours have 32 bytes.
const COMMAND_ID_BYTES_MAX: usize = 200;

/// A batch that makes sense as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// The sender.
    pub gateway: GatewayId,
    /// Spool epoch.
    pub epoch: u64,
    /// Lane.
    pub lane: Lane,
    /// The sender's batch number.
    pub batch: u64,
    /// Good records.
    pub records: Vec<WireRecord>,
    /// Records that cannot be: sequence number and why.
    pub impossible: Vec<(u64, String)>,
    /// Every sequence number of the batch.
    pub ranges: Vec<Range<u64>>,
    /// When it came.
    pub at: At,
    /// Payload length.
    pub bytes: usize,
}

/// What was admitted.
#[derive(Debug, Clone, PartialEq)]
pub enum Admitted {
    /// Ledger records.
    Batch(Batch),
    /// Hello or heartbeat.
    Session(GatewayId, SessionV1),
    /// Retained presence or will.
    Status(GatewayId, StatusV1),
    /// What a gateway says to a command.
    CommandResult(CommandResult),
}

/// Why something was refused; the name stands in the quarantine and in metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RefusalReason {
    /// Not one of our topics.
    Topic,
    /// Longer than the limit.
    TooLong,
    /// Not a whole message.
    Malformed,
    /// A version this program does not read.
    Version,
    /// The payload names another gateway than the topic.
    Forged,
    /// The payload names another lane than the topic.
    Lane,
    /// A value that cannot be.
    Impossible,
}

impl RefusalReason {
    /// Name in the store, JSON and metrics.
    pub fn name(self) -> &'static str {
        match self {
            RefusalReason::Topic => "topic",
            RefusalReason::TooLong => "too_long",
            RefusalReason::Malformed => "malformed",
            RefusalReason::Version => "version",
            RefusalReason::Forged => "forged",
            RefusalReason::Lane => "lane",
            RefusalReason::Impossible => "impossible",
        }
    }
}

/// A refusal.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// Why, for counting.
    pub reason: RefusalReason,
    /// Why, for people.
    pub detail: String,
    /// The topic's gateway, if it has one.
    pub gateway: Option<GatewayId>,
    /// The batch to refuse towards the gateway, so that it does not block the rest. `None` when
    /// the sender cannot be believed or the number cannot be read.
    pub batch: Option<u64>,
}

/// The part of a batch that is read even when the rest is not.
#[derive(minicbor::Decode)]
#[cbor(map)]
struct Head {
    #[n(1)]
    gateway: Option<String>,
    #[n(5)]
    batch: Option<u64>,
}

fn refused_batch(gateway: &GatewayId, payload: &[u8]) -> Option<u64> {
    let head: Head = minicbor::decode(payload).ok()?;
    head.gateway.filter(|named| named == gateway.as_str()).and(head.batch)
}

fn of_wire(error: &WireError) -> RefusalReason {
    match error {
        WireError::TooLong(_) => RefusalReason::TooLong,
        WireError::Malformed(_) => RefusalReason::Malformed,
        WireError::Version(_) => RefusalReason::Version,
        WireError::Impossible(_) => RefusalReason::Impossible,
    }
}

/// Reads one message.
///
/// # Errors
/// [`Refusal`], to be kept with its payload.
pub fn admit(topic: &str, payload: &[u8], now: At) -> Result<Admitted, Refusal> {
    let refuse = |reason, detail: String, gateway, batch| Refusal { reason, detail, gateway, batch };
    if topic.len() > TOPIC_BYTES_MAX {
        return Err(refuse(RefusalReason::Topic, format!("topic of {} bytes", topic.len()), None, None));
    }
    let Some((gateway, up)) = topics::parse_up(topic) else {
        return Err(refuse(RefusalReason::Topic, "not a topic of a gateway".to_owned(), None, None));
    };
    if payload.len() > PAYLOAD_BYTES_MAX {
        let detail = WireError::TooLong(payload.len()).to_string();
        return Err(refuse(RefusalReason::TooLong, detail, Some(gateway), None));
    }
    let result = match up {
        topics::Up::Batch(lane) => batch(&gateway, lane, payload, now).map(Admitted::Batch),
        topics::Up::Session => session(&gateway, payload).map(|s| Admitted::Session(gateway.clone(), s)),
        topics::Up::Status => status(&gateway, payload).map(|s| Admitted::Status(gateway.clone(), s)),
        topics::Up::CommandResult => command_result(&gateway, payload).map(Admitted::CommandResult),
    };
    result.map_err(|(reason, detail)| {
        let batch = match up {
            topics::Up::Batch(_) if reason != RefusalReason::Forged => refused_batch(&gateway, payload),
            topics::Up::Batch(_) | topics::Up::Session | topics::Up::Status | topics::Up::CommandResult => None,
        };
        refuse(reason, detail, Some(gateway), batch)
    })
}

type Refused = (RefusalReason, String);

fn wire_refusal(error: WireError) -> Refused {
    (of_wire(&error), error.to_string())
}

fn same_gateway(gateway: &GatewayId, named: &str) -> Result<(), Refused> {
    match named == gateway.as_str() {
        true => Ok(()),
        false => {
            let named: String = named.chars().take(GatewayId::LEN_MAX).collect();
            Err((RefusalReason::Forged, format!("payload names gateway {named:?}, topic {gateway}")))
        }
    }
}

fn batch(gateway: &GatewayId, lane: Lane, payload: &[u8], now: At) -> Result<Batch, Refused> {
    let message: BatchV1 = wire::decode(payload).map_err(wire_refusal)?;
    same_gateway(gateway, &message.gateway)?;
    let named = message.lane().map_err(wire_refusal)?;
    if named != lane {
        return Err((RefusalReason::Lane, format!("payload names lane {}, topic {}", named.name(), lane.name())));
    }
    if message.epoch > i64::MAX as u64 {
        return Err((RefusalReason::Impossible, format!("epoch {}", message.epoch)));
    }
    if message.frames.is_empty() {
        return Err((RefusalReason::Malformed, "batch without frames".to_owned()));
    }
    let points = message.dictionary().map_err(wire_refusal)?;
    let mut out = Batch {
        gateway: gateway.clone(),
        epoch: message.epoch,
        lane,
        batch: message.batch,
        records: Vec::new(),
        impossible: Vec::new(),
        ranges: Vec::new(),
        at: now,
        bytes: payload.len(),
    };
    for frame in &message.frames {
        let count = frame.count().map_err(wire_refusal)?;
        let unpacked = frame.unpack(&points).map_err(wire_refusal)?;
        out.ranges.push(frame.first_seq..frame.first_seq + count);
        out.impossible.extend(unpacked.impossible);
        for record in unpacked.records {
            match record.record.lane() == lane {
                true => out.records.push(record),
                false => out.impossible.push((record.seq, format!("record does not belong to lane {}", lane.name()))),
            }
        }
    }
    Ok(out)
}

fn command_result(gateway: &GatewayId, payload: &[u8]) -> Result<CommandResult, Refused> {
    let message: CommandResultV1 = wire::decode(payload).map_err(wire_refusal)?;
    same_gateway(gateway, &message.gateway)?;
    if message.id.len() > COMMAND_ID_BYTES_MAX {
        return Err((RefusalReason::Impossible, format!("command id of {} bytes", message.id.len())));
    }
    // PostgreSQL text takes no NUL.
    let text = |text: &str| text.chars().take(200).map(|c| if c == '\0' { '\u{fffd}' } else { c }).collect::<String>();
    let (id, detail) = (text(&message.id), text(&message.detail));
    Ok(CommandResult { gateway: gateway.clone(), id, done: message.done, detail })
}

fn session(gateway: &GatewayId, payload: &[u8]) -> Result<SessionV1, Refused> {
    let message: SessionV1 = wire::decode(payload).map_err(wire_refusal)?;
    same_gateway(gateway, &message.gateway)?;
    if message.streams.len() > HELLO_STREAMS_MAX {
        return Err((RefusalReason::Impossible, format!("{} streams in one hello", message.streams.len())));
    }
    let large = |n: u64| n > i64::MAX as u64;
    if message.streams.iter().any(|s| large(s.epoch) || large(s.next) || Lane::from_code(s.lane).is_none()) {
        return Err((RefusalReason::Impossible, "a stream of the hello cannot be".to_owned()));
    }
    if message.software.len() > 128 {
        return Err((RefusalReason::Impossible, "software name is too long".to_owned()));
    }
    Ok(message)
}

fn status(gateway: &GatewayId, payload: &[u8]) -> Result<StatusV1, Refused> {
    let message: StatusV1 =
        serde_json::from_slice(payload).map_err(|e| (RefusalReason::Malformed, format!("status: {e}")))?;
    same_gateway(gateway, &message.gateway)?;
    match message.version {
        wire::VERSION => Ok(message),
        other => Err(wire_refusal(WireError::Version(other))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use minewatch_domain::wire::{Frame, encode};
    use minewatch_domain::{PointId, Quality, Reading, Reason};
    use proptest::prelude::*;

    fn gateway() -> GatewayId {
        GatewayId::parse("gw-1").expect("slug")
    }

    fn sample(gateway: &str, lane: Lane) -> BatchV1 {
        let reading = Reading {
            point: PointId::parse("p").expect("slug"),
            at: At(1_764_000_000_000_000),
            value: Some(1.5),
            quality: Quality::Good,
            reason: Reason::None,
        };
        BatchV1 {
            version: 1,
            gateway: gateway.to_owned(),
            epoch: 7,
            lane: lane.code(),
            sent_at_us: 0,
            batch: 42,
            points: vec![(1, "p".to_owned())],
            frames: vec![Frame::of_readings(10, 0, [(1, &reading), (1, &reading)])],
        }
    }

    #[test]
    fn a_good_batch_is_admitted_with_all_its_numbers() {
        let bytes = encode(&sample("gw-1", Lane::Routine));
        let Ok(Admitted::Batch(batch)) = admit("minewatch/v1/gw/gw-1/up/routine", &bytes, At(5)) else {
            panic!("must be admitted")
        };
        assert_eq!((batch.ranges, batch.records.len(), batch.epoch), (std::iter::once(10..12).collect(), 2, 7));
    }

    #[test]
    fn a_forged_sender_is_refused_and_gets_no_answer() {
        let bytes = encode(&sample("gw-2", Lane::Routine));
        let refusal = admit("minewatch/v1/gw/gw-1/up/routine", &bytes, At(5)).expect_err("forged");
        assert_eq!((refusal.reason, refusal.batch), (RefusalReason::Forged, None));
    }

    #[test]
    fn a_broken_batch_of_a_believable_sender_is_refused_by_number() {
        let newer = encode(&BatchV1 { version: 9, ..sample("gw-1", Lane::Routine) });
        let refusal = admit("minewatch/v1/gw/gw-1/up/routine", &newer, At(5)).expect_err("newer");
        assert_eq!((refusal.reason, refusal.batch), (RefusalReason::Version, Some(42)));
        let other = encode(&sample("gw-1", Lane::Alarm));
        let refusal = admit("minewatch/v1/gw/gw-1/up/routine", &other, At(5)).expect_err("lane");
        assert_eq!((refusal.reason, refusal.batch), (RefusalReason::Lane, Some(42)));
    }

    #[test]
    fn a_record_of_the_other_lane_is_set_aside_and_its_number_counts_as_received() {
        let bytes = encode(&BatchV1 { lane: 0, ..sample("gw-1", Lane::Alarm) });
        let Ok(Admitted::Batch(batch)) = admit("minewatch/v1/gw/gw-1/up/alarm", &bytes, At(5)) else {
            panic!("must be admitted")
        };
        assert_eq!(
            (batch.records.len(), batch.impossible.len(), batch.ranges),
            (0, 2, std::iter::once(10..12).collect())
        );
    }

    proptest! {
        #[test]
        fn whatever_the_bytes_admission_answers(
            leaf in prop::sample::select(vec!["up/alarm", "up/routine", "up/session", "status", "x"]),
            bytes in prop::collection::vec(any::<u8>(), 0..400),
        ) {
            let _ = admit(&format!("minewatch/v1/gw/gw-1/{leaf}"), &bytes, At(0));
        }

        #[test]
        fn a_damaged_batch_never_panics_and_never_names_another_gateway(
            position in 0usize..200, byte in any::<u8>(), cut in 0usize..200,
        ) {
            let mut bytes = encode(&sample("gw-1", Lane::Routine));
            let position = position % bytes.len();
            bytes[position] = byte;
            bytes.truncate(bytes.len() - cut.min(bytes.len()));
            if let Ok(Admitted::Batch(batch)) = admit("minewatch/v1/gw/gw-1/up/routine", &bytes, At(0)) {
                prop_assert_eq!(batch.gateway, gateway());
            }
        }
    }
}
