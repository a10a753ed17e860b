//! A row through its mapping.

use super::mapping::{Field, Mapping};
use super::rows::Row;
use crate::facts::{Context, Out, bounded, no_key};
use crate::number::decimal;
use crate::problem::{Fault, Place, Problem, shown};
use crate::when::When;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use minewatch_domain::OrgPath;
use minewatch_risk::fact::{ElementId, Fact, Money, Value, ValueType};
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// Longest text of an element, bytes; a longer one is refused, not cut.
const TEXT_BYTES_MAX: usize = 4_096;

/// The fact of a row, or why it is none.
pub(super) fn of(row: &Row, mapping: &Mapping, context: &Context) -> Out {
    match build(row, mapping, context) {
        Ok(fact) => match context.checked(fact, &place(row, "")) {
            Out::Problem(problem) => Out::Problem(problem.with_raw(row.raw())),
            fact @ Out::Fact(_) => fact,
        },
        Err(problem) => Out::Problem(problem.with_raw(row.raw())),
    }
}

fn place(row: &Row, column: &str) -> Place {
    match (row.line, column.is_empty()) {
        (0, true) => Place::at(0, format!("record {}", row.number)),
        (0, false) => Place::at(0, format!("record {}, {column}", row.number)),
        (line, _) => Place::at(line, column),
    }
}

fn build(row: &Row, mapping: &Mapping, context: &Context) -> Result<Fact, Problem> {
    let mut fields = BTreeMap::new();
    for field in &mapping.fields {
        if let Some(value) = value(row, field, &mapping.zone)? {
            fields.insert(field.to.clone(), value);
        }
    }
    let key = key(row, mapping, &fields)?;
    let event_at_us = event(mapping, &fields).unwrap_or(context.known_at_us);
    Ok(Fact {
        kind: mapping.kind.clone(),
        key,
        org: org(row, mapping, context)?,
        event_at_us,
        known_at_us: context.known_at_us,
        fields,
        lineage: context.lineage(place(row, "").to_string()),
    })
}

fn key(row: &Row, mapping: &Mapping, fields: &BTreeMap<ElementId, Value>) -> Result<String, Problem> {
    let part = |name: &String| match (fields.get(name.as_str()), row.fields.get(name)) {
        (Some(value), _) => Ok(value.plain()),
        (None, Some(text)) => Ok(text.clone()),
        (None, None) if mapping.fields.iter().any(|field| field.to.as_str() == name) => Ok(String::new()),
        (None, None) => {
            let why = format!("the key needs {}, which is neither an element nor a field of the source", shown(name));
            Err(Problem::record(place(row, ""), Fault::Missing, why))
        }
    };
    let parts = mapping.key.iter().map(part).collect::<Result<Vec<String>, Problem>>()?;
    match parts.iter().all(String::is_empty) {
        true => Err(no_key(place(row, ""), &row.raw())),
        false => Ok(bounded(parts.join("|"))),
    }
}

fn event(mapping: &Mapping, fields: &BTreeMap<ElementId, Value>) -> Option<i64> {
    match fields.get(mapping.event_at.as_ref()?)? {
        Value::Instant(at) => Some(at.as_microsecond()),
        Value::Date(day) => Some(When::Day(*day).instant(&mapping.zone).as_microsecond()),
        Value::Text(_) | Value::Decimal(_) | Value::Money(_) | Value::Flag(_) | Value::List(_) => None,
    }
}

fn org(row: &Row, mapping: &Mapping, context: &Context) -> Result<OrgPath, Problem> {
    let Some(column) = &mapping.org_from else {
        return Ok(mapping.org.clone().unwrap_or_else(|| context.org.clone()));
    };
    let said = row.fields.get(column).map(String::as_str).unwrap_or_default();
    if let Some(known) = mapping.org_map.get(said) {
        return Ok(known.clone());
    }
    match (said.is_empty(), &mapping.org) {
        (true, Some(fixed)) => Ok(fixed.clone()),
        _ => OrgPath::parse(said).map_err(|_| {
            let why = format!("the unit {} stands in no org_map and is no path", shown(said));
            Problem::record(place(row, column), Fault::Unknown, why)
        }),
    }
}

