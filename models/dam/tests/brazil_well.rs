//! The Brazilian borehole of `shared/data/dam`: gaps, barometric efficiency, impossible values. Skipped with a
//! printed reason where the data are not beside the repository.

#![expect(clippy::disallowed_methods, reason = "evaluation data are files")]

use minewatch_dam::derived::barometric::{efficiency_by_clark, efficiency_by_least_squares};
use minewatch_dam::series::{Observation, Series};
use minewatch_dam::validate::Hampel;
use minewatch_domain::{At, PointId, Quality};
use std::path::PathBuf;

const STEP_MS: i64 = 1_800_000;

/// Barometer and level, mH2O, every 30 minutes; `None` when the data are not there.
fn well() -> Option<Vec<(Option<f64>, Option<f64>)>> {
    let file = "data/dam/brazil_well_30min_level_baro_rain_2022_2024.csv";
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared").join(file);
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: {} is not there", path.display());
        return None;
    };
    let number = |cell: Option<&str>| cell.and_then(|cell| cell.trim().parse::<f64>().ok());
    let row = |line: &str| {
        let mut cells = line.split(',').skip(1);
        (number(cells.next()), number(cells.next()))
    };
    Some(text.lines().skip(1).map(row).collect())
}

fn level_series(rows: &[(Option<f64>, Option<f64>)]) -> Series {
    let point = PointId::parse("well.level").expect("slug");
    let seen = |(row, (_, level)): (i64, &(Option<f64>, Option<f64>))| {
        Observation::new(At::from_millis(row * STEP_MS), *level, Quality::Good)
    };
    Series::new(point, (0..).zip(rows).map(seen).collect())
}

#[test]
fn row_3_the_barometric_efficiency_of_the_well_is_as_printed() {
    let Some(rows) = well() else { return };
    assert_eq!(rows.len(), 47_472);
    let pairs = || rows.iter().map(|(barometer, level)| (*level, *barometer));
    let found = efficiency_by_least_squares(pairs()).expect("pairs");
    assert_eq!(found.pairs, 25_855);
    assert!((found.slope - -0.842).abs() <= 0.000_5, "{found:?}");
    let clark = efficiency_by_clark(pairs()).expect("pairs");
    assert!((0.3..1.1).contains(&clark.efficiency()), "the second method agrees in kind: {clark:?}");
}

#[test]
fn the_gaps_of_the_well_are_found_the_start_of_the_record_among_them() {
    let Some(rows) = well() else { return };
    let silences = level_series(&rows).silences(STEP_MS);
    assert_eq!(silences.len(), 29);
    assert_eq!(silences[0].after, None, "the record begins with silence");
    let longest_h = silences.iter().map(|silence| silence.length_ms / 3_600_000).max();
    assert!(longest_h.is_some_and(|hours| (2_731..=2_733).contains(&hours)), "{longest_h:?} h");
}

#[test]
fn planted_impossible_values_are_flagged_and_the_record_itself_is_not_torn_apart() {
    let Some(rows) = well() else { return };
    let series = level_series(&rows);
    let values: Vec<f64> = series.values().map(|(_, value)| value).collect();
    assert!(values.iter().all(|value| *value >= 1.39 - 0.005), "the file itself has no negative level");
    let mut filter = Hampel::new(11, 8.0, 0.02);
    let (mut planted, mut found, mut false_flags) = (0, 0, 0);
    for (index, value) in values.iter().enumerate() {
        let spike = index % 997 == 500;
        let shown = match (spike, index % 2) {
            (false, _) => *value,
            (true, 0) => -0.90,
            (true, _) => value + 3.0,
        };
        let flagged = filter.step(shown).is_some_and(|verdict| verdict.outlier);
        planted += u32::from(spike);
        found += u32::from(spike && flagged);
        false_flags += u32::from(!spike && flagged);
    }
    assert_eq!(found, planted, "every planted value is flagged");
    let share = f64::from(false_flags) / values.len() as f64;
    assert!(share < 0.01, "{false_flags} of {} genuine values flagged", values.len());
}
