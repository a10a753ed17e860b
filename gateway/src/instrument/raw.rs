//! The syntax of instrument files (TOML), and the checks that make a [`RegisterMap`] of one.
//!
//! Invariant: every problem of a file is reported at once. Deliberately absent: reading files.
//! `firmware-configs/README.md` documents every key.

use super::codec::{ByteOrder, ValueType};
use super::map::{
    AddressBase, Age, BlockedWrite, Busy, ClockSet, REGISTER_BLOCK_MAX, RegisterMap, SerialDefaults, Severity, Status,
    TIMEOUT_MS_MAX, Trigger, Verified,
};
use super::plan::Function;
use super::raw_check::check;
use super::raw_quantity::quantities;
use crate::config::{Parity, Problem, Problems, Table};

/// Gap that may be read over when the file says nothing.
const GAP_DEFAULT: u16 = 8;
/// Answer timeout when the file says nothing.
const TIMEOUT_MS_DEFAULT: u64 = 1_000;

/// What every register of the file is read with, unless it says otherwise.
pub(super) struct Defaults {
    pub(super) base: AddressBase,
    pub(super) function: Option<Function>,
    pub(super) order: ByteOrder,
}

pub(super) fn parse(file: &str, text: &str) -> Result<RegisterMap, Vec<Problem>> {
    let problems = Problems::default();
    let map = Table::parse(file, text, &problems).and_then(read);
    if let Some(map) = &map {
        check(file, map, &problems);
    }
    problems.or(map)
}

fn read(mut table: Table<'_>) -> Option<RegisterMap> {
    let id = table.slug("id");
    let name = table.names("name");
    let source = table.texts("source");
    if source.iter().all(|text| text.trim().is_empty()) {
        table.problem("source is missing; an instrument file must name the public document it was transcribed from");
    }
    let verified = table.choice(
        "verified",
        &[("document", Verified::Document), ("simulator", Verified::Simulator), ("real_unit", Verified::RealUnit)],
    );
    let note = table.text_opt("note").unwrap_or_default();
    let defaults = Defaults {
        base: table.choice_opt("address_base", &BASES).unwrap_or(AddressBase::Zero),
        function: table.choice_opt("function", &FUNCTIONS),
        order: order(&mut table).unwrap_or(ByteOrder::Abcd),
    };
    let block_max = table.int_opt("block_max", 1..=i64::from(REGISTER_BLOCK_MAX)).unwrap_or(REGISTER_BLOCK_MAX);
    let gap_max = table.int_opt("gap_max", 0..=i64::from(REGISTER_BLOCK_MAX)).unwrap_or(GAP_DEFAULT);
    let timeout_ms = table.int_opt("timeout_ms", 10..=TIMEOUT_MS_MAX.cast_signed()).unwrap_or(TIMEOUT_MS_DEFAULT);
    let pause_ms = table.int_opt("pause_ms", 0..=60_000).unwrap_or(0);
    let period_min_ms = table.int_opt("period_min_ms", 0..=86_400_000).unwrap_or(0);
    let serial = table.table_opt("serial").and_then(serial);
    let (quantities, groups) = quantities(&mut table, &defaults);
    let map = RegisterMap {
        id: id.unwrap_or_default(),
        name,
        source,
        verified: verified.unwrap_or(Verified::Document),
        note,
        address_base: defaults.base,
        block_max,
        gap_max,
        timeout_ms,
        pause_ms,
        period_min_ms,
        serial,
        quantities,
        groups,
        trigger: table.table_opt("trigger").and_then(|t| trigger(t, &defaults)),
        busy: table.table_opt("busy").and_then(busy),
        blocked: table.tables("blocked").into_iter().filter_map(|t| blocked(t, &defaults)).collect(),
        clock: table.table_opt("clock").and_then(|t| clock(t, &defaults)),
    };
    table.finish();
    Some(map)
}

pub(super) const BASES: [(&str, AddressBase); 3] =
    [("zero", AddressBase::Zero), ("one", AddressBase::One), ("modicon", AddressBase::Modicon)];

pub(super) const FUNCTIONS: [(&str, Function); 4] = [
    ("holding", Function::Holding),
    ("input", Function::Input),
    ("coil", Function::Coil),
    ("discrete", Function::Discrete),
];

pub(super) const SEVERITIES: [(&str, Severity); 2] = [("bad", Severity::Bad), ("uncertain", Severity::Uncertain)];

pub(super) fn order(table: &mut Table<'_>) -> Option<ByteOrder> {
    table.choice_opt("order", &ByteOrder::ALL.map(|order| (order.name(), order)))
}

/// The table and wire address of a register as the file writes it.
pub(super) fn register(
    table: &mut Table<'_>,
    key: &'static str,
    function: Option<Function>,
    base: AddressBase,
) -> Option<(Function, u16)> {
    let number: i64 = table.int(key, 0..=465_536)?;
    match wire_address(number, function, base) {
        Ok(found) => Some(found),
        Err(what) => {
            table.problem(format!("{key} {number} {what}"));
            None
        }
    }
}

