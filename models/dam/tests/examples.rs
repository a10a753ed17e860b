//! The shipped example dams at work: with plausible readings every computed point has a value and nothing
//! warns; a storm and a recalibration do what their files say.

#![expect(clippy::disallowed_methods, reason = "shipped files are files")]

use minewatch_dam::Moment;
use minewatch_dam::dam_file::DamFile;
use minewatch_dam::model::{DamModel, Finding, Plan};
use minewatch_domain::{At, Level, PointId, Quality, Reading, Reason};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// 2026-10-01T00:00:00Z, after every calibration of the examples.
const T0_MS: i64 = 1_790_812_800_000;

fn model(name: &str) -> DamModel {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../firmware-configs/sites/dams");
    let text = std::fs::read_to_string(folder.join(name)).expect("the shipped file");
    let file = DamFile::parse(name, &text).unwrap_or_else(|found| panic!("{found:#?}"));
    DamModel::new(Arc::new(Plan::new(file).expect("runs")))
}

/// Feeds every measured point once an hour; computed readings by point, the last of each.
fn run(model: &mut DamModel, hours: i64, value: impl Fn(&str, i64) -> f64) -> BTreeMap<String, Reading> {
    let measured: Vec<PointId> = model.plan().measured().cloned().collect();
    let mut computed = BTreeMap::new();
    let mut out = Vec::new();
    for hour in 0..hours {
        let at = At::from_millis(T0_MS + hour * 3_600_000);
        let now = Moment::new(at, u64::try_from(hour * 3_600_000).expect("forward"));
        for point in &measured {
            let value = Some(value(point.as_str(), hour));
            let reading = Reading { point: point.clone(), at, value, quality: Quality::Good, reason: Reason::None };
            assert!(model.step(&reading, now, &mut out));
        }
    }
    for finding in out {
        if let Finding::Computed(reading) = finding {
            computed.insert(reading.point.to_string(), reading);
        }
    }
    computed
}

/// A quiet day at the wet dam.
fn wet(point: &str, hour: i64) -> f64 {
    let hours = hour as f64;
    match point {
        "pond.level" => 922.2,
        "pz1.digits" => 8_906.5 - 7_500.0,
        "pz2.digits" => 8_906.5 - 6_000.0,
        "pz3.digits" => 8_906.5 - 3_000.0,
        "met.pressure" => 912.0,
        "weir.head" => 0.112,
        "weir.turbidity" => 5.0,
        "rain.total" => 100.0 + 0.01 * hours,
        "g1.north" => 3.0 + 0.004 * hours,
        "g1.east" => 4.0,
        "g1.up" => -2.0,
        "pz2.manual" => 889.445,
        other if other.ends_with(".temperature") => 12.5,
        _ => 0.0,
    }
}

#[test]
fn every_computed_point_of_the_wet_dam_has_a_value_and_a_quiet_week_warns_of_nothing() {
    let mut dam = model("wet-upstream.toml");
    let computed = run(&mut dam, 9 * 24, wet);
    let expected = dam.plan().file().derived.len();
    assert_eq!(computed.len(), expected, "{:?}", computed.keys().collect::<Vec<_>>());
    for reading in computed.values() {
        assert_eq!(reading.quality, Quality::Good, "{reading:?}");
    }
    let value = |point: &str| computed[point].value.expect("a value");
    assert!((value("weir.flow") - 4.409_52).abs() < 5e-6, "10 cm over the notch, row 4");
    assert!((value("pond.beach") - (925.0 - 922.2) / 0.015).abs() < 1e-6);
    assert!((value("g1.rate") - 0.096 * 0.6).abs() < 0.02, "3-4-5: {}", value("g1.rate"));
    let standing: Vec<_> = dam.digest().into_iter().filter(|(_, level)| *level != Level::Normal).collect();
    assert_eq!(standing, Vec::new());
}

#[test]
fn a_flood_at_the_wet_dam_is_a_major_hazard_and_red() {
    let mut dam = model("wet-upstream.toml");
    run(&mut dam, 3, |point, hour| if point == "pond.level" { 922.2 + hour as f64 } else { wet(point, hour) });
    assert_eq!(dam.pond(), Level::Red);
    let on: Vec<String> = dam.hazards().filter(|(_, on)| *on).map(|(id, _)| id.to_string()).collect();
    assert_eq!(on, ["hazard-freeboard-beach"]);
}

#[test]
fn a_recalibration_changes_the_answer_from_its_effective_day_and_the_old_answer_stays_provable() {
    let answer = |known: Option<i64>| {
        let dam = model("wet-upstream.toml");
        let mut dam = match known {
            Some(ms) => dam.known_at(At::from_millis(ms)),
            None => dam,
        };
        run(&mut dam, 2, wet)["pz2.pressure"].value.expect("a value")
    };
    let terms = |g: f64| g * 6_000.0 - 0.04 * (12.5 - 20.0) - (91.2 - 91.2);
    // 2026-09-01: the recalibration of 2026-09-15 was not known.
    assert!((answer(Some(1_788_220_800_000)) - terms(0.02987)).abs() < 1e-9);
    assert!((answer(None) - terms(0.02928)).abs() < 1e-9);
}

#[test]
fn the_dry_stack_counts_narrowly_and_its_line_is_judged_by_height() {
    let mut dam = model("dry-stack.toml");
    let quiet = |point: &str, hour: i64| match point {
        "pz1.level" => 1_215.0,
        "pz2.level" => 1_208.0,
        "pz3.level" => 1_201.0,
        "rain.total" => hour as f64 * 0.1,
        "patrol.slide" => 0.0,
        _ => 5.0,
    };
    let computed = run(&mut dam, 5 * 24, quiet);
    assert_eq!(computed.len(), dam.plan().file().derived.len());
    assert_eq!(dam.pond(), Level::Normal);
    run(&mut dam, 2, |point, hour| if point == "pz2.level" { 1_223.2 } else { quiet(point, hour) });
    let line: Vec<_> = dam.items().filter(|(id, _)| id.as_str() == "phreatic").map(|(_, level)| level).collect();
    assert_eq!(line, [Level::Orange], "3.23 m deep between piezometers: below 1.1 times the control depth of 3 m");
}
