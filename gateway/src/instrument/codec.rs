//! Words to bits to numbers and back, in every byte and word order met in the field.
//!
//! Invariant: `bits_to_words` is the exact inverse of `words_to_bits` for every type and order.
//! Deliberately absent: scale, sentinels and quality (`decode`).

use std::fmt;

/// Byte and word order, named by where the bytes of a big-endian 32-bit value stand on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ByteOrder {
    /// Big-endian words, big-endian bytes (64 bit: ABCDEFGH).
    Abcd,
    /// Low word first, big-endian bytes (64 bit: GHEFCDAB).
    Cdab,
    /// High word first, bytes swapped in each word (64 bit: BADCFEHG).
    Badc,
    /// Little-endian throughout (64 bit: HGFEDCBA).
    Dcba,
}

impl ByteOrder {
    /// Every order.
    pub const ALL: [ByteOrder; 4] = [ByteOrder::Abcd, ByteOrder::Cdab, ByteOrder::Badc, ByteOrder::Dcba];

    /// Name as written in files.
    pub fn name(self) -> &'static str {
        match self {
            ByteOrder::Abcd => "ABCD",
            ByteOrder::Cdab => "CDAB",
            ByteOrder::Badc => "BADC",
            ByteOrder::Dcba => "DCBA",
        }
    }

    /// The order of a name, in either case.
    pub fn from_name(name: &str) -> Option<ByteOrder> {
        ByteOrder::ALL.into_iter().find(|order| order.name().eq_ignore_ascii_case(name))
    }

    fn words_reversed(self) -> bool {
        matches!(self, ByteOrder::Cdab | ByteOrder::Dcba)
    }

    fn bytes_swapped(self) -> bool {
        matches!(self, ByteOrder::Badc | ByteOrder::Dcba)
    }
}

impl fmt::Display for ByteOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Type of a value on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ValueType {
    /// Unsigned, 1 register.
    U16,
    /// Signed, 1 register.
    I16,
    /// Unsigned, 2 registers.
    U32,
    /// Signed, 2 registers.
    I32,
    /// Unsigned, 4 registers; above 2^53 the nearest `f64`.
    U64,
    /// Signed, 4 registers; beyond 2^53 the nearest `f64`.
    I64,
    /// IEEE 754, 2 registers.
    F32,
    /// IEEE 754, 4 registers.
    F64,
    /// Unsigned field of one register.
    Bits {
        /// Lowest bit, 0..=15.
        offset: u8,
        /// Bits in the field, 1..=16.
        count: u8,
    },
    /// One coil or discrete input.
    Bit,
}

impl ValueType {
    /// Registers (or bits, for [`ValueType::Bit`]) the type takes.
    pub fn words(self) -> u16 {
        match self {
            ValueType::U16 | ValueType::I16 | ValueType::Bits { .. } | ValueType::Bit => 1,
            ValueType::U32 | ValueType::I32 | ValueType::F32 => 2,
            ValueType::U64 | ValueType::I64 | ValueType::F64 => 4,
        }
    }

    /// Whether NaN and infinities exist in the type.
    pub fn is_float(self) -> bool {
        matches!(self, ValueType::F32 | ValueType::F64)
    }