fn wire_address(number: i64, function: Option<Function>, base: AddressBase) -> Result<(Function, u16), String> {
    let to_u16 = |n: i64| u16::try_from(n).map_err(|_| "is not a Modbus address under this address_base".to_owned());
    let named = || function.ok_or_else(|| "has no table: set function to holding, input, coil or discrete".to_owned());
    match base {
        AddressBase::Zero => Ok((named()?, to_u16(number)?)),
        AddressBase::One => Ok((named()?, to_u16(number - 1)?)),
        AddressBase::Modicon => {
            let (found, address) = match number {
                1..=9_999 => (Function::Coil, number - 1),
                10_001..=19_999 => (Function::Discrete, number - 10_001),
                30_001..=39_999 => (Function::Input, number - 30_001),
                40_001..=49_999 => (Function::Holding, number - 40_001),
                100_001..=165_536 => (Function::Discrete, number - 100_001),
                300_001..=365_536 => (Function::Input, number - 300_001),
                400_001..=465_536 => (Function::Holding, number - 400_001),
                _ => return Err("is not a Modicon number such as 40001".to_owned()),
            };
            if let Some(function) = function.filter(|function| *function != found) {
                return Err(format!("is a {} number but function is {}", found.name(), function.name()));
            }
            Ok((found, to_u16(address)?))
        }
    }
}

fn serial(mut table: Table<'_>) -> Option<SerialDefaults> {
    let baud = table.int("baud", 300..=1_000_000);
    let parity = table.choice("parity", &PARITIES);
    let stop_bits = table.int("stop_bits", 1..=2);
    let unit = table.int_opt("unit", 1..=255);
    table.finish();
    Some(SerialDefaults { baud: baud?, parity: parity?, stop_bits: stop_bits?, unit })
}

pub(super) const PARITIES: [(&str, Parity); 3] = [("none", Parity::None), ("even", Parity::Even), ("odd", Parity::Odd)];

fn holding_or(defaults: &Defaults) -> Option<Function> {
    match defaults.base {
        AddressBase::Zero | AddressBase::One => Some(Function::Holding),
        AddressBase::Modicon => None,
    }
}

fn trigger(mut table: Table<'_>, defaults: &Defaults) -> Option<Trigger> {
    let at = register(&mut table, "register", holding_or(defaults), defaults.base);
    if at.is_some_and(|(function, _)| function != Function::Holding) {
        table.problem("register must be a holding register");
    }
    let value = table.int("value", 0..=65_535);
    let wait_ms = table.int("wait_ms", 0..=TIMEOUT_MS_MAX.cast_signed());
    let stagger = table.int_opt("stagger_ms_per_address", 0..=10_000).unwrap_or(0);
    let broadcast = table.flag_or("broadcast", false);
    table.finish();
    Some(Trigger { address: at?.1, value: value?, wait_ms: wait_ms?, stagger_ms_per_address: stagger, broadcast })
}

fn busy(mut table: Table<'_>) -> Option<Busy> {
    let exceptions: Vec<u8> = table.ints("exceptions", 1..=255);
    if exceptions.is_empty() {
        table.problem("exceptions is missing; name the exception codes that mean busy, for example [5, 6]");
    }
    let retries = table.int("retries", 1..=100);
    let pause_ms = table.int("pause_ms", 1..=TIMEOUT_MS_MAX.cast_signed());
    table.finish();
    Some(Busy { exceptions, retries: retries?, pause_ms: pause_ms? })
}

fn blocked(mut table: Table<'_>, defaults: &Defaults) -> Option<BlockedWrite> {
    let function = table.choice_opt("function", &FUNCTIONS).or(holding_or(defaults));
    let first = register(&mut table, "register", function, defaults.base);
    let last = if table.has("last") { register(&mut table, "last", function, defaults.base) } else { first };
    let reason = table.text("reason");
    let (Some((function, first)), Some((function_last, last)), Some(reason)) = (first, last, reason) else {
        table.finish();
        return None;
    };
    if last < first || function != function_last {
        table.problem(format!("last must be at or after register {first}, in the same table"));
    }
    if !matches!(function, Function::Holding | Function::Coil) {
        table.problem("only holding registers and coils can be written, so only they can be blocked");
    }
    table.finish();
    Some(BlockedWrite { function, first, last, reason })
}

fn clock(mut table: Table<'_>, defaults: &Defaults) -> Option<ClockSet> {
    let at = register(&mut table, "register", holding_or(defaults), defaults.base);
    let count = table.int("count", 1..=16);
    let note = table.text("note");
    table.finish();
    Some(ClockSet { address: at?.1, count: count?, note: note? })
}

