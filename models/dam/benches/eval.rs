//! The dam model at 10,000 points and 1 Hz: share of one core, by the time of one thread. 6,002 measured
//! points (the digits of 2,000 piezometers, their temperature and barometer, 4,000 others) and 4,000 computed
//! (pore pressure and level of each piezometer); 6,000 rules in 60 items, every eighth with a rate, and data
//! validation of 2,000 points. Values wander across their limits, so that levels and proofs are made.
//! Prints one JSON line: `{"name", "core_percent", "points", "levels"}`.

#![expect(clippy::disallowed_methods, reason = "a bench reads a clock; the model does not")]

use minewatch_dam::Moment;
use minewatch_dam::dam_file::DamFile;
use minewatch_dam::model::{DamModel, Finding, Plan};
use minewatch_domain::{At, PointId, Quality, Reading, Reason};
use std::fmt::Write;
use std::sync::Arc;
use std::time::Instant;

/// Vibrating-wire piezometers: each two computed points.
const WIRES: usize = 2_000;
/// Points measured in their own unit.
const OTHERS: usize = 4_000;
/// Rules per item.
const PER_ITEM: usize = 100;
/// Simulated seconds.
const SECONDS: u64 = 120;

const HEAD: &str = r#"
version = "bench"
document = "bench"
[dam]
id = "bench"
name = { zh = "基准", en = "bench" }
kind = "wet"
construction = "upstream"
class = 3
height_m = 62.0
consequence = "high"
owner = "bench"
[geometry]
crest_m = 125.0
source = "bench"
"#;

fn dam_file() -> Result<String, std::fmt::Error> {
    let mut text = HEAD.to_owned();
    for n in 0..WIRES {
        for (instrument, values) in [
            (
                format!("w{n}"),
                "{ vw = { g_kpa_per_digit = 0.03, r0_digits = 8900, k_kpa_per_c = -0.04, t0_c = 20, s0_kpa = 100, vented = false } }",
            ),
            (format!("t{n}"), "{ tip = { tip_m = 100 } }"),
        ] {
            writeln!(
                text,
                "[[calibration]]\ninstrument = \"{instrument}\"\nversion = 1\nrecorded = \"2026-01-01T00:00:00Z\"\n\
                 effective_from = \"2026-01-01T00:00:00Z\"\nby = \"b\"\nsource = \"b\"\nvalues = {values}"
            )?;
        }
        let name = "{ zh = \"渗压\", en = \"pore pressure\" }";
        writeln!(
            text,
            "[[derived]]\npoint = \"w{n}.kpa\"\nname = {name}\nunit = \"kPa\"\nformula = {{ vw_pressure = {{ input = \
             \"w{n}.digits\", temperature = \"w0.temperature\", barometer = \"met.baro\", calibration = \"w{n}\" }} }}\n\
             [[derived]]\npoint = \"w{n}.head\"\nname = {name}\nunit = \"m\"\nformula = {{ piezometric_level = {{ input = \
             \"w{n}.kpa\", calibration = \"t{n}\" }} }}"
        )?;
    }
    let rules: Vec<String> =
        (0..WIRES).map(|n| format!("w{n}.head")).chain((0..OTHERS).map(|n| format!("p{n}"))).collect();
    for (item, points) in rules.chunks(PER_ITEM).enumerate() {
        writeln!(
            text,
            "[[item]]\nid = \"item-{item}\"\nkind = \"other\"\nname = {{ zh = \"项\", en = \"item\" }}\nrule = ["
        )?;
        for (at, point) in points.iter().enumerate() {
            let rate = if at % 8 == 0 { ", rising_per_h = { orange = 50 }, rate_window_min = 60" } else { "" };
            writeln!(
                text,
                "{{ point = \"{point}\", high = {{ blue = 102.9, yellow = 103.5, orange = 104, red = 105 }}, \
                 hysteresis = 0.01, off_delay_s = 10, source = \"b\"{rate} }},"
            )?;
        }
        writeln!(text, "]")?;
    }
    for n in 0..OTHERS / 2 {
        writeln!(
            text,
            "[[check]]\npoint = \"p{n}\"\nrange = [0, 200]\nstep_per_h = 100\nstill = {{ hours = 6 }}\n\
             hampel = {{ window = 7, resolution = 0.01 }}"
        )?;
    }
    Ok(text)
}

/// What a point shows: slow waves of its own phase.
fn value(number: usize, second: u64, digits: bool) -> f64 {
    let wave = ((second as f64) * 0.02 + number as f64 * 0.37).sin();
    if digits { 8_000.0 - 10.0 * wave } else { 102.5 + 0.5 * wave }
}

fn main() -> anyhow::Result<()> {
    let file = DamFile::parse("bench.toml", &dam_file()?).map_err(|found| anyhow::anyhow!("{:?}", found.first()))?;
    let plan = Arc::new(Plan::new(file).map_err(|found| anyhow::anyhow!("{found:?}"))?);
    let id = |text: String| PointId::parse(&text);
    let mut measured: Vec<(PointId, bool)> = Vec::new();
    for n in 0..WIRES {
        measured.push((id(format!("w{n}.digits"))?, true));
    }
    for n in 0..OTHERS {
        measured.push((id(format!("p{n}"))?, false));
    }
    let shared = [(id("w0.temperature".into())?, 12.0), (id("met.baro".into())?, 1_000.0)];
    let numbers: Vec<Option<usize>> = measured.iter().map(|(point, _)| plan.number(point)).collect();
    let mut model = DamModel::new(Arc::clone(&plan));
    let mut out = Vec::new();
    let (mut samples, mut levels, mut computed) = (0u64, 0u64, 0u64);
    let mut spent = std::time::Duration::ZERO;
    for second in 0..SECONDS {
        let at = At::from_millis(1_790_000_000_000 + second as i64 * 1_000);
        let now = Moment::new(at, second * 1_000);
        let reading = |point: &PointId, value| Reading {
            point: point.clone(),
            at,
            value: Some(value),
            quality: Quality::Good,
            reason: Reason::None,
        };
        let batch: Vec<(Option<usize>, Reading)> = measured
            .iter()
            .zip(&numbers)
            .enumerate()
            .map(|(n, ((point, digits), number))| (*number, reading(point, value(n, second, *digits))))
            .collect();
        let began = Instant::now();
        for (point, value) in &shared {
            model.step(&reading(point, *value), now, &mut out);
        }
        for (number, reading) in &batch {
            if let Some(number) = number {
                model.step_numbered(*number, reading, now, &mut out);
            }
        }
        spent += began.elapsed();
        samples += batch.len() as u64 + 2;
        for finding in out.drain(..) {
            match finding {
                Finding::Computed(_) => computed += 1,
                Finding::Level(_) => levels += 1,
                Finding::Fault(_) | Finding::Forecast(_) => {}
            }
        }
    }
    anyhow::ensure!(levels > 0 && computed == SECONDS * 2 * WIRES as u64, "{levels} levels, {computed} computed");
    let percent = spent.as_secs_f64() / SECONDS as f64 * 100.0;
    let evaluated = (samples + computed) / SECONDS;
    println!(
        "{}",
        serde_json::json!({ "name": "dam_eval", "core_percent": percent, "points": evaluated, "levels": levels })
    );
    Ok(())
}
