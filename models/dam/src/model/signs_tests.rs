//! Regressions, signs of piping and forecasts at work in a dam, as sentences.

use super::tests::{POND, reading};
use super::*;
use crate::Moment;
use crate::dam_file::DamFile;
use minewatch_domain::Quality;

const SIGNS: &str = r#"
[[calibration]]
instrument = "pz1-hst"
version = 1
recorded = "2026-01-01T00:00:00Z"
effective_from = "2026-01-01T00:00:00Z"
by = "engineer"
source = "fit of 2025"
values = { regression = { origin = "2026-01-01T00:00:00Z", level_lag_d = 0.5, rain_lag_d = 1.0, coefficients = [10.0, 0.5, 0.02, 0, 0, 0, 0, 0, 0], band = 0.1, levels_m = [120.0, 124.0] } }
[[derived]]
point = "pz1-outside"
name = { zh = "连续超限次数", en = "Outside in a row" }
unit = "1"
keep_alive_s = 90000
formula = { regression = { input = "pz1", level = "level", rain = "rain", calibration = "pz1-hst", output = "outside" } }
[[derived]]
point = "piping"
name = { zh = "管涌征兆", en = "Signs of piping" }
unit = "1"
keep_alive_s = 3600
formula = { piping_signs = { input = "weir", turbidity = "ntu", level = "level", piezometer = "pz2", window_h = 12, seepage_per_d = 0.5, turbidity_ntu = 15, level_per_d = 0.05, piezometer_per_d = 0.1 } }
[[item]]
id = "regression"
kind = "pore_pressure"
name = { zh = "孔压统计模型", en = "Pore pressure against its model" }
rule = [{ point = "pz1-outside", high = { yellow = 3 }, source = "s" }]
[[item]]
id = "piping-signs"
kind = "seepage"
name = { zh = "管涌征兆", en = "Signs of piping" }
rule = [{ point = "piping", high = { orange = 1, red = 2 }, source = "s" }]
[[forecast]]
point = "g1"
window_d = 20
every_min = 60
"#;

fn dam() -> DamModel {
    let file = DamFile::parse("pond.toml", &format!("{POND}{SIGNS}")).unwrap_or_else(|found| panic!("{found:#?}"));
    DamModel::new(Arc::new(Plan::new(file).expect("runs")))
}

fn take(dam: &mut DamModel, point: &str, minute: i64, value: f64) -> Vec<Finding> {
    let mut out = Vec::new();
    let (reading, now): (Reading, Moment) = reading(point, minute, Some(value), Quality::Good);
    assert!(dam.step(&reading, now, &mut out), "{point}");
    out
}

const DAY: i64 = 1_440;

/// A day of pond, rain and a piezometer that is `off` from what level and rain make of it.
fn day(dam: &mut DamModel, day: i64, off: f64) -> Level {
    take(dam, "level", day * DAY, 122.0);
    take(dam, "rain", day * DAY, 0.0);
    take(dam, "pz1", day * DAY, 10.0 + 61.0 + off);
    dam.items().find(|(id, _)| id.as_str() == "regression").map(|(_, level)| level).expect("the item")
}

#[test]
fn row_21_the_third_value_in_a_row_outside_the_band_is_an_alarm_and_one_inside_ends_it() {
    let mut dam = dam();
    let levels: Vec<Level> = [0.0, 0.0, 0.0, 0.0, 0.3, 0.3, 0.0, 0.3, 0.3, 0.3, 0.3, 0.0]
        .into_iter()
        .enumerate()
        .map(|(at, off)| day(&mut dam, at as i64, off))
        .collect();
    let raised: Vec<usize> =
        levels.iter().enumerate().filter(|(_, l)| **l == Level::Yellow).map(|(at, _)| at).collect();
    assert_eq!(raised, [9, 10], "two outside are not three");
}