/// What a row says of a field; `None` when it says nothing.
fn value(row: &Row, field: &Field, zone: &TimeZone) -> Result<Option<Value>, Problem> {
    let (column, text) = match &field.constant {
        Some(constant) => ("", Some(constant.as_str())),
        None => {
            let found = field.from.iter().find_map(|name| Some((name.as_str(), row.fields.get(name)?.as_str())));
            let column = found.map_or_else(|| field.from.first().map_or("", String::as_str), |(name, _)| name);
            (column, found.map(|(_, text)| text))
        }
    };
    let said = text.filter(|text| !text.is_empty() && !field.empty.iter().any(|empty| empty == text));
    let Some(text) = said.or(field.default.as_deref()) else { return Ok(None) };
    let text = field.map.get(text).map_or(text, String::as_str);
    if text.contains('\u{fffd}') {
        return Err(Problem::record(place(row, column), Fault::Encoding, "bytes that are no text of the encoding"));
    }
    let currency = field.currency_from.as_ref().and_then(|name| row.fields.get(name)).map(String::as_str);
    typed(field, text, currency, zone).map(Some).map_err(|why| Problem::record(place(row, column), Fault::Value, why))
}

fn typed(field: &Field, text: &str, currency: Option<&str>, zone: &TimeZone) -> Result<Value, String> {
    let number = || {
        let plain = decimal(text, field.style).ok_or_else(|| format!("{} is not a number", shown(text)))?;
        scaled(plain, field.scale).ok_or_else(|| format!("{} is beyond what is exact", shown(text)))
    };
    Ok(match field.value_type {
        ValueType::Text if text.len() > TEXT_BYTES_MAX => return Err(format!("longer than {TEXT_BYTES_MAX} bytes")),
        ValueType::Text => Value::Text(text.to_owned()),
        ValueType::Decimal => Value::Decimal(number()?),
        ValueType::Money => {
            let code = currency.filter(|code| !code.is_empty()).unwrap_or(&field.currency);
            let code = field.map.get(code).map_or(code, String::as_str);
            let code = if matches!(code, "人民币" | "RMB" | "CNH") { "CNY" } else { code };
            if code.len() != 3 || !code.bytes().all(|b| b.is_ascii_uppercase()) {
                return Err(format!("{} is not a currency code", shown(code)));
            }
            Value::Money(Money { amount: number()?, currency: code.to_owned() })
        }
        ValueType::Date => Value::Date(moment(field, text).ok_or_else(|| no_time(field, text, "day"))?.day(zone)),
        ValueType::Instant => {
            Value::Instant(moment(field, text).ok_or_else(|| no_time(field, text, "moment"))?.instant(zone))
        }
        ValueType::Flag | ValueType::List => Value::parse(field.value_type, text).map_err(|e| e.to_string())?,
    })
}

fn no_time(field: &Field, text: &str, wanted: &str) -> String {
    let forms = if field.dates.is_empty() { "ISO 8601".to_owned() } else { field.dates.join(", ") };
    format!("{} is not a {wanted} (read as {forms})", shown(text))
}

fn moment(field: &Field, text: &str) -> Option<When> {
    let strict = |form: &String| {
        DateTime::strptime(form, text).map(When::Civil).or_else(|_| Date::strptime(form, text).map(When::Day)).ok()
    };
    field.dates.iter().find_map(strict).or_else(|| When::parse(text))
}

fn scaled(number: Decimal, power: i32) -> Option<Decimal> {
    let factor = Decimal::from(10u64.checked_pow(power.unsigned_abs())?);
    if power >= 0 { number.checked_mul(factor) } else { number.checked_div(factor) }
}
