//! The dam as sentences: a small pond, its storms and its instruments' bad days.

use super::*;
use crate::Moment;
use crate::dam_file::DamFile;
use crate::proof::{Language, NodeKind, View};
use minewatch_domain::{AlarmTransition, Quality, Reason};
use proptest::prelude::*;

const T0: i64 = 1_790_000_000_000;

pub(super) const POND: &str = r#"
version = "t1"
document = "OMS-1"
[dam]
id = "pond-1"
name = { zh = "一号库", en = "Pond 1" }
kind = "wet"
construction = "upstream"
class = 3
height_m = 62.0
consequence = "high"
owner = "design institute"
[geometry]
crest_m = 125.0
design_flood_level_m = 123.9
beach = [{ slope_percent = 1.5 }]
source = "design report"
[[section]]
id = "a"
name = { zh = "A", en = "A" }
base_m = 95.0
surface = [[-60, 124.1], [0, 125.0], [100, 100.0]]
piezometers = [{ point = "pz1", x_m = -40 }, { point = "pz2", x_m = 40 }]
[[derived]]
point = "beach"
name = { zh = "干滩", en = "Dry beach" }
unit = "m"
formula = { dry_beach = { input = "level" } }
[[derived]]
point = "freeboard"
name = { zh = "超高", en = "Freeboard" }
unit = "m"
formula = { freeboard_now = { input = "level" } }
[[derived]]
point = "burial"
name = { zh = "埋深", en = "Burial depth" }
unit = "m"
formula = { burial_depth = { section = "a" } }
[[item]]
id = "water"
kind = "pond_level"
name = { zh = "库水位", en = "Pond level" }
rule = [{ point = "level", high = { blue = 123.2, yellow = 123.5, orange = 123.8, red = 124.1 }, hysteresis = 0.05, source = "s" }]
[[item]]
id = "dry-beach"
kind = "beach"
name = { zh = "干滩", en = "Dry beach" }
rule = [{ point = "beach", low = { blue = 120, yellow = 100 }, standard = "beach", hysteresis = 2, source = "s" }]
[[item]]
id = "moves"
kind = "surface_displacement"
name = { zh = "位移", en = "Displacement" }
rule = [
  { point = "g1", high = { blue = 8, yellow = 15, orange = 30, red = 50 }, hysteresis = 1, source = "s" },
  { point = "g2", high = { blue = 8, yellow = 15, orange = 30, red = 50 }, hysteresis = 1, source = "s" },
  { point = "g3", high = { blue = 8, yellow = 15, orange = 30, red = 50 }, hysteresis = 1, source = "s" },
  { point = "g4", high = { blue = 8, yellow = 15, orange = 30, red = 50 }, hysteresis = 1, source = "s" },
]
[[item]]
id = "line"
kind = "phreatic"
name = { zh = "浸润线", en = "Phreatic line" }
rule = [{ point = "burial", standard = "phreatic_depth", hysteresis = 0.1 }]
[[hazard]]
id = "hazard-freeboard-beach"
kind = "freeboard_and_beach"
all = [{ point = "freeboard", at_most = 0.7 }, { point = "beach", at_most = 70 }]
source = "GB 39496"
[[tarp]]
level = "orange"
trigger = { zh = "橙", en = "orange" }
owner = { zh = "责任工程师", en = "engineer of record" }
checklist = [{ zh = "降水位", en = "lower the pond" }]
acknowledge_min = 15
check_min = 60
stand_down = { zh = "三日", en = "three days" }
"#;

fn model(extra: &str) -> DamModel {
    let file = DamFile::parse("pond.toml", &format!("{POND}{extra}")).unwrap_or_else(|found| panic!("{found:?}"));
    DamModel::new(Arc::new(Plan::new(file).expect("runs")))
}

pub(super) fn reading(point: &str, minute: i64, value: Option<f64>, quality: Quality) -> (Reading, Moment) {
    let at = At::from_millis(T0 + minute * 60_000);
    let reason = if quality == Quality::Good { Reason::None } else { Reason::Stale };
    let reading = Reading { point: PointId::parse(point).expect("slug"), at, value, quality, reason };
    (reading, Moment::new(at, u64::try_from(minute * 60_000).expect("after the start")))
}

