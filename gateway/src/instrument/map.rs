//! The valid form of an instrument file.
//!
//! Invariant: a [`RegisterMap`] can be planned and decoded without further checks: addresses are
//! 0-based as on the wire, every value and group fits in one request, ids are unique.
//! Deliberately absent: the file's syntax (`raw.rs`).

use super::codec::{ByteOrder, ValueType};
use super::plan::Function;
use crate::config::Problem;

/// Registers per read allowed by the Modbus specification; devices may allow fewer.
pub const REGISTER_BLOCK_MAX: u16 = 125;
/// Coils or discrete inputs per read allowed by the Modbus specification.
pub(super) const BIT_BLOCK_MAX: u16 = 2_000;
/// Longest answer time an instrument file may ask for: a VTN208 box measures up to 120 s before it answers.
pub const TIMEOUT_MS_MAX: u64 = 120_000;
/// Quantities per instrument; more are refused (a map is written by people, this bounds a plan).
pub(super) const QUANTITIES_MAX: usize = 2_000;

/// A name for people, in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

/// How far a map has been checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verified {
    /// Transcribed from a public document only.
    Document,
    /// Read from a simulator.
    Simulator,
    /// Read from a real unit.
    RealUnit,
}

/// How addresses are written in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressBase {
    /// As on the wire, from 0.
    Zero,
    /// From 1; the wire address is one less.
    One,
    /// Modicon numbers: 00001 coils, 10001 discrete inputs, 30001 input, 40001 holding registers.
    Modicon,
}

/// A valid instrument map.
#[derive(Debug, Clone, PartialEq)]
pub struct RegisterMap {
    /// Slug, also the file name without `.toml`.
    pub id: String,
    /// What people call the instrument.
    pub name: Names,
    /// Public addresses or documents the map was transcribed from.
    pub source: Vec<String>,
    /// How far it has been checked.
    pub verified: Verified,
    /// What a commissioning engineer must know; English.
    pub note: String,
    /// How the file writes addresses (everything below is already 0-based).
    pub address_base: AddressBase,
    /// Largest number of registers per read.
    pub block_max: u16,
    /// Most unrequested registers that may be read to join two requests.
    pub gap_max: u16,
    /// Answer timeout, milliseconds.
    pub timeout_ms: u64,
    /// Least silence between two requests to this device, milliseconds.
    pub pause_ms: u64,
    /// Shortest poll period the instrument can deliver, milliseconds; 0 when not known.
    pub period_min_ms: u64,
    /// Factory serial settings, for `probe`.
    pub serial: Option<SerialDefaults>,
    /// What can be read.
    pub quantities: Vec<Quantity>,
    /// Read-together groups: indices into `quantities`, each group within one request.
    pub groups: Vec<Vec<usize>>,
    /// Write that starts a measurement before a read.
    pub trigger: Option<Trigger>,
    /// Exceptions that mean "later", not "broken".
    pub busy: Option<Busy>,
    /// Writes refused unless commissioning asks for them by name.
    pub blocked: Vec<BlockedWrite>,
    /// Clock that must be set before any data is read.
    pub clock: Option<ClockSet>,
}

/// Factory serial settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SerialDefaults {
    /// Bits per second.
    pub baud: u32,
    /// Parity.
    pub parity: crate::config::Parity,
    /// Stop bits, 1 or 2.
    pub stop_bits: u8,
    /// Factory unit address, where the document names one.
    pub unit: Option<u8>,
}

/// One readable value.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantity {
    /// Slug, unique in the map.
    pub id: String,
    /// Name for people.
    pub name: Names,
    /// Table it stands in.
    pub function: Function,
    /// First register, 0-based.
    pub address: u16,
    /// Type on the wire.
    pub value_type: ValueType,
    /// Byte and word order.
    pub order: ByteOrder,
    /// `x = raw * scale + offset`.
    pub scale: f64,
    /// See `scale`.
    pub offset: f64,
    /// `value = c0 + c1 x + c2 x^2 ...`; empty means `value = x`.
    pub polynomial: Vec<f64>,
    /// A point's own calibration sheet, applied last, `c0 + c1 v + c2 v^2 ...`; empty in an
    /// instrument file, set by the site.
    pub calibration: Vec<f64>,
    /// Unit of the value.
    pub unit: String,
    /// Values outside, before any calibration, are bad.
    pub range: Option<(f64, f64)>,
    /// Raw bit patterns that mean "no value".
    pub sentinels: Vec<u64>,
    /// Status fields that all must say good.
    pub status: Vec<Status>,
    /// The instrument's own statement of how old the value is.
    pub age: Option<Age>,
}

