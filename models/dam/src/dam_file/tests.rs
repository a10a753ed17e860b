//! The dam file as sentences over small files.

use super::*;

const SMALL: &str = r#"
version = "2026-11"
document = "OMS-1"

[dam]
id = "pond-1"
name = { zh = "一号库", en = "Pond 1" }
kind = "wet"
construction = "upstream"
class = 3
height_m = 62.0
storage_1e4_m3 = 1500
consequence = "high"
owner = "design institute"

[geometry]
crest_m = 125.0
design_flood_level_m = 123.9
beach = [{ slope_percent = 1.5 }]
source = "design report 4.2"

[[section]]
id = "a"
name = { zh = "A", en = "A" }
base_m = 95.0
surface = [[-60, 124.1], [0, 125.0], [100, 100.0]]
piezometers = [{ point = "pz1.level", x_m = -40 }, { point = "pz2.level", x_m = 40 }]

[[calibration]]
instrument = "pz1"
version = 1
recorded = "2026-01-10T08:00:00+08:00"
effective_from = "2026-01-01T00:00:00+08:00"
by = "laboratory"
source = "certificate 17"
values = { vw = { g_kpa_per_digit = 0.03012, r0_digits = 8906.5, k_kpa_per_c = -0.04, t0_c = 20, s0_kpa = 100.32, vented = false } }

[[derived]]
point = "pz1.pressure"
name = { zh = "孔压", en = "Pore pressure" }
unit = "kPa"
formula = { vw_pressure = { input = "pz1.digits", temperature = "pz1.temp", barometer = "met.baro", calibration = "pz1" } }

[[derived]]
point = "a.burial"
name = { zh = "埋深", en = "Burial depth" }
unit = "m"
formula = { burial_depth = { section = "a" } }

[[item]]
id = "phreatic"
kind = "phreatic"
name = { zh = "浸润线", en = "Phreatic line" }
rule = [{ point = "a.burial", standard = "phreatic_depth", hysteresis = 0.1 }]

[[hazard]]
id = "hazard-phreatic"
kind = "phreatic_depth"
all = [{ point = "a.burial", at_most = 4.0 }]
source = "design report 5.1"

[[tarp]]
level = "orange"
trigger = { zh = "橙色", en = "orange" }
owner = { zh = "责任人", en = "engineer of record" }
checklist = [{ zh = "降水位", en = "lower the pond" }]
acknowledge_min = 15
check_min = 60
stand_down = { zh = "三日低于黄色", en = "three days below yellow" }
"#;

/// Problems of the small file after one replacement; each must hold its words.
fn check(from: &str, to: &str, expect: &[&str]) {
    assert!(SMALL.contains(from), "{from:?} is not in the file");
    let found = DamFile::parse("dam.toml", &SMALL.replacen(from, to, 1)).map_or_else(|found| found, |_| Vec::new());
    let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(shown.len(), expect.len(), "{shown:?}");
    for words in expect {
        assert!(shown.iter().any(|problem| problem.contains(words)), "{shown:?} should say {words:?}");
    }
}

#[test]
fn a_small_file_is_read() {
    let file = DamFile::parse("dam.toml", SMALL).expect("valid");
    assert_eq!(file.dam.class, 3);
    assert_eq!(file.escalation, Escalation::default());
    assert_eq!(file.calibrations[0].effective_from.0.micros(), 1_767_196_800_000_000);
    assert!(matches!(file.derived[1].formula, Formula::BurialDepth(_)));
}

#[test]
fn mistakes_are_named_with_place_and_reason() {
    check("class = 3", "class = 4", &["make class 3"]);
    check("class = 3", "class = 6", &["must be 1 (一等) to 5", "make class 3"]);
    check("design_flood_level_m = 123.9", "design_flood_level_m = 125.0", &["must be below crest_m (125)"]);
    check("slope_percent = 1.5", "slope_percent = 0", &["slope_percent is 0"]);
    check("owner = \"design institute\"", "owner = \" \"", &["owner is empty"]);
    check("x_m = 40 }", "x_m = 140 }", &["outside the surface"]);
    check("base_m = 95.0", "base_m = 101.0", &["not above base_m"]);
    check("unit = \"kPa\"", "unit = \"m\"", &["the formula gives \"kPa\""]);
    check(", barometer = \"met.baro\"", "", &["the instrument is sealed"]);
    check("calibration = \"pz1\" }", "calibration = \"pz9\" }", &["\"pz9\" has no record"]);
    check("section = \"a\"", "section = \"b\"", &["section b does not exist"]);
    check("at_most = 4.0", "at_most = 4.0, at_least = 1.0", &["give one of"]);
    check("level = \"orange\"", "level = \"normal\"", &["normal needs no"]);
    check("standard = \"phreatic_depth\", ", "", &["no limit is set", "source is missing"]);
    check(
        "\"a.burial\", standard",
        "\"a.burial\", low = { red = 5.0, orange = 4.0 }, source = \"x\", standard",
        &["low.red"],
    );
    check("2026-01-10T08:00:00+08:00", "10 January", &["is not a time such as", "\"pz1\" has no record"]);
}

#[test]
fn mistakes_in_several_tables_and_unknown_keys_are_reported_together() {
    let wrong = SMALL
        .replacen("crest_m = 125.0", "crest_m = 125.0\ncrest = 3", 1)
        .replacen("[[tarp]]", "[[trap]]", 1)
        .replacen("kind = \"phreatic_depth\"", "kind = \"phreatic\"", 1);
    let found = DamFile::parse("dam.toml", &wrong).expect_err("three mistakes");
    let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
    for words in ["crest`", "\"trap\"", "hazard[0] \"hazard-phreatic\""] {
        assert!(shown.iter().any(|problem| problem.contains(words)), "{shown:?} should say {words:?}");
    }
    assert_eq!(DamFile::parse("dam.toml", "a = ").expect_err("no TOML")[0].place, "dam.toml: line 1");
}

#[test]
fn a_computed_point_that_depends_on_itself_is_refused() {
    check(
        "{ burial_depth = { section = \"a\" } }",
        "{ relative = { input = \"pz1.level\", reference = \"a.burial\" } }",
        &["a.burial depends on itself"],
    );
}