/// Feeds `minute point value` lines; the findings.
fn feed(model: &mut DamModel, lines: &[(i64, &str, f64)]) -> Vec<Finding> {
    let mut out = Vec::new();
    for (minute, point, value) in lines {
        let (reading, now) = reading(point, *minute, Some(*value), Quality::Good);
        assert!(model.step(&reading, now, &mut out), "{point} is in the dam file");
    }
    out
}

fn levels(findings: &[Finding]) -> Vec<String> {
    let level = |finding: &Finding| match finding {
        Finding::Level(found) => Some(format!("{} {}", found.id, found.to.name())),
        Finding::Computed(_) | Finding::Fault(_) | Finding::Forecast(_) => None,
    };
    findings.iter().filter_map(level).collect()
}

fn last_proof(findings: &[Finding], id: &str) -> Proof {
    let of = |finding: &Finding| match finding {
        Finding::Level(found) if found.id.as_str() == id => Some(found.proof.clone()),
        Finding::Level(_) | Finding::Computed(_) | Finding::Fault(_) | Finding::Forecast(_) => None,
    };
    findings.iter().rev().find_map(of).unwrap_or_else(|| panic!("{id} has a proof"))
}

#[test]
fn rising_water_raises_the_point_its_item_and_the_pond_with_their_reasons() {
    let mut pond = model("");
    let found = feed(&mut pond, &[(0, "level", 122.0), (1, "level", 123.3), (2, "level", 123.85)]);
    assert_eq!(
        levels(&found),
        [
            "level blue",
            "beach blue",
            "water blue",
            "dry-beach blue",
            "pond-1 blue",
            "level orange",
            "beach yellow",
            "water orange",
            "dry-beach yellow",
            "pond-1 orange",
        ]
    );
    let proof = last_proof(&found, "pond-1");
    assert_eq!((proof.from, proof.to), (Level::Blue, Level::Orange));
    let water = &proof.root.children[0];
    assert_eq!((water.kind, water.id.as_str(), water.level), (NodeKind::Item, "water", Level::Orange));
    let evidence = water.children[0].evidence.as_ref().expect("what was seen");
    assert_eq!((evidence.value, evidence.limit, evidence.age_ms), (Some(123.85), Some(123.8), 0));
    assert_eq!(proof.actions.len(), 1);
    assert_eq!(proof.actions[0].acknowledge_by_us - proof.at_us, 15 * 60_000_000);
    let text = proof.text(Language::Zh, View::Gb);
    assert!(text.contains("取最不利监测项目的等级：橙色预警"), "{text}");
}

#[test]
fn computed_points_carry_their_inputs_into_the_proof() {
    let mut pond = model("");
    let found = feed(&mut pond, &[(0, "level", 123.3)]);
    let proof = last_proof(&found, "dry-beach");
    let point = &proof.root.children[0];
    assert_eq!(point.id, "beach");
    assert_eq!((point.children[0].kind, point.children[0].id.as_str()), (NodeKind::Input, "level"));
    let computed: Vec<f64> = found
        .iter()
        .filter_map(|f| match f {
            Finding::Computed(reading) if reading.point.as_str() == "beach" => reading.value,
            Finding::Computed(_) | Finding::Level(_) | Finding::Fault(_) | Finding::Forecast(_) => None,
        })
        .collect();
    assert!((computed[0] - 1.7 / 0.015).abs() < 1e-6, "{computed:?}");
}

#[test]
fn five_5_4_counts_points_to_the_item_and_items_to_the_pond() {
    let mut pond = model("");
    let all = |minute, mm: f64| ["g1", "g2", "g3", "g4"].map(|point| (minute, point, mm));
    assert_eq!(levels(&feed(&mut pond, &all(0, 9.0))).last().map(String::as_str), Some("pond-1 yellow"));
    let found = feed(&mut pond, &[(1, "g1", 16.0), (1, "g2", 16.0), (1, "g3", 16.0)]);
    assert_eq!(levels(&found), ["g1 yellow", "g2 yellow", "g3 yellow", "moves orange", "pond-1 orange"]);
    let proof = last_proof(&found, "moves");
    assert_eq!(
        proof.root.clause.as_ref().map(|clause| clause.id.as_str()),
        Some("gb39496-2020-5.5.4/yellow-to-orange")
    );
    assert_eq!(proof.root.children.len(), 4, "the blue point is there too");
    let found = feed(&mut pond, &[(2, "level", 123.85)]);
    assert!(levels(&found).contains(&"pond-1 red".to_owned()), "two orange items are one red: {:?}", levels(&found));
}

