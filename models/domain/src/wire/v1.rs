//! Version 1 of every message, frozen: fields may be added as optional, never changed.

use minicbor::{Decode, Encode};

/// A batch of ledger frames of one `(gateway, epoch, lane)`; topic `…/up/{lane}`.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct BatchV1 {
    /// Always 1.
    #[n(0)]
    pub version: u8,
    /// The sender; must equal the topic's gateway.
    #[n(1)]
    pub gateway: String,
    /// Spool epoch of every frame.
    #[n(2)]
    pub epoch: u64,
    /// Lane code of every frame.
    #[n(3)]
    pub lane: u8,
    /// Gateway wall clock at sending, microseconds since 1970.
    #[n(4)]
    pub sent_at_us: i64,
    /// Echoed in a refusal.
    #[n(5)]
    pub batch: u64,
    /// Names of the point numbers used in the frames.
    #[n(6)]
    pub points: Vec<(u32, String)>,
    /// The frames, in sequence order.
    #[n(7)]
    pub frames: Vec<FrameV1>,
}

/// A contiguous run of records.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct FrameV1 {
    /// Sequence number of the first record.
    #[n(0)]
    pub first_seq: u64,
    /// First 8 bytes of the SHA-256 of the configuration in force.
    #[n(1)]
    pub config: u64,
    /// Readings, one sequence number each.
    #[n(2)]
    pub readings: Option<ReadingsV1>,
    /// An alarm transition (one sequence number).
    #[n(3)]
    pub alarm: Option<AlarmV1>,
    /// A gap note (one sequence number).
    #[n(4)]
    pub gap: Option<GapV1>,
    /// An event (one sequence number).
    #[n(5)]
    pub event: Option<EventV1>,
    /// A part of the point catalogue (one sequence number).
    #[n(6)]
    pub catalogue: Option<CatalogueV1>,
}

/// Readings by column; the columns are equally long unless said otherwise.
#[derive(Debug, Clone, PartialEq, Default, Encode, Decode)]
#[cbor(map)]
pub struct ReadingsV1 {
    /// Source time of the first reading, microseconds since 1970.
    #[n(0)]
    pub at_us: i64,
    /// Point numbers.
    #[n(1)]
    pub point: Vec<u32>,
    /// Values; NaN where there is none.
    #[n(2)]
    pub value: Vec<f64>,
    /// Microseconds from `at_us`; empty when all are 0.
    #[n(3)]
    pub offset_us: Vec<i64>,
    /// Packed quality and reason; empty when all are good.
    #[n(4)]
    pub quality: Vec<u8>,
}

/// See [`crate::AlarmTransition`].
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
#[allow(missing_docs)]
pub struct AlarmV1 {
    #[n(0)]
    pub alarm: String,
    #[n(1)]
    pub revision: u64,
    #[n(2)]
    pub kind: String,
    #[n(3)]
    pub point: Option<String>,
    #[n(4)]
    pub from: u8,
    #[n(5)]
    pub to: u8,
    #[n(6)]
    pub at_us: i64,
    #[n(7)]
    pub value: Option<f64>,
    #[n(8)]
    pub limit: Option<f64>,
    #[n(9)]
    pub rule: String,
    #[n(10)]
    pub why: String,
    /// Added later: absent from older gateways, skipped by older aggregators.
    #[n(11)]
    pub proof: Option<String>,
}

/// See [`crate::Gap`].
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
#[allow(missing_docs)]
pub struct GapV1 {
    #[n(0)]
    pub reason: String,
    #[n(1)]
    pub subject: String,
    #[n(2)]
    pub from_us: i64,
    #[n(3)]
    pub to_us: i64,
    /// Epoch, lane code, first, one past last.
    #[n(4)]
    pub seqs: Option<(u64, u8, u64, u64)>,
    #[n(5)]
    pub count: u64,
}

/// See [`crate::Event`].
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
#[allow(missing_docs)]
pub struct EventV1 {
    #[n(0)]
    pub kind: String,
    #[n(1)]
    pub subject: String,
    #[n(2)]
    pub at_us: i64,
    #[n(3)]
    pub detail: String,
}