#[test]
fn a_regression_says_nothing_before_its_memories_are_filled() {
    let mut dam = dam();
    for at in 0..3 {
        take(&mut dam, "level", at * DAY, 122.0);
        take(&mut dam, "rain", at * DAY, 0.0);
        let out = take(&mut dam, "pz1", at * DAY, 90.0);
        let told = out.iter().find_map(|f| match f {
            Finding::Computed(reading) if reading.point.as_str() == "pz1-outside" => Some(reading.quality),
            Finding::Computed(_) | Finding::Level(_) | Finding::Fault(_) | Finding::Forecast(_) => None,
        });
        assert_eq!(told, Some(Quality::Bad), "not known is not inside");
    }
}

/// Twelve hours of seepage under a pond and beside a piezometer; the level of the signs.
fn seeping(per_h: f64, ntu: f64, pond_per_h: f64, head_per_h: f64) -> Level {
    let mut dam = dam();
    for step in 0..48_i64 {
        let (minute, hours) = (step * 30, step as f64 / 2.0);
        take(&mut dam, "level", minute, 122.0 + pond_per_h * hours);
        take(&mut dam, "ntu", minute, ntu);
        take(&mut dam, "pz2", minute, 108.0 + head_per_h * hours);
        take(&mut dam, "weir", minute, 1.0 + per_h * hours);
    }
    dam.items().find(|(id, _)| id.as_str() == "piping-signs").map(|(_, level)| level).expect("the item")
}

#[test]
fn piping_is_rising_turbid_seepage_that_the_pond_does_not_explain() {
    assert_eq!(seeping(0.05, 30.0, 0.0, 0.0), Level::Orange);
    assert_eq!(seeping(0.05, 30.0, 0.0, -0.02), Level::Red, "and the head near it falls");
    assert_eq!(seeping(0.05, 4.0, 0.0, -0.02), Level::Normal, "clear water");
    assert_eq!(seeping(0.05, 30.0, 0.01, 0.0), Level::Normal, "the pond rises too");
    assert_eq!(seeping(0.0, 30.0, 0.0, -0.02), Level::Normal, "no more water than before");
}

#[test]
fn a_movement_towards_failure_is_forecast_and_told_in_the_proof_of_its_item() {
    let mut dam = dam();
    let mut notes = Vec::new();
    let mut proofs = Vec::new();
    // Quiet for a week, then 36 ln(72 / left) mm: the reference's case of failure within 72 hours.
    let failure_min = 10 * DAY;
    for step in 1..(10 * 144 - 36) {
        let left_h = (failure_min - step * 10) as f64 / 60.0;
        let moved = if left_h < 72.0 { 36.0 * (72.0 / left_h).ln() } else { 0.0 };
        // The station's noise, a fixed pattern of a tenth of a millimetre.
        let noise = 0.1 * ((step * 7_919 % 101) as f64 / 50.0 - 1.0);
        for finding in take(&mut dam, "g1", step * 10, 5.0 + moved + noise) {
            match finding {
                Finding::Forecast(found) => notes.push(found.note),
                Finding::Level(level) if level.id.as_str() == "moves" => proofs.push(level.proof),
                Finding::Level(_) | Finding::Computed(_) | Finding::Fault(_) => {}
            }
        }
    }
    assert!(notes.iter().take(24).all(|note| note.code != "FAILURE"), "nothing moves yet");
    assert!(
        notes
            .iter()
            .filter(|note| note.code != "FAILURE")
            .all(|note| note.en.contains("does not mean that the dam is safe"))
    );
    let last = notes.last().expect("noted");
    let truth_us = reading("g1", failure_min, None, Quality::Good).0.at.micros();
    let off_h = last.failure_us.map(|at| (at - truth_us) as f64 / 3.6e9).expect("a failure time");
    assert!(off_h.abs() < 1.0, "{off_h} h off six hours before: {last:?}");
    let told = proofs.iter().flat_map(|proof| &proof.forecasts).any(|note| note.code == "FAILURE");
    assert!(told, "the item's proof carries the forecast");
    assert!(dam.forecasts().next().is_some_and(|note| note.code == "FAILURE"));
}