    /// Name as shown to people.
    pub fn name(self) -> &'static str {
        match self {
            ValueType::U16 => "u16",
            ValueType::I16 => "i16",
            ValueType::U32 => "u32",
            ValueType::I32 => "i32",
            ValueType::U64 => "u64",
            ValueType::I64 => "i64",
            ValueType::F32 => "f32",
            ValueType::F64 => "f64",
            ValueType::Bits { .. } => "bits",
            ValueType::Bit => "bit",
        }
    }

    /// The number that a bit pattern of this type stands for.
    #[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap, clippy::cast_precision_loss)]
    pub fn number(self, bits: u64) -> f64 {
        match self {
            ValueType::U16 | ValueType::U32 | ValueType::U64 => bits as f64,
            ValueType::I16 => f64::from(bits as u16 as i16),
            ValueType::I32 => f64::from(bits as u32 as i32),
            ValueType::I64 => bits as i64 as f64,
            ValueType::F32 => f64::from(f32::from_bits(bits as u32)),
            ValueType::F64 => f64::from_bits(bits),
            ValueType::Bits { offset, count } => ((bits >> offset) & ((1 << count) - 1)) as f64,
            ValueType::Bit => f64::from(u8::from(bits & 1 == 1)),
        }
    }

    /// The bit pattern of a number, the inverse of [`ValueType::number`]; `None` when the type
    /// cannot hold it. A bit field is placed into an otherwise zero register.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub fn bits_of(self, number: f64) -> Option<u64> {
        let whole = |low: f64, high: f64| (number.fract() == 0.0 && (low..=high).contains(&number)).then_some(number);
        match self {
            ValueType::U16 => whole(0.0, 65_535.0).map(|n| n as u64),
            ValueType::I16 => whole(-32_768.0, 32_767.0).map(|n| u64::from(n as i16 as u16)),
            ValueType::U32 => whole(0.0, f64::from(u32::MAX)).map(|n| n as u64),
            ValueType::I32 => whole(f64::from(i32::MIN), f64::from(i32::MAX)).map(|n| u64::from(n as i32 as u32)),
            ValueType::U64 => whole(0.0, 18_446_744_073_709_549_568.0).map(|n| n as u64),
            ValueType::I64 => whole(-9_223_372_036_854_775_808.0, 9_223_372_036_854_774_784.0).map(|n| n as i64 as u64),
            ValueType::F32 => Some(u64::from((number as f32).to_bits())),
            ValueType::F64 => Some(number.to_bits()),
            ValueType::Bits { offset, count } => {
                whole(0.0, f64::from((1u32 << count) - 1)).map(|n| (n as u64) << offset)
            }
            ValueType::Bit => whole(0.0, 1.0).map(|n| n as u64),
        }
    }
}

/// Joins at most four words, as they came over the wire, into a bit pattern.
pub fn words_to_bits(words: &[u16], order: ByteOrder) -> u64 {
    let join =
        |bits: u64, word: &u16| bits << 16 | u64::from(if order.bytes_swapped() { word.swap_bytes() } else { *word });
    if order.words_reversed() { words.iter().rev().fold(0, join) } else { words.iter().fold(0, join) }
}

/// Splits a bit pattern into `count` words as they go over the wire.
#[allow(clippy::cast_possible_truncation)]
pub fn bits_to_words(bits: u64, count: u16, order: ByteOrder) -> Vec<u16> {
    let mut words: Vec<u16> = (0..count)
        .rev()
        .map(|place| (bits >> (16 * u32::from(place))) as u16)
        .map(|word| if order.bytes_swapped() { word.swap_bytes() } else { word })
        .collect();
    if order.words_reversed() {
        words.reverse();
    }
    words
}

/// What the same words mean in one type and order; for `probe`.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderView {
    /// Type tried.
    pub value_type: ValueType,
    /// Order tried.
    pub order: ByteOrder,
    /// Number, possibly NaN or infinite.
    pub number: f64,
}

/// Decodes the first words in every type that fits and all four orders, side by side.
pub fn all_orders(words: &[u16]) -> Vec<OrderView> {
    const TYPES: [ValueType; 8] = [
        ValueType::U16,
        ValueType::I16,
        ValueType::U32,
        ValueType::I32,
        ValueType::F32,
        ValueType::U64,
        ValueType::I64,
        ValueType::F64,
    ];
    let mut views = Vec::new();
    for value_type in TYPES {
        let Some(words) = words.get(..usize::from(value_type.words())) else { continue };
        for order in ByteOrder::ALL {
            views.push(OrderView { value_type, order, number: value_type.number(words_to_bits(words, order)) });
        }
    }
    views
}