#[test]
fn a_major_hazard_makes_the_pond_red_by_itself_and_names_both_conditions() {
    let mut pond = model("");
    let found = feed(&mut pond, &[(0, "level", 124.35)]);
    assert!(levels(&found).contains(&"hazard-freeboard-beach red".to_owned()));
    assert_eq!(pond.pond(), Level::Red);
    let proof = last_proof(&found, "hazard-freeboard-beach");
    assert_eq!(proof.root.children.len(), 2);
    assert_eq!(proof.root.clause.as_ref().map(|clause| clause.id.as_str()), Some("major-hazard/freeboard-and-beach"));
}

#[test]
fn the_standards_default_stands_where_the_designer_gave_no_limit() {
    let mut pond = model("");
    let found = feed(&mut pond, &[(0, "pz1", 118.0), (0, "pz2", 110.7)]);
    let proof = last_proof(&found, "line");
    let point = &proof.root.children[0];
    assert!((point.evidence.as_ref().and_then(|e| e.limit).expect("a limit") - 4.1 * 1.1).abs() < 1e-6, "{point:?}");
    assert_eq!(point.source.as_deref(), Some("GB 51108-2015 8.3.4 commentary"));
}

#[test]
fn a_section_without_its_end_piezometer_says_nothing_rather_than_extrapolate() {
    let mut pond = model("");
    let found = feed(&mut pond, &[(0, "pz1", 118.0)]);
    let bad = found.iter().any(|f| matches!(f, Finding::Computed(r) if r.point.as_str() == "burial" && r.quality == Quality::Bad && r.reason == Reason::InputMissing));
    assert!(bad, "{found:?}");
    assert_eq!(pond.pond(), Level::Normal);
}

#[test]
fn bad_quality_neither_raises_nor_clears_and_the_proof_counts_who_is_unknown() {
    let mut pond = model("");
    let mut out = Vec::new();
    let (red, now) = reading("level", 0, Some(124.5), Quality::Bad);
    pond.step(&red, now, &mut out);
    assert_eq!((levels(&out), pond.pond()), (Vec::new(), Level::Normal));
    feed(&mut pond, &[(1, "level", 124.2)]);
    assert_eq!(pond.pond(), Level::Red);
    for minute in 2..500 {
        let (low, now) = reading("level", minute, Some(120.0), Quality::Bad);
        pond.step(&low, now, &mut out);
    }
    assert_eq!(pond.pond(), Level::Red);
    let proof = pond.explain(Subject::Item, &PointId::parse("water").expect("slug"), At(0)).expect("an item");
    assert_eq!(proof.root.unknown, 1);
    feed(&mut pond, &[(501, "level", 120.0)]);
    assert_eq!(pond.pond(), Level::Normal);
}

#[test]
fn a_level_goes_on_after_a_restart() {
    let mut pond = model("");
    let since = At::from_millis(T0);
    for point in ["g1", "g2", "g3"] {
        pond.restore(Subject::PointValue, &PointId::parse(point).expect("slug"), Level::Yellow, since);
    }
    assert_eq!(pond.pond(), Level::Orange, "three yellow points are orange, as before");
    let found = feed(&mut pond, &[(0, "g1", 1.0)]);
    assert_eq!(levels(&found), ["g1 normal", "moves yellow", "pond-1 yellow"]);
}

#[test]
fn points_of_an_alarmed_item_are_to_be_sampled_faster_those_behind_computed_ones_too() {
    let mut pond = model("");
    assert!(pond.abnormal().is_empty());
    feed(&mut pond, &[(0, "level", 123.6), (0, "pz1", 118.0), (0, "pz2", 110.9)]);
    let fast: Vec<String> = pond.abnormal().iter().map(ToString::to_string).collect();
    assert_eq!(fast, ["level", "pz1", "pz2"]);
}

