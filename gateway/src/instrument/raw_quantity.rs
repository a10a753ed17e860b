//! The `[[quantity]]` entries of an instrument file, repeated ones included.
//!
//! Invariant: a repeated entry reports each of its problems once. Deliberately absent: checks
//! over the whole map (`raw_check.rs`).

use super::codec::ValueType;
use super::map::{Names, QUANTITIES_MAX, Quantity};
use super::plan::Function;
use super::raw::{Defaults, FUNCTIONS, age, order, register, status, value_type};
use crate::config::{Problems, Table, is_slug};
use std::collections::BTreeMap;

/// Highest power of a polynomial: more than any calibration sheet has.
const COEFFICIENTS_MAX: usize = 12;

/// Reads every quantity and the read-together groups among them.
pub(super) fn quantities(table: &mut Table<'_>, defaults: &Defaults) -> (Vec<Quantity>, Vec<Vec<usize>>) {
    let mut found: Vec<Quantity> = Vec::new();
    let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let entries = table.tables("quantity");
    if entries.is_empty() {
        table.problem("no [[quantity]]; an instrument without quantities cannot be read");
    }
    for entry in entries {
        for (quantity, group) in repeated(entry, defaults) {
            if let Some(group) = group {
                groups.entry(group).or_default().push(found.len());
            }
            found.push(quantity);
        }
    }
    if found.len() > QUANTITIES_MAX {
        table.problem(format!("{} quantities; at most {QUANTITIES_MAX} are allowed", found.len()));
        return (Vec::new(), Vec::new());
    }
    (found, groups.into_values().collect())
}

struct Repeat {
    count: i64,
    first: i64,
    step: Option<i64>,
}

type Found = (Quantity, Option<String>);

fn repeated(mut entry: Table<'_>, defaults: &Defaults) -> Vec<Found> {
    let Some(mut table) = entry.table_opt("repeat") else {
        return quantity(entry, defaults, None).into_iter().collect();
    };
    let repeat = Repeat {
        count: table.int("count", 1..=1_000).unwrap_or(1),
        first: table.int_opt("first", 0..=100_000).unwrap_or(1),
        step: table.int_opt("step", 1..=1_000),
    };
    table.finish();
    let silent = Problems::default();
    let rest: Vec<Found> = (1..repeat.count)
        .filter_map(|shift| quantity(entry.copy_with(&silent), defaults, Some((&repeat, shift))))
        .collect();
    quantity(entry, defaults, Some((&repeat, 0))).into_iter().chain(rest).collect()
}

/// Puts the repetition's number, padded to the width of the last one, in place of `{n}`.
fn numbered(text: &str, repeat: Option<(&Repeat, i64)>) -> String {
    let Some((repeat, shift)) = repeat else { return text.to_owned() };
    let width = (repeat.first + repeat.count - 1).to_string().len();
    text.replace("{n}", &format!("{:0width$}", repeat.first + shift))
}

fn quantity(mut table: Table<'_>, defaults: &Defaults, repeat: Option<(&Repeat, i64)>) -> Option<Found> {
    let shift = repeat.map_or(0, |(_, shift)| shift);
    let id = id(&mut table, repeat);
    let names = table.names("name");
    let name = Names { zh: numbered(&names.zh, repeat), en: numbered(&names.en, repeat) };
    let function = table.choice_opt("function", &FUNCTIONS).or(defaults.function);
    let at = register(&mut table, "register", function, defaults.base);
    let is_bits = at.is_some_and(|(function, _)| function.is_bits());
    let value_type = value_type(&mut table, is_bits.then_some(ValueType::Bit));
    let order = order(&mut table).unwrap_or(defaults.order);
    let scale = table.number_opt("scale").unwrap_or(1.0);
    if scale == 0.0 {
        table.problem("scale is 0; every value would be the same");
    }
    let offset = table.number_opt("offset").unwrap_or(0.0);
    let polynomial = polynomial(&mut table);
    let unit = table.text_opt("unit").unwrap_or_default();
    let range = table.range_opt("range");
    let sentinels = sentinels(&mut table, value_type);
    let group = table.text_opt("group").map(|group| numbered(&group, repeat));
    let read_function = at.map(|(function, _)| function);
    let statuses = table.tables("status");
    let wanted = statuses.len();
    let status: Vec<_> = statuses.into_iter().filter_map(|t| status(t, defaults, read_function, shift)).collect();
    let had_age = table.has("age");
    let age = table.table_opt("age").and_then(|t| age(t, defaults, read_function, shift));
    let (Some((function, address)), Some(value_type)) = (at, value_type) else {
        table.finish();
        return None;
    };
    let address = address_of(&table, (function, address), value_type, repeat)?;
    table.finish();
    if status.len() != wanted || had_age != age.is_some() {
        return None; // already reported
    }
    let quantity = Quantity {
        id: id?,
        name,
        function,
        address,
        value_type,
        order,
        scale,
        offset,
        polynomial,
        calibration: Vec::new(),
        unit,
        range,
        sentinels,
        status,
        age,
    };
    Some((quantity, group))
}

