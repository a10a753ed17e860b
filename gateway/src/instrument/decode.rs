//! From answered words to readings with quality.
//!
//! Invariant: one bad or missing answer costs only its own readings; a sentinel, a bad status,
//! NaN or infinity never leaves as a value. Deliberately absent: anything that needs yesterday's
//! value (`qualify`).

use super::codec::words_to_bits;
use super::map::{Quantity, RegisterMap, Severity};
use super::plan::{Place, Plan, Slot};
use minewatch_domain::{At, Quality, Reason};

/// The answer to one request of a plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// When the instrument answered, or the attempt was given up.
    pub at: At,
    /// The words as they came over the wire (for coils and discrete inputs one word of 0 or 1
    /// each), or why there are none.
    pub words: Result<Vec<u16>, Reason>,
}

/// One decoded value, before any plausibility check over time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RawReading {
    /// Index into the map's quantities.
    pub quantity: usize,
    /// Source time: the answer's time, less the age where the instrument states one.
    pub at: At,
    /// The value; kept when stale or out of range (with bad quality), absent otherwise when bad.
    pub value: Option<f64>,
    /// Trust.
    pub quality: Quality,
    /// Why not simply good.
    pub reason: Reason,
}

/// Decodes the answers to `plan`, one reading per wanted quantity and in that order.
/// `answers` runs parallel to `plan.requests`; a missing answer counts as a timeout.
pub fn decode(map: &RegisterMap, plan: &Plan, answers: &[Answer], now: At) -> Vec<RawReading> {
    let mut readings = Vec::with_capacity(plan.slots.len());
    decode_into(map, plan, answers, now, &mut readings);
    readings
}

fn decode_into(map: &RegisterMap, plan: &Plan, answers: &[Answer], now: At, readings: &mut Vec<RawReading>) {
    for slot in &plan.slots {
        let Some(quantity) = map.quantities.get(slot.quantity) else { continue };
        let at = answers.get(slot.value.request).map_or(now, |answer| answer.at);
        let mut reading =
            RawReading { quantity: slot.quantity, at, value: None, quality: Quality::Bad, reason: Reason::Timeout };
        match read(quantity, slot, answers, at) {
            Ok(read) => {
                reading.at = read.at;
                reading.value = Some(read.value);
                reading.quality = read.quality;
                reading.reason = read.reason;
            }
            Err(reason) => reading.reason = reason,
        }
        readings.push(reading);
    }
}

struct Read {
    at: At,
    value: f64,
    quality: Quality,
    reason: Reason,
}

fn read(quantity: &Quantity, slot: &Slot, answers: &[Answer], at: At) -> Result<Read, Reason> {
    let words = words_at(answers, slot.value, quantity.words())?;
    let bits = words_to_bits(words, quantity.order);
    let mut caution = false;
    for (status, place) in quantity.status.iter().zip(&slot.status) {
        let word = words_to_bits(words_at(answers, *place, status.value_type.words())?, status.order);
        match (status.is_good(word), status.severity) {
            (true, Severity::Bad | Severity::Uncertain) => {}
            (false, Severity::Bad) => return Err(Reason::StatusBit),
            (false, Severity::Uncertain) => caution = true,
        }
    }
    if quantity.sentinels.contains(&bits) {
        return Err(Reason::Sentinel);
    }
    let measured = quantity.value_of(bits);
    let value = quantity.calibrated(measured);
    if !value.is_finite() {
        return Err(Reason::NotFinite);
    }
    let (at, stale) = source_time(quantity, slot, answers, at)?;
    let (quality, reason) = if quantity.range.is_some_and(|(low, high)| !(low..=high).contains(&measured)) {
        (Quality::Bad, Reason::OutOfRange)
    } else if stale {
        (Quality::Bad, Reason::Stale)
    } else if caution {
        (Quality::Uncertain, Reason::StatusBit)
    } else {
        (Quality::Good, Reason::None)
    };
    Ok(Read { at, value, quality, reason })
}

#[allow(clippy::cast_possible_truncation)] // `as` saturates, and no age reaches 290 000 years
fn source_time(quantity: &Quantity, slot: &Slot, answers: &[Answer], at: At) -> Result<(At, bool), Reason> {
    let (Some(age), Some(place)) = (&quantity.age, slot.age) else { return Ok((at, false)) };
    let bits = words_to_bits(words_at(answers, place, age.value_type.words())?, age.order);
    let seconds = age.value_type.number(bits) * age.scale_s;
    if !seconds.is_finite() || seconds < 0.0 {
        return Err(Reason::DecodeFault);
    }
    Ok((at.plus_millis(-((seconds * 1_000.0) as i64)), seconds > age.max_s))
}

fn words_at(answers: &[Answer], place: Place, count: u16) -> Result<&[u16], Reason> {
    let answer = answers.get(place.request).ok_or(Reason::Timeout)?;
    let words = answer.words.as_ref().map_err(|reason| *reason)?;
    words.get(place.offset..place.offset + usize::from(count)).ok_or(Reason::DecodeFault)
}

impl Quantity {
    /// The instrument's value of a raw bit pattern, after scale, offset and polynomial and before
    /// any calibration; may be NaN or infinite.
    pub fn value_of(&self, bits: u64) -> f64 {
        apply(&self.polynomial, self.value_type.number(bits) * self.scale + self.offset)
    }

    /// The point's value of an instrument's value.
    pub fn calibrated(&self, value: f64) -> f64 {
        apply(&self.calibration, value)
    }
}

/// Horner's rule; no coefficients leave the value as it is.
fn apply(coefficients: &[f64], x: f64) -> f64 {
    if coefficients.is_empty() { x } else { coefficients.iter().rev().fold(0.0, |sum, c| sum * x + c) }
}