#[test]
fn a_jump_of_the_reference_station_raises_nothing_and_is_named_within_two_rounds() {
    let group = r#"
[[common_mode]]
id = "gnss"
points = ["g1", "g2", "g3", "g4"]
window_min = 60
step = 5.0
"#;
    let mut pond = model(group);
    let mut found = Vec::new();
    for minute in 0..60 {
        let jump = if minute >= 20 { 60.0 } else { 0.0 };
        for (at, point) in ["g1", "g2", "g3", "g4"].into_iter().enumerate() {
            let (seen, mut now) = reading(point, minute, Some(1.0 + jump), Quality::Good);
            now.mono_ms += at as u64;
            pond.step(&seen, now, &mut found);
        }
    }
    assert_eq!(levels(&found), Vec::<String>::new());
    let named: Vec<_> =
        found.iter().filter_map(|f| if let Finding::Fault(fault) = f { Some(fault) } else { None }).collect();
    assert_eq!(named.len(), 1);
    assert!(named[0].faults.contains(&Fault::CommonMode));
    assert_eq!(named[0].at.millis() - T0, 20 * 60_000, "in the same round");
    let found = feed(
        &mut pond,
        &[(61, "g2", 1.0 + 60.0 + 52.0), (62, "g1", 61.0), (62, "g3", 61.0), (62, "g4", 61.0), (63, "g2", 113.0)],
    );
    assert!(
        levels(&found).contains(&"g2 red".to_owned()),
        "a station that moves alone still warns: {:?}",
        levels(&found)
    );
}

#[test]
fn a_drifting_piezometer_is_named_and_a_manual_reading_that_differs_too() {
    let checks = r#"
[[check]]
point = "pz1"
drift = { against = ["pz2"], window_h = 24, limit = 0.2 }
manual = { point = "pz1.manual", tolerance = 0.1, within_min = 30 }
"#;
    let mut pond = model(checks);
    let mut found = Vec::new();
    for minute in (0..2_880).step_by(30) {
        let common = 0.5 * (minute as f64 / 700.0).sin();
        found.extend(feed(
            &mut pond,
            &[(minute, "pz2", 105.0 + common), (minute, "pz1", 112.0 + common + minute as f64 * 3e-4)],
        ));
    }
    let faults: Vec<String> = found
        .iter()
        .filter_map(|f| if let Finding::Fault(fault) = f { Some(fault.why.clone()) } else { None })
        .collect();
    assert_eq!(faults, ["its data fail: drift"]);
    let found = feed(&mut pond, &[(2_870, "pz1.manual", 112.0), (2_882, "pz1", 112.9)]);
    assert!(matches!(&found[..], [Finding::Fault(fault), ..] if fault.faults.contains(&Fault::Manual)), "{found:?}");
}

#[test]
fn a_proof_of_a_great_field_fits_into_an_alarm() {
    let rules: Vec<String> = (0..3_000)
        .map(|at| format!("{{ point = \"p{at}\", high = {{ blue = 1, yellow = 2 }}, source = \"s\" }}"))
        .collect();
    let item = format!(
        "[[item]]\nid = \"field\"\nkind = \"pore_pressure\"\nname = {{ zh = \"孔压\", en = \"Pore pressure\" }}\nrule = [{}]\n",
        rules.join(",")
    );
    let mut pond = model(&item);
    let mut last = String::new();
    for at in 0..3_000 {
        for finding in feed(&mut pond, &[(at, &format!("p{at}"), 2.5)]) {
            if let Finding::Level(found) = finding {
                last = found.proof.to_json();
                assert!(last.len() <= AlarmTransition::PROOF_BYTES_MAX);
            }
        }
    }
    assert!(!last.is_empty());
}

fn any_sample() -> impl Strategy<Value = (i64, usize, f64, Quality)> {
    let quality = prop_oneof![4 => Just(Quality::Good), 1 => Just(Quality::Uncertain), 1 => Just(Quality::Bad)];
    (0i64..200, 0usize..7, -1.0..1.0f64, quality)
}