fn id(table: &mut Table<'_>, repeat: Option<(&Repeat, i64)>) -> Option<String> {
    let text = table.text("id")?;
    if repeat.is_some() && !text.contains("{n}") {
        table.problem(format!("id {text:?} must contain {{n}}, for the entry is repeated"));
    }
    let id = numbered(&text, repeat);
    if !is_slug(&id) {
        table.problem(format!("id {id:?} may only hold a-z, 0-9, '-', '_' and '.'"));
        return None;
    }
    Some(id)
}

/// The address of this repetition; the last one must still lie in the address space.
fn address_of(
    table: &Table<'_>,
    (function, address): (Function, u16),
    value_type: ValueType,
    repeat: Option<(&Repeat, i64)>,
) -> Option<u16> {
    if (value_type == ValueType::Bit) != function.is_bits() {
        table.problem(format!("type {} cannot be read from a {} table", value_type.name(), function.name()));
    }
    let words = i64::from(value_type.words());
    let (last, shift, step) = repeat.map_or((0, 0, words), |(r, shift)| (r.count - 1, shift, r.step.unwrap_or(words)));
    if i64::from(address) + last * step + words > 65_536 {
        table.problem("the last register lies beyond address 65535");
        return None;
    }
    u16::try_from(i64::from(address) + shift * step).ok()
}

fn polynomial(table: &mut Table<'_>) -> Vec<f64> {
    let coefficients = table.numbers("polynomial");
    if coefficients.len() > COEFFICIENTS_MAX {
        table.problem(format!(
            "polynomial has {} coefficients; at most {COEFFICIENTS_MAX} are allowed",
            coefficients.len()
        ));
    }
    coefficients
}

/// Sentinels as bit patterns. A whole number may be written as the instrument's document does,
/// signed or unsigned: 65535 in an i16 is the pattern 0xFFFF. `nan` needs no sentinel.
fn sentinels(table: &mut Table<'_>, value_type: Option<ValueType>) -> Vec<u64> {
    let numbers = table.numbers("sentinels");
    let Some(value_type) = value_type else { return Vec::new() };
    let mut patterns = Vec::new();
    for number in numbers {
        match pattern(value_type, number) {
            Some(bits) => patterns.push(bits),
            None => table.problem(format!("sentinel {number} does not fit in {}", value_type.name())),
        }
    }
    patterns
}

fn pattern(value_type: ValueType, number: f64) -> Option<u64> {
    let unsigned = match value_type {
        ValueType::I16 => ValueType::U16,
        ValueType::I32 => ValueType::U32,
        ValueType::I64 => ValueType::U64,
        ValueType::U16
        | ValueType::U32
        | ValueType::U64
        | ValueType::F32
        | ValueType::F64
        | ValueType::Bits { .. }
        | ValueType::Bit => value_type,
    };
    value_type.bits_of(number).or_else(|| unsigned.bits_of(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentinel_is_found_signed_or_unsigned() {
        assert_eq!(pattern(ValueType::I16, 65_535.0), Some(0xffff));
        assert_eq!(pattern(ValueType::I16, -1.0), Some(0xffff));
        assert_eq!(pattern(ValueType::U16, 70_000.0), None);
        assert_eq!(pattern(ValueType::F32, -9999.0), Some(u64::from((-9999.0f32).to_bits())));
    }
}