/// A value type by its name in files; bit fields need their place too.
pub(super) fn value_type(table: &mut Table<'_>, default: Option<ValueType>) -> Option<ValueType> {
    const TYPES: [(&str, ValueType); 10] = [
        ("u16", ValueType::U16),
        ("i16", ValueType::I16),
        ("u32", ValueType::U32),
        ("i32", ValueType::I32),
        ("u64", ValueType::U64),
        ("i64", ValueType::I64),
        ("f32", ValueType::F32),
        ("f64", ValueType::F64),
        ("bit", ValueType::Bit),
        ("bits", ValueType::Bits { offset: 0, count: 1 }),
    ];
    let named = match default {
        Some(_) => table.choice_opt("type", &TYPES).or(default),
        None => table.choice("type", &TYPES),
    };
    let Some(ValueType::Bits { .. }) = named else { return named };
    let offset: u8 = table.int("bit", 0..=15).unwrap_or(0);
    let count: u8 = table.int_opt("bits", 1..=16).unwrap_or(1);
    if offset + count > 16 {
        table.problem(format!("bit {offset} and bits {count} reach beyond the 16 bits of a register"));
        return None;
    }
    Some(ValueType::Bits { offset, count })
}

pub(super) fn status(
    mut table: Table<'_>,
    defaults: &Defaults,
    value_function: Option<Function>,
    shift: i64,
) -> Option<Status> {
    let function = table.choice_opt("function", &FUNCTIONS).or(match defaults.base {
        AddressBase::Zero | AddressBase::One => value_function,
        AddressBase::Modicon => None,
    });
    let at = register(&mut table, "register", function, defaults.base);
    let own_type = if at.is_some_and(|(f, _)| f.is_bits()) { ValueType::Bit } else { ValueType::U16 };
    let bit: i64 = table.int_opt("bit", 0..=63).unwrap_or(0);
    let bits: u8 = table.int_opt("bits", 1..=64).unwrap_or(1);
    let value_type = value_type(&mut table, Some(own_type));
    let order = order(&mut table).unwrap_or(defaults.order);
    let step: i64 = table.int_opt("step", 0..=1_000).unwrap_or(0);
    let bit_step: i64 = table.int_opt("bit_step", 0..=64).unwrap_or(0);
    let good_when = table.ints("good_when", 0..=i64::MAX);
    let mut bad_when = table.ints("bad_when", 0..=i64::MAX);
    let severity = table.choice_opt("severity", &SEVERITIES).unwrap_or(Severity::Bad);
    if !good_when.is_empty() && !bad_when.is_empty() {
        table.problem("good_when and bad_when are both given; name one, the other follows");
    }
    if good_when.is_empty() && bad_when.is_empty() {
        bad_when.push(1);
    }
    let (function, address) = at?;
    let value_type = value_type?;
    let width = i64::from(value_type.words()) * 16;
    let (shifted_address, shifted_bit) = shifted((i64::from(address), bit, shift, step, bit_step), width);
    if bit + i64::from(bits) > width || shifted_bit + i64::from(bits) > width || value_type.is_float() {
        table.problem(format!(
            "the field of {bits} bits at bit {bit} does not lie in a {} status word",
            value_type.name()
        ));
    }
    let (address, bit) = (shifted_address, shifted_bit);
    let address = u16::try_from(address).ok();
    if address.is_none() {
        table.problem("the status register lies beyond address 65535");
    }
    table.finish();
    let bit = u8::try_from(bit).ok()?;
    Some(Status { function, address: address?, value_type, order, bit, bits, good_when, bad_when, severity })
}

/// Register and bit of a repeated status field: bits run on into the next status word.
fn shifted((address, bit, shift, step, bit_step): (i64, i64, i64, i64, i64), width: i64) -> (i64, i64) {
    let bit = bit + shift * bit_step;
    (address + shift * step + (bit / width) * (width / 16), bit % width)
}

pub(super) fn age(
    mut table: Table<'_>,
    defaults: &Defaults,
    value_function: Option<Function>,
    shift: i64,
) -> Option<Age> {
    let function = table.choice_opt("function", &FUNCTIONS).or(match defaults.base {
        AddressBase::Zero | AddressBase::One => value_function,
        AddressBase::Modicon => None,
    });
    let at = register(&mut table, "register", function, defaults.base);
    let value_type = value_type(&mut table, Some(ValueType::U16));
    let order = order(&mut table).unwrap_or(defaults.order);
    let step: i64 = table.int_opt("step", 0..=1_000).unwrap_or(0);
    let scale_s = table.size_opt("scale_s").unwrap_or(1.0);
    let max_s = table.number("max_s");
    if max_s.is_some_and(|max| max <= 0.0) {
        table.problem("max_s must be above 0");
    }
    table.finish();
    let (function, address) = at?;
    let address = u16::try_from(i64::from(address) + shift * step).ok()?;
    Some(Age { function, address, value_type: value_type?, order, scale_s, max_s: max_s? })
}
