//! Calibration records on two axes of time: from when values hold, and from when they were known.
//!
//! Invariant: records are only added, so "what did we compute at 03:12 with what we knew then" and "what
//! do we compute for 03:12 with what we know now" both have one provable answer, and each names its
//! record. Deliberately absent: the formulas (`derived`).

use crate::dam_file::{Calibration, CalibrationValues};
use minewatch_domain::At;
use std::collections::BTreeMap;

/// The records of a dam, by instrument.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CalibrationBook {
    records: BTreeMap<String, Vec<Calibration>>,
}

impl CalibrationBook {
    /// Sorts records by instrument.
    pub fn new(records: &[Calibration]) -> CalibrationBook {
        let mut book = CalibrationBook::default();
        for record in records {
            book.records.entry(record.instrument.clone()).or_default().push(record.clone());
        }
        for of in book.records.values_mut() {
            of.sort_by_key(|record| (record.effective_from, record.recorded, record.version));
        }
        book
    }

    /// Every record of an instrument, by the time its values hold from.
    pub fn of(&self, instrument: &str) -> &[Calibration] {
        self.records.get(instrument).map_or(&[], Vec::as_slice)
    }

    /// The record whose values hold at `valid`, by what was recorded up to `known`: the latest that is
    /// effective, and among those effective from the same instant the one recorded last (a correction
    /// carries the instant of the record it corrects). `None` before the first: then nothing can be
    /// computed, rather than something from a later calibration.
    pub fn as_of(&self, instrument: &str, valid: At, known: At) -> Option<&Calibration> {
        self.of(instrument).iter().rev().find(|record| record.effective_from.0 <= valid && record.recorded.0 <= known)
    }
}

impl Calibration {
    /// `instrument@version`, as proofs name it.
    pub fn label(&self) -> String {
        format!("{}@{}", self.instrument, self.version)
    }
}

impl CalibrationValues {
    /// What the values are for, as problems name it.
    pub fn kind(&self) -> &'static str {
        match self {
            CalibrationValues::Thermistor { .. } => "thermistor",
            CalibrationValues::Vw { .. } => "vw",
            CalibrationValues::Tip { .. } => "tip",
            CalibrationValues::Weir { .. } => "weir",
            CalibrationValues::Regression { .. } => "regression",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dam_file::Instant;
    use crate::derived::vibrating_wire::VibratingWire;

    const DAY_MS: i64 = 86_400_000;

    fn day(n: i64) -> At {
        At::from_millis(n * DAY_MS)
    }

    fn record(version: u32, recorded: i64, effective: i64, g: f64) -> Calibration {
        Calibration {
            instrument: "pz-1".into(),
            version,
            recorded: Instant(day(recorded)),
            effective_from: Instant(day(effective)),
            by: "lab".into(),
            source: "certificate".into(),
            values: CalibrationValues::Vw {
                g_kpa_per_digit: g,
                r0_digits: 8_906.5,
                k_kpa_per_c: 0.0,
                t0_c: 20.0,
                s0_kpa: 100.0,
                vented: true,
            },
        }
    }

    /// Pore pressure of one raw reading, with the record it came from.
    fn answer(book: &CalibrationBook, valid: i64, known: i64) -> Option<(u32, f64)> {
        let record = book.as_of("pz-1", day(valid), day(known))?;
        let CalibrationValues::Vw { g_kpa_per_digit, r0_digits, k_kpa_per_c, t0_c, s0_kpa, vented } = record.values
        else {
            return None;
        };
        let wire = VibratingWire { g_kpa_per_digit, r0_digits, k_kpa_per_c, t0_c, s0_kpa, vented };
        Some((record.version, wire.pressure_kpa(8_000.0, None, None)?))
    }

    #[test]
    fn a_changed_calibration_recomputes_and_both_answers_stay_provable() {
        // Calibrated on day 0; on day 100 found wrong since day 50; recalibrated from day 120 on.
        let book =
            CalibrationBook::new(&[record(3, 120, 120, 0.034), record(1, 0, 0, 0.030), record(2, 100, 50, 0.032)]);
        let (before, after) = (answer(&book, 60, 60), answer(&book, 60, 101));
        assert_eq!(before.map(|(version, _)| version), Some(1), "what the operator saw on day 60");
        assert_eq!(after.map(|(version, _)| version), Some(2), "what day 60 is known to have been since");
        assert!((before.expect("then").1 - 906.5 * 0.030).abs() < 1e-9);
        assert!((after.expect("now").1 - 906.5 * 0.032).abs() < 1e-9);
        assert_eq!(answer(&book, 30, 200).map(|(version, _)| version), Some(1), "before the correction took effect");
        assert_eq!(answer(&book, 130, 200).map(|(version, _)| version), Some(3));
        assert_eq!(answer(&book, -1, 200), None, "before the first calibration nothing is computed");
    }

    #[test]
    fn the_order_records_are_written_in_does_not_matter() {
        let records = [record(1, 0, 0, 0.030), record(2, 100, 50, 0.032), record(3, 120, 50, 0.033)];
        let (straight, turned) = (
            CalibrationBook::new(&records),
            CalibrationBook::new(&[records[2].clone(), records[0].clone(), records[1].clone()]),
        );
        for (valid, known) in [(60, 60), (60, 110), (60, 130), (10, 130)] {
            assert_eq!(answer(&straight, valid, known), answer(&turned, valid, known));
        }
        assert_eq!(answer(&straight, 60, 130).map(|(version, _)| version), Some(3), "a correction of a correction");
    }
}