/// A sample of one of the pond's points around its limits.
fn sample(of: (i64, usize, f64, Quality)) -> (Reading, Moment) {
    let (minute, point, unit, quality) = of;
    let (name, middle, half) = [
        ("level", 123.4, 1.2),
        ("pz1", 116.0, 5.0),
        ("pz2", 108.0, 5.0),
        ("g1", 20.0, 40.0),
        ("g2", 20.0, 40.0),
        ("g3", 20.0, 40.0),
        ("g4", 20.0, 40.0),
    ][point];
    reading(name, minute, Some(middle + half * unit), quality)
}

proptest! {
    #[test]
    fn order_repetition_and_lateness_do_not_change_the_final_state(
        samples in prop::collection::vec(any_sample(), 1..60), keys in prop::collection::vec(any::<u32>(), 120),
    ) {
        let mut straight: Vec<_> = samples.iter().copied().map(sample).collect();
        straight.sort_by_key(|(reading, now)| (now.mono_ms, reading.point.clone(), reading.quality.pack(reading.reason), reading.value.map(f64::to_bits)));
        straight.dedup_by(|a, b| a == b);
        let mut mixed: Vec<_> = samples.iter().chain(&samples).copied().map(sample).zip(&keys).collect();
        mixed.sort_by_key(|(_, key)| **key);
        let backlog: Vec<(Reading, Moment)> = mixed.iter().map(|(sample, _)| sample.clone()).collect();
        let run = |samples: &mut dyn Iterator<Item = (Reading, Moment)>| {
            let mut late = Late::new(model(""), Late::TAIL_MAX, 0);
            for (reading, now) in samples { late.step(&reading, now, &mut Vec::new()); }
            prop_assert_eq!(late.too_late(), 0);
            Ok(late.model().digest())
        };
        let in_order = run(&mut straight.clone().into_iter())?;
        let out_of_order = run(&mut mixed.into_iter().map(|(sample, _)| sample))?;
        prop_assert_eq!(&in_order, &out_of_order);
        let mut deferring = Late::new(model(""), Late::TAIL_MAX, 60_000);
        for (reading, now) in &backlog { deferring.defer(reading, *now, &mut Vec::new()); }
        deferring.settle(&mut Vec::new());
        prop_assert_eq!(&in_order, &deferring.model().digest(), "a backlog put right at once");
        let mut plain = model("");
        for (reading, now) in &straight { plain.step(reading, *now, &mut Vec::new()); }
        prop_assert_eq!(in_order, plain.digest(), "late handling is not there when nothing is late");
    }

    #[test]
    fn worse_values_never_give_a_lower_level(samples in prop::collection::vec(any_sample(), 1..60), worse in 0.0..2.0f64) {
        let (mut calm, mut bad) = (model(""), model(""));
        let mut ordered = samples;
        ordered.sort_by_key(|(minute, point, _, _)| (*minute, *point));
        for (minute, point, unit, quality) in ordered {
            let (reading, now) = sample((minute, point, unit, quality));
            calm.step(&reading, now, &mut Vec::new());
            let (reading, now) = sample((minute, point, unit + worse, quality));
            bad.step(&reading, now, &mut Vec::new());
            for ((id, calm), (_, bad)) in calm.digest().iter().zip(bad.digest()) {
                prop_assert!(bad >= *calm, "{id}: {bad:?} below {calm:?}");
            }
        }
    }

    #[test]
    fn bad_quality_changes_nothing(samples in prop::collection::vec(any_sample(), 1..60)) {
        let (mut with, mut without) = (model(""), model(""));
        let mut ordered = samples;
        ordered.sort_by_key(|(minute, point, _, _)| (*minute, *point));
        for (minute, point, unit, quality) in ordered {
            let (reading, now) = sample((minute, point, unit, quality));
            if quality != Quality::Bad { without.step(&reading, now, &mut Vec::new()); }
            let before = with.digest();
            with.step(&reading, now, &mut Vec::new());
            if quality == Quality::Bad { prop_assert_eq!(before, with.digest()); }
        }
    }
}