/// See [`crate::Catalogue`]. The description is JSON text: it is for people, changes rarely and
/// grows new fields often, so it is not worth a frozen binary layout.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
#[allow(missing_docs)]
pub struct CatalogueV1 {
    #[n(0)]
    pub config: u64,
    #[n(1)]
    pub json: String,
}

/// What a gateway holds of one `(epoch, lane)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct StreamV1 {
    /// Spool epoch.
    #[n(0)]
    pub epoch: u64,
    /// Lane code.
    #[n(1)]
    pub lane: u8,
    /// Lowest sequence number still held.
    #[n(2)]
    pub oldest: u64,
    /// Next sequence number to be given.
    #[n(3)]
    pub next: u64,
    /// No more records will be added (an epoch before the running one).
    #[n(4)]
    pub closed: bool,
    /// Every number below this was acknowledged by the store.
    #[n(5)]
    pub acked: u64,
}

/// Hello (on every connect and for every new aggregator instance) and heartbeat (each second
/// without an ack); topic `…/up/session`.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct SessionV1 {
    /// Always 1.
    #[n(0)]
    pub version: u8,
    /// The sender; must equal the topic's gateway.
    #[n(1)]
    pub gateway: String,
    /// Echoed in the answer.
    #[n(2)]
    pub nonce: u64,
    /// True for hello: answer with [`AckKind::Marks`]; false: answer with [`AckKind::Alive`].
    #[n(3)]
    pub want_marks: bool,
    /// Gateway wall clock, microseconds since 1970.
    #[n(4)]
    pub at_us: i64,
    /// Process start, microseconds since 1970.
    #[n(5)]
    pub started_us: i64,
    /// Program version.
    #[n(6)]
    pub software: String,
    /// First 8 bytes of the SHA-256 of the configuration in force.
    #[n(7)]
    pub config: u64,
    /// Everything the spool holds, running epoch last.
    #[n(8)]
    pub streams: Vec<StreamV1>,
    /// Records waiting for the store's ack.
    #[n(9)]
    pub backlog: u64,
    /// Connections lost since the process started.
    #[n(10)]
    pub link_losses: u64,
}

/// What an answer from the aggregator is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum AckKind {
    /// `marks` were just committed to the store.
    #[n(0)]
    Committed,
    /// Answer to hello: `marks` are all the store has of the streams named in the hello.
    #[n(1)]
    Marks,
    /// Answer to a heartbeat.
    #[n(2)]
    Alive,
    /// Batch `batch` was refused; a copy is in quarantine. It is not in the store: keep it, and do not
    /// send it again before the next hello.
    #[n(3)]
    Refused,
}

/// A committed half-open range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct MarkV1 {
    /// Spool epoch.
    #[n(0)]
    pub epoch: u64,
    /// Lane code.
    #[n(1)]
    pub lane: u8,
    /// First sequence number.
    #[n(2)]
    pub from: u64,
    /// One past the last.
    #[n(3)]
    pub to: u64,
}

/// The aggregator's word to one gateway; topic `…/down/ack`.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct AckV1 {
    /// Always 1.
    #[n(0)]
    pub version: u8,
    /// The addressee.
    #[n(1)]
    pub gateway: String,
    /// Random id of the aggregator process; an unseen one makes the gateway say hello.
    #[n(2)]
    pub instance: u64,
    /// What this is.
    #[n(3)]
    pub kind: AckKind,
    /// Nonce of the session message answered; 0 otherwise.
    #[n(4)]
    pub nonce: u64,
    /// Ranges the store holds.
    #[n(5)]
    pub marks: Vec<MarkV1>,
    /// The refused batch, for [`AckKind::Refused`].
    #[n(6)]
    pub batch: u64,
    /// Why it was refused, in English.
    #[n(7)]
    pub reason: Option<String>,
    /// Configuration hash of the catalogue the store has for this gateway (0: none), in answers to hello.
    #[n(8)]
    pub catalogue: u64,
}

/// Retained presence, JSON, also the will; topic `…/status`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct StatusV1 {
    /// Always 1.
    pub version: u8,
    /// The sender.
    pub gateway: String,
    /// Connected now.
    pub online: bool,
    /// The gateway process's own epoch, tells sessions apart.
    pub session: u64,
}