impl Quantity {
    /// Registers (or bits) the value takes.
    pub fn words(&self) -> u16 {
        self.value_type.words()
    }
}

/// What a bad status makes of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The value is not shown.
    Bad,
    /// The value is shown with care.
    Uncertain,
}

/// A field of bits that qualifies a value.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// Table.
    pub function: Function,
    /// First register, 0-based.
    pub address: u16,
    /// Type of the status word.
    pub value_type: ValueType,
    /// Byte and word order of the status word.
    pub order: ByteOrder,
    /// Lowest bit of the field.
    pub bit: u8,
    /// Bits in the field.
    pub bits: u8,
    /// Field values that mean good; empty: see `bad_when`.
    pub good_when: Vec<u64>,
    /// Field values that mean bad; empty: everything not in `good_when` is.
    pub bad_when: Vec<u64>,
    /// What a bad status makes of the value.
    pub severity: Severity,
}

impl Status {
    /// Whether the status word says the value is good.
    pub fn is_good(&self, word: u64) -> bool {
        let mask = if self.bits >= 64 { u64::MAX } else { (1u64 << self.bits) - 1 };
        let field = (word >> self.bit) & mask;
        if self.good_when.is_empty() { !self.bad_when.contains(&field) } else { self.good_when.contains(&field) }
    }
}

/// A register that says how old a value is.
#[derive(Debug, Clone, PartialEq)]
pub struct Age {
    /// Table.
    pub function: Function,
    /// First register, 0-based.
    pub address: u16,
    /// Type of the age.
    pub value_type: ValueType,
    /// Byte and word order of the age.
    pub order: ByteOrder,
    /// Seconds per count.
    pub scale_s: f64,
    /// Older values are stale.
    pub max_s: f64,
}

/// Write that starts a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trigger {
    /// Holding register, 0-based.
    pub address: u16,
    /// Value to write.
    pub value: u16,
    /// Wait between the write and the read, milliseconds.
    pub wait_ms: u64,
    /// Additional wait per unit address (the instruments answer a broadcast one after the other), milliseconds.
    pub stagger_ms_per_address: u64,
    /// Whether one write to unit 0 triggers every such device of the bus.
    pub broadcast: bool,
}

/// Exception answers that are retried and not counted as faults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Busy {
    /// Exception codes, for example 5 (acknowledge) and 6 (server device busy).
    pub exceptions: Vec<u8>,
    /// Retries before the poll fails.
    pub retries: u32,
    /// Pause before each retry, milliseconds.
    pub pause_ms: u64,
}

/// Registers that must not be written by accident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockedWrite {
    /// Table: holding registers or coils.
    pub function: Function,
    /// First address, 0-based.
    pub first: u16,
    /// Last address, inclusive.
    pub last: u16,
    /// Why; English.
    pub reason: String,
}

/// Where a device's clock is. The value layout differs per device; `layout` names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClockSet {
    /// First holding register, 0-based.
    pub address: u16,
    /// Registers.
    pub count: u16,
    /// What the document says about the layout and when to write; the gateway does not write it by itself.
    pub note: String,
}

impl RegisterMap {
    /// Reads an instrument file. `file` names it in problems.
    ///
    /// # Errors
    /// Every problem of the file at once.
    pub fn parse(file: &str, text: &str) -> Result<RegisterMap, Vec<Problem>> {
        super::raw::parse(file, text)
    }

    /// The index of a quantity by id.
    pub fn quantity_index(&self, id: &str) -> Option<usize> {
        self.quantities.iter().position(|quantity| quantity.id == id)
    }

    /// The reason why writing `address` of `function` is refused, if it is.
    pub fn write_blocked(&self, function: Function, address: u16) -> Option<&BlockedWrite> {
        self.blocked.iter().find(|b| b.function == function && (b.first..=b.last).contains(&address))
    }

    /// Largest count of one request of `function`.
    pub fn block_max_for(&self, function: Function) -> u16 {
        if function.is_bits() { BIT_BLOCK_MAX } else { self.block_max }
    }
}
